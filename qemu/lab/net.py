"""The scenario's network: bridges, the taps of virtual machines, and further hosts on a bridge."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from .process import run, wait_until

# The lab's addresses are those of samples/dnsmasq.conf and samples/dhcpd.conf, which are used as they are.
PREFIX = "192.168.7"
SERVER = f"{PREFIX}.1"
LIO = f"{PREFIX}.2"
SECOND_SERVER = f"{PREFIX}.3"
# An address of the lab's network that nobody has.
NOBODY = f"{PREFIX}.250"
NETMASK = "255.255.255.0"
# Those of IPv6, where a scenario has it (RFC 4193).
PREFIX6 = "fd00:7:"
SERVER6 = f"{PREFIX6}:1"


@dataclass
class Host:
    """A network namespace with one interface on a bridge: a further computer, without a virtual machine."""

    address: str
    keeper: subprocess.Popen[bytes]

    def command(self, *argv: str | Path) -> list[str]:
        """The command line that runs `argv` on this host."""
        return ["nsenter", "--net", "--target", str(self.keeper.pid), *(str(word) for word in argv)]


class Network:
    """What is on the wire in this namespace. The namespace's end removes it all."""

    def __init__(self) -> None:
        self.taps = 0
        run("ip", "link", "set", "lo", "up")

    def bridge(self, name: str, address: str | None = None) -> str:
        """Makes a bridge, with `address` (a /24) for the servers of this namespace."""
        # Without a forward delay a port passes packets at once.
        run("ip", "link", "add", name, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
        # IPv6 has a part in few scenarios; in the others its neighbour discovery would only be noise in the captures.
        Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
        run("ip", "link", "set", name, "up")
        # A port that is always up: without one the bridge has no carrier once the machines have gone, and sends nothing.
        run("ip", "link", "add", f"{name}-in", "type", "veth", "peer", "name", f"{name}-out")
        run("ip", "link", "set", f"{name}-in", "master", name, "up")
        run("ip", "link", "set", f"{name}-out", "up")
        if address:
            run("ip", "address", "add", f"{address}/24", "dev", name)
        return name

    def ipv6(self, bridge: str, address: str = SERVER6) -> None:
        """Gives a bridge an IPv6 address (a /64), for the servers of this namespace."""
        Path(f"/proc/sys/net/ipv6/conf/{bridge}/disable_ipv6").write_text("0")
        # What sends advertisements does not listen to its own.
        Path(f"/proc/sys/net/ipv6/conf/{bridge}/accept_ra").write_text("0")
        run("ip", "address", "add", f"{address}/64", "dev", bridge, "nodad")

    def answer_strictly(self) -> None:
        """Has each bridge answer for its own addresses alone, as if it were a host of its own."""
        Path("/proc/sys/net/ipv4/conf/all/arp_ignore").write_text("1")

    def tap(self, bridge: str) -> str:
        """Makes a tap device on `bridge` for one interface of a virtual machine."""
        name = f"tap{self.taps}"
        self.taps += 1
        run("ip", "tuntap", "add", "dev", name, "mode", "tap")
        Path(f"/proc/sys/net/ipv6/conf/{name}/disable_ipv6").write_text("1")
        run("ip", "link", "set", name, "master", bridge, "up")
        return name

    def host(self, bridge: str, address: str) -> Host:
        """Puts a further host on `bridge`."""
        keeper = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        host = Host(address, keeper)
        own = Path("/proc/self/ns/net").readlink()
        wait_until(lambda: Path(f"/proc/{keeper.pid}/ns/net").readlink() != own, "the host's namespace", 10)
        port = f"host{address.rpartition('.')[2]}"
        run("ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", str(keeper.pid))
        run("ip", "link", "set", port, "master", bridge, "up")
        run(*host.command("ip", "link", "set", "eth0", "up"))
        run(*host.command("ip", "address", "add", f"{address}/24", "dev", "eth0"))
        return host
