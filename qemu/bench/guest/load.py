"""The load: fio on one disk after the other, and the floor's own client."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import counters, targets
from .system import LOAD_CPU, Unexpected, run

WORK = Path("/run/bench")
TURN = Path(__file__).with_name("turn")
# A job that takes this many times longer than it should has a device that hangs, in seconds.
PATIENCE = 30


def options(row: Mapping[str, object]) -> list[str]:
    """fio's options for a row of the table."""
    batch = int(str(row["batch"]))
    return [
        f"rw={row['rw']}",
        f"bs={row['bs']}",
        f"iodepth={row['depth']}",
        f"iodepth_batch_submit={batch}",
        f"iodepth_batch_complete_min={batch}",
        f"iodepth_batch_complete_max={batch if batch > 1 else row['depth']}",
    ]


def duration(row: Mapping[str, object], part: float = 1) -> list[str]:
    """fio's options for how long a sample takes: the row's seconds or its number of I/Os, or a part of it."""
    if "ios" in row:
        return [f"number_ios={max(int(float(str(row['ios'])) * part), 1)}"]
    return [f"runtime={int(float(str(row['seconds'])) * part * 1000)}ms", "time_based"]


def samples(turns: Sequence[str], disks: Mapping[str, Sequence[str]], row: Mapping[str, object]) -> list[dict[str, object]]:
    """Runs a sample on each contender's disks, in this order, after a short one of each that does not count."""
    # A connection that was idle, or has been used in another way, first finds its window again.
    warm = list(dict.fromkeys(turns))
    order = [*warm, *turns]
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir()
    lines = [
        *("[global]", "ioengine=libaio", "direct=1", "thread=1", "norandommap", "randrepeat=1", "disk_util=0"),
        *(f"cpus_allowed={LOAD_CPU}", "size=100%", "percentile_list=50:99"),
    ]
    lines += options(row)
    # fio itself sleeps for tenths of a second between jobs. So all start at once, and each waits for the end of the one before.
    for number, name in enumerate(order):
        if number:
            os.mkfifo(WORK / f"{number}.go")
        lines += [
            f"[{number}]",
            *duration(row, 0.25 if number < len(warm) else 1),
            f"filename={':'.join(f'/dev/{disk}' for disk in disks[name])}",
            *(f"exec_{when}={TURN} {WORK} {number} {which}" for when, which in (("prerun", "before"), ("postrun", "after"))),
        ]
    jobs = WORK / "jobs.fio"
    jobs.write_text("\n".join(lines) + "\n")
    text = run("fio", "--output-format=json", str(jobs), timeout=PATIENCE + len(order) * 5, cwd=WORK)
    report = json.loads(text[text.index("{") :])
    return [_sample(order, row, job) for job in report["jobs"][len(warm) :]]


def _sample(order: Sequence[str], row: Mapping[str, object], job: Mapping[str, object]) -> dict[str, object]:
    number = int(str(job["jobname"]))
    side = job["write" if "write" in str(row["rw"]) else "read"]
    assert isinstance(side, dict)
    if job.get("error"):
        raise Unexpected(f"fio on {order[number]}: error {job['error']}")
    before, after = (
        counters.Counters.parse((WORK / f"{number}.{when}").read_text()) for when in ("before", "after")
    )
    counted = after.since(before)
    if not (ios := side["total_ios"]):
        raise Unexpected(f"no I/O of {order[number]} ended in {row['name']}")
    latency = side["clat_ns"].get("percentile", {})
    return {
        "kind": "sample",
        "row": row["name"],
        "contender": order[number],
        "order": number,
        "ios": ios,
        "seconds": side["runtime"] / 1000,
        "iops": side["iops"],
        "bytes_per_second": side["bw_bytes"],
        "p50_us": latency.get("50.000000", 0) / 1000,
        "p99_us": latency.get("99.000000", 0) / 1000,
        "switches": counted.switches / ios,
        "segments": counted.segments / ios,
        "acks": counted.acks / ios,
        "busy_us": counted.busy_ns / 1000 / ios,
    }


def floor(program: str, port: int, row: Mapping[str, object], count: int) -> dict[str, object]:
    """The smallest loop over a socket to the same target."""
    size = {"4k": 4096, "64k": 65536, "1m": 1 << 20}[str(row["bs"])]
    argv = [
        *(program, "floor", "--target", f"{targets.ADDRESS}:{port}", "--name", targets.iqn("floor"), "--lun", "0"),
        *("--op", "write" if "write" in str(row["rw"]) else "read", "--size", str(size)),
        *("--depth", str(row["depth"]), "--batch", str(row["batch"]), "--count", str(count)),
    ]
    done = subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
        preexec_fn=lambda: os.sched_setaffinity(0, [LOAD_CPU]),
    )
    if done.returncode:
        raise Unexpected(f"{' '.join(argv)} ended with {done.returncode}")
    report = json.loads(done.stdout)
    return {
        "kind": "sample",
        "row": row["name"],
        "contender": "floor",
        "ios": report["ios"],
        "seconds": report["seconds"],
        "iops": report["ios"] / report["seconds"],
    }
