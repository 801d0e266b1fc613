// SPDX-License-Identifier: GPL-2.0-only

//! When to try again: delays that double up to a limit, each with some jitter.

use crate::proto::time::Duration;

/// The delays between tries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Backoff {
    first: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    /// Delays of `first`, twice that, and so on up to `max`, each with less than `first` of jitter.
    pub const fn new(first: Duration, max: Duration) -> Self {
        Self {
            first,
            max,
            next: first,
        }
    }

    /// Whether no delay has been asked for yet.
    pub fn is_fresh(&self) -> bool {
        self.next == self.first
    }

    /// The next delay. `random` spreads it: a rack of machines must not come back in step.
    pub fn next(&mut self, random: u16) -> Duration {
        let delay = self.next.as_millis();
        let jitter = u64::from(random)
            .checked_rem(self.first.as_millis())
            .unwrap_or(0);
        self.next = Duration::from_millis(delay.saturating_mul(2)).min(self.max);
        Duration::from_millis(delay.saturating_add(jitter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_limit() {
        let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_millis(900));
        assert!(backoff.is_fresh());
        assert_eq!(backoff.next(0), Duration::from_millis(250));
        assert!(!backoff.is_fresh());
        assert_eq!(backoff.next(0), Duration::from_millis(500));
        assert_eq!(backoff.next(0), Duration::from_millis(900));
        assert_eq!(backoff.next(0), Duration::from_millis(900));
    }

    #[test]
    fn jitter_stays_below_the_first_delay() {
        let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_millis(900));
        assert_eq!(backoff.next(249), Duration::from_millis(499));
        assert_eq!(backoff.next(250), Duration::from_millis(500));
        assert_eq!(backoff.next(251), Duration::from_millis(901));
        let mut none = Backoff::new(Duration::default(), Duration::default());
        assert_eq!(none.next(7), Duration::default());
    }
}
