// SPDX-License-Identifier: GPL-2.0-only

//! SCSI commands and their data (RFC 7143 sections 11.3, 11.4, 11.7 and 11.8).

use std::io;

use super::Session;
use crate::bytes::{be32, broken};
use crate::iscsi::pdu::{opcode, Header, Pdu, FINAL, NO_TAG};
use crate::iscsi::scsi::{self, Action};

const CHECK_CONDITION: u8 = 2;

/// A write whose data has not all arrived.
pub(super) struct Write {
    pub(super) tag: u32,
    lun: [u8; 8],
    offset: u64,
    /// What the data amounts to, and what of it has come.
    len: usize,
    received: usize,
    /// Where the sequence that is under way ends; the first one is unsolicited.
    sequence_end: usize,
    unsolicited: bool,
    r2ts: u32,
    residual: Residual,
}

/// What the initiator expected, less what the command takes (RFC 7143 section 11.4.5).
#[derive(Clone, Copy)]
struct Residual {
    flags: u8,
    count: u32,
}

impl Residual {
    fn new(expected: u32, actual: u64) -> Self {
        let expected = u64::from(expected);
        let flags = match actual.cmp(&expected) {
            std::cmp::Ordering::Greater => 0x04,
            std::cmp::Ordering::Less => 0x02,
            std::cmp::Ordering::Equal => 0,
        };
        let count = u32::try_from(actual.abs_diff(expected)).unwrap_or(u32::MAX);
        Self { flags, count }
    }
}

