// SPDX-License-Identifier: GPL-2.0-only

//! Whole conversations of the DHCP client with servers, in virtual time.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failure is what these look for"
)]

use std::net::Ipv4Addr;

use iscsi_init::proto::{
    config::text::Text,
    dhcp::{
        client::{
            COLLECTION,
            LIMIT, //
        },
        error::Failure,
        identity::{
            ClientId,
            Identity, //
        },
        lease::Protocol,
        packet::SENT_LENGTH, //
    },
    time::{
        Duration,
        Instant, //
    },
};

use crate::dhcp_support::{
    client,
    client_at,
    client_within,
    option,
    recorded,
    run,
    seal,
    Reply,
    Sent, //
};

mod dhcp_support;

const DISCOVER: u8 = 1;
const REQUEST: u8 = 3;

/// What a server that is well answers.
fn healthy(server: u8, sent: &Sent, rooted: bool) -> Option<Reply> {
    let reply = match (sent.kind, sent.asked) {
        (DISCOVER, None) => Reply::offer(server),
        (REQUEST, Some((asked, _))) if asked == Ipv4Addr::new(10, 0, 0, server) => {
            Reply::ack(server)
        }
        _ => return None,
    };
    Some(if rooted { reply.rooted() } else { reply })
}

#[test]
fn nobody_answers() {
    // ipconfig's timeouts: 2 s, and each next one 7/4 as long, at most 30 s; six of them in all.
    let ending = run(client(0, true), |_| Vec::new());
    let times = [0, 2_000, 5_500, 11_625, 22_343, 41_099];
    assert_eq!(ending.times(), times.map(|time| (DISCOVER, time)));
    assert_eq!(ending.at, 71_099);
    assert_eq!(
        ending.sent.iter().map(|sent| sent.secs).collect::<Vec<_>>(),
        [0, 2, 5, 11, 22, 41]
    );
    assert_eq!(
        ending.outcome.expect_err("no lease").to_string(),
        "no DHCP or BOOTP server answered 6 requests in 71 s; \
         check that one serves this network and knows this machine"
    );
    // The first wait is up to a second longer, and with it the others.
    let ending = run(client(999, true), |_| Vec::new());
    assert_eq!(
        ending.times()[..3],
        [(DISCOVER, 0), (DISCOVER, 2_999), (DISCOVER, 8_247)]
    );
    assert_eq!(ending.at, 91_629);
}

#[test]
fn a_server_answers() {
    let ending = run(client(0, true), |sent| {
        healthy(1, sent, true)
            .map(|reply| (3, reply))
            .into_iter()
            .collect()
    });
    assert_eq!(ending.times(), [(DISCOVER, 0), (REQUEST, 3)]);
    assert_eq!(ending.at, 6);
    let asked = (Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 101));
    assert_eq!(ending.sent[1].asked, Some(asked));
    let lease = ending.outcome.expect("a lease");
    assert_eq!((lease.server, lease.address), asked);
    assert_eq!(lease.protocol, Protocol::Dhcp);
    for sent in &ending.sent {
        assert_eq!(
            option(&sent.packet, 55),
            Some(vec![
                1, 121, 3, 33, 6, 12, 15, 17, 26, 28, 40, 42, 43, 119, 175, 203
            ])
        );
        assert_eq!(
            option(&sent.packet, 57),
            Some(1_472_u16.to_be_bytes().to_vec())
        );
        assert_eq!(
            [12, 60, 61].map(|code| option(&sent.packet, code)),
            [None, None, None]
        );
        assert_eq!(option(&sent.packet, 77), Some(b"\x0aiscsi_init".to_vec()));
        assert_eq!(sent.packet.len(), 328);
    }
}

