"""Scenarios: how they are declared, and what each is given to work with."""

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from . import images, settings
from .capture import Capture
from .dhcp import Dhcpd, Dhcpd6, Dnsmasq, dhcpd_configuration, dnsmasq_configuration
from .errors import Failure
from .machine import Machine, Nic
from .net import SERVER, Host, Network
from .netboot import Httpd, Tftpd
from .process import Process
from .reports import REPORT
from .targets import NAME, PORT, Lio, LoginResponder, Tgt

MAC = "52:54:00:12:34:56"
SECOND_MAC = "52:54:00:12:34:57"
LIO_MAC = "52:54:00:12:34:02"
SWITCH_MACS = ("52:54:00:12:34:03", "52:54:00:12:34:04")
# The RFC 4173 form of the lab's usual root path: the disk of tgt, whose LUN 0 is its controller.
ROOT_PATH = f"iscsi:{SERVER}:6:3260:1:{NAME}"
# Kernel arguments of a machine that leaves everything but the interface to DHCP.
ALL_FROM_DHCP = "rdinit=/linuxrc root=/dev/sda1 iscsi-if=eth0"
# The line that the small root file system prints when it runs.
BOOTED = rf"tiny: root is /dev/sda1, marker {images.MARKER}"
# What must never come while a boot that should succeed is waited for.
BOOT_FAILED = rf"^.*(linuxrc: BOOT FAILED|{REPORT}).*"


