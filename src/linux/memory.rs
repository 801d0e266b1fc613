// SPDX-License-Identifier: GPL-2.0-only

//! What an allocation may do on behalf of a disk that is needed to free memory.
//!
//! C header: [`include/linux/sched/mm.h`](srctree/include/linux/sched/mm.h)

use super::bindings;
use core::marker::PhantomData;

/// While it lives, this thread's allocations may use the reserves; they never
/// wait for memory to be freed.
pub(crate) struct NoReclaim {
    previous: u32,
    _of_this_thread: PhantomData<*mut ()>,
}

impl NoReclaim {
    /// Starts the scope.
    pub(crate) fn new() -> Self {
        Self {
            // SAFETY: Process context; `drop` restores the flags on the same thread,
            // since `Self` is not `Send`.
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

/// While it lives, this thread's allocations start no I/O, which might have to wait for the
/// very disk being recovered.
pub(crate) struct NoIo {
    previous: u32,
    _of_this_thread: PhantomData<*mut ()>,
}

impl NoIo {
    /// Starts the scope.
    pub(crate) fn new() -> Self {
        Self {
            // SAFETY: Process context; `drop` restores the flags on the same thread,
            // since `Self` is not `Send`.
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

/// While it lives, the packets of connections may use the reserves.
pub(crate) struct PacketReserves(());

impl PacketReserves {
    /// Switches that on. Process context, with no disk of ours yet.
    pub(crate) fn new() -> Self {
        // SAFETY: Process context; `drop` takes it back.
        unsafe { bindings::iscsi_init_sock_reserves_on() };
        Self(())
    }
}

impl Drop for PacketReserves {
    fn drop(&mut self) {
        // SAFETY: `new` has switched it on.
        unsafe { bindings::iscsi_init_sock_reserves_off() }
    }
}

#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
#[kernel::prelude::kunit_tests(iscsi_init_memory)]
mod tests {
    use super::*;
    use crate::linux::testing::thread_flags;
    use kernel::bindings::{
        PF_MEMALLOC,
        PF_MEMALLOC_NOIO, //
    };

    #[test]
    fn scopes_nest_and_put_back_what_was() {
        let before = thread_flags();
        assert_eq!(before & (PF_MEMALLOC | PF_MEMALLOC_NOIO), 0);

        let outer = NoIo::new();
        assert_eq!(thread_flags(), before | PF_MEMALLOC_NOIO);
        let inner = NoIo::new();
        drop(inner);
        assert_eq!(thread_flags(), before | PF_MEMALLOC_NOIO);
        let reserves = NoReclaim::new();
        assert_eq!(thread_flags(), before | PF_MEMALLOC_NOIO | PF_MEMALLOC);
        let more = NoReclaim::new();
        drop(more);
        assert_eq!(thread_flags(), before | PF_MEMALLOC_NOIO | PF_MEMALLOC);
        drop(reserves);
        assert_eq!(thread_flags(), before | PF_MEMALLOC_NOIO);
        drop(outer);
        assert_eq!(thread_flags(), before);
    }
}
