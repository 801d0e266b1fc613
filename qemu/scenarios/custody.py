"""The network under a mounted disk stays, while it is written to: leases end, servers go, and user space takes things away."""

import time
from pathlib import Path

from lab import guest, images
from lab.dhcp import Dhcpd, Dnsmasq, dhcpd_configuration
from lab.errors import expect
from lab.flood import Flood
from lab.machine import Machine
from lab.net import NETMASK, SERVER
from lab.process import run, wait_until
from lab.scenario import ALL_FROM_DHCP, ROOT_PATH, Lab, scenario, seldom
from lab.targets import NAME, Tgt
from lab.writer import Writer

from .chap import SECRET, USER, account

# What the driver says, after its name.
SAYS = "iscsi_init: "
BENCH = ALL_FROM_DHCP.replace("rdinit=/linuxrc", "")
# What is read again and again, past any cache: what is before the partition.
READ = "dd if=/dev/sda iflag=direct bs=64k count=16 2>/dev/null | sha256sum"
# A lease in seconds: T1 comes after half of it.
LEASE = 20


def dhcpd(lab: Lab) -> Dhcpd:
    """ISC dhcpd, which gives one address for a short time."""
    configuration = lab.directory / "short.conf"
    times = f"default-lease-time {LEASE};\nmax-lease-time {LEASE};\nmin-lease-time {LEASE};\n"
    pool = ("192.168.7.120", "192.168.7.120")
    configuration.write_text(times + dhcpd_configuration(ROOT_PATH, SERVER, pool))
    return lab.dhcpd(configuration=configuration)


def dnsmasq(lab: Lab, address: str, root_path: str = ROOT_PATH) -> Dnsmasq:
    """dnsmasq, whose leases last two minutes at least, but are to be renewed soon."""
    configuration = lab.directory / "dnsmasq.conf"
    lines = [f"dhcp-range={address},{address},{NETMASK},2m", f'dhcp-option=option:root-path,"{root_path}"', "dhcp-option=option:T1,10s"]
    configuration.write_text("\n".join(["port=0", "dhcp-authoritative", *lines]) + "\n")
    return lab.dnsmasq(configuration=configuration)


def says(machine: Machine, pattern: str, timeout: float = 120) -> None:
    machine.console.wait(SAYS + pattern, timeout)


class Load:
    """A machine's file system on the disk, mounted, that is written to all the time."""

    def __init__(self, lab: Lab, machine: Machine) -> None:
        self.lab = lab
        self.machine = machine
        self.digest = machine.check(READ)
        machine.check("mkdir -p /data; mount /dev/sda1 /data")
        self.writer = Writer(machine)

    def goes_on(self) -> None:
        """Returns when files are written again; what is read must be the same as before."""
        self.writer.goes_on()
        seen = self.machine.check(READ, 300)
        expect(seen == self.digest, "the same data as before", seen)

    def ends(self, besides: str = r"$^") -> None:
        """Stops writing, and unloads the driver; all that was written must be there, and no I/O error but in lines with `besides`."""
        self.writer.ends(besides)
        self.machine.check("umount /data; rmmod iscsi_init", guest.SHUTDOWN)
        images.check_file_system(self.lab.directory / "lun.img")


