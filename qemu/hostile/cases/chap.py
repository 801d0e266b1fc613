"""CHAP: every algorithm in both encodings, and targets that want to do without, or to be somebody else."""

import errno
from dataclasses import replace

from lab.wire import Pdu as Received

from ..login import Chap
from ..pdu import Pdu
from ..target import Behaviour, Command, Connection, Options, wait
from . import Case, add, case, drop, ok, plain, refused

ONE_WAY = "OutgoingUsername=machine-room\nOutgoingPassword=our-secret-phrase\n"
MUTUAL = f"{ONE_WAY}IncomingUsername=the-target\nIncomingPassword=their-secret-phrase\n"
CHAP = Chap(5, peer="the-target", peer_secret="their-secret-phrase")

for algorithm in (5, 6, 7, 8):
    for encoding in ("hex", "base64"):
        options = Options(chap=replace(CHAP, algorithm=algorithm, encoding=encoding))
        what = f"Algorithm {algorithm}, {encoding}, both sides."
        plain("chap", f"mutual-{algorithm}-{encoding}", "12.1.3", what, ok(), options, MUTUAL)
plain("chap", "one-way", "12.1.3", "The initiator alone.", ok(), Options(chap=CHAP), ONE_WAY)
for algorithm in (6, 7, 8):
    options = Options(chap=replace(CHAP, algorithm=algorithm, encoding="base64"))
    plain("chap", f"one-way-{algorithm}", "12.1.3", f"The initiator alone, with algorithm {algorithm}.", ok(), options, ONE_WAY)
for length in (1, 1024):
    options = Options(chap=replace(CHAP, challenge=bytes(length)))
    plain("chap", f"challenge-of-{length}", "12.1.3", f"A challenge of {length} bytes.", ok(), options, ONE_WAY)

options = Options(chap=replace(CHAP, peer_secret="another-secret"))
plain("chap", "wrong-proof", "12.1.3", "A target with another secret.", refused("proof is wrong", errno.ENOKEY), options, MUTUAL)
options = Options(chap=replace(CHAP, peer="n" * 255))
plain("chap", "name-of-255", "12.1.3", "A name of 255 bytes.", ok(), options, MUTUAL.replace("the-target", "n" * 255))
options = Options(chap=replace(CHAP, peer="0xtarget"))
plain("chap", "name-like-a-number", "12.1.3", "A name that begins as a number.", ok(), options, MUTUAL.replace("the-target", "0xtarget"))
options = Options(chap=replace(CHAP, peer="somebody"))
plain("chap", "wrong-name", "12.1.3", "A target of another name.", refused("CHAP name", errno.ENOKEY), options, MUTUAL)
options = Options(chap=replace(CHAP, peer_secret=""))
plain("chap", "no-proof", "12.1.3", "A target that proves nothing.", refused("does not prove", errno.ENOKEY), options, MUTUAL)
options = Options(chap=replace(CHAP, secret="another-secret"))
plain("chap", "refused", "12.1.3", "A target that does not take our secret.", refused("passwords", errno.EKEYREJECTED), options, ONE_WAY)
plain("chap", "none", "9.2", "A target without CHAP.", refused("does not authenticate", errno.ENOKEY), Options(), ONE_WAY)
plain("chap", "wanted", "9.2", "A target with CHAP, and no credentials.", refused("Authentication failure", errno.EKEYREJECTED), Options(chap=CHAP))


@case("9.2", refused("not asked for"), "login", always=True, conf=ONE_WAY)
def skipped(c: Connection, request: Received, response: Pdu) -> None:
    """The target moves on without any authentication."""
    response.flags, response.data = 0x81, b"AuthMethod=CHAP\0"
    c.raw(c.encode(response, True))


def replaced(name: str, old: str, new: str, words: str, number: int = errno.EPROTO, conf: str = MUTUAL, chap: Chap = CHAP) -> None:
    """Declares a case that says something else for one key."""

    def act(c: Connection, request: Received, response: Pdu) -> bool:
        pairs = [pair for pair in response.data.decode().split("\0") if pair]
        if not any(pair.startswith(f"{old}=") for pair in pairs):
            return False
        response.data = "".join(f"{new if pair.startswith(f'{old}=') else pair}\0" for pair in pairs if pair).encode()
        c.raw(c.encode(response, True))
        return True

    behaviour = Behaviour({"login": act}, Options(chap=chap), always=True)
    add(Case(f"chap.{name}", "12.1.3", f"{new[:40] or 'nothing'} for {old}.", refused(words, number), behaviour, conf))


