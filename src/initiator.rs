// SPDX-License-Identifier: GPL-2.0-only

//! A SCSI host whose one target is reached over iSCSI.
//!
//! - [`authentication`]: what a login proves with who it is.
//! - [`portal`], [`login`], [`discovery`]: what a thread says to a portal, PDU by PDU.
//! - [`login`]: from an address to a connection in full feature phase.
//! - [`nexus`]: what outlives a connection; where the mid-layer's commands come in.
//! - [`wire`]: one connection, with its [`receive`] and [`transmit`] halves and its [`tasks`].
//! - [`identity`]: whether the disks are still those that they were.
//! - [`recovery`]: the thread that makes a new connection when one is lost, and
//!   ends the session at last.
//!
//! A command comes in at [`nexus`], waits in a [`queue`] for the target's window, is sent by
//! [`transmit`], and is completed where its answer arrives, in [`wire`]. With few commands under
//! way all of that happens at once: in the submitter's context, and in the softirq that brings the
//! answer. With more, the recovery thread does it for several at a time. Nothing is allocated on
//! that way; its locks are the socket's and, for who sends, the one under which the connection is
//! found. The recovery thread alone takes connections down.
//!
//! Who owns a command, from its hand-over by the mid-layer to its completion:
//!
//! | when | owner | who may end it |
//! |---|---|---|
//! | it has come in | the list of [`nexus`], without a lock | who empties that list |
//! | a connection has taken it | its [`tasks`], under the socket's lock | who holds that lock |
//! | answered, while a burst has pages of it | as before | [`transmit`], once those have gone |
//! | between two connections | the outage of [`recovery`] | the recovery thread |

#![forbid(unsafe_code)]

pub(crate) mod authentication;
pub(crate) mod discovery;
mod identity;
pub(crate) mod login;
mod nexus;
mod portal;
mod queue;
mod receive;
mod recovery;
mod status;
mod tasks;
mod tolerance;
mod transmit;
mod wire;

