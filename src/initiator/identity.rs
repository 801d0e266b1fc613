// SPDX-License-Identifier: GPL-2.0-only

//! Whether the disks behind a new session are still those that they were: a target may have been
//! set up anew meanwhile, and a write to another disk of the same name destroys that.
//!
//! | the boot disk's LUN has | there is |
//! |---|---|
//! | the same name | a session |
//! | another name, none any more, or no disk | no session, until it is back |
//! | the same name, and is not ready | no session, until it is |
//!
//! Another LUN with another name than before, or none any more, fails its commands, and nothing is
//! sent to it. A unit that had no names to be compared ([`identification`]) is taken for the same,
//! as long as it is the same target's. One that is busy is asked again for some time, and then
//! fails its commands as another disk would, unless it is the boot disk's; one that is silent holds
//! the session back. Another target's is not the same: its disk must have a name that no
//! other disk in the world has. And since the target before may still have commands, whose effect
//! must not come after those that are sent again, the unit is reset, which ends the commands of all
//! (RFC 7143 section 11.5.1); without that there is no session, but for what has no blocks: of
//! that nothing is sent again. So it is where another portal group of the same target has the
//! session, which ends nothing of the one before (section 6.3.5). A portal that only a DHCP server
//! tells of is taken for another target's, whatever its target is called. A LUN of another target
//! that is not proved so has to be later, too: a name that was not enough once is not enough for
//! the next session with that target.
//!
//! What has no medium, as the controller of a target, is no disk that could be another one: it is
//! left alone.

use super::{
    login::LoginFailure,
    lun_of,
    nexus::{
        Foreign,
        Nexus,
        FOREIGN_MAX, //
    },
    portal::{
        Connected,
        Time, //
    },
};
use crate::{
    linux::{
        clock,
        disk::is_disk,
        scsi::Identification, //
    },
    proto::{
        iscsi::{
            error::{
                Error as ProtocolError,
                Violation, //
            },
            login::{
                Established,
                DATA_LENGTH_MAX, //
            },
            opcode::Opcode,
            pdu::{
                request::{
                    Attribute,
                    Direction,
                    Function, //
                },
                response::{
                    self,
                    DataIn,
                    FunctionResponse,
                    NopIn,
                    Received, //
                },
            },
            session::Session,
            tag::Itt,
            task::{
                Outcome,
                Task, //
            },
            HEADER_LENGTH, //
        },
        scsi::{
            identification,
            sense::Sense, //
        },
    },
};
use kernel::prelude::*;

/// How long all of it may take, in milliseconds, and how much longer for each logical unit.
const VERIFY_TIMEOUT: u64 = 10_000;
const SHARE: u64 = 100;
/// How long what one logical unit is asked may take, and for how long all those that are busy are
/// asked again, which is less.
const UNIT_TIMEOUT: u64 = 5_000;
const BUSY_TIMEOUT: u64 = 4_000;
/// How long the logout may take from a session whose disks are others.
const LEAVE_TIMEOUT: u64 = 1_000;
/// The Initiator Task Tag of what is asked here, before there are other commands.
const TAG: Itt = Itt::new(0);
const RESET_TAG: Itt = Itt::new(1);
const LOGOUT_TAG: Itt = Itt::new(2);

/// SPC-5 section 6.49.
const TEST_UNIT_READY: [u8; 6] = [0; 6];
/// How often a logical unit that has something else to tell of is asked again at once, and how long
/// it is left alone then, or where it is busy, in milliseconds.
const ATTENTIONS: usize = 8;
const PAUSE: u32 = 50;

/// Whose disks they are to be.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(super) enum Whose {
    /// Those of the target that had the latest session.
    Same,
    /// Those of another target, or of whoever is at a portal that a server tells of.
    Another,
}

/// What a logical unit answers.
enum Answer {
    /// So many bytes of its page.
    Page(usize),
    /// There is no such unit.
    Gone,
    /// It is not ready, or busy.
    NotReady,
    /// It does not tell.
    Nothing,
}

/// What it says to one command.
enum Said {
    Answer(Answer),
    /// It tells of something else first, which is then told.
    Attention,
    /// It has not executed the command this time.
    Busy,
}

