// SPDX-License-Identifier: GPL-2.0-only

//! The layout of each Basic Header Segment, field by field, without meaning.
//!
//! All are 48 bytes, which is asserted, and any 48 bytes are a value of each. [`super::pdu`] gives
//! them meaning. Source: the figures of RFC 7143 sections 11.3 to 11.19, whose field names are
//! kept.

use zerocopy::big_endian::{
    U16,
    U32, //
};
use zerocopy_derive::{
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout,
    Unaligned, //
};

use crate::proto::iscsi::HEADER_LENGTH;

/// TotalAHSLength and DataSegmentLength (RFC 7143 sections 11.2.1.5 and 11.2.1.6).
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct Lengths {
    total_ahs_length: u8,
    data_segment_length: [u8; 3],
}

impl Lengths {
    /// The lengths of a PDU without data.
    pub(super) const NONE: Self = Self {
        total_ahs_length: 0,
        data_segment_length: [0; 3],
    };

    /// The lengths of a PDU with `data` bytes, of which only the low 24 bits are kept.
    pub(super) const fn of_data(data: u32) -> Self {
        Self::new(0, data)
    }

    /// The same with `total_ahs_length` words of Additional Header Segments before the data.
    pub(super) const fn new(total_ahs_length: u8, data: u32) -> Self {
        let [_, a, b, c] = data.to_be_bytes();
        Self {
            total_ahs_length,
            data_segment_length: [a, b, c],
        }
    }

    /// DataSegmentLength in bytes.
    pub(super) const fn data(self) -> u32 {
        let [a, b, c] = self.data_segment_length;
        u32::from_be_bytes([0, a, b, c])
    }
}

/// The numbering fields of every PDU that a target sends.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
pub(super) struct Numbers {
    pub(super) stat_sn: U32,
    pub(super) exp_cmd_sn: U32,
    pub(super) max_cmd_sn: U32,
}

