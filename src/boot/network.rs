// SPDX-License-Identifier: GPL-2.0-only

//! A network device with an address.

use super::{
    attempts::Attempts,
    changes::Changes,
    conflict,
    error::{
        Failure,
        Informant,
        Step, //
    },
    ipv6::{
        self,
        Found,
        Ipv6,
        Origin, //
    },
    lease::{
        Answer,
        Offer,
        Wish, //
    },
    netlink::Netlink, //
};
use crate::{
    linux::{
        clock,
        ipconfig, //
    },
    proto::{
        config::{
            interface::{
                Addressing,
                Device,
                Ipv4Config,
                Mac, //
            },
            merge::Request as Settings,
            target::Portal,
            text::Text, //
        },
        dhcp::lease::{
            Lease,
            RootPathText, //
        },
        dhcp6::lease::{
            Information,
            Lease as Ipv6Lease, //
        },
        iscsi::chap::Credentials,
        nd_option::Resolver,
        rtnetlink::{
            answer::Link,
            request::Request, //
        },
    },
};
use core::fmt::Write;
use kernel::prelude::*;

/// How long a device has to appear, and how long it then has to find a carrier, in milliseconds;
/// the latter also where there is another device to be used then.
const DEVICE_TIMEOUT: u64 = 12_000;
const CARRIER_TIMEOUT: u64 = 30_000;
const CARRIER_TIMEOUT_FIRST: u64 = 10_000;
/// The interval between looks, in milliseconds.
const INTERVAL: u32 = 20;

/// A device that has its address, and what came with that.
pub(super) struct Network {
    link: Link,
    config: Option<Ipv4Config>,
    lease: Option<KBox<Lease>>,
    ipv6: Option<Ipv6>,
    ipv6_lease: Option<KBox<Ipv6Lease>>,
    information: Option<KBox<Information>>,
    /// What routers advertise beside the IPv6 address.
    resolver: Option<KBox<Resolver>>,
    /// When an address was first asked for, on the clock.
    asked: u64,
    ipv6_asked: u64,
    offer: Option<Offer>,
    ipconfig: bool,
}

impl Network {
    /// Finds a device, brings it up and gives it its address, unless the kernel's own ipconfig has;
    /// `is_first`: there may be another one to be used after this.
    #[inline(never)]
    pub(super) fn bring_up(
        settings: &Settings,
        is_first: bool,
        changes: &mut Changes,
        attempts: &mut Attempts,
    ) -> Result<Self, Failure<'static>> {
        let interface = settings.interface.as_ref().map(|setting| &setting.value);
        let device = interface.map_or(&Device::Any, |interface| &interface.device);
        let addressing = interface.map_or(Addressing::Dhcp, |interface| interface.addressing);

        if settings.ipconfig && matches!(addressing, Addressing::Dhcp) {
            if let Some((link, config)) = configured(&mut changes.netlink, device, attempts)? {
                return Ok(Self {
                    link,
                    config: Some(config),
                    lease: None,
                    ipv6: None,
                    ipv6_lease: None,
                    information: None,
                    resolver: None,
                    asked: 0,
                    ipv6_asked: 0,
                    offer: None,
                    ipconfig: true,
                });
            }
        }
        loopback(&mut changes.netlink)?;
        let links = find(changes, device, attempts)?;
        let mut usable = KVec::new();
        for link in links {
            match changes.set_up(&link) {
                Ok(()) => usable.push(link, GFP_KERNEL).map_err(Failure::kernel)?,
                // One of several may be broken.
                Err(failure) if *device == Device::Any => {
                    attempts.warn(core::format_args!("{failure}"))
                }
                Err(failure) => return Err(failure),
            }
        }
        let patience = match &settings.spare {
            Some(_) if is_first => CARRIER_TIMEOUT_FIRST,
            _ => CARRIER_TIMEOUT,
        };
        let first = carrier(&mut changes.netlink, &usable, device, patience, attempts)?;

