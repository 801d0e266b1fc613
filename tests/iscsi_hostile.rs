// SPDX-License-Identifier: GPL-2.0-only

//! Targets that break the rules of a transfer, one rule at a time (RFC 7143 sections 4.2, 7, 11.4,
//! 11.7, 11.8).

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod iscsi_support;

use iscsi_init::proto::{
    iscsi::{
        error::{
            Error,
            Violation, //
        },
        login::Established,
        lun::Lun,
        parameters::Parameters,
        pdu::{
            request::Direction,
            response::{
                self,
                DataIn,
                R2t,
                Received,
                Residual,
                ScsiResponse,
                ScsiStatus,
                Status, //
            },
        },
        quirk::{
            Quirk,
            Quirks, //
        },
        session::Session,
        task::{
            Failure,
            Outcome,
            Task, //
        },
    },
    serial::Serial, //
};

use iscsi_support::{
    data_in,
    nop_in,
    r2t,
    scsi_response,
    Builder, //
};

const LENGTH: u32 = 8_192;

fn parameters() -> Parameters {
    Parameters {
        max_burst_length: 4_096,
        first_burst_length: 1_024,
        immediate_data: false,
        ..Parameters::default()
    }
}

fn task(direction: Direction) -> Task {
    let length = if direction == Direction::None {
        0
    } else {
        LENGTH
    };
    Task::new(Lun::default(), direction, length, &parameters())
}

fn parsed_r2t(builder: &Builder) -> R2t {
    match response::parse(&builder.0).unwrap().0 {
        Received::R2t(r2t) => r2t,
        other => panic!("{other:?}"),
    }
}

fn parsed_data_in(builder: &Builder) -> DataIn {
    match response::parse(&builder.0).unwrap().0 {
        Received::DataIn(data_in) => data_in,
        other => panic!("{other:?}"),
    }
}

fn parsed_response(builder: &Builder) -> ScsiResponse {
    match response::parse(&builder.0).unwrap().0 {
        Received::ScsiResponse(response) => response,
        other => panic!("{other:?}"),
    }
}

fn ask(task: &mut Task, r2t_sn: u32, offset: u32, length: u32) -> Result<(), Error> {
    task.r2t(
        &parsed_r2t(&r2t(1, 7, r2t_sn, offset, length)),
        &parameters(),
    )
}

fn give(
    task: &mut Task,
    data_sn: u32,
    offset: u32,
    length: u32,
) -> Result<core::ops::Range<u32>, Error> {
    task.data_in(&parsed_data_in(&data_in(
        1,
        data_sn,
        offset,
        length as usize,
    )))
}

/// Sends all that is owed; returns offset and length of each Data-Out.
fn pay(task: &mut Task) -> Vec<(u32, u32)> {
    let mut sent = Vec::new();
    while let Some(data_out) = task.next_data_out(&parameters()) {
        sent.push((data_out.offset, data_out.length));
    }
    sent
}

