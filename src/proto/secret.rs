// SPDX-License-Identifier: GPL-2.0-only

//! Secrets, which nothing shows and which leave no copy behind.

use core::fmt;

/// A secret of at most [`Secret::MAX`] bytes; the empty one is none.
///
/// It cannot be copied, and its memory is cleared when it is dropped. A move leaves a copy that
/// nobody clears, so it is filled where it stays.
pub struct Secret {
    bytes: [u8; Secret::MAX],
    length: usize,
}

impl Secret {
    /// The most bytes, those of the linux-iscsi configuration file.
    pub const MAX: usize = 256;

    /// No secret.
    pub const fn none() -> Self {
        Self {
            bytes: [0; Self::MAX],
            length: 0,
        }
    }

    /// Makes `bytes` the secret; `None`, and nothing changed, when they are too many.
    pub fn set(&mut self, bytes: &[u8]) -> Option<()> {
        self.bytes.get(..bytes.len())?;
        wipe(&mut self.bytes);
        self.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        self.length = bytes.len();
        Some(())
    }

    /// Has `fill` write a secret where it stays, and say how long it is.
    ///
    /// # Errors
    ///
    /// Those of `fill`; there is no secret then.
    pub fn fill<E>(
        &mut self,
        fill: impl FnOnce(&mut [u8; Self::MAX]) -> Result<usize, E>,
    ) -> Result<(), E> {
        let filled = fill(&mut self.bytes);
        if filled.is_err() {
            wipe(&mut self.bytes);
        }
        let length = filled.as_ref().ok().filter(|length| **length <= Self::MAX);
        self.length = length.copied().unwrap_or_default();
        filled.map(|_| ())
    }

    /// The bytes, for a hash function and for nothing else.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// Whether there is none.
    pub const fn is_none(&self) -> bool {
        self.length == 0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        wipe(&mut self.bytes);
    }
}

/// Says that there is one, and no more.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Clears `bytes`, also where the compiler sees that nobody reads them any more.
pub fn wipe(bytes: &mut [u8]) {
    bytes.fill(0);
    core::hint::black_box(bytes);
}

/// Whether both are the same, in a time that depends on their lengths alone.
pub fn equal(one: &[u8], other: &[u8]) -> bool {
    let difference = one.iter().zip(other).fold(0, |difference, (a, b)| {
        core::hint::black_box(difference | (a ^ b))
    });
    one.len() == other.len() && difference == 0
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::format;

    use super::*;

    #[test]
    fn a_secret_has_a_length_and_no_face() {
        let mut secret = Secret::none();
        assert!(secret.is_none());
        secret.set(&[1; Secret::MAX]).unwrap();
        assert_eq!(secret.bytes(), [1; Secret::MAX]);
        assert_eq!(secret.set(&[2; Secret::MAX + 1]), None);
        assert_eq!(secret.bytes(), [1; Secret::MAX]);
        secret.set(b"hunter2").unwrap();
        assert_eq!(secret.bytes(), b"hunter2");
        assert!(!secret.is_none());
        assert!(!format!("{secret:?}").contains("hunter2"));
    }

    #[test]
    fn a_secret_is_filled_or_none() {
        let mut secret = Secret::none();
        let done: Result<(), ()> = secret.fill(|bytes| {
            bytes[..3].copy_from_slice(b"abc");
            Ok(3)
        });
        assert_eq!((done, secret.bytes()), (Ok(()), &b"abc"[..]));
        assert_eq!(secret.fill(|_| Err("none")), Err("none"));
        assert!(secret.is_none());
        assert_eq!(secret.bytes, [0; Secret::MAX]);
        // Nothing beyond the end is ever shown.
        let _ = secret.fill(|_| Ok::<_, ()>(Secret::MAX + 1));
        assert!(secret.is_none());
    }

    #[test]
    fn wiping_leaves_nothing() {
        let mut bytes = *b"hunter2";
        wipe(&mut bytes);
        assert_eq!(bytes, [0; 7]);
    }

    #[test]
    fn equal_bytes_are_equal() {
        assert!(equal(b"", b""));
        assert!(equal(b"abc", b"abc"));
        for other in [&b"abd"[..], b"bbc", b"ab", b"abcd", b""] {
            assert!(!equal(b"abc", other));
            assert!(!equal(other, b"abc"));
        }
    }
}
