// SPDX-License-Identifier: GPL-2.0-only

//! The pure core of the `iscsi_init` kernel module, built for the host.
//!
//! Cargo compiles the very files that Kbuild compiles into the module, so what is tested
//! here is what runs there.

#![no_std]
#![deny(unsafe_code)]

pub mod proto;
