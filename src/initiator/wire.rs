// SPDX-License-Identifier: GPL-2.0-only

//! One connection in full feature phase: what its socket's lock protects.
//!
//! Received PDUs end commands and make data owed; sending follows in the same context, so an R2T is
//! answered where it arrives. A [`Failure`] ends the connection's use: nothing more is read or
//! sent, and the recovery thread hears of it.

mod abort;

use self::abort::Abort;
use super::{
    nexus::{
        self,
        Nexus,
        Origin, //
    },
    receive::Receive,
    tasks::{
        Running,
        Tasks, //
    },
    tolerance,
    transmit::{
        self,
        Transmit, //
    }, //
};
use crate::{
    linux::{
        clock,
        scsi::{
            Command,
            HostStatus,
            Outcome as CommandOutcome, //
        },
        tcp::{
            Chunk,
            Protocol,
            Stream, //
        },
    },
    proto::{
        config::iscsi_conf::Timeouts,
        iscsi::{
            error::Error as ProtocolError,
            opcode::Opcode,
            pdu::{
                login::CID,
                response::{
                    self,
                    DataIn,
                    Event,
                    NopIn,
                    Received,
                    RejectReason,
                    Rejected,
                    Residual,
                    ScsiStatus, //
                }, //
            },
            quirk::Quirks,
            session::Session,
            tag::Itt,
            task::{
                self,
                Outcome, //
            },
        },
        scsi::sense::Sense,
        time::Duration, //
    },
};
use core::sync::atomic::{
    AtomicU64,
    Ordering, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// With more commands than this under way, who sends or receives waits for a thread to do it, which
/// then has several at once. With fewer, the way to that thread would be most of what they take.
const BUSY: usize = 4;

/// How long the target may take no command though it has none, in milliseconds.
const WINDOW_PATIENCE: u64 = 60_000;

/// How long the target has to confirm a logout that it has asked for, in milliseconds; commands
/// that it still answers meanwhile are spared another sending.
const LEAVE_PATIENCE: u64 = 10_000;

/// Why a connection is of no further use.
#[derive(Clone, Copy, Debug)]
pub(super) enum Failure {
    /// A PDU broke the protocol, or could not be made.
    Protocol(ProtocolError),
    /// The socket failed.
    Socket(Error),
    /// The target has closed the connection.
    Closed,
    /// The target named a task there is none of.
    UnknownTask(Itt),
    /// A task ended while its data was on its way.
    LostTask,
    /// More data is owed than there can be tasks.
    TooMuchOwed,
    /// The target does not wait for the answers to its pings.
    TooManyPings,
    /// The target rejected a PDU, which it may have shown.
    Rejected(RejectReason, Option<Rejected>),
    /// The target wants the session to end, and no other for this many seconds.
    EndRequested(u16),
    /// The target has not answered a ping for this many milliseconds.
    Silent(u64),
    /// The target has taken no command for this many milliseconds.
    ShutOut(u64),
    /// A command has been without an answer for too long.
    CommandExpired,
    /// Somebody asked for a new session.
    ResetRequested,
    /// The boot disk's logical unit is gone.
    UnitGone(u64),
    /// The boot disk is not ready.
    UnitNotReady(u64),
    /// The boot disk answers as another one would.
    UnitDoubtful(u64),
    /// The target may have put another disk in the place of one.
    UnitsChanged,
    /// The address that the connection is from is gone.
    AddressGone,
}

impl core::fmt::Display for Failure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Protocol(error) => error.fmt(f),
            Self::Socket(error) => write!(f, "the connection broke: {error:?}"),
            Self::Closed => write!(f, "the target closed the connection"),
            Self::UnknownTask(itt) => write!(f, "the target answered no command of ours: {itt}"),
            Self::LostTask => write!(f, "internal error: a command ended while it was being sent"),
            Self::TooMuchOwed => write!(f, "internal error: too much data is owed"),
            Self::TooManyPings => {
                write!(f, "the target sends pings faster than they can be answered")
            }
            Self::Rejected(reason, Some(pdu)) => {
                write!(f, "the target rejected a {}: {reason}", pdu.opcode)
            }
            Self::Rejected(reason, None) => write!(f, "the target rejected a PDU: {reason}"),
            Self::EndRequested(_) => write!(f, "the target asked for the session to end"),
            Self::Silent(time) => write!(f, "the target has not answered a ping for {time} ms"),
            Self::ShutOut(time) => write!(
                f,
                "the target has kept its command window closed for {time} ms, with no command left"
            ),
            Self::CommandExpired => write!(f, "the target has not answered a command in time"),
            Self::ResetRequested => write!(f, "a reset was asked for"),
            Self::UnitGone(lun) => write!(f, "the target has no LUN {lun} any more"),
            Self::UnitNotReady(lun) => write!(f, "LUN {lun} is not ready"),
            Self::UnitDoubtful(lun) => {
                write!(f, "LUN {lun} answers as if it were another disk")
            }
            Self::UnitsChanged => write!(f, "the target says that its LUNs have changed"),
            Self::AddressGone => write!(f, "this machine's address has changed"),
        }
    }
}

