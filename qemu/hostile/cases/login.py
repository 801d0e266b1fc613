"""The Login Phase: what ends it, what only takes longer, and where it leads."""

import errno
from dataclasses import replace

from lab.wire import Pdu as Received

from ..pdu import CONTINUE, NONE, RESPONSE, Pdu
from ..target import WINDOW, Behaviour, Command, Connection, Options, wait
from . import Case, Expect, add, case, drop, ok, plain, refused

TRANSIT = 0x80


@case("4.2.4", refused("SCSI Response in the login"), "login")
def wrong_opcode(c: Connection, request: Received, response: Pdu) -> None:
    """A SCSI Response."""
    response.opcode = RESPONSE
    c.raw(c.encode(response, True))


@case("11.13", refused("unknown tag"), "login")
def wrong_tag(c: Connection, request: Received, response: Pdu) -> None:
    """Another tag than the request's."""
    c.raw(c.encode(response.with_(itt=request.word(16) + 1), True))


@case("11.13.6", refused("for stage 1 in stage 0"), "login")
def wrong_stage(c: Connection, request: Received, response: Pdu) -> None:
    """A current stage that is not the request's."""
    response.flags |= 1 << 2
    c.raw(c.encode(response, True))


@case("11.13.6", refused("a move to login stage"), "login")
def next_stage_too_far(c: Connection, request: Received, response: Pdu) -> None:
    """The end of the login where the operational stage was asked for."""
    response.flags = TRANSIT | 3
    c.raw(c.encode(response, True))


@case("11.13.6", refused("a move to login stage"), "login")
def reserved_stage(c: Connection, request: Received, response: Pdu) -> None:
    """A next stage that there is not."""
    response.flags = TRANSIT | 2
    c.raw(c.encode(response, True))


@case("11.13.1", refused("both T and C"), "login")
def transit_and_continue(c: Connection, request: Received, response: Pdu) -> None:
    """T and C at once."""
    response.flags |= CONTINUE
    c.raw(c.encode(response, True))


@case("11.13.3", refused("without a session handle"), "login", always=True)
def no_session_handle(c: Connection, request: Received, response: Pdu) -> None:
    """The final response has TSIH 0."""
    c.raw(c.encode(response.with_(tsih=0), True))


@case("11.13.4", refused("StatSN"), "login", always=True)
def stat_sn_gap(c: Connection, request: Received, response: Pdu) -> None:
    """StatSN leaves numbers out."""
    c.stat_sn = (c.stat_sn + 5) & NONE
    c.raw(c.encode(response, True))


@case("6.3", refused("8193 bytes where 8192"), "login")
def data_too_long(c: Connection, request: Received, response: Pdu) -> None:
    """8193 bytes of text."""
    response.data = b"X-y=" + b"z" * 8188 + b"\0"
    c.raw(c.encode(response, True))


@case("6.3", refused("16777215 bytes"), "login")
def data_of_16_mib(c: Connection, request: Received, response: Pdu) -> None:
    """A data segment that announces 16 MiB."""
    response.data_length = 0xFFFFFF
    c.raw(c.encode(response, True))


@case("11.2.2", refused("additional header"), "login")
def additional_header(c: Connection, request: Received, response: Pdu) -> None:
    """1020 bytes of additional header segments."""
    response.ahs = bytes(1020)
    c.raw(c.encode(response, True))


@case("11.13.2", refused("version"), "login")
def other_version(c: Connection, request: Received, response: Pdu) -> None:
    """Another version than 0."""
    c.raw(c.encode(response.with_(status=1), True))


@case("6.1", ok(), "login", always=True)
def text_in_pieces(c: Connection, request: Received, response: Pdu) -> None:
    """The text comes five bytes at a time, in many responses with the C bit."""
    text, flags = response.data, response.flags
    while len(text) > 5:
        part = Pdu(response.opcode, flags & 0x0C | CONTINUE, text[:5]).with_(itt=request.word(16))
        c.raw(c.encode(part, True))
        text = text[5:]
        answer = c.receive()
        if answer.data or answer.header[1] & CONTINUE:
            c.linter.fault("6.2", "text in the answer to text that goes on", answer)
    response.data = text
    c.raw(c.encode(response, True))


@case("6.2", refused("login without end"), "login", always=True, slow=True)
def text_without_end(c: Connection, request: Received, response: Pdu) -> None:
    """Responses with the C bit, for ever."""
    while True:
        part = Pdu(response.opcode, CONTINUE, b"TargetAlias=x\0" * 100).with_(itt=request.word(16))
        c.raw(c.encode(part, True))
        c.receive()


@case("6.3.3", ok(), "login")
def an_exchange_more(c: Connection, request: Received, response: Pdu) -> None:
    """The target does not move on at once: an empty exchange comes in between."""
    c.raw(c.encode(Pdu(response.opcode, 0).with_(itt=request.word(16)), True))
    answer = c.receive()
    if answer.data or not answer.header[1] & TRANSIT:
        c.linter.fault("6.3.3", "a request that no longer asks to move on", answer)
    c.raw(c.encode(response, True))


