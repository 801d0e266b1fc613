// SPDX-License-Identifier: GPL-2.0-only

//! Whether a logical unit is the one that it was, by its Device Identification page
//! (SPC-5 section 7.7.6).

use crate::proto::bytes::Reader;

/// The length of [`inquiry`]'s answer, at most.
pub const LENGTH: u8 = 252;

/// The CDB of an INQUIRY for the page (SPC-5 section 6.6).
pub const fn inquiry() -> [u8; 6] {
    [0x12, 1, PAGE, 0, LENGTH, 0]
}

/// The page's code.
const PAGE: u8 = 0x83;

/// The types of designators by which units are told apart, the best first: NAA, EUI-64, SCSI name
/// string, T10 vendor ID, vendor specific.
const TYPES: [u8; 5] = [3, 2, 8, 1, 0];

/// How T10 vendor IDs begin that targets make up, the same on every machine: tgt's and FreeBSD's.
const MADE_UP: [&[u8]; 2] = [b"IET     ", b"FREEBSD MYDEVID"];

/// What the logical unit itself is called, in one of its pages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Designator<'a> {
    code_set: u8,
    kind: u8,
    value: &'a [u8],
}

/// Whether a unit with this page can be told from others.
pub fn is_telling(page: &[u8]) -> bool {
    best(page).is_some()
}

/// Whether the units with these pages, of two targets, are one beyond doubt: besides being the same
/// they share the best name that no two units in the world have.
///
/// Such names are those with the IEEE's number of who has made the unit (NAA 2, 5 and 6, EUI-64),
/// SCSI name strings, and T10 vendor IDs. What an administrator or the target itself has numbered
/// (NAA 3, vendor specific) another one numbers the same, and so does tgt with an NAA 6 that has
/// nobody's number and with the T10 vendor ID that it makes up. FreeBSD's CTL makes up such an ID,
/// too, and LIO has one for all units that were given no serial number.
pub fn is_proved(before: &[u8], now: &[u8]) -> bool {
    let best = TYPES.into_iter().find(|kind| {
        let mut had = designators(before);
        had.any(|designator| designator.kind == *kind && designator.is_unique())
    });
    let Some(best) = best else {
        return false;
    };
    let mut had = designators(before).filter(|had| had.kind == best && had.is_unique());
    is_same(before, now) && had.any(|had| designators(now).any(|has| has == had))
}

impl Designator<'_> {
    /// Whether no other unit in the world has it.
    fn is_unique(&self) -> bool {
        match (self.kind, self.value) {
            // SPC-5 section 7.7.6.6: the first four bits are the format, behind which the maker's
            // 24 bits stand, in NAA 2 behind 12 of its own.
            (3, [a, b, c, d, e, ..]) => match a >> 4 {
                2 => (*c, *d, *e) != (0, 0, 0),
                5 | 6 => (a & 0xf, *b, *c, d >> 4) != (0, 0, 0, 0) && is_filled(self.value, 4),
                _ => false,
            },
            (2, [a, b, c, ..]) => (*a, *b, *c) != (0, 0, 0) && is_filled(self.value, 3),
            (8, value) => is_filled(value, 0),
            // Behind the vendor's 8 characters.
            (1, value) => {
                let is_made_up = MADE_UP.iter().any(|start| value.starts_with(start));
                !is_made_up && is_filled(value, 8)
            }
            _ => false,
        }
    }
}

/// Whether a name has more than what fills it up, from byte `from` on.
fn is_filled(value: &[u8], from: usize) -> bool {
    let own = value.get(from..).unwrap_or_default();
    own.iter().any(|byte| !matches!(byte, 0 | b' '))
}

/// The best type of designator that the page has.
fn best(page: &[u8]) -> Option<u8> {
    let has = |kind: &u8| designators(page).any(|designator| designator.kind == *kind);
    TYPES.into_iter().find(has)
}

/// Whether the unit whose page is `now` is the one whose page was `before`.
///
/// They are compared by the best type of designator that the unit had. A unit that had none, or no
/// such page, is taken for the same: it cannot be told.
pub fn is_same(before: &[u8], now: &[u8]) -> bool {
    let Some(best) = best(before) else {
        return true;
    };
    let mut had = designators(before).filter(|designator| designator.kind == best);
    had.any(|had| designators(now).any(|has| has == had))
}

/// The designators of the logical unit itself; those of ports and devices differ from portal to
/// portal. A page that is cut short has those before the cut.
fn designators(page: &[u8]) -> impl Iterator<Item = Designator<'_>> {
    let mut reader = Reader::new(page);
    let header = reader.array::<4>();
    let [_, code, high, low] = header.unwrap_or_default();
    let length = usize::from(u16::from_be_bytes([high, low]));
    let rest = reader.rest();
    let list = rest.get(..length).unwrap_or(rest);
    let mut reader = Reader::new(if code == PAGE { list } else { &[] });

    core::iter::from_fn(move || loop {
        let [first, second, _, length] = reader.array()?;
        let value = reader.take(usize::from(length))?;
        // The association is 0 for the logical unit.
        if second & 0x30 == 0 {
            return Some(Designator {
                code_set: first & 0xf,
                kind: second & 0xf,
                value,
            });
        }
    })
}