/// The state of a connection.
pub(super) struct Wire {
    nexus: Arc<Nexus>,
    session: Session,
    tasks: Option<Tasks>,
    receive: Receive,
    transmit: Transmit,
    failure: Option<Failure>,
    /// When the target asked for the logout that was sent, if it has.
    leaving: Option<u64>,
    /// When something was last received.
    heard: u64,
    /// When the ping that waits for its answer was sent.
    pinged: Option<u64>,
    /// What the target was asked to give up, and has not answered.
    abort: Option<Abort>,
    /// What the target has refused to give up.
    refused: Option<Abort>,
    /// How many task management requests were made.
    requests: u32,
    /// The quirks that were told of.
    told: Quirks,
    /// When a command last ended, on this connection or before.
    progress: u64,
    /// Since when commands wait of which the target takes none, and has none.
    shut_out: Option<u64>,
}

impl Wire {
    /// A connection that login has just established, which sends all `tasks` anew; the last command
    /// before them ended at `progress`.
    pub(super) fn new(
        nexus: Arc<Nexus>,
        session: Session,
        mut tasks: Tasks,
        mut transmit: Transmit,
        progress: u64,
    ) -> Self {
        tasks.renew_all(|itt| transmit.command(itt));
        Self {
            nexus,
            session,
            tasks: Some(tasks),
            receive: Receive::new(),
            transmit,
            failure: None,
            leaving: None,
            heard: clock::milliseconds(),
            pinged: None,
            abort: None,
            refused: None,
            requests: 0,
            told: Quirks::NONE,
            progress,
            shut_out: None,
        }
    }

    /// Why the connection is of no further use, if it is.
    pub(super) fn failure(&self) -> Option<Failure> {
        self.failure
    }

    /// Ends the connection's use.
    pub(super) fn fail(&mut self, failure: Failure) {
        if self.failure.is_none() {
            self.failure = Some(failure);
            self.nexus.events.raise(nexus::CONNECTION);
        }
    }

    /// Gives the commands away, once the connection has been reset.
    pub(super) fn take_tasks(&mut self) -> Option<Tasks> {
        self.accept();
        // Nothing more will be sent, and what has been answered is held by nobody then.
        self.transmit.clear();
        self.tasks.take()
    }

    /// Sends what there is to send.
    pub(super) fn pump(&mut self, stream: &mut Stream<'_>) {
        self.accept();
        let Some(tasks) = &mut self.tasks else {
            return;
        };
        if self.failure.is_some() {
            return;
        }
        let result = self.transmit.pump(&mut self.session, tasks, stream);
        let busy = tasks.len() > BUSY;
        if let Err(failure) = result {
            self.fail(failure);
        }
        if busy != self.nexus.busy.load(Ordering::Relaxed) {
            self.nexus.busy.store(busy, Ordering::Relaxed);
        }
    }

    /// Sends a Logout Request.
    pub(super) fn logout(&mut self, stream: &mut Stream<'_>) {
        self.transmit.logout();
        self.pump(stream);
    }

    /// Looks after the target: asks for a sign of life after some time without one, and gives up
    /// when none has come for some more. `urgent` asks at once.
    pub(super) fn watch(
        &mut self,
        now: u64,
        timeouts: &Timeouts,
        urgent: bool,
        stream: &mut Stream<'_>,
    ) {
        let silence = now.saturating_sub(self.heard);
        let quiet = match self.outstanding() {
            0 => timeouts.idle,
            _ => timeouts.active,
        };
        // Without a limit it is not reached.
        let quiet = quiet.map_or(u64::MAX, Duration::as_millis);
        let patience = timeouts.ping.map_or(u64::MAX, Duration::as_millis);
        match self.pinged {
            Some(pinged) => {
                let waited = now.saturating_sub(pinged);
                if waited >= patience && silence >= patience {
                    self.fail(Failure::Silent(waited));
                }
            }
            None if urgent || silence >= quiet => {
                self.pinged = Some(now);
                self.transmit.ping();
            }
            None => {}
        }
        self.watch_abort(now, timeouts, stream);
        self.watch_window(now);
        // Whatever else it says: nothing can be sent any more.
        if (self.leaving).is_some_and(|since| now.saturating_sub(since) >= LEAVE_PATIENCE) {
            self.fail(Failure::EndRequested(0));
        }
        // Also what could not be sent for want of memory, of which nobody tells
        // when there is some again.
        self.pump(stream);
    }

