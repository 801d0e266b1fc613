// SPDX-License-Identifier: GPL-2.0-only

//! How a lease of DHCPv6 is kept (RFC 8415 sections 18.2.4, 18.2.5 and 18.2.10.1).

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a failure is what these look for"
)]

use iscsi_init::proto::{
    dhcp6::{
        client::{
            Client,
            Parameters,
            LIMIT, //
        },
        error::Ignored,
        lease::{
            Lease,
            FOREVER, //
        },
        message::SENT_LENGTH,
        renewal::Renewal,
    },
    time::Instant,
};

use dhcp6_support::{
    address,
    association,
    message,
    option,
    server,
    status,
    timed_association,
    Sent,
    ADVERTISE,
    MAC,
    REBIND,
    RENEW,
    REPLY,
    REQUEST, //
};

mod dhcp6_support;

const ADDRESS: &str = "2001:db8::1";
/// Of the lease's server.
const OWN: u8 = 1;

fn at(seconds: u64) -> Instant {
    Instant::from_millis(seconds * 1_000)
}

/// The lease that server 1 gives with such an association.
fn lease(t1: u32, t2: u32, preferred: u32, valid: u32) -> Option<Lease> {
    let parameters = Parameters {
        mac: MAC,
        seed: 7,
        needs_root_path: false,
        wanted: None,
        limit: LIMIT,
    };
    let mut client = Client::new(parameters, at(0));
    let own = [timed_association(
        t1,
        t2,
        &address(ADDRESS, preferred, valid),
    )];
    while client.outcome().is_none() {
        let now = client.poll_timeout().unwrap();
        let mut buffer = [0; SENT_LENGTH];
        while let Some(length) = client.poll_transmit(now, &mut buffer) {
            let transaction = buffer[1..4].try_into().unwrap();
            let kind = if buffer[0] == REQUEST {
                REPLY
            } else {
                ADVERTISE
            };
            let answer = message(kind, transaction, OWN, &own);
            let _ = client.handle_message(now, server(OWN), &answer);
            assert!(length > 0);
        }
    }
    client.outcome().unwrap().ok().cloned()
}

fn kept(t1: u32, t2: u32, preferred: u32, valid: u32) -> Renewal {
    let lease = lease(t1, t2, preferred, valid).expect("a lease");
    Renewal::new(MAC, 3, &lease, at(0)).expect("a lease that ends")
}

/// T1 after 1,000 s, T2 after 1,600 s, and the end after 3,000 s.
fn usual() -> Renewal {
    kept(1_000, 1_600, 2_000, 3_000)
}

fn asks_at(renewal: &mut Renewal, now: Instant) -> Option<Sent> {
    let mut buffer = [0; SENT_LENGTH];
    let length = renewal.poll_transmit(now, &mut buffer)?;
    Some(Sent {
        at: now.as_millis(),
        bytes: buffer[..length].to_vec(),
    })
}

fn asks(renewal: &mut Renewal, seconds: u64) -> Sent {
    asks_at(renewal, at(seconds)).expect("a message")
}

/// When what is sent, up to the end, in seconds.
fn silence(renewal: &mut Renewal) -> Vec<(u64, u8)> {
    let mut sent = Vec::new();
    while let Some(due) = renewal.poll_timeout() {
        if let Some(message) = asks_at(renewal, due) {
            sent.push((due.as_millis() / 1_000, message.kind()));
        }
        assert!(sent.len() < 100, "messages without end");
        assert_ne!(renewal.poll_timeout(), Some(due), "time stands still");
    }
    sent
}

/// Has server `number` answer `sent` at `seconds` with these options.
fn answers(
    renewal: &mut Renewal,
    sent: &Sent,
    seconds: u64,
    number: u8,
    options: &[Vec<u8>],
) -> Result<(), Ignored> {
    let answer = message(REPLY, sent.transaction(), number, options);
    renewal.handle_message(at(seconds), server(number), &answer)
}

fn more(valid: u32) -> Vec<Vec<u8>> {
    vec![association(&address(ADDRESS, valid, valid))]
}

fn loss(renewal: &Renewal) -> Option<String> {
    renewal.loss().map(ToString::to_string)
}

/// When the first Renew, the first Rebind and the end come.
fn times(t1: u32, t2: u32, preferred: u32, valid: u32) -> (Option<u64>, Option<u64>) {
    let sent = silence(&mut kept(t1, t2, preferred, valid));
    let first = |kind| {
        sent.iter()
            .find(|(_, each)| *each == kind)
            .map(|(at, _)| *at)
    };
    (first(RENEW), first(REBIND))
}

