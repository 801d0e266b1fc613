// SPDX-License-Identifier: GPL-2.0-only

//! How a lease is kept (RFC 2131 section 4.4.5).

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "tests"
)]

use std::net::Ipv4Addr;

use iscsi_init::proto::{
    dhcp::{
        error::Ignored,
        haste::{
            self,
            Haste, //
        },
        identity::Identity,
        lease::Lease,
        packet::{
            PacketFault,
            MESSAGE_OFFSET, //
        },
        renewal::{
            Destination,
            Loss,
            Renewal,
            MESSAGE_LENGTH,
            PAUSE, //
        },
    },
    time::{
        Duration,
        Instant, //
    },
};

use dhcp_support::{
    client,
    option,
    run,
    Reply,
    MAC,
    XID, //
};

mod dhcp_support;

/// The server of the lease, and its address.
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 7);
const ADDRESS: [u8; 4] = [10, 0, 0, 107];
/// An hour, in seconds.
const HOUR: u32 = 3_600;

/// The lease that a server gives with these options.
fn lease(options: impl Fn(Reply) -> Reply) -> Lease {
    let ending = run(client(0, false), |sent| {
        let reply = if sent.asked.is_some() {
            Reply::ack(7)
        } else {
            Reply::offer(7)
        };
        vec![(0, options(reply))]
    });
    ending.outcome.expect("a lease")
}

fn with_times(reply: Reply, times: &[(u8, u32)]) -> Reply {
    times.iter().fold(reply, |reply, (code, seconds)| {
        reply.with(*code, &seconds.to_be_bytes())
    })
}

fn kept(times: &[(u8, u32)]) -> Renewal {
    Renewal::new(MAC, &lease(|reply| with_times(reply, times)), at(0)).expect("a lease that ends")
}

fn an_hour() -> Renewal {
    kept(&[(51, HOUR)])
}

fn at(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1_000)
}

/// What is sent at `seconds`, as a packet without its headers filled in.
fn asks(renewal: &mut Renewal, seconds: u64) -> Option<(Destination, Vec<u8>)> {
    asks_at(renewal, at(seconds))
}

fn asks_at(renewal: &mut Renewal, now: Instant) -> Option<(Destination, Vec<u8>)> {
    let mut message = [0; MESSAGE_LENGTH];
    let (destination, length) =
        renewal.poll_transmit(now, XID, &Identity::default(), &mut message)?;
    let packet = [&[0; MESSAGE_OFFSET][..], &message[..length]].concat();
    Some((destination, packet))
}

/// When what is sent to whom, up to the loss.
fn silence(renewal: &mut Renewal) -> Vec<(u64, Destination)> {
    let mut sent = Vec::new();
    while let Some(due) = renewal.poll_timeout() {
        if let Some((destination, _)) = asks_at(renewal, due) {
            sent.push((due.as_millis() / 1_000, destination));
        }
        assert!(sent.len() < 100, "requests without end");
        assert_ne!(renewal.poll_timeout(), Some(due), "time stands still");
    }
    sent
}

fn takes(renewal: &mut Renewal, reply: &Reply) -> Result<(), Ignored> {
    let packet = reply.packet();
    renewal.handle_message(&packet[MESSAGE_OFFSET..], Ipv4Addr::from(reply.source))
}

#[test]
fn nobody_answers() {
    let mut renewal = an_hour();
    let server = Destination::Server(SERVER);
    let sent = silence(&mut renewal);
    // Half of what is left until T2, then until the end, and a minute at least.
    let expected = [
        (1_800, server),
        (2_475, server),
        (2_812, server),
        (2_981, server),
        (3_065, server),
        (3_125, server),
        (3_150, Destination::Broadcast),
        (3_375, Destination::Broadcast),
        (3_487, Destination::Broadcast),
        (3_547, Destination::Broadcast),
    ];
    assert_eq!(sent, expected);
    assert_eq!(renewal.loss(), Some(&Loss::Over));
}

#[test]
fn the_request_is_that_of_rfc_2131_table_5() {
    let mut renewal = an_hour();
    assert_eq!(asks(&mut renewal, 1_799), None);
    let (_, packet) = asks(&mut renewal, 1_800).unwrap();
    assert_eq!(option(&packet, 53), Some(vec![3]));
    assert_eq!((option(&packet, 50), option(&packet, 54)), (None, None));
    assert_eq!(packet[MESSAGE_OFFSET + 12..][..4], ADDRESS);
    assert_eq!(packet[MESSAGE_OFFSET + 28..][..6], MAC);
    assert_eq!(packet[MESSAGE_OFFSET + 4..][..4], XID.to_be_bytes());
    assert_eq!(asks(&mut renewal, 1_800), None);
    // Since when it asks.
    let (_, packet) = asks(&mut renewal, 2_475).unwrap();
    assert_eq!(packet[MESSAGE_OFFSET + 8..][..2], 675_u16.to_be_bytes());
}

