"""Writes disk images: a partition table, and one ext4 partition with the content of a directory.

As a program, for scripts/userland: `python3 -m lab.disk IMAGE DIRECTORY`.
"""

import struct
import sys
from pathlib import Path

from .process import run

SECTOR = 512
# The partition starts here, in bytes.
PARTITION = 1 << 20
# How large a disk with a distribution is: room for what it holds, and for files that tests write.
DEBIAN_SIZE = 2 << 30
# What the kernel makes of it for root=PARTUUID=: the disk's signature and the partition's number.
SIGNATURE = 0x15C51B00
PARTITION_UUID = f"{SIGNATURE:08x}-01"


def partition_table(size: int) -> bytes:
    """A master boot record with one Linux partition, from PARTITION to the end of a disk of `size` bytes."""
    # Status, CHS of the first and of the last sector (not used), type, first sector, count.
    first, count = PARTITION // SECTOR, (size - PARTITION) // SECTOR
    entry = struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff", first, count)
    return bytes(440) + struct.pack("<IH", SIGNATURE, 0) + entry.ljust(64, b"\0") + b"\x55\xaa"


def make_disk(image: Path, size: int, tree: Path) -> None:
    """Writes a disk of `size` bytes, with one ext4 partition labelled `root` that holds `tree`."""
    image.unlink(missing_ok=True)
    with image.open("wb") as out:
        out.truncate(size)
        out.write(partition_table(size))
    options = f"offset={PARTITION},lazy_itable_init=0,lazy_journal_init=0"
    kib = (size - PARTITION) // 1024
    run("mke2fs", "-q", "-t", "ext4", "-L", "root", "-d", tree, "-E", options, image, f"{kib}k", timeout=600)


if __name__ == "__main__":
    make_disk(Path(sys.argv[1]), DEBIAN_SIZE, Path(sys.argv[2]))
