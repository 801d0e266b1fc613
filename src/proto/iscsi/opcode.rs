// SPDX-License-Identifier: GPL-2.0-only

//! The opcodes, which say what kind of PDU a header begins.
//!
//! Source: RFC 7143 section 11.2.1.2.

/// The low six bits of a header's first byte.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Opcode(u8);

impl Opcode {
    /// NOP-Out, sent by the initiator.
    pub const NOP_OUT: Self = Self(0x00);
    /// SCSI Command, sent by the initiator.
    pub const SCSI_COMMAND: Self = Self(0x01);
    /// Task Management Function Request, sent by the initiator.
    pub const TASK_MANAGEMENT_REQUEST: Self = Self(0x02);
    /// Login Request, sent by the initiator.
    pub const LOGIN_REQUEST: Self = Self(0x03);
    /// Text Request, sent by the initiator.
    pub const TEXT_REQUEST: Self = Self(0x04);
    /// SCSI Data-Out, sent by the initiator.
    pub const DATA_OUT: Self = Self(0x05);
    /// Logout Request, sent by the initiator.
    pub const LOGOUT_REQUEST: Self = Self(0x06);
    /// NOP-In, sent by the target.
    pub const NOP_IN: Self = Self(0x20);
    /// SCSI Response, sent by the target.
    pub const SCSI_RESPONSE: Self = Self(0x21);
    /// Task Management Function Response, sent by the target.
    pub const TASK_MANAGEMENT_RESPONSE: Self = Self(0x22);
    /// Login Response, sent by the target.
    pub const LOGIN_RESPONSE: Self = Self(0x23);
    /// Text Response, sent by the target.
    pub const TEXT_RESPONSE: Self = Self(0x24);
    /// SCSI Data-In, sent by the target.
    pub const DATA_IN: Self = Self(0x25);
    /// Logout Response, sent by the target.
    pub const LOGOUT_RESPONSE: Self = Self(0x26);
    /// Ready To Transfer, sent by the target.
    pub const R2T: Self = Self(0x31);
    /// Asynchronous Message, sent by the target.
    pub const ASYNCHRONOUS_MESSAGE: Self = Self(0x32);
    /// Reject, sent by the target.
    pub const REJECT: Self = Self(0x3f);

    /// The bit of the first byte that asks for immediate delivery; not part of the opcode.
    pub(super) const IMMEDIATE: u8 = 0x40;

    const MASK: u8 = 0x3f;

    /// The opcode in a header's first byte.
    pub const fn of(first_byte: u8) -> Self {
        // RFC 7143 section 11: reserved bits are ignored on receipt; the I bit is the initiator's
        // alone.
        Self(first_byte & Self::MASK)
    }

    /// The wire value, 0 to 0x3f.
    pub const fn value(self) -> u8 {
        self.0
    }

    const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::NOP_OUT => "NOP-Out",
            Self::SCSI_COMMAND => "SCSI Command",
            Self::TASK_MANAGEMENT_REQUEST => "Task Management Function Request",
            Self::LOGIN_REQUEST => "Login Request",
            Self::TEXT_REQUEST => "Text Request",
            Self::DATA_OUT => "SCSI Data-Out",
            Self::LOGOUT_REQUEST => "Logout Request",
            Self::NOP_IN => "NOP-In",
            Self::SCSI_RESPONSE => "SCSI Response",
            Self::TASK_MANAGEMENT_RESPONSE => "Task Management Function Response",
            Self::LOGIN_RESPONSE => "Login Response",
            Self::TEXT_RESPONSE => "Text Response",
            Self::DATA_IN => "SCSI Data-In",
            Self::LOGOUT_RESPONSE => "Logout Response",
            Self::R2T => "R2T",
            Self::ASYNCHRONOUS_MESSAGE => "Asynchronous Message",
            Self::REJECT => "Reject",
            _ => return None,
        })
    }
}

impl core::fmt::Display for Opcode {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "opcode {:#04x}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::format;

    use super::*;

    #[test]
    fn the_immediate_and_the_reserved_bit_are_not_the_opcode() {
        assert_eq!(Opcode::of(0x43), Opcode::LOGIN_REQUEST);
        assert_eq!(Opcode::of(0xe3), Opcode::LOGIN_RESPONSE);
    }

    #[test]
    fn an_unknown_opcode_is_printed_in_hex() {
        assert_eq!(format!("{}", Opcode::of(0x1c)), "opcode 0x1c");
        assert_eq!(format!("{}", Opcode::R2T), "R2T");
    }
}
