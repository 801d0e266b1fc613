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

/// The gateway, if ipconfig has one.
pub(crate) fn gateway() -> Option<Ipv4Addr> {
    // SAFETY: Reads a variable that does not change once ipconfig has ended.
    let gateway = unsafe { bindings::iscsi_init_ipconfig_gateway() };
    let gateway = Ipv4Addr::from(gateway.to_ne_bytes());
    (gateway != Ipv4Addr::BROADCAST).then_some(gateway)
}

#[cfg(all(CONFIG_ISCSI_INIT_KUNIT_TEST, CONFIG_IP_PNP))]
#[kunit_tests(iscsi_init_ipconfig)]
mod tests {
    use super::*;

    /// Has ipconfig know this root path, and gives what [`root_path`] makes of it.
    fn read(address: Ipv4Addr, path: &CStr) -> Option<(Option<Ipv4Addr>, bool)> {
        let address_field = &raw mut bindings::root_server_addr;
        let path_field = (&raw mut bindings::root_server_path).cast::<[u8; 256]>();
        // SAFETY: ipconfig ended before the tests. The driver alone reads it later, and as Kconfig
        // says it has no arguments where these run, so that it does nothing.
        let before = unsafe { (address_field.read(), path_field.read()) };
        let mut text = [0; 256];

        text[..path.count_bytes()].copy_from_slice(path.to_bytes());
        // SAFETY: As above.
        unsafe { address_field.write(u32::from_ne_bytes(address.octets())) };
        // SAFETY: As above.
        unsafe { path_field.write(text) };
        let result = root_path().map(|root| (root.server, root.path == path));
        // SAFETY: As above.
        unsafe { address_field.write(before.0) };
        // SAFETY: As above.
        unsafe { path_field.write(before.1) };
        result
    }

    #[test]
    fn a_root_path_is_taken_over_with_its_address() {
        let server = Ipv4Addr::new(192, 0, 2, 7);
        assert_eq!(read(server, c"/x/y"), Some((Some(server), true)));
        assert_eq!(read(Ipv4Addr::BROADCAST, c"iscsi:x"), Some((None, true)));
        assert_eq!(read(server, c""), None);
    }
}