        let wanted = settings.target.as_ref();
        let ipv6 = wanted.is_some_and(|target| target.value.portal().address.is_ipv6());
        if ipv6 && matches!(addressing, Addressing::Dhcp) {
            let found = ipv6::obtain(&usable, device, false, changes, attempts)?;
            return Self::with_ipv6(found, changes);
        }
        let asked = clock::milliseconds();
        let (link, lease, offer, config) = match addressing {
            Addressing::Dhcp => {
                let Answer {
                    link,
                    mut lease,
                    credentials,
                } = match by_dhcp(settings, &usable, device, changes, attempts)? {
                    Answered::Ipv4(answer) => answer,
                    Answered::Ipv6(found) => return Self::with_ipv6(found, changes),
                };
                lease.prefer(&settings.details);
                let link = usable.get(link).ok_or(Failure::Kernel(ENODEV))?;
                let config = lease.ipv4_config();
                attempts.tell(core::format_args!(
                    "{}: {} from server {}, {config}",
                    link.name,
                    lease.protocol,
                    lease.server
                ));
                (link, Some(lease), Some(credentials), config)
            }
            Addressing::Static(config) => {
                let mut links = usable.iter();
                let link = links
                    .find(|link| link.index == first)
                    .ok_or(Failure::Kernel(ENODEV))?;
                attempts.tell(core::format_args!("{}: static address {config}", link.name));
                (link, None, None, config)
            }
            Addressing::StaticIpv6(config) => {
                let link = usable.first().ok_or(Failure::Kernel(ENODEV))?;
                let found = ipv6::assign(link, &config, changes, attempts)?;
                return Self::with_ipv6(found, changes);
            }
        };
        changes.configure(link, &config, lease.as_deref(), attempts)?;
        Ok(Self {
            link: link.clone(),
            config: Some(config),
            lease,
            ipv6: None,
            ipv6_lease: None,
            information: None,
            resolver: None,
            asked,
            ipv6_asked: 0,
            offer,
            ipconfig: false,
        })
    }

    /// A device that has no other address than an IPv6 one.
    #[inline(never)]
    fn with_ipv6(found: Found, changes: &mut Changes) -> Result<Self, Failure<'static>> {
        let advertised = changes.advertised.as_mut();
        let resolver = match advertised.filter(|_| found.ipv6.origin != Origin::Static) {
            Some(advertised) => advertised
                .on(found.ipv6.index)
                .map_err(Failure::Kernel)?
                .map(|resolver| KBox::new(resolver.clone(), GFP_KERNEL))
                .transpose()
                .map_err(Failure::kernel)?,
            None => None,
        };
        Ok(Self {
            link: found.link,
            config: None,
            lease: None,
            ipv6: Some(found.ipv6),
            ipv6_lease: found.lease,
            information: found.information,
            resolver,
            asked: 0,
            ipv6_asked: found.asked,
            offer: None,
            ipconfig: false,
        })
    }

    /// Sees to it that there is an IPv6 address where `portal` is to be reached by one.
    pub(super) fn reach(
        &mut self,
        portal: Portal,
        changes: &mut Changes,
        attempts: &mut Attempts,
    ) -> Result<(), Failure<'static>> {
        if portal.address.is_ipv6() && self.ipv6.is_none() {
            let links = core::slice::from_ref(&self.link);
            let device = Device::Named(self.link.name.clone());
            let found = ipv6::obtain(links, &device, false, changes, attempts)?;
            self.ipv6 = Some(found.ipv6);
            self.ipv6_lease = found.lease;
            self.ipv6_asked = found.asked;
        }
        Ok(())
    }

    /// Whether `portal` is reached over this device, and no other one is needed.
    pub(super) fn is_enough_for(&self, portal: Portal) -> bool {
        match self.ipv6 {
            Some(ipv6) => ipv6.index == self.link.index,
            // The way to an IPv6 portal may go over any device: nobody here gave it its address.
            None => portal.address.is_ipv4(),
        }
    }

    /// The device as it was before this driver gave it an address and an MTU.
    pub(super) fn link(&self) -> &Link {
        &self.link
    }

    /// The device.
    pub(super) fn into_link(self) -> Link {
        self.link
    }

    /// The IPv4 address that the device has, if any.
    pub(super) fn config(&self) -> Option<Ipv4Config> {
        self.config
    }

    /// The IPv6 address that the device has, if one was wanted.
    pub(super) fn ipv6(&self) -> Option<&Ipv6> {
        self.ipv6.as_ref()
    }

    /// The device's number.
    pub(super) fn index(&self) -> i32 {
        self.link.index
    }

    /// The device's Ethernet address.
    pub(super) fn mac(&self) -> [u8; 6] {
        self.link.mac.unwrap_or_default()
    }

    /// Whether the kernel's own ipconfig has set it up.
    pub(super) fn is_ipconfig(&self) -> bool {
        self.ipconfig
    }

    /// What the DHCP or BOOTP server said, unless somebody else gave the address.
    pub(super) fn lease(&self) -> Option<&Lease> {
        self.lease.as_deref()
    }

    /// The lease of the IPv6 address, where a DHCPv6 server has given it, and from when it counts,
    /// on the clock.
    pub(super) fn take_ipv6_lease(&mut self) -> Option<(KBox<Ipv6Lease>, u64)> {
        Some((self.ipv6_lease.take()?, self.ipv6_asked))
    }

    /// What a DHCPv6 server said besides addresses, where there is no IPv4 one.
    pub(super) fn information(&self) -> Option<&Information> {
        let leased = self.ipv6_lease.as_ref().map(|lease| &lease.information);
        let information = self.information.as_deref().or(leased);
        information.filter(|_| self.config.is_none())
    }

    /// What routers advertise of name servers, where there is no IPv4 address.
    pub(super) fn resolver(&self) -> Option<&Resolver> {
        self.resolver.as_deref()
    }

    /// From when the lease counts, on the clock.
    pub(super) fn asked(&self) -> u64 {
        self.asked
    }

    /// The user names and passwords that came with the address, if there are any that can be meant.
    pub(super) fn credentials(&self) -> Result<Option<KBox<Credentials>>, Failure<'static>> {
        let (Some(offer), Some(lease)) = (&self.offer, &self.lease) else {
            return Ok(None);
        };
        if let Some(fault) = offer.fault {
            let server = lease.server;
            return Err(Failure::DhcpCredentials { server, fault });
        }
        if !offer.credentials.are_given() {
            return Ok(None);
        }
        // Each target that may want them gets its own, filled where they stay.
        let mut credentials =
            KBox::new(Credentials::none(), GFP_KERNEL).map_err(Failure::kernel)?;
        credentials.fill_from(&offer.credentials);
        Ok(Some(credentials))
    }

    /// Who may know of a root path.
    pub(super) fn informant(&self) -> Option<Informant> {
        match (&self.lease, self.information()) {
            (Some(lease), _) => Some(Informant::Server(lease.server)),
            (None, Some(information)) => Some(Informant::Dhcpv6(information.server)),
            (None, None) => self.ipconfig.then_some(Informant::Ipconfig),
        }
    }

    /// The root path that came with the address.
    pub(super) fn root_path(&self) -> Option<RootPathText> {
        match (&self.lease, self.information()) {
            (Some(lease), _) => lease.root_path.clone(),
            (None, Some(information)) => information.root_path().cloned(),
            (None, None) if self.ipconfig => ipconfig_root_path(),
            (None, None) => None,
        }
    }
}

