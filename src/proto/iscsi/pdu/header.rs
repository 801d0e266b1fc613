// SPDX-License-Identifier: GPL-2.0-only

//! What precedes a PDU's data: its Basic Header Segment and, behind that of a SCSI Command with a
//! CDB of more than 16 bytes, an Additional Header Segment with the rest of the CDB.
//!
//! Source: RFC 7143 sections 11.2.1, 11.2.2.3 and 11.3.5.

use core::ops::Deref;

use crate::proto::{
    bytes::{
        self,
        Writer, //
    },
    iscsi::HEADER_LENGTH, //
};

/// The bytes of a CDB in the Basic Header Segment.
const SHORT: usize = 16;
/// AHSLength, AHSType and the reserved byte of an Extended CDB.
const AHS_HEADER: usize = 4;
/// AHSType of an Extended CDB.
const EXTENDED_CDB: u8 = 1;

/// A command descriptor block of 1 to 32 bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cdb {
    /// The first bytes, padded with zeros.
    pub(super) short: [u8; SHORT],
    ahs: [u8; Self::AHS_MAX],
    ahs_length: u8,
}

impl Cdb {
    /// The most bytes of one, as the kernel has them (C header: `include/scsi/scsi_cmnd.h`,
    /// `struct scsi_cmnd`).
    pub const MAX: usize = 32;
    const AHS_MAX: usize = AHS_HEADER + Self::MAX - SHORT;

    /// The CDB that `bytes` are; `None` unless they are 1 to 32.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let (first, rest) = bytes.split_at(bytes.len().min(SHORT));
        let (mut short, mut ahs) = ([0; SHORT], [0; Self::AHS_MAX]);
        if first.is_empty() {
            return None;
        }
        Writer::new(&mut short).put(first)?;
        let mut writer = Writer::new(&mut ahs);
        if !rest.is_empty() {
            // AHSLength counts the reserved byte, and not the padding.
            let length = u16::try_from(rest.len()).ok()?.checked_add(1)?;
            writer.put(&length.to_be_bytes())?;
            writer.put(&[EXTENDED_CDB, 0])?;
            writer.put(rest)?;
        }
        let length = writer.len();
        let padded = length.checked_add(bytes::padding(length))?;
        Some(Self {
            short,
            ahs,
            ahs_length: u8::try_from(padded).ok()?,
        })
    }

    /// The Additional Header Segment with what the Basic Header Segment has no room for, padded.
    fn ahs(&self) -> &[u8] {
        self.ahs.get(..self.ahs_length.into()).unwrap_or_default()
    }

    /// TotalAHSLength, in words of four bytes.
    pub(super) const fn total_ahs_length(&self) -> u8 {
        self.ahs_length / 4
    }
}

/// The header segments of a PDU.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Header {
    bytes: [u8; Self::MAX],
    length: usize,
}

impl Header {
    /// The most bytes of them.
    pub const MAX: usize = HEADER_LENGTH + Cdb::AHS_MAX;

    /// A Basic Header Segment and the additional one of `cdb`.
    pub(super) fn with_cdb(basic: [u8; HEADER_LENGTH], cdb: &Cdb) -> Self {
        let mut bytes = [0; Self::MAX];
        let mut writer = Writer::new(&mut bytes);
        // There is room for the longest of both.
        let _ = writer.put(&basic).and_then(|()| writer.put(cdb.ahs()));
        let length = writer.len();
        Self { bytes, length }
    }
}

/// A Basic Header Segment alone.
impl From<[u8; HEADER_LENGTH]> for Header {
    fn from(basic: [u8; HEADER_LENGTH]) -> Self {
        let mut bytes = [0; Self::MAX];
        let _ = Writer::new(&mut bytes).put(&basic);
        Self {
            bytes,
            length: HEADER_LENGTH,
        }
    }
}

impl Deref for Header {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_cdb_goes_on_in_an_additional_header_segment() {
        let bytes: [u8; 33] = core::array::from_fn(|at| at as u8 + 1);
        for (length, ahs) in [
            (1, &[][..]),
            (16, &[]),
            (17, &[0, 2, 1, 0, 17, 0, 0, 0]),
            (20, &[0, 5, 1, 0, 17, 18, 19, 20]),
            (
                32,
                &[
                    0, 17, 1, 0, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32,
                ],
            ),
        ] {
            let cdb = Cdb::new(&bytes[..length]).unwrap();
            let short = length.min(16);
            assert_eq!(cdb.short[..short], bytes[..short]);
            assert_eq!(cdb.short[short..], [0; 16][short..]);
            assert_eq!(cdb.ahs(), ahs);
            assert_eq!(usize::from(cdb.total_ahs_length()) * 4, ahs.len());
            let header = Header::with_cdb([7; HEADER_LENGTH], &cdb);
            assert_eq!(header[..HEADER_LENGTH], [7; HEADER_LENGTH]);
            assert_eq!(&header[HEADER_LENGTH..], ahs);
        }
        assert_eq!(Cdb::new(&[]), None);
        assert_eq!(Cdb::new(&bytes), None);
    }
}
