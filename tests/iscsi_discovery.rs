// SPDX-License-Identifier: GPL-2.0-only

//! Discovery sessions: SendTargets and what is told (RFC 7143 sections 4.3, 6.2, 11.10, 11.11.1 and
//! 11.11.2, appendix C).

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod iscsi_support;

use iscsi_init::proto::iscsi::{
    discovery::{
        Discovery,
        Item,
        Progress, //
    },
    error::{
        Error,
        Malformed,
        Unsupported,
        Violation, //
    },
    keys::Offer,
    login::{
        Identity,
        Login, //
    },
    opcode::Opcode,
    text::PARTIAL, //
};

use iscsi_support::{
    login::{
        established,
        go_on,
        request,
        step,
        text,
        workspace,
        INITIATOR,
        ISID,
        TO_FULL_FEATURE,
        TO_OPERATIONAL, //
    },
    nop_in,
    word,
    Builder, //
};

const FINAL: u8 = 0x80;
const CONTINUE: u8 = 0x40;
const NONE: u32 = u32::MAX;
const ONE: &str = "TargetName=iqn.2004-10.example:a,TargetAddress=192.0.2.1:860";

/// A discovery session that has just logged in; the next StatSN is 2.
fn logged_in() -> Discovery<'static> {
    let identity = Identity {
        initiator: INITIATOR,
        target: None,
        alias: None,
        isid: ISID,
        chap: None,
    };
    let login = Login::new(identity, Offer::default(), workspace());
    let names = format!("InitiatorName={INITIATOR}\0SessionType=Discovery\0AuthMethod=None\0");
    assert_eq!(request(&login).1, names);
    let login = go_on(step(login, TO_OPERATIONAL, 0, "AuthMethod=None"));
    let offer = request(&login).1;
    let keys: Vec<_> = offer
        .split('\0')
        .filter_map(|pair| Some(pair.split_once('=')?.0))
        .collect();
    // What RFC 7143 section 13 calls irrelevant in a discovery session is left out.
    let expected = [
        "HeaderDigest",
        "DataDigest",
        "MaxRecvDataSegmentLength",
        "DefaultTime2Wait",
        "DefaultTime2Retain",
        "ErrorRecoveryLevel",
    ];
    assert_eq!(keys, expected);
    let established = established(step(login, TO_FULL_FEATURE, 1, ""));
    Discovery::new(&established, Box::leak(Box::new([0; PARTIAL])))
}

/// A Text Response.
fn response(flags: u8, ttt: u32, stat_sn: u32, length: usize) -> Builder {
    Builder::new(0x24, flags)
        .word(16, 1)
        .word(20, ttt)
        .numbers(stat_sn, 1, 2)
        .data_length(length)
}

/// What a PDU led to, and what it told.
fn told(
    discovery: &mut Discovery<'_>,
    header: &Builder,
    data: &[u8],
) -> Result<(Progress, Vec<String>), Error> {
    let mut items = Vec::new();
    let progress = discovery.response(&header.0, data, |item| {
        items.push(match item {
            Item::Target(name) => name.to_string(),
            Item::Address(address, port, None) => format!("{address} {port}"),
            Item::Address(address, port, Some(group)) => format!("{address} {port} {group}"),
        });
    })?;
    Ok((progress, items))
}

/// The next request, its header and its text.
fn asked(discovery: &Discovery<'_>) -> (Vec<u8>, String) {
    let mut buffer = [0xee; 64];
    let length = discovery.request(&mut buffer).unwrap();
    let (header, text) = buffer[..length].split_at(48);
    (header.to_vec(), String::from_utf8(text.to_vec()).unwrap())
}

fn error(header: &Builder, pairs: &str) -> Error {
    told(&mut logged_in(), header, &text(pairs)).unwrap_err()
}

#[test]
fn a_portal_is_asked_and_tells() {
    let mut discovery = logged_in();
    let (header, asked) = asked(&discovery);
    assert_eq!(asked, "SendTargets=All\0");
    // Immediate, final, 16 bytes; no LUN, no tag of the target.
    assert_eq!(header[..8], [0x44, 0x80, 0, 0, 0, 0, 0, 16]);
    assert_eq!(header[8..16], [0; 8]);
    assert_eq!(
        [16, 20, 24, 28].map(|at| word(&header, at)),
        [1, NONE, 1, 2]
    );
    assert_eq!(header[32..], [0; 16]);

    let data = text(
        "TargetName=iqn.2004-10.example:a,TargetAddress=192.0.2.1:860\u{1}1,\
         TargetAddress=[2001:db8::1],TargetAddress=san.example:3260\u{1}1,TargetAlias=x,\
         TargetName=iqn.2004-10.example:b",
    );
    let data: Vec<u8> = data
        .iter()
        .map(|byte| if *byte == 1 { b',' } else { *byte })
        .collect();
    let expected = [
        "iqn.2004-10.example:a",
        "192.0.2.1 860 1",
        "2001:db8::1 3260",
        "iqn.2004-10.example:b",
    ];
    // A tag in the last response means nothing.
    let done = told(&mut discovery, &response(FINAL, 7, 2, data.len()), &data).unwrap();
    assert_eq!(done, (Progress::Done, expected.map(String::from).to_vec()));
    let logout = discovery.logout();
    assert_eq!(logout[..2], [0x46, 0x80]);
    assert_eq!(word(&logout, 28), 3);
}