/// How long it may take with so many logical units, in milliseconds.
pub(super) fn time_for(units: usize) -> u64 {
    // CAST: A count of what is in memory.
    SHARE
        .saturating_mul(units as u64)
        .saturating_add(VERIFY_TIMEOUT)
}

/// Begins the session, which goes to the same disks as before; `group` is the portal group of the
/// session before.
pub(super) fn verify(
    connected: &mut Connected,
    established: &Established,
    nexus: &Nexus,
    whose: Whose,
    group: Option<u16>,
) -> Result<Session, LoginFailure> {
    let mut session = Session::new(established);
    connected.go_on(session.parameters());
    let mut buffer = KVVec::from_elem(0, DATA_LENGTH_MAX, GFP_KERNEL)
        .map_err(|_| LoginFailure::Memory(ENOMEM))?;
    let is_elsewhere = established.target_portal_group != group;
    let found = look(
        connected,
        &mut session,
        &mut buffer,
        nexus,
        whose,
        is_elsewhere,
    );
    // RFC 7143 section 4.2.6: a session that works, but for a unit, ends by a logout. What the
    // target says to that is of no use any more.
    if found.is_err_and(|failure| failure.is_of_unit()) {
        connected.limit(Time {
            deadline: clock::milliseconds().saturating_add(LEAVE_TIMEOUT),
            step: LEAVE_TIMEOUT,
        });
        let _ = connected.send(&session.logout(LOGOUT_TAG));
        let _ = connected.receive(&mut buffer);
    }
    found.map(|()| session)
}

/// Looks whether the disks are the same, and resets those that another target or portal group had.
fn look(
    connected: &mut Connected,
    session: &mut Session,
    buffer: &mut [u8],
    nexus: &Nexus,
    whose: Whose,
    is_elsewhere: bool,
) -> Result<(), LoginFailure> {
    let units = nexus.identifications().map_err(LoginFailure::Memory)?;
    let mut foreign: KVec<Foreign> = KVec::new();
    let mut to_reset: KVec<&Identification> = KVec::new();
    let mut has_boot_unit = false;
    let portal = connected.portal();
    let begin = clock::milliseconds();
    let end = begin.saturating_add(time_for(units.len()));
    let patience = begin.saturating_add(BUSY_TIMEOUT);

    // The boot disk's, which is the last, first: it has more of the time than others.
    for unit in units.iter().rev() {
        let is_boot_unit = nexus.is_boot_unit(unit.lun);
        has_boot_unit |= is_boot_unit;
        if !has_medium(unit.kind) {
            continue;
        }
        let whose = match nexus.is_unproved(unit.lun) {
            true => Whose::Another,
            false => whose,
        };
        let is_served_elsewhere = is_elsewhere || whose == Whose::Another;
        if unit.page().is_empty() && !is_boot_unit && !is_served_elsewhere {
            continue;
        }
        let mut page = [0; identification::LENGTH as usize];
        let mut asked = Asked::new(connected, session, buffer, unit.lun, end);
        // What the unit has to tell of before is told, so that what comes later is news.
        let readiness = asked.ask_until_told(&TEST_UNIT_READY, &mut [], patience)?;
        // Of others that may be usual, as of a CD drive without a CD.
        if is_boot_unit && matches!(readiness, Answer::NotReady) {
            return Err(LoginFailure::UnitNotReady(portal, unit.lun));
        }
        let answer = asked.ask_until_told(&identification::inquiry(), &mut page, patience)?;
        let is_same = match answer {
            Answer::Page(length) => {
                let now = page.get(..length).unwrap_or_default();
                match whose {
                    Whose::Same => identification::is_same(unit.page(), now),
                    Whose::Another => identification::is_proved(unit.page(), now),
                }
            }
            Answer::Gone if is_boot_unit => {
                return Err(LoginFailure::UnitGone(portal, unit.lun));
            }
            // What another disk in its place would do has been settled before.
            Answer::Gone => whose == Whose::Same && !nexus.is_foreign(unit.lun),
            Answer::NotReady if is_boot_unit => {
                return Err(LoginFailure::UnitNotReady(portal, unit.lun));
            }
            Answer::NotReady | Answer::Nothing => {
                whose == Whose::Same && !identification::is_telling(unit.page())
            }
        };
        if is_same {
            if is_served_elsewhere && !matches!(answer, Answer::Gone) {
                to_reset
                    .push(unit, GFP_KERNEL)
                    .map_err(|_| LoginFailure::Memory(ENOMEM))?;
            }
            continue;
        }
        let is_full = foreign.len() >= FOREIGN_MAX;
        if is_full && matches!(answer, Answer::Gone) {
            continue;
        }
        if is_boot_unit || is_full {
            return Err(LoginFailure::UnitReplaced(portal, unit.lun));
        }
        let unit = Foreign {
            lun: unit.lun,
            is_unproved: whose == Whose::Another,
        };
        foreign
            .push(unit, GFP_KERNEL)
            .map_err(|_| LoginFailure::Memory(ENOMEM))?;
    }
    if whose == Whose::Another && !has_boot_unit {
        let lun = nexus.boot_unit().unwrap_or_default();
        return Err(LoginFailure::UnitReplaced(portal, lun));
    }
    // Only now: the disks of a target that is not used are others' to use.
    for unit in to_reset {
        let mut asked = Asked::new(connected, session, buffer, unit.lun, end);
        match asked.reset() {
            Err(LoginFailure::UnitNotReset(..)) if !has_blocks(unit.kind) => {}
            result => result?,
        }
        // What it has to tell of that; whatever else it says, it is known by now.
        let mut asked = Asked::new(connected, session, buffer, unit.lun, end);
        asked.ask_until_told(&TEST_UNIT_READY, &mut [], patience)?;
    }
    for unit in foreign.iter().filter(|unit| !nexus.is_foreign(unit.lun)) {
        pr_err!(
            "LUN {}: the target has another disk there than before, or does not tell; nothing \
             is sent to it, check which disk it has there\n",
            unit.lun
        );
    }
    nexus.set_foreign(&foreign);
    Ok(())
}

