// SPDX-License-Identifier: GPL-2.0-only

//! What is sent on a connection, and in which order.
//!
//! First what answers the target, then the data it has been promised or has asked for, then new
//! commands as far as its window allows. All that can go now is put into one [`Burst`], headers
//! copied and data lent from the commands' own pages, which one call sends. When the socket is full
//! the burst stays, and goes on from there.
//!
//! A burst, and a PDU that has begun, hold the data buffers they send from, so a command that has
//! been answered early is completed only when those have gone.

use super::{
    lun_of,
    queue::Queue,
    tasks::Tasks,
    wire::Failure, //
};
use crate::{
    linux::{
        crc32c::crc32c,
        scsi::Buffer,
        tcp::{
            Burst,
            Stream, //
        }, //
    },
    proto::{
        bytes::{
            self,
            Writer, //
        },
        iscsi::{
            digest::{
                Crc32c,
                Digest, //
            },
            error::Error as ProtocolError,
            lun::Lun,
            pdu::{
                header::Header,
                request::{
                    Attribute,
                    Function, //
                },
                response::Ping, //
            },
            session::Session,
            tag::Itt,
            task::Task, //
        }, //
    },
};
use kernel::prelude::*;

/// The Initiator Task Tag of our ping; no command's, since tags of commands are small.
pub(super) const PING: Itt = Itt::new(0xffff_fffe);
/// The Initiator Task Tag of our Logout Request.
pub(super) const LOGOUT: Itt = Itt::new(0xffff_fffd);

/// The Initiator Task Tags of task management requests begin here; no place has such a number, so
/// they are no command's either.
const TASK_MANAGEMENT: u32 = 0xffff_e000;
/// How many of them there are, until the first is used again.
const TASK_MANAGEMENT_COUNT: u32 = 0x1000;

/// The Initiator Task Tag of the task management request with this number, from 0.
pub(super) const fn task_management(number: u32) -> Itt {
    Itt::new(TASK_MANAGEMENT | (number % TASK_MANAGEMENT_COUNT))
}

/// Whether this is the tag of one of `count` task management requests.
pub(super) const fn is_task_management(itt: Itt, count: u32) -> bool {
    let number = itt.value().wrapping_sub(TASK_MANAGEMENT);
    number < TASK_MANAGEMENT_COUNT && number < count
}

/// Pings of the target that may wait for their answer at a time.
const REPLIES: usize = 4;

/// Zeroes to pad a data segment with.
const PADDING: [u8; 3] = [0; 3];

// A header that its burst had no room for would be lost.
const _: () = assert!(Header::MAX + Digest::LENGTH <= Burst::COPY_MAX);

/// The sending half of a connection.
pub(super) struct Transmit {
    burst: Burst,
    /// More follows the burst at once.
    more: bool,
    /// What the burst has no room for of a PDU whose header it has.
    data: Option<Data>,
    /// Commands that have not been sent.
    waiting: Queue,
    /// What is being reset, and its commands meanwhile: one that the target gets before it has done
    /// so may or may not be lost.
    resetting: Option<Reset>,
    held_back: Queue,
    /// Tasks whose data is owed.
    owed: Queue,
    replies: [Option<Ping>; REPLIES],
    task_management: Option<(Function, Lun, Itt)>,
    ping: bool,
    logout: bool,
    /// One of the four before may be there, which it seldom is.
    control: bool,
}

/// What a reset is asked for, which ends the commands to it.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Reset {
    /// A logical unit, as the mid-layer numbers it.
    LogicalUnit(u64),
    /// The target, with all logical units.
    Target,
}

impl Reset {
    /// Whether it ends the commands to this logical unit.
    pub(super) fn ends(self, lun: u64) -> bool {
        match self {
            Self::LogicalUnit(unit) => unit == lun,
            Self::Target => true,
        }
    }
}

/// A data segment, or the rest of one, as a part of a command's data buffer.
struct Data {
    itt: Itt,
    buffer: Buffer,
    offset: u32,
    left: u32,
    padding: usize,
    crc: Crc32c,
}

impl Data {
    fn new(itt: Itt, buffer: Buffer, offset: u32, length: u32) -> Self {
        Self {
            itt,
            buffer,
            offset,
            left: length,
            // CAST: 32 bits fit a machine word.
            padding: bytes::padding(length as usize),
            crc: Crc32c::START,
        }
    }
}

