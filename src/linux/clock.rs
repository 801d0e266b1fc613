// SPDX-License-Identifier: GPL-2.0-only

//! The monotonic clock and sleeping.
//!
//! C headers: [`include/linux/ktime.h`](srctree/include/linux/ktime.h),
//! [`include/linux/delay.h`](srctree/include/linux/delay.h)

use super::bindings;
use kernel::prelude::*;

/// Milliseconds since the machine started.
pub(crate) fn milliseconds() -> u64 {
    // SAFETY: Reading the monotonic clock has no preconditions.
    unsafe { bindings::iscsi_init_milliseconds() }
}

/// Sleeps for at least `milliseconds`; process context only.
pub(crate) fn sleep(milliseconds: u32) {
    // SAFETY: The callers are in process context, where sleeping is allowed.
    unsafe { bindings::msleep(milliseconds) }
}

/// Sleeps for `milliseconds`; process context only.
///
/// # Errors
///
/// `EINTR`: a signal ended it early.
pub(crate) fn sleep_interruptible(milliseconds: u64) -> Result {
    let milliseconds = u32::try_from(milliseconds).unwrap_or(u32::MAX);

    // SAFETY: The callers are in process context, where sleeping is allowed.
    match unsafe { bindings::msleep_interruptible(milliseconds) } {
        0 => Ok(()),
        _ => Err(EINTR),
    }
}

/// `milliseconds` in jiffies, at least one.
pub(super) fn jiffies(milliseconds: u64) -> usize {
    let milliseconds = u32::try_from(milliseconds).unwrap_or(u32::MAX);

    // SAFETY: A pure conversion without preconditions.
    unsafe { bindings::iscsi_init_jiffies_of(milliseconds) }
}
