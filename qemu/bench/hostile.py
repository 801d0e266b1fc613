"""The kernel's own initiator against the target that breaks the protocol, for comparison: as many boots as it takes."""

import os
from collections import Counter

from hostile import cases

from . import machines, settings

# The longest that a case may take, in seconds.
SILENCE = 240
# Where the last outcomes stand.
PAGE = settings.CHECKOUT / "docs/stock.txt"
# Which cases run: all, or those whose names begin with one of these, with commas between.
CHOICE = tuple(os.environ.get("BENCH_HOSTILE", "").split(","))
HEAD = """# What iscsi_tcp and open-iscsi of Debian make of each case, as `qemu/bench/run hostile` has found it; scripts/conformance reads it.
"""


def measure() -> list[dict[str, object]]:
    """What comes of the cases; a case that hangs, or with which the machine dies, ends its boot."""
    cases.load()
    left = [name for name in cases.ALL if name.startswith(CHOICE)]
    results: list[dict[str, object]] = []
    while left:
        done = 0
        try:
            plan = {"experiment": "hostile", "cases": left}
            for result in machines.boot("uml", settings.BUILD / "hostile", plan, SILENCE):
                print(f"  {result['name']}: {result['outcome']} ({result['seconds']} s)", flush=True)
                results.append(result)
                done += 1
        except machines.Broken as why:
            if "Traceback" in str(why):
                raise
            print(f"  {why}", flush=True)
            if done < len(left):
                results.append({"name": left[done], "outcome": "the machine hangs or dies", "faults": []})
                done += 1
        left = left[done:]
    return results


def show(results: list[dict[str, object]]) -> None:
    """Prints how often each outcome came, and leaves all in docs, where those of other cases stay."""
    for outcome, count in Counter(str(result["outcome"]) for result in results).most_common():
        print(f"  {count:4} {outcome}")
    known = dict(line.split(": ", 1) for line in PAGE.read_text().splitlines() if not line.startswith("#"))
    for result in results:
        faults = result["faults"]
        assert isinstance(faults, list)
        sections = sorted({str(fault).partition(":")[0] for fault in faults})
        known[str(result["name"])] = str(result["outcome"]) + (f"; breaks {', '.join(sections)}" if sections else "")
    lines = (f"{name}: {known[name]}\n" for name in cases.ALL if name in known)
    PAGE.write_text(HEAD + "".join(lines))
