"""open-iscsi beside the driver, with the same initiator name: iscsid's sessions come and go, and the root disk's is none of them."""

from dataclasses import dataclass
from pathlib import Path

from lab import guest, howto, images, settings
from lab.errors import expect
from lab.machine import Machine
from lab.net import SERVER
from lab.scenario import ALL_FROM_DHCP, Lab, scenario, seldom
from lab.targets import NAME, PORT
from lab.writer import Writer

# A target that iscsid alone is to log in to.
OTHER = "iqn.2004-01.net.example:data"
# What iscsid needs of the kernel. The machine's root file system has to have it, as that of any machine has.
MODULES = ("scsi_transport_iscsi", "libiscsi", "libiscsi_tcp", "iscsi_tcp")
# How docs/HOWTO.md has iscsid take the driver's name, log in to OTHER, and forget the root disk's target.
SAME_NAME, LOG_IN, FORGET = howto.blocks("iscsid beside it")
# The parts of the driver's ISID, which is made of the address of the lab's first interface.
ISID = ("0x00", "0x14", "0x5400", "0x12", "0x3456")
WRITTEN = 1 << 20


@dataclass
class Beside:
    """A machine with Debian on the driver's disk, which is written to all the time, and iscsid."""

    machine: Machine
    disk: Path
    initiator: str
    writer: Writer

    def runs(self, command: str) -> None:
        """Runs a command, which leaves the root disk alone."""
        self.machine.check(command)
        self.untouched()

    def admin(self, order: str) -> None:
        """Runs iscsiadm."""
        self.runs(f"iscsiadm {order}")

    def untouched(self) -> None:
        """Fails the scenario unless the root disk is written to, in the session that it has had from the first."""
        self.writer.goes_on()
        status = dict(line.split(": ", 1) for line in self.machine.check("cat /proc/iscsi_init").split("\n"))
        wanted = {"state": "up", "logins": "1", "outages": "0", "last-failure": "none", "network-repairs": "0"}
        seen = {key: status[key] for key in wanted}
        expect(seen == wanted, f"/proc/iscsi_init to have {wanted}", seen)

    def has(self, *targets: str) -> None:
        """Fails the scenario unless iscsid's sessions are those with these targets."""
        ran = self.machine.sh("iscsiadm -m session")
        seen = sorted(line.split()[3] for line in ran.output.split("\n") if line.startswith("tcp:"))
        expect(seen == sorted(targets), f"iscsid to have sessions with {targets or 'nobody'}", ran.output)

    def restarts(self) -> None:
        """Starts iscsid again, which then connects its sessions anew, and returns when it has."""
        self.machine.check("systemctl restart iscsid.service")
        # The kernel's state of each session, then iscsid's own.
        settled = "! iscsiadm -m session -P 1 | grep -E 'State:' | grep -vE 'LOGGED[_ ]IN|NO CHANGE'"
        self.machine.check(f"until {settled}; do sleep 0.5; done")
        self.untouched()

    def path(self, address: str, target: str, lun: int) -> str:
        """The disk of one of iscsid's sessions, as udev names it."""
        path = f"/dev/disk/by-path/ip-{address}:{PORT}-iscsi-{target}-lun-{lun}"
        self.machine.check(f"until test -b {path}; do sleep 0.2; done")
        return path

    def writes(self, path: str) -> str:
        """Writes random content to the beginning of a disk of iscsid's, and returns its SHA-256."""
        self.machine.check(f"head -c {WRITTEN} /dev/urandom >/run/random; dd if=/run/random of={path} oflag=direct bs=64k status=none")
        return self.machine.check("sha256sum /run/random").split()[0]

    def poweroff(self, lab: Lab) -> None:
        """systemd ends iscsid's session with the machine, and does not touch the driver's, which the kernel ends after it."""
        self.writer.ends()
        digest = self.machine.check("cp /run/random /srv/random; sha256sum /srv/random").split()[0]
        self.machine.send("systemctl poweroff")
        self.machine.wait_end(guest.SHUTDOWN)
        guest.on_disk(self.disk, "/srv/random", digest)
        on_the_wire(lab, self.initiator)