replaced("algorithm-not-offered", "CHAP_A", "CHAP_A=9", "CHAP_A")
replaced("algorithm-empty", "CHAP_A", "CHAP_A=", "CHAP_A")
replaced("algorithm-of-no-number", "CHAP_A", "CHAP_A=MD5", "CHAP_A")
replaced("algorithm-list", "CHAP_A", "CHAP_A=5,7", "CHAP_A")
replaced("algorithm-not-allowed", "CHAP_A", "CHAP_A=5", "CHAP_A", conf=f"CHAPAlgorithms=SHA3-256,SHA-1\n{MUTUAL}", chap=replace(CHAP, algorithm=6))
replaced("identifier-too-large", "CHAP_I", "CHAP_I=256", "CHAP_I")
replaced("challenge-empty", "CHAP_C", "CHAP_C=0x", "CHAP_C")
replaced("challenge-too-long", "CHAP_C", "CHAP_C=0x" + "ab" * 1025, "CHAP_C")
replaced("challenge-of-4096", "CHAP_C", "CHAP_C=0x" + "ab" * 4096, "8192|CHAP_C")
replaced("challenge-bad-digit", "CHAP_C", "CHAP_C=0x0g", "CHAP_C")
replaced("challenge-bad-base64", "CHAP_C", "CHAP_C=0bA=", "CHAP_C")
replaced("challenge-decimal", "CHAP_C", "CHAP_C=12345", "CHAP_C")
replaced("no-challenge", "CHAP_C", "X-none=1", "without CHAP_C")
replaced("proof-too-long", "CHAP_R", "CHAP_R=0x" + "ab" * 1000, "proof is wrong", errno.ENOKEY)
replaced("proof-too-short", "CHAP_R", "CHAP_R=0xab", "proof is wrong", errno.ENOKEY)
replaced("proof-of-another-key", "CHAP_R", "X-none=1", "does not prove", errno.ENOKEY)
replaced("name-left-out", "CHAP_N", "X-none=1", "does not prove", errno.ENOKEY)
replaced("name-empty", "CHAP_N", "CHAP_N=", "CHAP name", errno.ENOKEY)
replaced("method-not-understood", "AuthMethod", "AuthMethod=NotUnderstood", "NotUnderstood")
replaced("name-too-long", "CHAP_N", "CHAP_N=" + "n" * 4000, "too long")


def written(name: str, summary: str, pair: str) -> None:
    """Declares a case that writes the value of a key as few targets do."""

    def act(c: Connection, request: Received, response: Pdu) -> bool:
        key = pair.partition("=")[0]
        pairs = [each for each in response.data.decode().split("\0") if each]
        if not any(each.startswith(f"{key}=") for each in pairs):
            return False
        response.data = "".join(f"{pair if each.startswith(f'{key}=') else each}\0" for each in pairs).encode()
        c.raw(c.encode(response, True))
        return True

    chap = replace(CHAP, challenge=b"\x01\x23", identifier=0x4D)
    add(Case(f"chap.{name}", "12.1.3", summary, ok(), Behaviour({"login": act}, Options(chap=chap), always=True), MUTUAL))


written("challenge-of-odd-digits", "A challenge with an odd number of digits: the first that it lacks is 0.", "CHAP_C=0x123")
written("identifier-in-hexadecimal", "An identifier in hexadecimal.", "CHAP_I=0X4d")


@case("9.2.1", refused("proof is wrong", errno.ENOKEY), "login", options=Options(chap=CHAP), always=True, conf=MUTUAL)
def reflected(c: Connection, request: Received, response: Pdu) -> bool:
    """The target sends our own response back as its proof."""
    if "CHAP_R" not in request.keys:
        return False
    response.data = f"CHAP_N=the-target\0CHAP_R={request.keys['CHAP_R']}\0".encode()
    c.raw(c.encode(response, True))
    return True


@case("10.3", ok(), "login", options=Options(chap=CHAP), always=True, conf=ONE_WAY, slow=True)
def late(c: Connection, request: Received, response: Pdu) -> bool:
    """The initiator's proof is looked at for 7 s."""
    if "CHAP_R" not in request.keys:
        return False
    wait(7)
    c.raw(c.encode(response, True))
    return True


@case("12.1.3", refused("CHAP_A"), "login", options=Options(chap=CHAP), always=True, conf=ONE_WAY)
def challenged_twice(c: Connection, request: Received, response: Pdu) -> bool:
    """The challenge comes again, as the answer to the proof."""
    if "CHAP_R" not in request.keys:
        return False
    response.flags, response.data = 0, b"CHAP_A=5\0CHAP_I=78\0CHAP_C=0x0102\0"
    c.raw(c.encode(response, True))
    return True


@case("9.2", drop("connection broke"), "read", options=Options(chap=CHAP), conf=ONE_WAY)
def left_out_when_it_comes_back(c: Connection, command: Command) -> None:
    """The connection breaks, and whoever answers next lets the initiator in without CHAP: that is no session, the one after it is."""

    def act(c: Connection, request: Received, response: Pdu) -> bool:
        if c.number > 3:
            return False
        skipped(c, request, response)
        return True

    behaviour = c.server.behaviours[c.server.name(c.state)]
    behaviour.hooks["login"], behaviour.always = act, True
    del behaviour.hooks["read"]
    c.reset()
