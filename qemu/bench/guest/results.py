"""What the guest has found, a line of JSON each, for the host to read as it comes."""

import json
import os
from pathlib import Path


class Results:
    """The file of results."""

    def __init__(self, path: Path) -> None:
        self.directory = path.parent
        self.file = path.open("a")

    def put(self, kind: str, **values: object) -> None:
        """Adds a result."""
        self.file.write(json.dumps({"kind": kind, **values}) + "\n")
        self.file.flush()
        os.fsync(self.file.fileno())

    def keep(self, file: Path) -> None:
        """Leaves a copy of a file beside the results."""
        (self.directory / file.name).write_bytes(file.read_bytes())
