// SPDX-License-Identifier: GPL-2.0-only

//! The fuzz target of the kernel's answers about the network.

use iscsi_init::proto::rtnetlink::answer::{
    answers,
    Body, //
};

use super::captured;

/// A datagram of answers.
pub(crate) fn rtnetlink_answers(data: &[u8]) {
    let mut count = 0;
    for answer in answers(data) {
        count += 1;
        if let Body::Link(link) = answer.body {
            assert!(!link.name.as_str().is_empty());
        }
    }
    // Each has a header of 16 bytes.
    assert!(count <= data.len() / 16);
}

pub(crate) fn answers_seeds() -> Vec<Vec<u8>> {
    let word = |number: u32| number.to_ne_bytes();
    let half = |number: u16| number.to_ne_bytes();
    let header =
        |length, kind| [&word(length)[..], &half(kind), &half(2), &word(7), &word(0)].concat();
    let link = [
        header(72, 16),
        [&[0, 0][..], &half(1), &word(3), &word(0x1_1043), &word(0)].concat(),
        [&half(8)[..], &half(3), b"v0\0\0"].concat(),
        [&half(10)[..], &half(1), &[0x52, 0x54, 0, 0xaa, 0, 1, 0, 0]].concat(),
        [&half(8)[..], &half(4), &word(1_500)].concat(),
        [&half(5)[..], &half(16), &[6, 0, 0, 0]].concat(),
        [&half(4)[..], &half(18)].concat(),
    ]
    .concat();
    let error = [header(20, 2), word(0xffff_ffef).to_vec()].concat();
    let done = [header(20, 3), word(0).to_vec()].concat();
    let advertised = [
        header(56, 68),
        [&[10, 0][..], &half(24), &word(3), &[134, 0, 0, 0], &word(0)].concat(),
        [&[25, 3, 0, 0][..], &[0, 0, 2, 88], &[0x20; 16]].concat(),
    ]
    .concat();
    vec![
        [&link[..], &link, &done].concat(),
        error,
        advertised,
        captured::bytes(include_str!("../../tests/rtnetlink_links.hex")),
        captured::bytes(include_str!("../../tests/rtnetlink_vlan.hex")),
    ]
}
