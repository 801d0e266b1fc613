// SPDX-License-Identifier: GPL-2.0-only

//! Binary values in text: hexadecimal behind 0x, base64 behind 0b.
//!
//! Source: RFC 7143 section 6.1, RFC 4648 section 4.

use core::fmt;

/// Decodes `value` to the front of `to`; returns how many bytes it has, at least one.
///
/// `None` when it is in neither form, has no digits, or does not fit.
pub fn decode(value: &[u8], to: &mut [u8]) -> Option<usize> {
    match value {
        [b'0', b'x' | b'X', digits @ ..] => decode_hexadecimal(digits, to),
        [b'0', b'b' | b'B', digits @ ..] => decode_base64(digits, to),
        _ => None,
    }
}

/// An odd number of digits lacks the first one, which is 0.
fn decode_hexadecimal(digits: &[u8], to: &mut [u8]) -> Option<usize> {
    let length = digits.len().div_ceil(2);
    let to = to.get_mut(..length).filter(|to| !to.is_empty())?;
    for (byte, pair) in to.iter_mut().rev().zip(digits.rchunks(2)) {
        *byte = pair.iter().try_fold(0_u8, |byte, digit| {
            let digit = char::from(*digit).to_digit(16)?;
            Some((byte << 4) | u8::try_from(digit).ok()?)
        })?;
    }
    Some(length)
}

/// Every four digits are three bytes; `=` stands for digits that the last ones lack, and what these
/// have beyond the last byte is 0.
fn decode_base64(digits: &[u8], to: &mut [u8]) -> Option<usize> {
    let rest = digits.strip_suffix(b"=").unwrap_or(digits);
    let rest = rest.strip_suffix(b"=").unwrap_or(rest);
    if digits.is_empty() || digits.len() % 4 != 0 {
        return None;
    }
    let mut length: usize = 0;
    for group in rest.chunks(4) {
        let mut bits = 0_u32;
        for digit in group {
            bits = (bits << 6) | u32::from(sextet(*digit)?);
        }
        // As if the group were whole; the bytes it lacks are those that `=` stands for.
        let missing = 4_usize.checked_sub(group.len())?;
        for _ in 0..missing {
            bits <<= 6;
        }
        let [_, bytes @ ..] = bits.to_be_bytes();
        let (whole, lacking) = bytes.split_at_checked(3_usize.checked_sub(missing)?)?;
        let end = length.checked_add(whole.len())?;
        to.get_mut(length..end)?.copy_from_slice(whole);
        if whole.is_empty() || lacking.iter().any(|byte| *byte != 0) {
            return None;
        }
        length = end;
    }
    (length > 0).then_some(length)
}

/// The value of a base64 digit.
fn sextet(digit: u8) -> Option<u8> {
    let (first, value) = match digit {
        b'A'..=b'Z' => (b'A', 0),
        b'a'..=b'z' => (b'a', 26),
        b'0'..=b'9' => (b'0', 52),
        b'+' => (b'+', 62),
        b'/' => (b'/', 63),
        _ => return None,
    };
    digit.checked_sub(first)?.checked_add(value)
}

/// Bytes as a hexadecimal constant.
#[derive(Clone, Copy, Debug)]
pub struct Hexadecimal<'a>(pub &'a [u8]);

impl fmt::Display for Hexadecimal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::{
        format,
        vec,
        vec::Vec, //
    };

    use super::*;

    fn decoded(value: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = vec![0xee; 8];
        let length = decode(value, &mut bytes)?;
        assert!(bytes[length..].iter().all(|byte| *byte == 0xee));
        bytes.truncate(length);
        Some(bytes)
    }

    #[test]
    fn hexadecimal_has_any_number_of_digits() {
        assert_eq!(decoded(b"0x0"), Some(vec![0]));
        assert_eq!(decoded(b"0Xf"), Some(vec![15]));
        assert_eq!(decoded(b"0x00aB"), Some(vec![0, 0xab]));
        assert_eq!(decoded(b"0x123"), Some(vec![1, 0x23]));
        assert_eq!(
            decoded(b"0x0011223344556677").map(|bytes| bytes.len()),
            Some(8)
        );
        for bad in [
            &b"0x"[..],
            b"0xg",
            b"0x0g",
            b"0x-1",
            b"0x 1",
            b"0x001122334455667788",
            b"12",
            b"",
        ] {
            assert_eq!(decoded(bad), None, "{bad:?}");
        }
    }

    /// RFC 4648 section 10, and what a decoder that is not strict would take.
    #[test]
    fn base64_is_strict() {
        let examples: [(&[u8], &[u8]); 6] = [
            (b"0bZg==", b"f"),
            (b"0bZm8=", b"fo"),
            (b"0BZm9v", b"foo"),
            (b"0bZm9vYg==", b"foob"),
            (b"0bZm9vYmE=", b"fooba"),
            (b"0b+/+/", &[0xfb, 0xff, 0xbf]),
        ];
        for (value, bytes) in examples {
            assert_eq!(decoded(value).as_deref(), Some(bytes), "{value:?}");
        }
        let bad: [&[u8]; 12] = [
            b"0b",
            b"0b====",
            b"0bZg",
            b"0bZg=",
            b"0bZ===",
            b"0bZg==Zg==",
            b"0bZh==",
            b"0bZm9=",
            b"0bZm-_",
            b"0bZm 8",
            b"0bZm9vYmFyZm9v",
            b"0b=Zg=",
        ];
        for value in bad {
            assert_eq!(decoded(value), None, "{value:?}");
        }
    }

    #[test]
    fn what_is_encoded_can_be_decoded() {
        let bytes = [0, 1, 0x0f, 0xf0, 0xff];
        let text = format!("{}", Hexadecimal(&bytes));
        assert_eq!(text, "0x00010ff0ff");
        assert_eq!(decoded(text.as_bytes()).as_deref(), Some(&bytes[..]));
    }
}
