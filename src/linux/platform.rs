// SPDX-License-Identifier: GPL-2.0-only

//! The device that stands for the initiator, parent of its SCSI host.
//!
//! It exists for its place in the order of a shutdown: the kernel shuts devices down in the
//! reverse order of their making, so this one comes after the disks, which flush their caches, and
//! before the network interface.
//!
//! C header: [`include/linux/platform_device.h`](srctree/include/linux/platform_device.h)

use super::{
    bindings,
    module::this_module, //
};
use core::{
    ffi::CStr,
    mem::MaybeUninit,
    ptr::NonNull, //
};
use kernel::{
    error::{
        from_err_ptr,
        to_result, //
    },
    ffi::c_int,
    prelude::*,
    sync::Arc,
    types::Opaque, //
};

/// What hears of the machine's shutdown.
pub(crate) trait Shutdown: Send + Sync + 'static {
    /// The machine is going down, and everything that used the device has ended. Process
    /// context; time is limited.
    fn shutdown(&self);
}

const NAME: &CStr = c"iscsi_init";

/// The registered device; dropping it unregisters it.
pub(crate) struct Device(NonNull<bindings::platform_device>);

// SAFETY: A device may be used and unregistered from any thread.
unsafe impl Send for Device {}
// SAFETY: As above.
unsafe impl Sync for Device {}

impl Device {
    /// Registers the device.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: Zeroes mean "none" in every field.
        let mut info: bindings::platform_device_info =
            unsafe { MaybeUninit::zeroed().assume_init() };
        info.name = NAME.as_char_ptr();
        info.id = -1;
        // SAFETY: `info` is valid for the call.
        let device = from_err_ptr(unsafe { bindings::platform_device_register_full(&info) })?;
        Ok(Self(NonNull::new(device).ok_or(ENOMEM)?))
    }

    pub(super) fn as_device(&self) -> *mut bindings::device {
        // SAFETY: The device is registered; only the address of the field is taken.
        unsafe { &raw mut (*self.0.as_ptr()).dev }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // SAFETY: The device was registered by `new`, and is unregistered once.
        unsafe { bindings::platform_device_unregister(self.0.as_ptr()) }
    }
}

/// The driver of that one device; dropping it unregisters it.
pub(crate) struct Driver<T: Shutdown> {
    driver: Pin<KBox<Opaque<bindings::platform_driver>>>,
    _target: Arc<T>,
}

// SAFETY: A driver may be unregistered from any thread.
unsafe impl<T: Shutdown> Send for Driver<T> {}
// SAFETY: Nothing is reachable through a shared reference.
unsafe impl<T: Shutdown> Sync for Driver<T> {}

impl<T: Shutdown> Driver<T> {
    /// Binds to `device`, so that `target` hears of the shutdown.
    pub(crate) fn new(device: &Device, target: Arc<T>) -> Result<Self> {
        // SAFETY: Zeroes mean "none" in every field.
        let mut driver: bindings::platform_driver = unsafe { MaybeUninit::zeroed().assume_init() };
        driver.probe = Some(probe_callback);
        driver.shutdown = Some(shutdown_callback::<T>);
        driver.driver.name = NAME.as_char_ptr();
        // A driver that may be probed asynchronously is not unregistered before all asynchronous
        // calls have ended, the one that holds up the root mount for the caller included.
        driver.driver.probe_type = bindings::probe_type_PROBE_FORCE_SYNCHRONOUS;
        let driver = KBox::pin_init(Opaque::new(driver), GFP_KERNEL)?;
        // SAFETY: The driver is pinned and unregistered before it is freed.
        to_result(unsafe {
            bindings::__platform_driver_register(driver.get(), this_module(), NAME.as_char_ptr())
        })?;
        // SAFETY: The device is registered; the pointer is read by `shutdown_callback` alone, and
        // the driver core clears it when the driver goes.
        unsafe { (*device.as_device()).driver_data = Arc::as_ptr(&target).cast_mut().cast() };
        Ok(Self {
            driver,
            _target: target,
        })
    }
}

impl<T: Shutdown> Drop for Driver<T> {
    fn drop(&mut self) {
        // SAFETY: The driver is registered; after the call no callback runs.
        unsafe { bindings::platform_driver_unregister(self.driver.get()) }
    }
}

/// # Safety
///
/// Called by the driver core.
unsafe extern "C" fn probe_callback(_device: *mut bindings::platform_device) -> c_int {
    0
}

/// # Safety
///
/// Called by the driver core for a device that [`Driver::new`] was given with the same `T`.
unsafe extern "C" fn shutdown_callback<T: Shutdown>(device: *mut bindings::platform_device) {
    // SAFETY: The device is valid; `Driver` keeps the target alive until it is
    // unregistered. Null before it is set.
    let target = unsafe { (*device).dev.driver_data.cast::<T>().as_ref() };

    if let Some(target) = target {
        target.shutdown();
    }
}

#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
#[kunit_tests(iscsi_init_platform)]
mod tests {
    use super::*;
    use core::sync::atomic::{
        AtomicU32,
        Ordering, //
    };

    struct Listener(AtomicU32);

    impl Shutdown for Listener {
        fn shutdown(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// What the kernel does with the device when the machine goes down.
    fn shut_down(device: &Device) {
        // SAFETY: A registered device has a bus.
        let bus = unsafe { &*(*device.as_device()).bus };
        if let Some(shutdown) = bus.shutdown {
            // SAFETY: The device is one of the bus; no driver comes or goes meanwhile.
            unsafe { shutdown(device.as_device()) }
        }
    }

    #[test]
    fn the_driver_hears_of_the_shutdown_while_it_lives() -> Result {
        let device = Device::new()?;
        let listener = Arc::new(Listener(AtomicU32::new(0)), GFP_KERNEL)?;
        shut_down(&device);
        let driver = Driver::new(&device, listener.clone())?;
        assert_eq!(listener.0.load(Ordering::SeqCst), 0);
        shut_down(&device);
        assert_eq!(listener.0.load(Ordering::SeqCst), 1);
        drop(driver);
        shut_down(&device);
        assert_eq!(listener.0.load(Ordering::SeqCst), 1);
        assert!(Arc::into_unique_or_drop(listener).is_some());
        Ok(())
    }

    #[test]
    fn there_is_one_device_at_a_time() -> Result {
        for _ in 0..2 {
            let device = Device::new()?;
            let name = NAME.to_bytes_with_nul().as_ptr().cast();
            // SAFETY: The name is a string; the bus is registered.
            let found = unsafe {
                bindings::bus_find_device(
                    &raw const bindings::platform_bus_type,
                    core::ptr::null_mut(),
                    name,
                    Some(bindings::device_match_name),
                )
            };
            assert_eq!(found, device.as_device());
            // SAFETY: The reference is the search's.
            unsafe { bindings::put_device(found) };
        }
        Ok(())
    }
}
