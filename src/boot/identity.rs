// SPDX-License-Identifier: GPL-2.0-only

//! What the machine is called, and where its programs find that out.

use super::{
    attempts::Attempts,
    error::Failure,
    growing::Growing, //
};
use crate::{
    linux::{
        proc::{
            File,
            Place, //
        },
        uts, //
    },
    proto::{
        dhcp::{
            lease::Lease,
            pnp, //
        },
        dhcp6::lease::Lease as Ipv6Lease, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Sets host and domain name as the lease has them, and makes `/proc/net/pnp`.
///
/// The host name without one in the lease is the address, as with the kernel's own ipconfig. A
/// lease of DHCPv6 has none, and leaves it as it is.
pub(super) fn set(
    lease: Option<&Lease>,
    ipv6_lease: Option<&Ipv6Lease>,
    attempts: &mut Attempts,
) -> Result<Option<File<KVec<u8>>>, Failure<'static>> {
    if let Some(lease) = lease {
        let mut name = Growing::new();
        match &lease.host_name {
            Some(host) => name.print(core::format_args!("{host}"))?,
            None => name.print(core::format_args!("{}", lease.address))?,
        }
        let name = core::str::from_utf8(&name.0).unwrap_or_default();
        uts::set_host_name(name);
        match &lease.domain_name {
            Some(domain) => {
                uts::set_domain_name(domain.as_str());
                attempts.tell(core::format_args!("host name {name}, domain name {domain}"));
            }
            None => attempts.tell(core::format_args!("host name {name}")),
        }
    }
    if let Some(domain) = ipv6_lease.and_then(|lease| lease.domain_name.as_ref()) {
        uts::set_domain_name(domain.as_str());
        attempts.tell(core::format_args!("domain name {domain}"));
    }
    if cfg!(CONFIG_IP_PNP) {
        attempts.tell(core::format_args!(
            "/proc/net/pnp belongs to the kernel's own ipconfig and is left as it is"
        ));
        return Ok(None);
    }
    let mut text = Growing::new();
    match (lease, ipv6_lease) {
        (Some(lease), _) => lease
            .write_pnp(&mut text)
            .map_err(|_| Failure::Kernel(ENOMEM))?,
        (None, Some(lease)) => lease
            .write_pnp(&mut text)
            .map_err(|_| Failure::Kernel(ENOMEM))?,
        (None, None) => text.print(core::format_args!("{}", pnp::MANUAL))?,
    }
    let text = Arc::new(text.0, GFP_KERNEL).map_err(Failure::kernel)?;
    let file = File::new(Place::Net, c"pnp", text).map_err(Failure::Kernel)?;
    Ok(Some(file))
}
