"""A writer on a guest's root file system that never stops: numbered files of known content, each synced before it is counted."""

import re

from .errors import expect
from .machine import Machine

# What the kernel prints when a command has failed for good.
LOST = r"I/O error|Buffer I/O|EXT4-fs error|Remounting filesystem read-only|rejecting I/O|offline device"
# How many files there are; each is written again and again.
FILES = 100
LOOP = f"""
i=0
while test ! -e /run/stop; do
	i=$((i + 1))
	f=/data/$((i % {FILES}))
	seq $((i * 1000)) $((i * 1000 + 40000)) >$f && sync $f || {{ echo "write $i failed" >/run/failed; break; }}
	echo $i >/run/written
	echo "<6>lab: written $i" >/dev/kmsg
done
echo done >/run/stopped
"""
VERIFY = f"""
test ! -e /run/failed || {{ cat /run/failed; exit 1; }}
echo 3 >/proc/sys/vm/drop_caches
n=$(cat /run/written)
for i in $(seq $((n < {FILES} ? 1 : n - {FILES} + 1)) $n); do
	seq $((i * 1000)) $((i * 1000 + 40000)) | cmp - /data/$((i % {FILES})) || exit 1
done
"""


def synced(machine: Machine, start: int = 0) -> list[int]:
    """The numbers of the files that a machine has said since `start` it has synced."""
    numbers = [int(line.rpartition(" ")[2]) for line in machine.log(r"lab: written [0-9]+$", start)]
    expect(numbers, "a file to be synced")
    return numbers


def holds(machine: Machine, numbers: list[int]) -> None:
    """The last of these files must be on the root file system as they were synced."""
    for number in numbers[-3:]:
        machine.check(f"seq {number * 1000} {number * 1000 + 40000} | cmp - /data/{number % FILES}", 300)


def content(number: int) -> bytes:
    """What the file of this number has."""
    return "".join(f"{line}\n" for line in range(number * 1000, number * 1000 + 40001)).encode()


class Writer:
    """The writer in a machine, from its first file on."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.start = machine.console.end()
        machine.check(f"mkdir -p /data; cat >/run/writer <<'END'\n{LOOP}\nEND\nsh /run/writer >/dev/null 2>&1 &")
        machine.check("until test -s /run/written; do sleep 0.1; done")

    def goes_on(self, timeout: float = 300) -> None:
        """Returns when files are written that were not begun before."""
        self.machine.check("n=$(cat /run/written); until test $(cat /run/written) -gt $((n + 2)); do sleep 0.1; done", timeout)

    def count(self) -> int:
        """How many files it has written."""
        return int(self.machine.check("cat /run/written"))

    def ends(self, besides: str = r"$^") -> None:
        """Stops it; all that it has written must be there, and no command may have failed for good, but in lines with `besides`."""
        self.machine.check("touch /run/stop; until test -e /run/stopped; do sleep 0.1; done", 300)
        self.machine.check(VERIFY, 300)
        lost = [line for line in self.machine.log(LOST, self.start) if not re.search(besides, line)]
        expect(not lost, "no I/O error", "\n".join(lost))
