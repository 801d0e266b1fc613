// SPDX-License-Identifier: GPL-2.0-only

//! The boot LUN, from a number to a disk that can be opened.

use super::{
    attempts::{
        Attempts,
        Milestone, //
    },
    error::Failure, //
};
use crate::{
    initiator::Initiator,
    linux::clock,
    proto::config::{
        iscsi_conf::Luns,
        target::Target, //
    }, //
};
use kernel::prelude::*;

/// How long a disk driver has to take the boot LUN, how long it then has for its first look at the
/// disk, which the session's own limits end sooner, and the interval between looks, in
/// milliseconds.
const TIMEOUT: u64 = 10_000;
const LOOK_TIMEOUT: u64 = 80_000;
const INTERVAL: u32 = 2;

/// Has the mid-layer find the boot LUN, waits for the disk on it, and has the others of `luns`, or
/// all, found once that disk has its name, while it is looked at: so it is the first of the
/// target's.
#[inline(never)]
pub(super) fn wait(
    initiator: &Initiator,
    target: &Target,
    lun: u16,
    luns: Option<Luns>,
    attempts: &mut Attempts,
) -> Result<(), Failure<'static>> {
    let lost = || match KBox::new(target.clone(), GFP_KERNEL) {
        Ok(target) => Failure::Lost(target),
        Err(error) => Failure::kernel(error),
    };
    let Some(unit) = initiator.logical_unit(lun) else {
        if !initiator.is_alive() {
            return Err(lost());
        }
        let target = KBox::new(target.clone(), GFP_KERNEL).map_err(Failure::kernel)?;
        return Err(Failure::NoLun { lun, target });
    };
    let begin = clock::milliseconds();
    let mut others = Some(luns);
    let disk = loop {
        if let Some(luns) = others.take_if(|_| unit.is_named()) {
            initiator.scan(luns);
        }
        let waited = clock::milliseconds().saturating_sub(begin);
        let late = waited >= TIMEOUT;
        let opened = unit.disk().map(|disk| disk.try_open().map(|()| disk));
        // After that: a session that ends makes the look at the disk come to its end too, with a
        // disk that can be opened but has no partitions.
        if !initiator.is_alive() {
            return Err(lost());
        }
        match opened {
            Some(Ok(disk)) => break disk,
            Some(Err(error)) if late => return Err(Failure::Unreadable { lun, error }),
            None if waited >= LOOK_TIMEOUT => {
                let error = ETIMEDOUT;
                return Err(Failure::Unreadable { lun, error });
            }
            None if late && !unit.has_driver() || !unit.is_disk() => {
                let kind = unit.kind();
                return Err(Failure::NoDisk { lun, kind });
            }
            _ => {}
        }
        clock::sleep(INTERVAL);
    };
    attempts.reached(Milestone::Disk);
    initiator.booted(&unit).map_err(Failure::Kernel)?;
    if let Some(luns) = others {
        initiator.scan(luns);
    }
    pr_info!(
        "boot disk {} is LUN {lun} of host {}, ready after {} ms\n",
        disk.name(),
        initiator.host_number().unwrap_or_default(),
        attempts.elapsed()
    );
    Ok(())
}
