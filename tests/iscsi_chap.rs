// SPDX-License-Identifier: GPL-2.0-only

//! CHAP, from the method to the target's proof (RFC 7143 sections 9.2.1 and 12.1.3).
//!
//! The hash functions are the kernel's, so a stand-in takes their place here: what counts is over
//! what they are computed, and where the result goes.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod iscsi_support;

use iscsi_init::proto::{
    config::text::Text,
    iscsi::{
        chap::{
            Algorithm,
            Algorithms,
            Chap,
            Credentials,
            Hash,
            CHALLENGE_LENGTH,
            HASH_MAX, //
        },
        error::{
            Error,
            Malformed,
            Misuse,
            Unauthenticated,
            Unsupported,
            Violation, //
        },
        keys::Key,
        login::Login, //
    },
};

use iscsi_support::login::{
    established,
    failed,
    go_on,
    login_with,
    new_login,
    request,
    step,
    AGREED,
    CONTINUE,
    IN_SECURITY,
    TO_FULL_FEATURE,
    TO_OPERATIONAL, //
};

const OUTGOING: &str = "outgoing secret";
const INCOMING: &str = "incoming secret";
const IDENTIFIER: u8 = 200;
const CHALLENGE: [u8; CHALLENGE_LENGTH] = *b"challenge of us!";

/// Another result for every algorithm and message.
struct StandIn;

impl Hash for StandIn {
    fn hash(&self, algorithm: Algorithm, parts: [&[u8]; 3], to: &mut [u8; HASH_MAX]) -> Option<()> {
        let hash = hash(algorithm, &parts.concat());
        to[..hash.len()].copy_from_slice(&hash);
        Some(())
    }
}

fn hash(algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
    let start = 0xcbf2_9ce4_8422_2325 ^ u64::from(algorithm.number());
    let mut state = message.iter().fold(start, |state, byte| {
        (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    };
    (0..algorithm.length()).map(|_| next()).collect()
}

/// The hash of a hash function that fails.
struct Broken;

impl Hash for Broken {
    fn hash(&self, _: Algorithm, _: [&[u8]; 3], _: &mut [u8; HASH_MAX]) -> Option<()> {
        None
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold("0x".to_string(), |text, byte| format!("{text}{byte:02x}"))
}

/// What answers a challenge.
fn proof(algorithm: Algorithm, identifier: u8, secret: &str, challenge: &[u8]) -> String {
    let message = [&[identifier], secret.as_bytes(), challenge].concat();
    hex(&hash(algorithm, &message))
}

fn credentials(mutual: bool) -> Credentials {
    let mut credentials = Credentials::none();
    let account = &mut credentials.outgoing;
    account.name = Text::new("us").unwrap();
    account.secret.set(OUTGOING.as_bytes()).unwrap();
    if mutual {
        let account = &mut credentials.incoming;
        account.name = Text::new("them").unwrap();
        account.secret.set(INCOMING.as_bytes()).unwrap();
    }
    credentials
}

fn chap(credentials: Credentials) -> Chap<'static> {
    Chap {
        credentials: Box::leak(Box::new(credentials)),
        algorithms: Algorithms::all(),
        hash: &StandIn,
        identifier: IDENTIFIER,
        challenge: CHALLENGE,
    }
}

/// A login that has sent the names, and agreed on CHAP.
fn agreed(mutual: bool) -> Login<'static> {
    let login = login_with(Some(chap(credentials(mutual))));
    let (header, text) = request(&login);
    // Neither T nor a next stage.
    assert_eq!(header[1], 0x00);
    assert!(
        text.ends_with("\0SessionType=Normal\0AuthMethod=CHAP\0"),
        "{text}"
    );
    go_on(step(login, IN_SECURITY, 0, "AuthMethod=CHAP"))
}

/// A login that has been given a challenge.
fn challenged(mutual: bool) -> Login<'static> {
    let login = agreed(mutual);
    let (header, text) = request(&login);
    assert_eq!((header[1], text.as_str()), (0x00, "CHAP_A=8,7,6,5\0"));
    go_on(step(
        login,
        IN_SECURITY,
        1,
        "CHAP_A=7,CHAP_I=17,CHAP_C=0x0102fe",
    ))
}

/// The end of a login from its operational stage on.
fn finishes(login: Login<'static>, stat_sn: u32) {
    established(step(login, TO_FULL_FEATURE, stat_sn, AGREED));
}

