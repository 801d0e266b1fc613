// SPDX-License-Identifier: GPL-2.0-only

//! The algorithms, and lists of them in order of preference.

use core::fmt;

/// The bytes of the longest hash.
pub const HASH_MAX: usize = 32;

/// A hash function for CHAP.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Algorithm {
    /// MD5, which every implementation has (RFC 7143 section 12.1.3).
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA3-256.
    Sha3_256,
}

impl Algorithm {
    /// All of them, the strongest first.
    pub const ALL: [Self; 4] = [Self::Sha3_256, Self::Sha256, Self::Sha1, Self::Md5];

    /// The number in CHAP_A.
    pub const fn number(self) -> u8 {
        match self {
            Self::Md5 => 5,
            Self::Sha1 => 6,
            Self::Sha256 => 7,
            Self::Sha3_256 => 8,
        }
    }

    /// The bytes of a hash.
    pub const fn length(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 | Self::Sha3_256 => HASH_MAX,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha3_256 => "SHA3-256",
        })
    }
}

/// Algorithms in order of preference, each at most once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Algorithms([Option<Algorithm>; Algorithm::ALL.len()]);

impl Algorithms {
    /// None of them.
    pub const NONE: Self = Self([None; Algorithm::ALL.len()]);

    /// All of them, the strongest first.
    pub fn all() -> Self {
        Self(Algorithm::ALL.map(Some))
    }

    /// Each of them, the preferred one first.
    pub fn iter(&self) -> impl Iterator<Item = Algorithm> + '_ {
        self.0.iter().flatten().copied()
    }

    /// Whether this one is among them.
    pub fn has(&self, algorithm: Algorithm) -> bool {
        self.iter().any(|other| other == algorithm)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::NONE
    }

    /// Adds one behind the others; `None` when it is among them already.
    pub fn push(&mut self, algorithm: Algorithm) -> Option<()> {
        if self.has(algorithm) {
            return None;
        }
        // No place is free before the last that is taken.
        *self.0.iter_mut().find(|place| place.is_none())? = Some(algorithm);
        Some(())
    }

    /// Takes out those that are not to be kept.
    pub fn retain(&mut self, keep: impl Fn(Algorithm) -> bool) {
        let mut kept = Self::NONE;
        let those = self.iter().filter(|algorithm| keep(*algorithm));
        for (place, algorithm) in kept.0.iter_mut().zip(those) {
            *place = Some(algorithm);
        }
        *self = kept;
    }
}

impl Default for Algorithms {
    fn default() -> Self {
        Self::all()
    }
}

impl fmt::Display for Algorithms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        self.iter().try_for_each(|algorithm| {
            write!(f, "{separator}{algorithm}")?;
            separator = ", ";
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;

    #[test]
    fn a_list_keeps_its_order_and_each_once() {
        let mut list = Algorithms::NONE;
        assert!(list.is_empty());
        for algorithm in [Algorithm::Md5, Algorithm::Sha3_256, Algorithm::Sha1] {
            assert_eq!(list.push(algorithm), Some(()));
            assert_eq!(list.push(algorithm), None);
        }
        assert_eq!(std::format!("{list}"), "MD5, SHA3-256, SHA-1");
        list.retain(|algorithm| algorithm != Algorithm::Md5);
        assert!(!list.has(Algorithm::Md5) && list.has(Algorithm::Sha1));
        assert_eq!(list.push(Algorithm::Md5), Some(()));
        assert!(list.iter().eq([
            Algorithm::Sha3_256,
            Algorithm::Sha1,
            Algorithm::Md5, //
        ]));
        list.retain(|_| false);
        assert_eq!(list, Algorithms::NONE);
        assert!(Algorithms::all().iter().eq(Algorithm::ALL));
    }
}
