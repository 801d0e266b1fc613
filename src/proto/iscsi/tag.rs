// SPDX-License-Identifier: GPL-2.0-only

//! The tags that tie PDUs to tasks and transfers.
//!
//! Source: RFC 7143 sections 11.2.1.8 (Initiator Task Tag) and 11.8.5 (Target Transfer Tag).

/// An Initiator Task Tag, chosen by us and unique in the session while its task lives.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Itt(u32);

impl Itt {
    /// The value that names no task.
    pub const RESERVED: Self = Self(0xffff_ffff);

    /// The tag with this wire value.
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// The wire value.
    pub const fn value(self) -> u32 {
        self.0
    }

    /// Whether this is the value that names no task.
    pub const fn is_reserved(self) -> bool {
        self.0 == Self::RESERVED.0
    }
}

impl core::fmt::Display for Itt {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

/// A Target Transfer Tag, chosen by the target and only ever copied back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ttt(u32);

impl Ttt {
    /// The value that names no transfer.
    pub const RESERVED: Self = Self(0xffff_ffff);

    /// The tag with this wire value.
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// The wire value.
    pub const fn value(self) -> u32 {
        self.0
    }

    /// Whether this is the value that names no transfer.
    pub const fn is_reserved(self) -> bool {
        self.0 == Self::RESERVED.0
    }
}

impl core::fmt::Display for Ttt {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}
