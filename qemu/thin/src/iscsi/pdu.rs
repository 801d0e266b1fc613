// SPDX-License-Identifier: GPL-2.0-only

//! iSCSI PDUs: where one ends, and the headers of those that we send (RFC 7143 section 11).

use std::io;

use crate::bytes::{be24, broken, put};
use crate::crc32c::digest;
use crate::wire::Outbox;

pub const BHS: usize = 48;

/// Opcodes (RFC 7143 section 11.2.1.2).
pub mod opcode {
    pub const NOP_OUT: u8 = 0x00;
    pub const SCSI_COMMAND: u8 = 0x01;
    pub const TASK_MANAGEMENT: u8 = 0x02;
    pub const LOGIN: u8 = 0x03;
    pub const TEXT: u8 = 0x04;
    pub const DATA_OUT: u8 = 0x05;
    pub const LOGOUT: u8 = 0x06;
    pub const NOP_IN: u8 = 0x20;
    pub const SCSI_RESPONSE: u8 = 0x21;
    pub const TASK_MANAGEMENT_RESPONSE: u8 = 0x22;
    pub const LOGIN_RESPONSE: u8 = 0x23;
    pub const TEXT_RESPONSE: u8 = 0x24;
    pub const DATA_IN: u8 = 0x25;
    pub const LOGOUT_RESPONSE: u8 = 0x26;
    pub const R2T: u8 = 0x31;
    pub const REJECT: u8 = 0x3f;
}

pub const IMMEDIATE: u8 = 0x40;
pub const FINAL: u8 = 0x80;
/// The tag that stands for none.
pub const NO_TAG: u32 = 0xffff_ffff;

/// Which digests a connection has, in both directions.
#[derive(Clone, Copy, Default)]
pub struct Digests {
    pub header: bool,
    pub data: bool,
}

/// A PDU that has arrived.
pub struct Pdu<'a> {
    pub header: &'a [u8; BHS],
    pub data: &'a [u8],
    /// What it takes up on the wire.
    pub len: usize,
}

/// Bytes after the header, padding and digests included.
fn rest(data: usize, digests: Digests) -> usize {
    let digest = if digests.data && data != 0 { 4 } else { 0 };
    data.next_multiple_of(4) + digest
}

impl<'a> Pdu<'a> {
    /// The first PDU of `bytes`, when all of it is there.
    pub fn first(bytes: &'a [u8], digests: Digests, data_max: usize) -> io::Result<Option<Self>> {
        let Some(header) = bytes.first_chunk::<BHS>() else {
            return Ok(None);
        };
        let data = be24(header, 5) as usize;
        if data > data_max {
            return Err(broken(format!(
                "a data segment of {data} bytes, {data_max} at most"
            )));
        }
        let headers = BHS + 4 * usize::from(header[4]);
        let begin = headers + if digests.header { 4 } else { 0 };
        let len = begin + rest(data, digests);
        let Some(all) = bytes.get(..len) else {
            return Ok(None);
        };
        if digests.header && all[headers..begin] != digest(&all[..headers]) {
            return Err(broken("a header digest is wrong"));
        }
        let padded = begin + data.next_multiple_of(4);
        if digests.data && data != 0 && all[padded..] != digest(&all[begin..padded]) {
            return Err(broken("a data digest is wrong"));
        }
        Ok(Some(Self {
            header,
            data: &all[begin..begin + data],
            len,
        }))
    }

    pub fn opcode(&self) -> u8 {
        self.header[0] & 0x3f
    }

    pub fn is_immediate(&self) -> bool {
        self.header[0] & IMMEDIATE != 0
    }

    pub fn is_final(&self) -> bool {
        self.header[1] & FINAL != 0
    }
}

/// A header of ours.
pub struct Header(pub [u8; BHS]);

impl Header {
    pub fn new(opcode: u8, flags: u8) -> Self {
        let mut header = [0; BHS];
        header[0] = opcode;
        header[1] = flags;
        Self(header)
    }

    pub fn byte(mut self, at: usize, value: u8) -> Self {
        self.0[at] = value;
        self
    }

    pub fn word(mut self, at: usize, value: u32) -> Self {
        put(&mut self.0, at, value.to_be_bytes());
        self
    }

    pub fn copy(mut self, at: usize, bytes: &[u8]) -> Self {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    fn send(self, data: usize, digests: Digests, out: &mut Outbox) {
        let [_, length @ ..] = (data as u32).to_be_bytes();
        let header = self.copy(5, &length).0;
        out.bytes(&header);
        if digests.header {
            out.bytes(&digest(&header));
        }
    }

    /// Sends the header, and `data` after it.
    pub fn with(self, data: &[u8], digests: Digests, out: &mut Outbox) {
        self.send(data.len(), digests, out);
        if data.is_empty() {
            return;
        }
        let padding = &[0; 3][..data.len().wrapping_neg() % 4];
        out.bytes(data);
        out.bytes(padding);
        if digests.data {
            out.bytes(
                &crate::crc32c::Crc::new()
                    .update(data)
                    .update(padding)
                    .digest(),
            );
        }
    }

    /// Sends the header, and `len` bytes of the disk after it.
    pub fn with_disk(self, offset: u64, len: usize, digests: Digests, out: &mut Outbox) {
        self.send(len, digests, out);
        out.disk(offset, len);
        out.bytes(&[0; 3][..len.wrapping_neg() % 4]);
        if digests.data {
            out.digest();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::Disk;

    const BOTH: Digests = Digests {
        header: true,
        data: true,
    };

    fn sent(digests: Digests, data: &[u8]) -> Vec<u8> {
        let mut out = Outbox::default();
        Header::new(opcode::NOP_IN, FINAL)
            .word(16, 7)
            .with(data, digests, &mut out);
        let mut bytes = Vec::new();
        out.flush(&Disk::new(1), &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn there_and_back() {
        for digests in [Digests::default(), BOTH] {
            for data in [&b""[..], b"a", b"abcd", b"abcdefg"] {
                let mut bytes = sent(digests, data);
                let whole = bytes.len();
                bytes.extend_from_slice(b"next");
                let pdu = Pdu::first(&bytes, digests, 8).unwrap().unwrap();
                assert_eq!((pdu.data, pdu.len), (data, whole));
                assert_eq!((pdu.opcode(), pdu.is_final()), (opcode::NOP_IN, true));
                for cut in 0..whole {
                    assert!(Pdu::first(&bytes[..cut], digests, 8).unwrap().is_none());
                }
            }
        }
    }

    #[test]
    fn what_is_wrong_is_seen() {
        let bytes = sent(BOTH, b"abcd");
        for at in [0, 17, 48, 52, 55, 56, 59] {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1;
            assert!(Pdu::first(&bytes, BOTH, 8).is_err(), "byte {at}");
        }
        assert!(Pdu::first(&bytes, BOTH, 3).is_err());
    }
}
