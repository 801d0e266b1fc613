"""Commands without an answer: aborted, the logical unit reset, the target, then a new session; each command ends once."""

import threading

from lab.wire import DATA_OUT, TASK
from lab.wire import Pdu as Received

from ..pdu import FINAL, TASK_RESPONSE, Pdu
from ..target import Command, Connection, Options, wait
from . import case, drop, ok

ABORT, RESET = 1, 5
ABORTED, STUCK, EXPIRED = "asking the target to abort", "asking the target to reset it", "not answered a command in time"
STILL_STUCK = "asking the target to reset itself"


@case("7.11", ok(ABORTED), "read", timeout=1)
def aborted(c: Connection, command: Command) -> None:
    """A read without an answer: the target aborts it."""


@case("7.11", ok(ABORTED), "write", timeout=1)
def aborted_write(c: Connection, command: Command) -> None:
    """A write whose data is never asked for: the target aborts it."""


@case("11.5.1", ok(STUCK), "read", timeout=1)
def abort_refused(c: Connection, command: Command) -> None:
    """The target does not abort; it resets the logical unit."""
    c.hooks = c.hooks | {"task": refuse_abort}


def refuse(c: Connection, pdu: Received, *functions: int) -> bool:
    """Refuses these functions and no others."""
    if pdu.header[1] & 0x7F not in functions:
        return False
    c.send(Pdu(TASK_RESPONSE).with_(itt=pdu.word(16), response=255))
    return True


def answer_behind(c: Connection, command: Command, *refused: int) -> None:
    """Data and answer of a command come right behind the word that the first function that is not refused is done."""

    def late(c: Connection, pdu: Received) -> None:
        if refuse(c, pdu, *refused):
            return
        data, response = c.part(command, 0, 0, b"x" * command.length, FINAL), c.response(command)
        c.finish(command, Pdu(TASK_RESPONSE).with_(itt=pdu.word(16)), data, response)

    c.hooks = c.hooks | {"task": late}


def refuse_abort(c: Connection, pdu: Received) -> bool:
    """Refuses ABORT TASK and nothing else."""
    return refuse(c, pdu, ABORT)


def refuse_less(c: Connection, pdu: Received) -> bool:
    """Refuses what is less than the reset of the target."""
    return refuse(c, pdu, ABORT, RESET)


@case("11.5.1", ok(STUCK), "read", timeout=1)
def reset_takes_its_time(c: Connection, command: Command) -> None:
    """The target does not abort, and takes two seconds to reset the logical unit: no command goes there meanwhile."""

    def slow_reset(c: Connection, pdu: Received) -> bool:
        if not refuse_abort(c, pdu):
            threading.Timer(2, c.task_response, [pdu]).start()
        return True

    c.hooks = c.hooks | {"task": slow_reset}


@case("11.6.1", ok(STUCK), "read", timeout=1)
def no_such_task(c: Connection, command: Command) -> None:
    """The target knows of no such task, though it has never answered: the logical unit is reset."""
    c.hooks = c.hooks | {"task": deny_task}


def deny_task(c: Connection, pdu: Received) -> bool:
    """Says that a task does not exist."""
    if pdu.header[1] & 0x7F != ABORT:
        return False
    c.send(Pdu(TASK_RESPONSE).with_(itt=pdu.word(16), response=1))
    return True


@case("11.5.1", ok(STILL_STUCK), "read", timeout=1)
def unit_reset_refused(c: Connection, command: Command) -> None:
    """The target resets no logical unit either; it resets itself."""
    c.hooks = c.hooks | {"task": refuse_less}


@case("11.5.1", ok(STILL_STUCK), "read", timeout=1)
def target_reset_takes_its_time(c: Connection, command: Command) -> None:
    """The target does less for nobody, and takes two seconds to reset itself: no command goes there meanwhile."""

    def slow_reset(c: Connection, pdu: Received) -> bool:
        if not refuse_less(c, pdu):
            threading.Timer(2, c.task_response, [pdu]).start()
        return True

    c.hooks = c.hooks | {"task": slow_reset}


@case("7.11", ok(ABORTED), "read", timeout=1, conf="AbortTimeout=1")
def answered_while_aborting(c: Connection, command: Command) -> None:
    """The command's answer comes after ABORT TASK, and none to that: nothing more is asked for."""

    def act(c: Connection, pdu: Received) -> None:
        if pdu.header[1] & 0x7F != ABORT:
            c.reset()
        wait(0.5)
        c.finish(command, c.part(command, 0, 0, c.data(command), FINAL), c.response(command))
        # Until its time is over, and that of the next command is not.
        wait(1.6)

    c.hooks = c.hooks | {"task": act}


