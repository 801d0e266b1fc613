"""Those who compete: each knows how to log in, which disks it then has, and what was negotiated."""

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from . import targets
from .system import kernel_log, modprobe, read, run, wait_for, write

BLOCK = Path("/sys/class/block")
ISCSID = Path("/etc/iscsi/iscsid.conf")


@dataclass
class Contender:
    """One way to a target's LUNs. `port` says which target."""

    name: str
    port: int
    luns: int = 1

    @property
    def target(self) -> str:
        """The target's name."""
        return targets.iqn(self.name)

    def prepare(self) -> None:
        """Does what comes before the time to the first read is taken."""

    def login(self) -> None:
        """Logs in, and returns when the disks are there."""

    def logout(self) -> None:
        """Takes the session down."""

    def disks(self) -> list[str]:
        """The names of the disks, by LUN."""
        raise NotImplementedError

    def keys(self) -> dict[str, str]:
        """What was negotiated."""
        return {}

    def _wait(self) -> None:
        wait_for(f"{self.luns} disks of {self.name}", lambda: len(self.disks()) >= self.luns or None, 0.002 * self.luns)


def devices_of(root: Path) -> list[str]:
    """The disks below a directory of sysfs, by LUN, that are ready to be opened."""
    found = []
    for device in root.glob("target*/*:*:*:*/block/sd*"):
        if (Path("/dev") / device.name).exists():
            found.append((int(device.parent.parent.name.rpartition(":")[2]), device.name))
    return [name for _, name in sorted(found)]


@dataclass
class IscsiInit(Contender):
    """The driver of this project."""

    module: str = ""
    log: list[str] = field(default_factory=list)

    def login(self) -> None:
        before = len(kernel_log())
        run(
            "insmod",
            self.module,
            "if=dummy1:10.9.1.1:255.255.255.0",
            f"target={targets.ADDRESS}:{self.port}:{self.target}",
            "lun=0",
            f"initiator={targets.iqn('initiator-init')}",
        )
        self._wait()
        self.log = kernel_log()[before:]

    def logout(self) -> None:
        run("rmmod", "iscsi_init")

    def disks(self) -> list[str]:
        for host in Path("/sys/class/scsi_host").iterdir():
            if read(host / "proc_name") == "iscsi_init":
                return devices_of(host / "device")
        return []

    def keys(self) -> dict[str, str]:
        line = next((line for line in reversed(self.log) if "iscsi_init: logged in to" in line), "")
        return dict(re.findall(r"(\w+)=(\S+)", line))


# What the session's attributes in sysfs are called by the RFC.
SESSION_KEYS = {
    "initial_r2t": "InitialR2T",
    "immediate_data": "ImmediateData",
    "first_burst_len": "FirstBurstLength",
    "max_burst_len": "MaxBurstLength",
    "max_outstanding_r2t": "MaxOutstandingR2T",
    "erl": "ErrorRecoveryLevel",
}
CONNECTION_KEYS = {
    "header_digest": "HeaderDigest",
    "data_digest": "DataDigest",
    "max_recv_dlength": "MaxRecvDataSegmentLength",
    "max_xmit_dlength": "MaxXmitDataSegmentLength",
}


def configure_iscsid(depth: int, digests: bool) -> None:
    """Debian's settings of open-iscsi but for the queue depth and, when wanted, the digests."""
    settings = {
        "iscsid.startup": "/bin/true",
        "node.session.cmds_max": str(max(128, 2 * depth)),
        "node.session.queue_depth": str(depth),
    }
    if digests:
        settings |= {f"node.conn[0].iscsi.{key}": "CRC32C,None" for key in ("HeaderDigest", "DataDigest")}
    kept = [line for line in ISCSID.read_text().split("\n") if line.partition("=")[0].strip() not in settings]
    ISCSID.write_text("\n".join(kept + [f"{key} = {value}" for key, value in settings.items()]) + "\n")
    Path("/etc/iscsi/initiatorname.iscsi").write_text(f"InitiatorName={targets.iqn('initiator-tcp')}\n")
    Path("/run/lock/iscsi").mkdir(parents=True, exist_ok=True)


def start_iscsid() -> None:
    """The daemon of open-iscsi, unless it runs."""
    modprobe("sd_mod", "iscsi_tcp")
    if not Path("/run/iscsid.pid").exists():
        run("iscsid")
        wait_for("iscsid", lambda: "ISCSIADM_ABSTRACT_NAMESPACE" in read(Path("/proc/net/unix")) or None)


