// SPDX-License-Identifier: GPL-2.0-only

//! What one call sends: copies of small things, and pieces of commands' data buffers, in order.
//!
//! The network stack gets it as one array of pages, which it does not copy. What is copied goes to
//! memory of the socket that is used again once the peer has acknowledged it, so that nothing is
//! allocated while that is soon.
//!
//! C headers: [`include/linux/bvec.h`](srctree/include/linux/bvec.h),
//! [`include/net/sock.h`](srctree/include/net/sock.h)

use super::Stream;
use crate::linux::{
    bindings,
    scsi::{
        Buffer,
        Held, //
    }, //
};
use core::ptr::NonNull;
use kernel::prelude::*;

/// Pieces of a byte stream that have not been sent.
///
/// # Invariants
///
/// The entries of `array` from `first` on describe `length` bytes of memory that stays valid: that
/// of `copies`, or of the data buffers of `held`.
pub(crate) struct Burst {
    array: KVec<bindings::bio_vec>,
    /// The entry that is sent next, perhaps for the rest of what it was.
    first: usize,
    length: usize,
    /// The pages of copies, a reference to each of which is ours.
    copies: KVec<NonNull<bindings::page>>,
    /// The commands whose data buffers have pieces here.
    held: KVec<Held>,
}

// SAFETY: Pages may be sent, and references to them put, from any context.
unsafe impl Send for Burst {}

impl Burst {
    /// How many pieces there may be: a MiB of single pages.
    pub(crate) const CAPACITY: usize = 256;
    /// How many bytes there may be, but for copies: what answers the target waits behind them.
    const LENGTH_MAX: usize = 1 << 20;
    /// The most bytes that are copied at a time; the least that a page has room for is far more.
    pub(crate) const COPY_MAX: usize = 128;

    /// Nothing to send, and room for [`Self::CAPACITY`] pieces.
    pub(crate) fn new() -> Result<Self> {
        // INVARIANT: There are no entries.
        Ok(Self {
            array: KVec::with_capacity(Self::CAPACITY, GFP_KERNEL)?,
            first: 0,
            length: 0,
            copies: KVec::with_capacity(Self::CAPACITY, GFP_KERNEL)?,
            held: KVec::with_capacity(Self::CAPACITY, GFP_KERNEL)?,
        })
    }

    /// Whether all has been sent.
    pub(crate) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The number of pieces so far.
    pub(crate) fn pieces(&self) -> usize {
        self.array.len()
    }

    /// Whether there is room and memory for copies of [`Self::COPY_MAX`] bytes, and for one piece
    /// of a data buffer before the last of them.
    pub(crate) fn reserve(&mut self, stream: &mut Stream<'_>) -> bool {
        !self.is_full() && Self::reserve_memory(stream, Self::COPY_MAX)
    }

    /// Whether there is no room, however much memory there is.
    pub(crate) fn is_full(&self) -> bool {
        self.array.len().saturating_add(2) > Self::CAPACITY || self.length >= Self::LENGTH_MAX
    }

    fn reserve_memory(stream: &mut Stream<'_>, length: usize) -> bool {
        // SAFETY: The socket is valid, and its lock is held.
        // CAST: At most COPY_MAX.
        unsafe { bindings::iscsi_init_sock_reserve(stream.sock, length as u32) }
    }

