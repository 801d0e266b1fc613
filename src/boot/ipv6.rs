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
        config::ipv6::Ipv6Config,
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
/// The interval between looks.
const INTERVAL: u32 = 20;

/// Who has given an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Origin {
    Static,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Static => "static",
        })
    }
}

/// An address that a device has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ipv6 {
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
        address: config.address,
        prefix_length: config.prefix_length,
        origin: Origin::Static,
    })
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
