// SPDX-License-Identifier: GPL-2.0-only

//! What the logical units of a host have said that they are called.
//!
//! C header: [`include/scsi/scsi_device.h`](srctree/include/scsi/scsi_device.h)

use crate::linux::bindings;
use core::ptr::NonNull;
use kernel::prelude::*;

/// The most of a Device Identification page that is looked at, in bytes.
const PAGE_SIZE: usize = 252;

/// A logical unit with the page that the mid-layer has read when it found the unit.
#[derive(Clone)]
pub(crate) struct Identification {
    /// The mid-layer's number of the logical unit.
    pub(crate) lun: u64,
    /// Its peripheral device type (SPC-5 section 6.7.2).
    pub(crate) kind: u8,
    page: [u8; PAGE_SIZE],
    length: usize,
}

impl Identification {
    /// The page; empty where the unit has none.
    pub(crate) fn page(&self) -> &[u8] {
        self.page.get(..self.length).unwrap_or_default()
    }
}

/// A host that was found by its number.
struct Found(NonNull<bindings::Scsi_Host>);

impl Drop for Found {
    fn drop(&mut self) {
        // SAFETY: The reference is the search's.
        unsafe { bindings::scsi_host_put(self.0.as_ptr()) }
    }
}

/// A unit of it that the search has come to; going on gives the reference back.
struct Device<'a> {
    host: &'a Found,
    device: Option<NonNull<bindings::scsi_device>>,
}

impl Device<'_> {
    fn next(&mut self) -> Option<NonNull<bindings::scsi_device>> {
        let before = self
            .device
            .take()
            .map_or(core::ptr::null_mut(), NonNull::as_ptr);
        // SAFETY: The host is valid; `before` is null or a unit of it with a reference of ours,
        // which this call takes.
        let next = unsafe { bindings::__scsi_iterate_devices(self.host.0.as_ptr(), before) };
        self.device = NonNull::new(next);
        self.device
    }
}

impl Drop for Device<'_> {
    fn drop(&mut self) {
        if let Some(device) = self.device {
            // SAFETY: The reference is ours.
            unsafe { bindings::scsi_device_put(device.as_ptr()) }
        }
    }
}

/// The logical units of the host with this number; none where there is no such host. Process
/// context.
///
/// # Errors
///
/// `ENOMEM`: the kernel has no room for the list.
// Not in one piece of memory: with very many units the kernel may have none that large.
pub(crate) fn identifications(host: u32) -> Result<KVVec<Identification>> {
    let mut units = KVVec::new();
    // SAFETY: Any number may be asked for.
    let Some(host) = NonNull::new(unsafe { bindings::scsi_host_lookup(host) }) else {
        return Ok(units);
    };
    let host = Found(host);
    let mut devices = Device {
        host: &host,
        device: None,
    };

    while let Some(device) = devices.next() {
        let mut unit = Identification {
            lun: 0,
            // SAFETY: `devices` holds a reference to the unit; its type does not change.
            kind: unsafe { device.as_ref().type_ },
            page: [0; PAGE_SIZE],
            length: 0,
        };
        // SAFETY: `devices` holds a reference to the unit; the page has room for so many bytes.
        let length = unsafe {
            bindings::iscsi_init_device_identification(
                device.as_ptr(),
                &mut unit.lun,
                unit.page.as_mut_ptr(),
                PAGE_SIZE as u32,
            )
        };
        // CAST: At most PAGE_SIZE.
        unit.length = length as usize;
        units.push(unit, GFP_KERNEL)?;
    }
    Ok(units)
}

#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
#[kunit_tests(iscsi_init_identification)]
mod tests {
    use super::*;
    use crate::linux::scsi::testing::{
        Set,
        PROCESSOR, //
    };

    #[test]
    fn every_unit_of_a_host_is_listed_and_let_go() -> Result {
        let set = Set::new(PROCESSOR, &[0, 5], 4)?;
        set.host.scan(None);
        let units = identifications(set.host.number())?;
        let mut luns: [u64; 2] = [9; 2];
        assert_eq!(units.len(), luns.len());
        for (lun, unit) in luns.iter_mut().zip(&units) {
            *lun = unit.lun;
            assert_eq!(unit.kind, PROCESSOR);
            // The tests' target has no such page.
            assert!(unit.page().is_empty());
        }
        luns.sort_unstable();
        assert_eq!(luns, [0, 5]);
        let number = set.host.number();
        // That the host goes away at all shows that nobody holds a unit of it.
        drop(set);
        assert!(identifications(number)?.is_empty());
        Ok(())
    }
}
