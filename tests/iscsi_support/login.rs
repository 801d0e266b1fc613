// SPDX-License-Identifier: GPL-2.0-only

//! A login with everything about it checked that holds for every request, step by step.

use iscsi_init::proto::iscsi::{
    chap::Chap,
    error::Error,
    keys::Offer,
    login::{
        Established,
        Identity,
        Login,
        Step,
        Workspace, //
    }, //
};

use super::{
    data_length,
    login_response,
    word,
    Builder, //
};

pub(crate) const INITIATOR: &str = "iqn.2004-10.example:initiator";
pub(crate) const TARGET: &str = "iqn.2004-10.example:target";
pub(crate) const ISID: [u8; 6] = [0x80, 0x12, 0x34, 0x56, 0x78, 0x9a];

/// T with CSG and NSG for the end of the security stage.
pub(crate) const TO_OPERATIONAL: u8 = 0x81;
/// The security stage goes on.
pub(crate) const IN_SECURITY: u8 = 0x00;
/// T with CSG and NSG for the end of the operational stage.
pub(crate) const TO_FULL_FEATURE: u8 = 0x87;
/// The operational stage goes on.
pub(crate) const IN_OPERATIONAL: u8 = 0x04;
/// C: the text goes on in the next response.
pub(crate) const CONTINUE: u8 = 0x40;

/// What a target answers that agrees with everything.
pub(crate) const AGREED: &str = "HeaderDigest=None,DataDigest=None,MaxConnections=1,InitialR2T=No,\
    ImmediateData=Yes,MaxRecvDataSegmentLength=65536,MaxBurstLength=1048576,\
    FirstBurstLength=131072,DefaultTime2Wait=2,DefaultTime2Retain=0,MaxOutstandingR2T=1,\
    DataPDUInOrder=Yes,DataSequenceInOrder=Yes,ErrorRecoveryLevel=0";

/// The text of pairs that are separated by commas here.
pub(crate) fn text(pairs: &str) -> Vec<u8> {
    pairs
        .split(',')
        .filter(|pair| !pair.is_empty())
        .flat_map(|pair| [pair, "\0"])
        .collect::<String>()
        .into()
}

/// A login that has sent nothing.
pub(crate) fn new_login() -> Login<'static> {
    login_with(None)
}

/// A login that has sent nothing and authenticates like this.
pub(crate) fn login_with(chap: Option<Chap<'static>>) -> Login<'static> {
    login_offering(Offer::default(), chap)
}

/// The same, with an offer of its own.
pub(crate) fn login_offering(offer: Offer, chap: Option<Chap<'static>>) -> Login<'static> {
    let identity = Identity {
        initiator: INITIATOR,
        target: Some(TARGET),
        alias: None,
        isid: ISID,
        chap,
    };
    Login::new(identity, offer, workspace())
}

/// Memory for one login.
pub(crate) fn workspace() -> &'static mut Workspace {
    Box::leak(Box::new(Workspace::zeroed()))
}

/// Sends the next request; checks what holds for every one, and returns its header and its text.
pub(crate) fn request(login: &Login<'_>) -> (Vec<u8>, String) {
    let mut buffer = vec![0xee; 48 + 8192];
    let length = login.request(&mut buffer).unwrap();
    let data = data_length(&buffer);
    assert_eq!(length, 48 + data.next_multiple_of(4));
    assert!(
        buffer[48 + data..length].iter().all(|byte| *byte == 0),
        "padding"
    );
    // RFC 7143 sections 6.3 and 11.12: immediate, versions, ISID, TSIH, tag, CID and CmdSN never
    // change.
    assert_eq!(buffer[0], 0x43);
    assert_eq!(buffer[2..5], [0, 0, 0]);
    assert_eq!(buffer[8..14], ISID);
    assert_eq!(buffer[14..24], [0; 10]);
    assert_eq!(word(&buffer, 24), 1);
    assert_eq!(buffer[32..48], [0; 16]);
    let text = String::from_utf8(buffer[48..48 + data].to_vec()).unwrap();
    (buffer[..48].to_vec(), text)
}

/// Sends the next request and hands over this response.
pub(crate) fn answer(
    login: Login<'static>,
    response: &Builder,
    data: &[u8],
) -> Result<Step<'static>, Error> {
    request(&login);
    login.response(&response.0, data)
}

/// The same, with the response put together from these flags and pairs.
pub(crate) fn step(
    login: Login<'static>,
    flags: u8,
    stat_sn: u32,
    pairs: &str,
) -> Result<Step<'static>, Error> {
    let data = text(pairs);
    let tsih = if flags == TO_FULL_FEATURE { 7 } else { 0 };
    answer(
        login,
        &login_response(flags, tsih, stat_sn, data.len()),
        &data,
    )
}

pub(crate) fn go_on(step: Result<Step<'static>, Error>) -> Login<'static> {
    match step {
        Ok(Step::Request(login)) => login,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn established(step: Result<Step<'static>, Error>) -> Established {
    match step {
        Ok(Step::Established(established)) => established,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn failed(step: Result<Step<'static>, Error>) -> Error {
    match step {
        Err(error) => error,
        other => panic!("{other:?}"),
    }
}

/// A login at the beginning of its operational stage.
pub(crate) fn in_operational() -> Login<'static> {
    go_on(step(new_login(), TO_OPERATIONAL, 0, "AuthMethod=None"))
}

/// The end of a login whose target answers the operational keys with this.
pub(crate) fn operational(pairs: &str) -> Result<Step<'static>, Error> {
    step(in_operational(), TO_FULL_FEATURE, 1, pairs)
}

/// The same, with one pair of [`AGREED`] replaced by its like.
pub(crate) fn agreed_but(pair: &str) -> Result<Step<'static>, Error> {
    let key = pair.split('=').next().unwrap();
    let others = AGREED
        .split(',')
        .filter(|other| other.split('=').next() != Some(key));
    operational(&others.chain([pair]).collect::<Vec<_>>().join(","))
}
