"""Built into the kernel: no initramfs, no module, no program, and the root file system is on the LUN."""

import re

from lab import guest, wire
from lab.disk import PARTITION_UUID
from lab.errors import expect
from lab.machine import BOOT, Machine
from lab.net import NETMASK, PREFIX, SECOND_SERVER, SERVER
from lab.process import wait_until
from lab.scenario import BOOT_FAILED, SECOND_MAC, Lab, scenario, seldom, without_kasan
from lab.targets import INITIATOR, NAME

from . import ipv6

OWN = f"{PREFIX}.60"
ROOT = "root=/dev/sda1"
# What an attempt that fails says, when there will be another one.
AGAIN = r"iscsi_init: .*; .+; trying again in \d+ s"
# What a kernel says that has no root file system.
NO_ROOT = r"Kernel panic - not syncing: VFS: Unable to mount root fs"


def claimed(machine: Machine) -> None:
    """Fails the scenario when the kernel hands arguments of the driver on to init."""
    unknown = [line for line in machine.log("Unknown kernel command line parameters") if re.search("iscsi[-_]", line)]
    expect(not unknown, "the kernel to know the driver's arguments", "\n".join(unknown))


@scenario
def builtin_dhcp(lab: Lab) -> None:
    """root= and iscsi-if= are all it is told: the rest comes by DHCP, and what it writes is on the LUN."""
    disk = lab.tiny_disk()
    lab.tgt(disk)
    lab.dnsmasq()
    client = lab.builtin(f"{ROOT} iscsi-if=eth0")
    guest.boots(client)
    claimed(client)
    pnp = client.check("cat /proc/net/pnp")
    expect(pnp == "#MANUAL", "/proc/net/pnp to be the kernel's own", pnp)
    digest = guest.writes(client)
    guest.reboots(client)
    guest.on_disk(disk, "/random", digest)
    guest.logged_out(lab.capture)


@scenario
def builtin_static(lab: Lab) -> None:
    """A static address, a target by argument, and the root file system named by its partition's UUID."""
    lab.tgt(lab.tiny_disk())
    client = lab.builtin(
        f"root=PARTUUID={PARTITION_UUID} iscsi_if=eth0:{OWN}:{NETMASK}:{SERVER} "
        f"iscsi_target={SERVER}:{NAME} iscsi_initiator={INITIATOR} iscsi_lun=1"
    )
    guest.boots(client)
    claimed(client)
    addresses = client.check("ip -4 address show dev eth0; ip route")
    expect(f"inet {OWN}/24" in addresses, f"{OWN}/24 on eth0", addresses)
    expect(f"default via {SERVER}" in addresses, f"a default route by {SERVER}", addresses)
    guest.reboots(client)
    expect(not guest.dhcp_messages(lab.capture), "no DHCP message on the wire")
    keys = wire.login_keys(lab.capture)
    expect(keys.get("InitiatorName") == INITIATOR, f"InitiatorName={INITIATOR}", keys)


@seldom
def builtin_ipv6(lab: Lab) -> None:
    """An IPv6 target and no address: that of a DHCPv6 server, of dnsmasq, which is renewed in time from a root on the disk."""
    ipv6.tgt(lab)
    server = ipv6.router(lab, ipv6.POOL)
    client = lab.builtin(f"{ROOT} iscsi-if=eth0 iscsi-target={ipv6.TARGET} iscsi-lun=1")
    guest.boots(client)
    claimed(client)
    status = client.check("cat /proc/iscsi_init")
    expect(re.search(rf"ipv6-address: {ipv6.LEASED} \(DHCPv6\)\nipv6-address-kept-by: iscsi_init", status), "the leased address", status)
    # T1 comes after a minute.
    wait_until(lambda: "DHCPREPLY" in server.output().partition("DHCPRENEW")[2], "a renewal", 180)
    client.check("ls -R / >/dev/null")
    guest.reboots(client)
    guest.logged_out(lab.capture)


@scenario
def builtin_parameters(lab: Lab) -> None:
    """The same settings by the names of the module's parameters, and a time limit that is not met."""
    lab.tgt(lab.tiny_disk())
    client = lab.builtin(
        f"{ROOT} iscsi_init.if=eth0:{OWN} iscsi_init.target={SERVER}:{NAME} iscsi_init.lun=1 iscsi_init.timeout=300"
    )
    guest.boots(client)
    settings = client.log("iscsi_init: interface")
    expect("time limit 300 s (module parameter)" in settings[0], "the time limit in the log", settings)
    guest.reboots(client)


@scenario
def builtin_async_probe(lab: Lab) -> None:
    """Drivers probe asynchronously, no interface is named, and only the second has a server: all were waited for."""
    lab.tgt(lab.tiny_disk())
    lab.dnsmasq()
    nobody = lab.network.bridge("br1")
    nics = [lab.nic(SECOND_MAC, bridge=nobody), lab.nic(model="e1000")]
    client = lab.builtin(f"{ROOT} iscsi-lun=1 driver_async_probe=*", nics=nics, cpus=2)
    guest.boots(client)
    expect(not client.log("trying again"), "the first attempt to find the device with the server")
    flags = client.check(f"for i in /sys/class/net/eth?; do grep -q {SECOND_MAC} $i/address && cat $i/flags; done; true")
    expect(not int(flags, 16) & 1, "the interface without a server to be down again", flags)
    guest.reboots(client)


