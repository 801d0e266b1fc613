"""The module by itself: its parameters, what it sets and shows, and how it goes."""

import base64

from lab import guest, settings, wire
from lab.errors import expect
from lab.net import NETMASK, PREFIX, SERVER
from lab.process import run
from lab.scenario import MAC, Lab, scenario
from lab.targets import INITIATOR, NAME, OWN_NAME


@scenario
def module_parameters(lab: Lab) -> None:
    """Module parameters instead of kernel arguments, and before them where both are given."""
    lab.tgt(lab.tiny_disk())
    lab.dnsmasq(None)
    machine = lab.bench(
        "iscsi-if=eth7 iscsi-initiator=iqn.2004-01.net.example:wrong iscsi-target=192.0.2.1:iqn.2004-01.net.example:wrong "
        "iscsi-lun=9"
    )
    guest.succeeds(machine, f"if=eth0 initiator={INITIATOR} target={SERVER}:{NAME} lun=1")
    machine.check("rmmod iscsi_init")
    keys = wire.login_keys(lab.capture)
    expect(keys.get("InitiatorName") == INITIATOR, f"InitiatorName={INITIATOR}", keys)


@scenario
def module_without_proc(lab: Lab) -> None:
    """The kernel arguments are found though /proc is not mounted."""
    lab.tgt(lab.tiny_disk())
    lab.dnsmasq()
    machine = lab.bench("iscsi-if=eth0")
    expect(machine.sh("test -e /proc/cmdline").status != 0, "/proc not to be mounted")
    done = machine.sh("insmod /lib/modules/iscsi_init.ko", guest.INSMOD)
    expect(done.status == 0, "insmod to succeed", done.output)
    machine.check("test -b /dev/sda1")
    expect(machine.sh("test -e /proc/cmdline").status != 0, "/proc not to be mounted by the module")


@scenario
def module_again(lab: Lab) -> None:
    """insmod and rmmod, three times: rmmod logs out, takes the disk away and leaves nothing behind."""
    target = lab.tgt(lab.tiny_disk())
    lab.dnsmasq()
    machine = lab.bench("iscsi-if=eth0")
    machine.check("mount -t proc proc /proc")
    before = machine.check("ls /sys/class/scsi_host /sys/class/iscsi_session /sys/class/iscsi_connection; ls /proc/net")
    for _ in range(3):
        guest.succeeds(machine)
        expect(target.connections() == 1, "one initiator to be logged in", target.connections())
        machine.check("mkdir -p /mnt && mount -r /dev/sda1 /mnt && cat /mnt/etc/marker && umount /mnt")
        machine.check("rmmod iscsi_init")
        machine.check("test ! -e /dev/sda")
        expect(target.connections() == 0, "the initiator to have logged out", target.connections())
        after = machine.check("ls /sys/class/scsi_host /sys/class/iscsi_session /sys/class/iscsi_connection; ls /proc/net")
        expect(after == before, "sysfs and /proc as before", f"{after!r}, before {before!r}")
    machine.kill()
    guest.logged_out(lab.capture, logouts=3)


@scenario
def module_in_use(lab: Lab) -> None:
    """rmmod is refused while a file system of the disk is mounted, and does not disturb it."""
    lab.tgt(lab.tiny_disk())
    lab.dnsmasq()
    machine = lab.bench("iscsi-if=eth0")
    machine.check("mount -t proc proc /proc")
    guest.succeeds(machine)
    machine.check("mkdir -p /mnt && mount /dev/sda1 /mnt")
    refused = machine.sh("rmmod iscsi_init")
    expect(refused.status != 0, "rmmod to be refused", refused)
    machine.check("echo works >/mnt/file && sync && test $(cat /mnt/file) = works && umount /mnt")
    machine.check("rmmod iscsi_init")


