"""Writes cpio archives of the kind the kernel unpacks as an initramfs (Documentation/driver-api/early-userspace)."""

from collections.abc import Mapping
from pathlib import Path


def _entry(number: int, name: str, mode: int, data: bytes) -> bytes:
    fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)


def archive(files: Mapping[str, bytes], first_number: int = 1 << 20) -> bytes:
    """An archive of executable files, to be put behind another whose inode numbers are below `first_number`."""
    out = b""
    for number, (name, data) in enumerate(files.items(), first_number):
        out += _entry(number, name.lstrip("/"), 0o100755, data)
    return out + _entry(0, "TRAILER!!!", 0, b"")


def append(initrd: Path, files: Mapping[str, bytes], out: Path) -> None:
    """Writes `out`: the archive `initrd` with `files` added to it."""
    base = initrd.read_bytes()
    out.write_bytes(base + b"\0" * (-len(base) % 512) + archive(files))
