// SPDX-License-Identifier: GPL-2.0-only

//! What real targets do that RFC 7143 does not allow, and that harms nobody who knows of it.
//!
//! What is tolerated stands here. What else a target does wrong ends the connection, unless nothing
//! depends on it: a portal group that is left out or cannot be read, an AuthMethod without an
//! answer where none was needed.

use core::fmt;

/// Something that a target does wrong and that is tolerated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Quirk {
    /// A response repeats an earlier StatSN (section 4.2.2.2). gotgt puts the ExpStatSN of a
    /// command into its response, so that several commands under way get the same number.
    StatSnRepeated,
    /// CHAP algorithm 7, SHA-256 in IANA's registry, stands for SHA-1. tgt (usr/iscsi/chap.c),
    /// which then has no room for the response.
    ChapSha256IsSha1,
    /// The LUN field has the plain number where SAM-5 section 4.7.7.4 wants the flat space
    /// addressing method. LIO, from LUN 256 on.
    PlainLun,
    /// ExpCmdSN and MaxCmdSN contradict each other, or what was sent (section 4.2.2.1). tgt had
    /// zeros there in R2Ts until 2015, which lie ahead of a CmdSN above 2^31.
    NumbersOfNothing,
    /// A read ends well without all its data, and without an underflow (section 11.4.5.1). gotgt,
    /// which takes overflow and underflow for each other.
    ShortRead,
    /// Text has NULs that end no pair (section 6.1). iscsilt, which counts the padding as text.
    EmptyPairs,
    /// A redirection names a portal group (section 13.8). FreeBSD's ctld, which sends what its
    /// configuration has for it as it stands there.
    RedirectedToGroup,
    /// A key that was offered has no answer (sections 6.2 and 6.2.2), so its default holds. iESP,
    /// which says the same few keys to everybody.
    KeyUnanswered,
    /// DefaultTime2Retain is answered with more than was offered (section 13.16). iESP, always with
    /// 20. At error recovery level 0 nothing depends on it.
    LongTime2Retain,
}

impl Quirk {
    const ALL: [Self; 9] = [
        Self::StatSnRepeated,
        Self::ChapSha256IsSha1,
        Self::PlainLun,
        Self::NumbersOfNothing,
        Self::ShortRead,
        Self::EmptyPairs,
        Self::RedirectedToGroup,
        Self::KeyUnanswered,
        Self::LongTime2Retain,
    ];

    const fn bit(self) -> u16 {
        match self {
            Self::StatSnRepeated => 1,
            Self::ChapSha256IsSha1 => 2,
            Self::PlainLun => 4,
            Self::NumbersOfNothing => 8,
            Self::ShortRead => 16,
            Self::EmptyPairs => 32,
            Self::RedirectedToGroup => 64,
            Self::KeyUnanswered => 128,
            Self::LongTime2Retain => 256,
        }
    }
}

/// Completes the sentence "the target ...".
impl fmt::Display for Quirk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StatSnRepeated => "repeats StatSN, as gotgt does",
            Self::ChapSha256IsSha1 => "takes CHAP with SHA-256 for SHA-1, as tgt does",
            Self::PlainLun => "has plain numbers for LUNs above 255, as LIO does",
            Self::NumbersOfNothing => "sends command numbers that cannot be, as tgt did until 2015",
            Self::ShortRead => "ends reads short without saying so, as gotgt does",
            Self::EmptyPairs => "sends text with NULs that end nothing, as iscsilt does",
            Self::RedirectedToGroup => "names a portal group where it redirects to, as ctld may do",
            Self::KeyUnanswered => "leaves login keys without an answer, as iESP does",
            Self::LongTime2Retain => {
                "answers DefaultTime2Retain with more than offered, as iESP does"
            }
        })
    }
}

/// Some quirks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Quirks(u16);

impl Quirks {
    /// None.
    pub const NONE: Self = Self(0);

    /// The quirks with these bits, as [`Quirks::bits`] has them.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// One bit for each.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Adds one.
    pub fn insert(&mut self, quirk: Quirk) {
        self.0 |= quirk.bit();
    }

    /// These and `others`.
    pub const fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Those that `others` do not have.
    pub const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// Each of them.
    pub fn iter(self) -> impl Iterator<Item = Quirk> {
        Quirk::ALL
            .into_iter()
            .filter(move |quirk| self.0 & quirk.bit() != 0)
    }
}

impl From<Quirk> for Quirks {
    fn from(quirk: Quirk) -> Self {
        Self(quirk.bit())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;

    #[test]
    fn each_quirk_is_one_of_its_own() {
        let mut all = Quirks::NONE;
        for quirk in Quirk::ALL {
            assert!(!all.iter().any(|other| other == quirk));
            all.insert(quirk);
            all.insert(quirk);
        }
        assert_eq!(all.iter().collect::<Vec<_>>(), Quirk::ALL);
        let without = all.without(Quirk::PlainLun.into());
        assert_eq!(without.iter().count(), Quirk::ALL.len() - 1);
        assert_eq!(without.with(Quirk::PlainLun.into()), all);
        assert_eq!(Quirks::from_bits(all.bits()), all);
    }
}
