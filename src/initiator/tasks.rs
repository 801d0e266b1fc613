// SPDX-License-Identifier: GPL-2.0-only

//! The commands a host has, found by tag in constant time.
//!
//! A command's place is its block layer tag, so the table is made once, and to find a task by its
//! Initiator Task Tag is an index and a compare. The tag's other half counts the uses of the place:
//! what a target says about an earlier command never reaches a later one.

use crate::{
    linux::scsi::{
        Command,
        Cursor,
        HostStatus, //
    },
    proto::iscsi::{
        tag::Itt,
        task::Task, //
    },
};
use kernel::prelude::*;

/// A command from its hand-over by the mid-layer to its completion.
pub(super) struct Running {
    pub(super) command: Command,
    /// Where in the data buffer the last copy ended.
    pub(super) cursor: Cursor,
    /// What the protocol knows of it; `None` before it is sent.
    pub(super) task: Option<Task>,
    /// It was sent in an earlier session whose end left open what became of it.
    pub(super) repeated: bool,
}

#[derive(Default)]
struct Place {
    uses: u16,
    running: Option<Running>,
}

/// All commands of a host.
pub(super) struct Tasks {
    places: KVec<Place>,
    count: usize,
}

impl Tasks {
    /// Room for `count` commands, whose tags are less than that.
    pub(super) fn new(count: u16) -> Result<Self> {
        let mut places = KVec::with_capacity(usize::from(count), GFP_KERNEL)?;
        for _ in 0..count {
            places.push(Place::default(), GFP_KERNEL)?;
        }
        Ok(Self { places, count: 0 })
    }

    /// How many commands there are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Takes in a command; returns the tag its task will have. A command without a place of its own
    /// is completed as failed, which its `Command` does when dropped.
    pub(super) fn insert(&mut self, command: Command) -> Option<Itt> {
        let tag = command.tag();
        let place = self.places.get_mut(tag)?;

        if place.running.is_none() {
            self.count = self.count.saturating_add(1);
        }
        place.uses = place.uses.wrapping_add(1);
        place.running = Some(Running {
            command,
            cursor: Cursor::default(),
            task: None,
            repeated: false,
        });
        Some(itt(place.uses, tag))
    }

    /// The command with this tag, if it is still there.
    pub(super) fn get(&mut self, itt: Itt) -> Option<&mut Running> {
        let (uses, tag) = parts(itt);
        let place = self.places.get_mut(tag)?;
        place.running.as_mut().filter(|_| place.uses == uses)
    }

    /// Takes the command with this tag out.
    pub(super) fn remove(&mut self, itt: Itt) -> Option<Running> {
        self.get(itt)?;
        let (_, tag) = parts(itt);
        let running = self.places.get_mut(tag)?.running.take()?;
        self.count = self.count.saturating_sub(1);
        Some(running)
    }

    /// Whether there is a command with this block layer tag.
    pub(super) fn holds(&self, tag: usize) -> bool {
        self.places
            .get(tag)
            .is_some_and(|place| place.running.is_some())
    }

    /// Gives up the command with this block layer tag, which the error handler has taken back.
    pub(super) fn release(&mut self, tag: usize) {
        let place = self.places.get_mut(tag);
        if let Some(running) = place.and_then(|place| place.running.take()) {
            self.count = self.count.saturating_sub(1);
            running.command.release();
        }
    }

    /// Makes every command unsent again, under a new tag that `each` gets; those that
    /// must not be repeated end.
    pub(super) fn renew(&mut self, mut each: impl FnMut(Itt)) {
        for (tag, place) in self.places.iter_mut().enumerate() {
            let Some(running) = &mut place.running else {
                continue;
            };
            let sent = running.task.take().is_some();
            if sent && !running.command.repeatable() {
                self.count = self.count.saturating_sub(1);
                if let Some(running) = place.running.take() {
                    running.end(HostStatus::Disrupted);
                }
                continue;
            }
            running.repeated |= sent;
            running.cursor = Cursor::default();
            running.command.set_sent(false);
            place.uses = place.uses.wrapping_add(1);
            each(itt(place.uses, tag));
        }
    }

    /// Ends every command with `status`.
    pub(super) fn end_all(&mut self, status: HostStatus) {
        for place in &mut self.places {
            if let Some(running) = place.running.take() {
                running.end(status);
            }
        }
        self.count = 0;
    }
}

impl Running {
    /// Completes a command that has no result from the device.
    pub(super) fn end(self, status: HostStatus) {
        let residual = self.command.length();
        self.command.complete(crate::linux::scsi::Outcome {
            host: status,
            status: 0,
            residual,
            sense: &[],
        });
    }
}

/// Uses in the upper half, tag in the lower; tags are small, so no task
/// ever has the reserved value.
fn itt(uses: u16, tag: usize) -> Itt {
    // CAST: The table has fewer than 2^16 places.
    Itt::new((u32::from(uses) << 16) | tag as u32)
}

fn parts(itt: Itt) -> (u16, usize) {
    // CAST: The upper half of 32 bits fits 16.
    ((itt.value() >> 16) as u16, (itt.value() & 0xffff) as usize)
}
