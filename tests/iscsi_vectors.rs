// SPDX-License-Identifier: GPL-2.0-only

//! Headers held against bytes that other hands assembled: RFC 7143's figures, and tgt 1.0.85 on the
//! wire.

#![allow(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::arithmetic_side_effects
)]

mod iscsi_support;

use iscsi_init::proto::{
    iscsi::{
        error::Violation,
        lun::Lun,
        opcode::Opcode,
        pdu::{
            header::Cdb,
            request::{
                Attribute,
                DataOut,
                Direction,
                Function,
                LogoutRequest,
                NopOut,
                ScsiCommand,
                TaskManagementRequest, //
            },
            response::{
                self,
                AsynchronousMessage,
                DataIn,
                Event,
                FunctionResponse,
                LogoutResponse,
                NopIn,
                Numbers,
                Ping,
                R2t,
                Received,
                Reject,
                RejectReason,
                Rejected,
                Residual,
                ScsiResponse,
                ScsiStatus,
                Status,
                TaskManagementResponse, //
            },
        },
        tag::{
            Itt,
            Ttt, //
        },
    },
    serial::Serial, //
};

use iscsi_support::{
    header,
    hex,
    nop_in,
    r2t,
    scsi_response,
    Builder, //
};

const fn sn(value: u32) -> Serial {
    Serial::new(value)
}

fn numbers(stat_sn: Option<u32>, exp_cmd_sn: u32, max_cmd_sn: u32) -> Numbers {
    Numbers {
        stat_sn: stat_sn.map(sn),
        exp_cmd_sn: sn(exp_cmd_sn),
        max_cmd_sn: sn(max_cmd_sn),
    }
}

// RFC 7143 section 11.3.
#[test]
fn scsi_command() {
    let mut command = ScsiCommand {
        itt: Itt::new(0x1011_1213),
        lun: Lun::from_number(5).unwrap(),
        direction: Direction::Write,
        is_final: false,
        attribute: Attribute::Simple,
        expected_length: 0x2021_2223,
        immediate_length: 0x30_3132,
        cmd_sn: sn(0x4041_4243),
        exp_stat_sn: sn(0x5051_5253),
        cdb: Cdb::new(b"0123456789abcdef").unwrap(),
    };
    let expected = header(
        "01 21 00 00  00 30 31 32  00 05 00 00 00 00 00 00  10 11 12 13  20 21 22 23
         40 41 42 43  50 51 52 53  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66",
    );
    assert_eq!(command.emit()[..], expected);
    // RFC 7143 section 11.2.2.3: AHSLength is CDBLength - 15.
    command.cdb = Cdb::new(b"0123456789abcdefABCDEFGHIJK").unwrap();
    let long = command.emit();
    assert_eq!(long[4], 4);
    assert_eq!(long[5..48], expected[5..]);
    assert_eq!(&long[48..], b"\0\x0c\x01\0ABCDEFGHIJK\0");
    command.is_final = true;
    let flags = |direction, attribute| {
        ScsiCommand {
            direction,
            attribute,
            ..command
        }
        .emit()[1]
    };
    assert_eq!(flags(Direction::Read, Attribute::Untagged), 0xc0);
    assert_eq!(flags(Direction::Write, Attribute::Ordered), 0xa2);
    assert_eq!(flags(Direction::None, Attribute::HeadOfQueue), 0x83);
}