@scenario
def custody_lease(lab: Lab) -> None:
    """A lease of 20 s is renewed in time; then its server is gone past its end: the address stays, and is leased again."""
    lab.tgt(lab.tiny_disk())
    server = dhcpd(lab)
    machine = lab.bench(BENCH)
    guest.succeeds(machine)
    load = Load(lab, machine)

    start = machine.console.end()
    # A request of a lease that is to be had names the server, too.
    asked = "DHCPREQUEST for 192.168.7.120 from"
    wait_until(lambda: server.output().count(asked) >= 2, "two renewals", 3 * LEASE)
    expect(not machine.log(SAYS, start), "not a word while all is well", machine.log(SAYS, start))

    server.stop()
    says(machine, "eth0: the lease of 192.168.7.120 is lost: no DHCP server has renewed it until its end")
    says(machine, "192.168.7.120 stays in use, and a lease is looked for: ")
    load.goes_on()
    dhcpd(lab)
    says(machine, f"eth0: 192.168.7.120 is leased again, from server {SERVER}")

    load.ends()
    expect(not machine.check("ip -4 -o address show eth0"), "no address once the module is gone")
    # RFC 2131 section 4.3.6, table 4: to the server alone, then to all, from the address that it is about.
    asked_of = lab.capture.fields("dhcp.option.dhcp == 3 && ip.src == 192.168.7.120 && !icmp", "ip.dst", "dhcp.ip.client")
    seen = [tuple(row) for row in asked_of]
    wanted = [(SERVER, "192.168.7.120"), ("255.255.255.255", "192.168.7.120")]
    expect(guest.sequence(seen, *wanted) and set(seen) == set(wanted), f"requests as {wanted}", seen)


@scenario
def custody_moved(lab: Lab) -> None:
    """The server refuses to renew the lease: the machine gets another address, and the session goes on from there."""
    lab.tgt(lab.tiny_disk())
    server = dnsmasq(lab, "192.168.7.120")
    machine = lab.bench(BENCH)
    guest.succeeds(machine)
    load = Load(lab, machine)
    server.stop()
    (lab.directory / "dnsmasq.leases").unlink()
    dnsmasq(lab, "192.168.7.130")
    says(machine, "eth0: the lease of 192.168.7.120 is lost: DHCP server .* takes it back: .+")
    says(machine, f"eth0: 192.168.7.130/24 .*from server {SERVER}, in place of 192.168.7.120")
    says(machine, "session with .* lost: this machine's address has changed")
    says(machine, "session with .* restored")
    load.goes_on()
    address = machine.check("ip -4 -o address show eth0")
    expect("192.168.7.130/24" in address and "192.168.7.120" not in address, "the new address alone", address)
    removed = machine.log("was removed")
    expect(not removed, "nothing to be put back", removed)
    load.ends()
    expect(not machine.check("ip -4 -o address show eth0"), "no address once the module is gone")


