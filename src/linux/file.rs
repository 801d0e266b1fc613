// SPDX-License-Identifier: GPL-2.0-only

//! Reading a small file.
//!
//! C header: [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::bindings;
use kernel::{
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*, //
};

/// An open file.
pub(crate) struct File(*mut bindings::file);

impl File {
    /// Opens the file at `path` for reading, as the calling thread sees it.
    pub(crate) fn open(path: &CStr) -> Result<File> {
        // SAFETY: The path is a valid string. 0 is O_RDONLY.
        let file = unsafe { bindings::filp_open(path.as_char_ptr(), 0, 0) };
        Ok(Self(from_err_ptr(file)?))
    }

    /// Opens the file `name` in the directory `root` for reading.
    #[cfg(any(MODULE, CONFIG_ISCSI_INIT_KUNIT_TEST))]
    pub(super) fn open_in(root: &bindings::path, name: &CStr) -> Result<File> {
        // SAFETY: `root` and `name` are valid for the call. 0 is O_RDONLY.
        let file = unsafe { bindings::file_open_root(root, name.as_char_ptr(), 0, 0) };
        Ok(Self(from_err_ptr(file)?))
    }

    /// Reads the file from its beginning into `buffer`; returns how many bytes it has.
    ///
    /// # Errors
    ///
    /// EFBIG when it has as many bytes as `buffer`, or more.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> Result<usize> {
        let mut length = 0;

        loop {
            let rest = buffer.get_mut(length..).unwrap_or_default();
            if rest.is_empty() {
                return Err(EFBIG);
            }
            // CAST: No slice has more bytes than the type can count.
            let mut position = length as bindings::loff_t;
            // SAFETY: The file is open, and `rest` is writable for its length.
            let count = unsafe {
                bindings::kernel_read(self.0, rest.as_mut_ptr().cast(), rest.len(), &mut position)
            };
            match usize::try_from(count) {
                Ok(0) => return Ok(length),
                Ok(count) => length = length.saturating_add(count),
                // CAST: A negative count is an errno, which fits.
                Err(_) => to_result(count as i32)?,
            }
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: The reference is ours.
        unsafe { bindings::fput(self.0) }
    }
}

#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
#[kunit_tests(iscsi_init_file)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_does_not_exist_is_an_error() {
        assert_eq!(File::open(c"/iscsi_init_nothing").err(), Some(ENOENT));
    }

    #[test]
    fn a_directory_is_not_read() -> Result {
        let root = File::open(c"/")?;
        assert_eq!(root.read(&mut [0; 16]).err(), Some(EINVAL));
        Ok(())
    }
}
