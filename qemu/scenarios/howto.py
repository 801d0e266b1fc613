"""What docs/HOWTO.md tells people to do, done as it stands there."""

import os

from lab import guest, howto, images, settings
from lab.errors import expect
from lab.process import run
from lab.reports import WAITING
from lab.scenario import ALL_FROM_DHCP, ROOT_PATH, Lab, scenario, seldom, without_kasan
from lab.targets import NAME
from lab.writer import Writer

from .recovery import shuts_down

SECTOR = 512


def by_hand(lab: Lab, heading: str, initrd: str) -> None:
    """Makes an initrd as the part of that heading says, and boots it."""
    names = {
        "release": settings.RELEASE,
        "tree": str(settings.MODULES).removesuffix(f"/lib/modules/{settings.RELEASE}"),
        "iscsi_init": str(settings.MODULE),
    }
    (commands,) = howto.blocks(heading)
    script = f"set -eu\ncd {lab.directory}\n{commands}\n"
    run("sh", "-c", script, env=names)
    lab.tgt(lab.tiny_disk())
    lab.dnsmasq()
    for number, first in enumerate(("/init", "/linuxrc")):
        append = ALL_FROM_DHCP.replace("/linuxrc", first)
        client = lab.client(append, initrd=lab.directory / initrd, name=f"client{number}")
        guest.boots(client)
        guest.reboots(client)


@without_kasan
@scenario
def howto_initrd_redhat(lab: Lab) -> None:
    """An initrd made by hand, of busybox and modules in one directory, boots."""
    by_hand(lab, "A tree like Red Hat's", "initrd-redhat")


@without_kasan
@seldom
def howto_initrd_suse(lab: Lab) -> None:
    """An initrd made by hand, of the distribution's own programs and modprobe, boots."""
    by_hand(lab, "A tree like SUSE's", "initrd-suse")


@seldom
def howto_growing(lab: Lab) -> None:
    """The disk of a running Debian is made larger at tgt, and partition and file system with it."""
    disk = lab.debian_disk()
    target = lab.tgt(disk)
    lab.dnsmasq(ROOT_PATH)
    client = lab.client(ALL_FROM_DHCP, memory=1024, cpus=2)
    client.wait_agent()
    before = int(client.check("df -k --output=size / | tail -n 1"))
    writer = Writer(client)
    target.shut_down()
    size = disk.stat().st_size + (1 << 30)
    os.truncate(disk, size)
    target.start()
    client.console.wait("iscsi_init: session with .* restored", 120)
    writer.goes_on()
    client.check("set -e\n" + howto.blocks("Growing the disk")[1])
    client.console.wait("sda: detected capacity change", 10)
    seen = int(client.check("cat /sys/block/sda/size")) * SECTOR
    expect(seen == size, f"a disk of {size} bytes", seen)
    after = int(client.check("df -k --output=size / | tail -n 1"))
    expect(after - before > 900_000, "a file system that is nearly 1 GiB larger", f"{before} KiB before, {after} KiB after")
    writer.ends()
    client.check("dd if=/dev/urandom of=/srv/random bs=1M count=16 status=none && sync")
    digest = client.check("sha256sum /srv/random").split()[0]
    client.send("systemctl poweroff")
    client.wait_end(guest.SHUTDOWN)
    guest.on_disk(disk, "/srv/random", digest)


@scenario
def howto_growing_lio(lab: Lab) -> None:
    """The disk behind LIO is made larger, and the machine sees it at once."""
    disk = lab.tiny_disk()
    target = lab.lio(disk)
    lab.dnsmasq(f"iscsi:{target.address}:::0:{NAME}")
    client = lab.client()
    guest.boots(client)
    size = disk.stat().st_size + (64 << 20)
    target.machine.resize(0, size)
    client.check(howto.blocks("Growing the disk")[1].split("\n")[0])
    client.console.wait("sda: detected capacity change", 30)
    seen = int(client.check("cat /sys/block/sda/size")) * SECTOR
    expect(seen == size, f"a disk of {size} bytes", seen)
    guest.reboots(client)
    target.stop()
    images.check_file_system(disk)


@without_kasan
@seldom
def howto_watchdog(lab: Lab) -> None:
    """The target goes while Debian reboots, and stays away: a hardware watchdog ends that."""
    target = lab.tgt(lab.debian_disk())
    lab.dnsmasq()
    client = lab.client(ALL_FROM_DHCP, modules=("i6300esb",), memory=1024, cpus=2, firmware=["-device", "i6300esb"])
    client.wait_agent()
    (commands,) = howto.blocks("A hardware watchdog")
    client.check(commands)
    watched = client.check("cat /sys/class/watchdog/watchdog0/state")
    expect(watched == "inactive", "a watchdog that no outage wakes", watched)
    shuts_down(client, target, "reboot")
    client.provokes(WAITING)
    client.wait_event("WATCHDOG", 400)
    client.wait_end()
