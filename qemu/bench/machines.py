"""The two machines that are measured: a kernel as a program of the host, and a virtual one that counts instructions.

Both have the build root as their root file system, and get a directory with a plan in it, which they fill with results.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from . import settings

# No boot may take longer, in seconds.
LIMIT = 900
# Where a virtual machine is spoken to, in its directory.
QMP = "qmp"
# How often what the machine has written is looked at, in seconds.
POLL = 0.2
# For drivers that may be built in: the NVMe target's store, and a disk that is the device itself, not the sum of its paths.
OPTIONS = ("brd.rd_nr=1", f"brd.rd_size={settings.MIB * 1024}", "nvme_core.multipath=N")


class Broken(Exception):
    """A machine did not do what its plan says."""


def modules_at_their_place(modules: Path) -> None:
    """Puts a kernel's modules where modprobe looks for them, in the build root's file system."""
    place = Path("/lib/modules") / modules.name
    place.parent.mkdir(exist_ok=True)
    if not place.exists():
        place.symlink_to(modules)


def user_mode(directory: Path) -> list[str]:
    """The user-mode kernel: 2 processors, at the host's speed."""
    modules_at_their_place(settings.UML_MODULES)
    return [
        *(str(settings.UML), "mem=2G", "seccomp=on", "ncpus=2", "root=/dev/root", "rootfstype=hostfs", "rw"),
        *("con=null", "con0=null,fd:1", "ssl=null", "panic=-1", "quiet", *OPTIONS),
        *(f"init={settings.INIT}", "--", str(directory)),
    ]


def counting(directory: Path) -> list[str]:
    """The stock kernel on a virtual processor whose clock is the number of its instructions: one of them takes 1 ns."""
    modules_at_their_place(settings.MODULES)
    initrd = settings.BUILD / "initrd"
    subprocess.run(
        [
            *(settings.CHECKOUT / "scripts/initrd", "-k", settings.MODULES.name, "-m", settings.MODULES, "-o", initrd),
            *("-l", settings.INIT.with_name("linuxrc"), "9pnet_virtio", "9p"),
        ],
        check=True,
    )
    return [
        *("qemu-system-x86_64", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-machine", "q35"),
        # An idle processor waits as long as it takes: its root file system answers in the host's time. A busy one never does.
        *("-accel", "tcg,thread=single", "-icount", "shift=0,sleep=on,align=off", "-seed", "1"),
        # Without the string instructions that copy any length at once, each of which would count for as many as bytes.
        *("-cpu", "qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt,+pclmulqdq", "-smp", "1", "-m", "1024"),
        *("-rtc", "clock=vm", "-serial", "stdio", "-kernel", str(settings.KERNEL), "-initrd", str(initrd)),
        *("-qmp", f"unix:{directory / QMP},server=on,wait=off"),
        *("-virtfs", "local,path=/,mount_tag=root,security_model=none,multidevs=remap"),
        "-append",
        f"console=ttyS0 panic=-1 nokaslr mitigations=off no_timer_check quiet {' '.join(OPTIONS)} bench={directory}",
    ]


INSTRUMENTS: dict[str, Callable[[Path], list[str]]] = {"uml": user_mode, "tcg": counting}
MODULE = {"uml": settings.UML_MODULE, "tcg": settings.MODULE}


def _before_others() -> None:
    # A processor of the machine that has to wait for one of the host's is not what is measured. Where this is not allowed, the
    # host had better do nothing else.
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        pass


@contextmanager
def _awake() -> Iterator[None]:
    """Keeps the host's processors from being halted: one of a virtual machine's takes as long to wake as a command takes."""
    idle = [sys.executable, "-c", "while True: pass"]
    spinners = [
        subprocess.Popen(idle, preexec_fn=lambda: os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0)))
        for _ in os.sched_getaffinity(0)
    ]
    try:
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()


def boot(instrument: str, directory: Path, plan: dict[str, object], silence: float = LIMIT) -> Iterator[dict[str, object]]:
    """Boots a machine with this plan, and yields its results as they come, none later than `silence` behind the last."""
    directory.mkdir(parents=True, exist_ok=True)
    for old in directory.iterdir():
        old.unlink()
    (directory / "plan.json").write_text(json.dumps(plan, indent=1))
    results = directory / "results.jsonl"
    results.touch()
    argv = INSTRUMENTS[instrument](directory)
    with (directory / "console").open("wb") as console:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # What counts instructions does not mind.
            preexec_fn=_before_others if instrument == "uml" else None,
            env={"TMPDIR": "/dev/shm", "HOME": "/run", "PATH": os.environ["PATH"]},
        )
    try:
        # What counts instructions does not mind that either.
        with _awake() if instrument == "uml" else nullcontext():
            yield from _follow(child, results, time.monotonic() + LIMIT, silence)
    finally:
        # It is the leader of its session; a user-mode kernel has processes of its own in it.
        try:
            os.killpg(child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        child.wait()


def _follow(
    child: subprocess.Popen[bytes], results: Path, deadline: float, silence: float
) -> Iterator[dict[str, object]]:
    heard = time.monotonic()
    with results.open() as file:
        rest = ""
        while True:
            ended = child.poll() is not None
            rest += file.read()
            while "\n" in rest:
                line, _, rest = rest.partition("\n")
                result = json.loads(line)
                if result["kind"] == "end":
                    return
                if result["kind"] == "error":
                    raise Broken(result["text"])
                yield result
                heard = time.monotonic()
            if time.monotonic() > heard + silence:
                raise Broken(f"the machine said nothing for {silence:.0f} s; see {results.parent}/console")
            if ended:
                raise Broken(f"the machine ended early; see {results.parent}/console")
            if time.monotonic() > deadline:
                raise Broken(f"the machine took more than {LIMIT} s; see {results.parent}/console")
            time.sleep(POLL)
