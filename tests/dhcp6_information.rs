// SPDX-License-Identifier: GPL-2.0-only

//! The question for further information (RFC 8415 section 18.2.6), in virtual time.

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
            Parameters,
            LIMIT, //
        },
        error::{
            Failure,
            Ignored, //
        },
        information::Inquiry,
        lease::Information,
        message::SENT_LENGTH,
    },
    nd_option::Resolver,
    time::Instant,
};

use dhcp6_support::{
    ip,
    message,
    option,
    server,
    status,
    Sent,
    ADVERTISE,
    INFORMATION_REQUEST,
    MAC,
    REPLY, //
};

mod dhcp6_support;

const URL: &str = "iscsi:[2001:db8::1]:::1:iqn.2004-01.net.example:diskless";

fn inquiry(needs_root_path: bool) -> Inquiry {
    let parameters = Parameters {
        mac: MAC,
        seed: 7,
        needs_root_path,
        wanted: None,
        limit: LIMIT,
    };
    Inquiry::new(parameters, Instant::from_millis(0))
}

/// Lets the client and the servers, who answer by `answers`, talk to the end.
fn run(
    needs_root_path: bool,
    mut answers: impl FnMut(&Sent) -> Vec<(u8, Vec<u8>)>,
) -> (Vec<Sent>, Result<Information, Failure>) {
    let mut inquiry = inquiry(needs_root_path);
    let mut all = Vec::new();
    loop {
        if let Some(outcome) = inquiry.outcome() {
            return (all, outcome.cloned().map_err(Clone::clone));
        }
        let at = inquiry.poll_timeout().unwrap();
        let mut buffer = [0; SENT_LENGTH];
        while let Some(length) = inquiry.poll_transmit(at, &mut buffer) {
            let sent = Sent {
                at: at.as_millis(),
                bytes: buffer[..length].to_vec(),
            };
            all.push(sent.clone());
            for (number, answer) in answers(&sent) {
                let _ = inquiry.handle_message(server(number), &answer);
            }
        }
    }
}

#[test]
fn it_is_asked_as_rfc_8415_has_it_and_the_answer_is_taken() {
    let (sent, information) = run(true, |sent| {
        let dns = option(23, &ip("2001:db8::53").octets());
        let options = [option(59, URL.as_bytes()), dns, option(24, b"\x03lab\0")];
        vec![(1, message(REPLY, sent.transaction(), 1, &options))]
    });
    let [sent] = &sent[..] else {
        panic!("one message: {sent:?}");
    };
    assert_eq!(sent.kind(), INFORMATION_REQUEST);
    assert!(sent.at < 1_000);
    assert_eq!(sent.option(1).unwrap()[4..], MAC);
    assert_eq!(sent.option(6).unwrap(), [0, 23, 0, 24, 0, 59, 0, 32, 0, 83]);
    assert_eq!(sent.option(8).unwrap(), [0, 0]);
    assert_eq!((sent.option(2), sent.option(3)), (None, None));
    let information = information.expect("an answer");
    assert_eq!(information.root_path().unwrap().as_str(), URL);
    let mut pnp = String::new();
    information
        .write_pnp(&Resolver::default(), &mut pnp)
        .expect("room");
    assert_eq!(pnp, "#PROTO: DHCP\ndomain lab\nnameserver 2001:db8::53\n");
}

#[test]
fn waits_grow_and_end() {
    let (sent, outcome) = run(false, |_| vec![]);
    assert_eq!(sent.len(), 5);
    for pair in sent.windows(2) {
        assert_eq!(pair[0].transaction(), pair[1].transaction());
    }
    assert_eq!(
        outcome.expect_err("silence").to_string(),
        "no DHCPv6 server gave information at 5 requests in 30 s; check that one serves this network"
    );
    let (_, outcome) = run(false, |sent| {
        vec![(1, message(REPLY, sent.transaction(), 1, &[status(1, "no")]))]
    });
    assert_eq!(
        outcome.expect_err("refusals").to_string(),
        "no DHCPv6 server gave information at 5 requests in 30 s (fe80::1 refuses: UnspecFail, \
         \"no\"); check its configuration"
    );
}

#[test]
fn the_one_with_something_to_boot_is_waited_for() {
    let answer = |sent: &Sent, number: u8, options: &[Vec<u8>]| {
        (number, message(REPLY, sent.transaction(), number, options))
    };
    let url = [option(59, URL.as_bytes())];
    let of = |outcome: Result<Information, Failure>| outcome.expect("an answer").server;
    let both = |sent: &Sent| vec![answer(sent, 1, &[]), answer(sent, 2, &url)];
    assert_eq!(of(run(true, both).1), server(2));
    assert_eq!(of(run(false, both).1), server(1));
    // Without any the first wait is the only one.
    let (sent, outcome) = run(true, |sent| {
        vec![answer(sent, 1, &[]), answer(sent, 3, &[])]
    });
    assert_eq!(sent.len(), 1);
    let none = Failure::NoDisk { server: server(1) };
    assert_eq!(outcome, Err(none));
}

#[test]
fn messages_that_are_no_answers_are_ignored() {
    let mut inquiry = inquiry(false);
    let now = inquiry.poll_timeout().unwrap();
    let mut twin = [0; SENT_LENGTH];
    self::inquiry(false).poll_transmit(now, &mut twin);
    let good = message(REPLY, twin[1..4].try_into().unwrap(), 1, &[]);
    let handle =
        |inquiry: &mut Inquiry, answer: &[u8]| inquiry.handle_message(server(1), answer).err();
    assert_eq!(handle(&mut inquiry, &good), Some(Ignored::OtherTransaction));
    inquiry
        .poll_transmit(now, &mut [0; SENT_LENGTH])
        .expect("a question");
    let changed = |offset: usize, to: u8| {
        let mut other = good.clone();
        other[offset] = to;
        other
    };
    assert_eq!(handle(&mut inquiry, &good[..3]), Some(Ignored::Malformed));
    let advertise = handle(&mut inquiry, &changed(0, ADVERTISE));
    assert!(matches!(advertise, Some(Ignored::OutOfTurn(_))));
    let other = handle(&mut inquiry, &changed(3, good[3] ^ 1));
    assert_eq!(other, Some(Ignored::OtherTransaction));
    let other = handle(&mut inquiry, &changed(17, good[17] ^ 1));
    assert_eq!(other, Some(Ignored::OtherClient));
    assert_eq!(
        handle(&mut inquiry, &good[..18]),
        Some(Ignored::NoServerIdentifier { server: server(1) })
    );
    assert_eq!(handle(&mut inquiry, &good), None);
    assert!(matches!(
        handle(&mut inquiry, &good),
        Some(Ignored::OutOfTurn(_))
    ));
}
