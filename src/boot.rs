// SPDX-License-Identifier: GPL-2.0-only

//! The order of a boot, which nothing else knows.
//!
//! 1. [`configuration`]: parameters, kernel arguments and, with [`conf`], the configuration file.
//! 2. [`network`], with [`changes`], [`netlink`] and [`lease`]: a device that is up, with carrier
//!    and an address.
//! 3. [`identity`]: host name, domain name, `/proc/net/pnp`.
//! 4. The target, by the arguments or by the DHCP root path; the login.
//! 5. [`disk`]: the SCSI host, and the boot LUN as a disk that can be opened.
//!
//! A step that fails ends the attempt with a [`Failure`]. [`attempts`] says whether there is
//! another one; the last ends the boot with an errno and one line in the log. Session and
//! network devices are put back as they were, so that the module can be loaded again at once;
//! the machine's names stay.

#![forbid(unsafe_code)]

mod attempts;
mod changes;
mod conf;
mod configuration;
mod disk;
mod error;
mod identity;
mod lease;
mod netlink;
mod network;

use crate::{
    initiator::{
        login::{
            login,
            Account,
            LoginFailure, //
        },
        Initiator, //
    },
    linux::{
        clock,
        cmdline,
        module,
        proc::NetFile,
        socket::Socket, //
    },
    proto::{
        config::{
            merge::{
                self,
                Boot,
                Request, //
            },
            timeout::Patience, //
        },
        iscsi::{
            error::Error as ProtocolError,
            keys::Offer,
            login::Established, //
        },
    }, //
};
use attempts::Attempts;
use changes::Changes;
use conf::Conf;
use error::Failure;
use kernel::prelude::*;
use network::Network;

/// How often the first login is tried when what failed may mend itself, and the delay
/// between, in milliseconds.
const LOGIN_ATTEMPTS: u32 = 3;
const LOGIN_DELAY: u32 = 1_000;

/// A machine that has its disk.
///
/// Dropping it takes everything back, in the order of the fields: first the disk,
/// last the network under it.
pub(crate) struct Machine {
    _initiator: Initiator,
    _pnp: Option<NetFile>,
    _changes: Changes,
}

/// Boots a machine whose kernel loads this as a module, as far as `insmod` waits for it.
#[cfg(MODULE)]
pub(crate) fn init() -> Result<Option<Machine>> {
    boot(None).map(Some)
}

/// Has a machine whose kernel this is part of boot, if its arguments say so, before its root file
/// system is mounted.
#[cfg(not(MODULE))]
pub(crate) fn init() -> Result<Option<Machine>> {
    if configuration::is_given(&cmdline::read()?) {
        crate::linux::root_mount::hold_for(|| {
            if let Ok(machine) = boot(Some(Patience::Endless)) {
                // It lives as long as the kernel.
                core::mem::forget(machine);
            }
        });
    }
    Ok(None)
}

/// Boots; says in one line why it cannot. `patience` is that of a machine
/// which is told nothing of it.
fn boot(patience: Option<Patience>) -> Result<Machine> {
    let start = clock::milliseconds();
    let line = cmdline::read().unwrap_or_else(|error| {
        pr_warn!(
            "the kernel's arguments cannot be read ({error:?}); only module parameters count\n"
        );
        KVec::new()
    });
    attempts(&line, start, patience).map_err(|failure| {
        pr_err!("{}\n", core::format_args!("{failure}"));
        module::wait_for_users();
        failure.errno()
    })
}

fn attempts(line: &[u8], start: u64, default: Option<Patience>) -> Result<Machine, Failure<'_>> {
    let (request, conf) = configuration::read(line)?;
    let patience = request.timeout.as_ref().map(|timeout| timeout.value);
    let mut attempts = Attempts::new(start, patience.or(default));
    let mut changes = Changes::new()?;

    loop {
        match attempt(&request, &conf, &mut changes, &mut attempts) {
            Ok((initiator, pnp)) => {
                return Ok(Machine {
                    _initiator: initiator,
                    _pnp: pnp,
                    _changes: changes,
                })
            }
            Err(failure) => {
                changes.unconfigure();
                attempts.again(failure)?;
            }
        }
    }
}

