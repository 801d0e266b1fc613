"""Targets that break the protocol: nothing they say harms data or machine, and a correct one is served to the letter."""

import os

from hostile import cases, selftest
from hostile.bench import ADDRESS, run_group
from hostile.target import Server
from lab.errors import expect
from lab.net import SERVER
from lab.scenario import Lab, scenario

cases.load()
# Which cases run: the cut for every check, all of them, or those whose names begin with one of these, with commas between.
CHOICE = os.environ.get("LAB_HOSTILE", "")


def run(lab: Lab, *groups: str) -> None:
    """Runs the cases of some groups in one machine."""
    chosen = [case for case in (cases.ALL.values() if CHOICE else cases.cut()) if case.name.partition(".")[0] in groups]
    if CHOICE not in ("", "all"):
        chosen = [case for case in chosen if case.name.startswith(tuple(CHOICE.split(",")))]
    server = Server(SERVER, 3260, {case.name: case.behaviour for case in chosen})
    # The target's packets are meant to be malformed.
    lab.capture.judged = f"ip.src == {ADDRESS}"
    machine = lab.bench()
    wrong = run_group(machine, server, chosen)
    failed = [f"{name}: {'; '.join(found)}" for name, found in wrong.items() if found]
    expect(not failed, f"all {len(chosen)} cases to end as they should", f"{len(failed)} that did not:\n" + "\n".join(failed))


@scenario
def hostile_linter(lab: Lab) -> None:
    """What the linter is to find in an initiator's PDUs, it finds."""
    selftest.check()


@scenario
def hostile_data_in(lab: Lab) -> None:
    """Data-In and responses with wrong offsets, numbers, tags, lengths, residuals and sense data."""
    run(lab, "data-in")


@scenario
def hostile_data_out(lab: Lab) -> None:
    """R2Ts for what there is not, too early, too late and too much; every way to agree on unsolicited data."""
    run(lab, "data-out", "numbers")


@scenario
def hostile_tasks(lab: Lab) -> None:
    """Commands without an answer, aborts that are refused, answers that race them, and disks that are not ready."""
    run(lab, "tasks", "together", "units")


@scenario
def hostile_login(lab: Lab) -> None:
    """Logins with wrong stages, tags, lengths and redirections, in pieces and without end."""
    run(lab, "login")


@scenario
def hostile_negotiation(lab: Lab) -> None:
    """Keys with values that cannot be, twice, unknown, unfinished."""
    run(lab, "negotiation")


@scenario
def hostile_discovery(lab: Lab) -> None:
    """Lists of targets in pieces, without end, and of names and addresses that are none."""
    run(lab, "discovery")


@scenario
def hostile_chap(lab: Lab) -> None:
    """Every CHAP algorithm and encoding; targets that want to do without, or cannot prove who they are."""
    run(lab, "chap")


@scenario
def hostile_events(lab: Lab) -> None:
    """Pings, events, rejects, digests that do not fit, and connections that end anywhere."""
    run(lab, "events", "digests", "transport")
