// SPDX-License-Identifier: GPL-2.0-only

//! Error codes that the kernel's own Rust has names for only since 7.3.
//!
//! C header: [`include/uapi/asm-generic/errno.h`](srctree/include/uapi/asm-generic/errno.h)

use core::{
    mem,
    num::NonZeroI32, //
};
use kernel::prelude::*;

macro_rules! error_codes {
    ($($name:ident)*) => {
        $(pub(crate) const $name: Error = error(kernel::bindings::$name);)*
    };
}

error_codes! {
    EADDRINUSE EADDRNOTAVAIL EAFNOSUPPORT EBADE EBADMSG EBADR ECONNABORTED ECONNREFUSED ECONNRESET
    EHOSTUNREACH EIDRM EILSEQ EINPROGRESS EISCONN EKEYREJECTED ELOOP ENAMETOOLONG ENETDOWN
    ENETUNREACH ENOBUFS ENODATA ENOKEY ENOMEDIUM ENOPKG ENOTUNIQ EPROTO
    EPROTONOSUPPORT EREMOTEIO ESOCKTNOSUPPORT ESTALE EUSERS
}

/// The error that C calls `errno`. What the kernel makes its own constants with is private to it.
const fn error(errno: u32) -> Error {
    // CAST: Error codes are below 4096.
    let Some(code) = NonZeroI32::new(-(errno as i32)) else {
        panic!("0 is no error code");
    };
    // SAFETY: `Error` holds an error code in its negative form and, being of the same size, nothing
    // else; the assertion below compares the two representations.
    unsafe { mem::transmute::<NonZeroI32, Error>(code) }
}

const _: () = assert!(matches!(error(kernel::bindings::EINVAL), EINVAL));
