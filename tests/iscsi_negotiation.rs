// SPDX-License-Identifier: GPL-2.0-only

//! What targets may answer and propose in a login, and what they may not (RFC 7143 sections 6.1,
//! 6.2, 7.12 and 13).

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod iscsi_support;

use iscsi_init::proto::iscsi::{
    digest::Digest,
    error::{
        Error,
        Malformed,
        Unsupported,
        Violation, //
    },
    keys::{
        DigestChoice,
        Key,
        Offer, //
    },
    login::{
        Identity,
        Login,
        Step, //
    },
    quirk::{
        Quirk,
        Quirks, //
    }, //
};

use iscsi_support::{
    login::{
        agreed_but,
        answer,
        established,
        failed,
        go_on,
        in_operational,
        login_offering,
        new_login,
        operational,
        request,
        step,
        text,
        workspace,
        AGREED,
        CONTINUE,
        INITIATOR,
        IN_OPERATIONAL,
        IN_SECURITY,
        ISID,
        TARGET,
        TO_FULL_FEATURE,
        TO_OPERATIONAL, //
    },
    login_response, //
};

#[test]
fn what_the_target_does_not_answer_keeps_its_default() {
    let parameters = established(operational("")).parameters;
    assert!(parameters.initial_r2t && parameters.immediate_data);
    assert_eq!(parameters.max_send_data_segment_length, 8_192);
    assert_eq!(
        (parameters.max_burst_length, parameters.first_burst_length),
        (262_144, 65_536)
    );
    assert_eq!(
        (parameters.default_time2wait, parameters.default_time2retain),
        (2, 20)
    );
}

#[test]
fn each_answer_that_is_left_out_is_noticed_but_those_that_need_not_come() {
    for pair in AGREED.split(',') {
        let others: Vec<_> = AGREED.split(',').filter(|other| *other != pair).collect();
        let established = established(operational(&others.join(",")));
        let key = pair.split_once('=').unwrap().0;
        let expected = match key {
            "MaxRecvDataSegmentLength" | "DataPDUInOrder" | "DataSequenceInOrder" => Quirks::NONE,
            _ => Quirk::KeyUnanswered.into(),
        };
        assert_eq!(established.quirks, expected, "without {key}");
    }
    // RFC 7143 section 6.2.2: Yes for one and No for the other decide by themselves.
    let offer = Offer {
        initial_r2t: true,
        immediate_data: false,
        ..Offer::default()
    };
    let login = go_on(step(
        login_offering(offer, None),
        TO_OPERATIONAL,
        0,
        "AuthMethod=None",
    ));
    let answers = AGREED.replace("InitialR2T=No,", "");
    let answers = answers.replace("ImmediateData=Yes,", "");
    let established = established(step(login, TO_FULL_FEATURE, 1, &answers));
    assert_eq!(established.quirks, Quirks::NONE);
}

// RFC 7143 sections 13.22 and 13.26: of private keys too, but for one that says what is where.
#[test]
fn every_proposal_is_answered_once() {
    let proposals = "TaskReporting=FastAbort,X-com.example=1,iSCSIProtocolLevel=2,IFMarker=Yes,\
        OFMarker=No,IFMarkInt=2048~8192,OFMarkInt=Reserved,X#NodeArchitecture=y,later=0x1";
    let login = go_on(step(in_operational(), IN_OPERATIONAL, 1, proposals));
    assert_eq!(
        request(&login).1,
        "TaskReporting=Reject\0X-com.example=NotUnderstood\0iSCSIProtocolLevel=1\0\
         IFMarker=No\0IFMarkInt=Reject\0OFMarkInt=Reject\0\
         later=NotUnderstood\0"
    );
    let login = go_on(step(login, IN_OPERATIONAL, 2, AGREED));
    assert_eq!(request(&login).1, "");
    established(step(login, TO_FULL_FEATURE, 3, ""));
}

#[test]
fn a_list_with_the_default_is_answered_with_it() {
    let mut data = text("");
    data.extend(b"TaskReporting=ResponseFence,RFC3720\0iSCSIProtocolLevel=0\0");
    let response = login_response(IN_OPERATIONAL, 0, 1, data.len());
    let login = go_on(answer(in_operational(), &response, &data));
    assert_eq!(
        request(&login).1,
        "TaskReporting=RFC3720\0iSCSIProtocolLevel=0\0"
    );
}

