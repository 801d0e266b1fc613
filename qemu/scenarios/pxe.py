"""Boots of machines that have nothing but their firmware, by samples/dhcpd-pxe.conf as shipped and what it names."""

from pathlib import Path

from lab import guest, netboot, wire
from lab.capture import Capture
from lab.errors import expect
from lab.machine import BOOT, Machine
from lab.net import PREFIX, SERVER
from lab.scenario import SECOND_MAC, Lab, scenario, seldom
from lab.settings import CHECKOUT
from lab.targets import INITIATOR, NAME
from lab.writer import Writer

CONFIGURATION = CHECKOUT / "samples/dhcpd-pxe.conf"
# The machines of that file besides the one with the lab's usual address.
IPXE_MAC = "52:54:00:12:34:58"
SANBOOT_MAC = "52:54:00:12:34:59"
# What SeaBIOS, PXELINUX and GRUB say when they have nothing to go on with.
NOTHING_LOADED = "No bootable device.*|Boot failed.*|error: .*"
# iPXE's part in a VLAN: it came by its untagged address to this script, and without that goes on by the tagged one.
VLAN_SCRIPT = f"""#!ipxe
clear net0.dhcp/ip
vcreate --tag 100 net0
dhcp net0-100
set initiator-iqn {INITIATOR}
sanboot iscsi:{SERVER}:6:3260:1:{NAME}
"""
# The last 128 KiB below 640 KiB, in which firmware keeps its tables.
BASE_MEMORY = (0x80000, 0x20000)


@scenario
def pxe_pxelinux(lab: Lab) -> None:
    """PXELINUX over TFTP, with a configuration named by the address; of two interfaces BOOTIF= says which."""
    lab.tgt(lab.tiny_disk())
    lab.dhcpd(configuration=CONFIGURATION)
    lab.tftp(netboot.boot_files(lab.directory / "tftp"))
    client = lab.firmware(lab.nic(SECOND_MAC), lab.nic(boot=True))
    boots(client)
    came_through(client, "eth1", f"{PREFIX}.10")
    guest.reboots(client)


@scenario
def pxe_ipxe(lab: Lab) -> None:
    """iPXE with a script, kernel and initrd over HTTP; of two interfaces BOOTIF= says which."""
    lab.tgt(lab.tiny_disk())
    lab.dhcpd(configuration=CONFIGURATION)
    lab.http(netboot.boot_files(lab.directory / "http"))
    client = lab.firmware(lab.nic(SECOND_MAC), lab.nic(IPXE_MAC, boot=True))
    boots(client)
    came_through(client, "eth1", f"{PREFIX}.11")
    guest.reboots(client)


@seldom
def pxe_ipxe_tftp(lab: Lab) -> None:
    """iPXE with the same script, kernel and initrd over TFTP."""
    lab.tgt(lab.tiny_disk())
    lab.dhcpd(configuration=over_tftp(lab))
    lab.tftp(netboot.boot_files(lab.directory / "tftp"))
    client = lab.firmware(lab.nic(IPXE_MAC, boot=True))
    boots(client)
    came_through(client, "eth0", f"{PREFIX}.11")
    guest.reboots(client)


@scenario
def pxe_sanboot(lab: Lab) -> None:
    """iPXE boots from the LUN, which has GRUB, kernel and initrd; the module is told nothing, and goes on by the iBFT."""
    disk = lab.tiny_disk()
    netboot.install_grub(disk, "root=/dev/sda1")
    lab.tgt(disk)
    lab.dhcpd(configuration=CONFIGURATION)
    client = lab.firmware(lab.nic(SANBOOT_MAC, boot=True))
    boots(client)
    leaves_ibft(client, lab)
    expect(client.log(rf"target {SERVER}:3260:{NAME} \(iBFT\), LUN 1 \(iBFT\), initiator {INITIATOR} \(iBFT\)"), "all of it from the iBFT")
    expect(f"{PREFIX}.12/24" in client.check("ip -4 -o address show"), "the address that iPXE had")
    guest.reboots(client)
    logins = wire.connections(lab.capture)
    names = [next(pdu.keys["InitiatorName"] for pdu in pdus if "InitiatorName" in pdu.keys) for pdus in logins]
    expect(len(names) > 1 and set(names) == {INITIATOR}, f"logins of iPXE and of the module as {INITIATOR}", names)


