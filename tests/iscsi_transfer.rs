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

use std::collections::{
    BTreeMap,
    VecDeque, //
};

use iscsi_init::proto::{
    iscsi::{
        frame::Frame,
        login::Established,
        lun::Lun,
        parameters::Parameters,
        pdu::{
            request::{
                Attribute,
                Direction,
                Function, //
            },
            response::{
                NopIn,
                Received,
                Residual,
                ScsiStatus,
                Status, //
            },
        },
        session::Session,
        tag::Itt,
        task::{
            Outcome,
            Task, //
        },
    },
    serial::Serial, //
};

use iscsi_support::{
    data_length,
    target::{
        check,
        pattern,
        Target, //
    },
    word,
    Random, //
};

const LUN: u16 = 3;

/// The initiator's side of one command.
struct Command {
    task: Task,
    buffer: Vec<u8>,
    wanted: u32,
}

struct Initiator {
    session: Session,
    commands: BTreeMap<u32, Command>,
    input: VecDeque<u8>,
    pings: Vec<u32>,
}

impl Initiator {
    /// Sends a new command if the window is open.
    fn issue(&mut self, itt: u32, random: &mut Random, wire: &mut VecDeque<u8>) -> bool {
        let parameters = *self.session.parameters();
        let direction = match random.below(5) {
            0 => Direction::None,
            1 | 2 => Direction::Read,
            _ => Direction::Write,
        };
        let length = match direction {
            Direction::None => 0,
            _ => random.within(1, 3 * parameters.max_burst_length),
        };
        let wanted = if random.once_in(4) {
            random.within(0, length)
        } else {
            length
        };
        let lun = Lun::from_number(LUN).unwrap();
        let mut task = Task::new(lun, direction, length, &parameters);
        let mut cdb = [0; 16];
        cdb[..4].copy_from_slice(&itt.to_be_bytes());
        cdb[4..8].copy_from_slice(&wanted.to_be_bytes());
        let tag = Itt::new(itt);
        let open = self.session.window_open();
        let command = self
            .session
            .scsi_command(&mut task, tag, Attribute::Simple, &cdb);
        assert_eq!(command.is_ok(), open);
        let Ok(header) = command else {
            assert_eq!(task.cmd_sn(), None);
            return false;
        };
        let buffer: Vec<u8> = match direction {
            Direction::Write => (0..length).map(|at| pattern(itt, at)).collect(),
            _ => vec![0xcc; length as usize],
        };
        put(wire, &header, &buffer[..task.immediate_length() as usize]);
        self.commands.insert(
            itt,
            Command {
                task,
                buffer,
                wanted,
            },
        );
        true
    }

    /// Sends up to `most` Data-Out of one command.
    fn pay(&mut self, itt: u32, most: u32, wire: &mut VecDeque<u8>) {
        let parameters = *self.session.parameters();
        let command = self.commands.get_mut(&itt).unwrap();
        for _ in 0..most {
            let Some(data_out) = command.task.next_data_out(&parameters) else {
                return;
            };
            let header = self.session.data_out(Itt::new(itt), &data_out);
            let (start, length) = (data_out.offset as usize, data_out.length as usize);
            put(wire, &header, &command.buffer[start..start + length]);
        }
    }

    /// Takes one whole PDU, if there is one; returns whether a command ended.
    fn receive(&mut self, wire: &mut VecDeque<u8>) -> bool {
        let parameters = *self.session.parameters();
        let available = self.input.make_contiguous();
        let Some((header, _)) = available.split_first_chunk::<48>() else {
            return false;
        };
        let header = *header;
        let limit = parameters.max_receive_data_segment_length;
        let frame = Frame::of(&header, limit).unwrap();
        let length = frame.data_length as usize;
        if available.len() < 48 + length + frame.padding {
            return false;
        }
        let pdu: Vec<u8> = self.input.drain(..48 + length + frame.padding).collect();
        let data = &pdu[48..48 + length];
        let received = self.session.receive(&header).unwrap();
        let itt = received.itt().map(Itt::value);
        let (itt, outcome) = match received {
            Received::NopIn(NopIn::Ping(ping)) => {
                let reply = self.session.nop_out_reply(&ping);
                assert_eq!((word(&reply, 16), word(&reply, 20)), (u32::MAX, 0x77));
                assert_eq!(reply[8..16], [0, 9, 0, 0, 0, 0, 0, 0]);
                put(wire, &reply, &[]);
                return false;
            }
            Received::NopIn(NopIn::Reply { itt, .. }) => {
                self.pings.retain(|ping| *ping != itt.value());
                return false;
            }
            Received::NopIn(NopIn::Notice) => return false,
            Received::R2t(r2t) => {
                let command = self.commands.get_mut(&itt.unwrap()).unwrap();
                command.task.r2t(&r2t, &parameters).unwrap();
                return false;
            }
            Received::DataIn(data_in) => {
                let command = self.commands.get_mut(&itt.unwrap()).unwrap();
                let range = command.task.data_in(&data_in).unwrap();
                command.buffer[range.start as usize..range.end as usize].copy_from_slice(data);
                match data_in.status {
                    Some(status) => (itt.unwrap(), command.task.status(&status)),
                    None => return false,
                }
            }
            Received::ScsiResponse(response) => {
                let command = &self.commands[&itt.unwrap()];
                (itt.unwrap(), command.task.response(&response))
            }
            other => panic!("{other:?}"),
        };
        let mut command = self.commands.remove(&itt).unwrap();
        let unused = command.task.expected_length() - command.wanted;
        let residual = if unused == 0 {
            Residual::None
        } else {
            Residual::Underflow(unused)
        };
        let status = ScsiStatus::GOOD;
        assert_eq!(outcome, Outcome::Completed(Status { status, residual }));
        assert!(
            command.task.next_data_out(&parameters).is_none(),
            "data owed after the end"
        );
        if command.task.direction() == Direction::Read {
            check(itt, 0, &command.buffer[..command.wanted as usize]);
            let rest = &command.buffer[command.wanted as usize..];
            assert!(
                rest.iter().all(|byte| *byte == 0xcc),
                "bytes beyond the data"
            );
        }
        true
    }
}