#[test]
fn proposals_in_text_that_goes_on_are_answered_at_its_end() {
    let login = go_on(step(
        in_operational(),
        IN_OPERATIONAL | CONTINUE,
        1,
        "X-a=1",
    ));
    assert_eq!(request(&login).1, "");
    let login = go_on(step(login, IN_OPERATIONAL | CONTINUE, 2, "IFMarker=Yes"));
    assert_eq!(request(&login).1, "");
    let login = go_on(step(login, IN_OPERATIONAL, 3, AGREED));
    assert_eq!(request(&login).1, "X-a=NotUnderstood\0IFMarker=No\0");
    established(step(login, TO_FULL_FEATURE, 4, ""));
}

#[test]
fn unknown_keys_do_not_hold_up_the_end_of_a_stage() {
    let login = go_on(step(
        new_login(),
        TO_OPERATIONAL,
        0,
        "AuthMethod=None,X-a=1",
    ));
    assert!(request(&login).1.starts_with("HeaderDigest="));
    established(step(login, TO_FULL_FEATURE, 1, &format!("{AGREED},X-b=2")));
}

#[test]
fn a_stage_cannot_end_with_a_question() {
    let error = failed(operational(&format!("{AGREED},IFMarker=Yes")));
    assert_eq!(error, Violation::TransitBeforeAnswer.into());
    // No is not one: RFC 7143 section 6.2.2 leaves its answer out.
    established(operational(&format!("{AGREED},IFMarker=No")));
}

#[test]
fn proposals_without_end_are_bounded() {
    let tiny = "a=b,".repeat(2_000);
    let error = failed(step(in_operational(), IN_OPERATIONAL, 1, &tiny));
    assert_eq!(error, Violation::TooManyProposals.into());
}

#[test]
fn nobody_authenticates() {
    for method in ["CHAP", "Reject", "KRB5", "CHAP,None", ""] {
        let mut data = format!("AuthMethod={method}").into_bytes();
        data.push(0);
        let response = login_response(IN_SECURITY, 0, 0, data.len());
        let error = failed(answer(new_login(), &response, &data));
        assert_eq!(error, Unsupported::Authentication.into(), "{method}");
    }
    let security = |pairs| failed(step(new_login(), IN_SECURITY, 0, pairs));
    let key = Key::AuthMethod;
    assert_eq!(
        security("AuthMethod=NotUnderstood"),
        Violation::NotUnderstood(key).into()
    );
    assert_eq!(
        security("AuthMethod=Irrelevant"),
        Violation::Irrelevant(key).into()
    );
    assert_eq!(
        security("AuthMethod=None,AuthMethod=None"),
        Violation::RepeatedKey(key).into()
    );
    assert_eq!(
        security("CHAP_A=5"),
        Violation::KeyNotAllowed(Key::ChapA).into()
    );
}

#[test]
fn keys_stay_in_their_stage_and_on_their_side() {
    let burst = Key::MaxBurstLength;
    let error = failed(step(new_login(), IN_SECURITY, 0, "MaxBurstLength=4096"));
    assert_eq!(error, Violation::KeyNotAllowed(burst).into());
    for key in [
        Key::AuthMethod,
        Key::InitiatorName,
        Key::InitiatorAlias,
        Key::TargetName,
        Key::SendTargets,
        Key::SessionType,
        Key::ChapC,
    ] {
        let error = failed(operational(&format!("{key}=x")));
        assert_eq!(error, Violation::KeyNotAllowed(key).into());
    }
}

