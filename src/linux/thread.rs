// SPDX-License-Identifier: GPL-2.0-only

//! A kernel thread that is waited for when its handle goes away.
//!
//! C header: [`include/linux/kthread.h`](srctree/include/linux/kthread.h)

use super::{
    bindings,
    event::Event, //
};
use core::ptr::NonNull;
use kernel::{
    error::from_err_ptr,
    ffi::{
        c_int,
        c_void, //
    },
    prelude::*,
    str::CStr,
    sync::Arc, //
};

/// What a thread does.
pub(crate) trait Run: Send + Sync + 'static {
    /// Runs on the new thread, and returns soon after [`Run::stop`] was called.
    fn run(&self);

    /// Asks `run` to return; called once, from another thread.
    fn stop(&self);
}

/// What a thread gets from whoever starts it.
#[pin_data]
struct Start<T> {
    work: Arc<T>,
    #[pin]
    begun: Event,
}

/// How long the wait for a thread's beginning goes without looking, in milliseconds.
const BEGIN_REMINDER: u64 = 1_000;

/// A running thread; dropping it stops it and waits for its end.
pub(crate) struct Thread<T: Run> {
    task: NonNull<bindings::task_struct>,
    work: Arc<T>,
}

// SAFETY: The task may be stopped from any thread, and `work` is `Send` and `Sync` by `Run`.
unsafe impl<T: Run> Send for Thread<T> {}
// SAFETY: Nothing is reachable through a shared reference.
unsafe impl<T: Run> Sync for Thread<T> {}

impl<T: Run> Thread<T> {
    /// Starts a thread called `name` that runs `work`.
    pub(crate) fn start(name: &CStr, work: Arc<T>) -> Result<Self> {
        let shared = work.clone();
        let start = Arc::pin_init(
            pin_init!(Start {
                work: shared,
                begun <- Event::new(),
            }),
            GFP_KERNEL,
        )?;
        let argument = Arc::into_raw(start.clone());

        // SAFETY: `thread_main` gets the reference made above exactly once; the format takes one
        // string, which is copied before the call returns.
        let task = from_err_ptr(unsafe {
            bindings::kthread_create_on_node(
                Some(thread_main::<T>),
                argument.cast_mut().cast(),
                -1,
                c"%s".as_char_ptr(),
                name.as_char_ptr(),
            )
        });
        let task = match task.map(NonNull::new) {
            Ok(Some(task)) => task,
            other => {
                // SAFETY: No thread was made, so the reference is still ours.
                drop(unsafe { Arc::from_raw(argument) });
                return Err(other.err().unwrap_or(ENOMEM));
            }
        };
        // SAFETY: The task was just created and has not run; it cannot end before `kthread_stop`,
        // as `thread_main` waits for that.
        unsafe { bindings::wake_up_process(task.as_ptr()) };
        // A thread that is stopped before it has begun does not run at all.
        while start.begun.wait_uninterruptible(BEGIN_REMINDER) == 0 {}
        Ok(Self { task, work })
    }
}

impl<T: Run> Drop for Thread<T> {
    fn drop(&mut self) {
        self.work.stop();
        // SAFETY: The task exists until it is stopped, and this is the only place that stops it.
        unsafe { bindings::kthread_stop(self.task.as_ptr()) };
    }
}

/// # Safety
///
/// `argument` is an `Arc<Start<T>>` turned into a pointer, handed over to this call.
unsafe extern "C" fn thread_main<T: Run>(argument: *mut c_void) -> c_int {
    // SAFETY: By this function's contract.
    let start = unsafe { Arc::from_raw(argument.cast_const().cast::<Start<T>>()) };

    start.begun.raise(1);
    start.work.run();
    drop(start);
    // The task must exist until `kthread_stop` has been called.
    loop {
        // SAFETY: Called by a kernel thread about itself.
        if unsafe { bindings::kthread_should_stop() } {
            return 0;
        }
        super::clock::sleep(1);
    }
}

#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
#[kunit_tests(iscsi_init_thread)]
mod tests {
    use super::*;
    use crate::linux::{
        clock,
        testing::{
            thread_flags,
            thread_name, //
        },
    };
    use core::sync::atomic::{
        AtomicBool,
        AtomicU32,
        Ordering, //
    };
    use kernel::bindings::PF_KTHREAD;

    const STOP: u32 = 1;

    #[pin_data]
    struct Worker {
        #[pin]
        events: Event,
        stops: AtomicU32,
        named: AtomicBool,
        finished: AtomicBool,
    }

    impl Worker {
        fn new() -> Result<Arc<Self>> {
            Arc::pin_init(
                pin_init!(Self {
                    events <- Event::new(),
                    stops: AtomicU32::new(0),
                    named: AtomicBool::new(false),
                    finished: AtomicBool::new(false),
                }),
                GFP_KERNEL,
            )
        }
    }

    impl Run for Worker {
        fn run(&self) {
            let named =
                thread_name().starts_with(b"iscsi_%s\0") && thread_flags() & PF_KTHREAD != 0;
            self.named.store(named, Ordering::SeqCst);
            while self.events.wait(60_000) & STOP == 0 {}
            clock::sleep(50);
            self.finished.store(true, Ordering::SeqCst);
        }

        fn stop(&self) {
            self.stops.fetch_add(1, Ordering::SeqCst);
            self.events.raise(STOP);
        }
    }

    #[test]
    fn drop_stops_it_once_and_waits_for_its_end() -> Result {
        let worker = Worker::new()?;
        let thread = Thread::start(c"iscsi_%s", worker.clone())?;
        assert_eq!(worker.stops.load(Ordering::SeqCst), 0);
        drop(thread);
        assert!(worker.finished.load(Ordering::SeqCst));
        assert!(worker.named.load(Ordering::SeqCst));
        assert_eq!(worker.stops.load(Ordering::SeqCst), 1);
        // Nothing of the thread is left that holds it.
        assert!(Arc::into_unique_or_drop(worker).is_some());
        Ok(())
    }

    /// Returns at once, whether or not it was asked to.
    struct Brief(AtomicBool);

    impl Run for Brief {
        fn run(&self) {
            self.0.store(true, Ordering::SeqCst);
        }

        fn stop(&self) {}
    }

    #[test]
    fn it_runs_also_when_stopped_at_once() -> Result {
        for _ in 0..20 {
            let brief = Arc::new(Brief(AtomicBool::new(false)), GFP_KERNEL)?;
            drop(Thread::start(c"iscsi_brief", brief.clone())?);
            assert!(brief.0.load(Ordering::SeqCst));
        }
        Ok(())
    }
}