/// Whether the block layer's commands go to a logical unit of this type: a disk's, or a CD's.
const fn has_blocks(kind: u8) -> bool {
    is_disk(kind) || matches!(kind, 0x04 | 0x05)
}

/// Whether a logical unit of this type (SPC-5 section 6.7.2) has what could be another's: all but a
/// processor, a storage array controller, enclosure services and a well known logical unit.
const fn has_medium(kind: u8) -> bool {
    !matches!(kind, 0x03 | 0x0c | 0x0d | 0x1e)
}

/// A logical unit that is asked before there are other commands.
struct Asked<'a> {
    connected: &'a Connected,
    session: &'a mut Session,
    lun: u64,
    buffer: &'a mut [u8],
}

impl<'a> Asked<'a> {
    /// Gives the unit its time, which `end` ends.
    fn new(
        connected: &'a mut Connected,
        session: &'a mut Session,
        buffer: &'a mut [u8],
        lun: u64,
        end: u64,
    ) -> Self {
        let deadline = clock::milliseconds().saturating_add(UNIT_TIMEOUT);
        connected.limit(Time {
            deadline: deadline.min(end),
            step: UNIT_TIMEOUT,
        });
        Self {
            connected,
            session,
            lun,
            buffer,
        }
    }

    /// The same as [`Self::ask`], again and again where the unit has something else to tell of, or
    /// is busy: until `patience`, on the clock.
    fn ask_until_told(
        &mut self,
        cdb: &[u8],
        data: &mut [u8],
        patience: u64,
    ) -> Result<Answer, LoginFailure> {
        let mut attentions = 0..ATTENTIONS;
        loop {
            match self.ask(cdb, data)? {
                Said::Answer(answer) => return Ok(answer),
                Said::Attention if attentions.next().is_some() => {}
                Said::Attention | Said::Busy if clock::milliseconds() < patience => {
                    clock::sleep(PAUSE);
                }
                Said::Attention | Said::Busy => return Ok(Answer::NotReady),
            }
        }
    }

    /// Has the unit end all commands that it has.
    fn reset(&mut self) -> Result<(), LoginFailure> {
        let request =
            self.session
                .task_management(Function::LogicalUnitReset, lun_of(self.lun), RESET_TAG);
        self.connected.send(&request)?;
        loop {
            let received = self.connected.receive(self.buffer);
            let (header, _) = received.map_err(silent(self.lun))?;
            let received = self.session.receive(&header);
            match received.map_err(|error| self.connected.protocol(error))? {
                Received::TaskManagement(answer) if answer.itt == RESET_TAG => {
                    return match answer.response {
                        FunctionResponse::COMPLETE => Ok(()),
                        _ => {
                            let portal = self.connected.portal();
                            Err(LoginFailure::UnitNotReset(portal, self.lun))
                        }
                    };
                }
                received => self.between(received, &header)?,
            }
        }
    }

