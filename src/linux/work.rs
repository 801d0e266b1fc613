// SPDX-License-Identifier: GPL-2.0-only

//! Work that softirq hands to process context.
//!
//! C header: [`include/linux/workqueue.h`](srctree/include/linux/workqueue.h)

use super::bindings;
use core::ptr::NonNull;
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// A workqueue that goes on when there is no memory to start threads with.
pub(crate) struct Workqueue(NonNull<bindings::workqueue_struct>);

// SAFETY: A workqueue may be used and destroyed from any thread.
unsafe impl Send for Workqueue {}
// SAFETY: As above.
unsafe impl Sync for Workqueue {}

impl Workqueue {
    /// Makes a workqueue.
    pub(crate) fn new() -> Result<Arc<Self>> {
        // SAFETY: No preconditions.
        let queue = unsafe { bindings::iscsi_init_workqueue_create() };
        let queue = Self(NonNull::new(queue).ok_or(ENOMEM)?);

        Ok(Arc::new(queue, GFP_KERNEL)?)
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::workqueue_struct {
        self.0.as_ptr()
    }
}

impl Drop for Workqueue {
    fn drop(&mut self) {
        // SAFETY: Whoever queues work holds a reference and has cancelled it before giving that up.
        unsafe { bindings::destroy_workqueue(self.0.as_ptr()) }
    }
}

#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
#[kunit_tests(iscsi_init_work)]
mod tests {
    use super::*;
    use crate::linux::{
        clock,
        testing::thread_flags, //
    };
    use core::sync::atomic::{
        AtomicU32,
        Ordering, //
    };
    use kernel::{
        bindings::PF_WQ_WORKER,
        types::Opaque, //
    };

    /// How many works a thread of a workqueue has done.
    static DONE: AtomicU32 = AtomicU32::new(0);

    extern "C" fn work(_: *mut bindings::work_struct) {
        clock::sleep(20);
        if thread_flags() & PF_WQ_WORKER != 0 {
            DONE.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn work_is_done_in_a_thread_before_the_queue_goes() -> Result {
        let queue = Workqueue::new()?;
        let first = KBox::pin_init(Opaque::uninit(), GFP_KERNEL)?;
        let second = KBox::pin_init(Opaque::uninit(), GFP_KERNEL)?;
        DONE.store(0, Ordering::SeqCst);
        for item in [&first, &second] {
            // SAFETY: The work is pinned, and freed after it was done.
            unsafe { bindings::iscsi_init_work_init(item.get(), Some(work)) };
            // SAFETY: Queue and work are valid.
            unsafe { bindings::iscsi_init_work_queue(queue.as_ptr(), item.get()) };
        }
        drop(queue);
        assert_eq!(DONE.load(Ordering::SeqCst), 2);
        Ok(())
    }
}
