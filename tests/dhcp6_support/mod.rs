// SPDX-License-Identifier: GPL-2.0-only

//! DHCPv6 servers, as far as clients' tests need them.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a failure is what these look for"
)]

use std::net::Ipv6Addr;

pub(crate) const MAC: [u8; 6] = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];

pub(crate) const SOLICIT: u8 = 1;
pub(crate) const ADVERTISE: u8 = 2;
pub(crate) const REQUEST: u8 = 3;
pub(crate) const RENEW: u8 = 5;
pub(crate) const REBIND: u8 = 6;
pub(crate) const REPLY: u8 = 7;
pub(crate) const DECLINE: u8 = 9;
pub(crate) const INFORMATION_REQUEST: u8 = 11;

pub(crate) fn ip(text: &str) -> Ipv6Addr {
    text.parse().expect(text)
}

/// The address of server `number`.
pub(crate) fn server(number: u8) -> Ipv6Addr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, u16::from(number))
}

/// What the client sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) at: u64,
    pub(crate) bytes: Vec<u8>,
}

impl Sent {
    pub(crate) fn kind(&self) -> u8 {
        self.bytes[0]
    }

    pub(crate) fn transaction(&self) -> [u8; 3] {
        self.bytes[1..4].try_into().unwrap()
    }

    /// The value of an option.
    pub(crate) fn option(&self, code: u16) -> Option<Vec<u8>> {
        let mut rest = &self.bytes[4..];
        while let [a, b, c, d, tail @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*c, *d]));
            if u16::from_be_bytes([*a, *b]) == code {
                return Some(tail[..length].to_vec());
            }
            rest = &tail[length..];
        }
        None
    }

    pub(crate) fn asks(&self, number: u8) -> bool {
        self.option(2) == Some(vec![0, 2, number])
    }
}

pub(crate) fn option(code: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len()).unwrap();
    [&code.to_be_bytes(), &length.to_be_bytes(), value].concat()
}

pub(crate) fn address(address: &str, preferred: u32, valid: u32) -> Vec<u8> {
    let octets = ip(address).octets();
    option(
        5,
        &[&octets[..], &preferred.to_be_bytes(), &valid.to_be_bytes()].concat(),
    )
}

pub(crate) fn association(content: &[u8]) -> Vec<u8> {
    timed_association(0, 0, content)
}

/// An association with T1 and T2.
pub(crate) fn timed_association(t1: u32, t2: u32, content: &[u8]) -> Vec<u8> {
    let times = [t1.to_be_bytes(), t2.to_be_bytes()].concat();
    option(3, &[&MAC[2..], &times[..], content].concat())
}

pub(crate) fn status(code: u8, text: &str) -> Vec<u8> {
    option(13, &[&[0, code], text.as_bytes()].concat())
}

/// A message of server `number` to this client, with these options.
pub(crate) fn message(kind: u8, transaction: [u8; 3], number: u8, options: &[Vec<u8>]) -> Vec<u8> {
    [
        &[kind][..],
        &transaction,
        &option(1, &[&[0, 3, 0, 1], &MAC[..]].concat()),
        &option(2, &[0, 2, number]),
        &options.concat(),
    ]
    .concat()
}

/// What a server that is well answers, with further options.
pub(crate) fn healthy(sent: &Sent, number: u8, options: &[Vec<u8>]) -> Option<(u8, Vec<u8>)> {
    let own = association(&address(&format!("2001:db8::{number}"), 60, 120));
    let options = [&[own], options].concat();
    let kind = match sent.kind() {
        SOLICIT => ADVERTISE,
        REQUEST if sent.asks(number) => REPLY,
        _ => return None,
    };
    Some((number, message(kind, sent.transaction(), number, &options)))
}
