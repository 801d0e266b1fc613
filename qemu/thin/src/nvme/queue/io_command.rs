// SPDX-License-Identifier: GPL-2.0-only

//! I/O commands and their data (NVM Express 1.4 section 6, NVMe over Fabrics 1.1 section 7.4.9).

use std::io;

use super::{status, Queue};
use crate::bytes::{broken, le16, le32, le64};
use crate::nvme::identify::{BLOCK_SHIFT, IN_CAPSULE, NAMESPACE};
use crate::nvme::pdu::{self, Pdu};

/// An SGL descriptor of data in the capsule, and one of data that the transport brings.
pub(super) const SGL_IN_CAPSULE: u8 = 0x01;
pub(super) const SGL_TRANSPORT: u8 = 0x5a;

/// A write whose data was asked for.
pub(super) struct Write {
    command: u16,
    offset: u64,
    len: usize,
    received: usize,
}

impl Queue<'_> {
    /// NVM Express 1.4 section 6.
    pub(super) fn io(&mut self, command: &[u8; 64], data: &[u8]) -> io::Result<()> {
        let id = le16(command, 2);
        let (block, blocks) = (le64(command, 40), u64::from(le16(command, 48)) + 1);
        let len = (blocks << BLOCK_SHIFT) as usize;
        let status = match command[0] {
            0x00..=0x02 if le32(command, 4) != NAMESPACE => status::INVALID_NAMESPACE,
            // Flush
            0x00 => status::SUCCESS,
            0x01 | 0x02 if !self.has(block, blocks) => status::LBA_OUT_OF_RANGE,
            0x01 | 0x02 if le32(command, 32) as usize != len => status::INVALID_SGL_LENGTH,
            0x01 => return self.write(command, block << BLOCK_SHIFT, len, data),
            0x02 => {
                let success = self.head.is_none();
                pdu::c2h_data(id, len, success, &mut self.out);
                self.out.disk(block << BLOCK_SHIFT, len);
                if success {
                    return Ok(());
                }
                status::SUCCESS
            }
            _ => status::INVALID_OPCODE,
        };
        self.complete(id, 0, status);
        Ok(())
    }

    fn has(&self, block: u64, blocks: u64) -> bool {
        let end = block.checked_add(blocks);
        end.is_some_and(|end| end <= self.target.disk.len() >> BLOCK_SHIFT)
    }

    fn write(
        &mut self,
        command: &[u8; 64],
        offset: u64,
        len: usize,
        data: &[u8],
    ) -> io::Result<()> {
        let id = le16(command, 2);
        match command[39] {
            SGL_IN_CAPSULE if le64(command, 24) == 0 && len <= IN_CAPSULE && data.len() == len => {
                self.target.disk.write(offset, data);
                self.complete(id, 0, status::SUCCESS);
            }
            SGL_TRANSPORT => {
                let tag = self.writes.iter().position(Option::is_none);
                let tag = tag.unwrap_or(self.writes.len());
                if tag == self.writes.len() {
                    self.writes.push(None);
                }
                let Ok(wire) = u16::try_from(tag) else {
                    return Err(broken("more writes than there are tags"));
                };
                self.writes[tag] = Some(Write {
                    command: id,
                    offset,
                    len,
                    received: 0,
                });
                pdu::r2t(id, wire, len, &mut self.out);
            }
            _ => self.complete(id, 0, status::INVALID_FIELD),
        }
        Ok(())
    }

    /// NVMe over Fabrics 1.1 section 7.4.9.5.
    pub(super) fn data(&mut self, pdu: &Pdu<'_>) -> io::Result<()> {
        let (command, tag, offset) = pdu::h2c_place(pdu.header);
        let slot = self.writes.get_mut(usize::from(tag));
        let Some(slot) = slot.filter(|slot| slot.as_ref().is_some_and(|w| w.command == command))
        else {
            return Err(broken(format!(
                "data of command {command:#06x} that was not asked for"
            )));
        };
        let Some(write) = slot else { return Ok(()) };
        let end = write.received + pdu.data.len();
        if offset != write.received || end > write.len || pdu.last != (end == write.len) {
            let due = write.len - write.received;
            let len = pdu.data.len();
            return Err(broken(format!(
                "data {offset}+{len} where {due} bytes are due"
            )));
        }
        self.target
            .disk
            .write(write.offset + offset as u64, pdu.data);
        write.received = end;
        if end == write.len {
            *slot = None;
            self.complete(command, 0, status::SUCCESS);
        }
        Ok(())
    }
}