    /// Gives up where the target has no command and takes none: no timer runs for those that
    /// wait.
    fn watch_window(&mut self, now: u64) {
        let Some(tasks) = &mut self.tasks else {
            return;
        };
        let is_shut_out =
            !self.session.window_open() && self.transmit.has_waiting(tasks) && !tasks.any_sent();
        let since = *self.shut_out.get_or_insert(now);
        if !is_shut_out {
            self.shut_out = None;
        } else if now.saturating_sub(since) >= WINDOW_PATIENCE {
            self.fail(Failure::ShutOut(WINDOW_PATIENCE));
        }
    }

    /// Whether the command with this block layer tag is here.
    pub(super) fn holds(&mut self, tag: usize) -> bool {
        self.accept();
        self.transmit.holds(tag) || self.tasks.as_ref().is_some_and(|tasks| tasks.holds(tag))
    }

    /// Whether something has begun to go and has not gone.
    pub(super) fn is_sending(&self) -> bool {
        self.transmit.is_sending()
    }

    /// When a command last ended, on this connection or before.
    pub(super) fn progress(&self) -> u64 {
        self.progress
    }

    /// How many commands wait for the target.
    pub(super) fn outstanding(&self) -> usize {
        self.tasks.as_ref().map_or(0, Tasks::len)
    }

    /// Takes in the commands that were queued.
    fn accept(&mut self) {
        let Some(tasks) = &mut self.tasks else {
            return;
        };
        self.nexus
            .hand_over(tasks, |itt| self.transmit.command(itt));
    }

    /// Takes what `chunk` has.
    fn consume(&mut self, chunk: &mut Chunk<'_>) -> Result<(), Failure> {
        loop {
            let tasks = self.tasks.as_mut().ok_or(Failure::LostTask)?;
            match self.receive.next(&mut self.session, tasks, chunk)? {
                Some(pdu) => self.handle(pdu)?,
                None => {
                    if self.receive.is_between() {
                        chunk.answered();
                    }
                    return Ok(());
                }
            }
        }
    }

    /// Acts on a complete PDU.
    fn handle(&mut self, pdu: Received) -> Result<(), Failure> {
        match pdu {
            Received::DataIn(data_in) if data_in.status.is_none() => Ok(()),
            Received::DataIn(data_in) => self.end(data_in.itt, &pdu),
            Received::ScsiResponse(response) => self.end(response.itt, &pdu),
            Received::R2t(r2t) => {
                let tasks = self.tasks.as_mut().ok_or(Failure::LostTask)?;
                let running = tasks.get(r2t.itt);
                let task = running.and_then(|running| running.task.as_mut());
                let task = task.ok_or(Failure::UnknownTask(r2t.itt))?;
                let owing = task.owes_data();
                task.r2t(&r2t, self.session.parameters())?;
                if owing {
                    return Ok(());
                }
                self.transmit.data(r2t.itt)
            }
            Received::NopIn(NopIn::Ping(ping)) => self.transmit.reply(ping),
            Received::NopIn(NopIn::Reply { itt, .. }) if itt == transmit::PING => {
                self.pinged = None;
                Ok(())
            }
            Received::NopIn(NopIn::Reply { itt, .. }) => Err(Failure::UnknownTask(itt)),
            Received::NopIn(NopIn::Notice) => Ok(()),
            Received::Logout(logout)
                if logout.itt == transmit::LOGOUT && self.session.is_logged_out() =>
            {
                self.nexus.events.raise(nexus::LOGGED_OUT);
                match self.leaving {
                    Some(_) => Err(Failure::EndRequested(0)),
                    None => Ok(()),
                }
            }
            Received::Text(text) => Err(Failure::UnknownTask(text.itt)),
            Received::Logout(logout) => Err(Failure::UnknownTask(logout.itt)),
            Received::TaskManagement(answer) => self.confirmed(answer.itt, answer.response),
            Received::Async(message) => match message.event {
                Event::Scsi(_) | Event::Other(_) => Ok(()),
                // RFC 7143 section 11.9.1: a logout is asked for, or will do. A new
                // session follows.
                Event::LogoutRequested { .. } | Event::NegotiationRequested { .. } => {
                    self.leaving.get_or_insert(self.heard);
                    self.transmit.logout();
                    Ok(())
                }
                Event::ConnectionDropped { cid, .. } if cid != CID => Ok(()),
                Event::ConnectionDropped { time2wait, .. }
                | Event::SessionDropped { time2wait } => Err(Failure::EndRequested(time2wait)),
            },
            Received::Reject(reject) => {
                // RFC 7143 section 7.3: a rejected command gets no response, and its number is
                // missing.
                let pdu = Rejected::parse(self.receive.side());
                match pdu {
                    // A target that will not be pinged lives all the same.
                    Some(pdu) if pdu.opcode == Opcode::NOP_OUT => {
                        self.pinged = None;
                        Ok(())
                    }
                    _ => Err(Failure::Rejected(reject.reason, pdu)),
                }
            }
        }
    }