/// Goes through all steps once.
#[inline(never)]
fn attempt(
    request: &Request,
    conf: &Conf,
    changes: &mut Changes,
    attempts: &mut Attempts,
) -> Result<(Initiator, Option<NetFile>), Failure<'static>> {
    let network = Network::bring_up(request, changes, attempts)?;
    let pnp = identity::set(network.lease(), attempts)?;
    let boot = target(request, &network, attempts)?;
    let mut account = account(&boot, conf, &network)?;
    let (socket, established) = first_login(&mut account, attempts)?;
    let initiator = Initiator::new(account, socket, &established).map_err(Failure::Kernel)?;
    disk::wait(&initiator, &boot, attempts)?;
    // The way to an IPv6 target may go over any device: nobody here gave it its address.
    if boot.target.value.portal.address.is_ipv4() {
        changes.keep_only(network.index());
    }
    Ok((initiator, pnp))
}

/// Settles who logs in where.
// Not inlined, as each step of the boot: a kernel stack is too small for all of them together.
#[inline(never)]
fn target(
    request: &Request,
    network: &Network,
    attempts: &mut Attempts,
) -> Result<KBox<Boot>, Failure<'static>> {
    let informant = network.informant();
    let root_path = match informant.zip(network.root_path()) {
        // With a target given, whatever else the DHCP server says about roots is for somebody else.
        Some((informant, text)) => match merge::read_root_path(text.as_str()) {
            Ok(path) => Some(path),
            Err(error) if request.target.is_some() => {
                attempts.tell(core::format_args!("not used: {error}"));
                None
            }
            Err(error) => {
                let fault = error.fault;
                return Err(Failure::RootPath {
                    informant,
                    text: KBox::new(text, GFP_KERNEL).map_err(Failure::kernel)?,
                    fault,
                });
            }
        },
        None => None,
    };
    let boot = Boot::new(request, root_path.as_ref(), network.mac()).map_err(|error| {
        Failure::NoTarget {
            asked: informant,
            error,
        }
    })?;
    attempts.tell(core::format_args!(
        "target {}, LUN {}, initiator {}",
        boot.target,
        boot.lun,
        boot.initiator
    ));
    KBox::new(boot, GFP_KERNEL).map_err(Failure::kernel)
}

/// Who logs in where.
#[inline(never)]
fn account(boot: &Boot, conf: &Conf, network: &Network) -> Result<KBox<Account>, Failure<'static>> {
    let account = Account {
        initiator: boot.initiator.value.clone(),
        target: boot.target.value.clone(),
        isid: isid(network.mac()),
        offer: Offer::default(),
        authentication: conf.authentication(&boot.target.value)?,
    };
    KBox::new(account, GFP_KERNEL).map_err(Failure::kernel)
}

/// Logs in; what may mend itself within seconds gets a few tries.
#[inline(never)]
fn first_login(
    account: &mut Account,
    attempts: &mut Attempts,
) -> Result<(Socket, Established), Failure<'static>> {
    let mut attempt = 1;

    let (socket, established) = loop {
        let failure = match login(account) {
            Ok(session) => break session,
            Err(failure) => failure,
        };
        let transient = match failure {
            LoginFailure::Connect(_, EINTR) | LoginFailure::Connection(_, EINTR) => {
                return Err(Failure::Interrupted);
            }
            LoginFailure::Connect(..)
            | LoginFailure::Connection(..)
            | LoginFailure::Closed(_)
            | LoginFailure::Timeout(_) => true,
            LoginFailure::Protocol(_, ProtocolError::Refused(status)) => status.may_be_retried(),
            _ => false,
        };
        if !transient || attempt == LOGIN_ATTEMPTS || attempts.are_over() {
            let parties = (account.target.name.clone(), account.initiator.clone());
            let parties = KBox::new(parties, GFP_KERNEL).map_err(Failure::kernel)?;
            return Err(Failure::Login(failure, parties));
        }
        attempts.tell(core::format_args!(
            "login attempt {attempt} of {LOGIN_ATTEMPTS}: {failure}"
        ));
        attempt = attempt.saturating_add(1);
        clock::sleep(LOGIN_DELAY);
    };
    // The session's number is another one each time.
    attempts.tell_of(
        core::format_args!("logged in to {}", account.target),
        core::format_args!(
            "logged in to {}, session {:#06x}: {}",
            account.target,
            established.tsih,
            established.parameters
        ),
    );
    Ok((socket, established))
}

/// The initiator's part of the session's identifier: the network device's address in the format
/// that is made for it (RFC 7143 section 11.12.5, type 00b: the OUI without its two flags, then
/// 24 bits of the vendor's).
fn isid(mac: [u8; 6]) -> [u8; 6] {
    let [first, rest @ ..] = mac;
    let [b, c, d, e, f] = rest;
    [first >> 2, b, c, d, e, f]
}
