// SPDX-License-Identifier: GPL-2.0-only

//! The tables in which firmware may have left what it booted from over iSCSI.
//!
//! A BIOS, or what it has started, leaves one in low memory, where the kernel looks for it before
//! anything else can overwrite it (`CONFIG_ISCSI_IBFT_FIND`); UEFI, and some BIOS, make it an ACPI
//! table (`CONFIG_ACPI`). Without those there is none.
//!
//! C headers: [`include/linux/iscsi_ibft.h`](srctree/include/linux/iscsi_ibft.h),
//! [`include/acpi/acpixf.h`](srctree/include/acpi/acpixf.h)

use super::bindings;
use core::fmt;
use kernel::prelude::*;

/// The bytes at the front of each ACPI table that say what it is and how long.
const SIGNATURE_AND_LENGTH: usize = 8;

/// Where a table may be.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    /// Below the first megabyte.
    LowMemory,
    /// Among the ACPI tables, with this signature.
    Acpi(&'static CStr),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LowMemory => f.write_str("low memory"),
            Self::Acpi(signature) => {
                let signature = core::str::from_utf8(signature.to_bytes()).unwrap_or_default();
                write!(f, "ACPI table {signature}")
            }
        }
    }
}

impl Place {
    /// All of them, in the order in which the kernel's own `iscsi_ibft` looks.
    pub(crate) const ALL: [Self; 4] = [
        Self::LowMemory,
        Self::Acpi(c"IBFT"),
        Self::Acpi(c"iBFT"),
        Self::Acpi(c"BIFT"),
    ];

    /// A copy of what is there, of at most `max` bytes and no longer than it says it is; the
    /// vector's memory has held nothing else of it.
    pub(crate) fn read(self, max: usize) -> Result<Option<KVec<u8>>> {
        let mut front = [0; SIGNATURE_AND_LENGTH];

        if self.copy(&mut front) < front.len() {
            return Ok(None);
        }
        let [.., a, b, c, d] = front;
        let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(max);
        let mut table = KVec::from_elem(0, length.min(max), GFP_KERNEL)?;
        let length = self.copy(&mut table);
        table.truncate(length);
        Ok(Some(table))
    }

    /// Copies the front of what is there; returns how many bytes.
    fn copy(self, to: &mut [u8]) -> usize {
        let (to, size) = (to.as_mut_ptr(), to.len());

        match self {
            // SAFETY: `to` is writable for `size` bytes.
            Self::LowMemory => unsafe { bindings::iscsi_init_ibft_low_memory(to, size) },
            // SAFETY: As above; the signature is a string of four characters.
            Self::Acpi(signature) => unsafe {
                bindings::iscsi_init_ibft_acpi(signature.as_char_ptr(), to, size)
            },
        }
    }
}

#[cfg(all(CONFIG_ISCSI_INIT_KUNIT_TEST, CONFIG_ACPI))]
#[kunit_tests(iscsi_init_ibft)]
mod tests {
    use super::*;

    /// The table that every machine with ACPI has stands for one that few have.
    #[test]
    fn an_acpi_table_is_copied_whole() -> Result {
        let table = Place::Acpi(c"FACP").read(usize::MAX)?.ok_or(ENOENT)?;
        let sum = table.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        assert!(table.starts_with(b"FACP"));
        assert!(table.len() > 36);
        assert_eq!(sum, 0);
        let front = Place::Acpi(c"FACP").read(36)?.ok_or(ENOENT)?;
        assert_eq!(front.len(), 36);
        assert!(table.starts_with(&front));
        Ok(())
    }

    #[test]
    fn what_is_not_there_is_none() -> Result {
        assert!(Place::Acpi(c"NONE").read(64)?.is_none());
        assert!(Place::LowMemory.read(64)?.is_none());
        Ok(())
    }
}