use crate::{
    linux::{
        clock,
        disk::LogicalUnit,
        memory::PacketReserves,
        platform::{
            self,
            Shutdown, //
        },
        reboot::Notifier,
        scsi::{
            self,
            Command,
            Host,
            Limits, //
        },
        socket::Socket,
        thread::Thread, //
    },
    proto::{
        config::{
            iscsi_conf::Luns,
            target::Portal, //
        },
        iscsi::{
            digest::Digest,
            keys::DigestChoice,
            login::Established,
            lun::Lun,
            pdu::request::Direction,
            quirk::Quirk,
            session::Session, //
        },
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};
use login::Account;
use nexus::Nexus;
use recovery::Recovery;
use tasks::Tasks;
use wire::Failure;

/// Commands the host takes at a time. Several windows of the usual targets, which hold 64 or 128.
const COMMANDS: u16 = 256;
/// Commands one logical unit gets at a time.
const COMMANDS_PER_LUN: u16 = 128;
/// The largest transfer in sectors: 4 MiB, the most the block layer makes by itself.
const SECTORS: u32 = 8_192;
/// How long the end of a session may take at most, in milliseconds, besides a login under way and
/// what is asked behind that: a logout.
const END_TIMEOUT: u64 = 10_000;

/// A logged-in initiator and its SCSI host.
///
/// Dropping it removes the disks, logs out and ends the session, in bounded time.
pub(crate) struct Initiator {
    // In the order in which they go: the disks first, which flush what they hold; then who could
    // hear of the end of the machine; the session; and the device everything hangs on.
    host: Option<Host<Nexus>>,
    _driver: platform::Driver<End>,
    _notifier: Notifier<Nexus>,
    _thread: Thread<Recovery>,
    _device: platform::Device,
    _reserves: PacketReserves,
    end: Arc<End>,
}

impl Initiator {
    /// Puts a session to work that `login` has established.
    ///
    /// `fallbacks` are other targets, at which a lost session may begin anew where their disk is
    /// proved to be the same.
    pub(crate) fn new(
        mut account: KBox<Account>,
        mut fallbacks: KVec<KBox<Account>>,
        socket: Socket,
        established: &Established,
    ) -> Result<Self> {
        // The block layer is told once whether pages may change while they are sent. Where they
        // may, no later login can have a digest over them: not wanted by whoever set it up so.
        let wanted =
            |account: &KBox<Account>| account.node.offer.data_digest == DigestChoice::Always;
        let digests =
            established.parameters.data_digest != Digest::None || fallbacks.iter().any(wanted);
        let mut longest_login = 0;
        let mut silence = account.node.timeouts.silence();
        for account in Iterator::chain(core::iter::once(&mut account), fallbacks.iter_mut()) {
            if !digests {
                account.node.offer.data_digest = DigestChoice::Never;
            }
            longest_login = longest_login.max(account.node.longest_login().as_millis());
            silence = silence.max(account.node.timeouts.silence());
        }
        let nexus = Nexus::new(digests, account.node.timeouts.command, silence)?;
        let timeout = END_TIMEOUT.saturating_add(longest_login);
        let tasks = Tasks::new(COMMANDS)?;
        let session = Session::new(established);
        let connection = recovery::connect(&nexus, socket, session, tasks, clock::milliseconds())
            .map_err(|(_, error)| error)?;
        let (tsih, parameters) = (established.tsih, &established.parameters);
        nexus.status.up(&account.target, tsih, parameters, 0);
        let group = established.target_portal_group;
        let recovery = Recovery::new(nexus.clone(), account, fallbacks, connection, group)?;
        let thread = Thread::start(c"iscsi_init", recovery)?;
        let end = Arc::new(
            End {
                nexus: nexus.clone(),
                timeout,
            },
            GFP_KERNEL,
        )?;
        let device = platform::Device::new()?;
        let driver = platform::Driver::new(&device, end.clone())?;
        let notifier = Notifier::new(nexus.clone())?;
        let limits = Limits {
            commands: COMMANDS,
            commands_per_lun: COMMANDS_PER_LUN,
            sectors: SECTORS,
        };
        let host = Host::new(&device, limits, nexus.clone())?;
        nexus.set_host(host.number());

        Ok(Self {
            host: Some(host),
            _driver: driver,
            _notifier: notifier,
            _thread: thread,
            _device: device,
            _reserves: PacketReserves::new(),
            end,
        })
    }

    /// Has the mid-layer look for these logical units of the target's, or for all.
    pub(crate) fn scan(&self, luns: Option<Luns>) {
        let Some(host) = &self.host else {
            return;
        };
        match luns {
            Some(luns) => luns.iter().for_each(|lun| host.scan(Some(u64::from(lun)))),
            None => host.scan(None),
        }
    }

    /// The boot has its disk, `unit`: from now on the session is kept up however long it takes, and
    /// goes to this disk or none.
    pub(crate) fn booted(&self, unit: &LogicalUnit) -> Result {
        self.end.nexus.set_boot_unit(unit.lun())?;
        self.end.nexus.events.raise(nexus::BOOTED);
        Ok(())
    }

    /// Whether there is a session, or one to come.
    pub(crate) fn is_alive(&self) -> bool {
        !self.end.nexus.refusing()
    }

    /// What has the session begin anew.
    pub(crate) fn reconnect(&self) -> Reconnect {
        Reconnect(self.end.nexus.clone())
    }

    /// What tells where the session stands.
    pub(crate) fn session(&self) -> SessionStatus {
        SessionStatus(self.end.nexus.clone())
    }

    /// The number of the SCSI host.
    pub(crate) fn host_number(&self) -> Option<u32> {
        self.host.as_ref().map(Host::number)
    }

    /// Has the mid-layer look for the target's logical unit `lun` alone; `None` if there is none.
    pub(crate) fn logical_unit(&self, lun: u16) -> Option<LogicalUnit> {
        let host = self.host.as_ref()?;
        let flat = Lun::from_number(lun)?.to_scsilun();

        let find = |lun| {
            host.scan(Some(lun));
            LogicalUnit::find(host, lun)
        };
        if let Some(unit) = find(flat) {
            return Some(unit);
        }
        let unit = find(u64::from(lun))?;
        if u64::from(lun) != flat {
            tolerance::tell(Quirk::PlainLun.into());
        }
        Some(unit)
    }
}

impl Drop for Initiator {
    fn drop(&mut self) {
        self.end.nexus.events.raise(nexus::CLOSING);
        drop(self.host.take());
        self.end.shutdown();
    }
}

/// Has the session begin anew, when the address is gone that it is over, or tells it where to.
pub(crate) struct Reconnect(Arc<Nexus>);

impl Reconnect {
    /// Does so, without waiting for it.
    pub(crate) fn reconnect(&self) {
        self.0.fail(Failure::AddressGone);
    }

    /// Whether there is no session at present.
    pub(crate) fn is_lost(&self) -> bool {
        !self.0.is_connected()
    }

    /// A server says that the target is at `portal`, which counts from the next login on.
    pub(crate) fn tell(&self, portal: Portal) {
        *self.0.told_portal.lock() = Some(portal);
    }

    /// Whether the session has ended for good.
    pub(crate) fn is_over(&self) -> bool {
        self.0.refusing()
    }
}

/// Where the session stands.
pub(crate) struct SessionStatus(Arc<Nexus>);

impl SessionStatus {
    /// Writes a line for each fact; process context.
    pub(crate) fn write(&self, output: &mut impl core::fmt::Write) -> core::fmt::Result {
        self.0.status.write(output)
    }
}

/// The end of the session.
struct End {
    nexus: Arc<Nexus>,
    /// How long it may take at most, in milliseconds, but for the asking of logical units.
    timeout: u64,
}

impl Shutdown for End {
    fn shutdown(&self) {
        self.nexus.events.raise(nexus::CLOSING | nexus::END);
        let units = self.nexus.identifications().map_or(0, |units| units.len());
        let timeout = self.timeout.saturating_add(identity::time_for(units));
        self.nexus.ended.wait_uninterruptible(timeout);
    }
}

/// The mid-layer's number of a logical unit as the protocol has it.
fn lun_of(number: u64) -> Lun {
    Lun::from_scsilun(number)
}

/// Which way a command's data goes, as the protocol has it.
fn direction_of(command: &Command) -> Direction {
    match command.direction() {
        scsi::Direction::None => Direction::None,
        scsi::Direction::Read => Direction::Read,
        scsi::Direction::Write => Direction::Write,
    }
}
