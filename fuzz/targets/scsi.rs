// SPDX-License-Identifier: GPL-2.0-only

//! The fuzz target of what logical units say of themselves.

use iscsi_init::proto::scsi::{
    identification::{
        is_proved,
        is_same,
        is_telling, //
    },
    sense::Sense, //
};

use super::captured;

/// Two Device Identification pages behind the length of the first; and sense data.
pub(crate) fn scsi_unit(data: &[u8]) {
    if let Some(sense) = Sense::parse(data) {
        assert!(sense.key < 16);
    }
    let Some((length, pages)) = data.split_first() else {
        return;
    };
    let (before, now) = pages.split_at(usize::from(*length).min(pages.len()));
    // A unit is the one that it is.
    assert!(is_same(before, before) && is_same(now, now));
    // One without a name is any, and none is one with a name.
    assert!(is_same(&[], now));
    assert_eq!(is_same(before, &[]), is_same(before, &[0, 0x83, 0, 0]));
    // What is proved is the same, and has a name by which it is proved to be itself.
    let is_itself = is_telling(before) && is_proved(before, before);
    assert!(!is_proved(before, now) || is_same(before, now) && is_itself);
}

pub(crate) fn unit_seeds() -> Vec<Vec<u8>> {
    let page = |name: &[u8; 8]| [b"\0\x83\0\x0c\x01\x03\0\x08", &name[..]].concat();
    let (one, other) = (page(b"12345678"), page(b"87654321"));
    let [tgt, lio] = ["tgt", "LIO"].map(|who| captured::when(&format!("{who} identifies a disk")));
    let twice = |page: &[u8]| [&[u8::try_from(page.len()).unwrap()], page, page].concat();
    vec![
        twice(&tgt),
        twice(&lio),
        [&[16][..], &one, &other].concat(),
        [&[16][..], &one, &one].concat(),
        b"\x70\0\x05\0\0\0\0\x0a\0\0\0\0\x25\0\0\0\0\0".to_vec(),
        b"\x72\x06\x3f\x0e\0\0\0\0".to_vec(),
    ]
}