#[test]
fn nobody_answers() {
    let mut renewal = usual();
    let sent = silence(&mut renewal);
    assert_eq!(sent[0], (1_000, RENEW));
    let rebind = sent.iter().position(|(_, kind)| *kind == REBIND).unwrap();
    assert_eq!(sent[rebind], (1_600, REBIND));
    assert!(sent[..rebind].iter().all(|(_, kind)| *kind == RENEW));
    assert!(sent[rebind..].iter().all(|(_, kind)| *kind == REBIND));
    // 10 s, 20 s, 40 s ... up to 600 s, give or take a tenth each time.
    for part in [&sent[..rebind], &sent[rebind..]] {
        let mut expected = 10_u64;
        for pair in part.windows(2) {
            let wait = pair[1].0 - pair[0].0;
            assert!(
                (expected * 7 / 10 - 1..=expected * 14 / 10).contains(&wait),
                "{wait} for {expected}"
            );
            expected = (expected * 2).min(600);
        }
    }
    assert_eq!(
        loss(&renewal).as_deref(),
        Some("no DHCPv6 server has renewed it until its end")
    );
}

#[test]
fn the_messages_are_those_of_rfc_8415() {
    let mut renewal = usual();
    assert!(asks_at(&mut renewal, Instant::from_millis(999_999)).is_none());
    let renew = asks(&mut renewal, 1_000);
    assert_eq!(renew.kind(), RENEW);
    assert!(renew.asks(OWN));
    let own = association(&address(ADDRESS, 0, 0));
    assert_eq!(renew.option(3), Some(own[4..].to_vec()));
    assert_eq!(renew.option(1).unwrap()[4..], MAC);
    assert_eq!(renew.option(8), Some(vec![0, 0]));
    assert!(asks_at(&mut renewal, at(1_000)).is_none());
    let again = asks_at(&mut renewal, at(1_011)).expect("the same again");
    assert_eq!(again.transaction(), renew.transaction());
    assert_eq!(again.option(8), Some(1_100_u16.to_be_bytes().to_vec()));
    let rebind = asks(&mut renewal, 1_600);
    assert_eq!((rebind.kind(), rebind.option(2)), (REBIND, None));
    for sent in [&renew, &rebind] {
        assert_eq!(sent.option(6).unwrap(), [0, 23, 0, 24, 0, 59, 0, 82]);
    }
    assert_eq!(rebind.option(3), Some(own[4..].to_vec()));
    assert_ne!(rebind.transaction(), renew.transaction());
    assert_eq!(rebind.option(8), Some(vec![0, 0]));
}

#[test]
fn an_answer_counts_from_the_question() {
    let mut renewal = usual();
    assert_eq!(renewal.preferred_until(), Some(at(2_000)));
    let renew = asks(&mut renewal, 1_000);
    let own = [timed_association(100, 200, &address(ADDRESS, 500, 600))];
    assert_eq!(answers(&mut renewal, &renew, 1_003, OWN, &own), Ok(()));
    assert!(!renewal.is_asking());
    assert_eq!(renewal.poll_timeout(), Some(at(1_100)));
    assert_eq!(renewal.preferred_until(), Some(at(1_500)));
    assert_eq!(
        silence(&mut renewal).last().map(|(at, _)| *at < 1_600),
        Some(true)
    );
}

#[test]
fn times_of_the_server_hold_and_others_are_made_up() {
    let (some, none) = (Some::<u64>, None);
    assert_eq!(times(100, 300, 900, 1_000), (some(100), some(300)));
    // Zero leaves them to the client: half, and eight tenths, of the preferred lifetime.
    assert_eq!(times(0, 0, 1_000, 2_000), (some(500), some(800)));
    assert_eq!(times(0, 300, 1_000, 2_000), (none, some(300)));
    assert_eq!(times(900, 0, 1_000, 2_000), (none, some(900)));
    assert_eq!(times(100, 0, 1_000, 2_000), (some(100), some(800)));
    // Without a preferred lifetime, of the other.
    assert_eq!(times(0, 0, 0, 2_000), (some(1_000), some(1_600)));
    // One that comes too late.
    assert_eq!(times(100, 5_000, 1_000, 2_000), (some(100), some(800)));
    assert_eq!(times(3_000, 5_000, 1_000, 2_000), (some(500), some(800)));
    // Never is never, until the end.
    assert_eq!(times(FOREVER, FOREVER, 1_000, 2_000), (none, none));
    assert_eq!(times(FOREVER, 0, 1_000, 2_000), (none, none));
    assert_eq!(times(100, FOREVER, 1_000, 2_000), (some(100), none));
    // RFC 8415 section 21.4: T1 is not later than T2, or the association is none.
    assert_eq!(lease(301, 300, 900, 1_000), None);
}

