"""NOP-In, Asynchronous Message, Reject and Logout Response."""

import time

from lab.wire import LOGOUT, NOP_OUT
from lab.wire import Pdu as Received

from ..pdu import ASYNC, FINAL, LOGOUT_RESPONSE, NONE, NOP_IN, TASK_RESPONSE, TEXT_RESPONSE, Pdu, sense
from ..target import Command, Connection, Options, wait
from . import case, drop, ok
from .digests import BOTH

ENDED = "asked for the session to end"
# What src/initiator/transmit.rs has for Logout Requests.
LOGOUT_TAG = 0xFFFFFFFD


def answer(c: Connection, pdu: Pdu) -> None:
    """Sends a ping and looks at the answer, which comes before or behind commands."""
    c.send(pdu)
    while True:
        received = c.receive()
        if received.opcode == NOP_OUT and received.word(16) == NONE:
            break
        c._handle(received)
    if received.word(20) != pdu.fields["ttt"] or received.header[8:16] != pdu.header()[8:16]:
        c.linter.fault("11.18.2", "a tag or LUN that is not the ping's", received)


@case("11.18", ok(), "read")
def ping(c: Connection, command: Command) -> None:
    """A ping with a LUN of its own: both are copied into the answer."""
    answer(c, c.ping(0x12345678, lun=0x0005000000000000))
    c.data_in(command)


@case("11.19", drop("pings faster"), "read")
def ping_flood(c: Connection, command: Command) -> None:
    """Ten thousand pings at once: the queue of answers is bounded."""
    c.send(*(c.ping(number + 1) for number in range(10000)))
    c.data_in(command)


@case("7.7", drop("a ping and a reply at once"), "read")
def ping_and_reply(c: Connection, command: Command) -> None:
    """NOP-In with a tag of ours and one of the target's."""
    c.send(c.ping(5, itt=command.itt))


@case("11.19", drop("no command of ours"), "read")
def reply_to_nothing(c: Connection, command: Command) -> None:
    """The answer to a ping that was not sent."""
    c.send(Pdu(NOP_IN).with_(itt=0x1234, ttt=NONE))


@case("11.19", drop("NOP-In with data"), "read")
def notice_with_data(c: Connection, command: Command) -> None:
    """NOP-In that is no answer, with data."""
    c.send(Pdu(NOP_IN, FINAL, b"data").with_(itt=NONE, ttt=NONE))


@case("11.9.1", drop(ENDED), "read")
def logout_requested(c: Connection, command: Command) -> None:
    """Event 1 with a command under way: logout, and a new session."""
    c.send(c.asynchronous(1, parameter3=3))


@case("11.9.1", drop(ENDED), "ready")
def logout_requested_idle(c: Connection) -> None:
    """Event 1 before the first command."""
    c.send(c.asynchronous(1, parameter3=0))


@case("11.9.1", drop(ENDED), "read")
def connection_dropped(c: Connection, command: Command) -> None:
    """Event 2 for our connection, to come back after a second."""
    c.send(c.asynchronous(2, parameter1=0, parameter2=1))
    c.close()


@case("11.9.1", drop(ENDED), "read")
def session_dropped(c: Connection, command: Command) -> None:
    """Event 3."""
    c.send(c.asynchronous(3, parameter2=0))


@case("11.9.1", drop(ENDED), "read")
def negotiation_requested(c: Connection, command: Command) -> None:
    """Event 4: a logout will do."""
    c.send(c.asynchronous(4, parameter3=5))


@case("11.9.1", ok(), "read")
def other_events(c: Connection, command: Command) -> None:
    """Events that may be ignored: SCSI, task termination, reserved and vendors' ones, with data and without."""
    scsi = Pdu(ASYNC, FINAL, b"\xff\xff\x70\0\6\0").with_(itt=NONE, event=0)
    c.send(scsi, *(c.asynchronous(event) for event in (5, 6, 200, 248, 255)))
    c.data_in(command)


@case("11.9", ok(), "read")
def event_flood(c: Connection, command: Command) -> None:
    """Two thousand vendor events: no line in the log for each."""
    c.send(*(c.asynchronous(250) for _ in range(2000)))
    c.data_in(command)


@case("7.3", drop("rejected a SCSI Command"), "read")
def command_rejected(c: Connection, command: Command) -> None:
    """A SCSI Command is rejected: no response will follow."""
    header = bytearray(48)
    header[0], header[16:20] = 1, command.itt.to_bytes(4, "big")
    c.send(c.reject(0x04, bytes(header)))


@case("11.17", drop("rejected"), "read")
def reject_of_nothing(c: Connection, command: Command) -> None:
    """A Reject without the header it has to show."""
    c.send(c.reject(0x04, b""))


@case("11.17", drop("rejected"), "read")
def reject_cut_short(c: Connection, command: Command) -> None:
    """A Reject that shows 47 bytes."""
    c.send(c.reject(0x09, bytes(47)))


