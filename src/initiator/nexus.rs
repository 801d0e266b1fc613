// SPDX-License-Identifier: GPL-2.0-only

//! The I_T nexus: what outlives the connections between the host and its target.
//!
//! The mid-layer's commands come in here from any number of contexts. They are put on a lock-free
//! list, and whoever finds no other sender active sends what the list has, or leaves that to the
//! recovery thread when many commands are under way; while there is no connection they wait on it.

use super::{
    status::Status,
    tasks::Tasks,
    wire::{
        Failure,
        Wire, //
    }, //
};
use crate::{
    linux::{
        event::Event,
        reboot::{
            How,
            Reboot, //
        },
        scsi::{
            identifications,
            Command,
            CommandList,
            HostStatus,
            Identification,
            Operations, //
        },
        tcp::Connection, //
    },
    proto::{
        config::target::Portal,
        iscsi::tag::Itt,
        scsi::sense::Sense,
        time::Duration, //
    }, //
};
use core::{
    ops::RangeInclusive,
    sync::atomic::{
        fence,
        AtomicBool,
        AtomicU32,
        AtomicU64,
        AtomicUsize,
        Ordering, //
    },
};
use kernel::{
    new_mutex,
    new_spinlock,
    prelude::*,
    sync::{
        Arc,
        Mutex,
        SpinLock, //
    }, //
};

/// Something happened to the connection.
pub(super) const CONNECTION: u32 = 1 << 0;
/// The target has confirmed the logout.
pub(super) const LOGGED_OUT: u32 = 1 << 1;
/// The mid-layer's timer has expired for a command.
pub(super) const EXPIRED: u32 = 1 << 2;
/// The host or the machine is going down: waiting is bounded from now on.
pub(super) const CLOSING: u32 = 1 << 3;
/// The session is to be ended.
pub(super) const END: u32 = 1 << 4;
/// The recovery thread is to return.
pub(super) const STOP: u32 = 1 << 5;
/// The boot has its disk: waiting for the target is unbounded from now on.
pub(super) const BOOTED: u32 = 1 << 6;
/// The error handler wants a command back.
pub(super) const ABORT: u32 = 1 << 7;

/// The recovery thread is to receive and send on the connection.
pub(super) const SERVE: u32 = 1 << 8;

/// No command's tag.
pub(super) const NO_TAG: usize = usize::MAX;

/// No host's number, and no logical unit's.
const NO_HOST: u32 = u32::MAX;
const NO_UNIT: u64 = u64::MAX;

/// How many logical units besides the boot disk's may have another disk than before.
pub(super) const FOREIGN_MAX: usize = 16;

/// How much longer the error handler waits for a unit's answer than the target is waited for, and
/// for how long in all, in seconds. The kernel's own time is 10.
const PATIENCE: u64 = 5;
const PATIENCE_RANGE: RangeInclusive<u64> = 15..=3_600;

/// How long an abort waits before it asks again, in milliseconds.
const ABORT_REMINDER: u64 = 30_000;

/// A logical unit behind which there is another disk than before.
pub(super) struct Foreign {
    pub(super) lun: u64,
    /// It came with another target, so it must be proved to be the same.
    pub(super) is_unproved: bool,
}

/// The bit that stands for a place.
fn bit(place: usize) -> u32 {
    // CAST: There are fewer places than bits.
    1_u32.wrapping_shl(place as u32)
}

/// What an answered command was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Origin {
    /// The block layer's, sent for the first time.
    First,
    /// The block layer's, sent again in this session.
    Repeated,
    /// Not the block layer's: it must not be sent again.
    Passthrough,
}

