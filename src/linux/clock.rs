// SPDX-License-Identifier: GPL-2.0-only

//! The monotonic clock and sleeping.
//!
//! C headers: [`include/linux/ktime.h`](srctree/include/linux/ktime.h),
//! [`include/linux/delay.h`](srctree/include/linux/delay.h)

use super::bindings;
use kernel::{
    prelude::*,
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

/// Milliseconds since the machine started.
pub(crate) fn milliseconds() -> u64 {
    // SAFETY: Reading the monotonic clock has no preconditions.
    unsafe { bindings::iscsi_init_milliseconds() }
}

/// Sleeps for at least `milliseconds`, and not for a tick where that is longer; process context
/// only.
pub(crate) fn sleep(milliseconds: u32) {
    fsleep(Delta::from_millis(i64::from(milliseconds)))
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

#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
#[kunit_tests(iscsi_init_clock)]
mod tests {
    use super::*;
    use crate::linux::testing::Signal;

    #[test]
    fn the_clock_goes_on_during_a_sleep() -> Result {
        // How far is another matter: sleep goes by ticks, which may come late and then all at once.
        let begin = milliseconds();
        sleep(100);
        let middle = milliseconds();
        sleep_interruptible(100)?;
        let end = milliseconds();
        assert!(begin < middle);
        assert!(middle < end);
        Ok(())
    }

    #[test]
    fn a_signal_ends_an_interruptible_sleep() {
        let signal = Signal::new();
        // No test lasts that long.
        let result = sleep_interruptible(u64::MAX);
        drop(signal);
        assert_eq!(result, Err(EINTR));
    }

    #[test]
    fn no_time_is_a_jiffy_and_the_longest_is_no_overflow() {
        assert_eq!(jiffies(0), 1);
        assert!(jiffies(1) >= 1);
        assert!(jiffies(20_000) > jiffies(10_000));
        assert!(jiffies(u64::MAX) > jiffies(1_000_000_000));
    }
}
