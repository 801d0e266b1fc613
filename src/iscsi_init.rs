// SPDX-License-Identifier: GPL-2.0-only

//! Gives a diskless machine its root disk over iSCSI, without one user-space program.
//!
//! `insmod iscsi_init.ko` brings the network interface up, asks DHCP or BOOTP, logs in to the
//! target it learns of and registers a SCSI host; it returns when the boot disk can be opened.
//! Built into the kernel, it does so before the root file system is mounted.
//!
//! - [`boot`]: the order in which that happens.
//! - [`initiator`]: the SCSI host over iSCSI.
//! - [`proto`]: the protocols, pure: bytes and states in, bytes and actions out.
//! - [`linux`]: safe wrappers over the C kernel API, the only `unsafe` code.

#![deny(unsafe_code)]

use kernel::prelude::*;

mod boot;
mod initiator;
mod linux;
pub mod proto;

module! {
    type: IscsiInit,
    name: "iscsi_init",
    authors: ["The iscsi_init developers"],
    description: "Gives a diskless machine its root disk over iSCSI",
    license: "GPL v2",
}

struct IscsiInit {
    _machine: Option<KBox<boot::Machine>>,
}

impl kernel::Module for IscsiInit {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self {
            _machine: boot::init()?,
        })
    }
}
