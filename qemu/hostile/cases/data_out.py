"""R2T and Data-Out: only bytes of the command are sent, each where it was asked for, and none after the command has ended."""

from ..pdu import NONE
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
