// SPDX-License-Identifier: GPL-2.0-only

//! A set of flags that any context may raise and one thread waits for.
//!
//! C header: [`include/linux/completion.h`](srctree/include/linux/completion.h)

use super::{
    bindings,
    clock, //
};
use core::sync::atomic::{
    AtomicU32,
    Ordering, //
};
use kernel::{
    prelude::*,
    types::Opaque, //
};

/// Flags raised anywhere, softirq included, and taken by one waiting thread.
#[pin_data]
pub(crate) struct Event {
    raised: AtomicU32,
    #[pin]
    completion: Opaque<bindings::completion>,
}

// SAFETY: The completion has its own lock, and the flags are atomic.
unsafe impl Send for Event {}
// SAFETY: As above.
unsafe impl Sync for Event {}

impl Event {
    /// An event with no flag raised.
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            raised: AtomicU32::new(0),
            completion <- Opaque::ffi_init(|slot: *mut bindings::completion| {
                // SAFETY: `slot` points to memory for a completion, which stays pinned.
                unsafe { bindings::iscsi_init_completion_init(slot) }
            }),
        })
    }

    /// Raises `flags` and wakes the waiter.
    pub(crate) fn raise(&self, flags: u32) {
        if self.raised.fetch_or(flags, Ordering::AcqRel) == 0 {
            // SAFETY: The completion was initialised by `new` and lives as long as `self`; any context may call this.
            unsafe { bindings::complete(self.completion.get()) }
        }
    }

    /// Forgets the flags that are raised.
    pub(crate) fn clear(&self) {
        self.raised.store(0, Ordering::Release);
    }

    /// Waits as [`Event::wait`] does, also with a signal pending.
    pub(crate) fn wait_uninterruptible(&self, milliseconds: u64) -> u32 {
        let timeout = clock::jiffies(milliseconds);

        // SAFETY: As in `raise`; the caller is in process context.
        unsafe { bindings::wait_for_completion_timeout(self.completion.get(), timeout) };
        self.raised.swap(0, Ordering::AcqRel)
    }

    /// Waits at most `milliseconds` for a flag and takes all that are raised; zero when the time is over.
    pub(crate) fn wait(&self, milliseconds: u64) -> u32 {
        let timeout = clock::jiffies(milliseconds);

        // SAFETY: As in `raise`; the caller is in process context. The interruptible form keeps a thread that waits
        // for hours out of the load average; a signal or a stale wake-up only ends the wait early.
        unsafe {
            bindings::wait_for_completion_interruptible_timeout(self.completion.get(), timeout)
        };
        self.raised.swap(0, Ordering::AcqRel)
    }
}
