"""Digests: what does not fit is not believed, whatever PDU it is in."""

from dataclasses import replace

from lab.wire import Pdu as Received

from ..pdu import ASYNC, FINAL, LOGOUT_RESPONSE, NONE, NOP_IN, REJECT, TASK_RESPONSE, TEXT_RESPONSE, Pdu
from ..target import Behaviour, Command, Connection, Options
from . import Case, add, case, drop, ok, plain, refused

BOTH = Options({"HeaderDigest": "CRC32C", "DataDigest": "CRC32C"})
HEADER, DATA = "its digest does not fit", "data that its digest does not fit"

for header in ("None", "CRC32C"):
    for data in ("None", "CRC32C"):
        what = f"HeaderDigest={header}, DataDigest={data}."
        plain("digests", f"header-{header}-data-{data}".lower(), "13.1", what, ok(), Options({"HeaderDigest": header, "DataDigest": data}))


@case("7.8", drop(HEADER), "read", options=BOTH)
def header_of_data_in(c: Connection, command: Command) -> None:
    """A wrong header digest on Data-In."""
    pdu = c.part(command, 0, 0, c.data(command), FINAL)
    pdu.header_digest = False
    c.send(pdu)


@case("7.8", drop(DATA), "read", options=BOTH)
def data_of_data_in(c: Connection, command: Command) -> None:
    """A wrong data digest on Data-In, whose data is wrong too."""
    pdu = c.part(command, 0, 0, b"x" * command.length, FINAL)
    pdu.data_digest = False
    c.finish(command, pdu, c.response(command))


@case("7.8", drop(HEADER), "read", options=BOTH)
def header_of_response(c: Connection, command: Command) -> None:
    """A wrong header digest on the response that would end a command well."""
    response = c.response(command)
    response.header_digest = False
    c.finish(command, c.part(command, 0, 0, c.data(command), FINAL), response)


@case("7.8", drop(DATA), "read", options=BOTH)
def data_of_response(c: Connection, command: Command) -> None:
    """A wrong data digest on sense data."""
    response = c.response(command, 2, bytes([0, 18, 0x70, 0, 3, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x11, 0, 0, 0, 0, 0]))
    response.data_digest = False
    c.finish(command, response)


@case("7.8", drop(HEADER), "write", options=BOTH)
def header_of_r2t(c: Connection, command: Command) -> None:
    """A wrong header digest on an R2T."""
    pdu = c.r2t(command, len(command.data), 512)
    pdu.header_digest = False
    c.send(pdu)


@case("7.8", drop(HEADER), "ready", options=BOTH)
def header_of_nop_in(c: Connection) -> None:
    """A wrong header digest on a ping."""
    pdu = c.ping()
    pdu.header_digest = False
    c.send(pdu)


@case("7.8", drop(DATA), "ready", options=BOTH)
def data_of_async(c: Connection) -> None:
    """A wrong data digest on an Asynchronous Message."""
    pdu = Pdu(ASYNC, FINAL, b"\0\4abcd").with_(itt=NONE, event=0)
    pdu.data_digest = False
    c.send(pdu)


@case("13.1", drop("."), "read", options=BOTH)
def left_out(c: Connection, command: Command) -> None:
    """A digest that was agreed on is left out: what follows is taken for it."""
    pdu = c.part(command, 0, 0, c.data(command), FINAL)
    pdu.header_digest = None
    c.finish(command, pdu, c.response(command), c.response(command))


@case("13.1", drop("."), "read")
def not_agreed_on(c: Connection, command: Command) -> None:
    """A digest that nobody agreed on: it is taken for the beginning of the next PDU."""
    data = Pdu(NOP_IN, FINAL, b"").with_(itt=NONE, ttt=NONE)
    c.raw(c.encode(data, False) + b"\xde\xad\xbe\xef" + bytes(44))


@case("11.2.4", ok(), "read", always=True, options=BOTH)
def padding_not_zero(c: Connection, command: Command) -> None:
    """Padding that is not zero, which the data digest covers."""
    data = c.data(command)
    first = c.part(command, 0, 0, data[:509])
    first.padding = b"abc"
    c.finish(command, first, c.part(command, 1, 509, data[509:], FINAL), c.response(command))


@case("7.8", drop(DATA), "read", options=BOTH)
def data_of_reject(c: Connection, command: Command) -> None:
    """A wrong data digest on a Reject of the command."""
    header = bytearray(48)
    header[0], header[16:20] = 1, command.itt.to_bytes(4, "big")
    pdu = c.reject(0x04, bytes(header))
    pdu.data_digest = False
    c.send(pdu)


@case("7.8", drop(HEADER), "read", options=BOTH)
def header_of_async(c: Connection, command: Command) -> None:
    """A wrong header digest on a request to log out, which is not acted on."""
    pdu = c.asynchronous(1, parameter3=3)
    pdu.header_digest = False
    c.send(pdu)


@case("13.1", ok(), "login", always=True, options=BOTH)
def right_behind_login(c: Connection, request: Received, response: Pdu) -> bool:
    """The first PDU with digests comes in one piece with the end of the login, which has none."""
    if response.flags & 0x83 != 0x83:
        return False
    assert c.login
    last = c.encode(response, True)
    c.linter.login_ended(c.login.agreed, c.options.declared)
    c.digests = (True, True)
    c.raw(last + c.encode(c.ping(), False))
    return True


@case("13.1", ok(), "read", always=True, options=BOTH)
def in_small_pieces(c: Connection, command: Command) -> None:
    """Segments of odd lengths, cut anywhere: also amid headers, padding and digests."""
    data, at, pdus = c.data(command), 0, []
    for number in range(20):
        length = (509, 510, 511, 3)[number % 4]
        pdus.append(c.part(command, number, at, data[at : at + length]))
        at += length
    pdus.append(c.part(command, 20, at, data[at:], FINAL))
    c.forget(command.itt)
    stream = b"".join(c.encode(pdu, False) for pdu in pdus) + c.encode(c.response(command), True)
    at, length = 0, 1
    while at < min(len(stream), 12000):
        c.raw(stream[at : at + length])
        at, length = at + length, length % 61 + 1
    c.raw(stream[at:])


def header_of(kind: str, opcode: int) -> None:
    """Declares a case with a wrong header digest on a PDU of this kind."""

    def act(c: Connection, command: Command) -> None:
        pdu = Pdu(opcode).with_(itt=command.itt, ttt=NONE)
        pdu.header_digest = False
        c.send(pdu)

    add(Case(f"digests.header-of-{kind}", "7.8", f"A wrong header digest on {kind}.", drop(HEADER), Behaviour({"read": act}, BOTH)))


header_of("task-response", TASK_RESPONSE)
header_of("text-response", TEXT_RESPONSE)
header_of("logout-response", LOGOUT_RESPONSE)
header_of("reject", REJECT)


@case("7.8", refused("digest"), "text", always=True, options=replace(BOTH, discovered=True))
def data_of_text_response(c: Connection, pdu: Received) -> None:
    """A wrong data digest on a list of targets."""
    text = Pdu(TEXT_RESPONSE, FINAL, b"TargetName=iqn.2026-01.test.hostile:other\0").with_(itt=pdu.word(16), ttt=NONE)
    text.data_digest = False
    c.send(text)
