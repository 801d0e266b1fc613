"""What went over the wire: captured by tcpdump, judged by Wireshark's dissectors."""

import re
import signal
import socket
from collections.abc import Sequence
from pathlib import Path

from .errors import Failure, expect
from .process import Process, run, wait_until

# The last frame of a capture, of the EtherType for local experiments: when it is in the file, so is all before it.
LAST_FRAME = bytes(12) + b"\x88\xb5" + b"the capture ends here".ljust(46, b"\0")
# What a capture must not hold. TCP's own remarks are about loss and timing, and no fault of the protocols above it.
# Not a fault either: the SCSI dissector reads past the end of INQUIRY data when only the 4 bytes of a vital product data
# page's header were asked for, as Linux's SCSI mid-layer does first of all.
FAULTY = (
    "(_ws.malformed || ((dhcp || iscsi || scsi) && _ws.expert.severity == error)) && "
    "!(iscsi.opcode == 0x25 && iscsi.datasegmentlength == 4 && (scsi.spc.opcode == 0x12 || scsi_sbc.opcode == 0x12))"
)


class Capture:
    """The packets of one interface, from now until `stop`."""

    def __init__(self, interface: str, file: Path) -> None:
        self.file = file
        self.interface = interface
        self.running = True
        # Whose packets must not be malformed.
        self.judged = "frame"
        argv = ["tcpdump", "-Z", "root", "-i", interface, "-w", str(file), "-U", "-s", "0", "-B", "65536", "-n"]
        argv += ["--immediate-mode"]
        file.with_suffix(".tcpdump").unlink(missing_ok=True)
        self.tcpdump = Process("tcpdump", argv, file.with_suffix(".tcpdump"))
        self.tcpdump.wait_output("listening on")

    def stop(self) -> None:
        """Ends the capture; a packet the kernel had no room for fails the scenario, for the rest proves less then."""
        if not self.running:
            return
        self.running = False
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
            wire.bind((self.interface, 0))
            wire.send(LAST_FRAME)
        wait_until(self._complete, "the end of the capture", 120)
        self.tcpdump.stop(signal.SIGINT)
        dropped = re.search(r"^(\d+) packets? dropped by kernel", self.tcpdump.output(), re.MULTILINE)
        expect(dropped and dropped.group(1) == "0", "a capture without gaps", self.tcpdump.output())

    def _complete(self) -> bool:
        with self.file.open("rb") as file:
            size = file.seek(0, 2)
            # Machines may go on sending behind it.
            file.seek(max(0, size - (1 << 20)))
            return LAST_FRAME in file.read()

    def fields(self, display_filter: str, *fields: str) -> list[list[str]]:
        """Ends the capture and returns the values of `fields` of each packet that the filter lets through.

        Several values of one packet, as of several PDUs, are joined with commas.
        """
        self.stop()
        argv: list[str] = ["tshark", "-n", "-r", str(self.file), "-Y", display_filter, "-T", "fields"]
        for field in fields:
            argv += ["-e", field]
        return [line.split("\t") for line in _tshark(argv)]

    def lines(self, display_filter: str) -> list[str]:
        """Ends the capture and returns tshark's one-line summary of each packet that the filter lets through."""
        self.stop()
        return _tshark(["tshark", "-n", "-r", str(self.file), "-Y", display_filter])

    def sent(self, connection: int) -> bytes:
        """Ends the capture and returns all that the side that opened a TCP connection sent on it."""
        self.stop()
        argv = ["tshark", "-n", "-q", "-r", str(self.file), "-z", f"follow,tcp,raw,{connection}"]
        # The other side's lines are indented.
        return b"".join(bytes.fromhex(line) for line in _tshark(argv) if re.fullmatch(r"[0-9a-f]+", line))

    def check(self) -> None:
        """Fails the scenario when the dissectors find a malformed DHCP or iSCSI packet."""
        # The dissector takes a data digest for the next PDU's header: lab.wire judges connections that have one.
        digests = self.fields('iscsi.opcode == 0x23 && iscsi.keyvalue contains "DataDigest=CRC32C"', "tcp.stream")
        streams = ", ".join(sorted({row[0] for row in digests}))
        judged = f"({self.judged}) && !(tcp.stream in {{{streams}}})" if streams else self.judged
        faulty = self.lines(f"({FAULTY}) && {judged}")
        expect(not faulty, "nothing malformed on the wire", "\n".join(faulty[:20]))


def _tshark(argv: Sequence[str]) -> list[str]:
    # The dissector takes a PDU for another protocol's when it is longer than any it was told to expect.
    output = run(*argv, "-o", "iscsi.bogus_pdu_max_data_len:16777215", timeout=600)
    # Run as root, it first says what it thinks of that.
    lines = [line for line in output.split("\n") if line and not line.startswith("Running as user")]
    if any("isn't a valid display filter" in line for line in lines):
        raise Failure(output)
    return lines
