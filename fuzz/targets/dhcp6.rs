// SPDX-License-Identifier: GPL-2.0-only

//! The fuzz target of the DHCPv6 client.

use std::net::Ipv6Addr;

use iscsi_init::proto::{
    bytes::Reader,
    dhcp6::{
        client::{
            Client,
            Parameters,
            LIMIT, //
        },
        information::Inquiry,
        message::SENT_LENGTH,
        renewal::Renewal,
    },
    nd_option::Resolver,
    time::Instant,
};

use super::captured;

const MAC: [u8; 6] = [0x52, 0x54, 0x00, 0xaa, 0x00, 0x01];
const ADDRESS: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 9);
const SERVER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

/// A whole conversation: `data` is a list of times to wait in units of 20 ms, types, lengths and options of messages, which
/// come for the client and for what it has asked last.
pub(crate) fn dhcp6_client(data: &[u8]) {
    let parameters = Parameters {
        mac: MAC,
        seed: 0,
        needs_root_path: data.len() % 2 == 0,
        wanted: (data.len() % 3 == 0).then_some(ADDRESS),
        limit: LIMIT,
    };
    let mut client = Client::new(parameters, Instant::from_millis(0));
    let mut reader = Reader::new(data);
    let mut now = 0;
    let mut sent = 0;
    let mut transaction = [0; 3];
    while client.outcome().is_none() {
        let mut buffer = [0; SENT_LENGTH];
        while let Some(length) = client.poll_transmit(Instant::from_millis(now), &mut buffer) {
            assert!((4..=SENT_LENGTH).contains(&length));
            transaction.copy_from_slice(&buffer[1..4]);
            sent += 1;
        }
        let due = client.poll_timeout().map(Instant::as_millis);
        assert!(due.is_none_or(|due| due > now));
        match message(&mut reader) {
            Some((delay, kind, options)) => {
                now = due.unwrap_or(now).min(now + delay);
                let datagram = datagram(kind, transaction, options);
                let _ = client.handle_message(Instant::from_millis(now), SERVER, &datagram);
                let _ = client.handle_message(Instant::from_millis(now), SERVER, options);
            }
            None => now = due.unwrap_or(now),
        }
    }
    assert!(now <= LIMIT.as_millis() && sent <= 20 + data.len());
    match client.outcome() {
        Some(Ok(lease)) => {
            assert!(!lease.address.is_unspecified() && !lease.address.is_multicast());
            let mut pnp = String::new();
            lease
                .information
                .write_pnp(&Resolver::default(), &mut pnp)
                .unwrap();
            assert!((1..=5).contains(&pnp.lines().count()), "{pnp}");
            let is_iscsi = |path: &str| path.to_ascii_lowercase().starts_with("iscsi:");
            assert!(lease
                .information
                .root_path()
                .is_none_or(|path| is_iscsi(path.as_str())));
        }
        outcome => assert!(!outcome.unwrap().unwrap_err().to_string().is_empty()),
    }
}

pub(crate) fn client_seeds() -> Vec<Vec<u8>> {
    let address = [
        &[0, 3, 0, 40][..],
        &MAC[2..],
        &[0; 8],
        &[0, 5, 0, 24, 0x20, 0x01, 0x0d, 0xb8],
        &[0; 11],
        &[9, 0, 0, 0, 60, 0, 0, 0, 120],
    ]
    .concat();
    let server = [0, 2, 0, 3, 0, 2, 1];
    let texts = b"\0\x17\0\x10\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\0\x18\0\x05\x03lab\0\0\x3b\0\x0fiscsi:[::1]::::";
    let refusal = b"\0\x0d\0\x04\0\x02no";
    let seed = |messages: &[(u8, &[&[u8]])]| -> Vec<u8> {
        let framed = |(kind, options): &(u8, &[&[u8]])| {
            let options = [&server, &options.concat()[..]].concat();
            [
                &[1, *kind, u8::try_from(options.len()).unwrap()],
                &options[..],
            ]
            .concat()
        };
        messages.iter().flat_map(framed).collect()
    };
    let preferred = [0, 7, 0, 1, 255];
    // Solicit, Advertise, Request, Reply.
    let text = include_str!("../../tests/dhcp6_support/dnsmasq.hex");
    let mut recorded = text.split("\n\n").map(captured::bytes);
    let mut next = || ours(&recorded.nth(1).unwrap()[4..]);
    let [advertise, reply] = [next(), next()];
    vec![
        seed(&[(2, &[&advertise]), (7, &[&reply])]),
        seed(&[(2, &[&address, texts, &preferred]), (7, &[&address, texts])]),
        seed(&[(2, &[refusal]), (2, &[&address]), (7, &[&address])]),
        seed(&[
            (2, &[&address, &preferred, texts]),
            (7, &[refusal]),
            (2, &[&address]),
        ]),
    ]
}

