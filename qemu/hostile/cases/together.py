"""Several commands at a time: what belongs to one never reaches another, in whatever order it comes."""

from itertools import zip_longest

from ..pdu import FINAL, Pdu
from ..target import ARMED, Command, Connection
from . import case, drop, ok

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
