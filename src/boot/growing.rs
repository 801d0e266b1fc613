// SPDX-License-Identifier: GPL-2.0-only

//! Text of any length, for a file.

use super::error::Failure;
use core::fmt;
use kernel::prelude::*;

/// Text that grows.
pub(super) struct Growing(pub(super) KVec<u8>);

impl Growing {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self(KVec::new())
    }

    /// Adds `text`.
    pub(super) fn print(&mut self, text: fmt::Arguments<'_>) -> Result<(), Failure<'static>> {
        fmt::Write::write_fmt(self, text).map_err(|_| Failure::Kernel(ENOMEM))
    }

    /// Adds what `other` has.
    pub(super) fn append(&mut self, other: &Self) -> Result<(), Failure<'static>> {
        self.0
            .extend_from_slice(&other.0, GFP_KERNEL)
            .map_err(Failure::kernel)
    }
}

impl fmt::Write for Growing {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0
            .extend_from_slice(text.as_bytes(), GFP_KERNEL)
            .map_err(|_| fmt::Error)
    }
}
