// SPDX-License-Identifier: GPL-2.0-only

//! Word of who takes a network device down or away.
//!
//! What the kernel tells by netlink has the process only for addresses and routes.
//!
//! C header: [`include/linux/netdevice.h`](srctree/include/linux/netdevice.h)

use super::{
    bindings,
    process, //
};
use core::{
    mem::MaybeUninit,
    sync::atomic::{
        AtomicI32,
        Ordering, //
    }, //
};
use kernel::{
    error::to_result,
    ffi::{
        c_int,
        c_ulong,
        c_void, //
    },
    new_mutex,
    prelude::*,
    sync::Mutex,
    types::Opaque, //
};

/// A registered listener; dropping it ends the registration.
pub(crate) struct Watch {
    listener: Pin<KBox<Listener>>,
}

#[pin_data]
#[repr(C)]
struct Listener {
    // First, so that the callback finds the rest behind it.
    #[pin]
    block: Opaque<bindings::notifier_block>,
    /// The numbers of the devices that are meant; 0 is none's.
    meant: [AtomicI32; 2],
    #[pin]
    latest: Mutex<Option<(u32, process::Name)>>,
}

// SAFETY: A registration may be ended from any thread, and a notifier block is not bound to one.
unsafe impl Send for Listener {}
// SAFETY: `block` is the kernel's alone while it is registered; the other fields are `Sync`.
unsafe impl Sync for Listener {}

impl Watch {
    /// Listens for the devices of these numbers, where one that is 0 means none. Process context;
    /// takes the kernel's lock of its network devices.
    pub(crate) fn new(meant: [i32; 2]) -> Result<Self> {
        // SAFETY: Zeroes mean "none" in every field.
        let mut block: bindings::notifier_block = unsafe { MaybeUninit::zeroed().assume_init() };
        block.notifier_call = Some(callback);

        let listener = KBox::pin_init(
            pin_init!(Listener {
                block: Opaque::new(block),
                meant: meant.map(AtomicI32::new),
                latest <- new_mutex!(None, "iscsi_init netdev"),
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: The block is pinned and is unregistered before it is freed.
        to_result(unsafe { bindings::register_netdevice_notifier(listener.block.get()) })?;
        Ok(Self { listener })
    }

    /// Listens for the devices of these numbers in place of the others.
    pub(crate) fn follow(&self, meant: [i32; 2]) {
        for (slot, index) in self.listener.meant.iter().zip(meant) {
            slot.store(index, Ordering::Relaxed);
        }
    }

    /// The process, by its number and its program, that has last taken one of them down or away
    /// since this was last asked; `None` where none has, or the kernel itself.
    pub(crate) fn taker(&self) -> Option<(u32, process::Name)> {
        self.listener.latest.lock().take()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // SAFETY: The block is registered; after the call the callback does not run.
        unsafe { bindings::unregister_netdevice_notifier(self.listener.block.get()) };
    }
}

/// # Safety
///
/// Called for a block made by [`Watch::new`], by the kernel's notifiers of network devices.
unsafe extern "C" fn callback(
    block: *mut bindings::notifier_block,
    event: c_ulong,
    info: *mut c_void,
) -> c_int {
    const DOWN: c_ulong = bindings::netdev_cmd_NETDEV_GOING_DOWN as c_ulong;
    const AWAY: c_ulong = bindings::netdev_cmd_NETDEV_UNREGISTER as c_ulong;

    if matches!(event, DOWN | AWAY) {
        // SAFETY: The notifier block is the first field of a `Listener`, which is there as long as
        // the block is registered.
        let listener = unsafe { &*block.cast::<Listener>() };
        // SAFETY: `info` is what such a notifier is told, about a device that is there.
        let index = unsafe { bindings::iscsi_init_netdev_index(info) };
        let mut meant = listener.meant.iter();
        if index != 0 && meant.any(|meant| meant.load(Ordering::Relaxed) == index) {
            if let Some(process) = process::current() {
                *listener.latest.lock() = Some(process);
            }
        }
    }
    bindings::NOTIFY_DONE as c_int
}

#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
#[kunit_tests(iscsi_init_netdev)]
mod tests {
    use super::*;

    #[test]
    fn the_listener_is_registered_until_it_is_dropped() -> Result {
        let watch = Watch::new([1, 0])?;
        let block = watch.listener.block.get();

        // SAFETY: The block is valid.
        assert_eq!(unsafe { bindings::unregister_netdevice_notifier(block) }, 0);
        // The end of a registration is told as the end of each device, here by a thread of the
        // kernel's own.
        assert!(watch.taker().is_none());
        // SAFETY: The block is in no list.
        assert_eq!(unsafe { bindings::register_netdevice_notifier(block) }, 0);
        Ok(())
    }
}
