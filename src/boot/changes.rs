// SPDX-License-Identifier: GPL-2.0-only

//! What a boot changes about network devices, and the way back.

use super::{
    advertised::Advertised,
    attempts::Attempts,
    error::{
        Failure,
        Step, //
    },
    ipv6::Ipv6,
    netlink::Netlink, //
};
use crate::proto::{
    config::{
        interface::{
            DeviceName,
            Ipv4Config,
            Route, //
        },
        ipv6::Ipv6Config, //
    },
    dhcp::lease::Lease,
    rtnetlink::{
        answer::Link,
        request::{
            network,
            Change,
            Request,
            RouteProtocol, //
        }, //
    },
};
use core::net::{
    IpAddr,
    Ipv4Addr,
    Ipv6Addr, //
};
use kernel::prelude::*;

/// Which addresses and routes are meant; an MTU comes with those of IPv4.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Family {
    Ipv4,
    Ipv6,
}

impl Family {
    /// What `undo` is about, if it is about one alone.
    fn of(undo: &Request) -> Option<Self> {
        match undo {
            Request::SetMtu { .. } | Request::Address { .. } | Request::Route { .. } => {
                Some(Self::Ipv4)
            }
            Request::Ipv6Address { .. } | Request::Ipv6DefaultRoute { .. } => Some(Self::Ipv6),
            _ => None,
        }
    }
}

/// What was changed. Dropping it takes everything back.
pub(super) struct Changes {
    pub(super) netlink: Netlink,
    /// Hears what routers say, from before a device is brought up until the boot is over.
    pub(super) advertised: Option<Advertised>,
    /// The devices of VLANs that were made.
    vlans: KVec<Made>,
    /// Devices that were down, the MTU that was replaced, addresses and routes, in
    /// the order of the changes.
    done: KVec<Request>,
}

/// How the device of a VLAN was made.
struct Made {
    index: i32,
    lower: Link,
    id: u16,
}

