// SPDX-License-Identifier: GPL-2.0-only

//! CRC32C, with the processor's instructions for it where there are any.
//!
//! C header: [`include/linux/crc32.h`](srctree/include/linux/crc32.h)

use super::bindings;
#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
use kernel::prelude::*;

/// The remainder `crc` after `bytes`.
pub(crate) fn crc32c(crc: u32, bytes: &[u8]) -> u32 {
    // SAFETY: `bytes` is readable for its length.
    unsafe { bindings::crc32c(crc, bytes.as_ptr().cast(), bytes.len()) }
}

#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
#[kunit_tests(iscsi_init_crc32c)]
mod tests {
    use super::*;

    /// RFC 7143 appendix A.4.
    #[test]
    fn the_remainder_is_that_of_the_examples() {
        let digest = |bytes: &[u8]| (!crc32c(u32::MAX, bytes)).to_le_bytes();
        let rising = core::array::from_fn::<u8, 32, _>(|at| at as u8);
        assert_eq!(digest(&[0; 32]), [0xaa, 0x36, 0x91, 0x8a]);
        assert_eq!(digest(&[0xff; 32]), [0x43, 0xab, 0xa8, 0x62]);
        assert_eq!(digest(&rising), [0x4e, 0x79, 0xdd, 0x46]);
        let (front, back) = rising.split_at(13);
        assert_eq!(
            crc32c(crc32c(u32::MAX, front), back),
            crc32c(u32::MAX, &rising)
        );
    }
}
