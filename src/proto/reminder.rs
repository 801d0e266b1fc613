// SPDX-License-Identifier: GPL-2.0-only

//! Which of the failures in a row are worth a line in the log: now and then one, and a new kind of
//! failure sooner.

use crate::proto::time::{
    Duration,
    Instant, //
};

/// How long a lasting failure is not spoken of, and how long one of a new kind is not.
const SILENCE: Duration = Duration::from_secs(60);
const SILENCE_NEW: Duration = Duration::from_secs(10);
/// How many kinds are remembered. Those beyond are new each time.
const KINDS: usize = 6;

/// What was spoken of since the first failure.
#[derive(Debug)]
pub struct Reminder<K> {
    spoken: Instant,
    known: [Option<K>; KINDS],
}

impl<K: Copy + PartialEq> Reminder<K> {
    /// The first failure is told of `now`, by whoever has found it.
    pub const fn new(now: Instant) -> Self {
        Self {
            spoken: now,
            known: [None; KINDS],
        }
    }

    /// Whether a failure of this kind is to be told of `now`, which then counts as done; `must`: in
    /// any case.
    ///
    /// Kinds that take turns, as those of several targets, are each new once.
    pub fn is_due(&mut self, now: Instant, kind: K, must: bool) -> bool {
        let is_known = self.known.contains(&Some(kind));
        let silence = if is_known { SILENCE } else { SILENCE_NEW };
        if !must && now.since(self.spoken) < silence {
            return false;
        }
        self.spoken = now;
        if let Some(slot) = self.known.iter_mut().find(|slot| slot.is_none()) {
            if !is_known {
                *slot = Some(kind);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;

    /// When, in seconds, failures that come every second for five minutes are told of.
    fn told(kind: impl Fn(u64) -> u8) -> Vec<u64> {
        let at = |second| Instant::from_millis(0).after(Duration::from_secs(second));
        let mut reminder = Reminder::new(at(0));
        (1..=300)
            .filter(|second| reminder.is_due(at(*second), kind(*second), *second == 1))
            .collect()
    }

    #[test]
    fn what_lasts_is_told_of_every_minute() {
        assert_eq!(told(|_| 0), [1, 61, 121, 181, 241]);
    }

    #[test]
    fn what_is_new_is_told_of_soon() {
        let kind = |second| match second {
            ..30 => 0,
            30..35 => 1,
            _ => 2,
        };
        assert_eq!(told(kind), [1, 30, 40, 100, 160, 220, 280]);
    }

    #[test]
    fn kinds_that_take_turns_are_new_once() {
        assert_eq!(
            told(|second| (second % 3) as u8),
            [1, 11, 21, 81, 141, 201, 261]
        );
    }

    #[test]
    fn more_kinds_than_are_remembered_are_told_of_in_turn() {
        let told = told(|second| second as u8);
        assert!(
            told.windows(2).all(|pair| pair[1] - pair[0] >= 10),
            "{told:?}"
        );
    }
}
