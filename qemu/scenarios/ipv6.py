"""Targets at IPv6 addresses, and how the machine comes to an IPv6 address of its own."""

import re
from errno import EADDRINUSE, EADDRNOTAVAIL

from lab import guest
from lab.dhcp import Dnsmasq
from lab.errors import expect
from lab.machine import Machine
from lab.net import PREFIX6, SERVER6
from lab.scenario import Lab, scenario
from lab.targets import NAME

LOCAL = "rdinit=/linuxrc root=/dev/sda1"
TARGET = f"[{SERVER6}]:{NAME}"
OWN = f"{PREFIX6}:60"
# What the kernel makes of the prefix and the Ethernet address (RFC 4291 appendix A).
SLAAC = f"{PREFIX6}:5054:ff:fe12:3456"


def tgt(lab: Lab) -> None:
    """tgt at the server's IPv6 address."""
    lab.network.ipv6(lab.bridge)
    lab.tgt(lab.tiny_disk(), address=f"[{SERVER6}]")


def router(lab: Lab, *lines: str) -> Dnsmasq:
    """dnsmasq, which advertises itself as a router as `lines` say."""
    configuration = lab.directory / "router.conf"
    configuration.write_text("\n".join(["port=0", f"interface={lab.bridge}", "enable-ra", *lines]) + "\n")
    return lab.dnsmasq(configuration=configuration)


def addresses(machine: Machine) -> str:
    """The addresses of the machine's interface but the link-local one, and its default routes."""
    return machine.check("ip -6 address show dev eth0 scope global; ip -4 address show dev eth0; ip -6 route show default")


@scenario
def ipv6_static(lab: Lab) -> None:
    """A static IPv6 address and its gateway: no DHCP message, and no IPv4 address."""
    tgt(lab)
    client = lab.client(f"{LOCAL} iscsi-if=eth0:[{OWN}]/64:[{SERVER6}] iscsi-target={TARGET} iscsi-lun=1")
    guest.boots(client)
    seen = addresses(client)
    expect(f"inet6 {OWN}/64" in seen, f"{OWN}/64 on eth0", seen)
    expect(f"default via {SERVER6}" in seen, f"a default route by {SERVER6}", seen)
    expect("inet " not in seen, "no IPv4 address", seen)
    status = client.check("cat /proc/iscsi_init")
    expect(f"ipv6-address: {OWN}/64 (static)" in status, "the address in /proc/iscsi_init", status)
    guest.reboots(client)
    expect(not guest.dhcp_messages(lab.capture), "no DHCP message on the wire")
    guest.logged_out(lab.capture)


@scenario
def ipv6_taken_back(lab: Lab) -> None:
    """An IPv6 address that another host has is refused; one that was set goes with the module, and its route."""
    tgt(lab)
    machine = lab.bench()
    target = f"target={TARGET} lun=1"
    before = addresses(machine)
    guest.fails(machine, f"if=eth0:[{SERVER6}]/64 {target}", EADDRINUSE, "eth0: another host has the address", SERVER6)
    expect(addresses(machine) == before, "the addresses as before", addresses(machine))
    guest.succeeds(machine, f"if=eth0:[{OWN}]/64:[{SERVER6}] {target}")
    seen = addresses(machine)
    expect(OWN in seen and f"default via {SERVER6}" in seen, "the address and the route", seen)
    machine.check("rmmod iscsi_init", guest.SHUTDOWN)
    expect(addresses(machine) == before, "the addresses as before", addresses(machine))
    guest.healthy(machine)


@scenario
def ipv6_advertised(lab: Lab) -> None:
    """A target by its IPv6 address and nothing else: the address is the kernel's own, of the prefix that dnsmasq advertises."""
    tgt(lab)
    router(lab, f"dhcp-range={PREFIX6}:,ra-only")
    client = lab.client(f"{LOCAL} iscsi-if=eth0 iscsi-target={TARGET} iscsi-lun=1")
    guest.boots(client)
    seen = addresses(client)
    expect(f"inet6 {SLAAC}/64" in seen, f"{SLAAC}/64 on eth0", seen)
    expect("inet " not in seen, "no IPv4 address", seen)
    status = client.check("cat /proc/iscsi_init")
    expect(f"ipv6-address: {SLAAC}/64 (router-advertised)" in status, "the address in /proc/iscsi_init", status)
    guest.reboots(client)
    expect(not guest.dhcp_messages(lab.capture), "no DHCP message on the wire")


@scenario
def ipv6_both(lab: Lab) -> None:
    """DHCP gives an IPv4 address and a root path with an IPv6 one: the boot waits for an advertised address, too."""
    tgt(lab)
    lab.dnsmasq(f"iscsi:[{SERVER6}]:::1:{NAME}", "enable-ra", f"dhcp-range={PREFIX6}:,ra-only")
    client = lab.client(f"{LOCAL} iscsi-if=eth0")
    guest.boots(client)
    seen = addresses(client)
    expect(f"inet6 {SLAAC}/64" in seen and "inet 192.168.7." in seen, "an address of both kinds", seen)
    status = client.check("cat /proc/iscsi_init")
    expect(f"ipv6-address: {SLAAC}/64" in status and "address: 192.168.7." in status, "both in /proc/iscsi_init", status)
    guest.reboots(client)


@scenario
def ipv6_no_router(lab: Lab) -> None:
    """Nobody advertises a prefix: that is what the line says, and the kernel's own address is not mistaken for one."""
    tgt(lab)
    machine = lab.bench()
    target = f"if=eth0 target={TARGET} lun=1"
    guest.fails(machine, target, EADDRNOTAVAIL, "eth0: no IPv6 address after 40 s: no router has advertised", again=False)
    guest.healthy(machine)