fn put(wire: &mut VecDeque<u8>, header: &[u8; 48], data: &[u8]) {
    assert_eq!(data_length(header), data.len());
    wire.extend(header);
    wire.extend(data);
    wire.extend(std::iter::repeat_n(
        0,
        data.len().next_multiple_of(4) - data.len(),
    ));
}

fn random_parameters(random: &mut Random) -> Parameters {
    let mut length = |last| {
        let first = 512;
        // Round numbers as often as odd ones, and the least value now and then.
        match random.below(4) {
            0 => first,
            1 | 2 => random.within(first, last) & !511,
            _ => random.within(first, last),
        }
    };
    let max_burst_length = length(6_000);
    let first_burst_length = length(6_000).min(max_burst_length);
    let max_send_data_segment_length = length(4_000);
    let max_receive_data_segment_length = length(4_000);
    Parameters {
        initial_r2t: random.once_in(2),
        immediate_data: random.once_in(2),
        max_send_data_segment_length,
        max_receive_data_segment_length,
        max_burst_length,
        first_burst_length,
        ..Parameters::default()
    }
}

/// Runs `count` commands, up to eight at a time, from these numbers on; everything else is random.
fn run(seed: u64, count: u32, cmd_sn: u32, stat_sn: u32) {
    let random = &mut Random::new(seed);
    let parameters = random_parameters(random);
    let max_cmd_sn = cmd_sn.wrapping_add(random.within(0, 4)).wrapping_sub(1);
    let session = Session::new(&Established {
        parameters,
        tsih: 1,
        cmd_sn: Serial::new(cmd_sn),
        exp_cmd_sn: Serial::new(cmd_sn),
        max_cmd_sn: Serial::new(max_cmd_sn),
        exp_stat_sn: Serial::new(stat_sn),
        target_portal_group: None,
    });
    let mut initiator = Initiator {
        session,
        commands: BTreeMap::new(),
        input: VecDeque::new(),
        pings: Vec::new(),
    };
    let mut target = Target::new(parameters, stat_sn, cmd_sn, max_cmd_sn);
    let (mut issued, mut ended) = (0, 0);
    for _ in 0..200_000 {
        // Everything sent arrives before the other side acts on what it has, so that ExpStatSN is
        // exact.
        match random.below(4) {
            0 if issued < count && initiator.commands.len() < 8 => {
                issued += u32::from(initiator.issue(issued, random, &mut target.input));
            }
            1 => {
                let busy: Vec<u32> = initiator.commands.keys().copied().collect();
                if !busy.is_empty() {
                    let one = busy[usize::try_from(random.below(busy.len() as u64)).unwrap()];
                    initiator.pay(one, random.within(1, 6), &mut target.input);
                }
            }
            2 if random.once_in(32) && initiator.pings.is_empty() => {
                let itt = 0x8000_0000 | issued;
                put(
                    &mut target.input,
                    &initiator.session.nop_out_ping(Itt::new(itt)),
                    &[],
                );
                initiator.pings.push(itt);
            }
            _ => target.act(random),
        }
        while !target.input.is_empty() {
            target.receive();
        }
        initiator.input.append(&mut target.output);
        while !initiator.input.is_empty() {
            ended += u32::from(initiator.receive(&mut target.input));
        }
        while !target.input.is_empty() {
            target.receive();
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
    for cdb in [&[][..], &[0; 17]] {
        let refused = session.scsi_command(&mut task, Itt::new(3), Attribute::Simple, cdb);
        assert!(refused.is_err());
    }
    assert_eq!(word(&session.logout(Itt::new(3)), 24), 2);
    assert!(!session.window_open());
    let refused = session.scsi_command(&mut task, Itt::new(4), Attribute::Simple, &[0; 6]);
    assert!(refused.is_err());
}