#[test]
fn an_answer_counts_from_the_question() {
    let mut renewal = an_hour();
    asks(&mut renewal, 1_800).unwrap();
    let ack = with_times(Reply::ack(7), &[(51, 2 * HOUR)]);
    assert_eq!(takes(&mut renewal, &ack), Ok(()));
    assert!(!renewal.is_asking());
    assert_eq!(renewal.poll_timeout(), Some(at(1_800 + 3_600)));
}

#[test]
fn the_servers_own_times_hold_where_they_follow_each_other() {
    let due = |times: &[(u8, u32)]| {
        let mut renewal = kept(times);
        let sent = silence(&mut renewal);
        let broadcast = sent.iter().find(|(_, to)| *to == Destination::Broadcast);
        (sent[0].0, broadcast.map(|(at, _)| *at))
    };
    assert_eq!(due(&[(51, 1_000), (58, 100), (59, 300)]), (100, Some(300)));
    assert_eq!(due(&[(51, 1_000), (58, 900), (59, 300)]), (300, Some(300)));
    assert_eq!(
        due(&[(51, 1_000), (58, 100), (59, 1_000)]),
        (100, Some(875))
    );
    assert_eq!(due(&[(51, 1_000), (59, 300)]), (300, Some(300)));
}

#[test]
fn no_server_makes_a_client_do_nothing_but_ask() {
    let server = Destination::Server(SERVER);
    let shortest = vec![(5, server), (8, Destination::Broadcast)];
    for seconds in [0, 1, 10] {
        assert_eq!(silence(&mut kept(&[(51, seconds)])), shortest);
    }
    let first = |times: &[(u8, u32)]| silence(&mut kept(times))[0].0;
    assert_eq!(first(&[(51, HOUR), (58, 0)]), 1_800);
    assert_eq!(first(&[(51, HOUR), (58, 4), (59, 4)]), 1_800);
    assert_eq!(first(&[(51, HOUR), (58, 5)]), 5);
}

#[test]
fn a_lease_without_an_end_is_not_kept() {
    let forever = lease(|reply| with_times(reply, &[(51, u32::MAX)]));
    assert!(Renewal::new(MAC, &forever, at(0)).is_none());
    assert!(Renewal::new(MAC, &lease(|reply| reply), at(0)).is_none());
    // Nor is one that becomes so asked for again soon.
    let mut renewal = an_hour();
    asks(&mut renewal, 1_800).unwrap();
    takes(&mut renewal, &Reply::ack(7)).unwrap();
    let years = renewal.poll_timeout().unwrap().as_millis() / 1_000 / 86_400 / 365;
    assert_eq!(years, 68);
}

#[test]
fn another_server_takes_over_when_any_is_asked() {
    let mut renewal = an_hour();
    let other = Reply {
        yiaddr: ADDRESS,
        ..with_times(Reply::ack(8), &[(51, HOUR)])
    };
    asks(&mut renewal, 1_800).unwrap();
    assert_eq!(takes(&mut renewal, &other), Err(Ignored::OutOfTurn));
    asks(&mut renewal, 3_150).unwrap();
    assert_eq!(takes(&mut renewal, &other), Ok(()));
    let (destination, _) = asks(&mut renewal, 3_150 + 1_800).unwrap();
    assert_eq!(destination, Destination::Server(Ipv4Addr::new(10, 0, 0, 8)));
}

#[test]
fn a_refusal_and_another_address_lose_it() {
    let loss = |reply: &Reply| {
        let mut renewal = an_hour();
        asks(&mut renewal, 1_800).unwrap();
        takes(&mut renewal, reply).unwrap();
        assert_eq!(renewal.poll_timeout(), None);
        renewal.loss().unwrap().to_string()
    };
    assert_eq!(
        loss(&Reply::nak(7)),
        "DHCP server 10.0.0.7 takes it back: \"not this one\""
    );
    assert_eq!(
        loss(&Reply::dhcp(6, 7)),
        "DHCP server 10.0.0.7 says that it is not this machine's"
    );
    let moved = Reply {
        yiaddr: [10, 0, 0, 9],
        ..Reply::ack(7)
    };
    assert_eq!(
        loss(&moved),
        "DHCP server 10.0.0.7 gives 10.0.0.9 in its place"
    );
}

/// An ACK for an hour that has the target at this port.
fn with_path(port: u16) -> Reply {
    let path = format!("iscsi:10.0.0.7:6:{port}:1:iqn.2001-04.com.example:disk");
    with_times(Reply::ack(7), &[(51, HOUR)]).with(17, path.as_bytes())
}

