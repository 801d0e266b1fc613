"""The byte stream: cut anywhere, glued together, or no iSCSI at all."""

import socket
import struct

from lab.wire import Pdu as Received

from ..pdu import (
    DATA_IN, FINAL, LOGIN_RESPONSE, LOGOUT_RESPONSE, NONE, NOP_IN, R2T, RESPONSE, TASK_RESPONSE, TEXT_RESPONSE, Pdu,
)  # fmt: skip
from ..target import Behaviour, Command, Connection, wait
from . import ALL, Case, add, case, drop, ok

BROKEN = "the connection broke|closed the connection"
# RFC 7143 section 11.5.1.
LOGICAL_UNIT_RESET = 5


def read_answer(c: Connection, command: Command) -> bytes:
    """The bytes that end a READ."""
    data = c.data(command)
    parts = [c.part(command, at // 8192, at, data[at : at + 8192]) for at in range(0, len(data), 8192)]
    parts[-1].flags = FINAL
    c.forget(command.itt)
    return b"".join(c.encode(pdu, False) for pdu in parts) + c.encode(c.response(command), True)


@case("11.2", ok(), "read")
def in_small_pieces(c: Connection, command: Command) -> None:
    """The answer in pieces of 1 to 61 bytes."""
    stream, at, length = read_answer(c, command), 0, 1
    while at < len(stream):
        c.raw(stream[at : at + length])
        at, length = at + length, length % 61 + 1


@case("11.2", ok(), "read")
def slowly(c: Connection, command: Command) -> None:
    """The header one byte at a time, each in a packet of its own."""
    stream = read_answer(c, command)
    for byte in stream[:60]:
        c.raw(bytes([byte]))
        wait(0.005)
    c.raw(stream[60:])


def cut(name: str, at: int, reset: bool) -> None:
    """Declares a case that ends the connection after so many bytes of the answer."""

    def act(c: Connection, command: Command) -> None:
        c.raw(read_answer(c, command)[:at])
        c.reset() if reset else c.close()

    act.__name__, act.__module__ = name, __name__
    act.__doc__ = f"{'RST' if reset else 'FIN'} after {at} bytes of the answer."
    case("7.1.5", drop(BROKEN), "read")(act)


for at in (0, 1, 47, 48, 49, 5000):
    cut(f"reset_after_{at}", at, True)
    cut(f"closed_after_{at}", at, False)


@case("7.1.5", drop(BROKEN), "write")
def reset_while_sending(c: Connection, command: Command) -> None:
    """RST while data is on its way to the target."""
    have = len(command.data)
    c.send(c.r2t(command, have, command.length - have))
    wait(0.05)
    c.reset()


@case("11.2.1.2", drop("out of place|is not iSCSI|additional header|a data segment"), "read")
def garbage(c: Connection, command: Command) -> None:
    """Random bytes."""
    c.raw(bytes((number * 7919 + 13) % 251 for number in range(4096)))


@case("11.2.1.2", drop("out of place"), "read")
def of_the_initiator(c: Connection, command: Command) -> None:
    """A PDU that only initiators send."""
    c.send(Pdu(0x01).with_(itt=NONE))


@case("11.2.1.2", drop("out of place"), "read")
def reserved_opcode(c: Connection, command: Command) -> None:
    """An opcode that there is not."""
    c.send(Pdu(0x3E).with_(itt=NONE))


@case("7.1.5", drop(BROKEN), "ready")
def reset_behind_login(c: Connection) -> None:
    """RST directly behind the login."""
    c.reset()


@case("7.1.5", drop(BROKEN), "ready", always=True)
def reset_behind_each_login(c: Connection) -> bool:
    """RST directly behind the login, four times in a row."""
    if c.number > 4:
        return False
    c.reset()
    return True


@case("11.18", drop("has not answered a ping"), "read", slow=True)
def silence(c: Connection, command: Command) -> None:
    """Nothing more comes, not even the answer to a ping."""
    wait(60)


@case("11.18", drop("has not answered a ping"), "read", slow=True)
def urgent_byte(c: Connection, command: Command) -> None:
    """A byte of TCP's urgent data in the middle, behind which nobody reads on."""
    stream = read_answer(c, command)
    c.raw(stream[:5000])
    c.sock.send(stream[5000:5001], socket.MSG_OOB)
    c.raw(stream[5001:])
    wait(30)


@case("11.18", ok(), "read", slow=True)
def pause(c: Connection, command: Command) -> None:
    """Seven seconds without a word, then all goes on; a ping in between is answered late."""
    wait(7)
    c.data_in(command)


def kinds(c: Connection, command: Command) -> dict[str, Pdu]:
    """A PDU of each kind that could come now."""
    text, logout = Pdu(TEXT_RESPONSE).with_(itt=command.itt, ttt=NONE), Pdu(LOGOUT_RESPONSE).with_(itt=command.itt)
    return {
        "nop-in": c.ping(), "response": c.response(command), "task-response": Pdu(TASK_RESPONSE).with_(itt=command.itt),
        "text-response": text, "data-in": c.part(command, 0, 0, b"", FINAL), "logout-response": logout,
        "r2t": Pdu(R2T).with_(itt=command.itt, ttt=1, length=512), "async": c.asynchronous(250), "reject": c.reject(4, b""),
    }  # fmt: skip


def lengths(kind: str) -> None:
    """Declares a case whose PDU of this kind announces 16 MiB of data."""

    def act(c: Connection, command: Command) -> None:
        pdu = kinds(c, command)[kind]
        pdu.data_length = 0xFFFFFF
        c.send(pdu)

    what = f"A data segment of 16 MiB, announced by {kind}."
    add(Case(f"transport.length-of-{kind}", "13.12", what, drop("a data segment of 16777215"), Behaviour({"read": act})))


for kind in ("nop-in", "response", "task-response", "text-response", "data-in", "logout-response", "r2t", "async", "reject"):
    lengths(kind)


# What a receiver ignores (RFC 7143 section 11): bits of byte 1, and bytes as (first, behind the last).
IGNORED: dict[int, tuple[int, tuple[tuple[int, int], ...]]] = {
    NOP_IN: (0x7F, ((2, 4), (36, 48))),
    RESPONSE: (0x79, ((8, 16), (20, 24), (40, 44))),
    TASK_RESPONSE: (0x7F, ((3, 4), (8, 16), (20, 24), (36, 48))),
    DATA_IN: (0x38, ((2, 3),)),
    LOGOUT_RESPONSE: (0x7F, ((3, 4), (8, 16), (20, 24), (36, 40), (44, 48))),
    LOGIN_RESPONSE: (0x30, ((20, 24), (38, 48))),
    R2T: (0x7F, ((2, 4),)),
}


@case("11", ok(), "sending", always=True)
def reserved_fields_set(c: Connection, pdu: Pdu) -> None:
    """Every bit that is reserved is set, in every PDU from the login to the logout: it is ignored."""
    bits, ranges = IGNORED[pdu.opcode]
    pdu.flags |= bits
    pdu.reserved = ranges


@case("11.18", drop("has not answered a ping"), "write", slow=True)
def window_of_zero(c: Connection, command: Command) -> None:
    """Data is asked for and then not taken: no byte of it, nor of anything behind it."""
    have = len(command.data)
    c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    c.send(c.r2t(command, have, command.length - have))
    wait(30)


# A second logical unit, and its type: a storage array controller (SPC-4 section 6.6.2).
CONTROLLER, CONTROLLER_TYPE = bytes([0, 1]) + bytes(6), 0x0C


def list_both(c: Connection, command: Command) -> bool:
    """REPORT LUNS has the controller, too."""
    if command.cdb[0] != 0xA0:
        return False
    c.data_in(command, struct.pack(">I4x8x8s", 16, CONTROLLER)[: int.from_bytes(command.cdb[6:10], "big")])
    return True


def controller(c: Connection, command: Command) -> bool:
    """A command to the controller."""
    if command.lun != CONTROLLER:
        return False
    if command.cdb[0] != 0x12:
        c.finish(command, c.response(command))
    elif command.cdb[1] & 1:
        c.check(command, 5, 0x24)
    else:
        answer = bytes([CONTROLLER_TYPE, 0, 6, 2, 31, 0, 0, 0]) + b"HOSTILE CONTROLLER      1   "
        c.data_in(command, answer[: int.from_bytes(command.cdb[3:5], "big")])
    return True


@case("6.3.5", drop(BROKEN), "write", always=True)
def another_portal_group(c: Connection, command: Command) -> None:
    """The connection breaks amid a write, and another portal group has the next session, which ends nothing of the one before: the disk is reset first. A controller beside it, which cannot be, keeps nobody out."""

    def login(c: Connection, request: Received, response: Pdu) -> None:
        response.data = response.data.replace(b"TargetPortalGroupTag=1\0", b"TargetPortalGroupTag=2\0")
        c.raw(c.encode(response, True))

    def task(c: Connection, request: Received) -> bool:
        if request.header[1] & 0x7F != LOGICAL_UNIT_RESET:
            return False
        if request.header[8:16] == CONTROLLER:
            c.send(Pdu(TASK_RESPONSE).with_(itt=request.word(16), response=5))
            return True
        c.state.notes["reset"] = c.number
        return False

    def write(c: Connection, command: Command) -> bool:
        if c.state.notes.get("reset") != 2:
            c.linter.fault("6.3.5", "a write that the session before may still have comes again without a LOGICAL UNIT RESET")
        return False

    behaviour = c.server.behaviours[c.server.name(c.state)]
    behaviour.hooks |= {"login": login, "task": task, "write": write}
    behaviour.always = True
    c.reset()


ALL["transport.another-portal-group"].behaviour.hooks.update(other=list_both, absent=controller)
