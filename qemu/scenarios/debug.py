"""The driver on a kernel that looks for mistakes: locks taken in two orders, sleeping where that is not allowed, and more."""

from collections.abc import Callable

from lab import guest, images
from lab.data import fio
from lab.errors import expect
from lab.machine import BOOT, Machine
from lab.net import SERVER
from lab.process import wait_until
from lab.scenario import Lab, scenario, seldom, with_kasan, without_kasan
from lab.targets import NAME
from lab.writer import LOST, Writer

from . import custody, faults
from .chap import SECRET, USER, account

MIB = 1 << 20


@scenario
def debug_unit_tests(lab: Lab) -> None:
    """The unit tests of the wrappers over the kernel, without a report."""
    client = lab.builtin(guest.UNIT_TESTS, nics=[], cpus=2, debug=True)
    guest.unit_tests(client, skipped=["a_socket_for_a_disk_does_not_wait_for_memory"])


@without_kasan
@seldom
def debug_fips(lab: Lab) -> None:
    """In FIPS mode LIO is offered CHAP without MD5, and tgt, which has nothing else, is refused; the log says why."""
    target = lab.lio(lab.tiny_disk())
    target.authenticate(userid=USER, password=SECRET)
    lab.dnsmasq(f"iscsi:{target.address}:::0:{NAME}", f"dhcp-option=encap:175,190,{USER}", f"dhcp-option=encap:175,191,{SECRET}")
    client = lab.builtin("root=/dev/sda1 iscsi-if=eth0 fips=1", debug=True)
    guest.boots(client)
    expect(client.log("iscsi_init: CHAP without MD5, since the kernel is in FIPS mode"), "a line that says so")
    guest.reboots(client)
    offers = lab.capture.fields('iscsi.keyvalue contains "CHAP_A=" && ip.dst == ' + target.address, "iscsi.keyvalue")
    expect(offers and all("CHAP_A=8,7,6" in offer for offer, in offers), "8, 7 and 6 to be offered", offers)
    # tgt means SHA-1 by 7, so MD5 is all that is left with it.
    other = lab.tgt(lab.tiny_disk())
    account(other, USER, SECRET)
    client = lab.builtin(f"root=/dev/sda1 iscsi-if=eth0 iscsi-target={SERVER}:{NAME} iscsi-lun=1 fips=1", name="other", debug=True)
    client.console.wait("iscsi_init: login at .* failed: the target refused: .* CHAPAlgorithms", BOOT)
    client.kill()


def under_load(lab: Lab, *, digests: bool) -> None:
    """Debian on the LUN, many commands of all sizes from several threads, and the target killed in between."""
    target = lab.tgt(lab.debian_disk())
    other = lab.blank_disk(128 * MIB)
    target.configure("--mode", "logicalunit", "--op", "new", "--lun", "2", "--backing-store", str(other))
    for key in ("HeaderDigest", "DataDigest") if digests else ():
        target.configure("--mode", "target", "--op", "update", "--name", key, "--value", "CRC32C")
    lab.dnsmasq()
    client = lab.builtin("root=/dev/sda1 iscsi-if=eth0", cpus=2, memory=1024, debug=True)
    client.wait_agent(600)
    mixed = "--bssplit=512/20:4k/40:64k/20:1m/20 --bs_unaligned=0"
    raw = f"--filename=/dev/sdb --direct=1 {mixed} --offset_increment=24m --size=24m --io_size=16m"
    fio(client, f"--name=raw --rw=randwrite {raw} --iodepth=64 --numjobs=2")
    fio(client, "--name=file --directory=/srv --rw=randwrite --bs=16k --size=16m --iodepth=16 --fsync=16 --end_fsync=1")
    client.check("(dd if=/dev/zero of=/dev/sdb bs=64k count=1024 oflag=direct >/run/dd 2>&1; touch /run/dd.end) >/dev/null 2>&1 &")
    target.crash()
    client.console.wait(guest.UNDER_WAY, 120)
    target.start()
    client.console.wait("iscsi_init: session with .* restored", 120)
    client.check("until test -e /run/dd.end; do sleep 0.5; done", 300)
    expect("copied" in client.check("cat /run/dd"), "the writes to end well", client.check("cat /run/dd"))
    ends(client)
    expect(not any(other.read_bytes()[: 64 * MIB]), "what was written on the server's side")


def ends(client: Machine) -> None:
    """No memory may be lost, and the machine has to go down without a report."""
    guest.has_lost_no_memory(client)
    client.send("systemctl poweroff")
    client.wait_end(300)


@seldom
def debug_load(lab: Lab) -> None:
    """Mixed I/O by several threads, a lost target and a shutdown, without a report."""
    under_load(lab, digests=False)


@scenario
def debug_load_digests(lab: Lab) -> None:
    """The same with digests over headers and data."""
    under_load(lab, digests=True)


# Of what the machine sends: lost, late and out of turn, twice, with a bit changed.
BAD = ("loss 3%", "delay 4ms 3ms reorder 30% 50% duplicate 5%", "corrupt 1%")


