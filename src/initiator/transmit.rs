// SPDX-License-Identifier: GPL-2.0-only

//! What is sent on a connection, and in which order.
//!
//! First what answers the target, then the data it has been promised or has asked for, then new
//! commands as far as its window allows. Each PDU is one header, copied, and one description of its
//! data, which goes out of the command's own pages. When the socket is full, sending stops in the
//! middle of a PDU and goes on from there.

use super::tasks::Tasks;
use super::{
    lun_of,
    queue::Queue,
    wire::Failure, //
};
use crate::{
    linux::{
        scsi::Pages,
        tcp::Stream, //
    },
    proto::{
        bytes,
        iscsi::{
            error::Error as ProtocolError,
            pdu::{
                request::Attribute,
                response::Ping, //
            },
            session::Session,
            tag::Itt,
            task::Task,
            HEADER_LENGTH, //
        }, //
    },
};
use kernel::prelude::*;

/// The Initiator Task Tag of our ping; no command's, since tags of commands are small.
pub(super) const PING: Itt = Itt::new(0xffff_fffe);
/// The Initiator Task Tag of our Logout Request.
pub(super) const LOGOUT: Itt = Itt::new(0xffff_fffd);

/// Pings of the target that may wait for their answer at a time.
const REPLIES: usize = 4;

/// Zeroes to pad a data segment with.
const PADDING: [u8; 3] = [0; 3];

/// The sending half of a connection.
pub(super) struct Transmit {
    current: Option<Pdu>,
    /// Commands that have not been sent.
    waiting: Queue,
    /// Tasks whose data is owed.
    owed: Queue,
    replies: [Option<Ping>; REPLIES],
    ping: bool,
    logout: bool,
    pages: Pages,
}

/// A PDU on its way, and how much of each part has gone.
struct Pdu {
    header: [u8; HEADER_LENGTH],
    header_sent: usize,
    data: Option<Data>,
    padding: usize,
    /// Another PDU follows at once.
    more: bool,
}

/// The part of a command's data buffer that is left to send.
struct Data {
    itt: Itt,
    offset: u32,
    left: u32,
}

impl Transmit {
    /// Nothing to send yet, with room for `count` commands.
    pub(super) fn new(count: u16) -> Result<Self> {
        Ok(Self {
            current: None,
            waiting: Queue::new(count)?,
            owed: Queue::new(count.saturating_mul(2))?,
            replies: [None; REPLIES],
            ping: false,
            logout: false,
            pages: Pages::new()?,
        })
    }

    /// Has a new command sent.
    pub(super) fn command(&mut self, itt: Itt) {
        // There is room for as many as there are places.
        let _ = self.waiting.push(itt);
    }

    /// Has the data of a task sent that owes some.
    pub(super) fn data(&mut self, itt: Itt) -> Result<(), Failure> {
        self.owed.push(itt).ok_or(Failure::TooMuchOwed)
    }

    /// Has the target's ping answered.
    pub(super) fn reply(&mut self, ping: Ping) -> Result<(), Failure> {
        let room = self.replies.iter_mut().find(|reply| reply.is_none());
        *room.ok_or(Failure::TooManyPings)? = Some(ping);
        Ok(())
    }

    /// Has a ping sent.
    pub(super) fn ping(&mut self) {
        self.ping = true;
    }

    /// Has a Logout Request sent.
    pub(super) fn logout(&mut self) {
        self.logout = true;
    }

    /// Whether part of this task's data is in the PDU on its way.
    pub(super) fn is_sending(&self, itt: Itt) -> bool {
        let data = self.current.as_ref().and_then(|pdu| pdu.data.as_ref());
        data.is_some_and(|data| data.itt == itt)
    }

    /// Sends what there is to send, as far as there is space.
    pub(super) fn pump(
        &mut self,
        session: &mut Session,
        tasks: &mut Tasks,
        stream: &mut Stream<'_>,
    ) -> Result<(), Failure> {
        loop {
            if let Some(pdu) = &mut self.current {
                if !pdu.send(tasks, &mut self.pages, stream)? {
                    return Ok(());
                }
            }
            self.current = self.next(session, tasks)?;
            if self.current.is_none() {
                return Ok(());
            }
        }
    }

    fn next(&mut self, session: &mut Session, tasks: &mut Tasks) -> Result<Option<Pdu>, Failure> {
        let mut next = match self.next_control(session) {
            Some(pdu) => Some(pdu),
            None => match self.next_data(session, tasks) {
                Some(pdu) => Some(pdu),
                None => self.next_command(session, tasks)?,
            },
        };
        self.forget_ended(tasks);
        if let Some(pdu) = &mut next {
            pdu.more = !self.owed.is_empty() || !self.waiting.is_empty() && session.window_open();
        }
        Ok(next)
    }

