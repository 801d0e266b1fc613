// SPDX-License-Identifier: GPL-2.0-only

//! A file below `/proc/net` with a fixed text.
//!
//! C header: [`include/linux/proc_fs.h`](srctree/include/linux/proc_fs.h)

use super::bindings;
use core::{
    ptr::NonNull, //
};
use kernel::{
    ffi::{
        c_int,
        c_void, //
    },
    prelude::*,
    str::CStr, //
};

/// The file; dropping it removes it.
pub(crate) struct NetFile {
    entry: NonNull<bindings::proc_dir_entry>,
    // What `show` prints; freed after the file is gone.
    _text: KBox<KVec<u8>>,
}

// SAFETY: The entry may be removed from any thread.
unsafe impl Send for NetFile {}
// SAFETY: Nothing is reachable through a shared reference.
unsafe impl Sync for NetFile {}

impl NetFile {
    /// Makes `/proc/net/<name>`, readable by all, with `text`.
    ///
    /// # Errors
    ///
    /// `ENOMEM` also stands for a name that exists.
    pub(crate) fn new(name: &CStr, text: KVec<u8>) -> Result<Self> {
        let text = KBox::new(text, GFP_KERNEL)?;
        let data: *const KVec<u8> = &*text;

        // SAFETY: The directory of the first network name space exists for ever.
        let directory = unsafe { bindings::iscsi_init_proc_net() };
        // SAFETY: `name` and `directory` are valid; `data` outlives the file, since
        // removing it waits for readers.
        let entry = unsafe {
            bindings::proc_create_single_data(
                name.as_char_ptr(),
                0o444,
                directory,
                Some(show),
                data.cast_mut().cast(),
            )
        };
        Ok(Self {
            entry: NonNull::new(entry).ok_or(ENOMEM)?,
            _text: text,
        })
    }
}

impl Drop for NetFile {
    fn drop(&mut self) {
        // SAFETY: The entry was made by `new` and is removed once.
        unsafe { bindings::proc_remove(self.entry.as_ptr()) }
    }
}

/// # Safety
///
/// Called by seq_file for a file made by [`NetFile::new`]: `file.private` is its text.
unsafe extern "C" fn show(file: *mut bindings::seq_file, _: *mut c_void) -> c_int {
    // SAFETY: `file` is valid during the call, and `private` is what
    // `proc_create_single_data` was given.
    let text = unsafe { &*(*file).private.cast::<KVec<u8>>() };

    // SAFETY: `file` is valid, and the text is that many bytes.
    unsafe { bindings::seq_write(file, text.as_ptr().cast(), text.len()) };
    0
}

#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
#[kunit_tests(iscsi_init_proc)]
mod tests {
    use super::*;
    use crate::linux::procfs;

    /// Longer than a page, with what a C string could not have.
    fn text() -> Result<KVec<u8>> {
        let mut text = KVec::from_elem(b'x', 10_000, GFP_KERNEL)?;
        text.extend_from_slice(b"\0\xff\n", GFP_KERNEL)?;
        Ok(text)
    }

    #[test]
    fn the_file_has_the_text_and_goes() -> Result {
        let file = NetFile::new(c"iscsi_init_test", text()?)?;
        let read = procfs::read(c"net/iscsi_init_test");
        drop(file);
        assert_eq!(read?, text()?);
        assert_eq!(procfs::read(c"net/iscsi_init_test").err(), Some(ENOENT));
        Ok(())
    }

    #[test]
    fn a_name_that_exists_is_an_error() -> Result {
        let file = NetFile::new(c"iscsi_init_test", text()?)?;
        // SAFETY: A test is running.
        let test = unsafe { kernel::bindings::kunit_get_current_test() };
        // The kernel says, with a warning, that there is a mistake in the code.
        // SAFETY: As above.
        let warning = unsafe { kernel::bindings::kunit_start_suppress_warning(test) };
        let second = NetFile::new(c"iscsi_init_test", KVec::new()).err();
        // SAFETY: `warning` comes from the call above.
        unsafe { kernel::bindings::kunit_end_suppress_warning(test, warning) };
        let read = procfs::read(c"net/iscsi_init_test");
        drop(file);
        assert_eq!(second, Some(ENOMEM));
        assert_eq!(read?, text()?);
        Ok(())
    }
}