@case("11.13.5", refused("Not found", errno.ENOMEDIUM), "login", always=True)
def refusal(c: Connection, request: Received, response: Pdu) -> None:
    """Status 0203; T, stages and numbers mean nothing then."""
    c.raw(c.encode(Pdu(response.opcode, 0xFF).with_(itt=request.word(16), login_status=0x0203, stat_sn=0x55555555), True))


@case("11.13.5", ok("has moved"), "login")
def redirection(c: Connection, request: Received, response: Pdu) -> None:
    """A redirection to where the target is anyway, for the time being."""
    data = f"TargetAddress={c.server.listener.getsockname()[0]}:3260\0".encode()
    c.raw(c.encode(Pdu(response.opcode, 0, data).with_(itt=request.word(16), login_status=0x0101), True))


@case("13.8", ok("names a portal group"), "login")
def redirection_to_a_group(c: Connection, request: Received, response: Pdu) -> None:
    """A redirection whose address has a portal group behind it, as only lists of targets have it."""
    data = f"TargetAddress={c.server.listener.getsockname()[0]}:3260,1\0".encode()
    c.raw(c.encode(Pdu(response.opcode, 0, data).with_(itt=request.word(16), login_status=0x0101), True))


@case("11.13.5", refused("without end", errno.ELOOP), "login", always=True)
def redirection_loop(c: Connection, request: Received, response: Pdu) -> None:
    """A redirection to itself, for ever."""
    redirection(c, request, response)


@case("13.8", refused("TargetAddress"), "login", always=True)
def redirection_nowhere(c: Connection, request: Received, response: Pdu) -> None:
    """A redirection without an address."""
    c.raw(c.encode(Pdu(response.opcode, 0).with_(itt=request.word(16), login_status=0x0102), True))


@case("11.13.5", ok("has moved"), "login")
def redirection_to_a_dead_portal(c: Connection, request: Received, response: Pdu) -> None:
    """A temporary redirection to where nobody listens: the next attempt is at the address that was configured."""
    data = f"TargetAddress={c.server.listener.getsockname()[0]}:3999\0".encode()
    c.raw(c.encode(Pdu(response.opcode, 0, data).with_(itt=request.word(16), login_status=0x0101), True))


@case("4.2.6", ok("login attempt 1"), "login")
def reset(c: Connection, request: Received, response: Pdu) -> None:
    """RST after 24 bytes of a header."""
    c.raw(c.encode(response, True)[:24])
    c.reset()


@case("4.2.6", ok("login attempt 1"), "login")
def closed(c: Connection, request: Received, response: Pdu) -> None:
    """FIN instead of an answer."""
    c.close()


@case("10.3", ok(), "login")
def byte_by_byte(c: Connection, request: Received, response: Pdu) -> None:
    """A response one byte at a time."""
    for byte in c.encode(response, True):
        c.raw(bytes([byte]))
        wait(0.01)


@case("11.19", ok(), "ready")
def ping_at_once(c: Connection) -> None:
    """A ping directly behind the final response."""
    c.send(c.ping())


@case("4.2.2.1", ok(), "ready", options=Options(window=0))
def window_closed(c: Connection) -> None:
    """The login leaves the window closed, and nothing but a NOP-In opens it."""
    wait(0.5)
    c.options = replace(c.options, window=WINDOW)
    c.send(Pdu(0x20).with_(itt=NONE, ttt=NONE))


@case("4.2.4", drop("Login Response out of place"), "ready")
def login_response_again(c: Connection) -> None:
    """Another Login Response behind the login."""
    c.send(Pdu(0x23).with_(itt=0))


for number in (0, 0x7FFFFFFE, 0xFFFFFFFD):
    summary = f"StatSN begins with {number:#010x}, and wraps."
    plain("login", f"stat-sn-{number:08x}", "4.2.2.2", summary, ok(), Options(stat_sn=number))


@case("4.2.4", refused("NOP-In in the login"), "login")
def ping_in_login(c: Connection, request: Received, response: Pdu) -> None:
    """A ping."""
    c.raw(c.encode(c.ping(), False))


@case("11.13.6", refused("for stage 0 in stage 1"), "login")
def stage_back(c: Connection, request: Received, response: Pdu) -> bool:
    """The operational stage is answered in the security stage."""
    if request.header[1] >> 2 & 3 == 0:
        return False
    response.flags &= ~0x0C
    c.raw(c.encode(response, True))
    return True


@case("11.13.5", ok("login attempt 1"), "login")
def out_of_service(c: Connection, request: Received, response: Pdu) -> None:
    """Status 0301: the next attempt succeeds."""
    c.raw(c.encode(Pdu(response.opcode, 0).with_(itt=request.word(16), login_status=0x0301), True))
    c.close()


@case("11.13.5", refused("."), "login", always=True)
def reserved_status(c: Connection, request: Received, response: Pdu) -> None:
    """A status class that there is not."""
    c.raw(c.encode(Pdu(response.opcode, 0).with_(itt=request.word(16), login_status=0x0700), True))


