// SPDX-License-Identifier: GPL-2.0-only

//! A file below `/proc` whose text is made when it is read.
//!
//! C headers: [`include/linux/proc_fs.h`](srctree/include/linux/proc_fs.h),
//! [`include/linux/seq_file.h`](srctree/include/linux/seq_file.h)

use super::bindings;
use core::{
    fmt,
    ptr::NonNull, //
};
use kernel::{
    ffi::{
        c_int,
        c_void, //
    },
    prelude::*,
    str::CStr,
    sync::Arc, //
};

/// What a file shows.
pub(crate) trait Show: Send + Sync + 'static {
    /// Writes all of it; process context. It may be called again at once for the same reader, when
    /// there was no room.
    fn show(&self, output: &mut Output<'_>) -> fmt::Result;
}

/// Where a reader's text goes; what has no room comes again in a larger one.
pub(crate) struct Output<'a>(&'a mut bindings::seq_file);

impl fmt::Write for Output<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // SAFETY: The file is valid, and the text is that many bytes.
        unsafe { bindings::seq_write(self.0, text.as_ptr().cast(), text.len()) };
        Ok(())
    }
}

/// A text that stays the same.
impl Show for KVec<u8> {
    fn show(&self, output: &mut Output<'_>) -> fmt::Result {
        for chunk in self.utf8_chunks() {
            fmt::Write::write_str(output, chunk.valid())?;
        }
        Ok(())
    }
}

/// Where a file is.
pub(crate) enum Place {
    /// In `/proc`.
    Root,
    /// In `/proc/net` of the first network name space.
    Net,
    /// In this directory.
    In(Arc<Directory>),
}

/// A directory; dropping it removes it.
pub(crate) struct Directory(NonNull<bindings::proc_dir_entry>);

// SAFETY: The entry may be removed from any thread.
unsafe impl Send for Directory {}
// SAFETY: Nothing is reachable through a shared reference but the entry, which is not changed.
unsafe impl Sync for Directory {}

impl Directory {
    /// Makes a directory in `/proc/net` of the first network name space.
    ///
    /// # Errors
    ///
    /// `ENOMEM` also stands for a name that exists.
    pub(crate) fn in_net(name: &CStr) -> Result<Self> {
        // SAFETY: `name` is valid; `/proc/net` of the first network name space exists for ever.
        let entry = unsafe { bindings::iscsi_init_proc_net_mkdir(name.as_char_ptr()) };
        Ok(Self(NonNull::new(entry).ok_or(ENOMEM)?))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // SAFETY: The entry was made by `in_net` and is removed once.
        unsafe { bindings::proc_remove(self.0.as_ptr()) }
    }
}

/// The file, readable by all; dropping it removes it.
pub(crate) struct File<T: Show> {
    entry: NonNull<bindings::proc_dir_entry>,
    // Freed after the file is gone.
    _content: Arc<T>,
    // Goes after the file, which would go with it.
    _directory: Option<Arc<Directory>>,
}

// SAFETY: The entry may be removed from any thread; `T` is `Send` and `Sync` by `Show`.
unsafe impl<T: Show> Send for File<T> {}
// SAFETY: Nothing is reachable through a shared reference.
unsafe impl<T: Show> Sync for File<T> {}

impl<T: Show> File<T> {
    /// Makes the file.
    ///
    /// # Errors
    ///
    /// `ENOMEM` also stands for a name that exists.
    pub(crate) fn new(place: Place, name: &CStr, content: Arc<T>) -> Result<Self> {
        let parent = match &place {
            Place::Root => core::ptr::null_mut(),
            // SAFETY: The directory of the first network name space exists for ever.
            Place::Net => unsafe { bindings::iscsi_init_proc_net() },
            Place::In(directory) => directory.0.as_ptr(),
        };
        // SAFETY: `name` is valid, and `parent` is a directory, or stands for the root; the content
        // outlives the file, since removing that waits for readers.
        let entry = unsafe {
            bindings::proc_create_single_data(
                name.as_char_ptr(),
                0o444,
                parent,
                Some(show::<T>),
                Arc::as_ptr(&content).cast_mut().cast(),
            )
        };
        Ok(Self {
            entry: NonNull::new(entry).ok_or(ENOMEM)?,
            _content: content,
            _directory: match place {
                Place::In(directory) => Some(directory),
                Place::Root | Place::Net => None,
            },
        })
    }
}

