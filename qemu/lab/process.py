"""Programs that run beside a scenario: servers, the capture, QEMU."""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from .errors import Failure

# How often a condition is looked at that nothing announces, in seconds.
POLL = 0.05


def wait_until(condition: Callable[[], object], what: str, timeout: float) -> None:
    """Returns as soon as `condition` holds; fails the scenario after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise Failure(f"expected {what} within {timeout:.0f} s")
        time.sleep(POLL)


def run(*argv: str | Path, env: Mapping[str, str] | None = None, timeout: float = 120) -> str:
    """Runs a program to its end and returns what it printed; a status other than 0 fails the scenario."""
    done = subprocess.run(
        [str(word) for word in argv],
        env={**os.environ, **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=timeout,
    )
    if done.returncode:
        command = " ".join(str(word) for word in argv)
        raise Failure(f"expected `{command}` to succeed; it ended with {done.returncode}: {done.stdout.strip()}")
    return done.stdout


class Process:
    """A program in the background whose output goes to a log file."""

    def __init__(self, name: str, argv: Sequence[str | Path], log: Path, env: Mapping[str, str] | None = None) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as out:
            self.child = subprocess.Popen(
                [str(word) for word in argv],
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def output(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(errors="replace")

    def wait_output(self, pattern: str, timeout: float = 60) -> None:
        """Returns when a line of its output matches `pattern`."""

        def seen() -> bool:
            if self.child.poll() is not None:
                raise Failure(f"expected {self.name} to run; it ended with {self.child.returncode}: {self.output()}")
            return re.search(pattern, self.output(), re.MULTILINE) is not None

        wait_until(seen, f"{self.name} to print /{pattern}/", timeout)

    def stop(self, with_signal: int = signal.SIGTERM, timeout: float = 10) -> None:
        """Ends it, and waits until it is gone."""
        if self.child.poll() is not None:
            return
        self.child.send_signal(with_signal)
        try:
            self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
