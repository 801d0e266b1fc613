"""Boots: the shipped linuxrc takes a diskless machine to a root file system on its LUN, each time configured another way."""

import errno
from lab import guest, ibft, wire
from lab.dhcp import BootpServer
from lab.errors import expect
from lab.net import LIO, NETMASK, NOBODY, PREFIX, SECOND_SERVER, SERVER
from lab.scenario import ALL_FROM_DHCP, MAC, SECOND_MAC, Lab, scenario
from lab.settings import CHECKOUT
from lab.targets import INITIATOR, NAME, OWN_NAME

from .custody import Load

LOCAL = "rdinit=/linuxrc root=/dev/sda1"


@scenario
def boot_all_from_dhcp(lab: Lab) -> None:
    """Only iscsi-if= given: dnsmasq names the target, tgt has it; boots, writes, reboots, and finds it again."""
    disk = lab.tiny_disk()
    target = lab.tgt(disk)
    lab.dnsmasq()
    client = lab.client()
    guest.boots(client)
    digest = guest.writes(client)
    guest.reboots(client)
    guest.on_disk(disk, "/random", digest)
    client = lab.client(name="again")
    guest.boots(client)
    expect(client.check("sha256sum /random").split()[0] == digest, "the file of before the reboot")
    expect(target.connections() == 1, "one initiator to be logged in", target.connections())
    guest.reboots(client)
    expect(target.connections() == 0, "the initiator to have logged out", target.connections())
    guest.logged_out(lab.capture, logouts=2)


@scenario
def boot_arguments(lab: Lab) -> None:
    """Interface, initiator, target and LUN as kernel arguments, the address from DHCP, whose root path loses."""
    disk = lab.tiny_disk()
    lab.tgt(disk)
    lab.dnsmasq(f"{NOBODY}:/iqn.2004-01.net.example:wrong/iqn.2004-01.net.example:wrong/7")
    client = lab.client(f"{LOCAL} iscsi-if=eth0 iscsi-initiator={INITIATOR} iscsi-target={SERVER}:{NAME} iscsi-lun=1")
    guest.boots(client)
    guest.reboots(client)
    keys = wire.login_keys(lab.capture)
    expect(keys.get("InitiatorName") == INITIATOR, f"InitiatorName={INITIATOR}", keys)
    expect(keys.get("TargetName") == NAME, f"TargetName={NAME}", keys)


@scenario
def boot_static(lab: Lab) -> None:
    """A static address: no DHCP server, no DHCP message, and the small root file system all the same."""
    lab.tgt(lab.tiny_disk())
    own = f"{PREFIX}.60"
    client = lab.client(
        f"{LOCAL} iscsi_if=eth0:{own}:{NETMASK}:{SERVER} iscsi_initiator={INITIATOR} "
        f"iscsi_target={SERVER}:3260:{NAME} iscsi_lun=1"
    )
    guest.boots(client)
    addresses = client.check("ip -4 address show dev eth0; ip route")
    expect(f"inet {own}/24" in addresses, f"{own}/24 on eth0", addresses)
    expect(f"default via {SERVER}" in addresses, f"a default route by {SERVER}", addresses)
    pnp = client.check("cat /proc/net/pnp")
    expect(pnp.startswith("#MANUAL"), "#MANUAL in /proc/net/pnp", pnp)
    guest.reboots(client)
    expect(not guest.dhcp_messages(lab.capture), "no DHCP message on the wire")


@scenario
def boot_sample_dnsmasq(lab: Lab) -> None:
    """samples/dnsmasq.conf as shipped: an RFC 4173 root path, a host with a name and address of its own."""
    lab.tgt(lab.tiny_disk())
    lab.dnsmasq(configuration=CHECKOUT / "samples/dnsmasq.conf")
    client = lab.client(ALL_FROM_DHCP)
    guest.boots(client)
    addresses = client.check("ip -4 address show dev eth0")
    expect(f"inet {PREFIX}.10/24" in addresses, "the host's own address", addresses)
    expect(client.check("hostname") == "diskless", "the host's name", client.check("hostname"))
    guest.reboots(client)


@scenario
def boot_sample_dhcpd(lab: Lab) -> None:
    """samples/dhcpd.conf as shipped: ISC dhcpd, LIO, and a root path with an initiator name and without a LUN."""
    disk = lab.tiny_disk()
    target = lab.lio(disk)
    lab.dhcpd(configuration=CHECKOUT / "samples/dhcpd.conf")
    client = lab.client(ALL_FROM_DHCP)
    guest.boots(client)
    expect(client.check("hostname") == "diskless", "the host's name", client.check("hostname"))
    digest = guest.writes(client)
    guest.reboots(client)
    target.stop()
    guest.on_disk(disk, "/random", digest)
    keys = wire.login_keys(lab.capture)
    expect(keys.get("InitiatorName") == INITIATOR, f"InitiatorName={INITIATOR}", keys)
    guest.logged_out(lab.capture)