class Lab:
    """One scenario's network, servers and machines; `close` ends them all."""

    def __init__(self, name: str, directory: Path) -> None:
        self.directory = directory
        self.stack = ExitStack()
        # Not in the directory: the path of a socket is limited to 107 bytes.
        self.sockets = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="lab.")))
        self.network = Network()
        self.bridge = self.network.bridge("br0", SERVER)
        self.machines: list[Machine] = []
        self.captures = [Capture(self.bridge, directory / "wire.pcap")]
        self.on_line: Callable[[str], None] | None = None

    @property
    def capture(self) -> Capture:
        """The packets of the first bridge."""
        return self.captures[0]

    # Disks

    def tiny_disk(self) -> Path:
        """A disk with the small root file system, on its first partition."""
        return images.copy(settings.BUILD / "tiny.img", self.directory / "lun.img")

    def debian_disk(self) -> Path:
        """A disk with Debian, on its first partition."""
        return images.copy(settings.USERLAND, self.directory / "lun.img")

    def blank_disk(self, size: int, name: str = "blank.img") -> Path:
        """A disk full of zeros."""
        return images.blank(self.directory / name, size)

    # Servers

    def dnsmasq(self, root_path: str | None = ROOT_PATH, *extra: str, configuration: Path | None = None) -> Dnsmasq:
        """Starts dnsmasq, with `configuration` as it is or with one that gives `root_path`."""
        if not configuration:
            configuration = self.directory / "dnsmasq.conf"
            configuration.write_text(dnsmasq_configuration(root_path, extra))
        return self._server(Dnsmasq(self.directory, configuration))

    def dhcpd6(self, configuration: Path, host: Host) -> Dhcpd6:
        """Starts ISC dhcpd for DHCPv6 on `host`."""
        return self._server(Dhcpd6(self.directory, configuration, host))

    def dhcpd(
        self,
        root_path: str | None = ROOT_PATH,
        *,
        configuration: Path | None = None,
        host: Host | None = None,
        pool: Sequence[str] | None = None,
    ) -> Dhcpd:
        """Starts ISC dhcpd on the first bridge, or on `host`."""
        if not configuration:
            configuration = self.directory / "dhcpd.conf"
            address = host.address if host else SERVER
            text = dhcpd_configuration(root_path, address, pool) if pool else dhcpd_configuration(root_path, address)
            configuration.write_text(text)
        return self._server(Dhcpd(self.directory, configuration, "eth0" if host else self.bridge, host))

    def tftp(self, directory: Path) -> Tftpd:
        """Starts a TFTP server for the files of `directory`."""
        return self._server(Tftpd(directory, self.directory))

    def http(self, directory: Path) -> Httpd:
        """Starts an HTTP server for the files of `directory`."""
        return self._server(Httpd(directory, self.directory))

    def _server[Server: Process](self, server: Server) -> Server:
        self.stack.callback(server.stop)
        return server

    def tgt(self, disk: Path, *, lun: int = 1, address: str = SERVER, port: int = PORT, name: str = NAME) -> Tgt:
        """Starts tgtd with `disk` as a LUN. Its LUN 0 is always the controller, so a disk is 1 or more."""
        target = Tgt(self.directory, self.sockets, {lun: disk}, port, address, name)
        self.stack.callback(lambda: target.stop())
        return target

    def lio(
        self, disk: Path, *, lun: int = 0, others: Mapping[int, Path] | None = None, mapped: bool = False, name: str = "lio"
    ) -> Lio:
        """Starts a machine with a LIO target that has `disk` as a LUN, and others; `mapped`: they can be made to hang."""
        luns = {lun: disk, **(others or {})}
        machine = Machine(
            name,
            self.directory,
            self.sockets,
            kernel=settings.STOCK_KERNEL,
            initrd=images.lio_initrd(self.directory),
            append="rdinit=/test-init",
            nics=[Nic(self.network.tap(self.bridge), LIO_MAC)],
            disks=list(luns.values()),
        )
        self._machine(machine)
        return Lio(machine, luns, mapped)

    def switch(self, trunk: str, number: int) -> Machine:
        """Starts a machine that is a switch: what has the tag of VLAN `number` on the bridge `trunk` has none on the first bridge."""
        # Else the host answers on the trunk for its addresses on the other side.
        self.network.answer_strictly()
        machine = Machine(
            "switch",
            self.directory,
            self.sockets,
            kernel=settings.KERNEL,
            initrd=images.client_initrd(self.directory, {}),
            append="rdinit=/test-init ipv6.disable=1",
            nics=[Nic(self.network.tap(trunk), SWITCH_MACS[0]), Nic(self.network.tap(self.bridge), SWITCH_MACS[1])],
        )
        self._machine(machine)
        machine.wait_agent()
        ports = [f"eth0.{number}", "eth1"]
        lines = [f"vconfig add eth0 {number}", "modprobe bridge", "brctl addbr lan", "echo 0 >/sys/class/net/lan/bridge/forward_delay"]
        lines += [f"brctl addif lan {port}" for port in ports]
        lines += [f"ip link set {device} up" for device in ("eth0", *ports, "lan")]
        machine.check("set -e; modprobe 8021q; " + "; ".join(lines))
        return machine

    def responder(self) -> LoginResponder:
        """Starts the responder that refuses logins, at the address of a tgt target."""
        return LoginResponder()

    # Clients

    def nic(
        self,
        mac: str = MAC,
        *,
        bridge: str | None = None,
        model: str = "virtio-net-pci",
        carrier: bool = True,
        boot: bool = False,
    ) -> Nic:
        """A network interface on the first bridge, or on another."""
        return Nic(self.network.tap(bridge or self.bridge), mac, model, carrier, boot)

    def client(
        self,
        append: str = ALL_FROM_DHCP,
        *,
        nics: Sequence[Nic] | None = None,
        files: Mapping[str, bytes] | None = None,
        conf: Path | None = None,
        initrd: Path | None = None,
        modules: tuple[str, ...] = (),
        cpus: int = 1,
        memory: int = 512,
        firmware: Sequence[str] = (),
        name: str = "client",
    ) -> Machine:
        """Starts a diskless machine with the kernel arguments `append`, and `initrd` or one that has `files`, `conf` or `modules` added.

        `firmware`: arguments of QEMU's with what the machine's firmware is to have left, or with further devices.
        """
        machine = Machine(
            name,
            self.directory,
            self.sockets,
            kernel=settings.KERNEL,
            initrd=initrd or images.client_initrd(self.directory, files or {}, conf, modules),
            append=append,
            nics=[self.nic()] if nics is None else nics,
            cpus=cpus,
            memory=memory,
            firmware=firmware,
            on_line=self.on_line,
        )
        return self._machine(machine)

    def builtin(
        self,
        append: str,
        *,
        nics: Sequence[Nic] | None = None,
        disks: Sequence[Path] = (),
        cpus: int = 1,
        memory: int = 512,
        firmware: Sequence[str] = (),
        name: str = "client",
        debug: bool = False,
    ) -> Machine:
        """Starts a machine whose kernel has the driver built in; it has no initramfs. `debug`: the one that finds mistakes."""
        kernel = settings.BUILT_IN_DEBUG if debug else settings.BUILT_IN
        if not kernel.exists():
            option = " --kasan" if settings.KASAN else " --debug" if debug else ""
            raise Failure(f"expected {kernel}, which scripts/built-in{option} makes")
        machine = Machine(
            name,
            self.directory,
            self.sockets,
            kernel=kernel,
            append=append,
            nics=[self.nic()] if nics is None else nics,
            disks=disks,
            cpus=cpus,
            memory=memory,
            firmware=firmware,
        )
        return self._machine(machine)

    def firmware(self, *nics: Nic) -> Machine:
        """Starts a machine that has only its firmware, which loads what to boot through the interface that is for that."""
        return self._machine(Machine("client", self.directory, self.sockets, kernel=None, nics=nics))

    def bench(
        self,
        append: str = "",
        *,
        nics: Sequence[Nic] | None = None,
        programs: Sequence[str] = (),
        cpus: int = 1,
        memory: int = 512,
        firmware: Sequence[str] = (),
    ) -> Machine:
        """Starts a diskless machine that loads its drivers and then waits for what the test tells it; it has `programs` besides."""
        files = images.programs(*programs)
        machine = self.client(f"rdinit=/test-init {append}", nics=nics, files=files, cpus=cpus, memory=memory, firmware=firmware)
        machine.wait_agent()
        return machine

    def _machine(self, machine: Machine) -> Machine:
        self.machines.append(machine)
        self.stack.callback(machine.kill)
        return machine

    def close(self) -> None:
        """Ends everything that runs."""
        for capture in self.captures:
            self.stack.callback(capture.tcpdump.stop)
        self.stack.close()


