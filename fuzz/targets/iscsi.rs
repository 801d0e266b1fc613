// SPDX-License-Identifier: GPL-2.0-only

//! The fuzz targets of the iSCSI initiator.

use iscsi_init::proto::{
    bytes::Reader,
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
        discovery::{
            Discovery,
            Item,
            Progress, //
        },
        frame::Frame,
        keys::Offer,
        login::{
            Established,
            Identity,
            Login,
            Step,
            Workspace,
            DATA_LENGTH_MAX, //
        },
        lun::Lun,
        parameters::Parameters,
        pdu::{
            request::{
                Attribute,
                Direction, //
            },
            response::{
                sense,
                Received,
                Rejected,
                Residual, //
            },
        },
        quirk::Quirks,
        session::Session,
        tag::Itt,
        task::{
            Outcome,
            Task, //
        },
        text::{
            Assembler,
            PARTIAL, //
        },
        HEADER_LENGTH, //
    },
    serial::Serial, //
};

use super::captured;

/// Takes one PDU, framed as the initiator frames it.
fn pdu<'a>(reader: &mut Reader<'a>, limit: u32) -> Option<([u8; HEADER_LENGTH], &'a [u8])> {
    let header = reader.array::<HEADER_LENGTH>()?;
    let frame = Frame::of(&header, limit).ok()?;
    assert!(frame.data_length <= limit);
    let data = reader.take(usize::try_from(frame.data_length).unwrap())?;
    assert!(data.len().wrapping_add(frame.padding) % 4 == 0);
    reader.take(frame.padding)?;
    Some((header, data))
}

/// A hash function that every peer can compute.
struct Zeroes;

impl Hash for Zeroes {
    fn hash(&self, _: Algorithm, parts: [&[u8]; 3], _: &mut [u8; HASH_MAX]) -> Option<()> {
        assert!(parts
            .iter()
            .all(|part| !part.is_empty() && part.len() <= 1_024));
        Some(())
    }
}

/// A whole login against the PDUs in `data`.
pub(crate) fn iscsi_login(data: &[u8]) {
    login(data, None);
}

/// A whole login in which both sides prove who they are.
pub(crate) fn iscsi_chap(data: &[u8]) {
    let mut credentials = Credentials::none();
    credentials.outgoing.secret.set(b"outgoing").unwrap();
    credentials.incoming.secret.set(b"incoming").unwrap();
    let chap = Chap {
        credentials: &credentials,
        algorithms: Algorithms::all(),
        hash: &Zeroes,
        identifier: 7,
        challenge: [7; CHALLENGE_LENGTH],
    };
    login(data, Some(chap));
}

fn login(data: &[u8], chap: Option<Chap<'_>>) {
    let mut reader = Reader::new(data);
    let name = "iqn.2004-10.example:".to_string() + &"n".repeat(203);
    let identity = Identity {
        initiator: &name,
        target: Some(&name),
        alias: None,
        isid: [0x80, 0, 0, 0, 0, 1],
        chap,
    };
    let mut buffer = [0; HEADER_LENGTH + DATA_LENGTH_MAX];
    let mut workspace = Workspace::zeroed();
    let mut login = Login::new(identity, Offer::default(), &mut workspace);
    loop {
        let length = login.request(&mut buffer).expect("every request fits");
        let header: &[u8; HEADER_LENGTH] = buffer[..HEADER_LENGTH].try_into().unwrap();
        let frame = Frame::of(header, 8_192).unwrap();
        let data_length = usize::try_from(frame.data_length).unwrap();
        assert_eq!(length, HEADER_LENGTH + data_length + frame.padding);
        assert!(data_length == 0 || buffer[HEADER_LENGTH + data_length - 1] == 0);

        let Some((header, text)) = pdu(&mut reader, 8_192) else {
            return;
        };
        match login.response(&header, text) {
            Ok(Step::Request(next)) => login = next,
            Ok(Step::Established(established)) => {
                legal(&established.parameters);
                assert_ne!(established.tsih, 0);
                return;
            }
            Ok(Step::Moved(redirect)) => {
                assert_ne!(redirect.port, 0);
                return;
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                return;
            }
        }
    }
}

/// A session whose numbers are about to wrap.
fn established(parameters: Parameters) -> Established {
    Established {
        parameters,
        tsih: 1,
        cmd_sn: Serial::new(u32::MAX),
        exp_cmd_sn: Serial::new(u32::MAX),
        max_cmd_sn: Serial::new(0),
        exp_stat_sn: Serial::new(u32::MAX),
        target_portal_group: None,
        quirks: Quirks::NONE,
    }
}

