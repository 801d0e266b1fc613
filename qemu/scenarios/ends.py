"""Ends that are no orderly reboot: another kernel started in the place of the running one, a crash; and sleep, which is none."""

import time
from pathlib import Path

from lab import guest, images, netboot
from lab.errors import expect
from lab.machine import Machine
from lab.net import SERVER
from lab.relay import Relay
from lab.scenario import Lab, scenario, seldom
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


@seldom
def ends_kexec(lab: Lab) -> None:
    """kexec boots from the LUN again: in order, from under writes with the interface set down, with the target gone meanwhile, and with it frozen."""
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

    for goes, comes in ((target.stop, target.start), (target.freeze, target.thaw)):
        loads(client)
        # What the end needs is in memory before the disk goes.
        client.check("sync; mount -o remount,ro /; mount -t tmpfs tmpfs /tmp; cp /bin/kexec.elf /bin/ld-* /bin/lib* /tmp")
        goes()
        client.send("/tmp/ld-* --library-path /tmp /tmp/kexec.elf -e -x")
        client.console.wait(STARTS, guest.SHUTDOWN)
        comes()
        guest.boots(client)
    guest.reboots(client)
    images.check_file_system(disk)
    expect(guest.pdus(lab.capture).count("Logout") == 3, "three logouts", guest.pdus(lab.capture).count("Logout"))


@scenario
def ends_sysrq(lab: Lab) -> None:
    """sysrq-b under writes: the next boot takes the old session's place, and has what was synced; it ends at once with the target's machine frozen, too."""
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
    client.check("sync; mount -o remount,ro /")
    target.machine.freeze()
    client.send("echo b >/proc/sysrq-trigger")
    client.wait_end(guest.SHUTDOWN)
    target.machine.thaw()
    target.stop()
    images.check_file_system(disk)


def falls_asleep(client: Machine) -> None:
    """Has a machine suspend itself to its memory."""
    # The serial port that the agent has open hears nothing any more afterwards, until it is opened anew.
    client.send("(echo mem >/sys/power/state; kill $(pidof agent); /sbin/agent) >/dev/null 2>&1 &")


def wakes(client: Machine) -> None:
    """Wakes it once it sleeps, after a while in which the target hears nothing from it."""
    client.wait_event("SUSPEND")
    time.sleep(5)
    client.wake()
    client.wait_agent()


@seldom
def ends_sleep(lab: Lab) -> None:
    """Suspend to memory, idle, under writes to a slow target, and with the target gone or frozen at first: nothing is lost."""
    disk = lab.tiny_disk()
    target = lab.tgt(disk)
    relay = Relay(target.address, digests=(0, 0))
    lab.dnsmasq(f"iscsi:{SERVER}::{relay.port}:1:{NAME}")

    def late(pdu: bytes) -> bytes:
        time.sleep(0.3)
        return pdu

    def idle(client: Machine) -> None:
        falls_asleep(client)
        wakes(client)
        Writer(client).ends()

    def busy(client: Machine) -> None:
        writer = Writer(client)
        prompt, relay.damage = relay.damage, late
        falls_asleep(client)
        wakes(client)
        relay.damage = prompt
        writer.goes_on()
        writer.ends()

    def gone(client: Machine) -> None:
        client.check("sync")
        target.stop()
        falls_asleep(client)
        client.console.wait("PM: suspend entry", guest.SHUTDOWN)
        target.start()
        wakes(client)
        Writer(client).ends()

    def frozen(client: Machine) -> None:
        client.check("sync")
        target.freeze()
        falls_asleep(client)
        client.console.wait("iscsi_init: session with .* lost: the target has not answered a ping", guest.SHUTDOWN)
        target.thaw()
        wakes(client)
        Writer(client).ends()

    # QEMU lets each machine sleep once.
    for name, act, losses in (("idle", idle, 0), ("busy", busy, 0), ("gone", gone, 1), ("frozen", frozen, 1)):
        client = lab.client(name=name)
        guest.boots(client)
        act(client)
        lost = client.log("iscsi_init: session with .* lost")
        expect(len(lost) == losses, f"the session to be lost {losses} times", "\n".join(lost))
        guest.reboots(client)
        images.check_file_system(disk)
