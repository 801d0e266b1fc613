// SPDX-License-Identifier: GPL-2.0-only

//! When the client sends: the times of the kernel's own ipconfig (net/ipv4/ipconfig.c).

use crate::proto::time::{
    Duration,
    Instant, //
};

/// How many waits for an answer may end without one (ipconfig: `CONF_SEND_RETRIES`).
pub const MAX_WAITS: u8 = 6;

/// The times of sending, which are ipconfig's: a wait of 2 to 3 s, and each next one 7/4
/// as long but at most 30 s.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    /// How long to wait for an answer.
    pub(super) timeout: Duration,
    waits_left: u8,
}

impl Schedule {
    /// The first wait (ipconfig: `CONF_BASE_TIMEOUT`, `CONF_TIMEOUT_RANDOM`).
    pub(super) const fn new(seed: u64) -> Self {
        let spread = seed % 1_000;
        Self {
            timeout: Duration::from_millis(spread.saturating_add(2_000)),
            waits_left: MAX_WAITS,
        }
    }

    /// The wait after this one, if any (ipconfig: `CONF_TIMEOUT_MULT`, `CONF_TIMEOUT_MAX`).
    pub(super) fn next(self) -> Option<Self> {
        let longer = Duration::from_millis(self.timeout.as_millis().saturating_mul(7) / 4);
        let timeout = longer.min(Duration::from_secs(30));
        let waits_left = self.waits_left.saturating_sub(1);
        Some(Self {
            timeout,
            waits_left,
        })
        .filter(|next| next.waits_left > 0)
    }
}

/// What the client does next.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wait {
    /// Send; due at this time.
    Send(Instant),
    /// Wait for an answer until this time.
    Answer(Instant),
}

impl Wait {
    /// When it is over.
    pub(super) const fn due(self) -> Instant {
        match self {
            Self::Send(due) | Self::Answer(due) => due,
        }
    }
}
