// SPDX-License-Identifier: GPL-2.0-only

//! The IPv6 address that the machine holds: kept, leased, or left to user space.
//!
//! A device may well have further IPv6 addresses, and those that the kernel makes of what routers
//! advertise come and go: only one that user space has made can be in the place of the boot's.

use super::{
    super::{
        super::{
            changes::{
                own_network,
                Changes,
                Family, //
            },
            error::Step,
            ipv6::{
                Ipv6,
                Origin, //
            },
            network::Network, //
        },
        log::{
            By,
            Culprit,
            Lines, //
        },
        status::{
            Ipv6Facts,
            Owner, //
        },
        DESERTED,
    },
    tenancy::{
        Event,
        Ipv6Tenancy, //
    },
};
use crate::{
    initiator::Reconnect,
    linux::clock,
    proto::rtnetlink::answer::{
        Body,
        Ipv6Address,
        Link, //
    },
};
use core::net::Ipv6Addr;
use kernel::prelude::*;

/// An address that the boot had, and what is done about it.
pub(in super::super) struct Holding {
    ipv6: Ipv6,
    /// The address that the device was last seen with, and the length of its network's prefix.
    seen: (Ipv6Addr, u8),
    owner: Owner,
    tenancy: Ipv6Tenancy,
    /// Since when the device has no address, if it has none.
    bare_since: Option<u64>,
    /// Further addresses that the device had while it had its own: they are not in its place.
    others: KVec<Ipv6Addr>,
}

/// What it is taken care of with.
pub(in super::super) struct Tools<'a> {
    pub(in super::super) link: &'a Link,
    pub(in super::super) changes: &'a mut Changes,
    pub(in super::super) lines: &'a mut Lines,
    pub(in super::super) repairs: &'a mut u64,
    pub(in super::super) culprit: Option<&'a Culprit>,
    pub(in super::super) reconnect: &'a Reconnect,
}

impl Holding {
    /// Takes care of the IPv6 address of `network`, where that has one, and of its lease.
    pub(in super::super) fn of(network: &mut Network) -> Option<Self> {
        let ipv6 = *network.ipv6()?;
        let lease = network.take_ipv6_lease();
        let lease = lease.as_ref().map(|(lease, asked)| (&**lease, *asked));
        Some(Self {
            ipv6,
            seen: (ipv6.address, ipv6.prefix_length),
            owner: Owner::Driver,
            tenancy: Ipv6Tenancy::new(network.mac(), lease),
            bare_since: None,
            others: KVec::new(),
        })
    }

    /// What is told of it.
    pub(in super::super) fn facts(&self) -> Ipv6Facts {
        let (address, prefix_length) = self.seen;
        Ipv6Facts {
            ipv6: Ipv6 {
                address,
                prefix_length,
                ..self.ipv6
            },
            owner: self.owner,
            lease: self.tenancy.state(),
        }
    }

    /// The address.
    pub(in super::super) const fn address(&self) -> Ipv6Addr {
        self.ipv6.address
    }

    /// Whether the boot has made it, and it is not the kernel's matter.
    fn is_made(&self) -> bool {
        match self.ipv6.origin {
            Origin::Static | Origin::Dhcp => true,
            Origin::Advertised => false,
        }
    }

    /// Whether what the kernel tells is about it, and whether it takes something away.
    pub(in super::super) fn concerns(&self, body: &Body) -> (bool, bool) {
        match body {
            // Also where the address is given to another device.
            Body::Ipv6Address(other) => (
                other.index == self.ipv6.index || other.address == self.ipv6.address,
                false,
            ),
            Body::Ipv6AddressGone(other) => (other.index == self.ipv6.index, true),
            _ => (false, false),
        }
    }

    /// For how long nothing is to be done about its lease, in milliseconds.
    pub(in super::super) fn patience(&self) -> u64 {
        self.tenancy.patience()
    }

    /// Whether it is to be looked at again, though nothing may change.
    pub(in super::super) const fn is_bare(&self) -> bool {
        self.bare_since.is_some()
    }

    /// The device is back, with the number `index`.
    pub(in super::super) fn returned(&mut self, index: i32) {
        self.ipv6.index = index;
        self.tenancy.moved();
        if self.owner == Owner::UserSpace {
            self.owner = Owner::Driver;
            self.tenancy.resume();
        }
    }

    /// Does what is due for its lease.
    pub(in super::super) fn step(&mut self, tools: &mut Tools<'_>) {
        if self.owner == Owner::UserSpace {
            return;
        }
        let old = self.ipv6.address;
        match self.tenancy.step(tools.link, old, tools.changes) {
            Some(Event::Leased(ipv6, lease)) if ipv6.address == old => {
                let (name, server) = (&tools.link.name, lease.information.server);
                pr_info!(
                    "{}\n",
                    core::format_args!("{name}: {old} is leased again, from server {server}")
                );
                self.prefer(tools.changes);
            }
            Some(Event::Leased(ipv6, lease)) => {
                let (name, server) = (&tools.link.name, lease.information.server);
                pr_warn!(
                    "{}\n",
                    core::format_args!("{name}: {ipv6} from server {server}, in place of {old}")
                );
                self.ipv6 = ipv6;
                self.seen = (ipv6.address, ipv6.prefix_length);
                tools.reconnect.reconnect();
            }
            Some(Event::Renewed) => self.prefer(tools.changes),
            None => {}
        }
    }