#[test]
fn the_initiator_proves_itself() {
    let login = challenged(false);
    assert_eq!(login.chap_algorithm(), Some(Algorithm::Sha256));
    let (header, text) = request(&login);
    assert_eq!(header[1], 0x81);
    let proof = proof(Algorithm::Sha256, 17, OUTGOING, &[1, 2, 0xfe]);
    assert_eq!(text, format!("CHAP_N=us\0CHAP_R={proof}\0"));
    finishes(go_on(step(login, TO_OPERATIONAL, 2, "")), 3);
}

#[test]
fn every_algorithm_is_hashed_over_identifier_secret_and_challenge() {
    for algorithm in Algorithm::ALL {
        for challenge in [
            ("0bAQL+", vec![1, 2, 0xfe]),
            ("0x7", vec![7]),
            (&hex(&[0xab; 1_024]), vec![0xab; 1_024]),
        ] {
            let pairs = format!(
                "CHAP_C={},CHAP_A={},CHAP_I=0xff",
                challenge.0,
                algorithm.number()
            );
            let login = go_on(step(agreed(false), IN_SECURITY, 1, &pairs));
            let proof = proof(algorithm, 255, OUTGOING, &challenge.1);
            assert_eq!(request(&login).1, format!("CHAP_N=us\0CHAP_R={proof}\0"));
        }
    }
}

/// RFC 7143 section 6.2: text may be split anywhere.
#[test]
fn a_challenge_may_come_in_pieces() {
    let pairs = format!("CHAP_A=5,CHAP_I=1,CHAP_C={}", hex(&[0x5a; 1_024]));
    let text = iscsi_support::login::text(&pairs);
    for at in [1, 8, 20, 30, text.len() - 1] {
        let (head, tail) = text.split_at(at);
        let piece = |login, flags, stat_sn, data: &[u8]| {
            let response = iscsi_support::login_response(flags, 0, stat_sn, data.len());
            iscsi_support::login::answer(login, &response, data)
        };
        let login = go_on(piece(agreed(false), IN_SECURITY | CONTINUE, 1, head));
        let (header, text) = request(&login);
        assert_eq!((header[1], text.as_str()), (0x00, ""));
        let login = go_on(piece(login, IN_SECURITY, 2, tail));
        let proof = proof(Algorithm::Md5, 1, OUTGOING, &[0x5a; 1_024]);
        assert_eq!(request(&login).1, format!("CHAP_N=us\0CHAP_R={proof}\0"));
    }
}

#[test]
fn the_target_proves_itself_where_that_is_wanted() {
    let login = challenged(true);
    let text = request(&login).1;
    let ours = format!("\0CHAP_I=200\0CHAP_C={}\0", hex(&CHALLENGE));
    assert!(text.ends_with(&ours), "{text}");
    let theirs = proof(Algorithm::Sha256, IDENTIFIER, INCOMING, &CHALLENGE);
    let pairs = format!("CHAP_N=them,CHAP_R={theirs}");
    let login = go_on(step(login, TO_OPERATIONAL, 2, &pairs));
    assert!(request(&login).1.starts_with("HeaderDigest="));
    finishes(login, 3);

    // A target that moves on one exchange later.
    let login = go_on(step(challenged(true), IN_SECURITY, 2, &pairs));
    assert_eq!(request(&login).1, "");
    finishes(go_on(step(login, TO_OPERATIONAL, 3, "")), 4);
}

#[test]
fn a_target_without_proof_is_no_target() {
    let right = proof(Algorithm::Sha256, IDENTIFIER, INCOMING, &CHALLENGE);
    let reflected = proof(Algorithm::Sha256, IDENTIFIER, OUTGOING, &CHALLENGE);
    let other_identifier = proof(Algorithm::Sha256, 17, INCOMING, &CHALLENGE);
    let other_algorithm = proof(Algorithm::Md5, IDENTIFIER, INCOMING, &CHALLENGE);
    for (pairs, error) in [
        (String::new(), Unauthenticated::Missing),
        ("CHAP_N=them".into(), Unauthenticated::Missing),
        (format!("CHAP_R={right}"), Unauthenticated::Missing),
        (format!("CHAP_N=they,CHAP_R={right}"), Unauthenticated::Name),
        (format!("CHAP_N=,CHAP_R={right}"), Unauthenticated::Name),
        (
            format!("CHAP_N=them,CHAP_R={reflected}"),
            Unauthenticated::Response,
        ),
        (
            format!("CHAP_N=them,CHAP_R={other_identifier}"),
            Unauthenticated::Response,
        ),
        (
            format!("CHAP_N=them,CHAP_R={other_algorithm}"),
            Unauthenticated::Response,
        ),
        (
            format!("CHAP_N=them,CHAP_R={}", &right[..64]),
            Unauthenticated::Response,
        ),
        (
            format!("CHAP_N=them,CHAP_R={right}00"),
            Unauthenticated::Response,
        ),
        ("CHAP_N=them,CHAP_R=0x".into(), Unauthenticated::Response),
        ("CHAP_N=them,CHAP_R=17".into(), Unauthenticated::Response),
    ] {
        for flags in [TO_OPERATIONAL, IN_SECURITY] {
            let error = Error::from(error);
            assert_eq!(
                failed(step(challenged(true), flags, 2, &pairs)),
                error,
                "{pairs}"
            );
        }
    }
    // Too late: after the stage.
    let pairs = format!("CHAP_N=them,CHAP_R={right}");
    let login = go_on(step(challenged(false), TO_OPERATIONAL, 2, ""));
    let error = failed(step(
        login,
        TO_FULL_FEATURE,
        3,
        &format!("{AGREED},{pairs}"),
    ));
    assert_eq!(error, Violation::KeyNotAllowed(Key::ChapN).into());
}

