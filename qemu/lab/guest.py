"""What scenarios do with the module in a guest, and what they expect of it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from . import images, settings
from .capture import Capture
from .errors import expect
from .machine import BOOT, Machine
from .scenario import BOOT_FAILED, BOOTED

# docs/errors.md bounds the time that insmod takes; this is more than the longest, on a slow machine.
INSMOD = 420
# The ways to end that a machine must have come to within this time, in seconds.
SHUTDOWN = 120
# What the driver says of a session that is lost with commands under way.
UNDER_WAY = "iscsi_init: session with .* lost: .*; [1-9][0-9]* commands wait"
# IPv4's routes, those by which the kernel takes addresses for its own too.
ROUTES = "ip -4 route; ip -4 route show table local | grep -v ' dev lo ' || true"
# What a failed insmod must have put back.
INTERFACES = f"grep . /sys/class/net/eth*/flags /sys/class/net/eth*/mtu; ip -4 -o address show | grep -v ' lo '; {ROUTES}"
# The levels of errors and worse in the kernel's log, as `dmesg -r` prints them.
ERROR = "^<[0-3]>"
# The arguments of a kernel that runs the driver's unit tests and ends.
UNIT_TESTS = "root=/dev/vda1 kunit.enable=1 kunit.autorun=1 kunit.filter_glob=iscsi_init* kunit_shutdown=poweroff"


@dataclass(frozen=True)
class Insmod:
    """How an insmod ended: the errno (0 for success), what it printed, and the kernel's log of it with levels."""

    errno: int
    output: str
    log: list[str]

    @property
    def errors(self) -> list[str]:
        """The module's lines of the kernel's log at error level or worse, and others' but the disk driver's.

        The disk driver may be looking at a LUN when the module, which wanted another one, takes the host away.
        """
        return [line for line in self.log if re.match(ERROR, line) and not re.search(r"\] sd \d+:", line)]


def insmod(machine: Machine, parameters: str = "", timeout: float = INSMOD) -> Insmod:
    """Loads the module; busybox's insmod ends with the errno that the kernel gave. samples/linuxrc says why the pipe."""
    # The log is marked, not cleared, so that the console's copy and this stay the same.
    mark = f"insmod number {machine.scripts}"
    ran = machine.sh(
        "test -e /proc/cmdline || { mkdir -p /proc && mount -t proc proc /proc; }; "
        f"echo '<6>lab: {mark}' >/dev/kmsg; cat /lib/modules/iscsi_init.ko | insmod /proc/self/fd/0 {parameters}; status=$?; "
        f"echo '--- log'; dmesg -r | sed '1,/lab: {mark}$/d'; exit $status",
        timeout,
    )
    output, _, log = ran.output.partition("--- log")
    return Insmod(ran.status, output.strip(), log.strip().split("\n"))


def count(machine: Machine, what: str) -> int:
    """A number that /proc/iscsi_init tells."""
    return int(machine.check(f"sed -n 's/^{what}: //p' /proc/iscsi_init"))


def succeeds(machine: Machine, parameters: str = "") -> Insmod:
    """Loads the module, which must bring the disk without an error in the log."""
    done = insmod(machine, parameters)
    expect(done.errno == 0, f"insmod {parameters} to succeed", f"errno {done.errno}: {done.output}\n" + "\n".join(done.log))
    expect(not done.errors, "no error in the log of an insmod that succeeds", "\n".join(done.errors))
    # Opened at once: that is what a status of 0 means.
    machine.check("for disk in /dev/sda /dev/sda1; do dd if=$disk of=/dev/null bs=512 count=1 || exit 1; done")
    return done


def fails(machine: Machine, parameters: str, errno: int, *words: str, again: bool = True) -> None:
    """Loads the module, which must fail with `errno` and one line that has each of `words`; and then, once more, alike."""
    before = machine.check(INTERFACES)
    for _ in range(2 if again else 1):
        done = insmod(machine, parameters)
        what = f"insmod {parameters} to fail with errno {errno}"
        expect(done.errno == errno, what, f"errno {done.errno}: {done.output}\n" + "\n".join(done.log))
        # Where a disk was found that cannot be read, the block layer says so.
        errors = [line for line in done.errors if not re.search(r"\b[Dd]ev sda\b", line)]
        expect(len(errors) == 1, f"one error line from {what}", "\n".join(errors) or "none")
        line = errors[0]
        # What failed, with whom and what they said; what to check.
        expect(re.match(r"<3>(\[[ 0-9.]+\] )?iscsi_init: .+; .+", line), "a line that says what failed and what to check", line)
        for word in words:
            expect(re.search(word, line), f"/{word}/ in the line of {what}", line)
        expect(machine.sh("grep -q '^iscsi_init ' /proc/modules").status != 0, "the module to be gone", "it is loaded")
        machine.check("test ! -e /dev/sda")
        after = machine.check(INTERFACES)
        expect(after == before, "the interfaces as before", f"{after}\nbefore:\n{before}")


def boots(machine: Machine) -> None:
    """Returns when the small root file system runs from the LUN."""
    machine.console.wait(BOOTED, BOOT, never=BOOT_FAILED)
    machine.wait_agent()