    /// Tells the kernel for how long the address is for new connections.
    fn prefer(&self, changes: &mut Changes) {
        // The address may be gone at the moment; it works without.
        let _ = changes.prefer_ipv6(&self.ipv6, self.tenancy.preferred());
    }

    /// Looks whether all is as it should be, and sees to it.
    pub(in super::super) fn check(&mut self, tools: &mut Tools<'_>) -> Result {
        if !self.is_made() {
            return Ok(());
        }
        let index = tools.link.index;
        let addresses = tools.changes.netlink.ipv6_addresses()?;
        let is_here = |address: &&Ipv6Address| address.index == index;
        let own = self.ipv6.address;
        let same = || addresses.iter().filter(move |each| each.address == own);
        let has_own = same().any(|address| is_here(&address));
        let elsewhere = same().find(|address| !is_here(address));
        if let Some(moved) = elsewhere.filter(|_| tools.link.is_part || !has_own) {
            // A part of another device takes no packets of its own.
            if tools.link.is_part {
                tools.changes.withdraw(Family::Ipv6);
            }
            self.found(moved, &addresses, tools);
            self.hand_over(tools);
            return Ok(());
        }
        let mut global = addresses
            .iter()
            .filter(is_here)
            .filter(|each| each.is_global);
        if let Some(address) = global.clone().find(|each| each.address == own) {
            self.others.clear();
            for other in global.filter(|each| each.address != own) {
                self.others.push(other.address, GFP_KERNEL)?;
            }
            self.found(address, &addresses, tools);
            if !address.is_permanent {
                self.hand_over(tools);
            } else if self.owner == Owner::Driver {
                let has_route = address.has_route && !tools.link.is_part;
                self.restore(has_route.then_some(address), tools)?;
            }
            return Ok(());
        }
        let others = &self.others;
        let is_new = |each: &&Ipv6Address| !each.is_advertised && !others.contains(&each.address);
        if let Some(other) = global.clone().find(is_new) {
            self.found(other, &addresses, tools);
            self.hand_over(tools);
        } else if let (Owner::UserSpace, Some(other)) = (self.owner, global.next()) {
            self.found(other, &addresses, tools);
        } else {
            self.bare(tools)?;
        }
        Ok(())
    }

    /// The device has this address; the machine has all of these.
    fn found(&mut self, address: &Ipv6Address, all: &[Ipv6Address], tools: &Tools<'_>) {
        self.bare_since = None;
        // The session is over the one that it had.
        if !all.iter().any(|each| each.address == self.seen.0) {
            tools.reconnect.reconnect();
        }
        self.seen = (address.address, address.prefix_length);
    }

    /// The device has not got the address, and none in its place.
    fn bare(&mut self, tools: &mut Tools<'_>) -> Result {
        if tools.link.is_part {
            return Ok(());
        }
        let now = clock::milliseconds();
        let since = *self.bare_since.get_or_insert(now);
        if self.owner == Owner::UserSpace {
            if now.saturating_sub(since) < DESERTED {
                return Ok(());
            }
            tools.lines.warn(core::format_args!(
                "{} has been without an IPv6 address for {} s; this driver takes care of it again",
                tools.link.name,
                DESERTED / 1_000
            ));
            self.owner = Owner::Driver;
            self.tenancy.resume();
        }
        self.restore(None, tools)?;
        self.bare_since = None;
        Ok(())
    }

    /// Puts back what was made and is not there any more; with `address` there is the route to its
    /// network.
    fn restore(&mut self, address: Option<&Ipv6Address>, tools: &mut Tools<'_>) -> Result {
        let Tools {
            link,
            changes,
            lines,
            repairs,
            culprit,
            reconnect,
        } = tools;
        let mut has_gone = false;
        let (name, by) = (&link.name, By(*culprit));
        let network =
            address.map(|own| own_network(own.index, own.address.into(), own.prefix_length));
        let restored = changes.restore(Family::Ipv6, network, |step| {
            **repairs = repairs.saturating_add(1);
            has_gone |= matches!(step, Step::Ipv6Address(_));
            lines.warn(core::format_args!(
                "{name}: {step} was removed{by}, and is put back"
            ));
        });
        if has_gone {
            // In the place of one that user space had, over which the session is.
            if self.seen.0 != self.ipv6.address {
                reconnect.reconnect();
            }
            self.seen = (self.ipv6.address, self.ipv6.prefix_length);
            self.prefer(changes);
        }
        restored
    }

    /// Leaves the address to user space.
    fn hand_over(&mut self, tools: &mut Tools<'_>) {
        if self.owner == Owner::UserSpace {
            return;
        }
        self.owner = Owner::UserSpace;
        self.tenancy.leave();
        let (name, by) = (&tools.link.name, By(tools.culprit));
        let (address, length) = self.seen;
        pr_info!(
            "{}\n",
            core::format_args!(
                "{name}: user space looks after the address now, and has {address}/{length}{by}"
            )
        );
    }

    /// The driver goes: what is somebody else's now is not taken back.
    pub(in super::super) fn let_go(&self, changes: &mut Changes) {
        if self.owner == Owner::UserSpace {
            changes.forget(self.ipv6.index, Family::Ipv6);
        }
    }
}
