// SPDX-License-Identifier: GPL-2.0-only

//! How a session is negotiated and kept.

use super::*;
use crate::proto::{
    iscsi::{
        chap::Algorithm,
        keys::{
            DigestChoice,
            Offer, //
        }, //
    },
    time::Duration, //
};

fn settings(file: &str) -> Settings {
    let target = target(TARGET);
    read_settings(file.as_bytes(), Login::Target(&target)).unwrap()
}

fn wrong(file: &str) -> (Option<(usize, usize)>, ConfFault) {
    let target = target(TARGET);
    let error = read_settings(file.as_bytes(), Login::Target(&target)).unwrap_err();
    (error.place, error.fault)
}

#[test]
fn a_file_without_a_word_leaves_the_defaults() {
    let Settings {
        offer,
        algorithms,
        timeouts,
        luns,
        ..
    } = settings("# Nothing.\n");
    assert_eq!(offer, Offer::default());
    assert!(algorithms.iter().eq(Algorithm::ALL));
    assert!(offer.immediate_data && !offer.initial_r2t);
    assert_eq!(luns, None);
    let seconds = Duration::from_secs;
    let expected = Timeouts {
        login: seconds(15),
        authentication: seconds(45),
        idle: Some(seconds(60)),
        active: Some(seconds(5)),
        ping: Some(seconds(5)),
        conn_fail: None,
        abort: seconds(10),
        reset: seconds(30),
        command: None,
    };
    assert_eq!(timeouts, expected);
}

#[test]
fn what_is_negotiated_is_read() {
    let offer = settings(
        "HeaderDigest=always\nDataDigest=Prefer-On\nInitialR2T=yes\nImmediateData=no\n\
         MaxRecvDataSegmentLength=512\nFirstBurstLength=65536\nMaxBurstLength=16777215\n",
    )
    .offer;
    let expected = Offer {
        header_digest: DigestChoice::Always,
        data_digest: DigestChoice::PreferOn,
        initial_r2t: true,
        immediate_data: false,
        max_receive_data_segment_length: 512,
        first_burst_length: 65_536,
        max_burst_length: 16_777_215,
        ..Offer::default()
    };
    assert_eq!(offer, expected);
    for (word, choice) in [
        ("never", DigestChoice::Never),
        ("no", DigestChoice::Never),
        ("None", DigestChoice::Never),
        ("yes", DigestChoice::Always),
        ("CRC32C", DigestChoice::Always),
        ("prefer-off", DigestChoice::PreferOff),
    ] {
        let offer = settings(&format!("DataDigest={word}")).offer;
        assert_eq!(
            (offer.data_digest, offer.header_digest),
            (choice, DigestChoice::PreferOff)
        );
    }
    for (word, yes) in [
        ("y", true),
        ("YES", true),
        ("1", true),
        ("n", false),
        ("No", false),
        ("0", false),
    ] {
        let offer = settings(&format!("InitialR2T={word}")).offer;
        assert_eq!(offer.initial_r2t, yes, "{word}");
    }
    for word in ["", "yess", "on", "-1", "\u{e4}"] {
        let file = format!("ImmediateData=\"{word}\"");
        assert_eq!(wrong(&file), (Some((1, 15)), ConfFault::Boolean));
    }
    assert_eq!(wrong("DataDigest=prefer").1, ConfFault::Digest);
    for number in ["0", "511", "16777216", "4294967296", "64k", "+512", ""] {
        let file = format!("MaxBurstLength=\"{number}\"");
        assert_eq!(wrong(&file).1, ConfFault::Length, "{number}");
    }
}

#[test]
fn algorithms_are_read_in_their_order() {
    let algorithms = |file: &str| settings(file).algorithms.to_string();
    for (list, expected) in [
        ("md5", "MD5"),
        ("SHA256,sha3-256", "SHA-256, SHA3-256"),
        (
            "SHA-1,MD5,SHA3-256,sha-256",
            "SHA-1, MD5, SHA3-256, SHA-256",
        ),
    ] {
        assert_eq!(algorithms(&format!("CHAPAlgorithms={list}")), expected);
    }
    // A target's own come before those for all, and do not add to them.
    let own = format!("chapalgorithms=md5\nTargetName={TARGET}\n CHAPAlgorithms=sha1\n");
    assert_eq!(algorithms(&own), "SHA-1");
    let portal = Login::Discovery(target(TARGET).portal);
    let asked = read_settings(b"CHAPAlgorithms=sha1", portal).unwrap();
    assert_eq!(asked.algorithms.to_string(), "SHA-1");
    for (list, column) in [
        ("", 17),
        ("sha2", 17),
        ("5", 17),
        ("md5,", 21),
        (",md5", 17),
        ("md5, sha1", 21),
        ("sha1,sha256,SHA-1", 29),
        ("\u{e4}", 17),
    ] {
        let file = format!("CHAPAlgorithms=\"{list}\"");
        assert_eq!(
            wrong(&file),
            (Some((1, column)), ConfFault::Algorithms),
            "{list}"
        );
    }
}

