"""What the kernel counts while a sample runs. The sample's own program takes the snapshots, so they enclose it closely."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Counters:
    """Sums over all processors since boot."""

    switches: int
    busy_ns: int
    segments: int
    acks: int

    @classmethod
    def parse(cls, text: str) -> "Counters":
        """Reads a snapshot."""
        lines = [line.split() for line in text.split("\n")]
        tables: dict[str, dict[str, int]] = {}
        for names, values in zip(lines, lines[1:], strict=False):
            if names and names[0] in ("Tcp:", "TcpExt:") and values[1].lstrip("-").isdigit():
                tables[names[0]] = dict(zip(names[1:], map(int, values[1:]), strict=True))
        switches = next(int(line[1]) for line in lines if line[:1] == ["ctxt"])
        # The lines of /proc/schedstat have the time spent running tasks, in ns, in their seventh field; those of /proc/stat
        # count ticks and are longer.
        version = next(number for number, line in enumerate(lines) if line[:1] == ["version"])
        busy = sum(int(line[7]) for line in lines[version:] if line and line[0].startswith("cpu"))
        return cls(switches, busy, tables["Tcp:"]["OutSegs"], tables["TcpExt:"].get("TCPPureAcks", 0))

    def since(self, before: "Counters") -> "Counters":
        """What has been counted since."""
        return Counters(
            self.switches - before.switches,
            self.busy_ns - before.busy_ns,
            self.segments - before.segments,
            self.acks - before.acks,
        )