#[test]
fn a_long_list_comes_in_parts() {
    let mut discovery = logged_in();
    let lun = [0, 5, 0, 0, 0, 0, 0, 0];
    let parts: [(&[u8], u8); 3] = [
        (b"TargetName=iqn.2004-10.exam", CONTINUE),
        (b"ple:a\0TargetAddress=192.0.2.1\0", 0),
        (b"TargetName=iqn.2004-10.example:b\0", FINAL),
    ];
    let mut items = Vec::new();
    for (number, (data, flags)) in parts.into_iter().enumerate() {
        let number = u32::try_from(number).unwrap();
        let header = response(flags, 70 + number, 2 + number, data.len()).lun(lun);
        let (progress, more) = told(&mut discovery, &header, data).unwrap();
        items.extend(more);
        if flags == FINAL {
            assert_eq!(progress, Progress::Done);
        } else {
            assert_eq!(progress, Progress::Request);
            let (header, text) = asked(&discovery);
            // RFC 7143 section 11.10.4: tag and LUN copied; section 6.2: no text.
            assert_eq!((header[8..16].to_vec(), text.as_str()), (lun.to_vec(), ""));
            assert_eq!(
                [16, 20, 28].map(|at| word(&header, at)),
                [1, 70 + number, 3 + number]
            );
        }
    }
    assert_eq!(
        items,
        [
            "iqn.2004-10.example:a",
            "192.0.2.1 3260",
            "iqn.2004-10.example:b"
        ]
    );
}

#[test]
fn what_is_no_answer_does_not_end_the_wait_or_ends_it_for_good() {
    let mut discovery = logged_in();
    let ping = nop_in(NONE, 9).numbers(2, 1, 2);
    assert_eq!(told(&mut discovery, &ping, b"").unwrap().0, Progress::Wait);
    let event = Builder::new(0x32, FINAL)
        .word(16, NONE)
        .numbers(2, 1, 2)
        .byte(36, 200);
    assert_eq!(told(&mut discovery, &event, b"").unwrap().0, Progress::Wait);
    let data = text(ONE);
    let header = response(FINAL, NONE, 3, data.len());
    assert_eq!(
        told(&mut discovery, &header, &data).unwrap().0,
        Progress::Done
    );

    let reject = Builder::new(0x3f, FINAL)
        .byte(2, 0x04)
        .word(16, NONE)
        .numbers(2, 1, 2);
    assert_eq!(error(&reject, ""), Unsupported::SendTargets.into());
    let leave = Builder::new(0x32, FINAL)
        .word(16, NONE)
        .numbers(2, 1, 2)
        .byte(36, 1);
    assert_eq!(error(&leave, ""), Unsupported::SendTargets.into());
    let other = response(FINAL, NONE, 2, 0).word(16, 5);
    assert_eq!(error(&other, ""), Violation::NotATextResponse.into());
    let scsi = iscsi_support::scsi_response(1, 0, 0).numbers(2, 1, 2);
    assert_eq!(error(&scsi, ""), Violation::NotATextResponse.into());
    let login = iscsi_support::login_response(0, 1, 2, 0);
    let unexpected = Violation::UnexpectedOpcode(Opcode::LOGIN_RESPONSE);
    assert_eq!(error(&login, ""), unexpected.into());
}

#[test]
fn a_list_follows_its_rules() {
    let length = text(ONE).len();
    for (flags, ttt, stat_sn, pairs, expected) in [
        (
            FINAL | CONTINUE,
            7,
            2,
            ONE,
            Violation::FinalWhileContinuing.into(),
        ),
        (0, NONE, 2, ONE, Violation::TextWithoutTag.into()),
        (FINAL, NONE, 2, "TargetName=", Malformed::TargetName.into()),
        (
            FINAL,
            NONE,
            2,
            "TargetAddress=",
            Malformed::TargetAddress.into(),
        ),
        (
            FINAL,
            NONE,
            2,
            "TargetAddress=192.0.2.1:0",
            Malformed::TargetAddress.into(),
        ),
        (
            FINAL,
            NONE,
            2,
            "TargetName",
            Malformed::PairWithoutEquals.into(),
        ),
    ] {
        let data = text(pairs).len();
        assert_eq!(
            error(&response(flags, ttt, stat_sn, data), pairs),
            expected,
            "{pairs}"
        );
    }
    let gap = error(&response(FINAL, NONE, 3, length), ONE);
    assert!(matches!(
        gap,
        Error::PeerMisbehaved(Violation::StatSnGap { .. })
    ));
    let cut = told(&mut logged_in(), &response(FINAL, NONE, 2, 5), b"Targe").unwrap_err();
    assert_eq!(cut, Malformed::TextNotTerminated.into());
}

/// RFC 7143 section 6.2 permits limits.
#[test]
fn a_list_without_end_ends() {
    let mut discovery = logged_in();
    let data = vec![0; 8_192];
    let ends = (2..4_000).find_map(|stat_sn| {
        told(&mut discovery, &response(0, 7, stat_sn, data.len()), &data).err()
    });
    assert_eq!(ends, Some(Violation::EndlessText.into()));
    let mut discovery = logged_in();
    let ends =
        (2..4_000).find_map(|stat_sn| told(&mut discovery, &response(0, 7, stat_sn, 0), b"").err());
    assert_eq!(ends, Some(Violation::EndlessText.into()));
}
