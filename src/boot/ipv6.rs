// SPDX-License-Identifier: GPL-2.0-only

//! An IPv6 address of a network device.

mod asker;

pub(super) use asker::{
    now,
    Asker,
    Port,
    Wish, //
};

use super::{
    attempts::Attempts,
    changes::Changes,
    error::Failure,
    netlink::Netlink, //
};
use crate::{
    linux::{
        clock,
        errno::EADDRINUSE, //
    },
    proto::{
        config::{
            interface::Device,
            ipv6::Ipv6Config, //
        },
        dhcp6::{
            lease::{
                Information,
                Lease, //
            },
            message::CLIENT_PORT, //
        },
        rtnetlink::answer::{
            Ipv6Address,
            Link, //
        }, //
    },
};
use core::{
    fmt,
    net::Ipv6Addr, //
};
use kernel::prelude::*;

/// How long the kernel has to make sure that no other host has an address, in milliseconds. By
/// itself it waits for up to a second, asks once, and waits another second for an answer.
const DUPLICATE_TIMEOUT: u64 = 10_000;
/// How long routers and servers have to give an address, in milliseconds. The kernel asks routers
/// after up to a second, and every 4 s at first.
const TIMEOUT: u64 = 40_000;
/// Room for the largest message of a DHCPv6 server, in bytes.
pub(super) const MESSAGE_SIZE: usize = 1_500;
/// The interval between looks at the addresses, in milliseconds.
const INTERVAL: u32 = 20;

/// Who has given an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Origin {
    Static,
    Advertised,
    Dhcp,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Static => "static",
            Self::Advertised => "router-advertised",
            Self::Dhcp => "DHCPv6",
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
) -> Result<Found, Failure<'static>> {
    attempts.tell(core::format_args!("{}: static address {config}", link.name));
    changes.configure_ipv6(link, config, None)?;
    settle(&mut changes.netlink, link, config.address, attempts)?;
    Ok(Found {
        link: link.clone(),
        ipv6: Ipv6 {
            index: link.index,
            address: config.address,
            prefix_length: config.prefix_length,
            origin: Origin::Static,
        },
        asked: 0,
        lease: None,
        information: None,
    })
}

/// Whether a router on one of `links`, by what is `found` of them now, says that DHCPv6 servers
/// have addresses or something else to tell.
pub(super) fn is_served(found: &[Link], links: &[Link]) -> bool {
    found.iter().any(|link| {
        let is_meant = links.iter().any(|other| other.index == link.index);
        let told = link
            .ipv6
            .is_some_and(|told| told.is_managed || told.is_informed);
        is_meant && told
    })
}

/// An address, the device that has it, and what came with it.
pub(super) struct Found {
    pub(super) link: Link,
    pub(super) ipv6: Ipv6,
    /// From when the lease counts, on the clock.
    pub(super) asked: u64,
    pub(super) lease: Option<KBox<Lease>>,
    /// What a DHCPv6 server says that has not given the address.
    pub(super) information: Option<KBox<Information>>,
}

/// Waits until one of `links` has an address: from DHCPv6 where a router says so, or one that the
/// kernel has made of what a router advertises, or where any other device has one already.
///
/// `device` is what was asked for, for the message that there is none. `needs_root_path`: only an
/// address with what a DHCPv6 server says will do.
#[inline(never)]
pub(super) fn obtain(
    links: &[Link],
    device: &Device,
    needs_root_path: bool,
    changes: &mut Changes,
    attempts: &mut Attempts,
) -> Result<Found, Failure<'static>> {
    let begin = clock::milliseconds();
    let patience = attempts.at_most(TIMEOUT);
    let mut buffer = KVec::from_elem(0, MESSAGE_SIZE, GFP_KERNEL).map_err(Failure::kernel)?;
    let mut askers: KVec<Asker> = KVec::new();
    let mut is_busy = false;

    loop {
        let left = patience.saturating_sub(clock::milliseconds().saturating_sub(begin));
        let found = changes.netlink.links().map_err(Failure::Kernel)?;
        let is_meant = |link: &&Link| links.iter().any(|other| other.index == link.index);
        let wish = Wish {
            root_path: needs_root_path,
            address: None,
            limit: left,
        };
        for link in found.iter().filter(is_meant) {
            ask(link, wish, &mut askers, &mut is_busy, attempts)?;
        }
        for asker in &mut askers {
            asker.step(&mut buffer);
        }
        if let Some(asker) = chosen(&mut askers, needs_root_path) {
            match take(asker, changes, attempts) {
                Err(Failure::Duplicate { device, address }) if asker.decline() => {
                    attempts.warn(core::format_args!(
                        "{device}: the DHCPv6 server gives {address}, which another host has \
                         already; another one is asked for"
                    ));
                    continue;
                }
                result => return result,
            }
        }
        let addresses = changes.netlink.ipv6_addresses().map_err(Failure::Kernel)?;
        let advertised = advertised(&addresses, links, &askers, needs_root_path, left == 0);
        let link = advertised
            .and_then(|(address, _)| found.iter().find(|link| link.index == address.index));
        if let Some(((address, asker), link)) = advertised.zip(link) {
            return accept(address, link, asker, attempts);
        }
        let failures = askers.iter().filter(|asker| asker.failure().is_some());
        let is_over = needs_root_path && failures.count() == askers.len();
        if left == 0 || is_over && !askers.is_empty() {
            let mut routers = found.iter().filter(is_meant).map(|link| link.ipv6);
            return Err(Failure::NoIpv6 {
                device: device.clone(),
                routers: routers
                    .clone()
                    .find(|routers| routers.is_some_and(|routers| routers.is_one))
                    .or_else(|| routers.next())
                    .flatten(),
                failure: match askers.iter().find_map(Asker::failure) {
                    Some(failure) => {
                        Some(KBox::new(failure.clone(), GFP_KERNEL).map_err(Failure::kernel)?)
                    }
                    None => None,
                },
                seconds: clock::milliseconds().saturating_sub(begin) / 1_000,
            });
        }
        clock::sleep_interruptible(INTERVAL.into()).map_err(|_| Failure::Interrupted)?;
    }
}

