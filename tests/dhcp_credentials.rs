// SPDX-License-Identifier: GPL-2.0-only

//! User names and passwords in a server's answer.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failure is what these look for"
)]

use iscsi_init::proto::{
    config::iscsi_conf::ConfFault,
    dhcp::credentials,
    iscsi::chap::Credentials, //
};

use crate::dhcp_support::Reply;

mod dhcp_support;

/// An option and its length.
fn option(code: u8, value: &[u8]) -> Vec<u8> {
    let length = u8::try_from(value.len()).expect("a short value");
    [&[code, length], value].concat()
}

/// What is read of an answer with these options of iPXE's.
fn read(options: &[u8]) -> Result<Credentials, ConfFault> {
    let parts = options.chunks(255);
    let reply = parts.fold(Reply::ack(1), |reply, part| reply.with(175, part));
    let mut credentials = Credentials::none();
    credentials::read(&reply.packet(), &mut credentials).map(|()| credentials)
}

fn fault(options: &[u8]) -> Option<ConfFault> {
    read(options).err()
}

#[test]
fn there_may_be_none() {
    for options in [&b""[..], b"\x01\x01\x02\xff", b"\xb1"] {
        let credentials = read(options).expect("nothing");
        assert!(!credentials.are_given() && !credentials.are_mutual());
    }
    let mut credentials = Credentials::none();
    // Those outside of 175 are somebody else's.
    let reply = Reply::ack(1).with(190, b"me").with(191, b"secret");
    credentials::read(&reply.packet(), &mut credentials).expect("nothing");
    assert!(!credentials.are_given());
    credentials::read(b"no packet", &mut credentials).expect("nothing");
    assert!(!credentials.are_given());
}

#[test]
fn both_directions_are_read() {
    let us = [option(190, b"me"), option(191, b"secret\0")].concat();
    let credentials = read(&us).expect("credentials");
    assert_eq!(credentials.outgoing.name.as_str(), "me");
    assert_eq!(credentials.outgoing.secret.bytes(), b"secret");
    assert!(!credentials.are_mutual());

    let long = [b's'; 200];
    let them = [option(192, b"them"), option(193, &long), vec![255]].concat();
    let credentials = read(&[us, them].concat()).expect("credentials");
    assert_eq!(credentials.incoming.name.as_str(), "them");
    assert_eq!(credentials.incoming.secret.bytes(), long);
    // A name has no end in it, behind which another key would stand.
    let name = [option(190, b"me\0CHAP_R=0"), option(191, b"secret")].concat();
    let credentials = read(&name).expect("credentials");
    assert_eq!(credentials.outgoing.name.as_str(), "me");
}

#[test]
fn half_of_them_is_an_error() {
    assert!(matches!(
        fault(&option(190, b"me")),
        Some(ConfFault::Missing(_))
    ));
    assert_eq!(
        fault(&option(193, b"secret")),
        Some(ConfFault::IncomingAlone)
    );
    let same = [option(191, b"secret"), option(193, b"secret")].concat();
    assert_eq!(fault(&same), Some(ConfFault::SamePasswords));
    assert_eq!(fault(&option(190, b"\xff")), Some(ConfFault::NotUtf8));
    // In parts, as RFC 3396 has it.
    let long = [option(191, &[b's'; 255]), option(191, &[b's'; 2])].concat();
    assert_eq!(fault(&long), Some(ConfFault::PasswordTooLong));
}
