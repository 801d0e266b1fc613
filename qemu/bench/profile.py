"""Where a virtual processor spends its time: looked at from outside again and again, so that nothing in the machine is changed."""

import bisect
import json
import re
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from . import machines

# How long between two looks, in seconds.
INTERVAL = 0.003
# What is not in the kernel's half of the address space.
USER = "a program"


@dataclass(frozen=True)
class Profile:
    """What was seen of a contender in a row: how often the processor was in which function."""

    row: str
    contender: str
    seen: Counter[str]


class Monitor:
    """What QEMU can be asked at its socket."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.lines = self.socket.makefile()
        self.do("qmp_capabilities")

    def do(self, command: str, **arguments: str) -> str:
        """Has QEMU do something; what it answers."""
        self.socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        for line in self.lines:
            answer = json.loads(line)
            if "return" in answer:
                return str(answer["return"])
            if "error" in answer:
                raise machines.Broken(f"{command}: {answer['error']}")
        raise machines.Broken("the machine ended early")


class Sampler:
    """Looks at a machine's processor until it is stopped."""

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor
        self.seen: Counter[int] = Counter()
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def stop(self) -> Counter[int]:
        """The addresses seen, and how often."""
        self.stopping.set()
        self.thread.join()
        return self.seen

    def _run(self) -> None:
        while not self.stopping.wait(INTERVAL):
            try:
                registers = self.monitor.do("human-monitor-command", **{"command-line": "info registers"})
            except (OSError, machines.Broken):
                # The machine has ended after its last sample.
                return
            # A processor that waits for an interrupt does nothing.
            if found := re.search(r"RIP=([0-9a-f]+).* HLT=0", registers):
                self.seen[int(found[1], 16)] += 1


class Symbols:
    """The functions of the kernel and of its modules."""

    def __init__(self, kallsyms: Path) -> None:
        readable = subprocess.run(
            ("c++filt", "-s", "rust"), stdin=kallsyms.open(), stdout=subprocess.PIPE, text=True, check=True
        ).stdout
        found = []
        for line in readable.split("\n"):
            address, kind, name = line.split(maxsplit=2) if line else ("0", "?", "")
            if kind in "tTwW":
                # What tells builds of a crate apart is of no interest.
                found.append((int(address, 16), re.sub(r"\[[0-9a-f]{12,}\]", "", name).replace("\t", " ")))
        found.sort()
        self.addresses = [address for address, _ in found]
        self.names = [name for _, name in found]

    def name(self, address: int) -> str:
        """The function that this address is in."""
        if address < 1 << 63:
            return USER
        return self.names[max(bisect.bisect_right(self.addresses, address) - 1, 0)]


def profiles(directory: Path, plan: dict[str, object]) -> Iterator[Profile]:
    """Runs the plan in a machine whose instructions are counted, and yields what was seen of each contender in each row."""
    monitor = sampler = symbols = None
    for result in machines.boot("tcg", directory, plan):
        if result["kind"] == "begin":
            monitor = monitor or Monitor(directory / machines.QMP)
            sampler = Sampler(monitor)
        elif result["kind"] == "sample" and sampler:
            addresses, sampler = sampler.stop(), None
            symbols = symbols or Symbols(directory / "kallsyms")
            seen: Counter[str] = Counter()
            for address, count in addresses.items():
                seen[symbols.name(address)] += count
            yield Profile(str(result["row"]), str(result["contender"]), seen)
