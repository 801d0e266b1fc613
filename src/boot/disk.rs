// SPDX-License-Identifier: GPL-2.0-only

//! The boot LUN, from a number to a disk that can be opened.

use super::error::Failure;
use crate::{
    initiator::Initiator,
    linux::clock,
    proto::config::merge::Boot, //
};
use kernel::prelude::*;

/// How long a disk driver has to take the boot LUN, and the interval between looks, in milliseconds.
const TIMEOUT: u64 = 10_000;
const INTERVAL: u32 = 2;

/// Has the mid-layer find the boot LUN, waits for the disk on it, and has the other LUNs found after it: so the boot disk
/// is the first of the target's.
pub(super) fn wait(initiator: &Initiator, boot: &Boot, start: u64) -> Result<(), Failure<'static>> {
    let lun = boot.lun.value;

    let Some(unit) = initiator.logical_unit(lun) else {
        let target = KBox::new(boot.target.value.clone(), GFP_KERNEL).map_err(Failure::kernel)?;
        return Err(Failure::NoLun { lun, target });
    };
    let deadline = clock::milliseconds().saturating_add(TIMEOUT);
    let disk = loop {
        if let Some(disk) = unit.disk() {
            if disk.try_open().is_ok() || clock::milliseconds() >= deadline {
                break disk;
            }
        } else if !unit.is_disk() || clock::milliseconds() >= deadline {
            return Err(Failure::NoDisk {
                lun,
                kind: unit.kind(),
            });
        }
        clock::sleep(INTERVAL);
    };
    disk.try_open()
        .map_err(|error| Failure::Unreadable { lun, error })?;
    initiator.scan();
    initiator.booted();
    pr_info!(
        "boot disk {} is LUN {lun} of host {}, ready after {} ms\n",
        disk.name(),
        initiator.host_number().unwrap_or_default(),
        clock::milliseconds().saturating_sub(start)
    );
    Ok(())
}
