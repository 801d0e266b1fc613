"""Discovery: lists of targets without end, in pieces, and of names and addresses that are none (RFC 7143 section 4.3)."""

import errno

from lab.wire import Pdu as Received

from ..pdu import CONTINUE, FINAL, LOGIN_RESPONSE, RESPONSE, TEXT_RESPONSE, Pdu
from ..target import Behaviour, Connection, Options, wait
from . import Case, Expect, add, case, ok, refused

FOUND = Options(discovered=True)
# A tag of the target's, with which the initiator asks for more.
MORE = 0x55


def target_is(c: Connection) -> bytes:
    """The key that names the target there is."""
    return f"TargetName=iqn.2026-01.test.hostile:{c.server.name(c.state)}\0".encode()


def listed(name: str, section: str, summary: str, before: bytes, behind: bytes, expect: Expect = ok()) -> None:
    """Declares a case whose list has these bytes before and behind its target's name."""

    def act(c: Connection, pdu: Received) -> None:
        c.targets(pdu, before + target_is(c) + behind)

    add(Case(f"discovery.{name}", section, summary, expect, Behaviour({"text": act}, FOUND, always=True)))


listed("no-address", "C", "A target without an address: it is where it was told of.", b"", b"")
listed("address-first", "C", "An address before any name is nobody's.", b"TargetAddress=192.0.2.1:3260,1\0", b"")
listed("unknown-key", "C", "A key that has no place in a list.", b"X-com.example.list=1\0", b"")
listed("host-name", "13.8", "An address that is a name: left out, for there is no resolver.", b"", b"TargetAddress=storage.example:3260,1\0")
listed("name-with-spaces", "4.2.7.2", "A name that cannot be is left out.", b"TargetName=iqn.2026-01.test: a b\0", b"")
listed("name-of-300-bytes", "4.2.7.1", "A name that is too long is left out.", b"TargetName=iqn.2026-01.test:" + b"n" * 300 + b"\0", b"")
listed("name-empty", "4.2.7.1", "A name without a character.", b"TargetName=\0", b"", refused("a target without a name"))
listed("name-not-utf-8", "6.1", "A name that is no text.", b"TargetName=iqn.2026-01.test:\xff\xfe\0", b"", refused("a target without a name"))
listed("address-empty", "13.8", "An address without a character.", b"", b"TargetAddress=\0", refused("an address to go to that is none"))
listed("address-unclosed", "13.8", "A bracket that is not closed.", b"", b"TargetAddress=[2001:db8::1\0", refused("an address to go to that is none"))
listed("address-port", "13.8", "A port that there is not.", b"", b"TargetAddress=192.0.2.1:99999,1\0", refused("an address to go to that is none"))
listed("no-last-nul", "6.1", "Text without its last NUL.", b"", b"TargetAddress=192.0.2.1", refused("NUL"))
listed("two-targets", "C", "Two targets: nobody says which.", b"TargetName=iqn.2026-01.test:b\0", b"", refused("2 targets", errno.ENOTUNIQ))


@case("C", ok(r"(?s)\A(?!.*portal group)"), "text", always=True, options=FOUND)
def one(c: Connection, pdu: Received) -> None:
    """One target, as it should be."""
    c.targets(pdu)


@case("13.9", ok("in portal group 1, not in 2"), "text", always=True, options=FOUND)
def other_group(c: Connection, pdu: Received) -> None:
    """The portal is listed with another portal group than it answers the login with."""
    c.targets(pdu, target_is(c) + f"TargetAddress={c.server.listener.getsockname()[0]}:3260,2\0".encode())


@case("6.2", ok(), "text", always=True, options=FOUND)
def in_pieces(c: Connection, pdu: Received) -> None:
    """Two bytes at a time, each answered by an empty request with our tag."""
    text = target_is(c)
    while len(text) > 2:
        c.targets(pdu, text[:2], CONTINUE, ttt=MORE)
        text, pdu = text[2:], c.receive()
        if pdu.data or pdu.word(20) != MORE:
            c.linter.fault("6.2, 11.10.4", "no empty request with the tag of the response", pdu)
    c.targets(pdu, text)


