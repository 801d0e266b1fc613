// SPDX-License-Identifier: GPL-2.0-only

//! Points in time and spans between them, in milliseconds, as the caller's clock gives them.
//!
//! The pure core has no clock: every function that needs the time takes it as an argument.

/// A point on the caller's monotonic clock.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Instant {
    milliseconds: u64,
}

impl Instant {
    /// The point `milliseconds` after the clock's origin.
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self { milliseconds }
    }

    /// Milliseconds since the clock's origin.
    pub const fn as_millis(self) -> u64 {
        self.milliseconds
    }

    /// The span from `earlier` to `self`, zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.milliseconds.saturating_sub(earlier.milliseconds))
    }

    /// The point `span` later.
    pub const fn after(self, span: Duration) -> Self {
        Self::from_millis(self.milliseconds.saturating_add(span.milliseconds))
    }
}

/// A span of time.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Duration {
    milliseconds: u64,
}

impl Duration {
    /// A span of `milliseconds`.
    pub const fn from_millis(milliseconds: u64) -> Self {
        Self { milliseconds }
    }

    /// A span of `seconds`.
    pub const fn from_secs(seconds: u64) -> Self {
        Self::from_millis(seconds.saturating_mul(1_000))
    }

    /// The span in milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.milliseconds
    }

    /// The span in whole seconds, rounded down.
    pub const fn as_secs(self) -> u64 {
        self.milliseconds / 1_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_saturate() {
        let early = Instant::from_millis(5);
        let late = Instant::from_millis(2_005);
        assert_eq!(late.since(early), Duration::from_secs(2));
        assert_eq!(early.since(late), Duration::default());
        assert_eq!(
            Instant::from_millis(u64::MAX)
                .after(Duration::from_secs(1))
                .as_millis(),
            u64::MAX
        );
    }
}
