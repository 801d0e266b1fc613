// SPDX-License-Identifier: GPL-2.0-only

//! An initiator made of `Session` and `Task` the way the driver is, with a [`Witness`] to every
//! PDU.

use std::collections::{
    BTreeMap,
    VecDeque, //
};

use iscsi_init::proto::iscsi::{
    error::Error,
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
            Event,
            FunctionResponse,
            NopIn,
            Received,
            Rejected,
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
};

use super::{
    data_length,
    target::{
        check,
        pattern, //
    },
    witness::Witness,
    word,
    Random, //
};

/// The logical unit of every command.
pub(crate) const LUN: u16 = 3;
/// What a buffer holds where nothing was read into it.
pub(crate) const UNTOUCHED: u8 = 0xcc;

/// What a command is to do, however often it is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    /// Whose bytes of the disk it moves.
    pub(crate) id: u32,
    pub(crate) direction: Direction,
    pub(crate) length: u32,
    /// How much of it a correct target moves.
    pub(crate) wanted: u32,
}

impl Order {
    /// An order of up to three bursts.
    pub(crate) fn random(id: u32, burst: u32, random: &mut Random) -> Self {
        let direction = match random.below(5) {
            0 => Direction::None,
            1 | 2 => Direction::Read,
            _ => Direction::Write,
        };
        let length = match direction {
            Direction::None => 0,
            _ => random.within(1, 3 * burst),
        };
        let wanted = if random.once_in(4) {
            random.within(0, length)
        } else {
            length
        };
        Self {
            id,
            direction,
            length,
            wanted,
        }
    }
}

/// A command that was sent and has not ended.
pub(crate) struct Command {
    pub(crate) order: Order,
    task: Task,
    buffer: Vec<u8>,
}

/// A command that ended by what the target said of it.
pub(crate) struct Ended {
    pub(crate) order: Order,
    /// `None` when it was given up as asked.
    pub(crate) outcome: Option<Outcome>,
    buffer: Vec<u8>,
}

impl Ended {
    /// Checks that all that was wanted was moved, and nothing else.
    pub(crate) fn check_success(&self) {
        let Order {
            id,
            direction,
            length,
            wanted,
        } = self.order;
        let residual = match length - wanted {
            0 => Residual::None,
            unused => Residual::Underflow(unused),
        };
        let status = ScsiStatus::GOOD;
        assert_eq!(
            self.outcome,
            Some(Outcome::Completed(Status { status, residual }))
        );
        if direction == Direction::Read {
            let (read, rest) = self.buffer.split_at(wanted as usize);
            check(id, 0, read);
            assert!(
                rest.iter().all(|byte| *byte == UNTOUCHED),
                "bytes beyond the data"
            );
        }
    }
}

/// Why a connection is of no further use.
#[derive(Debug)]
pub(crate) enum Fault {
    Protocol(Error),
    UnknownTag,
    Rejected,
    /// The target wants the session to end, or it has been logged out.
    End,
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Protocol(error)
    }
}

pub(crate) struct Initiator {
    session: Session,
    pub(crate) commands: BTreeMap<u32, Command>,
    /// What has arrived.
    pub(crate) input: VecDeque<u8>,
    pub(crate) witness: Witness,
    pings: Vec<u32>,
    /// Aborts by their own tag, with that of the command.
    aborts: BTreeMap<u32, u32>,
    logout: Option<u32>,
}

impl Initiator {
    pub(crate) fn new(established: &Established) -> Self {
        Self {
            session: Session::new(established),
            commands: BTreeMap::new(),
            input: VecDeque::new(),
            witness: Witness::new(established),
            pings: Vec::new(),
            aborts: BTreeMap::new(),
            logout: None,
        }
    }

    pub(crate) fn parameters(&self) -> &Parameters {
        self.session.parameters()
    }

    /// The tags of the commands that were sent and have not ended.
    pub(crate) fn tags(&self) -> Vec<u32> {
        self.commands.keys().copied().collect()
    }

    /// The requests that wait for their answer: tag, and the answer's opcode.
    pub(crate) fn requests(&self) -> Vec<(u32, u8)> {
        let pings = self.pings.iter().map(|tag| (*tag, 0x20));
        let aborts = self.aborts.keys().map(|tag| (*tag, 0x22));
        let logout = self.logout.iter().map(|tag| (*tag, 0x26));
        pings.chain(aborts).chain(logout).collect()
    }

