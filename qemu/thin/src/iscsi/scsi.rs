// SPDX-License-Identifier: GPL-2.0-only

//! The SCSI disk: what a CDB asks for (SPC-4, SBC-3). It is a function of the CDB alone, since the
//! disk has no state but its content.

use crate::bytes::{be16, be32, be64, put, put_text};

pub const BLOCK: u64 = 512;

/// What a command amounts to.
#[derive(Debug, Eq, PartialEq)]
pub enum Action {
    /// GOOD without data.
    Good,
    /// Data that is small and made here.
    Data(Vec<u8>),
    /// Bytes of the logical unit.
    Read { offset: u64, len: u64 },
    /// Bytes for the logical unit.
    Write { offset: u64, len: u64 },
    /// CHECK CONDITION: sense key, additional sense code and its qualifier.
    Check(u8, u8, u8),
}

const ILLEGAL_REQUEST: u8 = 5;
const INVALID_OPCODE: Action = Action::Check(ILLEGAL_REQUEST, 0x20, 0);
const BLOCK_OUT_OF_RANGE: Action = Action::Check(ILLEGAL_REQUEST, 0x21, 0);
const INVALID_FIELD: Action = Action::Check(ILLEGAL_REQUEST, 0x24, 0);
const NO_SUCH_UNIT: Action = Action::Check(ILLEGAL_REQUEST, 0x25, 0);

/// The logical units: all of one size.
#[derive(Clone, Copy)]
pub struct Units {
    pub count: u16,
    pub blocks: u64,
}

impl Units {
    /// The number that the eight bytes of a LUN field name (SAM-5 section 4.7), when it exists.
    pub fn find(self, lun: &[u8]) -> Option<u16> {
        let number = be16(lun, 0);
        let number = match number >> 14 {
            0 if number <= 0xff => number,
            1 => number & 0x3fff,
            _ => return None,
        };
        (be16(lun, 2) == 0 && number < self.count).then_some(number)
    }

    pub fn execute(self, unit: Option<u16>, cdb: &[u8]) -> Action {
        let operation = cdb.first().copied().unwrap_or(0);
        let Some(unit) = unit else {
            return match operation {
                0x12 => cut(self.inquiry(None, cdb), u32::from(be16(cdb, 3))),
                0xa0 => cut(self.report_luns(), be32(cdb, 6)),
                0x03 => cut(
                    Action::Data(sense(ILLEGAL_REQUEST, 0x25, 0).into()),
                    cdb[4].into(),
                ),
                _ => NO_SUCH_UNIT,
            };
        };
        match operation {
            // Protection information, which there is none of.
            0x28 | 0x2a | 0x88 | 0x8a if cdb[1] & 0xe0 != 0 => INVALID_FIELD,
            0x28 => self.within(be32(cdb, 2).into(), be16(cdb, 7).into(), false),
            0x2a => self.within(be32(cdb, 2).into(), be16(cdb, 7).into(), true),
            0x88 => self.within(be64(cdb, 2), be32(cdb, 10), false),
            0x8a => self.within(be64(cdb, 2), be32(cdb, 10), true),
            // TEST UNIT READY, START STOP UNIT, SYNCHRONIZE CACHE (10) and (16)
            0x00 | 0x1b | 0x35 | 0x91 => Action::Good,
            0x03 => cut(Action::Data(sense(0, 0, 0).into()), cdb[4].into()),
            0x12 => cut(self.inquiry(Some(unit), cdb), u32::from(be16(cdb, 3))),
            0x1a => cut(mode_sense(cdb[2] & 0x3f, false), cdb[4].into()),
            0x5a => cut(mode_sense(cdb[2] & 0x3f, true), be16(cdb, 7).into()),
            0x25 => self.read_capacity_10(),
            0x9e if cdb[1] & 0x1f == 0x10 => cut(self.read_capacity_16(), be32(cdb, 10)),
            0xa0 => cut(self.report_luns(), be32(cdb, 6)),
            _ => INVALID_OPCODE,
        }
    }

