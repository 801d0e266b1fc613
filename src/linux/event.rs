// SPDX-License-Identifier: GPL-2.0-only

//! A set of flags that any context may raise and one thread waits for.
//!
//! C header: [`include/linux/completion.h`](srctree/include/linux/completion.h)

use super::{
    bindings,
    clock, //
};
use core::sync::atomic::{
    fence,
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
            // SAFETY: The completion was initialised by `new` and lives as long as `self`;
            // any context may call this.
            unsafe { bindings::complete(self.completion.get()) }
        }
    }

    /// Whether one of `flags` is raised.
    pub(crate) fn is_raised(&self, flags: u32) -> bool {
        self.raised.load(Ordering::Acquire) & flags != 0
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
        self.take()
    }

    /// Waits at most `milliseconds` for a flag and takes all that are raised;
    /// zero when the time is over.
    pub(crate) fn wait(&self, milliseconds: u64) -> u32 {
        let timeout = clock::jiffies(milliseconds);

        // SAFETY: As in `raise`; the caller is in process context. The interruptible form keeps
        // a thread that waits for hours out of the load average; a signal or a stale wake-up
        // only ends the wait early.
        unsafe {
            bindings::wait_for_completion_interruptible_timeout(self.completion.get(), timeout)
        };
        self.take()
    }

    fn take(&self) -> u32 {
        let flags = self.raised.swap(0, Ordering::AcqRel);
        // Whoever still finds a flag raised leaves its work to the waiter, which must not have
        // looked for it before.
        fence(Ordering::SeqCst);
        flags
    }
}

#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
#[kunit_tests(iscsi_init_event)]
mod tests {
    use super::*;
    use crate::linux::{
        testing::Signal,
        thread::{
            Run,
            Thread, //
        },
    };
    use kernel::sync::Arc;

    /// Longer than any test may last, in milliseconds.
    const LONG: u64 = 3_600_000;

    fn event() -> Result<Arc<Event>> {
        Arc::pin_init(Event::new(), GFP_KERNEL)
    }

    /// Raises a flag some time after it was started.
    struct Raiser(Arc<Event>);

    impl Run for Raiser {
        fn run(&self) {
            clock::sleep(50);
            self.0.raise(4);
        }

        fn stop(&self) {}
    }

    fn raiser(event: &Arc<Event>) -> Result<Thread<Raiser>> {
        let raiser = Arc::new(Raiser(event.clone()), GFP_KERNEL)?;
        Thread::start(c"iscsi_raiser", raiser)
    }

    #[test]
    fn a_flag_of_another_thread_ends_the_wait() -> Result {
        let event = event()?;
        let thread = raiser(&event)?;
        let taken = event.wait(LONG);
        drop(thread);
        assert_eq!(taken, 4);
        Ok(())
    }

    #[test]
    fn flags_are_taken_together_and_once() -> Result {
        let event = event()?;
        event.raise(1);
        event.raise(8);
        event.raise(1);
        assert_eq!(event.wait(LONG), 9);
        assert_eq!(event.wait(1), 0);
        event.raise(2);
        assert_eq!(event.wait_uninterruptible(LONG), 2);
        assert_eq!(event.wait_uninterruptible(1), 0);
        Ok(())
    }

    #[test]
    fn cleared_flags_are_gone() -> Result {
        let event = event()?;
        event.raise(1);
        event.clear();
        assert_eq!(event.wait(1), 0);
        event.raise(2);
        assert_eq!(event.wait(LONG), 2);
        Ok(())
    }

    #[test]
    fn a_signal_ends_only_the_interruptible_wait() -> Result {
        let event = event()?;
        let thread = raiser(&event)?;
        let signal = Signal::new();
        let taken = event.wait_uninterruptible(LONG);
        let interrupted = event.wait(LONG);
        drop(signal);
        drop(thread);
        assert_eq!(taken, 4);
        assert_eq!(interrupted, 0);
        Ok(())
    }
}
