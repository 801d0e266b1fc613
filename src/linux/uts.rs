// SPDX-License-Identifier: GPL-2.0-only

//! The machine's host and domain name.
//!
//! C header: [`include/linux/utsname.h`](srctree/include/linux/utsname.h)

use super::bindings;
use kernel::ffi::c_char;

/// Sets the host name, cut to 64 bytes.
pub(crate) fn set_host_name(name: &str) {
    // SAFETY: The name space exists for ever.
    let field = unsafe { core::ptr::addr_of_mut!(bindings::init_uts_ns.name.nodename) };

    // SAFETY: `field` is that array.
    unsafe { set(field, name) };
}

/// Sets the domain name, cut to 64 bytes.
pub(crate) fn set_domain_name(name: &str) {
    // SAFETY: The name space exists for ever.
    let field = unsafe { core::ptr::addr_of_mut!(bindings::init_uts_ns.name.domainname) };

    // SAFETY: `field` is that array.
    unsafe { set(field, name) };
}

/// Stores `name`, always leaving a terminator. The kernel's own lock for these names is not
/// exported: who reads a name at this very moment may see part of the old one and part of the new.
///
/// # Safety
///
/// `field` points to one of the arrays of `init_uts_ns`.
unsafe fn set<const N: usize>(field: *mut [c_char; N], name: &str) {
    let mut value = [0; N];

    for (to, from) in value.iter_mut().zip(name.bytes().take(N.saturating_sub(1))) {
        *to = from;
    }
    // SAFETY: By this function's contract `field` is valid for writes of its size.
    unsafe { field.write(value) };
}

#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
#[kernel::prelude::kunit_tests(iscsi_init_uts)]
mod tests {
    use super::*;
    use crate::linux::procfs;
    use kernel::prelude::*;

    /// Sets a name and reads it as everybody else does; the name from before is put back.
    fn set_and_read(set: fn(&str), file: &CStr, name: &str) -> Result<KVec<u8>> {
        let before = procfs::read(file)?;
        set(name);
        let read = procfs::read(file);
        set(core::str::from_utf8(before.trim_ascii_end()).map_err(|_| EINVAL)?);
        read
    }

    #[test]
    fn the_host_name_is_seen() -> Result {
        let read = set_and_read(set_host_name, c"sys/kernel/hostname", "kiosk")?;
        assert_eq!(&*read, b"kiosk\n".as_slice());
        let read = set_and_read(set_host_name, c"sys/kernel/hostname", "a")?;
        assert_eq!(&*read, b"a\n".as_slice());
        Ok(())
    }

    #[test]
    fn the_domain_name_is_seen_cut_to_64_bytes() -> Result {
        let long = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdefgh";
        let read = set_and_read(set_domain_name, c"sys/kernel/domainname", long)?;
        assert_eq!(read.trim_ascii_end(), &long.as_bytes()[..64]);
        Ok(())
    }
}