    /// Sends a new command if the window is open.
    pub(crate) fn issue(&mut self, tag: u32, order: Order, wire: &mut VecDeque<u8>) -> bool {
        let parameters = *self.parameters();
        let lun = Lun::from_number(LUN).unwrap();
        let mut task = Task::new(lun, order.direction, order.length, &parameters);
        let mut cdb = [0; 16];
        cdb[..4].copy_from_slice(&order.id.to_be_bytes());
        cdb[4..8].copy_from_slice(&order.wanted.to_be_bytes());
        let open = self.session.window_open();
        let command = self
            .session
            .scsi_command(&mut task, Itt::new(tag), Attribute::Simple, &cdb);
        assert_eq!(command.is_ok(), open);
        let Ok(header) = command else {
            assert_eq!(task.cmd_sn(), None);
            return false;
        };
        let buffer: Vec<u8> = match order.direction {
            Direction::Write => (0..order.length).map(|at| pattern(order.id, at)).collect(),
            _ => vec![UNTOUCHED; order.length as usize],
        };
        self.send(&header, &buffer[..task.immediate_length() as usize], wire);
        let command = Command {
            order,
            task,
            buffer,
        };
        assert!(self.commands.insert(tag, command).is_none());
        true
    }

    /// Sends up to `most` Data-Out of one command; returns how many there were.
    pub(crate) fn pay(&mut self, tag: u32, most: usize, wire: &mut VecDeque<u8>) -> usize {
        let parameters = *self.parameters();
        if self.is_logged_out() {
            return 0;
        }
        for count in 0..most {
            let command = self.commands.get_mut(&tag).unwrap();
            let Some(data_out) = command.task.next_data_out(&parameters) else {
                return count;
            };
            let header = self.session.data_out(Itt::new(tag), &data_out);
            let (start, length) = (data_out.offset as usize, data_out.length as usize);
            let data = command.buffer[start..start + length].to_vec();
            self.send(&header, &data, wire);
        }
        most
    }

    /// Sends a ping unless one waits for its answer.
    pub(crate) fn ping(&mut self, tag: u32, wire: &mut VecDeque<u8>) {
        if self.pings.is_empty() {
            self.send(&self.session.nop_out_ping(Itt::new(tag)), &[], wire);
            self.pings.push(tag);
        }
    }

    /// Asks the target to give up a command.
    pub(crate) fn abort(&mut self, tag: u32, command: u32, wire: &mut VecDeque<u8>) {
        let task = &self.commands[&command].task;
        let function = Function::AbortTask {
            referenced: Itt::new(command),
            ref_cmd_sn: task.cmd_sn().unwrap(),
        };
        let request = self
            .session
            .task_management(function, task.lun(), Itt::new(tag));
        self.send(&request, &[], wire);
        self.aborts.insert(tag, command);
    }

    /// Asks for the end of the session.
    pub(crate) fn logout(&mut self, tag: u32, wire: &mut VecDeque<u8>) {
        let request = self.session.logout(Itt::new(tag));
        self.send(&request, &[], wire);
        self.logout = Some(tag);
    }

    pub(crate) fn is_logged_out(&self) -> bool {
        self.session.is_logged_out()
    }