/// Whether `link` is what `device` means.
fn is_meant(link: &Link, device: &Device) -> bool {
    let is_hardware = link.is_ethernet() && !link.is_virtual;
    match device {
        Device::Any => is_hardware,
        Device::Named(name) => link.name == *name,
        Device::Mac(Mac(mac)) => is_hardware && link.mac == Some(*mac),
        Device::Vlan(Mac(mac), id) => {
            link.mac == Some(*mac) && link.vlan.is_some_and(|vlan| vlan.id == *id)
        }
    }
}

/// Who has answered.
enum Answered {
    /// A DHCP or BOOTP server.
    Ipv4(Answer),
    /// A DHCPv6 server.
    Ipv6(Found),
}

/// Asks for an address; where DHCP and BOOTP servers are silent and nobody has named a target,
/// DHCPv6 servers, too, as far as a router says that there are any.
#[inline(never)]
fn by_dhcp(
    settings: &Settings,
    links: &[Link],
    device: &Device,
    changes: &mut Changes,
    attempts: &mut Attempts,
) -> Result<Answered, Failure<'static>> {
    let mut wish = Wish {
        root_path: settings.target.is_none(),
        address: None,
        or_ipv6: settings.target.is_none(),
    };
    loop {
        let identity = &settings.details.identity;
        let netlink = &mut changes.netlink;
        if let Some(answer) = conflict::obtain(links, wish, device, identity, netlink, attempts)? {
            return Ok(Answered::Ipv4(answer));
        }
        match ipv6::obtain(links, device, true, changes, attempts) {
            Ok(found) => return Ok(Answered::Ipv6(found)),
            Err(Failure::Interrupted) => return Err(Failure::Interrupted),
            Err(failure) => attempts.warn(core::format_args!("{failure}")),
        }
        wish.or_ipv6 = false;
    }
}

