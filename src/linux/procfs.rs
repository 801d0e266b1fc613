// SPDX-License-Identifier: GPL-2.0-only

//! Reading a file of the proc file system.
//!
//! `/proc` may not be mounted when a module is the first thing that an initrd loads, so the file
//! system is mounted inside the kernel for the time of one read.
//!
//! C headers: [`include/linux/mount.h`](srctree/include/linux/mount.h),
//! [`include/linux/fs.h`](srctree/include/linux/fs.h)

use super::bindings;
use kernel::{
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*, //
};

/// The most that is read, more than any architecture's COMMAND_LINE_SIZE.
const SIZE_LIMIT: usize = 16_384;

/// A private mount of the proc file system.
struct Proc(*mut bindings::vfsmount);

impl Proc {
    fn mount() -> Result<Self> {
        // SAFETY: The name is a valid string; the type is built in and never goes away.
        let kind = unsafe { bindings::get_fs_type(c"proc".as_char_ptr()) };

        if kind.is_null() {
            return Err(ENOENT);
        }
        // SAFETY: `kind` is a registered file system type.
        Ok(Self(from_err_ptr(unsafe { bindings::kern_mount(kind) })?))
    }

    fn open(&self, name: &CStr) -> Result<File> {
        let root = bindings::path {
            mnt: self.0,
            // SAFETY: The mount is valid while `self` lives.
            dentry: unsafe { (*self.0).mnt_root },
        };

        // SAFETY: `root` and `name` are valid for the call. 0 is O_RDONLY.
        let file = unsafe { bindings::file_open_root(&root, name.as_char_ptr(), 0, 0) };
        Ok(File(from_err_ptr(file)?))
    }
}

impl Drop for Proc {
    fn drop(&mut self) {
        // SAFETY: The mount is ours, and files opened in it hold their own references.
        unsafe { bindings::kern_unmount(self.0) }
    }
}

struct File(*mut bindings::file);

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: The reference is ours.
        unsafe { bindings::fput(self.0) }
    }
}

/// Reads the file called `name`.
pub(crate) fn read(name: &CStr) -> Result<KVec<u8>> {
    let mut text = KVec::from_elem(0u8, SIZE_LIMIT, GFP_KERNEL)?;
    let proc = Proc::mount()?;
    let file = proc.open(name)?;
    let mut length = 0;

    loop {
        let rest = text.get_mut(length..).unwrap_or_default();
        // CAST: `length` is at most SIZE_LIMIT.
        let mut position = length as bindings::loff_t;
        // SAFETY: The file is open, and `rest` is writable for its length.
        let count = unsafe {
            bindings::kernel_read(file.0, rest.as_mut_ptr().cast(), rest.len(), &mut position)
        };
        match usize::try_from(count) {
            Ok(0) => break,
            Ok(count) => length = length.saturating_add(count),
            // CAST: A negative count is an errno, which fits.
            Err(_) => to_result(count as i32)?,
        }
    }
    text.truncate(length);
    Ok(text)
}

#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
#[kunit_tests(iscsi_init_procfs)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_the_kernels_own() -> Result {
        let mut expected = crate::linux::cmdline::read()?;
        expected.push(b'\n', GFP_KERNEL)?;
        assert_eq!(read(c"cmdline")?, expected);
        Ok(())
    }

    #[test]
    fn a_file_that_does_not_exist_is_an_error() {
        assert_eq!(read(c"iscsi_init_nothing").err(), Some(ENOENT));
    }
}
