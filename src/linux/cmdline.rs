// SPDX-License-Identifier: GPL-2.0-only

//! The kernel's command line.
//!
//! Built-in code reads it where it is. That place is not exported to modules, which read it as
//! everybody else does.
//!
//! C header: [`include/linux/init.h`](srctree/include/linux/init.h)

use kernel::prelude::*;

/// Reads the command line.
#[cfg(MODULE)]
pub(crate) fn read() -> Result<KVec<u8>> {
    let mut line = super::procfs::read(c"cmdline")?;

    if line.ends_with(b"\n") {
        line.truncate(line.len().saturating_sub(1));
    }
    Ok(line)
}

/// Reads the command line.
#[cfg(not(MODULE))]
pub(crate) fn read() -> Result<KVec<u8>> {
    // SAFETY: The variable is set before the first initcall and never afterwards.
    let line = unsafe { super::bindings::saved_command_line };
    // SAFETY: It points to a string that ends in NUL and stays as it is.
    let line = unsafe { CStr::from_char_ptr(line) };
    let mut copy = KVec::new();

    copy.extend_from_slice(line.to_bytes(), GFP_KERNEL)?;
    Ok(copy)
}
