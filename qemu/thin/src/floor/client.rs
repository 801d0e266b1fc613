// SPDX-License-Identifier: GPL-2.0-only

//! The loop itself (RFC 7143 sections 11.3, 11.7 and 11.8).

use std::io;
use std::net::TcpStream;

use super::login::Parameters;
use super::{Job, Places, BLOCK};
use crate::bytes::{be16, be24, be32, be64, broken};
use crate::disk::Disk;
use crate::iscsi::pdu::{opcode, Digests, Header, Pdu, BHS, FINAL, IMMEDIATE, NO_TAG};
use crate::iscsi::scsi::read_write_16;
use crate::wire::{Inbox, Outbox};

const READ_CAPACITY_16: [u8; 16] = [0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0];
/// The task attribute.
const SIMPLE: u8 = 1;
/// How many conditions of a new nexus are waited out.
const ATTENTIONS: usize = 8;
/// Where the data of writes comes from.
const PAYLOAD: u64 = 0;

/// Something that has come from the target.
enum Event {
    /// The task has ended well.
    Done(u32),
    /// Anything that ends no task.
    Other,
}

pub(super) struct Client {
    stream: TcpStream,
    inbox: Inbox,
    out: Outbox,
    payload: Disk,
    pub(super) parameters: Parameters,
    lun: [u8; 8],
    size: usize,
    cmd_sn: u32,
    max_cmd_sn: u32,
    exp_stat_sn: u32,
    /// Bytes of a data segment that have not arrived yet.
    skip: usize,
    received: u64,
    pub(super) reads: u64,
    pub(super) writes: u64,
    pub(super) r2ts: u64,
}

impl Client {
    pub(super) fn new(
        stream: TcpStream,
        inbox: Inbox,
        parameters: Parameters,
        lun: u16,
        size: usize,
    ) -> Self {
        let field = if lun > 0xff { 0x4000 | lun } else { lun };
        let payload = Disk::new(size as u64);
        let pattern: Vec<u8> = (0..size).map(|n| (n / 3) as u8).collect();
        payload.write(PAYLOAD, &pattern);
        Self {
            stream,
            inbox,
            out: Outbox::default(),
            payload,
            lun: (u64::from(field) << 48).to_be_bytes(),
            size,
            cmd_sn: parameters.cmd_sn,
            max_cmd_sn: parameters.max_cmd_sn,
            exp_stat_sn: parameters.exp_stat_sn,
            parameters,
            skip: 0,
            received: 0,
            reads: 0,
            writes: 0,
            r2ts: 0,
        }
    }

    pub(super) fn work(&mut self, job: &Job, capacity: u64) -> io::Result<()> {
        let mut places = Places::new(job, capacity);
        let mut free: Vec<u32> = (0..job.depth as u32).rev().collect();
        let (mut to_start, mut to_end) = (job.count, job.count);
        self.received = 0;
        self.start(job, &mut free, &mut to_start, &mut places)?;
        while to_end > 0 {
            self.fill()?;
            while let Some(event) = self.next()? {
                let Event::Done(tag) = event else { continue };
                to_end -= 1;
                free.push(tag);
                if free.len() as u64 >= to_start.min(job.batch as u64) {
                    self.start(job, &mut free, &mut to_start, &mut places)?;
                }
            }
            // Answers to R2Ts.
            self.flush()?;
        }
        let expected = if job.write {
            0
        } else {
            job.count * job.size as u64
        };
        if self.received != expected {
            let received = self.received;
            return Err(broken(format!(
                "{received} bytes of data, {expected} expected"
            )));
        }
        Ok(())
    }

