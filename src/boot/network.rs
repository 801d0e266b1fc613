// SPDX-License-Identifier: GPL-2.0-only

//! A network device with an address, and the way back.

use super::{
    error::{
        Failure,
        Step, //
    },
    lease,
    netlink::Netlink, //
};
use crate::{
    linux::clock,
    proto::{
        config::{
            interface::{
                Addressing,
                DeviceName,
                Ipv4Config,
                Route, //
            },
            merge::Request as Settings, //
        },
        dhcp::lease::Lease,
        rtnetlink::{
            answer::Link,
            request::{
                Change,
                Request,
                RouteProtocol, //
            }, //
        },
    },
};
use core::net::Ipv4Addr;
use kernel::prelude::*;

/// How long a device has to appear, and how long it then has to find a carrier, in milliseconds.
const DEVICE_TIMEOUT: u64 = 12_000;
const CARRIER_TIMEOUT: u64 = 30_000;
/// How long the other devices have once one has found a carrier.
const CARRIER_GRACE: u64 = 1_000;
/// The interval between looks.
const INTERVAL: u32 = 20;

/// A device that has its address.
///
/// Dropping it takes back what was changed.
pub(super) struct Network {
    mac: [u8; 6],
    lease: Option<KBox<Lease>>,
    _changes: Changes,
}

impl Network {
    /// Finds a device, brings it up and gives it its address.
    #[inline(never)]
    pub(super) fn bring_up(settings: &Settings) -> Result<Self, Failure<'static>> {
        let interface = settings.interface.as_ref().map(|setting| &setting.value);
        let name = interface.map(|interface| interface.device.clone());
        let addressing = interface.map_or(Addressing::Dhcp, |interface| interface.addressing);

        let mut changes = Changes::new()?;
        loopback(&mut changes.netlink)?;
        let links = find(&mut changes.netlink, name.clone())?;
        let mut usable = KVec::new();
        for link in links {
            match changes.set_up(&link) {
                Ok(()) => usable.push(link, GFP_KERNEL).map_err(Failure::kernel)?,
                // One of several may be broken.
                Err(failure) if name.is_none() => {
                    pr_warn!("{}\n", core::format_args!("{failure}"))
                }
                Err(failure) => return Err(failure),
            }
        }
        let links = carrier(&mut changes.netlink, usable, name)?;

        let (link, lease, config) = match addressing {
            Addressing::Dhcp => {
                let (chosen, lease) = lease::obtain(&links, settings.target.is_none())?;
                let link = links.get(chosen).ok_or(Failure::Kernel(ENODEV))?;
                pr_info!(
                    "{}: {} from server {}, {}\n",
                    core::format_args!("{}", link.name),
                    core::format_args!("{}", lease.protocol),
                    core::format_args!("{}", lease.server),
                    core::format_args!("{}", lease.ipv4_config())
                );
                let config = lease.ipv4_config();
                (link, Some(lease), config)
            }
            Addressing::Static(config) => {
                let link = links.first().ok_or(Failure::Kernel(ENODEV))?;
                pr_info!(
                    "{}: static address {}\n",
                    core::format_args!("{}", link.name),
                    core::format_args!("{config}")
                );
                (link, None, config)
            }
        };
        changes.keep_only(link.index);
        changes.configure(link, &config, lease.as_deref())?;
        Ok(Self {
            mac: link.mac.unwrap_or_default(),
            lease,
            _changes: changes,
        })
    }

    /// The device's Ethernet address.
    pub(super) fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// What the DHCP or BOOTP server said, unless the address is static.
    pub(super) fn lease(&self) -> Option<&Lease> {
        self.lease.as_deref()
    }
}

/// Brings the loopback device up, as ipconfig does: what the kernel tells itself, such as that nobody has a target's
/// address, goes over it.
fn loopback(netlink: &mut Netlink) -> Result<(), Failure<'static>> {
    let links = netlink.links().map_err(Failure::Kernel)?;

    if let Some(link) = links.iter().find(|link| link.is_loopback()) {
        let up = Request::SetUp {
            index: link.index,
            up: true,
        };
        netlink.change(&up).map_err(|error| Failure::Device {
            name: link.name.clone(),
            step: Step::Up,
            error,
        })?;
    }
    Ok(())
}