@seldom
def debug_bad_network(lab: Lab) -> None:
    """Packets are lost, reordered, duplicated and corrupted, both ways, under writes that are verified."""
    lab.tgt(lab.debian_disk())
    lab.dnsmasq()
    client = lab.builtin("root=/dev/sda1 iscsi-if=eth0", cpus=2, memory=1024, debug=True)
    client.wait_agent(600)
    device = client.check("basename $(dirname $(ls -d /sys/class/net/*/device))")
    # What comes in goes through another device first. Its checksums are trusted, so nothing is corrupted there.
    client.check(
        f"ip link set ifb0 up && tc qdisc add dev {device} handle ffff: ingress &&"
        f" tc filter add dev {device} parent ffff: matchall action mirred egress redirect dev ifb0"
    )
    for number, what in enumerate(BAD):
        client.check(f"tc qdisc replace dev {device} root netem {what}")
        if "corrupt" not in what:
            client.check(f"tc qdisc replace dev ifb0 root netem {what}")
        fio(client, f"--name=f{number} --directory=/srv --rw=randwrite --bs=16k --size=8m --iodepth=8 --fsync=32 --end_fsync=1")
        client.check(f"tc qdisc delete dev ifb0 root; tc qdisc delete dev {device} root; true")
    lost = client.log(LOST)
    expect(not lost, "no I/O error", lost)
    ends(client)


# Has so many allocations in a hundred fail of each task whose make-it-fail is 1, and that one of which its fail-nth says the number.
FAILING = 5
FAILURES = (
    "mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug; cd /sys/kernel/debug;"
    " for kind in failslab fail_page_alloc; do echo 1 >$kind/task-filter; echo 0 >$kind/verbose; echo -1 >$kind/times;"
    f" echo {FAILING} >$kind/probability; done;"
    " echo N >failslab/ignore-gfp-wait; echo N >fail_page_alloc/ignore-gfp-wait; echo 0 >fail_page_alloc/min-order;"
)


@seldom
def debug_no_memory(lab: Lab) -> None:
    """One in twenty allocations fails of the driver's threads, while sessions are lost and made, and of who writes: nothing is lost, nothing hangs."""
    target = lab.tgt(lab.debian_disk())
    raw = lab.blank_disk(16 * MIB)
    target.configure("--mode", "logicalunit", "--op", "new", "--lun", "2", "--backing-store", str(raw))
    lab.dnsmasq()
    client = lab.builtin("root=/dev/sda1 iscsi-if=eth0", cpus=2, memory=1024, debug=True)
    client.wait_agent(600)
    writer = Writer(client)
    client.check(f"{FAILURES} for task in $(pgrep iscsi_init); do echo 1 >/proc/$task/make-it-fail; done")
    for _ in range(3):
        target.crash()
        client.console.wait(guest.UNDER_WAY, 120)
        target.start()
        client.console.wait("iscsi_init: session with .* restored", 300)
        writer.goes_on()
    writer.ends()
    # Past all caches it is the writer itself that sends.
    digest = client.check(f"dd if=/dev/urandom of=/run/raw bs=1M count={raw.stat().st_size // MIB} status=none; sha256sum /run/raw").split()[0]
    write = "dd if=/run/raw of=/dev/sdb bs=16k oflag=direct status=none"
    client.check(f"{write} & writer=$!; until grep -q ^dd /proc/$writer/comm; do :; done; echo 1 >/proc/$writer/make-it-fail; wait $writer", 600)
    expect(images.digest(raw.read_bytes()) == digest, "what was written on the server's side")
    client.check("for task in $(pgrep iscsi_init); do echo 0 >/proc/$task/make-it-fail; done")
    lost = client.log(LOST)
    expect(not lost, "no I/O error", lost)
    ends(client)


def starves(lab: Lab) -> Machine:
    """A machine that has the module still to load, and in which allocations can be made to fail."""
    lab.tgt(lab.tiny_disk())
    machine = lab.bench("iscsi-if=eth0 iscsi-lun=1")
    machine.check(f"mount -t proc proc /proc; {FAILURES}")
    return machine


def loads(lab: Lab, machine: Machine, number: int, fails: str) -> int:
    """Loads the module, has allocations of insmod's fail by `fails` once it looks for a DHCP server, and starts that: it must succeed, or say
    why and leave nothing behind. Returns its errno."""
    before = machine.check(guest.INTERFACES)
    machine.check(f"echo '<6>lab: round {number}' >/dev/kmsg")
    machine.check("rm -f /run/errno; (cat /lib/modules/iscsi_init.ko | insmod /proc/self/fd/0; echo $? >/run/errno) >/dev/null 2>&1 &")
    # What loads a module is not the matter here.
    machine.console.wait("iscsi_init: interface eth0", 60)
    machine.check(f"cd /proc/$(pidof insmod); {fails}")
    server = lab.dnsmasq()
    errno = int(machine.check("until test -s /run/errno; do sleep 0.1; done; cat /run/errno", guest.INSMOD))
    if errno:
        said = machine.check(f"dmesg -r | sed '1,/lab: round {number}$/d' | grep '^<3>.*iscsi_init: '").split("\n")
        expect(len(said) == 1, f"one line that says why errno {errno}", said)
        machine.check("test ! -e /dev/sda; ! grep -q '^iscsi_init ' /proc/modules")
    else:
        machine.check("dd if=/dev/sda of=/dev/null bs=4k count=1 iflag=direct; rmmod iscsi_init")
    server.stop()
    after = machine.check(guest.INTERFACES)
    expect(after == before, f"the interfaces as before, after errno {errno}", f"{after}\nbefore:\n{before}")
    return errno