/// A question for further information: `data` is as with [`dhcp6_client`].
pub(crate) fn dhcp6_information(data: &[u8]) {
    let parameters = Parameters {
        mac: MAC,
        seed: 0,
        needs_root_path: data.len() % 2 == 0,
        wanted: None,
        limit: LIMIT,
    };
    let mut inquiry = Inquiry::new(parameters, Instant::from_millis(0));
    let mut reader = Reader::new(data);
    let mut transaction = [0; 3];
    let mut sent = 0;
    while let Some(due) = inquiry.poll_timeout() {
        let mut buffer = [0; SENT_LENGTH];
        while inquiry.poll_transmit(due, &mut buffer).is_some() {
            transaction.copy_from_slice(&buffer[1..4]);
            sent += 1;
        }
        assert!(inquiry.poll_timeout().is_none_or(|next| next > due));
        if let Some((_, kind, options)) = message(&mut reader) {
            let _ = inquiry.handle_message(SERVER, &datagram(kind, transaction, options));
            let _ = inquiry.handle_message(SERVER, options);
        }
    }
    assert!(sent <= 20);
    match inquiry.outcome().unwrap() {
        Ok(information) => information
            .write_pnp(&Resolver::default(), &mut String::new())
            .unwrap(),
        Err(failure) => assert!(!failure.to_string().is_empty()),
    }
}

/// A lease of an hour that is kept: `data` is as with [`dhcp6_client`].
pub(crate) fn dhcp6_renewal(data: &[u8]) {
    let parameters = Parameters {
        mac: MAC,
        seed: 0,
        needs_root_path: false,
        wanted: None,
        limit: LIMIT,
    };
    let start = Instant::from_millis(0);
    let mut client = Client::new(parameters, start);
    let options = [&SERVER_ID[..], &association(&[0, 0, 14, 16])].concat();
    let mut transaction = [0; 3];
    for kind in [2, 7] {
        let now = client.poll_timeout().unwrap();
        let mut buffer = [0; SENT_LENGTH];
        client.poll_transmit(now, &mut buffer).unwrap();
        transaction.copy_from_slice(&buffer[1..4]);
        let answer = datagram(kind, transaction, &options);
        client.handle_message(now, SERVER, &answer).unwrap();
    }
    let lease = client.outcome().unwrap().unwrap();
    let mut renewal = Renewal::new(MAC, 0, lease, start).unwrap();
    let mut reader = Reader::new(data);
    let mut sent = 0;
    while let Some(due) = renewal.poll_timeout() {
        let mut buffer = [0; SENT_LENGTH];
        if renewal.poll_transmit(due, &mut buffer).is_some() {
            transaction.copy_from_slice(&buffer[1..4]);
            sent += 1;
        }
        assert!(renewal.poll_timeout().is_none_or(|next| next > due));
        // A lease that is renewed again and again, each time with an answer, has no end.
        match message(&mut reader) {
            Some((_, kind, options)) => {
                let answer = datagram(kind, transaction, options);
                let _ = renewal.handle_message(due, SERVER, &answer);
                let _ = renewal.handle_message(due, SERVER, options);
            }
            // A lease of years is asked for every ten minutes.
            None if sent > 1_000 => return,
            None => {}
        }
    }
    assert!(renewal
        .loss()
        .is_none_or(|loss| !loss.to_string().is_empty()));
}

pub(crate) fn renewal_seeds() -> Vec<Vec<u8>> {
    let answer = |kind: u8, options: &[u8]| {
        let options = [&SERVER_ID[..], options].concat();
        [
            &[0, kind, u8::try_from(options.len()).unwrap()],
            &options[..],
        ]
        .concat()
    };
    let hour = association(&[0, 0, 14, 16]);
    let forever = association(&[255; 4]);
    let gone = association(&[0; 4]);
    let none = b"\0\x0d\0\x04\0\x03no";
    vec![
        answer(7, &hour),
        [answer(7, none), answer(7, &hour), answer(7, &gone)].concat(),
        [answer(7, none), answer(7, b"\0\x0d\0\x04\0\x02no")].concat(),
        answer(7, &forever),
    ]
}

/// Options for the client that they were recorded with, as if they were for the one here.
fn ours(options: &[u8]) -> Vec<u8> {
    const THEIRS: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
    let mut options = options.to_vec();
    for at in 0..options.len() {
        if options[at..].starts_with(&THEIRS[2..]) {
            options[at..at + 4].copy_from_slice(&MAC[2..]);
        }
    }
    options
}

/// The identifier of the server, as an option.
const SERVER_ID: [u8; 7] = [0, 2, 0, 3, 0, 2, 1];

/// A set of addresses with one in it, which is good for `seconds`.
fn association(seconds: &[u8; 4]) -> Vec<u8> {
    [
        &[0, 3, 0, 40][..],
        &MAC[2..],
        &[0; 8],
        &[0, 5, 0, 24],
        &ADDRESS.octets(),
        seconds,
        seconds,
    ]
    .concat()
}

/// A message for the client.
fn datagram(kind: u8, transaction: [u8; 3], options: &[u8]) -> Vec<u8> {
    let own = [&[0, 1, 0, 10, 0, 3, 0, 1], &MAC[..]].concat();
    [&[kind][..], &transaction, &own, options].concat()
}

/// Takes the time, the type and the options of the next message.
fn message<'a>(reader: &mut Reader<'a>) -> Option<(u64, u8, &'a [u8])> {
    let delay = u64::from(reader.u8()?) * 20;
    let kind = reader.u8()?;
    let length = usize::from(reader.u8()?);
    Some((delay, kind, reader.take(length.min(reader.rest().len()))?))
}
