"""Commands that a real target does not answer in time, for what is below it hangs: none is lost, and other disks go on."""

from lab import guest, images
from lab.errors import expect
from lab.net import NETMASK, PREFIX
from lab.scenario import Lab, seldom
from lab.targets import NAME
from lab.writer import Writer

MIB = 1 << 20
# Reads from the second disk once in a while, and says so each time it went well.
READS = "while sleep 1; do dd if=/dev/sdb of=/dev/null bs=4k count=1 iflag=direct && echo '<6>lab: sdb read' >/dev/kmsg; done"


@seldom
def aborts_lio(lab: Lab) -> None:
    """The disk behind a LUN of LIO's hangs, under writes: until an abort, a reset of the logical unit, and a new session."""
    disk = lab.tiny_disk()
    target = lab.lio(disk, others={1: lab.blank_disk(16 * MIB)}, mapped=True)
    machine = lab.bench()
    guest.succeeds(machine, f"if=eth0:{PREFIX}.65:{NETMASK} target={target.portal}:{NAME}")
    machine.check("until test -e /dev/sdb; do sleep 0.1; done; mkdir -p /data; mount /dev/sda1 /data")
    machine.check("echo 3 >/sys/block/sda/device/timeout")
    writer = Writer(machine)
    machine.check(f"({READS}) >/dev/null 2>&1 &\necho $! >/run/reads")
    # LIO answers none of them before the commands have ended that are below it, a login neither.
    for stage, others_go_on in (
        ("LUN 0 has not answered command 0x2a; asking the target to abort it", True),
        ("LUN 0 is stuck; asking the target to reset it", True),
        ("no session since .*: .* did not answer the login in time", False),
    ):
        start = machine.console.end()
        target.hold(0)
        machine.console.wait(f"iscsi_init: {stage}", 180)
        target.let_go(0)
        writer.goes_on()
        if others_go_on:
            expect(len(machine.log("lab: sdb read", start)) > 2, "the other disk to be read meanwhile")
            lost = machine.log("iscsi_init: session with .* lost", start)
            expect(not lost, "the session to be kept", "\n".join(lost))
    writer.ends()
    for what in ("aborts", "lun-resets", "commands-sent-again"):
        expect(guest.count(machine, what) > 0, f"{what} to be counted")
    machine.check("kill $(cat /run/reads); umount /data; until rmmod iscsi_init; do sleep 0.1; done", guest.SHUTDOWN)
    target.stop()
    images.check_file_system(disk)