impl Transmit {
    /// Nothing to send yet, with room for `count` commands.
    pub(super) fn new(count: u16) -> Result<Self> {
        Ok(Self {
            burst: Burst::new()?,
            more: false,
            data: None,
            waiting: Queue::new(count)?,
            resetting: None,
            held_back: Queue::new(count)?,
            owed: Queue::new(count.saturating_mul(2))?,
            replies: [None; REPLIES],
            task_management: None,
            ping: false,
            logout: false,
            control: false,
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
        self.control = true;
        Ok(())
    }

    /// Has a task management request sent.
    pub(super) fn task_management(&mut self, function: Function, lun: Lun, itt: Itt) {
        self.task_management = Some((function, lun, itt));
        self.control = true;
    }

    /// Sends no command that this reset might end until [`Self::release`].
    pub(super) fn hold_back(&mut self, reset: Reset) {
        self.resetting = Some(reset);
    }

    /// Has the commands sent that were held back.
    pub(super) fn release(&mut self) {
        self.resetting = None;
        while let Some(itt) = self.held_back.pop() {
            self.command(itt);
        }
    }

    /// Whether commands wait, but not for a reset.
    pub(super) fn has_waiting(&mut self, tasks: &mut Tasks) -> bool {
        self.set_aside(tasks);
        self.waiting.front().is_some()
    }

    /// Has a ping sent.
    pub(super) fn ping(&mut self) {
        self.ping = true;
        self.control = true;
    }

    /// Has a Logout Request sent.
    pub(super) fn logout(&mut self) {
        self.logout = true;
        self.control = true;
    }

    /// Whether the data buffer of the command with this block layer tag is held.
    pub(super) fn holds(&self, tag: usize) -> bool {
        self.data
            .as_ref()
            .is_some_and(|data| data.buffer.tag() == tag)
            || self.burst.holds(tag)
    }

    /// Whether something has begun to go and has not gone.
    pub(super) fn is_sending(&self) -> bool {
        self.data.is_some() || !self.burst.is_empty()
    }

    /// Forgets what has begun to go, and lets the data buffers go.
    pub(super) fn clear(&mut self) {
        self.data = None;
        self.burst.clear();
    }

    /// Sends what there is to send, as far as there is space.
    pub(super) fn pump(
        &mut self,
        session: &mut Session,
        tasks: &mut Tasks,
        stream: &mut Stream<'_>,
    ) -> Result<(), Failure> {
        if !self.burst.is_empty() {
            // What was to follow may have been answered meanwhile.
            self.more = self.has_more(session, tasks);
        }
        let mut is_all = false;
        loop {
            let is_sent = stream
                .send(&mut self.burst, self.more)
                .map_err(Failure::Socket)?;
            if is_all || !is_sent {
                return Ok(());
            }
            is_all = self.fill(session, tasks, stream)?;
            if self.burst.is_empty() {
                return Ok(());
            }
        }
    }

    /// Puts into the burst what is to be sent, until there is nothing more, or no room or memory;
    /// whether that is all there is.
    fn fill(
        &mut self,
        session: &mut Session,
        tasks: &mut Tasks,
        stream: &mut Stream<'_>,
    ) -> Result<bool, Failure> {
        let parameters = session.parameters();
        let (header_digest, data_digest) = (parameters.header_digest, parameters.data_digest);

        // A header takes its number when it is made, so there must be room for it before.
        while self.add_data(data_digest, tasks, stream)? && self.burst.reserve(stream) {
            let Some(header) = self.next(session, tasks)? else {
                self.more = false;
                return Ok(true);
            };
            if !self.add_header(&header, header_digest, stream) {
                return Err(Failure::LostTask);
            }
        }
        // Without memory nothing follows at once.
        self.more = self.burst.is_full() && self.has_more(session, tasks);
        Ok(false)
    }

    /// Puts a header and its digest into the burst; false when there is no room or no memory.
    fn add_header(&mut self, header: &[u8], digest: Digest, stream: &mut Stream<'_>) -> bool {
        match digest {
            Digest::None => self.burst.copy(stream, header),
            Digest::Crc32c => {
                let mut buffer = [0; Header::MAX + Digest::LENGTH];
                let header = digested(&mut buffer, header, digest, Crc32c::START);
                self.burst.copy(stream, header)
            }
        }
    }

    /// Whether there is more to send than the burst has. TCP keeps its end back then, so it must be
    /// right.
    fn has_more(&mut self, session: &Session, tasks: &mut Tasks) -> bool {
        if session.is_logged_out() {
            return self.data.is_some();
        }
        self.forget_ended(tasks);
        self.data.is_some()
            || self.control && self.has_control()
            || self.owed.front().is_some()
            || session.window_open() && self.has_waiting(tasks)
    }

    fn has_control(&self) -> bool {
        self.replies.iter().any(Option::is_some)
            || self.task_management.is_some()
            || self.ping
            || self.logout
    }

    /// Puts the data into the burst whose header it has, with what follows that data; false when
    /// not all of it fits.
    fn add_data(
        &mut self,
        digest: Digest,
        tasks: &mut Tasks,
        stream: &mut Stream<'_>,
    ) -> Result<bool, Failure> {
        let Some(data) = &mut self.data else {
            return Ok(true);
        };
        if !self.burst.reserve(stream) {
            return Ok(false);
        }
        let from = self.burst.pieces();
        let added = self.burst.add(&mut data.buffer, data.offset, data.left);
        if added == 0 && data.left > 0 {
            return Err(Failure::LostTask);
        }
        data.offset = data.offset.saturating_add(added);
        data.left = data.left.saturating_sub(added);
        if digest == Digest::Crc32c {
            data.crc = Crc32c(self.burst.crc32c(from, data.crc.0));
        }
        if data.left > 0 {
            return Ok(false);
        }
        let mut buffer = [0; PADDING.len() + Digest::LENGTH];
        let padding = PADDING.get(..data.padding).unwrap_or_default();
        let end = digested(&mut buffer, padding, digest, data.crc);
        if !self.burst.copy(stream, end) {
            return Ok(false);
        }
        if let Some(Data { itt, buffer, .. }) = self.data.take() {
            // The next PDU goes on from there.
            if let Some(running) = tasks.get(itt) {
                running.buffer = Some(buffer);
            }
        }
        Ok(true)
    }

    /// The header of the next PDU; data that follows it is what the burst is to have next.
    fn next(
        &mut self,
        session: &mut Session,
        tasks: &mut Tasks,
    ) -> Result<Option<Header>, Failure> {
        if session.is_logged_out() {
            return Ok(None);
        }
        if self.control {
            if let Some(header) = self.next_control(session) {
                return Ok(Some(header));
            }
            self.control = false;
        }
        match self.next_data(session, tasks) {
            Some(header) => Ok(Some(header)),
            None => self.next_command(session, tasks),
        }
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

    /// Has the queue of commands begin with one that may be sent.
    fn set_aside(&mut self, tasks: &mut Tasks) {
        let Some(reset) = self.resetting else {
            return;
        };
        while let Some(itt) = self.waiting.front() {
            match tasks.get(itt) {
                Some(running) if !reset.ends(running.command.lun()) => return,
                Some(_) => {
                    // There is room for as many as there are places.
                    let _ = self.held_back.push(itt);
                }
                None => {}
            }
            self.waiting.pop();
        }
    }

    fn next_control(&mut self, session: &mut Session) -> Option<Header> {
        let ping = self.replies.iter_mut().find_map(Option::take);
        let header = if let Some(ping) = ping {
            session.nop_out_reply(&ping)
        } else if let Some((function, lun, itt)) = self.task_management.take() {
            session.task_management(function, lun, itt)
        } else if core::mem::take(&mut self.ping) {
            session.nop_out_ping(PING)
        } else if core::mem::take(&mut self.logout) {
            session.logout(LOGOUT)
        } else {
            return None;
        };
        Some(header.into())
    }

    fn next_data(&mut self, session: &Session, tasks: &mut Tasks) -> Option<Header> {
        self.forget_ended(tasks);
        let itt = self.owed.front()?;
        let running = tasks.get(itt)?;
        let task = running.task.as_mut()?;
        let data_out = task.next_data_out(session.parameters())?;
        if !task.owes_data() {
            self.owed.pop();
        }
        let buffer = running.buffer.take();
        let buffer = buffer.unwrap_or_else(|| running.command.buffer());
        self.data = Some(Data::new(itt, buffer, data_out.offset, data_out.length));
        Some(session.data_out(itt, &data_out).into())
    }

    fn next_command(
        &mut self,
        session: &mut Session,
        tasks: &mut Tasks,
    ) -> Result<Option<Header>, Failure> {
        while session.window_open() {
            self.set_aside(tasks);
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
            self.data = match task.immediate_length() {
                0 => None,
                length => Some(Data::new(itt, running.command.buffer(), 0, length)),
            };
            let owes_data = task.owes_data();
            running.task = Some(task);
            running.command.set_sent(true);
            if owes_data {
                self.data(itt)?;
            }
            return Ok(Some(header));
        }
        Ok(None)
    }
}

/// `bytes` and, when they end what a digest protects, that digest behind them, in `buffer`; `crc`
/// is the remainder before them.
fn digested<'a>(buffer: &'a mut [u8], bytes: &[u8], digest: Digest, crc: Crc32c) -> &'a [u8] {
    let mut writer = Writer::new(buffer);
    // The buffers have room for both.
    let _ = writer.put(bytes);
    if digest == Digest::Crc32c {
        let _ = writer.put(&Crc32c(crc32c(crc.0, bytes)).bytes());
    }
    writer.finish()
}

impl From<ProtocolError> for Failure {
    fn from(error: ProtocolError) -> Self {
        Self::Protocol(error)
    }
}

#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
#[kunit_tests(iscsi_init_transmit)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_ends_the_commands_of_a_unit_or_of_all() {
        assert!(Reset::LogicalUnit(1).ends(1));
        assert!(!Reset::LogicalUnit(1).ends(0));
        assert!(Reset::Target.ends(0) && Reset::Target.ends(1));
    }
}