# Addresses of its own choice, of a prefix that leads to the server's.
POOL = f"dhcp-range={PREFIX6}:100,{PREFIX6}:1ff,64,2m"
LEASED = rf"{PREFIX6}:1[0-9a-f]{{2}}/128"


@scenario
def ipv6_dhcp(lab: Lab) -> None:
    """No target is named and no IPv4 server answers: DHCPv6 gives an address, and the disk as a boot file URL (RFC 5970)."""
    tgt(lab)
    router(
        lab,
        POOL,
        f"dhcp-option=option6:bootfile-url,iscsi:[{SERVER6}]:::1:{NAME}",
        f"dhcp-option=option6:dns-server,[{SERVER6}]",
        "dhcp-option=option6:domain-search,lab.example,example",
    )
    client = lab.client(f"{LOCAL} iscsi-if=eth0")
    guest.boots(client)
    seen = addresses(client)
    expect(re.search(f"inet6 {LEASED}", seen) and "inet " not in seen, "an address of the pool alone", seen)
    pnp = client.check("cat /proc/net/pnp")
    expect(pnp == f"#PROTO: DHCP\ndomain lab.example\nnameserver {SERVER6}", "what the server says in /proc/net/pnp", pnp)
    status = client.check("cat /proc/iscsi_init")
    expect(re.search(rf"ipv6-address: {LEASED} \(DHCPv6\)", status), "the address in /proc/iscsi_init", status)
    guest.reboots(client)
    kinds = [row[0] for row in lab.capture.fields("dhcpv6", "dhcpv6.msgtype")]
    expect(kinds == ["1", "2", "3", "7"], "Solicit, Advertise, Request and Reply on the wire", kinds)


@scenario
def ipv6_managed(lab: Lab) -> None:
    """For a target by its IPv6 address DHCPv6 is asked where the router says so, though there is a prefix, too."""
    tgt(lab)
    router(lab, POOL.replace(",64,", ",slaac,64,"))
    machine = lab.bench()
    before = addresses(machine)
    guest.succeeds(machine, f"if=eth0 target={TARGET} lun=1")
    status = machine.check("cat /proc/iscsi_init")
    expect(re.search(rf"ipv6-address: {LEASED} \(DHCPv6\)", status), "the address in /proc/iscsi_init", status)
    machine.check("rmmod iscsi_init", guest.SHUTDOWN)
    seen = addresses(machine)
    expect(not re.search(LEASED, seen), "the address to be gone", f"{seen}\nbefore:\n{before}")
    guest.healthy(machine)


@scenario
def ipv6_silent_server(lab: Lab) -> None:
    """A router that tells of DHCPv6, and a server that answers nobody: a prefix serves after a while, without one it is said."""
    tgt(lab)
    ignore = "dhcp-ignore=tag:!known"
    server = router(lab, POOL.replace(",64,", ",slaac,64,"), ignore)
    machine = lab.bench()
    target = f"if=eth0 target={TARGET} lun=1"
    guest.succeeds(machine, target)
    status = machine.check("cat /proc/iscsi_init")
    expect(f"ipv6-address: {SLAAC}/64 (router-advertised)" in status, "the address in /proc/iscsi_init", status)
    machine.check("rmmod iscsi_init; ip link set eth0 down", guest.SHUTDOWN)
    server.stop()
    router(lab, POOL, ignore)
    guest.fails(machine, target, EADDRNOTAVAIL, "eth0: .*: no DHCPv6 server gave an address", again=False)
    guest.healthy(machine)


@scenario
def ipv6_custody(lab: Lab) -> None:
    """User space removes the static address and sets the device down, and binds its driver again: all of it comes back."""
    tgt(lab)
    machine = lab.bench()
    guest.succeeds(machine, f"if=eth0:[{OWN}]/64:[{SERVER6}] target={TARGET} lun=1")
    read = "dd if=/dev/sda iflag=direct bs=64k count=16 2>/dev/null | sha256sum"
    digest = machine.check(read)
    says = "iscsi_init: eth0"
    for breakage, line in (
        (f"ip -6 address del {OWN}/64 dev eth0", f"{says}: the address {OWN} was removed, and is put back"),
        ("ip link set eth0 down", f"{says} was set down, and is set up again"),
        (
            "cd /sys/bus/virtio/drivers/virtio_net; device=$(ls -d virtio*); echo $device >unbind; echo $device >bind",
            f"{says} is back, as eth0",
        ),
    ):
        machine.check(breakage)
        machine.console.wait(re.escape(line), 60)
        seen = machine.check(read, 300)
        expect(seen == digest, f"the same data after `{breakage}`", seen)
        seen = addresses(machine)
        expect(f"inet6 {OWN}/64" in seen and f"default via {SERVER6}" in seen, "the address and the route", seen)
    # What user space puts elsewhere stays there.
    machine.check("modprobe bridge; brctl addbr br0; ip link set br0 up; ip -6 address flush dev eth0 scope global")
    machine.check(f"brctl addif br0 eth0; ip -6 address add {OWN}/64 dev br0")
    seen = machine.check(read, 300)
    expect(seen == digest, "the same data over a bridge", seen)
    machine.check("sleep 35")
    expect(OWN not in addresses(machine), "no address on the bridge's part", addresses(machine))
    machine.check("rmmod iscsi_init", guest.SHUTDOWN)
    guest.healthy(machine)