/// What submitters, the connection and the recovery thread share.
#[pin_data]
pub(crate) struct Nexus {
    /// Commands that no connection has taken yet.
    pub(super) pending: CommandList,
    /// For the recovery thread.
    #[pin]
    pub(super) events: Event,
    /// Raised once the session has ended for good.
    #[pin]
    pub(super) ended: Event,
    /// The tag of the command that the error handler wants back, one at a time, or [`NO_TAG`].
    pub(super) unwanted: AtomicUsize,
    /// Raised when it has it.
    #[pin]
    pub(super) returned: Event,
    #[pin]
    connection: SpinLock<Option<Arc<Connection<Wire>>>>,
    sending: AtomicBool,
    /// So many commands are under way that more of them at a time are worth a little wait.
    pub(super) busy: AtomicBool,
    refusing: AtomicBool,
    /// Commands fail until there is a session again.
    failing: AtomicBool,
    /// The number of the SCSI host, or [`NO_HOST`] before there is one.
    host: AtomicU32,
    /// The boot disk's logical unit, or [`NO_UNIT`] before it is known.
    boot_unit: AtomicU64,
    /// What that was called then. The mid-layer's own copy changes when the unit is looked at anew.
    #[pin]
    boot_identification: Mutex<Option<Identification>>,
    /// Where a server has said that the target is, until the recovery thread hears of it.
    #[pin]
    pub(super) told_portal: Mutex<Option<Portal>>,
    /// Logical units behind which there is another disk than before, or [`NO_UNIT`]; and whether
    /// there are any. Looked at with the socket's lock held, in softirq too.
    foreign: [AtomicU64; FOREIGN_MAX],
    has_foreign: AtomicBool,
    /// Those of them that are unproved, by their places, as bits.
    unproved: AtomicU32,
    #[pin]
    pub(super) status: Status,
    /// Data is protected by a digest, which it must fit until it has been sent.
    digests: bool,
    /// How long a command may be without an answer, if that is not the kernel's to say.
    command_timeout: Option<Duration>,
    /// After how much of its silence any of the targets is given up.
    silence: Duration,
}