def loads_well(lab: Lab, machine: Machine) -> None:
    """With memory again the module must load, and no memory be lost."""
    lab.dnsmasq()
    guest.succeeds(machine)
    machine.check("rmmod iscsi_init")
    guest.has_lost_no_memory(machine)


@with_kasan
@seldom
def debug_no_memory_insmod(lab: Lab) -> None:
    """One in twenty allocations of insmod's fails, once it looks for a DHCP server: it succeeds or says why, and leaves nothing behind."""
    machine = starves(lab)
    errnos = {loads(lab, machine, number, "echo 1 >make-it-fail") for number in range(12)}
    expect(errnos - {0}, "an insmod to fail")
    loads_well(lab, machine)


# What is left of an insmod's fail-nth is looked at so often, in seconds; a number that none comes to; and how many rounds there are.
LOOK, FAR, ROUNDS = 0.2, 1_000_000, 100


@with_kasan
@scenario
def long_debug_allocations_insmod(lab: Lab) -> None:
    """... one of them each time, a hundred times, evenly spread."""
    machine = starves(lab)
    looks = f"(while cat fail-nth; do sleep {LOOK}; done >/run/left) 2>/dev/null &"
    expect(loads(lab, machine, 0, f"echo {FAR} >fail-nth; {looks}") == 0, "an insmod to succeed")
    count = FAR - int(machine.check("tail -n 1 /run/left"))
    machine.check(f"echo '<6>lab: {count} allocations' >/dev/kmsg")
    expect(count >= ROUNDS, f"{ROUNDS} allocations or more", count)
    numbers = range(1, count + 1, count // ROUNDS)
    failed = sum(loads(lab, machine, number, f"echo {number} >fail-nth") != 0 for number in numbers)
    expect(failed, "an insmod to fail")
    loads_well(lab, machine)


@scenario
def long_debug_allocations(lab: Lab) -> None:
    """Of each of the driver's threads every allocation fails in turn: of a new session, of a repair of the network, of a renewal of the lease."""
    target = lab.tgt(lab.tiny_disk())
    server = custody.dhcpd(lab)
    client = lab.builtin("root=/dev/sda1 iscsi-if=eth0", debug=True)
    guest.boots(client)
    writer = Writer(client)
    client.check(FAILURES)

    def each(thread: str, act: Callable[[], None], least: int) -> None:
        """Has `act` done again and again, until the thread asks for less memory in it than would have to fail, which is `least` times or more."""
        task = client.check(f"pidof {thread}").strip()
        number, left = 0, 0
        while not left:
            number += 1
            client.check(f"echo '<6>lab: allocation {number} of {thread} fails' >/dev/kmsg; echo {number} >/proc/{task}/fail-nth")
            act()
            left = int(client.check(f"cat /proc/{task}/fail-nth"))
        client.check(f"echo 0 >/proc/{task}/fail-nth")
        expect(number > least, f"{thread} to ask for memory {least} times", number)

    def loses_session() -> None:
        faults.reconnects(client, target)

    def loses_address() -> None:
        client.check("ip address flush dev eth0; until ip -4 route | grep -q ^default; do sleep 0.1; done")
        client.check("dd if=/dev/sda of=/dev/null bs=4k count=1 iflag=direct")

    def renews() -> None:
        before = server.output().count("DHCPACK")
        wait_until(lambda: server.output().count("DHCPACK") > before, "the lease to be renewed", 4 * custody.LEASE)

    each("iscsi_init", loses_session, 40)
    each("iscsi_init_net", loses_address, 60)
    each("iscsi_init_net", renews, 5)
    writer.goes_on()
    writer.ends()
    guest.has_lost_no_memory(client)
    guest.reboots(client)
    images.check_file_system(lab.directory / "lun.img")


@scenario
def long_debug_reconnects(lab: Lab) -> None:
    """A thousand new sessions on a kernel with kmemleak: no memory is lost, and neither slab, sockets nor threads grow."""
    target = lab.tgt(lab.tiny_disk())
    lab.dnsmasq()
    client = lab.builtin("root=/dev/sda1 iscsi-if=eth0", debug=True)
    guest.boots(client)
    faults.leaks(client, target, 1000, faults.reconnects)
    guest.reboots(client)