/// Defines header layouts and asserts that each fills a Basic Header Segment.
macro_rules! headers {
    ($(
        $(#[$attribute:meta])*
        struct $name:ident { $($field:ident: $type:ty,)+ }
    )+) => {$(
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
        #[repr(C)]
        pub(super) struct $name { $(pub(super) $field: $type,)+ }

        const _: () = assert!(size_of::<$name>() == HEADER_LENGTH);
    )+};
}

headers! {
    /// RFC 7143 section 11.3.
    struct ScsiCommand {
        opcode: u8,
        flags: u8,
        reserved_2: [u8; 2],
        lengths: Lengths,
        lun: [u8; 8],
        itt: U32,
        expected_data_transfer_length: U32,
        cmd_sn: U32,
        exp_stat_sn: U32,
        cdb: [u8; 16],
    }

    /// RFC 7143 section 11.4.
    struct ScsiResponse {
        opcode: u8,
        flags: u8,
        response: u8,
        status: u8,
        lengths: Lengths,
        reserved_8: [u8; 8],
        itt: U32,
        snack_tag: U32,
        numbers: Numbers,
        exp_data_sn: U32,
        bidirectional_read_residual_count: U32,
        residual_count: U32,
    }

    /// RFC 7143 section 11.5.
    struct TaskManagementRequest {
        opcode: u8,
        function: u8,
        reserved_2: [u8; 2],
        lengths: Lengths,
        lun: [u8; 8],
        itt: U32,
        referenced_task_tag: U32,
        cmd_sn: U32,
        exp_stat_sn: U32,
        ref_cmd_sn: U32,
        exp_data_sn: U32,
        reserved_40: [u8; 8],
    }

    /// RFC 7143 section 11.6.
    struct TaskManagementResponse {
        opcode: u8,
        flags: u8,
        response: u8,
        reserved_3: u8,
        lengths: Lengths,
        reserved_8: [u8; 8],
        itt: U32,
        reserved_20: [u8; 4],
        numbers: Numbers,
        reserved_36: [u8; 12],
    }

    /// RFC 7143 section 11.7, from the initiator.
    struct DataOut {
        opcode: u8,
        flags: u8,
        reserved_2: [u8; 2],
        lengths: Lengths,
        lun: [u8; 8],
        itt: U32,
        ttt: U32,
        reserved_24: [u8; 4],
        exp_stat_sn: U32,
        reserved_32: [u8; 4],
        data_sn: U32,
        buffer_offset: U32,
        reserved_44: [u8; 4],
    }

    /// RFC 7143 section 11.7, from the target.
    struct DataIn {
        opcode: u8,
        flags: u8,
        reserved_2: u8,
        status: u8,
        lengths: Lengths,
        lun: [u8; 8],
        itt: U32,
        ttt: U32,
        numbers: Numbers,
        data_sn: U32,
        buffer_offset: U32,
        residual_count: U32,
    }

    /// RFC 7143 section 11.8.
    struct R2t {
        opcode: u8,
        flags: u8,
        reserved_2: [u8; 2],
        lengths: Lengths,
        lun: [u8; 8],
        itt: U32,
        ttt: U32,
        numbers: Numbers,
        r2t_sn: U32,
        buffer_offset: U32,
        desired_data_transfer_length: U32,
    }

    /// RFC 7143 section 11.9.
    struct AsynchronousMessage {
        opcode: u8,
        flags: u8,
        reserved_2: [u8; 2],
        lengths: Lengths,
        lun: [u8; 8],
        itt: U32,
        reserved_20: [u8; 4],
        numbers: Numbers,
        event: u8,
        vendor_code: u8,
        parameter_1: U16,
        parameter_2: U16,
        parameter_3: U16,
        reserved_44: [u8; 4],
    }

    /// RFC 7143 section 11.10.
    struct TextRequest {
        opcode: u8,
        flags: u8,
        reserved_2: [u8; 2],
        lengths: Lengths,
        lun: [u8; 8],
        itt: U32,
        ttt: U32,
        cmd_sn: U32,
        exp_stat_sn: U32,
        reserved_32: [u8; 16],
    }

    /// RFC 7143 section 11.11.
    struct TextResponse {
        opcode: u8,
        flags: u8,
        reserved_2: [u8; 2],
        lengths: Lengths,
        lun: [u8; 8],
        itt: U32,
        ttt: U32,
        numbers: Numbers,
        reserved_36: [u8; 12],
    }

    /// RFC 7143 section 11.12.
    struct LoginRequest {
        opcode: u8,
        flags: u8,
        version_max: u8,
        version_min: u8,
        lengths: Lengths,
        isid: [u8; 6],
        tsih: U16,
        itt: U32,
        cid: U16,
        reserved_22: [u8; 2],
        cmd_sn: U32,
        exp_stat_sn: U32,
        reserved_32: [u8; 16],
    }

    /// RFC 7143 section 11.13.
    struct LoginResponse {
        opcode: u8,
        flags: u8,
        version_max: u8,
        version_active: u8,
        lengths: Lengths,
        isid: [u8; 6],
        tsih: U16,
        itt: U32,
        reserved_20: [u8; 4],
        numbers: Numbers,
        status_class: u8,
        status_detail: u8,
        reserved_38: [u8; 10],
    }

    /// RFC 7143 section 11.14.
    struct LogoutRequest {
        opcode: u8,
        reason: u8,
        reserved_2: [u8; 2],
        lengths: Lengths,
        reserved_8: [u8; 8],
        itt: U32,
        cid: U16,
        reserved_22: [u8; 2],
        cmd_sn: U32,
        exp_stat_sn: U32,
        reserved_32: [u8; 16],
    }

    /// RFC 7143 section 11.15.
    struct LogoutResponse {
        opcode: u8,
        flags: u8,
        response: u8,
        reserved_3: u8,
        lengths: Lengths,
        reserved_8: [u8; 8],
        itt: U32,
        reserved_20: [u8; 4],
        numbers: Numbers,
        reserved_36: [u8; 4],
        time2wait: U16,
        time2retain: U16,
        reserved_44: [u8; 4],
    }

    /// RFC 7143 section 11.17.
    struct Reject {
        opcode: u8,
        flags: u8,
        reason: u8,
        reserved_3: u8,
        lengths: Lengths,
        reserved_8: [u8; 8],
        itt: U32,
        reserved_20: [u8; 4],
        numbers: Numbers,
        data_sn: U32,
        reserved_40: [u8; 8],
    }

    /// RFC 7143 section 11.18.
    struct NopOut {
        opcode: u8,
        flags: u8,
        reserved_2: [u8; 2],
        lengths: Lengths,
        lun: [u8; 8],
        itt: U32,
        ttt: U32,
        cmd_sn: U32,
        exp_stat_sn: U32,
        reserved_32: [u8; 16],
    }

    /// RFC 7143 section 11.19.
    struct NopIn {
        opcode: u8,
        flags: u8,
        reserved_2: [u8; 2],
        lengths: Lengths,
        lun: [u8; 8],
        itt: U32,
        ttt: U32,
        numbers: Numbers,
        reserved_36: [u8; 12],
    }
}
