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
