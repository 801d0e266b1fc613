// SPDX-License-Identifier: GPL-2.0-only

//! Whole logins: their stages, numbers and limits, refusals and redirections (RFC 7143 sections
//! 6.3, 11.12, 11.13).

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod iscsi_support;

use std::collections::BTreeMap;

use iscsi_init::proto::{
    iscsi::{
        error::{
            Error,
            LoginStatus,
            Malformed,
            Misuse,
            Unsupported,
            Violation, //
        },
        keys::Key,
        login::{
            Redirect,
            Step, //
        },
        opcode::Opcode,
        quirk::{
            Quirk,
            Quirks, //
        },
        session::Session,
        tag::Itt, //
    },
    serial::Serial, //
};

use iscsi_support::{
    login::{
        answer,
        established,
        failed,
        go_on,
        in_operational,
        new_login,
        operational,
        request,
        step,
        text,
        AGREED,
        CONTINUE,
        INITIATOR,
        IN_OPERATIONAL,
        IN_SECURITY,
        TARGET,
        TO_FULL_FEATURE,
        TO_OPERATIONAL, //
    },
    login_response,
    word,
    Builder, //
};

#[test]
fn a_login_in_two_exchanges() {
    let login = new_login();
    let (header, sent) = request(&login);
    assert_eq!(header[1], 0x81);
    assert_eq!(
        sent,
        format!(
            "InitiatorName={INITIATOR}\0TargetName={TARGET}\0SessionType=Normal\0AuthMethod=None\0"
        )
    );
    let pairs = "TargetPortalGroupTag=0,TargetAlias=a disk,AuthMethod=None";
    let login = go_on(step(login, TO_OPERATIONAL, 0xffff_ffff, pairs));

    let (header, sent) = request(&login);
    assert_eq!((header[1], word(&header, 28)), (0x87, 0));
    let sent: BTreeMap<&str, &str> = sent
        .split_terminator('\0')
        .map(|pair| pair.split_once('=').unwrap())
        .collect();
    let expected = BTreeMap::from([
        ("HeaderDigest", "None,CRC32C"),
        ("DataDigest", "None,CRC32C"),
        ("MaxConnections", "1"),
        ("InitialR2T", "No"),
        ("ImmediateData", "Yes"),
        ("MaxRecvDataSegmentLength", "1048576"),
        ("MaxBurstLength", "16776192"),
        ("FirstBurstLength", "262144"),
        ("DefaultTime2Wait", "0"),
        ("DefaultTime2Retain", "0"),
        ("MaxOutstandingR2T", "1"),
        ("DataPDUInOrder", "Yes"),
        ("DataSequenceInOrder", "Yes"),
        ("ErrorRecoveryLevel", "0"),
    ]);
    assert_eq!(sent, expected);

    let established = established(step(login, TO_FULL_FEATURE, 0, AGREED));
    let parameters = established.parameters;
    assert!(!parameters.initial_r2t && parameters.immediate_data);
    assert_eq!(parameters.max_send_data_segment_length, 65_536);
    assert_eq!(parameters.max_receive_data_segment_length, 1_048_576);
    assert_eq!(parameters.max_burst_length, 1_048_576);
    assert_eq!(parameters.first_burst_length, 131_072);
    assert_eq!(
        (parameters.default_time2wait, parameters.default_time2retain),
        (2, 0)
    );
    assert_eq!(
        (established.tsih, established.target_portal_group),
        (7, Some(0))
    );
    assert_eq!(established.exp_stat_sn, Serial::new(1));
    assert_eq!(established.cmd_sn, Serial::new(1));
    assert_eq!(established.quirks, Quirks::NONE);
    assert!(Session::new(&established).window_open());
}

#[test]
fn text_may_be_split_at_any_byte() {
    let whole = established(operational(AGREED));
    let data = text(AGREED);
    for at in 0..=data.len() {
        let (head, tail) = data.split_at(at);
        let more = login_response(IN_OPERATIONAL | CONTINUE, 0, 1, head.len());
        let login = go_on(answer(in_operational(), &more, head));
        // RFC 7143 section 6.2: text that goes on is answered with an empty request.
        let (header, sent) = request(&login);
        assert_eq!((header[1], sent.as_str()), (0x87, ""));
        let last = login_response(TO_FULL_FEATURE, 7, 2, tail.len());
        let split = established(answer(login, &last, tail));
        assert_eq!(split.parameters, whole.parameters, "split at {at}");
    }
}

