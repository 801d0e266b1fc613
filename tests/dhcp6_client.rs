// SPDX-License-Identifier: GPL-2.0-only

//! Whole conversations of the DHCPv6 client with servers, in virtual time.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
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
        error::{
            Failure,
            Ignored, //
        },
        lease::Lease,
        message::SENT_LENGTH,
    },
    nd_option::Resolver,
    time::Instant,
};

use dhcp6_support::{
    address,
    association,
    healthy,
    ip,
    message,
    option,
    server,
    status,
    Sent,
    ADVERTISE,
    DECLINE,
    MAC,
    REPLY,
    REQUEST,
    SOLICIT, //
};

mod dhcp6_support;
#[path = "dhcp_support/hex.rs"]
mod hex;

const DNSMASQ: &str = include_str!("dhcp6_support/dnsmasq.hex");

fn client(needs_root_path: bool) -> Client {
    let parameters = Parameters {
        mac: MAC,
        seed: 7,
        needs_root_path,
        wanted: None,
        limit: LIMIT,
    };
    Client::new(parameters, Instant::from_millis(0))
}

/// Lets the client and the servers, who answer by `answers`, talk to the end.
fn run(
    client: &mut Client,
    mut answers: impl FnMut(&Sent) -> Vec<(u8, Vec<u8>)>,
) -> (Vec<Sent>, Result<Lease, Failure>) {
    let mut all = Vec::new();
    loop {
        if let Some(outcome) = client.outcome() {
            let outcome = outcome.cloned().map_err(Clone::clone);
            return (all, outcome);
        }
        let at = client.poll_timeout().unwrap();
        let mut buffer = [0; SENT_LENGTH];
        while let Some(length) = client.poll_transmit(at, &mut buffer) {
            let sent = Sent {
                at: at.as_millis(),
                bytes: buffer[..length].to_vec(),
            };
            all.push(sent.clone());
            for (number, answer) in answers(&sent) {
                let _ = client.handle_message(at, server(number), &answer);
            }
        }
    }
}

fn kinds(sent: &[Sent]) -> Vec<u8> {
    sent.iter().map(Sent::kind).collect()
}

#[test]
fn dnsmasq_is_understood_and_asked_as_recorded() {
    let recorded: Vec<Vec<u8>> = DNSMASQ.split("\n\n").map(hex::bytes).collect();
    let [solicit, advertise, request, reply] = &recorded[..] else {
        panic!("four messages");
    };
    let with = |message: &[u8], transaction: [u8; 3]| {
        [&message[..1], &transaction, &message[4..]].concat()
    };
    let mut client = client(true);
    let (sent, lease) = run(&mut client, |sent| {
        let answer = if sent.kind() == SOLICIT {
            advertise
        } else {
            reply
        };
        vec![(1, with(answer, sent.transaction()))]
    });
    assert_eq!(sent.len(), 2);
    for (sent, recorded) in sent.iter().zip([solicit, request]) {
        assert_eq!(sent.bytes, with(recorded, sent.transaction()));
    }
    // Each exchange has a number of its own (RFC 8415 section 16.1).
    assert_ne!(sent[0].transaction(), sent[1].transaction());
    let lease = lease.expect("a lease");
    assert_eq!(lease.address, ip("fd00:7::190"));
    assert_eq!(lease.information.server, server(1));
    assert_eq!(
        lease
            .information
            .root_path()
            .map(|path| path.as_str().to_owned())
            .as_deref(),
        Some("iscsi:[fd00:7::1]:::1:iqn.2004-01.net.example:diskless")
    );
    let mut pnp = String::new();
    lease
        .information
        .write_pnp(&Resolver::default(), &mut pnp)
        .expect("room");
    assert_eq!(
        pnp,
        "#PROTO: DHCP\ndomain lab.example\nnameserver fd00:7::1\n"
    );
}

