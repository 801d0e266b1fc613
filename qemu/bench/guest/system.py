"""How the guest's kernel is told and asked."""

import os
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

CONFIGFS = Path("/sys/kernel/config")
# Deadlines in seconds: they bound a hang.
COMMAND = 60
WAIT = 60


class Unexpected(Exception):
    """Something did not go as the benchmark needs it."""


def mount(kind: str, where: str, options: str = "") -> None:
    """Mounts a file system that has no device."""
    if not os.path.ismount(where):
        run("mount", "-t", kind, *(("-o", options) if options else ()), kind, where)


def write(path: Path, value: object) -> None:
    """Writes an attribute."""
    try:
        path.write_text(f"{value}\n")
    except OSError as error:
        raise Unexpected(f"{path} does not take {value}: {error}") from None


def read(path: Path) -> str:
    """Reads an attribute."""
    return path.read_text(errors="replace").strip()


def run(*argv: str, timeout: float = COMMAND, cwd: Path | None = None) -> str:
    """Runs a program that has to succeed, and returns what it printed."""
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout, cwd=cwd
    )
    if done.returncode:
        raise Unexpected(f"{' '.join(argv)}: {done.returncode}: {done.stdout.strip()}")
    return done.stdout


def modprobe(*names: str) -> None:
    """Loads modules; one that is built in, or missing where its part is built in, is no matter."""
    for name in names:
        subprocess.run(("modprobe", "-q", name), timeout=COMMAND)


def wait_for[T](what: str, find: Callable[[], T | None], interval: float = 0.002, timeout: float = WAIT) -> T:
    """What `find` finds, as soon as it does."""
    deadline = time.monotonic() + timeout
    while (found := find()) is None:
        if time.monotonic() > deadline:
            raise Unexpected(f"no {what} within {timeout:.0f} s")
        time.sleep(interval)
    return found


def cpus() -> int:
    """How many processors there are."""
    return os.cpu_count() or 1


# What loads the devices runs on the first processor, what answers on the last: a network lies between the two elsewhere.
LOAD_CPU = 0


def target_cpu() -> int:
    """The processor of the targets."""
    return cpus() - 1


def kernel_log() -> list[str]:
    """The kernel's log."""
    return run("dmesg").split("\n")


def memory() -> dict[str, int]:
    """/proc/meminfo in KiB."""
    return {name: int(value) for name, value in re.findall(r"(\w+):\s+(\d+) kB", read(Path("/proc/meminfo")))}


def kernel_threads() -> list[str]:
    """The names of the kernel's own threads, without the targets' and those that come and go by the load."""
    names = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            kernels = "\nKthread:\t1\n" in (directory / "status").read_text()
            # The rescuer of a workqueue, kworker/R-, stays as long as that.
            if kernels and not re.match(r"kworker/u?\d|iscsi_[tr]+x$", name := read(directory / "comm")):
                names.append(name)
        except OSError:
            continue
    return names
