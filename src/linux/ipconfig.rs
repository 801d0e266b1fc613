// SPDX-License-Identifier: GPL-2.0-only

//! What the kernel's own ipconfig learned, as far as the code is built into the kernel.
//!
//! C header: [`include/net/ipconfig.h`](srctree/include/net/ipconfig.h)

use super::bindings;
use core::{
    net::Ipv4Addr,
    ptr::NonNull, //
};
use kernel::prelude::*;

/// The root path of a DHCP or BOOTP server, which ipconfig splits where it starts with an address
/// and a colon.
pub(crate) struct RootPath {
    /// The address in front, if there was one.
    pub(crate) server: Option<Ipv4Addr>,
    /// The rest.
    pub(crate) path: &'static CStr,
}

/// The root path, if ipconfig was given one.
pub(crate) fn root_path() -> Option<RootPath> {
    let mut server = 0;

    // SAFETY: `server` is writable.
    let path = unsafe { bindings::iscsi_init_ipconfig_root_path(&mut server) };
    let path = NonNull::new(path.cast_mut())?;
    // SAFETY: The string is a variable of the kernel's that ends in NUL and does not change once
    // ipconfig has ended, which was before the last level of initcalls.
    let path = unsafe { CStr::from_char_ptr(path.as_ptr()) };
    let server = Ipv4Addr::from(server.to_ne_bytes());
    Some(RootPath {
        server: (server != Ipv4Addr::BROADCAST).then_some(server),
        path,
    })
}
