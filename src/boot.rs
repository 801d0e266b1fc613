// SPDX-License-Identifier: GPL-2.0-only

//! The order of a boot, which nothing else knows.
//!
//! 1. [`configuration`]: parameters, kernel arguments, the configuration file ([`conf`]), and what
//!    the firmware has left ([`ibft`]).
//! 2. [`network`], with [`changes`], [`netlink`], [`lease`], [`conflict`], [`ipv6`] and
//!    [`advertised`]: a device that is up, with carrier and an address.
//! 3. [`identity`]: host name, domain name, `/proc/net/pnp`.
//! 4. [`target`]: the target, by all of these, the DHCP root path or its portal; the [`login`]. Of
//!    several, the next has its turn where one cannot be booted from.
//! 5. [`disk`]: the SCSI host, and the boot LUN as a disk that can be opened.
//! 6. [`custody`]: from then on, the network stays as it is.
//!
//! A step that fails ends the attempt with a [`Failure`]. [`attempts`] says whether there is
//! another one; the last ends the boot with an errno and one line in the log. Session and
//! network devices are put back as they were, so that the module can be loaded again at once;
//! the machine's names stay.

#![forbid(unsafe_code)]

mod advertised;
mod attempts;
mod changes;
mod conf;
mod configuration;
mod conflict;
mod custody;
mod disk;
mod error;
mod growing;
mod ibft;
mod identity;
mod ipv6;
mod lease;
mod login;
mod netlink;
mod network;
mod report;
mod settings;
mod target;

use crate::{
    initiator::Initiator,
    linux::{
        clock,
        cmdline,
        module,
        proc::File,
        thread::Thread, //
    },
    proto::config::{
        merge::{
            Boot,
            Request, //
        },
        name::Name,
        timeout::Patience,
        whereabouts::Whereabouts, //
    }, //
};
use attempts::{
    Attempts,
    Milestone, //
};
use changes::Changes;
use configuration::Configuration;
use custody::{
    Custody,
    Vacancy, //
};
use error::Failure;
use growing::Growing;
use identity::Names;
use kernel::prelude::*;
use network::Network;
use report::Report;

/// A machine that has its disk.
///
/// Dropping it takes everything back, in the order of the fields: first the disk,
/// last the network under it.
// Without boxes: those of a built-in driver's would be memory that nobody has.
pub(crate) struct Machine {
    _initiator: Initiator,
    _names: Names,
    _report: File<Report>,
    _custody: Thread<Custody>,
}

/// Boots a machine whose kernel loads this as a module, as far as `insmod` waits for it.
#[cfg(MODULE)]
pub(crate) fn init() -> Result<Option<KBox<Machine>>> {
    boot(None).map(Some)
}

/// Has a machine whose kernel this is part of boot, if its arguments say so, before its root file
/// system is mounted.
#[cfg(not(MODULE))]
pub(crate) fn init() -> Result<Option<KBox<Machine>>> {
    if configuration::is_given(&cmdline::read()?) {
        crate::linux::root_mount::hold_for(|| {
            if let Ok(machine) = boot(Some(Patience::Endless)) {
                // It lives as long as the kernel; its box would be memory that nobody has.
                core::mem::forget(KBox::into_inner(machine));
            }
        });
    }
    Ok(None)
}

/// Boots; says in one line why it cannot. `patience` is that of a machine
/// which is told nothing of it.
fn boot(patience: Option<Patience>) -> Result<KBox<Machine>> {
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

// Not inlined, as each step of the boot: a kernel stack is too small for all of them together.
#[inline(never)]
fn attempts(
    line: &[u8],
    start: u64,
    default: Option<Patience>,
) -> Result<KBox<Machine>, Failure<'_>> {
    let mut configuration = configuration::read(line)?;
    try_again(&mut configuration, start, default)
}

