"""Boots of machines that have nothing but their firmware: samples/dhcpd-pxe.conf as shipped, and what it names."""

from lab import guest, netboot, wire
from lab.errors import expect
from lab.net import NETMASK, PREFIX, SERVER
from lab.scenario import SECOND_MAC, Lab, scenario
from lab.settings import CHECKOUT
from lab.targets import INITIATOR, NAME

CONFIGURATION = CHECKOUT / "samples/dhcpd-pxe.conf"
# The machines of that file but the first, which has the lab's usual address.
SCRIPT_MAC = "52:54:00:12:34:58"
SANBOOT_MAC = "52:54:00:12:34:59"


@scenario
def pxe_pxelinux(lab: Lab) -> None:
    """PXELINUX over TFTP, its configuration named by the address; of two interfaces BOOTIF= says which."""
    lab.tgt(lab.tiny_disk())
    lab.dhcpd(configuration=CONFIGURATION)
    lab.tftp(netboot.boot_files(lab.directory / "tftp"))
    client = lab.firmware(lab.nic(SECOND_MAC), lab.nic(boot=True))
    guest.boots(client)
    _came_through(client, "eth1", f"{PREFIX}.10")
    guest.reboots(client)


@scenario
def pxe_ipxe(lab: Lab) -> None:
    """iPXE with samples/boot.ipxe over HTTP."""
    lab.tgt(lab.tiny_disk())
    lab.dhcpd(configuration=CONFIGURATION)
    lab.http(netboot.boot_files(lab.directory / "http"))
    client = lab.firmware(lab.nic(SECOND_MAC), lab.nic(SCRIPT_MAC, boot=True))
    guest.boots(client)
    _came_through(client, "eth1", f"{PREFIX}.11")
    guest.reboots(client)


@scenario
def pxe_sanboot(lab: Lab) -> None:
    """iPXE boots from the LUN: GRUB, kernel and initrd are on it, and the module goes on by the same name and address."""
    disk = lab.tiny_disk()
    own = f"{PREFIX}.12"
    netboot.install_grub(disk, f"root=/dev/sda1 iscsi-if=eth0:{own}:{NETMASK}:{SERVER} iscsi-initiator={INITIATOR} iscsi-target={SERVER}:{NAME} iscsi-lun=1")
    lab.tgt(disk)
    lab.dhcpd(configuration=CONFIGURATION)
    client = lab.firmware(lab.nic(SANBOOT_MAC, boot=True))
    guest.boots(client)
    guest.reboots(client)


def _came_through(client, interface, address):
    lines = client.log(f"iscsi_init: interface {interface} .module parameter.")
    expect(lines, f"the module to be told of {interface}", client.log("iscsi_init: interface"))
    addresses = client.check(f"ip -4 address show dev {interface}")
    expect(f"inet {address}/24" in addresses, f"{address}/24 on {interface}", addresses)