@scenario
def builtin_ipconfig(lab: Lab) -> None:
    """ip=dhcp: the kernel's own network and root path are used, /proc/net/pnp stays the kernel's."""
    disk = lab.tiny_disk()
    lab.tgt(disk)
    lab.dnsmasq(f"{SERVER}:/{NAME}/{INITIATOR}/1")
    client = lab.builtin(f"{ROOT} ip=dhcp iscsi-if=eth0")
    guest.boots(client)
    pnp = client.check("cat /proc/net/pnp")
    expect(pnp.startswith("#PROTO: DHCP"), "#PROTO: DHCP in /proc/net/pnp", pnp)
    addresses = client.check("ip -4 -o address show dev eth0")
    expect(addresses.count("inet ") == 1, "one address on eth0", addresses)
    status = client.check("cat /proc/iscsi_init")
    expect(re.search(rf"setting-address: {re.escape(PREFIX)}\.\d+/24 \(kernel argument ip=\)\nsetting-gateway: ", status), "the kernel's address", status)
    guest.reboots(client)
    requests = [kind for kind, _, _ in guest.dhcp_messages(lab.capture) if kind == "3"]
    expect(len(requests) == 1, "one DHCP request, the kernel's", requests)
    keys = wire.login_keys(lab.capture)
    expect(keys.get("InitiatorName") == INITIATOR, f"InitiatorName={INITIATOR}", keys)


@scenario
def builtin_ipconfig_static(lab: Lab) -> None:
    """A static ip=, no interface named: the address of the kernel's own ipconfig is used, and nobody asks DHCP."""
    lab.tgt(lab.tiny_disk())
    client = lab.builtin(f"{ROOT} ip={OWN}::{SERVER}:{NETMASK}:kiosk:eth0:off iscsi-target={SERVER}:{NAME} iscsi-lun=1")
    guest.boots(client)
    expect(client.check("hostname") == "kiosk", "the host's name as ip= has it", client.check("hostname"))
    addresses = client.check("ip -4 -o address show dev eth0")
    expect(addresses.count(f"inet {OWN}/24") == 1, f"{OWN}/24 once on eth0", addresses)
    status = client.check("cat /proc/iscsi_init")
    told = f"setting-address: {OWN}/24 (kernel argument ip=)\nsetting-gateway: {SERVER} (kernel argument ip=)\n"
    expect(told in status, "the address and gateway of ip=", status)
    expect(f"interface: eth0\naddress: {OWN}/24\naddress-kept-by: nobody\n" in status, "that nobody keeps the address", status)
    guest.reboots(client)
    expect(not guest.dhcp_messages(lab.capture), "no DHCP message on the wire")


@scenario
def builtin_target_late(lab: Lab) -> None:
    """The target comes up 20 s after the machine, which has tried all the time, said so, and held up no initcall."""
    disk = lab.tiny_disk()
    target = lab.tgt(disk)
    target.stop()
    lab.dnsmasq()
    client = lab.builtin(f"{ROOT} iscsi-if=eth0 initcall_debug ignore_loglevel")
    # 20 s of the machine's own clock.
    first = client.console.wait(rf"^\[ *(\d+)\.\d+\] {AGAIN}", BOOT, never=BOOT_FAILED)
    expect("ECONNREFUSED" in first.group(0) or "refused" in first.group(0), "what is missing", first.group(0))
    while True:
        line = client.console.wait(rf"^\[ *(\d+)\.\d+\] {AGAIN}", BOOT, never=BOOT_FAILED)
        if int(line.group(1)) >= int(first.group(1)) + 20:
            break
    target.start()
    guest.boots(client)
    text = client.console.since()
    expect("initcall" not in text[text.index("trying again") :], "no initcall to have waited for the first attempt")
    told = client.log("iscsi_init: target ")
    expect(len(told) == 1, "what does not change to be told once", "\n".join(told))
    guest.reboots(client)


@scenario
def builtin_gives_up(lab: Lab) -> None:
    """A time limit, no target: the last line says what is missing, the kernel panics, and panic= reboots the machine."""
    lab.dnsmasq()
    client = lab.builtin(f"{ROOT} iscsi-if=eth0 iscsi-timeout=15 panic=1")
    client.provokes(NO_ROOT)
    client.console.wait(r"iscsi_init: given up after \d+ s: cannot connect to .*: connection refused; check", BOOT)
    client.console.wait(NO_ROOT, BOOT)
    client.console.wait("Rebooting in 1 seconds", BOOT)
    client.wait_end()


