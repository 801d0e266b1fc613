"""What breaks between a machine and its root disk, under writes to the mounted file system: no error, nothing lost."""

import random
import re
import time
from collections.abc import Callable

from lab import guest, images, settings
from lab.errors import expect
from lab.machine import Machine
from lab.net import SERVER
from lab.process import run
from lab.relay import Relay
from lab.reports import WAITING
from lab.scenario import Lab, scenario, seldom
from lab.targets import NAME, Tgt
from lab.writer import FILES, Writer, content, synced

LOST, RESTORED = "iscsi_init: session with .* lost", "iscsi_init: session with .* restored"
SILENT = f"{LOST}: the target has not answered a ping"
MIB = 1 << 20
# For how long a program waits before Debian's kernel speaks of it (hung_task_timeout_secs), in seconds.
HUNG = 120


def boots(lab: Lab) -> tuple[Machine, Tgt]:
    """A machine with the small root file system on a LUN of tgt."""
    target = lab.tgt(lab.tiny_disk())
    lab.dnsmasq()
    client = lab.client()
    guest.boots(client)
    return client, target


def tells(client: Machine, start: int) -> None:
    """The log since `start` has a line where each outage begins, one where it ends, and between them one in 10 s at most."""
    lost, between = None, 0
    for line in client.log("iscsi_init: (session with|no session since) ", start):
        at = float(line.partition("[")[2].partition("]")[0])
        if re.search(LOST, line):
            expect(lost is None, "an outage to end before the next one begins", line)
            lost, between = at, 0
        elif re.search(RESTORED, line):
            expect(lost is not None and between <= 1 + (at - lost) / 10, "few lines between a session and the next", f"{between} before {line}")
            lost = None
        else:
            expect(lost is not None, "no word of an outage before it begins or after it ends", line)
            between += 1
    expect(lost is None, "the last outage to end")


def ends(lab: Lab, client: Machine, writer: Writer, *, waited: bool = False) -> None:
    """All must be there, also from the server's side. `waited`: programs have waited for so long that the kernel may have said so."""
    writer.ends()
    tells(client, writer.start)
    if waited:
        client.provokes(WAITING)
    guest.reboots(client)
    images.check_file_system(lab.directory / "lun.img")


@scenario
def faults_connection(lab: Lab) -> None:
    """RST, FIN, and a connection on which nothing passes any more though it stands."""
    target = lab.tgt(lab.tiny_disk())
    relay = Relay(target.address, digests=(0, 0))
    lab.dnsmasq(f"iscsi:{SERVER}::{relay.port}:1:{NAME}")
    client = lab.client()
    guest.boots(client)
    writer = Writer(client)
    for breaks in (relay.reset, relay.finish, relay.reset):
        # Commands are under way that are not answered any more.
        relay.hold()
        breaks()
        client.console.wait(guest.UNDER_WAY, 60)
        relay.flows.set()
        client.console.wait(RESTORED, 60)
        writer.goes_on()
    relay.flows.clear()
    client.console.wait(SILENT, 60)
    relay.flows.set()
    client.console.wait(RESTORED, 60)
    writer.goes_on()
    ends(lab, client, writer)


def frozen(lab: Lab, seconds: int) -> None:
    """The target's process is stopped for so long, and goes on."""
    client, target = boots(lab)
    writer = Writer(client)
    target.freeze()
    client.console.wait(SILENT, 60)
    # Time that passes is the fault, here and below.
    time.sleep(seconds)
    target.thaw()
    client.console.wait(RESTORED, 120)
    writer.goes_on()
    ends(lab, client, writer, waited=seconds >= HUNG)
    # What the target still gets of the old connection must not count once its commands go out on another.
    resets, logins = (
        lab.capture.fields(f"{what} && tcp.dstport == {target.port}", "tcp.stream", "frame.number")
        for what in ("tcp.flags.reset == 1", "iscsi.opcode == 0x03")
    )
    first = logins[0][0]
    reset = [int(number) for stream, number in resets if stream == first]
    others = [int(number) for stream, number in logins if stream != first]
    expect(reset and others and reset[0] < min(others), "a RST on the first connection, and then the next login", f"{reset}, {others}")


@scenario
def faults_target_frozen(lab: Lab) -> None:
    """The target's process is stopped for 20 s, with its connections open."""
    frozen(lab, 20)


@scenario
def long_target_frozen(lab: Lab) -> None:
    """... for five minutes."""
    frozen(lab, 300)


@seldom
def faults_target_rebooted(lab: Lab) -> None:
    """The power of LIO's machine goes, and it starts again: its connections are half open, and it knows of no session."""
    disk = lab.tiny_disk()
    target = lab.lio(disk)
    lab.dnsmasq(f"iscsi:{target.address}:::0:{NAME}")
    client = lab.client()
    guest.boots(client)
    writer = Writer(client)
    for number in range(2):
        target.machine.kill()
        target = lab.lio(disk, name=f"lio-{number}")
        client.console.wait(RESTORED, 120)
        writer.goes_on()
    writer.ends()
    tells(client, writer.start)
    guest.reboots(client)
    target.stop()
    images.check_file_system(disk)


