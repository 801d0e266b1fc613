"""An initiator's PDUs, taken from a capture and held against RFC 7143 section 11 byte for byte.

Wireshark's dissectors do not look at reserved fields, numbering or padding; this does.
"""

import struct
from dataclasses import dataclass

from .capture import Capture
from .errors import expect

HEADER = 48
NOP_OUT, COMMAND, TASK, LOGIN, TEXT, DATA_OUT, LOGOUT = 0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06

# By opcode: the reserved bits of byte 1, and the reserved bytes as (first, behind the last).
RESERVED: dict[int, tuple[int, tuple[tuple[int, int], ...]]] = {
    NOP_OUT: (0x7F, ((2, 4), (32, 48))),
    COMMAND: (0x18, ((2, 4),)),
    TASK: (0x00, ((2, 4), (40, 48))),
    LOGIN: (0x30, ((22, 24), (32, 48))),
    TEXT: (0x3F, ((2, 4), (32, 48))),
    DATA_OUT: (0x7F, ((2, 4), (24, 28), (32, 36), (44, 48))),
    LOGOUT: (0x00, ((2, 4), (8, 16), (22, 24), (32, 48))),
}


@dataclass(frozen=True)
class Pdu:
    """One PDU, with the digests behind its header and its data where there are any."""

    header: bytes
    data: bytes
    padding: bytes
    header_digest: bytes = b""
    data_digest: bytes = b""

    @property
    def opcode(self) -> int:
        return self.header[0] & 0x3F

    @property
    def immediate(self) -> bool:
        return bool(self.header[0] & 0x40)

    @property
    def final(self) -> bool:
        return bool(self.header[1] & 0x80)

    def word(self, offset: int) -> int:
        """The 32-bit number at `offset` of the header."""
        number: int = struct.unpack_from(">I", self.header, offset)[0]
        return number

    @property
    def keys(self) -> dict[str, str]:
        """The text keys in the data segment."""
        pairs = (pair.partition("=") for pair in self.data.decode().split("\0") if pair)
        return {name: value for name, _, value in pairs}


def connections(capture: Capture, *, digests: bool = False) -> list[list[Pdu]]:
    """What the initiators sent, PDU by PDU, connection by connection; `digests` are behind all headers and data or none."""
    numbers = {row[0] for row in capture.fields("iscsi.opcode == 0x03", "tcp.stream")}
    return [_split(capture.sent(int(number)), 4 if digests else 0) for number in sorted(numbers, key=int)]


def _split(stream: bytes, digest: int) -> list[Pdu]:
    """Splits a connection's bytes; a PDU that the connection's end cut off is left out."""
    found = []
    start = 0
    while start + HEADER <= len(stream):
        header = start + HEADER + 4 * stream[start + 4]
        length = int.from_bytes(stream[start + 5 : start + 8], "big")
        # RFC 7143 section 6.3: none in the Login Phase.
        behind = 0 if stream[start] & 0x3F == LOGIN else digest
        data = header + behind
        padding = data + length
        end = padding + -length % 4
        whole = end + (behind if length else 0)
        if len(stream) < whole:
            break
        found.append(Pdu(stream[start:header], stream[data:padding], stream[padding:end], stream[header:data], stream[end:whole]))
        start = whole
    return found


def _crc32c_table() -> list[int]:
    table = []
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)
        table.append(number)
    return table


CRC32C = _crc32c_table()


def crc32c(data: bytes) -> bytes:
    """The digest of RFC 7143 section 13.1 as it is sent."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CRC32C[(crc ^ byte) & 0xFF] ^ crc >> 8
    return (crc ^ 0xFFFFFFFF).to_bytes(4, "little")


def check_digests(pdus: list[Pdu]) -> None:
    """Fails the scenario unless every PDU behind the login has digests that fit."""
    for number, pdu in enumerate(pdus):
        if pdu.opcode == LOGIN:
            continue
        what = f"PDU {number} ({pdu.header.hex(' ', 4)})"
        expect(pdu.header_digest == crc32c(pdu.header), f"a fitting header digest in {what}", pdu.header_digest.hex())
        wanted = crc32c(pdu.data + pdu.padding) if pdu.data else b""
        expect(pdu.data_digest == wanted, f"a fitting data digest in {what}", pdu.data_digest.hex())


def check_connection(pdus: list[Pdu]) -> None:
    """Fails the scenario when a reserved field is set, a number is out of order, or a PDU has no right to be there."""
    expected_command = None
    data_numbers: dict[tuple[int, int], int] = {}
    for number, pdu in enumerate(pdus):
        what = f"PDU {number} ({pdu.header.hex(' ', 4)})"
        expect(pdu.opcode in RESERVED, f"an initiator's opcode in {what}")
        flags, ranges = RESERVED[pdu.opcode]
        expect(not pdu.header[0] & 0x80 and not pdu.header[1] & flags, f"no reserved bit set in {what}")
        for first, behind in ranges:
            expect(not any(pdu.header[first:behind]), f"zeros in bytes {first} to {behind - 1} of {what}")
        expect(not any(pdu.padding), f"padding with zeros in {what}")
        expect(pdu.opcode == COMMAND or not pdu.header[4], f"no additional header segment in {what}")
        if pdu.opcode == DATA_OUT:
            expect(not pdu.immediate, f"no immediate bit in {what}")
            # Numbered from 0 within each sequence, which is a task's unsolicited data or the answer to one R2T.
            sequence = (pdu.word(16), pdu.word(20))
            expect(pdu.word(36) == data_numbers.get(sequence, 0), f"DataSN {data_numbers.get(sequence, 0)} in {what}")
            data_numbers[sequence] = 0 if pdu.final else pdu.word(36) + 1
            continue
        if expected_command is not None:
            expect(pdu.word(24) == expected_command, f"CmdSN {expected_command} in {what}")
        # An immediate PDU carries the next number without using it up.
        expected_command = (pdu.word(24) + (not pdu.immediate)) & 0xFFFFFFFF
        if pdu.opcode == LOGIN:
            expect(pdu.immediate, f"the immediate bit in {what}")
        else:
            expect(pdus[0].opcode == LOGIN and number > 0, f"a login before {what}")


def login_keys(capture: Capture) -> dict[str, str]:
    """The keys of the requests of the first login."""
    keys: dict[str, str] = {}
    for found in connections(capture)[:1]:
        for pdu in found:
            if pdu.opcode == LOGIN:
                keys |= pdu.keys
    return keys
