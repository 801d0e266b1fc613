// SPDX-License-Identifier: GPL-2.0-only

//! The fuzz targets of the DHCP client.

use std::net::Ipv4Addr;

use iscsi_init::proto::{
    bytes::Reader,
    dhcp::{
        client::{
            Client,
            Parameters,
            LIMIT, //
        },
        credentials,
        identity::Identity,
        packet::{
            Reply,
            MESSAGE_OFFSET,
            SENT_LENGTH, //
        },
        renewal::{
            Renewal,
            MESSAGE_LENGTH, //
        },
    },
    iscsi::chap::Credentials,
    time::Instant,
};

use super::captured;

const MAC: [u8; 6] = [0x52, 0x54, 0x00, 0xaa, 0x00, 0x01];
const XID: u32 = 0x1234_abcd;

/// One packet, as it is.
pub(crate) fn dhcp_packet(data: &[u8]) {
    if let Ok(reply) = Reply::parse(data) {
        let options: usize = reply
            .options()
            .iter()
            .map(|(_, value)| value.len() + 2)
            .sum();
        assert!(options <= data.len());
    }
    let mut credentials = Credentials::none();
    match credentials::read(data, &mut credentials) {
        // Never half of them.
        Ok(()) => assert!(credentials.are_given() || !credentials.are_mutual()),
        Err(fault) => assert!(!fault.to_string().is_empty()),
    }
}

pub(crate) fn packet_seeds() -> Vec<Vec<u8>> {
    let made = [
        packet(&OFFER),
        packet(&[&OFFER[..], &[1, 4, 255, 255, 255, 0, 255]].concat()),
        packet(&[&OFFER[..], b"\xaf\x0c\xbe\x02me\xbf\x01x\xc1\x01y\xff"].concat()),
    ];
    made.into_iter().chain(recorded().concat()).collect()
}

/// What dnsmasq and ISC dhcpd have answered in three conversations.
fn recorded() -> [Vec<Vec<u8>>; 3] {
    [
        include_str!("../../tests/dhcp_support/dnsmasq.hex"),
        include_str!("../../tests/dhcp_support/dhcpd.hex"),
        include_str!("../../tests/dhcp_support/dhcpd_overload.hex"),
    ]
    .map(captured::of_servers)
}

/// A whole conversation: `data` is a list of times to wait, lengths and options of messages, which come in good
/// packets for the client.
pub(crate) fn dhcp_client(data: &[u8]) {
    let parameters = Parameters {
        mac: MAC,
        xid: XID,
        seed: 0,
        needs_root_path: data.len() % 2 == 0,
        wanted: (data.len() % 3 == 0).then_some([192, 0, 2, 9].into()),
        limit: LIMIT,
    };
    let mut client = Client::new(parameters, Instant::from_millis(0));
    let mut reader = Reader::new(data);
    let mut now = 0;
    let mut sent = 0;
    while client.outcome().is_none() {
        let mut buffer = [0; SENT_LENGTH];
        while let Some(length) =
            client.poll_transmit(Instant::from_millis(now), &Identity::default(), &mut buffer)
        {
            assert!(length <= SENT_LENGTH);
            sent += 1;
        }
        let due = client.poll_timeout().map(Instant::as_millis);
        assert!(due.is_none_or(|due| due > now));
        match message(&mut reader) {
            Some((delay, options)) => {
                now = due.unwrap_or(now).min(now + delay);
                let _ = client.handle_packet(Instant::from_millis(now), &packet(options));
            }
            None => now = due.unwrap_or(now),
        }
    }
    assert!(now <= LIMIT.as_millis() && sent < 20);
    match client.outcome() {
        Some(Ok(lease)) => {
            assert!(
                lease.prefix_length <= 32
                    && lease.routes.iter().all(|route| route.prefix_length <= 32)
            );
            let mut pnp = String::new();
            lease.write_pnp(&mut pnp).unwrap();
            assert!((3..=6).contains(&pnp.lines().count()), "{pnp}");
        }
        outcome => assert!(!outcome.unwrap().unwrap_err().to_string().is_empty()),
    }
}

pub(crate) fn client_seeds() -> Vec<Vec<u8>> {
    let seed = |messages: &[&[u8]]| -> Vec<u8> {
        let framed =
            |options: &&[u8]| [&[3, u8::try_from(options.len()).unwrap()], *options].concat();
        messages.iter().flat_map(framed).collect()
    };
    let ack = [
        &OFFER[..4],
        &[53, 1, 5],
        &OFFER[7..],
        &[1, 4, 255, 0, 0, 0, 3, 4, 10, 0, 0, 1, 255],
    ]
    .concat();
    let nak = [&OFFER[..4], &[53, 1, 6], &OFFER[7..], &[56, 2, b'n', b'o']].concat();
    let rooted = [
        &OFFER[..],
        b"\x11\x0d10.0.0.1:/iqn\x79\x05\x08\x0a\x0a\x00\x00\x01\xff",
    ]
    .concat();
    let more = [
        &ack[..ack.len() - 1],
        b"\x77\x08\x01a\0\x01b\xc0\0\x2b\x04\xc9\x02x:\x21\x08\x0b\0\0\0\x0a\0\0\x01\xcb\x04iqn.\xff",
    ]
    .concat();
    let made = [
        seed(&[&rooted, &more]),
        seed(&[&rooted, &ack]),
        seed(&[&OFFER, &rooted, &nak, &OFFER, &rooted, &ack]),
        seed(&[&nak, &[99, 130, 83, 99, 255]]),
    ];
    // As much of their options as a message here has room for.
    let recorded = recorded().map(|packets| {
        let options = packets
            .iter()
            .filter_map(|packet| packet.get(OPTIONS_OFFSET..));
        let messages: Vec<&[u8]> = options.map(|all| &all[..all.len().min(255)]).collect();
        seed(&messages)
    });
    made.into_iter().chain(recorded).collect()
}

