// SPDX-License-Identifier: GPL-2.0-only

//! What the machine is called, and where its programs find that out.

use super::{
    attempts::Attempts,
    error::Failure,
    growing::Growing,
    network::Network, //
};
use crate::{
    linux::{
        proc::{
            Directory,
            File,
            Place, //
        },
        uts, //
    },
    proto::{
        config::ip::Details,
        dhcp::{
            lease::Lease,
            pnp, //
        },
        dhcp6::lease::Information,
        nd_option::Resolver, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// What tells others of names and servers.
pub(super) struct Names {
    _files: Option<Files>,
}

/// The files of the kernel's own ipconfig, where it is not there. Dropping them removes them.
struct Files {
    _pnp: File<KVec<u8>>,
    _ntp_servers: File<KVec<u8>>,
}

/// Sets host and domain name as the lease or `ip=` has them, and makes `/proc/net/pnp` and
/// `/proc/net/ipconfig/ntp_servers`.
///
/// The host name without one in the lease is the address, as with the kernel's own ipconfig. What
/// DHCPv6 and routers say has none, and leaves it as it is.
#[inline(never)]
pub(super) fn set(
    network: &Network,
    details: &Details,
    attempts: &mut Attempts,
) -> Result<KBox<Names>, Failure<'static>> {
    let lease = network.lease();
    set_names(lease, details, attempts)?;
    let information = network.information();
    let resolver = network.resolver();
    let domain = information.and_then(|told| told.domain_name.as_ref());
    let advertised = resolver.and_then(|told| told.domain_name.as_ref());
    if let Some(domain) = domain.or(advertised) {
        uts::set_domain_name(domain.as_str());
        attempts.tell(core::format_args!("domain name {domain}"));
    }
    if cfg!(CONFIG_IP_PNP) {
        attempts.tell(core::format_args!(
            "/proc/net/pnp belongs to the kernel's own ipconfig and is left as it is"
        ));
        return boxed(None);
    }
    boxed(Some(files(lease, information, resolver, details)?))
}

#[inline(never)]
fn boxed(files: Option<Files>) -> Result<KBox<Names>, Failure<'static>> {
    let names = Names { _files: files };
    KBox::new(names, GFP_KERNEL).map_err(Failure::kernel)
}

fn set_names(
    lease: Option<&Lease>,
    details: &Details,
    attempts: &mut Attempts,
) -> Result<(), Failure<'static>> {
    let mut name = Growing::new();
    let (host, domain) = match lease {
        Some(lease) => (
            lease.host_name.as_ref().map(|name| name.as_str()),
            lease.nis_domain.as_ref().or(lease.domain_name.as_ref()),
        ),
        None => (None, None),
    };
    let given = &details.identity.host_name;
    let host = given.as_ref().map(|name| name.as_str()).or(host);
    let given = details.nis_domain.as_ref().map(|name| name.as_str());
    let domain = given.or(domain.map(|name| name.as_str()));
    match host {
        Some(host) => name.print(core::format_args!("{host}"))?,
        None => match lease {
            Some(lease) => name.print(core::format_args!("{}", lease.address))?,
            // Somebody else has given the address, or a person, who has not given a name.
            None => return Ok(()),
        },
    }
    let name = core::str::from_utf8(&name.0).unwrap_or_default();
    uts::set_host_name(name);
    match domain {
        Some(domain) => {
            uts::set_domain_name(domain);
            attempts.tell(core::format_args!("host name {name}, domain name {domain}"));
        }
        None => attempts.tell(core::format_args!("host name {name}")),
    }
    Ok(())
}

fn files(
    lease: Option<&Lease>,
    information: Option<&Information>,
    resolver: Option<&Resolver>,
    details: &Details,
) -> Result<Files, Failure<'static>> {
    let no_resolver = Resolver::default();
    let resolver = resolver.unwrap_or(&no_resolver);
    let no_memory = |_| Failure::Kernel(ENOMEM);
    let mut pnp = Growing::new();
    let mut ntp = Growing::new();
    match (lease, information) {
        (Some(lease), _) => {
            lease.write_pnp(&mut pnp).map_err(no_memory)?;
            pnp::write_ntp_servers(lease.ntp_servers.iter(), &mut ntp).map_err(no_memory)?;
        }
        (None, Some(information)) => {
            information
                .write_pnp(resolver, &mut pnp)
                .map_err(no_memory)?;
            pnp::write_ntp_servers(details.ntp_server.into_iter(), &mut ntp).map_err(no_memory)?;
        }
        (None, None) => {
            pnp::write_manual(details, resolver, &mut pnp).map_err(no_memory)?;
            pnp::write_ntp_servers(details.ntp_server.into_iter(), &mut ntp).map_err(no_memory)?;
        }
    }
    let shared = |text: Growing| Arc::new(text.0, GFP_KERNEL).map_err(Failure::kernel);
    let pnp = File::new(Place::Net, c"pnp", shared(pnp)?).map_err(Failure::Kernel)?;
    let directory = Directory::in_net(c"ipconfig").map_err(Failure::Kernel)?;
    let directory = Arc::new(directory, GFP_KERNEL).map_err(Failure::kernel)?;
    let place = Place::In(directory);
    let ntp = File::new(place, c"ntp_servers", shared(ntp)?).map_err(Failure::Kernel)?;
    Ok(Files {
        _pnp: pnp,
        _ntp_servers: ntp,
    })
}
