// SPDX-License-Identifier: GPL-2.0-only

//! Text: key=value pairs, each ended by a NUL, and the forms of their values.
//!
//! Source: RFC 7143 sections 6.1 and 11.12.2.

use core::fmt::{
    Display,
    Write, //
};

use crate::proto::{
    bytes::Writer,
    iscsi::{
        error::{
            Error,
            Malformed, //
        },
        quirk::{
            Quirk,
            Quirks, //
        }, //
    }, //
};

/// The longest key name in bytes (RFC 7143 section 6.1).
const KEY_NAME_MAX: usize = 63;

/// The longest value in bytes, but for binary ones (RFC 7143 section 6.1).
pub(super) const VALUE_MAX: usize = 255;

/// The longest binary value in bytes: 0x and two digits for each byte that CHAP may send (RFC 7143
/// section 12.1.3).
pub(super) const BINARY_VALUE_MAX: usize = 2 + 2 * 1_024;

/// Room for the longest legal pair and one byte more, which tells that a value is too long.
pub const PARTIAL: usize = KEY_NAME_MAX + 1 + BINARY_VALUE_MAX + 1;

/// Takes text apart that may be split anywhere over several PDUs (RFC 7143 section 6.2, the C bit).
#[derive(Debug)]
pub struct Assembler<'a> {
    partial: &'a mut [u8; PARTIAL],
    length: usize,
    quirks: Quirks,
}

impl<'a> Assembler<'a> {
    /// An assembler that holds nothing; it keeps in `partial` what goes on in the next PDU.
    pub fn new(partial: &'a mut [u8; PARTIAL]) -> Self {
        Self {
            partial,
            length: 0,
            quirks: Quirks::NONE,
        }
    }

    /// What was wrong with the text so far, and is tolerated.
    pub const fn quirks(&self) -> Quirks {
        self.quirks
    }

