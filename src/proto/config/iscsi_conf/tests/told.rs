// SPDX-License-Identifier: GPL-2.0-only

//! Who boots from where.

use super::*;

fn told(file: &str) -> Told {
    read_told(file.as_bytes()).unwrap()
}

/// The target, as it is written.
fn boots(file: &str) -> Option<String> {
    told(file).target.map(|target| target.to_string())
}

/// All targets, as they are written.
fn all(file: &str) -> Vec<String> {
    let mut all = Vec::new();
    read_targets(file.as_bytes(), |wanted| all.push(wanted.to_string())).unwrap();
    all
}

#[test]
fn a_target_with_an_address_is_booted_from() {
    let root = Some(format!("192.0.2.1:3260:{TARGET}"));
    for address in [
        "TargetIpAddress=192.0.2.1",
        "TargetIpAddr=192.0.2.1:3260",
        "DiscoveryAddress=\"192.0.2.1\"",
    ] {
        // Its own, one above, and one that it stands below.
        assert_eq!(boots(&format!("TargetName={TARGET}\n {address}\n")), root);
        assert_eq!(boots(&format!("{address}\nTargetName={TARGET}\n")), root);
        assert_eq!(boots(&format!("{address}\n TargetName={TARGET}\n")), root);
    }
    let ipv6 = format!("TargetName={TARGET}\n TargetIpAddress=[2001:db8::1]:3261\n");
    assert_eq!(boots(&ipv6), Some(format!("[2001:db8::1]:3261:{TARGET}")));
    // A name alone is nowhere, and may be there for its password.
    assert_eq!(boots(&format!("TargetName={TARGET}\n Password=x\n")), None);
    assert_eq!(boots(""), None);
}

#[test]
fn the_first_that_is_enabled_is_taken() {
    let first = format!("TargetName={TARGET}:1\n TargetIpAddress=192.0.2.1\n");
    let second = format!("TargetName={TARGET}:2\n TargetIpAddress=192.0.2.2\n");
    let named = |number| Some(format!("192.0.2.{number}:3260:{TARGET}:{number}"));
    assert_eq!(boots(&format!("{first}{second}")), named(1));
    assert_eq!(boots(&format!("{first} Enabled=no\n{second}")), named(2));
    assert_eq!(
        boots(&format!("Enabled=no\n{first}{second} Enabled=yes\n")),
        named(2)
    );
    assert_eq!(boots(&format!("Enabled=no\n{first}{second}")), None);
    // What comes later is for others.
    assert_eq!(boots(&format!("{first}Enabled=no\n{second}")), named(1));
    // The others have their turn after it.
    let both = [named(1), named(2)].map(Option::unwrap);
    assert_eq!(all(&format!("{first}{second}")), both);
    assert_eq!(all(&format!("{first}{second} Enabled=no\n")), both[..1]);
    let nowhere = "TargetName=eui.0123456789abcdef\n Password=x\n";
    assert_eq!(all(&format!("{first}{nowhere}{second}")), both);
    assert_eq!(
        all(&format!(
            "{first}DiscoveryAddress=192.0.2.3\nTargetName={TARGET}:3\n"
        )),
        [both[0].clone(), format!("192.0.2.3:3260:{TARGET}:3")]
    );
}

#[test]
fn a_portal_is_asked_where_no_target_is_named() {
    let portal = |number| Some(format!("of portal 192.0.2.{number}:3260"));
    let both = "DiscoveryAddress=192.0.2.1\nDiscoveryAddress=192.0.2.2\n";
    assert_eq!(boots(both), portal(1));
    assert_eq!(all(both), [portal(1), portal(2)].map(Option::unwrap));
    assert_eq!(
        boots("DiscoveryAddress=192.0.2.1\n Enabled=no\nDiscoveryAddress=192.0.2.2\n"),
        portal(2)
    );
    assert_eq!(
        boots(&format!("{both}TargetName={TARGET}")),
        Some(format!("192.0.2.2:3260:{TARGET}"))
    );
    assert_eq!(
        boots(&format!("{both}TargetName={TARGET}\n Enabled=no")),
        portal(1)
    );
    // The portal is below the target that it is not for.
    assert_eq!(boots(&format!("TargetName={TARGET}\n{both}")), portal(1));
}

#[test]
fn the_initiator_has_a_name_and_an_alias() {
    let file = "InitiatorName=iqn.2004-01.net.Example:me\nInitiatorAlias=\"rack 7\"\n";
    let name = told(file).initiator.unwrap();
    assert_eq!(name.as_str(), "iqn.2004-01.net.example:me");
    let alias = read_alias(file.as_bytes()).unwrap().unwrap();
    assert_eq!(alias.as_str(), "rack 7");
    assert_eq!(read_alias(b"").unwrap(), None);
    let below = format!("TargetName={TARGET}\n InitiatorName=eui.0123456789abcdef\n");
    assert_eq!(told(&below).initiator, None);
    let long = "x".repeat(256);
    assert_eq!(
        fault(&format!("InitiatorAlias={long}")),
        (Some((1, 16)), ConfFault::NameTooLong)
    );
    assert_eq!(
        fault("InitiatorName=iqn.2004-01.net.example:a/b").0,
        Some((1, 40))
    );
}