/// The device that the kernel's own ipconfig has given an address, if `device` means it.
fn configured(
    netlink: &mut Netlink,
    device: &Device,
    attempts: &mut Attempts,
) -> Result<Option<(Link, Ipv4Config)>, Failure<'static>> {
    let addresses = netlink.addresses().map_err(Failure::Kernel)?;

    for link in netlink.links().map_err(Failure::Kernel)? {
        let address = addresses
            .iter()
            .find(|address| address.index == link.index && address.is_global);
        if let Some(address) = address.filter(|_| *device == Device::Any || is_meant(&link, device))
        {
            attempts.tell(core::format_args!(
                "{}: {}/{}, configured by the kernel (ip=)",
                link.name,
                address.address,
                address.prefix_length
            ));
            let config = Ipv4Config {
                address: address.address,
                prefix_length: address.prefix_length,
                broadcast: None,
                gateway: ipconfig::gateway(),
                mtu: None,
            };
            return Ok(Some((link, config)));
        }
    }
    Ok(None)
}

/// The root path that the kernel's own ipconfig was given: the server's text, but that one without
/// an address in front gets the boot server's.
fn ipconfig_root_path() -> Option<RootPathText> {
    let root_path = ipconfig::root_path()?;
    let path = Text::<256>::lossy(root_path.path.to_bytes());
    let mut text = RootPathText::default();

    let written = match root_path.server {
        // No other dialect has an address in front.
        Some(server) if path.as_str().starts_with('/') => write!(text, "{server}:{path}"),
        _ => write!(text, "{path}"),
    };
    written.ok().map(|()| text)
}

/// Brings the loopback device up, as ipconfig does: what the kernel tells itself, such as that
/// nobody has a target's address, goes over it.
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

/// Makes the device of a VLAN that is meant, where that under it is among `links` and it is not;
/// whether it was made.
fn make_vlan(
    changes: &mut Changes,
    links: &[Link],
    device: &Device,
) -> Result<bool, Failure<'static>> {
    if links.iter().any(|link| is_meant(link, device)) {
        return Ok(false);
    }
    let (under, id) = match device {
        Device::Named(name) => match name.vlan() {
            Some((lower, id)) => (Device::Named(lower), id),
            None => return Ok(false),
        },
        Device::Vlan(mac, id) => (Device::Mac(*mac), *id),
        Device::Any | Device::Mac(_) => return Ok(false),
    };
    let Some(lower) = links.iter().find(|link| is_meant(link, &under)) else {
        return Ok(false);
    };
    let name = match device {
        Device::Named(name) => name.clone(),
        _ => lower.name.of_vlan(id),
    };
    changes.add_vlan(lower, &name, id)?;
    Ok(true)
}

/// Waits for what `device` means.
fn find(
    changes: &mut Changes,
    device: &Device,
    attempts: &Attempts,
) -> Result<KVec<Link>, Failure<'static>> {
    let patience = attempts.at_most(DEVICE_TIMEOUT);
    let deadline = clock::milliseconds().saturating_add(patience);

    loop {
        let mut links = changes.netlink.links().map_err(Failure::Kernel)?;
        if make_vlan(changes, &links, device)? {
            continue;
        }
        links.retain(|link| is_meant(link, device));
        if !links.is_empty() {
            return Ok(links);
        }
        if clock::milliseconds() >= deadline {
            return Err(Failure::NoDevice {
                device: device.clone(),
                seconds: patience / 1_000,
            });
        }
        clock::sleep(INTERVAL);
    }
}

/// Waits until one of `links` has a carrier, and gives the number of that.
///
/// The others may find theirs while an address is asked for.
fn carrier(
    netlink: &mut Netlink,
    links: &[Link],
    device: &Device,
    patience: u64,
    attempts: &mut Attempts,
) -> Result<i32, Failure<'static>> {
    let start = clock::milliseconds();
    let patience = attempts.at_most(patience);

    loop {
        let now = netlink.links().map_err(Failure::Kernel)?;
        let after = clock::milliseconds().saturating_sub(start);
        let before = |link: &Link| links.iter().find(|before| before.index == link.index);
        if let Some(first) = now
            .iter()
            .find(|link| link.carrier && before(link).is_some())
        {
            // One that had it before this boot, or before this attempt, is no news.
            if before(first).is_some_and(|before| !before.carrier) {
                attempts.tell_of(
                    core::format_args!("{}: carrier", first.name),
                    core::format_args!("{}: carrier after {after} ms", first.name),
                );
            }
            return Ok(first.index);
        }
        if after >= patience {
            return Err(Failure::NoCarrier {
                device: device.clone(),
                seconds: patience / 1_000,
            });
        }
        clock::sleep(INTERVAL);
    }
}
