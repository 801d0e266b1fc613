// SPDX-License-Identifier: GPL-2.0-only

//! What the tests know of iSCSI by themselves: bytes at the offsets of RFC 7143's figures.
//!
//! Nothing here uses the layouts of the code under test, so that a mistake there cannot hide.

#![allow(dead_code, reason = "each test file uses a part of this")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

pub(crate) mod exchange;
pub(crate) mod initiator;
pub(crate) mod liar;
pub(crate) mod login;
pub(crate) mod shrink;
pub(crate) mod target;
pub(crate) mod witness;

/// A deterministic stream of numbers (xorshift64*).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number from 0 to `end` - 1.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 16) % end
    }

    /// A number from `first` to `last`.
    pub(crate) fn within(&mut self, first: u32, last: u32) -> u32 {
        first + u32::try_from(self.below(u64::from(last - first) + 1)).unwrap()
    }

    /// One of these; `None` when there is none.
    pub(crate) fn pick(&mut self, from: &[u32]) -> Option<u32> {
        let index = self.below(from.len().max(1) as u64);
        from.get(usize::try_from(index).unwrap()).copied()
    }

    /// True once in `n` times.
    pub(crate) fn once_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}

/// The bytes of a hexadecimal string; white space does not count.
pub(crate) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text
        .chars()
        .filter(|digit| !digit.is_whitespace())
        .collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

/// The 48 bytes of a hexadecimal string.
pub(crate) fn header(text: &str) -> [u8; 48] {
    hex(text).try_into().unwrap()
}

/// The big-endian number in the four bytes at `offset`.
pub(crate) fn word(bytes: &[u8], offset: usize) -> u32 {
    u32::from_be_bytes(bytes[offset..offset + 4].try_into().unwrap())
}

/// DataSegmentLength.
pub(crate) fn data_length(header: &[u8]) -> usize {
    (word(header, 4) & 0x00ff_ffff) as usize
}

/// A header to be filled in; everything not named is zero.
#[derive(Clone)]
pub(crate) struct Builder(pub(crate) [u8; 48]);

impl Builder {
    pub(crate) fn new(opcode: u8, flags: u8) -> Self {
        let mut bytes = [0; 48];
        bytes[0] = opcode;
        bytes[1] = flags;
        Self(bytes)
    }

    pub(crate) fn byte(mut self, offset: usize, value: u8) -> Self {
        self.0[offset] = value;
        self
    }

    pub(crate) fn half(mut self, offset: usize, value: u16) -> Self {
        self.0[offset..offset + 2].copy_from_slice(&value.to_be_bytes());
        self
    }

    pub(crate) fn word(mut self, offset: usize, value: u32) -> Self {
        self.0[offset..offset + 4].copy_from_slice(&value.to_be_bytes());
        self
    }

    pub(crate) fn data_length(mut self, length: usize) -> Self {
        let bytes = u32::try_from(length).unwrap().to_be_bytes();
        self.0[5..8].copy_from_slice(&bytes[1..]);
        self
    }

    pub(crate) fn lun(mut self, lun: [u8; 8]) -> Self {
        self.0[8..16].copy_from_slice(&lun);
        self
    }

    /// StatSN, ExpCmdSN and MaxCmdSN.
    pub(crate) fn numbers(self, stat_sn: u32, exp_cmd_sn: u32, max_cmd_sn: u32) -> Self {
        self.word(24, stat_sn)
            .word(28, exp_cmd_sn)
            .word(32, max_cmd_sn)
    }
}

/// SCSI Response to `itt`, completed at the target.
pub(crate) fn scsi_response(itt: u32, status: u8, data: usize) -> Builder {
    Builder::new(0x21, 0x80)
        .byte(3, status)
        .word(16, itt)
        .data_length(data)
}

/// SCSI Data-In without status.
pub(crate) fn data_in(itt: u32, data_sn: u32, offset: u32, length: usize) -> Builder {
    Builder::new(0x25, 0)
        .word(16, itt)
        .word(20, u32::MAX)
        .word(36, data_sn)
        .word(40, offset)
        .data_length(length)
}

/// R2T for LUN 0.
pub(crate) fn r2t(itt: u32, ttt: u32, r2t_sn: u32, offset: u32, length: u32) -> Builder {
    Builder::new(0x31, 0x80)
        .word(16, itt)
        .word(20, ttt)
        .word(36, r2t_sn)
        .word(40, offset)
        .word(44, length)
}

/// NOP-In.
pub(crate) fn nop_in(itt: u32, ttt: u32) -> Builder {
    Builder::new(0x20, 0x80).word(16, itt).word(20, ttt)
}

/// Login Response of status 0 with tag 0.
pub(crate) fn login_response(flags: u8, tsih: u16, stat_sn: u32, data: usize) -> Builder {
    Builder::new(0x23, flags)
        .half(14, tsih)
        .numbers(stat_sn, 1, 8)
        .data_length(data)
}
