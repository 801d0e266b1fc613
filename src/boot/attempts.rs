// SPDX-License-Identifier: GPL-2.0-only

//! Booting again: when, for how long, and what of it is worth a line.

use super::error::Failure;
use crate::{
    linux::{
        clock,
        random, //
    },
    proto::{
        backoff::Backoff,
        config::timeout::Patience,
        time::Duration, //
    },
};
use core::fmt;
use kernel::prelude::*;

/// The delay after the first attempt and the most after any.
const DELAY_FIRST: Duration = Duration::from_secs(1);
const DELAY_MAX: Duration = Duration::from_secs(16);
/// How many lines are remembered; a boot has a dozen.
const TOLD_MAX: usize = 256;
/// The least time that another attempt is given, in milliseconds: some DHCP servers look for a
/// second whether an address is free.
const ATTEMPT_MIN: u64 = 5_000;

/// One attempt after the other.
pub(super) struct Attempts {
    /// When the first one began, on the clock.
    start: u64,
    /// For how long there is to be another one; without it the first is the only one.
    patience: Option<Patience>,
    backoff: Backoff,
    /// What was told, as hashes.
    told: KVec<u64>,
    /// When the milestones were reached, in milliseconds from the start.
    reached: [Option<u64>; Milestone::ALL.len()],
}

/// What a boot comes to, one after the other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Milestone {
    Address,
    Login,
    Disk,
}

impl Milestone {
    const ALL: [Self; 3] = [Self::Address, Self::Login, Self::Disk];
}

impl fmt::Display for Milestone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Address => "address",
            Self::Login => "login",
            Self::Disk => "disk",
        })
    }
}

impl Attempts {
    /// The first attempt begins.
    pub(super) fn new(start: u64, patience: Option<Patience>) -> Self {
        Self {
            start,
            patience,
            backoff: Backoff::new(DELAY_FIRST, DELAY_MAX),
            told: KVec::new(),
            reached: Default::default(),
        }
    }

    /// The time since the first attempt began, in milliseconds.
    pub(super) fn elapsed(&self) -> u64 {
        clock::milliseconds().saturating_sub(self.start)
    }

    /// Takes note of the time of a milestone.
    pub(super) fn reached(&mut self, milestone: Milestone) {
        let now = self.elapsed();
        for (known, slot) in Milestone::ALL.iter().zip(&mut self.reached) {
            if *known == milestone {
                *slot = Some(now);
            }
        }
    }

    /// The milestones of the last attempt, each with its time in milliseconds from the start.
    pub(super) fn milestones(&self) -> impl Iterator<Item = (Milestone, u64)> + '_ {
        let all = Milestone::ALL.iter().zip(&self.reached);
        all.filter_map(|(milestone, at)| Some((*milestone, (*at)?)))
    }

    /// How much of `span`, in milliseconds, the time limit leaves.
    pub(super) fn at_most(&self, span: u64) -> u64 {
        match self.patience {
            Some(Patience::For(limit)) => {
                span.min(limit.as_millis().saturating_sub(self.elapsed()))
            }
            _ => span,
        }
    }

    /// Whether the time limit has come.
    pub(super) fn are_over(&self) -> bool {
        self.at_most(1) == 0
    }

    /// Logs a milestone, once however many attempts reach it.
    pub(super) fn tell(&mut self, line: fmt::Arguments<'_>) {
        self.tell_of(line, line);
    }

    /// Logs the first of all milestones with the same `subject`.
    pub(super) fn tell_of(&mut self, subject: fmt::Arguments<'_>, line: fmt::Arguments<'_>) {
        if self.is_new(subject) {
            pr_info!("{line}\n");
        }
    }

    /// Logs what should not be but does not end the attempt, once.
    pub(super) fn warn(&mut self, line: fmt::Arguments<'_>) {
        if self.is_new(line) {
            pr_warn!("{line}\n");
        }
    }

    fn is_new(&mut self, text: fmt::Arguments<'_>) -> bool {
        let mut hash = Hash::default();
        let _ = fmt::Write::write_fmt(&mut hash, text);
        let is_new = !self.told.contains(&hash.0);

        // What is not remembered, for want of room, comes again.
        if is_new && self.told.len() < TOLD_MAX {
            let _ = self.told.push(hash.0, GFP_KERNEL);
        }
        is_new
    }

    /// Waits for the next attempt after `failure`, or gives `failure` back
    /// when there is to be none.
    pub(super) fn again(&mut self, failure: Failure<'static>) -> Result<(), Failure<'static>> {
        if self.patience.is_none() || matches!(failure, Failure::Interrupted) {
            return Err(failure);
        }
        // One without time to succeed would only hide what this one failed of.
        let spare = self.at_most(u64::MAX).checked_sub(ATTEMPT_MIN);
        let random = u16::from_ne_bytes(random::bytes());
        let delay = self.backoff.next(random).as_millis();
        let Some(delay) = spare.map(|spare| delay.min(spare)) else {
            return Err(Failure::TimeIsUp {
                seconds: self.elapsed() / 1_000,
                last: KBox::new(failure, GFP_KERNEL).map_err(Failure::kernel)?,
            });
        };
        pr_warn!(
            "{}; trying again in {} s\n",
            core::format_args!("{failure}"),
            delay.saturating_add(500) / 1_000
        );
        clock::sleep_interruptible(delay).map_err(|_| Failure::Interrupted)
    }
}

/// FNV-1a of what is written.
struct Hash(u64);

impl Default for Hash {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl fmt::Write for Hash {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Ok(())
    }
}
