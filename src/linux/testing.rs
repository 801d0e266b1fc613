// SPDX-License-Identifier: GPL-2.0-only

//! What the tests of several files need to see of the running thread, or to do to it.

use super::{
    bindings,
    thread::{
        Run,
        Thread, //
    },
};
use core::marker::PhantomData;
use kernel::{
    bindings::{
        get_current,
        task_struct, //
    },
    prelude::*,
    sync::Arc, //
};

/// `SIGUSR1`, which means nothing to a kernel thread.
const SIGNAL: i32 = 10;

/// A kernel thread's "handler" of signals that it wants to see (`SIG_KTHREAD`).
const TAKE: usize = 2;

/// The flags of the running thread (`PF_*`).
pub(super) fn thread_flags() -> u32 {
    // SAFETY: The running thread exists, and writes the field itself.
    unsafe { (*current()).flags }
}

/// The name of the running thread, filled up with zeroes.
pub(super) fn thread_name() -> [u8; 16] {
    // SAFETY: The running thread exists, and nobody renames it.
    unsafe { (*current()).comm }
}

fn current() -> *mut task_struct {
    // SAFETY: No preconditions.
    unsafe { get_current() }
}

/// While it lives, the running kernel thread has a signal pending.
pub(super) struct Signal(PhantomData<*mut ()>);

impl Signal {
    pub(super) fn new() -> Self {
        // SAFETY: The kernel takes the number for what it is, and never calls it.
        let take = unsafe { core::mem::transmute::<usize, bindings::__sighandler_t>(TAKE) };
        // SAFETY: The call is for kernel threads, which otherwise get no signal.
        unsafe { bindings::kernel_sigaction(SIGNAL, take) };
        // SAFETY: The thread exists. The signal is the kernel's own.
        unsafe { bindings::send_sig(SIGNAL, current().cast(), 1) };
        Self(PhantomData)
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        // SAFETY: The thread exists.
        unsafe { bindings::flush_signals(current().cast()) };
    }
}

/// Something that a thread does once.
pub(super) struct Once<F>(F);

impl<F: Fn() -> Result + Send + Sync + 'static> Run for Once<F> {
    fn run(&self) {
        if let Err(error) = (self.0)() {
            pr_err!("a thread of a test: {error:?}\n");
        }
    }

    fn stop(&self) {}
}

/// Does `work` in a thread of its own; dropping that waits for its end.
pub(super) fn in_thread<F>(work: F) -> Result<Thread<Once<F>>>
where
    F: Fn() -> Result + Send + Sync + 'static,
{
    Thread::start(c"iscsi_test", Arc::new(Once(work), GFP_KERNEL)?)
}
