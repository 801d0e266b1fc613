"""What went over the wire: captured by tcpdump, judged by Wireshark's dissectors."""

import re
import signal
from collections.abc import Sequence
from pathlib import Path

from .errors import Failure, expect
from .process import Process, run

# Expert severities of tshark's _ws.expert.severity that mean broken bytes; TCP's own remarks are about loss and timing.
FAULTY = "_ws.malformed || ((dhcp || iscsi || scsi) && _ws.expert.severity == error)"


class Capture:
    """The packets of one interface, from now until `stop`."""

    def __init__(self, interface: str, file: Path) -> None:
        self.file = file
        self.running = True
        argv = ["tcpdump", "-Z", "root", "-i", interface, "-w", str(file), "-U", "-s", "0", "-B", "65536", "-n"]
        file.with_suffix(".tcpdump").unlink(missing_ok=True)
        self.tcpdump = Process("tcpdump", argv, file.with_suffix(".tcpdump"))
        self.tcpdump.wait_output("listening on")

    def stop(self) -> None:
        """Ends the capture; a packet the kernel had no room for fails the scenario, for the rest proves less then."""
        if not self.running:
            return
        self.running = False
        self.tcpdump.stop(signal.SIGINT)
        dropped = re.search(r"^(\d+) packets? dropped by kernel", self.tcpdump.output(), re.MULTILINE)
        expect(dropped and dropped.group(1) == "0", "a capture without gaps", self.tcpdump.output())

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

    def check(self) -> None:
        """Fails the scenario when the dissectors find a malformed DHCP or iSCSI packet."""
        faulty = self.lines(FAULTY)
        expect(not faulty, "nothing malformed on the wire", "\n".join(faulty[:20]))


def _tshark(argv: Sequence[str]) -> list[str]:
    output = run(*argv, timeout=600)
    # Run as root, it first says what it thinks of that.
    lines = [line for line in output.split("\n") if line and not line.startswith("Running as user")]
    if any("isn't a valid display filter" in line for line in lines):
        raise Failure(output)
    return lines
