"""The target: it does everything right but for what the case of the target's name has it do."""

import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from lab.wire import COMMAND, DATA_OUT, LOGIN, LOGOUT, NOP_OUT, TASK, TEXT
from lab.wire import Pdu as Received

from .disk import BLOCK, CHECK_CONDITION, GOOD, Disk, blocks
from .linter import Linter
from .login import FULL_FEATURE, SECURITY, Chap, Login, Refused
from .pdu import (
    ASYNC, CONTINUE, DATA_IN, FINAL, LOGIN_RESPONSE, LOGOUT_RESPONSE, NONE, NOP_IN, R2T, REJECT, RESPONSE, TASK_RESPONSE,
    TEXT_RESPONSE, Pdu, sense,
)  # fmt: skip

PREFIX = "iqn.2026-01.test.hostile:"
# Cases misbehave from this block on: what a disk driver reads by itself is left alone.
ARMED = 2048
# How many commands the target has room for.
WINDOW = 32


@dataclass
class Options:
    """What a case changes about the login, and about what is right."""

    values: dict[str, str] = field(default_factory=dict)
    declared: int = 65536
    chap: Chap | None = None
    proposals: dict[str, str] = field(default_factory=dict)
    # CmdSN's window, and the first StatSN.
    window: int = WINDOW
    stat_sn: int = 1
    # Bytes of each Data-In.
    data_in: int = 65536
    # The number of the one logical unit.
    lun: int = 0
    # Whether the initiator is to find the target by asking for it.
    discovered: bool = False


@dataclass
class Command:
    """A SCSI Command of the initiator."""

    itt: int
    lun: bytes
    cdb: bytes
    length: int
    cmd_sn: int
    data: bytearray = field(default_factory=bytearray)
    r2t_sn: int = 0

    @property
    def first(self) -> int:
        """The first block that it is about."""
        return (blocks(self.cdb) or (0, 0))[0]


@dataclass
class State:
    """What the target remembers of a case from connection to connection."""

    disk: Disk = field(default_factory=Disk)
    linters: list[Linter] = field(default_factory=list)
    logins: int = 0
    # How often the case has misbehaved.
    acts: int = 0
    # What a case keeps for itself.
    notes: dict[str, int] = field(default_factory=dict)

    @property
    def faults(self) -> list[str]:
        return [fault for linter in self.linters for fault in linter.faults]


Act = Callable[..., object]


class Closed(Exception):
    """The connection is over."""


