"""Prints a table of samples."""

import textwrap
from collections import Counter, defaultdict
from collections.abc import Sequence
from statistics import median

from .plan import FLOOR, MIDLAYER, NVME, OURS, STOCK, Row, Table
from .profile import USER, Profile
from .stats import Ratio, ratio

# How many functions of a profile are printed, and what is in no module.
FUNCTIONS = 30
KERNEL = "the kernel itself"

Sample = dict[str, float]
Samples = dict[str, list[Sample]]

# The keys that decide how much work a session has.
KEYS = (
    "HeaderDigest", "DataDigest", "InitialR2T", "ImmediateData", "MaxRecvDataSegmentLength", "MaxXmitDataSegmentLength",
    "MaxBurstLength", "FirstBurstLength", "MaxOutstandingR2T",
)  # fmt: skip


def sessions(results: Sequence[dict[str, object]]) -> None:
    """What was negotiated, and the limits of the disks."""
    said: dict[str, list[str]] = {}
    for result in results:
        if result["kind"] == "session":
            keys, queue = result["keys"], result["queue"]
            assert isinstance(keys, dict) and isinstance(queue, dict)
            words = [f"{name}={keys[name]}" for name in KEYS if name in keys]
            words += [f"{name}={value}" for name, value in queue.items()]
            said.setdefault(" ".join(words), []).append(str(result["contender"]))
    for words, names in said.items():
        print("\n      ".join(textwrap.wrap(f"  {', '.join(names)}: {words}", 150, break_on_hyphens=False)))


def rows(table: Table, results: Sequence[dict[str, object]]) -> None:
    """A line for each row: ours, stock's better half, and the ratio."""
    by_row: dict[str, Samples] = defaultdict(lambda: defaultdict(list))
    for result in results:
        if result["kind"] == "sample":
            by_row[str(result["row"])][str(result["contender"])].append(result)  # type: ignore[arg-type]
    counting = table.instrument == "tcg"
    columns = ("switches", "segments") if counting else tuple(COLUMNS)
    last = f"{'nvme':>11}{'floor':>11}" if counting else ""
    print(
        f"  {'':20}{'iscsi_init':>11}{'iscsi_tcp':>11}{last}  {'ratio and its interval':24}{'cap':>5}{'to nvme':>8}"
        + "".join(f"{COLUMNS[name]:>14}" for name in columns)
    )
    for row in table.rows:
        if row.name in by_row:
            print(_line(row, by_row[row.name], counting, columns))


def table(wanted: Table, results: Sequence[dict[str, object]]) -> None:
    """All there is to say about a boot."""
    sessions(results)
    costs(results)
    if wanted.experiment == "rows":
        rows(wanted, results)
    else:
        growth(results)


def _line(row: Row, samples: Samples, counting: bool, columns: Sequence[str]) -> str:
    stock = max((name for name in STOCK if name in samples), key=lambda name: _median(samples[name], "iops"))
    ours, theirs = samples[OURS], samples[stock]
    figures = [ours, theirs] if not counting else [ours, theirs, samples.get(NVME), _floor(samples)]
    said = ratio(_pairs(ours, theirs))
    return (
        f"  {row.name:20}"
        + "".join(f"{_figure(one, row, counting):>11}" for one in figures)
        + f"  {_said(said):24}{_cap(samples, theirs):>5}{_nvme(samples, ours):>8}"
        + "".join(f"{_pair(ours, theirs, name):>14}" for name in columns)
        + (" q" if stock != STOCK[0] else "")
    )


def _figure(samples: Sequence[Sample] | float | None, row: Row, counting: bool) -> str:
    if not samples:
        return ""
    iops = samples if isinstance(samples, float) else _median(samples, "iops")
    if counting:
        return f"{1e6 / iops:,.1f}"
    return f"{iops:,.0f}" if row.bs == "4k" else f"{iops * SIZES[row.bs] / 1e6:,.0f} MB/s"


