"""Several targets with one disk: a dead one stops neither the boot nor the running machine, and another disk is never written to."""

from pathlib import Path

from lab import guest, images
from lab.errors import expect
from lab.machine import Machine
from lab.net import NETMASK, PREFIX, SERVER
from lab.scenario import Lab, scenario
from lab.targets import NAME, Tgt
from lab.writer import Writer

STATIC = f"if=eth0:{PREFIX}.66:{NETMASK}"
DEAD, SECOND, FOREIGN = f"{NAME}:dead", f"{NAME}:second", f"{NAME}:foreign"
# Whom nobody but its administrator gives a name that no other disk has.
IDENTITY = "scsi_id=EXAMPLE-disk-0042,scsi_sn=0042"


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
    """Targets of four names: the first is dead at boot; of the others the one with another disk is not written to when one dies."""
    disk = lab.tiny_disk()
    foreign = lab.blank_disk(disk.stat().st_size)
    first = named(lab.tgt(disk))
    second = named(lab.tgt(disk, port=3261, name=SECOND))
    third = named(lab.tgt(foreign, port=3262, name=FOREIGN), "scsi_id=EXAMPLE-disk-0043,scsi_sn=0043")
    # LUN 2 is another disk at each target, which tgt calls the same everywhere; LUN 3 is one disk of all three.
    others = {target.name: lab.blank_disk(1 << 20, f"other{target.port}.img") for target in (first, second)}
    shared = lab.blank_disk(1 << 20, "shared.img")
    for target in (first, second):
        joined(target, 2, others[target.name])
    for target in (first, second, third):
        named(joined(target, 3, shared), "scsi_id=EXAMPLE-disk-0044,scsi_sn=0044", 3)
    # One as dracut has several, with the rest behind a comma.
    append = f"iscsi-target={SERVER}:3999:{DEAD} iscsi-target={SERVER}:{NAME},{SERVER}:3262:{FOREIGN} iscsi-target={SERVER}:3261:{SECOND}"
    machine = lab.bench(f"{append} iscsi-lun=1")
    guest.succeeds(machine, STATIC)
    expect(machine.log(rf"target {SERVER}:3999:{DEAD} is passed over.*cannot connect"), "a line about the dead target")
    passed = told(machine, "passed-over")
    expect(passed.startswith(f"{SERVER}:3999:{DEAD}: cannot connect"), "the dead target in /proc/iscsi_init", passed)
    taken = told(machine, "setting-target")
    expect(taken == f"{SERVER}:3260:{NAME} (kernel argument)", "the target that was taken", taken)

    machine.check("until test -e /dev/sdc; do sleep 0.1; done")
    write = "dd if=/init of=/dev/sdb bs=4k count=1 oflag=direct conv=notrunc"
    machine.check("mkdir -p /data; mount /dev/sda1 /data")
    writer = Writer(machine)
    for dies, comes in ((first, second), (second, first)):
        dies.stop()
        machine.console.wait(rf"target {comes.name} has the same disk as target {dies.name}", 120)
        machine.console.wait(rf"session with {comes.portal}:{comes.name} restored", 120)
        writer.goes_on()
        expect(told(machine, "target") == comes.name and told(machine, "portal") == comes.portal, f"{comes.name} in /proc/iscsi_init")
        # Nor does its other LUN become that of the first one when it comes back.
        comes.stop()
        machine.console.wait(rf"session with {comes.portal}:{comes.name} lost", 60)
        comes.start()
        machine.console.wait(rf"session with {comes.portal}:{comes.name} restored", 120)
        expect(machine.sh(write).status != 0, "a write to another disk to fail")
        expect(not any(others[comes.name].read_bytes()), "nothing to be written to another disk")
        machine.check("dd if=/dev/sdc of=/dev/null bs=4k count=1 iflag=direct")
        writer.goes_on()
        dies.start()
    writer.ends(besides=r"\bsdb\b")
    machine.check("umount /data", guest.SHUTDOWN)
    images.check_file_system(disk)
    expect(machine.log(rf"target {FOREIGN} does not take the place of .*: the target at {SERVER}:3262 has another disk than before as LUN 1"), "a line about the other disk")
    expect(not any(foreign.read_bytes()), "nothing to be written to the other disk")
    # Each new target is asked to end what the one before may still have, before anything is written there.
    resets = lab.capture.fields("tcp.payload[0:2] == 42:85", "tcp.dstport")
    expect(resets == [["3261"]] * 2 + [["3260"]] * 2, "a LOGICAL UNIT RESET of both disks at each new target", str(resets))
