"""The driver on a kernel that looks for mistakes: locks taken in two orders, sleeping where that is not allowed, and more."""

from lab import guest
from lab.data import fio
from lab.errors import expect
from lab.scenario import Lab, scenario

MIB = 1 << 20


@scenario
def debug_unit_tests(lab: Lab) -> None:
    """The unit tests of the wrappers over the kernel, without a report."""
    client = lab.builtin(guest.UNIT_TESTS, nics=[], cpus=2, debug=True)
    guest.unit_tests(client, skipped=["a_socket_for_a_disk_does_not_wait_for_memory"])


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
    target.stop()
    client.console.wait("iscsi_init: session with .* lost", 120)
    target.start()
    client.console.wait("iscsi_init: session with .* restored", 120)
    client.check("until test -e /run/dd.end; do sleep 0.5; done", 300)
    expect("copied" in client.check("cat /run/dd"), "the writes to end well", client.check("cat /run/dd"))
    client.send("systemctl poweroff")
    client.wait_end(300)
    guest.healthy(client)


@scenario
def debug_load(lab: Lab) -> None:
    """Mixed I/O by several threads, a lost target and a shutdown, without a report."""
    under_load(lab, digests=False)


@scenario
def debug_load_digests(lab: Lab) -> None:
    """The same with digests over headers and data."""
    under_load(lab, digests=True)