    /// Has the queue of owed data begin with a task that owes some.
    fn forget_ended(&mut self, tasks: &mut Tasks) {
        while let Some(itt) = self.owed.front() {
            let task = tasks.get(itt).and_then(|running| running.task.as_ref());
            if task.is_some_and(Task::owes_data) {
                return;
            }
            self.owed.pop();
        }
    }

    fn next_control(&mut self, session: &mut Session) -> Option<Pdu> {
        let ping = self.replies.iter_mut().find_map(Option::take);
        let header = if let Some(ping) = ping {
            session.nop_out_reply(&ping)
        } else if core::mem::take(&mut self.ping) {
            session.nop_out_ping(PING)
        } else if core::mem::take(&mut self.logout) {
            session.logout(LOGOUT)
        } else {
            return None;
        };
        Some(Pdu::new(header, None))
    }

    fn next_data(&mut self, session: &Session, tasks: &mut Tasks) -> Option<Pdu> {
        self.forget_ended(tasks);
        let itt = self.owed.front()?;
        let task = tasks.get(itt)?.task.as_mut()?;
        let data_out = task.next_data_out(session.parameters())?;
        if !task.owes_data() {
            self.owed.pop();
        }
        let data = Data {
            itt,
            offset: data_out.offset,
            left: data_out.length,
        };
        Some(Pdu::new(session.data_out(itt, &data_out), Some(data)))
    }

    fn next_command(
        &mut self,
        session: &mut Session,
        tasks: &mut Tasks,
    ) -> Result<Option<Pdu>, Failure> {
        while session.window_open() {
            let Some(itt) = self.waiting.pop() else {
                break;
            };
            let Some(running) = tasks.get(itt) else {
                continue;
            };
            let mut task = Task::new(
                lun_of(running.command.lun()),
                super::direction_of(&running.command),
                running.command.length(),
                session.parameters(),
            );
            let header =
                session.scsi_command(&mut task, itt, Attribute::Simple, running.command.cdb())?;
            let data = match task.immediate_length() {
                0 => None,
                left => Some(Data {
                    itt,
                    offset: 0,
                    left,
                }),
            };
            let owes_data = task.owes_data();
            running.task = Some(task);
            running.command.set_sent(true);
            if owes_data {
                self.data(itt)?;
            }
            return Ok(Some(Pdu::new(header, data)));
        }
        Ok(None)
    }
}

impl Pdu {
    fn new(header: [u8; HEADER_LENGTH], data: Option<Data>) -> Self {
        let length = data.as_ref().map_or(0, |data| data.left);
        Self {
            header,
            header_sent: 0,
            data,
            // CAST: 32 bits fit a machine word.
            padding: bytes::padding(length as usize),
            more: false,
        }
    }

    /// Sends what is left of the PDU; false when there is no space for all of it.
    fn send(
        &mut self,
        tasks: &mut Tasks,
        pages: &mut Pages,
        stream: &mut Stream<'_>,
    ) -> Result<bool, Failure> {
        let header = self.header.get(self.header_sent..).unwrap_or_default();
        if !header.is_empty() {
            let more = self.more || self.data.is_some();
            let Some(sent) = space(stream.send(header, more))? else {
                return Ok(false);
            };
            self.header_sent = self.header_sent.saturating_add(sent);
            if self.header_sent < HEADER_LENGTH {
                return Ok(false);
            }
        }
        while let Some(data) = &mut self.data {
            let running = tasks.get(data.itt).ok_or(Failure::LostTask)?;
            let cursor = &mut running.cursor;
            running.command.pages(cursor, data.offset, data.left, pages);
            if pages.len() == 0 {
                return Err(Failure::LostTask);
            }
            let more = self.more || self.padding > 0 || pages.len() < data.left;
            let Some(sent) = space(stream.send_pages(pages, more))? else {
                return Ok(false);
            };
            // CAST: At most what `pages` describes was sent.
            let sent = sent as u32;
            data.offset = data.offset.saturating_add(sent);
            data.left = data.left.saturating_sub(sent);
            if data.left == 0 {
                self.data = None;
            }
        }
        while self.padding > 0 {
            let zeroes = PADDING.get(..self.padding).unwrap_or_default();
            let Some(sent) = space(stream.send(zeroes, self.more))? else {
                return Ok(false);
            };
            self.padding = self.padding.saturating_sub(sent);
        }
        Ok(true)
    }
}

/// How much was sent; `None` when there is no space now.
fn space(sent: Result<usize>) -> Result<Option<usize>, Failure> {
    match sent {
        Ok(sent) => Ok(Some(sent)),
        Err(EAGAIN) => Ok(None),
        Err(error) => Err(Failure::Socket(error)),
    }
}

impl From<ProtocolError> for Failure {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}