// RFC 7143 section 11.5.
#[test]
fn task_management_request() {
    let request = |function| {
        TaskManagementRequest {
            function,
            lun: Lun::from_number(300).unwrap(),
            itt: Itt::new(0x1011_1213),
            cmd_sn: sn(0x4041_4243),
            exp_stat_sn: sn(0x5051_5253),
        }
        .emit()
    };
    let abort = Function::AbortTask {
        referenced: Itt::new(0x6061_6263),
        ref_cmd_sn: sn(0x7071_7273),
    };
    let expected = header(
        "42 81 00 00  00 00 00 00  41 2c 00 00 00 00 00 00  10 11 12 13  60 61 62 63
         40 41 42 43  50 51 52 53  70 71 72 73  00 00 00 00  00 00 00 00 00 00 00 00",
    );
    assert_eq!(request(abort), expected);
    let expected = header(
        "42 85 00 00  00 00 00 00  41 2c 00 00 00 00 00 00  10 11 12 13  ff ff ff ff
         40 41 42 43  50 51 52 53  00 00 00 00  00 00 00 00  00 00 00 00 00 00 00 00",
    );
    assert_eq!(request(Function::LogicalUnitReset), expected);
    let expected = header(
        "42 86 00 00  00 00 00 00  00 00 00 00 00 00 00 00  10 11 12 13  ff ff ff ff
         40 41 42 43  50 51 52 53  00 00 00 00  00 00 00 00  00 00 00 00 00 00 00 00",
    );
    assert_eq!(request(Function::TargetWarmReset), expected);
}

// RFC 7143 section 11.7.
#[test]
fn data_out() {
    let mut data_out = DataOut {
        lun: Lun::from_number(5).unwrap(),
        ttt: Ttt::new(0xabba_abba),
        data_sn: 0x6061_6263,
        offset: 0x7071_7273,
        length: 0x30_3132,
        last: false,
    };
    let expected = header(
        "05 00 00 00  00 30 31 32  00 05 00 00 00 00 00 00  10 11 12 13  ab ba ab ba
         00 00 00 00  50 51 52 53  00 00 00 00  60 61 62 63  70 71 72 73  00 00 00 00",
    );
    assert_eq!(
        data_out.emit(Itt::new(0x1011_1213), sn(0x5051_5253)),
        expected
    );
    data_out.last = true;
    assert_eq!(data_out.emit(Itt::new(0), sn(0))[1], 0x80);
}

// RFC 7143 section 11.14.
#[test]
fn logout_request() {
    let request = LogoutRequest {
        itt: Itt::new(0x1011_1213),
        cmd_sn: sn(0x4041_4243),
        exp_stat_sn: sn(0x5051_5253),
    };
    let expected = header(
        "46 80 00 00  00 00 00 00  00 00 00 00 00 00 00 00  10 11 12 13  00 00 00 00
         40 41 42 43  50 51 52 53  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00",
    );
    assert_eq!(request.emit(), expected);
}

// RFC 7143 section 11.18.
#[test]
fn nop_out() {
    let nop_out = NopOut {
        itt: Itt::RESERVED,
        ttt: Ttt::new(0x2021_2223),
        lun: Lun::from_number(5).unwrap(),
        cmd_sn: sn(0x4041_4243),
        exp_stat_sn: sn(0x5051_5253),
    };
    let expected = header(
        "40 80 00 00  00 00 00 00  00 05 00 00 00 00 00 00  ff ff ff ff  20 21 22 23
         40 41 42 43  50 51 52 53  00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00",
    );
    assert_eq!(nop_out.emit(), expected);
}

// RFC 7143 section 11.4.
#[test]
fn parsed_scsi_response() {
    let bytes = header(
        "21 82 00 02  00 00 00 14  00 00 00 00 00 00 00 00  10 11 12 13  00 00 00 00
         20 21 22 23  30 31 32 33  40 41 42 43  50 51 52 53  60 61 62 63  70 71 72 73",
    );
    let status = Status {
        status: ScsiStatus::CHECK_CONDITION,
        residual: Residual::Underflow(0x7071_7273),
    };
    let pdu = ScsiResponse {
        itt: Itt::new(0x1011_1213),
        outcome: Ok(status),
        exp_data_sn: 0x5051_5253,
        data_length: 20,
    };
    let numbers = numbers(Some(0x2021_2223), 0x3031_3233, 0x4041_4243);
    assert_eq!(
        response::parse(&bytes),
        Ok((Received::ScsiResponse(pdu), numbers))
    );
}

