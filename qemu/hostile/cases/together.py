"""Several commands at a time: what belongs to one never reaches another, in whatever order it comes."""

from itertools import zip_longest

from ..pdu import FINAL, Pdu
from ..target import ARMED, Command, Connection
from . import case, drop, ok
from .tasks import ABORTED, STUCK, refuse_abort

# What the bench does with several commands at a time lies behind this block, and is so many commands.
BEHIND, COUNT = ARMED + 8192, 4
PART = 4096


def collect(c: Connection, command: Command) -> list[Command]:
    """All commands of a round once the last has come, before that none."""
    waiting = [task for task in c.tasks.values() if task.first >= BEHIND and not task.r2t_sn]
    return waiting if len(waiting) == COUNT else []


def parts(c: Connection, command: Command) -> list[Pdu]:
    """The Data-In of a command, in small parts."""
    data = c.data(command)
    pdus = [c.part(command, at // PART, at, data[at : at + PART]) for at in range(0, len(data), PART)]
    pdus[-1].flags = FINAL
    return pdus


@case("11.7", ok(), "read", always=True)
def data_interleaved(c: Connection, command: Command) -> bool:
    """The data of four reads in turn, their responses in reverse order."""
    if command.first < BEHIND:
        return False
    commands = collect(c, command)
    rows = zip_longest(*(parts(c, each) for each in commands))
    data = [pdu for row in rows for pdu in row if pdu]
    for each in commands:
        c.forget(each.itt)
    c.send(*data, *(c.response(each) for each in reversed(commands)))
    return True


@case("11.8", ok(), "write", always=True)
def r2ts_interleaved(c: Connection, command: Command) -> bool:
    """The data of four writes is asked for in reverse order."""
    if command.first < BEHIND:
        return False
    for each in reversed(collect(c, command)):
        c.ask(each)
    return True


@case("7.1.5", drop("the connection broke|closed the connection"), "read")
def reset_with_some_answered(c: Connection, command: Command) -> bool:
    """RST with four reads under way, of which one has been answered and one in part."""
    if command.first < BEHIND:
        return False
    commands = collect(c, command)
    if not commands:
        # Not yet: it misbehaves with the last of them.
        c.state.acts -= 1
        return True
    first, second, *_ = commands
    c.finish(first, *parts(c, first), c.response(first))
    c.send(*parts(c, second)[:3])
    c.reset()
    return True


@case("7.1.5", drop("the connection broke|closed the connection"), "write")
def reset_with_some_written(c: Connection, command: Command) -> bool:
    """RST with four writes under way, of which one has been answered."""
    if command.first < BEHIND:
        return False
    commands = collect(c, command)
    if not commands:
        c.state.acts -= 1
        return True
    first = commands[0]
    c.finish(first, c.response(first, 0x08))
    c.reset()
    return True


@case("11.7", drop("for a command that reads none|DataSN|at offset|no command of ours"), "read")
def data_for_another(c: Connection, command: Command) -> bool:
    """Data of one read under the tag of another one that has had all its data."""
    if command.first < BEHIND:
        return False
    commands = collect(c, command)
    if not commands:
        c.state.acts -= 1
        return True
    first, second, *_ = commands
    wrong = c.part(first, len(parts(c, first)), first.length, c.data(second)[:PART])
    c.send(*parts(c, first), wrong)
    return True


@case("11.2", ok(), "written", always=True)
def answers_in_one_piece(c: Connection, command: Command) -> bool:
    """The answers to four writes in one piece, the last first."""
    if command.first < BEHIND or len(command.data) < command.length:
        return False
    found = [task for task in c.tasks.values() if task.first >= BEHIND and len(task.data) == task.length]
    if len(found) < COUNT:
        return True
    for each in found:
        c.state.disk.write(each.first, bytes(each.data))
        c.forget(each.itt)
    c.send(*(c.response(each) for each in reversed(found)))
    return True


@case("11.9.1", drop("asked for the session to end"), "write")
def logout_requested(c: Connection, command: Command) -> bool:
    """The target asks for a logout with four writes under way, none of which it answers any more."""
    if command.first < BEHIND:
        return False
    if not collect(c, command):
        c.state.acts -= 1
        return True
    c.send(c.asynchronous(1, parameter3=3))
    return True


@case("7.11", ok(ABORTED), "write", timeout=1)
def one_without_an_answer(c: Connection, command: Command) -> bool:
    """One write of four has no answer: the others go on, and it is aborted."""
    return command.first >= BEHIND


@case("4.2.3.3", ok(STUCK), "write", timeout=1)
def none_with_an_answer(c: Connection, command: Command) -> bool:
    """Four writes have no answer and cannot be aborted: the reset of their LUN ends them all, and each is sent again."""
    if command.first < BEHIND:
        return False
    if not collect(c, command):
        c.state.acts -= 1
        return True
    c.hooks = c.hooks | {"task": refuse_abort}
    return True
