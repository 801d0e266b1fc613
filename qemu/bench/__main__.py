"""Measures, and prints tables: `qemu/bench/run [--list] [--profile] [PATTERN...]`."""

import argparse
import fnmatch
import json
import sys
import time

from . import hostile, machines, profile, report, settings
from .plan import OURS, STOCK, TABLES, Table


def select(patterns: list[str]) -> list[Table]:
    """The tables whose names match any of the patterns, all without a pattern."""
    for pattern in patterns:
        if not any(fnmatch.fnmatchcase(table.name, pattern) for table in TABLES):
            sys.exit(f"qemu/bench/run: no table is named {pattern}; see qemu/bench/run --list")
    return [table for table in TABLES if any(fnmatch.fnmatchcase(table.name, pattern) for pattern in patterns or ["[!h]*"])]


# How long a sample takes of which a profile is made, in seconds of the virtual machine: fio's start is little beside it.
PROFILED = 5


def planned(table: Table, rows: list[str]) -> dict[str, object]:
    """What a table's boot is to do."""
    plan = table.plan() | {
        "module": str(machines.MODULE[table.instrument]),
        "thin": settings.THIN,
        "mib": settings.MIB,
        "rounds": settings.PAIRS if table.instrument == "uml" else 1,
    }
    if rows:
        plan["rows"] = [row for row in plan["rows"] if any(fnmatch.fnmatchcase(row["name"], name) for name in rows)]
    return plan


def measure(table: Table, rows: list[str]) -> list[dict[str, object]]:
    """All results of a table's boot."""
    return list(machines.boot(table.instrument, settings.BUILD / table.name, planned(table, rows)))


def show_profiles(table: Table, rows: list[str]) -> None:
    """Prints where the processor is in each row of a table whose instructions are counted."""
    if table.instrument != "tcg":
        sys.exit(f"qemu/bench/run: {table.name} has no profile; those named count-... have")
    plan = planned(table, rows) | {"experiment": "profile", "contenders": [OURS, STOCK[0]]}
    for row in plan["rows"]:
        del row["ios"]
        row["seconds"] = PROFILED
    for one in profile.profiles(settings.BUILD / f"{table.name}-profile", plan):
        report.profile(one)


def main() -> int:
    parser = argparse.ArgumentParser(prog="qemu/bench/run", description="Measures the driver beside its rivals.")
    parser.add_argument("pattern", nargs="*", help="names of tables, with * and ? as in the shell")
    parser.add_argument("--list", action="store_true", help="print the tables and measure nothing")
    parser.add_argument("--profile", action="store_true", help="show in which functions the processor is")
    parser.add_argument("--rows", action="append", default=[], metavar="PATTERN", help="only rows whose names match")
    arguments = parser.parse_args()
    tables = select(arguments.pattern)
    if arguments.list:
        width = max(len(table.name) for table in tables)
        print("\n".join(f"{table.name:{width}}  {table.title}" for table in tables))
        return 0
    settings.BUILD.mkdir(parents=True, exist_ok=True)
    if arguments.profile:
        for table in tables:
            show_profiles(table, arguments.rows)
        return 0
    broken = 0
    for table in tables:
        started = time.monotonic()
        print(f"\n{table.name}: {table.title}", flush=True)
        if table.experiment == "hostile":
            hostile.show(hostile.measure())
            continue
        try:
            results = measure(table, arguments.rows)
        except machines.Broken as why:
            print(f"  not measured: {why}")
            broken += 1
            continue
        (settings.BUILD / f"{table.name}.json").write_text(json.dumps(results, indent=1))
        report.table(table, results)
        print(f"  ({time.monotonic() - started:.0f} s)", flush=True)
    return 1 if broken else 0


sys.exit(main())