#[test]
fn text_may_come_byte_by_byte() {
    let data = text(AGREED);
    let mut login = in_operational();
    let mut stat_sn = 1;
    for byte in &data {
        let more = login_response(IN_OPERATIONAL | CONTINUE, 0, stat_sn, 1);
        login = go_on(answer(login, &more, &[*byte]));
        stat_sn += 1;
    }
    let end = established(step(login, TO_FULL_FEATURE, stat_sn, ""));
    assert_eq!(end.parameters, established(operational(AGREED)).parameters);
}

#[test]
fn a_target_may_withhold_the_transit() {
    let mut login = go_on(step(new_login(), IN_SECURITY, 0, "AuthMethod=None"));
    for stat_sn in 1..6 {
        assert_eq!(request(&login).1, "");
        login = go_on(step(login, IN_SECURITY, stat_sn, ""));
    }
    let login = go_on(step(login, TO_OPERATIONAL, 6, ""));
    let login = go_on(step(login, IN_OPERATIONAL, 7, AGREED));
    let (header, sent) = request(&login);
    assert_eq!((header[1], sent.as_str()), (0x87, ""));
    established(step(login, TO_FULL_FEATURE, 8, ""));
}

#[test]
fn a_login_without_end_is_bounded() {
    let mut login = in_operational();
    let error = loop {
        match step(login, IN_OPERATIONAL, 1, "") {
            Ok(Step::Request(next)) => login = next,
            other => break failed(other),
        }
    };
    assert_eq!(error, Violation::EndlessLogin.into());
    let mut login = in_operational();
    let much = format!("X-{}={}", "a".repeat(61), "b".repeat(8_000));
    // 64 KiB are far fewer exchanges than those above.
    for _ in 0..8 {
        login = go_on(step(login, IN_OPERATIONAL, 1, &much));
    }
    let error = failed(step(login, IN_OPERATIONAL, 1, &much));
    assert_eq!(error, Violation::EndlessLogin.into());
}

#[test]
fn every_status_class_is_told_apart() {
    for (class, detail) in [
        (2, 0),
        (2, 1),
        (2, 2),
        (2, 3),
        (2, 11),
        (3, 0),
        (3, 1),
        (3, 2),
        (9, 9),
    ] {
        let status = LoginStatus { class, detail };
        // RFC 7143 section 11.13.5: nothing else in a reject means anything.
        let response = Builder::new(0x23, 0xcf).byte(36, class).byte(37, detail);
        assert_eq!(
            failed(answer(new_login(), &response, &[])),
            Error::Refused(status)
        );
        assert_eq!(
            failed(answer(in_operational(), &response, &[])),
            Error::Refused(status)
        );
    }
}