@scenario
def custody_portal_moved(lab: Lab) -> None:
    """The target goes to another portal, as only the DHCP server's root path tells: followed to the same disk, but to no other disk or LUN.
    The second time its server is another one, which takes the lease back."""

    def root(port: int, lun: int = 1) -> str:
        return f"iscsi:{SERVER}:6:{port}:{lun}:{NAME}"

    def moves(port: int, *extra: str) -> Dnsmasq:
        return lab.dnsmasq(root(port), f"dhcp-option=encap:175,190,{USER}", f"dhcp-option=encap:175,191,{SECRET}", *extra)

    def guarded(target: Tgt) -> Tgt:
        account(target, USER, SECRET)
        return target

    disk = lab.tiny_disk()
    foreign = lab.blank_disk(disk.stat().st_size)
    # LUN 2 is another disk at each portal, which tgt calls the same everywhere.
    others = [lab.blank_disk(1 << 20, f"other{number}.img") for number in (1, 2)]
    first = guarded(lab.tgt(disk).named().joined(2, others[0]))
    server = moves(3260, "dhcp-option=option:T1,10s")
    machine = lab.bench(BENCH)
    guest.succeeds(machine)
    load = Load(lab, machine)
    server.stop()

    # What comes with an ordinary renewal is heard, too. It is the last for half an hour.
    guarded(lab.tgt(foreign, port=3262).named("scsi_id=EXAMPLE-disk-0043,scsi_sn=0043"))
    server = moves(3262)
    heard = f"eth0: DHCP server {SERVER} has target {NAME} at {SERVER}"
    says(machine, f"{heard}:3262 now", 60)
    server.stop()
    server = moves(3261)
    second = guarded(lab.tgt(disk, port=3261).named().joined(2, others[1]))
    first.stop()
    refused = f"target {NAME} at {SERVER}:3262 does not take the place of the lost one"
    says(machine, f"{refused}: the target at {SERVER}:3262 has another disk than before as LUN 1", 60)
    says(machine, f"{heard}:3261 now", 60)
    says(machine, f"target {NAME} at {SERVER}:3261 has the same disk as target {NAME} and takes its place", 60)
    says(machine, f"session with {SERVER}:3261:{NAME} restored")
    load.goes_on()
    told = machine.check("grep -E '^(portal|root-path-portal): ' /proc/iscsi_init")
    expect(told == f"portal: {SERVER}:3261\nroot-path-portal: {SERVER}:3261", "the new portal in /proc/iscsi_init", told)
    expect(machine.sh("dd if=/init of=/dev/sdb bs=4k count=1 oflag=direct conv=notrunc").status != 0, "a write to another disk to fail")

    # The server that is asked next, again before its time, knows of no lease, and gives another one.
    third = guarded(lab.tgt(disk, port=3263).named().joined(2, others[1]))
    server.stop()
    (lab.directory / "dnsmasq.leases").unlink()
    server = dnsmasq(lab, "192.168.7.60", root(3263))
    second.stop()
    says(machine, f"eth0: the lease of .* is lost: DHCP server {SERVER} takes it back", 120)
    says(machine, f"{heard}:3263 now", 60)
    says(machine, f"target {NAME} at {SERVER}:3263 has the same disk as target {NAME} at {SERVER}:3261 and takes its place", 60)
    says(machine, f"session with {SERVER}:3263:{NAME} restored")
    load.goes_on()

    server.stop()
    dnsmasq(lab, "192.168.7.60", root(3262, lun=2))
    says(machine, f"eth0: a root path of DHCP server {SERVER} is not followed: it names another LUN.*:3262:2:{NAME}", 60)
    # Nobody has taken the place of the portal that was there first.
    third.stop()
    first.start()
    guarded(first)
    says(machine, f"target {NAME} has the same disk as target {NAME} at {SERVER}:3263 and takes its place", 60)
    says(machine, f"session with {SERVER}:3260:{NAME} restored")
    load.goes_on()
    load.ends(besides=r"\bsdb\b")
    for other in (foreign, *others):
        expect(not any(other.read_bytes()), f"nothing to be written to {other.name}")
    # Each is asked to end what the one before may still have, before anything is written there.
    resets = lab.capture.fields("tcp.payload[0:2] == 42:85", "tcp.dstport")
    expect(resets == [["3261"], ["3263"], ["3260"]], "a LOGICAL UNIT RESET at each new portal", str(resets))


@scenario
def custody_taken_away(lab: Lab) -> None:
    """Address, route and device are taken away, the device renamed and its driver bound again: all comes back, and the log says who it was."""
    lab.tgt(lab.tiny_disk())
    lab.dnsmasq()
    machine = lab.bench(BENCH)
    guest.succeeds(machine)
    load = Load(lab, machine)
    address = machine.check("ip -4 -o address show eth0 | sed 's/.*inet \\([0-9.]*\\).*/\\1/'")
    routes = machine.check(guest.ROUTES)

    def takes(command: str, *words: str) -> None:
        machine.check(command)
        for pattern in words:
            says(machine, pattern, 30)
        load.goes_on()
        seen = machine.check(guest.ROUTES).replace("lan0", "eth0")
        expect(seen == routes, "the routes as before", f"{seen}\nbefore:\n{routes}")

    # The program may be gone by the time.
    by = r" \(by (busybox|ip|sh), process [0-9]+\)| \(by process [0-9]+, which has ended\)"
    route = "a route to 0.0.0.0/0"
    takes("ip address flush dev eth0", f"eth0: the address {address} was removed({by}), and is put back", f"eth0: {route} was removed")
    takes("ip route delete default", f"eth0: {route} was removed({by}), and is put back")
    network = "the route to its own network 192.168.7.0/24"
    takes("ip route flush dev eth0", f"eth0: {network} was removed({by}), and is put back", f"eth0: {route} was removed")
    own = f"the route to its own address {address}"
    takes(f"ip route delete local {address} dev eth0 table local", f"eth0: {own} was removed({by}), and is put back")
    takes("ip link set eth0 down", f"eth0 was set down, and is set up again({by})", f"eth0: {route} was removed")
    takes("ip link set eth0 down; ip link set eth0 name lan0; ip link set lan0 up", "eth0 is called lan0 now", f"lan0: {route} was removed")
    device = machine.check("basename $(readlink -f /sys/class/net/lan0/device)")
    driver = "/sys/bus/virtio/drivers/virtio_net"
    machine.check(f"echo {device} >{driver}/unbind")
    says(machine, f"lan0 is gone({by})", 30)
    takes(f"echo {device} >{driver}/bind", "lan0 is back, as eth0", f"eth0: the address {address} was removed", f"eth0: {route} was removed")
    repairs = guest.count(machine, "network-repairs")
    expect(repairs >= 10, "each repair to be counted", repairs)
    load.ends()
    left = machine.check(f"ip -4 -o address show eth0; ({guest.ROUTES}) | grep {address} || true")
    expect(not left, "neither address nor routes once the module is gone", left)