fn refused<T: core::fmt::Debug>(result: Result<T, Error>) -> Violation {
    match result {
        Err(Error::PeerMisbehaved(violation)) => violation,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_r2t_stays_within_its_command() {
    let expected = LENGTH;
    for (offset, length) in [
        (LENGTH, 1),
        (LENGTH - 1, 2),
        (u32::MAX, 1),
        (u32::MAX - 1, 4_096),
    ] {
        let mut task = task(Direction::Write);
        let violation = Violation::R2tBeyondEnd {
            offset,
            length,
            expected,
        };
        assert_eq!(refused(ask(&mut task, 0, offset, length)), violation);
        assert_eq!(pay(&mut task), [], "nothing is sent");
    }
    for length in [4_097, u32::MAX] {
        let violation = Violation::R2tAboveMaxBurst {
            length,
            limit: 4_096,
        };
        assert_eq!(
            refused(ask(&mut task(Direction::Write), 0, 0, length)),
            violation
        );
    }
    let violation = Violation::R2tOffset {
        expected: 0,
        received: 1,
    };
    assert_eq!(
        refused(ask(&mut task(Direction::Write), 0, 1, 512)),
        violation
    );
}

#[test]
fn an_r2t_is_for_a_write_on_its_lun() {
    for direction in [Direction::None, Direction::Read] {
        assert_eq!(
            refused(ask(&mut task(direction), 0, 0, 1)),
            Violation::R2tWithoutWrite
        );
    }
    let other = r2t(1, 7, 0, 0, 512).lun([0, 1, 0, 0, 0, 0, 0, 0]);
    let (expected, received) = (Lun::default(), Lun::from_number(1).unwrap());
    let error = task(Direction::Write).r2t(&parsed_r2t(&other), &parameters());
    assert_eq!(
        refused(error),
        Violation::LunMismatch { expected, received }
    );
}

#[test]
fn r2ts_come_one_at_a_time_and_in_order() {
    let mut task = task(Direction::Write);
    let violation = Violation::R2tSn {
        expected: 0,
        received: 1,
    };
    assert_eq!(refused(ask(&mut task, 1, 0, 512)), violation);
    ask(&mut task, 0, 0, 4_096).unwrap();
    assert_eq!(
        refused(ask(&mut task, 1, 4_096, 512)),
        Violation::TooManyR2ts
    );
    assert_eq!(pay(&mut task), [(0, 4_096)]);
    // RFC 7143 section 7.9: a repeated R2T is discarded, even one that would be illegal now.
    ask(&mut task, 0, 0, 4_096).unwrap();
    ask(&mut task, 0, LENGTH, 4_096).unwrap();
    assert_eq!(pay(&mut task), []);
    // What was sent may be asked for again.
    ask(&mut task, 1, 512, 1_024).unwrap();
    assert_eq!(pay(&mut task), [(512, 1_024)]);
    ask(&mut task, 2, 4_096, 4_096).unwrap();
    assert_eq!(pay(&mut task), [(4_096, 4_096)]);
}

#[test]
fn r2ts_of_a_byte_each_are_served() {
    let mut task = task(Direction::Write);
    for offset in 0..LENGTH {
        ask(&mut task, offset, offset, 1).unwrap();
        assert_eq!(pay(&mut task), [(offset, 1)]);
    }
    let end = parsed_response(&scsi_response(1, 0, 0).word(36, LENGTH));
    assert!(matches!(task.response(&end), Outcome::Completed(_)));
}

#[test]
fn an_r2t_may_arrive_before_the_unsolicited_data_is_sent() {
    let parameters = Parameters {
        initial_r2t: false,
        ..parameters()
    };
    let mut task = Task::new(Lun::default(), Direction::Write, LENGTH, &parameters);
    let beyond = r2t(1, 7, 0, 1_025, 512);
    let violation = Violation::R2tOffset {
        expected: 1_024,
        received: 1_025,
    };
    assert_eq!(
        refused(task.r2t(&parsed_r2t(&beyond), &parameters)),
        violation
    );
    task.r2t(&parsed_r2t(&r2t(1, 7, 0, 1_024, 512)), &parameters)
        .unwrap();
    let first = task.next_data_out(&parameters).unwrap();
    assert!(first.ttt.is_reserved() && first.last);
    assert_eq!((first.offset, first.length, first.data_sn), (0, 1_024, 0));
    let second = task.next_data_out(&parameters).unwrap();
    assert_eq!(
        (second.ttt.value(), second.offset, second.data_sn),
        (7, 1_024, 0)
    );
    assert!(task.next_data_out(&parameters).is_none());
}

#[test]
fn data_in_stays_within_its_command() {
    let expected = LENGTH;
    for (offset, length) in [
        (LENGTH, 1),
        (0, LENGTH + 1),
        (u32::MAX, 1),
        (u32::MAX, 0x00ff_ffff),
    ] {
        let mut task = task(Direction::Read);
        let violation = Violation::DataInBeyondEnd {
            offset,
            length,
            expected,
        };
        assert_eq!(refused(give(&mut task, 0, offset, length)), violation);
        assert_eq!(
            give(&mut task, 0, 0, LENGTH),
            Ok(0..LENGTH),
            "nothing has changed"
        );
    }
    for direction in [Direction::None, Direction::Write] {
        let error = give(&mut task(direction), 0, 0, 1);
        assert_eq!(refused(error), Violation::DataInWithoutRead);
    }
}

#[test]
fn data_in_comes_in_order() {
    let mut task = task(Direction::Read);
    assert_eq!(give(&mut task, 0, 0, 512), Ok(0..512));
    for received in [0, 2, u32::MAX] {
        let violation = Violation::DataSn {
            expected: 1,
            received,
        };
        assert_eq!(refused(give(&mut task, received, 512, 512)), violation);
    }
    for received in [0, 511, 513, 4_096] {
        let violation = Violation::DataInOffset {
            expected: 512,
            received,
        };
        assert_eq!(refused(give(&mut task, 1, received, 512)), violation);
    }
    // No data is legal, belongs nowhere, and counts.
    assert_eq!(give(&mut task, 1, 0, 0), Ok(512..512));
    assert_eq!(give(&mut task, 2, u32::MAX, 0), Ok(512..512));
    assert_eq!(give(&mut task, 3, 512, LENGTH - 512), Ok(512..LENGTH));
    assert!(give(&mut task, 4, LENGTH, 1).is_err());
}

#[test]
fn a_read_of_single_bytes_is_a_read() {
    let mut task = task(Direction::Read);
    for offset in 0..LENGTH {
        assert_eq!(give(&mut task, offset, offset, 1), Ok(offset..offset + 1));
    }
    let good = Status {
        status: ScsiStatus::GOOD,
        residual: Residual::None,
    };
    assert_eq!(task.status(&good), Outcome::Completed(good));
}

// RFC 7143 section 11.7.2.
#[test]
fn the_a_bit_means_nothing() {
    let parsed = |flags| response::parse(&data_in(1, 0, 0, 512).byte(1, flags).0);
    // None, F, S, F and S.
    for flags in [0x00, 0x80, 0x01, 0x81] {
        assert_eq!(parsed(flags | 0x40), parsed(flags));
    }
}

/// A read or write of which this many bytes were moved.
fn moved(direction: Direction, length: u32) -> Task {
    let mut task = task(direction);
    for offset in (0..length).step_by(512) {
        let count = 512.min(length - offset);
        if direction == Direction::Read {
            give(&mut task, offset / 512, offset, count).unwrap();
        } else {
            ask(&mut task, offset / 512, offset, count).unwrap();
            pay(&mut task);
        }
    }
    task
}

#[test]
fn success_needs_its_bytes() {
    let outcome = |direction, bytes, residual| {
        let status = ScsiStatus::GOOD;
        moved(direction, bytes).status(&Status { status, residual })
    };
    for direction in [Direction::Read, Direction::Write] {
        for (bytes, residual) in [
            (LENGTH, Residual::None),
            (LENGTH, Residual::Overflow(u32::MAX)),
            (LENGTH - 512, Residual::Underflow(512)),
            (0, Residual::Underflow(LENGTH)),
            // More was moved than the target says; what it says counts.
            (LENGTH, Residual::Underflow(512)),
        ] {
            let status = ScsiStatus::GOOD;
            let expected = Outcome::Completed(Status { status, residual });
            assert_eq!(outcome(direction, bytes, residual), expected);
        }
        for (bytes, residual, expected) in [
            (0, Residual::None, LENGTH),
            (LENGTH - 1, Residual::None, LENGTH),
            (LENGTH - 512, Residual::Overflow(512), LENGTH),
            (LENGTH - 512, Residual::Underflow(0), LENGTH),
            (LENGTH - 512, Residual::Underflow(511), LENGTH - 511),
        ] {
            let known = match direction {
                // What was not read is left over, whatever the target says.
                Direction::Read => Outcome::Completed(Status {
                    status: ScsiStatus::GOOD,
                    residual: Residual::Underflow(LENGTH - bytes),
                }),
                _ => Outcome::Failed(Failure::DataMissing {
                    expected,
                    moved: bytes,
                }),
            };
            assert_eq!(outcome(direction, bytes, residual), known);
        }
        for unused in [LENGTH + 1, 0x8000_0000, u32::MAX] {
            let failure = Failure::Residual {
                unused,
                expected: LENGTH,
            };
            let residual = Residual::Underflow(unused);
            assert_eq!(
                outcome(direction, LENGTH, residual),
                Outcome::Failed(failure)
            );
        }
    }
    let none = outcome(Direction::None, 0, Residual::None);
    assert!(matches!(none, Outcome::Completed(_)));
}

#[test]
fn a_failed_command_keeps_its_status_within_its_buffer() {
    let residual = |direction, bytes, residual| {
        let status = ScsiStatus::new(8);
        match moved(direction, bytes).status(&Status { status, residual }) {
            Outcome::Completed(end) if end.status == status => end.residual,
            other => panic!("{other:?}"),
        }
    };
    let (read, write) = (Direction::Read, Direction::Write);
    assert_eq!(
        residual(read, 512, Residual::None),
        Residual::Underflow(LENGTH - 512)
    );
    assert_eq!(
        residual(read, 512, Residual::Underflow(1)),
        Residual::Underflow(LENGTH - 512)
    );
    assert_eq!(
        residual(read, 512, Residual::Overflow(1)),
        Residual::Underflow(LENGTH - 512)
    );
    assert_eq!(
        residual(read, LENGTH, Residual::Underflow(9)),
        Residual::Underflow(9)
    );
    assert_eq!(
        residual(read, LENGTH, Residual::Overflow(9)),
        Residual::Overflow(9)
    );
    assert_eq!(
        residual(read, 0, Residual::Underflow(u32::MAX)),
        Residual::Underflow(LENGTH)
    );
    assert_eq!(residual(write, 0, Residual::None), Residual::None);
    assert_eq!(
        residual(write, 0, Residual::Underflow(LENGTH)),
        Residual::Underflow(LENGTH)
    );
}

#[test]
fn a_command_that_did_not_complete_has_no_status() {
    for code in [1, 2, 0x80, 0xff] {
        let response = parsed_response(&scsi_response(1, 0, 0).byte(2, code));
        let outcome = moved(Direction::Read, LENGTH).response(&response);
        assert_eq!(outcome, Outcome::Failed(Failure::Response(code)));
    }
}

#[test]
fn a_status_that_there_is_not_is_no_result() {
    for status in [0x01, 0x10, 0x14, 0x22, 0x3e, 0xff] {
        let response = parsed_response(&scsi_response(1, 0, 0).byte(3, status));
        let outcome = moved(Direction::Read, LENGTH).response(&response);
        assert_eq!(outcome, Outcome::Failed(Failure::Status(status)));
    }
    for status in [0x08, 0x18, 0x28, 0x30, 0x40] {
        let response = parsed_response(&scsi_response(1, 0, 0).byte(3, status));
        let outcome = moved(Direction::Read, LENGTH).response(&response);
        assert!(
            matches!(outcome, Outcome::Completed(_)),
            "{status:#x}: {outcome:?}"
        );
    }
}

#[test]
fn a_response_that_counts_more_pdus_than_arrived_is_no_success() {
    let response = |exp_data_sn| parsed_response(&scsi_response(1, 0, 0).word(36, exp_data_sn));
    let task = moved(Direction::Read, LENGTH);
    let failure = Failure::PdusMissing {
        expected: 17,
        received: 16,
    };
    assert_eq!(task.response(&response(17)), Outcome::Failed(failure));
    // A target that counts Data-Outs has all the bytes of a write.
    let written = moved(Direction::Write, LENGTH);
    assert!(matches!(
        written.response(&response(17)),
        Outcome::Completed(_)
    ));
    // Fewer is what a target says that does not count.
    for counted in [0, 16] {
        assert!(matches!(
            task.response(&response(counted)),
            Outcome::Completed(_)
        ));
    }
}

fn session() -> Session {
    Session::new(&Established {
        parameters: parameters(),
        tsih: 1,
        cmd_sn: Serial::new(10),
        exp_cmd_sn: Serial::new(10),
        max_cmd_sn: Serial::new(9),
        exp_stat_sn: Serial::new(100),
        target_portal_group: None,
        quirks: Quirks::NONE,
    })
}

#[test]
fn every_kind_of_pdu_opens_the_window() {
    let none = u32::MAX;
    let pdus = [
        nop_in(none, none).numbers(100, 10, 10),
        nop_in(none, 5).numbers(100, 10, 10),
        nop_in(5, none).numbers(100, 10, 10),
        r2t(1, 2, 0, 0, 512).numbers(100, 10, 10),
        data_in(1, 0, 0, 4).numbers(0, 10, 10),
        scsi_response(1, 0, 0).numbers(100, 10, 10),
        Builder::new(0x22, 0x80).numbers(100, 10, 10),
        Builder::new(0x26, 0x80).numbers(100, 10, 10),
        Builder::new(0x32, 0x80).numbers(100, 10, 10),
        Builder::new(0x3f, 0x80).numbers(100, 10, 10),
    ];
    for pdu in pdus {
        let mut session = session();
        assert!(!session.window_open());
        session.receive(&pdu.0).unwrap();
        assert!(session.window_open(), "{:#x}", pdu.0[0]);
    }
}

#[test]
fn what_harms_nobody_is_noted() {
    let mut session = session();
    let residual = Residual::None;
    let status = ScsiStatus::GOOD;
    let good = Status { status, residual };
    let mut quirks = |direction, bytes| {
        session.ended(&good, &moved(direction, bytes).status(&good));
        session.quirks()
    };
    assert_eq!(quirks(Direction::Read, LENGTH), Quirks::NONE);
    // No success at all.
    assert_eq!(quirks(Direction::Write, 512), Quirks::NONE);
    assert_eq!(quirks(Direction::Read, 512), Quirk::ShortRead.into());

    let mut session = self::session();
    let mut quirks = |exp_cmd_sn, max_cmd_sn| {
        let notice = nop_in(u32::MAX, u32::MAX).numbers(100, exp_cmd_sn, max_cmd_sn);
        session.receive(&notice.0).unwrap();
        session.quirks()
    };
    // A window that is closed, and old news.
    assert_eq!(quirks(10, 9), Quirks::NONE);
    assert_eq!(quirks(5, 7), Quirks::NONE);
    assert_eq!(quirks(10, 8), Quirk::NumbersOfNothing.into());
}

#[test]
fn a_lost_response_ends_the_connection_and_a_repeated_number_does_not() {
    let response = |stat_sn| scsi_response(1, 0, 0).numbers(stat_sn, 10, 10).0;
    for received in [101, 1_100, 100 | (1 << 31)] {
        let mut session = session();
        let (expected, received) = (Serial::new(100), Serial::new(received));
        let error = refused(session.receive(&response(received.value())));
        assert_eq!(error, Violation::StatSnGap { expected, received });
        assert!(!session.window_open(), "nothing was taken from it");
    }
    let mut session = session();
    for stat_sn in [100, 100, 99, 101] {
        session.receive(&response(stat_sn)).unwrap();
    }
    assert_eq!(session.quirks(), Quirk::StatSnRepeated.into());
}

#[test]
fn numbers_without_a_status_are_not_counted() {
    let none = u32::MAX;
    let mut session = session();
    for pdu in [
        nop_in(none, none).numbers(0, 10, 9),
        nop_in(none, 5).numbers(7_777, 10, 9),
        r2t(1, 2, 0, 0, 512).numbers(0, 10, 9),
        data_in(1, 0, 0, 4).numbers(0, 10, 9),
    ] {
        session.receive(&pdu.0).unwrap();
    }
    session
        .receive(&data_in(1, 0, 0, 4).byte(1, 0x81).numbers(100, 10, 9).0)
        .unwrap();
    session
        .receive(&nop_in(5, none).numbers(101, 10, 9).0)
        .unwrap();
    assert_eq!(session.quirks(), Quirks::NONE);
}