def begin(lab: Lab, disk: Path) -> Beside:
    """Boots Debian from the target that is there, and starts iscsid with the driver's initiator name."""
    directory = settings.MODULES / "kernel/drivers/scsi"
    # Compressed or not.
    files = [file for module in MODULES for file in directory.glob(f"{module}.ko*")]
    images.add_files(disk, {f"/usr/lib/modules/{settings.RELEASE}/{file.name}": file.read_bytes() for file in files})
    machine = lab.client(ALL_FROM_DHCP, memory=1024, cpus=2)
    machine.wait_agent()
    machine.check("depmod")
    writer = Writer(machine)
    machine.check(SAME_NAME)
    name = machine.check("sed -n 's/^InitiatorName=//p' /etc/iscsi/initiatorname.iscsi")
    expect(name in machine.log("iscsi_init: target .*, initiator")[0], "the initiator name that the log has", name)
    return Beside(machine, disk, name, writer)


def on_the_wire(lab: Lab, initiator: str) -> None:
    """Whoever logs in has one initiator name, but an ISID of its own; the driver logs in once, and out when all others have."""
    isid = [f"iscsi.isid.{part}" for part in ("t", "a", "b", "c", "d")]
    sessions: dict[str, tuple[str, ...]] = {}
    for stream, keys, *parts in lab.capture.fields("iscsi.opcode == 0x03", "tcp.stream", "iscsi.keyvalue", *isid):
        if stream not in sessions:
            expect(f"InitiatorName={initiator}," in keys, f"initiator name {initiator}", keys)
            sessions[stream] = tuple(parts)
    driver = [stream for stream, parts in sessions.items() if parts == ISID]
    expect(len(driver) == 1, f"one login of the driver's, with ISID {ISID}", sessions)
    expect(len(set(sessions.values())) > 2, "further logins, with ISIDs of their own", sessions)
    logouts = [row[0] for row in lab.capture.fields("iscsi.opcode == 0x06", "tcp.stream")]
    expect(logouts[-1:] == driver and logouts.count(driver[0]) == 1, f"the driver to log out once and last, on {driver}", logouts)
    latest = list(sessions)[-1]
    expect(latest in logouts, f"iscsid to log out from its last session, on {latest}", logouts)


@seldom
def beside_iscsid_tgt(lab: Lab) -> None:
    """iscsid, by the driver's name, logs in to another target and to the root disk's own, and out; the root disk stays as it is."""
    disk = lab.debian_disk()
    blank = lab.blank_disk(64 << 20)
    target = lab.tgt(disk)
    target.also(2, OTHER, blank)
    lab.dnsmasq()
    beside = begin(lab, disk)
    for command in LOG_IN.split("\n"):
        beside.runs(command)
    beside.has(OTHER)
    digest = beside.writes(beside.path(SERVER, OTHER, 1))
    expect(images.digest(blank.read_bytes()[:WRITTEN]) == digest, "what iscsid has written on the server's side")
    beside.restarts()
    beside.has(OTHER)
    # Another way to the root disk itself.
    beside.admin(f"-m node -T {NAME} --login")
    path = beside.path(SERVER, NAME, 1)
    # The partition table, and what is before the first partition.
    beside.machine.check(f"cmp -n 1048576 /dev/sda {path}")
    beside.has(NAME, OTHER)
    expect(target.connections() == 3, "three sessions", target.connections())
    beside.admin(f"-m node -T {NAME} --logout")
    beside.has(OTHER)
    beside.admin(f"-m node -T {NAME} --login")
    # Else the disk may go while udev reads it.
    beside.machine.check("udevadm settle")
    beside.admin("-m node -u")
    beside.has()

    beside.runs(FORGET)
    beside.runs("systemctl restart open-iscsi.service")
    beside.has(OTHER)
    beside.poweroff(lab)


@seldom
def beside_iscsid_lio(lab: Lab) -> None:
    """iscsid, by the driver's name, logs in to the root disk's own target of LIO's, and out; the root disk stays as it is."""
    disk = lab.debian_disk()
    target = lab.lio(disk, others={1: lab.blank_disk(64 << 20)})
    lab.dnsmasq(f"iscsi:{target.address}:::0:{NAME}")
    beside = begin(lab, disk)
    beside.admin(f"-m discovery -t sendtargets -p {target.address}")
    beside.admin(f"-m node -T {NAME} --login")
    digest = beside.writes(beside.path(target.address, NAME, 1))
    seen = beside.machine.check("dd if=/dev/sdb iflag=direct bs=64k count=16 status=none | sha256sum").split()[0]
    expect(seen == digest, "what iscsid has written to LUN 1, by the driver's own way to it", seen)
    beside.restarts()
    beside.admin("-m node -u")
    beside.has()
    beside.admin(f"-m node -T {NAME} -o update -n node.startup -v automatic")
    beside.runs("systemctl enable --now open-iscsi.service")
    beside.has(NAME)
    beside.poweroff(lab)
