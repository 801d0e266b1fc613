// SPDX-License-Identifier: GPL-2.0-only

extern crate std;

mod settings;
mod told;

use std::{
    format,
    string::{
        String,
        ToString, //
    },
    vec::Vec, //
};

use super::*;
use crate::proto::iscsi::chap::{
    Account,
    Credentials, //
};

const TARGET: &str = "iqn.2004-01.net.example:root";

/// The target of this name, at 192.0.2.1.
fn target(name: &str) -> Target {
    match Wanted::parse(&format!("192.0.2.1:{name}")) {
        Ok(Wanted::Named(target)) => target,
        other => panic!("{other:?}"),
    }
}

fn checked(file: &str) -> Result<Vec<(usize, String, Notice)>, ConfError> {
    let mut notices = Vec::new();
    check(file.as_bytes(), |entry, notice| {
        notices.push((entry.line, entry.name.to_string(), notice));
    })?;
    Ok(notices)
}

/// The fault that the file has, and where.
fn fault(file: &str) -> (Option<(usize, usize)>, ConfFault) {
    let error = checked(file).unwrap_err();
    (error.place, error.fault)
}

fn read(file: &str) -> Result<[String; 4], ConfError> {
    let mut credentials = Credentials::none();
    let target = target(TARGET);
    read_credentials(
        file.as_bytes(),
        Login::Target(&target),
        &mut credentials,
        |name, secret| match name {
            "kept" | "kept-too" => secret.set(name.as_bytes()).unwrap(),
            _ => {}
        },
    )?;
    let Credentials { outgoing, incoming } = &credentials;
    let secret = |account: &Account| String::from_utf8(account.secret.bytes().to_vec()).unwrap();
    Ok([
        outgoing.name.as_str().to_string(),
        secret(outgoing),
        incoming.name.as_str().to_string(),
        secret(incoming),
    ])
}

fn error(file: &str) -> (Option<(usize, usize)>, ConfFault) {
    let error = read(file).unwrap_err();
    (error.place, error.fault)
}

#[test]
fn every_spelling_of_the_credentials_is_read() {
    let expected = ["us", "ours", "them", "theirs"];
    for (a, b, c, d) in [
        (
            "OutgoingUsername",
            "OutgoingPassword",
            "IncomingUsername",
            "IncomingPassword",
        ),
        ("UsernameOut", "PasswordOut", "UsernameIn", "PasswordIn"),
        ("USERNAME", "password", "usernamein", "PASSWORDIN"),
    ] {
        let file = format!("{a}=us\n{b}=ours\n{c}=them\n{d}=theirs");
        assert_eq!(read(&file).unwrap(), expected);
        let file = format!("{a} = \"us\" # 1\r\n\n# {b}=no\n\t{b}= ours\r\n{c}=them\n{d}=theirs\n");
        assert_eq!(read(&file).unwrap(), expected);
    }
    assert_eq!(read("").unwrap(), ["", "", "", ""]);
    assert_eq!(read("Password=\"a b#c=\"").unwrap()[1], "a b#c=");
    assert_eq!(read("Password=a\"b#c").unwrap()[1], "a\"b#c");
}

#[test]
fn a_targets_own_part_comes_first() {
    let own = format!("TargetName={TARGET}\n    Password=own\n");
    assert_eq!(read(&own).unwrap()[1], "own");
    assert_eq!(read(&format!("Password=all\n{own}")).unwrap()[1], "own");
    // What is for all is so for those named further down.
    assert_eq!(read(&format!("{own}Username=late\n")).unwrap()[0], "");
    let other = "TargetName=iqn.2004-01.net.example:other\n\tPassword=other\n";
    assert_eq!(read(other).unwrap()[1], "");
    assert_eq!(read(&format!("{other}Password=all\n")).unwrap()[1], "all");
    assert_eq!(read(&format!("{other}{own}")).unwrap()[1], "own");
    assert_eq!(read(&format!("{own}{other}")).unwrap()[1], "own");
    // Not deeper than the line above, so for all.
    assert_eq!(read(&format!("  {other}")).unwrap()[1], "");
    assert_eq!(read("  TargetName=x\n  Password=all\n").unwrap()[1], "all");
    assert_eq!(
        read("\tTargetName=x\n        Password=all\n").unwrap()[1],
        "all"
    );
    assert_eq!(
        read("DiscoveryAddress=192.0.2.1\n Password=no\n").unwrap()[1],
        ""
    );
    assert_eq!(read("subnet=192.0.2.0/24\n Password=no\n").unwrap()[1], "");
}