@dataclass(frozen=True)
class Scenario:
    """A test of the lab."""

    name: str
    summary: str
    body: Callable[[Lab], None]
    # Left out where all are run: it takes long, and what it proves others prove as well, but for a corner.
    seldom: bool
    # Whether it needs the kernel with KASAN, or is about another one; None: it runs on either.
    kasan: bool | None = None


REGISTRY: dict[str, Scenario] = {}


def scenario(body: Callable[[Lab], None], *, seldom: bool = False) -> Callable[[Lab], None]:
    """Declares a scenario: its name is the function's with hyphens, its summary the first line of the docstring."""
    name = body.__name__.replace("_", "-")
    assert body.__doc__ and name not in REGISTRY
    REGISTRY[name] = Scenario(name, body.__doc__.split("\n")[0], body, seldom)
    return body


def seldom(body: Callable[[Lab], None]) -> Callable[[Lab], None]:
    """The same, of one that does not run in every check."""
    return scenario(body, seldom=True)


def without_kasan(body: Callable[[Lab], None]) -> Callable[[Lab], None]:
    """Says of a scenario, once declared, that it is not for the kernel with KASAN."""
    name = body.__name__.replace("_", "-")
    REGISTRY[name] = replace(REGISTRY[name], kasan=False)
    return body


def with_kasan(body: Callable[[Lab], None]) -> Callable[[Lab], None]:
    """Says of a scenario, once declared, that it needs the module on a kernel that looks for mistakes: that with KASAN alone."""
    name = body.__name__.replace("_", "-")
    REGISTRY[name] = replace(REGISTRY[name], kasan=True)
    return body


def fresh_directory(name: str) -> Path:
    """The scenario's directory for logs, empty."""
    directory = settings.BUILD / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory
