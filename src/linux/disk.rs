// SPDX-License-Identifier: GPL-2.0-only

//! The disk that the kernel makes of a logical unit.
//!
//! C header: [`include/linux/blkdev.h`](srctree/include/linux/blkdev.h)

use super::{
    bindings,
    scsi::{
        Host,
        Operations, //
    },
};
use core::{
    ffi::CStr,
    ptr::NonNull, //
};
use kernel::{
    error::from_err_ptr,
    prelude::*, //
};

/// Whether the disk driver takes logical units of this type (SPC-5 section 6.7.2): direct access,
/// also by zones, reduced, or optical memory.
pub(crate) const fn is_disk(kind: u8) -> bool {
    matches!(kind, 0x00 | 0x07 | 0x0e | 0x14)
}

/// A logical unit the mid-layer knows.
pub(crate) struct LogicalUnit(NonNull<bindings::scsi_device>);

impl LogicalUnit {
    /// Finds logical unit `lun` behind `host`.
    pub(crate) fn find<T: Operations>(host: &Host<T>, lun: u64) -> Option<Self> {
        // SAFETY: The host is registered; the call takes a reference to what it returns.
        let device = unsafe { bindings::scsi_device_lookup(host.as_ptr(), 0, 0, lun) };
        NonNull::new(device).map(Self)
    }

    /// The mid-layer's number of it.
    pub(crate) fn lun(&self) -> u64 {
        // SAFETY: The device is referenced; its number does not change.
        unsafe { self.0.as_ref().lun }
    }

    /// Its peripheral device type (SPC-5 section 6.7.2).
    pub(crate) fn kind(&self) -> u8 {
        // SAFETY: The device is referenced; its type does not change.
        unsafe { self.0.as_ref().type_ }
    }

    /// Whether it is of a type that a disk driver takes.
    pub(crate) fn is_disk(&self) -> bool {
        is_disk(self.kind())
    }

    /// Whether a driver has taken it, or is looking at it.
    pub(crate) fn has_driver(&self) -> bool {
        // SAFETY: The device is referenced.
        unsafe { bindings::iscsi_init_device_has_driver(self.0.as_ptr()) }
    }

    /// Whether the disk on it has its name, which no other gets any more; it may be long before it
    /// can be opened.
    pub(crate) fn is_named(&self) -> bool {
        // SAFETY: The device is referenced; process context.
        unsafe { bindings::iscsi_init_device_is_named(self.0.as_ptr()) }
    }

    /// The name of the disk on it, such as `sda`, once a driver has taken it.
    pub(crate) fn disk(&self) -> Option<Disk> {
        let mut disk = Disk {
            number: 0,
            name: [0; Disk::NAME_SIZE],
        };

        // SAFETY: The device is referenced, and `name` is writable for its size.
        disk.number = unsafe {
            bindings::iscsi_init_disk_of(
                self.0.as_ptr(),
                disk.name.as_mut_ptr().cast(),
                Disk::NAME_SIZE,
            )
        };
        (disk.number != 0).then_some(disk)
    }
}

impl Drop for LogicalUnit {
    fn drop(&mut self) {
        // SAFETY: The reference is ours.
        unsafe { bindings::scsi_device_put(self.0.as_ptr()) }
    }
}

/// A block device.
pub(crate) struct Disk {
    number: bindings::dev_t,
    name: [u8; Self::NAME_SIZE],
}

impl Disk {
    /// DISK_NAME_LEN.
    const NAME_SIZE: usize = 32;

    /// Its name, such as `sda`.
    pub(crate) fn name(&self) -> &str {
        CStr::from_bytes_until_nul(&self.name)
            .ok()
            .and_then(|name| name.to_str().ok())
            .unwrap_or_default()
    }

    /// Opens the disk for reading once, which also reads its partition table if nobody has yet.
    pub(crate) fn try_open(&self) -> Result {
        // SAFETY: Any device number may be asked for; no holder is named.
        let file = from_err_ptr(unsafe {
            bindings::bdev_file_open_by_dev(
                self.number,
                bindings::iscsi_init_blk_open_read,
                core::ptr::null_mut(),
                core::ptr::null(),
            )
        })?;
        // At once: else the file would last until insmod returns, which could wait for it when it
        // takes the disk away.
        // SAFETY: The reference is ours and the only one; nothing is claimed through it.
        unsafe { bindings::__fput_sync(file) };
        Ok(())
    }
}

#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
#[kunit_tests(iscsi_init_disk)]
mod tests {
    use super::*;
    use crate::linux::{
        clock,
        scsi::testing::{
            Set,
            DISK,
            PROCESSOR, //
        },
    };
    use core::sync::atomic::Ordering;

    #[test]
    fn what_is_no_disk_has_none() -> Result {
        let set = Set::new(PROCESSOR, &[0], 4)?;
        let unit = LogicalUnit::find(&set.host, 0).ok_or(ENXIO)?;
        assert_eq!(unit.kind(), PROCESSOR);
        assert!(!unit.is_disk());
        assert!(unit.disk().is_none());
        assert!(!unit.is_named());
        assert!(LogicalUnit::find(&set.host, 1).is_none());
        Ok(())
    }

    #[test]
    fn a_disk_is_read_while_there_is_its_host() -> Result {
        let set = Set::new(DISK, &[0], 4)?;
        let Set { host, target, .. } = set;
        let unit = LogicalUnit::find(&host, 0).ok_or(ENXIO)?;
        assert!(unit.is_disk());
        // A driver takes it, and reads its partition table, in a thread of its own.
        let disk = loop {
            match unit.disk() {
                Some(disk) if disk.try_open().is_ok() => break disk,
                _ => clock::sleep(5),
            }
        };
        assert!(disk.name().starts_with("sd"));
        assert!(unit.is_named());
        assert!(target.repeatable.load(Ordering::SeqCst) > 0);
        drop(host);
        assert!(unit.disk().is_none());
        assert!(!unit.is_named());
        assert!(disk.try_open().is_err());
        Ok(())
    }
}