#[test]
fn asking_a_portal_takes_its_own_credentials_or_none() {
    let file = b"Password=all\nDiscoveryAddress=192.0.2.1\n Password=one\n\
                 TargetIpAddr=192.0.2.1:3261\n Password=two\n\
                 DiscoveryAddress=host\n Password=3\n";
    for (portal, secret) in [
        ("192.0.2.1", &b"one"[..]),
        ("192.0.2.1:3261", b"two"),
        ("192.0.2.2", b""),
    ] {
        let portal = Wanted::parse(portal).unwrap().portal();
        let mut credentials = Credentials::none();
        read_credentials(file, Login::Discovery(portal), &mut credentials, |_, _| {}).unwrap();
        assert_eq!(credentials.outgoing.secret.bytes(), secret);
    }
}

#[test]
fn what_is_no_line_is_an_error_with_its_place() {
    use ConfFault::*;
    assert_eq!(error("\nPassword"), (Some((2, 1)), NoEquals));
    assert_eq!(error("  Pass word=x"), (Some((1, 3)), Key));
    assert_eq!(error("=x"), (Some((1, 1)), Key));
    assert_eq!(error("P\u{e4}=x"), (Some((1, 1)), Key));
    assert_eq!(error("Password=\"x"), (Some((1, 10)), OpenQuotation));
    assert_eq!(error("Password=x y"), (Some((1, 12)), BehindValue));
    assert_eq!(error("Password=\"x\"y"), (Some((1, 13)), BehindValue));
    let long = "x".repeat(257);
    assert_eq!(
        error(&format!("Username={long}")),
        (Some((1, 10)), NameTooLong)
    );
    assert_eq!(
        error(&format!(" Password={long}")),
        (Some((1, 11)), PasswordTooLong)
    );
    let mut credentials = Credentials::none();
    let target = target(TARGET);
    let login = Login::Target(&target);
    let error = read_credentials(b"Username=\xff", login, &mut credentials, |_, _| {}).unwrap_err();
    assert_eq!(error.fault, NotUtf8);
}

#[test]
fn a_name_without_a_password_has_its_secret_looked_for() {
    let secrets = |file| read(file).map(|[_, outgoing, _, incoming]| (outgoing, incoming));
    let found = |outgoing: &str, incoming: &str| Ok((outgoing.to_string(), incoming.to_string()));
    assert_eq!(secrets("Username=kept"), found("kept", ""));
    assert_eq!(
        secrets("Username=kept\nUsernameIn=kept-too"),
        found("kept", "kept-too")
    );
    assert_eq!(secrets("Username=kept\nPassword=own"), found("own", ""));
    assert_eq!(secrets("Password=own"), found("own", ""));
    assert_eq!(
        error("Username=kept\nUsernameIn=kept"),
        (None, ConfFault::SamePasswords)
    );
}

#[test]
fn half_of_the_credentials_are_an_error() {
    use ConfFault::*;
    assert_eq!(
        error("Username=us"),
        (None, Missing(super::Key::OutgoingPassword))
    );
    let file = "Password=a\nUsernameIn=them\nPaswordIn=b";
    assert_eq!(error(file), (None, Missing(super::Key::IncomingPassword)));
    assert_eq!(error("PasswordIn=a"), (None, IncomingAlone));
    assert_eq!(error("Password=a\nPasswordIn=a"), (None, SamePasswords));
}

