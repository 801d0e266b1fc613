// SPDX-License-Identifier: GPL-2.0-only

//! What the DHCP client takes no notice of.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failure is what these look for"
)]

use iscsi_init::proto::{
    dhcp::{
        error::Ignored,
        identity::Identity,
        packet::PacketFault, //
    },
    time::Instant, //
};

use crate::dhcp_support::{
    client,
    seal,
    Reply, //
};

mod dhcp_support;

#[test]
fn what_is_not_for_the_client_changes_nothing() {
    let start = Instant::from_millis(0);
    let mut client = client(0, true);
    let mut buffer = [0; 400];
    assert!(client
        .poll_transmit(start, &Identity::default(), &mut buffer)
        .is_some());

    let packet = |reply: &Reply, change: fn(&mut Vec<u8>)| {
        let mut packet = reply.packet();
        change(&mut packet);
        packet
    };
    let offer = Reply::offer(1).rooted();
    let sealed = |reply: &Reply, offset: usize, byte: u8| {
        let mut packet = reply.packet();
        packet[offset] = byte;
        seal(&mut packet);
        packet
    };
    let cases = [
        (
            Reply {
                xid: 1,
                ..offer.clone()
            }
            .packet(),
            Ignored::OtherTransaction,
        ),
        (
            Reply {
                mac: [2; 6],
                ..offer.clone()
            }
            .packet(),
            Ignored::OtherClient,
        ),
        (sealed(&offer, 29, 6), Ignored::OtherClient),
        (sealed(&offer, 30, 16), Ignored::OtherClient),
        (
            sealed(&offer, 28, 1),
            Ignored::Packet(PacketFault::NotAReply),
        ),
        (
            sealed(&offer, 6, 0x20),
            Ignored::Packet(PacketFault::Fragment),
        ),
        (sealed(&offer, 7, 1), Ignored::Packet(PacketFault::Fragment)),
        (sealed(&offer, 9, 6), Ignored::Packet(PacketFault::NotUdp)),
        (
            sealed(&offer, 21, 53),
            Ignored::Packet(PacketFault::OtherPort),
        ),
        (
            sealed(&offer, 23, 53),
            Ignored::Packet(PacketFault::OtherPort),
        ),
        (
            packet(&offer, |packet| packet[0] = 0x65),
            Ignored::Packet(PacketFault::NotIpv4),
        ),
        (
            packet(&offer, |packet| packet[0] = 0x44),
            Ignored::Packet(PacketFault::Truncated),
        ),
        (
            packet(&offer, |packet| packet[8] = 63),
            Ignored::Packet(PacketFault::HeaderChecksum),
        ),
        (
            packet(&offer, |packet| packet[60] ^= 1),
            Ignored::Packet(PacketFault::UdpChecksum),
        ),
        (
            Reply {
                yiaddr: [0; 4],
                ..offer.clone()
            }
            .packet(),
            Ignored::Address {
                server: [10, 0, 0, 1].into(),
                address: [0; 4].into(),
            },
        ),
        (
            Reply {
                yiaddr: [224, 0, 0, 1],
                ..offer.clone()
            }
            .packet(),
            Ignored::Address {
                server: [10, 0, 0, 1].into(),
                address: [224, 0, 0, 1].into(),
            },
        ),
        (
            Reply::bootp(1).with(53, &[2]).packet(),
            Ignored::NoServerIdentifier {
                server: [10, 0, 0, 1].into(),
            },
        ),
        (Reply::ack(1).packet(), Ignored::OutOfTurn),
        (Reply::nak(1).packet(), Ignored::OutOfTurn),
    ];
    let due = client.poll_timeout();
    for (packet, reason) in cases {
        assert_eq!(client.handle_packet(start, &packet), Err(reason));
        assert_eq!(
            (
                client.poll_timeout(),
                client.poll_transmit(start, &Identity::default(), &mut buffer)
            ),
            (due, None)
        );
    }

    // Padding behind the packet, no UDP checksum, and one that only covers the pseudo header are all good.
    let mut padded = offer.packet();
    padded.extend([0; 20]);
    padded[26..28].fill(0);
    assert_eq!(client.handle_packet(start, &padded), Ok(()));
    assert!(client
        .poll_transmit(start, &Identity::default(), &mut buffer)
        .is_some());
    // Another server's ACK and NAK are not for this conversation; nor is a second offer.
    for packet in [
        Reply::ack(2).packet(),
        Reply::nak(2).packet(),
        offer.packet(),
    ] {
        assert_eq!(
            client.handle_packet(start, &packet),
            Err(Ignored::OutOfTurn)
        );
    }
    assert_eq!(client.handle_packet(start, &Reply::ack(1).packet()), Ok(()));
    // Once bound, the client is done.
    assert_eq!(
        client.handle_packet(start, &Reply::nak(1).packet()),
        Err(Ignored::OutOfTurn)
    );
    assert!(client.outcome().is_some_and(|outcome| outcome.is_ok()));
}