@case("13.8", refused("an address to go to that is none"), "login", always=True)
def redirection_to_no_port(c: Connection, request: Received, response: Pdu) -> None:
    """A redirection to port 0."""
    data = f"TargetAddress={c.server.listener.getsockname()[0]}:0\0".encode()
    c.raw(c.encode(Pdu(response.opcode, 0, data).with_(itt=request.word(16), login_status=0x0101), True))


@case("7.1.5", drop("connection broke"), "read")
def refused_when_it_comes_back(c: Connection, command: Command) -> None:
    """The connection breaks, and the next logins are refused as not found, reset and sent away: the session is tried for all the same."""

    def act(c: Connection, request: Received, response: Pdu) -> bool:
        if c.number > 4:
            return False
        if c.number == 3:
            c.reset()
        status = Pdu(response.opcode, 0).with_(itt=request.word(16), login_status=0x0203 if c.number == 2 else 0x0302)
        c.raw(c.encode(status, True))
        c.close()
        return True

    c.server.behaviours[c.server.name(c.state)].hooks["login"] = act
    c.server.behaviours[c.server.name(c.state)].always = True
    del c.server.behaviours[c.server.name(c.state)].hooks["read"]
    c.reset()


@case("10.3", refused("did not answer the login in time", errno.ETIMEDOUT), "login", always=True, slow=True)
def silence(c: Connection, request: Received, response: Pdu) -> None:
    """Nothing is said at all."""
    wait(8)
    c.close()


@case("10.3", ok(), "login", always=True, conf="LoginTimeout=60", slow=True)
def late(c: Connection, request: Received, response: Pdu) -> None:
    """Each answer takes 7 s, for which the initiator is told to wait."""
    wait(7)
    c.raw(c.encode(response, True))


@case("10.3", refused("login without end"), "login", always=True, slow=True)
def never_moves_on(c: Connection, request: Received, response: Pdu) -> None:
    """The target answers everything and never moves on, without another word."""
    while True:
        c.raw(c.encode(Pdu(response.opcode, response.flags & 0x0C).with_(itt=request.word(16)), True))
        c.receive()


@case("10.3", refused("did not answer the login in time", errno.ETIMEDOUT), "login", always=True, conf="LoginTimeout=2", slow=True)
def drop_by_drop(c: Connection, request: Received, response: Pdu) -> None:
    """A byte every half second: each is an answer, and all of them together take too long."""
    for byte in c.encode(response, True):
        c.raw(bytes([byte]))
        wait(0.5)


@case("13.8", refused("to a host name"), "login", always=True)
def redirection_to_a_name(c: Connection, request: Received, response: Pdu) -> None:
    """A redirection to a host name, for which there is no resolver."""
    data = b"TargetAddress=storage.example:3260,1\0"
    c.raw(c.encode(Pdu(response.opcode, 0, data).with_(itt=request.word(16), login_status=0x0101), True))


def moved(name: str, summary: str, status: int, expect: Expect) -> None:
    """Declares a case whose target redirects to another port, whose session there breaks amid a read, and who looks where it comes back."""

    def login(c: Connection, request: Received, response: Pdu) -> bool:
        if c.port != c.server.port:
            is_first = request.header[1] >> 2 & 3 == 0
            if is_first and status == 0x0101 and c.state.notes["asked"] != c.number - 1:
                c.linter.fault("11.13.5", "a login at the address of a redirection that was for one time")
            return False
        if c.number > 1 and status == 0x0102:
            c.linter.fault("11.13.5", "a login at the address that the target has left for good")
        c.state.notes["asked"] = c.number
        data = f"TargetAddress={c.server.listener.getsockname()[0]}:{c.server.port + 1}\0".encode()
        c.raw(c.encode(Pdu(response.opcode, 0, data).with_(itt=request.word(16), login_status=status), True))
        c.close()
        return True

    def read(c: Connection, command: Command) -> bool:
        if c.state.notes.setdefault("broken", 0):
            return False
        c.state.notes["broken"] = 1
        c.reset()
        return True

    add(Case(f"login.{name}", "11.13.5", summary, expect, Behaviour({"login": login, "read": read}, always=True)))


# One line on where it is, however often it is told.
ONCE = r"(?s)\A(?:(?!has moved).)*has moved(?:(?!has moved).)*\Z"
moved("moved-for-good", "A redirection for good: the next session is looked for there at once.", 0x0102, drop("the connection broke"))
moved("moved-each-time", "A redirection for the time being: the next session is asked for where it was, and redirected again.", 0x0101, ok(ONCE))


@case("4.2.6", drop("the connection broke"), "read")
def unit_gone_at_the_next_login(c: Connection, command: Command) -> None:
    """The connection breaks, and with the next session the boot disk is not there: that session ends by a logout, and the one after it has it."""

    def absent(c: Connection, command: Command) -> bool:
        if c.number != 2:
            return False
        c.check(command, 5, 0x25)
        return True

    behaviour = c.server.behaviours[c.server.name(c.state)]
    behaviour.hooks = {"other": absent}
    behaviour.always = True
    c.reset()
