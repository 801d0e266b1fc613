// SPDX-License-Identifier: GPL-2.0-only

//! Programs of classic BPF, with which a packet socket gets only what is meant for it: on a busy
//! network the rest would fill it, and what it is for would be lost.
//!
//! A program sees a packet from its network header on. What it accepts is read with more care
//! afterwards; what it drops nobody would take.

use core::net::Ipv4Addr;

/// An instruction: code, how many to skip where a jump's condition holds and where it does not,
/// operand.
pub type Instruction = (u16, u8, u8, u32);

const fn load_word(at: u32) -> Instruction {
    (0x20, 0, 0, at)
}

const fn load_half(at: u32) -> Instruction {
    (0x28, 0, 0, at)
}

const fn load_byte(at: u32) -> Instruction {
    (0x30, 0, 0, at)
}

/// Takes the length of the IPv4 header at `at` into the index.
const fn index_header(at: u32) -> Instruction {
    (0xb1, 0, 0, at)
}

/// Loads from behind what the index has counted.
const fn load_half_indexed(at: u32) -> Instruction {
    (0x48, 0, 0, at)
}

const fn if_equal(value: u32, then: u8, or_else: u8) -> Instruction {
    (0x15, then, or_else, value)
}

const fn if_any_bit(mask: u32, then: u8, or_else: u8) -> Instruction {
    (0x45, then, or_else, mask)
}

const ACCEPT: Instruction = (0x06, 0, 0, u32::MAX);
const DROP: Instruction = (0x06, 0, 0, 0);

/// Accepts UDP to a port, in an IPv4 packet that is whole.
pub const fn udp_to(port: u16) -> [Instruction; 9] {
    /// The offsets of what is looked at in the headers of IPv4 (RFC 791) and UDP (RFC 768).
    const FRAGMENT: u32 = 6;
    const PROTOCOL: u32 = 9;
    const DESTINATION: u32 = 2;
    /// More fragments, or an offset.
    const IS_FRAGMENT: u32 = 0x3fff;
    const UDP: u32 = 17;

    [
        load_byte(PROTOCOL),
        if_equal(UDP, 0, 6),
        load_half(FRAGMENT),
        if_any_bit(IS_FRAGMENT, 4, 0),
        index_header(0),
        load_half_indexed(DESTINATION),
        if_equal(port as u32, 0, 1),
        ACCEPT,
        DROP,
    ]
}

/// Accepts ARP packets of somebody who has `address`, or asks for it as if to take it (RFC 5227).
pub const fn arp_about(address: Ipv4Addr) -> [Instruction; 7] {
    /// The offsets of the addresses (RFC 826).
    const SENDER: u32 = 14;
    const TARGET: u32 = 24;
    let address = address.to_bits();

    [
        load_word(SENDER),
        if_equal(address, 3, 0),
        if_equal(0, 0, 3),
        load_word(TARGET),
        if_equal(address, 0, 1),
        ACCEPT,
        DROP,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    extern crate std;

    use crate::proto::arp;
    use std::{
        vec,
        vec::Vec, //
    };

    /// Runs a program as the kernel would; `None` where it is none.
    fn accepts(program: &[Instruction], packet: &[u8]) -> Option<bool> {
        let load = |at: usize, length: usize| {
            let bytes = packet.get(at..at.checked_add(length)?)?;
            Some(
                bytes
                    .iter()
                    .fold(0, |value, byte| (value << 8) | u32::from(*byte)),
            )
        };
        let (mut accumulator, mut index, mut at) = (0, 0, 0);
        loop {
            let &(code, then, or_else, operand) = program.get(at)?;
            let skip = |holds| usize::from(if holds { then } else { or_else });
            let place = operand as usize;
            at = at.saturating_add(1);
            let loaded = match code {
                0x20 => load(place, 4),
                0x28 => load(place, 2),
                0x30 => load(place, 1),
                0x48 => load(place.saturating_add(index), 2),
                0xb1 => {
                    index = (load(place, 1).unwrap_or(0) as usize & 0xf).saturating_mul(4);
                    continue;
                }
                0x15 => {
                    at = at.saturating_add(skip(accumulator == operand));
                    continue;
                }
                0x45 => {
                    at = at.saturating_add(skip(accumulator & operand != 0));
                    continue;
                }
                0x06 => return Some(operand != 0),
                _ => return None,
            };
            // What is not there to be loaded is not accepted.
            let Some(loaded) = loaded else {
                return Some(false);
            };
            accumulator = loaded;
        }
    }

    /// UDP in IPv4, with so many words of options.
    fn datagram(options: u8, to: u16) -> Vec<u8> {
        let mut packet = vec![0; usize::from(options).saturating_mul(4).saturating_add(20)];
        packet[0] = 0x45 | options;
        packet[9] = 17;
        packet.extend(67_u16.to_be_bytes());
        packet.extend(to.to_be_bytes());
        packet.extend([0, 8, 0, 0]);
        packet
    }

    #[test]
    fn a_datagram_to_the_port_is_accepted() {
        let program = udp_to(68);
        // What is added to 5 words has none of its bits.
        for options in [0, 2, 10] {
            let packet = datagram(options, 68);
            assert_eq!(accepts(&program, &packet), Some(true));
            for other in [67, 69, 68 << 8] {
                assert_eq!(accepts(&program, &datagram(options, other)), Some(false));
            }
            let end = packet.len() - 4;
            for length in 0..end {
                assert_eq!(accepts(&program, &packet[..length]), Some(false));
            }
            assert_eq!(accepts(&program, &packet[..end]), Some(true));
        }
    }

    #[test]
    fn fragments_and_other_protocols_are_not() {
        let program = udp_to(68);
        for protocol in (0..=255).filter(|protocol| *protocol != 17) {
            let mut packet = datagram(0, 68);
            packet[9] = protocol;
            assert_eq!(accepts(&program, &packet), Some(false));
        }
        for bit in 0..16 {
            let mut packet = datagram(0, 68);
            packet[6..8].copy_from_slice(&(1_u16 << bit).to_be_bytes());
            // Reserved, and "don't fragment".
            assert_eq!(accepts(&program, &packet), Some(bit >= 14));
        }
    }

    #[test]
    fn whoever_is_a_rival_is_accepted() {
        const MAC: [u8; 6] = [0x52, 0x54, 0, 0, 0, 1];
        let [ours, other] = [7, 8].map(|last| Ipv4Addr::new(192, 0, 2, last));
        let program = arp_about(ours);
        let mut asks = arp::announcement(MAC, other);
        asks[24..].copy_from_slice(&ours.octets());
        let mut answers = arp::announcement(MAC, ours);
        answers[7] = 2;
        answers[24..].copy_from_slice(&other.octets());

        for (packet, wanted) in [
            (arp::announcement(MAC, ours), true),
            (answers, true),
            (arp::probe(MAC, ours), true),
            (arp::announcement(MAC, other), false),
            (arp::probe(MAC, other), false),
            // Whoever wants to send something here has an address of his own.
            (asks, false),
        ] {
            assert_eq!(accepts(&program, &packet), Some(wanted));
            let rival = arp::rival(&packet, [0; 6], ours, true);
            assert_eq!(rival.is_some(), wanted);
            assert_eq!(accepts(&program, &packet[..14]), Some(false));
        }
    }
}