#[test]
fn a_response_other_than_completed_makes_the_rest_meaningless() {
    // Both residual bits and CHECK CONDITION without sense, none of which counts.
    let bytes = scsi_response(1, 2, 0).byte(1, 0x86).byte(2, 1).0;
    match response::parse(&bytes).unwrap().0 {
        Received::ScsiResponse(pdu) => assert_eq!(pdu.outcome, Err(1)),
        other => panic!("{other:?}"),
    }
}

// RFC 7143 section 11.6.
#[test]
fn parsed_task_management_response() {
    let bytes = header(
        "22 80 05 00  00 00 00 00  00 00 00 00 00 00 00 00  10 11 12 13  00 00 00 00
         20 21 22 23  30 31 32 33  40 41 42 43  00 00 00 00  00 00 00 00  00 00 00 00",
    );
    let pdu = TaskManagementResponse {
        itt: Itt::new(0x1011_1213),
        response: FunctionResponse::NOT_SUPPORTED,
    };
    let numbers = numbers(Some(0x2021_2223), 0x3031_3233, 0x4041_4243);
    assert_eq!(
        response::parse(&bytes),
        Ok((Received::TaskManagement(pdu), numbers))
    );
}

// RFC 7143 section 11.7.
#[test]
fn parsed_data_in() {
    let mut bytes = header(
        "25 00 00 00  00 30 31 32  00 05 00 00 00 00 00 00  10 11 12 13  ff ff ff ff
         20 21 22 23  30 31 32 33  40 41 42 43  50 51 52 53  60 61 62 63  70 71 72 73",
    );
    let mut pdu = DataIn {
        itt: Itt::new(0x1011_1213),
        data_sn: 0x5051_5253,
        offset: 0x6061_6263,
        length: 0x30_3132,
        status: None,
    };
    let expected = numbers(None, 0x3031_3233, 0x4041_4243);
    assert_eq!(
        response::parse(&bytes),
        Ok((Received::DataIn(pdu), expected))
    );

    bytes[1] = 0x85;
    bytes[3] = 0x04;
    pdu.status = Some(Status {
        status: ScsiStatus::CONDITION_MET,
        residual: Residual::Overflow(0x7071_7273),
    });
    let expected = numbers(Some(0x2021_2223), 0x3031_3233, 0x4041_4243);
    assert_eq!(
        response::parse(&bytes),
        Ok((Received::DataIn(pdu), expected))
    );
}

// RFC 7143 section 11.8.
#[test]
fn parsed_r2t() {
    let bytes = header(
        "31 80 00 00  00 00 00 00  00 05 00 00 00 00 00 00  10 11 12 13  18 19 1a 1b
         20 21 22 23  30 31 32 33  40 41 42 43  50 51 52 53  60 61 62 63  70 71 72 73",
    );
    let pdu = R2t {
        itt: Itt::new(0x1011_1213),
        ttt: Ttt::new(0x1819_1a1b),
        lun: Lun::from_number(5).unwrap(),
        r2t_sn: 0x5051_5253,
        offset: 0x6061_6263,
        length: 0x7071_7273,
    };
    let numbers = numbers(None, 0x3031_3233, 0x4041_4243);
    assert_eq!(response::parse(&bytes), Ok((Received::R2t(pdu), numbers)));
}

// RFC 7143 section 11.9.
#[test]
fn parsed_asynchronous_message() {
    let message = |event: u8| {
        let bytes = Builder::new(0x32, 0x80)
            .lun([0, 5, 0, 0, 0, 0, 0, 0])
            .word(16, u32::MAX)
            .numbers(7, 8, 9)
            .byte(36, event)
            .half(38, 0x0102)
            .half(40, 0x0304)
            .half(42, 0x0506);
        match response::parse(&bytes.data_length(20).0).unwrap() {
            (
                Received::Async(AsynchronousMessage {
                    event,
                    data_length: 20,
                }),
                numbers,
            ) => {
                assert_eq!(numbers.stat_sn, Some(sn(7)));
                event
            }
            other => panic!("{other:?}"),
        }
    };
    let (cid, time2wait, within) = (0x0102, 0x0304, 0x0506);
    assert_eq!(message(0), Event::Scsi(Lun::from_number(5).unwrap()));
    assert_eq!(message(1), Event::LogoutRequested { within });
    assert_eq!(message(2), Event::ConnectionDropped { cid, time2wait });
    assert_eq!(message(3), Event::SessionDropped { time2wait });
    assert_eq!(message(4), Event::NegotiationRequested { within });
    for other in [5, 6, 200, 248, 255] {
        assert_eq!(message(other), Event::Other(other));
    }
}

