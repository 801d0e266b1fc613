"""A network full of broadcasts that are somebody else's."""

import socket
import struct
import threading
from types import TracebackType

from . import settings
from .net import PREFIX

SENDER = bytes.fromhex("525400000099")
BROADCAST = b"\xff" * 6
# How many frames come at once, and how long nothing comes then, in seconds. A machine with KASAN would do nothing else at this rate.
BURST, PAUSE = (20, 1) if settings.KASAN else (400, 0.05)


def _datagram() -> bytes:
    """UDP to a port where nobody listens (RFC 863), whole and right, in a frame of the least length."""
    header = bytearray(struct.pack(">BBHHHBBH4s4s", 0x45, 0, 46, 0, 0, 64, 17, 0, socket.inet_aton(f"{PREFIX}.9"), b"\xff" * 4))
    total = sum(struct.unpack(">10H", header))
    header[10:12] = struct.pack(">H", ~(total + (total >> 16)) & 0xFFFF)
    return BROADCAST + SENDER + b"\x08\x00" + header + struct.pack(">HHHH", 9, 9, 26, 0) + bytes(18)


def _question() -> bytes:
    """ARP: who has an address that nobody asks this machine about."""
    sender, target = (socket.inet_aton(f"{PREFIX}.{last}") for last in (9, 8))
    return BROADCAST + SENDER + b"\x08\x06" + struct.pack(">HHBBH", 1, 0x800, 6, 4, 1) + SENDER + sender + bytes(6) + target + bytes(18)


class Flood:
    """Sends them to a machine, by its tap, while the block runs: no capture has them."""

    def __init__(self, tap: str) -> None:
        self.tap = tap
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._send, daemon=True)

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.over.set()
        self.thread.join()

    def _send(self) -> None:
        frames = [_datagram(), _question()] * (BURST // 2)
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
            wire.bind((self.tap, 0))
            while not self.over.wait(PAUSE):
                for frame in frames:
                    try:
                        wire.send(frame)
                    except OSError:
                        # The machine has not taken what it was sent before.
                        break