    /// Takes one whole PDU; returns the command that it ended.
    ///
    /// As in the driver, the connection is of no further use after any [`Fault`].
    pub(crate) fn receive(&mut self, wire: &mut VecDeque<u8>) -> Result<Option<Ended>, Fault> {
        let parameters = *self.parameters();
        let header: [u8; 48] = self.input.make_contiguous()[..48].try_into().unwrap();
        let frame = Frame::of(&header, parameters.max_receive_data_segment_length)?;
        let length = frame.data_length as usize;
        let pdu: Vec<u8> = self.input.drain(..48 + length + frame.padding).collect();
        let data = &pdu[48..48 + length];
        let received = self.session.receive(&header);
        self.witness.heard(&header, received.is_ok());
        match received? {
            Received::DataIn(data_in) => {
                let tag = data_in.itt.value();
                let command = self.commands.get_mut(&tag).ok_or(Fault::UnknownTag)?;
                let range = command.task.data_in(&data_in);
                self.witness.data_in(&header, data, range.as_ref().ok());
                let range = range?;
                command.buffer[range.start as usize..range.end as usize].copy_from_slice(data);
                match data_in.status {
                    Some(status) => Ok(Some(self.end(&header, |task| task.status(&status)))),
                    None => Ok(None),
                }
            }
            Received::ScsiResponse(response)
                if self.commands.contains_key(&response.itt.value()) =>
            {
                Ok(Some(self.end(&header, |task| task.response(&response))))
            }
            Received::R2t(r2t) => {
                let command = self.commands.get_mut(&r2t.itt.value());
                let command = command.ok_or(Fault::UnknownTag)?;
                let answer = command.task.r2t(&r2t, &parameters);
                self.witness.r2t(&header, answer.is_ok());
                answer?;
                Ok(None)
            }
            Received::NopIn(NopIn::Ping(ping)) => {
                // RFC 7143 section 11.14: nothing follows the Logout Request.
                if !self.is_logged_out() {
                    let reply = self.session.nop_out_reply(&ping);
                    assert_eq!(word(&reply, 16), u32::MAX);
                    assert_eq!(word(&reply, 20), word(&header, 20));
                    assert_eq!(reply[8..16], header[8..16]);
                    self.send(&reply, &[], wire);
                }
                Ok(None)
            }
            Received::NopIn(NopIn::Reply { itt, .. }) => {
                let ping = self.pings.iter().position(|ping| *ping == itt.value());
                self.pings.remove(ping.ok_or(Fault::UnknownTag)?);
                Ok(None)
            }
            Received::TaskManagement(answer) => {
                let command = self.aborts.remove(&answer.itt.value());
                let command = command.ok_or(Fault::UnknownTag)?;
                if answer.response != FunctionResponse::COMPLETE {
                    return Ok(None);
                }
                self.witness.forget(command);
                Ok(self.commands.remove(&command).map(|command| Ended {
                    order: command.order,
                    outcome: None,
                    buffer: command.buffer,
                }))
            }
            Received::Logout(logout) if self.logout == Some(logout.itt.value()) => Err(Fault::End),
            Received::ScsiResponse(_) | Received::Logout(_) | Received::Text(_) => {
                Err(Fault::UnknownTag)
            }
            Received::NopIn(NopIn::Notice) => Ok(None),
            Received::Async(message) => match message.event {
                Event::Scsi(_) | Event::Other(_) => Ok(None),
                _ => Err(Fault::End),
            },
            Received::Reject(_) => {
                assert_eq!(Rejected::parse(data).is_some(), length >= 48);
                Err(Fault::Rejected)
            }
        }
    }

    fn end(&mut self, header: &[u8; 48], outcome: impl FnOnce(&Task) -> Outcome) -> Ended {
        let command = self.commands.remove(&word(header, 16)).unwrap();
        let outcome = outcome(&command.task);
        self.witness.ended(header, &outcome, &command.buffer);
        Ended {
            order: command.order,
            outcome: Some(outcome),
            buffer: command.buffer,
        }
    }

    fn send(&mut self, header: &[u8], data: &[u8], wire: &mut VecDeque<u8>) {
        assert_eq!(data_length(header), data.len());
        self.witness.sent(header);
        wire.extend(header);
        wire.extend(data);
        wire.extend(std::iter::repeat_n(
            0,
            data.len().next_multiple_of(4) - data.len(),
        ));
    }

    /// Checks all that must hold between two PDUs.
    pub(crate) fn audit(&self) {
        self.audit_numbers();
        assert_eq!(self.tags(), self.witness.tags());
        for (tag, command) in &self.commands {
            assert_eq!(command.task.expected_length(), command.order.length);
            assert_eq!(command.task.owes_data(), self.witness.owes(*tag));
        }
    }

    /// Checks what must hold of a session at any time.
    pub(crate) fn audit_numbers(&self) {
        // A request that is not sent shows the numbers.
        let probe = self.session.nop_out_ping(Itt::new(0));
        self.witness.numbers(&probe, self.session.window_open());
    }
}
