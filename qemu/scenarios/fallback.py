"""Several targets with one disk: a dead one stops neither the boot nor the running machine, and another disk is never written to."""

import re
import time

from lab import guest, images
from lab.errors import expect
from lab.machine import Machine
from lab.net import NETMASK, PREFIX, PREFIX6, SERVER, SERVER6
from lab.scenario import Lab, scenario
from lab.targets import NAME
from lab.writer import Writer

from . import ipv6

STATIC = f"if=eth0:{PREFIX}.66:{NETMASK}"
DEAD, SECOND, FOREIGN = f"{NAME}:dead", f"{NAME}:second", f"{NAME}:foreign"


def told(machine: Machine, key: str) -> str:
    """What /proc/iscsi_init says."""
    return machine.check(f"sed -n 's/^{key}: //p' /proc/iscsi_init")


@scenario
def fallback_targets(lab: Lab) -> None:
    """Targets of four names: the first is dead at boot; of the others the one with another disk is not written to when one dies. One has an IPv6 address."""
    disk = lab.tiny_disk()
    foreign = lab.blank_disk(disk.stat().st_size)
    first = lab.tgt(disk).named()
    lab.network.ipv6(lab.bridge)
    second = lab.tgt(disk, port=3261, name=SECOND, address=f"[{SERVER6}]").named()
    third = lab.tgt(foreign, port=3262, name=FOREIGN).named("scsi_id=EXAMPLE-disk-0043,scsi_sn=0043")
    # LUN 2 is another disk at each target, which tgt calls the same everywhere; LUN 3 is one disk of all three.
    others = {target.name: lab.blank_disk(1 << 20, f"other{target.port}.img") for target in (first, second)}
    shared = lab.blank_disk(1 << 20, "shared.img")
    for target in (first, second):
        target.joined(2, others[target.name])
    for target in (first, second, third):
        target.joined(3, shared).named("scsi_id=EXAMPLE-disk-0044,scsi_sn=0044", 3)
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
    machine.check("mkdir -p /data; mount /dev/sda1 /data")
    writer = Writer(machine)
    for dies, comes in ((first, second), (second, first)):
        dies.stop()
        if comes is second:
            # So far the machine has an IPv4 address alone.
            unreachable = rf"target {SECOND} does not take the place of the lost one: cannot connect to .*: no IPv6 address of this machine leads there"
            machine.console.wait(unreachable, 60)
            ipv6.router(lab, f"dhcp-range={PREFIX6}:,ra-only")
        session = re.escape(f"session with {comes.portal}:{comes.name}")
        machine.console.wait(rf"target {comes.name} has the same disk as target {dies.name}", 120)
        machine.console.wait(f"{session} restored", 120)
        writer.goes_on()
        digest = "CRC32C" if comes is second else "None"
        expect(f"DataDigest={digest}" in told(machine, "negotiated"), f"DataDigest={digest} at {comes.name}", told(machine, "negotiated"))
        expect(told(machine, "target") == comes.name and told(machine, "portal") == comes.portal, f"{comes.name} in /proc/iscsi_init")
        # Nor does its other LUN become that of the first one when it comes back.
        comes.stop()
        machine.console.wait(f"{session} lost", 60)
        comes.start()
        machine.console.wait(f"{session} restored", 120)
        expect(machine.sh(write).status != 0, "a write to another disk to fail")
        expect(not any(others[comes.name].read_bytes()), "nothing to be written to another disk")
        machine.check("dd if=/dev/sdc of=/dev/null bs=4k count=1 iflag=direct")
        writer.goes_on()
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
    writer.ends(besides=r"\bsdb\b")
    machine.check("umount /data", guest.SHUTDOWN)
    images.check_file_system(disk)
    expect(not any(foreign.read_bytes()), "nothing to be written to the other disk")
    # tgt's controller is another one at each target, which is nobody's disk.
    expect(not machine.log("LUN 0: the target has another disk"), "no word about a controller", machine.log("LUN 0: "))
    # Each new target is asked to end what the one before may still have, before anything is written there.
    resets = lab.capture.fields("tcp.payload[0:2] == 42:85", "tcp.dstport")
    expect(resets == [[port] for port in ("3261", "3260", "3261") for _ in range(2)], "a LOGICAL UNIT RESET of both disks at each new target", str(resets))
