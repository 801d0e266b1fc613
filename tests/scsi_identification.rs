// SPDX-License-Identifier: GPL-2.0-only

//! Whether a logical unit is the one that it was.

#![allow(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "tests"
)]

use iscsi_init::proto::scsi::identification::{
    is_proved,
    is_same, //
};

/// A page of designators, each of a type and an association.
fn page(designators: &[(u8, u8, &[u8])]) -> Vec<u8> {
    let mut list = Vec::new();
    for (kind, association, value) in designators {
        list.extend([1, (association << 4) | kind, 0, value.len() as u8]);
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

#[test]
fn another_targets_disk_needs_a_name_that_nobody_else_has() {
    const NAA_6: &[u8] = b"\x60\x01\x40\x5a\xbc\0\0\0\0\0\0\0\0\0\0\x01";
    let same = |designators: &[(u8, u8, &[u8])]| {
        let page = page(designators);
        assert!(is_same(&page, &page));
        is_proved(&page, &page)
    };
    for unique in [
        (3, 0, NAA_6),
        (3, 0, &b"\x50\x01\x40\x5a\xbc\0\0\x01"[..]),
        (3, 0, b"\x20\0\0\x14\x05\0\0\x01"),
        (2, 0, b"\0\x14\x05\0\0\0\0\x01"),
        (8, 0, b"naa.600140"),
        (1, 0, b"EXAMPLE disk-0042"),
    ] {
        assert!(same(&[unique]), "{unique:?}");
    }
    // What tgt calls the first disk of its first target, wherever that is.
    let tgt = [
        (1, 0, &b"IET     00010001\0\0\0\0\0\0\0\0"[..]),
        (3, 0, b"\x30\0\0\x01\0\0\0\x01"),
        (3, 0, b"\x60\0\0\0\0\0\0\0\x0e\0\0\0\0\x01\0\x01"),
    ];
    for of_many in [
        &tgt[..],
        &[(2, 0, b"\0\0\0\0\0\0\0\x01")],
        &[(3, 0, b"\x50\0\0\0\x0c\0\0\x01")],
        &[(3, 0, b"\x60")],
        &[(3, 0, b"\x60\x01\x40\x50\0\0\0\0\0\0\0\0\0\0\0\0")],
        &[(2, 0, b"\0\x14\x05\0\0\0\0\0")],
        &[(8, 0, b"\0\0\0\0")],
        &[(1, 0, b"EXAMPLE ")],
        &[(1, 0, b"EXAMPLE         ")],
        // What FreeBSD's CTL calls its first unit where nobody has named it.
        &[(1, 0, b"FREEBSD MYDEVID   0")],
        &[(0, 0, b"EXAMPLE disk-0042")],
        &[(3, 1, NAA_6)],
        &[],
    ] {
        assert!(!same(of_many), "{of_many:?}");
    }
    // What LIO calls each unit that was given no serial number.
    let lio = b"\0\x83\0\x15\x02\x01\0\x09LIO-ORG \0\x01\x06\0\x04\0\0\0\0";
    assert!(is_same(lio, lio) && !is_proved(lio, lio));
    // One that its administrator has named.
    let [_, local, nobodys] = tgt;
    let named = |name| page(&[(1, 0, name), local, nobodys]);
    assert!(is_proved(
        &named(b"EXAMPLE disk-0042"),
        &named(b"EXAMPLE disk-0042")
    ));
    let other = named(b"EXAMPLE disk-0043");
    assert!(is_same(&named(b"EXAMPLE disk-0042"), &other));
    assert!(!is_proved(&named(b"EXAMPLE disk-0042"), &other));
    // The best such name decides, and none that is worse.
    let both = |naa: &'static [u8]| page(&[(3, 0, naa), (1, 0, b"EXAMPLE disk-0042")]);
    let another = b"\x60\x01\x40\x5a\xbc\0\0\0\0\0\0\0\0\0\0\x02";
    assert!(!is_proved(&both(NAA_6), &both(another)));
    assert!(!is_proved(&both(NAA_6), &[]));
    // One of the same type that others have, too, does not count.
    let numbered = |naa: &'static [u8]| page(&[(3, 0, naa), local]);
    assert!(is_same(&numbered(NAA_6), &numbered(another)));
    assert!(!is_proved(&numbered(NAA_6), &numbered(another)));
    // What is proved is the same first of all.
    let moved = page(&[
        (1, 0, b"EXAMPLE disk-0042"),
        (3, 0, b"\x30\0\0\x02\0\0\0\x01"),
    ]);
    assert!(!is_proved(&named(b"EXAMPLE disk-0042"), &moved));
}