@scenario
def custody_handed_over(lab: Lab) -> None:
    """User space renews the address, changes it, and leaves the device without one: followed, and taken care of again."""
    lab.tgt(lab.tiny_disk())
    lab.dnsmasq()
    machine = lab.bench(BENCH)
    guest.succeeds(machine)
    load = Load(lab, machine)
    address = machine.check("ip -4 -o address show eth0 | sed 's/.*inet \\([0-9.]*\\).*/\\1/'")

    machine.check(f"ip address change {address}/24 dev eth0 valid_lft 3600 preferred_lft 3600")
    says(machine, f"eth0: user space looks after the address now, and has {address}/24", 30)
    kept = machine.check("grep -E '^(address-kept-by|lease): ' /proc/iscsi_init")
    expect(kept == "address-kept-by: user space\nlease: none to be renewed", "the lease to be left to user space", kept)
    machine.check("ip address flush dev eth0")
    says(machine, "eth0 has been without an address for 10 s; this driver takes care of it again", 60)
    says(machine, f"eth0: the address {address} was removed", 30)
    says(machine, f"eth0: {address} is leased again", 60)
    load.goes_on()

    machine.check(f"ip address add 192.168.7.77/25 dev eth0; ip address delete {address}/24 dev eth0")
    says(machine, "eth0: user space looks after the address now, and has 192.168.7.77/25", 30)
    says(machine, "session with .* restored", 60)
    load.goes_on()
    seen = machine.check("ip -4 -o address show eth0")
    expect(address not in seen, "the address of user space alone", seen)

    machine.check("ip address delete 192.168.7.77/25 dev eth0; ip address add 192.168.7.78/25 dev eth0")
    says(machine, "session with .* lost: this machine's address has changed", 60)
    says(machine, "session with .* restored", 60)
    load.goes_on()
    load.ends()
    seen = machine.check("ip -4 -o address show eth0")
    expect("192.168.7.78" in seen, "what user space has made to stay", seen)


@seldom
def custody_networkd(lab: Lab) -> None:
    """systemd-networkd makes the interface its own, is stopped, and stopped with the machine: the root disk is written to all the time."""
    disk = lab.debian_disk()
    lab.tgt(disk)
    lab.dnsmasq()
    client = lab.client(ALL_FROM_DHCP, memory=1024, cpus=2)
    client.wait_agent(600)
    writer = Writer(client)
    device = client.check("basename $(dirname $(ls -d /sys/class/net/*/device))")
    configuration = f"[Match]\nName={device}\n[Network]\nDHCP=ipv4\n"
    client.check(f"printf '{configuration}' >/etc/systemd/network/{device}.network")
    for _ in range(2):
        client.check("systemctl start systemd-networkd")
        says(client, f"{device}: user space looks after the address now, and has ")
        writer.goes_on()
        client.check("systemctl stop systemd-networkd.socket systemd-networkd")
        says(client, f"{device} has been without an address for 10 s; this driver takes care of it again")
        writer.goes_on()
    client.check("systemctl start systemd-networkd")
    says(client, f"{device}: user space looks after the address now, and has ")
    writer.ends()
    digest = client.check("dd if=/dev/urandom of=/srv/random bs=1M count=16 status=none; sha256sum /srv/random").split()[0]
    client.send("systemctl poweroff")
    client.wait_end(guest.SHUTDOWN)
    guest.on_disk(disk, "/srv/random", digest)
    guest.logged_out(lab.capture)


