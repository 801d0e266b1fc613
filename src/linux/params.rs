// SPDX-License-Identifier: GPL-2.0-only

//! The module's string parameters.
//!
//! `module!` has integers only, so the strings are declared in `helpers.c`.
//!
//! C header: [`include/linux/moduleparam.h`](srctree/include/linux/moduleparam.h)

use super::bindings;
use core::ffi::CStr;
use kernel::ffi::c_char;

const SIZE: usize = bindings::ISCSI_INIT_PARAMETER_SIZE as usize;

/// The value of `if=`, if one was given and it is text.
pub(crate) fn interface() -> Option<&'static str> {
    // SAFETY: The array is written before the module starts and never afterwards:
    // its permissions are 0444.
    text(unsafe { &*core::ptr::addr_of!(bindings::iscsi_init_if) })
}

/// The value of `initiator=`.
pub(crate) fn initiator() -> Option<&'static str> {
    // SAFETY: As in `interface`.
    text(unsafe { &*core::ptr::addr_of!(bindings::iscsi_init_initiator) })
}

/// The value of `target=`.
pub(crate) fn target() -> Option<&'static str> {
    // SAFETY: As in `interface`.
    text(unsafe { &*core::ptr::addr_of!(bindings::iscsi_init_target) })
}

/// The value of `lun=`.
pub(crate) fn lun() -> Option<&'static str> {
    // SAFETY: As in `interface`.
    text(unsafe { &*core::ptr::addr_of!(bindings::iscsi_init_lun) })
}

/// The value of `conf=`.
pub(crate) fn conf() -> Option<&'static str> {
    // SAFETY: As in `interface`.
    text(unsafe { &*core::ptr::addr_of!(bindings::iscsi_init_conf) })
}

/// The value of `timeout=`.
pub(crate) fn timeout() -> Option<&'static str> {
    // SAFETY: As in `interface`.
    text(unsafe { &*core::ptr::addr_of!(bindings::iscsi_init_timeout) })
}

fn text(array: &'static [c_char; SIZE]) -> Option<&'static str> {
    // What is not text is no valid value of any parameter, but one that was given.
    let text = CStr::from_bytes_until_nul(array)
        .ok()?
        .to_str()
        .unwrap_or("\u{fffd}");

    (!text.is_empty()).then_some(text)
}

#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
#[kernel::prelude::kunit_tests(iscsi_init_params)]
mod tests {
    use super::*;

    static EMPTY: [c_char; SIZE] = [0; SIZE];
    static WORD: [c_char; SIZE] = filled(b"eth0", 0);
    static NO_TEXT: [c_char; SIZE] = filled(b"eth\xff", 0);
    static NO_END: [c_char; SIZE] = filled(b"", b'x');

    const fn filled(start: &[u8], rest: c_char) -> [c_char; SIZE] {
        let mut array = [rest; SIZE];
        let mut at = 0;
        while at < start.len() {
            array[at] = start[at];
            at += 1;
        }
        array
    }

    #[test]
    fn a_parameter_is_its_text_up_to_the_terminator() {
        assert_eq!(text(&EMPTY), None);
        assert_eq!(text(&WORD), Some("eth0"));
        assert_eq!(text(&NO_END), None);
    }

    #[test]
    fn what_is_no_text_was_given_all_the_same() {
        assert_eq!(text(&NO_TEXT), Some("\u{fffd}"));
    }
}