/// Waits for the device called `name`, or for any Ethernet device.
fn find(netlink: &mut Netlink, name: Option<DeviceName>) -> Result<KVec<Link>, Failure<'static>> {
    let deadline = clock::milliseconds().saturating_add(DEVICE_TIMEOUT);

    loop {
        let mut links = netlink.links().map_err(Failure::Kernel)?;
        links.retain(|link| match &name {
            Some(name) => link.name == *name,
            None => link.is_ethernet() && !link.is_virtual,
        });
        if !links.is_empty() {
            return Ok(links);
        }
        if clock::milliseconds() >= deadline {
            let seconds = DEVICE_TIMEOUT / 1_000;
            return Err(Failure::NoDevice { name, seconds });
        }
        clock::sleep(INTERVAL);
    }
}

/// Waits until one of `links` has a carrier, and then a little for the others; returns those that have.
fn carrier(
    netlink: &mut Netlink,
    links: KVec<Link>,
    name: Option<DeviceName>,
) -> Result<KVec<Link>, Failure<'static>> {
    let start = clock::milliseconds();
    let mut deadline = start.saturating_add(CARRIER_TIMEOUT);
    let mut seen = false;

    loop {
        let mut now = netlink.links().map_err(Failure::Kernel)?;
        now.retain(|link| link.carrier && links.iter().any(|wanted| wanted.index == link.index));
        let time = clock::milliseconds();
        if now.len() == links.len() || seen && time >= deadline {
            for link in &now {
                pr_info!(
                    "{}: carrier after {} ms\n",
                    core::format_args!("{}", link.name),
                    time.saturating_sub(start)
                );
            }
            return Ok(now);
        }
        if !now.is_empty() && !seen {
            seen = true;
            deadline = time.saturating_add(CARRIER_GRACE);
        }
        if time >= deadline {
            let seconds = CARRIER_TIMEOUT / 1_000;
            return Err(Failure::NoCarrier { name, seconds });
        }
        clock::sleep(INTERVAL);
    }
}

/// What was changed, so that it can be taken back.
struct Changes {
    netlink: Netlink,
    /// Devices that were down, the MTU that was replaced, addresses and routes, in the order of the changes.
    done: KVec<Request>,
}

impl Changes {
    fn new() -> Result<Self, Failure<'static>> {
        Ok(Self {
            netlink: Netlink::new().map_err(Failure::Kernel)?,
            done: KVec::new(),
        })
    }

    /// Brings a device up.
    fn set_up(&mut self, link: &Link) -> Result<(), Failure<'static>> {
        if link.is_up() {
            return Ok(());
        }
        let index = link.index;
        let undo = Request::SetUp { index, up: false };
        self.make(link, Step::Up, &Request::SetUp { index, up: true }, undo)
    }

    /// Takes back what was changed on any other device.
    fn keep_only(&mut self, index: i32) {
        let netlink = &mut self.netlink;
        self.done.retain(|undo| match undo {
            Request::SetUp { index: other, .. } if *other != index => {
                let _ = netlink.change(undo);
                false
            }
            _ => true,
        });
    }

    /// Sets MTU, address and routes.
    fn configure(
        &mut self,
        link: &Link,
        config: &Ipv4Config,
        lease: Option<&Lease>,
    ) -> Result<(), Failure<'static>> {
        let index = link.index;

        if let Some(mtu) = config.mtu {
            let set = |mtu| Request::SetMtu { index, mtu };
            let result = self.make(link, Step::Mtu, &set(u32::from(mtu)), set(link.mtu));
            // As with ipconfig: a device that cannot have this MTU works with its own.
            if let Err(failure) = result {
                pr_warn!("{}\n", core::format_args!("{failure}"));
            }
        }
        let address = |change| Request::Address {
            change,
            index,
            address: config.address,
            prefix_length: config.prefix_length,
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
                        pr_warn!("{}\n", core::format_args!("{failure}"));
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
        match self.netlink.change(request) {
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

impl Drop for Changes {
    /// Takes everything back, the last change first.
    fn drop(&mut self) {
        while let Some(undo) = self.done.pop() {
            // What somebody else has changed meanwhile is theirs.
            let _ = self.netlink.change(&undo);
        }
    }
}
