// SPDX-License-Identifier: GPL-2.0-only

//! What an allocation may do on behalf of a disk that is needed to free memory.
//!
//! C header: [`include/linux/sched/mm.h`](srctree/include/linux/sched/mm.h)

use super::bindings;
use core::marker::PhantomData;

/// While it lives, this thread's allocations may use the reserves; they never wait for memory to be freed.
pub(crate) struct NoReclaim {
    previous: u32,
    _of_this_thread: PhantomData<*mut ()>,
}

impl NoReclaim {
    /// Starts the scope.
    pub(crate) fn new() -> Self {
        Self {
            // SAFETY: Process context; `drop` restores the flags on the same thread, since `Self` is not `Send`.
            previous: unsafe { bindings::iscsi_init_noreclaim_save() },
            _of_this_thread: PhantomData,
        }
    }
}

impl Drop for NoReclaim {
    fn drop(&mut self) {
        // SAFETY: `previous` comes from the matching save on this thread.
        unsafe { bindings::iscsi_init_noreclaim_restore(self.previous) }
    }
}

/// While it lives, this thread's allocations start no I/O, which might have to wait for the very disk being recovered.
pub(crate) struct NoIo {
    previous: u32,
    _of_this_thread: PhantomData<*mut ()>,
}

impl NoIo {
    /// Starts the scope.
    pub(crate) fn new() -> Self {
        Self {
            // SAFETY: Process context; `drop` restores the flags on the same thread, since `Self` is not `Send`.
            previous: unsafe { bindings::iscsi_init_noio_save() },
            _of_this_thread: PhantomData,
        }
    }
}

impl Drop for NoIo {
    fn drop(&mut self) {
        // SAFETY: `previous` comes from the matching save on this thread.
        unsafe { bindings::iscsi_init_noio_restore(self.previous) }
    }
}