/// A lease of an hour that is kept: `data` is a list of times to wait, lengths and options of messages.
pub(crate) fn dhcp_renewal(data: &[u8]) {
    let options = [&OFFER[..], &[51, 4, 0, 0, 14, 16, 255]].concat();
    let mut client = Client::new(
        Parameters {
            mac: MAC,
            xid: XID,
            seed: 0,
            needs_root_path: false,
            wanted: None,
            limit: LIMIT,
        },
        Instant::from_millis(0),
    );
    let start = Instant::from_millis(0);
    let ack = [&options[..4], &[53, 1, 5], &options[7..]].concat();
    for message in [&options, &ack] {
        while client
            .poll_transmit(start, &Identity::default(), &mut [0; SENT_LENGTH])
            .is_some()
        {}
        client.handle_packet(start, &packet(message)).unwrap();
    }
    let lease = client.outcome().unwrap().unwrap();
    let mut renewal = Renewal::new(MAC, lease, start).unwrap();
    let mut reader = Reader::new(data);
    let mut sent = 0;
    let mut message = [0; MESSAGE_LENGTH];
    while let Some(due) = renewal.poll_timeout() {
        if renewal
            .poll_transmit(due, XID, &Identity::default(), &mut message)
            .is_some()
        {
            sent += 1;
        }
        assert!(renewal.poll_timeout().is_none_or(|next| next > due));
        // A lease that is renewed again and again, each time with an answer, has no end.
        let Some((_, options)) = self::message(&mut reader) else {
            if sent > data.len() + 100 {
                panic!("asks without end");
            }
            continue;
        };
        let packet = packet(options);
        let _ = renewal.handle_message(&packet[MESSAGE_OFFSET..], Ipv4Addr::new(10, 0, 0, 1));
    }
    assert!(!renewal.loss().unwrap().to_string().is_empty());
}

pub(crate) fn renewal_seeds() -> Vec<Vec<u8>> {
    let answer = |kind: u8, rest: &[u8]| {
        let options = [&OFFER[..4], &[53, 1, kind], &OFFER[7..], rest, &[255]].concat();
        [&[0, u8::try_from(options.len()).unwrap()], &options[..]].concat()
    };
    let hour = [51, 4, 0, 0, 14, 16];
    let times = [51, 4, 0, 0, 14, 16, 58, 4, 0, 0, 0, 60, 59, 4, 0, 0, 0, 90];
    vec![
        answer(5, &hour),
        [answer(5, &times), answer(6, b"\x38\x02no")].concat(),
        answer(2, &hour),
    ]
}

/// Where options begin in a packet: behind the headers of IPv4 and UDP, and the fields of BOOTP.
const OPTIONS_OFFSET: usize = 20 + 8 + 236;

/// The options of a DHCPOFFER.
const OFFER: [u8; 13] = [99, 130, 83, 99, 53, 1, 2, 54, 4, 10, 0, 0, 1];

/// Takes the time in units of 20 ms and the options of the next message.
fn message<'a>(reader: &mut Reader<'a>) -> Option<(u64, &'a [u8])> {
    let delay = u64::from(reader.u8()?) * 20;
    let length = usize::from(reader.u8()?);
    Some((delay, reader.take(length.min(reader.rest().len()))?))
}

/// A packet for the client with these options, from the server 10.0.0.1; without UDP checksum.
fn packet(options: &[u8]) -> Vec<u8> {
    let udp_length = u16::try_from(8 + 236 + options.len()).unwrap();
    let mut message = vec![2, 1, 6, 0];
    message.extend(XID.to_be_bytes());
    message.extend([
        0, 0, 0, 0, 0, 0, 0, 0, 10, 0, 0, 101, 10, 0, 0, 1, 0, 0, 0, 0,
    ]);
    message.extend(MAC);
    message.extend([0; 10 + 64 + 128]);
    let total_length = (20 + udp_length).to_be_bytes();
    let words = [
        0x4500,
        20 + udp_length,
        0,
        0,
        0x4011,
        0x0a00,
        0x0001,
        0xffff,
        0xffff,
    ];
    let sum: u32 = words.into_iter().map(u32::from).sum();
    let checksum = !u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap();
    [
        &[0x45, 0][..],
        &total_length,
        &[0, 0, 0, 0, 64, 17],
        &checksum.to_be_bytes(),
        &[10, 0, 0, 1, 255, 255, 255, 255, 0, 67, 0, 68],
        &udp_length.to_be_bytes(),
        &[0, 0],
        &message,
        options,
    ]
    .concat()
}
