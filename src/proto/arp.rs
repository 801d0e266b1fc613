// SPDX-License-Identifier: GPL-2.0-only

//! Whether an IPv4 address on an Ethernet is another machine's, too (RFC 826, RFC 5227).

use core::net::Ipv4Addr;

use crate::proto::bytes::{
    Reader,
    Writer, //
};

/// The length of a packet in bytes.
pub const LENGTH: usize = 28;

/// Ethernet addresses of 6 bytes, IPv4 addresses of 4.
const KINDS: [u8; 6] = [0, 1, 8, 0, 6, 4];
const REQUEST: u16 = 1;
const REPLY: u16 = 2;

/// Asks whether anybody has `address`, without saying that this machine would (RFC 5227 section
/// 2.1.1).
pub fn probe(mac: [u8; 6], address: Ipv4Addr) -> [u8; LENGTH] {
    request(mac, Ipv4Addr::UNSPECIFIED, address)
}

/// Says that `address` is this machine's (RFC 5227 section 2.3).
pub fn announcement(mac: [u8; 6], address: Ipv4Addr) -> [u8; LENGTH] {
    request(mac, address, address)
}

fn request(mac: [u8; 6], sender: Ipv4Addr, target: Ipv4Addr) -> [u8; LENGTH] {
    let mut packet = [0; LENGTH];
    let mut writer = Writer::new(&mut packet);
    for part in [
        &KINDS[..],
        &REQUEST.to_be_bytes(),
        &mac,
        &sender.octets(),
        // RFC 5227 section 1.1: the target's Ethernet address is zero.
        &[0; 6],
        &target.octets(),
    ] {
        // They have the packet's length together.
        let _ = writer.put(part);
    }
    packet
}

/// The Ethernet address of another machine than `mac` that uses `address`, if the packet is from
/// one; where this machine only asks for it (`probing`), also that of one that asks as well.
pub fn rival(packet: &[u8], mac: [u8; 6], address: Ipv4Addr, probing: bool) -> Option<[u8; 6]> {
    let mut reader = Reader::new(packet);
    let kinds = reader.array::<6>()?;
    let operation = reader.be_u16()?;
    let sender_mac = reader.array::<6>()?;
    let sender = Ipv4Addr::from(reader.array::<4>()?);
    let _target_mac = reader.array::<6>()?;
    let target = Ipv4Addr::from(reader.array::<4>()?);

    if kinds != KINDS || !matches!(operation, REQUEST | REPLY) || sender_mac == mac {
        return None;
    }
    let asks = operation == REQUEST && sender.is_unspecified() && target == address;
    (sender == address || probing && asks).then_some(sender_mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAC: [u8; 6] = [0x52, 0x54, 0, 0, 0, 1];
    const OTHER: [u8; 6] = [0x52, 0x54, 0, 0, 0, 2];
    const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);

    #[test]
    fn packets_are_those_of_rfc_826() {
        assert_eq!(
            probe(MAC, ADDRESS),
            [
                0, 1, 8, 0, 6, 4, 0, 1, 0x52, 0x54, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 192,
                0, 2, 7
            ]
        );
        let announcement = announcement(MAC, ADDRESS);
        assert_eq!(announcement[14..18], [192, 0, 2, 7]);
        assert_eq!(announcement[24..], [192, 0, 2, 7]);
    }

    // RFC 5227 sections 2.1.1 and 2.4.
    #[test]
    fn whoever_has_the_address_is_a_rival() {
        let mut reply = announcement(OTHER, ADDRESS);
        reply[7] = 2;
        reply[24..].copy_from_slice(&[192, 0, 2, 9]);
        for packet in [announcement(OTHER, ADDRESS), reply] {
            for probing in [false, true] {
                assert_eq!(rival(&packet, MAC, ADDRESS, probing), Some(OTHER));
                assert_eq!(rival(&packet, OTHER, ADDRESS, probing), None);
            }
        }
        let asks = probe(OTHER, ADDRESS);
        assert_eq!(rival(&asks, MAC, ADDRESS, true), Some(OTHER));
        assert_eq!(rival(&asks, MAC, ADDRESS, false), None);
    }

    #[test]
    fn what_is_about_others_or_no_such_packet_is_none() {
        let elsewhere = Ipv4Addr::new(192, 0, 2, 8);
        assert_eq!(
            rival(&announcement(OTHER, elsewhere), MAC, ADDRESS, true),
            None
        );
        assert_eq!(rival(&probe(OTHER, elsewhere), MAC, ADDRESS, true), None);
        let good = announcement(OTHER, ADDRESS);
        for length in 0..good.len() {
            assert_eq!(rival(&good[..length], MAC, ADDRESS, true), None);
        }
        for at in 0..8 {
            let mut packet = good;
            packet[at] ^= 0x40;
            assert_eq!(rival(&packet, MAC, ADDRESS, true), None);
        }
    }
}
