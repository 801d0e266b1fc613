// SPDX-License-Identifier: GPL-2.0-only

//! Secrets that somebody has given to the kernel to keep.
//!
//! C header: [`include/linux/key.h`](srctree/include/linux/key.h)

use super::bindings;
use kernel::{
    error::to_result,
    prelude::*, //
};

/// Copies the secret of the key with this description to the front of `to`, and gives its length.
///
/// The key is of type `logon`, or else `user`, and in a keyring in which this process may search.
///
/// # Errors
///
/// ENOKEY: there is none. EMSGSIZE: it is longer than `to`. EKEYREVOKED, EKEYEXPIRED, EACCES: it
/// cannot be used.
pub(crate) fn read(description: &CStr, to: &mut [u8]) -> Result<usize> {
    // SAFETY: The description is a valid string, and `to` is writable for its length.
    let length = unsafe {
        bindings::iscsi_init_key_read(description.as_char_ptr(), to.as_mut_ptr().cast(), to.len())
    };
    to_result(length)?;
    usize::try_from(length).map_err(|_| EINVAL)
}