#[test]
fn a_redirection_says_where_to_and_for_how_long() {
    let redirected = |detail, address: &str| {
        let data = format!("TargetPortalGroupTag=1\0TargetAddress={address}\0").into_bytes();
        let response = Builder::new(0x23, 0)
            .byte(36, 1)
            .byte(37, detail)
            .data_length(data.len());
        answer(new_login(), &response, &data)
    };
    let moved = |permanent, address: &str, port| Redirect {
        permanent,
        address: address.parse().unwrap(),
        port,
        quirks: if permanent {
            Quirk::RedirectedToGroup.into()
        } else {
            Quirks::NONE
        },
    };
    let cases = [
        (1, "192.0.2.1", moved(false, "192.0.2.1", 3_260)),
        (2, "192.0.2.1:860,1", moved(true, "192.0.2.1", 860)),
        (1, "[2001:db8::7]:3261", moved(false, "2001:db8::7", 3_261)),
    ];
    for (detail, address, expected) in cases {
        match redirected(detail, address) {
            Ok(Step::Moved(redirect)) => assert_eq!(redirect, expected),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        failed(redirected(1, "target.example")),
        Unsupported::RedirectToName.into()
    );
    assert_eq!(failed(redirected(1, "")), Malformed::TargetAddress.into());
    let response = Builder::new(0x23, 0).byte(36, 1).byte(37, 1);
    let error = failed(answer(new_login(), &response, &[]));
    assert_eq!(error, Malformed::RedirectWithoutAddress.into());
}

#[test]
fn only_a_login_response_to_this_login_is_taken() {
    for opcode in (0..0x40).filter(|opcode| *opcode != 0x23) {
        let error = failed(answer(
            new_login(),
            &Builder::new(opcode, TO_OPERATIONAL),
            &[],
        ));
        assert_eq!(
            error,
            Violation::NotALoginResponse(Opcode::of(opcode)).into()
        );
    }
    let other = login_response(TO_OPERATIONAL, 0, 0, 0).word(16, 5);
    let error = failed(answer(new_login(), &other, &[]));
    assert_eq!(error, Violation::LoginTag(Itt::new(5)).into());
    let version = login_response(TO_OPERATIONAL, 0, 0, 0).byte(3, 1);
    assert_eq!(
        failed(answer(new_login(), &version, &[])),
        Unsupported::Version(1).into()
    );
    let length = login_response(TO_OPERATIONAL, 0, 0, 4);
    assert_eq!(
        failed(answer(new_login(), &length, &[0; 3])),
        Misuse::DataLength.into()
    );
}

#[test]
fn stages_follow_their_order() {
    let end = |flags| failed(step(new_login(), flags, 0, ""));
    assert_eq!(end(0xc1), Violation::TransitWhileContinuing.into());
    for (flags, received) in [(0x85, 1), (0x04, 1), (0x0c, 3), (0x08, 2)] {
        let expected = 0;
        assert_eq!(
            end(flags),
            Violation::StageMismatch { expected, received }.into()
        );
    }
    for (flags, received) in [(0x80, 0), (0x82, 2), (0x83, 3)] {
        let expected = 1;
        assert_eq!(
            end(flags),
            Violation::NextStage { expected, received }.into()
        );
    }
    let end = |flags| failed(step(in_operational(), flags, 1, ""));
    for (flags, received) in [(0x84, 0), (0x85, 1), (0x86, 2)] {
        let expected = 3;
        assert_eq!(
            end(flags),
            Violation::NextStage { expected, received }.into()
        );
    }
    let error = Violation::StageMismatch {
        expected: 1,
        received: 0,
    };
    assert_eq!(end(0x81), error.into());
    let nameless = login_response(TO_FULL_FEATURE, 0, 1, 0);
    let error = failed(answer(in_operational(), &nameless, &[]));
    assert_eq!(error, Violation::NoSessionHandle.into());
}

#[test]
fn status_numbers_start_anywhere_and_do_not_skip() {
    for first in [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff_u32] {
        let login = go_on(step(new_login(), TO_OPERATIONAL, first, ""));
        assert_eq!(word(&request(&login).0, 28), first.wrapping_add(1));
        let end = established(step(login, TO_FULL_FEATURE, first.wrapping_add(1), AGREED));
        assert_eq!(end.exp_stat_sn, Serial::new(first.wrapping_add(2)));
    }
    let error = failed(step(in_operational(), TO_FULL_FEATURE, 2, AGREED));
    let (expected, received) = (Serial::new(1), Serial::new(2));
    assert_eq!(error, Violation::StatSnGap { expected, received }.into());
}

#[test]
fn the_window_after_a_login() {
    let window = |exp_cmd_sn, max_cmd_sn| {
        let response = login_response(TO_FULL_FEATURE, 7, 1, 0).numbers(1, exp_cmd_sn, max_cmd_sn);
        Session::new(&established(answer(in_operational(), &response, &[]))).window_open()
    };
    assert!(window(1, 1));
    assert!(window(1, 0x7fff_ffff));
    assert!(!window(1, 0));
    // Contradictions leave room for one command, whose response tells more.
    assert!(window(1, 0xffff_fff0));
    assert!(window(0x9000_0000, 0x8000_0000));
}

#[test]
fn a_request_needs_its_room_and_no_more() {
    let login = new_login();
    let mut buffer = [0; 48 + 8192];
    let length = login.request(&mut buffer).unwrap();
    for short in 0..length {
        let error = login.request(&mut buffer[..short]);
        assert_eq!(error, Err(Misuse::BufferTooSmall.into()), "{short} bytes");
    }
    assert_eq!(login.request(&mut buffer[..length]), Ok(length));
}

#[test]
fn errors_say_what_to_check() {
    let not_found = Error::Refused(LoginStatus {
        class: 2,
        detail: 3,
    });
    assert!(not_found.to_string().contains("check the target name"));
    let error: Error = Violation::OutOfRange {
        key: Key::MaxBurstLength,
        value: 3,
    }
    .into();
    let text = "the target broke the iSCSI protocol: MaxBurstLength=3, which is out of range";
    assert_eq!(error.to_string(), text);
}

#[test]
fn a_login_fits_a_kernel_stack() {
    assert!(size_of::<Step<'_>>() <= 1_024);
}
