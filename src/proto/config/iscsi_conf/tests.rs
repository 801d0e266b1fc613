// SPDX-License-Identifier: GPL-2.0-only

extern crate std;

use std::{
    format,
    string::ToString,
    vec::Vec, //
};

use super::*;

const TARGET: &str = "iqn.2004-01.net.example:root";

fn read(file: &str) -> Result<[std::string::String; 4], ConfError> {
    let mut credentials = Credentials::none();
    read_credentials(
        file.as_bytes(),
        Login::Target(TARGET),
        &mut credentials,
        |name, secret| match name {
            "kept" | "kept-too" => secret.set(name.as_bytes()).unwrap(),
            _ => {}
        },
    )?;
    let Credentials { outgoing, incoming } = &credentials;
    let secret = |account: &Account| {
        std::string::String::from_utf8(account.secret.bytes().to_vec()).unwrap()
    };
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
    let target = Login::Target(TARGET);
    let error =
        read_credentials(b"Username=\xff", target, &mut credentials, |_, _| {}).unwrap_err();
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
}

#[test]
fn keys_that_mean_nothing_are_seen() {
    let names: Vec<_> = entries(b"DiskCommandTimeout=3\nPassword=x\nFoo=bar")
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.line, entry.name, entry.key))
        .collect();
    let password = Some(Key::OutgoingPassword);
    let expected = [
        (1, "DiskCommandTimeout", None),
        (2, "Password", password),
        (3, "Foo", None),
    ];
    assert_eq!(names, expected);
}

#[test]
fn a_time_to_wait_is_read_in_every_form() {
    let read = |file: &str| read_patience(file.as_bytes(), Login::Target(TARGET));
    let seconds = |file: &str| read(file).unwrap().map(Duration::as_secs);
    assert_eq!(seconds(""), None);
    assert_eq!(seconds("ConnFailTimeout=0"), None);
    assert_eq!(seconds("ConnFailTimeout=90"), Some(90));
    assert_eq!(seconds("replacementtimeout = 90s"), Some(90));
    assert_eq!(seconds("ConnFailTimeout=2m"), Some(120));
    assert_eq!(seconds("ConnFailTimeout=\"1h\""), Some(3_600));
    assert_eq!(
        seconds("ConnFailTimeout=4294967295h"),
        Some(4_294_967_295 * 3_600)
    );
    let own = format!("ConnFailTimeout=5\nTargetName={TARGET}\n\tConnFailTimeout=0\n");
    assert_eq!(seconds(&own), None);
    for wrong in ["", "s", "-1", "+1", "1d", "1 s", "4294967296", "1.5"] {
        let error = read(&format!("\nConnFailTimeout=\"{wrong}\"")).unwrap_err();
        assert_eq!((error.place, error.fault), (Some((2, 17)), ConfFault::Time));
    }
}