    /// Starts as many commands as there are tags and the target has room for, by one write.
    fn start(
        &mut self,
        job: &Job,
        free: &mut Vec<u32>,
        to_start: &mut u64,
        places: &mut Places,
    ) -> io::Result<()> {
        let room = self.max_cmd_sn.wrapping_sub(self.cmd_sn).wrapping_add(1) as i32;
        let room = usize::try_from(room).unwrap_or(0);
        for _ in 0..room.min(free.len()) {
            if *to_start == 0 {
                break;
            }
            let Some(tag) = free.pop() else { break };
            let cdb = read_write_16(job.write, places.next(), (job.size as u64 / BLOCK) as u32);
            self.command(tag, &cdb, job.write, job.size);
            *to_start -= 1;
        }
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.out.is_empty() {
            self.writes += 1;
            self.out.flush(&self.payload, &mut self.stream)?;
        }
        Ok(())
    }

    fn fill(&mut self) -> io::Result<()> {
        self.reads += 1;
        if !self.inbox.fill(&mut self.stream)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }

    /// RFC 7143 section 11.3; unsolicited data follows as far as it was agreed to.
    fn command(&mut self, tag: u32, cdb: &[u8], write: bool, len: usize) {
        let Parameters {
            immediate_data,
            initial_r2t,
            max_send,
            first_burst,
            ..
        } = self.parameters;
        let unsolicited = if write { len.min(first_burst) } else { 0 };
        let immediate = if immediate_data {
            unsolicited.min(max_send)
        } else {
            0
        };
        let more = !initial_r2t && immediate < unsolicited;
        let direction = match (write, len) {
            (true, _) => 0x20,
            (false, 0) => 0,
            (false, _) => 0x40,
        };
        let flags = direction | SIMPLE | if more { 0 } else { FINAL };
        let header = Header::new(opcode::SCSI_COMMAND, flags)
            .copy(8, &self.lun)
            .word(16, tag)
            .word(20, len as u32)
            .word(24, self.cmd_sn)
            .word(28, self.exp_stat_sn)
            .copy(32, cdb);
        self.cmd_sn = self.cmd_sn.wrapping_add(1);
        if immediate == 0 {
            header.with(&[], Digests::default(), &mut self.out);
        } else {
            header.with_disk(PAYLOAD, immediate, Digests::default(), &mut self.out);
        }
        if more {
            self.data_out(tag, NO_TAG, immediate, unsolicited);
        }
    }

    /// RFC 7143 section 11.7: the sequence that has the data from `from` to `end`.
    fn data_out(&mut self, tag: u32, transfer: u32, from: usize, end: usize) {
        let (mut from, mut number) = (from, 0);
        while from < end {
            let now = (end - from).min(self.parameters.max_send);
            let flags = if from + now == end { FINAL } else { 0 };
            let header = Header::new(opcode::DATA_OUT, flags)
                .copy(8, &self.lun)
                .word(16, tag)
                .word(20, transfer)
                .word(28, self.exp_stat_sn)
                .word(36, number)
                .word(40, from as u32);
            header.with_disk(
                PAYLOAD + from as u64,
                now,
                Digests::default(),
                &mut self.out,
            );
            from += now;
            number += 1;
        }
    }