// RFC 7143 section 11.15.
#[test]
fn parsed_logout_response() {
    let bytes = Builder::new(0x26, 0x80)
        .byte(2, 3)
        .word(16, 9)
        .numbers(7, 8, 9)
        .0;
    let pdu = LogoutResponse {
        itt: Itt::new(9),
        response: 3,
    };
    let numbers = numbers(Some(7), 8, 9);
    assert_eq!(
        response::parse(&bytes),
        Ok((Received::Logout(pdu), numbers))
    );
}

// RFC 7143 section 11.17.
#[test]
fn parsed_reject() {
    let bytes = Builder::new(0x3f, 0x80)
        .byte(2, 9)
        .word(16, u32::MAX)
        .numbers(7, 8, 9);
    let pdu = Reject {
        reason: RejectReason::INVALID_FIELD,
        data_length: 48,
    };
    let numbers = numbers(Some(7), 8, 9);
    let parsed = response::parse(&bytes.data_length(48).0);
    assert_eq!(parsed, Ok((Received::Reject(pdu), numbers)));
}

#[test]
fn a_rejected_header_is_read_when_it_is_whole() {
    let rejected = Builder::new(0x41, 0x80).word(16, 0x1234_5678).0;
    for length in 0..48 {
        assert_eq!(Rejected::parse(&rejected[..length]), None, "{length} bytes");
    }
    let expected = Rejected {
        opcode: Opcode::SCSI_COMMAND,
        itt: Itt::new(0x1234_5678),
    };
    assert_eq!(Rejected::parse(&rejected), Some(expected));
    assert_eq!(
        Rejected::parse(&[&rejected[..], &[0; 8]].concat()),
        Some(expected)
    );
}

// RFC 7143 section 11.19.
#[test]
fn parsed_nop_in() {
    let parse = |builder: Builder| response::parse(&builder.numbers(7, 8, 9).0);
    let reply = NopIn::Reply {
        itt: Itt::new(1),
        data_length: 4,
    };
    let counted = numbers(Some(7), 8, 9);
    let parsed = parse(nop_in(1, u32::MAX).data_length(4));
    assert_eq!(parsed, Ok((Received::NopIn(reply), counted)));
    let uncounted = numbers(None, 8, 9);
    let ping = NopIn::Ping(Ping {
        ttt: Ttt::new(2),
        lun: Lun::from_number(5).unwrap(),
    });
    let parsed = parse(nop_in(u32::MAX, 2).lun([0, 5, 0, 0, 0, 0, 0, 0]));
    assert_eq!(parsed, Ok((Received::NopIn(ping), uncounted)));
    let parsed = parse(nop_in(u32::MAX, u32::MAX));
    assert_eq!(parsed, Ok((Received::NopIn(NopIn::Notice), uncounted)));
}

