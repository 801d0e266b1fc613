"""Runs scenarios, each in namespaces of its own: `qemu/run [--list] [-jN] [PATTERN...]`."""

import argparse
import fnmatch
import importlib
import os
import pkgutil
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

import scenarios

from . import images, reports, settings
from .errors import Failure
from .scenario import REGISTRY, Lab, fresh_directory

# How much of a failed scenario's console is shown, in lines.
TAIL = 25
# No scenario may take longer, in seconds.
LIMIT, LONG_LIMIT = 900, 5400
# How many run at the same time: one virtual processor is what most have, and much of their time they wait.
JOBS = min((os.cpu_count() or 1) + 1, 4)
# QEMU with a thread for each virtual processor now and then runs a breakpoint that the kernel, patching its own code, has
# already taken away again. The kernel dies of that wherever it was; no real processor does it.
EMULATOR_FAULT = "Oops: int3"
# What a run ends with when that was why it failed.
EMULATOR_FAILED = 75


def load() -> None:
    """Imports every file of scenarios, which declares them."""
    for found in pkgutil.iter_modules(scenarios.__path__):
        importlib.import_module(f"scenarios.{found.name}")


def select(patterns: list[str], seldom: bool) -> list[str]:
    """The names that match any of the patterns, in the order of declaration; without a pattern those of every check, or the others."""
    if not patterns:
        return [name for name in REGISTRY if not is_long(name) and REGISTRY[name].seldom == seldom]
    for pattern in patterns:
        if not any(fnmatch.fnmatchcase(name, pattern) for name in REGISTRY):
            sys.exit(f"qemu/run: no scenario is named {pattern}; see qemu/run --list")
    return [name for name in REGISTRY if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)]


def is_long(name: str) -> bool:
    """Whether a scenario takes too long for every run; its name says so."""
    return name.startswith("long-")


def run_here(name: str) -> int:
    """Runs one scenario in the namespaces this process is in, and prints what it failed of."""
    directory = fresh_directory(name)
    lab = None
    passed = False
    try:
        lab = Lab(name, directory)
        REGISTRY[name].body(lab)
        for capture in lab.captures:
            capture.check()
    except Failure as failure:
        print(failure)
    except Exception:
        traceback.print_exc(file=sys.stdout)
    else:
        passed = True
    finally:
        if lab:
            lab.close()
    machines = lab.machines if lab else []
    for machine in machines:
        machine.console.wait_end()
        if lines := machine.reports():
            passed = False
            print(f"expected no report of a mistake in the kernel of {machine.name}; saw:", *lines, sep="\n    ")
    if passed:
        return 0
    for machine in machines:
        print(f"--- the last lines of {machine.name}'s console")
        print("\n".join(machine.console.since().rstrip().split("\n")[-TAIL:]))
    print(f"--- logs: {directory}")
    if any(EMULATOR_FAULT in machine.console.since() for machine in machines):
        return EMULATOR_FAILED
    return 1


def run_apart(name: str, again: bool = True) -> bool:
    """Runs one scenario in namespaces of its own and prints its line; when it ends, nothing of it is left.

    One that failed by the emulator's fault runs again, once.
    """
    started = time.monotonic()
    limit = (LONG_LIMIT if is_long(name) else LIMIT) * settings.PATIENCE
    argv = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    argv += [sys.executable, "-m", "lab", "--one", name]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=limit)
        status, output = done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        consoles = (settings.BUILD / name).glob("*.console")
        lines = [line for console in consoles for line in reports.found(console.read_text(errors="replace"), [])]
        status, output = 1, "\n".join([f"expected an end within {limit} s", *lines, _text(late.stdout)])
    took = time.monotonic() - started
    passed, repeat = status == 0, again and status == EMULATOR_FAILED
    with printing:
        verdict = "ok    " if passed else "again " if repeat else "FAILED"
        print(f"{verdict} {name} ({took:.0f} s){': an emulated processor went wrong' if repeat else ''}")
        if not passed:
            print("\n".join(f"    {line}" for line in output.rstrip().split("\n")))
    return run_apart(name, again=False) if repeat else passed


def _text(output: bytes | str | None) -> str:
    # What a late program printed comes as bytes even where text was asked for.
    return output.decode(errors="replace") if isinstance(output, bytes) else output or ""


printing = threading.Lock()


def main() -> int:
    parser = argparse.ArgumentParser(prog="qemu/run", description="Runs the end-to-end tests.")
    parser.add_argument("pattern", nargs="*", help="names of scenarios, with * and ? as in the shell")
    parser.add_argument("--seldom", action="store_true", help="run those that are left out without a name, but for long-*")
    parser.add_argument("--list", action="store_true", help="print the scenarios and run none")
    parser.add_argument("-j", type=int, default=JOBS, metavar="N", help="run N at the same time (default: %(default)s)")
    parser.add_argument("--one", metavar="NAME", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    load()
    if arguments.one:
        return run_here(arguments.one)
    names = select(arguments.pattern, arguments.seldom)
    if arguments.list:
        width = max(map(len, names))
        print("\n".join(f"{name:{width}}  {REGISTRY[name].summary}" for name in names))
        return 0
    skipped = [name for name in names if REGISTRY[name].kasan not in (None, settings.KASAN)]
    names = [name for name in names if name not in skipped]
    images.prepare()
    with ThreadPoolExecutor(arguments.j) as pool:
        try:
            passed = sum(pool.map(run_apart, names))
        except KeyboardInterrupt:
            # What still runs ends with the namespace, which ends with this process.
            os._exit(130)
    print(f"{passed} passed, {len(names) - passed} failed" + (f", {len(skipped)} skipped" if skipped else ""))
    return 0 if passed == len(names) else 1


sys.exit(main())