/// A discovery session's text against the PDUs in `data`.
pub(crate) fn iscsi_discovery(data: &[u8]) {
    let mut reader = Reader::new(data);
    let mut partial = [0; PARTIAL];
    let mut discovery = Discovery::new(&established(Parameters::default()), &mut partial);
    let mut buffer = [0; HEADER_LENGTH + 16];
    let mut progress = Progress::Request;
    while progress != Progress::Done {
        if progress == Progress::Request {
            let length = discovery.request(&mut buffer).expect("every request fits");
            assert!(length == HEADER_LENGTH || length == HEADER_LENGTH + 16);
        }
        let Some((header, text)) = pdu(&mut reader, 8_192) else {
            return;
        };
        let visit = |item: Item<'_>| match item {
            Item::Target(name) => assert!(!name.is_empty() && name.len() <= 255),
            Item::Address(_, port, _) => assert_ne!(port, 0),
        };
        match discovery.response(&header, text, visit) {
            Ok(next) => progress = next,
            Err(error) => {
                assert!(!error.to_string().is_empty());
                break;
            }
        }
    }
    assert_eq!(discovery.logout()[0], 0x46);
}

/// Nothing negotiated may lie outside what was offered, or what RFC 7143 allows.
fn legal(parameters: &Parameters) {
    let lengths = 512..=0xff_ffff;
    let offer = Offer::default();
    assert!(lengths.contains(&parameters.max_send_data_segment_length));
    assert!(lengths.contains(&parameters.max_burst_length));
    assert!(lengths.contains(&parameters.first_burst_length));
    let receive = parameters.max_receive_data_segment_length;
    assert_eq!(receive, offer.max_receive_data_segment_length);
    assert!(parameters.max_burst_length <= offer.max_burst_length);
    assert!(parameters.first_burst_length <= offer.first_burst_length);
    assert_eq!(parameters.max_outstanding_r2t, 1);
    assert!(parameters.default_time2wait <= 3_600);
    let unsolicited = parameters.immediate_data || !parameters.initial_r2t;
    assert!(!unsolicited || parameters.first_burst_length <= parameters.max_burst_length);
}

/// The Full Feature Phase of a session with one read (tag 1) and one write (tag 2) in it.
pub(crate) fn iscsi_session(data: &[u8]) {
    const LENGTH: u32 = 4_096;
    let mut reader = Reader::new(data);
    let mut number = || reader.u8().map_or(0, u32::from);
    let parameters = Parameters {
        initial_r2t: number() % 2 == 0,
        immediate_data: number() % 2 == 0,
        max_send_data_segment_length: 512 + number(),
        max_receive_data_segment_length: 2_048,
        max_burst_length: 1_024 + number(),
        first_burst_length: 512 + number(),
        ..Parameters::default()
    };
    let mut session = Session::new(&established(parameters));
    let lun = Lun::default();
    let mut read = Task::new(lun, Direction::Read, LENGTH, &parameters);
    let mut write = Task::new(lun, Direction::Write, LENGTH, &parameters);
    for (task, tag) in [(&mut read, 1), (&mut write, 2)] {
        let command = session.scsi_command(task, Itt::new(tag), Attribute::Simple, &[0; 16]);
        assert!(command.is_ok());
    }
    assert!(!session.window_open());
    let (mut received, mut sent) = (0, owed(&mut write, &parameters));

    while let Some((header, data)) = pdu(&mut reader, parameters.max_receive_data_segment_length) {
        let Ok(pdu) = session.receive(&header) else {
            return;
        };
        let task = match pdu.itt().map(Itt::value) {
            Some(2) => &mut write,
            _ => &mut read,
        };
        let outcome = match pdu {
            Received::DataIn(data_in) => {
                let Ok(range) = task.data_in(&data_in) else {
                    return;
                };
                assert_eq!(range.start, received);
                assert!(range.end <= LENGTH);
                assert_eq!(range.len(), data.len());
                received = range.end;
                data_in.status.map(|status| task.status(&status))
            }
            Received::R2t(r2t) => {
                if task.r2t(&r2t, &parameters).is_err() {
                    return;
                }
                sent = sent.max(owed(task, &parameters));
                None
            }
            Received::ScsiResponse(response) => {
                assert!(sense(data).len() <= data.len().saturating_sub(2));
                Some(task.response(&response))
            }
            Received::Reject(_) => {
                assert!(Rejected::parse(data).is_none() || data.len() >= HEADER_LENGTH);
                None
            }
            _ => None,
        };
        let moved = match task.direction() {
            Direction::Read => received,
            _ => sent,
        };
        if let Some(Outcome::Completed(status)) = outcome {
            let unused = match status.residual {
                Residual::Underflow(count) => count,
                Residual::None | Residual::Overflow(_) => 0,
            };
            assert!(unused <= LENGTH);
            assert!(!status.status.is_success() || moved >= LENGTH - unused);
        }
    }
}

