"""What is measured: tables, each of which is one boot of a machine."""

from collections.abc import Sequence
from dataclasses import dataclass

OURS = "iscsi_init"
# The better of the two counts, row by row.
STOCK = ("iscsi_tcp", "iscsi_tcp-q")
NVME = "nvme"
MIDLAYER = "midlayer"
FLOOR = "floor"

# What a sample takes in user-mode Linux.
SECONDS = 0.4


@dataclass(frozen=True)
class Row:
    """One kind of I/O."""

    rw: str
    bs: str
    depth: int
    batch: int = 1
    # Seconds a sample takes, or I/Os, when not 0.
    seconds: float = SECONDS
    ios: int = 0

    @property
    def name(self) -> str:
        """What it is called."""
        batch = f" batch {self.batch}" if self.batch > 1 else ""
        return f"{self.rw.removeprefix('rand')} {self.bs} QD{self.depth}{batch}"

    def plan(self) -> dict[str, object]:
        """For the guest."""
        amount = {"ios": self.ios} if self.ios else {"seconds": self.seconds}
        return {"name": self.name, "rw": self.rw, "bs": self.bs, "depth": self.depth, "batch": self.batch, **amount}


def small(depths: Sequence[int], batches: Sequence[int] = (1,), **amount: float) -> list[Row]:
    """4k random reads and writes."""
    return [
        Row(rw, "4k", depth, batch, **amount)  # type: ignore[arg-type]
        for rw in ("randread", "randwrite")
        for depth in depths
        for batch in batches
        if batch <= depth
    ]


def large(sizes: Sequence[str], depths: Sequence[int], **amount: float) -> list[Row]:
    """Sequential reads and writes."""
    return [
        Row(rw, size, depth, **amount)  # type: ignore[arg-type]
        for size in sizes
        for rw in ("read", "write")
        for depth in depths
    ]


@dataclass(frozen=True)
class Table:
    """A boot, and what it prints."""

    name: str
    title: str
    rows: Sequence[Row] = ()
    instrument: str = "uml"
    experiment: str = "rows"
    contenders: Sequence[str] = (OURS, *STOCK)
    target: str = "lio"
    segment: int = 262144
    digests: bool = False
    scheduler: str = "none"
    rtt_ms: float = 0
    depth: int = 128
    luns: int = 1
    # Pages of a LUN, when not all of the store.
    lun_pages: int = 0
    floor: bool = False
    # The disks of all sessions are one load.
    together: bool = False

    def plan(self) -> dict[str, object]:
        """For the guest, but for what the settings say."""
        fields = (
            *("experiment", "target", "segment", "digests", "scheduler", "rtt_ms", "depth", "luns", "lun_pages", "floor"),
            "together",
        )
        plan = {name: getattr(self, name) for name in fields}
        return plan | {"contenders": list(self.contenders), "rows": [row.plan() for row in self.rows]}


WORK = [*small((1, 4, 32, 128), (1, 8)), *large(("64k", "1m"), (1, 32))]
MAIN = [*small((1, 32), (1, 8)), *large(("1m",), (1, 32))]
ISCSI = (OURS, STOCK[0])
WITH_NVME = (OURS, *STOCK, NVME)

# For counting: so many I/Os that a sample takes some hundred milliseconds of the guest's, of which fio counts each.
COUNTED = [*small((1, 32), (1, 8), ios=8000), *large(("1m",), (1,), ios=160)]

TABLES = [
    Table("lio", "LIO, segments of 256 KiB, scheduler none", WORK, contenders=WITH_NVME),
    Table("lio-shipped", "LIO, segments of 256 KiB, schedulers as shipped", MAIN, contenders=WITH_NVME, scheduler="stock"),
    Table("lio-8192", "LIO, segments of 8192 bytes (its default), scheduler none", MAIN, segment=8192),
    Table("lio-digests", "LIO, both digests (computed without the processor's help here), scheduler none", MAIN, digests=True),
    Table("thin", "thin target, segments of 256 KiB, scheduler none", WORK, target="thin", contenders=WITH_NVME),
    Table("thin-8192", "thin target, segments of 8192 bytes, scheduler none", MAIN, target="thin", segment=8192),
    Table("thin-digests", "thin target, both digests (likewise), scheduler none", MAIN, target="thin", digests=True),
    Table(
        "rtt-1ms",
        "LIO, 1 ms of round trip, scheduler none",
        [*small((1, 32)), *large(("1m",), (32,))],
        rtt_ms=1,
    ),
    Table(
        "rtt-20ms",
        "LIO, 20 ms of round trip, scheduler none",
        [*small((1, 32), seconds=1), *large(("1m",), (32,), seconds=2)],
        rtt_ms=20,
    ),
    Table(
        "depth",
        "LIO, a window of 64 commands: reads of 4k by queue depth",
        [Row("randread", "4k", depth) for depth in (1, 2, 4, 8, 16, 32, 64, 128, 256)],
        depth=256,
    ),
    Table("hostile", "iscsi_tcp against the target that breaks the protocol; only when asked for", experiment="hostile"),
    Table("session", "from nothing to the first read, and what a session takes", experiment="costs", contenders=ISCSI),
    *(
        Table(
            f"luns-{luns}",
            f"{luns} LUNs of one session, all busy",
            [Row("randread", "4k", 128)],
            experiment="growth",
            contenders=ISCSI,
            luns=luns,
            lun_pages=256,
        )
        for luns in (1, 16, 64, 256)
    ),
    *(
        Table(
            f"sessions-{sessions}",
            f"{sessions} sessions of iscsi_tcp, all busy; iscsi_init has one session in a machine",
            [Row("randread", "4k", 128)],
            experiment="growth",
            contenders=tuple(f"session{number}" for number in range(sessions)),
            lun_pages=256,
            together=True,
        )
        for sessions in (1, 4, 16)
    ),
    Table("count-lio", "thousand instructions per I/O: LIO", COUNTED, "tcg", contenders=WITH_NVME, floor=True),
    Table(
        "count-thin",
        "thousand instructions per I/O: thin target",
        COUNTED,
        "tcg",
        target="thin",
        contenders=WITH_NVME,
        floor=True,
    ),
    Table(
        "count-thin-digests",
        "thousand instructions per I/O: thin target, both digests",
        [*small((1,), ios=8000), *large(("1m",), (1,), ios=160)],
        "tcg",
        target="thin",
        digests=True,
    ),
]
