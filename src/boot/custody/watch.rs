// SPDX-License-Identifier: GPL-2.0-only

//! When the network is to be looked at: soon after something has changed, and now and then.
//!
//! User space often changes a device in several steps, and may take something away only to put it
//! elsewhere. So a change is looked at once nothing more has changed for a while.

use super::{
    log::Culprit,
    GRACE,
    TICK, //
};
use crate::{
    linux::{
        clock,
        netdev,
        socket::Socket, //
    },
    proto::rtnetlink::answer::{
        answers,
        Answer,
        Link, //
    },
};
use kernel::prelude::*;

/// How long nothing is looked at, at most, where no change is told of, in milliseconds.
const CHECK: u64 = 30_000;
/// How long changes that follow each other are let be at most, in milliseconds.
const GRACE_MAX: u64 = 6_000;
/// How long a failure is let be, in milliseconds.
const PAUSE: u32 = 100;
/// Room for what one message tells.
const MESSAGE_SIZE: usize = 8_192;

/// Hears of changes of links, addresses and routes.
pub(super) struct Watch {
    socket: Socket,
    buffer: KVec<u8>,
    takers: netdev::Watch,
    /// When all was last looked at; since when there have been changes, and when it is to be looked
    /// at because of them.
    checked: u64,
    changing_since: Option<u64>,
    due: Option<u64>,
}

impl Watch {
    /// Hears of all of them, and of who takes `link` down or away.
    pub(super) fn new(link: &Link) -> Result<Self> {
        let now = clock::milliseconds();
        Ok(Self {
            socket: Socket::rtnetlink_changes()?,
            buffer: KVec::from_elem(0, MESSAGE_SIZE, GFP_KERNEL)?,
            takers: netdev::Watch::new(with_lower(link))?,
            checked: now,
            changing_since: None,
            // What has changed since the boot looked.
            due: Some(now.saturating_add(GRACE)),
        })
    }

    /// Waits for a change, for `patience` milliseconds at most; `concerns` says of each that is
    /// told of whether it matters.
    pub(super) fn listen(&mut self, patience: u64, mut concerns: impl FnMut(&Answer) -> bool) {
        self.socket.set_timeout(patience.min(TICK));
        let changed = match self.socket.receive(&mut self.buffer) {
            Ok(length) => {
                let told = self.buffer.get(..length).unwrap_or_default();
                answers(told).fold(false, |changed, answer| concerns(&answer) | changed)
            }
            Err(EAGAIN | EINTR) => false,
            // More was told than there was room for, or there is no memory.
            Err(_) => {
                clock::sleep(PAUSE);
                true
            }
        };
        if changed {
            let now = clock::milliseconds();
            // Whoever is at it is to come to an end.
            let since = *self.changing_since.get_or_insert(now);
            let end = since.saturating_add(GRACE_MAX);
            self.due = Some(now.saturating_add(GRACE).min(end));
        }
    }

    /// The device is `link` now.
    pub(super) fn follow(&self, link: &Link) {
        self.takers.follow(with_lower(link));
    }

    /// Who has last taken the device down or away since this was last asked, if a process has.
    pub(super) fn taker(&self) -> Option<Culprit> {
        let (number, name) = self.takers.taker()?;
        let name = Some(name);
        Some(Culprit { number, name })
    }

    /// Has all be looked at after a while.
    pub(super) fn look_again(&mut self) {
        let calm = clock::milliseconds().saturating_add(GRACE);
        self.due.get_or_insert(calm);
    }

    /// Whether all is to be looked at now, which then counts as done.
    pub(super) fn is_due(&mut self) -> bool {
        let now = clock::milliseconds();
        let is_due = match self.due {
            Some(due) => now >= due,
            None => now.saturating_sub(self.checked) >= CHECK,
        };
        if is_due {
            self.checked = now;
            self.changing_since = None;
            self.due = None;
        }
        is_due
    }
}

/// The number of `link`, and that of the one under it: what is taken from that is taken from the
/// other, too, but by the kernel.
fn with_lower(link: &Link) -> [i32; 2] {
    let lower = link.vlan.map(|vlan| vlan.lower);
    [link.index, lower.unwrap_or_default()]
}

/// Whether `link` is the one that is known as `known`, what may have become of it, since a driver
/// that is bound again makes a device with another number, or what is under it.
pub(super) fn is_same(known: &Link, link: &Link) -> bool {
    let same_mac = known.mac.is_some() && link.mac == known.mac;
    link.index == known.index || same_mac && !link.is_virtual
}
