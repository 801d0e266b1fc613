"""Data written by a guest and compared on the server's side."""

import hashlib
from pathlib import Path

from .errors import expect
from .machine import Machine

SECTOR = 512


def pattern(seed: str, first: int, count: int) -> bytes:
    """What sectors `first` to `first + count` of the pattern are: each is different, and known on both sides."""
    return b"".join(hashlib.shake_128(f"{seed}/{sector}".encode()).digest(SECTOR) for sector in range(first, first + count))


def compare(image: Path, offset: int, wanted: bytes) -> None:
    """Fails the scenario unless the image, on the server's side, holds `wanted` at `offset`."""
    with image.open("rb") as file:
        file.seek(offset)
        seen = file.read(len(wanted))
    if seen != wanted:
        sector = next(at for at in range(0, len(wanted), SECTOR) if seen[at : at + SECTOR] != wanted[at : at + SECTOR])
        expect(False, f"{image.name} to be as written", f"another content from sector {(offset + sector) // SECTOR}")


def fio(machine: Machine, *jobs: str, timeout: float = 600) -> str:
    """Runs fio in a guest that has it; any error or difference fails the scenario. `jobs` are its arguments."""
    common = "--ioengine=libaio --verify=crc32c-intel --verify_fatal=1 --randrepeat=1 --group_reporting"
    return machine.check(
        f"cd / && fio {common} {' '.join(jobs)} --output=/run/fio.out || {{ cat /run/fio.out; exit 1; }}", timeout
    )