impl Changes {
    /// Nothing is changed yet.
    pub(super) fn new() -> Result<Self, Failure<'static>> {
        Ok(Self {
            netlink: Netlink::new().map_err(Failure::Kernel)?,
            // A machine boots without name servers, too.
            advertised: Advertised::new().ok(),
            vlans: KVec::new(),
            done: KVec::new(),
        })
    }

    /// Brings a device up.
    pub(super) fn set_up(&mut self, link: &Link) -> Result<(), Failure<'static>> {
        if link.is_up() {
            return Ok(());
        }
        let index = link.index;
        let undo = Request::SetUp { index, up: false };
        self.make(link, Step::Up, &Request::SetUp { index, up: true }, undo)
    }

    /// Makes the device called `name` of the VLAN `id` on `lower`, which is brought up.
    pub(super) fn add_vlan(
        &mut self,
        lower: &Link,
        name: &DeviceName,
        id: u16,
    ) -> Result<(), Failure<'static>> {
        self.set_up(lower)?;
        self.done.reserve(1, GFP_KERNEL).map_err(Failure::kernel)?;
        self.vlans.reserve(1, GFP_KERNEL).map_err(Failure::kernel)?;
        let index = self
            .make_vlan(lower, name, id)
            .map_err(|error| Failure::Device {
                name: name.clone(),
                step: Step::Vlan,
                error,
            })?;
        let lower = lower.clone();
        self.vlans
            .push(Made { index, lower, id }, GFP_KERNEL)
            .map_err(Failure::kernel)?;
        self.done
            .push(Request::DeleteLink { index }, GFP_KERNEL)
            .map_err(Failure::kernel)
    }

    /// Makes the device of a VLAN, and gives its number.
    fn make_vlan(&mut self, lower: &Link, name: &DeviceName, id: u16) -> Result<i32> {
        let add = Request::AddVlan {
            lower: lower.index,
            name: name.padded(),
            id,
        };
        self.netlink.make(&add)?;
        let links = self.netlink.links()?;
        let made = links.iter().find(|link| link.name == *name);
        Ok(made.ok_or(ENODEV)?.index)
    }

    /// Makes the device `gone` again where it is one of a VLAN that was made, and what is under it
    /// is among `links`; whether it was made.
    pub(super) fn make_vlan_again(&mut self, gone: &Link, links: &[Link]) -> Result<bool> {
        let Some(made) = self.vlans.iter().find(|made| made.index == gone.index) else {
            return Ok(false);
        };
        let id = made.id;
        let Some(lower) = made.lower.among(links) else {
            return Ok(false);
        };
        self.moved(made.lower.index, lower.index);
        let index = self.make_vlan(lower, &gone.name, id)?;
        self.moved(gone.index, index);
        self.set_up_again(index)?;
        Ok(true)
    }

    /// Brings a device up again, after what is under it where it is that of a VLAN that was made.
    pub(super) fn set_up_again(&mut self, index: i32) -> Result {
        if let Some(index) = self.lower(index) {
            self.netlink.change(&Request::SetUp { index, up: true })?;
        }
        self.netlink.change(&Request::SetUp { index, up: true })
    }

    /// The number of what is under a device of a VLAN, if that was made.
    fn lower(&self, device: i32) -> Option<i32> {
        let made = self.vlans.iter().find(|made| made.index == device)?;
        Some(made.lower.index)
    }

    /// Takes back what was changed on any device but this one and the one under it.
    pub(super) fn keep_only(&mut self, index: i32) {
        let lower = self.lower(index);
        let netlink = &mut self.netlink;
        self.done.retain(|undo| match undo {
            Request::SetUp { index: other, .. } | Request::DeleteLink { index: other }
                if *other != index && Some(*other) != lower =>
            {
                netlink.undo(undo);
                false
            }
            _ => true,
        });
    }

    /// Takes MTU, address and routes back, the last change first. The devices stay up for the next
    /// attempt: some links and switches take long to find each other.
    pub(super) fn unconfigure(&mut self) {
        while let Some(undo) = self.done.pop() {
            if matches!(undo, Request::SetUp { .. } | Request::DeleteLink { .. }) {
                // There is room, since it was just taken out.
                let _ = self.done.push(undo, GFP_KERNEL);
                return;
            }
            // What somebody else has changed meanwhile is theirs.
            self.netlink.undo(&undo);
        }
    }

    /// Makes addresses and routes of `family` again that were made and are not there any more, and
    /// `own`, what the kernel makes with an address, and tells of each.
    ///
    /// # Errors
    ///
    /// `ENOMEM` or `ENOBUFS`, where there was no memory for one of them.
    pub(super) fn restore(
        &mut self,
        family: Family,
        own: impl IntoIterator<Item = (Request, Step)>,
        mut each: impl FnMut(Step),
    ) -> Result {
        let made = self.done.iter();
        let made = made.filter(|undo| Family::of(undo) == Some(family));
        let mut result = Ok(());
        for (request, step) in Iterator::chain(own.into_iter(), made.filter_map(again)) {
            match self.netlink.restore(&request) {
                Ok(true) => each(step),
                Ok(false) => {}
                Err(error) => result = Err(error),
            }
        }
        result
    }

    /// Takes addresses and routes of `family` back, but remembers them.
    pub(super) fn withdraw(&mut self, family: Family) {
        for undo in self.done.iter().rev() {
            let is_mtu = matches!(undo, Request::SetMtu { .. });
            if Family::of(undo) == Some(family) && !is_mtu {
                self.netlink.undo(undo);
            }
        }
    }

    /// Leaves a device, what it has of `family`, and what is under it, as they are, for good.
    pub(super) fn forget(&mut self, device: i32, family: Family) {
        let lower = self.lower(device);
        self.done.retain(|undo| match undo {
            Request::SetUp { index, .. } | Request::DeleteLink { index } => {
                *index != device && Some(*index) != lower
            }
            Request::SetMtu { index, .. }
            | Request::Address { index, .. }
            | Request::Route { index, .. }
            | Request::Ipv6Address { index, .. }
            | Request::Ipv6DefaultRoute { index, .. } => {
                *index != device || Family::of(undo) != Some(family)
            }
            _ => true,
        });
    }

    /// The device with the number `from` has another one.
    pub(super) fn moved(&mut self, from: i32, to: i32) {
        for made in &mut self.vlans {
            for index in [&mut made.index, &mut made.lower.index] {
                if *index == from {
                    *index = to;
                }
            }
        }
        for undo in &mut self.done {
            match undo {
                Request::SetUp { index, .. }
                | Request::SetMtu { index, .. }
                | Request::Address { index, .. }
                | Request::Route { index, .. }
                | Request::Ipv6Address { index, .. }
                | Request::Ipv6DefaultRoute { index, .. }
                | Request::DeleteLink { index }
                    if *index == from =>
                {
                    *index = to;
                }
                _ => {}
            }
        }
    }

    /// Sets MTU, address and routes in the place of those that were set.
    pub(super) fn replace(
        &mut self,
        link: &Link,
        config: &Ipv4Config,
        lease: &Lease,
        attempts: &mut Attempts,
    ) -> Result<(), Failure<'static>> {
        let room = self.done.len();
        let mut old = KVec::with_capacity(room, GFP_KERNEL).map_err(Failure::kernel)?;
        let mut others = KVec::with_capacity(room, GFP_KERNEL).map_err(Failure::kernel)?;
        let mut link = link.clone();
        let present = link.mtu;

        // The old one first: with the first address of a network its further ones go, too.
        while let Some(undo) = self.done.pop() {
            if matches!(undo, Request::SetUp { .. } | Request::DeleteLink { .. }) {
                self.done.push(undo, GFP_KERNEL).map_err(Failure::kernel)?;
                break;
            }
            if Family::of(&undo) == Some(Family::Ipv6) {
                others.push(undo, GFP_KERNEL).map_err(Failure::kernel)?;
                continue;
            }
            self.netlink.undo(&undo);
            // The device's own MTU is put back in the end, not that of a lease before.
            if let Request::SetMtu { mtu, .. } = undo {
                link.mtu = mtu;
            }
            old.push(undo, GFP_KERNEL).map_err(Failure::kernel)?;
        }
        let result = self.configure(&link, config, Some(lease), attempts);
        if result.is_err() {
            // It goes on with what it has.
            self.unconfigure();
            while let Some(undo) = old.pop() {
                self.done.push(undo, GFP_KERNEL).map_err(Failure::kernel)?;
            }
            if link.mtu != present {
                let index = link.index;
                let mtu = present;
                let _ = self.netlink.change(&Request::SetMtu { index, mtu });
            }
            // What has gone is looked for again by whoever looks after it.
            let _ = self.restore(Family::Ipv4, [], |_| {});
        }
        while let Some(undo) = others.pop() {
            self.done.push(undo, GFP_KERNEL).map_err(Failure::kernel)?;
        }
        result
    }

    /// Sets MTU, address and routes.
    pub(super) fn configure(
        &mut self,
        link: &Link,
        config: &Ipv4Config,
        lease: Option<&Lease>,
        attempts: &mut Attempts,
    ) -> Result<(), Failure<'static>> {
        let index = link.index;

        if let Some(mtu) = config.mtu {
            let set = |mtu| Request::SetMtu { index, mtu };
            let result = self.make(link, Step::Mtu, &set(u32::from(mtu)), set(link.mtu));
            // As with ipconfig: a device that cannot have this MTU works with its own.
            if let Err(failure) = result {
                attempts.warn(core::format_args!("{failure}"));
            }
        }
        let address = |change| Request::Address {
            change,
            index,
            address: config.address,
            prefix_length: config.prefix_length,
            broadcast: config.broadcast,
        };
        self.make(
            link,
            Step::Address,
            &address(Change::Add),
            address(Change::Delete),
        )?;
        match lease {
            Some(lease) => {
                // A router is reached over the routes that need none.
                let direct = lease.routes.iter().filter(|route| route.gateway.is_none());
                let others = lease.routes.iter().filter(|route| route.gateway.is_some());
                for route in Iterator::chain(direct, others) {
                    // The target may well be reached without it.
                    if let Err(failure) = self.add_route(link, route, RouteProtocol::Dhcp) {
                        attempts.warn(core::format_args!("{failure}"));
                    }
                }
            }
            None => {
                if config.gateway.is_some() {
                    let route = Route {
                        destination: Ipv4Addr::UNSPECIFIED,
                        prefix_length: 0,
                        gateway: config.gateway,
                    };
                    self.add_route(link, route, RouteProtocol::Boot)?;
                }
            }
        }
        Ok(())
    }

    /// Says of an IPv6 address that was made for how many seconds it is for new connections.
    ///
    /// # Errors
    ///
    /// The errno the kernel answers with.
    pub(super) fn prefer_ipv6(&mut self, ipv6: &Ipv6, preferred: Option<u32>) -> Result {
        let Ipv6 {
            index,
            address,
            prefix_length,
            ..
        } = *ipv6;
        self.netlink.change(&Request::Ipv6Address {
            change: Change::Replace,
            index,
            address,
            prefix_length,
            preferred,
        })
    }

    /// Takes an IPv6 address back that was made, if it was.
    pub(super) fn remove_ipv6(&mut self, own: Ipv6Addr) {
        let netlink = &mut self.netlink;
        self.done.retain(|undo| match undo {
            Request::Ipv6Address { address, .. } if *address == own => {
                netlink.undo(undo);
                false
            }
            _ => true,
        });
    }

    /// Sets an IPv6 address and the router that goes with it; `preferred`: for how many seconds the
    /// address is for new connections, or for ever.
    pub(super) fn configure_ipv6(
        &mut self,
        link: &Link,
        config: &Ipv6Config,
        preferred: Option<u32>,
    ) -> Result<(), Failure<'static>> {
        let index = link.index;
        let address = |change| Request::Ipv6Address {
            change,
            index,
            address: config.address,
            prefix_length: config.prefix_length,
            preferred,
        };
        self.make(
            link,
            Step::Ipv6Address(config.address),
            &address(Change::Add),
            address(Change::Delete),
        )?;
        let Some(gateway) = config.gateway else {
            return Ok(());
        };
        let route = |change| Request::Ipv6DefaultRoute {
            change,
            index,
            gateway,
        };
        self.make(
            link,
            Step::Ipv6Router(gateway),
            &route(Change::Add),
            route(Change::Delete),
        )
    }

    fn add_route(
        &mut self,
        link: &Link,
        route: Route,
        protocol: RouteProtocol,
    ) -> Result<(), Failure<'static>> {
        let request = |change| Request::Route {
            change,
            index: link.index,
            route,
            protocol,
        };
        self.make(
            link,
            Step::Route(route),
            &request(Change::Add),
            request(Change::Delete),
        )
    }

    fn make(
        &mut self,
        link: &Link,
        step: Step,
        request: &Request,
        undo: Request,
    ) -> Result<(), Failure<'static>> {
        self.done.reserve(1, GFP_KERNEL).map_err(Failure::kernel)?;
        match self.netlink.make(request) {
            Ok(()) => self.done.push(undo, GFP_KERNEL).map_err(Failure::kernel),
            // Somebody has made it before, so it is not this module's to take back.
            Err(EEXIST) => {
                pr_notice!(
                    "{}: {} is there already and stays as it is\n",
                    core::format_args!("{}", link.name),
                    core::format_args!("{step}")
                );
                Ok(())
            }
            Err(error) => Err(Failure::Device {
                name: link.name.clone(),
                step,
                error,
            }),
        }
    }
}

