// SPDX-License-Identifier: GPL-2.0-only

//! Where the network stands, for whoever asks.

use super::super::ipv6::Ipv6;
use crate::proto::config::interface::DeviceName;
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

/// What is told.
#[derive(Clone)]
pub(super) struct Facts {
    pub(super) device: DeviceName,
    pub(super) present: bool,
    pub(super) ipv4: Option<Ipv4Facts>,
    /// The address that the boot had, if it had one.
    pub(super) ipv6: Option<Ipv6>,
    /// How often something was put back.
    pub(super) repairs: u64,
}

/// What is told of the IPv4 address.
#[derive(Clone, Copy)]
pub(super) struct Ipv4Facts {
    pub(super) address: Ipv4Addr,
    pub(super) prefix_length: u8,
    pub(super) owner: Owner,
    pub(super) lease: LeaseState,
}

impl Ipv4Facts {
    fn write(&self, output: &mut impl fmt::Write) -> fmt::Result {
        writeln!(output, "address: {}/{}", self.address, self.prefix_length)?;
        let owner = match self.owner {
            Owner::Driver => "iscsi_init",
            Owner::UserSpace => "user space",
        };
        writeln!(output, "address-kept-by: {owner}")?;
        match self.lease {
            LeaseState::None => writeln!(output, "lease: none to be renewed"),
            LeaseState::RenewedAt(at) => writeln!(output, "lease: renewed at {at}"),
            LeaseState::Asking => writeln!(output, "lease: waiting for a DHCP server"),
            LeaseState::Lost => writeln!(output, "lease: lost, looking for another"),
        }
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
            Some(ipv6) => writeln!(output, "ipv6-address: {ipv6}")?,
            None => writeln!(output, "ipv6-address: none")?,
        }
        writeln!(output, "network-repairs: {}", facts.repairs)
    }
}