@seldom
def pxe_vlan(lab: Lab) -> None:
    """iPXE boots by a script over TFTP from the LUN in a VLAN, and the module goes on there by the iBFT; it comes back when cut or deleted."""
    disk = lab.tiny_disk()
    netboot.install_grub(disk, "root=/dev/sda1")
    lab.tgt(disk)
    lab.dhcpd(configuration=over_tftp(lab))
    files = lab.directory / "tftp"
    files.mkdir()
    (files / "boot.ipxe").write_text(VLAN_SCRIPT)
    lab.tftp(files)
    trunk = lab.network.bridge("br1")
    lab.captures.append(Capture(trunk, lab.directory / "trunk.pcap"))
    switch = lab.switch(trunk, 100)
    # The firmware's own boot knows of no VLAN.
    switch.check("brctl delif lan eth0.100; brctl addif lan eth0")
    client = lab.firmware(lab.nic(IPXE_MAC, bridge=trunk, boot=True))
    client.console.wait("boot.ipxe : .*script", BOOT, never=NOTHING_LOADED)
    switch.check("brctl delif lan eth0; brctl addif lan eth0.100")
    client.console.wait("Linux version", BOOT, never=NOTHING_LOADED)
    guest.boots(client)
    told = client.log(rf"iscsi_init: interface VLAN 100 on {IPXE_MAC} \(iBFT\), .*, target {SERVER}:3260:{NAME} \(iBFT\)")
    expect(told, "the VLAN's device from the iBFT", client.log("iscsi_init: interface"))
    expect(f"eth0.100    inet {PREFIX}.11/24" in client.check("ip -4 -o address show"), "the address on the VLAN's device")
    pnp = client.check("cat /proc/net/pnp; grep ^lease /proc/iscsi_init")
    expect("#PROTO: DHCP" in pnp and "none" not in pnp, "a lease", pnp)

    writer = Writer(client)
    client.plug(0, False)
    client.console.wait("session with .* lost", 120)
    client.plug(0, True)
    client.console.wait("session with .* restored", 120)
    writer.goes_on()
    client.check("vconfig rem eth0.100")
    client.console.wait("eth0.100 was deleted.*, and is made again", 60)
    client.console.wait("eth0.100: the address .* was removed.*, and is put back", 60)
    writer.goes_on()
    writer.ends()
    guest.reboots(client)
    tags = {row[0] for row in lab.captures[1].fields("iscsi", "vlan.id")}
    expect("100" in tags, "the tag of VLAN 100 on the wire", tags)


def over_tftp(lab: Lab) -> Path:
    """The configuration of samples/, in which iPXE's script comes over TFTP."""
    configuration = lab.directory / "tftp.conf"
    configuration.write_text(CONFIGURATION.read_text().replace(f"http://{SERVER}/boot.ipxe", "boot.ipxe"))
    return configuration


def boots(machine: Machine) -> None:
    """Returns when the small root file system runs from the LUN."""
    machine.console.wait("Linux version", BOOT, never=NOTHING_LOADED)
    guest.boots(machine)


def came_through(machine: Machine, interface: str, address: str) -> None:
    """Fails the scenario unless linuxrc named the interface to the module, and that has the address."""
    named = machine.log(rf"iscsi_init: interface {interface} \(module parameter\)")
    expect(named, f"the module to be told of {interface}", machine.log("iscsi_init: interface"))
    addresses = machine.check("ip -4 -o address show")
    expect(f"{interface}    inet {address}/24" in addresses, f"{address}/24 on {interface}", addresses)


def leaves_ibft(machine: Machine, lab: Lab) -> None:
    """Fails the scenario unless the firmware's memory has the iBFT that is kept for the tests of the pure core."""
    text = (CHECKOUT / "tests/ibft_ipxe.hex").read_text()
    wanted = bytes.fromhex("".join(line for line in text.split("\n") if not line.startswith("#")))
    memory = machine.memory(*BASE_MEMORY, lab.directory / "base-memory")
    start = memory.find(b"iBFT")
    length = int.from_bytes(memory[start + 4 : start + 8], "little")
    found = memory[start : start + length] if start >= 0 else b""
    expect(found == wanted, "the iBFT of tests/ibft_ipxe.hex in base memory", found.hex())