/// What makes again what `undo` takes back.
fn again(undo: &Request) -> Option<(Request, Step)> {
    Some(match *undo {
        Request::Address {
            index,
            address,
            prefix_length,
            broadcast,
            ..
        } => (
            Request::Address {
                change: Change::Add,
                index,
                address,
                prefix_length,
                broadcast,
            },
            Step::Address,
        ),
        Request::Route {
            index,
            route,
            protocol,
            ..
        } => (
            Request::Route {
                change: Change::Add,
                index,
                route,
                protocol,
            },
            Step::Route(route),
        ),
        Request::Ipv6Address {
            index,
            address,
            prefix_length,
            ..
        } => (
            Request::Ipv6Address {
                change: Change::Add,
                index,
                address,
                prefix_length,
                preferred: None,
            },
            Step::Ipv6Address(address),
        ),
        Request::Ipv6DefaultRoute { index, gateway, .. } => (
            Request::Ipv6DefaultRoute {
                change: Change::Add,
                index,
                gateway,
            },
            Step::Ipv6Router(gateway),
        ),
        _ => return None,
    })
}

/// The route to the network of an address, without which no other host there is reached, nor the
/// router.
pub(super) fn own_network(index: i32, address: IpAddr, prefix_length: u8) -> (Request, Step) {
    let request = Request::NetworkRoute {
        index,
        address,
        prefix_length,
    };
    let network = network(address, prefix_length);
    (request, Step::OwnNetwork(network, prefix_length))
}

/// The route by which the kernel takes an address for its own, without which what is sent there is
/// not taken in. Once it is asked for, the kernel checks the sources of all that it receives.
pub(super) fn own_address(index: i32, address: Ipv4Addr) -> (Request, Step) {
    let request = Request::LocalRoute { index, address };
    (request, Step::OwnAddress(address))
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.unconfigure();
        while let Some(undo) = self.done.pop() {
            self.netlink.undo(&undo);
        }
    }
}