@scenario
def boot_root_path_bare(lab: Lab) -> None:
    """A root path <ip>:/<target> and no more: LUN 0, and an initiator name and an ISID that are made of the system's UUID."""
    lab.lio(lab.tiny_disk())
    lab.dnsmasq(f"{LIO}:/{NAME}", f"dhcp-host={MAC},rack7")
    uuid = "4c4c4544-0042-3510-8052-b3c04f4b4e32"
    client = lab.client(ALL_FROM_DHCP, firmware=["-uuid", uuid])
    guest.boots(client)
    told = client.check("grep ^setting-initiator: /proc/iscsi_init")
    guest.reboots(client)
    name = f"{OWN_NAME}:{uuid}"
    expect(f"{name} (default: system UUID)" in told, name, told)
    name_told = wire.login_keys(lab.capture).get("InitiatorName")
    expect(name_told == name, f"the initiator name {name}", name_told)
    # The driver's CRC is not inverted at its end, as that of digests is, and has its highest byte first.
    crc = bytes(~byte & 0xFF for byte in reversed(wire.crc32c(bytes.fromhex(uuid.replace("-", "")))))
    isids = {pdu.header[8:14] for sent in wire.connections(lab.capture) for pdu in sent if pdu.opcode == wire.LOGIN}
    expect(isids == {b"\x80" + crc + b"\0"}, "an ISID of type 10b (RFC 7143 section 11.12.5) with the UUID's CRC", isids)


@scenario
def boot_root_path_full(lab: Lab) -> None:
    """A root path <ip>:/<target>/<initiator>/<LUN>."""
    lab.tgt(lab.tiny_disk(), lun=12)
    lab.dhcpd(f"{SERVER}:/{NAME}/{INITIATOR}/12")
    client = lab.client(ALL_FROM_DHCP)
    guest.boots(client)
    guest.reboots(client)
    keys = wire.login_keys(lab.capture)
    expect(keys.get("InitiatorName") == INITIATOR, f"InitiatorName={INITIATOR}", keys)


@scenario
def boot_root_path_rfc4173(lab: Lab) -> None:
    """An RFC 4173 root path with empty protocol and port, and the LUN in hexadecimal."""
    lab.tgt(lab.tiny_disk(), lun=0x12)
    lab.dhcpd(f"iscsi:{SERVER}:::12:{NAME}")
    client = lab.client(ALL_FROM_DHCP)
    guest.boots(client)
    guest.reboots(client)


@scenario
def boot_bootp(lab: Lab) -> None:
    """A server that knows only BOOTP."""
    lab.tgt(lab.tiny_disk())
    BootpServer(lab.bridge, f"{PREFIX}.70", f"{SERVER}:/{NAME}/{INITIATOR}/1")
    client = lab.client(ALL_FROM_DHCP)
    guest.boots(client)
    pnp = client.check("cat /proc/net/pnp")
    expect(pnp.startswith("#PROTO: BOOTP"), "#PROTO: BOOTP in /proc/net/pnp", pnp)
    addresses = client.check("ip -4 address show dev eth0")
    expect(f"inet {PREFIX}.70/24" in addresses, "the address of the reply", addresses)
    guest.reboots(client)


@scenario
def boot_any_interface(lab: Lab) -> None:
    """No iscsi-if=, two interfaces, of which the second one has a server; the first is put back as it was."""
    lab.tgt(lab.tiny_disk())
    lab.dnsmasq()
    nobody = lab.network.bridge("br1")
    nics = [lab.nic(SECOND_MAC, bridge=nobody), lab.nic()]
    client = lab.client("rdinit=/linuxrc root=/dev/sda1", nics=nics)
    guest.boots(client)
    links = client.check("for i in eth0 eth1; do cat /sys/class/net/$i/address /sys/class/net/$i/flags; done").split()
    flags = {links[0]: int(links[1], 16), links[2]: int(links[3], 16)}
    expect(not flags[SECOND_MAC] & 1, "the interface without a server to be down", links)
    addresses = client.check("ip -4 -o address show")
    expect(addresses.count(f"inet {PREFIX}.") == 1, "an address on one interface", addresses)
    guest.reboots(client)


@scenario
def boot_two_servers(lab: Lab) -> None:
    """Two DHCP servers: the one that gives a root path is taken, though the other may answer first."""
    lab.tgt(lab.tiny_disk())
    lab.dnsmasq(None)
    other = lab.network.host(lab.bridge, SECOND_SERVER)
    lab.dhcpd(f"{SERVER}:/{NAME}/{INITIATOR}/1", host=other, pool=(f"{PREFIX}.200", f"{PREFIX}.209"))
    client = lab.client(ALL_FROM_DHCP)
    guest.boots(client)
    guest.reboots(client)
    requests = [server for kind, server, _ in guest.dhcp_messages(lab.capture) if kind == "3"]
    expect(requests and requests[-1] == SECOND_SERVER, f"a request to {SECOND_SERVER}", requests)