impl Session<'_> {
    /// RFC 7143 section 11.3.
    pub(super) fn command(&mut self, pdu: &Pdu<'_>) -> io::Result<()> {
        let header = pdu.header;
        let tag = be32(header, 16);
        let (reads, writes) = (header[1] & 0x40 != 0, header[1] & 0x20 != 0);
        let expected = be32(header, 20);
        let unit = self.target.units.find(&header[8..16]);
        let base = u64::from(unit.unwrap_or(0)) * self.target.units.blocks * scsi::BLOCK;
        let room = |wanted: bool| if wanted { expected } else { 0 };
        match self.target.units.execute(unit, &header[32..48]) {
            Action::Good => self.respond(tag, 0, Residual::new(expected, 0), 0, &[]),
            Action::Check(key, code, qualifier) => {
                let sense = scsi::sense(key, code, qualifier);
                let data = [&[0, sense.len() as u8], sense.as_slice()].concat();
                self.respond(tag, CHECK_CONDITION, Residual::new(expected, 0), 0, &data);
            }
            Action::Data(data) => {
                let len = data
                    .len()
                    .min(room(reads) as usize)
                    .min(self.settled.max_send);
                let residual = Residual::new(expected, data.len() as u64);
                if len == 0 {
                    self.respond(tag, 0, residual, 0, &[]);
                } else {
                    let header = self.data_in(tag, 0, 0, FINAL, Some(residual));
                    header.with(&data[..len], self.digests, &mut self.out);
                }
            }
            Action::Read { offset, len } => {
                let residual = Residual::new(expected, len);
                let len = len.min(room(reads).into()) as usize;
                self.read(tag, base + offset, len, residual);
            }
            Action::Write { offset, len } => {
                let residual = Residual::new(expected, len);
                let unsolicited = if pdu.is_final() {
                    pdu.data.len()
                } else {
                    usize::MAX
                };
                let write = Write {
                    tag,
                    lun: *header[8..].first_chunk().unwrap_or(&[0; 8]),
                    offset: base + offset,
                    len: len.min(room(writes).into()) as usize,
                    received: 0,
                    sequence_end: unsolicited.min(self.settled.first_burst),
                    unsolicited: true,
                    r2ts: 0,
                    residual,
                };
                return self.write(write, None, pdu);
            }
        }
        Ok(())
    }

    /// Sends Data-In, the last of which has the status.
    fn read(&mut self, tag: u32, offset: u64, len: usize, residual: Residual) {
        if len == 0 {
            return self.respond(tag, 0, residual, 0, &[]);
        }
        // All but the last are to end on four bytes, so that they need no padding.
        let largest = self.settled.max_send & !3;
        let (mut sent, mut number, mut burst) = (0, 0, 0);
        while sent < len {
            let now = largest.min(len - sent).min(self.settled.max_burst - burst);
            burst += now;
            let last = sent + now == len;
            let ends = last || burst == self.settled.max_burst;
            if ends {
                burst = 0;
            }
            let flags = if ends { FINAL } else { 0 };
            let header = self.data_in(tag, number, sent, flags, last.then_some(residual));
            header.with_disk(offset + sent as u64, now, self.digests, &mut self.out);
            sent += now;
            number += 1;
        }
    }

    /// RFC 7143 section 11.7; with a residual count it has the status GOOD too.
    fn data_in(
        &mut self,
        tag: u32,
        number: u32,
        offset: usize,
        flags: u8,
        status: Option<Residual>,
    ) -> Header {
        let header = self.header(opcode::DATA_IN, flags, tag, status.is_some());
        let header = header
            .word(20, NO_TAG)
            .word(36, number)
            .word(40, offset as u32);
        match status {
            Some(Residual {
                flags: residual,
                count,
            }) => header.byte(1, flags | residual | 1).word(44, count),
            None => header.word(24, 0),
        }
    }

    /// RFC 7143 section 11.4.
    fn respond(&mut self, tag: u32, status: u8, residual: Residual, r2ts: u32, data: &[u8]) {
        let header = self
            .header(opcode::SCSI_RESPONSE, FINAL | residual.flags, tag, true)
            .byte(3, status)
            .word(36, r2ts)
            .word(44, residual.count);
        header.with(data, self.digests, &mut self.out);
    }

    /// Takes what a PDU has of the data of `write`, and asks for more or ends it.
    fn write(&mut self, write: Write, slot: Option<usize>, pdu: &Pdu<'_>) -> io::Result<()> {
        let mut write = write;
        let end = write.received + pdu.data.len();
        if end > write.sequence_end.min(write.len) {
            // More than the command transfers is allowed for one that was cut short by us alone.
            if write.residual.flags != 0x02 || end > write.sequence_end {
                return Err(broken(format!("{end} bytes of data where fewer are due")));
            }
        }
        let take = pdu.data.len().min(write.len - write.received);
        self.target
            .disk
            .write(write.offset + write.received as u64, &pdu.data[..take]);
        write.received += take;
        let pause = !pdu.is_final();
        if !pause && write.received == write.len {
            self.respond(write.tag, 0, write.residual, write.r2ts, &[]);
            return Ok(());
        }
        // While a sequence is under way its tag has to stay what it is.
        let free = || self.writes.iter().position(Option::is_none);
        let slot = slot.or_else(free).unwrap_or(self.writes.len());
        if slot == self.writes.len() {
            self.writes.push(None);
        }
        if !pause {
            let now = (write.len - write.received).min(self.settled.max_burst);
            let header = self
                .header(opcode::R2T, FINAL, write.tag, false)
                .copy(8, &write.lun)
                .word(20, slot as u32)
                .word(36, write.r2ts)
                .word(40, write.received as u32)
                .word(44, now as u32);
            header.with(&[], self.digests, &mut self.out);
            write.r2ts += 1;
            write.unsolicited = false;
            write.sequence_end = write.received + now;
        }
        self.writes[slot] = Some(write);
        Ok(())
    }

    /// RFC 7143 section 11.8.
    pub(super) fn data_out(&mut self, pdu: &Pdu<'_>) -> io::Result<()> {
        let (tag, transfer) = (be32(pdu.header, 16), be32(pdu.header, 20));
        let belongs = |write: &Write| write.tag == tag && write.unsolicited == (transfer == NO_TAG);
        let slot = if transfer == NO_TAG {
            let mut slots = self.writes.iter();
            slots
                .position(|slot| slot.as_ref().is_some_and(belongs))
                .unwrap_or(usize::MAX)
        } else {
            transfer as usize
        };
        // What was refused or aborted may still have data under way.
        let write = self
            .writes
            .get_mut(slot)
            .and_then(|slot| slot.take_if(|write| belongs(write)));
        let Some(write) = write else { return Ok(()) };
        let offset = be32(pdu.header, 40) as usize;
        if offset != write.received {
            let due = write.received;
            return Err(broken(format!(
                "data for offset {offset}, and {due} is due"
            )));
        }
        if pdu.is_final() && !write.unsolicited && offset + pdu.data.len() != write.sequence_end {
            return Err(broken("a sequence that ends early"));
        }
        self.write(write, Some(slot), pdu)
    }
}
