// SPDX-License-Identifier: GPL-2.0-only

//! Logical unit numbers in the eight bytes that SAM gives them.
//!
//! Source: RFC 7143 section 11.2.1.7; SAM-5 section 4.7 for the addressing methods.

/// A logical unit number as it stands in a PDU.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Lun([u8; 8]);

impl Lun {
    /// One past the largest number of peripheral device addressing on bus 0.
    const PERIPHERAL_END: u16 = 256;
    /// One past the largest number of flat space addressing.
    const FLAT_END: u16 = 16_384;
    /// The two bits that say how the first level is addressed.
    const METHOD: u16 = 0xc000;
    const METHOD_PERIPHERAL: u16 = 0x0000;
    const METHOD_FLAT: u16 = 0x4000;

    /// The single-level encoding of `number`: peripheral addressing below 256, flat addressing up
    /// to 16383.
    ///
    /// `None` when `number` is larger; no single-level encoding reaches it.
    pub const fn from_number(number: u16) -> Option<Self> {
        let level = if number < Self::PERIPHERAL_END {
            number | Self::METHOD_PERIPHERAL
        } else if number < Self::FLAT_END {
            number | Self::METHOD_FLAT
        } else {
            return None;
        };
        let [high, low] = level.to_be_bytes();
        Some(Self([high, low, 0, 0, 0, 0, 0, 0]))
    }

    /// The number of a single-level LUN; `None` when it has more levels or another addressing
    /// method.
    pub const fn number(self) -> Option<u16> {
        let [high, low, 0, 0, 0, 0, 0, 0] = self.0 else {
            return None;
        };
        let level = u16::from_be_bytes([high, low]);
        match level & Self::METHOD {
            Self::METHOD_PERIPHERAL if level < Self::PERIPHERAL_END => Some(level),
            Self::METHOD_FLAT => Some(level & !Self::METHOD),
            _ => None,
        }
    }

    /// The LUN of the eight bytes of a PDU.
    pub const fn from_wire(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    /// The eight bytes of a PDU.
    pub const fn to_wire(self) -> [u8; 8] {
        self.0
    }

    /// The LUN of a Linux `scsi_device`.
    ///
    /// `struct scsi_device::lun` holds the first level in its lowest 16 bits, the second in the
    /// next, and so on, each with its addressing method, as `int_to_scsilun()` takes it.
    pub const fn from_scsilun(value: u64) -> Self {
        let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
        Self([b, a, d, c, f, e, h, g])
    }

    /// The LUN as a Linux `scsi_device` holds it, the inverse of [`Lun::from_scsilun`].
    pub const fn to_scsilun(self) -> u64 {
        let [b, a, d, c, f, e, h, g] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

impl core::fmt::Display for Lun {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.number() {
            Some(number) => number.fmt(f),
            None => write!(f, "{:#018x}", u64::from_be_bytes(self.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::format;

    use super::*;

    #[test]
    fn small_numbers_are_peripheral_and_larger_ones_flat() {
        let wire = |number| Lun::from_number(number).map(Lun::to_wire);
        assert_eq!(wire(0), Some([0; 8]));
        assert_eq!(wire(255), Some([0, 255, 0, 0, 0, 0, 0, 0]));
        assert_eq!(wire(256), Some([0x41, 0, 0, 0, 0, 0, 0, 0]));
        assert_eq!(wire(16_383), Some([0x7f, 0xff, 0, 0, 0, 0, 0, 0]));
        assert_eq!(wire(16_384), None);
    }

    // RFC 7143 section 11.2.1.7 leaves the format to SAM.
    #[test]
    fn every_number_comes_back() {
        for number in 0..Lun::FLAT_END {
            let lun = Lun::from_number(number).unwrap();
            assert_eq!(lun.number(), Some(number));
            assert_eq!(Lun::from_wire(lun.to_wire()), lun);
            assert_eq!(Lun::from_scsilun(lun.to_scsilun()), lun);
        }
    }

    #[test]
    fn other_encodings_have_no_number() {
        for wire in [
            [1, 0, 0, 0, 0, 0, 0, 0],
            [0xc1, 1, 0, 0, 0, 0, 0, 0],
            [0, 1, 0, 1, 0, 0, 0, 0],
        ] {
            assert_eq!(Lun::from_wire(wire).number(), None);
        }
        assert_eq!(
            format!("{}", Lun::from_wire([1, 2, 3, 4, 5, 6, 7, 8])),
            "0x0102030405060708"
        );
    }

    #[test]
    fn the_scsi_device_order_is_by_levels() {
        // As int_to_scsilun() documents: 0x0b030a04 stands for the bytes 0a 04 0b 03 00 00 00 00.
        let lun = Lun::from_scsilun(0x0b03_0a04);
        assert_eq!(lun.to_wire(), [0x0a, 0x04, 0x0b, 0x03, 0, 0, 0, 0]);
        assert_eq!(lun.to_scsilun(), 0x0b03_0a04);
    }
}