#[test]
fn no_server_makes_a_client_do_nothing_but_ask() {
    for seconds in [1, 2, 10] {
        assert_eq!(
            silence(&mut kept(0, 0, seconds, seconds)),
            [(5, RENEW), (8, REBIND)]
        );
    }
    assert_eq!(times(1, 2, 1_000, 1_000), (Some(500), Some(800)));
    assert_eq!(times(5, 6, 1_000, 1_000), (Some(5), Some(6)));
}

#[test]
fn a_lease_for_ever_is_not_kept() {
    for (t1, t2) in [(0, 0), (FOREVER, FOREVER), (FOREVER, 0)] {
        let lease = lease(t1, t2, FOREVER, FOREVER).expect("a lease");
        assert!(Renewal::new(MAC, 3, &lease, at(0)).is_none(), "{t1} {t2}");
    }
    // A server may want to be asked all the same, and the address may be for old connections alone.
    assert_eq!(
        kept(100, 200, FOREVER, FOREVER).poll_timeout(),
        Some(at(100))
    );
    assert_eq!(kept(0, 0, 100, FOREVER).preferred_until(), Some(at(100)));
    assert_eq!(kept(100, 200, FOREVER, FOREVER).preferred_until(), None);
    let mut renewal = usual();
    let renew = asks(&mut renewal, 1_000);
    assert_eq!(
        answers(&mut renewal, &renew, 1_000, OWN, &more(FOREVER)),
        Ok(())
    );
    assert_eq!((renewal.poll_timeout(), renewal.loss()), (None, None));
}

#[test]
fn another_server_takes_over_when_any_is_asked() {
    let mut renewal = usual();
    let renew = asks(&mut renewal, 1_000);
    assert_eq!(
        answers(&mut renewal, &renew, 1_001, 2, &more(3_000)),
        Err(Ignored::OtherServer)
    );
    let rebind = asks(&mut renewal, 1_600);
    assert_eq!(
        answers(&mut renewal, &rebind, 1_601, 2, &more(3_000)),
        Ok(())
    );
    assert!(asks(&mut renewal, 1_600 + 1_500).asks(2));
}

#[test]
fn a_server_without_the_lease_is_asked_for_it() {
    let none = [association(&status(3, "no such lease"))];
    let mut renewal = usual();
    let renew = asks(&mut renewal, 1_000);
    assert_eq!(answers(&mut renewal, &renew, 1_001, OWN, &none), Ok(()));
    let request = asks(&mut renewal, 1_001);
    assert!(request.kind() == REQUEST && request.asks(OWN));
    let own = association(&address(ADDRESS, 0, 0));
    assert_eq!(request.option(3), Some(own[4..].to_vec()));
    assert_eq!(
        answers(&mut renewal, &request, 1_001, 2, &more(3_000)),
        Err(Ignored::OtherServer)
    );
    assert_eq!(
        answers(&mut renewal, &request, 1_002, OWN, &more(3_000)),
        Ok(())
    );
    assert!(!renewal.is_asking() && renewal.loss().is_none());

    // It does not give it.
    for refusal in [2, 3, 4] {
        let mut renewal = usual();
        let renew = asks(&mut renewal, 1_000);
        answers(&mut renewal, &renew, 1_001, OWN, &none).unwrap();
        let request = asks(&mut renewal, 1_001);
        let refused = [association(&status(refusal, "no"))];
        assert_eq!(
            answers(&mut renewal, &request, 1_001, OWN, &refused),
            Ok(())
        );
        let loss = loss(&renewal).expect("a loss");
        assert!(
            loss.starts_with("DHCPv6 server fe80::1 refuses: No"),
            "{loss}"
        );
        assert_eq!(renewal.poll_timeout(), None);
    }

    // It does not answer: its time is over after ten requests, and the lease goes on as before.
    let mut renewal = usual();
    let renew = asks(&mut renewal, 1_000);
    answers(&mut renewal, &renew, 1_001, OWN, &none).unwrap();
    let sent = silence(&mut renewal);
    assert!(
        sent[..10].iter().all(|(_, kind)| *kind == REQUEST),
        "{sent:?}"
    );
    assert_eq!(sent[10].1, RENEW);
}

