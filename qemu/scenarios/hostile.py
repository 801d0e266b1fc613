"""Targets that break the protocol: nothing they say harms data or machine, and a correct one is served to the letter."""

import os
import threading
import time

from hostile import cases, selftest
from hostile.bench import ADDRESS, run_group
from hostile.data import expected
from hostile.target import ARMED, BLOCK, PREFIX, Behaviour, Command, Connection, Server
from lab import guest
from lab.errors import expect
from lab.net import NETMASK, SERVER
from lab.scenario import Lab, scenario, seldom
from lab.wire import Pdu as Received

cases.load()
# Which cases run: the cut for every check, all of them, or those whose names begin with one of these, with commas between.
CHOICE = os.environ.get("LAB_HOSTILE", "")


def run(lab: Lab, *groups: str) -> None:
    """Runs the cases of some groups in one machine."""
    chosen = [case for case in (cases.ALL.values() if CHOICE else cases.cut()) if case.name.partition(".")[0] in groups]
    if CHOICE not in ("", "all"):
        chosen = [case for case in chosen if case.name.startswith(tuple(CHOICE.split(",")))]
    server = Server(SERVER, 3260, {case.name: case.behaviour for case in chosen})
    # The target's packets are meant to be malformed.
    lab.capture.judged = f"ip.src == {ADDRESS}"
    machine = lab.bench()
    wrong = run_group(machine, server, chosen)
    failed = [f"{name}: {'; '.join(found)}" for name, found in wrong.items() if found]
    expect(not failed, f"all {len(chosen)} cases to end as they should", f"{len(failed)} that did not:\n" + "\n".join(failed))


@scenario
def hostile_linter(lab: Lab) -> None:
    """What the linter is to find in an initiator's PDUs, it finds."""
    selftest.check()


@scenario
def hostile_data_in(lab: Lab) -> None:
    """Data-In and responses with wrong offsets, numbers, tags, lengths, residuals and sense data."""
    run(lab, "data-in")


@scenario
def hostile_data_out(lab: Lab) -> None:
    """R2Ts for what there is not, too early, too late and too much; every way to agree on unsolicited data."""
    run(lab, "data-out", "numbers")


@scenario
def hostile_tasks(lab: Lab) -> None:
    """Commands without an answer, aborts that are refused, answers that race them, and disks that are not ready."""
    run(lab, "tasks", "together", "units")


@scenario
def hostile_login(lab: Lab) -> None:
    """Logins with wrong stages, tags, lengths and redirections, in pieces and without end."""
    run(lab, "login")


@scenario
def hostile_negotiation(lab: Lab) -> None:
    """Keys with values that cannot be, twice, unknown, unfinished."""
    run(lab, "negotiation")


@scenario
def hostile_discovery(lab: Lab) -> None:
    """Lists of targets in pieces, without end, and of names and addresses that are none."""
    run(lab, "discovery")


@scenario
def hostile_chap(lab: Lab) -> None:
    """Every CHAP algorithm and encoding; targets that want to do without, or cannot prove who they are."""
    run(lab, "chap")


@scenario
def hostile_events(lab: Lab) -> None:
    """Pings, events, rejects, digests that do not fit, and connections that end anywhere."""
    run(lab, "events", "digests", "transport")