    /// Takes the next PDU's header, when it is there; its data is let go.
    fn next(&mut self) -> io::Result<Option<Event>> {
        if self.skip != 0 {
            let now = self.skip.min(self.inbox.bytes().len());
            self.inbox.consume(now);
            self.skip -= now;
        }
        let Some(header) = self.inbox.bytes().first_chunk::<BHS>() else {
            return Ok(None);
        };
        let header = *header;
        let data = be24(&header, 5) as usize;
        let (tag, flags) = (be32(&header, 16), header[1]);
        let operation = header[0] & 0x3f;
        let has_status = operation != opcode::DATA_IN || flags & 1 != 0;
        self.max_cmd_sn = be32(&header, 32);
        if has_status && operation != opcode::R2T {
            self.exp_stat_sn = be32(&header, 24).wrapping_add(1);
        }
        self.inbox.consume(BHS);
        self.skip = data.next_multiple_of(4) + 4 * usize::from(header[4]);
        match operation {
            opcode::DATA_IN => {
                self.received += data as u64;
                if !has_status {
                    return Ok(Some(Event::Other));
                }
            }
            opcode::SCSI_RESPONSE => {}
            opcode::R2T => {
                let from = be32(&header, 40) as usize;
                let end = from.saturating_add(be32(&header, 44) as usize);
                if end > self.size {
                    return Err(broken(format!("an R2T up to {end}")));
                }
                self.r2ts += 1;
                self.data_out(tag, be32(&header, 20), from, end);
                return Ok(Some(Event::Other));
            }
            opcode::NOP_IN => {
                if be32(&header, 20) != NO_TAG {
                    let answer = Header::new(opcode::NOP_OUT | IMMEDIATE, FINAL)
                        .copy(8, &header[8..16])
                        .word(16, NO_TAG)
                        .copy(20, &header[20..24])
                        .word(24, self.cmd_sn)
                        .word(28, self.exp_stat_sn);
                    answer.with(&[], Digests::default(), &mut self.out);
                }
                return Ok(Some(Event::Other));
            }
            opcode::LOGOUT_RESPONSE => return Ok(Some(Event::Done(tag))),
            _ => return Err(broken(format!("opcode {operation:#04x}"))),
        }
        match (operation, header[2], header[3]) {
            (opcode::DATA_IN, _, 0) | (_, 0, 0) => Ok(Some(Event::Done(tag))),
            (_, response, status) => {
                // What has arrived of the sense data: its key, and the code that says why.
                let sense = self.inbox.bytes();
                let (key, code) = (be16(sense, 3) & 0xf, be16(sense, 14));
                let what = format!(
                    "a task ended with response {response:#04x}, status {status:#04x}, \
                     sense key {key:x}h, {code:04x}h"
                );
                Err(io::Error::other(what))
            }
        }
    }

    /// The unit's size. A target may have to say first that much has happened since last time.
    pub(super) fn capacity(&mut self) -> io::Result<u64> {
        for _ in 0..ATTENTIONS {
            if self.ask(&[0; 16], 0)?.is_none() {
                continue;
            }
            let data = self.ask(&READ_CAPACITY_16, 32)?.unwrap_or_default();
            let (last, block) = (be64(&data, 0), be32(&data, 8));
            if u64::from(block) != BLOCK {
                return Err(broken(format!("a unit with blocks of {block} bytes")));
            }
            return Ok(last.saturating_add(1).saturating_mul(BLOCK));
        }
        Err(io::Error::other("TEST UNIT READY goes on failing"))
    }

    /// Has a command executed that answers with little; None for CHECK CONDITION.
    pub(super) fn ask(&mut self, cdb: &[u8], len: usize) -> io::Result<Option<Vec<u8>>> {
        self.command(0, cdb, false, len);
        self.flush()?;
        loop {
            let Some(pdu) = Pdu::first(self.inbox.bytes(), Digests::default(), 8192)? else {
                self.fill()?;
                continue;
            };
            let (data, status, refused) = (pdu.data.to_vec(), pdu.header[3], pdu.header[2] != 0);
            let (operation, whole) = (pdu.opcode(), pdu.len);
            if operation == opcode::SCSI_RESPONSE && status == 2 && !refused {
                self.exp_stat_sn = be32(pdu.header, 24).wrapping_add(1);
                self.max_cmd_sn = be32(pdu.header, 32);
                self.inbox.consume(whole);
                return Ok(None);
            }
            let event = self.next()?;
            // The PDU is there whole, so that this lets go of all its data.
            self.inbox.consume(std::mem::take(&mut self.skip));
            if let Some(Event::Done(_)) = event {
                return Ok(Some(data));
            }
        }
    }

    pub(super) fn log_out(&mut self) -> io::Result<()> {
        let header = Header::new(opcode::LOGOUT | IMMEDIATE, FINAL)
            .word(24, self.cmd_sn)
            .word(28, self.exp_stat_sn);
        header.with(&[], Digests::default(), &mut self.out);
        self.flush()?;
        loop {
            match self.next()? {
                Some(Event::Done(_)) => return Ok(()),
                Some(Event::Other) => {}
                None => self.fill()?,
            }
        }
    }
}
