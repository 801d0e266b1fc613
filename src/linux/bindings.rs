// SPDX-License-Identifier: GPL-2.0-only

//! What bindgen made of `bindings_helper.h` for the kernel being built against.
//!
//! Nothing outside `linux` uses it: each piece is wrapped in the file named after it.

#![allow(
    clippy::all,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_op_in_unsafe_fn
)]
#![cfg_attr(CONFIG_RUSTC_HAS_UNNECESSARY_TRANSMUTES, allow(unnecessary_transmutes))]

// The sizes of these differ between C's and Rust's view of the same machine word.
type __kernel_size_t = usize;
type __kernel_ssize_t = isize;
type __kernel_ptrdiff_t = isize;

include!(env!("ISCSI_INIT_BINDINGS"));