#[test]
fn the_server_is_asked_before_its_time() {
    let mut renewal = an_hour();
    renewal.hasten(at(100));
    let server = Destination::Server(SERVER);
    assert_eq!(asks(&mut renewal, 100).unwrap().0, server);
    // A minute after that at the soonest, and then as ever.
    renewal.hasten(at(130));
    assert_eq!(asks(&mut renewal, 159), None);
    assert_eq!(asks(&mut renewal, 160).unwrap().0, server);
    assert_eq!(renewal.poll_timeout(), Some(at(160 + (3_150 - 160) / 2)));
    takes(&mut renewal, &with_path(3_261)).unwrap();
    assert_eq!(renewal.poll_timeout(), Some(at(160 + 1_800)));
    // Nor does that bring back what is over.
    asks(&mut renewal, 160 + 1_800).unwrap();
    takes(&mut renewal, &Reply::nak(7)).unwrap();
    renewal.hasten(at(2_000));
    assert_eq!(renewal.poll_timeout(), None);
}

#[test]
fn an_answer_may_have_a_root_path() {
    let mut renewal = an_hour();
    assert_eq!(renewal.root_path(), None);
    asks(&mut renewal, 1_800).unwrap();
    takes(&mut renewal, &with_path(3_261)).unwrap();
    let path = Some("iscsi:10.0.0.7:6:3261:1:iqn.2001-04.com.example:disk");
    assert_eq!(renewal.root_path(), path);
    assert_eq!(renewal.server(), SERVER);
    asks(&mut renewal, 2 * 1_800).unwrap();
    takes(&mut renewal, &with_times(Reply::ack(7), &[(51, HOUR)])).unwrap();
    assert_eq!(renewal.root_path(), None);
    // Who gives another address has no say in it.
    asks(&mut renewal, 3 * 1_800).unwrap();
    let moved = Reply {
        yiaddr: [10, 0, 0, 9],
        ..with_path(3_262)
    };
    takes(&mut renewal, &moved).unwrap();
    assert_eq!(renewal.root_path(), None);
}

#[test]
fn a_lost_disk_is_asked_for_once_a_minute() {
    /// The times of the questions of one machine, in seconds.
    fn asked(random: u16, lost: impl Fn(u64) -> bool) -> Vec<u64> {
        let mut haste = Haste::new(at(0));
        (0..300)
            .filter(|second| haste.is_due(lost(*second), at(*second), random))
            .collect()
    }
    assert_eq!(asked(0, |_| false), []);
    assert_eq!(asked(0, |second| second >= 100), [110, 170, 230, 290]);
    let longest = u16::try_from(haste::JITTER.as_millis()).unwrap() - 1;
    assert_eq!(asked(longest, |second| second >= 100), [120, 190, 260]);
    assert_eq!(
        asked(longest + 1, |second| second >= 100),
        [110, 170, 230, 290]
    );
    // One that comes back in time is none; and one that comes and goes makes no more questions.
    assert_eq!(asked(0, |second| (100..110).contains(&second)), []);
    assert_eq!(
        asked(0, |second| second >= 100 && second % 20 != 0),
        [111, 171, 231, 291]
    );
}

#[test]
fn a_strange_server_cannot_take_the_address_away() {
    let mut renewal = an_hour();
    asks(&mut renewal, 3_150).unwrap();
    assert_eq!(takes(&mut renewal, &Reply::nak(8)), Err(Ignored::OutOfTurn));
    let nobody = Reply {
        yiaddr: [0; 4],
        ..Reply::ack(8)
    };
    let refused = takes(&mut renewal, &nobody);
    assert!(matches!(refused, Err(Ignored::Address { .. })));
    assert!(renewal.is_asking());
    assert_eq!(takes(&mut renewal, &Reply::nak(7)), Ok(()));
    assert!(renewal.loss().is_some());
}

#[test]
fn what_is_not_for_it_changes_nothing() {
    let mut renewal = an_hour();
    let ack = Reply::ack(7);
    assert_eq!(takes(&mut renewal, &ack), Err(Ignored::OutOfTurn));
    asks(&mut renewal, 1_800).unwrap();
    let other = Reply {
        mac: [2; 6],
        ..ack.clone()
    };
    assert_eq!(takes(&mut renewal, &other), Err(Ignored::OtherClient));
    let other = Reply {
        xid: !XID,
        ..ack.clone()
    };
    assert_eq!(takes(&mut renewal, &other), Err(Ignored::OtherTransaction));
    let offer = takes(&mut renewal, &Reply::offer(7));
    assert!(matches!(offer, Err(Ignored::MessageType(_))));
    assert_eq!(
        takes(&mut renewal, &Reply::bootp(7)),
        Err(Ignored::OutOfTurn)
    );
    let packet = ack.packet();
    for length in 0..236 {
        let cut = &packet[MESSAGE_OFFSET..][..length];
        assert_eq!(
            renewal.handle_message(cut, SERVER),
            Err(Ignored::Packet(PacketFault::Truncated))
        );
    }
    assert!(renewal.is_asking());
    assert_eq!(
        renewal.poll_timeout(),
        Some(at(1_800).after(Duration::from_secs(675)))
    );
    assert!(PAUSE <= Duration::from_secs(675));
}
