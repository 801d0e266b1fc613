"""A relay in front of a target, which damages what passes through it, or breaks, when it is told to."""

import ctypes
import socket
import threading
from collections.abc import Callable

from .net import SERVER
from .process import wait_until
from .targets import PORT

HEADER = 48


class Relay:
    """Passes TCP connections on to a target, what the target says PDU by PDU.

    `damage` gets each PDU of the target's as it came, digests included, and returns what is passed on.
    """

    def __init__(self, target: str, *, port: int = PORT + 1, digests: tuple[int, int] = (4, 4)) -> None:
        self.target = target
        self.port = port
        # Bytes behind each header and each data segment, once the login is over.
        self.digests = digests
        self.damage: Callable[[bytes], bytes] = lambda pdu: pdu
        # The initiators' ends of what there is, and whether anything passes at all.
        self.initiators: list[socket.socket] = []
        self.flows = threading.Event()
        self.flows.set()
        # Something of an initiator's is held back.
        self.holds = threading.Event()
        self.listener = socket.create_server((SERVER, port))
        threading.Thread(target=self._serve, daemon=True).start()

    def hold(self) -> None:
        """Has nothing pass any more, and returns when something would."""
        self.holds.clear()
        self.flows.clear()
        wait_until(self.holds.is_set, "an initiator to send something", 60)

    def reset(self) -> None:
        """Sends every initiator a RST."""
        for initiator in self.initiators:
            # To connect to no address at all (AF_UNSPEC) is to end a connection at once, whoever still reads from it.
            ctypes.CDLL(None).connect(initiator.fileno(), bytes(16), 16)
        self.initiators.clear()

    def finish(self) -> None:
        """Sends every initiator a FIN."""
        for initiator in self.initiators:
            _end(initiator)
        self.initiators.clear()

    def _serve(self) -> None:
        while True:
            initiator, _ = self.listener.accept()
            try:
                target = socket.create_connection((self.target, PORT), 30)
            except OSError:
                initiator.close()
                continue
            target.settimeout(None)
            self.initiators.append(initiator)
            threading.Thread(target=self._pass, args=(initiator, target), daemon=True).start()
            threading.Thread(target=self._inspect, args=(target, initiator), daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(1 << 16):
                if not self.flows.is_set():
                    self.holds.set()
                self.flows.wait()
                # What was held back of a connection that has ended since is lost, as it is on a wire.
                if source not in self.initiators:
                    break
                sink.sendall(data)
        except OSError:
            pass
        _end(source, sink)

    def _inspect(self, source: socket.socket, sink: socket.socket) -> None:
        with source.makefile("rb") as stream:
            try:
                while len(header := stream.read(HEADER)) == HEADER:
                    behind_header, behind_data = self.digests if header[0] & 0x3F != 0x23 else (0, 0)
                    length = int.from_bytes(header[5:8], "big")
                    rest = length + -length % 4 + behind_data if length else 0
                    self.flows.wait()
                    sink.sendall(self.damage(header + stream.read(behind_header + rest)))
            except OSError:
                pass
        _end(source, sink)


def _end(*sockets: socket.socket) -> None:
    for each in sockets:
        try:
            each.shutdown(socket.SHUT_RDWR)
        except OSError:
            continue
