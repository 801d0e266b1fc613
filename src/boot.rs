// SPDX-License-Identifier: GPL-2.0-only

//! The order of a boot, which nothing else knows.
//!
//! 1. [`configuration`]: parameters and kernel arguments.
//! 2. [`network`], with [`netlink`] and [`lease`]: a device that is up, with carrier and an address.
//! 3. [`identity`]: host name, domain name, `/proc/net/pnp`.
//! 4. The target, by the arguments or by the DHCP root path; the login.
//! 5. [`disk`]: the SCSI host, and the boot LUN as a disk that can be opened.
//!
//! A step that fails ends the boot with a [`Failure`]: an errno and one line in the log. Session and network devices are
//! put back as they were, so that the module can be loaded again at once; the machine's names stay.

#![forbid(unsafe_code)]

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
        config::merge::{
            self,
            Boot,
            Request, //
        },
        iscsi::{
            error::Error as ProtocolError,
            login::Established, //
        },
    }, //
};
use error::Failure;
use kernel::prelude::*;
use network::Network;

/// How often the first login is tried when what failed may mend itself, and the delay between, in milliseconds.
const LOGIN_ATTEMPTS: u32 = 3;
const LOGIN_DELAY: u32 = 1_000;

/// A machine that has its disk.
///
/// Dropping it takes everything back, in the order of the fields: first the disk, last the network under it.
pub(crate) struct Machine {
    _initiator: Initiator,
    _pnp: Option<NetFile>,
    _network: Network,
}

/// Boots; says in one line why it cannot.
pub(crate) fn boot() -> Result<Machine> {
    let start = clock::milliseconds();
    let line = cmdline::read().unwrap_or_else(|error| {
        pr_warn!(
            "the kernel's arguments cannot be read ({error:?}); only module parameters count\n"
        );
        KVec::new()
    });
    steps(&line, start).map_err(|failure| {
        pr_err!("{}\n", core::format_args!("{failure}"));
        module::wait_for_users();
        failure.errno()
    })
}

fn steps(line: &[u8], start: u64) -> Result<Machine, Failure<'_>> {
    let request = configuration::read(line)?;
    let network = Network::bring_up(&request)?;
    let pnp = identity::set(network.lease())?;
    let boot = target(&request, &network)?;
    let mut account = Account {
        initiator: boot.initiator.value.clone(),
        target: boot.target.value.clone(),
        isid: isid(network.mac()),
    };
    let (socket, established) = first_login(&mut account)?;
    let initiator = Initiator::new(account, socket, &established).map_err(Failure::Kernel)?;
    disk::wait(&initiator, &boot, start)?;

    Ok(Machine {
        _initiator: initiator,
        _pnp: pnp,
        _network: network,
    })
}

/// Settles who logs in where.
// Not inlined, as each step of the boot: a kernel stack is too small for all of them together.
#[inline(never)]
fn target(request: &Request, network: &Network) -> Result<Boot, Failure<'static>> {
    let lease = network.lease();
    let root_path = match lease.and_then(|lease| Some((lease, lease.root_path.as_ref()?))) {
        // With a target given, whatever else the DHCP server says about roots is for somebody else.
        Some((lease, text)) => match merge::read_root_path(text.as_str()) {
            Ok(path) => Some(path),
            Err(error) if request.target.is_some() => {
                pr_info!("not used: {}\n", core::format_args!("{error}"));
                None
            }
            Err(error) => {
                return Err(Failure::RootPath {
                    server: lease.server,
                    text: KBox::new(text.clone(), GFP_KERNEL).map_err(Failure::kernel)?,
                    fault: error.fault,
                })
            }
        },
        None => None,
    };
    let boot = Boot::new(request, root_path.as_ref(), network.mac()).map_err(|error| {
        Failure::NoTarget {
            server: lease.map(|lease| lease.server),
            error,
        }
    })?;
    pr_info!(
        "target {}, LUN {}, initiator {}\n",
        core::format_args!("{}", boot.target),
        core::format_args!("{}", boot.lun),
        core::format_args!("{}", boot.initiator)
    );
    Ok(boot)
}

/// Logs in; what may mend itself within seconds gets a few tries.
#[inline(never)]
fn first_login(account: &mut Account) -> Result<(Socket, Established), Failure<'static>> {
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
        if !transient || attempt == LOGIN_ATTEMPTS {
            let account = KBox::new(account.clone(), GFP_KERNEL).map_err(Failure::kernel)?;
            return Err(Failure::Login(failure, account));
        }
        pr_notice!(
            "login attempt {} of {}: {}\n",
            attempt,
            LOGIN_ATTEMPTS,
            core::format_args!("{failure}")
        );
        attempt = attempt.saturating_add(1);
        clock::sleep(LOGIN_DELAY);
    };
    pr_info!(
        "logged in to {}, session {:#06x}: {}\n",
        core::format_args!("{}", account.target),
        established.tsih,
        core::format_args!("{}", established.parameters)
    );
    Ok((socket, established))
}

/// The initiator's part of the session's identifier: the network device's address in the format that is made for it
/// (RFC 7143 section 11.12.5, type 00b: the OUI without its two flags, then 24 bits of the vendor's).
fn isid(mac: [u8; 6]) -> [u8; 6] {
    let [first, rest @ ..] = mac;
    let [b, c, d, e, f] = rest;
    [first >> 2, b, c, d, e, f]
}
