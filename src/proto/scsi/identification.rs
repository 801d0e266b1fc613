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
