"""iSCSI targets: tgt in the namespace, LIO in a virtual machine, and a responder for refusals no target can be made to send."""

import os
import signal
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from .errors import Failure
from .machine import Machine
from .net import LIO, SERVER
from .process import Process, run, wait_until

PORT = 3260
# The target name of samples/dnsmasq.conf and samples/dhcpd.conf.
NAME = "iqn.2004-01.net.example:diskless"
INITIATOR = "iqn.2004-01.net.example:client"
# What gives a disk of tgt a name that no other disk has.
IDENTITY = "scsi_id=EXAMPLE-disk-0042,scsi_sn=0042"
# What a name begins with that the driver makes for a machine.
OWN_NAME = "iqn.2004-11.net.sourceforge.iscsi-init"


class Tgt:
    """tgtd, with one target whose LUNs are files."""

    def __init__(
        self, directory: Path, sockets: Path, luns: dict[int, Path], port: int = PORT, address: str = SERVER, name: str = NAME
    ) -> None:
        self.log = directory / ("tgtd.log" if port == PORT else f"tgtd-{port}.log")
        self.luns = luns
        self.port = port
        self.address = address
        self.name = name
        self.environment = {"TGT_IPC_SOCKET": str(sockets / f"tgtd-{port}")}
        self.setup: list[Sequence[str]] = []
        self.start()

    @property
    def portal(self) -> str:
        return f"{self.address}:{self.port}"

    def start(self) -> None:
        """Starts tgtd with the target, or starts it again as it was."""
        argv = ["tgtd", "-f", "-d", "1", "--iscsi", f"portal={self.address}:{self.port}"]
        Path(f"{self.environment['TGT_IPC_SOCKET']}.0").unlink(missing_ok=True)
        self.daemon = Process("tgtd", argv, self.log, self.environment)
        wait_until(self._answers, "tgtd to take orders", 60)
        # The target's name comes last of all: an initiator that tries again meanwhile must not find half a target.
        self.admin("--mode", "target", "--op", "new", "--targetname", self.name)
        for lun, file in self.luns.items():
            self.admin("--mode", "logicalunit", "--op", "new", "--lun", str(lun), "--backing-store", str(file))
        for order in self.setup:
            self.admin(*order)
        if not any("bind" in order for order in self.setup):
            self.admin("--mode", "target", "--op", "bind", "--initiator-address", "ALL")

    def _answers(self) -> bool:
        if self.daemon.child.poll() is not None:
            raise Failure(f"expected tgtd to run; it ended: {self.daemon.output()}")
        try:
            run("tgtadm", "--lld", "iscsi", "--mode", "sys", "--op", "show", env=self.environment)
        except Failure:
            return False
        return True

    def admin(self, *order: str) -> str:
        """Gives tgtd an order about the target."""
        words = list(order)
        if order[order.index("--mode") + 1] != "account" or "bind" in order:
            words += ["--tid", "1"]
        return self.run("tgtadm", "--lld", "iscsi", *words)

    def run(self, *argv: str) -> str:
        """Runs a program that talks to this tgtd."""
        return run(*argv, env=self.environment)

    def also(self, number: int, name: str, disk: Path) -> None:
        """Adds a further target, until the next start, with a disk as LUN 1."""
        for mode, *order in (
            ("target", "--op", "new", "--targetname", name),
            ("logicalunit", "--op", "new", "--lun", "1", "--backing-store", str(disk)),
            ("target", "--op", "bind", "--initiator-address", "ALL"),
        ):
            self.run("tgtadm", "--lld", "iscsi", "--mode", mode, "--tid", str(number), *order)

    def configure(self, *order: str) -> None:
        """Gives tgtd an order that also holds after the next start."""
        self.setup.append(order)
        self.admin(*order)

    def named(self, identity: str = IDENTITY, lun: int = 1) -> "Tgt":
        """The same, its disk called so."""
        self.configure("--mode", "logicalunit", "--op", "update", "--lun", str(lun), "--params", identity)
        return self

    def joined(self, lun: int, disk: Path) -> "Tgt":
        """The same with one more LUN."""
        self.configure("--mode", "logicalunit", "--op", "new", "--lun", str(lun), "--backing-store", str(disk))
        return self

    def stop(self) -> None:
        """Ends tgtd as a crash would: by its process id, without a farewell to anyone."""
        self.daemon.stop(signal.SIGKILL)

    def crash(self) -> None:
        """The same once commands are under way."""
        self.freeze()
        # Recv-Q: what the kernel has for tgtd.
        unread = ["ss", "--no-header", "--tcp", "--numeric", "state", "established", "sport", "=", f":{self.port}"]
        wait_until(lambda: any(int(line.split()[0]) for line in run(*unread).splitlines()), "something of the initiator's", 60)
        self.stop()

    def freeze(self) -> None:
        """Has tgtd do nothing any more, with its connections open, until `thaw`."""
        self.daemon.child.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Has it go on."""
        self.daemon.child.send_signal(signal.SIGCONT)

    def shut_down(self) -> None:
        """Ends tgtd as Debian's tgt.service does it: its target says that it goes, and is taken away with its sessions."""
        self.run("tgtadm", "--op", "update", "--mode", "sys", "--name", "State", "-v", "offline")
        self.run("tgt-admin", "--offline", "ALL")
        self.run("tgt-admin", "--update", "ALL", "-c", "/dev/null", "-f")
        self.run("tgtadm", "--op", "delete", "--mode", "system")
        wait_until(lambda: self.daemon.child.poll() is not None, "tgtd to end", 60)

    def connections(self) -> int:
        """How many initiators are logged in."""
        shown = run("tgtadm", "--lld", "iscsi", "--mode", "target", "--op", "show", env=self.environment)
        return shown.count("I_T nexus:")