/// Makes one attempt after the other, as long as there is to be one.
#[inline(never)]
fn try_again(
    configuration: &mut Configuration,
    start: u64,
    default: Option<Patience>,
) -> Result<KBox<Machine>, Failure<'static>> {
    let patience = configuration.request.timeout.as_ref();
    let patience = patience.map(|timeout| timeout.value).or(default);
    let mut attempts = Attempts::new(start, patience);
    let mut changes = Changes::new()?;
    let mut is_first = true;

    loop {
        match attempt(configuration, is_first, &mut changes, &mut attempts) {
            Ok(done) => return settle_down(configuration, done, changes, &attempts),
            Err(failure) => {
                changes.unconfigure();
                is_first = after(failure, &mut configuration.request, is_first, &mut attempts)?;
            }
        }
    }
}

/// Has the device for the next attempt in use, after one that has ended in `failure`: the other
/// one at once, where there is one that may do, and else the first again after a while. Whether it
/// is the first.
#[inline(never)]
fn after(
    failure: Failure<'static>,
    request: &mut Request,
    was_first: bool,
    attempts: &mut Attempts,
) -> Result<bool, Failure<'static>> {
    let spare = request.spare.as_ref();
    if let Some(spare) = spare.filter(|_| was_first && failure.is_of_network()) {
        let spare = &spare.interface;
        attempts.warn(core::format_args!("{failure}; now {spare} is tried"));
        return Ok(!request.change_devices());
    }
    attempts.again(failure)?;
    if !was_first {
        request.change_devices();
    }
    Ok(true)
}

/// What one attempt has come to.
struct Done {
    network: KBox<Network>,
    names: KBox<Names>,
    disk: Disk,
}

impl Done {
    /// What is told of it, as lines.
    #[inline(never)]
    fn text(
        &self,
        configuration: &Configuration,
        attempts: &Attempts,
    ) -> Result<Growing, Failure<'static>> {
        let settled = report::Settled {
            configuration,
            boot: &self.disk.boot,
            network: &self.network,
            attempts,
            passed_over: &self.disk.passed_over,
        };
        settled.text()
    }
}

/// A boot disk, and who has it.
struct Disk {
    boot: KBox<Boot>,
    initiator: Initiator,
    /// Where a server has it, if that has named it.
    whereabouts: Option<KBox<Whereabouts>>,
    /// Why the targets before its own are not used, as lines.
    passed_over: Growing,
}

/// Leaves the machine to those who keep it as it is.
#[inline(never)]
fn settle_down(
    configuration: &Configuration,
    done: Done,
    changes: Changes,
    attempts: &Attempts,
) -> Result<KBox<Machine>, Failure<'static>> {
    let text = done.text(configuration, attempts)?;
    leave(configuration, done, text, changes)
}

/// The same, with the `text` that tells of it. Apart: what moves through here is large.
#[inline(never)]
fn leave(
    configuration: &Configuration,
    done: Done,
    text: Growing,
    mut changes: Changes,
) -> Result<KBox<Machine>, Failure<'static>> {
    changes.advertised = None;
    let Done {
        network,
        names,
        disk,
    } = done;
    let Disk {
        initiator,
        whereabouts,
        ..
    } = disk;
    let details = configuration.request.details.clone();
    let details = KBox::new(details, GFP_KERNEL).map_err(Failure::kernel)?;
    let mut network = KBox::into_inner(network);
    let vacancy = Vacancy::new(&mut network).map_err(Failure::Kernel)?;
    let report = report::publish(text, &initiator, vacancy.status())?;
    let custody = vacancy.fill(
        network,
        changes,
        initiator.reconnect(),
        details,
        whereabouts,
    );
    // Should there be no thread, it goes before the network under it: that is held here, too.
    let initiator = initiator;
    let thread = Thread::start(c"iscsi_init_net", custody.clone()).map_err(Failure::Kernel)?;

    let machine = Machine {
        _initiator: initiator,
        _names: KBox::into_inner(names),
        _report: report,
        _custody: thread,
    };
    KBox::new(machine, GFP_KERNEL).map_err(Failure::kernel)
}