#[test]
fn what_its_server_says_of_it_counts() {
    let refused = |options: &[Vec<u8>]| {
        let mut renewal = usual();
        let renew = asks(&mut renewal, 1_000);
        let result = answers(&mut renewal, &renew, 1_000, OWN, options);
        (result, loss(&renewal))
    };
    let gone = association(&address(ADDRESS, 0, 0));
    let moved = [address(ADDRESS, 0, 0), address("2001:db8::9", 60, 60)].concat();
    let loses = [
        (vec![gone], "takes it back"),
        (vec![association(&moved)], "gives 2001:db8::9 in its place"),
        (
            vec![association(&address("2001:db8::9", 60, 60))],
            "gives 2001:db8::9 in its place",
        ),
        (
            vec![association(&status(4, "moved"))],
            "refuses: NotOnLink, \"moved\"",
        ),
        (vec![status(2, "none")], "refuses: NoAddrsAvail, \"none\""),
    ];
    for (options, expected) in loses {
        let expected = format!("DHCPv6 server fe80::1 {expected}");
        assert_eq!(refused(&options), (Ok(()), Some(expected)));
    }
    // It may be better next time.
    for code in [1, 5] {
        let (result, loss) = refused(&[status(code, "later")]);
        assert!(matches!(result, Err(Ignored::Refused { .. })), "{result:?}");
        assert_eq!(loss, None);
    }
    // It says nothing of it, or nothing that can be.
    let none = (
        Err(Ignored::NoAddress {
            server: server(OWN),
        }),
        None,
    );
    let strange = [
        vec![],
        vec![association(&[])],
        vec![association(&address(ADDRESS, 61, 60))],
        vec![timed_association(20, 10, &address(ADDRESS, 60, 60))],
    ];
    for options in strange {
        assert_eq!(refused(&options), none, "{options:?}");
    }
}

#[test]
fn a_strange_server_cannot_take_the_address_away() {
    let mut renewal = usual();
    let rebind = asks(&mut renewal, 1_600);
    let stranger = Err(Ignored::Stranger { server: server(2) });
    for options in [
        vec![association(&address(ADDRESS, 0, 0))],
        vec![association(&status(4, "not here"))],
        vec![status(2, "none")],
    ] {
        assert_eq!(answers(&mut renewal, &rebind, 1_601, 2, &options), stranger);
    }
    // What it may have is asked for, once.
    let none = [association(&status(3, "unknown"))];
    assert_eq!(answers(&mut renewal, &rebind, 1_601, 2, &none), Ok(()));
    let request = asks(&mut renewal, 1_601);
    assert!(request.kind() == REQUEST && request.asks(2));
    let refused = [association(&status(2, "none"))];
    assert_eq!(answers(&mut renewal, &request, 1_602, 2, &refused), Ok(()));
    assert_eq!(renewal.poll_timeout(), Some(at(1_612)));
    assert_eq!(asks(&mut renewal, 1_612).kind(), REBIND);
    assert!(renewal.is_asking());
    assert_eq!(renewal.loss(), None);
}

#[test]
fn what_is_not_for_it_changes_nothing() {
    let mut renewal = usual();
    let mut early = [0; SENT_LENGTH];
    early[0] = REPLY;
    let out_of_turn = renewal.handle_message(at(1), server(OWN), &early);
    assert!(matches!(out_of_turn, Err(Ignored::OutOfTurn(_))));
    let renew = asks(&mut renewal, 1_000);
    let good = message(REPLY, renew.transaction(), OWN, &more(3_000));
    let mut handle = |answer: &[u8]| renewal.handle_message(at(1_000), server(OWN), answer).err();
    for length in 0..4 {
        assert_eq!(handle(&good[..length]), Some(Ignored::Malformed));
    }
    let changed = |offset: usize| {
        let mut other = good.clone();
        other[offset] ^= 1;
        other
    };
    assert!(matches!(handle(&changed(0)), Some(Ignored::OutOfTurn(_))));
    assert_eq!(handle(&changed(3)), Some(Ignored::OtherTransaction));
    assert_eq!(handle(&changed(17)), Some(Ignored::OtherClient));
    assert_eq!(handle(&changed(24)), Some(Ignored::OtherServer));
    assert_eq!(
        handle(&good[..18]),
        Some(Ignored::NoServerIdentifier {
            server: server(OWN)
        })
    );
    let with = option(13, &[0, 0, b'o', b'k']);
    let good = message(
        REPLY,
        renew.transaction(),
        OWN,
        &[with, more(3_000).concat()],
    );
    assert_eq!(handle(&good), None);
    assert!(!renewal.is_asking());
}