/// Asks on `link` for what its routers say that there is.
fn ask(
    link: &Link,
    wish: Wish,
    askers: &mut KVec<Asker>,
    is_busy: &mut bool,
    attempts: &mut Attempts,
) -> Result<(), Failure<'static>> {
    let Some(routers) = link.ipv6.filter(|told| told.is_managed || told.is_informed) else {
        return Ok(());
    };
    if let Some(asker) = askers
        .iter_mut()
        .find(|asker| asker.link.index == link.index)
    {
        return asker.follow(routers, wish).map_err(Failure::Kernel);
    }
    if *is_busy {
        return Ok(());
    }
    match Asker::new(link, routers.is_managed, wish) {
        Ok(asker) => askers.push(asker, GFP_KERNEL).map_err(Failure::kernel),
        Err(EADDRINUSE) => {
            *is_busy = true;
            attempts.warn(core::format_args!(
                "{}: UDP port {CLIENT_PORT} is in use, so DHCPv6 is left to who uses it",
                link.name
            ));
            Ok(())
        }
        Err(error) => Err(Failure::Kernel(error)),
    }
}

/// The one with a lease that will do; when all have their answer, any with a lease.
fn chosen(askers: &mut [Asker], needs_root_path: bool) -> Option<&mut Asker> {
    let all_done = askers.iter().all(Asker::is_done);
    let is_good = |asker: &Asker| {
        let lease = asker.lease();
        lease.is_some_and(|lease| !needs_root_path || lease.information.root_path().is_some())
    };
    let place = askers.iter().position(is_good).or_else(|| {
        let any = askers.iter().position(|asker| asker.lease().is_some());
        any.filter(|_| all_done)
    });
    askers.get_mut(place?)
}

/// Gives the device of `asker` the address of its lease.
fn take(
    asker: &Asker,
    changes: &mut Changes,
    attempts: &mut Attempts,
) -> Result<Found, Failure<'static>> {
    let lease = asker.lease().ok_or(Failure::Kernel(EINVAL))?;
    attempts.tell(core::format_args!(
        "{}: DHCPv6 from server {}, {}",
        asker.link.name,
        lease.information.server,
        lease.address
    ));
    tell_of_url(&lease.information, attempts);
    Ok(Found {
        link: asker.link.clone(),
        ipv6: asker.apply(None, changes, attempts)?,
        asked: asker.since,
        lease: Some(KBox::new(lease.clone(), GFP_KERNEL).map_err(Failure::kernel)?),
        information: None,
    })
}

/// An address that nobody has to give: one of `links`, once there is nothing more to hope for on
/// its device, or, at the end, one of any device. With it who asks there.
fn advertised<'a>(
    addresses: &'a [Ipv6Address],
    links: &[Link],
    askers: &'a [Asker],
    needs_root_path: bool,
    is_last: bool,
) -> Option<(&'a Ipv6Address, Option<&'a Asker>)> {
    let asker_of = |index| askers.iter().find(|asker| asker.link.index == index);
    let is_enough = |index| match asker_of(index) {
        // Only something to boot is an answer then.
        Some(asker) if needs_root_path => asker.information().is_some(),
        Some(asker) => !asker.is_hopeful(),
        None => !needs_root_path,
    };
    let mut usable = addresses.iter().filter(|address| address.is_usable());
    let own = usable.clone().find(|address| {
        links.iter().any(|link| link.index == address.index) && is_enough(address.index)
    });
    // The target may well be reached over another device: a bridge, say.
    let any = || usable.next().filter(|_| is_last && !needs_root_path);
    let address = own.or_else(any)?;
    Some((address, asker_of(address.index)))
}

/// Uses an address that `link` has.
fn accept(
    address: &Ipv6Address,
    link: &Link,
    asker: Option<&Asker>,
    attempts: &mut Attempts,
) -> Result<Found, Failure<'static>> {
    let ipv6 = Ipv6 {
        index: address.index,
        address: address.address,
        prefix_length: address.prefix_length,
        origin: Origin::Advertised,
    };
    attempts.tell(core::format_args!("{}: {ipv6}", link.name));
    let information = match asker.and_then(Asker::information) {
        Some(information) => {
            attempts.tell(core::format_args!(
                "{}: information from DHCPv6 server {}",
                link.name,
                information.server
            ));
            tell_of_url(information, attempts);
            Some(KBox::new(information.clone(), GFP_KERNEL).map_err(Failure::kernel)?)
        }
        None => None,
    };
    Ok(Found {
        link: link.clone(),
        ipv6,
        asked: 0,
        lease: None,
        information,
    })
}

/// Says so where what there is to boot is no disk.
fn tell_of_url(information: &Information, attempts: &mut Attempts) {
    if let (Some(url), None) = (&information.boot_file_url, information.root_path()) {
        attempts.tell(core::format_args!(
            "not used: boot file URL {:?} is not of the form iscsi:...",
            url.as_str()
        ));
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
