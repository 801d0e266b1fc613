// SPDX-License-Identifier: GPL-2.0-only

//! Looks for a root disk that is lost where a DHCP server has named it: the server of the lease is
//! asked before the lease's time, since the target may have moved.

use super::tenancy::now;
use crate::{
    initiator::Reconnect,
    linux::random,
    proto::{
        config::{
            target::Portal,
            whereabouts::Whereabouts, //
        },
        dhcp::haste::Haste,
        rtnetlink::answer::Link,
    },
};
use core::net::Ipv4Addr;
use kernel::prelude::*;

/// What is known of where the disk is.
pub(super) struct Lookout {
    whereabouts: KBox<Whereabouts>,
    /// It outlives each lease: a server that takes back what it gives is asked no more often.
    haste: Haste,
}

impl Lookout {
    pub(super) fn new(whereabouts: KBox<Whereabouts>) -> Self {
        Self {
            whereabouts,
            haste: Haste::new(now()),
        }
    }

    /// Where the target is, by the latest root path.
    pub(super) fn portal(&self) -> Option<Portal> {
        self.whereabouts.portal()
    }

    /// Whether the server is to be asked now, which then counts as done.
    pub(super) fn is_due(&mut self, session: &Reconnect) -> bool {
        let random = u16::from_ne_bytes(random::bytes());
        self.haste.is_due(session.is_lost(), now(), random)
    }

    /// Takes in the root path of `server`, and tells the session of it.
    pub(super) fn hear(
        &mut self,
        link: &Link,
        server: Ipv4Addr,
        root_path: &str,
        session: &Reconnect,
    ) {
        let name = &link.name;
        match self.whereabouts.hear(root_path) {
            None => {}
            Some(Ok(portal)) => {
                session.tell(portal);
                pr_info!(
                    "{}: DHCP server {} has target {} at {} now; a lost session tries that, too\n",
                    core::format_args!("{name}"),
                    core::format_args!("{server}"),
                    core::format_args!("{}", self.whereabouts.target()),
                    core::format_args!("{portal}")
                );
            }
            Some(Err(reason)) => pr_warn!(
                "{}: the root path {} of DHCP server {} is not followed: {}\n",
                core::format_args!("{name}"),
                core::format_args!("{root_path:?}"),
                core::format_args!("{server}"),
                core::format_args!("{reason}")
            ),
        }
    }
}
