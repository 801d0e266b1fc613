"""What an initiator must and must not send, PDU by PDU, whatever the target does. Each rule names its section of RFC 7143."""

from dataclasses import dataclass, field

from lab.wire import COMMAND, DATA_OUT, LOGIN, LOGOUT, NOP_OUT, RESERVED, TASK, TEXT, Pdu, crc32c

NONE = 0xFFFFFFFF
READ, WRITE = 0x40, 0x20


def after(one: int, other: int) -> bool:
    """Whether `one` is later than `other` in serial arithmetic (RFC 1982, 32 bits)."""
    return 0 < (one - other) & NONE < 1 << 31


@dataclass
class Write:
    """A write that is under way: what the initiator may send for it."""

    length: int
    lun: bytes
    # The end of what was sent without being asked for, whether that goes on, and DataSN in it.
    unsolicited: int
    unsolicited_open: bool
    data_sn: int = 0
    # By TTT: offset, end, and the next DataSN.
    r2ts: dict[int, list[int]] = field(default_factory=dict)


class Linter:
    """Judges one connection. The target tells it what it has sent that counts."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.full_feature = self.discovery = False
        # The initiator has taken the login for ended, too.
        self.begun = False
        self.logged_out = False
        self.first: Pdu | None = None
        self.keys: set[str] = set()
        self.cmd_sn: int | None = None
        self.max_cmd_sn = 0
        self.exp_stat_sn: int | None = None
        self.tasks: dict[int, Write | None] = {}
        # Tags of requests that are no commands, and the target's pings by TTT: those without an answer yet.
        self.requests: set[int] = set()
        self.pings: dict[int, bytes] = {}
        self.acknowledged: int | None = None
        # Logical units that are being reset, by the request's tag; `None` is all of them.
        self.resets: dict[int, bytes | None] = {}
        # CmdSN and LUN of every command.
        self.sent: dict[int, tuple[int, bytes]] = {}
        self.header_digests = self.data_digests = False
        # What the login agreed on; RFC 7143 section 13's defaults until then.
        self.agreed = {"MaxRecvDataSegmentLength": 8192, "MaxBurstLength": 262144, "FirstBurstLength": 65536}
        self.immediate_data = self.initial_r2t = True

    def fault(self, section: str, what: str, pdu: Pdu | None = None) -> None:
        shown = f" ({pdu.header.hex(' ', 4)})" if pdu else ""
        self.faults.append(f"{section}: {what}{shown}")

    def judge(self, pdu: Pdu) -> None:
        """Takes note of a PDU of the initiator's, and of what is wrong with it."""
        if pdu.opcode not in RESERVED:
            return self.fault("11.2.1.2", "no initiator's opcode", pdu)
        self._form(pdu)
        if self.logged_out:
            self.fault("11.14", "a PDU behind the Logout Request", pdu)
        if pdu.opcode == LOGIN:
            return self._login(pdu)
        if not self.full_feature:
            return self.fault("4.2.4", "not a Login Request in the Login Phase", pdu)
        self.begun = True
        if self.discovery and pdu.opcode not in (TEXT, LOGOUT):
            self.fault("4.3", "neither Text nor Logout Request in a discovery session", pdu)
        self._digests(pdu)
        self._numbers(pdu)
        match pdu.opcode:
            case op if op == COMMAND:
                self._command(pdu)
            case op if op == DATA_OUT:
                self._data_out(pdu)
            case op if op == NOP_OUT:
                self._nop_out(pdu)
            case op if op == TASK:
                self._task(pdu)
            case op if op == TEXT:
                self._text(pdu)
            case op if op == LOGOUT:
                self._logout(pdu)

    def _form(self, pdu: Pdu) -> None:
        flags, ranges = RESERVED[pdu.opcode]
        if pdu.header[0] & 0x80 or pdu.header[1] & flags:
            self.fault("11", "a reserved bit is set", pdu)
        for start, end in ranges:
            if any(pdu.header[start:end]):
                self.fault("11", f"bytes {start} to {end - 1} are reserved", pdu)
        if any(pdu.padding):
            self.fault("11.2.3", "padding that is not zero", pdu)
        self._additional_header(pdu)
        if pdu.opcode in (TASK, LOGOUT) and pdu.data:
            self.fault("11.5.2, 11.14", "data where there is none", pdu)
        if len(pdu.data) > (self.agreed["MaxRecvDataSegmentLength"] if self.full_feature else 8192):
            self.fault("13.12", "more data than the target declared to receive", pdu)

    def _additional_header(self, pdu: Pdu) -> None:
        ahs = pdu.header[48:]
        if not ahs:
            return
        length = int.from_bytes(ahs[:2], "big")
        if pdu.opcode != COMMAND or ahs[2] != 1 or ahs[3]:
            self.fault("11.2.2", "an additional header segment that is no Extended CDB", pdu)
        # AHSLength counts from the reserved byte on, and not the padding.
        elif length < 2 or len(ahs) != 3 + length + -(3 + length) % 4 or any(ahs[3 + length :]):
            self.fault("11.2.2.3", "an Extended CDB that is not as long as it says", pdu)

    def _login(self, pdu: Pdu) -> None:
        if self.full_feature:
            return self.fault("4.2.4", "a Login Request behind the Login Phase", pdu)
        if not pdu.immediate:
            self.fault("11.12", "a Login Request without the I bit", pdu)
        if pdu.header[2:4] != b"\0\0":
            self.fault("11.12.4", "a version other than 0", pdu)
        transit, more = pdu.header[1] & 0x80, pdu.header[1] & 0x40
        current, following = pdu.header[1] >> 2 & 3, pdu.header[1] & 3
        if transit and more:
            self.fault("11.12.2", "T and C", pdu)
        if current == 2 or transit and (following == 2 or following <= current) or not transit and following:
            self.fault("11.12.3", "stages that do not follow each other", pdu)
        if pdu.data and not more and not pdu.data.endswith(b"\0"):
            self.fault("6.1", "text without its last NUL", pdu)
        if self.first is None:
            self.first = pdu
            self.discovery = pdu.keys.get("SessionType") == "Discovery"
            wanted = {"InitiatorName", "SessionType"}
            if not wanted <= set(pdu.keys) or pdu.keys.get("SessionType") == "Normal" and "TargetName" not in pdu.keys:
                self.fault("6.3, 13.4, 13.5, 13.21", "a first Login Request without its names", pdu)
            if pdu.header[14:16] != b"\0\0":
                self.fault("11.12.6", "TSIH of a session that is to be new", pdu)
            if pdu.header[8] >> 6 == 3:
                self.fault("11.12.5", "an ISID of the reserved type", pdu)
        elif pdu.header[8:22] != self.first.header[8:22] or pdu.word(24) != self.first.word(24):
            self.fault("6.3", "ISID, TSIH, tag, CID or CmdSN changed within a login", pdu)
        elif self.exp_stat_sn is not None and pdu.word(28) != self.exp_stat_sn:
            self.fault("11.12.9", f"ExpStatSN is not {self.exp_stat_sn}", pdu)
        for key, value in pdu.keys.items():
            answer = value in ("NotUnderstood", "Reject", "Irrelevant")
            if key in self.keys and not answer:
                self.fault("6.3", f"{key} twice", pdu)
            self.keys.add(key)
            if not key[:1].isupper() and not answer and key != "iSCSIProtocolLevel":
                self.fault("6.1", f"a key called {key}", pdu)
        self.cmd_sn = pdu.word(24)

    def login_ended(self, agreed: dict[str, str], declared: int) -> None:
        """The target has ended the login; these are the values agreed on, and what it declared to receive."""
        self.full_feature = True
        self.header_digests = agreed.get("HeaderDigest") == "CRC32C"
        self.data_digests = agreed.get("DataDigest") == "CRC32C"
        for key in ("MaxBurstLength", "FirstBurstLength"):
            self.agreed[key] = int(agreed.get(key, self.agreed[key]))
        self.agreed["MaxRecvDataSegmentLength"] = declared
        self.immediate_data = agreed.get("ImmediateData", "Yes") == "Yes"
        self.initial_r2t = agreed.get("InitialR2T", "Yes") == "Yes"

    def _digests(self, pdu: Pdu) -> None:
        if self.header_digests and pdu.header_digest != crc32c(pdu.header):
            self.fault("13.1", "a header digest that does not fit", pdu)
        if self.data_digests and pdu.data and pdu.data_digest != crc32c(pdu.data + pdu.padding):
            self.fault("13.1", "a data digest that does not fit", pdu)

    def _numbers(self, pdu: Pdu) -> None:
        if self.exp_stat_sn is not None and after(pdu.word(28), self.exp_stat_sn):
            self.fault("4.2.2.2", f"ExpStatSN is beyond {self.exp_stat_sn}", pdu)
        if self.acknowledged is not None and after(self.acknowledged, pdu.word(28)):
            self.fault("4.2.2.2", f"ExpStatSN goes back from {self.acknowledged}", pdu)
        self.acknowledged = pdu.word(28)
        if pdu.opcode == DATA_OUT:
            return
        if self.cmd_sn is not None and pdu.word(24) != self.cmd_sn:
            self.fault("4.2.2.1", f"CmdSN is not {self.cmd_sn}", pdu)
        if not pdu.immediate:
            if after(pdu.word(24), self.max_cmd_sn):
                self.fault("4.2.2.1", f"CmdSN beyond MaxCmdSN {self.max_cmd_sn}", pdu)
            self.cmd_sn = (pdu.word(24) + 1) & NONE

    def _command(self, pdu: Pdu) -> None:
        flags, itt, length = pdu.header[1], pdu.word(16), pdu.word(20)
        self._tag(pdu)
        self.sent[itt] = (pdu.word(24), pdu.header[8:16])
        writes, reads = bool(flags & WRITE), bool(flags & READ)
        if any(lun in (None, pdu.header[8:16]) for lun in self.resets.values()):
            self.fault("11.5.1", "a command to a logical unit, or a target, that is being reset", pdu)
        if length and not writes and not reads:
            self.fault("11.3.1", "a length without a direction", pdu)
        if flags & 7 > 4:
            self.fault("11.3.1", "a task attribute that is reserved", pdu)
        if not writes:
            if not pdu.final or pdu.data:
                self.fault("11.3.1", "unsolicited data of a command that writes nothing", pdu)
            self.tasks[itt] = None
            return
        sent, most = len(pdu.data), min(length, self.agreed["FirstBurstLength"])
        if sent and not self.immediate_data:
            self.fault("13.11", "immediate data that was not agreed on", pdu)
        if sent > most:
            self.fault("13.14", "more immediate data than FirstBurstLength or the command has", pdu)
        if not pdu.final and (self.initial_r2t or sent >= most):
            self.fault("11.3.1", "no F bit, though no unsolicited data may follow", pdu)
        self.tasks[itt] = Write(length, pdu.header[8:16], sent, not pdu.final)

    def _tag(self, pdu: Pdu) -> None:
        itt = pdu.word(16)
        if itt == NONE or itt in self.tasks or itt in self.requests:
            self.fault("11.2.1.8", "a tag that is reserved or in use", pdu)

    def _request(self, pdu: Pdu) -> None:
        self._tag(pdu)
        self.requests.add(pdu.word(16))

    def r2t(self, itt: int, ttt: int, offset: int, length: int) -> None:
        """The target has asked for data."""
        task = self.tasks.get(itt)
        if task:
            task.r2ts[ttt] = [offset, offset + length, 0]

    def unasked(self, itt: int, ttt: int) -> None:
        """What the target says it has asked for is nothing that may be answered."""
        task = self.tasks.get(itt)
        if task:
            task.r2ts.pop(ttt, None)

    def _data_out(self, pdu: Pdu) -> None:
        task, ttt, length = self.tasks.get(pdu.word(16)), pdu.word(20), len(pdu.data)
        offset, number = pdu.word(40), pdu.word(36)
        if pdu.immediate:
            self.fault("11.7", "Data-Out with the I bit", pdu)
        if task is None:
            return self.fault("11.7", "Data-Out of a task that writes nothing, or is unknown", pdu)
        if not length:
            self.fault("11.7.7", "Data-Out without data", pdu)
        if not pdu.final and length % 4:
            self.fault("11.7.7", "a length that is no multiple of 4", pdu)
        if ttt == NONE:
            if any(pdu.header[8:16]):
                self.fault("11.7.4", "a LUN in Data-Out without a TTT", pdu)
            most = min(task.length, self.agreed["FirstBurstLength"])
            if not task.unsolicited_open:
                return self.fault("4.2.5.2", "unsolicited Data-Out that no command announced", pdu)
            if offset != task.unsolicited or number != task.data_sn or offset + length > most:
                self.fault("4.2.5.2", f"unsolicited Data-Out not at {task.unsolicited}, DataSN {task.data_sn}", pdu)
            task.unsolicited, task.data_sn = offset + length, number + 1
            if pdu.final and task.unsolicited != most:
                self.fault("4.2.5.2", f"unsolicited data ends before {most}", pdu)
            task.unsolicited_open = not pdu.final
            return
        if ttt not in task.r2ts:
            return self.fault("11.7.4", "a TTT that nobody gave, or that has been answered", pdu)
        if pdu.header[8:16] != task.lun:
            self.fault("11.7.4", "a LUN that is not the R2T's", pdu)
        at, end, expected = task.r2ts[ttt]
        if offset != at or number != expected or offset + length > end:
            self.fault("11.8", f"Data-Out not at {at}, DataSN {expected}, up to {end}", pdu)
        if pdu.final != (offset + length == end):
            self.fault("11.7.1", "the F bit is not on the last PDU of the sequence", pdu)
        task.r2ts[ttt] = [offset + length, end, number + 1]
        if pdu.final:
            del task.r2ts[ttt]

    def _nop_out(self, pdu: Pdu) -> None:
        itt, ttt = pdu.word(16), pdu.word(20)
        if itt == NONE and not pdu.immediate:
            self.fault("11.18.1", "NOP-Out without a tag and without the I bit", pdu)
        if itt == NONE and ttt == NONE:
            self.fault("11.18", "NOP-Out that neither asks nor answers", pdu)
        if itt != NONE and ttt != NONE:
            self.fault("11.18.2", "NOP-Out that asks and answers", pdu)
        if itt != NONE:
            self._request(pdu)
        if ttt == NONE:
            if any(pdu.header[8:16]):
                self.fault("11.18.2", "a LUN in NOP-Out without a TTT", pdu)
        elif self.pings.pop(ttt, None) != pdu.header[8:16]:
            self.fault("11.18.2", "a TTT that no ping waits with, or a LUN that is not the ping's", pdu)

    def _text(self, pdu: Pdu) -> None:
        if pdu.data and not pdu.data.endswith(b"\0"):
            self.fault("6.1", "text without its last NUL", pdu)
        if pdu.word(20) == NONE:
            self._request(pdu)
            if any(pdu.header[8:16]):
                self.fault("11.10.4", "a LUN in a Text Request without a TTT", pdu)

    def _logout(self, pdu: Pdu) -> None:
        self._request(pdu)
        self.logged_out = True
        if pdu.header[1] & 0x7F > 1:
            self.fault("11.14.1", "a reason that is reserved, or for recovery of connections", pdu)

    def window(self, max_cmd_sn: int) -> None:
        """The target has told how far its window reaches, which never shrinks (RFC 7143 section 4.2.2.1)."""
        if not self.full_feature or after(max_cmd_sn, self.max_cmd_sn):
            self.max_cmd_sn = max_cmd_sn

    def ping(self, ttt: int, lun: bytes) -> None:
        """The target wants an answer to NOP-In."""
        self.pings[ttt] = lun

    def _task(self, pdu: Pdu) -> None:
        function, referenced = pdu.header[1] & 0x7F, pdu.word(20)
        if not 1 <= function <= 8:
            self.fault("11.5.1", "no function of the RFC", pdu)
        self._request(pdu)
        if function == 1 and self.sent.get(referenced) != (pdu.word(32), pdu.header[8:16]):
            self.fault("11.5.4, 11.5.5", "ABORT TASK with another RefCmdSN or LUN than its task's", pdu)
        if function in (5, 6):
            self.resets[pdu.word(16)] = pdu.header[8:16] if function == 5 else None
        if function in (6, 7) and any(pdu.header[8:16]):
            self.fault("11.5.3", "a logical unit in the reset of a target", pdu)
        if function != 1 and function != 8 and referenced != NONE:
            self.fault("11.5.4", "a Referenced Task Tag without a task", pdu)

    def closed(self) -> None:
        """The initiator has closed the connection in order, without a RST."""
        if self.begun and not self.logged_out:
            self.fault("4.2.6", "FIN in the Full Feature Phase without a logout")

    def ended(self, itt: int) -> None:
        """The target has ended a task."""
        self.tasks.pop(itt, None)

    def answered(self, itt: int) -> None:
        """The target has answered a request that is no command."""
        self.resets.pop(itt, None)
        self.requests.discard(itt)
