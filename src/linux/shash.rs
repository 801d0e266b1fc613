// SPDX-License-Identifier: GPL-2.0-only

//! Hash functions of the kernel's crypto API.
//!
//! C header: [`include/crypto/hash.h`](srctree/include/crypto/hash.h)

use super::bindings;
use core::ptr::NonNull;
use kernel::{
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*, //
};

/// A hash function.
pub(crate) struct Shash(NonNull<bindings::crypto_shash>);

// SAFETY: The function has no state of its own: each digest is computed in memory of its own.
unsafe impl Send for Shash {}
// SAFETY: As above.
unsafe impl Sync for Shash {}

impl Shash {
    /// The function called `name`, from the kernel or from a module that can be loaded.
    pub(crate) fn new(name: &CStr) -> Result<Self> {
        // SAFETY: The name is a valid string.
        let shash = unsafe { bindings::crypto_alloc_shash(name.as_char_ptr(), 0, 0) };
        NonNull::new(from_err_ptr(shash)?).map(Self).ok_or(ENOENT)
    }

    /// Writes the digest of `parts`, one after the other, to the front of `to`.
    pub(crate) fn digest(&self, parts: &[&[u8]; 3], to: &mut [u8]) -> Result {
        // SAFETY: The function is valid.
        let length = unsafe { bindings::iscsi_init_shash_length(self.0.as_ptr()) };
        // CAST: 32 bits fit a machine word.
        if to.len() < length as usize {
            return Err(EINVAL);
        }
        let parts = parts.map(|part| bindings::kvec {
            iov_base: part.as_ptr().cast_mut().cast(),
            iov_len: part.len(),
        });
        // SAFETY: The function is valid, each part is readable for its length and only read, and
        // `to` is writable for as many bytes as a digest has.
        // CAST: Three.
        to_result(unsafe {
            bindings::iscsi_init_shash_digest(
                self.0.as_ptr(),
                parts.as_ptr(),
                parts.len() as u32,
                to.as_mut_ptr(),
            )
        })
    }
}

impl Drop for Shash {
    fn drop(&mut self) {
        // SAFETY: The function is ours.
        unsafe { bindings::iscsi_init_shash_free(self.0.as_ptr()) }
    }
}

/// Whether the kernel allows approved functions only (FIPS 140).
pub(crate) fn approved_only() -> bool {
    // SAFETY: The call has no preconditions.
    unsafe { bindings::iscsi_init_fips_enabled() }
}

#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
#[kunit_tests(iscsi_init_shash)]
mod tests {
    use super::*;

    /// The digests of "abc", of RFC 1321, FIPS 180-4 and FIPS 202.
    #[test]
    fn digests_are_those_of_the_examples() -> Result {
        let examples: [(&CStr, &[u8]); 4] = [
            (
                c"md5",
                &[
                    0x90, 0x01, 0x50, 0x98, 0x3c, 0xd2, 0x4f, 0xb0, 0xd6, 0x96, 0x3f, 0x7d, 0x28,
                    0xe1, 0x7f, 0x72,
                ],
            ),
            (
                c"sha1",
                &[
                    0xa9, 0x99, 0x3e, 0x36, 0x47, 0x06, 0x81, 0x6a, 0xba, 0x3e, 0x25, 0x71, 0x78,
                    0x50, 0xc2, 0x6c, 0x9c, 0xd0, 0xd8, 0x9d,
                ],
            ),
            (
                c"sha256",
                &[
                    0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d,
                    0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10,
                    0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
                ],
            ),
            (
                c"sha3-256",
                &[
                    0x3a, 0x98, 0x5d, 0xa7, 0x4f, 0xe2, 0x25, 0xb2, 0x04, 0x5c, 0x17, 0x2d, 0x6b,
                    0xd3, 0x90, 0xbd, 0x85, 0x5f, 0x08, 0x6e, 0x3e, 0x9d, 0x52, 0x5b, 0x46, 0xbf,
                    0xe2, 0x45, 0x11, 0x43, 0x15, 0x32,
                ],
            ),
        ];
        for (name, digest) in examples {
            let shash = Shash::new(name)?;
            let mut to = [0xee; 33];
            shash.digest(&[b"a", b"", b"bc"], &mut to)?;
            assert_eq!(to.get(..digest.len()), Some(digest));
            assert!(to.iter().skip(digest.len()).all(|byte| *byte == 0xee));
            let short = to.get_mut(1..digest.len()).unwrap_or_default();
            assert_eq!(shash.digest(&[b"a", b"", b"bc"], short), Err(EINVAL));
        }
        Ok(())
    }

    #[test]
    fn a_function_that_is_none_is_an_error() {
        assert_eq!(Shash::new(c"iscsi_init-nothing").err(), Some(ENOENT));
    }
}
