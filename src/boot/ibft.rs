// SPDX-License-Identifier: GPL-2.0-only

//! The table in which the firmware says what it has booted from; it may have secrets.
//!
//! A table that cannot be read is as good as none, but for a line in the log: the machine may have
//! been told all it needs, and DHCP may know the rest.

use super::error::Failure;
use crate::{
    initiator::authentication::Authentication,
    linux::ibft::Place,
    proto::{
        config::{
            ibft::{
                Ibft,
                MAX_LENGTH, //
            },
            merge::{
                Request,
                Tell, //
            },
            target::Target,
        },
        iscsi::chap::Credentials,
        secret, //
    },
};
use kernel::prelude::*;

/// A copy of the table; without one, none. It is cleared when it is dropped.
pub(super) struct Firmware(KVec<u8>);

impl Firmware {
    /// Copies the first table that can be read.
    #[inline(never)]
    pub(super) fn read() -> Result<Self, Failure<'static>> {
        for place in Place::ALL {
            let Some(table) = place.read(MAX_LENGTH).map_err(Failure::Kernel)? else {
                continue;
            };
            let firmware = Self(table);
            match Ibft::parse(&firmware.0) {
                Ok(ibft) => {
                    Self::tell(ibft, place);
                    return Ok(firmware);
                }
                Err(error) => pr_warn!(
                    "the iBFT ({}) is not used: {}; check the firmware's iSCSI settings\n",
                    core::format_args!("{place}"),
                    core::format_args!("{error}")
                ),
            }
        }
        Ok(Self(KVec::new()))
    }

    /// Says what is there.
    fn tell(ibft: Ibft<'_>, place: Place) {
        pr_info!(
            "iBFT ({}): {} network devices, {} targets\n",
            core::format_args!("{place}"),
            ibft.nics().count(),
            ibft.targets().count()
        );
    }

    fn ibft(&self) -> Option<Ibft<'_>> {
        Ibft::parse(&self.0).ok()
    }

    /// Takes from the table what nobody has said before.
    #[inline(never)]
    pub(super) fn complete(&self, request: &mut Request, tell: Tell<'_>) {
        // Where the kernel's own ipconfig was told to, it has set up the network.
        let may_configure = !(cfg!(CONFIG_IP_PNP) && request.ipconfig);

        if let Some(ibft) = self.ibft() {
            request.take_ibft(ibft, may_configure, tell);
        }
    }

    /// What a login to `target` authenticates with, if it does.
    #[inline(never)]
    pub(super) fn authentication(
        &self,
        target: &Target,
    ) -> Result<Option<Authentication>, Failure<'static>> {
        let Some(chap) = self.ibft().and_then(|ibft| ibft.chap(&target.name)) else {
            return Ok(None);
        };
        // Filled where they stay, so that no copy of a secret is left behind.
        let mut credentials =
            KBox::new(Credentials::none(), GFP_KERNEL).map_err(Failure::kernel)?;

        chap.read_into(&mut credentials);
        Authentication::new(credentials)
            .map(Some)
            .map_err(Failure::authentication)
    }

    /// Hands over the targets, each with its boot LUN, in the order in which they are tried.
    pub(super) fn targets(&self, mut add: impl FnMut(Target, u16)) {
        if let Some(ibft) = self.ibft() {
            for (target, lun) in ibft.targets_in_order() {
                add(target, lun);
            }
        }
    }
}

impl Drop for Firmware {
    fn drop(&mut self) {
        secret::wipe(&mut self.0);
    }
}