@scenario
def module_pnp(lab: Lab) -> None:
    """/proc/net/pnp has the bytes that the kernel's own ipconfig.c would write; host and domain name are set."""
    lab.tgt(lab.tiny_disk())
    lab.dnsmasq(
        f"iscsi:{SERVER}:6:3260:1:{NAME}",
        f"dhcp-option=option:dns-server,{SERVER},{PREFIX}.53",
        "dhcp-option=option:domain-name,example.net",
        f"dhcp-host={MAC},client-seven",
        f"dhcp-boot=pxelinux.0,boot,{PREFIX}.9",
    )
    # A UUID that many boards have is none of the machine's own, so the initiator's name is made of the host's.
    machine = lab.bench("iscsi-if=eth0", firmware=["-uuid", "03000200-0400-0500-0006-000700080009"])
    machine.check("mount -t proc proc /proc")
    guest.succeeds(machine)
    told = machine.check("grep ^setting-initiator: /proc/iscsi_init")
    expect(f" {OWN_NAME}:client-seven (default: host name)" in told, "an initiator name made of the host's", told)
    lines = ["#PROTO: DHCP", "domain example.net", f"nameserver {SERVER}", f"nameserver {PREFIX}.53", f"bootserver {PREFIX}.9"]
    machine.check("cp /proc/net/pnp /pnp")
    seen = machine.check("base64 -w 0 /pnp")
    wanted = "".join(f"{line}\n" for line in lines).encode()
    expect(base64.b64decode(seen) == wanted, f"{wanted!r} in /proc/net/pnp", base64.b64decode(seen))
    expect(machine.check("stat -c %a /proc/net/pnp") == "444", "mode 444", machine.check("stat -c %a /proc/net/pnp"))
    names = machine.check("cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname").split()
    expect(names == ["client-seven", "example.net"], "client-seven and example.net", names)
    machine.check("rmmod iscsi_init")
    expect(machine.sh("test -e /proc/net/pnp").status != 0, "/proc/net/pnp to go with the module")


@scenario
def module_mtu(lab: Lab) -> None:
    """The MTU that DHCP gives is the interface's, and big transfers pass."""
    lab.tgt(lab.tiny_disk())
    lab.dnsmasq(f"iscsi:{SERVER}:6:3260:1:{NAME}", "dhcp-option=option:mtu,1280")
    machine = lab.bench("iscsi-if=eth0")
    guest.succeeds(machine)
    expect(machine.check("cat /sys/class/net/eth0/mtu") == "1280", "an MTU of 1280")
    machine.check("dd if=/dev/sda of=/dev/null bs=1M count=16")


@scenario
def module_routes(lab: Lab) -> None:
    """A target behind a router: option 3's default route, and option 121's routes in its place."""
    lab.tgt(lab.tiny_disk())
    # The other network lives on this namespace's loopback; the server is the router to it.
    run("ip", "address", "add", "198.51.100.1/32", "dev", "lo")
    lab.dnsmasq(
        f"iscsi:{SERVER}:6:3260:1:{NAME}",
        f"dhcp-option=121,198.51.100.0/24,{SERVER},0.0.0.0/0,{PREFIX}.2",
    )
    machine = lab.bench("iscsi-if=eth0")
    guest.succeeds(machine)
    routes = machine.check("ip route")
    expect(f"198.51.100.0/24 via {SERVER}" in routes, f"the route by {SERVER}", routes)
    expect(f"default via {PREFIX}.2" in routes, "the default route of option 121, which replaces option 3", routes)
    machine.check("ping -c 1 -W 10 198.51.100.1")


@scenario
def module_dhcp_messages(lab: Lab) -> None:
    """DISCOVER, OFFER, REQUEST, ACK, with the options asked for that the module uses."""
    lab.tgt(lab.tiny_disk())
    lab.dhcpd()
    machine = lab.bench("iscsi-if=eth0")
    guest.succeeds(machine)
    machine.kill()
    kinds = [kind for kind, _, _ in guest.dhcp_messages(lab.capture)]
    expect(guest.sequence(kinds, "1", "2", "3", "5"), "DISCOVER, OFFER, REQUEST, ACK", kinds)
    rows = lab.capture.fields("dhcp.option.dhcp == 1 || dhcp.option.dhcp == 3", "dhcp.option.request_list_item")
    for (items,) in rows:
        asked = {int(item) for item in items.split(",")}
        expect({1, 3, 6, 12, 15, 17, 26, 42, 121} <= asked, "1,3,6,12,15,17,26,42,121 to be asked for", items)


@scenario
def module_static_netmask(lab: Lab) -> None:
    """A static address without netmask and gateway: the netmask of the address's class, no default route."""
    lab.tgt(lab.tiny_disk())
    machine = lab.bench()
    guest.succeeds(machine, f"if=eth0:{PREFIX}.61 initiator={INITIATOR} target={SERVER}:{NAME} lun=1")
    addresses = machine.check("ip -4 address show dev eth0; ip route")
    expect(f"inet {PREFIX}.61/24" in addresses, f"{PREFIX}.61 with {NETMASK}", addresses)
    expect("default" not in addresses, "no default route", addresses)


@scenario
def module_modinfo(lab: Lab) -> None:
    """modinfo shows every parameter with a description, and the licence."""
    shown = run("modinfo", settings.MODULE)
    for parameter in ("if", "initiator", "target", "lun"):
        expect(f"parm:           {parameter}:" in shown, f"a description of {parameter}=", shown)
    expect("license:        GPL" in shown, "the licence", shown)