def unplugged(lab: Lab, *seconds: int) -> None:
    """The cable is out for so long, again and again."""
    client, _ = boots(lab)
    writer = Writer(client)
    for duration in seconds:
        client.plug(0, False)
        time.sleep(duration)
        client.plug(0, True)
        writer.goes_on()
    ends(lab, client, writer, waited=max(seconds) >= HUNG)


@scenario
def faults_cable(lab: Lab) -> None:
    """The cable is out for 5 s, which TCP bridges, and for 30 s."""
    unplugged(lab, 5, 30)


@scenario
def long_cable(lab: Lab) -> None:
    """The cable is out for a minute, and for ten."""
    unplugged(lab, 60, 600)


def switched_off(lab: Lab, *seconds: int) -> None:
    """The switch is gone for so long, again and again, and the cable to it has a carrier all the time."""
    client, _ = boots(lab)
    writer = Writer(client)
    for duration in seconds:
        run("ip", "link", "set", "tap0", "nomaster")
        client.console.wait(SILENT, 60)
        time.sleep(duration)
        run("ip", "link", "set", "tap0", "master", "br0")
        client.console.wait(RESTORED, 120)
        writer.goes_on()
    ends(lab, client, writer, waited=max(seconds) >= HUNG)


@seldom
def faults_switch(lab: Lab) -> None:
    """The switch restarts within 20 s."""
    switched_off(lab, 20)


@scenario
def long_switch(lab: Lab) -> None:
    """... within a minute, and within ten."""
    switched_off(lab, 60, 600)


@seldom
def faults_failover(lab: Lab) -> None:
    """Another machine takes the target's address over, so that it has another network card, of which the network is not told."""
    client, target = boots(lab)
    writer = Writer(client)
    target.crash()
    run("ip", "link", "set", "br0", "address", "02:00:00:00:07:99")
    client.console.wait(guest.UNDER_WAY, 60)
    target.start()
    client.console.wait(RESTORED, 120)
    writer.goes_on()
    ends(lab, client, writer)


@scenario
def faults_black_hole(lab: Lab) -> None:
    """Large packets do not arrive any more, without a word of it; small ones do: each new session is lost again until all arrive."""
    # The target's side goes on with packets of 1500 bytes, each of them sent as it is: a bridge keeps an MTU once that was changed.
    for mtu in ("1400", "1500"):
        run("ip", "link", "set", "br0", "mtu", mtu, "gso_max_segs", "1")
    client, _ = boots(lab)
    writer = Writer(client)
    # What is in the page cache needs no packet; without it nothing can be begun on the machine.
    read = "sleep 2; echo 3 >/proc/sys/vm/drop_caches; until cat /data/* /bin/* >/dev/null; do :; done; touch /run/read.end"
    client.check(f"({read}) >/dev/null 2>&1 &")
    run("ip", "link", "set", "tap0", "mtu", "600")
    client.console.wait(SILENT, 60)
    client.console.wait(RESTORED, 60)
    client.console.wait(f"{SILENT} .*check the MTU", 60)
    client.console.wait(RESTORED, 60)
    run("ip", "link", "set", "tap0", "mtu", "1500")
    writer.goes_on()
    client.check("until test -e /run/read.end; do sleep 0.2; done", 300)
    ends(lab, client, writer)


def cut_power(lab: Lab, times: int, start: Callable[[str], Machine]) -> None:
    """The machine, which `start` starts, is killed so many times while it writes: each file that was synced is there, and the file system can be repaired by its journal."""
    disk = lab.tiny_disk()
    lab.tgt(disk)
    lab.dnsmasq()
    chance = random.Random(20041107)
    for number in range(times):
        client = start(f"cut{number}")
        guest.boots(client)
        begun = client.console.end()
        Writer(client)
        time.sleep(chance.random() * 3)
        client.kill()
        numbers = synced(client, begun)
        # What tgtd was given is in the image; of what it was being given, some may not be.
        copy = images.copy(disk, lab.directory / "cut.img")
        images.replay_journal(copy)
        images.check_file_system(copy)
        # The one that was being written may be in the place of the oldest.
        for written in numbers[1 - FILES :]:
            seen = images.read_file(copy, f"/data/{written % FILES}")
            expect(seen == content(written), f"file {written} as it was synced", f"{len(seen)} bytes")


@scenario
def faults_power_cut(lab: Lab) -> None:
    """The power goes three times while files are written and synced: what was synced is there."""
    cut_power(lab, 3, lambda name: lab.client(name=name))


@scenario
def long_power_cuts(lab: Lab) -> None:
    """... two hundred times, on the kernel that starts fastest."""
    cut_power(lab, 200, lambda name: lab.builtin("root=/dev/sda1 iscsi-if=eth0", name=name))


