"""Logical units that are busy or not ready: nothing is sent to them before they are, and what waits does not fail."""

import time

from ..disk import blocks
from ..target import Command, Connection
from . import case, drop, fails

BROKEN = "the connection broke"
TEST_UNIT_READY, INQUIRY = 0x00, 0x12
BUSY = 0x08
# NOT READY, MANUAL INTERVENTION REQUIRED: the mid-layer does not try again.
NOT_READY = 0x02, 0x04, 0x03
# The mid-layer tries a command again for six times its timeout, in seconds.
TIMEOUT, AWAY = 2, 14


def away(c: Connection) -> None:
    """The target's machine is starting, for some time."""
    if time.monotonic() < c.state.notes.get("cut", -AWAY) + AWAY:
        c.reset()


@case("7.1.5", drop(BROKEN), "read", always=True, also={"ready": away}, timeout=TIMEOUT, slow=True)
def busy_after_outage(c: Connection, command: Command) -> bool:
    """BUSY after an outage that has lasted longer than a command is tried: it is tried all the same."""
    notes = c.state.notes
    if "cut" not in notes:
        notes["cut"] = int(time.monotonic())
        c.reset()
    if "busy" in notes:
        return False
    notes["busy"] = 1
    c.finish(command, c.response(command, BUSY))
    return True


def is_starting(c: Connection) -> bool:
    """Whether the disk is being seen to: in the second session and the third."""
    return c.number in (2, 3)


def starting(c: Connection, command: Command) -> bool:
    """NOT READY to whoever asks."""
    if command.cdb[0] != TEST_UNIT_READY or not is_starting(c):
        return False
    c.check(command, *NOT_READY)
    return True


@case("11.4.7.2", drop("LUN 0 is not ready"), "read", always=True, also={"other": starting})
def not_ready(c: Connection, command: Command) -> bool:
    """NOT READY of the boot disk: its commands wait until it is ready, and none is sent before."""
    if is_starting(c):
        c.linter.faults.append("11.4.7.2: a read of a disk that is not ready")
    if c.number > 1:
        return False
    c.check(command, *NOT_READY)
    return True


@case("11.4.7.2", fails(), "read", always=True)
def communication_failure(c: Connection, command: Command) -> None:
    """NOT READY for a command alone, as LIO says when its disk has an error: the session goes on, and the command's error is told."""
    c.check(command, 0x02, 0x08)


def second_unit(c: Connection, command: Command) -> bool:
    """Another disk as LUN 1, which is busy for a second when the second session begins."""
    notes = c.state.notes
    if command.cdb[0] == INQUIRY and c.number == 2 and notes.get("busy", 0) < 20:
        notes["busy"] = notes.get("busy", 0) + 1
        c.finish(command, c.response(command, BUSY))
        return True
    answer = c.state.disk.answer(command.cdb, 1)
    if blocks(command.cdb):
        c.data_in(command)
    elif answer.sense:
        c.check(command, *answer.sense)
    else:
        c.data_in(command, answer.data)
    return True


@case("7.1.5", drop(BROKEN), "read", always=True, also={"absent": second_unit}, conf="LUNs=0,1")
def second_unit_busy(c: Connection, command: Command) -> bool:
    """LUN 1 is busy when the session begins anew: it is asked again, and not taken for another disk."""
    if c.number == 1:
        c.reset()
    if c.state.notes.get("busy", 0) < 20:
        c.linter.faults.append("7.1.5: a read before LUN 1 has said that it is the same")
    return False
