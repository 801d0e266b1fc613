// SPDX-License-Identifier: GPL-2.0-only

//! When the server of a lease is asked before the lease's time: while the root disk is lost, since
//! the server may say that it has moved.

use crate::proto::time::{
    Duration,
    Instant, //
};

/// How long the disk is lost before the server is asked.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// The least time between two questions.
pub const PAUSE: Duration = Duration::from_secs(60);
/// Each of these is longer by less than this: a rack of machines loses its disks at once.
pub const JITTER: Duration = Duration::from_secs(10);

/// The pace of these questions, whichever lease they are about.
#[derive(Clone, Copy, Debug)]
pub struct Haste {
    is_lost: bool,
    next: Instant,
}

impl Haste {
    /// Nobody was asked before `now`.
    pub const fn new(now: Instant) -> Self {
        Self {
            is_lost: false,
            next: now,
        }
    }

    /// Whether the server is to be asked `now`, which then counts as done; `is_lost`: whether the
    /// disk is. `random` spreads the questions.
    pub fn is_due(&mut self, is_lost: bool, now: Instant, random: u16) -> bool {
        let jitter = u64::from(random).checked_rem(JITTER.as_millis());
        let jitter = Duration::from_millis(jitter.unwrap_or_default());
        if is_lost && !self.is_lost {
            self.next = self.next.max(now.after(PATIENCE).after(jitter));
        }
        self.is_lost = is_lost;
        let is_due = is_lost && now >= self.next;
        if is_due {
            self.next = now.after(PAUSE).after(jitter);
        }
        is_due
    }
}