@case("11.5.1", drop("closed the connection"), "read", timeout=1)
def target_reset_ends_the_connection(c: Connection, command: Command) -> None:
    """The target resets itself, says so, and ends all its connections: a new session."""

    def act(c: Connection, pdu: Received) -> None:
        if not refuse_less(c, pdu):
            c.task_response(pdu)
            c.close()

    c.hooks = c.hooks | {"task": act}


@case("4.2.3.3", drop("no command of ours"), "read", timeout=1)
def answer_behind_target_reset(c: Connection, command: Command) -> None:
    """Data and answer of a command which the target has just said it has ended by resetting itself."""
    answer_behind(c, command, ABORT, RESET)


@case("7.11", ok(STUCK), "read", timeout=1)
def answer_before_refused_reset(c: Connection, command: Command) -> None:
    """The command's answer comes before the word that its logical unit cannot be reset: the target need not be."""

    def act(c: Connection, pdu: Received) -> None:
        if refuse_abort(c, pdu):
            return
        data, response = c.part(command, 0, 0, c.data(command), FINAL), c.response(command)
        c.finish(command, data, response, Pdu(TASK_RESPONSE).with_(itt=pdu.word(16), response=255))

    c.hooks = c.hooks | {"task": act}


@case("7.11", drop(EXPIRED), "read", timeout=1)
def nothing_helps(c: Connection, command: Command) -> None:
    """Neither abort nor reset is possible: a new session."""
    c.hooks = c.hooks | {"task": lambda c, pdu: c.send(Pdu(TASK_RESPONSE).with_(itt=pdu.word(16), response=5))}


@case("7.11", drop(EXPIRED), "read", timeout=1, conf="AbortTimeout=1\nResetTimeout=2", slow=True)
def no_answer_to_anything(c: Connection, command: Command) -> None:
    """Task management requests are not answered either: a new session, since the reset may still come."""
    c.hooks = c.hooks | {"task": lambda c, pdu: None}


@case("11.5.1", ok(ABORTED), "read", timeout=1)
def answer_races_abort(c: Connection, command: Command) -> None:
    """The command's answer comes right before the word that it has been aborted."""

    def race(c: Connection, pdu: Received) -> None:
        data, response = c.part(command, 0, 0, c.data(command), FINAL), c.response(command)
        c.finish(command, data, response, Pdu(TASK_RESPONSE).with_(itt=pdu.word(16)))

    c.hooks = c.hooks | {"task": race}


@case("4.2.3.3", drop("no command of ours"), "read", timeout=1)
def answer_behind_abort(c: Connection, command: Command) -> None:
    """Data and answer of a command that the target has just said it has aborted."""
    answer_behind(c, command)


@case("11.6", ok(ABORTED), "read", timeout=1)
def confirmed_twice(c: Connection, command: Command) -> None:
    """The word that the command has been aborted comes twice."""

    def twice(c: Connection, pdu: Received) -> None:
        c.forget(command.itt)
        c.send(*(Pdu(TASK_RESPONSE).with_(itt=pdu.word(16)) for _ in range(2)))

    c.hooks = c.hooks | {"task": twice}


@case("7.1.5", drop("connection broke"), "read", timeout=1)
def reset_at_abort(c: Connection, command: Command) -> None:
    """RST instead of an answer to ABORT TASK."""
    c.hooks = c.hooks | {"task": lambda c, pdu: c.reset()}


@case("11.6", drop("with data"), "read", timeout=1)
def confirmed_with_data(c: Connection, command: Command) -> None:
    """The word that the command has been aborted has data."""
    c.hooks = c.hooks | {"task": lambda c, pdu: c.send(Pdu(TASK_RESPONSE, FINAL, b"data").with_(itt=pdu.word(16)))}


@case("11.6.1", ok(STUCK), "read", timeout=1)
def reserved_answer(c: Connection, command: Command) -> None:
    """A response code that there is not: not the word that the command has been aborted."""

    def act(c: Connection, pdu: Received) -> bool:
        if pdu.header[1] & 0x7F != ABORT:
            return False
        c.send(Pdu(TASK_RESPONSE).with_(itt=pdu.word(16), response=0x42))
        return True

    c.hooks = c.hooks | {"task": act}


def asks(c: Connection, command: Command) -> None:
    """Asks for all the data of a write that there still is."""
    have = len(command.data)
    c.send(c.r2t(command, have, command.length - have))