def costs(results: Sequence[dict[str, object]]) -> None:
    """What sessions took."""
    by_name: dict[str, list[dict[str, object]]] = defaultdict(list)
    for result in results:
        if result["kind"] == "cost":
            # Sessions of a number of them are alike.
            by_name[str(result["contender"]).rstrip("0123456789")].append(result)
        if result["kind"] == "daemon":
            print(f"  iscsid: {result['kib']} KiB resident")
    for name, found in by_name.items():
        times, sizes = [float(str(one["ms"])) for one in found], [float(str(one["kib"])) for one in found]
        threads = found[-1]["threads"]
        assert isinstance(threads, list)
        print(
            f"  {name}: {found[0]['disks']} disks, first read after {median(times):.0f} ms"
            f" ({min(times):.0f} to {max(times):.0f}), {median(sizes):.0f} KiB, {len(threads)} threads: {' '.join(threads)}"
        )


def growth(results: Sequence[dict[str, object]]) -> None:
    """How fast all disks are together."""
    by_name: Samples = defaultdict(list)
    for result in results:
        if result["kind"] == "sample":
            by_name[str(result["contender"])].append(result)  # type: ignore[arg-type]
    for name, samples in by_name.items():
        print(f"  {name}: {_median(samples, 'iops'):,.0f} IOPS, p99 {_median(samples, 'p99_us'):,.0f} us")
    if OURS in by_name and STOCK[0] in by_name:
        print(f"  ratio: {_said(ratio(_pairs(by_name[OURS], by_name[STOCK[0]])))}")


SIZES = {"64k": 1 << 16, "1m": 1 << 20}
# Of two figures the first is ours.
COLUMNS = {"p50_us": "p50 us", "p99_us": "p99 us", "switches": "switches", "segments": "segments", "busy_us": "CPU us"}


def profile(one: Profile) -> None:
    """Prints the functions a processor was in most, and what each module has in all."""
    total = one.seen.total()
    modules: Counter[str] = Counter()
    for name, count in one.seen.items():
        modules[name.rpartition("[")[2].rstrip("]") if name.endswith("]") else KERNEL if name != USER else USER] += count
    print(f"\n{one.row}, {one.contender}: {total} looks at a busy processor")
    print("  " + ", ".join(f"{name} {_share(count, total)}" for name, count in modules.most_common()))
    for name, count in one.seen.most_common(FUNCTIONS):
        print(f"  {_share(count, total):>6}  {name}")


def _share(count: int, total: int) -> str:
    return f"{100 * count / max(total, 1):.1f}%"


def _median(samples: Sequence[Sample], name: str) -> float:
    return median(sample[name] for sample in samples)


def _pairs(first: Sequence[Sample], second: Sequence[Sample]) -> list[tuple[float, float]]:
    return [(one["iops"], other["iops"]) for one, other in zip(first, second, strict=True)]


def _said(found: Ratio) -> str:
    interval = f"{found.low:.2f}..{found.high:.2f}"
    return f"{found.value:.2f} {interval}" if found.is_difference else f"no difference {interval}"


def _pair(first: Sequence[Sample], second: Sequence[Sample], name: str) -> str:
    return "/".join(_number(_median(samples, name)) for samples in (first, second))


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _floor(samples: Samples) -> float | None:
    """The rate there would be if the initiator took no more than the SCSI mid-layer and the floor's loop."""
    if FLOOR not in samples or MIDLAYER not in samples:
        return None
    return 1 / (1 / _median(samples[FLOOR], "iops") + 1 / _median(samples[MIDLAYER], "iops"))


def _cap(samples: Samples, theirs: Sequence[Sample]) -> str:
    least = _floor(samples)
    return f"{least / _median(theirs, 'iops'):.2f}" if least else ""


def _nvme(samples: Samples, ours: Sequence[Sample]) -> str:
    return f"{ratio(_pairs(ours, samples[NVME])).value:.2f}" if NVME in samples else ""