/// Takes all Data-Out that `task` owes; returns how far they reach.
fn owed(task: &mut Task, parameters: &Parameters) -> u32 {
    let mut reach = task.immediate_length();
    let mut next = None;
    while let Some(data_out) = task.next_data_out(parameters) {
        assert!(data_out.length > 0);
        assert!(data_out.length <= parameters.max_send_data_segment_length);
        assert!(next.is_none_or(|next| next == (data_out.offset, data_out.data_sn)));
        let end = data_out.offset.checked_add(data_out.length).unwrap();
        assert!(end <= task.expected_length());
        next = (!data_out.last).then_some((end, data_out.data_sn + 1));
        reach = reach.max(end);
    }
    assert_eq!(
        next, None,
        "the last Data-Out of a sequence says that it is the last"
    );
    reach
}

/// Text must mean the same wherever it is split; the first two bytes say where.
pub(crate) fn iscsi_text(data: &[u8]) {
    let Some((at, text)) = data.split_first_chunk::<2>() else {
        return;
    };
    let at = usize::from(u16::from_be_bytes(*at)).min(text.len());
    let (head, tail) = text.split_at(at);
    assert_eq!(pairs(&[text]), pairs(&[head, tail]));
}

/// What is found before the text ends or breaks a rule.
fn pairs(parts: &[&[u8]]) -> (Vec<(String, Vec<u8>)>, bool) {
    let mut found = Vec::new();
    let mut partial = [0; PARTIAL];
    let mut assembler = Assembler::new(&mut partial);
    for part in parts {
        let fed = assembler.feed(part, |key, value| {
            assert!(!key.is_empty() && key.len() <= 63);
            // How much is kept of a value that is too long depends on the split.
            found.push((key.to_string(), value[..value.len().min(256)].to_vec()));
            Ok(())
        });
        if fed.is_err() {
            return (found, false);
        }
    }
    (found, assembler.finish().is_ok())
}

/// The bytes of a PDU: the given words at their offsets, flags, and padded data.
fn seed(opcode: u8, flags: u8, words: &[(usize, u32)], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0; HEADER_LENGTH];
    bytes[4..8].copy_from_slice(&u32::try_from(data.len()).unwrap().to_be_bytes());
    bytes[..2].copy_from_slice(&[opcode, flags]);
    for (offset, word) in words {
        bytes[*offset..*offset + 4].copy_from_slice(&word.to_be_bytes());
    }
    bytes.extend(data);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// The Login Responses of a target that proposes keys of its own, and a redirection.
pub(crate) fn login_seeds() -> Vec<Vec<u8>> {
    let numbers = |stat_sn| [(24, stat_sn), (28, 1), (32, 2)];
    let final_numbers = [(12, 1), (24, 9), (28, 1), (32, 2)];
    let login = [
        seed(
            0x23,
            0x81,
            &numbers(7),
            b"TargetPortalGroupTag=1\0AuthMethod=None\0",
        ),
        seed(
            0x23,
            0x04,
            &numbers(8),
            b"HeaderDigest=None\0DataDigest=None\0MaxConnections=1\0InitialR2T=Yes\0\
              ImmediateData=No\0MaxRecvDataSegmentLength=0x2000\0X-other=1\0\
              TaskReporting=RFC3720,FastAbort\0OFMarker=No\0",
        ),
        seed(
            0x23,
            0x87,
            &final_numbers,
            b"MaxBurstLength=262144\0FirstBurstLength=65536\0DefaultTime2Wait=2\0\
              DefaultTime2Retain=0\0DataPDUInOrder=Yes\0DataSequenceInOrder=Yes\0",
        ),
    ];
    let redirection = seed(
        0x23,
        0,
        &[(36, 0x0101_0000)],
        b"TargetAddress=192.0.2.9:3261\0",
    );
    vec![
        login.concat(),
        redirection,
        captured::when("tgt lets the initiator in"),
        captured::when("LIO lets the initiator in"),
    ]
}

