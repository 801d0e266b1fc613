"""Targets at IPv6 addresses, and how the machine comes to an IPv6 address of its own."""

import re
from errno import EADDRINUSE, EADDRNOTAVAIL, EHOSTUNREACH

from lab import guest
from lab.dhcp import Dhcpd6, Dnsmasq
from lab.errors import expect
from lab.machine import Machine
from lab.net import PREFIX6, SERVER, SERVER6, Host
from lab.process import run, wait_until
from lab.scenario import Lab, scenario, seldom
from lab.targets import NAME, LoginResponder

from .custody import Load

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
    """A static IPv6 address and its gateway: no DHCP message, and no IPv4 address; the target redirects to another IPv6 portal."""
    tgt(lab)
    responder = LoginResponder(SERVER6, 3261)
    responder.status = 0x0101
    responder.text = f"TargetAddress=[{SERVER6}]:3260,1\0".encode()
    client = lab.client(f"{LOCAL} iscsi-if=eth0:[{OWN}]/64:[{SERVER6}] iscsi-target=[{SERVER6}]:3261:{NAME} iscsi-lun=1")
    guest.boots(client)
    expect(client.log(rf"has moved from \[{SERVER6}\]:3261 to \[{SERVER6}\]:3260"), "a line about the redirection")
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
    """An IPv6 address that another host has is refused; one that was set goes with the module, and its route. It does not lead to an IPv4 target."""
    tgt(lab)
    machine = lab.bench()
    target = f"target={TARGET} lun=1"
    before = addresses(machine)
    guest.fails(machine, f"if=eth0:[{SERVER6}]/64 {target}", EADDRINUSE, "eth0: another host has the address", SERVER6)
    expect(addresses(machine) == before, "the addresses as before", addresses(machine))
    fallback = f"target=[{SERVER6}]:3999:{NAME}:dead,{SERVER}:{NAME} lun=1"
    guest.fails(machine, f"if=eth0:[{OWN}]/64 {fallback}", EHOSTUNREACH, f"cannot connect to {SERVER}:3260: no IPv4 address of this machine leads there", again=False)
    expect(addresses(machine) == before, "the addresses as before", addresses(machine))
    guest.succeeds(machine, f"if=eth0:[{OWN}]/64:[{SERVER6}] {target}")
    seen = addresses(machine)
    expect(OWN in seen and f"default via {SERVER6}" in seen, "the address and the route", seen)
    machine.check("rmmod iscsi_init", guest.SHUTDOWN)
    expect(addresses(machine) == before, "the addresses as before", addresses(machine))


@scenario
def ipv6_advertised(lab: Lab) -> None:
    """A target by its IPv6 address and nothing else: the address is the kernel's own, of the prefix that dnsmasq advertises, as are name servers."""
    tgt(lab)
    router(
        lab,
        f"dhcp-range={PREFIX6}:,ra-only",
        f"dhcp-option=option6:dns-server,[{SERVER6}],[{PREFIX6}:53]",
        "dhcp-option=option6:domain-search,lab.example,example",
    )
    client = lab.client(f"{LOCAL} iscsi-if=eth0 iscsi-target={TARGET} iscsi-lun=1")
    guest.boots(client)
    seen = addresses(client)
    expect(f"inet6 {SLAAC}/64" in seen, f"{SLAAC}/64 on eth0", seen)
    expect("inet " not in seen, "no IPv4 address", seen)
    pnp = client.check("cat /proc/net/pnp; cat /proc/sys/kernel/domainname")
    expect(pnp == f"#MANUAL\ndomain lab.example\nnameserver {SERVER6}\nnameserver {PREFIX6}:53\nlab.example", "the router's name servers in /proc/net/pnp", pnp)
    status = client.check("cat /proc/iscsi_init")
    expect(f"ipv6-address: {SLAAC}/64 (router-advertised)" in status, "the address in /proc/iscsi_init", status)
    expect(f"setting-dns-servers: {SERVER6} {PREFIX6}:53 (router advertisement)\n" in status, "the name servers in /proc/iscsi_init", status)
    expect("setting-dns-domain: lab.example (router advertisement)\n" in status, "the domain in /proc/iscsi_init", status)
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


def leases(lab: Lab, host: Host, address: str) -> Dhcpd6:
    """ISC dhcpd on a further host, which leases one address for 20 s: T1 comes after 5 s, T2 after 12 s."""
    configuration = lab.directory / "dhcpd6.conf"
    lines = [
        "authoritative;",
        "default-lease-time 20; preferred-lifetime 16;",
        "option dhcp-renewal-time 5; option dhcp-rebinding-time 12;",
        # The same server, whatever it has forgotten.
        'server-duid LL ethernet 02:00:00:00:00:03;',
        f"subnet6 {PREFIX6}:/64 {{ range6 {address} {address}; }}",
    ]
    configuration.write_text("\n".join(lines) + "\n")
    return lab.dhcpd6(configuration, host)


