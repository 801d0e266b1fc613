// SPDX-License-Identifier: GPL-2.0-only

//! A queue of task tags whose memory is allocated in advance.

use crate::proto::iscsi::tag::Itt;
use kernel::prelude::*;

/// First in, first out, of bounded length.
pub(super) struct Queue {
    ring: KVec<Itt>,
    first: usize,
    length: usize,
}

impl Queue {
    /// Room for `capacity` tags.
    pub(super) fn new(capacity: u16) -> Result<Self> {
        Ok(Self {
            ring: KVec::from_elem(Itt::RESERVED, usize::from(capacity), GFP_KERNEL)?,
            first: 0,
            length: 0,
        })
    }

    /// Adds a tag at the end; `None` when there is no room.
    pub(super) fn push(&mut self, itt: Itt) -> Option<()> {
        if self.length == self.ring.len() {
            return None;
        }
        let at = self
            .first
            .checked_add(self.length)?
            .checked_rem(self.ring.len())?;
        *self.ring.get_mut(at)? = itt;
        self.length = self.length.checked_add(1)?;
        Some(())
    }

    /// The tag that comes out next.
    pub(super) fn front(&self) -> Option<Itt> {
        if self.length == 0 {
            return None;
        }
        self.ring.get(self.first).copied()
    }

    /// Takes that tag out.
    pub(super) fn pop(&mut self) -> Option<Itt> {
        let front = self.front()?;
        self.first = self.first.checked_add(1)?.checked_rem(self.ring.len())?;
        self.length = self.length.checked_sub(1)?;
        Some(front)
    }
}
