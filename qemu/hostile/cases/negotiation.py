"""Negotiation: values that cannot be, answers that do not follow, and proposals of the target's own."""

from lab.wire import Pdu as Received

from ..login import OPERATIONAL
from ..pdu import Pdu
from ..target import Behaviour, Command, Connection, Options
from . import Case, add, case, drop, ok, refused


def in_operational(request: Received) -> bool:
    """Whether the request is one of the operational stage."""
    return request.header[1] >> 2 & 3 == OPERATIONAL


def answered(name: str, pair: str, section: str, words: str) -> None:
    """Declares a case that answers with this pair in the place of its own for that key."""
    key = pair.partition("=")[0]

    def act(c: Connection, request: Received, response: Pdu) -> bool:
        if not in_operational(request):
            return False
        pairs = [other for other in response.data.decode().split("\0") if other and other.partition("=")[0] != key]
        response.data = "".join(f"{each}\0" for each in [*pairs, pair]).encode()
        c.raw(c.encode(response, True))
        return True

    behaviour = Behaviour({"login": act}, Options(), always=True)
    add(Case(f"negotiation.{name}", section, f"The target answers {pair[:60]}.", refused(words), behaviour))


for key, section, *values in (
    ("MaxRecvDataSegmentLength", "13.12", "0", "511", "16777216", "18446744073709551616", "-1", "0x", "", "08192", "512 ", "1e6"),
    ("MaxBurstLength", "13.13", "0", "511", "4294967296"),
    ("FirstBurstLength", "13.14", "0", "Irrelevant"),
    ("MaxOutstandingR2T", "13.17", "0", "2"),
    ("ErrorRecoveryLevel", "13.20", "1", "2"),
    ("MaxConnections", "13.2", "0", "2"),
    ("InitialR2T", "13.10", "Maybe", "yes"),
    ("HeaderDigest", "6.2.1", "Reject", "CRC32C,None", "CRC64"),
    ("DataPDUInOrder", "13.18", "No"),
    ("DefaultTime2Wait", "13.15", "3601"),
    ("DefaultTime2Retain", "13.16", "3601"),
):
    for number, value in enumerate(values):
        answered(f"{key}-{number}".lower(), f"{key}={value}", section, f"{key}")

answered("larger-burst-than-offered", "MaxBurstLength=16777215", "6.2.2", "MaxBurstLength")
answered("unknown-answer", "MaxBurstLength=NotUnderstood", "6.2", "NotUnderstood")


def text(name: str, data: bytes, words: str) -> None:
    """Declares a case whose first operational answer has these bytes behind it."""

    def act(c: Connection, request: Received, response: Pdu) -> bool:
        if not in_operational(request):
            return False
        response.data += data
        c.raw(c.encode(response, True))
        return True

    behaviour = Behaviour({"login": act}, Options(), always=True)
    add(Case(f"negotiation.{name}", "6.1", f"The text goes on with {data[:40]!r}.", refused(words), behaviour))


text("key-twice", b"MaxBurstLength=65536\0", "MaxBurstLength twice")
text("key-without-equals", b"Nonsense\0", "without an '='")
text("key-without-name", b"=value\0", "key name")
text("key-too-long", b"X-" + b"k" * 62 + b"=1\0", "key name")
text("not-utf-8", b"X-\xff=1\0", "key name")
text("no-last-nul", b"X-a=b", "NUL")
text("key-of-the-initiator", b"InitiatorName=iqn.2026-01.test.hostile:you\0", "InitiatorName")
text("a-thousand-keys", b"a=b\0" * 1000, "more proposed keys")


@case("6.1", ok("NULs that end nothing"), "login", always=True)
def nuls_that_end_nothing(c: Connection, request: Received, response: Pdu) -> None:
    """NULs before, between and behind the pairs, in each response with text."""
    if response.data:
        response.data = b"\0" + response.data.replace(b"\0", b"\0\0")
    c.raw(c.encode(response, True))


def breaks_once(c: Connection, command: Command) -> bool:
    """The first session breaks amid a read."""
    if c.number > 1:
        return False
    c.reset()
    return True


in_each = Behaviour({"login": nuls_that_end_nothing, "read": breaks_once}, always=True)
add(Case("negotiation.nuls-in-each-login", "6.1", "The same in two logins: it is told of once.", drop("connection broke"), in_each))


