"""Proof that the linter sees what it is there for: each of its rules is broken once, and a correct conversation breaks none."""

import ast
import inspect
from collections.abc import Callable
from pathlib import Path

from lab.errors import expect
from lab.wire import COMMAND, DATA_OUT, LOGIN, LOGOUT, NOP_OUT, TASK, TEXT, Pdu, crc32c

from . import linter
from .linter import NONE, READ, WRITE, Linter

FINAL, IMMEDIATE = 0x80, 0x40
LUN = b"\0\5" + bytes(6)
NAMES = b"InitiatorName=iqn.2026-01.test:us\0SessionType=Normal\0TargetName=iqn.2026-01.test:them\0"
# What the Login Requests below begin with: ISID, TSIH, tag and CID.
ISID = bytes([0x80, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0])
AGREED = {"FirstBurstLength": "2048", "MaxBurstLength": "8192", "InitialR2T": "No"}


def request(opcode: int, flags: int = FINAL, data: bytes = b"", *, lun: bytes = bytes(8), **words: int) -> Pdu:
    """A request of the initiator's; `words` are 32-bit numbers by their offset, as in `at16`."""
    header = bytearray(48)
    header[0:2] = opcode, flags
    header[5:8] = len(data).to_bytes(3, "big")
    header[8:16] = lun
    for name, value in words.items():
        at = int(name.removeprefix("at"))
        header[at : at + 4] = value.to_bytes(4, "big")
    padding = bytes(-len(data) % 4)
    return Pdu(bytes(header), data, padding, crc32c(bytes(header)), crc32c(data + padding) if data else b"")


def with_byte(pdu: Pdu, at: int, value: int) -> Pdu:
    """The same with another byte in its header."""
    header = pdu.header[:at] + bytes([value]) + pdu.header[at + 1 :]
    return Pdu(header, pdu.data, pdu.padding, crc32c(header), pdu.data_digest)


def with_extended_cdb(pdu: Pdu) -> Pdu:
    """The same with a CDB of 32 bytes."""
    header = bytearray(pdu.header) + bytes([0, 17, 1, 0]) + bytes(16)
    header[4] = 5
    return Pdu(bytes(header), pdu.data, pdu.padding, crc32c(bytes(header)), pdu.data_digest)


def login(flags: int = 0x87, data: bytes = NAMES, at28: int = 0, isid: bytes = ISID) -> Pdu:
    pdu = request(LOGIN | IMMEDIATE, flags, data, at24=7, at28=at28)
    return Pdu(pdu.header[:8] + isid + pdu.header[22:], data, pdu.padding)


def command(itt: int = 1, flags: int = FINAL | WRITE, length: int = 8192, data: bytes = b"", number: int = 7, **words: int) -> Pdu:
    return request(COMMAND, flags, data, lun=LUN, at16=itt, at20=length, at24=number, at28=9, **words)


def data_out(ttt: int = NONE, offset: int = 0, length: int = 2048, number: int = 0, flags: int = FINAL, lun: bytes = LUN) -> Pdu:
    lun = bytes(8) if ttt == NONE and lun == LUN else lun
    return request(DATA_OUT, flags, bytes(length), lun=lun, at16=1, at20=ttt, at28=9, at36=number, at40=offset)


def nop(itt: int = NONE, ttt: int = NONE, lun: bytes = bytes(8), opcode: int = NOP_OUT | IMMEDIATE) -> Pdu:
    return request(opcode, lun=lun, at16=itt, at20=ttt, at24=7, at28=9)


def task(function: int = 1, itt: int = 2, referenced: int = 1, reference: int = 7, cmd_sn: int = 8, **more: bytes) -> Pdu:
    words = {"at16": itt, "at20": referenced, "at24": cmd_sn, "at28": 9, "at32": reference}
    return request(TASK | IMMEDIATE, FINAL | function, more.get("data", b""), lun=more.get("lun", LUN), **words)


def target_reset() -> Pdu:
    return task(6, referenced=NONE, cmd_sn=7, lun=bytes(8))


def text(data: bytes, lun: bytes = bytes(8)) -> Pdu:
    return request(TEXT | IMMEDIATE, FINAL, data, lun=lun, at16=3, at20=NONE, at24=7, at28=9)


def logout(reason: int = 0) -> Pdu:
    return request(LOGOUT | IMMEDIATE, FINAL | reason, at16=4, at24=7, at28=9)


def logging_in() -> Linter:
    """A connection before its first PDU."""
    return Linter()


def second_login() -> Linter:
    """A connection behind its first Login Request and the answer to it."""
    subject = Linter()
    subject.judge(login(0x81))
    subject.exp_stat_sn = 5
    return subject


def ready(digests: str = "None", **agreed: str) -> Linter:
    """A connection in the Full Feature Phase, with room for two commands."""
    subject = Linter()
    subject.judge(login())
    subject.login_ended(AGREED | {"HeaderDigest": digests, "DataDigest": digests} | agreed, 4096)
    subject.exp_stat_sn, subject.max_cmd_sn = 9, 8
    return subject