@scenario
def ipv6_lease(lab: Lab) -> None:
    """ISC dhcpd's lease of 20 s is renewed; refused, it is another address; its server gone, it stays in use and is leased again."""
    tgt(lab)
    # Its advertisements tell of a server, which dnsmasq itself is for nobody new.
    advertiser = router(lab, POOL, "dhcp-ignore=tag:!known")
    host = lab.network.host(lab.bridge, "192.168.7.3")
    run(*host.command("ip", "address", "add", f"{PREFIX6}:3/64", "dev", "eth0", "nodad"))
    first, second = f"{PREFIX6}:2:120", f"{PREFIX6}:2:130"
    server = leases(lab, host, first)
    machine = lab.bench()
    guest.succeeds(machine, f"if=eth0 target={TARGET} lun=1")
    # It would renew the lease of any other server.
    advertiser.stop()
    load = Load(lab, machine)

    def says(line: str) -> None:
        machine.console.wait("iscsi_init: " + line, 120)

    start = machine.console.end()
    wait_until(lambda: server.output().count("Renew message from") >= 2, "two renewals", 60)
    expect(not machine.log("iscsi_init: ", start), "not a word while all is well", machine.log("iscsi_init: ", start))
    seen = machine.check("ip -6 -o address show dev eth0 scope global")
    expect(f"inet6 {first}/128" in seen, f"{first} on eth0", seen)
    # To the kernel it lasts for ever, since the disk needs it, but is for new connections as long as the server says.
    lifetimes = re.search(r"valid_lft forever preferred_lft (\d+)sec", seen)
    expect(lifetimes and int(lifetimes[1]) <= 16, "a preferred lifetime of at most 16 s", seen)
    status = machine.check("cat /proc/iscsi_init")
    expect(re.search(rf"ipv6-address: {first}/128 \(DHCPv6\)\nipv6-address-kept-by: iscsi_init\nipv6-lease: ", status), "its state", status)

    server.stop()
    server = leases(lab, host, second)
    says(f"eth0: the lease of {first} is lost: DHCPv6 server fe80::.+ (refuses|takes it back|gives)")
    says(rf"eth0: {second}/128 \(DHCPv6\) from server fe80::.+, in place of {first}")
    says("session with .* lost: this machine's address has changed")
    says("session with .* restored")
    load.goes_on()
    seen = addresses(machine)
    expect(second in seen and first not in seen, "the new address alone", seen)

    server.stop()
    says(f"eth0: the lease of {second} is lost: no DHCPv6 server has renewed it until its end")
    says(f"{second} stays in use, and a lease is looked for: no DHCPv6 server gave an address")
    load.goes_on()
    leases(lab, host, second)
    says(f"eth0: {second} is leased again, from server fe80::")

    # User space may look after it, and leave it.
    machine.check(f"ip -6 address change {second}/128 dev eth0 valid_lft 3600 preferred_lft 3600")
    says(f"eth0: user space looks after the address now, and has {second}/128")
    machine.check(f"ip -6 address del {second}/128 dev eth0")
    says("eth0 has been without an IPv6 address for 10 s; this driver takes care of it again")
    says(f"eth0: the address {second} was removed")
    says(f"eth0: {second} is leased again, from server fe80::")
    load.goes_on()
    load.ends()
    expect(second not in addresses(machine), "no leased address once the module is gone", addresses(machine))
    # RFC 8415 sections 18.2.4 and 18.2.5: a Renew names the server, a Rebind none; both name the address.
    for kind, names_server in (("5", True), ("6", False)):
        rows = lab.capture.fields(f"dhcpv6.msgtype == {kind}", "dhcpv6.duid.bytes", "dhcpv6.iaaddr.ip")
        expect(rows and all(row[1] in (first, second) for row in rows), f"messages of type {kind} about the address", rows)
        expect(all(("," in row[0]) == names_server for row in rows), f"the server named as it should be in type {kind}", rows)


