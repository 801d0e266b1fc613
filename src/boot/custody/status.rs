// SPDX-License-Identifier: GPL-2.0-only

//! Where the network stands, for whoever asks.

use super::super::ipv6::{
    Ipv6,
    Origin, //
};
use crate::proto::{
    config::{
        interface::DeviceName,
        target::Portal, //
    },
    rtnetlink::answer::Link,
};
use core::{
    fmt,
    net::Ipv4Addr, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    }, //
};

/// Who looks after the device's address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Owner {
    Driver,
    UserSpace,
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Driver => "iscsi_init",
            Self::UserSpace => "user space",
        })
    }
}

/// What is done about the address's lease.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum LeaseState {
    /// It has none that ends, or that is somebody else's matter.
    None,
    /// It is renewed at this time, in milliseconds of the clock.
    RenewedAt(u64),
    /// An answer of a server is waited for.
    Asking,
    /// It is lost, and another one looked for.
    Lost,
}

impl fmt::Display for LeaseState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none to be renewed"),
            Self::RenewedAt(at) => write!(f, "renewed at {at}"),
            Self::Asking => f.write_str("waiting for a DHCP server"),
            Self::Lost => f.write_str("lost, looking for another"),
        }
    }
}

/// What is told.
#[derive(Clone)]
pub(super) struct Facts {
    pub(super) device: DeviceName,
    pub(super) present: bool,
    pub(super) ipv4: Option<Ipv4Facts>,
    pub(super) ipv6: Option<Ipv6Facts>,
    /// How often something was put back.
    pub(super) repairs: u64,
}

impl Facts {
    /// What is told of a device before anybody takes care of it.
    pub(super) fn of(link: &Link) -> Self {
        Self {
            device: link.name.clone(),
            present: true,
            ipv4: None,
            ipv6: None,
            repairs: 0,
        }
    }
}

/// What is told of the IPv4 address.
#[derive(Clone, Copy)]
pub(super) struct Ipv4Facts {
    pub(super) address: Ipv4Addr,
    pub(super) prefix_length: u8,
    /// Nobody looks after one that the kernel's own ipconfig has set.
    pub(super) owner: Option<Owner>,
    pub(super) lease: LeaseState,
    /// Where its root path has the target, if that counts.
    pub(super) portal: Option<Portal>,
}

impl Ipv4Facts {
    fn write(&self, output: &mut impl fmt::Write) -> fmt::Result {
        writeln!(output, "address: {}/{}", self.address, self.prefix_length)?;
        match self.owner {
            Some(owner) => writeln!(output, "address-kept-by: {owner}")?,
            None => writeln!(output, "address-kept-by: nobody")?,
        }
        writeln!(output, "lease: {}", self.lease)?;
        match self.portal {
            Some(portal) => writeln!(output, "root-path-portal: {portal}"),
            None => Ok(()),
        }
    }
}

/// What is told of an IPv6 address that the boot had.
#[derive(Clone, Copy)]
pub(super) struct Ipv6Facts {
    pub(super) ipv6: Ipv6,
    pub(super) owner: Owner,
    pub(super) lease: LeaseState,
}

impl Ipv6Facts {
    fn write(&self, output: &mut impl fmt::Write) -> fmt::Result {
        let Ipv6 {
            address,
            prefix_length,
            origin,
            ..
        } = self.ipv6;
        match (self.owner, origin) {
            (Owner::UserSpace, _) => {
                writeln!(
                    output,
                    "ipv6-address: {address}/{prefix_length} (user space)"
                )?;
                writeln!(output, "ipv6-address-kept-by: {}", self.owner)?;
            }
            (Owner::Driver, Origin::Advertised) => {
                writeln!(output, "ipv6-address: {}", self.ipv6)?;
                writeln!(output, "ipv6-address-kept-by: kernel")?;
            }
            (Owner::Driver, Origin::Static | Origin::Dhcp) => {
                writeln!(output, "ipv6-address: {}", self.ipv6)?;
                writeln!(output, "ipv6-address-kept-by: {}", self.owner)?;
            }
        }
        writeln!(output, "ipv6-lease: {}", self.lease)
    }
}

/// Where the network stands: kept up to date by the thread that keeps it.
#[pin_data]
pub(in super::super) struct NetworkStatus {
    #[pin]
    facts: Mutex<Facts>,
}

impl NetworkStatus {
    pub(super) fn new(facts: Facts) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                facts <- new_mutex!(facts, "iscsi_init network status"),
            }),
            GFP_KERNEL,
        )
    }

    pub(super) fn set(&self, facts: Facts) {
        *self.facts.lock() = facts;
    }

    /// Writes a line for each fact.
    pub(in super::super) fn write(&self, output: &mut impl fmt::Write) -> fmt::Result {
        let facts = self.facts.lock().clone();
        let presence = if facts.present { "" } else { " (gone)" };
        writeln!(output, "interface: {}{presence}", facts.device)?;
        match facts.ipv4 {
            Some(ipv4) => ipv4.write(output)?,
            None => writeln!(output, "address: none")?,
        }
        match facts.ipv6 {
            Some(ipv6) => ipv6.write(output)?,
            None => writeln!(output, "ipv6-address: none")?,
        }
        writeln!(output, "network-repairs: {}", facts.repairs)
    }
}
