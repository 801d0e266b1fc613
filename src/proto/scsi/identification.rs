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

/// Whether the unit whose page is `now` is the one whose page was `before`.
///
/// They are compared by the best type of designator that the unit had. A unit that had none, or no
/// such page, is taken for the same: it cannot be told.
pub fn is_same(before: &[u8], now: &[u8]) -> bool {
    let best = TYPES
        .iter()
        .find(|kind| designators(before).any(|designator| designator.kind == **kind));
    let Some(best) = best else {
        return true;
    };
    let mut had = designators(before).filter(|designator| designator.kind == *best);
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A page of designators, each of a type and an association.
    fn page(designators: &[(u8, u8, &[u8])]) -> Vec<u8> {
        let mut list = Vec::new();
        for (kind, association, value) in designators {
            list.extend([1, association << 4 | kind, 0, value.len() as u8]);
            list.extend(*value);
        }
        let length = (list.len() as u16).to_be_bytes();
        [&[0, 0x83][..], &length, &list].concat()
    }

    #[test]
    fn the_best_designator_decides() {
        let before = page(&[(1, 0, b"vendor 1"), (3, 0, b"naa 1"), (4, 1, b"\0\0\0\x01")]);
        // New firmware, another port.
        let upgraded = page(&[
            (3, 0, b"naa 1"),
            (1, 0, b"vendor 1 v2"),
            (4, 1, b"\0\0\0\x02"),
        ]);
        assert!(is_same(&before, &upgraded));
        let another = page(&[(1, 0, b"vendor 1"), (3, 0, b"naa 2"), (4, 1, b"\0\0\0\x01")]);
        assert!(!is_same(&before, &another));
        // The same value as something else's name is another name.
        assert!(!is_same(&before, &page(&[(3, 1, b"naa 1")])));
        assert!(!is_same(&before, &page(&[(2, 0, b"naa 1")])));
        assert!(!is_same(&before, &[]));
    }

    #[test]
    fn one_of_several_is_enough() {
        let before = page(&[(3, 0, b"locally"), (3, 0, b"globally")]);
        assert!(is_same(&before, &page(&[(3, 0, b"globally")])));
    }

    #[test]
    fn without_a_name_it_cannot_be_told() {
        for nameless in [&[][..], &[0, 0x80, 0, 1, b'a'], &page(&[(4, 1, b"port")])] {
            assert!(is_same(nameless, &page(&[(3, 0, b"naa 1")])));
        }
    }

    #[test]
    fn pages_that_are_cut_or_lie_about_lengths_are_read_to_the_cut() {
        let whole = page(&[(3, 0, b"naa 1"), (1, 0, b"vendor 1")]);
        for length in 0..whole.len() {
            // The first designator ends at 13.
            assert_eq!(is_same(&whole, &whole[..length]), length >= 13);
        }
        let mut long = whole.clone();
        long[2] = 0xff;
        assert!(is_same(&whole, &long));
        let mut long = whole;
        long[7] = 0xff;
        assert!(is_same(&long, &[]));
    }
}
