// SPDX-License-Identifier: GPL-2.0-only

//! Keeps a network that has an IPv6 address alone.
//!
//! A device that is set down is set up again; the address is its [`Holding`]'s. One that a router
//! advertised is the kernel's matter.

mod holding;
mod tenancy;

pub(super) use holding::{
    Holding,
    Tools, //
};

use super::{
    super::changes::Changes,
    log::{
        By,
        Culprit,
        Lines, //
    },
    status::Facts,
    vlan,
    watch::{
        is_same,
        Watch, //
    },
    TICK, //
};
use crate::{
    initiator::Reconnect,
    linux::{
        clock,
        memory::NoReclaim, //
    },
    proto::rtnetlink::answer::{
        Body,
        Link, //
    },
};
use core::{
    fmt,
    net::IpAddr, //
};
use kernel::prelude::*;

pub(super) struct Ipv6Keeper {
    changes: Changes,
    watch: Watch,
    reconnect: Reconnect,
    link: Link,
    holding: Holding,
    /// Whether the device is there.
    present: bool,
    /// Who last took something away from the device.
    culprit: Option<Culprit>,
    repairs: u64,
    lines: Lines,
}

impl Ipv6Keeper {
    pub(super) fn new(
        link: Link,
        holding: Holding,
        watch: Watch,
        changes: Changes,
        reconnect: Reconnect,
    ) -> Self {
        Self {
            changes,
            watch,
            reconnect,
            link,
            holding,
            present: true,
            culprit: None,
            repairs: 0,
            lines: Lines::new(clock::milliseconds()),
        }
    }

    /// What is told of it.
    pub(super) fn facts(&self) -> Facts {
        Facts {
            device: self.link.name.clone(),
            present: self.present,
            ipv4: None,
            ipv6: Some(self.holding.facts()),
            repairs: self.repairs,
        }
    }

    /// Waits a while for a change, and does what is to be done.
    pub(super) fn round(&mut self) {
        self.listen();
        // Without a session nothing needs the network, and its driver may be going already.
        if self.reconnect.is_over() {
            return;
        }
        // Memory may be free only once the disk is back, for which the network is needed.
        let _reserves = NoReclaim::new();
        if self.holding.is_bare() {
            self.watch.look_again();
        }
        if self.watch.is_due() {
            let taker = self.watch.taker();
            self.culprit = self.culprit.take().or(taker);
            if self.check().is_err() {
                self.watch.look_again();
            }
            self.culprit = None;
        }
        if self.present {
            self.with_tools(|holding, tools| holding.step(tools));
        }
    }

    /// Waits for a change of this device.
    fn listen(&mut self) {
        let patience = match self.present {
            true => self.holding.patience(),
            false => TICK,
        };
        let Self {
            watch,
            link,
            holding,
            culprit,
            ..
        } = self;
        watch.listen(patience, |answer| {
            let (concerns, takes_away) = match &answer.body {
                Body::Link(other) => (is_same(link, other), !other.is_up()),
                Body::LinkGone(other) => (is_same(link, other), true),
                Body::RouteGone(index) => (*index == link.index, true),
                body => holding.concerns(body),
            };
            if concerns && takes_away {
                *culprit = Culprit::of(answer).or(culprit.take());
            }
            concerns
        });
    }

    /// Looks whether all is as it should be, and sees to it.
    fn check(&mut self) -> Result {
        let own = Some(IpAddr::V6(self.holding.address()));
        let (links, is_made) = vlan::links(&mut self.changes, &self.link, own)?;
        if is_made && self.present {
            self.repairs = self.repairs.saturating_add(1);
            self.tell(core::format_args!("was deleted, and is made again"));
        }
        let Some(link) = self.link.among(&links) else {
            if self.present {
                self.present = false;
                self.tell(core::format_args!("is gone"));
            }
            return Ok(());
        };
        self.follow(link);
        // A part of another device takes no packets of its own.
        if !link.is_up() && !link.is_part {
            self.changes.set_up_again(link.index)?;
            self.tell(core::format_args!("was set down, and is set up again"));
        }
        self.with_tools(|holding, tools| holding.check(tools))
    }

    /// Takes note of what has become of the device.
    fn follow(&mut self, link: &Link) {
        let is_another = link.index != self.link.index;
        if is_another {
            self.changes.moved(self.link.index, link.index);
        }
        if is_another || !self.present {
            self.holding.returned(link.index);
            self.tell(core::format_args!("is back, as {}", link.name));
        } else if link.name != self.link.name {
            self.tell(core::format_args!("is called {} now", link.name));
        }
        self.present = true;
        self.watch.follow(link);
        self.link = link.clone();
    }

    fn with_tools<T>(&mut self, work: impl FnOnce(&mut Holding, &mut Tools<'_>) -> T) -> T {
        let mut tools = Tools {
            link: &self.link,
            changes: &mut self.changes,
            lines: &mut self.lines,
            repairs: &mut self.repairs,
            culprit: self.culprit.as_ref(),
            reconnect: &self.reconnect,
        };
        work(&mut self.holding, &mut tools)
    }

    /// Says what has happened to the device.
    fn tell(&mut self, what: fmt::Arguments<'_>) {
        let (name, by) = (&self.link.name, By(self.culprit.as_ref()));
        self.lines.warn(core::format_args!("{name} {what}{by}"));
    }
}

impl Drop for Ipv6Keeper {
    fn drop(&mut self) {
        self.holding.let_go(&mut self.changes);
    }
}
