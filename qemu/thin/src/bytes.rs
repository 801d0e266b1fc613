// SPDX-License-Identifier: GPL-2.0-only

//! Numbers in byte strings. A read beyond the end is 0, so that no peer can make it panic.

use std::io;

macro_rules! reader {
    ($name:ident, $number:ty, $from:ident) => {
        #[inline]
        pub fn $name(bytes: &[u8], at: usize) -> $number {
            bytes
                .get(at..)
                .and_then(|rest| rest.first_chunk())
                .map_or(0, |chunk| <$number>::$from(*chunk))
        }
    };
}

reader!(be16, u16, from_be_bytes);
reader!(be32, u32, from_be_bytes);
reader!(be64, u64, from_be_bytes);
reader!(le16, u16, from_le_bytes);
reader!(le32, u32, from_le_bytes);
reader!(le64, u64, from_le_bytes);

/// The 24-bit number that iSCSI uses for lengths.
#[inline]
pub fn be24(bytes: &[u8], at: usize) -> u32 {
    be32(bytes, at.wrapping_sub(1)) & 0x00ff_ffff
}

/// Puts `value`, as bytes, at `at` of a structure that we build.
#[inline]
pub fn put<const N: usize>(into: &mut [u8], at: usize, value: [u8; N]) {
    into[at..at + N].copy_from_slice(&value);
}

/// Puts `text` at `at`, padded with spaces to `len` bytes.
pub fn put_text(into: &mut [u8], at: usize, len: usize, text: &str) {
    into[at..at + len].fill(b' ');
    let text = &text.as_bytes()[..text.len().min(len)];
    into[at..at + text.len()].copy_from_slice(text);
}

/// The error of a peer that breaks a rule.
pub fn broken(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_ends() {
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8];
        assert_eq!(be16(&bytes, 6), 0x0708);
        assert_eq!(be16(&bytes, 7), 0);
        assert_eq!(be24(&bytes, 1), 0x0002_0304);
        assert_eq!(le32(&bytes, 0), 0x0403_0201);
        assert_eq!(be64(&bytes, 0), 0x0102_0304_0506_0708);
        assert_eq!(le64(&bytes, 1), 0);
        assert_eq!(le16(&bytes, usize::MAX), 0);
    }
}
