// SPDX-License-Identifier: GPL-2.0-only

//! The lengths that cut the byte stream into PDUs.
//!
//! Source: RFC 7143 sections 11.2.1.5 and 11.2.1.6.

use crate::proto::{
    bytes,
    iscsi::{
        error::{
            Error,
            Violation, //
        },
        opcode::Opcode,
        HEADER_LENGTH, //
    }, //
};

/// What follows a header: a data segment, and padding to a multiple of four bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Frame {
    /// Bytes of data. 0 to 2^24-1.
    pub data_length: u32,
    /// Bytes of padding behind the data, to be read and ignored. 0 to 3.
    pub padding: usize,
}

impl Frame {
    /// What follows `header`, where `limit` is the MaxRecvDataSegmentLength we declared: 8192 bytes
    /// in the Login Phase (RFC 7143 section 6.3), then what was negotiated.
    ///
    /// # Errors
    ///
    /// - [`Violation::DataSegmentTooLong`] when the data is longer than `limit`.
    /// - [`Violation::AdditionalHeader`] when there is an Additional Header Segment. Both of their
    ///   kinds belong to the SCSI Command, which targets do not send (RFC 7143 section 11.2.2.1).
    pub fn of(header: &[u8; HEADER_LENGTH], limit: u32) -> Result<Self, Error> {
        let [first, _, _, _, additional, a, b, c, ..] = *header;
        if additional != 0 {
            return Err(Violation::AdditionalHeader(Opcode::of(first)).into());
        }
        let data_length = u32::from_be_bytes([0, a, b, c]);
        if data_length > limit {
            return Err(Violation::DataSegmentTooLong {
                length: data_length,
                limit,
            }
            .into());
        }
        // CAST: only the two lowest bits matter to the padding.
        Ok(Self {
            data_length,
            padding: bytes::padding(data_length as usize),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(additional: u8, length: [u8; 3]) -> [u8; HEADER_LENGTH] {
        let mut header = [0; HEADER_LENGTH];
        header[0] = 0x25;
        header[4] = additional;
        header[5..8].copy_from_slice(&length);
        header
    }

    #[test]
    fn data_is_padded_to_four_bytes() {
        let frame = |length| Frame::of(&header(0, [0, 0, length]), 8192).map(|frame| frame.padding);
        assert_eq!(
            [0, 1, 2, 3, 4].map(frame),
            [Ok(0), Ok(3), Ok(2), Ok(1), Ok(0)]
        );
        let frame = Frame::of(&header(0, [1, 2, 3]), 1 << 17);
        assert_eq!(
            frame,
            Ok(Frame {
                data_length: 0x01_02_03,
                padding: 1
            })
        );
    }

    // RFC 7143 sections 11.2.1.5 and 11.2.1.6.
    #[test]
    fn more_data_than_declared_is_refused() {
        assert!(Frame::of(&header(0, [0, 0x20, 0]), 8192).is_ok());
        let length = 8193;
        let error = Violation::DataSegmentTooLong {
            length,
            limit: 8192,
        };
        assert_eq!(Frame::of(&header(0, [0, 0x20, 1]), 8192), Err(error.into()));
    }

    #[test]
    fn an_additional_header_is_refused() {
        let error = Violation::AdditionalHeader(Opcode::DATA_IN);
        assert_eq!(Frame::of(&header(1, [0; 3]), 8192), Err(error.into()));
    }
}
