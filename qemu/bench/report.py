"""Prints a table of samples."""

from collections import defaultdict
from collections.abc import Sequence
from statistics import median

from .plan import FLOOR, MIDLAYER, NVME, OURS, STOCK, Row, Table
from .stats import Ratio, ratio

Sample = dict[str, float]
Samples = dict[str, list[Sample]]

# The keys that decide how much work a session has.
KEYS = (
    "HeaderDigest", "DataDigest", "InitialR2T", "ImmediateData", "MaxRecvDataSegmentLength", "MaxXmitDataSegmentLength",
    "MaxBurstLength", "FirstBurstLength", "MaxOutstandingR2T",
)  # fmt: skip


def sessions(results: Sequence[dict[str, object]]) -> None:
    """What was negotiated, and the limits of the disks."""
    for result in results:
        if result["kind"] == "session":
            keys, queue = result["keys"], result["queue"]
            assert isinstance(keys, dict) and isinstance(queue, dict)
            words = [f"{name}={value}" for name, value in (*keys.items(), *queue.items()) if name in KEYS or name in queue]
            print(f"  {result['contender']}: {' '.join(words)}")


def rows(table: Table, results: Sequence[dict[str, object]]) -> None:
    """A line for each row: ours, stock's better half, and the ratio."""
    by_row: dict[str, Samples] = defaultdict(lambda: defaultdict(list))
    for result in results:
        if result["kind"] == "sample":
            by_row[str(result["row"])][str(result["contender"])].append(result)  # type: ignore[arg-type]
    print(
        f"  {'':20}{'iscsi_init':>11}{'iscsi_tcp':>11}  {'ratio':<22}{'cap':>5}{'nvme':>6}"
        f"{'p50 us':>13}{'p99 us':>13}{'switches':>12}{'segments':>12}{'CPU us':>12}"
    )
    for row in table.rows:
        if row.name in by_row:
            print(_line(row, by_row[row.name]))


def _line(row: Row, samples: Samples) -> str:
    rate = "iops" if row.bs == "4k" else "bytes_per_second"
    stock = max((name for name in STOCK if name in samples), key=lambda name: _median(samples[name], "iops"))
    ours, theirs = samples[OURS], samples[stock]
    both = "".join(f"{_pair(ours, theirs, name):>{width}}" for name, width in COLUMNS)
    return (
        f"  {row.name:20}{_rate(_median(ours, rate), row):>11}{_rate(_median(theirs, rate), row):>11}  "
        f"{_said(ratio(_pairs(ours, theirs))):22}{_cap(samples, theirs):>5}{_nvme(samples, ours):>6}{both}"
        f"{' q' if stock != STOCK[0] else ''}"
    )


COLUMNS = (("p50_us", 13), ("p99_us", 13), ("switches", 12), ("segments", 12), ("busy_us", 12))


def _median(samples: Sequence[Sample], name: str) -> float:
    return median(sample[name] for sample in samples)


def _pairs(first: Sequence[Sample], second: Sequence[Sample]) -> list[tuple[float, float]]:
    return [(one["iops"], other["iops"]) for one, other in zip(first, second, strict=True)]


def _rate(value: float, row: Row) -> str:
    return f"{value:,.0f}" if row.bs == "4k" else f"{value / 1e6:,.0f} MB/s"


def _said(found: Ratio) -> str:
    interval = f"{found.low:.2f}..{found.high:.2f}"
    return f"{found.value:.2f} {interval}" + ("" if found.is_difference else " none")


def _pair(first: Sequence[Sample], second: Sequence[Sample], name: str) -> str:
    return "/".join(_number(_median(samples, name)) for samples in (first, second))


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _cap(samples: Samples, theirs: Sequence[Sample]) -> str:
    """How many times stock's rate there would be if the initiator took no more than the SCSI mid-layer and the floor."""
    if FLOOR not in samples or MIDLAYER not in samples:
        return ""
    least = 1 / _median(samples[FLOOR], "iops") + 1 / _median(samples[MIDLAYER], "iops")
    return f"{1 / _median(theirs, 'iops') / least:.2f}"


def _nvme(samples: Samples, ours: Sequence[Sample]) -> str:
    return f"{ratio(_pairs(ours, samples[NVME])).value:.2f}" if NVME in samples else ""
