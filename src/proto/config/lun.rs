// SPDX-License-Identifier: GPL-2.0-only

//! Logical unit numbers as people write them: decimal in a setting, hexadecimal
//! in RFC 4173's root path.

use core::fmt;

use crate::proto::config::{
    decimal,
    ParseError, //
};

/// The highest LUN that one level of addressing can name
/// (SAM-5 section 4.7.7.3, flat space: 14 bits).
pub const MAX: u16 = 0x3fff;

/// Reads a decimal LUN (0 to [`MAX`]).
///
/// # Errors
///
/// [`LunFault`] says what is wrong with the text.
pub fn parse(text: &str) -> Result<u16, LunError> {
    if let Some(offset) = text.bytes().position(|byte| !byte.is_ascii_digit()) {
        return Err(LunError::new(LunFault::NotDecimal, offset));
    }
    if text.is_empty() {
        return Err(LunError::new(LunFault::Empty, 0));
    }
    match decimal(text) {
        Some(lun @ 0..=MAX) => Ok(lun),
        _ => Err(LunError::new(LunFault::TooHigh, 0)),
    }
}

/// Reads a LUN as in RFC 4173's root path: up to four groups of one to four hexadecimal
/// digits, split by dashes.
///
/// The first group is a number, or the same number in SAM-5's flat addressing (`4100` is LUN
/// 256); what follows it addresses deeper levels, which no LUN of one number has, and must be
/// zero. An empty text is LUN 0.
///
/// # Errors
///
/// [`LunFault`] says what is wrong with the text.
pub fn parse_hexadecimal(text: &str) -> Result<u16, LunError> {
    /// The addressing method in the first level's two top bits (SAM-5 section 4.7.7.1).
    const METHOD: u16 = 0xc000;
    const FLAT: u16 = 0x4000;

    if text.is_empty() {
        return Ok(0);
    }
    let mut first = None;
    let mut offset: usize = 0;
    for (level, group) in text.split('-').enumerate() {
        let digits = group.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u16::from_str_radix(group, 16)
            .ok()
            .filter(|_| digits && group.len() <= 4 && level < 4);
        match (number, first) {
            (None, _) => return Err(LunError::new(LunFault::NotHexadecimal, offset)),
            (Some(number), None) => first = Some(number),
            (Some(0), Some(_)) => {}
            (Some(_), Some(_)) => return Err(LunError::new(LunFault::Levels, offset)),
        }
        offset = offset.saturating_add(group.len()).saturating_add(1);
    }
    match first {
        Some(lun @ 0..=MAX) => Ok(lun),
        Some(lun) if lun & METHOD == FLAT => Ok(lun & MAX),
        _ => Err(LunError::new(LunFault::Method, 0)),
    }
}

/// What is wrong with a LUN, and where.
pub type LunError = ParseError<LunFault>;

/// What is wrong with a LUN.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LunFault {
    /// There is no digit.
    Empty,
    /// There is something other than a decimal digit.
    NotDecimal,
    /// The number is above [`MAX`].
    TooHigh,
    /// There is something other than groups of hexadecimal digits.
    NotHexadecimal,
    /// There is more than one level of addressing.
    Levels,
    /// The first level's addressing method is neither peripheral nor flat.
    Method,
}

impl fmt::Display for LunFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the LUN is empty; expected a decimal number"),
            Self::NotDecimal => write!(f, "a LUN is a decimal number from 0 to {MAX}"),
            Self::TooHigh => write!(f, "the LUN is above {MAX}"),
            Self::NotHexadecimal => f.write_str(
                "this LUN is up to four groups of one to four hexadecimal digits, split by -",
            ),
            Self::Levels => f.write_str(
                "the LUN addresses more than one level; expected zeros after the first group",
            ),
            Self::Method => {
                f.write_str("the LUN's addressing method is neither peripheral nor flat")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal_fault(text: &str) -> Option<(LunFault, usize)> {
        parse(text).err().map(|error| (error.reason, error.offset))
    }

    fn hexadecimal_fault(text: &str) -> Option<(LunFault, usize)> {
        parse_hexadecimal(text)
            .err()
            .map(|error| (error.reason, error.offset))
    }

    #[test]
    fn decimal_luns_are_read() {
        assert_eq!(parse("0"), Ok(0));
        assert_eq!(parse("010"), Ok(10));
        assert_eq!(parse("16383"), Ok(16_383));
    }

    #[test]
    fn other_than_decimal_luns_are_refused() {
        assert_eq!(decimal_fault(""), Some((LunFault::Empty, 0)));
        assert_eq!(decimal_fault("1a"), Some((LunFault::NotDecimal, 1)));
        assert_eq!(decimal_fault("+1"), Some((LunFault::NotDecimal, 0)));
        assert_eq!(decimal_fault("0x10"), Some((LunFault::NotDecimal, 1)));
        assert_eq!(decimal_fault("16384"), Some((LunFault::TooHigh, 0)));
        assert_eq!(
            decimal_fault("99999999999999999999"),
            Some((LunFault::TooHigh, 0))
        );
    }

    #[test]
    fn hexadecimal_luns_are_read() {
        assert_eq!(parse_hexadecimal(""), Ok(0));
        assert_eq!(parse_hexadecimal("0"), Ok(0));
        assert_eq!(parse_hexadecimal("a"), Ok(10));
        assert_eq!(parse_hexadecimal("10"), Ok(16));
        assert_eq!(parse_hexadecimal("0001-0000-0000-0000"), Ok(1));
        assert_eq!(parse_hexadecimal("4100-0"), Ok(256));
    }

    #[test]
    fn other_than_hexadecimal_luns_are_refused() {
        // The example of RFC 4173 section 5.
        assert_eq!(
            hexadecimal_fault("4752-3A4F-6b7e-2F99"),
            Some((LunFault::Levels, 5))
        );
        assert_eq!(hexadecimal_fault("8000"), Some((LunFault::Method, 0)));
        assert_eq!(
            hexadecimal_fault("0x1"),
            Some((LunFault::NotHexadecimal, 0))
        );
        assert_eq!(hexadecimal_fault("+1"), Some((LunFault::NotHexadecimal, 0)));
        assert_eq!(
            hexadecimal_fault("00001"),
            Some((LunFault::NotHexadecimal, 0))
        );
        assert_eq!(hexadecimal_fault("1-"), Some((LunFault::NotHexadecimal, 2)));
        assert_eq!(
            hexadecimal_fault("1-0-0-0-0"),
            Some((LunFault::NotHexadecimal, 8))
        );
    }
}
