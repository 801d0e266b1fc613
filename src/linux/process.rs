// SPDX-License-Identifier: GPL-2.0-only

//! Who a process is.
//!
//! C header: [`include/linux/pid.h`](srctree/include/linux/pid.h)

use super::bindings;

/// What a program's name is cut to, with its NUL (`TASK_COMM_LEN`).
const NAME_SIZE: usize = 16;

/// The name of a program.
pub(crate) struct Name([u8; NAME_SIZE]);

impl Name {
    /// The program that the process `number` runs; `None` where there is no such process any more.
    pub(crate) fn of(number: u32) -> Option<Self> {
        let number = i32::try_from(number).ok()?;
        let mut name = [0; NAME_SIZE];
        // SAFETY: `name` has room for so many bytes.
        let found = unsafe {
            bindings::iscsi_init_process_name(number, name.as_mut_ptr().cast(), NAME_SIZE)
        };
        found.then_some(Self::new(name))
    }

    fn new(mut name: [u8; NAME_SIZE]) -> Self {
        // A program can call itself what it likes.
        for byte in &mut name {
            if !matches!(byte, 0 | b' '..=b'~') {
                *byte = b'?';
            }
        }
        Self(name)
    }

    /// The name, as text.
    pub(crate) fn as_str(&self) -> &str {
        let name = self.0.split(|byte| *byte == 0).next().unwrap_or_default();
        core::str::from_utf8(name).unwrap_or("?")
    }
}

/// The process in which this runs, by its number, and its program; `None` in a thread of the
/// kernel's own.
pub(crate) fn current() -> Option<(u32, Name)> {
    let mut name = [0; NAME_SIZE];
    // SAFETY: `name` has room for so many bytes.
    let number =
        unsafe { bindings::iscsi_init_process_current(name.as_mut_ptr().cast(), NAME_SIZE) };

    (number != 0).then(|| (number, Name::new(name)))
}

#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
#[kernel::prelude::kunit_tests(iscsi_init_process)]
mod tests {
    use super::*;

    #[test]
    fn the_first_process_has_a_name_and_the_last_is_none() {
        // What it runs is the kernel's to choose, but there is one, and it is no thread of another.
        assert!(Name::of(1).is_some_and(|name| !name.as_str().is_empty()));
        assert!(Name::of(u32::MAX).is_none());
        assert!(Name::of(i32::MAX.unsigned_abs()).is_none());
    }

    #[test]
    fn a_thread_of_the_kernel_is_no_process() {
        assert!(current().is_none());
    }
}