    /// Ends the command `itt`, of which `pdu` says how.
    fn end(&mut self, itt: Itt, pdu: &Received) -> Result<(), Failure> {
        let tasks = self.tasks.as_mut().ok_or(Failure::LostTask)?;
        let running = tasks.get(itt).ok_or(Failure::UnknownTask(itt))?;
        let task = running.task.as_ref().ok_or(Failure::UnknownTask(itt))?;
        let (outcome, said) = match pdu {
            Received::ScsiResponse(response) => (task.response(response), response.outcome.ok()),
            Received::DataIn(DataIn {
                status: Some(status),
                ..
            }) => (task.status(status), Some(*status)),
            _ => return Ok(()),
        };
        if let Some(said) = said {
            self.session.ended(&said, &outcome);
        }

        let mut sense = response::sense(self.receive.side());
        let verdict = match &outcome {
            Outcome::Completed(status) if status.status == ScsiStatus::CHECK_CONDITION => {
                // Before the mid-layer sees it: its error handler would stop the host to ask for
                // it.
                sense = response::autosense(self.receive.side())?;
                let origin = match (running.command.repeatable(), running.repeated) {
                    (false, _) => Origin::Passthrough,
                    (true, false) => Origin::First,
                    (true, true) => Origin::Repeated,
                };
                self.nexus.check_unit(running.command.lun(), sense, origin)
            }
            _ => Ok(()),
        };
        // One that must not be repeated ends with what the unit says, and the session behind it.
        if running.command.repeatable() {
            verdict?;
        }
        self.progress = self.heard;
        let running = tasks.remove(itt).ok_or(Failure::LostTask)?;
        if let Some(command) = conclude(running, outcome, sense) {
            if let Some(again) = tasks.insert(command) {
                self.transmit.command(again);
            }
        }
        verdict
    }
}

impl Protocol for Wire {
    fn readable(&mut self, stream: &mut Stream<'_>) {
        if self.failure.is_some() || self.tasks.is_none() {
            return;
        }
        let mut failure = None;
        stream.receive(|chunk| {
            if failure.is_none() {
                self.heard = clock::milliseconds();
                failure = self.consume(chunk).err();
            }
        });
        if self.session.quirks() != self.told {
            self.told = self.session.quirks();
            tolerance::tell(self.told);
        }
        if let Some(failure) = failure {
            self.fail(failure);
        } else if let Some(error) = stream.error() {
            self.fail(Failure::Socket(error));
        } else if !stream.open() {
            self.fail(Failure::Closed);
        }
        self.pump(stream);
    }

    fn writable(&mut self, stream: &mut Stream<'_>) {
        self.pump(stream);
    }

    fn expected(&self) -> u32 {
        self.receive.expected()
    }

    fn defer(&mut self) {
        self.nexus.events.raise(nexus::SERVE);
    }

    fn busy(&self) -> bool {
        self.outstanding() > BUSY
    }
}

/// Completes a command with `outcome` and `sense`, or gives it back to be sent again.
fn conclude(running: Running, outcome: Outcome, sense: &[u8]) -> Option<Command> {
    match outcome {
        // The first command after a new session may only be told that there is one; it
        // was not executed (RFC 7143 section 11.14.5). The block layer would count that as
        // a failure of a command that has waited for long.
        Outcome::Completed(status)
            if running.repeated
                && status.status == ScsiStatus::CHECK_CONDITION
                && Sense::parse(sense).is_some_and(Sense::is_reset_notice) =>
        {
            return Some(running.again());
        }
        Outcome::Completed(status) => running.command.complete(CommandOutcome {
            host: HostStatus::Ok,
            status: status.status.value(),
            residual: match status.residual {
                Residual::Underflow(count) => count,
                Residual::None | Residual::Overflow(_) => 0,
            },
            sense,
        }),
        Outcome::Failed(failure) => {
            report(&running, failure);
            running.command.end(HostStatus::Error);
        }
    }
    None
}

/// Says why a command has no result, at most once a second: how often it
/// happens is the target's choice.
fn report(running: &Running, failure: task::Failure) {
    static LAST: AtomicU64 = AtomicU64::new(0);

    let now = clock::milliseconds();
    let last = LAST.load(Ordering::Relaxed);
    if now.saturating_sub(last) < 1_000
        || LAST
            .compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed)
            .is_err()
    {
        return;
    }
    pr_warn!(
        "command {:#04x} to LUN {} has no result: {}\n",
        running.command.cdb().first().copied().unwrap_or_default(),
        running.command.lun(),
        core::format_args!("{failure}")
    );
}
