"""iBFTs, the tables in which firmware says what it has booted from over iSCSI, made by IBM's specification of them."""

import ipaddress
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

VALID = 1
SELECTED = 3
# The origins of an address.
MANUAL, DHCP = 1, 3
# Where a BIOS leaves a table: in the last part of the memory that the first PCs had.
LOW_MEMORY = 0x90000


@dataclass(frozen=True)
class IbftNic:
    """A network device of the table."""

    mac: str
    address: str = ""
    prefix_length: int = 24
    gateway: str = ""
    dns: str = ""
    host_name: str = ""
    origin: int = MANUAL
    vlan: int = 0
    flags: int = SELECTED


@dataclass(frozen=True)
class IbftTarget:
    """A target of the table: `chap` is name and secret, of the target too where it has to prove itself."""

    address: str
    name: str
    lun: int
    chap: Sequence[str] = ()
    flags: int = SELECTED
    nic: int = 0


def _address(text: str) -> bytes:
    if not text:
        return bytes(16)
    address = ipaddress.ip_address(text)
    return bytes(10) + b"\xff\xff" + address.packed if address.version == 4 else address.packed


def table(initiator: str, nics: Sequence[IbftNic], targets: Sequence[IbftTarget]) -> bytes:
    """A whole table, its header and checksum included."""
    # Initiator, then NIC and target in turn, as the control structure has them.
    pairs = max(len(nics), len(targets), 2)
    strings = b""
    structures: list[tuple[int, bytes]] = []
    start = 48 + 8 + 2 * (1 + 2 * pairs)
    start_of_strings = start + 74 + 102 * len(nics) + 54 * len(targets)

    def string(text: str) -> bytes:
        nonlocal strings
        if not text:
            return bytes(4)
        offset = start_of_strings + len(strings)
        strings += text.encode() + b"\0"
        return struct.pack("<HH", len(text.encode()), offset)

    def structure(slot: int, kind: int, index: int, flags: int, content: bytes) -> None:
        structures.append((slot, struct.pack("<BBHBB", kind, 1, 6 + len(content), index, flags) + content))

    structure(0, 2, 0, SELECTED, bytes(64) + string(initiator))
    for index, nic in enumerate(nics):
        content = _address(nic.address) + bytes((nic.prefix_length, nic.origin)) + _address(nic.gateway)
        content += _address(nic.dns) + bytes(32) + struct.pack("<H", nic.vlan) + bytes.fromhex(nic.mac.replace(":", ""))
        content += bytes(2) + string(nic.host_name)
        structure(1 + 2 * index, 3, index, nic.flags, content)
    for index, target in enumerate(targets):
        content = _address(target.address) + struct.pack("<H", 3260) + struct.pack(">H", target.lun) + bytes(6)
        content += bytes((len(target.chap) // 2, target.nic)) + string(target.name)
        content += b"".join(string(text) for text in [*target.chap, "", "", "", ""][:4])
        structure(2 + 2 * index, 4, index, target.flags, content)

    offsets = [0] * (1 + 2 * pairs)
    at = start
    for slot, content in structures:
        offsets[slot] = at
        at += len(content)
    control = struct.pack("<BBHBBH", 1, 1, 8 + 2 * len(offsets), 0, 0, 0) + struct.pack(f"<{len(offsets)}H", *offsets)
    body = bytes(12) + control + b"".join(content for _, content in structures) + strings
    header = struct.pack("<4sIBB6s8sI4sI", b"iBFT", 36 + len(body), 1, 0, b"EXAMPL", b"FIRMWARE", 0, b"LAB ", 0)
    whole = bytearray(header + body)
    whole[9] = -sum(whole) & 0xFF
    return bytes(whole)


def acpi(path: Path, content: bytes) -> list[str]:
    """QEMU's arguments for a machine that has a table, written to `path`, among its ACPI tables. QEMU sets its checksum."""
    path.write_bytes(content)
    return ["-acpitable", f"file={path}"]


def low_memory(path: Path, content: bytes) -> list[str]:
    """The same for a machine that has it where a BIOS leaves it, as it is."""
    path.write_bytes(content)
    return ["-device", f"loader,file={path},addr={LOW_MEMORY:#x},force-raw=on"]
