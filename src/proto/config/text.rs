// SPDX-License-Identifier: GPL-2.0-only

//! Strings of bounded length, kept in place since the pure core has no heap.

use core::fmt;

/// A string of at most `N` bytes.
#[derive(Clone, Eq, PartialEq)]
pub struct Text<const N: usize> {
    /// UTF-8 in the first `length` bytes, 0 behind them, so that equal texts are equal arrays.
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Text<N> {
    /// The text that `text` is; `None` when it has more than `N` bytes.
    pub fn new(text: &str) -> Option<Self> {
        let mut this = Self::default();
        this.bytes
            .get_mut(..text.len())?
            .copy_from_slice(text.as_bytes());
        this.length = text.len();
        Some(this)
    }

    /// The printable ASCII characters (0x20 to 0x7e) at the front of `bytes`, at most `N` of them.
    pub fn printable(bytes: &[u8]) -> Self {
        let mut this = Self::default();
        let printable = bytes.iter().take_while(|byte| matches!(byte, 0x20..=0x7e));
        for (slot, byte) in this.bytes.iter_mut().zip(printable) {
            *slot = *byte;
            this.length = this.length.saturating_add(1);
        }
        this
    }

    /// The characters of a host or domain name (letters, digits, `.`, `-` and `_`) at the front of
    /// `bytes`, at most `N` of them. Scripts put such names into commands, so nothing else passes,
    /// nor what they would take for an option or for a path.
    pub fn host_name(bytes: &[u8]) -> Self {
        let mut this = Self::default();
        let permitted =
            |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let leading = bytes
            .iter()
            .take_while(|byte| matches!(byte, b'.' | b'-'))
            .count();
        let name = bytes.iter().skip(leading).take_while(permitted);
        for (slot, byte) in this.bytes.iter_mut().zip(name) {
            *slot = *byte;
            this.length = this.length.saturating_add(1);
        }
        this
    }

    /// The text that `bytes` are in UTF-8, with `?` for what is not, cut where it no longer fits.
    pub fn lossy(bytes: &[u8]) -> Self {
        let mut this = Self::default();
        for chunk in bytes.utf8_chunks() {
            let invalid = if chunk.invalid().is_empty() { "" } else { "?" };
            for character in chunk.valid().chars().chain(invalid.chars()) {
                if fmt::Write::write_char(&mut this, character).is_err() {
                    return this;
                }
            }
        }
        this
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        // What the constructors copy is UTF-8, so this never falls back.
        self.bytes
            .get(..self.length)
            .and_then(|bytes| core::str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }

    /// Whether there is no character.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Turns every ASCII capital into its small letter.
    pub fn make_ascii_lowercase(&mut self) {
        self.bytes.make_ascii_lowercase();
    }
}

/// Appends what is written, all of it or nothing.
impl<const N: usize> fmt::Write for Text<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length.checked_add(text.len()).ok_or(fmt::Error)?;
        let room = self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self {
            bytes: [0; N],
            length: 0,
        }
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_fits_or_is_refused() {
        assert_eq!(
            Text::<4>::new("disk").map(|text| text.as_str() == "disk"),
            Some(true)
        );
        assert_eq!(Text::<3>::new("disk"), None);
        assert!(Text::<0>::new("").is_some_and(|text| text.is_empty()));
    }

    #[test]
    fn a_host_name_has_nothing_a_shell_would_take_for_its_own() {
        let name = |bytes| Text::<16>::host_name(bytes).as_str().len();
        assert_eq!(name(b"node-17_a.rack"), 14);
        for (bytes, length) in [
            (&b"x;`id`"[..], 1),
            (b"$(reboot)", 0),
            (b"../a", 0),
            (b"-rf", 2),
            (b"a b", 1),
            (b"a\nb", 1),
        ] {
            assert_eq!(name(bytes), length, "{bytes:?}");
        }
    }

    #[test]
    fn what_cannot_be_printed_ends_a_printable_text() {
        assert_eq!(
            Text::<8>::printable(b"host\nnameserver 1.2.3.4").as_str(),
            "host"
        );
        assert_eq!(Text::<8>::printable(b"a host name").as_str(), "a host n");
        assert_eq!(Text::<8>::printable("é".as_bytes()).as_str(), "");
    }

    #[test]
    fn what_is_not_utf_8_is_marked() {
        assert_eq!(Text::<8>::lossy(b"a\xffb\xc3").as_str(), "a?b?");
        assert_eq!(Text::<4>::lossy("abcéd".as_bytes()).as_str(), "abc");
        assert_eq!(Text::<5>::lossy("abcéd".as_bytes()).as_str(), "abcé");
    }
}