impl Nexus {
    /// A nexus without a connection.
    ///
    /// `digests` tells whether data goes with a digest on any of its connections,
    /// `command_timeout` how long a command may be without an answer, if anybody cares, and
    /// `silence` after how much of it any of the targets is given up.
    pub(super) fn new(
        digests: bool,
        command_timeout: Option<Duration>,
        silence: Duration,
    ) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                pending: CommandList::new(),
                events <- Event::new(),
                ended <- Event::new(),
                unwanted: AtomicUsize::new(NO_TAG),
                returned <- Event::new(),
                connection <- new_spinlock!(None, "iscsi_init connection"),
                sending: AtomicBool::new(false),
                busy: AtomicBool::new(false),
                refusing: AtomicBool::new(false),
                failing: AtomicBool::new(false),
                host: AtomicU32::new(NO_HOST),
                boot_unit: AtomicU64::new(NO_UNIT),
                boot_identification <- new_mutex!(None, "iscsi_init boot identification"),
                told_portal <- new_mutex!(None, "iscsi_init told portal"),
                foreign: core::array::from_fn(|_| AtomicU64::new(NO_UNIT)),
                has_foreign: AtomicBool::new(false),
                unproved: AtomicU32::new(0),
                status <- Status::new(),
                digests,
                command_timeout,
                silence,
            }),
            GFP_KERNEL,
        )
    }

    /// Replaces the connection, and has the new one send what has come in meanwhile.
    pub(super) fn set_connection(&self, connection: Option<Arc<Connection<Wire>>>) {
        let previous = core::mem::replace(&mut *self.connection.lock(), connection.clone());

        drop(previous);
        if let Some(connection) = connection {
            connection.with(|wire, stream| wire.pump(stream));
        }
    }

    /// Whether there is a connection.
    pub(super) fn is_connected(&self) -> bool {
        self.connection.lock().is_some()
    }

    /// Has the connection fail for this reason, if there is one.
    pub(super) fn fail(&self, failure: Failure) {
        let connection = self.connection.lock().clone();

        if let Some(connection) = connection {
            connection.with(|wire, _| wire.fail(failure));
        }
    }

    /// The host has this number.
    pub(super) fn set_host(&self, number: u32) {
        self.host.store(number, Ordering::Release);
    }

    /// The host's number, once it has one.
    pub(super) fn host(&self) -> Option<u32> {
        Some(self.host.load(Ordering::Acquire)).filter(|number| *number != NO_HOST)
    }

    /// The boot disk is this logical unit, and called what it is called now.
    pub(super) fn set_boot_unit(&self, lun: u64) -> Result {
        let units = self.host().map_or(Ok(KVVec::new()), identifications)?;
        let unit = units.into_iter().find(|unit| unit.lun == lun);

        *self.boot_identification.lock() = unit;
        self.boot_unit.store(lun, Ordering::Release);
        Ok(())
    }

    /// The logical units whose disks must still be the ones they were, with what they have said
    /// last, and behind them the boot disk's, with what it was called first of all.
    pub(super) fn identifications(&self) -> Result<KVVec<Identification>> {
        let mut units = self.host().map_or(Ok(KVVec::new()), identifications)?;
        let boot = self.boot_identification.lock().clone();

        if let Some(boot) = boot {
            units.retain(|unit| unit.lun != boot.lun);
            units.push(boot, GFP_KERNEL)?;
        }
        Ok(units)
    }

    /// Whether the boot disk is this logical unit.
    pub(super) fn is_boot_unit(&self, lun: u64) -> bool {
        self.boot_unit() == Some(lun)
    }

    /// The boot disk's logical unit, once the boot has its disk.
    pub(super) fn boot_unit(&self) -> Option<u64> {
        Some(self.boot_unit.load(Ordering::Acquire)).filter(|unit| *unit != NO_UNIT)
    }

    /// Has no command reach these logical units from now on, at most [`FOREIGN_MAX`], and only
    /// these.
    pub(super) fn set_foreign(&self, units: &[Foreign]) {
        let mut units = units.iter();
        let mut any = false;
        let mut unproved = 0;
        for (place, slot) in self.foreign.iter().enumerate() {
            let unit = units.next();
            slot.store(unit.map_or(NO_UNIT, |unit| unit.lun), Ordering::Relaxed);
            any |= unit.is_some();
            if unit.is_some_and(|unit| unit.is_unproved) {
                unproved |= bit(place);
            }
        }
        self.unproved.store(unproved, Ordering::Relaxed);
        self.has_foreign.store(any, Ordering::Release);
    }

    /// Whether this logical unit was another target's, and has not been proved the same there. For
    /// who sets them.
    pub(super) fn is_unproved(&self, lun: u64) -> bool {
        let unproved = self.unproved.load(Ordering::Relaxed);
        let mut places = self.foreign.iter().enumerate();
        places
            .any(|(place, slot)| unproved & bit(place) != 0 && slot.load(Ordering::Relaxed) == lun)
    }

    /// Whether no command may reach this logical unit.
    pub(super) fn is_foreign(&self, lun: u64) -> bool {
        let is_lun = |slot: &AtomicU64| slot.load(Ordering::Relaxed) == lun;
        self.has_foreign.load(Ordering::Acquire) && self.foreign.iter().any(is_lun)
    }

    /// Looks into `sense`, which the logical unit `lun` has answered a command of `origin` with:
    /// whether a disk is gone, or another one, is found out at the beginning of a session.
    pub(super) fn check_unit(&self, lun: u64, sense: &[u8], origin: Origin) -> Result<(), Failure> {
        let Some(sense) = Sense::parse(sense) else {
            return Ok(());
        };
        if sense.is_no_unit() && self.is_boot_unit(lun) {
            return Err(Failure::UnitGone(lun));
        }
        if sense.is_not_ready() && self.is_boot_unit(lun) && origin == Origin::First {
            return Err(Failure::UnitNotReady(lun));
        }
        if sense.is_doubtful() && self.is_boot_unit(lun) && origin == Origin::First {
            return Err(Failure::UnitDoubtful(lun));
        }
        // What a target tells of at the beginning of each session has been told by then, but by
        // units that nobody has asked for anything yet.
        let may_be_late = origin == Origin::Passthrough && !self.is_boot_unit(lun);
        if sense.is_unit_changed() && self.boot_unit().is_some() && !may_be_late {
            return Err(Failure::UnitsChanged);
        }
        Ok(())
    }

    /// Gives `tasks` the commands that nobody has taken, and `each` their tags; those of foreign
    /// units fail.
    pub(super) fn hand_over(&self, tasks: &mut Tasks, mut each: impl FnMut(Itt)) {
        if self.pending.is_empty() {
            return;
        }
        for command in self.pending.take() {
            if self.is_foreign(command.lun()) {
                command.end(HostStatus::NoConnect);
            } else if let Some(itt) = tasks.insert(command) {
                each(itt);
            }
        }
    }

    /// Has every command fail from now on.
    pub(super) fn refuse(&self) {
        self.refusing.store(true, Ordering::SeqCst);
        self.drain();
    }

    /// Has commands fail, or wait again, while there is no session.
    pub(super) fn set_failing(&self, failing: bool) {
        self.failing.store(failing, Ordering::SeqCst);
        if failing {
            self.drain();
        }
    }

    /// Whether commands fail at once.
    fn is_hopeless(&self) -> bool {
        self.refusing() || self.failing.load(Ordering::SeqCst)
    }

    /// Whether the session has ended for good.
    pub(super) fn refusing(&self) -> bool {
        self.refusing.load(Ordering::SeqCst)
    }

    /// Ends the commands that nobody has taken.
    fn drain(&self) {
        for command in self.pending.take() {
            command.end(HostStatus::NoConnect);
        }
    }

    /// Sends what is pending, unless somebody else is doing so.
    fn kick(&self) {
        while !self.sending.swap(true, Ordering::SeqCst) {
            let connection = self.connection.lock().clone();
            let connected = connection.is_some();

            if let Some(connection) = connection {
                connection.with(|wire, stream| wire.pump(stream));
            }
            self.sending.store(false, Ordering::SeqCst);
            // Whoever came while this one was sending has left its command to it.
            fence(Ordering::SeqCst);
            if self.pending.is_empty() || !connected && self.connection.lock().is_none() {
                return;
            }
        }
    }
}

