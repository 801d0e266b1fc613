// SPDX-License-Identifier: GPL-2.0-only

//! An IPv6 address of a network device.

use super::{
    attempts::Attempts,
    changes::Changes,
    error::Failure,
    netlink::Netlink, //
};
use crate::{
    linux::clock,
    proto::{
        config::{
            interface::DeviceName,
            ipv6::Ipv6Config, //
        },
        rtnetlink::answer::Link, //
    }, //
};
use core::{
    fmt,
    net::Ipv6Addr, //
};
use kernel::prelude::*;

/// How long the kernel has to make sure that no other host has an address, in milliseconds. By
/// itself it waits for up to a second, asks once, and waits another second for an answer.
const DUPLICATE_TIMEOUT: u64 = 10_000;
/// How long a router has to advertise a prefix, of which the kernel then makes an address, in
/// milliseconds. The kernel asks after up to a second, and every 4 s at first.
const ADVERTISED_TIMEOUT: u64 = 40_000;
/// The interval between looks.
const INTERVAL: u32 = 20;

/// Who has given an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Origin {
    Static,
    Advertised,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Static => "static",
            Self::Advertised => "router-advertised",
        })
    }
}

/// An address that a device has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ipv6 {
    /// The device's number.
    pub(super) index: i32,
    pub(super) address: Ipv6Addr,
    pub(super) prefix_length: u8,
    pub(super) origin: Origin,
}

/// `<ip>/<prefix length> (<origin>)`.
impl fmt::Display for Ipv6 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{} ({})",
            self.address, self.prefix_length, self.origin
        )
    }
}

/// Gives a device the address that was asked for.
#[inline(never)]
pub(super) fn assign(
    link: &Link,
    config: &Ipv6Config,
    changes: &mut Changes,
    attempts: &mut Attempts,
) -> Result<Ipv6, Failure<'static>> {
    attempts.tell(core::format_args!("{}: static address {config}", link.name));
    changes.configure_ipv6(link, config)?;
    settle(&mut changes.netlink, link, config.address, attempts)?;
    Ok(Ipv6 {
        index: link.index,
        address: config.address,
        prefix_length: config.prefix_length,
        origin: Origin::Static,
    })
}

/// Waits until one of `links` has an address that the kernel has made of what a router advertises,
/// or any other device has one that somebody else has given it.
///
/// `name` is what the only one of `links` was called for.
#[inline(never)]
pub(super) fn obtain(
    links: &[Link],
    name: Option<&DeviceName>,
    netlink: &mut Netlink,
    attempts: &mut Attempts,
) -> Result<(Link, Ipv6), Failure<'static>> {
    let begin = clock::milliseconds();
    let patience = attempts.at_most(ADVERTISED_TIMEOUT);

    loop {
        let late = clock::milliseconds().saturating_sub(begin) >= patience;
        let addresses = netlink.ipv6_addresses().map_err(Failure::Kernel)?;
        let is_meant = |index: i32| links.iter().any(|link| link.index == index);
        let mut usable = addresses.iter().filter(|address| address.is_usable());
        let own = usable.clone().find(|address| is_meant(address.index));
        // The target may well be reached over another device: a bridge, say.
        let other = || usable.next().filter(|_| late);
        if let Some(found) = own.or_else(other) {
            let ipv6 = Ipv6 {
                index: found.index,
                address: found.address,
                prefix_length: found.prefix_length,
                origin: Origin::Advertised,
            };
            let links = netlink.links().map_err(Failure::Kernel)?;
            if let Some(link) = links.into_iter().find(|link| link.index == found.index) {
                attempts.tell(core::format_args!("{}: {ipv6}", link.name));
                return Ok((link, ipv6));
            }
        }
        if late {
            let found = netlink.links().map_err(Failure::Kernel)?;
            let mut routers = found
                .iter()
                .filter(|link| is_meant(link.index))
                .map(|link| link.ipv6);
            return Err(Failure::NoIpv6 {
                name: name.cloned(),
                routers: routers
                    .clone()
                    .find(|routers| routers.is_some_and(|routers| routers.is_one))
                    .or_else(|| routers.next())
                    .flatten(),
                seconds: patience / 1_000,
            });
        }
        clock::sleep_interruptible(INTERVAL.into()).map_err(|_| Failure::Interrupted)?;
    }
}

/// Waits until the kernel has made sure that no other host has `address` (RFC 4862 section 5.4).
fn settle(
    netlink: &mut Netlink,
    link: &Link,
    address: Ipv6Addr,
    attempts: &Attempts,
) -> Result<(), Failure<'static>> {
    let patience = attempts.at_most(DUPLICATE_TIMEOUT);
    let deadline = clock::milliseconds().saturating_add(patience);

    loop {
        let addresses = netlink.ipv6_addresses().map_err(Failure::Kernel)?;
        let own = addresses
            .iter()
            .find(|own| own.index == link.index && own.address == address);
        let device = link.name.clone();
        match own {
            Some(own) if own.is_duplicate => return Err(Failure::Duplicate { device, address }),
            Some(own) if !own.is_tentative => return Ok(()),
            _ if clock::milliseconds() >= deadline => {
                return Err(Failure::Tentative {
                    device,
                    address,
                    seconds: patience / 1_000,
                });
            }
            _ => {}
        }
        clock::sleep(INTERVAL);
    }
}