@scenario
def builtin_no_lun(lab: Lab) -> None:
    """No such LUN, asynchronous probing, a time limit: each attempt takes its session back, and the last one gives up."""
    target = lab.tgt(lab.tiny_disk())
    line = f"{ROOT} iscsi-if=eth0:{OWN} iscsi-target={SERVER}:{NAME} iscsi-lun=7 iscsi-timeout=15 driver_async_probe=*"
    client = lab.builtin(f"{line} panic=1")
    client.provokes(NO_ROOT)
    client.console.wait(AGAIN, BOOT, never=BOOT_FAILED)
    client.console.wait(r"iscsi_init: given up after \d+ s: target .* has no LUN 7", BOOT)
    client.console.wait(NO_ROOT, BOOT)
    client.wait_end()
    expect(target.connections() == 0, "no session to be left", target.connections())


@scenario
def builtin_restart(lab: Lab) -> None:
    """Ctrl-Alt-Del, while a machine tries to find its target, restarts it."""
    client = lab.builtin(f"{ROOT} iscsi-if=eth0:{OWN} iscsi-target={SERVER}:{NAME}")
    client.console.wait(AGAIN, BOOT, never=BOOT_FAILED)
    client.press("ctrl", "alt", "delete")
    client.wait_end()
    expect(not client.log("Kernel panic"), "no panic")


@scenario
def builtin_late_port(lab: Lab) -> None:
    """The first interface's server gives no root path; the second is plugged in after that, and has the one that does."""
    lab.tgt(lab.tiny_disk())
    lab.dnsmasq()
    other = lab.network.bridge("br1")
    host = lab.network.host(other, SECOND_SERVER)
    lab.dhcpd(None, host=host, pool=(f"{PREFIX}.200", f"{PREFIX}.209"))
    client = lab.builtin(f"{ROOT} iscsi-lun=1", nics=[lab.nic(SECOND_MAC, bridge=other), lab.nic(carrier=False)])
    log = lab.directory / "dhcpd.log"
    wait_until(lambda: "DHCPACK" in log.read_text(), "dhcpd to give an address", BOOT)
    client.plug(1, True)
    guest.boots(client)
    expect(not client.log("trying again"), "the first attempt to wait for the second interface")
    guest.reboots(client)


@scenario
def builtin_dark_port(lab: Lab) -> None:
    """Two interfaces, the first without a cable, no DHCP server: the line that says so names the other one."""
    nics = [lab.nic(SECOND_MAC, model="e1000", carrier=False), lab.nic(model="e1000")]
    client = lab.builtin(f"{ROOT} iscsi-timeout=8 panic=1", nics=nics)
    client.provokes(NO_ROOT)
    client.console.wait(r"iscsi_init: given up after \d+ s: eth1: no DHCP or BOOTP server answered", BOOT)
    client.wait_end()


@scenario
def builtin_wrong_argument(lab: Lab) -> None:
    """An argument that cannot be understood will not mend itself: no second attempt, but a line and a panic."""
    client = lab.builtin(f"{ROOT} iscsi-if=eth0 iscsi-lun=x panic=1")
    client.provokes(NO_ROOT)
    client.console.wait(r"iscsi_init: iscsi-lun=: .*; correct the kernel argument", BOOT)
    client.console.wait(NO_ROOT, BOOT)
    client.wait_end()
    expect(not client.log("trying again"), "no second attempt")


@scenario
def builtin_idle(lab: Lab) -> None:
    """No argument of the driver's: it does nothing, and the machine boots from a disk of its own."""
    disk = lab.tiny_disk()
    client = lab.builtin("root=/dev/vda1", disks=[disk])
    client.console.wait("tiny: root is /dev/vda1", BOOT, never=BOOT_FAILED)
    client.wait_agent()
    told = client.log("iscsi_init:")
    expect(not told, "no word of the driver", "\n".join(told))
    threads = client.check("ps | grep -c '[i]scsi_init' || true")
    expect(threads == "0", "no thread of the driver", threads)
    flags = client.check("cat /sys/class/net/eth0/flags")
    expect(not int(flags, 16) & 1, "the interface to be down", flags)
    guest.reboots(client)
    expect(not lab.capture.fields("dhcp or iscsi", "frame.number"), "nothing on the wire")


@scenario
def builtin_debian(lab: Lab) -> None:
    """Debian's userland from the LUN without an initramfs: boots, writes, and shuts down cleanly."""
    disk = lab.debian_disk()
    lab.tgt(disk)
    lab.dnsmasq()
    client = lab.builtin(f"{ROOT} iscsi-if=eth0", memory=1024, cpus=2)
    client.wait_agent()
    failed = client.check("systemctl --failed --plain --no-legend")
    expect(not failed, "no failed unit", failed)
    command = "dd if=/dev/urandom of=/srv/random bs=1M count=16 status=none && sync && sha256sum /srv/random"
    digest = client.check(command).split()[0]
    client.send("systemctl poweroff")
    client.wait_end()
    guest.on_disk(disk, "/srv/random", digest)
    guest.logged_out(lab.capture)


# With KASAN debug_unit_tests is the same.
@without_kasan
@scenario
def builtin_unit_tests(lab: Lab) -> None:
    """The KUnit tests of the wrappers over the kernel: all run, none fails."""
    guest.unit_tests(lab.builtin(guest.UNIT_TESTS, nics=[]))
