"""Sequence numbers and the command window (RFC 7143 section 4.2.2)."""

from ..pdu import FINAL, NONE, NOP_IN, Pdu
from ..target import Command, Connection, Options
from . import case, drop, ok, plain

plain("numbers", "window-of-one", "4.2.2.1", "The target has room for one command at a time.", ok(), Options(window=1))
plain("numbers", "window-of-two", "4.2.2.1", "The target has room for two commands at a time.", ok(), Options(window=2))


@case("4.2.2.2", drop("StatSN"), "read")
def stat_sn_gap(c: Connection, command: Command) -> None:
    """StatSN leaves one number out: a response was lost."""
    c.stat_sn = (c.stat_sn + 1) & NONE
    c.finish(command, c.part(command, 0, 0, c.data(command), FINAL), c.response(command))


@case("4.2.2.2", drop("StatSN"), "read")
def stat_sn_far_ahead(c: Connection, command: Command) -> None:
    """StatSN jumps by 2^31-1."""
    c.stat_sn = (c.stat_sn + 0x7FFFFFFF) & NONE
    c.finish(command, c.part(command, 0, 0, c.data(command), FINAL), c.response(command))


@case("4.2.2.2", ok("repeats StatSN"), "read")
def stat_sn_repeated(c: Connection, command: Command) -> None:
    """StatSN repeats an earlier one, as some targets do."""
    c.finish(command, c.part(command, 0, 0, c.data(command), FINAL), c.response(command).with_(stat_sn=c.stat_sn - 1))
    c.stat_sn = (c.stat_sn - 1) & NONE


@case("4.2.2.1", ok(), "read", always=True)
def window_shrinks(c: Connection, command: Command) -> None:
    """MaxCmdSN goes down: the window never shrinks, so this means nothing."""
    response = c.response(command).with_(max_cmd_sn=(c.exp_cmd_sn - 1) & NONE)
    c.finish(command, c.part(command, 0, 0, c.data(command), FINAL), response)


@case("4.2.2.1", ok(), "read", always=True)
def numbers_of_zero(c: Connection, command: Command) -> None:
    """ExpCmdSN and MaxCmdSN are 0, as with old targets."""
    response = c.response(command).with_(exp_cmd_sn=0, max_cmd_sn=0)
    c.finish(command, c.part(command, 0, 0, c.data(command), FINAL), response)


@case("4.2.2.1", ok(), "read", always=True)
def numbers_that_contradict(c: Connection, command: Command) -> None:
    """MaxCmdSN is far below ExpCmdSN: both are ignored."""
    response = c.response(command).with_(exp_cmd_sn=(c.exp_cmd_sn + 1000) & NONE, max_cmd_sn=c.exp_cmd_sn)
    c.finish(command, c.part(command, 0, 0, c.data(command), FINAL), response)


@case("4.2.2.1", ok(), "read")
def opened_by_nop_in_alone(c: Connection, command: Command) -> None:
    """The window closes with a response, and only a NOP-In opens it again."""
    window, c.options.window = c.options.window, 0
    c.finish(command, c.part(command, 0, 0, c.data(command), FINAL), c.response(command))
    c.options.window = window
    c.send(Pdu(NOP_IN).with_(itt=NONE, ttt=NONE))
