"""The kernel's own initiator with open-iscsi against the target that breaks the protocol, which runs beside it."""

import hashlib
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from hostile import cases
from hostile.data import PATTERN, READ_TOGETHER, READS, SIZE, TOGETHER, WRITES, WRITTEN, WRITTEN_TOGETHER, expected
from hostile.disk import BLOCK
from hostile.target import ARMED, PREFIX, Server

from . import contenders, targets
from .results import Results
from .system import modprobe, run, wait_for, write

# How long a login, and each of the steps behind it, may take, in seconds.
LOGIN, STEP = 25, 40
# Times of open-iscsi, in seconds, so that a session which is lost comes back, or does not, within a step.
SETTINGS = {
    "node.session.initial_login_retry_max": "1",
    "node.conn[0].timeo.login_timeout": "5",
    "node.session.timeo.replacement_timeout": "20",
    "node.conn[0].timeo.noop_out_interval": "2",
    "node.conn[0].timeo.noop_out_timeout": "2",
    "node.session.err_timeo.abort_timeout": "5",
    "node.session.err_timeo.lu_reset_timeout": "5",
    "node.conn[0].iscsi.HeaderDigest": "CRC32C,None",
    "node.conn[0].iscsi.DataDigest": "CRC32C,None",
}
# What open-iscsi calls the keys that cases have in their configuration.
KEYS = {
    "OutgoingUsername": "node.session.auth.username",
    "OutgoingPassword": "node.session.auth.password",
    "IncomingUsername": "node.session.auth.username_in",
    "IncomingPassword": "node.session.auth.password_in",
    "CHAPAlgorithms": "node.session.auth.chap_algs",
    "LoginTimeout": "node.conn[0].timeo.login_timeout",
    "ActiveTimeout": "node.conn[0].timeo.noop_out_interval",
    "AbortTimeout": "node.session.err_timeo.abort_timeout",
    "ResetTimeout": "node.session.err_timeo.lu_reset_timeout",
}


class Hung(Exception):
    """A step has not come to its end."""


def step(command: str) -> bool:
    """Runs a shell command; whether it succeeded."""
    child = subprocess.Popen(("sh", "-c", command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        return child.wait(STEP) == 0
    except subprocess.TimeoutExpired:
        raise Hung from None


def node(name: str, *words: str, timeout: float = LOGIN) -> bool:
    """Has open-iscsi do something about a case's target; whether it succeeded."""
    argv = ("iscsiadm", "-m", "node", "-T", PREFIX + name, "-p", f"{targets.ADDRESS}:3260", *words)
    try:
        return subprocess.run(argv, capture_output=True, timeout=timeout).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def disk() -> str | None:
    """The one disk there is."""
    return next((path.name for path in Path("/sys/block").glob("sd*")), None)


def moves_data(server: Server, case: cases.Case) -> str:
    """What comes of reading and writing."""
    name = wait_for("disk", disk, timeout=LOGIN)
    device = f"/dev/{name}"
    # The node is there before the disk can be opened.
    wait_for("device", lambda: step(f"test -b {device} && : <{device}") or None, 0.05, LOGIN)
    write(Path(f"/sys/block/{name}/device/timeout"), min(case.timeout, 10))
    dd = f"dd if={device} bs={SIZE} iflag=direct"
    read = step(f"{dd} of=/run/seen skip={ARMED * BLOCK // SIZE} count={READS}")
    wrong = read and hashlib.sha256(Path("/run/seen").read_bytes()).hexdigest() != expected(ARMED, SIZE * READS // BLOCK)
    put = f"dd if=/run/pattern of={device} bs={SIZE} oflag=direct conv=notrunc"
    written = step(f"{put} seek={WRITTEN * BLOCK // SIZE}")
    again = step(f"{dd} of=/run/seen skip={WRITTEN * BLOCK // SIZE} count={WRITES}")
    wrong |= written and again and Path("/run/seen").read_bytes() != PATTERN
    parts = range(TOGETHER)
    first = READ_TOGETHER * BLOCK // SIZE
    together = step(" & ".join(f"{dd} of=/run/part{at} skip={first + at} count=1" for at in parts) + " & wait")
    content = b"".join(Path(f"/run/part{at}").read_bytes() for at in parts if Path(f"/run/part{at}").exists())
    wrong |= together and read and hashlib.sha256(content).hexdigest() != expected(READ_TOGETHER, SIZE * TOGETHER // BLOCK)
    first = WRITTEN_TOGETHER * BLOCK // SIZE
    step(" & ".join(f"{put} skip={at} seek={first + at} count=1" for at in parts) + " & wait")
    state = server.state(case.name)
    if wrong or written and state.disk.read(WRITTEN, len(PATTERN) // BLOCK) != PATTERN:
        return "wrong data"
    if not (read and written and again):
        return "the command fails"
    return "goes on" if state.logins == 1 else "new session"


def outcome(server: Server, case: cases.Case) -> str:
    """What the initiator makes of a case."""
    node(case.name, "-o", "new")
    settings = dict(SETTINGS)
    if "Password" in case.conf:
        settings |= {"node.session.auth.authmethod": "CHAP", "node.session.auth.chap_algs": "SHA3-256,SHA256,SHA1,MD5"}
    for line in case.conf.splitlines():
        key, _, value = line.partition("=")
        settings[KEYS[key]] = value.replace("SHA-", "SHA")
    for key, value in settings.items():
        node(case.name, "-o", "update", "-n", key, "-v", value)
    if not node(case.name, "--login"):
        return "no session"
    return moves_data(server, case)


def run_cases(plan: Mapping[str, object], results: Results) -> None:
    """Runs the plan's cases until one hangs; the rest is for another boot."""
    cases.load()
    modprobe("dummy", "sd_mod", "iscsi_tcp")
    # The module makes one by itself where it is built in.
    if not Path("/sys/class/net/dummy0").exists():
        run("ip", "link", "add", "dummy0", "type", "dummy")
    run("ip", "address", "add", f"{targets.ADDRESS}/24", "dev", "dummy0")
    run("ip", "link", "set", "dummy0", "up")
    Path("/run/pattern").write_bytes(PATTERN)
    chosen = [cases.ALL[str(name)] for name in plan["cases"]]  # type: ignore[union-attr]
    server = Server(targets.ADDRESS, 3260, {case.name: case.behaviour for case in chosen})
    contenders.configure_iscsid(32, digests=False)
    contenders.start_iscsid()
    for case in chosen:
        started = time.monotonic()
        try:
            what = outcome(server, case)
        except Hung:
            what = "hangs"
        except Exception as error:
            what = f"no disk ({type(error).__name__})"
        faults = server.state(case.name).faults
        results.put("case", name=case.name, outcome=what, faults=faults[:3], seconds=round(time.monotonic() - started, 1))
        node(case.name, "--logout")
        node(case.name, "-o", "delete")
        try:
            wait_for("end of the disk", lambda: disk() is None or None, timeout=LOGIN)
        except Exception:
            return
