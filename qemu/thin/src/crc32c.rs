// SPDX-License-Identifier: GPL-2.0-only

//! CRC32C, as iSCSI digests use it (RFC 7143 section 13.1), eight bytes a step.

/// The Castagnoli polynomial, bits reversed.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// `TABLES[n][b]` is what byte `b` adds when `n` bytes follow it.
static TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ (POLYNOMIAL * (crc & 1));
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut following = 1;
    while following < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[following - 1][byte];
            tables[following][byte] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        following += 1;
    }
    tables
}

/// A digest in the making.
#[derive(Clone, Copy)]
pub struct Crc(u32);

impl Crc {
    pub const fn new() -> Self {
        Self(!0)
    }

    pub fn update(self, bytes: &[u8]) -> Self {
        let mut crc = self.0;
        let mut steps = bytes.chunks_exact(8);
        for step in &mut steps {
            let low = crc ^ u32::from_le_bytes([step[0], step[1], step[2], step[3]]);
            let table = |following: usize, byte: u32| TABLES[following][(byte & 0xff) as usize];
            crc = table(7, low)
                ^ table(6, low >> 8)
                ^ table(5, low >> 16)
                ^ table(4, low >> 24)
                ^ table(3, u32::from(step[4]))
                ^ table(2, u32::from(step[5]))
                ^ table(1, u32::from(step[6]))
                ^ table(0, u32::from(step[7]));
        }
        for byte in steps.remainder() {
            crc = (crc >> 8) ^ TABLES[0][((crc ^ u32::from(*byte)) & 0xff) as usize];
        }
        Self(crc)
    }

    /// The digest, as the wire has it.
    pub const fn digest(self) -> [u8; 4] {
        (!self.0).to_le_bytes()
    }
}

/// The digest of `bytes`.
pub fn digest(bytes: &[u8]) -> [u8; 4] {
    Crc::new().update(bytes).digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 7143 appendix A.4.
    #[test]
    fn examples_of_the_rfc() {
        let ascending: Vec<u8> = (0..32).collect();
        let descending: Vec<u8> = (0..32).rev().collect();
        assert_eq!(digest(&[0; 32]), [0xaa, 0x36, 0x91, 0x8a]);
        assert_eq!(digest(&[0xff; 32]), [0x43, 0xab, 0xa8, 0x62]);
        assert_eq!(digest(&ascending), [0x4e, 0x79, 0xdd, 0x46]);
        assert_eq!(digest(&descending), [0x5c, 0xdb, 0x3f, 0x11]);
    }

    #[test]
    fn pieces_make_the_whole() {
        let bytes: Vec<u8> = (0..=255).cycle().take(1000).collect();
        for cut in [0, 1, 7, 8, 9, 500, 1000] {
            let (a, b) = bytes.split_at(cut);
            assert_eq!(Crc::new().update(a).update(b).digest(), digest(&bytes));
        }
    }
}