class Lio:
    """LIO in a virtual machine; its LUNs are that machine's disks, which are files here; `mapped`: by device mapper."""

    # The parts of /sys/kernel/config of the target and its one portal group.
    TARGET = f"/sys/kernel/config/target/iscsi/{NAME}"
    GROUP = f"{TARGET}/tpgt_1"
    # What lets any initiator in, to write.
    OPEN = {"authentication": 0, "generate_node_acls": 1, "demo_mode_write_protect": 0}

    def __init__(self, machine: Machine, luns: dict[int, Path], mapped: bool = False) -> None:
        self.machine = machine
        self.luns = luns
        self.address = LIO
        self.port = PORT
        machine.wait_agent()
        lines = [
            "set -e",
            "ip link set lo up",
            f"ip address add {LIO}/24 dev eth0; ip link set eth0 up",
            "mkdir -p /proc && mount -t proc proc /proc",
            "mount -t configfs configfs /sys/kernel/config",
            f"mkdir -p {self.GROUP}",
        ]
        for number, lun in enumerate(luns):
            drive = disk = f"/dev/vd{chr(ord('a') + number)}"
            store = self._store(lun)
            if mapped:
                disk = f"/dev/dm-{number}"
                table = f"0 $(blockdev --getsz {drive}) linear {drive} 0"
                lines.append(f'dmsetup create disk{lun} --noudevsync --table "{table}"')
            lines += [
                f"mkdir -p {store}",
                f"echo udev_path={disk} >{store}/control",
                f"echo {disk} >{store}/udev_path",
                f"echo 1 >{store}/enable",
                self._plug(lun),
            ]
        lines += [
            *(self._set(name, value) for name, value in self.OPEN.items()),
            f"mkdir -p {self.GROUP}/np/{LIO}:{PORT}",
            f"echo 1 >{self.GROUP}/enable",
        ]
        machine.check("\n".join(lines))

    def _set(self, attribute: str, value: int) -> str:
        return f"echo {value} >{self.GROUP}/attrib/{attribute}"

    @property
    def portal(self) -> str:
        return f"{self.address}:{self.port}"

    def attribute(self, attribute: str, value: int) -> None:
        """Sets an attribute of the portal group."""
        self.machine.check(self._set(attribute, value))

    def authenticate(self, **values: str) -> None:
        """Has every initiator authenticate with CHAP: userid, password, userid_mutual, password_mutual."""
        lines = [f"echo -n {value} >{self.GROUP}/auth/{name}" for name, value in values.items()]
        self.machine.check("\n".join([*lines, self._set("authentication", 1)]))

    def limit(self, key: str, value: int | str) -> None:
        """Sets what the target declares or agrees to for a key."""
        self.machine.check(f"echo {value} >{self.GROUP}/param/{key}")

    def enable(self, enabled: bool) -> None:
        """Takes the portal group into service, or out of it: logins are then answered with 0301."""
        self.machine.check(f"echo {int(enabled)} >{self.GROUP}/enable")

    def second_group(self, portal: str, lun: int) -> str:
        """Adds a portal group at one more portal, which has this LUN, too, and returns its part of /sys/kernel/config."""
        group = f"{self.TARGET}/tpgt_2"
        place = f"{group}/lun/lun_{lun}"
        lines = [f"set -e; mkdir -p {group}/np/{portal} {place}; ln -s {self._store(lun)} {place}/disk{lun}"]
        lines += [f"cat {self.GROUP}/attrib/{name} >{group}/attrib/{name}" for name in self.OPEN]
        self.machine.check("\n".join([*lines, f"echo 1 >{group}/enable"]))
        return group

    def sessions(self) -> int:
        """How many initiators are logged in."""
        return int(self.machine.check(f"cat {self.TARGET}/fabric_statistics/iscsi_instance/sessions"))

    def hold(self, lun: int) -> None:
        """Has the disk behind a LUN, mapped, do nothing any more until it is let go."""
        self.machine.check(f"dmsetup suspend --noudevsync --noflush --nolockfs disk{lun}")

    def let_go(self, lun: int) -> None:
        """Has it do all that it was asked for meanwhile."""
        self.machine.check(f"dmsetup resume --noudevsync disk{lun}")

    def _store(self, lun: int) -> str:
        return f"/sys/kernel/config/target/core/iblock_0/disk{lun}"

    def _serial(self, lun: int, serial: str) -> str:
        return f"echo {serial} >{self._store(lun)}/wwn/vpd_unit_serial"

    def _plug(self, lun: int) -> str:
        return f"mkdir -p {self.GROUP}/lun/lun_{lun}; ln -s {self._store(lun)} {self.GROUP}/lun/lun_{lun}/disk{lun}"

    def unplug(self, lun: int) -> None:
        """Takes a LUN away."""
        self.machine.check(f"rm {self.GROUP}/lun/lun_{lun}/disk{lun}; rmdir {self.GROUP}/lun/lun_{lun}")

    def plug(self, lun: int, serial: str) -> None:
        """Puts a disk with this serial number, hexadecimal digits, behind a LUN that was taken away."""
        self.machine.check(f"{self._serial(lun, serial)} && {self._plug(lun)}")

    def stop(self) -> None:
        """Writes everything to the backing files and switches the machine off."""
        self.machine.send("sync; echo 0 >/proc/sys/kernel/printk; poweroff -f")
        self.machine.wait_end()


