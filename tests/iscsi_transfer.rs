// SPDX-License-Identifier: GPL-2.0-only

//! Whole transfers between `Session` and `Task` and a target of the test's own, with random legal
//! key sets.
//!
//! The target keeps to RFC 7143 in every random choice it makes, and polices what it receives:
//! numbers, lengths, bits, and the bytes themselves.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod iscsi_support;

use std::collections::VecDeque;

use iscsi_init::proto::{
    iscsi::{
        login::Established,
        lun::Lun,
        parameters::Parameters,
        pdu::request::{
            Attribute,
            Direction,
            Function, //
        },
        quirk::Quirks,
        session::Session,
        tag::Itt,
        task::Task, //
    },
    serial::Serial, //
};

use iscsi_support::{
    exchange::{
        random_parameters,
        Exchange, //
    },
    initiator::Order,
    word,
    Random, //
};

/// Runs `count` commands, up to eight at a time, from these numbers on; everything else is random.
fn run(seed: u64, count: u32, cmd_sn: u32, stat_sn: u32) {
    let random = &mut Random::new(seed);
    let parameters = random_parameters(random);
    let max_cmd_sn = cmd_sn.wrapping_add(random.within(0, 4)).wrapping_sub(1);
    let established = Established {
        parameters,
        tsih: 1,
        cmd_sn: Serial::new(cmd_sn),
        exp_cmd_sn: Serial::new(cmd_sn),
        max_cmd_sn: Serial::new(max_cmd_sn),
        exp_stat_sn: Serial::new(stat_sn),
        target_portal_group: None,
        quirks: Quirks::NONE,
    };
    let mut exchange = Exchange::new(&established);
    let mut orders: VecDeque<Order> = (0..count)
        .map(|id| Order::random(id, parameters.max_burst_length, random))
        .collect();
    let (mut tag, mut ended) = (0, 0);
    for _ in 0..200_000 {
        for end in exchange.turn(&mut orders, &mut tag, random).unwrap() {
            end.check_success();
            ended += 1;
        }
        if ended == count {
            return;
        }
    }
    panic!("seed {seed}: {ended} of {count} commands ended; {parameters:?}");
}

#[test]
fn bytes_arrive_where_they_belong() {
    for seed in 0..200 {
        run(seed, 30, 1, 0);
    }
}

#[test]
fn numbers_wrap() {
    for seed in 1_000..1_040 {
        for (cmd_sn, stat_sn) in [(0xffff_fff8, 0xffff_fff0), (0x7fff_fff8, 0x7fff_fff0)] {
            run(seed, 40, cmd_sn, stat_sn);
        }
    }
}

/// RFC 7143 section 13.11: which data goes out unasked, for the four settings of two keys.
#[test]
fn unsolicited_data_is_what_was_agreed_on() {
    let sent = |max_send_data_segment_length, initial_r2t, immediate_data, length| {
        let parameters = Parameters {
            initial_r2t,
            immediate_data,
            max_send_data_segment_length,
            first_burst_length: 2_560,
            max_burst_length: 4_096,
            ..Parameters::default()
        };
        let lun = Lun::default();
        let mut task = Task::new(lun, Direction::Write, length, &parameters);
        let immediate = task.immediate_length();
        let mut sent = Vec::new();
        while let Some(data_out) = task.next_data_out(&parameters) {
            sent.push((data_out.offset, data_out.length, data_out.last));
        }
        (immediate, sent)
    };
    let first =
        |initial_r2t, immediate_data, length| sent(1_024, initial_r2t, immediate_data, length);
    // RFC 7143 section 11.7.7: all but the last are multiples of four bytes.
    let burst = vec![(1_024, 1_024, false), (2_048, 512, true)];
    assert_eq!(sent(1_027, false, true, 8_192), (1_024, burst));
    assert_eq!(first(true, false, 8_192), (0, vec![]));
    assert_eq!(first(true, true, 8_192), (1_024, vec![]));
    assert_eq!(first(true, true, 100), (100, vec![]));
    let burst = vec![(0, 1_024, false), (1_024, 1_024, false), (2_048, 512, true)];
    assert_eq!(first(false, false, 8_192), (0, burst));
    let burst = vec![(1_024, 1_024, false), (2_048, 512, true)];
    assert_eq!(first(false, true, 8_192), (1_024, burst));
    assert_eq!(first(false, true, 1_025), (1_024, vec![(1_024, 1, true)]));
    assert_eq!(first(false, true, 1_024), (1_024, vec![]));
}

#[test]
fn a_task_is_small() {
    assert!(size_of::<Task>() <= 96, "{}", size_of::<Task>());
}

#[test]
fn nothing_follows_a_logout() {
    let parameters = Parameters::default();
    let mut session = Session::new(&Established {
        parameters,
        tsih: 1,
        cmd_sn: Serial::new(1),
        exp_cmd_sn: Serial::new(1),
        max_cmd_sn: Serial::new(9),
        exp_stat_sn: Serial::new(1),
        target_portal_group: None,
        quirks: Quirks::NONE,
    });
    let lun = Lun::default();
    let mut task = Task::new(lun, Direction::None, 0, &parameters);
    let command = session.scsi_command(&mut task, Itt::new(1), Attribute::Simple, &[0; 6]);
    assert_eq!(word(&command.unwrap(), 24), 1);
    // RFC 7143 section 11.5.4: the abort names the command's number and carries the next.
    let abort = Function::AbortTask {
        referenced: Itt::new(1),
        ref_cmd_sn: task.cmd_sn().unwrap(),
    };
    let abort = session.task_management(abort, lun, Itt::new(2));
    assert_eq!((word(&abort, 24), word(&abort, 32)), (2, 1));
    for cdb in [&[][..], &[0; 33]] {
        let refused = session.scsi_command(&mut task, Itt::new(3), Attribute::Simple, cdb);
        assert!(refused.is_err());
    }
    assert_eq!(word(&session.logout(Itt::new(3)), 24), 2);
    assert!(!session.window_open());
    let refused = session.scsi_command(&mut task, Itt::new(4), Attribute::Simple, &[0; 6]);
    assert!(refused.is_err());
}
