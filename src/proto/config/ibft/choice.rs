// SPDX-License-Identifier: GPL-2.0-only

//! What of a table a machine boots with.
//!
//! Of several structures the one that the firmware booted with is taken, and the first one where
//! none is marked so.

use core::net::{
    IpAddr,
    Ipv4Addr,
    Ipv6Addr, //
};

use crate::proto::config::{
    ibft::{
        Chap,
        Ibft,
        Nic,
        Origin,
        Structure,
        Target, //
    },
    interface::{
        classful_prefix_length,
        same_network,
        Addressing,
        Device,
        Interface,
        Ipv4Config,
        Mac, //
    },
    ip::Details,
    ipv6::{
        self,
        Ipv6Config, //
    },
    name::Name,
    target,
    text::Text, //
};

impl<'a> Ibft<'a> {
    /// All network devices.
    pub fn nics(self) -> impl Iterator<Item = Nic> + use<'a> {
        self.structures().filter_map(|structure| match structure {
            Ok(Structure::Nic(nic)) => Some(nic),
            _ => None,
        })
    }

    /// All targets.
    pub fn targets(self) -> impl Iterator<Item = Target<'a>> {
        self.structures().filter_map(|structure| match structure {
            Ok(Structure::Target(target)) => Some(target),
            _ => None,
        })
    }

    /// What the initiator is called.
    pub fn initiator(self) -> Option<Name> {
        let initiators = self.structures().filter_map(|structure| match structure {
            Ok(Structure::Initiator(initiator)) => Some((initiator.is_selected, initiator.name?)),
            _ => None,
        });
        preferred(initiators)
    }

    /// The targets, each with its boot LUN: the one to boot from first, then the others as they
    /// stand in the table.
    pub fn targets_in_order(self) -> impl Iterator<Item = (target::Target, u16)> + use<'a> {
        let all = move || {
            self.targets()
                .filter_map(|target| Some((target.is_selected, (target.portal()?, target.lun))))
        };
        let place = preferred(
            all()
                .zip(0_usize..)
                .map(|((chosen, _), place)| (chosen, place)),
        );
        let others = all().zip(0_usize..);
        let others = others.filter(move |(_, other)| Some(*other) != place);
        let first = place.and_then(|place| all().nth(place));
        let all = first.into_iter().chain(others.map(|(target, _)| target));
        all.map(|(_, target)| target)
    }

    /// The target to boot from, and its LUN.
    pub fn boot_target(self) -> Option<(target::Target, u16)> {
        self.targets_in_order().next()
    }

    /// The network device to boot over: the one by which the boot target is reached, where the
    /// table has that one.
    pub fn boot_nic(self) -> Option<Nic> {
        let targets = self
            .targets()
            .filter(|target| target.portal().is_some())
            .map(|target| (target.is_selected, target.nic));
        let index = preferred(targets);
        self.nics()
            .find(|nic| Some(nic.index) == index)
            .or_else(|| preferred(self.nics().map(|nic| (nic.is_selected, nic))))
    }

    /// The network device to boot over where that one cannot be used: the next one that is another
    /// device, or the same one in another VLAN.
    pub fn spare_nic(self) -> Option<Nic> {
        let boot = self.boot_nic()?;
        self.nics()
            .find(|nic| nic.mac != [0; 6] && (nic.mac, nic.vlan) != (boot.mac, boot.vlan))
    }

    /// What a login to the target of this name authenticates with, if it does.
    pub fn chap(self, name: &Name) -> Option<Chap<'a>> {
        preferred(
            self.targets()
                .filter(|target| target.name.as_ref() == Some(name))
                .map(|target| (target.is_selected, target.chap)),
        )?
    }
}

/// The first of `all` that is selected or, where none is, the first.
fn preferred<T>(all: impl Iterator<Item = (bool, T)>) -> Option<T> {
    let mut first = None;
    for (is_selected, one) in all {
        if is_selected {
            return Some(one);
        }
        first.get_or_insert(one);
    }
    first
}

impl Target<'_> {
    /// Who it is and where; `None` when the table says too little.
    fn portal(&self) -> Option<target::Target> {
        Some(target::Target {
            portal: target::Portal {
                address: self.address?,
                port: self.port,
            },
            name: self.name.clone()?,
        })
    }
}

impl Nic {
    /// The device and how it is addressed: as the table has it where somebody has written that
    /// down, and else by those who gave the firmware its address.
    pub fn interface(&self) -> Interface {
        let mac = Mac(self.mac);
        let is_given = match self.address {
            Some(IpAddr::V6(_)) => self.origin == Origin::Other,
            _ => self.origin != Origin::Dhcp,
        };
        let addressing = match self.address.filter(|_| is_given) {
            Some(IpAddr::V4(address)) => Addressing::Static(self.ipv4_config(address)),
            // A link-local one reaches no other network, and the kernel makes it by itself.
            Some(IpAddr::V6(address)) if !ipv6::is_link_local(address) => {
                Addressing::StaticIpv6(self.ipv6_config(address))
            }
            _ => Addressing::Dhcp,
        };
        Interface {
            device: match self.vlan {
                Some(id) => Device::Vlan(mac, id),
                None => Device::Mac(mac),
            },
            addressing,
        }
    }

    /// Adds to `details` what goes with an address that is written down, where they have none yet;
    /// whoever gives another one says it anew.
    pub fn describe(&self, details: &mut Details) {
        if self.interface().addressing == Addressing::Dhcp {
            return;
        }
        let name = self.host_name.as_ref();
        let name = name.and_then(|name| Text::new(name.as_str()));
        let host_name = &mut details.identity.host_name;
        *host_name = host_name.take().or(name);
        for (server, own) in details.dns_servers.iter_mut().zip(self.dns) {
            *server = server.or(own);
        }
    }

    fn ipv4_config(&self, address: Ipv4Addr) -> Ipv4Config {
        let prefix_length = match self.prefix_length {
            0 => classful_prefix_length(address),
            length => length,
        };
        let gateway = match self.gateway {
            // One that is elsewhere is of no use to the kernel, and the target may need none.
            Some(IpAddr::V4(gateway)) if same_network(gateway, address, prefix_length) => {
                Some(gateway)
            }
            _ => None,
        };
        Ipv4Config {
            address,
            prefix_length,
            broadcast: None,
            gateway,
            mtu: None,
        }
    }

    fn ipv6_config(&self, address: Ipv6Addr) -> Ipv6Config {
        let prefix_length = match self.prefix_length {
            // That of a network in which hosts find addresses for themselves.
            0 => 64,
            length => length,
        };
        let gateway = match self.gateway {
            Some(IpAddr::V6(gateway)) if ipv6::is_near(gateway, address, prefix_length) => {
                Some(gateway)
            }
            _ => None,
        };
        Ipv6Config {
            address,
            prefix_length,
            gateway,
        }
    }
}