    /// Takes what may come between a question and its answer.
    fn between(
        &self,
        received: Received,
        header: &[u8; HEADER_LENGTH],
    ) -> Result<(), LoginFailure> {
        match received {
            Received::NopIn(NopIn::Ping(ping)) => {
                self.connected.send(&self.session.nop_out_reply(&ping))
            }
            Received::NopIn(NopIn::Notice) | Received::Async(_) => Ok(()),
            _ => {
                let [first, ..] = *header;
                let violation = Violation::UnexpectedOpcode(Opcode::of(first));
                Err(self.connected.protocol(ProtocolError::from(violation)))
            }
        }
    }

    /// Has the unit execute a command that reads `data`.
    fn ask(&mut self, cdb: &[u8], data: &mut [u8]) -> Result<Said, LoginFailure> {
        let connected = self.connected;
        let protocol = |error| connected.protocol(error);
        let (direction, length) = match data.len() {
            0 => (Direction::None, 0),
            // CAST: A page's length.
            length => (Direction::Read, length as u32),
        };
        let lun = lun_of(self.lun);
        let mut task = Task::new(lun, direction, length, self.session.parameters());
        let mut sent = false;

        loop {
            if !sent && self.session.window_open() {
                let header = self
                    .session
                    .scsi_command(&mut task, TAG, Attribute::Simple, cdb)
                    .map_err(protocol)?;
                self.connected.send(&header)?;
                sent = true;
            }
            let received = self.connected.receive(self.buffer);
            let (header, segment) = received.map_err(silent(self.lun))?;
            let received = self.session.receive(&header);
            let received = received.map_err(protocol)?;
            let (outcome, sense) = match received {
                Received::DataIn(data_in) if sent && data_in.itt == TAG => {
                    take(&mut task, &data_in, segment, data).map_err(protocol)?;
                    match &data_in.status {
                        Some(status) => (task.status(status), None),
                        None => continue,
                    }
                }
                Received::ScsiResponse(answer) if sent && answer.itt == TAG => (
                    task.response(&answer),
                    Sense::parse(response::sense(segment)),
                ),
                received => {
                    self.between(received, &header)?;
                    continue;
                }
            };
            let answer = match outcome {
                Outcome::Completed(status) if status.status.is_success() => {
                    // SPC-5 section 6.6.2: there is no device behind this LUN.
                    match data.first() {
                        Some(first) if first >> 5 == 3 => Answer::Gone,
                        // CAST: At most the page's length.
                        _ => Answer::Page(task.moved() as usize),
                    }
                }
                Outcome::Completed(status) if status.status.is_busy() => return Ok(Said::Busy),
                _ if sense.is_some_and(Sense::is_attention) => return Ok(Said::Attention),
                _ if sense.is_some_and(Sense::is_aborted) => return Ok(Said::Busy),
                _ if sense.is_some_and(Sense::is_no_unit) => Answer::Gone,
                _ if sense.is_some_and(Sense::is_not_ready) => Answer::NotReady,
                _ => Answer::Nothing,
            };
            return Ok(Said::Answer(answer));
        }
    }
}

/// What it means that nothing comes while a logical unit is asked.
fn silent(lun: u64) -> impl Fn(LoginFailure) -> LoginFailure {
    move |failure| match failure {
        LoginFailure::Timeout(portal) => LoginFailure::UnitSilent(portal, lun),
        failure => failure,
    }
}

/// Puts the data of a Data-In where it belongs.
fn take(
    task: &mut Task,
    data_in: &DataIn,
    data: &[u8],
    page: &mut [u8],
) -> Result<(), ProtocolError> {
    let range = task.data_in(data_in)?;
    // CAST: 32 bits fit a machine word.
    let place = page.get_mut(range.start as usize..range.end as usize);
    for (to, from) in place.unwrap_or_default().iter_mut().zip(data) {
        *to = *from;
    }
    Ok(())
}
