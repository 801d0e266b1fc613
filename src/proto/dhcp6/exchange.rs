// SPDX-License-Identifier: GPL-2.0-only

//! A message that is sent until there is an answer to it (RFC 8415 section 15).

use crate::proto::{
    dhcp6::message::TransactionId,
    time::{
        Duration,
        Instant, //
    },
};

/// How long an answer is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waits {
    /// The first time (IRT).
    pub(super) first: Duration,
    /// About the longest time (MRT).
    pub(super) max: Duration,
}

/// A message that is sent until there is an answer to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exchange {
    pub(super) transaction: TransactionId,
    /// When the message is sent next, or its wait ends.
    pub(super) due: Instant,
    /// How often it was sent, and when first and last.
    pub(super) count: u32,
    first: Option<Instant>,
    pub(super) sent: Instant,
    /// The last wait for an answer.
    wait: Duration,
    waits: Waits,
}

impl Exchange {
    /// A message that is sent at `due` for the first time.
    pub(super) fn new(random: &mut Random, due: Instant, waits: Waits) -> Self {
        Self {
            transaction: random.transaction(),
            due,
            count: 0,
            first: None,
            sent: due,
            wait: Duration::default(),
            waits,
        }
    }

    /// The message is sent now; for how long it has been already.
    pub(super) fn send(&mut self, random: &mut Random, now: Instant) -> Duration {
        self.wait = self.next_wait(random);
        self.due = now.after(self.wait);
        self.count = self.count.saturating_add(1);
        self.sent = now;
        now.since(*self.first.get_or_insert(now))
    }

    /// The next wait: twice as long as the last one, give or take a tenth; the first one not
    /// shorter than it should be.
    fn next_wait(&self, random: &mut Random) -> Duration {
        let Waits { first, max } = self.waits;
        let next = match self.count {
            0 => first,
            _ => Duration::from_millis(self.wait.as_millis().saturating_mul(2)).min(max),
        };
        let tenth = next.as_millis() / 10;
        let (least, span) = match self.count {
            0 => (next.as_millis().saturating_add(1), tenth),
            _ => (
                next.as_millis().saturating_sub(tenth),
                tenth.saturating_mul(2).saturating_add(1),
            ),
        };
        Duration::from_millis(least.saturating_add(random.below(span)))
    }
}

/// Numbers that others cannot foresee, as far as the first of them is one (splitmix64).
#[derive(Debug)]
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, or 0.
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next().checked_rem(limit).unwrap_or(0)
    }

    fn transaction(&mut self) -> TransactionId {
        let [a, b, c, ..] = self.next().to_be_bytes();
        [a, b, c]
    }
}