/// Goes through all steps once.
#[inline(never)]
fn attempt(
    configuration: &Configuration,
    is_first: bool,
    changes: &mut Changes,
    attempts: &mut Attempts,
) -> Result<Done, Failure<'static>> {
    let mut network = bring_up(configuration, is_first, changes, attempts)?;
    attempts.reached(Milestone::Address);
    let names = identity::set(&network, &configuration.request.details, attempts)?;
    let disk = any_disk(configuration, &mut network, changes, attempts)?;
    Ok(Done {
        network,
        names,
        disk,
    })
}

#[inline(never)]
fn bring_up(
    configuration: &Configuration,
    is_first: bool,
    changes: &mut Changes,
    attempts: &mut Attempts,
) -> Result<KBox<Network>, Failure<'static>> {
    let network = Network::bring_up(&configuration.request, is_first, changes, attempts)?;
    KBox::new(network, GFP_KERNEL).map_err(Failure::kernel)
}

/// Finds the disk of the first target that can be booted from.
#[inline(never)]
fn any_disk(
    configuration: &Configuration,
    network: &mut Network,
    changes: &mut Changes,
    attempts: &mut Attempts,
) -> Result<Disk, Failure<'static>> {
    let merged = target::merged(&configuration.request, network, attempts)?;
    let mut passed_over = Growing::new();
    let mut others = configuration.choices.iter().skip(1);
    let mut place = 0;

    loop {
        let failure = match disk_of(configuration, &merged, place, network, changes, attempts) {
            Ok(disk) => {
                return Ok(Disk {
                    passed_over,
                    ..disk
                })
            }
            Err(failure) => failure,
        };
        let (Some(choice), Some(next), true) = (
            configuration.choices.get(place),
            others.next(),
            failure.is_of_target(),
        ) else {
            return Err(failure);
        };
        attempts.warn(core::format_args!(
            "target {} is passed over, the next is {}: {failure}",
            choice.wanted,
            next.wanted
        ));
        passed_over.print(core::format_args!(
            "passed-over: {}: {failure}\n",
            choice.wanted
        ))?;
        place = place.saturating_add(1);
    }
}

/// Finds the disk of the target in this place of the order.
#[inline(never)]
fn disk_of(
    configuration: &Configuration,
    merged: &Boot,
    place: usize,
    network: &mut Network,
    changes: &mut Changes,
    attempts: &mut Attempts,
) -> Result<Disk, Failure<'static>> {
    let mut boot = target::settle(configuration, merged, place, attempts)?;
    network.reach(boot.target.value.portal(), changes, attempts)?;
    let mut account = target::account(configuration, place, &mut boot, network, attempts)?;
    let (socket, established) = login::log_in(&mut account, attempts)?;
    attempts.reached(Milestone::Login);
    let fallbacks = target::fallbacks(configuration, merged, place, &boot, network, attempts)?;
    let target = KBox::new(account.target.clone(), GFP_KERNEL).map_err(Failure::kernel)?;
    let luns = account.luns;
    let initiator =
        Initiator::new(account, fallbacks, socket, &established).map_err(Failure::Kernel)?;
    disk::wait(&initiator, &target, boot.lun.value, luns, attempts)?;
    if network.is_enough_for(target.portal) {
        changes.keep_only(network.index());
    }
    Ok(Disk {
        whereabouts: whereabouts(&boot, &target.name)?,
        boot,
        initiator,
        passed_over: Growing::new(),
    })
}

/// Where a server has the disk, where that has named it.
#[inline(never)]
fn whereabouts(boot: &Boot, target: &Name) -> Result<Option<KBox<Whereabouts>>, Failure<'static>> {
    Whereabouts::new(boot, target)
        .map(|whereabouts| KBox::new(whereabouts, GFP_KERNEL))
        .transpose()
        .map_err(Failure::kernel)
}