@scenario
def boot_e1000(lab: Lab) -> None:
    """Another network card, whose link takes time to come up, and a root file system named by its label."""
    lab.tgt(lab.tiny_disk())
    lab.dnsmasq()
    client = lab.client("rdinit=/linuxrc root=LABEL=root iscsi-if=eth0", nics=[lab.nic(model="e1000")])
    guest.boots(client)
    guest.reboots(client)


@scenario
def boot_debian_twice(lab: Lab) -> None:
    """Debian from the LUN: boots, writes, shuts down cleanly, boots again, finds what it wrote; fsck is clean."""
    disk = lab.debian_disk()
    lab.tgt(disk)
    lab.dnsmasq()
    digest = ""
    for name in ("first", "second"):
        client = lab.client(ALL_FROM_DHCP, memory=1024, cpus=2, name=name)
        client.wait_agent()
        expect(client.check("findmnt -n -o SOURCE /") == "/dev/sda1", "root on /dev/sda1")
        failed = client.check("systemctl --failed --plain --no-legend")
        expect(not failed, "no failed unit", failed)
        if not digest:
            digest = client.check(
                "dd if=/dev/urandom of=/srv/random bs=1M count=16 status=none && sync && sha256sum /srv/random"
            ).split()[0]
        else:
            client.check("echo 3 >/proc/sys/vm/drop_caches")
            expect(client.check("sha256sum /srv/random").split()[0] == digest, "the file of before the reboot")
        client.send("systemctl reboot" if name == "first" else "systemctl poweroff")
        client.wait_end()
        guest.on_disk(disk, "/srv/random", digest)
    guest.logged_out(lab.capture, logouts=2)


@scenario
def boot_vlan(lab: Lab) -> None:
    """A device of a VLAN, by argument and by an iBFT, is made: the disk comes over it; it is made again when it or what is under it goes."""
    target = lab.lio(lab.tiny_disk())
    address = f"{target.address}/24"
    target.machine.check(f"ip address del {address} dev eth0; vconfig add eth0 100; ip address add {address} dev eth0.100; ip link set eth0.100 up")
    own = ibft.IbftNic(MAC, f"{PREFIX}.76", vlan=100)
    table = ibft.table(INITIATOR, [own], [ibft.IbftTarget(target.address, NAME, 0)])
    machine = lab.bench(programs=["ip"], firmware=ibft.acpi(lab.directory / "ibft", table))
    vlan = f"if=eth0.100:{PREFIX}.75:{NETMASK} target={target.address}:{NAME}"
    # Loading it by the kernel's own call for help is the user's program's business.
    machine.check("mount -t proc proc /proc; echo >/proc/sys/kernel/modprobe")
    guest.fails(machine, vlan, errno.EOPNOTSUPP, "eth0.100: the device of the VLAN cannot be made", "8021q", again=False)
    machine.check("modprobe 8021q")
    guest.succeeds(machine, vlan)
    expect("VID: 100" in machine.check("cat /proc/net/vlan/eth0.100"), "the device of VLAN 100")
    machine.check("rmmod iscsi_init")
    expect(machine.sh("test -e /sys/class/net/eth0.100").status != 0, "the device to be gone with the driver")
    guest.succeeds(machine, "")
    told = machine.check("grep ^setting-if: /proc/iscsi_init; cat /proc/net/vlan/eth0.100")
    wanted = f"VLAN 100 on {MAC} with {PREFIX}.76/24 (iBFT)"
    expect(wanted in told and "VID: 100" in told, "the device of VLAN 100 by the iBFT", told)
    load = Load(lab, machine)
    machine.check("ip link set eth0 down")
    machine.console.wait(r"eth0.100 was set down, and is set up again \(by ip, process [0-9]+\)", 60)
    load.goes_on()
    machine.check("ip link del eth0.100")
    machine.console.wait(r"eth0.100 was deleted, and is made again \(by ip, process [0-9]+\)", 60)
    machine.console.wait(rf"eth0.100: the address {PREFIX}\.76 was removed.*, and is put back", 60)
    load.goes_on()
    device = machine.check("basename $(readlink -f /sys/class/net/eth0/device)")
    driver = "/sys/bus/virtio/drivers/virtio_net"
    machine.check(f"echo {device} >{driver}/unbind")
    machine.console.wait("eth0.100 is gone", 60)
    machine.check(f"echo {device} >{driver}/bind")
    machine.console.wait("eth0.100 is back, as eth0.100", 60)
    load.goes_on()
    load.ends()
    expect(machine.sh("test -e /sys/class/net/eth0.100").status != 0, "the device to be gone with the driver")