#[test]
fn a_key_is_said_once() {
    for pair in AGREED.split(',') {
        let key = Key::from_name(pair.split('=').next().unwrap()).unwrap();
        let error = failed(operational(&format!("{AGREED},{pair}")));
        assert_eq!(error, Violation::RepeatedKey(key).into());
        let login = go_on(step(in_operational(), IN_OPERATIONAL, 1, AGREED));
        let error = failed(step(login, TO_FULL_FEATURE, 2, pair));
        assert_eq!(error, Violation::RepeatedKey(key).into());
    }
    let markers = failed(step(
        in_operational(),
        IN_OPERATIONAL,
        1,
        "OFMarker=No,OFMarker=No",
    ));
    assert_eq!(markers, Violation::RepeatedKey(Key::OFMarker).into());
    // A portal group's tag that says the same twice is taken, another one is not.
    let security = |pairs| step(new_login(), TO_OPERATIONAL, 0, pairs);
    go_on(security(
        "TargetPortalGroupTag=1,TargetPortalGroupTag=1,TargetAddress=a,TargetAddress=b",
    ));
    let key = Key::TargetPortalGroupTag;
    let error = failed(security("TargetPortalGroupTag=1,TargetPortalGroupTag=2"));
    assert_eq!(error, Violation::RepeatedKey(key).into());
    let error = failed(security("TargetPortalGroupTag=65536"));
    assert_eq!(error, Violation::OutOfRange { key, value: 65_536 }.into());
    assert_eq!(
        failed(security("TargetPortalGroupTag=x")),
        Malformed::NotANumber(key).into()
    );
}

#[test]
fn numbers_outside_their_range_are_refused() {
    let ours = Key::MaxRecvDataSegmentLength;
    for value in [0, 1, 511, 1 << 24, 1 << 32, u64::MAX] {
        for key in [ours, Key::MaxBurstLength, Key::FirstBurstLength] {
            let error = failed(agreed_but(&format!("{key}={value}")));
            let range: Error = Violation::OutOfRange { key, value }.into();
            let admissible: Error = Violation::InadmissibleAnswer(key).into();
            assert!(
                error == range || error == admissible && key != ours,
                "{key}={value}: {error}"
            );
        }
    }
    for text in [
        "-1",
        "0x",
        "",
        "08",
        "1e6",
        "512 ",
        "18446744073709551616",
        "Yes",
    ] {
        for key in [
            ours,
            Key::MaxBurstLength,
            Key::DefaultTime2Wait,
            Key::MaxConnections,
        ] {
            let error = failed(agreed_but(&format!("{key}={text}")));
            assert_eq!(error, Malformed::NotANumber(key).into(), "{key}={text}");
        }
    }
    for (key, value) in [
        (Key::DefaultTime2Wait, 3_601),
        (Key::DefaultTime2Retain, 1 << 16),
    ] {
        let error = failed(agreed_but(&format!("{key}={value}")));
        assert_eq!(error, Violation::OutOfRange { key, value }.into());
    }
    for (key, value) in [(Key::MaxConnections, 0), (Key::MaxOutstandingR2T, 0)] {
        let error = failed(agreed_but(&format!("{key}={value}")));
        assert_eq!(error, Violation::OutOfRange { key, value }.into());
    }
    let long = format!("{ours}={}", "1".repeat(256));
    assert_eq!(
        failed(agreed_but(&long)),
        Malformed::ValueTooLong(ours).into()
    );
    let hex = established(agreed_but("MaxRecvDataSegmentLength=0x2000"));
    assert_eq!(hex.parameters.max_send_data_segment_length, 8_192);
}

#[test]
fn answers_follow_from_the_offer() {
    for pair in [
        "HeaderDigest=CRC32",
        "DataDigest=crc32c",
        "MaxConnections=2",
        "MaxOutstandingR2T=2",
        "ErrorRecoveryLevel=1",
        "MaxBurstLength=16776193",
        "FirstBurstLength=262145",
        "DataPDUInOrder=No",
        "DataSequenceInOrder=No",
    ] {
        let key = Key::from_name(pair.split_once('=').unwrap().0).unwrap();
        let error = failed(agreed_but(pair));
        assert_eq!(error, Violation::InadmissibleAnswer(key).into(), "{pair}");
    }
    // Nothing depends on it at error recovery level 0.
    let retained = established(agreed_but("DefaultTime2Retain=20"));
    assert_eq!(retained.parameters.default_time2retain, 0);
    assert_eq!(retained.quirks, Quirk::LongTime2Retain.into());
    for key in [Key::InitialR2T, Key::ImmediateData, Key::DataPDUInOrder] {
        for value in ["Maybe", "yes", ""] {
            let error = failed(agreed_but(&format!("{key}={value}")));
            assert_eq!(error, Malformed::NotABoolean(key).into());
        }
    }
}