#[test]
fn a_machine_says_who_it_is() {
    let text = |length| Text::new(&"x".repeat(length)).expect("room");
    let start = Instant::from_millis(0);
    let mut buffer = [0; SENT_LENGTH];
    let identity = Identity {
        host_name: Text::new("node1"),
        vendor_class: Text::new("diskless"),
        client_id: Some(ClientId {
            kind: 1,
            value: Text::new("abc").expect("room"),
        }),
    };
    let length = client(0, true)
        .poll_transmit(start, &identity, &mut buffer)
        .expect("a packet");
    let packet = &buffer[..length];
    assert_eq!(option(packet, 12), Some(b"node1".to_vec()));
    assert_eq!(option(packet, 60), Some(b"diskless".to_vec()));
    assert_eq!(option(packet, 61), Some(b"\x01abc".to_vec()));
    // The longest fits, with its end.
    let identity = Identity {
        host_name: Text::new(&"x".repeat(64)),
        vendor_class: Some(text(252)),
        client_id: Some(ClientId {
            kind: 0,
            value: text(252),
        }),
    };
    let length = client(0, true)
        .poll_transmit(start, &identity, &mut buffer)
        .expect("a packet");
    assert!(length > 548 && buffer[length - 1] == 255);
    assert_eq!(
        option(&buffer[..length], 77),
        Some(b"\x0aiscsi_init".to_vec())
    );
    let ip = u16::from_be_bytes([buffer[2], buffer[3]]);
    let udp = u16::from_be_bytes([buffer[24], buffer[25]]);
    assert_eq!((usize::from(ip), ip - udp), (length, 20));
    let mut sealed = buffer[..length].to_vec();
    seal(&mut sealed);
    assert_eq!(sealed, buffer[..length], "the checksums");
}

#[test]
fn real_servers_answer() {
    for text in [
        include_str!("dhcp_support/dnsmasq.hex"),
        include_str!("dhcp_support/dhcpd.hex"),
        include_str!("dhcp_support/dhcpd_overload.hex"),
    ] {
        let start = Instant::from_millis(0);
        let mut client = client(0, true);
        for (from_server, packet) in recorded(text) {
            if from_server {
                assert_eq!(client.handle_packet(start, &packet), Ok(()));
                continue;
            }
            let mut buffer = [0; 400];
            let length = client
                .poll_transmit(start, &Identity::default(), &mut buffer)
                .expect("a packet");
            // The fixed part of the message, as these servers were asked with; they differ in options.
            assert!(length > 268);
            assert_eq!(buffer[28..268], packet[28..268]);
        }
        assert!(client.outcome().is_some_and(|outcome| outcome.is_ok()));
    }
}

#[test]
fn what_is_lost_is_sent_again() {
    // The DISCOVER, the OFFER, the REQUEST and the ACK in turn; what is lost on the way back is lost as well.
    let lost = |victim: usize| {
        let mut count = 0;
        run(client(0, true), move |sent| {
            count += 1;
            let reply = healthy(1, sent, true).map(|reply| (0, reply));
            reply.filter(|_| count != victim).into_iter().collect()
        })
    };
    assert_eq!(
        lost(1).times(),
        [(DISCOVER, 0), (DISCOVER, 2_000), (REQUEST, 2_000)]
    );
    let ending = lost(2);
    // After the OFFER the waits go on as they were.
    assert_eq!(
        ending.times(),
        [(DISCOVER, 0), (REQUEST, 0), (REQUEST, 2_000)]
    );
    // RFC 2131 section 4.4.1: a REQUEST has the DISCOVER's secs.
    assert_eq!(ending.sent[2].secs, 0);
}

#[test]
fn half_of_all_packets_are_lost() {
    for seed in 0..2_000_u64 {
        let mut random = seed;
        let mut lost = move || {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            random >> 63 == 1
        };
        let ending = run(client(seed, true), |sent| {
            let reply = healthy(1, sent, true)
                .filter(|_| !lost())
                .filter(|_| !lost());
            reply.map(|reply| (5, reply)).into_iter().collect()
        });
        assert!(ending.at <= LIMIT.as_millis());
        match ending.outcome {
            Ok(lease) => assert_eq!(lease.server, Ipv4Addr::new(10, 0, 0, 1)),
            Err(Failure::NoAnswer { .. } | Failure::Silence { .. }) => {
                assert!(ending.sent.len() >= 6)
            }
            Err(failure) => panic!("{failure}"),
        }
    }
}

