// SPDX-License-Identifier: GPL-2.0-only

//! Keeps a network that has an IPv6 address alone.
//!
//! A device that is set down is set up again; an address and a route that the boot has set are put
//! back, unless user space has moved them elsewhere. An address that a router advertised is the
//! kernel's matter.

use super::{
    super::{
        changes::Changes,
        ipv6::Ipv6, //
    },
    status::Facts,
    vlan,
    Lines,
    CHECK,
    GRACE,
    MESSAGE_SIZE,
    PAUSE,
    TICK, //
};
use crate::{
    initiator::Reconnect,
    linux::{
        clock,
        socket::Socket, //
    },
    proto::rtnetlink::answer::Link,
};
use core::net::IpAddr;
use kernel::prelude::*;

pub(super) struct Ipv6Keeper {
    changes: Changes,
    watch: Socket,
    buffer: KVec<u8>,
    reconnect: Reconnect,
    link: Link,
    ipv6: Option<Ipv6>,
    /// Whether the device is there.
    present: bool,
    /// When all was last looked at, and when it is to be because of a change.
    checked: u64,
    due: Option<u64>,
    repairs: u64,
    lines: Lines,
}

impl Ipv6Keeper {
    pub(super) fn new(
        link: Link,
        ipv6: Option<Ipv6>,
        changes: Changes,
        reconnect: Reconnect,
    ) -> Result<Self> {
        let now = clock::milliseconds();
        Ok(Self {
            changes,
            watch: Socket::rtnetlink_changes()?,
            buffer: KVec::from_elem(0, MESSAGE_SIZE, GFP_KERNEL)?,
            reconnect,
            link,
            ipv6,
            present: true,
            checked: now,
            // What has changed since the boot looked.
            due: Some(now),
            repairs: 0,
            lines: Lines::new(now),
        })
    }

    /// What is told of it.
    pub(super) fn facts(&self) -> Facts {
        Facts {
            device: self.link.name.clone(),
            present: self.present,
            ipv4: None,
            ipv6: self.ipv6,
            repairs: self.repairs,
        }
    }

    /// Waits a while for a change, and does what is to be done.
    pub(super) fn round(&mut self) {
        self.watch.set_timeout(TICK);
        let changed = match self.watch.receive(&mut self.buffer) {
            Ok(_) => true,
            Err(EAGAIN | EINTR) => false,
            // More was told than there was room for, or there is no memory.
            Err(_) => {
                clock::sleep(PAUSE);
                true
            }
        };
        // Without a session nothing needs the network, and its driver may be going already.
        if self.reconnect.is_over() {
            return;
        }
        let now = clock::milliseconds();
        if changed {
            self.due.get_or_insert(now.saturating_add(GRACE));
        }
        let is_due = match self.due {
            Some(due) => now >= due,
            None => now.saturating_sub(self.checked) >= CHECK,
        };
        if is_due {
            self.checked = now;
            self.due = None;
            if self.check().is_err() {
                self.due = Some(now.saturating_add(GRACE));
            }
        }
    }

    /// Looks whether all is as it should be, and sees to it.
    fn check(&mut self) -> Result {
        let own = self.ipv6.map(|ipv6| IpAddr::V6(ipv6.address));
        let (links, is_made) = vlan::links(&mut self.changes, &self.link, own)?;
        if is_made && self.present {
            let name = &self.link.name;
            self.repairs = self.repairs.saturating_add(1);
            self.lines
                .warn(core::format_args!("{name} was deleted, and is made again"));
        }
        let Some(link) = self.link.among(&links) else {
            if self.present {
                self.present = false;
                let name = &self.link.name;
                self.lines.warn(core::format_args!("{name} is gone"));
            }
            return Ok(());
        };
        if link.index != self.link.index {
            self.changes.moved(self.link.index, link.index);
        }
        if link.index != self.link.index || !self.present {
            let (old, new) = (&self.link.name, &link.name);
            self.lines
                .warn(core::format_args!("{old} is back, as {new}"));
        }
        self.present = true;
        self.link = link.clone();
        // A part of another device takes no packets of its own.
        if link.is_part {
            return Ok(());
        }
        let name = &link.name;
        let index = link.index;
        if !link.is_up() {
            self.changes.set_up_again(index)?;
            self.lines.warn(core::format_args!(
                "{name} was set down, and is set up again"
            ));
        }
        let addresses = self.changes.netlink.ipv6_addresses()?;
        let own = self.ipv6.map(|ipv6| ipv6.address);
        let is_elsewhere = addresses
            .iter()
            .any(|other| Some(other.address) == own && other.index != index);
        if !is_elsewhere {
            let (lines, repairs) = (&mut self.lines, &mut self.repairs);
            self.changes.restore(|step| {
                *repairs = repairs.saturating_add(1);
                lines.warn(core::format_args!(
                    "{name}: {step} was removed, and is put back"
                ));
            });
        }
        Ok(())
    }
}
