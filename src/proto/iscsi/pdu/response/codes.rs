// SPDX-License-Identifier: GPL-2.0-only

//! The one-byte codes by which a target says what became of something; unknown ones survive.
//!
//! Source: RFC 7143 sections 11.6.1 and 11.17.1; SAM-5 section 5.3.1.

/// A SCSI status byte (SAM-5 section 5.3.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ScsiStatus(u8);

impl ScsiStatus {
    /// GOOD.
    pub const GOOD: Self = Self(0x00);
    /// CHECK CONDITION.
    pub const CHECK_CONDITION: Self = Self(0x02);
    /// CONDITION MET.
    pub const CONDITION_MET: Self = Self(0x04);
    /// BUSY.
    pub const BUSY: Self = Self(0x08);
    /// TASK SET FULL.
    pub const TASK_SET_FULL: Self = Self(0x28);

    /// The status with this wire value.
    pub const fn new(value: u8) -> Self {
        Self(value)
    }

    /// The wire value.
    pub const fn value(self) -> u8 {
        self.0
    }

    /// Whether it is one of SAM-5's (section 5.3.1), without those that are obsolete.
    pub const fn is_known(self) -> bool {
        matches!(
            self.0,
            0x00 | 0x02 | 0x04 | 0x08 | 0x18 | 0x28 | 0x30 | 0x40
        )
    }

    /// Whether the logical unit may execute the command when it is asked again.
    pub const fn is_busy(self) -> bool {
        matches!(self, Self::BUSY | Self::TASK_SET_FULL)
    }

    /// Whether the command did what it was asked to.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::GOOD | Self::CONDITION_MET)
    }
}

/// What became of a task management function (RFC 7143 section 11.6.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FunctionResponse(u8);

impl FunctionResponse {
    /// Function complete.
    pub const COMPLETE: Self = Self(0);
    /// Task does not exist: it may have ended, its response may be on the way.
    pub const NO_SUCH_TASK: Self = Self(1);
    /// LUN does not exist.
    pub const NO_SUCH_LUN: Self = Self(2);
    /// Function not supported.
    pub const NOT_SUPPORTED: Self = Self(5);
    /// Function authorization failed.
    pub const NOT_AUTHORIZED: Self = Self(6);
    /// Function rejected.
    pub const REJECTED: Self = Self(255);

    /// The response with this wire value.
    pub(super) const fn new(value: u8) -> Self {
        Self(value)
    }
}

impl core::fmt::Display for FunctionResponse {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match *self {
            Self::COMPLETE => "function complete",
            Self::NO_SUCH_TASK => "task does not exist",
            Self::NO_SUCH_LUN => "LUN does not exist",
            Self::NOT_SUPPORTED => "function not supported",
            Self::NOT_AUTHORIZED => "function authorization failed",
            Self::REJECTED => "function rejected",
            Self(other) => return write!(f, "response {other}"),
        })
    }
}

/// Why a PDU was rejected (RFC 7143 section 11.17.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RejectReason(u8);

impl RejectReason {
    /// Data digest error.
    pub const DATA_DIGEST_ERROR: Self = Self(0x02);
    /// SNACK Reject.
    pub const SNACK_REJECT: Self = Self(0x03);
    /// Protocol Error.
    pub const PROTOCOL_ERROR: Self = Self(0x04);
    /// Command not supported.
    pub const NOT_SUPPORTED: Self = Self(0x05);
    /// Too many immediate commands.
    pub const TOO_MANY_IMMEDIATE: Self = Self(0x06);
    /// Task in progress.
    pub const TASK_IN_PROGRESS: Self = Self(0x07);
    /// Invalid DataACK.
    pub const INVALID_DATA_ACK: Self = Self(0x08);
    /// Invalid PDU field.
    pub const INVALID_FIELD: Self = Self(0x09);
    /// Out of resources.
    pub const OUT_OF_RESOURCES: Self = Self(0x0a);
    /// Waiting for Logout.
    pub const WAITING_FOR_LOGOUT: Self = Self(0x0c);

    /// The reason with this wire value.
    pub(super) const fn new(value: u8) -> Self {
        Self(value)
    }
}

impl core::fmt::Display for RejectReason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match *self {
            Self::DATA_DIGEST_ERROR => "data digest error",
            Self::SNACK_REJECT => "SNACK reject",
            Self::PROTOCOL_ERROR => "protocol error",
            Self::NOT_SUPPORTED => "command not supported",
            Self::TOO_MANY_IMMEDIATE => "too many immediate commands",
            Self::TASK_IN_PROGRESS => "task in progress",
            Self::INVALID_DATA_ACK => "invalid DataACK",
            Self::INVALID_FIELD => "invalid PDU field",
            Self::OUT_OF_RESOURCES => "out of resources",
            Self::WAITING_FOR_LOGOUT => "waiting for logout",
            Self(other) => return write!(f, "reason {other:#04x}"),
        })
    }
}