#[test]
fn an_offer_with_root_path_beats_one_without() {
    let two = |first, second, second_after| {
        move |sent: &Sent| {
            let replies = [
                (10, healthy(1, sent, first)),
                (second_after, healthy(2, sent, second)),
            ];
            replies
                .into_iter()
                .filter_map(|(delay, reply)| Some((delay, reply?)))
                .collect()
        }
    };
    // At once, when it comes first or second.
    let ending = run(client(0, true), two(true, false, 20));
    assert_eq!((ending.server(), ending.sent[1].at), (1, 10));
    let ending = run(client(0, true), two(false, true, 1_900));
    assert_eq!((ending.server(), ending.sent[1].at), (2, 1_900));
    // When nobody has one, the first offer is taken after a while; later ones are not waited for.
    let ending = run(client(0, true), two(false, false, 20));
    assert_eq!(
        (ending.server(), ending.sent[1].at),
        (1, 10 + COLLECTION.as_millis())
    );
    let ending = run(client(0, true), two(false, true, 2_500));
    assert_eq!(
        (ending.server(), ending.sent[1].at),
        (1, 10 + COLLECTION.as_millis())
    );
    assert_eq!(ending.outcome.expect("a lease").root_path, None);
    // A boot that does not need one takes the first offer as it is.
    let ending = run(client(0, false), two(false, true, 20));
    assert_eq!((ending.server(), ending.sent[1].at), (1, 10));
}

#[test]
fn an_offer_of_the_address_that_is_there_beats_another() {
    let offers = |sent: &Sent| {
        let replies = [(10, healthy(1, sent, false)), (20, healthy(2, sent, false))];
        let replies = replies.into_iter();
        replies
            .filter_map(|(delay, reply)| Some((delay, reply?)))
            .collect()
    };
    // That of the second server: RFC 2131 section 4.4.1 has the client say which it would like.
    let ending = run(client_at([10, 0, 0, 102].into()), offers);
    assert_eq!((ending.server(), ending.sent[1].at), (2, 20));
    let wish = option(&ending.sent[0].packet, 50);
    assert_eq!(wish, Some(vec![10, 0, 0, 102]));
    // Where nobody has it, the first other one is taken after a while.
    let ending = run(client_at([10, 0, 0, 9].into()), offers);
    assert_eq!(
        (ending.server(), ending.sent[1].at),
        (1, 10 + COLLECTION.as_millis())
    );
}

#[test]
fn a_refusal_starts_again() {
    let mut refusals = 0;
    let ending = run(client(0, true), |sent| match sent.asked {
        Some((asked, _)) if asked == Ipv4Addr::new(10, 0, 0, 1) => {
            refusals += 1;
            vec![(1, Reply::nak(1))]
        }
        _ => {
            // The one that refuses is the faster one.
            let replies = [(1, healthy(1, sent, true)), (300, healthy(2, sent, true))];
            replies
                .into_iter()
                .filter_map(|(delay, reply)| Some((delay, reply?)))
                .collect()
        }
    });
    // After its refusal, an untried server is worth waiting for.
    assert_eq!(ending.server(), 2);
    assert_eq!(refusals, 1);
    assert_eq!(
        ending.times(),
        [(DISCOVER, 0), (REQUEST, 1), (DISCOVER, 2), (REQUEST, 300)]
    );
}

#[test]
fn refusals_come_to_an_end() {
    let ending = run(client(0, true), |sent| match sent.kind {
        DISCOVER => vec![(1, Reply::offer(1).rooted())],
        _ => vec![(1, Reply::nak(1))],
    });
    assert_eq!(
        ending
            .sent
            .iter()
            .filter(|sent| sent.kind == REQUEST)
            .count(),
        3
    );
    assert_eq!(
        ending.outcome.expect_err("no lease").to_string(),
        "DHCP server 10.0.0.1 refused the address that it had offered: \"not this one\"; check its log"
    );
}