/// RFC 7143 section 13.1: each digest is chosen on its own.
#[test]
fn a_target_may_choose_digests_that_are_offered() {
    for (pair, header, data) in [
        ("HeaderDigest=CRC32C", Digest::Crc32c, Digest::None),
        ("DataDigest=CRC32C", Digest::None, Digest::Crc32c),
    ] {
        let parameters = established(agreed_but(pair)).parameters;
        let chosen = (parameters.header_digest, parameters.data_digest);
        assert_eq!(chosen, (header, data), "{pair}");
        assert!(parameters.to_string().contains(pair));
    }

    let identity = Identity {
        initiator: INITIATOR,
        target: Some(TARGET),
        alias: None,
        isid: ISID,
        chap: None,
    };
    let offer = Offer {
        data_digest: DigestChoice::Never,
        ..Offer::default()
    };
    let answered = |pair| {
        let login = Login::new(identity, offer, workspace());
        let login = go_on(step(login, TO_OPERATIONAL, 0, ""));
        let sent = request(&login).1;
        assert!(
            sent.starts_with("HeaderDigest=None,CRC32C\0DataDigest=None\0"),
            "{sent}"
        );
        step(login, TO_FULL_FEATURE, 1, pair)
    };
    let violation = Violation::InadmissibleAnswer(Key::DataDigest);
    assert_eq!(failed(answered("DataDigest=CRC32C")), violation.into());
    established(answered("HeaderDigest=CRC32C,DataDigest=None"));
}

/// RFC 7143 section 6.2.1: the order of the list is that of preference.
#[test]
fn a_digest_is_offered_as_it_is_wanted() {
    use DigestChoice::*;
    let crc32c = "HeaderDigest=CRC32C,DataDigest=CRC32C";
    let none = "HeaderDigest=None,DataDigest=None";
    for (choice, list, allowed) in [
        (Never, "None", &[none][..]),
        (Always, "CRC32C", &[crc32c]),
        (PreferOn, "CRC32C,None", &[crc32c, none]),
        (PreferOff, "None,CRC32C", &[crc32c, none]),
    ] {
        let answered = |pairs: &str| {
            let offer = Offer {
                header_digest: choice,
                data_digest: choice,
                ..Offer::default()
            };
            let login = login_offering(offer, None);
            let login = go_on(step(login, TO_OPERATIONAL, 0, ""));
            let sent = request(&login).1;
            let expected = format!("HeaderDigest={list}\0DataDigest={list}\0");
            assert!(sent.starts_with(&expected), "{sent}");
            step(login, TO_FULL_FEATURE, 1, pairs)
        };
        for pairs in allowed {
            let parameters = established(answered(pairs)).parameters;
            assert!(parameters.to_string().starts_with(&pairs.replace(',', " ")));
        }
        match choice {
            Never => {
                let violation = Violation::InadmissibleAnswer(Key::HeaderDigest);
                assert_eq!(failed(answered(crc32c)), violation.into());
            }
            Always => {
                let header = Unsupported::Digest(Key::HeaderDigest);
                let data = Unsupported::Digest(Key::DataDigest);
                for answer in [none, "HeaderDigest=Reject", "DataDigest=CRC32C", ""] {
                    assert_eq!(failed(answered(answer)), header.into(), "{answer}");
                }
                for answer in ["HeaderDigest=CRC32C,DataDigest=None", "HeaderDigest=CRC32C"] {
                    assert_eq!(failed(answered(answer)), data.into(), "{answer}");
                }
            }
            PreferOn | PreferOff => {}
        }
    }
}

/// RFC 7143 section 13.7.
#[test]
fn an_alias_goes_with_the_name() {
    let identity = Identity {
        initiator: INITIATOR,
        alias: Some("rack 7"),
        target: Some(TARGET),
        isid: ISID,
        chap: None,
    };
    let login = Login::new(identity, Offer::default(), workspace());
    let names = format!(
        "InitiatorName={INITIATOR}\0InitiatorAlias=rack 7\0TargetName={TARGET}\0\
         SessionType=Normal\0AuthMethod=None\0"
    );
    assert_eq!(request(&login).1, names);
}

