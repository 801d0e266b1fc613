// SPDX-License-Identifier: GPL-2.0-only

//! Header and data digests.
//!
//! Source: RFC 7143 sections 11.2.3, 11.2.4 and 13.1.

/// How a part of each PDU is protected.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Digest {
    /// Not at all.
    #[default]
    None,
    /// By its CRC32C, which follows it.
    Crc32c,
}

impl Digest {
    /// Bytes of a CRC32C.
    pub const LENGTH: usize = 4;

    /// Bytes that follow what is protected.
    pub const fn length(self) -> usize {
        match self {
            Self::None => 0,
            Self::Crc32c => Self::LENGTH,
        }
    }

    /// The name in the negotiation.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Crc32c => "CRC32C",
        }
    }

    /// The digest of this name.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        [Self::None, Self::Crc32c]
            .into_iter()
            .find(|digest| digest.name().as_bytes() == name)
    }
}

/// The remainder of a CRC32C over what has been seen so far.
///
/// The polynomial's arithmetic is the caller's, who has hardware for it: it replaces the remainder.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Crc32c(pub u32);

impl Crc32c {
    /// Nothing has been seen.
    pub const START: Self = Self(u32::MAX);

    /// The digest as it is sent.
    pub const fn bytes(self) -> [u8; Digest::LENGTH] {
        // RFC 7143 section 13.1: the complement, the first byte holds the lowest powers as the
        // polynomial is reflected.
        (!self.0).to_le_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_sent_lowest_byte_first() {
        // RFC 7143 appendix A.4: 32 bytes of zeroes have the CRC 0x8a9136aa.
        assert_eq!(Crc32c(!0x8a91_36aa).bytes(), [0xaa, 0x36, 0x91, 0x8a]);
    }

    #[test]
    fn names_are_those_of_the_negotiation() {
        assert_eq!(Digest::from_name(b"None"), Some(Digest::None));
        assert_eq!(Digest::from_name(b"CRC32C"), Some(Digest::Crc32c));
        assert_eq!(Digest::from_name(b"crc32c"), None);
        assert_eq!(Digest::from_name(b"None,CRC32C"), None);
    }
}
