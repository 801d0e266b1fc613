"""Ends that are no orderly reboot: another kernel started in the place of the running one, a crash; and sleep, which is none."""

from pathlib import Path

from lab import guest, images, netboot
from lab.errors import expect
from lab.machine import Machine
from lab.process import wait_until
from lab.scenario import Lab, scenario
from lab.targets import NAME
from lab.writer import Writer, holds, synced

# The first line of a kernel.
STARTS = r"Linux version"
LOAD = "kexec -s -l /boot/vmlinuz --initrd=/boot/initrd.img --reuse-cmdline"


def with_kexec(lab: Lab) -> Path:
    """A disk with the small root file system, with a kernel and an initrd in /boot, and with kexec."""
    disk = lab.tiny_disk()
    boot = lab.directory / "boot"
    boot.mkdir()
    files = {f"/boot/{file.name}": file.read_bytes() for file in netboot.kernel_and_initrd(boot)}
    images.add_files(disk, files | images.programs("kexec"))
    return disk


def loads(client: Machine) -> None:
    """Has the kernel load the one of /boot, to be started next."""
    client.check(f"chmod +x /bin/kexec /bin/ld-*; {LOAD}")


@scenario
def ends_kexec(lab: Lab) -> None:
    """kexec boots from the LUN again: in order, from under writes with the interface set down, and with the target gone meanwhile."""
    disk = with_kexec(lab)
    target = lab.tgt(disk)
    lab.dnsmasq()
    client = lab.client()
    guest.boots(client)
    loads(client)
    writer = Writer(client)
    writer.goes_on()
    writer.ends()
    written = synced(client)
    client.send("sync; mount -o remount,ro /; kexec -e -x")
    guest.boots(client)
    holds(client, written)
    expect(target.connections() == 1, "one session", target.connections())

    loads(client)
    start = client.console.end()
    Writer(client).goes_on()
    # As it is called without further ado, it sets all interfaces down, and stops nobody.
    client.send("kexec -e")
    client.console.wait(STARTS, guest.SHUTDOWN)
    guest.boots(client)
    holds(client, synced(client, start))

    loads(client)
    # What the end needs is in memory before the disk goes.
    client.check("sync; mount -o remount,ro /; mount -t tmpfs tmpfs /tmp; cp /bin/kexec.elf /bin/ld-* /bin/lib* /tmp")
    target.stop()
    client.send("/tmp/ld-* --library-path /tmp /tmp/kexec.elf -e -x")
    client.console.wait(STARTS, guest.SHUTDOWN)
    target.start()
    guest.boots(client)
    guest.reboots(client)
    images.check_file_system(disk)
    expect(guest.pdus(lab.capture).count("Logout") == 3, "three logouts", guest.pdus(lab.capture).count("Logout"))


@scenario
def ends_sysrq(lab: Lab) -> None:
    """sysrq-b under writes: the next boot takes the old session's place, and has what was synced."""
    disk = lab.tiny_disk()
    target = lab.lio(disk)
    lab.dnsmasq(f"iscsi:{target.address}:::0:{NAME}")
    client = lab.client(name="crashed")
    guest.boots(client)
    Writer(client).goes_on()
    client.send("echo b >/proc/sysrq-trigger")
    client.wait_end(guest.SHUTDOWN)
    written = synced(client)
    expect(target.sessions() == 1, "the session of a machine that has gone", target.sessions())
    client = lab.client()
    guest.boots(client)
    expect(target.sessions() == 1, "one session", target.sessions())
    holds(client, written)
    guest.reboots(client)
    target.stop()
    images.check_file_system(disk)


def sleeps(client: Machine) -> None:
    """Suspends a machine to its memory, and wakes it."""
    client.send("echo mem >/sys/power/state")
    wait_until(client.is_asleep, "the machine to sleep", guest.SHUTDOWN)
    client.wake()
    client.check("true")


@scenario
def ends_sleep(lab: Lab) -> None:
    """Suspend to memory, idle and under writes: the session is there afterwards, and nothing is lost."""
    lab.tgt(lab.tiny_disk())
    lab.dnsmasq()
    client = lab.client("rdinit=/linuxrc root=/dev/sda1 iscsi-if=eth0 no_console_suspend")
    guest.boots(client)
    client.check("sync")
    sleeps(client)
    client.check("echo 3 >/proc/sys/vm/drop_caches; cat /bin/busybox >/dev/null")
    writer = Writer(client)
    sleeps(client)
    writer.goes_on()
    writer.ends()
    guest.reboots(client)
    images.check_file_system(lab.directory / "lun.img")
