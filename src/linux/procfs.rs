// SPDX-License-Identifier: GPL-2.0-only

//! Reading a file of the proc file system.
//!
//! `/proc` may not be mounted when a module is the first thing that an initrd loads, so the file
//! system is mounted inside the kernel for the time of one read.
//!
//! C header: [`include/linux/mount.h`](srctree/include/linux/mount.h)

use super::{
    bindings,
    file::File, //
};
use kernel::{
    error::from_err_ptr,
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

        File::open_in(&root, name)
    }
}

impl Drop for Proc {
    fn drop(&mut self) {
        // SAFETY: The mount is ours, and files opened in it hold their own references.
        unsafe { bindings::kern_unmount(self.0) }
    }
}

/// Reads the file called `name`.
pub(crate) fn read(name: &CStr) -> Result<KVec<u8>> {
    let mut text = KVec::from_elem(0u8, SIZE_LIMIT, GFP_KERNEL)?;
    let proc = Proc::mount()?;
    let file = proc.open(name)?;
    let length = file.read(&mut text)?;

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