@case("11.11.1", ok(), "text", always=True, options=FOUND)
def tag_in_the_last(c: Connection, pdu: Received) -> None:
    """The last response has a tag, which means nothing then."""
    c.targets(pdu, ttt=MORE)


@case("6.2", refused("without end"), "text", always=True, options=FOUND)
def without_end(c: Connection, pdu: Received) -> None:
    """A list that goes on for ever."""
    while True:
        c.targets(pdu, b"TargetName=iqn.2026-01.test:n\0" * 250, 0, ttt=MORE)
        pdu = c.receive()


@case("11.11.1", refused("without a target transfer tag"), "text", always=True, options=FOUND)
def without_tag(c: Connection, pdu: Received) -> None:
    """A list that goes on, without the tag to go on with."""
    c.targets(pdu, None, 0)


@case("11.11.2", refused("both F and C"), "text", always=True, options=FOUND)
def final_and_continue(c: Connection, pdu: Received) -> None:
    """F and C at once."""
    c.targets(pdu, None, FINAL | CONTINUE)


@case("11.11", refused("no answer to SendTargets"), "text", always=True, options=FOUND)
def wrong_tag(c: Connection, pdu: Received) -> None:
    """Another task's tag."""
    c.targets(pdu, itt=pdu.word(16) ^ 1)


@case("11.11", refused("no answer to SendTargets"), "text", always=True, options=FOUND)
def wrong_opcode(c: Connection, pdu: Received) -> None:
    """A SCSI Response."""
    c.send(Pdu(RESPONSE).with_(itt=pdu.word(16)))


@case("4.2.4", refused("Login Response out of place"), "text", always=True, options=FOUND)
def login_response(c: Connection, pdu: Received) -> None:
    """A Login Response."""
    c.send(Pdu(LOGIN_RESPONSE).with_(itt=pdu.word(16)))


@case("13.12", refused("a data segment of 16777215 bytes"), "text", always=True, options=FOUND)
def data_of_16_mib(c: Connection, pdu: Received) -> None:
    """A data segment that announces 16 MiB."""
    c.raw(c.encode(Pdu(TEXT_RESPONSE, FINAL, data_length=0xFFFFFF).with_(itt=pdu.word(16)), True))


@case("11.17", refused("does not tell"), "text", always=True, options=FOUND)
def rejected(c: Connection, pdu: Received) -> None:
    """A Reject."""
    c.send(c.reject(0x05, pdu.header))


@case("4.3", ok(), "text", always=True, options=FOUND)
def ping_before(c: Connection, pdu: Received) -> None:
    """A ping, which a discovery session cannot answer, and then the list."""
    c.send(c.ping())
    c.targets(pdu)


@case("7.1.5", refused("closed the connection|broke", errno.ECONNRESET), "text", always=True, options=FOUND)
def closed(c: Connection, pdu: Received) -> None:
    """The connection ends in the middle of the list."""
    c.raw(c.encode(Pdu(TEXT_RESPONSE, FINAL, target_is(c)).with_(itt=pdu.word(16)), True)[:60])
    c.close()


@case("10.3", refused("did not answer the login in time", errno.ETIMEDOUT), "text", always=True, options=FOUND, conf="LoginTimeout=2", slow=True)
def pings_for_ever(c: Connection, pdu: Received) -> None:
    """Pings, and never a list: each is an answer, and all of them together take too long."""
    while True:
        c.send(c.ping())
        wait(0.2)


@case("11.15", ok(), "logout", options=FOUND, conf="LoginTimeout=6")
def logout_not_confirmed(c: Connection, pdu: Received) -> None:
    """The logout behind the list is not confirmed: the list is taken all the same."""