pub(crate) fn chap_seeds() -> Vec<Vec<u8>> {
    let numbers = |stat_sn| [(24, stat_sn), (28, 1), (32, 2)];
    let security = |stat_sn, text: &[u8]| seed(0x23, 0, &numbers(stat_sn), text);
    let base64 = security(8, b"CHAP_A=5\0CHAP_I=255\0CHAP_C=0bAAECAwQFBgc=\0");
    let hexadecimal = security(8, b"CHAP_A=8\0CHAP_I=0x1f\0CHAP_C=0x0102030405060708\0");
    let mut seeds = [base64, hexadecimal]
        .map(|challenge| {
            let proof = format!("CHAP_N=target\0CHAP_R=0x{}\0", "00".repeat(32));
            [
                security(7, b"TargetPortalGroupTag=1\0AuthMethod=CHAP\0"),
                challenge,
                seed(0x23, 0x81, &numbers(9), proof.as_bytes()),
            ]
            .concat()
        })
        .to_vec();
    seeds.push(captured::when("LIO lets the initiator in with CHAP"));
    seeds
}

pub(crate) fn discovery_seeds() -> Vec<Vec<u8>> {
    let none = u32::MAX;
    let words = |ttt, number: u32| {
        let stat_sn = number.wrapping_sub(1);
        [(16, 1), (20, ttt), (24, stat_sn), (28, 1), (32, 2)]
    };
    let parts = [
        seed(
            0x24,
            0x40,
            &words(7, 0),
            b"TargetName=iqn.2004-10.example:a\0Target",
        ),
        seed(
            0x20,
            0x80,
            &[(16, none), (20, none), (24, 0), (28, 1), (32, 2)],
            b"",
        ),
        seed(
            0x24,
            0x00,
            &words(8, 1),
            b"Address=192.0.2.1:3260,1\0TargetAddress=host:1,1\0",
        ),
        seed(
            0x24,
            0x80,
            &words(none, 2),
            b"TargetAddress=[2001:db8::1],1\0",
        ),
    ];
    vec![
        parts.concat(),
        renumbered(captured::when("LIO tells of its target"), 1),
    ]
}

/// Negotiated values in five bytes; then what the target sends for the write and for the read, and
/// a ping.
pub(crate) fn session_seeds() -> Vec<Vec<u8>> {
    let none = u32::MAX;
    let last = [
        (16, 1),
        (20, none),
        (24, 0),
        (28, 1),
        (32, 8),
        (36, 1),
        (40, 4),
        (44, 4_080),
    ];
    let session = [
        vec![0; 5],
        seed(
            0x31,
            0x80,
            &[(16, 2), (20, 9), (32, 8), (40, 512), (44, 1_024)],
            b"",
        ),
        seed(
            0x21,
            0x82,
            &[(16, 2), (24, none), (32, 8), (36, 1), (44, 2_560)],
            b"",
        ),
        seed(0x25, 0x00, &[(16, 1), (20, none), (32, 8)], b"data"),
        seed(0x25, 0x83, &last, b"more of data"),
        seed(
            0x20,
            0x80,
            &[(16, none), (20, 3), (24, 1), (28, 1), (32, 8)],
            b"",
        ),
        seed(
            0x3f,
            0x80,
            &[(16, none), (24, 1), (28, 1), (32, 8)],
            &[0x41; 48],
        ),
    ];
    let captured = [
        (
            "LIO answers INQUIRY twice, and a command with a unit attention",
            1,
        ),
        ("LIO asks for data", 2),
    ];
    let captured = captured.map(|(what, tag)| {
        let pdus = renumbered(captured::when(what), tag);
        [&[0; 5][..], &pdus].concat()
    });
    [&[session.concat()][..], &captured].concat()
}

/// PDUs of a target with the tag that a task has here, and StatSN as it begins here.
fn renumbered(mut bytes: Vec<u8>, tag: u32) -> Vec<u8> {
    let (mut at, mut stat_sn) = (0, u32::MAX);
    while at < bytes.len() {
        let header: &[u8; HEADER_LENGTH] = bytes[at..at + HEADER_LENGTH].try_into().unwrap();
        let frame = Frame::of(header, u32::MAX).unwrap();
        let data_length = usize::try_from(frame.data_length).unwrap();
        bytes[at + 16..at + 20].copy_from_slice(&tag.to_be_bytes());
        bytes[at + 24..at + 28].copy_from_slice(&stat_sn.to_be_bytes());
        stat_sn = stat_sn.wrapping_add(1);
        at += HEADER_LENGTH + data_length + frame.padding;
    }
    bytes
}

/// Where to split, then text.
pub(crate) fn text_seeds() -> Vec<Vec<u8>> {
    vec![b"\0\x09HeaderDigest=None\0X-a.b=\0\0TargetAlias=a=b\0".to_vec()]
}
