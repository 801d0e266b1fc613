"""What is done in one boot of the machine."""

import mmap
import os
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from . import contenders, hostile, load, targets
from .contenders import Contender, IscsiInit, IscsiTcp, Nvme, ScsiDebug
from .results import Results
from .system import Unexpected, kernel_threads, memory, modprobe, wait_for, write
from .system import run as command

Plan = Mapping[str, object]


class Boot:
    """The network, the target and the contenders of this boot, as the plan has them."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.thin = plan["target"] == "thin"
        self.port = targets.THIN_PORT if self.thin else targets.LIO_PORT
        self.depth = int(str(plan["depth"]))
        self.luns = int(str(plan["luns"]))
        self.mib = int(str(plan["mib"]))
        self.names = [str(name) for name in plan["contenders"]]  # type: ignore[union-attr]
        self._network()
        self._targets()
        contenders.configure_iscsid(self.depth, bool(plan["digests"]))

    def _network(self) -> None:
        modprobe("dummy", "sd_mod", "af_packet")
        for name in ("dummy0", "dummy1"):
            if not Path(f"/sys/class/net/{name}").exists():
                command("ip", "link", "add", name, "type", "dummy")
        command("ip", "address", "add", f"{targets.ADDRESS}/24", "dev", "dummy0")
        command("ip", "link", "set", "dummy0", "up")
        delay = float(str(self.plan["rtt_ms"])) / 2
        if delay:
            modprobe("sch_netem")
            command("tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", f"{delay}ms", "limit", "100000")

    def _targets(self) -> None:
        plan = self.plan
        program = str(plan["thin"])
        segment = int(str(plan["segment"]))
        if self.thin:
            options = ["--size", str(self.mib), "--luns", str(self.luns), "--max-recv-data-segment-length", str(segment)]
            targets.thin(program, "iscsi", targets.THIN_PORT, *options, *(["--digests"] if plan["digests"] else []))
            if "nvme" in self.names:
                targets.thin(program, "nvme", targets.THIN_NVME_PORT, "--size", str(self.mib))
        else:
            pages = int(str(plan["lun_pages"])) or self.mib * 256
            targets.lio([*self.names, "floor"], self.luns, pages, segment, bool(plan["digests"]))
            if "nvme" in self.names:
                targets.nvmet()

    def contender(self, name: str) -> Contender:
        """The contender of this name."""
        match name:
            case "iscsi_init":
                return IscsiInit(name, self.port, self.luns, module=str(self.plan["module"]))
            case "iscsi_tcp":
                return IscsiTcp(name, self.port, self.luns)
            case "iscsi_tcp-q":
                return IscsiTcp(name, self.port, self.luns, receive_in_queue=True)
            case "nvme":
                return Nvme(name, targets.THIN_NVME_PORT if self.thin else targets.NVMET_PORT, depth=self.depth)
            case "midlayer":
                return ScsiDebug(name, 0, mib=self.mib)
            case _ if name.startswith("session"):
                return IscsiTcp(name, self.port, self.luns)
        raise Unexpected(f"no contender is called {name}")


def sessions(plan: Plan, results: Results) -> tuple[Boot, dict[str, list[str]]]:
    """Has all contenders of a table logged in on equal terms; their disks."""
    boot = Boot(plan)
    disks: dict[str, list[str]] = {}
    for name in [*boot.names, *(["midlayer"] if plan["floor"] else [])]:
        one = boot.contender(name)
        one.prepare()
        one.login()
        disks[name] = one.disks()
        queue = contenders.equalise(disks[name], boot.depth, str(plan["scheduler"]))
        # What was never written may have no memory yet behind it, at some targets.
        command("dd", "if=/dev/zero", f"of=/dev/{disks[name][0]}", "bs=1M", f"count={boot.mib}", "oflag=direct")
        keys = one.keys()
        if keys.get("MaxXmitDataSegmentLength", str(plan["segment"])) != str(plan["segment"]):
            raise Unexpected(f"{name} was to negotiate segments of {plan['segment']}: {keys}")
        results.put("session", contender=name, keys=keys, queue=queue)
    return boot, disks


def rows(plan: Plan, results: Results) -> None:
    """The rows of a table: all contenders are logged in, and take turns."""
    boot, disks = sessions(plan, results)
    for row in plan["rows"]:  # type: ignore[union-attr]
        # A B C C B A: what drifts meets all alike.
        order = [*boot.names, *reversed(boot.names)] * int(str(plan["rounds"]))
        floors = []
        if plan["floor"]:
            # Its number of I/Os is known once it has been measured.
            probe = load.floor(str(plan["thin"]), boot.port, row, int(row["depth"]) * 4)
            count = int(row.get("ios") or max(float(str(probe["iops"])) * float(row["seconds"]), row["depth"] * 4))
            floors = [load.floor(str(plan["thin"]), boot.port, row, count) for _ in range(int(str(plan["rounds"])))]
            order += ["midlayer"] * int(str(plan["rounds"]))
        for sample in [*load.samples(order, disks, row), *floors]:
            results.put(str(sample.pop("kind")), **sample)


def profile(plan: Plan, results: Results) -> None:
    """The rows of a table, one contender after the other, each for long enough to be looked at."""
    boot, disks = sessions(plan, results)
    results.keep(Path("/proc/kallsyms"))
    for row in plan["rows"]:  # type: ignore[union-attr]
        for name in boot.names:
            results.put("begin", row=row["name"], contender=name)
            for sample in load.samples([name], disks, row):
                results.put(str(sample.pop("kind")), **sample)


def first_read(disk: str) -> None:
    """Reads from a disk for the first time, past the page cache."""
    page = mmap.mmap(-1, 4096)

    def reads() -> bool | None:
        # A disk that was announced a moment ago may not be open to all yet.
        try:
            file = os.open(f"/dev/{disk}", os.O_RDONLY | os.O_DIRECT)
        except OSError:
            return None
        try:
            return os.readv(file, [page]) == 4096 or None
        finally:
            os.close(file)

    wait_for(f"first read of {disk}", reads)


def cost(results: Results, name: str, login: Callable[[], None], disks: Callable[[], list[str]]) -> None:
    """What it takes to have a session with its disks: time to the first read, memory, threads."""
    settle()
    memory_before, threads_before = memory()["MemFree"], Counter(kernel_threads())
    started = time.monotonic()
    login()
    found = disks()
    first_read(found[0])
    took = time.monotonic() - started
    settle()
    threads = Counter(kernel_threads()) - threads_before
    used = memory_before - memory()["MemFree"]
    results.put("cost", contender=name, ms=took * 1000, kib=used, threads=sorted(threads.elements()), disks=len(found))


def settle() -> None:
    """Lets go of what is only cached."""
    os.sync()
    write(Path("/proc/sys/vm/drop_caches"), 3)
    time.sleep(0.3)


def resident(name: str) -> int:
    """What the processes of a program have in memory, in KiB."""
    total = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        text = status.read_text()
        if text.startswith(f"Name:\t{name}\n"):
            total += int(re.findall(r"VmRSS:\s+(\d+)", text)[0])
    return total


def costs(plan: Plan, results: Results) -> None:
    """Sessions come and go: what each takes."""
    boot = Boot(plan)
    stock = boot.contender("iscsi_tcp")
    assert isinstance(stock, IscsiTcp)
    stock.prepare()
    results.put("daemon", kib=resident("iscsid"))
    ours = boot.contender("iscsi_init")
    for _ in range(int(str(plan["rounds"])) * 2):
        for one in (ours, stock):
            cost(results, one.name, one.login, one.disks)
            one.logout()
    stock.forget()
    cost(results, "iscsistart", stock.start_at_boot, stock.disks)


def growth(plan: Plan, results: Results) -> None:
    """Many disks, or many sessions: what they cost, and how fast all are together, with the schedulers they come with."""
    boot = Boot(plan)
    disks: dict[str, list[str]] = {}
    for name in boot.names:
        one = boot.contender(name)
        one.prepare()
        cost(results, name, one.login, one.disks)
        disks[name] = one.disks()
        # All limits but that would take minutes to set for so many disks: their queues are frozen each time.
        for disk in disks[name]:
            contenders.set_depth(disk, boot.depth)
    if plan["together"]:
        disks = {"all": [disk for name in boot.names for disk in disks[name]]}
    names = list(disks)
    for row in plan["rows"]:  # type: ignore[union-attr]
        order = [*names, *reversed(names)] * int(str(plan["rounds"]))
        for sample in load.samples(order, disks, row):
            results.put(str(sample.pop("kind")), **sample)


EXPERIMENTS: dict[str, Callable[[Plan, Results], None]] = {
    "rows": rows,
    "profile": profile,
    "costs": costs,
    "growth": growth,
    "hostile": hostile.run_cases,
}


def run(plan: Plan, results: Results) -> None:
    """Does what the plan says."""
    EXPERIMENTS[str(plan["experiment"])](plan, results)
