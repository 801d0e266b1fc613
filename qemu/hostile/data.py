"""What is read and written in each case."""

import hashlib

from .disk import BLOCK, content
from .target import ARMED

# What is read first: nothing that the disk driver looks at by itself, and left alone by the cases.
FRONT = 8
# What the cases are about: 64 KiB at a time.
SIZE = 65536
READS, WRITES = 2, 4
WRITTEN = ARMED + 4096
# How many commands are under way at a time in what comes last, and where they read and write.
TOGETHER = 4
READ_TOGETHER, WRITTEN_TOGETHER = ARMED + 8192, ARMED + 12288
PATTERN = "".join(f"{number}\n" for number in range(1, 200000)).encode()[: SIZE * WRITES]


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def expected(first: int, count: int) -> str:
    """The digest of blocks that nobody has written."""
    return digest(b"".join(content(block) for block in range(first, first + count)))