@case("6.2", ok(), "login", always=True)
def a_few_unknown_keys(c: Connection, request: Received, response: Pdu) -> bool:
    """Unknown keys, which are answered NotUnderstood."""
    if not in_operational(request) or c.state.notes.get("done"):
        return False
    c.state.notes["done"] = 1
    response.flags = OPERATIONAL << 2
    response.data += b"X-com.example.a=1\0Y-b=\0"
    c.raw(c.encode(response, True))
    answer = c.receive()
    if answer.keys != {"X-com.example.a": "NotUnderstood", "Y-b": "NotUnderstood"}:
        c.linter.fault("6.2", f"the answers {answer.keys}", answer)
    c.raw(c.encode(Pdu(response.opcode, 0x87).with_(itt=request.word(16), tsih=7), True))
    return True


PROPOSED = {"TaskReporting": "RFC3720,FastAbort", "iSCSIProtocolLevel": "2", "OFMarker": "No", "IFMarkInt": "2048~8192"}


@case("13.23, 13.24, 13.25", ok(), "ready", options=Options(proposals=PROPOSED))
def targets_proposals(c: Connection) -> None:
    """The target proposes keys of its own, obsolete ones too, and each has the answer that it has to have."""
    assert c.login
    answers = {key: value for key, value in c.login.offered.items() if key in PROPOSED}
    # A proposal of No needs no answer.
    answers.pop("OFMarker", None)
    if answers != {"TaskReporting": "RFC3720", "iSCSIProtocolLevel": "1", "IFMarkInt": "Reject"}:
        c.linter.fault("13.23, 13.24, 13.25", f"the answers {answers}")


@case("6.3", refused("MaxBurstLength twice"), "login", always=True)
def key_in_two_responses(c: Connection, request: Received, response: Pdu) -> bool:
    """A key that has been answered is answered again in the next response."""
    if not in_operational(request):
        return False
    response.flags = OPERATIONAL << 2
    c.raw(c.encode(response, True))
    c.receive()
    c.raw(c.encode(Pdu(response.opcode, OPERATIONAL << 2, b"MaxBurstLength=65536\0").with_(itt=request.word(16)), True))
    return True


def taken(
    name: str,
    section: str,
    summary: str,
    pairs: dict[str, str],
    agreed: dict[str, str],
    declared: int = 65536,
    words: str = "",
    left_out: tuple[str, ...] = (),
    **ours: str,
) -> None:
    """Declares a case whose answers are these in the place of the target's own; they mean what is in `agreed`."""

    def act(c: Connection, request: Received, response: Pdu) -> bool:
        if not in_operational(request):
            return False
        assert c.login
        own = dict(pair.split("=") for pair in response.data.decode().split("\0") if pair)
        said = {key: value for key, value in (own | pairs).items() if key not in left_out}
        response.data = "".join(f"{key}={value}\0" for key, value in said.items()).encode()
        c.login.agreed |= agreed
        c.raw(c.encode(response, True))
        return True

    behaviour = Behaviour({"login": act}, Options(ours, declared), always=True)
    add(Case(f"negotiation.{name}", section, summary, ok(words), behaviour))


HEX = {"MaxBurstLength": "0x8000", "FirstBurstLength": "0X1000", "MaxRecvDataSegmentLength": "0x2000"}
taken("hexadecimal", "6.1", "Numbers in hexadecimal.", HEX, {"MaxBurstLength": "32768", "FirstBurstLength": "4096"}, 8192)
for key, default in (("MaxBurstLength", "262144"), ("FirstBurstLength", "65536"), ("InitialR2T", "Yes"), ("ImmediateData", "Yes")):
    taken(f"{key}-rejected".lower(), "6.2", f"{key}=Reject: it keeps its default.", {key: "Reject"}, {key: default})
taken(
    "first-burst-irrelevant",
    "13.14",
    "FirstBurstLength=Irrelevant, where no unsolicited data is agreed on.",
    {"FirstBurstLength": "Irrelevant"},
    {},
    InitialR2T="Yes",
    ImmediateData="No",
)
answered("first-burst-above-max-burst", "MaxBurstLength=512", "13.14", "FirstBurstLength 16384 above MaxBurstLength 512")
taken(
    "time2retain-above-offer", "13.16", "DefaultTime2Retain=20, which is more than was offered.", {"DefaultTime2Retain": "20"}, {},
    words="DefaultTime2Retain with more",
)  # fmt: skip
DEFAULTS = {"MaxConnections": "1", "MaxOutstandingR2T": "1", "ErrorRecoveryLevel": "0", "ImmediateData": "Yes", "MaxBurstLength": "262144"}
taken(
    "keys-unanswered", "6.2.2", "Some keys have no answer: they keep their defaults.", {}, DEFAULTS,
    words="without an answer", left_out=tuple(DEFAULTS),
)  # fmt: skip
