"""R2T and Data-Out: only bytes of the command are sent, each where it was asked for, and none after the command has ended."""

from lab.wire import DATA_OUT, LOGOUT

from ..pdu import LOGOUT_RESPONSE, NONE, Pdu
from ..target import Command, Connection, Options, wait
from . import case, drop, ok, plain


@case("11.8.4", drop("R2T for .* bytes at offset"), "write")
def beyond_end(c: Connection, command: Command) -> None:
    """R2T for bytes behind the end of the buffer."""
    have = len(command.data)
    c.send(c.r2t(command, have, command.length - have + 512))


@case("11.8.4", drop("R2T for .* bytes at offset|R2T at offset"), "write")
def wraps(c: Connection, command: Command) -> None:
    """R2T whose offset and length wrap."""
    c.send(c.r2t(command, 0xFFFFF000, 0x2000))


@case("11.8.4", drop("R2T for no bytes"), "write")
def of_no_bytes(c: Connection, command: Command) -> None:
    """R2T for nothing."""
    c.send(c.r2t(command, len(command.data), 0))


@case("11.8.4", drop("MaxBurstLength"), "write", options=Options({"MaxBurstLength": "16384"}))
def above_max_burst(c: Connection, command: Command) -> None:
    """R2T for more than MaxBurstLength."""
    have = len(command.data)
    c.send(c.r2t(command, have, command.length - have))


@case("11.8.5", drop("without a target transfer tag"), "write")
def without_tag(c: Connection, command: Command) -> None:
    """R2T with the reserved tag."""
    have = len(command.data)
    c.send(c.r2t(command, have, command.length - have, ttt=NONE))


@case("11.8", drop("R2T for a command that writes nothing"), "read")
def for_a_read(c: Connection, command: Command) -> None:
    """R2T for a command that reads."""
    c.send(c.r2t(command, 0, 512))


@case("11.8", drop("no command of ours"), "write")
def unknown_tag(c: Connection, command: Command) -> None:
    """R2T for a task that there is not."""
    c.send(c.r2t(command, len(command.data), 512).with_(itt=command.itt ^ 0x01000000))


@case("11.8", drop("no command of ours"), "written")
def after_status(c: Connection, command: Command) -> None:
    """R2T for a command that has ended."""
    c.state.disk.write(command.first, bytes(command.data))
    c.finish(command, c.response(command), c.r2t(command, 0, 512))


@case("4.2.5.3", drop("LUN .* for a task on LUN"), "write")
def other_lun(c: Connection, command: Command) -> None:
    """R2T that names another LUN than the command's."""
    have = len(command.data)
    c.send(c.r2t(command, have, command.length - have).with_(lun=5 << 48))


@case("4.2.2.4", drop("R2TSN"), "write")
def number_gap(c: Connection, command: Command) -> None:
    """An R2T is missing."""
    c.send(c.r2t(command, len(command.data), 4096).with_(data_sn=1))


@case("13.19", drop("R2T at offset"), "write")
def leaves_a_hole(c: Connection, command: Command) -> None:
    """R2T that leaves bytes out."""
    have = len(command.data)
    c.send(c.r2t(command, have + 4096, 4096))


@case("13.17", drop("another one waits"), "write")
def too_many(c: Connection, command: Command) -> None:
    """Two R2Ts at once, where one was agreed on."""
    have = len(command.data)
    c.send(c.r2t(command, have, 4096), c.r2t(command, have + 4096, 4096))


@case("11.8", drop("R2T with data"), "write")
def with_data(c: Connection, command: Command) -> None:
    """R2T with a data segment."""
    pdu = c.r2t(command, len(command.data), 4096)
    pdu.data = b"data"
    c.send(pdu)


@case("11.4", ok(), "write")
def early_status(c: Connection, command: Command) -> None:
    """The command ends before its data has been asked for, with a reservation conflict of no consequence: BUSY."""
    c.finish(command, c.response(command, 0x08))


@case("11.4", ok(), "write")
def status_behind_r2t(c: Connection, command: Command) -> None:
    """R2T, and at once the command's end, BUSY: what is sent all the same is framed as before, and the command ends once."""
    have = len(command.data)
    r2t = c.r2t(command, have, min(65536, command.length - have))
    c.send(r2t, c.response(command, 0x08))
    # The initiator may have begun to send, or not: both are right.
    c.tasks.pop(command.itt, None)


@case("13.19", ok(), "write")
def sent_range_again(c: Connection, command: Command) -> None:
    """R2T for what has been sent as immediate data."""
    c.send(c.r2t(command, 0, command.length))


plain("data-out", "tiny-segments", "11.7.1", "A target that takes 512 bytes at a time.", ok(), Options(declared=512))


@case("11.8", ok(), "write", always=True)
def tiny_bursts(c: Connection, command: Command) -> bool:
    """R2Ts for 1, 3 and 513 bytes, then as ever."""
    have = len(command.data)
    length = {0: 1, 1: 3, 2: 513}.get(command.r2t_sn)
    if length is None:
        return False
    c.send(c.r2t(command, have, length))
    return True


@case("11.8", ok(), "written")
def slow(c: Connection, command: Command) -> None:
    """A second goes by before the next R2T."""
    wait(1)
    c.ask(command)


