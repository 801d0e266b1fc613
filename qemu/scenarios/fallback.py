"""Several targets with one disk: a dead one stops neither the boot nor the running machine, and another disk is never written to."""

import re
import time
from pathlib import Path

from lab import guest
from lab.errors import expect
from lab.machine import Machine
from lab.net import NETMASK, PREFIX, PREFIX6, SERVER, SERVER6
from lab.scenario import Lab, scenario
from lab.targets import NAME, Tgt

from . import ipv6

STATIC = f"if=eth0:{PREFIX}.66:{NETMASK}"
DEAD, SECOND, FOREIGN = f"{NAME}:dead", f"{NAME}:second", f"{NAME}:foreign"
# Whom nobody but its administrator gives a name that no other disk has.
IDENTITY = "scsi_id=EXAMPLE-disk-0042,scsi_sn=0042"
# A megabyte behind the file system, written and read back behind the page cache.
AREA = 8 << 20


def named(target: Tgt, identity: str = IDENTITY, lun: int = 1) -> Tgt:
    """The target, its disk called so."""
    target.configure("--mode", "logicalunit", "--op", "update", "--lun", str(lun), "--params", identity)
    return target


def joined(target: Tgt, lun: int, disk: Path) -> Tgt:
    """The target with one more LUN."""
    target.configure("--mode", "logicalunit", "--op", "new", "--lun", str(lun), "--backing-store", str(disk))
    return target


def told(machine: Machine, key: str) -> str:
    """What /proc/iscsi_init says."""
    return machine.check(f"sed -n 's/^{key}: //p' /proc/iscsi_init")


@scenario
def fallback_targets(lab: Lab) -> None:
    """Targets of four names: the first is dead at boot; of the others the one with another disk is not written to when one dies. One has an IPv6 address."""
    disk = lab.tiny_disk()
    foreign = lab.blank_disk(disk.stat().st_size)
    first = named(lab.tgt(disk))
    lab.network.ipv6(lab.bridge)
    second = named(lab.tgt(disk, port=3261, name=SECOND, address=f"[{SERVER6}]"))
    third = named(lab.tgt(foreign, port=3262, name=FOREIGN), "scsi_id=EXAMPLE-disk-0043,scsi_sn=0043")
    # LUN 2 is another disk at each target, which tgt calls the same everywhere; LUN 3 is one disk of all three.
    others = {target.name: lab.blank_disk(1 << 20, f"other{target.port}.img") for target in (first, second)}
    shared = lab.blank_disk(1 << 20, "shared.img")
    for target in (first, second):
        joined(target, 2, others[target.name])
    for target in (first, second, third):
        named(joined(target, 3, shared), "scsi_id=EXAMPLE-disk-0044,scsi_sn=0044", 3)
    # Only the second one is to protect its data, and does not take the first one's word that none of that is needed.
    second.configure("--mode", "target", "--op", "update", "--name", "DataDigest", "--value", "CRC32C")
    # One as dracut has several, with the rest behind a comma.
    append = f"iscsi-target={SERVER}:3999:{DEAD} iscsi-target={SERVER}:{NAME},{SERVER}:3262:{FOREIGN} iscsi-target=[{SERVER6}]:3261:{SECOND}"
    machine = lab.bench(f"{append} iscsi-lun=1")
    machine.check(f"mkdir -p /etc; printf 'TargetName={SECOND}\\n\\tDataDigest=always\\n' >/etc/iscsi.conf")
    guest.succeeds(machine, STATIC)
    expect(machine.log(rf"target {SERVER}:3999:{DEAD} is passed over.*cannot connect"), "a line about the dead target")
    passed = told(machine, "passed-over")
    expect(passed.startswith(f"{SERVER}:3999:{DEAD}: cannot connect"), "the dead target in /proc/iscsi_init", passed)
    taken = told(machine, "setting-target")
    expect(taken == f"{SERVER}:3260:{NAME} (kernel argument)", "the target that was taken", taken)

    machine.check("until test -e /dev/sdc; do sleep 0.1; done")
    write = "dd if=/init of=/dev/sdb bs=4k count=1 oflag=direct conv=notrunc"
    for number, (dies, comes) in enumerate(((first, second), (second, first))):
        dies.stop()
        place = f"seek={AREA + (number << 20) >> 20} bs=1M"
        machine.send(f"seq 200000 | head -c 1048576 >/run/{number} && dd if=/run/{number} of=/dev/sda {place} oflag=direct conv=notrunc && echo written >/run/end{number}")
        if comes is second:
            # So far the machine has an IPv4 address alone.
            unreachable = rf"target {SECOND} does not take the place of the lost one: cannot connect to .*: no IPv6 address of this machine leads there"
            machine.console.wait(unreachable, 60)
            ipv6.router(lab, f"dhcp-range={PREFIX6}:,ra-only")
        session = re.escape(f"session with {comes.portal}:{comes.name}")
        machine.console.wait(rf"target {comes.name} has the same disk as target {dies.name}", 120)
        machine.console.wait(f"{session} restored", 120)
        machine.check(f"until test -s /run/end{number}; do sleep 0.1; done", 60)
        digest = "CRC32C" if comes is second else "None"
        expect(f"DataDigest={digest}" in told(machine, "negotiated"), f"DataDigest={digest} at {comes.name}", told(machine, "negotiated"))
        expect(told(machine, "target") == comes.name and told(machine, "portal") == comes.portal, f"{comes.name} in /proc/iscsi_init")
        written = disk.read_bytes()[AREA + (number << 20) :][: 1 << 20]
        expect(written[:12] == b"1\n2\n3\n4\n5\n6\n", "what was written to be on the disk", written[:12])
        # Nor does its other LUN become that of the first one when it comes back.
        comes.stop()
        machine.console.wait(f"{session} lost", 60)
        comes.start()
        machine.console.wait(f"{session} restored", 120)
        expect(machine.sh(write).status != 0, "a write to another disk to fail")
        expect(not any(others[comes.name].read_bytes()), "nothing to be written to another disk")
        machine.check("dd if=/dev/sdc of=/dev/null bs=4k count=1 iflag=direct")
        dies.start()
    # With all of the disk's targets gone, the others have their turn again and again, each with a reason of its own.
    start = machine.console.end()
    first.stop()
    second.stop()
    time.sleep(35)
    second.start()
    machine.console.wait("session with .* restored", 120)
    refused = machine.log(rf"target {FOREIGN} does not take the place of .*: the target at {SERVER}:3262 has another disk than before as LUN 1", start)
    expect(len(refused) == 1, "one line about the other disk", refused)
    reminders = machine.log("no session since", start)
    expect(1 <= len(reminders) <= 2, "a line at once, and one about another reason", "\n".join(reminders))
    expect(not any(foreign.read_bytes()), "nothing to be written to the other disk")
    # tgt's controller is another one at each target, which is nobody's disk.
    expect(not machine.log("LUN 0: the target has another disk"), "no word about a controller", machine.log("LUN 0: "))
    # Each new target is asked to end what the one before may still have, before anything is written there.
    resets = lab.capture.fields("tcp.payload[0:2] == 42:85", "tcp.dstport")
    expect(resets == [[port] for port in ("3261", "3260", "3261") for _ in range(2)], "a LOGICAL UNIT RESET of both disks at each new target", str(resets))
