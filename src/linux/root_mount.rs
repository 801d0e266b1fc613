// SPDX-License-Identifier: GPL-2.0-only

//! What built-in code does between the kernel's last initcall and the mount
//! of the root file system.
//!
//! Initcalls of the last level start after all others, the kernel's own ipconfig included,
//! and after every driver has been registered. What takes long then runs on a thread of its
//! own, so that no initcall waits for it, while an asynchronous function call stands in for
//! it: the kernel waits for all of those before it mounts the root file system, or starts the
//! `/init` of an initramfs.
//!
//! C header: [`include/linux/async.h`](srctree/include/linux/async.h)

use super::{
    bindings,
    event::Event,
    reboot::{
        restart_at_once,
        How,
        Notifier,
        Reboot, //
    }, //
};
use core::sync::atomic::{
    AtomicU64,
    Ordering, //
};
use kernel::{
    error::from_err_ptr,
    ffi::{
        c_int,
        c_void, //
    },
    prelude::*,
    sync::{
        Arc,
        SetOnce, //
    },
};

/// What is to be done.
static WORK: SetOnce<fn()> = SetOnce::new();

/// How long one asynchronous call stands in for the work, in milliseconds. Whoever waits for them
/// is woken by each one's end, so that a wait which lasts does not look like a hung task.
const SLICE: u64 = 10_000;

/// How long it takes at most to schedule such a call, in milliseconds.
const SCHEDULE_TIMEOUT: u64 = 1_000;
const ANY_NODE: c_int = -1;

/// What the thread and the calls that stand in for it share.
#[pin_data]
struct Work {
    work: fn(),
    /// The first call that stands in: what was scheduled before it may be the probe of a device.
    first: AtomicU64,
    #[pin]
    scheduled: Event,
    #[pin]
    done: Event,
}

/// Has `work` done on a thread of its own once all drivers have had their chance to find their
/// devices, and holds up the root mount until it returns. The first call counts.
///
/// Called from an initcall of any level but the last.
pub(crate) fn hold_for(work: fn()) {
    WORK.populate(work);
}

/// Starts the work, called by an initcall of the last level.
#[no_mangle]
extern "C" fn iscsi_init_initcalls_done() {
    let Some(work) = WORK.copy() else {
        return;
    };
    if let Err(error) = start(work) {
        pr_err!("no thread to boot on: {error:?}; does this machine have enough memory?\n");
    }
}

fn start(work: fn()) -> Result {
    let shared = Arc::pin_init(
        pin_init!(Work {
            work,
            first: AtomicU64::new(0),
            scheduled <- Event::new(),
            done <- Event::new(),
        }),
        GFP_KERNEL,
    )?;

    let argument = Arc::into_raw(shared.clone());
    // SAFETY: `work_main` gets the reference made above exactly once. Built-in code stays, so that
    // a thread which nobody stops may end by itself.
    let task = from_err_ptr(unsafe {
        bindings::kthread_create_on_node(
            Some(work_main),
            argument.cast_mut().cast(),
            ANY_NODE,
            c"iscsi_boot".as_char_ptr(),
        )
    })
    .inspect_err(|_| {
        // SAFETY: No thread was made, so the reference is still ours.
        drop(unsafe { Arc::from_raw(argument) });
    })?;
    // SAFETY: The task was just created, and exists at least until it has run.
    unsafe { bindings::wake_up_process(task) };
    let first = stand_in(shared.clone());
    shared.first.store(first, Ordering::Relaxed);
    shared.scheduled.raise(1);
    Ok(())
}

/// # Safety
///
/// `argument` is an `Arc<Work>` turned into a pointer, handed over to this call.
unsafe extern "C" fn work_main(argument: *mut c_void) -> c_int {
    // SAFETY: By this function's contract.
    let shared = unsafe { Arc::from_raw(argument.cast_const().cast::<Work>()) };

    // In vain when there was no memory to schedule the call with: then it is under way.
    shared.scheduled.wait_uninterruptible(SCHEDULE_TIMEOUT);
    let notifier = Notifier::new(shared.clone());
    // SAFETY: Process context, and not that of an asynchronous call.
    unsafe { bindings::async_synchronize_cookie(shared.first.load(Ordering::Relaxed)) };
    (shared.work)();
    drop(notifier);
    shared.done.raise(1);
    0
}

impl Reboot for Work {
    /// The machine's way down waits for asynchronous calls, too. Nothing is mounted yet, so nothing
    /// is lost when it starts again at once. A machine that is to stop may find that it has no root
    /// file system before it has stopped, and panic.
    fn reboot(&self, how: How) {
        match how {
            How::Restart => restart_at_once(),
            How::Stop => self.done.raise(1),
        }
    }
}

/// Has an asynchronous call wait for the work, and says which.
fn stand_in(shared: Arc<Work>) -> bindings::async_cookie_t {
    let argument = Arc::into_raw(shared).cast_mut().cast();

    // SAFETY: `stand_in_main` gets the reference exactly once; without memory it is called at once.
    unsafe { bindings::async_schedule_node(Some(stand_in_main), argument, ANY_NODE) }
}

/// # Safety
///
/// `argument` is an `Arc<Work>` turned into a pointer, handed over to this call.
unsafe extern "C" fn stand_in_main(argument: *mut c_void, _cookie: bindings::async_cookie_t) {
    // SAFETY: By this function's contract.
    let shared = unsafe { Arc::from_raw(argument.cast_const().cast::<Work>()) };

    if shared.done.wait_uninterruptible(SLICE) == 0 {
        stand_in(shared);
    }
}

#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
#[kunit_tests(iscsi_init_root_mount)]
mod tests {
    use super::*;
    use crate::linux::clock;
    use core::sync::atomic::AtomicU32;

    static DONE: AtomicU32 = AtomicU32::new(0);

    fn lasting() {
        clock::sleep(100);
        DONE.fetch_add(1, Ordering::SeqCst);
    }

    #[test]
    fn who_waits_as_the_root_mount_does_waits_for_the_work() -> Result {
        DONE.store(0, Ordering::SeqCst);
        start(lasting)?;
        // SAFETY: Process context, and not that of an asynchronous call.
        unsafe { bindings::async_synchronize_full() };
        assert_eq!(DONE.load(Ordering::SeqCst), 1);
        Ok(())
    }
}
