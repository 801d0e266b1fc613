"""Data-In and the SCSI Response: nothing lands where it should not, and nothing that did not come is taken for read."""

from ..pdu import FINAL, NONE, Pdu, sense
from ..target import Command, Connection, wait
from . import case, drop, fails, ok

STATUS, UNDERFLOW, OVERFLOW = 0x01, 0x02, 0x04


def whole(c: Connection, command: Command, flags: int = FINAL, **fields: int) -> Pdu:
    """All data in one PDU, with some fields as a case has them."""
    return c.part(command, 0, 0, c.data(command), flags).with_(**fields)


@case("11.7.6", drop("at offset"), "read")
def offset_past_end(c: Connection, command: Command) -> None:
    """Data behind the end of the buffer."""
    c.send(c.part(command, 0, 0, c.data(command)), c.part(command, 1, command.length, b"x" * 512, FINAL))


@case("11.7.6", drop("bytes at offset|data at offset"), "read")
def offset_wraps(c: Connection, command: Command) -> None:
    """An offset that, with the length, wraps to the front of the buffer."""
    c.send(c.part(command, 0, 0xFFFFFE00, b"x" * 1024, FINAL))


@case("13.19", drop("data at offset"), "read")
def offset_leaves_a_hole(c: Connection, command: Command) -> None:
    """Data that leaves bytes out."""
    data = c.data(command)
    c.send(c.part(command, 0, 512, data[512:], FINAL))


@case("13.18", drop("data at offset"), "read")
def offset_goes_back(c: Connection, command: Command) -> None:
    """The same bytes again, with other content."""
    data = c.data(command)
    c.send(c.part(command, 0, 0, data[:4096]), c.part(command, 1, 0, b"x" * 4096, FINAL))


@case("4.2.2.4", drop("DataSN"), "read")
def number_gap(c: Connection, command: Command) -> None:
    """A PDU is missing."""
    data = c.data(command)
    c.send(c.part(command, 0, 0, data[:4096]), c.part(command, 2, 4096, data[4096:], FINAL))


@case("4.2.2.4", drop("DataSN|at offset"), "read")
def number_repeated(c: Connection, command: Command) -> None:
    """A PDU comes twice, the second time with other content."""
    data = c.data(command)
    c.send(c.part(command, 0, 0, data[:4096]), c.part(command, 0, 0, b"x" * 4096))


@case("11.2.1.8", drop("no command of ours"), "read")
def unknown_tag(c: Connection, command: Command) -> None:
    """A tag that no task has."""
    c.send(whole(c, command, itt=(command.itt + 0x01000000) & NONE))


@case("11.2.1.8", drop("without an initiator task tag"), "read")
def reserved_tag(c: Connection, command: Command) -> None:
    """The tag that stands for no task."""
    c.send(whole(c, command, itt=NONE))


@case("11.7", drop("no command of ours"), "read")
def after_status(c: Connection, command: Command) -> None:
    """Data for a command that has ended."""
    c.finish(command, whole(c, command), c.response(command), c.part(command, 1, 0, b"x" * 4096, FINAL))


@case("11.7", drop("for a command that reads none"), "written")
def for_a_write(c: Connection, command: Command) -> None:
    """Data for a command that writes."""
    c.send(c.part(command, 0, 0, b"x" * 4096, FINAL))


@case("13.12", drop("a data segment of"), "read")
def longer_than_declared(c: Connection, command: Command) -> None:
    """A data segment that announces 16 MiB."""
    c.raw(c.encode(Pdu(0x25, FINAL, b"", data_length=0xFFFFFF).with_(itt=command.itt, ttt=NONE), False))


@case("11.2.2.1", drop("additional header"), "read")
def additional_header(c: Connection, command: Command) -> None:
    """An additional header segment, which no target has to send."""
    pdu = whole(c, command)
    pdu.ahs = b"\0\5\1\0" + bytes(4)
    c.send(pdu)


@case("11.4.8", ok("ends reads short"), "read")
def good_without_data(c: Connection, command: Command) -> None:
    """GOOD without an underflow, though nothing came: what is in the buffer was never read, so it is read again."""
    c.finish(command, c.response(command))


