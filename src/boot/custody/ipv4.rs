// SPDX-License-Identifier: GPL-2.0-only

//! Keeps a network that has an IPv4 address.
//!
//! | what happens                                 | what is done                              |
//! |----------------------------------------------|-------------------------------------------|
//! | device, address or route taken away          | put back; the log says by whom            |
//! | a lease that is renewed for another address  | taken over, and the session made anew     |
//! | another machine has the address              | the log says which; it is defended        |
//! | device renamed, or its driver bound again    | followed: its number, or Ethernet address |
//! | address given a lifetime, or another address | user space has taken over: left to it     |
//! | address moved to another device, or device   | left to user space, for good              |
//! | made part of a bridge or a bond              |                                           |
//! | then no address for [`DESERTED`]             | the last one of ours put back             |
//! | the lease's times                            | [`tenancy`]                               |
//! | the session is lost                          | its server is asked for the disk:         |
//! |                                              | [`lookout`]                               |
//!
//! An IPv6 address that the device has besides is its [`Holding`]'s.

mod lookout;
mod tenancy;

use super::{
    super::{
        attempts::Attempts,
        changes::{
            own_address,
            own_network,
            Changes,
            Family, //
        },
        conflict,
        error::Step,
        network::Network, //
    },
    ipv6::{
        Holding,
        Tools, //
    },
    log::{
        By,
        Culprit,
        Lines, //
    },
    status::{
        Facts,
        Ipv4Facts,
        Owner, //
    },
    vlan,
    watch::{
        is_same,
        Watch, //
    },
    DESERTED,
    TICK, //
};
use crate::{
    initiator::Reconnect,
    linux::{
        clock,
        errno::EAFNOSUPPORT,
        memory::NoReclaim, //
    },
    proto::{
        config::interface::Ipv4Config,
        dhcp::lease::Lease,
        rtnetlink::{
            answer::{
                Address,
                Body,
                Link, //
            },
            request::Request, //
        },
    },
};
use core::{
    fmt,
    net::Ipv4Addr, //
};
use kernel::prelude::*;
pub(super) use tenancy::Ipv4Tenancy;

pub(super) struct Ipv4Keeper {
    changes: Changes,
    watch: Watch,
    reconnect: Reconnect,
    link: Link,
    config: Ipv4Config,
    owner: Owner,
    /// The address is none that this driver has set.
    is_ipconfig: bool,
    tenancy: Ipv4Tenancy,
    /// Whether the device is there.
    present: bool,
    /// Since when the device has no address, if it has none.
    bare_since: Option<u64>,
    /// Listens for another machine with the address.
    conflicts: Option<conflict::Watch>,
    /// Whether the kernel has packet sockets for that. Asked again, it would wait for modprobe, and
    /// that may be on the disk.
    may_listen: bool,
    /// Further addresses that the device had while it had its own: they are not in its place.
    others: KVec<Ipv4Addr>,
    /// Who last took something away from the device.
    culprit: Option<Culprit>,
    /// The address that the device was last seen with, and the length of its network's prefix.
    seen: (Ipv4Addr, u8),
    holding: Option<Holding>,
    repairs: u64,
    lines: Lines,
}

impl Ipv4Keeper {
    pub(super) fn new(
        mut network: Network,
        config: Ipv4Config,
        watch: Watch,
        changes: Changes,
        reconnect: Reconnect,
        tenancy: Ipv4Tenancy,
    ) -> Self {
        let now = clock::milliseconds();
        let conflicts = conflict::Watch::new(network.link(), config.address);
        Self {
            may_listen: !matches!(conflicts, Err(EAFNOSUPPORT)),
            conflicts: conflicts.ok(),
            changes,
            watch,
            reconnect,
            config,
            seen: (config.address, config.prefix_length),
            holding: Holding::of(&mut network),
            tenancy,
            is_ipconfig: network.is_ipconfig(),
            link: network.into_link(),
            owner: Owner::Driver,
            present: true,
            bare_since: None,
            others: KVec::new(),
            culprit: None,
            repairs: 0,
            lines: Lines::new(now),
        }
    }

