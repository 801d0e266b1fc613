// SPDX-License-Identifier: GPL-2.0-only

//! What of a table a machine boots with.
//!
//! Of several structures the one that the firmware booted with is taken, and the first one where
//! none is marked so.

use core::{
    fmt,
    net::{
        IpAddr,
        Ipv4Addr, //
    }, //
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
        Ipv4Config, //
        Mac,
    },
    name::Name,
    target, //
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

    /// The target to boot from, and its LUN.
    pub fn boot_target(self) -> Option<(target::Target, u16)> {
        preferred(self.targets().filter_map(|target| {
            let lun = target.lun;
            Some((target.is_selected, (target.portal()?, lun)))
        }))
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

    /// Further portals of `target`.
    pub fn other_portals<'b>(
        self,
        target: &'b target::Target,
    ) -> impl Iterator<Item = target::Portal> + use<'a, 'b> {
        self.targets()
            .filter_map(|other| other.portal())
            .filter(move |other| other.name == target.name && other.portal != target.portal)
            .map(|other| other.portal)
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
    /// The device and how it is addressed: by DHCP where the firmware's address came from that, and
    /// where it has none.
    ///
    /// # Errors
    ///
    /// It is used in a way that this driver cannot set up.
    pub fn interface(&self) -> Result<Interface, NicFault> {
        if let Some(vlan) = self.vlan {
            return Err(NicFault::Vlan(vlan));
        }
        let addressing = match self.address {
            _ if self.origin == Origin::Dhcp => Addressing::Dhcp,
            None => Addressing::Dhcp,
            Some(IpAddr::V6(_)) => return Err(NicFault::Ipv6),
            Some(IpAddr::V4(address)) => Addressing::Static(self.ipv4_config(address)),
        };
        Ok(Interface {
            device: Device::Mac(Mac(self.mac)),
            addressing,
        })
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
}

/// Why a network device cannot be used as the firmware does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NicFault {
    /// It is in this VLAN.
    Vlan(u16),
    /// Its address is an IPv6 one.
    Ipv6,
}

impl fmt::Display for NicFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vlan(vlan) => write!(
                f,
                "it is in VLAN {vlan}, for which this driver makes no device; make one, and give \
                 its name with iscsi-if="
            ),
            Self::Ipv6 => f.write_str(
                "it has an IPv6 address, which this driver does not set; give the device with \
                 iscsi-if=",
            ),
        }
    }
}