#[test]
fn illegal_headers_are_refused_by_the_rule_they_break() {
    let data_in = |flags: u8, status: u8| Builder::new(0x25, flags).byte(3, status).word(16, 1);
    let no_tag = |opcode: u8| Builder::new(opcode, 0x80).word(16, u32::MAX);
    let cases = [
        (nop_in(1, 2), Violation::PingAndReply),
        (
            nop_in(u32::MAX, 2).data_length(4),
            Violation::UnexpectedData(Opcode::NOP_IN),
        ),
        (
            nop_in(u32::MAX, u32::MAX).data_length(4),
            Violation::UnexpectedData(Opcode::NOP_IN),
        ),
        (
            r2t(1, 2, 0, 0, 512).data_length(4),
            Violation::UnexpectedData(Opcode::R2T),
        ),
        (r2t(1, u32::MAX, 0, 0, 512), Violation::R2tWithoutTag),
        (r2t(1, 2, 0, 0, 0), Violation::R2tForNothing),
        (
            r2t(u32::MAX, 2, 0, 0, 512),
            Violation::ReservedTag(Opcode::R2T),
        ),
        (data_in(0x01, 0), Violation::StatusBeforeEnd),
        (data_in(0x81, 2), Violation::ErrorStatusInDataIn(2)),
        (data_in(0x81, 8), Violation::ErrorStatusInDataIn(8)),
        (data_in(0x87, 0), Violation::BothResiduals),
        (no_tag(0x25), Violation::ReservedTag(Opcode::DATA_IN)),
        (
            scsi_response(1, 2, 0),
            Violation::CheckConditionWithoutSense,
        ),
        (
            scsi_response(1, 0, 0).byte(1, 0x86),
            Violation::BothResiduals,
        ),
        (no_tag(0x21), Violation::ReservedTag(Opcode::SCSI_RESPONSE)),
        (
            no_tag(0x22),
            Violation::ReservedTag(Opcode::TASK_MANAGEMENT_RESPONSE),
        ),
        (
            no_tag(0x26),
            Violation::ReservedTag(Opcode::LOGOUT_RESPONSE),
        ),
        (
            Builder::new(0x22, 0x80).data_length(1),
            Violation::UnexpectedData(Opcode::TASK_MANAGEMENT_RESPONSE),
        ),
        (
            Builder::new(0x26, 0x80).data_length(1),
            Violation::UnexpectedData(Opcode::LOGOUT_RESPONSE),
        ),
    ];
    for (builder, violation) in cases {
        assert_eq!(response::parse(&builder.0), Err(violation.into()));
    }
}

#[test]
fn only_what_a_target_may_send_is_parsed() {
    let legal = [0x20, 0x21, 0x22, 0x24, 0x25, 0x26, 0x31, 0x32, 0x3f];
    for opcode in (0..0x40).filter(|opcode| !legal.contains(opcode)) {
        let violation = Violation::UnexpectedOpcode(Opcode::of(opcode));
        let parsed = response::parse(&Builder::new(opcode, 0x80).0);
        assert_eq!(parsed, Err(violation.into()), "{opcode:#x}");
    }
}

#[test]
fn reserved_bits_are_ignored() {
    let plain = nop_in(1, u32::MAX).numbers(7, 8, 9);
    let noisy = plain
        .clone()
        .byte(0, 0xe0)
        .byte(1, 0xff)
        .byte(2, 0xff)
        .byte(3, 0xff)
        .word(44, 1);
    assert_eq!(response::parse(&plain.0), response::parse(&noisy.0));
}

#[test]
fn sense_is_clamped_to_its_segment() {
    let sense = |text: &str| response::sense(&hex(text)).to_vec();
    assert_eq!(sense("0003 700006 0000"), hex("700006"));
    assert_eq!(sense("0005 700006"), hex("700006"));
    assert_eq!(sense("ffff 70"), hex("70"));
    assert_eq!(sense("0000 70"), []);
    let autosense = |text: &str| response::autosense(&hex(text)).map(<[u8]>::to_vec);
    assert_eq!(autosense("0003 700006 0000"), Ok(hex("700006")));
    assert_eq!(autosense("ffff 7206"), Ok(hex("7206")));
    for none in [
        "",
        "00",
        "0000 700006",
        "0002 700006",
        "0003 000006",
        "0003 740606",
    ] {
        let violation = Violation::CheckConditionWithoutSense;
        assert_eq!(autosense(none), Err(violation.into()), "{none}");
    }
    for short in ["", "00", "0001"] {
        assert_eq!(sense(short), [], "{short}");
    }
}
