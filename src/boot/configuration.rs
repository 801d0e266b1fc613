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
        cmdline::{
            Arguments,
            Others, //
        },
        merge::{
            Ipconfig,
            Request, //
        },
    },
};
use kernel::prelude::*;

/// Whether anybody wants this machine to boot over iSCSI: an argument that cannot be read does,
/// too. The firmware's table does not: whoever has loaded this kernel from a target may have
/// another initiator for it.
#[cfg(not(MODULE))]
pub(super) fn is_given(line: &[u8]) -> bool {
    parameters().any() || Arguments::parse(line).map_or(true, |arguments| arguments.any())
}

/// Reads all of it, and says what was found.
#[inline(never)]
pub(super) fn read(line: &[u8]) -> Result<(KBox<Request>, Conf, Firmware), Failure<'_>> {
    let parameters = parameters();
    let arguments = Arguments::parse(line).map_err(Failure::Argument)?;
    let ipconfig = if cfg!(CONFIG_IP_PNP) {
        Ipconfig::Kernel
    } else {
        Ipconfig::Driver
    };
    let mut request = own(&parameters, &arguments)?;
    request
        .complete(&arguments.others, ipconfig)
        .map_err(Failure::Setting)?;

    if let Some(other) = request.exposed {
        pr_warn!(
            "{}= has user names and passwords, which are not used, since everybody can read the \
             kernel's arguments; write them to /etc/iscsi.conf in the initrd\n",
            other.name()
        );
    }
    let conf = Conf::read(parameters.conf.or(arguments.conf))?;
    conf.complete(&mut request)?;
    let firmware = Firmware::read()?;
    firmware.complete(&mut request);
    pr_info!("{}\n", core::format_args!("{}", Summary(&request)));
    Ok((request, conf, firmware))
}

/// What this module's own parameters and arguments say.
#[inline(never)]
fn own<'a>(
    parameters: &Arguments<'a>,
    arguments: &Arguments<'a>,
) -> Result<KBox<Request>, Failure<'a>> {
    let request = Request::new(parameters, arguments).map_err(Failure::Setting)?;
    KBox::new(request, GFP_KERNEL).map_err(Failure::kernel)
}

fn parameters() -> Arguments<'static> {
    Arguments {
        interface: params::interface(),
        initiator: params::initiator(),
        target: params::target(),
        lun: params::lun(),
        conf: params::conf(),
        timeout: params::timeout(),
        others: Others::default(),
    }
}

/// What is set, and by whom.
struct Summary<'a>(&'a Request);

impl core::fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Request {
            interface,
            spare,
            initiator,
            target,
            further,
            lun,
            timeout,
            details: _,
            ipconfig,
            exposed: _,
        } = self.0;

        write!(f, "interface ")?;
        match interface {
            Some(interface) => write!(f, "{interface}")?,
            None => write!(f, "any")?,
        }
        if let Some(spare) = spare {
            write!(f, " or else {spare}")?;
        }
        if let Some(initiator) = initiator {
            write!(f, ", initiator {initiator}")?;
        }
        match target {
            Some(target) => write!(f, ", target {target}")?,
            None if *ipconfig => write!(f, ", target from the kernel's ipconfig")?,
            None => write!(f, ", target from DHCP")?,
        }
        for portal in further.iter().flatten() {
            write!(f, ", further portal {portal}")?;
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
