"""Where a virtual processor spends its time: looked at from outside again and again, so that nothing in the machine is changed."""

import bisect
import json
import re
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lab.machine import Channel

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


class Sampler:
    """Looks at a machine's processor until it is stopped."""

    def __init__(self, qmp: Channel) -> None:
        self.qmp = qmp
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
            registers = command(self.qmp, "human-monitor-command", **{"command-line": "info registers"})
            # A processor that waits for an interrupt does nothing.
            if found := re.search(r"RIP=([0-9a-f]+).* HLT=0", registers):
                self.seen[int(found[1], 16)] += 1


def command(qmp: Channel, name: str, **arguments: str) -> str:
    """Has QEMU do something."""
    qmp.send(json.dumps({"execute": name, "arguments": arguments}))
    while True:
        answer = json.loads(qmp.receive(time.monotonic() + 60))
        if "error" in answer:
            raise machines.Broken(f"{name}: {answer['error']}")
        if "return" in answer:
            return str(answer["return"])


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
                found.append((int(address, 16), name.replace("\t", " ")))
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
    qmp = sampler = symbols = None
    for result in machines.boot("tcg", directory, plan):
        if result["kind"] == "begin":
            if not qmp:
                qmp = Channel(directory / machines.QMP)
                command(qmp, "qmp_capabilities")
            sampler = Sampler(qmp)
        elif result["kind"] == "sample" and sampler:
            addresses, sampler = sampler.stop(), None
            symbols = symbols or Symbols(directory / "kallsyms")
            seen: Counter[str] = Counter()
            for address, count in addresses.items():
                seen[symbols.name(address)] += count
            yield Profile(str(result["row"]), str(result["contender"]), seen)
