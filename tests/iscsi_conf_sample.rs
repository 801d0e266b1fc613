// SPDX-License-Identifier: GPL-2.0-only

//! That samples/iscsi.conf.SAMPLE can be read, and says what is so.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a failure is what these look for"
)]

use iscsi_init::proto::config::{
    iscsi_conf::{
        check,
        read_settings,
        read_told,
        Login,
        Settings, //
    },
    target::Wanted, //
};

/// Every key is a comment in it, with its default.
const SAMPLE: &str = include_str!("../samples/iscsi.conf.SAMPLE");

/// The sample with the examples of its comments uncommented.
fn uncommented() -> String {
    let lines = SAMPLE.lines().map(|line| {
        let text = line.strip_prefix('#').unwrap_or(line);
        let is_example = text.trim_start().starts_with(char::is_alphabetic)
            && text.split_once('=').is_some_and(|(key, _)| {
                key.trim_start()
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric())
            });
        if is_example {
            text
        } else {
            line
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_sample_has_nothing_that_does_not_count() {
    for file in [SAMPLE, &uncommented()] {
        let result = check(file.as_bytes(), |entry, notice| {
            panic!("line {}: {} {notice}", entry.line, entry.name);
        });
        assert_eq!(result, Ok(()));
    }
    // As it stands it leaves it to others what is booted, and all settings as they are.
    assert_eq!(read_told(SAMPLE.as_bytes()), Ok(Default::default()));
}

#[test]
fn the_sample_names_every_default() {
    let Ok(Wanted::Named(target)) = Wanted::parse("192.0.2.1:iqn.2004-01.net.example:none") else {
        panic!("a target");
    };
    // Those for all targets stand at the margin.
    let file = uncommented();
    let settings = read_settings(file.as_bytes(), Login::Target(&target)).expect("settings");
    assert_eq!(settings.offer, Settings::default().offer);
    assert_eq!(settings.algorithms, Settings::default().algorithms);
    assert_eq!(settings.timeouts, Settings::default().timeouts);
    for key in [
        "TargetName",
        "TargetIpAddress",
        "DiscoveryAddress",
        "Subnet",
        "Address",
        "Enabled",
        "LUNs",
        "InitiatorName",
        "InitiatorAlias",
        "OutgoingUsername",
        "OutgoingPassword",
        "IncomingUsername",
        "IncomingPassword",
        "HeaderDigest",
        "DataDigest",
        "InitialR2T",
        "ImmediateData",
        "MaxRecvDataSegmentLength",
        "FirstBurstLength",
        "MaxBurstLength",
        "LoginTimeout",
        "AuthTimeout",
        "IdleTimeout",
        "ActiveTimeout",
        "PingTimeout",
        "ConnFailTimeout",
        "AbortTimeout",
        "ResetTimeout",
        "DiskCommandTimeout",
    ] {
        assert!(
            file.lines()
                .any(|line| line.trim_start().starts_with(&format!("{key}="))),
            "{key}"
        );
    }
}