    fn within(self, block: u64, blocks: u32, write: bool) -> Action {
        let blocks = u64::from(blocks);
        if block
            .checked_add(blocks)
            .is_none_or(|end| end > self.blocks)
        {
            return BLOCK_OUT_OF_RANGE;
        }
        let (offset, len) = (block * BLOCK, blocks * BLOCK);
        match write {
            _ if len == 0 => Action::Good,
            true => Action::Write { offset, len },
            false => Action::Read { offset, len },
        }
    }

    fn inquiry(self, unit: Option<u16>, cdb: &[u8]) -> Action {
        // No device can be here, or a disk is.
        let peripheral = if unit.is_some() { 0x00 } else { 0x7f };
        let vital = cdb[1] & 1 != 0;
        let number = unit.unwrap_or(0);
        let page = match (vital, cdb[2]) {
            (false, 0) => {
                let mut data = vec![0; 96];
                data[0] = peripheral;
                data[2] = 6; // SPC-4
                data[3] = 0x12; // LUNs of several levels; the format of today
                data[4] = 91;
                data[7] = 0x02; // command queuing
                put_text(&mut data, 8, 8, "THIN");
                put_text(&mut data, 16, 16, "memory");
                put_text(&mut data, 32, 4, env!("CARGO_PKG_VERSION"));
                // SAM-5, iSCSI, SPC-4, SBC-3
                put(
                    &mut data,
                    58,
                    [0x00, 0xa0, 0x09, 0x60, 0x04, 0x60, 0x04, 0xc0],
                );
                return Action::Data(data);
            }
            (false, _) => return INVALID_FIELD,
            (true, 0x00) => vec![0x00, 0x80, 0x83, 0xb0],
            (true, 0x80) => format!("thin{number:04}").into_bytes(),
            (true, 0x83) => {
                // An NAA name that its owner has made up (SPC-4 section 7.8.6.6.5).
                let mut name = vec![0x01, 0x03, 0, 8];
                name.extend((0x3000_7468_696e_0000 | u64::from(number)).to_be_bytes());
                name
            }
            (true, 0xb0) => {
                let mut limits = vec![0; 60];
                limits[3] = 8; // transfers are best in multiples of 4 KiB
                limits
            }
            (true, _) => return INVALID_FIELD,
        };
        Action::Data([&[peripheral, cdb[2], 0, page.len() as u8], page.as_slice()].concat())
    }

    fn read_capacity_10(self) -> Action {
        let last = u32::try_from(self.blocks - 1).unwrap_or(u32::MAX);
        Action::Data([last.to_be_bytes(), (BLOCK as u32).to_be_bytes()].concat())
    }

    fn read_capacity_16(self) -> Action {
        let mut data = vec![0; 32];
        put(&mut data, 0, (self.blocks - 1).to_be_bytes());
        put(&mut data, 8, (BLOCK as u32).to_be_bytes());
        data[13] = 3; // eight blocks to a physical one
        Action::Data(data)
    }

    fn report_luns(self) -> Action {
        let mut data = vec![0; 8];
        put(&mut data, 0, (8 * u32::from(self.count)).to_be_bytes());
        for unit in 0..self.count {
            // Flat space addressing where one byte is not enough.
            let field = if unit > 0xff { 0x4000 | unit } else { unit };
            data.extend((u64::from(field) << 48).to_be_bytes());
        }
        Action::Data(data)
    }
}

/// Data, but no more than the initiator has room for.
fn cut(action: Action, room: u32) -> Action {
    match action {
        Action::Data(mut data) => {
            data.truncate(room as usize);
            Action::Data(data)
        }
        other => other,
    }
}

/// DPO and FUA are taken: nothing is cached, so that they mean nothing.
const DPO_FUA: u8 = 0x10;