    /// What is told of it.
    pub(super) fn facts(&self) -> Facts {
        Facts {
            device: self.link.name.clone(),
            present: self.present,
            ipv4: Some(Ipv4Facts {
                address: self.seen.0,
                prefix_length: self.seen.1,
                owner: match self.owner {
                    Owner::Driver if self.is_ipconfig => None,
                    owner => Some(owner),
                },
                lease: self.tenancy.state(),
                portal: self.tenancy.portal(),
            }),
            ipv6: self.holding.as_ref().map(Holding::facts),
            repairs: self.repairs,
        }
    }

    /// Waits a while for a change, and does what is to be done.
    pub(super) fn round(&mut self) {
        self.listen();
        // Without a session nothing needs the network, and its driver may be going already.
        if self.reconnect.is_over() {
            return;
        }
        // Memory may be free only once the disk is back, for which the network is needed.
        let _reserves = NoReclaim::new();
        let is_bare = self.bare_since.is_some();
        if is_bare || self.holding.as_ref().is_some_and(Holding::is_bare) {
            self.watch.look_again();
        }
        if self.watch.is_due() {
            let taker = self.watch.taker();
            self.culprit = self.culprit.take().or(taker);
            let checked = self.check(clock::milliseconds());
            let ipv6 = self.with_holding(|holding, tools| holding.check(tools));
            if checked.is_err() || ipv6.is_some_and(|checked| checked.is_err()) {
                self.watch.look_again();
            }
            self.culprit = None;
        }
        self.with_holding(|holding, tools| holding.step(tools));
        if self.is_tenant() {
            self.look_for_conflicts();
            let netlink = &mut self.changes.netlink;
            let (link, address) = (&self.link, self.config.address);
            let lease = self
                .tenancy
                .step(link, address, netlink, &self.reconnect, &mut self.lines);
            if let Some(lease) = lease {
                self.settle(&lease);
            }
        }
    }

    /// Tells of another machine that has the address: its packets may go there.
    fn look_for_conflicts(&mut self) {
        if self.conflicts.is_none() && self.may_listen {
            self.conflicts = conflict::Watch::new(&self.link, self.config.address).ok();
        }
        if let Some(rival) = self.conflicts.as_mut().and_then(conflict::Watch::rival) {
            self.lines.warn(core::format_args!(
                "{}: the machine {rival} has the address {}, too: packets of the root disk may go \
                 there; take it from that machine",
                self.link.name,
                self.config.address
            ));
        }
    }

    /// Waits for a change of this device.
    fn listen(&mut self) {
        let patience = match self.is_tenant() {
            true => self.tenancy.patience(),
            false => TICK,
        };
        let Self {
            watch,
            link,
            config,
            culprit,
            holding,
            present,
            ..
        } = self;
        let holding = holding.as_ref();
        // Nothing is done about its lease while there is no device.
        let tenant = holding.filter(|_| *present);
        let patience = patience.min(tenant.map_or(u64::MAX, Holding::patience));
        watch.listen(patience, |answer| {
            let (concerns, takes_away) = match &answer.body {
                Body::Link(other) => (is_same(link, other), !other.is_up()),
                Body::LinkGone(other) => (is_same(link, other), true),
                // Also where the address is given to another device.
                Body::Address(address) => (
                    address.index == link.index || address.address == config.address,
                    false,
                ),
                Body::AddressGone(address) => (address.index == link.index, true),
                Body::RouteGone(index) => (*index == link.index, true),
                body => holding.map_or((false, false), |holding| holding.concerns(body)),
            };
            if concerns && takes_away {
                *culprit = Culprit::of(answer).or(culprit.take());
            }
            concerns
        });
    }