#[test]
fn a_server_that_falls_silent_gives_way() {
    let silent = |sent: &Sent| {
        let other = healthy(2, sent, true)
            .filter(|_| sent.at > 0)
            .map(|reply| (300, reply));
        let first = Some((1, Reply::offer(1).rooted())).filter(|_| sent.kind == DISCOVER);
        first.into_iter().chain(other).collect()
    };
    let ending = run(client(0, true), silent);
    assert_eq!(ending.server(), 2);
    let times = [
        (DISCOVER, 0),
        (REQUEST, 1),
        (REQUEST, 2_001),
        (REQUEST, 5_501),
        (DISCOVER, 11_626),
        (REQUEST, 11_926),
    ];
    assert_eq!(ending.times(), times);

    // Where there is no other, it is tried again after the time for others, and named in the end.
    let ending = run(client(0, true), |sent| {
        Some((1, Reply::offer(1).rooted()))
            .filter(|_| sent.kind == DISCOVER)
            .into_iter()
            .collect()
    });
    assert_eq!(
        ending.times()[4..6],
        [(DISCOVER, 11_626), (REQUEST, 13_627)]
    );
    assert_eq!(
        ending.outcome.expect_err("no lease").to_string(),
        "DHCP server 10.0.0.1 offered 10.0.0.101 but did not answer the request for it; check its log"
    );
}

#[test]
fn a_bootp_reply_needs_no_request() {
    let ending = run(client(0, true), |_| vec![(7, Reply::bootp(3).rooted())]);
    assert_eq!((ending.times(), ending.at), (vec![(DISCOVER, 0)], 7));
    let lease = ending.outcome.expect("a lease");
    assert_eq!(
        (lease.protocol, lease.server_identifier),
        (Protocol::Bootp, None)
    );
    assert_eq!(
        (lease.server, lease.address),
        ([10, 0, 0, 3].into(), [10, 0, 0, 103].into())
    );

    // Without options, it is as good as an offer without root path: taken when nothing better comes.
    let ending = run(client(0, true), |_| vec![(7, Reply::bare(3))]);
    assert_eq!(
        (ending.server(), ending.at),
        (3, 7 + COLLECTION.as_millis())
    );
    let ending = run(client(0, true), |sent| {
        let better = healthy(1, sent, true).map(|reply| (500, reply));
        [(7, Reply::bare(3))].into_iter().chain(better).collect()
    });
    assert_eq!(ending.server(), 1);
}

#[test]
fn answers_of_no_use_are_told_of() {
    let ending = run(client(0, true), |_| {
        vec![(1, Reply::bootp(4).with(53, &[2]))]
    });
    assert_eq!(
        ending.outcome.expect_err("no lease").to_string(),
        "no DHCP or BOOTP server answered 6 requests in 71 s; \
         check that one serves this network and knows this machine \
         (6 answers were of no use; of the last one, \
         the offer from 10.0.0.4 has no server identifier (option 54))"
    );
}

#[test]
fn no_server_can_hold_the_client_for_ever() {
    // It answers and refuses at the last moment of each wait of 30 s, always as another server.
    let mut server = 0;
    let ending = run(client(999, true), |sent| {
        server += 1;
        match sent.asked {
            None if sent.at < 40_000 => vec![],
            None => vec![(29_000, Reply::offer(server))],
            Some((_, asked)) => vec![(29_000, Reply::nak(asked.octets()[3] - 100))],
        }
    });
    assert!(ending.outcome.is_err());
    assert_eq!(ending.at, LIMIT.as_millis());
}

#[test]
fn a_client_in_a_hurry_gives_up_sooner() {
    let ending = run(client_within(Duration::from_secs(5)), |_| vec![]);
    assert_eq!(ending.at, 5_000);
    assert!(
        matches!(ending.outcome, Err(Failure::NoAnswer { .. })),
        "{:?}",
        ending.outcome
    );
}

#[test]
fn a_short_buffer_loses_the_packet_and_nothing_else() {
    let mut client = client(0, true);
    assert_eq!(
        client.poll_transmit(Instant::from_millis(0), &Identity::default(), &mut [0; 327]),
        None
    );
    assert_eq!(client.poll_timeout(), Some(Instant::from_millis(2_000)));
    assert_eq!(
        client.poll_transmit(
            Instant::from_millis(2_000),
            &Identity::default(),
            &mut [0; 328]
        ),
        Some(328)
    );
}