@seldom
def ipv6_lease_taken_over(lab: Lab) -> None:
    """The server of a lease is gone: at T2 dnsmasq renews it, without a word, and from then on at its own T1, of about a minute."""
    tgt(lab)
    taker = router(lab, POOL, "dhcp-ignore=tag:!known")
    host = lab.network.host(lab.bridge, "192.168.7.3")
    run(*host.command("ip", "address", "add", f"{PREFIX6}:3/64", "dev", "eth0", "nodad"))
    address = f"{PREFIX6}:2:120"
    server = leases(lab, host, address)
    machine = lab.bench()
    guest.succeeds(machine, f"if=eth0 target={TARGET} lun=1")
    start = machine.console.end()
    server.stop()
    wait_until(lambda: "DHCPREBIND" in taker.output(), "dnsmasq to be asked", 60)
    begin = len(taker.output())
    wait_until(lambda: "DHCPREPLY" in taker.output()[begin:].partition("DHCPRENEW")[2], "dnsmasq to renew it again", 180)
    expect(not machine.log("iscsi_init: ", start), "not a word while all is well", machine.log("iscsi_init: ", start))
    expect(f"inet6 {address}/128" in addresses(machine), "the address as before", addresses(machine))
    machine.check("rmmod iscsi_init", guest.SHUTDOWN)


@scenario
def ipv6_stateless(lab: Lab) -> None:
    """The router advertises a prefix and says that DHCPv6 knows the rest (the O flag): the disk and the name servers come from there."""
    tgt(lab)
    router(
        lab,
        f"dhcp-range={PREFIX6}:,ra-stateless,64",
        f"dhcp-option=option6:bootfile-url,iscsi:[{SERVER6}]:::1:{NAME}",
        f"dhcp-option=option6:dns-server,[{SERVER6}]",
        "dhcp-option=option6:domain-search,lab.example,example",
    )
    client = lab.client(f"{LOCAL} iscsi-if=eth0")
    guest.boots(client)
    seen = addresses(client)
    expect(f"inet6 {SLAAC}/64" in seen and "inet " not in seen, f"{SLAAC}/64 alone on eth0", seen)
    pnp = client.check("cat /proc/net/pnp")
    expect(pnp == f"#PROTO: DHCP\ndomain lab.example\nnameserver {SERVER6}", "what the server says in /proc/net/pnp", pnp)
    status = client.check("cat /proc/iscsi_init")
    expect(f"ipv6-address: {SLAAC}/64 (router-advertised)\nipv6-address-kept-by: kernel" in status, "the address in /proc/iscsi_init", status)
    # The router advertises them as well.
    expect(f"setting-dns-servers: {SERVER6} (DHCPv6 option 23)\n" in status, "the name server in /proc/iscsi_init", status)
    guest.reboots(client)
    kinds = [row[0] for row in lab.capture.fields("dhcpv6", "dhcpv6.msgtype")]
    expect(kinds == ["11", "7"], "Information-Request and Reply alone on the wire", kinds)


@scenario
def ipv6_custody(lab: Lab) -> None:
    """User space removes the static address and sets the device down, and binds its driver again: all of it comes back."""
    tgt(lab)
    machine = lab.bench()
    guest.succeeds(machine, f"if=eth0:[{OWN}]/64:[{SERVER6}] target={TARGET} lun=1")
    load = Load(lab, machine)
    says = "iscsi_init: eth0"
    for breakage, line in (
        (f"ip -6 address del {OWN}/64 dev eth0", f"{says}: the address {OWN} was removed, and is put back"),
        ("ip link set eth0 down", f"{says} was set down, and is set up again"),
        (f"ip -6 route delete {PREFIX6}:/64 dev eth0", f"{says}: the route to its own network {PREFIX6}:/64 was removed .by .*, and is put back"),
        (
            "cd /sys/bus/virtio/drivers/virtio_net; device=$(ls -d virtio*); echo $device >unbind; echo $device >bind",
            f"{says} is back, as eth0",
        ),
    ):
        machine.check(breakage)
        machine.console.wait(line, 60)
        load.goes_on()
        seen = addresses(machine)
        expect(f"inet6 {OWN}/64" in seen and f"default via {SERVER6}" in seen, "the address and the route", seen)
    # From calm on user space may take its time, as long as it goes on: or else its own last step would fail.
    step = f"ip -6 address {{}} {PREFIX6}:61/64 dev eth0; sleep 1; "
    steps = step.format("add") + step.format("del") + step.format("add") + f"ip -6 address add {OWN}/64 dev eth0"
    machine.check("sleep 7")
    machine.check(f"ip -6 address del {OWN}/64 dev eth0; sleep 1; {steps}")
    # What user space puts elsewhere stays there.
    machine.check("modprobe bridge; brctl addbr br0; ip link set br0 up; ip -6 address flush dev eth0 scope global")
    machine.check(f"brctl addif br0 eth0; ip -6 address add {OWN}/64 dev br0")
    load.goes_on()
    machine.check("sleep 35")
    expect(OWN not in addresses(machine), "no address on the bridge's part", addresses(machine))
    load.ends()