@case("11.17", drop("rejected"), "read")
def reject_of_a_stranger(c: Connection, command: Command) -> None:
    """A Reject of a command that there is not."""
    header = bytearray(b"\x01" + bytes(47))
    header[16:20] = (0x00FFFFFF).to_bytes(4, "big")
    c.send(c.reject(0x04, bytes(header)))


@case("11.6", drop("no command of ours"), "read")
def task_response_to_nothing(c: Connection, command: Command) -> None:
    """The response to a task management request that was not sent."""
    c.send(Pdu(TASK_RESPONSE).with_(itt=command.itt))


@case("11.11", drop("no command of ours"), "read")
def text_response_to_nothing(c: Connection, command: Command) -> None:
    """The response to a Text Request that was not sent."""
    c.send(Pdu(TEXT_RESPONSE).with_(itt=command.itt, ttt=NONE))


@case("11.15", drop("no command of ours"), "read")
def logout_response_to_nothing(c: Connection, command: Command) -> None:
    """The response to a logout that nobody asked for."""
    c.send(Pdu(LOGOUT_RESPONSE).with_(itt=command.itt))


@case("11.15", ok(), "logout", always=True)
def logout_not_confirmed(c: Connection, pdu: Received) -> None:
    """The target never confirms the logout: rmmod ends all the same."""
    wait(4)


@case("11.15", ok(), "logout", always=True)
def closed_at_logout(c: Connection, pdu: Received) -> None:
    """The target closes the connection at the Logout Request."""
    c.close()


def await_ping(c: Connection) -> Received:
    """The initiator's ping; what comes before it is handled."""
    while (pdu := c.receive()).opcode != NOP_OUT or pdu.word(16) == NONE:
        c._handle(pdu)
    return pdu


@case("11.19", ok(), "read", timeout=1)
def reply_with_data(c: Connection, command: Command) -> None:
    """The answer to a ping has more data than the ping, which had none."""
    pdu = await_ping(c)
    c.send(Pdu(NOP_IN, FINAL, bytes(5000)).with_(itt=pdu.word(16), ttt=NONE))
    c.data_in(command)


@case("7.8", drop("data that its digest does not fit"), "read", options=BOTH, timeout=1)
def reply_with_a_wrong_digest(c: Connection, command: Command) -> None:
    """The answer to a ping has data, and a wrong data digest."""
    reply = Pdu(NOP_IN, FINAL, b"data").with_(itt=await_ping(c).word(16), ttt=NONE)
    reply.data_digest = False
    c.send(reply)


@case("11.19", ok(), "read", timeout=1)
def reply_twice(c: Connection, command: Command) -> None:
    """A ping is answered twice."""
    pdu = await_ping(c)
    c.send(*(Pdu(NOP_IN).with_(itt=pdu.word(16), ttt=NONE) for _ in range(2)))
    c.data_in(command)


@case("11.17.1", ok(), "read", timeout=1)
def ping_rejected(c: Connection, command: Command) -> None:
    """A ping is rejected, for there are too many immediate requests: it is an answer all the same."""
    c.send(c.reject(0x06, await_ping(c).header))
    wait(0.5)
    c.data_in(command)


@case("11.17.1", ok(), "read", conf="ActiveTimeout=1", slow=True)
def each_ping_rejected(c: Connection, command: Command) -> None:
    """Each ping is rejected, for there are too many immediate requests: the next one takes its time."""
    for _ in range(4):
        before = time.monotonic()
        c.send(c.reject(0x06, await_ping(c).header))
        if time.monotonic() - before < 0.5:
            c.linter.fault("11.17.1", "a ping at once behind the Reject of one")
    c.data_in(command)


@case("11.18", ok(), "read", options=Options(window=1))
def ping_with_window_closed(c: Connection, command: Command) -> None:
    """A ping while there is no room for commands: it is answered, for the answer is immediate."""
    window, c.options.window = c.options.window, 0
    c.finish(command, c.part(command, 0, 0, c.data(command), FINAL), c.response(command))
    answer(c, c.ping(0x4321))
    c.options.window = window
    c.send(Pdu(NOP_IN).with_(itt=NONE, ttt=NONE))


@case("11.19", drop("NOP-In with data"), "read")
def ping_with_data(c: Connection, command: Command) -> None:
    """A ping that wants an answer, with data, which only answers have."""
    c.send(Pdu(NOP_IN, FINAL, b"data").with_(itt=NONE, ttt=0x99))


@case("11.9.1", drop(ENDED), "read")
def logout_requested_three_times(c: Connection, command: Command) -> None:
    """Event 1 three times in one piece: one Logout Request answers them all."""
    c.send(*(c.asynchronous(1, parameter3=3) for _ in range(3)))


