// SPDX-License-Identifier: GPL-2.0-only

//! Word that the machine is about to reboot, halt or start another kernel.
//!
//! C header: [`include/linux/reboot.h`](srctree/include/linux/reboot.h)

use super::bindings;
use core::{
    mem::MaybeUninit, //
};
use kernel::{
    error::to_result,
    ffi::{
        c_int,
        c_ulong,
        c_void, //
    },
    prelude::*,
    sync::Arc,
    types::Opaque, //
};

/// How the machine goes down.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum How {
    /// It starts again, perhaps as another kernel.
    Restart,
    /// It stops, with or without power.
    Stop,
}

/// What hears of it.
pub(crate) trait Reboot: Send + Sync + 'static {
    /// The machine goes down soon; its devices still work. Process context.
    fn reboot(&self, how: How);
}

/// Starts the machine again without a word to its devices.
#[cfg(not(MODULE))]
pub(super) fn restart_at_once() {
    // SAFETY: Any context may call this; what is not written yet is lost, which
    // is the caller's to know.
    unsafe { bindings::emergency_restart() }
}

/// A registered listener; dropping it ends the registration.
pub(crate) struct Notifier<T: Reboot> {
    block: Pin<KBox<Block>>,
    _target: Arc<T>,
}

#[repr(C)]
struct Block {
    // First, so that the callback finds the rest behind it.
    block: Opaque<bindings::notifier_block>,
    target: *const c_void,
}

// SAFETY: A registration may be ended from any thread.
unsafe impl<T: Reboot> Send for Notifier<T> {}
// SAFETY: Nothing is reachable through a shared reference.
unsafe impl<T: Reboot> Sync for Notifier<T> {}

impl<T: Reboot> Notifier<T> {
    /// Registers `target`.
    pub(crate) fn new(target: Arc<T>) -> Result<Self> {
        // SAFETY: Zeroes mean "none" in every field.
        let mut block: bindings::notifier_block = unsafe { MaybeUninit::zeroed().assume_init() };
        block.notifier_call = Some(callback::<T>);

        let block = KBox::pin(
            Block {
                block: Opaque::new(block),
                target: Arc::as_ptr(&target).cast(),
            },
            GFP_KERNEL,
        )?;
        // SAFETY: The block is pinned and is unregistered before it is freed.
        to_result(unsafe { bindings::register_reboot_notifier(block.block.get()) })?;
        Ok(Self {
            block,
            _target: target,
        })
    }
}

impl<T: Reboot> Drop for Notifier<T> {
    fn drop(&mut self) {
        // SAFETY: The block is registered; after the call the callback does not run.
        unsafe { bindings::unregister_reboot_notifier(self.block.block.get()) };
    }
}

/// # Safety
///
/// Called for a block made by [`Notifier::new`] for the same `T`.
unsafe extern "C" fn callback<T: Reboot>(
    block: *mut bindings::notifier_block,
    action: c_ulong,
    _data: *mut c_void,
) -> c_int {
    // SAFETY: The notifier block is the first field of a `Block`.
    let block = unsafe { &*block.cast::<Block>() };
    let how = match u32::try_from(action) {
        // The older name of SYS_RESTART.
        Ok(bindings::SYS_DOWN) => How::Restart,
        _ => How::Stop,
    };
    // SAFETY: `Notifier` keeps the target alive until the registration has ended.
    unsafe { &*block.target.cast::<T>() }.reboot(how);
    bindings::NOTIFY_DONE as c_int
}

#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
#[kunit_tests(iscsi_init_reboot)]
mod tests {
    use super::*;
    use core::sync::atomic::{
        AtomicU32,
        Ordering, //
    };

    struct Listener(AtomicU32);

    impl Reboot for Listener {
        fn reboot(&self, _how: How) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn the_listener_is_registered_and_called() -> Result {
        let listener = Arc::new(Listener(AtomicU32::new(0)), GFP_KERNEL)?;
        let other = Arc::new(Listener(AtomicU32::new(0)), GFP_KERNEL)?;
        let notifier = Notifier::new(listener.clone())?;
        let _other = Notifier::new(other.clone())?;
        let block = notifier.block.block.get();

        // The list itself is out of reach, but it knows what is in it.
        // SAFETY: The block is valid.
        assert_eq!(unsafe { bindings::unregister_reboot_notifier(block) }, 0);
        // SAFETY: The block is in no list.
        assert_eq!(unsafe { bindings::register_reboot_notifier(block) }, 0);

        // SAFETY: The block is initialised.
        let call = unsafe { (*block).notifier_call }.ok_or(EINVAL)?;
        // SAFETY: What the list does.
        let answer = unsafe { call(block, 1, core::ptr::null_mut()) };
        assert_eq!(answer, bindings::NOTIFY_DONE as c_int);
        assert_eq!(listener.0.load(Ordering::SeqCst), 1);
        assert_eq!(other.0.load(Ordering::SeqCst), 0);

        drop(notifier);
        assert!(Arc::into_unique_or_drop(listener).is_some());
        Ok(())
    }
}
