"""The byte stream: cut anywhere, glued together, or no iSCSI at all."""

from ..pdu import FINAL, NONE, Pdu
from ..target import Command, Connection, wait
from . import case, drop, ok

BROKEN = "the connection broke|closed the connection"


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


@case("11.18", drop("has not answered a ping"), "read", slow=True)
def silence(c: Connection, command: Command) -> None:
    """Nothing more comes, not even the answer to a ping."""
    wait(60)


@case("11.18", ok(), "read", slow=True)
def pause(c: Connection, command: Command) -> None:
    """Seven seconds without a word, then all goes on; a ping in between is answered late."""
    wait(7)
    c.data_in(command)
