// SPDX-License-Identifier: GPL-2.0-only

//! For how long a boot is tried, as people write it.

use core::fmt;

use crate::proto::{
    config::{
        decimal,
        ParseError, //
    },
    time::Duration,
};

/// The longest time in seconds, 18 hours.
pub const MAX: u16 = u16::MAX;

/// For how long a boot is tried again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Patience {
    /// Until this time has passed since the first try.
    For(Duration),
    /// For ever.
    Endless,
}

/// `60 s` or `no limit`.
impl fmt::Display for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::For(time) => write!(f, "{} s", time.as_secs()),
            Self::Endless => f.write_str("no limit"),
        }
    }
}

/// Reads a decimal number of seconds (0 to [`MAX`]), of which 0 is no limit.
///
/// # Errors
///
/// [`TimeoutFault`] says what is wrong with the text.
pub fn parse(text: &str) -> Result<Patience, TimeoutError> {
    if let Some(offset) = text.bytes().position(|byte| !byte.is_ascii_digit()) {
        return Err(TimeoutError::new(TimeoutFault::NotDecimal, offset));
    }
    match decimal(text) {
        Some(0) => Ok(Patience::Endless),
        Some(seconds) => Ok(Patience::For(Duration::from_secs(u64::from(seconds)))),
        None => Err(TimeoutError::new(TimeoutFault::TooLong, 0)),
    }
}

/// What is wrong with a time limit, and where.
pub type TimeoutError = ParseError<TimeoutFault>;

/// What is wrong with a time limit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TimeoutFault {
    /// There is something other than a decimal digit.
    NotDecimal,
    /// There is no number, or it is above [`MAX`].
    TooLong,
}

impl fmt::Display for TimeoutFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotDecimal => f.write_str("a time limit is a decimal number of seconds"),
            Self::TooLong => write!(f, "expected a number of seconds from 0 to {MAX}"),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::format;

    use super::*;

    fn fault(text: &str) -> Option<(TimeoutFault, usize)> {
        parse(text).err().map(|error| (error.reason, error.offset))
    }

    #[test]
    fn seconds_are_read() {
        assert_eq!(parse("60"), Ok(Patience::For(Duration::from_secs(60))));
        assert_eq!(
            parse("65535"),
            Ok(Patience::For(Duration::from_secs(65_535)))
        );
        assert_eq!(parse("0"), Ok(Patience::Endless));
    }

    #[test]
    fn other_than_seconds_is_refused() {
        assert_eq!(fault("1m"), Some((TimeoutFault::NotDecimal, 1)));
        assert_eq!(fault("-1"), Some((TimeoutFault::NotDecimal, 0)));
        assert_eq!(fault("65536"), Some((TimeoutFault::TooLong, 0)));
        assert_eq!(fault(""), Some((TimeoutFault::TooLong, 0)));
    }

    #[test]
    fn patience_reads_well() {
        assert_eq!(format!("{}", Patience::Endless), "no limit");
        assert_eq!(
            format!("{}", Patience::For(Duration::from_secs(60))),
            "60 s"
        );
    }
}