impl<T: Show> Drop for File<T> {
    fn drop(&mut self) {
        // SAFETY: The entry was made by `new` and is removed once.
        unsafe { bindings::proc_remove(self.entry.as_ptr()) }
    }
}

/// # Safety
///
/// Called by seq_file for a file made by [`File::new`] for the same `T`: `file.private` is its
/// content.
unsafe extern "C" fn show<T: Show>(file: *mut bindings::seq_file, _: *mut c_void) -> c_int {
    // SAFETY: `file` is valid and this call's alone until it returns.
    let file = unsafe { &mut *file };
    // SAFETY: `private` is what `proc_create_single_data` was given.
    let content = unsafe { &*file.private.cast::<T>() };

    match content.show(&mut Output(file)) {
        Ok(()) => 0,
        Err(fmt::Error) => ENOMEM.to_errno(),
    }
}

#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
#[kunit_tests(iscsi_init_proc)]
mod tests {
    use super::*;
    use crate::linux::procfs;
    use core::fmt::Write;

    fn file(text: KVec<u8>) -> Result<File<KVec<u8>>> {
        let text = Arc::new(text, GFP_KERNEL)?;
        File::new(Place::Net, c"iscsi_init_test", text)
    }

    /// Longer than a page, with what a C string could not have.
    fn text() -> Result<KVec<u8>> {
        let mut text = KVec::from_elem(b'x', 10_000, GFP_KERNEL)?;
        text.extend_from_slice("\0é\n".as_bytes(), GFP_KERNEL)?;
        Ok(text)
    }

    #[test]
    fn the_file_has_the_text_and_goes() -> Result {
        let file = file(text()?)?;
        let read = procfs::read(c"net/iscsi_init_test");
        drop(file);
        assert_eq!(read?, text()?);
        assert_eq!(procfs::read(c"net/iscsi_init_test").err(), Some(ENOENT));
        Ok(())
    }

    /// Shows how often it was shown.
    struct Counter(core::sync::atomic::AtomicU32);

    impl Show for Counter {
        fn show(&self, output: &mut Output<'_>) -> fmt::Result {
            let count = self.0.fetch_add(1, core::sync::atomic::Ordering::Relaxed);
            writeln!(output, "{count}")
        }
    }

    #[test]
    fn each_reader_gets_a_text_of_its_own() -> Result {
        let counter = Arc::new(Counter(0.into()), GFP_KERNEL)?;
        let _file = File::new(Place::Root, c"iscsi_init_test", counter)?;
        assert_eq!(&*procfs::read(c"iscsi_init_test")?, b"0\n".as_slice());
        assert_eq!(&*procfs::read(c"iscsi_init_test")?, b"1\n".as_slice());
        Ok(())
    }

    #[test]
    fn a_directory_has_its_file_and_goes() -> Result {
        // The second one could not be made if the first were still there.
        for _ in 0..2 {
            let directory = Arc::new(Directory::in_net(c"iscsi_init_tests")?, GFP_KERNEL)?;
            let text = Arc::new(text()?, GFP_KERNEL)?;
            let file = File::new(Place::In(directory), c"test", text.clone())?;
            let read = procfs::read(c"net/iscsi_init_tests/test");
            drop(file);
            assert_eq!(read?, *text);
            let gone = procfs::read(c"net/iscsi_init_tests/test").err();
            assert_eq!(gone, Some(ENOENT));
        }
        Ok(())
    }

    #[test]
    fn a_name_that_exists_is_an_error() -> Result {
        let first = file(text()?)?;
        // SAFETY: A test is running.
        let test = unsafe { kernel::bindings::kunit_get_current_test() };
        // The kernel says, with a warning, that there is a mistake in the code.
        // SAFETY: As above.
        let warning = unsafe { kernel::bindings::kunit_start_suppress_warning(test) };
        let second = file(KVec::new()).err();
        // SAFETY: `warning` comes from the call above.
        unsafe { kernel::bindings::kunit_end_suppress_warning(test, warning) };
        let read = procfs::read(c"net/iscsi_init_test");
        drop(first);
        assert_eq!(second, Some(ENOMEM));
        assert_eq!(read?, text()?);
        Ok(())
    }
}
