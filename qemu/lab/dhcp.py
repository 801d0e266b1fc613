"""DHCP servers: dnsmasq, ISC dhcpd, and a BOOTP responder."""

import socket
import struct
import threading
from collections.abc import Sequence
from pathlib import Path

from .net import NETMASK, PREFIX, SERVER, Host
from .process import Process

POOL = (f"{PREFIX}.100", f"{PREFIX}.199")


class Dnsmasq(Process):
    """dnsmasq with a configuration file."""

    def __init__(self, directory: Path, configuration: Path) -> None:
        argv = ["dnsmasq", "--keep-in-foreground", "--log-facility=-", "--log-dhcp", "--user=root", "--group=root"]
        argv += [f"--conf-file={configuration}", f"--dhcp-leasefile={directory}/dnsmasq.leases", "--pid-file="]
        # Offers at once, without the seconds of asking the wire whether somebody has the address.
        super().__init__("dnsmasq", [*argv, "--no-ping"], directory / "dnsmasq.log")
        self.wait_output("DHCP(v6)?, (IP|sockets)|router advertisement")


def dnsmasq_configuration(root_path: str | None, extra: Sequence[str] = ()) -> str:
    """A configuration that gives addresses of the pool, and `root_path` as option 17."""
    lines = ["port=0", f"dhcp-range={POOL[0]},{POOL[1]},{NETMASK},1h", f"dhcp-option=option:router,{SERVER}"]
    if root_path is not None:
        lines.append(f'dhcp-option=option:root-path,"{root_path}"')
    return "\n".join([*lines, *extra]) + "\n"


class Dhcpd(Process):
    """ISC dhcpd with a configuration file, on an interface of this namespace or on a further host."""

    def __init__(self, directory: Path, configuration: Path, interface: str, host: Host | None = None) -> None:
        leases = directory / "dhcpd.leases"
        leases.write_text("")
        argv = ["dhcpd", "-4", "-f", "-d", "--no-pid", "-cf", str(configuration), "-lf", str(leases), interface]
        super().__init__("dhcpd", host.command(*argv) if host else argv, directory / "dhcpd.log")
        self.wait_output("Server starting service")


class Dhcpd6(Process):
    """ISC dhcpd for DHCPv6 with a configuration file, on a further host. It begins without a lease each time."""

    def __init__(self, directory: Path, configuration: Path, host: Host) -> None:
        leases = directory / "dhcpd6.leases"
        leases.write_text("")
        argv = ["dhcpd", "-6", "-f", "-d", "--no-pid", "-cf", str(configuration), "-lf", str(leases), "eth0"]
        super().__init__("dhcpd6", host.command(*argv), directory / "dhcpd6.log")
        self.wait_output("Server starting service")


def dhcpd_configuration(root_path: str | None, server: str = SERVER, pool: Sequence[str] = POOL) -> str:
    """A configuration that gives addresses of the pool, and `root_path` as option 17."""
    lines = [
        "authoritative;",
        # Offers at once, without the second of asking the wire whether somebody has the address.
        "ping-check false;",
        f"subnet {PREFIX}.0 netmask {NETMASK} {{",
        f"\trange {pool[0]} {pool[1]};",
        f"\toption routers {server};",
    ]
    if root_path is not None:
        lines.append(f'\toption root-path "{root_path}";')
    return "\n".join([*lines, "}"]) + "\n"


class BootpServer:
    """Answers every request as a server of RFC 951 and RFC 1497 does: an address and options, no message type."""

    MAGIC = bytes((99, 130, 83, 99))

    def __init__(self, interface: str, address: str, root_path: str, extra: bytes = b"") -> None:
        self.address = address
        root = root_path.encode()
        self.options = self.MAGIC + bytes((1, 4)) + socket.inet_aton(NETMASK)
        self.options += bytes((17, len(root))) + root + extra + b"\xff"
        self.requests = 0
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        self.socket.bind(("", 67))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            request = self.socket.recv(2048)
            if len(request) < 240 or request[0] != 1:
                continue
            self.requests += 1
            # op, htype, hlen, hops, xid, secs, flags, ciaddr, yiaddr, siaddr, giaddr, chaddr, sname, file
            answer = bytes((2,)) + request[1:3] + b"\0" + request[4:8] + bytes(2) + request[10:12] + bytes(4)
            answer += socket.inet_aton(self.address) + socket.inet_aton(SERVER) + bytes(4)
            answer += request[28:44] + struct.pack("64s128s", b"", b"") + self.options
            self.socket.sendto(answer.ljust(300, b"\0"), ("255.255.255.255", 68))