impl Operations for Nexus {
    fn queue(&self, command: Command, last: bool) {
        if self.is_hopeless() {
            return command.end(HostStatus::NoConnect);
        }
        let is_error_handlers = command.is_error_handlers();
        let alone = self.pending.push(command);
        // The error handler begins once all commands of the host have failed, and lets none
        // through: its own is the only one here.
        if self.is_hopeless() || is_error_handlers && !self.is_connected() {
            return self.drain();
        }
        if !last {
            return;
        }
        if alone && self.busy.load(Ordering::Relaxed) {
            self.events.raise(SERVE);
        } else if !self.events.is_raised(SERVE) {
            self.kick();
        }
    }

    fn commit(&self) {
        self.kick();
    }

    fn expired(&self, tag: usize, expiries: u8) {
        let connection = self.connection.lock().clone();

        // The first time the target is asked whether it still lives.
        match connection {
            Some(connection) if expiries > 0 => {
                connection.with(|wire, stream| wire.expire(tag, stream))
            }
            _ => self.events.raise(EXPIRED),
        }
    }

    fn abort(&self, tag: usize) {
        // A command can be given up only where it cannot be answered any more:
        // when its connection is gone.
        self.returned.clear();
        self.unwanted.store(tag, Ordering::SeqCst);
        self.events.raise(ABORT);
        while self.returned.wait_uninterruptible(ABORT_REMINDER) == 0 {
            self.events.raise(ABORT);
        }
    }

    fn reset(&self) {
        self.fail(Failure::ResetRequested);
    }

    fn stable_pages(&self) -> bool {
        self.digests
    }

    fn timeout(&self) -> Option<u32> {
        let seconds = self.command_timeout?.as_secs();
        Some(u32::try_from(seconds).unwrap_or(u32::MAX))
    }

    fn patience(&self) -> u32 {
        // By then it is known whether it is the unit that is silent, or the target.
        let (least, most) = PATIENCE_RANGE.into_inner();
        let patience = self.silence.as_secs().saturating_add(PATIENCE);
        let patience = patience.clamp(least, most);
        // CAST: An hour at most.
        patience as u32
    }
}

impl Reboot for Nexus {
    fn reboot(&self, _how: How) {
        self.events.raise(CLOSING);
    }
}
