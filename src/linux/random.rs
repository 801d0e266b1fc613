// SPDX-License-Identifier: GPL-2.0-only

//! Random numbers.
//!
//! C header: [`include/linux/random.h`](srctree/include/linux/random.h)

use super::bindings;

/// An array of random bytes.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];

    // SAFETY: `bytes` is `N` writable bytes.
    unsafe { bindings::get_random_bytes(bytes.as_mut_ptr().cast(), N) };
    bytes
}

#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
#[kernel::prelude::kunit_tests(iscsi_init_random)]
mod tests {
    use super::*;

    #[test]
    fn every_array_is_another() {
        let first = bytes::<16>();
        assert!(first != bytes());
        assert!(first.iter().any(|byte| *byte != 0));
        // The last byte, as the first, is not always the same one.
        assert!((0..64).any(|_| bytes::<16>().last() != first.last()));
    }
}
