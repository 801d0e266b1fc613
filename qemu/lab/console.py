"""A virtual machine's serial console, read as it comes."""

import os
import re
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from . import settings
from .errors import Failure


class Console:
    """The lines a machine has printed; each waiting goes on from where the one before found its match."""

    def __init__(self, machine: subprocess.Popen[bytes], log: Path, on_line: Callable[[str], None] | None) -> None:
        self.machine = machine
        self.log = log
        self.on_line = on_line
        self.text = ""
        self.cursor = 0
        self.ended = False
        self.changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.machine.stdout is not None
        line = ""
        with self.log.open("ab") as log:
            while chunk := os.read(self.machine.stdout.fileno(), 65536):
                log.write(chunk)
                log.flush()
                new = chunk.decode(errors="replace").replace("\r", "")
                with self.changed:
                    self.text += new
                    self.changed.notify_all()
                line += new
                *lines, line = line.split("\n")
                if self.on_line:
                    for whole in lines:
                        self.on_line(whole)
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def wait(self, pattern: str, timeout: float, never: str | None = None) -> re.Match[str]:
        """Returns the next match of `pattern`; `never`, when seen first, fails the scenario at once."""
        timeout *= settings.PATIENCE
        deadline = time.monotonic() + timeout
        with self.changed:
            while True:
                found = re.compile(pattern, re.MULTILINE).search(self.text, self.cursor)
                wrong = re.compile(never, re.MULTILINE).search(self.text, self.cursor) if never else None
                if wrong and (not found or wrong.start() < found.start()):
                    raise Failure(f"expected /{pattern}/ on the console; saw first: {wrong.group(0)!r}")
                if found:
                    self.cursor = found.end()
                    return found
                if self.ended:
                    raise Failure(f"expected /{pattern}/ on the console; the machine ended without it")
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Failure(f"expected /{pattern}/ on the console within {timeout:.0f} s")
                self.changed.wait(left)

    def wait_end(self) -> None:
        """Returns when all that the machine, which has ended, has printed is here."""
        with self.changed:
            if not self.changed.wait_for(lambda: self.ended, 10):
                raise Failure("expected the console's last line")

    def since(self, position: int = 0) -> str:
        """What was printed after `position`, an earlier value of `end()`."""
        with self.changed:
            return self.text[position:]

    def end(self) -> int:
        """The position after what has been printed so far."""
        with self.changed:
            return len(self.text)
