// SPDX-License-Identifier: GPL-2.0-only

//! A recorded session: what tgt 1.0.85 sent, byte for byte, and what it was sent.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod iscsi_support;

use iscsi_init::proto::iscsi::{
    frame::Frame,
    keys::{
        DigestChoice,
        Offer, //
    },
    login::{
        Identity,
        Login,
        Step,
        Workspace, //
    },
    lun::Lun,
    pdu::{
        request::{
            Attribute,
            Direction, //
        },
        response::{
            self,
            Received,
            Residual,
            ScsiStatus,
            Status, //
        },
    },
    quirk::Quirks,
    session::Session,
    tag::Itt,
    task::{
        Outcome,
        Task, //
    }, //
};

use iscsi_support::{
    header,
    hex, //
};

/// A login and the first commands to tgt 1.0.85, byte for byte as they went over the wire.
#[test]
fn a_session_with_tgt() {
    let identity = Identity {
        initiator: "iqn.2004-10.example:trial",
        target: Some("iqn.2004-10.example:disk"),
        alias: None,
        isid: [0x80, 1, 2, 3, 4, 5],
        chap: None,
    };
    let offer = Offer {
        header_digest: DigestChoice::Never,
        data_digest: DigestChoice::Never,
        ..Offer::default()
    };
    let mut workspace = Workspace::zeroed();
    let login = Login::new(identity, offer, &mut workspace);
    let mut buffer = [0; 48 + 8192];
    let length = login.request(&mut buffer).unwrap();
    let text = b"InitiatorName=iqn.2004-10.example:trial\0TargetName=iqn.2004-10.example:disk\0\
                 SessionType=Normal\0AuthMethod=None\0\0";
    let sent = header(
        "43 81 00 00  00 00 00 6f  80 01 02 03 04 05 00 00  00 00 00 00  00 00 00 00
         00 00 00 01  00 00 00 00  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00",
    );
    assert_eq!(buffer[..length], [&sent[..], text].concat());

    let answer = header(
        "23 81 00 00  00 00 00 27  80 01 02 03 04 05 00 00  00 00 00 00  00 00 00 00
         00 00 00 00  00 00 00 01  00 00 00 02  00 00 00 00  00 00 00 00  00 00 00 00",
    );
    let text = b"TargetPortalGroupTag=1\0AuthMethod=None\0";
    let Ok(Step::Request(login)) = login.response(&answer, text) else {
        panic!("the security stage failed");
    };
    let length = login.request(&mut buffer).unwrap();
    let sent = header(
        "43 87 00 00  00 00 01 20  80 01 02 03 04 05 00 00  00 00 00 00  00 00 00 00
         00 00 00 01  00 00 00 01  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00",
    );
    assert_eq!((&buffer[..48], length), (&sent[..], 48 + 0x120));

    let answer = header(
        "23 87 00 00  00 00 00 fd  80 01 02 03 04 05 01 00  00 00 00 00  00 00 00 00
         00 00 00 01  00 00 00 01  00 00 00 02  00 00 00 00  00 00 00 00  00 00 00 00",
    );
    let text = b"HeaderDigest=None\0DataDigest=None\0MaxConnections=1\0InitialR2T=Yes\0\
                 ImmediateData=Yes\0MaxBurstLength=262144\0FirstBurstLength=65536\0\
                 DefaultTime2Wait=2\0DefaultTime2Retain=0\0MaxOutstandingR2T=1\0\
                 DataPDUInOrder=Yes\0DataSequenceInOrder=Yes\0ErrorRecoveryLevel=0\0";
    let Ok(Step::Established(established)) = login.response(&answer, text) else {
        panic!("the operational stage failed");
    };
    assert_eq!(
        (established.tsih, established.target_portal_group),
        (0x0100, Some(1))
    );
    assert_eq!(established.quirks, Quirks::NONE);
    let mut session = Session::new(&established);
    let parameters = *session.parameters();
    assert_eq!(parameters.max_send_data_segment_length, 8_192);

    // TEST UNIT READY, answered with a unit attention.
    let lun = Lun::from_number(1).unwrap();
    let mut task = Task::new(lun, Direction::None, 0, &parameters);
    let command = session
        .scsi_command(&mut task, Itt::new(0), Attribute::Simple, &[0; 6])
        .unwrap();
    let sent = header(
        "01 81 00 00  00 00 00 00  00 01 00 00 00 00 00 00  00 00 00 00  00 00 00 00
         00 00 00 01  00 00 00 02  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00",
    );
    assert_eq!(command[..], sent);
    let answer = header(
        "21 80 00 02  00 00 00 14  00 00 00 00 00 00 00 00  00 00 00 00  00 00 00 00
         00 00 00 02  00 00 00 02  00 00 00 82  00 00 00 00  00 00 00 00  00 00 00 00",
    );
    assert_eq!(Frame::of(&answer, 1 << 20).unwrap().data_length, 20);
    let Ok(Received::ScsiResponse(response)) = session.receive(&answer) else {
        panic!("not a SCSI Response");
    };
    let status = Status {
        status: ScsiStatus::CHECK_CONDITION,
        residual: Residual::None,
    };
    assert_eq!(task.response(&response), Outcome::Completed(status));
    let data = hex("0012 7000060000 00000a0000000029 0000000000");
    assert_eq!(
        response::sense(&data),
        hex("700006000000000a00000000290000000000")
    );

    // INQUIRY, answered with less than it has room for.
    let mut task = Task::new(lun, Direction::Read, 255, &parameters);
    let cdb = [0x12, 0, 0, 0, 255, 0];
    let command = session
        .scsi_command(&mut task, Itt::new(5), Attribute::Simple, &cdb)
        .unwrap();
    let sent = header(
        "01 c1 00 00  00 00 00 00  00 01 00 00 00 00 00 00  00 00 00 05  00 00 00 ff
         00 00 00 02  00 00 00 03  12 00 00 00 ff 00 00 00 00 00 00 00 00 00 00 00",
    );
    assert_eq!(command[..], sent);
    let answer = header(
        "25 83 00 00  00 00 00 42  00 00 00 00 00 00 00 00  00 00 00 05  ff ff ff ff
         00 00 00 03  00 00 00 03  00 00 00 83  00 00 00 00  00 00 00 00  00 00 00 bd",
    );
    let Ok(Received::DataIn(data_in)) = session.receive(&answer) else {
        panic!("not a Data-In");
    };
    assert_eq!(task.data_in(&data_in), Ok(0..66));
    let status = Status {
        status: ScsiStatus::GOOD,
        residual: Residual::Underflow(189),
    };
    assert_eq!(
        task.status(&data_in.status.unwrap()),
        Outcome::Completed(status)
    );
}