#[test]
fn an_offer_without_unsolicited_data_binds_the_target() {
    let identity = Identity {
        initiator: INITIATOR,
        target: Some(TARGET),
        alias: None,
        isid: ISID,
        chap: None,
    };
    let offer = Offer {
        initial_r2t: true,
        immediate_data: false,
        default_time2wait: 5,
        // Both outside their ranges, so that the nearest legal values are offered.
        max_burst_length: 100,
        first_burst_length: u32::MAX,
        ..Offer::default()
    };
    let answered = |pairs: &str| {
        let login = Login::new(identity, offer, workspace());
        let login = go_on(step(login, TO_OPERATIONAL, 0, ""));
        let sent = request(&login).1;
        assert!(
            sent.contains("\0InitialR2T=Yes\0ImmediateData=No\0"),
            "{sent}"
        );
        assert!(
            sent.contains("\0MaxBurstLength=512\0FirstBurstLength=512\0"),
            "{sent}"
        );
        step(login, TO_FULL_FEATURE, 1, pairs)
    };
    for pair in ["InitialR2T=No", "ImmediateData=Yes", "DefaultTime2Wait=4"] {
        let key = Key::from_name(pair.split_once('=').unwrap().0).unwrap();
        assert_eq!(
            failed(answered(pair)),
            Violation::InadmissibleAnswer(key).into()
        );
    }
    // RFC 7143 section 6.2.2: the answers to both are optional.
    let parameters = established(answered("")).parameters;
    assert!(parameters.initial_r2t && !parameters.immediate_data);
    // Without unsolicited data FirstBurstLength means nothing, whatever it is said to be.
    for first in ["FirstBurstLength=Irrelevant", "FirstBurstLength=512"] {
        let pairs = format!("InitialR2T=Yes,ImmediateData=No,MaxBurstLength=512,{first}");
        let parameters = established(answered(&pairs)).parameters;
        assert!(parameters.initial_r2t && !parameters.immediate_data);
        assert_ne!(parameters.first_burst_length, 0);
    }
}

#[test]
fn reserved_words_in_answers() {
    for pair in AGREED.split(',') {
        let name = pair.split_once('=').unwrap().0;
        let key = Key::from_name(name).unwrap();
        let declared = key == Key::MaxRecvDataSegmentLength;
        let digest = matches!(key, Key::HeaderDigest | Key::DataDigest);

        let error = failed(agreed_but(&format!("{name}=NotUnderstood")));
        let violation = if declared {
            Violation::ReservedProposal(key)
        } else {
            Violation::NotUnderstood(key)
        };
        assert_eq!(error, violation.into());

        let irrelevant = failed(agreed_but(&format!("{name}=Irrelevant")));
        let violation = if declared {
            Violation::ReservedProposal(key)
        } else {
            Violation::Irrelevant(key)
        };
        assert_eq!(irrelevant, violation.into());

        // RFC 7143 section 6.2: a rejected key keeps its default; tgt would go on to expect a
        // rejected digest.
        match agreed_but(&format!("{name}=Reject")) {
            Ok(Step::Established(_)) => assert!(!declared && !digest, "{name}"),
            Err(error) if declared => assert_eq!(error, Violation::ReservedProposal(key).into()),
            Err(error) if digest => assert_eq!(error, Violation::Rejected(key).into()),
            other => panic!("{other:?}"),
        }
    }
    let error = failed(operational("IFMarker=Irrelevant"));
    assert_eq!(error, Violation::ReservedProposal(Key::IFMarker).into());
}

#[test]
fn a_first_burst_longer_than_a_burst_is_refused() {
    let error = failed(agreed_but("MaxBurstLength=4096"));
    let (first, max) = (131_072, 4_096);
    assert_eq!(
        error,
        Violation::FirstBurstAboveMaxBurst { first, max }.into()
    );
}

#[test]
fn text_that_is_none_is_refused() {
    let refused = |data: &[u8]| {
        let response = login_response(TO_FULL_FEATURE, 7, 1, data.len());
        failed(answer(in_operational(), &response, data))
    };
    assert_eq!(
        refused(b"MaxBurstLength=4096"),
        Malformed::TextNotTerminated.into()
    );
    assert_eq!(
        refused(b"MaxBurstLength\0"),
        Malformed::PairWithoutEquals.into()
    );
    assert_eq!(refused(b"=4096\0"), Malformed::KeyName.into());
    assert_eq!(refused(&[0xff; 64]), Malformed::TextNotTerminated.into());
    assert_eq!(
        refused(&[b"X".repeat(64), b"=1\0".to_vec()].concat()),
        Malformed::KeyName.into()
    );
}