@seldom
def faults_memory(lab: Lab) -> None:
    """128 MiB, swap on the target, dirty pages at their limit, and no cable for a minute."""
    target = lab.tgt(lab.tiny_disk())
    swap = lab.blank_disk(256 * MIB)
    target.configure("--mode", "logicalunit", "--op", "new", "--lun", "2", "--backing-store", str(swap))
    lab.dnsmasq()
    # Debian's kernel with its initrd does not start in so little.
    client = lab.builtin("root=/dev/sda1 iscsi-if=eth0", memory=128)
    guest.boots(client)
    client.check("until test -e /dev/sdb; do sleep 0.1; done; mkswap /dev/sdb && swapon /dev/sdb")
    # More than there is memory for, so part of it is on the target, as is part of the programs.
    client.check("mkdir -p /mnt; mount -t tmpfs -o size=160m tmpfs /mnt && seq 1 17000000 | head -c 125829120 >/mnt/file", 600)
    digest = client.check("sha256sum </mnt/file", 600)
    writer = Writer(client)
    client.check("(dd if=/dev/zero of=/dirty bs=1M count=20; touch /run/dirty.end) >/dev/null 2>&1 &")
    client.check("ip address flush dev eth0")
    client.plug(0, False)
    time.sleep(60)
    client.plug(0, True)
    writer.goes_on(600)
    client.check("until test -e /run/dirty.end; do sleep 0.2; done", 600)
    seen = client.check("sha256sum </mnt/file", 600)
    expect(seen == digest, "what was swapped out as it was", seen)
    killed = client.log("Out of memory|oom-kill|page allocation failure")
    expect(not killed, "nobody to be killed for want of memory", "\n".join(killed))
    client.check("rm /dirty; umount /mnt; swapoff /dev/sdb", 600)
    # This kernel speaks of it after 20 s.
    ends(lab, client, writer, waited=True)


def leaks(machine: Machine, target: Tgt, times: int, act: Callable[[Machine, Tgt], None]) -> None:
    """What is done so often must not cost more memory, threads or sockets each time."""
    count = "echo 3 >/proc/sys/vm/drop_caches; sleep 1; ps | grep -c '[i]scsi_init'; sed -n 's/^sockets: used //p;s/^TCP: inuse \\([0-9]*\\) .*/\\1/p' /proc/net/sockstat; awk '/^Slab:/ { print $2 }' /proc/meminfo"

    def counts() -> list[int]:
        return [int(word) for word in machine.check(count).split()]

    for _ in range(5):
        act(machine, target)
    before = counts()
    for _ in range(times):
        act(machine, target)
    after = counts()
    expect(after[0] == before[0], "as many threads as before", f"{after}, before {before}")
    # Some are closed, and TCP forgets them after a while.
    expect(max(after[1] - before[1], after[2] - before[2]) < times // 2, "no more sockets than before", f"{after}, before {before}")
    # In KiB; the kernel's own caches grow and shrink by some. KASAN keeps what is freed for a while.
    if not settings.KASAN:
        expect(after[3] - before[3] < 1024, f"no slab to grow in {times} rounds", f"{after}, before {before}")
    guest.has_lost_no_memory(machine)


def bench(lab: Lab) -> tuple[Machine, Tgt]:
    """A machine that has the driver still to load, and its target."""
    target = lab.tgt(lab.tiny_disk())
    lab.dnsmasq()
    return lab.bench("iscsi-if=eth0 iscsi-lun=1"), target


def reloads(machine: Machine, _: Tgt) -> None:
    """insmod and rmmod."""
    guest.succeeds(machine)
    machine.check("rmmod iscsi_init")


def reconnects(machine: Machine, target: Tgt) -> None:
    """The target's connections are closed by force."""
    if machine.sh("test -e /proc/iscsi_init").status:
        guest.succeeds(machine)
    # Without a command between two of them the next login waits, longer each time.
    machine.check("dd if=/dev/sda of=/dev/null bs=4k count=1 iflag=direct")
    start = machine.console.end()
    shown = target.admin("--mode", "conn", "--op", "show")
    session, connection = shown.split("Session: ")[1].split()[0], shown.split("Connection: ")[1].split()[0]
    target.admin("--mode", "conn", "--op", "delete", "--sid", session, "--cid", connection)
    machine.console.wait(RESTORED, 60)
    expect(machine.log(LOST, start), "the session to be lost")


@scenario
def faults_reloads(lab: Lab) -> None:
    """Ten rounds of insmod and rmmod leave nothing behind."""
    leaks(*bench(lab), 10, reloads)


@scenario
def long_reloads(lab: Lab) -> None:
    """... two hundred."""
    leaks(*bench(lab), 200, reloads)


@scenario
def faults_reconnects(lab: Lab) -> None:
    """Thirty new sessions leave nothing behind."""
    leaks(*bench(lab), 30, reconnects)


@scenario
def long_reconnects(lab: Lab) -> None:
    """... a thousand."""
    leaks(*bench(lab), 1000, reconnects)