class Stopped:
    """A disk that wants to be started, and whose target is gone as soon as it is, until it is told to come back."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self.gone = threading.Event()
        self.frozen = threading.Event()

    def read(self, c: Connection, command: Command) -> bool:
        """NOT READY, INITIALIZING COMMAND REQUIRED."""
        if self.stopped.is_set():
            c.check(command, 2, 0x04, 0x02)
        return self.stopped.is_set()

    def other(self, c: Connection, command: Command) -> bool:
        """START STOP UNIT, and TEST UNIT READY of a frozen target."""
        if command.cdb[0] == 0x1B and self.stopped.is_set():
            self.stopped.clear()
            self.gone.set()
            c.reset()
        return command.cdb[0] == 0 and self.frozen.is_set()

    def nop(self, *_: object) -> bool:
        """No answer to a ping of a frozen target."""
        return self.frozen.is_set()

    def login(self, c: Connection, *_: object) -> bool:
        """No login while the target is gone or frozen."""
        if self.gone.is_set() or self.frozen.is_set():
            c.reset()
        return False


# What the mid-layer's error handler does before it puts a unit offline that it cannot reach, where it waits a second for each
# answer: START STOP UNIT, the reset of the host, 10 s of rest, and both commands again. And some more.
GIVES_UP = 20
# After so many seconds without an answer it does so, which is later than a frozen target's connection is given up, after 10.
PATIENCE = 15
READ = f"dd if=/dev/sda of=/run/seen bs={BLOCK} skip={ARMED} count=8 iflag=direct 2>/dev/null"
# SG_SCSI_RESET of the host, with O_NONBLOCK, so that nothing but the driver keeps it.
RESET = "exec perl -e 'sysopen(D, \"/dev/sda\", 2048) or die; my $what = pack(\"i\", 3); ioctl(D, 0x2284, $what) or die'"


@seldom
def hostile_error_handler(lab: Lab) -> None:
    """The target goes while the mid-layer's error handler is at work, which does without it: the disk stays, and commands wait."""
    unit = Stopped()
    hooks = {"read": unit.read, "other": unit.other, "nop": unit.nop, "login": unit.login}
    Server(SERVER, 3260, {"stopped": Behaviour(hooks, always=True)})
    lab.capture.judged = f"ip.src == {ADDRESS}"
    machine = lab.bench(programs=["perl"])
    done = guest.insmod(machine, f"if=eth0:{ADDRESS}:{NETMASK} target={SERVER}:{PREFIX}stopped")
    expect(done.errno == 0, "the disk", done.log)
    machine.check("chmod +x /bin/perl /bin/ld-*; mkdir -p /run; echo 1 >/sys/class/scsi_disk/0:0:0:0/allow_restart")
    patience = machine.check("cat /sys/block/sda/device/eh_timeout").strip()
    expect(patience == str(PATIENCE), "the error handler to wait for longer than it takes to give a connection up", patience)

    def lost(script: str) -> None:
        machine.check(f"rm -f /run/status; ({script}; echo $? >/run/status) >/dev/null 2>&1 &")
        machine.console.wait("iscsi_init: session with .* lost", guest.SHUTDOWN)

    def waits() -> None:
        machine.check("! test -e /run/status")

    def ends_well() -> None:
        machine.check("until test -e /run/status; do sleep 0.1; done", guest.SHUTDOWN)
        seen = machine.check("cat /run/status /sys/block/sda/device/state; sha256sum </run/seen").split()[:3]
        expect(seen == ["0", "running", expected(ARMED, 8)], "the read to end well, and the disk to be there", seen)

    # Somebody asks for a reset by an ioctl.
    unit.gone.set()
    lost(f"({RESET}) && echo >/run/reset && {READ}")
    time.sleep(GIVES_UP)
    waits()
    machine.check("test -e /run/reset")
    unit.gone.clear()
    ends_well()

    # The target is gone for all that the error handler does.
    machine.check("echo 1 >/sys/block/sda/device/eh_timeout")
    unit.stopped.set()
    lost(READ)
    time.sleep(GIVES_UP)
    waits()
    unit.gone.clear()
    ends_well()

    # It is back during the rest, and frozen after that.
    machine.check(f"echo {PATIENCE} >/sys/block/sda/device/eh_timeout")
    unit.stopped.set()
    lost(READ)
    unit.gone.clear()
    machine.console.wait("iscsi_init: session with .* restored", guest.SHUTDOWN)
    unit.frozen.set()
    machine.console.wait("iscsi_init: session with .* lost", guest.SHUTDOWN)
    time.sleep(GIVES_UP)
    waits()
    unit.frozen.clear()
    ends_well()

    # The end of the machine waits for the error handler, to have the disk write its cache out.
    machine.check("echo 1 >/sys/block/sda/device/eh_timeout; echo temporary write back >/sys/class/scsi_disk/0:0:0:0/cache_type")
    unit.stopped.set()
    lost(READ)
    time.sleep(4)
    machine.send("reboot -f")
    machine.console.wait("iscsi_init: .* has answered nothing for .* waiting ends", guest.SHUTDOWN)
    machine.wait_end(guest.SHUTDOWN)


# `timeout` of the disk, in seconds, where times are held against a clock; the usual one is 30.
TIMEOUT = 10
# How much earlier a step may seem to come, since the target may be late to see the read, and how much later it may come: requests have coarse
# timers, and the machine has to get to it. Less than the steps are apart.
EARLY, LATE = 1, 8
FUNCTIONS = {1: "abort", 5: "unit reset", 6: "target reset"}
CLOCK = {
    "does-all": {"abort": 2 * TIMEOUT, "unit reset": 4 * TIMEOUT, "target reset": 6 * TIMEOUT, "login": 8 * TIMEOUT},
    "answers-nothing": {"abort": 2 * TIMEOUT, "unit reset": 2 * TIMEOUT + 10, "login": 2 * TIMEOUT + 10 + 30},
}


class Deaf:
    """A disk whose first session has no answer for a read; notes when it is asked for what on its behalf, in seconds after the read."""

    def __init__(self, answers: bool) -> None:
        self.answers = answers
        self.begun = 0.0
        self.steps: list[tuple[str, float]] = []

    def _note(self, what: str) -> None:
        if self.begun:
            self.steps.append((what, time.monotonic() - self.begun))

    def read(self, c: Connection, command: Command) -> bool:
        """Silence in the first session; what is aborted is sent again, and has no answer either."""
        self.begun = self.begun or time.monotonic()
        return c.number == 1

    def task(self, c: Connection, pdu: Received) -> bool:
        """All that is asked for is done, or nothing is answered."""
        self._note(FUNCTIONS[pdu.header[1] & 0x7F])
        return not self.answers

    def login(self, c: Connection, *_: object) -> bool:
        """A new session."""
        if c.number == 2 and "login" not in dict(self.steps):
            self._note("login")
        return False


@seldom
def hostile_clock(lab: Lab) -> None:
    """A command without an answer: each step of the error handling comes at its time, where the target does all or answers nothing."""
    units = {"does-all": Deaf(True), "answers-nothing": Deaf(False)}
    behaviours = {
        name: Behaviour({"read": unit.read, "task": unit.task, "login": unit.login}, always=True) for name, unit in units.items()
    }
    Server(SERVER, 3260, behaviours)
    lab.capture.judged = f"ip.src == {ADDRESS}"
    machine = lab.bench()
    machine.check(f"mkdir -p /etc; echo DiskCommandTimeout={TIMEOUT} >/etc/iscsi.conf")
    for name, steps in CLOCK.items():
        done = guest.insmod(machine, f"if=eth0:{ADDRESS}:{NETMASK} target={SERVER}:{PREFIX}{name}")
        expect(done.errno == 0, "the disk", done.log)
        machine.check(READ, guest.SHUTDOWN)
        machine.check("rmmod iscsi_init")
        seen = units[name].steps
        right = [what for what, _ in seen] == list(steps) and all(at - EARLY <= when <= at + LATE for (_, when), at in zip(seen, steps.values()))
        expect(right, f"with {name} {steps}, in seconds", seen)
