// SPDX-License-Identifier: GPL-2.0-only

//! What this machine was told: module parameters, kernel arguments, the configuration file and
//! what the firmware has left.

use super::{
    conf::Conf,
    error::Failure,
    ibft::Firmware, //
};
use crate::{
    linux::params,
    proto::config::{
        choice::{
            join,
            Choice,
            CHOICES_MAX, //
        },
        cmdline::{
            Arguments,
            Others, //
        },
        merge::{
            Ipconfig,
            Notice,
            Request,
            Source, //
        },
        target::{
            TargetFault,
            Wanted, //
        },
    },
};
use kernel::prelude::*;

/// All that this machine was told.
pub(super) struct Configuration {
    pub(super) request: KBox<Request>,
    /// The targets that are named, in the order in which they are tried; none where DHCP is to name
    /// one.
    pub(super) choices: KVec<Choice>,
    pub(super) conf: Conf,
    pub(super) firmware: Firmware,
}

/// Whether anybody wants this machine to boot over iSCSI: an argument that cannot be read does,
/// too. The firmware's table does not: whoever has loaded this kernel from a target may have
/// another initiator for it.
#[cfg(not(MODULE))]
pub(super) fn is_given(line: &[u8]) -> bool {
    parameters().map_or(true, |parameters| parameters.any())
        || Arguments::parse(line).map_or(true, |arguments| arguments.any())
}

/// Reads all of it, and says what was found.
#[inline(never)]
pub(super) fn read(line: &[u8]) -> Result<Configuration, Failure<'_>> {
    let parameters = parameters()?;
    let arguments = arguments(line)?;
    let ipconfig = if cfg!(CONFIG_IP_PNP) {
        Ipconfig::Kernel
    } else {
        Ipconfig::Driver
    };
    let mut request = own(&parameters, &arguments)?;
    request
        .complete(&arguments.others, ipconfig, &mut tell)
        .map_err(Failure::Setting)?;
    let given = parameters.conf.map(|path| (path, Source::Parameter));
    let given = given.or(arguments.conf.map(|path| (path, Source::Argument)));
    let conf = Conf::read(given)?;
    conf.complete(&mut request, &mut tell)?;
    let firmware = Firmware::read()?;
    firmware.complete(&mut request, &mut tell);
    let choices = choices(&mut request, &parameters, &arguments, &conf, &firmware)?;

    if let Some(other) = request.exposed {
        pr_warn!(
            "{}= has user names and passwords, which are not used, since everybody can read the \
             kernel's arguments; write them to /etc/iscsi.conf in the initrd\n",
            other.name()
        );
    }
    let configuration = Configuration {
        request,
        choices,
        conf,
        firmware,
    };
    pr_info!("{}\n", core::format_args!("{}", Summary(&configuration)));
    Ok(configuration)
}

/// Says what somebody has said in vain.
fn tell(notice: &Notice<'_>) {
    pr_info!("{}\n", core::format_args!("{notice}"));
}

/// The targets that the one source has which names them.
#[inline(never)]
fn choices<'a>(
    request: &mut Request,
    parameters: &Arguments<'a>,
    arguments: &Arguments<'a>,
    conf: &Conf,
    firmware: &Firmware,
) -> Result<KVec<Choice>, Failure<'a>> {
    let mut choices = KVec::with_capacity(CHOICES_MAX, GFP_KERNEL).map_err(Failure::kernel)?;

    request
        .targets(parameters, arguments, |wanted, lun| {
            add(&mut choices, wanted, lun)
        })
        .map_err(Failure::Setting)?;
    match &request.target {
        Some(target) if target.source == Source::Conf => conf.targets(|wanted| {
            let name = wanted.clone();
            // The file may be for more than this driver.
            if let Err(fault) = add(&mut choices, wanted, None) {
                pr_warn!(
                    "target {} (iscsi.conf) is not used: {}\n",
                    core::format_args!("{name}"),
                    core::format_args!("{fault}")
                );
            }
        })?,
        Some(target) if target.source == Source::Ibft => firmware.targets(|target, lun| {
            // A table may have more of them than anybody tries.
            let _ = add(&mut choices, Wanted::Named(target), Some(lun));
        }),
        Some(target) if choices.is_empty() => {
            let _ = add(&mut choices, target.value.clone(), None);
        }
        _ => {}
    }
    Ok(choices)
}

fn add(choices: &mut KVec<Choice>, wanted: Wanted, lun: Option<u16>) -> Result<(), TargetFault> {
    if let Some(choice) = join(choices, wanted, lun)? {
        // There is room for as many as `join` gives back.
        let _ = choices.push_within_capacity(choice);
    }
    Ok(())
}

/// What this module's own parameters and arguments say.
#[inline(never)]
fn own<'a>(
    parameters: &Arguments<'a>,
    arguments: &Arguments<'a>,
) -> Result<KBox<Request>, Failure<'a>> {
    let request = Request::new(parameters, arguments, &mut tell).map_err(Failure::Setting)?;
    KBox::new(request, GFP_KERNEL).map_err(Failure::kernel)
}

#[inline(never)]
fn arguments(line: &[u8]) -> Result<KBox<Arguments<'_>>, Failure<'_>> {
    let arguments = Arguments::parse(line).map_err(Failure::Argument)?;
    KBox::new(arguments, GFP_KERNEL).map_err(Failure::kernel)
}

#[inline(never)]
fn parameters() -> Result<KBox<Arguments<'static>>, Failure<'static>> {
    let parameters = Arguments {
        interface: params::interface(),
        initiator: params::initiator(),
        target: params::target().into(),
        lun: params::lun(),
        conf: params::conf(),
        timeout: params::timeout(),
        others: Others::default(),
    };
    KBox::new(parameters, GFP_KERNEL).map_err(Failure::kernel)
}

/// What is set, and by whom.
struct Summary<'a>(&'a Configuration);

impl core::fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Request {
            interface,
            spare,
            initiator,
            target,
            lun,
            timeout,
            details: _,
            ipconfig,
            exposed: _,
        } = &*self.0.request;

        write!(f, "interface ")?;
        match interface {
            Some(interface) => write!(f, "{interface}")?,
            None => write!(f, "any")?,
        }
        if let Some(spare) = spare {
            write!(f, " or else {}", spare.interface)?;
        }
        if let Some(initiator) = initiator {
            write!(f, ", initiator {initiator}")?;
        }
        match target {
            Some(target) => write!(f, ", target {target}")?,
            None if *ipconfig => write!(f, ", target from the kernel's ipconfig")?,
            None => write!(f, ", target from DHCP")?,
        }
        for (place, choice) in self.0.choices.iter().enumerate() {
            if place > 0 {
                write!(f, ", or {}", choice.wanted)?;
            }
            for portal in choice.further() {
                write!(f, ", further portal {portal}")?;
            }
        }
        if let Some(lun) = lun {
            write!(f, ", LUN {lun}")?;
        }
        if let Some(timeout) = timeout {
            write!(f, ", time limit {timeout}")?;
        }
        Ok(())
    }
}