    /// Does something about the IPv6 address, where that is this device's.
    fn with_holding<T>(
        &mut self,
        work: impl FnOnce(&mut Holding, &mut Tools<'_>) -> T,
    ) -> Option<T> {
        let holding = self.holding.as_mut().filter(|_| self.present)?;
        let mut tools = Tools {
            link: &self.link,
            changes: &mut self.changes,
            lines: &mut self.lines,
            repairs: &mut self.repairs,
            culprit: self.culprit.as_ref(),
            reconnect: &self.reconnect,
        };
        Some(work(holding, &mut tools))
    }

    /// Whether the lease is this driver's matter, and it can do something about it.
    fn is_tenant(&self) -> bool {
        self.owner == Owner::Driver && self.present
    }

    /// Looks whether all is as it should be, and sees to it.
    fn check(&mut self, now: u64) -> Result {
        let own = Some(self.config.address.into());
        let (links, is_made) = vlan::links(&mut self.changes, &self.link, own)?;
        if is_made && self.present {
            self.repairs = self.repairs.saturating_add(1);
            self.tell(core::format_args!("was deleted, and is made again"));
        }
        let Some(link) = self.link.among(&links) else {
            if self.present {
                self.present = false;
                self.tell(core::format_args!("is gone"));
            }
            return Ok(());
        };
        self.follow(link);
        if !link.is_up() {
            self.changes.set_up_again(link.index)?;
            self.tell(core::format_args!("was set down, and is set up again"));
        }

        let addresses = self.changes.netlink.addresses()?;
        let is_here = |address: &Address| address.index == self.link.index;
        let same = || {
            let address = self.config.address;
            addresses.iter().filter(move |own| own.address == address)
        };
        let has_own = same().any(is_here);
        let elsewhere = same().find(|address| !is_here(address));
        if let Some(moved) = elsewhere.filter(|_| link.is_part || !has_own) {
            // A part of another device takes no packets of its own.
            if link.is_part {
                self.changes.withdraw(Family::Ipv4);
            }
            self.found(moved, &addresses);
            self.hand_over(moved);
            return Ok(());
        }
        let mut usable = addresses
            .iter()
            .filter(|address| address.index == self.link.index && address.is_global);
        match usable
            .clone()
            .find(|own| own.address == self.config.address)
        {
            Some(own) => {
                let others = usable.filter(|other| other.address != own.address);
                self.others.clear();
                for other in others {
                    self.others.push(other.address, GFP_KERNEL)?;
                }
                self.found(own, &addresses);
                if own.is_permanent && self.owner == Owner::Driver {
                    self.restore((!link.is_part).then_some(own))?;
                } else if !own.is_permanent {
                    self.hand_over(own);
                }
            }
            None => match usable.find(|other| !self.others.contains(&other.address)) {
                Some(other) => {
                    self.found(other, &addresses);
                    self.hand_over(other);
                }
                None => self.bare(now)?,
            },
        }
        Ok(())
    }

    /// Takes note of what has become of the device.
    fn follow(&mut self, link: &Link) {
        if link.index != self.link.index {
            self.tenancy.moved();
            self.conflicts = None;
            self.changes.moved(self.link.index, link.index);
            if let Some(mtu) = self.config.mtu {
                let index = link.index;
                // As at the boot, it works without it.
                let _ = self.changes.netlink.change(&Request::SetMtu {
                    index,
                    mtu: u32::from(mtu),
                });
            }
        }
        if link.index != self.link.index || !self.present {
            if let Some(holding) = &mut self.holding {
                holding.returned(link.index);
            }
            if self.owner == Owner::UserSpace {
                self.owner = Owner::Driver;
                self.tenancy.resume();
            }
            self.tell(core::format_args!("is back, as {}", link.name));
        } else if link.name != self.link.name {
            self.tell(core::format_args!("is called {} now", link.name));
        }
        self.present = true;
        self.watch.follow(link);
        self.link = link.clone();
    }

    /// The device has this address; the machine has all of these.
    fn found(&mut self, address: &Address, all: &[Address]) {
        self.bare_since = None;
        // The session is over the one that it had.
        if !all.iter().any(|each| each.address == self.seen.0) {
            self.reconnect.reconnect();
        }
        self.seen = (address.address, address.prefix_length);
    }

    /// The device has no address.
    fn bare(&mut self, now: u64) -> Result {
        if self.link.is_part {
            return Ok(());
        }
        let since = *self.bare_since.get_or_insert(now);
        if self.owner == Owner::UserSpace {
            if now.saturating_sub(since) < DESERTED {
                return Ok(());
            }
            self.tell(core::format_args!(
                "has been without an address for {} s; this driver takes care of it again",
                DESERTED / 1_000
            ));
            self.owner = Owner::Driver;
            self.tenancy.resume();
        }
        self.restore(None)?;
        self.bare_since = None;
        Ok(())
    }

    /// Puts back what was made and is not there any more; with `address` there are the routes that
    /// the kernel makes with one.
    fn restore(&mut self, address: Option<&Address>) -> Result {
        let Self {
            changes,
            link,
            config,
            culprit,
            repairs,
            lines,
            ..
        } = self;
        let by = By(culprit.as_ref());
        let has_local = address.filter(|own| !own.is_secondary);
        let has_network = address.filter(|own| own.has_route);
        // The kernel says nothing where it had no memory for them.
        let local = has_local.map(|own| own_address(own.index, own.address));
        let network =
            has_network.map(|own| own_network(own.index, own.address.into(), own.prefix_length));
        changes.restore(
            Family::Ipv4,
            [local, network].into_iter().flatten(),
            |step| {
                *repairs = repairs.saturating_add(1);
                match step {
                    Step::Address => lines.warn(core::format_args!(
                        "{}: the address {} was removed{by}, and is put back",
                        link.name,
                        config.address
                    )),
                    _ => lines.warn(core::format_args!(
                        "{}: {step} was removed{by}, and is put back",
                        link.name
                    )),
                }
            },
        )
    }

    /// Leaves the address to user space, which has `address` on the device.
    fn hand_over(&mut self, address: &Address) {
        if self.owner == Owner::UserSpace {
            return;
        }
        self.owner = Owner::UserSpace;
        self.tenancy.leave();
        pr_info!(
            "{}: user space looks after the address now, and has {}/{}{}\n",
            core::format_args!("{}", self.link.name),
            core::format_args!("{}", address.address),
            address.prefix_length,
            core::format_args!("{}", By(self.culprit.as_ref()))
        );
    }

    /// Uses what the new lease says.
    fn settle(&mut self, lease: &Lease) {
        let config = lease.ipv4_config();
        if config.address == self.config.address {
            pr_info!(
                "{}: {} is leased again, from server {}\n",
                core::format_args!("{}", self.link.name),
                core::format_args!("{}", config.address),
                core::format_args!("{}", lease.server)
            );
            return;
        }
        let mut attempts = Attempts::new(clock::milliseconds(), None);
        match self
            .changes
            .replace(&self.link, &config, lease, &mut attempts)
        {
            Ok(()) => {
                pr_warn!(
                    "{}: {config} from server {}, in place of {}\n",
                    core::format_args!("{}", self.link.name),
                    core::format_args!("{}", lease.server),
                    core::format_args!("{}", self.config.address),
                    config = core::format_args!("{config}"),
                );
                self.config = config;
                self.conflicts = None;
                self.seen = (config.address, config.prefix_length);
                self.reconnect.reconnect();
            }
            Err(failure) => {
                pr_err!("{}\n", core::format_args!("{failure}"));
                self.tenancy.search();
            }
        }
    }

    /// Says what has happened to the device.
    fn tell(&mut self, what: fmt::Arguments<'_>) {
        let (name, by) = (&self.link.name, By(self.culprit.as_ref()));
        self.lines.warn(core::format_args!("{name} {what}{by}"));
    }
}

impl Drop for Ipv4Keeper {
    fn drop(&mut self) {
        // What is somebody else's now is not taken back.
        if self.owner == Owner::UserSpace {
            self.changes.forget(self.link.index, Family::Ipv4);
        }
        if let Some(holding) = &self.holding {
            holding.let_go(&mut self.changes);
        }
    }
}
