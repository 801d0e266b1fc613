"""A SCSI disk whose blocks are a function of their address, so that a byte in the wrong place shows (SPC-4, SBC-3)."""

import struct
from dataclasses import dataclass

BLOCK = 512
BLOCKS = 131072

GOOD, CHECK_CONDITION = 0x00, 0x02
ILLEGAL_REQUEST = 5


def content(block: int) -> bytes:
    """What a block has that was never written."""
    return struct.pack(">Q", block ^ 0x6973637369000000) * (BLOCK // 8)


@dataclass
class Answer:
    """What a command without data from the initiator amounts to."""

    data: bytes = b""
    sense: tuple[int, int] | None = None


class Disk:
    """The blocks that were written, and the commands that are not about blocks."""

    def __init__(self) -> None:
        self.written: dict[int, bytes] = {}

    def read(self, first: int, count: int) -> bytes:
        return b"".join(self.written.get(block) or content(block) for block in range(first, first + count))

    def write(self, first: int, data: bytes) -> None:
        for at in range(0, len(data), BLOCK):
            self.written[first + at // BLOCK] = data[at : at + BLOCK]

    def answer(self, cdb: bytes, lun: int = 0) -> Answer:
        """Everything but READ and WRITE."""
        match cdb[0]:
            case 0x00 | 0x35 | 0x91 | 0x1B | 0x1E:
                return Answer()
            case 0x12 if cdb[1] & 1:
                return self._vital_product_data(cdb)
            case 0x12:
                return _cut(bytes([0, 0, 6, 0x12, 31, 0, 0, 2]) + b"HOSTILE TARGET          1   "[:28], cdb[3:5])
            case 0x25:
                return Answer(struct.pack(">II", BLOCKS - 1, BLOCK))
            case 0x9E if cdb[1] & 0x1F == 0x10:
                return _cut(struct.pack(">QI20x", BLOCKS - 1, BLOCK), cdb[10:14])
            case 0xA0:
                return _cut(struct.pack(">I4xQ", 8, lun << 48), cdb[6:10])
            case 0x1A:
                return _cut(bytes([3, 0, 0, 0]), cdb[4:5])
            case 0x5A:
                return _cut(bytes([0, 6, 0, 0, 0, 0, 0, 0]), cdb[7:9])
        return Answer(sense=(ILLEGAL_REQUEST, 0x20))

    def _vital_product_data(self, cdb: bytes) -> Answer:
        pages = {
            0x00: bytes([0x00, 0x80, 0x83, 0xB0, 0xB1]),
            0x80: b"00000001",
            0x83: bytes([1, 3, 0, 8, 0x60, 0, 0, 0, 0, 0, 0, 1]),
            0xB0: bytes(60),
            0xB1: bytes(60),
        }
        page = pages.get(cdb[2])
        if page is None:
            return Answer(sense=(ILLEGAL_REQUEST, 0x24))
        return _cut(bytes([0, cdb[2], 0, len(page)]) + page, cdb[3:5])


def _cut(data: bytes, allocation: bytes) -> Answer:
    return Answer(data[: int.from_bytes(allocation, "big")])


def blocks(cdb: bytes) -> tuple[int, int] | None:
    """The first block and the count of a READ or WRITE of 6, 10 or 16 bytes."""
    match cdb[0]:
        case 0x08 | 0x0A:
            return int.from_bytes(cdb[1:4], "big") & 0x1FFFFF, cdb[4] or 256
        case 0x28 | 0x2A:
            return int.from_bytes(cdb[2:6], "big"), int.from_bytes(cdb[7:9], "big")
        case 0x88 | 0x8A:
            return int.from_bytes(cdb[2:10], "big"), int.from_bytes(cdb[10:14], "big")
    return None