@case("11.9.1", drop(ENDED), "read")
def logout_requested_and_a_ping(c: Connection, command: Command) -> None:
    """Event 1 and a ping in one piece: nothing follows the Logout Request."""
    c.send(c.asynchronous(1, parameter3=3), c.ping(0x31))


@case("11.14", drop(ENDED), "read")
def ping_behind_logout(c: Connection, command: Command) -> None:
    """A ping while the logout is under way."""
    c.send(c.asynchronous(1, parameter3=3))
    while (pdu := c.receive()).opcode != LOGOUT:
        c._handle(pdu)
    c.send(c.ping(0x32))
    wait(0.2)
    c.send(Pdu(LOGOUT_RESPONSE).with_(itt=pdu.word(16)))


@case("11.9.1", ok(), "read")
def other_connection_dropped(c: Connection, command: Command) -> None:
    """Event 2 for a connection that is none of ours."""
    c.send(c.asynchronous(2, parameter1=7, parameter2=1))
    c.data_in(command)


@case("11.9.1", drop("."), "read", slow=True)
def logout_never_confirmed(c: Connection, command: Command) -> None:
    """The target asks for a logout and never confirms it: the connection is given up in bounded time."""
    c.send(c.asynchronous(1, parameter3=3))
    while True:
        pdu = c.receive()
        if pdu.opcode == NOP_OUT:
            c._handle(pdu)


def await_logout(c: Connection) -> Received:
    """The initiator's Logout Request; what comes before it is handled, but for commands."""
    while (pdu := c.receive()).opcode != LOGOUT:
        if pdu.opcode == NOP_OUT:
            c._handle(pdu)
    return pdu


@case("11.14", drop(ENDED), "read")
def much_behind_logout(c: Connection, command: Command) -> None:
    """While the logout is under way: the wish for it again, a negotiation, pings, and the command's answer, which counts."""
    c.send(c.asynchronous(1, parameter3=3))
    pdu = await_logout(c)
    c.send(c.asynchronous(1, parameter3=3), c.asynchronous(4, parameter3=3), c.ping(0x33), c.ping(0x34))
    c.finish(command, c.part(command, 0, 0, c.data(command), FINAL), c.response(command))
    wait(0.2)
    c.send(Pdu(LOGOUT_RESPONSE).with_(itt=pdu.word(16)))


@case("11.9.1", drop(f"{ENDED}|no LUN 0 any more"), "read")
def units_gone_behind_logout(c: Connection, command: Command) -> None:
    """The target asks for a logout, and knows of no logical unit any more, as EqualLogic's: no error reaches anybody."""
    c.finish(command, c.asynchronous(1, parameter3=3), c.response(command, 2, sense(5, 0x25)))


@case("11.14", drop(ENDED), "read", slow=True)
def words_instead_of_logout(c: Connection, command: Command) -> None:
    """The target asks for a logout, does not confirm it, and is never silent: it is not waited for without end."""
    c.send(c.asynchronous(1, parameter3=3))
    await_logout(c)
    while True:
        c.send(Pdu(NOP_IN).with_(itt=NONE, ttt=NONE))
        wait(0.3)


@case("11.15", drop("no command of ours"), "read")
def logout_response_to_nothing_by_its_tag(c: Connection, command: Command) -> None:
    """The response to a logout that nobody asked for, with the tag that the initiator's logouts have."""
    c.send(Pdu(LOGOUT_RESPONSE).with_(itt=LOGOUT_TAG))


@case("11.15.1", ok(), "logout", always=True)
def logout_refused(c: Connection, pdu: Received) -> None:
    """The logout is answered with a failure: rmmod ends all the same."""
    c.send(Pdu(LOGOUT_RESPONSE).with_(itt=pdu.word(16), reason=3))


@case("11.17", ok(), "logout", always=True)
def logout_rejected(c: Connection, pdu: Received) -> None:
    """The logout is rejected: rmmod ends all the same."""
    c.send(c.reject(0x05, pdu.header))


@case("11.17", drop("rejected"), "read")
def reject_of_8_kib(c: Connection, command: Command) -> None:
    """A Reject that shows 8 KiB, of which a header is 48 bytes."""
    header = bytearray(b"\x01" + bytes(8191))
    header[16:20] = command.itt.to_bytes(4, "big")
    c.send(c.reject(0x09, bytes(header)))


@case("11.2.2.1", drop("additional header"), "read")
def additional_header(c: Connection, command: Command) -> None:
    """An Asynchronous Message with an additional header segment."""
    pdu = c.asynchronous(250)
    pdu.ahs = bytes(1020)
    c.send(pdu)


@case("11.9", ok(), "read")
def event_with_much_data(c: Connection, command: Command) -> None:
    """A vendor's event with 100 KiB of data."""
    c.send(Pdu(ASYNC, FINAL, bytes(100 * 1024)).with_(itt=NONE, event=248))
    c.data_in(command)
