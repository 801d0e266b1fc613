"""A target's PDUs, of which nothing has to be right."""

from dataclasses import dataclass, field

from lab.wire import crc32c

NOP_IN, RESPONSE, TASK_RESPONSE, LOGIN_RESPONSE, TEXT_RESPONSE, DATA_IN, LOGOUT_RESPONSE = range(0x20, 0x27)
R2T, ASYNC, REJECT = 0x31, 0x32, 0x3F

FINAL, CONTINUE = 0x80, 0x40
NONE = 0xFFFFFFFF

# Offset and length of each field that a case can set (RFC 7143 sections 11.4 to 11.19).
FIELDS = {
    "response": (2, 1), "status": (3, 1), "lun": (8, 8), "tsih": (14, 2), "itt": (16, 4), "ttt": (20, 4), "stat_sn": (24, 4),
    "exp_cmd_sn": (28, 4), "max_cmd_sn": (32, 4), "data_sn": (36, 4), "offset": (40, 4), "length": (44, 4),
    "event": (36, 1), "vendor": (37, 1), "parameter1": (38, 2), "parameter2": (40, 2), "parameter3": (42, 2),
    "login_status": (36, 2), "isid": (8, 6), "reason": (2, 1), "exp_data_sn": (36, 4), "residual": (44, 4),
}  # fmt: skip


@dataclass
class Pdu:
    """A PDU: `fields` are numbers by name; the lengths are those of the data unless they are given, in bytes and in words."""

    opcode: int
    flags: int = FINAL
    data: bytes = b""
    fields: dict[str, int] = field(default_factory=dict)
    ahs: bytes = b""
    padding: bytes | None = None
    data_length: int | None = None
    ahs_length: int | None = None
    # Bytes of the header to be all ones, as (first, behind the last).
    reserved: tuple[tuple[int, int], ...] = ()
    # Whether each digest is right, wrong, or left out although it was agreed on.
    header_digest: bool | None = True
    data_digest: bool | None = True

    def with_(self, **fields: int) -> "Pdu":
        """The same with other fields."""
        self.fields |= fields
        return self

    def header(self) -> bytes:
        header = bytearray(48)
        header[0:2] = self.opcode, self.flags
        header[4] = len(self.ahs) // 4 if self.ahs_length is None else self.ahs_length
        header[5:8] = (len(self.data) if self.data_length is None else self.data_length).to_bytes(3, "big")
        for name, value in self.fields.items():
            offset, length = FIELDS[name]
            header[offset : offset + length] = value.to_bytes(length, "big")
        for first, behind in self.reserved:
            header[first:behind] = b"\xff" * (behind - first)
        return bytes(header)

    def encode(self, header_digests: bool, data_digests: bool) -> bytes:
        """The bytes on the wire, with digests where those have been agreed on."""
        header = self.header() + self.ahs
        padding = b"\0" * (-len(self.data) % 4) if self.padding is None else self.padding
        out = header
        if header_digests and self.header_digest is not None:
            out += crc32c(header if self.header_digest else header + b"?")
        out += self.data + padding
        if data_digests and self.data and self.data_digest is not None:
            out += crc32c(self.data + padding if self.data_digest else self.data + padding + b"?")
        return out


def sense(key: int, code: int, qualifier: int = 0) -> bytes:
    """A SCSI Response's data segment: the length, and fixed format sense data (SPC-5 section 4.4.3)."""
    data = bytes([0x70, 0, key, 0, 0, 0, 0, 10, 0, 0, 0, 0, code, qualifier, 0, 0, 0, 0])
    return len(data).to_bytes(2, "big") + data