fn mode_sense(page: u8, long: bool) -> Action {
    let caching = [[0x08, 0x12].as_slice(), &[0; 0x12]].concat();
    let control = [[0x0a, 0x0a, 0x02].as_slice(), &[0; 9]].concat();
    let pages = match page {
        0x08 => caching,
        0x0a => control,
        0x3f => [caching, control].concat(),
        _ => return INVALID_FIELD,
    };
    let header = if long { 8 } else { 4 };
    let mut data = vec![0; header];
    if long {
        put(&mut data, 0, (pages.len() as u16 + 6).to_be_bytes());
        data[3] = DPO_FUA;
    } else {
        data[0] = pages.len() as u8 + 3;
        data[2] = DPO_FUA;
    }
    data.extend(pages);
    Action::Data(data)
}

/// Sense data of the fixed format (SPC-4 section 4.5.3).
pub fn sense(key: u8, code: u8, qualifier: u8) -> [u8; 18] {
    let mut sense = [0; 18];
    sense[0] = 0x70;
    sense[2] = key;
    sense[7] = 10;
    sense[12] = code;
    sense[13] = qualifier;
    sense
}

/// The blocks that a command with a CDB of 16 bytes reads or writes: for the client's side.
pub fn read_write_16(write: bool, block: u64, blocks: u32) -> [u8; 16] {
    let mut cdb = [0; 16];
    cdb[0] = if write { 0x8a } else { 0x88 };
    put(&mut cdb, 2, block.to_be_bytes());
    put(&mut cdb, 10, blocks.to_be_bytes());
    cdb
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNITS: Units = Units {
        count: 300,
        blocks: 2048,
    };

    fn execute(cdb: &[u8]) -> Action {
        let mut whole = [0; 16];
        whole[..cdb.len()].copy_from_slice(cdb);
        UNITS.execute(Some(0), &whole)
    }

    #[test]
    fn blocks() {
        let (offset, len) = (512, 1024);
        assert_eq!(
            execute(&read_write_16(false, 1, 2)),
            Action::Read { offset, len }
        );
        assert_eq!(
            execute(&read_write_16(true, 1, 2)),
            Action::Write { offset, len }
        );
        assert_eq!(
            execute(&[0x28, 0, 0, 0, 0, 1, 0, 0, 2]),
            Action::Read { offset, len }
        );
        assert_eq!(execute(&read_write_16(false, 2047, 2)), BLOCK_OUT_OF_RANGE);
        assert_eq!(
            execute(&read_write_16(false, u64::MAX, 2)),
            BLOCK_OUT_OF_RANGE
        );
        assert_eq!(execute(&read_write_16(true, 2048, 0)), Action::Good);
    }

    #[test]
    fn every_operation_and_page_has_an_answer() {
        for operation in 0..=255 {
            for second in 0..=255 {
                for third in [0, 0x08, 0x3f, 0x80, 0x83, 0xb0, 0xff] {
                    let cdb = [
                        operation, second, third, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                    ];
                    execute(&cdb);
                    UNITS.execute(None, &cdb);
                }
            }
        }
    }

    #[test]
    fn units() {
        assert_eq!(UNITS.find(&[0, 7, 0, 0, 0, 0, 0, 0]), Some(7));
        assert_eq!(UNITS.find(&[0x41, 7, 0, 0, 0, 0, 0, 0]), Some(263));
        assert_eq!(UNITS.find(&[0x42, 7, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(UNITS.find(&[0xc1, 1, 0, 0, 0, 0, 0, 0]), None);
        let Action::Data(luns) = execute(&[0xa0, 0, 0, 0, 0, 0, 0, 255, 0]) else {
            panic!("no data");
        };
        assert_eq!((luns.len(), be32(&luns, 0)), (8 + 300 * 8, 2400));
        assert_eq!(UNITS.find(&luns[8 + 8 * 299..]), Some(299));
    }
}
