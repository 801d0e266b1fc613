"""Sequence numbers and the command window (RFC 7143 section 4.2.2)."""

from dataclasses import replace

from lab.wire import Pdu as Received

from ..pdu import FINAL, NONE, NOP_IN, Pdu
from ..target import Command, Connection, Options
from . import case, drop, ok, plain

plain("numbers", "window-of-one", "4.2.2.1", "The target has room for one command at a time.", ok(), Options(window=1))
plain("numbers", "window-of-two", "4.2.2.1", "The target has room for two commands at a time.", ok(), Options(window=2))

plain("numbers", "window-of-all", "4.2.2.1", "The target has room for as many commands as numbers can tell apart.", ok(), Options(window=0x7FFFFFFF))


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


@case("4.2.2.1", ok("command numbers that cannot be"), "read", always=True)
def numbers_that_contradict(c: Connection, command: Command) -> None:
    """MaxCmdSN is far below ExpCmdSN: both are ignored."""
    response = c.response(command).with_(exp_cmd_sn=(c.exp_cmd_sn + 1000) & NONE, max_cmd_sn=c.exp_cmd_sn)
    c.finish(command, c.part(command, 0, 0, c.data(command), FINAL), response)


@case("4.2.2.1", ok(), "read", options=Options(window=1))
def opened_by_nop_in_alone(c: Connection, command: Command) -> None:
    """The window closes with a response, and only a NOP-In opens it again."""
    window, c.options.window = c.options.window, 0
    c.finish(command, c.part(command, 0, 0, c.data(command), FINAL), c.response(command))
    c.options.window = window
    c.send(Pdu(NOP_IN).with_(itt=NONE, ttt=NONE))


@case("4.2.2.1", ok("command numbers that cannot be"), "read", always=True)
def command_not_sent_acknowledged(c: Connection, command: Command) -> None:
    """ExpCmdSN is far beyond what was sent, and the window with it: both are ignored."""
    ahead = (c.exp_cmd_sn + 1000) & NONE
    response = c.response(command).with_(exp_cmd_sn=ahead, max_cmd_sn=ahead + 100)
    c.finish(command, c.part(command, 0, 0, c.data(command), FINAL), response)


@case("4.2.2.2", drop("StatSN"), "read")
def stat_sn_half_way_round(c: Connection, command: Command) -> None:
    """StatSN jumps by 2^31, which is neither ahead nor behind."""
    c.stat_sn = (c.stat_sn + 0x80000000) & NONE
    c.finish(command, c.part(command, 0, 0, c.data(command), FINAL), c.response(command))


@case("4.2.2.1", ok("command numbers that cannot be"), "login", always=True)
def login_contradicts(c: Connection, request: Received, response: Pdu) -> None:
    """The login's MaxCmdSN is far below its ExpCmdSN: room for one command, whose response tells more."""
    c.linter.max_cmd_sn = c.exp_cmd_sn
    c.raw(c.encode(response.with_(max_cmd_sn=(c.exp_cmd_sn - 5) & NONE), True))


@case("4.2.2.1", drop("connection broke"), "read")
def less_at_the_next_login(c: Connection, command: Command) -> None:
    """The next session has another window, other digests and a smaller burst: nothing is left of the first."""
    c.options.window, c.options.stat_sn = 1, 0x40000000
    c.options.values = {"MaxBurstLength": "4096", "FirstBurstLength": "1024", "HeaderDigest": "CRC32C", "DataDigest": "CRC32C"}
    c.options.declared = 1024
    c.reset()


@case("4.2.2.2", ok(), "read", always=True)
def stat_sn_where_none_counts(c: Connection, command: Command) -> None:
    """Data-In without a status has a StatSN from anywhere, which means nothing there."""
    data = c.data(command)
    parts = [c.part(command, at // 8192, at, data[at : at + 8192]).with_(stat_sn=0x87654321) for at in range(0, len(data), 8192)]
    parts[-1].flags = FINAL
    c.finish(command, *parts, c.response(command))


@case("4.2.2.1", drop("kept its command window closed"), "read", options=Options(window=1), slow=True)
def window_never_opens(c: Connection, command: Command) -> None:
    """The window closes with a response, and nothing opens it again, though pings are answered: a minute, then a new session."""
    c.options = replace(c.options, window=0)
    c.finish(command, c.part(command, 0, 0, c.data(command), FINAL), c.response(command))