def writing() -> Linter:
    """... with a write of 8 KiB under way, whose unsolicited data is to follow."""
    subject = ready()
    subject.judge(command(flags=WRITE))
    return subject


def asked() -> Linter:
    """... or of which 4 KiB have been asked for."""
    subject = ready()
    subject.judge(command())
    subject.r2t(1, 33, 0, 4096)
    return subject


def pinged() -> Linter:
    """... or with a ping to be answered."""
    subject = ready()
    subject.ping(44, LUN)
    return subject


def digesting() -> Linter:
    return ready("CRC32C")


def discovering() -> Linter:
    subject = Linter()
    subject.judge(login(data=NAMES.replace(b"Normal", b"Discovery")))
    subject.login_ended(AGREED, 8192)
    return subject


def leaving() -> Linter:
    subject = ready()
    subject.judge(logout())
    return subject


def without_immediate_data() -> Linter:
    return ready(ImmediateData="No")


def with_digests(pdu: Pdu, header: bytes, data: bytes) -> Pdu:
    """The same with other digests."""
    return Pdu(pdu.header, pdu.data, pdu.padding, header, data)


Start = Callable[[], Linter]

# With data, and digests for both.
PROTECTED = command(data=bytes(7))

# From where, what is sent, and the section of the rule that this breaks.
WRONG: list[tuple[Start, list[Pdu], str]] = [
    (ready, [request(0x21)], "11.2.1.2"),
    (ready, [with_byte(nop(5), 1, 0x81)], "11"),
    (ready, [with_byte(nop(5), 40, 1)], "11"),
    (ready, [Pdu(nop(5).header, b"a", b"\1\0\0")], "11.2.3"),
    (ready, [with_extended_cdb(nop(5))], "11.2.2"),
    (ready, [with_byte(with_extended_cdb(command()), 50, 2)], "11.2.2"),
    (ready, [with_byte(with_extended_cdb(command()), 49, 13)], "11.2.2.3"),
    (asked, [task(data=b"data")], "11.5.2, 11.14"),
    (ready, [command(data=bytes(4100), length=8192)], "13.12"),
    (leaving, [nop(5)], "11.14"),
    (ready, [login()], "4.2.4"),
    (logging_in, [nop(5)], "4.2.4"),
    (logging_in, [with_byte(login(), 0, LOGIN)], "11.12"),
    (logging_in, [with_byte(login(), 2, 1)], "11.12.4"),
    (logging_in, [login(0xC7)], "11.12.2"),
    (logging_in, [login(0x86)], "11.12.3"),
    (logging_in, [login(0x85)], "11.12.3"),
    (logging_in, [login(data=NAMES[:-1])], "6.1"),
    (logging_in, [login(data=b"SessionType=Normal\0")], "6.3, 13.4, 13.5, 13.21"),
    (logging_in, [login(isid=ISID[:7] + b"\1" + ISID[8:])], "11.12.6"),
    (logging_in, [login(isid=b"\xc0" + ISID[1:])], "11.12.5"),
    (second_login, [login(data=b"", at28=5, isid=ISID[:5] + b"\2" + ISID[6:])], "6.3"),
    (second_login, [login(data=b"", at28=4)], "11.12.9"),
    (second_login, [login(data=b"SessionType=Normal\0", at28=5)], "6.3"),
    (second_login, [login(data=b"maxBurstLength=512\0", at28=5)], "6.1"),
    (discovering, [nop(5)], "4.3"),
    (digesting, [with_digests(nop(5), bytes(4), b"")], "13.1"),
    (digesting, [with_digests(PROTECTED, PROTECTED.header_digest, bytes(4))], "13.1"),
    (ready, [with_byte(nop(5), 31, 10)], "4.2.2.2"),
    (ready, [nop(5), with_byte(nop(6), 31, 8)], "4.2.2.2"),
    (ready, [command(number=8)], "4.2.2.1"),
    (ready, [command(), command(2, number=8), command(3, number=9)], "4.2.2.1"),
    (ready, [command(), command(number=8)], "11.2.1.8"),
    (ready, [command(NONE)], "11.2.1.8"),
    (ready, [nop(5), nop(5)], "11.2.1.8"),
    (ready, [nop(5), command(5)], "11.2.1.8"),
    (ready, [command(flags=FINAL)], "11.3.1"),
    (ready, [command(flags=FINAL | WRITE | 5)], "11.3.1"),
    (ready, [command(flags=READ)], "11.3.1"),
    (without_immediate_data, [command(data=bytes(8))], "13.11"),
    (ready, [command(data=bytes(2052))], "13.14"),
    (ready, [command(flags=WRITE, data=bytes(2048))], "11.3.1"),
    (writing, [with_byte(data_out(), 0, DATA_OUT | IMMEDIATE)], "11.7"),
    (ready, [data_out()], "11.7"),
    (asked, [data_out(33, length=0, flags=0)], "11.7.7"),
    (asked, [data_out(33, length=2047, flags=0)], "11.7.7"),
    (writing, [data_out(length=1023, flags=0)], "11.7.7"),
    (writing, [data_out(lun=b"\0\6" + bytes(6))], "11.7.4"),
    (asked, [data_out()], "4.2.5.2"),
    (writing, [data_out(offset=4)], "4.2.5.2"),
    (writing, [data_out(number=1)], "4.2.5.2"),
    (writing, [data_out(length=2052)], "4.2.5.2"),
    (writing, [data_out(length=1024)], "4.2.5.2"),
    (asked, [data_out(34)], "11.7.4"),
    (asked, [data_out(33, length=4096), data_out(33, length=4096)], "11.7.4"),
    (asked, [data_out(33, length=4096, lun=bytes(8))], "11.7.4"),
    (asked, [data_out(33, offset=4, length=4092)], "11.8"),
    (asked, [data_out(33, length=4096, number=1)], "11.8"),
    (asked, [data_out(33, length=2048)], "11.7.1"),
    (asked, [data_out(33, length=4096, flags=0)], "11.7.1"),
    (pinged, [nop(ttt=44, lun=LUN, opcode=NOP_OUT)], "11.18.1"),
    (ready, [nop()], "11.18"),
    (pinged, [nop(5, 44, LUN)], "11.18.2"),
    (ready, [nop(5, lun=LUN)], "11.18.2"),
    (pinged, [nop(ttt=45, lun=LUN)], "11.18.2"),
    (pinged, [nop(ttt=44)], "11.18.2"),
    (pinged, [nop(ttt=44, lun=LUN), nop(ttt=44, lun=LUN)], "11.18.2"),
    (ready, [text(b"SendTargets=All")], "6.1"),
    (ready, [text(b"SendTargets=All\0", LUN)], "11.10.4"),
    (ready, [logout(2)], "11.14.1"),
    (asked, [task(9)], "11.5.1"),
    (ready, [task(5, referenced=NONE, cmd_sn=7), command()], "11.5.1"),
    (ready, [target_reset(), command()], "11.5.1"),
    (ready, [task(6, referenced=NONE, cmd_sn=7)], "11.5.3"),
    (asked, [task(itt=1)], "11.2.1.8"),
    (asked, [task(reference=8)], "11.5.4, 11.5.5"),
    (asked, [task(5)], "11.5.4"),
]

