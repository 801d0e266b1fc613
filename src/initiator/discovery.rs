// SPDX-License-Identifier: GPL-2.0-only

//! Asking a portal for its targets, in process context.

use super::{
    login::{
        establish,
        LoginFailure,
        Memory,
        Node, //
    },
    portal::Connected,
    tolerance, //
};
use crate::{
    proto::{
        config::{
            name::Name,
            target::Portal, //
        },
        iscsi::{
            discovery::{
                Discovery,
                Item,
                Progress, //
            },
            login::Workspace, //
        }, //
    }, //
};
use kernel::prelude::*;

/// The most targets, and the most portals of one, that are remembered.
const TARGETS_MAX: usize = 64;
const PORTALS_MAX: usize = 8;

/// A target, and where it is reached.
#[derive(Debug)]
pub(crate) struct Found {
    /// What it is called.
    pub(crate) name: Name,
    /// Where it is reached; at least one portal.
    pub(crate) portals: KVec<Portal>,
    /// The portal groups' tags that were told.
    pub(crate) groups: KVec<(Portal, u16)>,
}

/// The targets that the one at `portal` tells of, at most [`TARGETS_MAX`].
pub(crate) fn discover(node: &mut Node, portal: Portal) -> Result<KVec<Found>, LoginFailure> {
    let mut memory = Memory::new().map_err(LoginFailure::Memory)?;
    let mut home = portal;
    let (mut connected, established) = establish(node, None, &mut home, &mut memory)?;
    connected.go_on(&established.parameters);

    let Memory { buffer, workspace } = &mut memory;
    let workspace =
        Workspace::mut_from_bytes(workspace).map_err(|_| LoginFailure::Memory(EINVAL))?;
    let mut discovery = Discovery::new(&established, workspace.partial());
    let mut list = List {
        targets: KVec::new(),
        is_open: false,
        told: false,
    };
    let told = tell(&connected, &mut discovery, buffer, &mut list);
    // The target learns that this was all; what it says to that is of no use any more.
    let _ = connected.send(&discovery.logout());
    let _ = connected.receive(buffer);
    tolerance::tell(discovery.quirks());
    told?;
    list.complete(home).map_err(LoginFailure::Memory)
}

fn tell(
    connected: &Connected,
    discovery: &mut Discovery<'_>,
    buffer: &mut [u8],
    list: &mut List,
) -> Result<(), LoginFailure> {
    loop {
        let length = discovery
            .request(buffer)
            .map_err(|error| connected.protocol(error))?;
        connected.send(buffer.get(..length).unwrap_or_default())?;
        loop {
            let (header, data) = connected.receive(buffer)?;
            let mut kept = Ok(());
            let progress = discovery
                .response(&header, data, |item| {
                    if kept.is_ok() {
                        kept = list.add(item);
                    }
                })
                .map_err(|error| connected.protocol(error))?;
            kept.map_err(LoginFailure::Memory)?;
            match progress {
                Progress::Wait => {}
                Progress::Request => break,
                Progress::Done => return Ok(()),
            }
        }
    }
}

/// What has been told so far.
struct List {
    targets: KVec<Found>,
    /// What comes next is about the last of them.
    is_open: bool,
    /// A name was left out, and that was said.
    told: bool,
}

impl List {
    fn add(&mut self, item: Item<'_>) -> Result {
        match item {
            Item::Target(name) => {
                self.is_open = false;
                if self.targets.len() >= TARGETS_MAX {
                    return Ok(());
                }
                match Name::parse(name) {
                    Ok(name) => {
                        let found = Found {
                            name,
                            portals: KVec::new(),
                            groups: KVec::new(),
                        };
                        self.targets.push(found, GFP_KERNEL)?;
                        self.is_open = true;
                    }
                    Err(error) if !self.told => {
                        pr_warn!(
                            "target {name:?}, of which a portal tells, is left out: {}\n",
                            core::format_args!("{error}")
                        );
                        self.told = true;
                    }
                    Err(_) => {}
                }
            }
            // RFC 7143 appendix C: an address is that of the target named before it.
            Item::Address(address, port, group) if self.is_open => {
                let portal = Portal { address, port };
                if let Some(found) = self.targets.last_mut() {
                    if found.portals.len() < PORTALS_MAX && !found.portals.contains(&portal) {
                        found.portals.push(portal, GFP_KERNEL)?;
                        if let Some(group) = group {
                            found.groups.push((portal, group), GFP_KERNEL)?;
                        }
                    }
                }
            }
            Item::Address(..) => {}
        }
        Ok(())
    }

    /// A target without an address is reached where it was told of (RFC 7143 appendix C).
    fn complete(self, home: Portal) -> Result<KVec<Found>> {
        let mut targets = self.targets;
        for found in &mut targets {
            if found.portals.is_empty() {
                found.portals.push(home, GFP_KERNEL)?;
            }
        }
        Ok(targets)
    }
}