#[test]
fn times_are_read_each_into_its_own() {
    let read = |key: &str| settings(&format!("{key}=2m")).timeouts;
    let default = Timeouts::default();
    let time = Duration::from_secs(120);
    let some = Some(time);
    for (key, expected) in [
        (
            "LoginTimeout",
            Timeouts {
                login: time,
                ..default
            },
        ),
        (
            "AuthTimeout",
            Timeouts {
                authentication: time,
                ..default
            },
        ),
        (
            "IdleTimeout",
            Timeouts {
                idle: some,
                ..default
            },
        ),
        (
            "ActiveTimeout",
            Timeouts {
                active: some,
                ..default
            },
        ),
        (
            "PingTimeout",
            Timeouts {
                ping: some,
                ..default
            },
        ),
        (
            "ConnFailTimeout",
            Timeouts {
                conn_fail: some,
                ..default
            },
        ),
        (
            "ReplacementTimeout",
            Timeouts {
                conn_fail: some,
                ..default
            },
        ),
        (
            "AbortTimeout",
            Timeouts {
                abort: time,
                ..default
            },
        ),
        (
            "ResetTimeout",
            Timeouts {
                reset: time,
                ..default
            },
        ),
        (
            "DiskCommandTimeout",
            Timeouts {
                command: some,
                ..default
            },
        ),
    ] {
        assert_eq!(read(key), expected, "{key}");
    }
    let never = settings("IdleTimeout=0\nActiveTimeout=0s\nPingTimeout=0\nDiskCommandTimeout=0");
    assert_eq!((never.timeouts.idle, never.timeouts.active), (None, None));
    assert_eq!((never.timeouts.ping, never.timeouts.command), (None, None));
    for file in [
        "LoginTimeout=0",
        "LoginTimeout=301",
        "AuthTimeout=6m",
        "AbortTimeout=0",
        "ResetTimeout=2h",
        "IdleTimeout=25h",
        "DiskCommandTimeout=3601",
    ] {
        assert!(
            matches!(wrong(file).1, ConfFault::TimeRange { .. }),
            "{file}"
        );
    }
}

#[test]
fn silence_ends_with_the_ping_that_it_brings_about() {
    let silence = |file: &str| settings(file).timeouts.silence().as_millis();
    assert_eq!(silence(""), 10_000);
    assert_eq!(silence("ActiveTimeout=7\nPingTimeout=2m"), 127_000);
    assert_eq!(silence("ActiveTimeout=0"), u64::MAX);
    assert_eq!(silence("PingTimeout=0"), u64::MAX);
}

#[test]
fn a_time_to_wait_is_read_in_every_form() {
    let seconds = |file: &str| settings(file).timeouts.conn_fail.map(Duration::as_secs);
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
    for text in ["", "s", "-1", "+1", "1d", "1 s", "4294967296", "1.5"] {
        let file = format!("\nConnFailTimeout=\"{text}\"");
        assert_eq!(wrong(&file), (Some((2, 17)), ConfFault::Time));
    }
}

#[test]
fn a_networks_lines_come_before_a_targets() {
    let login = |file: &str| settings(file).timeouts.login.as_secs();
    let own = format!("LoginTimeout=1\nTargetName={TARGET}\n LoginTimeout=2\n");
    assert_eq!(login(&own), 2);
    for network in [
        "Subnet=192.0.2.0/24",
        "Subnet=192.0.2.99/24",
        "subnet=192.0.2.1",
        "Subnet=0.0.0.0/0",
        "Subnet=192.0.2.0&ffffff00",
        "Address=192.0.2.1",
    ] {
        assert_eq!(
            login(&format!("{network}\n LoginTimeout=3\n{own}")),
            3,
            "{network}"
        );
    }
    for network in [
        "Subnet=192.0.2.2",
        "Subnet=192.0.3.0/24",
        "Subnet=192.0.2.0/32",
        "Subnet=::/0",
        "Subnet=::c000:201",
    ] {
        assert_eq!(
            login(&format!("{network}\n LoginTimeout=3\n{own}")),
            2,
            "{network}"
        );
    }
    for network in [
        "192.0.2.0/",
        "192.0.2.0/33",
        "::/129",
        "192.0.2",
        "",
        "1.2.3.4&1ffffffff",
    ] {
        assert_eq!(
            fault(&format!("Subnet=\"{network}\"")).1,
            ConfFault::Network
        );
    }
}

#[test]
fn asking_a_portal_takes_what_is_for_all_but_credentials() {
    let portal = target(TARGET).portal;
    let file = b"LoginTimeout=2\nDiscoveryAddress=192.0.2.1\n HeaderDigest=never\n\
                 DiscoveryAddress=192.0.2.2\n HeaderDigest=always\n";
    let settings = read_settings(file, Login::Discovery(portal)).unwrap();
    assert_eq!(settings.timeouts.login, Duration::from_secs(2));
    assert_eq!(settings.offer.header_digest, DigestChoice::Never);
}

#[test]
fn lists_of_logical_units_are_read() {
    let luns = |text: &str| -> (u16, Vec<u16>) {
        let luns = settings(&format!("LUNs={text}")).luns.unwrap();
        (luns.first(), luns.iter().collect())
    };
    assert_eq!(luns("0"), (0, [0].into()));
    assert_eq!(luns("7,1,3-5"), (7, [1, 3, 4, 5, 7].into()));
    assert_eq!(luns("255,63-64"), (255, [63, 64, 255].into()));
    let (first, all) = luns("0-255");
    assert_eq!((first, all.len(), all[255]), (0, 256, 255));
    for text in ["", "256", "1,", ",", "2-1", "1-", "-1", "x", "1 2", "0-256"] {
        let file = format!("LUNs=\"{text}\"");
        assert_eq!(wrong(&file), (Some((1, 6)), ConfFault::Luns), "{text}");
    }
    for (text, written) in [
        ("7", "7"),
        ("9,1,3-5,4", "1,3-5,9"),
        ("0-255", "0-255"),
        ("1,2", "1-2"),
    ] {
        let luns = settings(&format!("LUNs={text}")).luns;
        assert_eq!(luns.map(|luns| luns.to_string()).as_deref(), Some(written));
    }
    let own = format!("LUNs=1\nTargetName={TARGET}\n LUNs=2\n");
    assert_eq!(settings(&own).luns.map(|luns| luns.first()), Some(2));
}
