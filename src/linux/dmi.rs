// SPDX-License-Identifier: GPL-2.0-only

//! What the firmware says of the machine itself.
//!
//! C header: [`include/linux/dmi.h`](srctree/include/linux/dmi.h)

use super::bindings;
use core::ptr::NonNull;
use kernel::prelude::*;

/// The UUID of the system (SMBIOS), as text, where the firmware has one.
pub(crate) fn product_uuid() -> Option<&'static str> {
    // SAFETY: The function wants nothing.
    let text = unsafe { bindings::iscsi_init_dmi_product_uuid() };
    let text = NonNull::new(text.cast_mut())?;
    // SAFETY: The kernel made this string, which ends in NUL, before any driver started. It
    // neither changes nor frees it.
    let text = unsafe { CStr::from_char_ptr(text.as_ptr()) };

    text.to_str().ok()
}