#[test]
fn waits_grow_and_end() {
    let (sent, outcome) = run(&mut client(false), |_| vec![]);
    assert_eq!(kinds(&sent), [SOLICIT; 5]);
    // The first one comes within a second; the waits are 1, 2, 4 ... s, give or take a tenth.
    assert!(sent[0].at < 1_000);
    let mut expected = 1_000;
    for pair in sent.windows(2) {
        let wait = pair[1].at - pair[0].at;
        assert!(
            (expected * 7 / 10..=expected * 14 / 10).contains(&wait),
            "{wait}"
        );
        expected *= 2;
    }
    assert!(sent[1].at - sent[0].at > 1_000);
    // RFC 8415 section 21.9: in hundredths of a second, since the first one.
    for one in &sent {
        let elapsed = u16::try_from((one.at - sent[0].at) / 10).unwrap();
        assert_eq!(one.option(8), Some(elapsed.to_be_bytes().to_vec()));
        assert_eq!(one.transaction(), sent[0].transaction());
    }
    let failure = outcome.expect_err("nobody answers");
    assert_eq!(
        failure.to_string(),
        "no DHCPv6 server gave an address at 5 requests in 30 s; check that one serves this network"
    );
}

#[test]
fn the_best_server_of_the_first_wait_is_asked() {
    let url = |text: &str| option(59, text.as_bytes());
    let preference = |number| option(7, &[number]);
    // The first of those that are alike; the one with what is needed; the one that wants it more.
    type Options = Vec<Vec<u8>>;
    let cases: [(bool, [Options; 2], u8); 6] = [
        (false, [vec![], vec![]], 1),
        (true, [vec![], vec![url("iscsi:[::1]::::")]], 2),
        (true, [vec![], vec![url("http://[2001:db8::1]/x")]], 1),
        (false, [vec![], vec![url("iscsi:[::1]::::")]], 1),
        (false, [vec![preference(4)], vec![preference(5)]], 2),
        (
            true,
            [vec![preference(255)], vec![url("ISCSI:[::1]::::")]],
            2,
        ),
    ];
    for (needs_root_path, options, expected) in cases {
        let (sent, lease) = run(&mut client(needs_root_path), |sent| {
            let answer = |number| healthy(sent, number, &options[usize::from(number) - 1]);
            [1, 2].into_iter().filter_map(answer).collect()
        });
        assert_eq!(kinds(&sent), [SOLICIT, REQUEST], "{options:?}");
        assert!(sent[1].at - sent[0].at > 1_000);
        let lease = lease.expect("a lease");
        assert_eq!(lease.information.server, server(expected), "{options:?}");
        assert_eq!(lease.address, ip(&format!("2001:db8::{expected}")));
    }
}

#[test]
fn the_highest_preference_is_not_kept_waiting() {
    let (sent, lease) = run(&mut client(false), |sent| {
        healthy(sent, 3, &[option(7, &[255])]).into_iter().collect()
    });
    assert_eq!(sent[1].at, sent[0].at);
    assert_eq!(lease.expect("a lease").address, ip("2001:db8::3"));
}

#[test]
fn a_late_server_is_asked_at_once() {
    let mut solicits = 0;
    let (sent, lease) = run(&mut client(false), |sent| {
        solicits += 1;
        let answer = healthy(sent, 1, &[]).filter(|_| solicits > 2);
        answer.into_iter().collect()
    });
    assert_eq!(kinds(&sent), [SOLICIT, SOLICIT, SOLICIT, REQUEST]);
    assert_eq!(sent[3].at, sent[2].at);
    assert!(lease.is_ok());
}

#[test]
fn a_server_with_nothing_to_give_says_so() {
    let refusals = [
        vec![status(2, "no addresses")],
        vec![association(&status(2, "no addresses"))],
    ];
    for options in refusals {
        let (_, outcome) = run(&mut client(false), |sent| {
            vec![(1, message(ADVERTISE, sent.transaction(), 1, &options))]
        });
        let text = outcome.expect_err("no addresses").to_string();
        assert!(
            text.ends_with(
                "(fe80::1 refuses: NoAddrsAvail, \"no addresses\"); check its configuration"
            ),
            "{text}"
        );
    }
}