RIGHT: list[tuple[Start, list[Pdu]]] = [
    (second_login, [login(data=b"MaxBurstLength=512\0X-a=NotUnderstood\0", at28=5)]),
    (writing, [data_out(length=1024, flags=0), data_out(offset=1024, length=1024, number=1)]),
    (asked, [data_out(33, length=2048, flags=0), data_out(33, offset=2048, number=1), task(), task(5, 6, NONE)]),
    (pinged, [nop(ttt=44, lun=LUN), nop(5), command(), command(2, FINAL | READ, number=8)]),
    (discovering, [text(b"SendTargets=All\0"), logout()]),
    (digesting, [PROTECTED, with_byte(nop(5), 27, 8)]),
]


def rules() -> set[int]:
    """The lines of the linter that find a fault."""
    tree = ast.parse(Path(linter.__file__).read_text())
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute))
    return {call.lineno for call in calls if call.func.attr == "fault"}  # type: ignore[attr-defined]


def check() -> None:
    """Fails the scenario unless each rule finds what breaks it, and none what is right."""
    reached: set[int] = set()
    plain = Linter.fault

    def noted(self: Linter, section: str, what: str, pdu: Pdu | None = None) -> None:
        frame = inspect.currentframe()
        assert frame and frame.f_back
        reached.add(frame.f_back.f_lineno)
        plain(self, section, what, pdu)

    Linter.fault = noted  # type: ignore[method-assign]
    try:
        for number, (start, pdus, section) in enumerate(WRONG):
            faults = sent(start(), pdus)
            expect(any(fault.startswith(f"{section}: ") for fault in faults), f"wrong PDU {number} to break {section}", str(faults))
        for start, pdu, is_wrong in ((ready, nop(5), True), (ready, logout(), False), (logging_in, login(), False)):
            subject = start()
            subject.judge(pdu)
            subject.closed()
            expect(bool(subject.faults) == is_wrong, "a FIN to be wrong in the Full Feature Phase without a logout", str(subject.faults))
    finally:
        Linter.fault = plain  # type: ignore[method-assign]
    for number, (start, pdus) in enumerate(RIGHT):
        faults = sent(start(), pdus)
        expect(not faults, f"no fault in right conversation {number}", str(faults))
    expect(rules() <= reached, "every rule to be broken once", f"none in lines {sorted(rules() - reached)} of linter.py")


def sent(subject: Linter, pdus: list[Pdu]) -> list[str]:
    """What the linter finds in the last of `pdus`, and nothing before it."""
    for pdu in pdus[:-1]:
        subject.judge(pdu)
    expect(not subject.faults, "no fault before the last PDU", str(subject.faults))
    subject.judge(pdus[-1])
    return subject.faults