#[test]
fn no_error_has_a_value_in_it() {
    for file in [
        "Password=topsecret y",
        "Password=\"topsecret",
        "Username=topsecret",
        "Password=topsecret\nPasswordIn=topsecret",
    ] {
        let error = read(file).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("topsecret"));
    }
    // Whatever key it was written behind.
    for key in [
        "TargetName",
        "DiscoveryAddress",
        "Subnet",
        "Enabled",
        "LUNs",
        "InitiatorName",
        "HeaderDigest",
        "ImmediateData",
        "MaxBurstLength",
        "LoginTimeout",
        "IdleTimeout",
    ] {
        let error = checked(&format!("{key}=topsecret")).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("topsecret"), "{key}");
    }
}

#[test]
fn keys_that_do_not_count_are_told_apart() {
    use Notice::*;
    let file = "Continuous=yes\nTCPWindowSize=262144\npassword=x\nFoo=bar\n\
                SLPMulticast=all\n Foo=bar\n Password=x\n\
                TargetName=eui.0123456789abcdef\n InitiatorName=eui.0123456789abcdef\n LUNs=1\n\
                Subnet=192.0.2.0/24\n Password=x\n Enabled=no\n ImmediateData=no\n\
                DiscoveryAddress=192.0.2.1\n LUNs=1\n Enabled=no\n";
    let expected = [
        (1, "Continuous", Obsolete),
        (2, "TCPWindowSize", Obsolete),
        (4, "Foo", Unknown),
        (5, "SLPMulticast", Obsolete),
        (6, "Foo", Unknown),
        (7, "Password", NotHere),
        (9, "InitiatorName", NotHere),
        (12, "Password", NotHere),
        (13, "Enabled", NotHere),
        (16, "LUNs", NotHere),
    ];
    let expected = expected.map(|(line, name, notice)| (line, name.to_string(), notice));
    assert_eq!(checked(file).unwrap(), expected);
    // What does not count is not looked at.
    assert!(checked("Continuous=perhaps\nFoo=\nDiscoveryFile=x\n LoginTimeout=x").is_ok());
}

#[test]
fn notices_and_errors_read_well() {
    for (file, expected) in [
        (
            "Foo=1",
            "Foo is no key of this file, and is not used; check its spelling",
        ),
        (
            "PollInterval=1",
            "PollInterval has no meaning any more, and is not used",
        ),
        (
            "Subnet=::/0\n LUNs=1",
            "LUNs has no meaning below the line above it, and is not used",
        ),
    ] {
        let notices = checked(file).unwrap();
        let (_, name, notice) = &notices[0];
        assert_eq!(format!("{name} {notice}"), expected);
    }
    for (file, expected) in [
        (
            "\nImmediateData=perhaps",
            "line 2, column 15: expected yes or no",
        ),
        (
            "LoginTimeout=10m",
            "line 1, column 14: expected a time from 1 s to 300 s",
        ),
        (
            "MaxBurstLength=511",
            "line 1, column 16: expected a number of bytes from 512 to 16777215",
        ),
        (
            "InitiatorName=disk",
            "line 1, column 15: an iSCSI name starts with iqn., eui. or naa.",
        ),
        (
            "DiscoveryAddress=san.example",
            "line 1, column 18: host names are not resolved; write the target's IP address",
        ),
    ] {
        assert_eq!(checked(file).unwrap_err().to_string(), expected);
    }
}

#[test]
fn every_line_is_looked_at_whoever_it_is_for() {
    use ConfFault::*;
    let other = "TargetName=eui.0123456789abcdef\n\t";
    assert_eq!(
        fault(&format!("{other}ImmediateData=x")),
        (Some((2, 16)), Boolean)
    );
    assert_eq!(
        fault(&format!("{other}DiscoveryAddress=\"192.0.2.1:0\"")),
        (
            Some((2, 30)),
            Address(crate::proto::config::target::TargetFault::Port)
        )
    );
    assert_eq!(fault("Subnet=192.0.2.0/33"), (Some((1, 8)), Network));
    assert_eq!(fault("LUNs=256"), (Some((1, 6)), Luns));
    assert_eq!(fault("InitiatorAlias=\"a\tb\""), (Some((1, 16)), Control));
}

#[test]
fn the_case_of_a_targets_name_does_not_matter() {
    let file = "TargetName=IQN.2004-01.net.Example:Root\n Password=own\n";
    assert_eq!(read(file).unwrap()[1], "own");
}