@seldom
def custody_bridged(lab: Lab) -> None:
    """User space makes the device part of a bridge and moves the address there, in either order: it is left there."""
    lab.tgt(lab.tiny_disk())
    lab.dnsmasq()
    machine = lab.bench(BENCH)
    guest.succeeds(machine)
    load = Load(lab, machine)
    address = machine.check("ip -4 -o address show eth0 | sed 's/.*inet \\([0-9.]*\\).*/\\1/'")
    machine.check("modprobe bridge; brctl addbr br0; ip link set br0 up")
    machine.check(f"ip address flush dev eth0; sleep 5; brctl addif br0 eth0; ip address add {address}/24 dev br0")
    says(machine, f"eth0: the address {address} was removed", 30)
    says(machine, f"eth0: user space looks after the address now, and has {address}/24", 30)
    load.goes_on()
    seen = machine.check("ip -4 -o address")
    expect("br0" in seen and "eth0" not in seen, "the address on the bridge alone", seen)
    machine.check("sleep 12")
    load.goes_on()
    expect(machine.check("ip -4 -o address") == seen, "the address to stay there")
    load.ends()


@scenario
def custody_conflict(lab: Lab) -> None:
    """Another machine has the address that DHCP gives: it is declined, and another one used; then somebody takes that, too."""
    rival = lab.network.host(lab.bridge, "192.168.7.130")
    mac = run(*rival.command("ip", "-o", "link", "show", "eth0")).split("link/ether ")[1].split()[0]
    configuration = lab.directory / "dnsmasq.conf"
    # Servers that ping before would see it themselves.
    lines = ["port=0", "no-ping", "dhcp-sequential-ip", f"dhcp-range=192.168.7.130,192.168.7.131,{NETMASK},1h"]
    configuration.write_text("\n".join([*lines, f'dhcp-option=option:root-path,"{ROOT_PATH}"']) + "\n")
    lab.dnsmasq(configuration=configuration)
    lab.tgt(lab.tiny_disk())
    nic = lab.nic()
    machine = lab.bench(BENCH, nics=[nic])
    with Flood(nic.tap):
        guest.succeeds(machine)
    says(machine, f"eth0: DHCP server {SERVER} gives 192.168.7.130, which the machine {mac} has already; .* another one is asked for")
    says(machine, r"eth0: DHCP from server .*, 192\.168\.7\.131/24")
    load = Load(lab, machine)

    with Flood(nic.tap):
        # What would fill a socket is there.
        time.sleep(5)
        run(*rival.command("ip", "address", "add", "192.168.7.131/24", "dev", "eth0"))
        run(*rival.command("busybox", "arping", "-A", "-c", "1", "-I", "eth0", "192.168.7.131"))
        says(machine, f"eth0: the machine {mac} has the address 192.168.7.131, too: .*take it from that machine", 60)
    run(*rival.command("ip", "address", "del", "192.168.7.131/24", "dev", "eth0"))
    load.goes_on()
    load.ends()
    kinds = [kind for kind, *_ in lab.capture.fields("dhcp.option.dhcp == 4", "dhcp.option.requested_ip_address")]
    expect(kinds == ["192.168.7.130"], "one DHCPDECLINE, for 192.168.7.130", str(kinds))
    claims = lab.capture.fields(f"arp.isgratuitous && arp.src.proto_ipv4 == 192.168.7.131 && arp.src.hw_mac != {mac}", "frame.number")
    expect(claims, "the driver to defend its address")
