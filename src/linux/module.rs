// SPDX-License-Identifier: GPL-2.0-only

//! The module itself, as the kernel sees it.
//!
//! C header: [`include/linux/module.h`](srctree/include/linux/module.h)

use super::{
    bindings,
    clock, //
};
use core::ptr;

/// The interval between looks, in milliseconds.
const INTERVAL: u32 = 10;

/// What C calls `THIS_MODULE`: null in code that is built in.
pub(super) const fn this_module() -> *mut bindings::module {
    if cfg!(MODULE) {
        (&raw const kernel::bindings::__this_module)
            .cast_mut()
            .cast()
    } else {
        ptr::null_mut()
    }
}

/// Waits, in an `init` that is about to fail, until nobody uses the module: the kernel frees
/// it without asking. Who looks at a disk that has just appeared, as udev does, holds a
/// reference until it closes it.
pub(crate) fn wait_for_users() {
    while is_used() {
        clock::sleep(INTERVAL);
    }
}

#[cfg(CONFIG_MODULE_UNLOAD)]
fn is_used() -> bool {
    /// The reference that the kernel holds while `init` runs.
    const OWN: i32 = 1;
    let module = this_module();

    // SAFETY: The module exists while its code runs; built-in code has none, nor is it ever freed.
    !module.is_null() && unsafe { bindings::module_refcount(module) } > OWN
}

/// Where no module can be unloaded, nobody counts who uses one.
#[cfg(not(CONFIG_MODULE_UNLOAD))]
fn is_used() -> bool {
    false
}