/// RFC 7143 section 9.2: nothing less than what is configured.
#[test]
fn nobody_can_have_the_authentication_left_out() {
    let first = |flags, pairs: &str| {
        let login = login_with(Some(chap(credentials(false))));
        failed(step(login, flags, 0, pairs))
    };
    for method in ["None", "Reject", "KRB5", "chap", ""] {
        let error = Unauthenticated::Method.into();
        assert_eq!(
            first(IN_SECURITY, &format!("AuthMethod={method}")),
            error,
            "{method}"
        );
    }
    let missing = Violation::MissingKey(Key::AuthMethod).into();
    assert_eq!(first(IN_SECURITY, "TargetAlias=x"), missing);
    let unasked = Violation::TransitUnasked.into();
    assert_eq!(first(TO_OPERATIONAL, "AuthMethod=None"), unasked);
    assert_eq!(first(0x83, "AuthMethod=CHAP"), unasked);
    for pairs in ["", "CHAP_A=5,CHAP_I=1,CHAP_C=0x01"] {
        assert_eq!(
            failed(step(agreed(false), TO_OPERATIONAL, 1, pairs)),
            unasked
        );
    }
}

#[test]
fn a_challenge_follows_its_rules() {
    let challenge = |pairs: &str| failed(step(agreed(false), IN_SECURITY, 1, pairs));
    let rest = "CHAP_I=1,CHAP_C=0x01";
    for algorithm in ["4", "0", "99", "9"] {
        let error = Violation::InadmissibleAnswer(Key::ChapA).into();
        assert_eq!(challenge(&format!("CHAP_A={algorithm},{rest}")), error);
    }
    for algorithm in ["5 7", "", "07", "MD5"] {
        let error = Malformed::NotANumber(Key::ChapA).into();
        assert_eq!(challenge(&format!("CHAP_A={algorithm},{rest}")), error);
    }
    assert_eq!(
        challenge("CHAP_A=Reject"),
        Unsupported::ChapAlgorithm(Algorithms::all()).into()
    );
    for (pairs, key) in [
        ("CHAP_I=1,CHAP_C=0x01", Key::ChapA),
        ("CHAP_A=5,CHAP_C=0x01", Key::ChapI),
        ("CHAP_A=5,CHAP_I=1", Key::ChapC),
        ("", Key::ChapA),
    ] {
        assert_eq!(challenge(pairs), Violation::MissingKey(key).into());
    }
    let key = Key::ChapI;
    let error = Violation::OutOfRange { key, value: 256 }.into();
    assert_eq!(challenge("CHAP_A=5,CHAP_I=256,CHAP_C=0x01"), error);
    let too_long = hex(&[1; 1_025]);
    for bad in ["", "0x", "0xfg", "0b", "0bA", "0bAA", "17", "abc"] {
        let error = Malformed::NotBinary(Key::ChapC).into();
        assert_eq!(
            challenge(&format!("CHAP_A=5,CHAP_I=1,CHAP_C={bad}")),
            error,
            "{bad}"
        );
    }
    let error = Malformed::ValueTooLong(Key::ChapC).into();
    assert_eq!(
        challenge(&format!("CHAP_A=5,CHAP_I=1,CHAP_C={too_long}")),
        error
    );
    for (pairs, key) in [
        ("CHAP_A=5,CHAP_A=5,CHAP_I=1,CHAP_C=0x01", Key::ChapA),
        ("CHAP_A=5,CHAP_I=1,CHAP_I=1,CHAP_C=0x01", Key::ChapI),
        ("CHAP_A=5,CHAP_I=1,CHAP_C=0x01,CHAP_C=0x02", Key::ChapC),
    ] {
        assert_eq!(challenge(pairs), Violation::RepeatedKey(key).into());
    }
    for (pairs, key) in [
        ("CHAP_N=them", Key::ChapN),
        ("CHAP_R=0x01", Key::ChapR),
        ("HeaderDigest=None", Key::HeaderDigest),
    ] {
        assert_eq!(challenge(pairs), Violation::KeyNotAllowed(key).into());
    }
    let error = Violation::RepeatedKey(Key::AuthMethod).into();
    assert_eq!(challenge("AuthMethod=CHAP"), error);
    // Our own challenge, which only we know before we send it.
    let reflected = format!("CHAP_A=5,CHAP_I=1,CHAP_C={}", hex(&CHALLENGE));
    assert_eq!(challenge(&reflected), Violation::ReflectedChallenge.into());
}