class Connection:
    """One connection of the initiator's."""

    def __init__(self, server: "Server", sock: socket.socket) -> None:
        self.server = server
        self.sock = sock
        self.port = sock.getsockname()[1]
        self.linter = Linter()
        self.state = State()
        self.hooks: dict[str, Act] = {}
        self.always = False
        self.options = Options()
        self.stat_sn = 1
        self.exp_cmd_sn = 0
        self.login: Login | None = None
        self.digests = (False, False)
        self.tasks: dict[int, Command] = {}
        self.next_ttt = 1
        self.number = 0

    # The wire

    def read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            try:
                chunk = self.sock.recv(count - len(data))
            except OSError:
                raise Closed from None
            if not chunk:
                self.linter.closed()
                raise Closed
            data += chunk
        return data

    def receive(self) -> Received:
        """The initiator's next PDU, judged."""
        header = self.read(48)
        digests = (False, False) if header[0] & 0x3F == LOGIN else self.digests
        ahs = self.read(4 * header[4])
        header_digest = self.read(4) if digests[0] else b""
        length = int.from_bytes(header[5:8], "big")
        data, padding = self.read(length), self.read(-length % 4)
        data_digest = self.read(4) if digests[1] and length else b""
        pdu = Received(header + ahs, data, padding, header_digest, data_digest)
        self.linter.judge(pdu)
        return pdu

    def raw(self, data: bytes) -> None:
        try:
            self.sock.sendall(data)
        except OSError:
            raise Closed from None

    def encode(self, pdu: Pdu, counted: bool) -> bytes:
        """The PDU's bytes, with this connection's numbers where it has none of its own."""
        window = self.exp_cmd_sn + self.options.window - 1
        numbers = {"stat_sn": self.stat_sn, "exp_cmd_sn": self.exp_cmd_sn, "max_cmd_sn": window & NONE}
        pdu.fields = numbers | pdu.fields
        self._tell(pdu)
        self._act("sending", self, pdu)
        if counted:
            self.stat_sn = (self.stat_sn + 1) & NONE
            self.linter.exp_stat_sn = self.stat_sn
        if pdu.fields["max_cmd_sn"] == numbers["max_cmd_sn"]:
            self.linter.window(numbers["max_cmd_sn"])
        return pdu.encode(*self.digests)

    def _tell(self, pdu: Pdu) -> None:
        """Tells the linter which requests this answers, and of pings that want an answer."""
        itt, ttt = pdu.fields.get("itt", NONE), pdu.fields.get("ttt", NONE)
        if pdu.opcode in (NOP_IN, TASK_RESPONSE, TEXT_RESPONSE, LOGOUT_RESPONSE):
            self.linter.answered(itt)
        if pdu.opcode == REJECT:
            self.linter.answered(int.from_bytes(pdu.data[16:20], "big"))
        if pdu.opcode == NOP_IN and itt == NONE and ttt != NONE:
            self.linter.ping(ttt, pdu.header()[8:16])

    def send(self, *pdus: Pdu) -> None:
        """Sends PDUs, those that count by the RFC with a StatSN of their own, in one piece."""
        self.raw(b"".join(self.encode(pdu, counts(pdu)) for pdu in pdus))

    def reset(self) -> None:
        """Ends the connection with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()
        raise Closed

    def close(self) -> None:
        """Ends the connection with a FIN."""
        self.sock.close()
        raise Closed

    # Login

    def run(self) -> None:
        try:
            self._log_in()
            self._act("ready", self)
            while True:
                self._handle(self.receive())
        except Closed:
            pass
        finally:
            self.sock.close()

    def _act(self, kind: str, *arguments: object) -> bool:
        """Has the case misbehave, if this is its moment; whether it has."""
        hook = self.hooks.get(kind)
        if hook is None or self.state.acts and not self.always:
            return False
        # Before: it may end the connection.
        self.state.acts += 1
        if hook(*arguments) is False:
            self.state.acts -= 1
            return False
        return True

    def _log_in(self) -> None:
        stage = SECURITY
        text = b""
        while stage != FULL_FEATURE:
            request = self.receive()
            if request.opcode != LOGIN:
                raise Closed
            text += request.data
            if self.login is None:
                self._choose_case(request)
                # RFC 7143 section 6.3: an initiator that need not prove who it is may begin with the second stage.
                stage = request.header[1] >> 2 & 3
            assert self.login
            if request.header[1] & CONTINUE:
                self._answer_login(request, stage, stage, {})
                continue
            pairs = (pair.partition("=") for pair in text.decode().split("\0") if pair)
            keys, text = {name: value for name, _, value in pairs}, b""
            wants = request.header[1] & 0x80 and request.header[1] & 3
            try:
                step = self.login.security if stage == SECURITY else self.login.operational
                answer, may_end = step(keys)
            except Refused as refused:
                pdu = Pdu(LOGIN_RESPONSE, 0).with_(itt=request.word(16), login_status=refused.status)
                self.raw(self.encode(pdu, False))
                raise Closed from None
            following = wants if wants and may_end else stage
            stage = self._answer_login(request, stage, following, answer)

    def _answer_login(self, request: Received, stage: int, following: int, answer: dict[str, str]) -> int:
        assert self.login
        flags = stage << 2 | (0x80 | following if following != stage else 0)
        data = "".join(f"{key}={value}\0" for key, value in answer.items()).encode()
        response = Pdu(LOGIN_RESPONSE, flags, data).with_(itt=request.word(16), isid=int.from_bytes(request.header[8:14], "big"))
        if following == FULL_FEATURE:
            response.with_(tsih=0x1234)
        if not self._act("login", self, request, response):
            self.raw(self.encode(response, True))
        if following == FULL_FEATURE:
            self.linter.login_ended(self.login.agreed, self.options.declared)
            self.digests = (self.linter.header_digests, self.linter.data_digests)
        return following

    def _choose_case(self, request: Received) -> None:
        name = request.keys.get("TargetName", request.keys.get("InitiatorName", "")).removeprefix(PREFIX)
        self.state, case = self.server.case(name)
        self.hooks, self.options, self.always = case.hooks, case.options, case.always
        if self.state.linters and self.state.linters[0].first:
            if self.state.linters[0].first.header[8:14] != request.header[8:14]:
                self.linter.fault("4.4.3, 6.3.5, 10.1.1", "another ISID than before", request)
        self.state.linters.append(self.linter)
        self.state.logins += 1
        self.number = self.state.logins
        self.stat_sn = self.options.stat_sn
        self.exp_cmd_sn = request.word(24)
        chap = self.options.chap and replace(self.options.chap)
        self.login = Login(self.options.values, self.options.declared, chap, self.options.proposals)

    # Full Feature Phase

    def _handle(self, pdu: Received) -> None:
        if not pdu.immediate and pdu.opcode != DATA_OUT:
            self.exp_cmd_sn = (pdu.word(24) + 1) & NONE
        match pdu.opcode:
            case op if op == COMMAND:
                command = Command(pdu.word(16), pdu.header[8:16], pdu.header[32:48], pdu.word(20), pdu.word(24), bytearray(pdu.data))
                self.tasks[command.itt] = command
                self._command(command, pdu.final)
            case op if op == DATA_OUT:
                self._data_out(pdu)
            case op if op == NOP_OUT and pdu.word(16) != NONE:
                if not self._act("nop", self, pdu):
                    self.send(Pdu(NOP_IN).with_(itt=pdu.word(16), ttt=NONE))
            case op if op == TASK:
                hook = self.hooks.get("task")
                if hook is None or hook(self, pdu) is False:
                    self.task_response(pdu)
            case op if op == TEXT:
                if not self._act("text", self, pdu):
                    self.targets(pdu)
            case op if op == LOGOUT:
                if not self._act("logout", self, pdu):
                    self.send(Pdu(LOGOUT_RESPONSE).with_(itt=pdu.word(16)))
                    raise Closed

    def targets(self, pdu: Received, data: bytes | None = None, flags: int = FINAL, **fields: int) -> None:
        """Answers a Text Request with `data`, or else with the one target there is."""
        name = self.server.name(self.state)
        found = f"TargetName={PREFIX}{name}\0TargetAddress={self.server.listener.getsockname()[0]}:3260,1\0".encode()
        self.send(Pdu(TEXT_RESPONSE, flags, found if data is None else data).with_(**{"itt": pdu.word(16), "ttt": NONE} | fields))

    def task_response(self, pdu: Received, response: int = 0) -> None:
        if pdu.header[1] & 0x7F == 1:
            self.forget(pdu.word(20))
        else:
            for itt in list(self.tasks):
                self.forget(itt)
        self.send(Pdu(TASK_RESPONSE).with_(itt=pdu.word(16), response=response))

    def forget(self, itt: int) -> None:
        """A task is over."""
        self.tasks.pop(itt, None)
        self.linter.ended(itt)

    def _command(self, command: Command, final: bool) -> None:
        armed = command.first >= ARMED
        if command.lun != bytes([0, self.options.lun]) + bytes(6) and command.cdb[0] != 0xA0:
            if not self._act("absent", self, command):
                self._absent(command)
        elif command.cdb[0] in (0x08, 0x28, 0x88):
            if not self._act("read" if armed else "look", self, command):
                self.data_in(command)
        elif command.cdb[0] in (0x0A, 0x2A, 0x8A):
            if armed and self._act("write" if final else "begun", self, command):
                return
            if final:
                self.ask(command)
        else:
            if self._act("other", self, command):
                return
            answer = self.state.disk.answer(command.cdb, self.options.lun)
            if answer.sense:
                self.check(command, *answer.sense)
            else:
                self.data_in(command, answer.data)

    def _absent(self, command: Command) -> None:
        """A command to a logical unit that there is not (SPC-4 sections 5.6 and 6.6.2)."""
        if command.cdb[0] == 0x12:
            self.data_in(command, (b"\x7f\0\6\x12\x1f" + bytes(31))[: int.from_bytes(command.cdb[3:5], "big")])
        else:
            self.check(command, 5, 0x25)

    def data(self, command: Command) -> bytes:
        """What a READ reads."""
        found = blocks(command.cdb)
        return self.state.disk.read(*found) if found else b""

    def data_in(self, command: Command, data: bytes | None = None) -> None:
        """Answers a command that reads: Data-In, then a response."""
        data = self.data(command) if data is None else data
        size = self.options.data_in
        assert self.login
        size = min(size, int(self.login.offered.get("MaxRecvDataSegmentLength", 8192)))
        parts = range(0, len(data), size)
        pdus = [self.part(command, number, at, data[at : at + size]) for number, at in enumerate(parts)]
        if pdus:
            pdus[-1].flags = FINAL
        short = command.length - len(data)
        response = self.response(command)
        if short > 0:
            response.flags |= 2
            response.with_(residual=short)
        self.finish(command, *pdus, response)

    def finish(self, command: Command, *pdus: Pdu) -> None:
        """Sends the last PDUs of a command."""
        self.forget(command.itt)
        self.send(*pdus)

    def part(self, command: Command, number: int, offset: int, data: bytes, flags: int = 0) -> Pdu:
        """One Data-In."""
        return Pdu(DATA_IN, flags, data).with_(itt=command.itt, ttt=NONE, data_sn=number, offset=offset)

    def response(self, command: Command, status: int = GOOD, data: bytes = b"") -> Pdu:
        """A SCSI Response."""
        return Pdu(RESPONSE, FINAL, data).with_(itt=command.itt, status=status)

    def check(self, command: Command, key: int, code: int, qualifier: int = 0) -> None:
        """Ends a command with CHECK CONDITION."""
        self.finish(command, self.response(command, CHECK_CONDITION, sense(key, code, qualifier)))

    def r2t(self, command: Command, offset: int, length: int, **fields: int) -> Pdu:
        """An R2T, with a tag of its own."""
        ttt = fields.setdefault("ttt", self.next_ttt)
        self.next_ttt += 1
        number = command.r2t_sn
        command.r2t_sn += 1
        self.linter.r2t(command.itt, ttt, offset, length)
        return Pdu(R2T).with_(
            itt=command.itt, lun=int.from_bytes(command.lun, "big"), data_sn=number, offset=offset, length=length, **fields
        )

    def ask(self, command: Command) -> None:
        """Asks for the next data of a write, or ends it."""
        assert self.login
        have = len(command.data)
        if have < command.length:
            most = int(self.login.agreed.get("MaxBurstLength", 262144))
            self.send(self.r2t(command, have, min(most, command.length - have)))
            return
        found = blocks(command.cdb)
        if found:
            self.state.disk.write(found[0], bytes(command.data))
        self.finish(command, self.response(command))

    def _data_out(self, pdu: Received) -> None:
        command = self.tasks.get(pdu.word(16))
        if command is None:
            return
        offset = pdu.word(40)
        command.data[offset : offset + len(pdu.data)] = pdu.data
        if pdu.final and not (command.first >= ARMED and self._act("written", self, command)):
            self.ask(command)

    def asynchronous(self, event: int, **fields: int) -> Pdu:
        """An Asynchronous Message."""
        return Pdu(ASYNC).with_(itt=NONE, event=event, **fields)

    def reject(self, reason: int, data: bytes) -> Pdu:
        """A Reject that shows `data`."""
        return Pdu(REJECT, FINAL, data).with_(reason=reason, itt=NONE)

    def ping(self, ttt: int = 0x77, **fields: int) -> Pdu:
        """A NOP-In that wants an answer."""
        return Pdu(NOP_IN).with_(**{"itt": NONE, "ttt": ttt} | fields)


def counts(pdu: Pdu) -> bool:
    """Whether a PDU uses up a StatSN (RFC 7143 sections 11.7.3, 11.8.3 and 11.19.2)."""
    match pdu.opcode:
        case op if op == DATA_IN:
            return bool(pdu.flags & 1)
        case op if op == R2T:
            return False
        case op if op == NOP_IN:
            return pdu.fields.get("itt", NONE) != NONE
    return True


@dataclass
class Behaviour:
    """What a case has the target do."""

    hooks: dict[str, Act] = field(default_factory=dict)
    options: Options = field(default_factory=Options)
    always: bool = False


class Server:
    """Listens, and has a thread for each connection."""

    def __init__(self, address: str, port: int, behaviours: dict[str, Behaviour]) -> None:
        self.behaviours = behaviours
        self.states: dict[str, State] = {}
        self.port = port
        self.listener = socket.create_server((address, port))
        # Where a target may say that it is instead.
        self.elsewhere = socket.create_server((address, port + 1))
        for listener in (self.listener, self.elsewhere):
            threading.Thread(target=self._serve, args=(listener,), daemon=True).start()

    def case(self, name: str) -> tuple[State, Behaviour]:
        """The state and the behaviour behind a target's name."""
        return self.states.setdefault(name, State()), self.behaviours.get(name, Behaviour())

    def name(self, state: State) -> str:
        """The name of the case that this is the state of."""
        return next(name for name, found in self.states.items() if found is state)

    def state(self, name: str) -> State:
        """What became of a case."""
        return self.states.get(name, State())

    def _serve(self, listener: socket.socket) -> None:
        while True:
            sock, _ = listener.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=Connection(self, sock).run, daemon=True).start()


def wait(seconds: float) -> None:
    """Lets time pass, where that is what the case is about."""
    time.sleep(seconds)


__all__ = ["ARMED", "BLOCK", "Behaviour", "Command", "Connection", "Options", "Server", "State", "wait"]
