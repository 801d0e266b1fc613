"""rmmod whatever the driver is at: it ends in the time that docs/errors.md says, and insmod works again."""

import threading
import time

from hostile.target import PREFIX as CASE
from hostile.target import Behaviour, Command, Connection, Server
from lab import guest, settings
from lab.errors import expect
from lab.machine import Machine
from lab.net import NETMASK, PREFIX, SERVER
from lab.process import run
from lab.scenario import Lab, scenario, seldom
from lab.wire import Pdu
from scenarios.custody import BENCH, LEASE, dhcpd

CLIENT = f"{PREFIX}.64"
# docs/errors.md: how long rmmod takes without a session and with one on which nothing but pings is answered; a login under way.
GONE, SILENT, LOGIN = 10, 60, 15
# What a machine takes besides, by its own clock, in seconds.
BESIDES = 10 * settings.PATIENCE
# Has a logical unit looked for that the target does not have: rmmod waits for that, and for nothing that anybody has open.
LOOK = "echo 1 >/sys/module/scsi_mod/parameters/inq_timeout; (for scan in /sys/class/scsi_host/*/scan; do echo 0 0 5 >$scan; done) >/dev/null 2>&1 &"
ABORT_TASK = 1


def silent(*_: object) -> None:
    """Answers nothing."""


def bench(lab: Lab, behaviour: Behaviour) -> Machine:
    """A machine, and a target by the name `case` that does what it is told to, and by any other all right."""
    Server(SERVER, 3260, {"case": behaviour})
    # Wireshark takes a short page of that target's disk for malformed.
    lab.capture.judged = f"ip.src == {CLIENT}"
    return lab.bench()


def loads(machine: Machine, target: str) -> None:
    """Loads the driver for the target of this name."""
    done = guest.insmod(machine, f"if=eth0:{CLIENT}:{NETMASK} target={SERVER}:{CASE}{target}")
    expect(done.errno == 0, "insmod to succeed", f"{done.errno}: {done.output}\n" + "\n".join(done.log))


def unloads(machine: Machine, limit: int) -> None:
    """Unloads it, within so many seconds."""
    uptime = "read now rest </proc/uptime; echo $now"
    before, after = machine.check(f"{uptime}; rmmod iscsi_init || exit 1; {uptime}", 300).split("\n")
    took = float(after) - float(before)
    expect(took < limit + BESIDES, f"rmmod to take {limit} s at most", f"{took} s")


def seen(event: threading.Event, what: str) -> None:
    """Returns once the target has seen it."""
    expect(event.wait(60), f"the target to see {what}")


@seldom
def rmmod_connecting(lab: Lab) -> None:
    """rmmod while a new connection is tried for and nothing comes back."""
    machine = bench(lab, Behaviour({"absent": silent}))
    loads(machine, "case")
    # From here on nothing reaches the machine any more.
    run("ip", "route", "add", "blackhole", f"{CLIENT}/32")
    machine.check(LOOK)
    machine.console.wait("iscsi_init: session with .* lost: the target has not answered a ping", 60)
    time.sleep(1)
    unloads(machine, GONE + LOGIN)
    run("ip", "route", "delete", "blackhole", f"{CLIENT}/32")
    loads(machine, "other")
    unloads(machine, 0)


@scenario
def rmmod_logging_in(lab: Lab) -> None:
    """rmmod while the target does not answer a login."""
    asked = threading.Event()

    def lose(c: Connection, command: Command) -> None:
        c.reset()

    def login(c: Connection, request: Pdu, response: object) -> bool:
        if c.number == 1:
            return False
        asked.set()
        return True

    machine = bench(lab, Behaviour({"absent": lose, "login": login}, always=True))
    loads(machine, "case")
    machine.check(LOOK)
    seen(asked, "a second login")
    unloads(machine, GONE + LOGIN)
    loads(machine, "other")
    unloads(machine, 0)


@seldom
def rmmod_ping(lab: Lab) -> None:
    """rmmod while a ping is not answered."""
    pinged = threading.Event()
    machine = bench(lab, Behaviour({"absent": silent, "task": silent, "nop": lambda c, pdu: pinged.set()}, always=True))
    loads(machine, "case")
    machine.check(LOOK)
    seen(pinged, "a ping")
    unloads(machine, SILENT)
    loads(machine, "other")
    unloads(machine, 0)


@seldom
def rmmod_abort(lab: Lab) -> None:
    """rmmod while ABORT TASK is not answered."""
    asked = threading.Event()
    machine = bench(lab, Behaviour({"absent": silent, "task": lambda c, pdu: asked.set()}, always=True))
    loads(machine, "case")
    machine.check(LOOK)
    seen(asked, "ABORT TASK")
    unloads(machine, SILENT)
    loads(machine, "other")
    unloads(machine, 0)


@scenario
def rmmod_reset(lab: Lab) -> None:
    """rmmod while LOGICAL UNIT RESET is not answered."""
    asked = threading.Event()

    def task(c: Connection, pdu: Pdu) -> None:
        if pdu.header[1] & 0x7F == ABORT_TASK:
            # Task management function rejected.
            c.task_response(pdu, 255)
        else:
            asked.set()

    machine = bench(lab, Behaviour({"absent": silent, "task": task}, always=True))
    loads(machine, "case")
    machine.check(LOOK)
    seen(asked, "LOGICAL UNIT RESET")
    unloads(machine, SILENT)
    loads(machine, "other")
    unloads(machine, 0)


@seldom
def rmmod_leasing(lab: Lab) -> None:
    """rmmod while a new lease is looked for, in place of one that has ended."""
    target = lab.tgt(lab.tiny_disk())
    server = dhcpd(lab)
    machine = lab.bench(BENCH)
    guest.succeeds(machine)
    server.stop()
    machine.console.wait("iscsi_init: eth0: the lease of .* is lost", 4 * LEASE)
    start = machine.console.end()
    unloads(machine, 1)
    expect(target.connections() == 0, "the session to be logged out", target.connections())
    said = machine.log("iscsi_init: .*lease", start)
    expect(not said, "not a word about a search that is given up", said)
    dhcpd(lab)
    guest.succeeds(machine)
    unloads(machine, 0)