def reboots(machine: Machine, timeout: float = SHUTDOWN) -> None:
    """Makes a machine whose root is the small file system reboot in an orderly way, and waits until it has."""
    machine.send("sync; mount -o remount,ro /; reboot -f")
    machine.wait_end(timeout)


def unit_tests(machine: Machine, skipped: Sequence[str] = ()) -> None:
    """Fails the scenario unless all of the driver's KUnit tests but `skipped` run in a machine with `UNIT_TESTS`, and pass."""
    machine.wait_end(BOOT)
    results = re.findall(r"^(?:\[[ 0-9.]+\] )? {4}(not )?ok \d+ (\S+)(.*)$", machine.console.since(), re.MULTILINE)
    failed = [name for bad, name, rest in results if bad or ("SKIP" in rest) != (name in skipped)]
    expect(results and not failed, "KUnit's tests to run and pass", failed or "none")
    seen = set(re.findall(r"^(?:\[[ 0-9.]+\] )?ok \d+ (\S+)", machine.console.since(), re.MULTILINE))
    sources = "".join(source.read_text() for source in (settings.CHECKOUT / "src").rglob("*.rs"))
    wanted = set(re.findall(r"kunit_tests\((\w+)\)", sources))
    expect(seen == wanted, "each suite to run", f"not {wanted - seen}")


def has_lost_no_memory(machine: Machine) -> None:
    """Fails the scenario where kmemleak, in a kernel that has it, finds memory of the driver's that nobody knows any more."""
    file = "/sys/kernel/debug/kmemleak"
    machine.check("mountpoint -q /sys/kernel/debug || mount -t debugfs debugfs /sys/kernel/debug || true")
    if machine.sh(f"test -e {file}").status:
        return
    # Twice: what has just been freed may still look lost the first time. What it is about stands in the file alone.
    machine.provokes("kmemleak: .* new suspected memory leaks")
    scan = f"echo scan >{file}; sleep 6"
    lost = machine.check(f"{scan}; {scan}; cat {file}", 600)
    expect("iscsi_init" not in lost, "no lost memory of the driver's", lost)


def logged_out(capture: Capture, logouts: int = 1) -> None:
    """Fails the scenario unless the last commands on the wire are SYNCHRONIZE CACHE, then Logout with its answer."""
    seen = pdus(capture)
    closing = [name for name in seen if name in ("SYNCHRONIZE CACHE", "Logout", "Logout Response")][-3:]
    expect(
        closing == ["SYNCHRONIZE CACHE", "Logout", "Logout Response"], "SYNCHRONIZE CACHE, Logout and its answer", seen[-12:]
    )
    expect(seen[-2:] == ["Logout", "Logout Response"], "nothing after the logout", seen[-12:])
    expect(seen.count("Logout") == logouts, f"{logouts} logouts", seen.count("Logout"))


OPCODES = {
    0x00: "NOP-Out", 0x01: "SCSI Command", 0x02: "Task Management", 0x03: "Login", 0x04: "Text", 0x05: "Data-Out",
    0x06: "Logout", 0x10: "SNACK", 0x20: "NOP-In", 0x21: "SCSI Response", 0x22: "Task Management Response",
    0x23: "Login Response", 0x24: "Text Response", 0x25: "Data-In", 0x26: "Logout Response", 0x31: "R2T",
    0x32: "Async Message", 0x3F: "Reject",
}  # fmt: skip
SYNCHRONIZE_CACHE = (0x35, 0x91)


def pdus(capture: Capture) -> list[str]:
    """The iSCSI PDUs on the wire in their order, SYNCHRONIZE CACHE by its own name."""
    seen: list[str] = []
    for opcodes, commands in capture.fields("iscsi", "iscsi.opcode", "scsi_sbc.opcode"):
        # A frame with one command says which; in frames with several, which of them is which is not known.
        synchronize = any(int(command, 16) in SYNCHRONIZE_CACHE for command in commands.split(",") if command)
        for opcode in opcodes.split(","):
            name = OPCODES[int(opcode, 16)]
            seen.append("SYNCHRONIZE CACHE" if name == "SCSI Command" and synchronize else name)
    return seen


def dhcp_messages(capture: Capture) -> list[tuple[str, str, str]]:
    """The DHCP messages on the wire: type (empty for BOOTP), server identifier, root path."""
    fields = ("dhcp.option.dhcp", "dhcp.option.dhcp_server_id", "dhcp.option.root_path")
    return [(row[0], row[1], row[2]) for row in capture.fields("dhcp", *fields)]


def writes(machine: Machine) -> str:
    """Writes a file of random content, /random, to the mounted root and returns its SHA-256."""
    machine.check("dd if=/dev/urandom of=/random bs=65536 count=16 && sync")
    return machine.check("sha256sum /random").split()[0]


def on_disk(disk: Path, path: str, digest: str) -> None:
    """Fails the scenario unless the file, read from the image on the server's side, has this SHA-256."""
    images.check_file_system(disk)
    seen = images.digest(images.read_file(disk, path))
    expect(seen == digest, f"{path} on the server's side to hash to {digest}", seen)


def sequence(names: Sequence[object], *wanted: object) -> bool:
    """Whether `wanted` occur in this order, with others between them or not."""
    rest = iter(names)
    return all(name in rest for name in wanted)