    /// Gives each pair that ends in `data` to `visit`, as a legal key name and a value of any bytes
    /// but NUL.
    ///
    /// A value of more than 2050 bytes is given in part, but in more than 2050 bytes.
    ///
    /// # Errors
    ///
    /// [`Malformed::PairWithoutEquals`], [`Malformed::KeyName`], or what `visit` returns.
    pub fn feed(
        &mut self,
        data: &[u8],
        mut visit: impl FnMut(&str, &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut pieces = data.split(|byte| *byte == 0);
        // What follows the last NUL is the beginning of a pair that a later PDU ends.
        let beginning = pieces.next_back().unwrap_or_default();
        for piece in pieces {
            if self.length == 0 {
                pair(piece, &mut self.quirks, &mut visit)?;
            } else {
                self.keep(piece);
                pair(
                    self.partial.get(..self.length).unwrap_or_default(),
                    &mut self.quirks,
                    &mut visit,
                )?;
                self.length = 0;
            }
        }
        self.keep(beginning);
        Ok(())
    }

    /// Checks that no pair is left without its end.
    ///
    /// # Errors
    ///
    /// [`Malformed::TextNotTerminated`].
    pub const fn finish(&self) -> Result<(), Malformed> {
        if self.length == 0 {
            Ok(())
        } else {
            Err(Malformed::TextNotTerminated)
        }
    }

    /// Appends as much of `piece` as there is room for.
    fn keep(&mut self, piece: &[u8]) {
        let room = self.partial.iter_mut().skip(self.length);
        for (to, from) in room.zip(piece) {
            *to = *from;
        }
        self.length = self.length.saturating_add(piece.len()).min(PARTIAL);
    }
}

/// Gives each pair of a text that one PDU has whole to `visit`, as [`Assembler::feed`] does.
/// Returns what was wrong with it, and is tolerated.
pub(super) fn pairs(
    data: &[u8],
    mut visit: impl FnMut(&str, &[u8]) -> Result<(), Error>,
) -> Result<Quirks, Error> {
    let mut quirks = Quirks::NONE;
    let mut pieces = data.split(|byte| *byte == 0);
    if pieces.next_back().is_some_and(|rest| !rest.is_empty()) {
        return Err(Malformed::TextNotTerminated.into());
    }
    pieces.try_for_each(|piece| pair(piece, &mut quirks, &mut visit))?;
    Ok(quirks)
}

/// Writes `key=value` and the NUL that ends it; `None` when it does not fit.
pub(super) fn put_pair(to: &mut Writer<'_>, key: impl Display, value: impl Display) -> Option<()> {
    write!(to, "{key}={value}\0").ok()
}

/// Splits one pair at its first "=".
fn pair(
    text: &[u8],
    quirks: &mut Quirks,
    visit: &mut impl FnMut(&str, &[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    if text.is_empty() {
        quirks.insert(Quirk::EmptyPairs);
        return Ok(());
    }
    let mut halves = text.splitn(2, |byte| *byte == b'=');
    let (Some(name), Some(value)) = (halves.next(), halves.next()) else {
        return Err(Malformed::PairWithoutEquals.into());
    };
    visit(key_name(name).ok_or(Malformed::KeyName)?, value)
}

/// The key name in these bytes, if they are one.
fn key_name(bytes: &[u8]) -> Option<&str> {
    let (first, rest) = bytes.split_first()?;
    let legal = |byte: &u8| byte.is_ascii_alphanumeric() || b".-+@_#".contains(byte);
    // RFC 7143 section 6.1 wants a capital letter first, which its own iSCSIProtocolLevel has not.
    if bytes.len() > KEY_NAME_MAX || !first.is_ascii_alphabetic() || !rest.iter().all(legal) {
        return None;
    }
    core::str::from_utf8(bytes).ok()
}

/// A number in decimal without leading zeros, or in hexadecimal behind 0x or 0X, below 2^64.
pub fn number(value: &[u8]) -> Option<u64> {
    let (digits, radix) = match value {
        [b'0', b'x' | b'X', digits @ ..] => (digits, 16),
        [b'0', _, ..] => return None,
        digits => (digits, 10),
    };
    // `from_str_radix` would take a sign.
    if !digits.first()?.is_ascii_hexdigit() {
        return None;
    }
    u64::from_str_radix(core::str::from_utf8(digits).ok()?, radix).ok()
}

/// Yes or No.
pub fn boolean(value: &[u8]) -> Option<bool> {
    match value {
        b"Yes" => Some(true),
        b"No" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::{
        format,
        string::{
            String,
            ToString, //
        },
        vec::Vec, //
    };

    use super::*;

    fn pairs(parts: &[&[u8]]) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let mut found = Vec::new();
        let mut partial = [0; PARTIAL];
        let mut assembler = Assembler::new(&mut partial);
        for part in parts {
            assembler.feed(part, |key, value| {
                found.push((key.to_string(), value.to_vec()));
                Ok(())
            })?;
        }
        assembler.finish()?;
        Ok(found)
    }

    #[test]
    fn a_nul_that_ends_nothing_is_noticed_wherever_the_text_is_split() {
        for (text, expected) in [
            (&b"A=1\0B=2\0"[..], Quirks::NONE),
            (b"A=1\0\0B=2\0", Quirk::EmptyPairs.into()),
            (b"\0A=1\0", Quirk::EmptyPairs.into()),
            (b"A=1\0\0", Quirk::EmptyPairs.into()),
        ] {
            assert_eq!(super::pairs(text, |_, _| Ok(())), Ok(expected), "{text:?}");
            for at in 0..=text.len() {
                let mut partial = [0; PARTIAL];
                let mut assembler = Assembler::new(&mut partial);
                for part in [&text[..at], &text[at..]] {
                    assembler.feed(part, |_, _| Ok(())).unwrap();
                }
                assert_eq!(assembler.quirks(), expected, "{text:?} split at {at}");
            }
        }
    }

    #[test]
    fn text_is_the_same_wherever_it_is_split() {
        let text = b"TargetAlias=a=b\0HeaderDigest=None\0\0X-long.name_1+2@3=\0";
        let whole = pairs(&[text]).unwrap();
        assert_eq!(whole.len(), 3);
        assert_eq!(whole[0], ("TargetAlias".into(), b"a=b".to_vec()));
        assert_eq!(whole[2], ("X-long.name_1+2@3".into(), Vec::new()));
        for at in 0..=text.len() {
            let (head, tail) = text.split_at(at);
            assert_eq!(pairs(&[head, tail]).unwrap(), whole, "split at {at}");
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(pairs(&bytes).unwrap(), whole);
    }

    #[test]
    fn text_without_its_last_nul_is_refused_at_every_length() {
        let text = b"HeaderDigest=None\0DataDigest=None\0";
        for length in 0..text.len() {
            let ends_a_pair = length == 0 || text[length - 1] == 0;
            assert_eq!(
                pairs(&[&text[..length]]).is_ok(),
                ends_a_pair,
                "{length} bytes"
            );
        }
    }

    #[test]
    fn key_names_follow_their_grammar() {
        let longest = format!("X{}=1\0", "y".repeat(62));
        assert!(pairs(&[longest.as_bytes()]).is_ok());
        assert!(pairs(&[b"iSCSIProtocolLevel=1\0X#NodeArchitecture=y\0"]).is_ok());
        let too_long = format!("X{}=1\0", "y".repeat(63));
        for text in [
            too_long.as_bytes(),
            b"=v\0",
            b"A b=1\0",
            b"A\xc3\xa4=1\0",
            b"1A=1\0",
        ] {
            assert_eq!(pairs(&[text]), Err(Malformed::KeyName.into()), "{text:?}");
        }
        assert_eq!(pairs(&[b"Foo\0"]), Err(Malformed::PairWithoutEquals.into()));
    }

    #[test]
    fn a_value_too_long_to_keep_is_still_seen_to_be_too_long() {
        let text = format!("X{}={}\0Y=1\0", "y".repeat(62), "v".repeat(5_000));
        for size in [1, 63, 64, PARTIAL - 1, PARTIAL, PARTIAL + 1, 4_096] {
            let parts: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            let found = pairs(&parts).unwrap();
            assert!(found[0].1.len() > BINARY_VALUE_MAX);
            assert_eq!(found[1], ("Y".into(), b"1".to_vec()));
        }
    }

    #[test]
    fn numbers_have_two_forms_and_no_others() {
        assert_eq!(number(b"0"), Some(0));
        assert_eq!(number(b"8192"), Some(8_192));
        assert_eq!(number(b"0x2000"), Some(8_192));
        assert_eq!(number(b"0XfF"), Some(255));
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        let bad: [&[u8]; 12] = [
            b"",
            b"08",
            b"00",
            b"-1",
            b"+1",
            b"0x",
            b"0x+1",
            b"1e6",
            b"512 ",
            b" 512",
            b"a",
            b"18446744073709551616",
        ];
        for value in bad {
            assert_eq!(number(value), None, "{value:?}");
        }
    }

    #[test]
    fn booleans_are_yes_and_no() {
        assert_eq!([boolean(b"Yes"), boolean(b"No")], [Some(true), Some(false)]);
        assert_eq!([boolean(b"yes"), boolean(b"Maybe")], [None, None]);
    }
}