@dataclass
class IscsiTcp(Contender):
    """The kernel's own initiator, with open-iscsi."""

    receive_in_queue: bool = False

    def prepare(self) -> None:
        start_iscsid()
        self._node("-o", "new")

    def forget(self) -> None:
        """Stops the daemon and unloads the modules."""
        run("iscsiadm", "-k", "0")
        wait_for("end of iscsid", lambda: subprocess.run(("modprobe", "-r", "iscsi_tcp")).returncode == 0 or None, 0.1)

    def start_at_boot(self) -> None:
        """Logs in as an initramfs does, with no daemon and the modules not loaded yet."""
        run("modprobe", "iscsi_tcp")
        initiator = targets.iqn("initiator-tcp")
        run(*("iscsistart", "-i", initiator, "-t", self.target, "-g", "1", "-a", targets.ADDRESS, "-p", str(self.port)))
        self._wait()

    def _node(self, *words: str) -> None:
        run("iscsiadm", "-m", "node", "-T", self.target, "-p", f"{targets.ADDRESS}:{self.port}", *words)

    def login(self) -> None:
        # Read when the connection is bound.
        write(Path("/sys/module/iscsi_tcp/parameters/recv_from_iscsi_q"), int(self.receive_in_queue))
        self._node("--login")
        self._wait()

    def logout(self) -> None:
        self._node("--logout")

    def _session(self) -> Path | None:
        for session in Path("/sys/class/iscsi_session").glob("session*"):
            try:
                if read(session / "targetname") == self.target:
                    return session
            except OSError:
                continue
        return None

    def disks(self) -> list[str]:
        session = self._session()
        return devices_of(session / "device") if session else []

    def keys(self) -> dict[str, str]:
        session = self._session()
        if not session:
            return {}
        connection = Path("/sys/class/iscsi_connection") / session.name.replace("session", "connection")
        connection = connection.with_name(connection.name + ":0")
        values = {name: read(session / attribute) for attribute, name in SESSION_KEYS.items()}
        values |= {name: read(connection / attribute) for attribute, name in CONNECTION_KEYS.items()}
        words = {"InitialR2T": ("No", "Yes"), "ImmediateData": ("No", "Yes")}
        words |= {name: ("None", "CRC32C") for name in ("HeaderDigest", "DataDigest")}
        return {name: words[name][int(value)] if name in words else value for name, value in values.items()}


@dataclass
class Nvme(Contender):
    """nvme-tcp, the rival of another protocol."""

    depth: int = 128

    def prepare(self) -> None:
        modprobe("nvme_tcp")

    def login(self) -> None:
        run(
            *("nvme", "connect", "--transport=tcp", f"--traddr={targets.ADDRESS}", f"--trsvcid={self.port}"),
            *(f"--nqn={targets.NQN}", f"--queue-size={self.depth}", "--hostnqn=nqn.2004-01.net.example:host"),
        )
        self._wait()

    def logout(self) -> None:
        run("nvme", "disconnect", f"--nqn={targets.NQN}")

    def disks(self) -> list[str]:
        return sorted(disk.name for disk in BLOCK.glob("nvme*n*") if (Path("/dev") / disk.name).exists())

    def keys(self) -> dict[str, str]:
        controller = next(iter(Path("/sys/class/nvme").iterdir()))
        return {name: read(controller / name) for name in ("queue_count", "sqsize") if (controller / name).exists()}


@dataclass
class ScsiDebug(Contender):
    """The SCSI mid-layer alone: a disk that answers at once and moves no data."""

    mib: int = 64

    def login(self) -> None:
        run("modprobe", "scsi_debug", "fake_rw=1", "delay=0", f"dev_size_mb={self.mib}", "max_queue=128")
        self._wait()

    def logout(self) -> None:
        run("rmmod", "scsi_debug")

    def disks(self) -> list[str]:
        for host in Path("/sys/class/scsi_host").iterdir():
            if read(host / "proc_name") == "scsi_debug":
                return devices_of(host / "device")
        return []


def _takes(path: Path, value: str) -> bool | None:
    # The disk is there before its queue is.
    try:
        path.write_text(value)
    except FileNotFoundError:
        return None
    return True


def set_depth(disk: str, depth: int) -> str:
    """Sets how many commands a SCSI disk may have, and returns how many it then may; nothing for others."""
    path = BLOCK / disk / "device/queue_depth"
    return _set(path, depth) if path.exists() else ""


def _set(path: Path, value: int) -> str:
    try:
        path.write_text(str(value))
    except OSError:
        # What a driver fixes is shown as it is.
        pass
    return read(path)


def equalise(disks: Sequence[str], depth: int, scheduler: str) -> dict[str, str]:
    """Gives disks the same limits, and the scheduler unless the kernel's choice is wanted; returns what then holds."""
    seen = {}
    for disk in disks:
        queue = BLOCK / disk / "queue"
        if scheduler != "stock":
            wait_for(f"scheduler of {disk}", lambda path=queue / "scheduler": _takes(path, scheduler))
        for attribute, value in (("nr_requests", depth), ("max_sectors_kb", 1024), ("read_ahead_kb", 128)):
            seen[attribute] = _set(queue / attribute, value)
        if allowed := set_depth(disk, depth):
            seen["queue_depth"] = allowed
        active = re.search(r"\[([\w-]+)\]", read(queue / "scheduler"))
        seen["scheduler"] = active[1] if active else "none"
    return seen