class LoginResponder:
    """Answers the first login request of every connection with the status it is given.

    For statuses that tgt and LIO cannot be made to send. `status` is class and detail as RFC 7143 section 11.13.5 has them.
    """

    def __init__(self, address: str = SERVER, port: int = PORT) -> None:
        self.status = 0x0200
        self.text = b""
        self.logins = 0
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listener = socket.create_server((address, port), family=family)
        self.handler: Callable[[socket.socket], None] = self.refuse
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self.listener.accept()
            with connection:
                connection.settimeout(30)
                try:
                    self.handler(connection)
                except OSError:
                    continue

    def refuse(self, connection: socket.socket) -> None:
        """Reads one login request and refuses it."""
        header = _read(connection, 48)
        length = int.from_bytes(header[5:8], "big")
        _read(connection, length + -length % 4)
        self.logins += 1
        (command_number,) = struct.unpack(">I", header[24:28])
        answer = bytearray(48)
        answer[0] = 0x23
        answer[5:8] = len(self.text).to_bytes(3, "big")
        answer[8:14] = header[8:14]
        answer[16:20] = header[16:20]
        # StatSN, ExpCmdSN, MaxCmdSN
        answer[24:36] = struct.pack(">III", 1, command_number, command_number)
        answer[36:38] = self.status.to_bytes(2, "big")
        connection.sendall(bytes(answer) + self.text + b"\0" * (-len(self.text) % 4))
        # The initiator closes; what it may send before does not matter.
        while connection.recv(4096):
            pass

    def close(self, connection: socket.socket) -> None:
        """Takes the connection and closes it without a word."""
        self.logins += 1


def _read(connection: socket.socket, length: int) -> bytes:
    data = b""
    while len(data) < length:
        chunk = connection.recv(length - len(data))
        if not chunk:
            raise ConnectionError(os.strerror(104))
        data += chunk
    return data
