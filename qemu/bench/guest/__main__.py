"""The first program of the machine that is measured: does what the plan says, and switches the machine off.

Usage: python3 -m bench.guest DIRECTORY, which has plan.json and gets results.jsonl.
"""

import json
import os
import subprocess
import sys
import traceback
from pathlib import Path

from . import experiments
from .results import Results
from .system import mount, run


def main() -> None:
    directory = Path(sys.argv[1])
    results = Results(directory / "results.jsonl")
    try:
        mount("proc", "/proc")
        mount("sysfs", "/sys")
        mount("devtmpfs", "/dev")
        for where in ("/run", "/tmp", "/dev/shm"):
            Path(where).mkdir(exist_ok=True)
            mount("tmpfs", where)
        Path("/run/lock").mkdir()
        run("ip", "link", "set", "lo", "up")
        experiments.run(json.loads((directory / "plan.json").read_text()), results)
        results.put("end")
    except Exception:
        results.put("error", text=traceback.format_exc())
    finally:
        (directory / "dmesg").write_bytes(subprocess.run(("dmesg",), stdout=subprocess.PIPE).stdout)
        os.sync()
        subprocess.run(("busybox", "poweroff", "-f"))


main()