    /// Appends a copy of `bytes`, at most [`Self::COPY_MAX`] of them; false when there is no room
    /// or no memory for it now.
    pub(crate) fn copy(&mut self, stream: &mut Stream<'_>, bytes: &[u8]) -> bool {
        if bytes.is_empty() {
            return true;
        }
        if self.array.len() >= Self::CAPACITY
            || bytes.len() > Self::COPY_MAX
            || !Self::reserve_memory(stream, bytes.len())
        {
            return false;
        }
        let mut next = bindings::bio_vec::default();
        let last = self.array.last_mut();
        // SAFETY: The socket is valid and its lock is held; memory for `bytes` was reserved above.
        // The last entry is valid or NULL.
        // CAST: At most COPY_MAX.
        let is_new = unsafe {
            bindings::iscsi_init_sock_stage(
                stream.sock,
                bytes.as_ptr().cast(),
                bytes.len() as u32,
                last.map_or(core::ptr::null_mut(), core::ptr::from_mut),
                &mut next,
            )
        };
        if let (true, Some(page)) = (is_new, NonNull::new(next.bv_page)) {
            // There is room for it, and `copies` has as much as `array`.
            let _ = self.array.push_within_capacity(next);
            // INVARIANT: The reference that came with the entry is ours.
            let _ = self.copies.push_within_capacity(page);
        }
        // INVARIANT: The last entry has grown by the bytes, or is that of the bytes.
        self.length = self.length.saturating_add(bytes.len());
        true
    }

    /// Appends what `buffer` has from `offset` on, at most `length` bytes and as far as there is
    /// room; returns how many bytes. Its command is completed only when they have been sent.
    pub(crate) fn add(&mut self, buffer: &mut Buffer, offset: u32, length: u32) -> u32 {
        // CAST: At most LENGTH_MAX.
        let length = length.min(Self::LENGTH_MAX.saturating_sub(self.length) as u32);
        // Each has pieces, so there is room for as many as there are pieces.
        if self.held.push_within_capacity(buffer.hold()).is_err() {
            return 0;
        }
        // INVARIANT: The memory stays valid while it is held.
        let added = buffer.pages(offset, length, &mut self.array);
        if added == 0 {
            self.held.pop();
        }
        // CAST: 32 bits fit a machine word.
        self.length = self.length.saturating_add(added as usize);
        added
    }

    /// Whether the data buffer of the command with this tag has pieces here.
    pub(crate) fn holds(&self, tag: usize) -> bool {
        self.held.iter().any(|held| held.tag() == tag)
    }

    /// The remainder `crc` after the bytes of all pieces from number `from` on, none of which has
    /// been sent.
    pub(crate) fn crc32c(&self, from: usize, crc: u32) -> u32 {
        let pieces = self.array.get(from..).unwrap_or_default();

        // SAFETY: The pieces describe readable memory by the invariant.
        // CAST: At most CAPACITY.
        unsafe { bindings::iscsi_init_pages_crc32c(pieces.as_ptr(), pieces.len() as u32, crc) }
    }

    /// The entries that are left to send.
    pub(super) fn as_raw(&mut self) -> (*mut bindings::bio_vec, u32) {
        let left = self.array.get_mut(self.first..).unwrap_or_default();
        // CAST: At most CAPACITY.
        (left.as_mut_ptr(), left.len() as u32)
    }

    /// How many bytes are left to send.
    #[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// Takes note that this many bytes have been sent.
    pub(super) fn advance(&mut self, sent: usize) {
        self.length = self.length.saturating_sub(sent);
        if self.length == 0 {
            return self.clear();
        }
        let mut left = sent;
        while let Some(entry) = self.array.get_mut(self.first) {
            // CAST: 32 bits fit a machine word.
            let length = entry.bv_len as usize;
            if left < length {
                // CAST: Less than the entry's length, which has 32 bits.
                entry.bv_offset = entry.bv_offset.saturating_add(left as u32);
                entry.bv_len = entry.bv_len.saturating_sub(left as u32);
                return;
            }
            left = left.saturating_sub(length);
            self.first = self.first.saturating_add(1);
        }
    }

    /// Forgets what has not been sent.
    pub(crate) fn clear(&mut self) {
        while let Some(page) = self.copies.pop() {
            // SAFETY: The reference is ours; what the network stack still sends has its own.
            unsafe { bindings::iscsi_init_page_put(page.as_ptr()) };
        }
        self.array.clear();
        self.first = 0;
        self.length = 0;
        // Commands that have been answered meanwhile are completed by this.
        self.held.clear();
    }
}

impl Drop for Burst {
    fn drop(&mut self) {
        self.clear();
    }
}
