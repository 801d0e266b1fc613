// SPDX-License-Identifier: GPL-2.0-only

//! Looks for a root disk that is lost where a DHCP server has named it: the server of the lease is
//! asked before the lease's time, since the target may have moved.

use super::{
    super::log::Lines,
    tenancy::now, //
};
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
    /// The server was asked before the lease's time, and has not answered.
    is_asking: bool,
}

impl Lookout {
    pub(super) fn new(whereabouts: KBox<Whereabouts>) -> Self {
        Self {
            whereabouts,
            haste: Haste::new(now()),
            is_asking: false,
        }
    }

    /// Where the target is, by the latest root path.
    pub(super) fn portal(&self) -> Option<Portal> {
        self.whereabouts.portal()
    }

    /// Whether the server is to be asked now, which then counts as done. Once begun, that goes on
    /// until there is an answer, which the lease waits for: `is_renewing`.
    pub(super) fn is_due(&mut self, session: &Reconnect, is_renewing: bool) -> bool {
        self.is_asking &= is_renewing;
        let random = u16::from_ne_bytes(random::bytes());
        let is_wanted = session.is_lost() || self.is_asking;
        let is_due = self.haste.is_due(is_wanted, now(), random);
        self.is_asking |= is_due;
        is_due
    }

    /// Takes in the root path of `server`, and tells the session of it.
    pub(super) fn hear(
        &mut self,
        link: &Link,
        server: Ipv4Addr,
        root_path: &str,
        session: &Reconnect,
        lines: &mut Lines,
    ) {
        let name = &link.name;
        match self.whereabouts.hear(root_path) {
            None => {}
            Some(Ok(portal)) => {
                session.tell(portal);
                lines.warn(core::format_args!(
                    "{name}: DHCP server {server} has target {} at {portal} now; a lost session \
                     tries that, too",
                    self.whereabouts.target()
                ));
            }
            Some(Err(reason)) => lines.warn(core::format_args!(
                "{name}: a root path of DHCP server {server} is not followed: {reason}; it is \
                 {root_path:?}"
            )),
        }
    }
}