@case("11.8", ok(), "begun", options=Options({"InitialR2T": "No", "ImmediateData": "Yes", "FirstBurstLength": "32768"}, 4096))
def amid_unsolicited_data(c: Connection, command: Command) -> None:
    """R2T for the rest before the unsolicited data has come: that comes first, and both are whole."""
    wanted = c.r2t(command, 32768, command.length - 32768)
    c.send(wanted)
    while len(command.data) < command.length:
        pdu = c.receive()
        if pdu.opcode != DATA_OUT or pdu.word(16) != command.itt:
            c._handle(pdu)
            continue
        offset = pdu.word(40)
        command.data[offset : offset + len(pdu.data)] = pdu.data
    c.ask(command)


@case("11.8.5", ok(), "write", always=True)
def same_tag_always(c: Connection, command: Command) -> None:
    """Each R2T has the same tag, and the smallest that a task can have."""
    c.hooks = c.hooks | {"written": same_tag_always}
    have = len(command.data)
    if have == command.length:
        c.ask(command)
    else:
        c.send(c.r2t(command, have, min(8192, command.length - have), ttt=0))


# Each way in which unsolicited data can be agreed on (RFC 7143 section 13.11), with small limits; the linter judges.
for initial_r2t in ("Yes", "No"):
    for immediate_data in ("Yes", "No"):
        for first_burst, declared in ((512, 512), (65536, 8192)):
            values = {"InitialR2T": initial_r2t, "ImmediateData": immediate_data, "FirstBurstLength": str(first_burst)}
            plain(
                "data-out",
                f"initial-r2t-{initial_r2t}-immediate-{immediate_data}-{first_burst}".lower(),
                "13.10, 13.11",
                f"InitialR2T={initial_r2t}, ImmediateData={immediate_data}, FirstBurstLength={first_burst}.",
                ok(),
                Options(values, declared),
            )


@case("7.9", ok(), "write")
def number_repeated(c: Connection, command: Command) -> None:
    """An R2T comes twice, the second time for something else: the second is discarded."""
    have = len(command.data)
    again = c.r2t(command, 0, 512)
    c.linter.unasked(command.itt, again.fields["ttt"])
    command.r2t_sn = 0
    c.send(c.r2t(command, have, 512), again.with_(data_sn=0))


@case("11.2.2.1", drop("additional header"), "write")
def additional_header(c: Connection, command: Command) -> None:
    """R2T with an additional header segment."""
    pdu = c.r2t(command, len(command.data), 512)
    pdu.ahs = bytes(8)
    c.send(pdu)


@case("11.8", ok(), "write", always=True)
def small_bursts(c: Connection, command: Command) -> None:
    """512 bytes for each R2T, to the end of the write."""
    have = len(command.data)
    if have == command.length:
        c.ask(command)
    else:
        c.hooks = c.hooks | {"written": small_bursts}
        c.send(c.r2t(command, have, min(512, command.length - have)))


@case("11.8.3", ok(), "write")
def numbers_of_zero(c: Connection, command: Command) -> None:
    """R2T with ExpCmdSN and MaxCmdSN 0, as with old targets."""
    have = len(command.data)
    c.send(c.r2t(command, have, command.length - have).with_(exp_cmd_sn=0, max_cmd_sn=0))


@case("7.11", ok("asking the target to abort"), "write", timeout=1)
def without_end(c: Connection, command: Command) -> None:
    """The same 512 bytes are asked for again and again, for ever: the command's time runs out all the same."""
    while command.itt in c.tasks:
        c.send(c.r2t(command, 0, 512))
        others = []
        while (pdu := c.receive()).opcode != DATA_OUT:
            others.append(pdu)
        # Behind its data, which was on its way.
        for other in others:
            c._handle(other)


@case("7.3", drop("rejected a"), "written")
def rejected(c: Connection, command: Command) -> None:
    """A Reject of Data-Out."""
    header = bytearray(48)
    header[0], header[16:20] = DATA_OUT, command.itt.to_bytes(4, "big")
    c.send(c.reject(0x04, bytes(header)))


@case("11.4.8", ok(), "written", always=True)
def r2ts_counted(c: Connection, command: Command) -> bool:
    """ExpDataSN of a write counts R2Ts, as RFC 3720 had it: the bytes moved tell more."""
    if len(command.data) < command.length:
        return False
    c.state.disk.write(command.first, bytes(command.data))
    c.finish(command, c.response(command).with_(exp_data_sn=9))
    return True


@case("11.14", drop("asked for the session to end"), "write")
def behind_logout(c: Connection, command: Command) -> None:
    """R2T after the logout that was asked for: nothing follows a Logout Request, Data-Out neither."""
    c.send(c.asynchronous(1, parameter3=3))
    while (pdu := c.receive()).opcode != LOGOUT:
        c._handle(pdu)
    have = len(command.data)
    c.send(c.r2t(command, have, command.length - have))
    wait(0.2)
    c.send(Pdu(LOGOUT_RESPONSE).with_(itt=pdu.word(16)))


for initial_r2t in ("Yes", "No"):
    for immediate_data in ("Yes", "No"):
        what = f"LUN 5, InitialR2T={initial_r2t}, ImmediateData={immediate_data}: the LUN is where it belongs, and only there."
        options = Options({"InitialR2T": initial_r2t, "ImmediateData": immediate_data, "FirstBurstLength": "8192"}, 4096, lun=5)
        plain("data-out", f"lun-5-{initial_r2t}-{immediate_data}".lower(), "11.7.4", what, ok(), options)
