// SPDX-License-Identifier: GPL-2.0-only

//! Safe wrappers over the C kernel API, and the only `unsafe` code of the module.
//!
//! Each file wraps one thing and decides nothing; nothing in here knows iSCSI,
//! DHCP or the order of a boot.
//!
//! - [`clock`], [`event`], [`memory`], [`random`], [`thread`]: time, waiting, and who
//!   does the work.
//! - [`cmdline`], [`dmi`], [`ibft`], [`ipconfig`], [`params`]: what the kernel and the module were
//!   told.
//! - [`module`], [`root_mount`]: what becomes of code that is loaded, and of code that is built in.
//! - [`file`], [`keyring`], [`shash`]: files, secrets, and hash functions.
//! - [`crc32c`], [`socket`], [`tcp`]: digests, sockets, and a connection whose lock protects its
//!   owner's state.
//! - [`scsi`], [`disk`], [`platform`]: the SCSI host, its commands and the disks under it.
//! - [`proc`], [`process`], [`netdev`], [`reboot`], [`uts`]: what the rest of the machine sees, who
//!   it is, and what is heard of it.

#![allow(unsafe_code)]

mod bindings;
pub(crate) mod clock;
pub(crate) mod cmdline;
pub(crate) mod crc32c;
pub(crate) mod disk;
pub(crate) mod dmi;
pub(crate) mod errno;
pub(crate) mod event;
pub(crate) mod file;
pub(crate) mod ibft;
pub(crate) mod ipconfig;
pub(crate) mod keyring;
pub(crate) mod memory;
pub(crate) mod module;
pub(crate) mod netdev;
pub(crate) mod params;
pub(crate) mod platform;
pub(crate) mod proc;
pub(crate) mod process;
#[cfg(any(MODULE, CONFIG_ISCSI_INIT_KUNIT_TEST))]
mod procfs;
pub(crate) mod random;
pub(crate) mod reboot;
#[cfg(not(MODULE))]
pub(crate) mod root_mount;
pub(crate) mod scsi;
pub(crate) mod shash;
pub(crate) mod socket;
pub(crate) mod tcp;
#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
mod testing;
pub(crate) mod thread;
pub(crate) mod uts;