@case("11.4.8", ok("ends reads short"), "read")
def good_with_half(c: Connection, command: Command) -> None:
    """GOOD without an underflow, after half of the data."""
    data = c.data(command)
    c.finish(command, c.part(command, 0, 0, data[: len(data) // 2], FINAL), c.response(command))


@case("11.7.7", ok(), "read", always=True)
def of_no_bytes(c: Connection, command: Command) -> None:
    """PDUs without data, which use up a DataSN all the same."""
    data = c.data(command)
    empty = [c.part(command, number, 0, b"") for number in range(2)]
    c.finish(command, *empty, c.part(command, 2, 0, data, FINAL), c.response(command))


@case("11.7.7", ok(), "read")
def of_odd_lengths(c: Connection, command: Command) -> None:
    """Segments of 1 to 3 bytes and others that are no multiples of 4, with padding that is not zero."""
    data, at, pdus = c.data(command), 0, []
    for number in range(60):
        length = (1, 2, 3, 511, 513)[number % 5]
        part = c.part(command, number, at, data[at : at + length])
        part.padding = b"\xff" * (-length % 4)
        pdus.append(part)
        at += length
    c.finish(command, *pdus, c.part(command, 60, at, data[at:], FINAL), c.response(command))


@case("11.7.1", ok(), "read", always=True)
def in_many_sequences(c: Connection, command: Command) -> None:
    """The F bit on every PDU, and the A bit, which means nothing at this error recovery level."""
    data = c.data(command)
    parts = [c.part(command, at // 4096, at, data[at : at + 4096], FINAL | 0x40) for at in range(0, len(data), 4096)]
    c.finish(command, *parts, c.response(command))


@case("11.7.3", ok(), "read", always=True)
def with_status(c: Connection, command: Command) -> None:
    """The status comes with the last data."""
    c.finish(command, whole(c, command, FINAL | STATUS))


@case("11.7", drop("status in data that is not the last"), "read")
def status_without_final(c: Connection, command: Command) -> None:
    """A status without the F bit."""
    c.send(whole(c, command, STATUS))


@case("11.7.3", drop("SCSI status"), "read")
def error_status(c: Connection, command: Command) -> None:
    """CHECK CONDITION in Data-In, which has no place for sense data."""
    c.send(whole(c, command, FINAL | STATUS, status=2))


@case("11.4.1", drop("overflow and underflow"), "read")
def both_residuals(c: Connection, command: Command) -> None:
    """Overflow and underflow at once."""
    c.send(whole(c, command, FINAL | STATUS | UNDERFLOW | OVERFLOW, residual=512))


@case("11.4.5.1", fails(), "read", always=True)
def underflow_of_all(c: Connection, command: Command) -> None:
    """GOOD, and an underflow of the whole buffer: nothing was read."""
    response = c.response(command)
    response.flags |= UNDERFLOW
    c.finish(command, response.with_(residual=command.length))


@case("11.4.5.1", ok(), "read")
def underflow_of_more(c: Connection, command: Command) -> None:
    """An underflow of more than the buffer has: nothing was read, so it is read again."""
    response = c.response(command)
    response.flags |= UNDERFLOW
    c.finish(command, response.with_(residual=0xFFFFFFFF))


@case("11.4.5.1", ok(), "read", always=True)
def overflow(c: Connection, command: Command) -> None:
    """All data, and an overflow of 4 GiB: the target had more to say."""
    response = c.response(command)
    response.flags |= OVERFLOW
    c.finish(command, whole(c, command), response.with_(residual=0xFFFFFFFF))


@case("11.4.3", fails(), "read", always=True)
def target_failure(c: Connection, command: Command) -> None:
    """The response "target failure" beside the status GOOD: the command did not complete."""
    c.finish(command, whole(c, command), c.response(command).with_(response=1))


@case("11.4.3", fails(), "read", always=True)
def vendors_response(c: Connection, command: Command) -> None:
    """A response code that is the vendor's own."""
    c.finish(command, c.response(command).with_(response=0x80))


@case("7.7", drop("CHECK CONDITION without sense"), "read")
def sense_missing(c: Connection, command: Command) -> None:
    """CHECK CONDITION without sense data."""
    c.finish(command, c.response(command, 2))


@case("11.4.7", fails(), "read", always=True)
def sense_longer_than_data(c: Connection, command: Command) -> None:
    """SenseLength says 65535, with 4 bytes of sense data."""
    c.finish(command, c.response(command, 2, b"\xff\xff\x70\x00\x03\x00"))


@case("11.4.7", drop("CHECK CONDITION without sense"), "read")
def sense_of_one_byte(c: Connection, command: Command) -> None:
    """A data segment that does not even hold SenseLength."""
    c.finish(command, c.response(command, 2, b"\x00"))


@case("11.4.7", fails(), "read", always=True)
def sense_of_a_medium_error(c: Connection, command: Command) -> None:
    """A medium error, with 8 KiB of data behind the sense."""
    c.finish(command, c.response(command, 2, sense(3, 0x11) + bytes(8000)))


@case("11.14.5", ok(), "read", always=True)
def unit_attentions(c: Connection, command: Command) -> bool:
    """Unit attentions in a row, as after a reset or a new login: they are no errors."""
    codes = ((0x29, 0), (0x3F, 0x01), (0x2A, 9), (0x47, 0x7F), (0x29, 7))
    if c.state.acts > len(codes):
        return False
    c.check(command, 6, *codes[c.state.acts - 1])
    return True


@case("11.14.5", drop("its LUNs have changed"), "read")
def luns_have_changed(c: Connection, command: Command) -> None:
    """REPORTED LUNS DATA HAS CHANGED: whether the disk is still the same is found out by a new session."""
    c.check(command, 6, 0x3F, 0x0E)


@case("11.14.5", drop("no LUN 0 any more"), "read")
def lun_is_gone(c: Connection, command: Command) -> None:
    """LOGICAL UNIT NOT SUPPORTED of the boot disk: the command waits for it."""
    c.check(command, 5, 0x25, 0)


@case("11.14.5", drop("as if it were another disk"), "write")
def write_protected(c: Connection, command: Command) -> None:
    """WRITE PROTECTED of a disk that was not: it may be another one."""
    c.check(command, 7, 0x27, 0)


@case("4.2.5", ok(), "read", always=True)
def busy_and_queue_full(c: Connection, command: Command) -> bool:
    """BUSY and TASK SET FULL, a few times: the command is tried again."""
    if c.state.acts > 4:
        return False
    c.finish(command, c.response(command, 0x08 if c.state.acts % 2 else 0x28))
    return True


@case("11.4", drop("no command of ours"), "read")
def response_twice(c: Connection, command: Command) -> None:
    """The response comes twice."""
    c.finish(command, whole(c, command), c.response(command), c.response(command))


@case("11.4.8", ok("counts 5 data PDUs"), "read")
def more_pdus_counted(c: Connection, command: Command) -> None:
    """ExpDataSN counts PDUs that never came: the command has no result, and is sent again."""
    c.finish(command, whole(c, command), c.response(command).with_(exp_data_sn=5))


@case("11.4", ok("success after 16384"), "write")
def written_without_data(c: Connection, command: Command) -> None:
    """GOOD for a write most of whose data was never asked for: it cannot have been written, so it is sent again."""
    c.finish(command, c.response(command))


@case("11.4", fails("success after 16384"), "write", always=True)
def written_without_data_always(c: Connection, command: Command) -> None:
    """The same, every time: an error, not silence."""
    c.finish(command, c.response(command))


@case("11.4.5.1", ok(), "write")
def nothing_written(c: Connection, command: Command) -> None:
    """GOOD and an underflow of the whole write: nothing was written, so it is sent again."""
    response = c.response(command)
    response.flags |= UNDERFLOW
    c.finish(command, response.with_(residual=command.length))


@case("11.7.3", ok(), "read")
def half_with_status(c: Connection, command: Command) -> None:
    """Half of the data, and a status that says so: the rest is read."""
    half = c.data(command)[: command.length // 2]
    c.finish(command, c.part(command, 0, 0, half, FINAL | STATUS | UNDERFLOW).with_(residual=command.length - len(half)))


@case("11.4.3", fails(), "read", always=True)
def reservation_conflict(c: Connection, command: Command) -> None:
    """RESERVATION CONFLICT: somebody else has the disk."""
    c.finish(command, c.response(command, 0x18))


@case("11.4.3", ok(), "read")
def task_aborted(c: Connection, command: Command) -> None:
    """TASK ABORTED: another initiator's doing, so it is sent again."""
    c.finish(command, c.response(command, 0x40))


@case("11.4.7", fails(), "read", always=True)
def sense_of_200_kib(c: Connection, command: Command) -> None:
    """A medium error, with 200 KiB behind the sense: what has no place is skipped."""
    c.finish(command, c.response(command, 2, sense(3, 0x11) + bytes(200 * 1024)))


@case("11.4.7", drop("CHECK CONDITION without sense"), "read")
def sense_length_of_zero(c: Connection, command: Command) -> None:
    """SenseLength says 0, though there is sense data."""
    c.finish(command, c.response(command, 2, b"\0\0" + sense(3, 0x11)[2:]))


@case("11.4.7", drop("CHECK CONDITION without sense"), "read")
def sense_in_no_format(c: Connection, command: Command) -> None:
    """Sense data that begins as none does."""
    data = bytearray(sense(3, 0x11))
    data[2] = 0x13
    c.finish(command, c.response(command, 2, bytes(data)))


@case("11.2.1.8", drop("no command of ours"), "read")
def tag_beyond_all(c: Connection, command: Command) -> None:
    """A tag beyond the last command there could be."""
    c.send(whole(c, command, itt=0x7FFFFFFF))


@case("11.7.7", ok(), "read")
def of_one_byte(c: Connection, command: Command) -> None:
    """Two thousand segments of one byte; not all at once, which is too much for Wireshark."""
    data = c.data(command)
    for first in range(0, 2000, 100):
        c.send(*(c.part(command, at, at, data[at : at + 1]) for at in range(first, first + 100)))
        wait(0.01)
    c.finish(command, c.part(command, 2000, 2000, data[2000:], FINAL), c.response(command))


@case("11.7.6", drop("at offset"), "read")
def beyond_the_end(c: Connection, command: Command) -> None:
    """The last PDU begins within the buffer and ends behind it."""
    data, last = c.data(command), command.length - 512
    c.send(c.part(command, 0, 0, data[:last]), c.part(command, 1, last, data[last:] + b"x" * 512, FINAL))


@case("11.7.6", drop("at offset"), "read")
def larger_than_the_command(c: Connection, command: Command) -> None:
    """Twice as much as was asked for, in one PDU that is not too long for one."""
    c.send(c.part(command, 0, 0, c.data(command) + b"x" * command.length, FINAL))


@case("11.7", drop("for a command that reads none"), "other")
def for_no_data(c: Connection, command: Command) -> bool:
    """Data for TEST UNIT READY, which has no buffer at all."""
    if command.cdb[0] != 0:
        return False
    c.send(c.part(command, 0, 0, b"x" * 512, FINAL))
    return True


@case("11.4", drop("no command of ours"), "read")
def status_twice(c: Connection, command: Command) -> None:
    """The status comes with the last data, and then a response."""
    c.finish(command, whole(c, command, FINAL | STATUS), c.response(command))


@case("11.4.2", ok("unknown SCSI status 0x3e"), "read")
def reserved_status(c: Connection, command: Command) -> None:
    """A SCSI status that there is not: the command has no result, and is sent again."""
    c.finish(command, c.response(command, 0x3E))


@case("11.4.2", fails(), "read")
def aca_active(c: Connection, command: Command) -> None:
    """ACA ACTIVE, though nobody asked for ACA."""
    c.finish(command, c.response(command, 0x30))


@case("11.4.7", fails(), "read", always=True)
def sense_in_descriptors(c: Connection, command: Command) -> None:
    """A medium error in descriptor format, whose descriptors are longer than what there is."""
    descriptors = bytes([0x72, 3, 0x11, 0, 0, 0, 0, 200, 0, 0x0A, 0x80, 0])
    c.finish(command, c.response(command, 2, len(descriptors).to_bytes(2, "big") + descriptors))


@case("11.4.7", ok(), "read")
def deferred_error(c: Connection, command: Command) -> None:
    """A deferred error, which is an earlier command's: this one is sent again."""
    data = bytearray(sense(3, 0x11))
    data[2] = 0x71
    c.finish(command, c.response(command, 2, bytes(data)))