#[test]
fn a_server_that_takes_its_offer_back_is_asked_three_times() {
    let refuses = |sent: &Sent| {
        let refusal = [association(&status(4, "moved?"))];
        match sent.kind() {
            REQUEST => Some((1, message(REPLY, sent.transaction(), 1, &refusal))),
            _ => healthy(sent, 1, &[]),
        }
    };
    let (sent, outcome) = run(&mut client(false), |sent| {
        refuses(sent).into_iter().collect()
    });
    assert_eq!(kinds(&sent), [SOLICIT, REQUEST].repeat(3));
    assert!(matches!(
        outcome,
        Err(Failure::Refused { server: of, refusal }) if of == server(1) && refusal.status == 4
    ));
}

#[test]
fn a_server_that_falls_silent_is_named() {
    let (sent, outcome) = run(&mut client(false), |sent| {
        let answer = healthy(sent, 1, &[]).filter(|_| sent.kind() == SOLICIT);
        answer.into_iter().collect()
    });
    assert!(sent
        .iter()
        .skip(1)
        .all(|sent| sent.kind() == REQUEST && sent.asks(1)));
    let expected = Failure::Silence {
        server: server(1),
        address: ip("2001:db8::1"),
    };
    assert_eq!(outcome, Err(expected));
}

#[test]
fn messages_that_are_no_answers_are_ignored() {
    let mut client = client(false);
    let now = client.poll_timeout().unwrap();
    // What another client with the same random number asks, this one will ask.
    let mut twin = [0; SENT_LENGTH];
    self::client(false).poll_transmit(now, &mut twin);
    let early = message(ADVERTISE, twin[1..4].try_into().unwrap(), 1, &[]);
    assert_eq!(
        client.handle_message(now, server(1), &early),
        Err(Ignored::OtherTransaction)
    );
    let mut buffer = [0; SENT_LENGTH];
    let length = client.poll_transmit(now, &mut buffer).expect("a Solicit");
    let sent = Sent {
        at: now.as_millis(),
        bytes: buffer[..length].to_vec(),
    };
    let mut handle = |answer: &[u8]| client.handle_message(now, server(1), answer).err();
    let (_, good) = healthy(&sent, 1, &[]).unwrap();

    assert_eq!(handle(&[]), Some(Ignored::Malformed));
    assert_eq!(handle(&good[..3]), Some(Ignored::Malformed));
    let mut other = good.clone();
    other[3] ^= 1;
    assert_eq!(handle(&other), Some(Ignored::OtherTransaction));
    let mut other = good.clone();
    other[0] = REPLY;
    assert!(matches!(handle(&other), Some(Ignored::OutOfTurn(_))));
    let mut other = good.clone();
    other[17] ^= 1;
    assert_eq!(handle(&other), Some(Ignored::OtherClient));
    // Cut behind the client's identifier.
    assert_eq!(
        handle(&good[..18]),
        Some(Ignored::NoServerIdentifier { server: server(1) })
    );
    let none = Some(Ignored::NoAddress { server: server(1) });
    for content in [
        vec![],
        address("2001:db8::1", 0, 0),
        address("2001:db8::1", 61, 60),
        address("ff02::1", 60, 60),
        address("fe80::9", 60, 60),
        address("::", 60, 60),
        option(5, &[0; 23]),
    ] {
        let answer = message(ADVERTISE, sent.transaction(), 1, &[association(&content)]);
        assert_eq!(handle(&answer), none, "{content:?}");
    }
    // An association of another name.
    let mut other = association(&address("2001:db8::1", 60, 60));
    other[4] ^= 1;
    let answer = message(ADVERTISE, sent.transaction(), 1, &[other]);
    assert_eq!(handle(&answer), none);
    assert_eq!(handle(&good), None);
    assert_eq!(handle(&good), Some(Ignored::NoBetter));
}

#[test]
fn a_reply_counts_from_the_server_that_was_asked_alone() {
    let mut impostor = 0;
    let (sent, lease) = run(&mut client(false), |sent| {
        let stranger = sent.kind() == REQUEST;
        impostor += u32::from(stranger);
        let own = association(&address("2001:db8::bad", 60, 120));
        let forged = message(REPLY, sent.transaction(), 9, &[own]);
        let forged = stranger.then_some((9, forged));
        forged.into_iter().chain(healthy(sent, 1, &[])).collect()
    });
    assert_eq!((kinds(&sent), impostor), (vec![SOLICIT, REQUEST], 1));
    assert_eq!(lease.expect("a lease").address, ip("2001:db8::1"));
}

