// SPDX-License-Identifier: GPL-2.0-only

//! Lists of logical units.

use core::fmt;

/// How many logical units a list can tell apart, as in linux-iscsi.
const COUNT: u16 = 256;

/// The logical units of a target that are looked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Luns {
    first: u16,
    /// One bit for each of [`COUNT`].
    words: [u64; 4],
}

impl Luns {
    /// Reads numbers and ranges with commas between, such as `1,3-5`; `None` when that is none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut this: Option<Self> = None;
        for range in text.split(',') {
            let (from, to) = range.split_once('-').unwrap_or((range, range));
            let (from, to) = (number(from)?, number(to)?);
            if from > to {
                return None;
            }
            let luns = this.get_or_insert(Self {
                first: from,
                words: [0; 4],
            });
            for lun in from..=to {
                let (word, bit) = place(lun);
                *luns.words.get_mut(word)? |= bit;
            }
        }
        this
    }

    /// The one that is named first.
    pub const fn first(&self) -> u16 {
        self.first
    }

    /// All of them, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        (0..COUNT).filter(|lun| {
            let (word, bit) = place(*lun);
            self.words.get(word).is_some_and(|word| word & bit != 0)
        })
    }
}

/// As [`Luns::parse`] reads them, in ascending order.
impl fmt::Display for Luns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut luns = self.iter().peekable();
        let mut separator = "";
        while let Some(from) = luns.next() {
            let mut to = from;
            while let Some(next) = luns.next_if(|next| *next == to.saturating_add(1)) {
                to = next;
            }
            write!(f, "{separator}{from}")?;
            if to != from {
                write!(f, "-{to}")?;
            }
            separator = ",";
        }
        Ok(())
    }
}

fn number(text: &str) -> Option<u16> {
    crate::proto::config::decimal(text).filter(|lun| !text.is_empty() && *lun < COUNT)
}

/// The word with a unit's bit, and that bit.
fn place(lun: u16) -> (usize, u64) {
    (usize::from(lun >> 6), 1_u64.wrapping_shl(u32::from(lun)))
}