@case("4.2.3.3", ok(ABORTED), "write", timeout=1)
def asks_while_aborting(c: Connection, command: Command) -> None:
    """The data of a write is asked for once it is to be aborted: it comes, and then the write is aborted and sent again."""

    def act(c: Connection, pdu: Received) -> None:
        asks(c, command)
        while (other := c.receive()).opcode != DATA_OUT or not other.final:
            if other.opcode != DATA_OUT:
                c._handle(other)
        c.task_response(pdu)

    c.hooks = c.hooks | {"task": act}


@case("4.2.3.3", ok(ABORTED), "write", timeout=1)
def confirmed_while_sending(c: Connection, command: Command) -> None:
    """R2T, and in the same piece the word that the write has been aborted: what is sent all the same is framed as before."""

    def act(c: Connection, pdu: Received) -> None:
        have = len(command.data)
        r2t = c.r2t(command, have, command.length - have)
        # The initiator may have begun to send, or not: both are right.
        c.tasks.pop(command.itt, None)
        c.send(r2t, Pdu(TASK_RESPONSE).with_(itt=pdu.word(16)))

    c.hooks = c.hooks | {"task": act}


@case("4.2.3.3", drop("no command of ours"), "write", timeout=1, slow=True)
def asks_behind_abort(c: Connection, command: Command) -> None:
    """R2T for a write that the target has just said it has aborted."""

    def act(c: Connection, pdu: Received) -> None:
        c.task_response(pdu)
        asks(c, command)

    c.hooks = c.hooks | {"task": act}


@case("11.7", ok(ABORTED), "read", timeout=1)
def aborted_amid_data(c: Connection, command: Command) -> None:
    """Half of a PDU with data, silence, and the rest once the command is to be aborted: it is sent again, and read from the start."""
    stream = c.encode(c.part(command, 0, 0, b"x" * 32768), False)
    c.raw(stream[:10000])
    others = []
    while (pdu := c.receive()).opcode != TASK:
        others.append(pdu)
    c.raw(stream[10000:])
    c.task_response(pdu)
    for other in others:
        c._handle(other)


@case("7.11", drop(EXPIRED), "read", timeout=1, conf="AbortTimeout=1\nResetTimeout=1", slow=True)
def byte_by_byte(c: Connection, command: Command) -> None:
    """Data comes a byte at a time, for ever, so that the target is never silent: the command's time runs out all the same."""
    stream = c.encode(c.part(command, 0, 0, c.data(command)), False)
    for byte in stream:
        c.raw(bytes([byte]))
        wait(0.1)


@case("7.3", drop("rejected a"), "read", timeout=1, slow=True)
def abort_rejected(c: Connection, command: Command) -> None:
    """A Reject of ABORT TASK."""
    c.hooks = c.hooks | {"task": lambda c, pdu: c.send(c.reject(0x05, pdu.header))}


@case("11.6", ok(STUCK), "read", timeout=1, conf="AbortTimeout=1", slow=True)
def confirmed_too_late(c: Connection, command: Command) -> None:
    """The word that the command has been aborted comes when its logical unit is to be reset, before the word about that."""
    asked: list[Received] = []

    def act(c: Connection, pdu: Received) -> None:
        asked.append(pdu)
        if pdu.header[1] & 0x7F == RESET:
            wait(0.5)
            c.send(Pdu(TASK_RESPONSE).with_(itt=asked[0].word(16)))
            c.task_response(pdu)

    c.hooks = c.hooks | {"task": act}


@case("11.6", ok(STUCK), "read", timeout=1, slow=True)
def answer_races_reset(c: Connection, command: Command) -> None:
    """The target does not abort; the command's answer comes right before the word that its logical unit has been reset."""

    def act(c: Connection, pdu: Received) -> None:
        if refuse_abort(c, pdu):
            return
        c.forget(command.itt)
        c.send(c.part(command, 0, 0, c.data(command), FINAL), c.response(command))
        c.task_response(pdu)

    c.hooks = c.hooks | {"task": act}


@case("4.2.3.3", drop("no command of ours"), "read", timeout=1)
def answer_behind_reset(c: Connection, command: Command) -> None:
    """Data and answer of a command whose logical unit the target has just said it has reset."""
    answer_behind(c, command, ABORT)


@case("11.9.1", drop("asked for the session to end"), "read", timeout=1)
def logout_requested_instead(c: Connection, command: Command) -> None:
    """The target answers ABORT TASK with the wish for a logout."""
    c.hooks = c.hooks | {"task": lambda c, pdu: c.send(c.asynchronous(1, parameter3=3))}
