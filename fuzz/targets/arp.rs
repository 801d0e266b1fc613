// SPDX-License-Identifier: GPL-2.0-only

//! The fuzz target of ARP packets.

use std::net::Ipv4Addr;

use iscsi_init::proto::arp::{
    announcement,
    probe,
    rival,
    LENGTH, //
};

use super::captured;

const MAC: [u8; 6] = [0x52, 0x54, 0x00, 0xaa, 0x00, 0x01];
/// The one that the captured answer is about.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 168, 7, 1);

/// One packet, as it is.
pub(crate) fn arp_packet(data: &[u8]) {
    let asking = rival(data, MAC, ADDRESS, true);
    if let Some(other) = asking {
        assert_ne!(other, MAC);
        assert!(data.len() >= LENGTH);
        assert_eq!(data[8..14], other);
        let named = [&data[14..18], &data[24..28]];
        assert!(named.contains(&&ADDRESS.octets()[..]));
    }
    // Whoever has the address is one however it is asked.
    let using = rival(data, MAC, ADDRESS, false);
    assert!(using.is_none() || using == asking);
}

pub(crate) fn packet_seeds() -> Vec<Vec<u8>> {
    let other = [0x52, 0x54, 0x00, 0xaa, 0x00, 0x02];
    vec![
        captured::when("Linux answers who has an address"),
        probe(other, ADDRESS).to_vec(),
        announcement(other, ADDRESS).to_vec(),
    ]
}