#[test]
fn domains_are_words_for_scripts() {
    let domain = |value: &[u8]| {
        let (_, lease) = run(&mut client(false), |sent| {
            healthy(sent, 1, &[option(24, value)]).into_iter().collect()
        });
        lease
            .expect("a lease")
            .information
            .domain_name
            .map(|name| name.as_str().to_owned())
    };
    assert_eq!(
        domain(b"\x07example\x03org\0").as_deref(),
        Some("example.org")
    );
    for none in [
        &b""[..],
        b"\0",
        b"\x07example",
        b"\x03a b\0",
        b"\xc0\x00",
        b"\x03a;b\0",
    ] {
        assert_eq!(domain(none), None, "{none:?}");
    }
    let long = [&[63][..], &[b'a'; 63], &[1, b'b', 0]].concat();
    assert_eq!(domain(&long), None);
}

#[test]
fn an_address_that_another_host_has_is_declined() {
    let mut answered = 0;
    let mut answers = |sent: &Sent| match sent.kind() {
        DECLINE => {
            answered += 1;
            let reply = message(REPLY, sent.transaction(), 1, &[status(0, "")]);
            // The first one is lost.
            (answered > 1).then_some((1, reply)).into_iter().collect()
        }
        _ => healthy(sent, 1, &[]).into_iter().collect::<Vec<_>>(),
    };
    let mut client = client(false);
    assert!(!client.decline(Instant::from_millis(0)));
    let (sent, lease) = run(&mut client, &mut answers);
    assert!(lease.is_ok());
    let now = Instant::from_millis(sent[1].at);
    assert!(client.decline(now));
    let (sent, lease) = run(&mut client, &mut answers);
    assert_eq!(kinds(&sent), [DECLINE, DECLINE, SOLICIT, REQUEST]);
    assert!(lease.is_ok());
    assert_eq!(sent[0].at, now.as_millis());
    assert!(sent[0].asks(1));
    let own = association(&address("2001:db8::1", 0, 0));
    assert_eq!(sent[0].option(3), Some(own[4..].to_vec()));
    assert_eq!(sent[0].option(6), None);
    assert_ne!(sent[0].transaction(), sent[2].transaction());
    for _ in 0..2 {
        let now = Instant::from_millis(sent[3].at);
        assert!(client.decline(now));
        assert!(run(&mut client, &mut answers).1.is_ok());
    }
    assert!(!client.decline(Instant::from_millis(sent[3].at)));
}

#[test]
fn an_unanswered_decline_is_repeated_three_times() {
    let mut client = client(false);
    let (sent, _) = run(&mut client, |sent| {
        healthy(sent, 1, &[]).into_iter().collect()
    });
    assert!(client.decline(Instant::from_millis(sent[1].at)));
    let (sent, _) = run(&mut client, |sent| {
        healthy(sent, 1, &[]).into_iter().collect()
    });
    assert_eq!(
        kinds(&sent),
        [DECLINE, DECLINE, DECLINE, DECLINE, SOLICIT, REQUEST]
    );
}

#[test]
fn the_address_that_is_wanted_is_asked_for_and_preferred() {
    let wanted = ip("2001:db8::2");
    let parameters = Parameters {
        mac: MAC,
        seed: 7,
        needs_root_path: false,
        wanted: Some(wanted),
        limit: LIMIT,
    };
    let mut client = Client::new(parameters, Instant::from_millis(0));
    let (sent, lease) = run(&mut client, |sent| {
        [1, 2, 3]
            .into_iter()
            .filter_map(|number| healthy(sent, number, &[]))
            .collect()
    });
    let own = association(&address("2001:db8::2", 0, 0));
    assert_eq!(sent[0].option(3), Some(own[4..].to_vec()));
    assert_eq!(lease.expect("a lease").address, wanted);
}