#[test]
fn what_is_not_allowed_is_neither_offered_nor_taken() {
    let mut algorithms = Algorithms::NONE;
    algorithms.push(Algorithm::Sha1).unwrap();
    algorithms.push(Algorithm::Sha3_256).unwrap();
    let answered = |pairs: &str| {
        let chap = Chap {
            algorithms,
            ..chap(credentials(false))
        };
        let login = login_with(Some(chap));
        let login = go_on(step(login, IN_SECURITY, 0, "AuthMethod=CHAP"));
        assert_eq!(request(&login).1, "CHAP_A=6,8\0");
        step(login, IN_SECURITY, 1, pairs)
    };
    for number in [5, 7] {
        let error = Violation::InadmissibleAnswer(Key::ChapA).into();
        let pairs = format!("CHAP_A={number},CHAP_I=1,CHAP_C=0x01");
        assert_eq!(failed(answered(&pairs)), error);
    }
    for number in [6, 8] {
        go_on(answered(&format!("CHAP_A={number},CHAP_I=1,CHAP_C=0x01")));
    }
    let error = failed(answered("CHAP_A=Reject"));
    assert_eq!(error, Unsupported::ChapAlgorithm(algorithms).into());
    assert!(error.to_string().contains("SHA-1, SHA3-256"), "{error}");
}

#[test]
fn keys_of_chap_have_their_place() {
    for (login, pairs, key) in [
        (new_login(), "CHAP_A=5", Key::ChapA),
        (
            login_with(Some(chap(credentials(false)))),
            "CHAP_A=5",
            Key::ChapA,
        ),
        (challenged(false), "CHAP_N=them", Key::ChapN),
        (challenged(false), "CHAP_R=0x01", Key::ChapR),
        (challenged(true), "CHAP_C=0x01", Key::ChapC),
    ] {
        let stat_sn = if request(&login).1.starts_with("Init") {
            0
        } else {
            2
        };
        let error = failed(step(login, IN_SECURITY, stat_sn, pairs));
        assert_eq!(error, Violation::KeyNotAllowed(key).into());
    }
    let theirs = proof(Algorithm::Sha256, IDENTIFIER, INCOMING, &CHALLENGE);
    for (pair, key) in [
        ("CHAP_N=them".to_string(), Key::ChapN),
        (format!("CHAP_R={theirs}"), Key::ChapR),
    ] {
        let error = failed(step(
            challenged(true),
            IN_SECURITY,
            2,
            &format!("{pair},{pair}"),
        ));
        assert_eq!(error, Violation::RepeatedKey(key).into());
    }
}

#[test]
fn the_longest_names_and_proofs_fit_a_request() {
    let mut credentials = credentials(true);
    let name = "n".repeat(255);
    credentials.outgoing.name = Text::new(&name).unwrap();
    let login = login_with(Some(chap(credentials)));
    let login = go_on(step(login, IN_SECURITY, 0, "AuthMethod=CHAP"));
    let login = go_on(step(login, IN_SECURITY, 1, "CHAP_A=8,CHAP_I=1,CHAP_C=0x01"));
    assert!(request(&login).1.starts_with(&format!("CHAP_N={name}\0")));
}

#[test]
fn a_hash_that_cannot_be_computed_ends_the_login() {
    let chap = Chap {
        hash: &Broken,
        ..chap(credentials(false))
    };
    let login = login_with(Some(chap));
    let login = go_on(step(login, IN_SECURITY, 0, "AuthMethod=CHAP"));
    let error = failed(step(login, IN_SECURITY, 1, "CHAP_A=5,CHAP_I=1,CHAP_C=0x01"));
    assert_eq!(error, Misuse::Hash.into());
}

#[test]
fn nothing_shows_a_secret() {
    let login = challenged(true);
    for text in [format!("{login:?}"), format!("{:?}", credentials(true))] {
        assert!(!text.contains(OUTGOING), "{text}");
        assert!(!text.contains("111, 117, 116"), "{text}");
    }
}
