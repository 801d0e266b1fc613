// SPDX-License-Identifier: GPL-2.0-only

//! `thin iscsi`: an iSCSI target (RFC 7143) that costs as little as one can in user space.
//!
//! A thread for each connection waits in read(), executes every command that has arrived whole, and
//! sends all answers in one system call. A session has one connection and error recovery level 0.
//! Names are not looked at, and there is no authentication.

pub mod login;
pub mod pdu;
pub mod scsi;

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::Arc;

use crate::bytes::{be32, broken, put};
use crate::disk::Disk;
use crate::options::Options;
use crate::server;
use crate::wire::{Inbox, Outbox};
use login::{say, settle, Settled, Text, Wanted};
use pdu::{opcode, Digests, Header, Pdu, BHS, FINAL, NO_TAG};
use scsi::{Action, Units};

pub const HELP: &str = "\
thin iscsi [--listen ADDRESS:PORT] [--size MIB] [--luns N] [--window N] [--digests]
           [--max-recv-data-segment-length BYTES]

  --listen   where to listen (127.0.0.1:3261)
  --size     of each LUN, in MiB (1024); memory is taken as it is written
  --luns     how many, from LUN 0 (1)
  --window   how many commands an initiator may have outstanding (128)
  --digests  agree to CRC32C where it is offered
  --max-recv-data-segment-length
             what is declared to initiators (262144)
";

const NAME: &str = "iqn.2004-01.net.example:thin";
const CHECK_CONDITION: u8 = 2;
const COMMAND_NOT_SUPPORTED: u8 = 5;

/// What all connections have in common.
pub struct Target {
    disk: Disk,
    units: Units,
    window: u32,
    wanted: Wanted,
    next_session: AtomicU16,
}

impl Target {
    pub fn new(mib: u64, luns: u16, window: u32, digests: bool, max_receive: usize) -> Self {
        let size = mib << 20;
        Self {
            disk: Disk::new(size * u64::from(luns)),
            units: Units {
                count: luns,
                blocks: size / scsi::BLOCK,
            },
            window,
            wanted: Wanted {
                digests,
                max_receive,
            },
            next_session: AtomicU16::new(1),
        }
    }
}

pub fn main(arguments: impl Iterator<Item = String>) -> Result<(), String> {
    let valued = [
        "listen",
        "size",
        "luns",
        "window",
        "max-recv-data-segment-length",
    ];
    let options = Options::parse(arguments, &valued, &["digests", "help"])?;
    if options.flag("help") {
        print!("{HELP}");
        return Ok(());
    }
    let max_receive =
        options.range("max-recv-data-segment-length", 262_144, 512..=(1 << 24) - 1)?;
    let target = Arc::new(Target::new(
        options.range("size", 1024, 1..=1 << 24)?,
        options.range("luns", 1, 1..=1024)? as u16,
        options.range("window", 128, 1..=1 << 20)? as u32,
        options.flag("digests"),
        max_receive as usize,
    ));
    let listener = server::listen(options.text("listen").unwrap_or("127.0.0.1:3261"))?;
    server::run(&listener, move |stream| serve(&target, stream));
    Ok(())
}

/// Serves one connection until it ends.
pub fn serve(target: &Target, stream: &mut TcpStream) -> io::Result<()> {
    let largest = BHS + 4 * 255 + target.wanted.max_receive + 12;
    let mut inbox = Inbox::new(largest);
    let mut session = Session::new(target, stream.local_addr()?);
    while session.phase != Phase::Over && inbox.fill(stream)? {
        while session.phase != Phase::Over {
            let max = target.wanted.max_receive;
            let Some(pdu) = Pdu::first(inbox.bytes(), session.digests, max)? else {
                break;
            };
            session.take(&pdu)?;
            let len = pdu.len;
            inbox.consume(len);
        }
        session.out.flush(&target.disk, stream)?;
    }
    Ok(())
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Login { begun: bool, declared: bool },
    Full,
    Over,
}

/// A write whose data has not all arrived.
struct Write {
    tag: u32,
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

struct Session<'a> {
    target: &'a Target,
    address: SocketAddr,
    phase: Phase,
    settled: Settled,
    text: Text,
    digests: Digests,
    id: u16,
    stat_sn: u32,
    exp_cmd_sn: u32,
    /// By target transfer tag.
    writes: Vec<Option<Write>>,
    out: Outbox,
}

impl<'a> Session<'a> {
    fn new(target: &'a Target, address: SocketAddr) -> Self {
        Self {
            target,
            address,
            phase: Phase::Login {
                begun: false,
                declared: false,
            },
            settled: Settled::default(),
            text: Text::default(),
            digests: Digests::default(),
            id: 0,
            stat_sn: 0,
            exp_cmd_sn: 0,
            writes: Vec::new(),
            out: Outbox::default(),
        }
    }

    fn take(&mut self, pdu: &Pdu<'_>) -> io::Result<()> {
        let operation = pdu.opcode();
        if let Phase::Login { begun, declared } = self.phase {
            if operation != opcode::LOGIN {
                return Err(broken(format!(
                    "opcode {operation:#04x} before the end of login"
                )));
            }
            return self.login(pdu, begun, declared);
        }
        if operation == opcode::DATA_OUT {
            return self.data_out(pdu);
        }
        let (cmd_sn, expected) = (be32(pdu.header, 24), self.exp_cmd_sn);
        if !pdu.is_immediate() {
            if cmd_sn != expected {
                return Err(broken(format!("CmdSN {cmd_sn}, and {expected} is next")));
            }
            self.exp_cmd_sn = expected.wrapping_add(1);
        }
        match operation {
            opcode::SCSI_COMMAND if !self.settled.discovery => self.command(pdu),
            opcode::NOP_OUT => {
                let tag = be32(pdu.header, 16);
                if tag != NO_TAG {
                    let room = pdu.data.len().min(self.settled.max_send);
                    let header = self.answer(opcode::NOP_IN, FINAL, pdu).word(20, NO_TAG);
                    header.with(&pdu.data[..room], self.digests, &mut self.out);
                }
                Ok(())
            }
            opcode::TASK_MANAGEMENT => {
                let (function, task) = (pdu.header[1] & 0x7f, be32(pdu.header, 20));
                // Everything but writes that wait for data has been executed already.
                let aborted = |write: &Write| function != 1 || write.tag == task;
                for slot in &mut self.writes {
                    slot.take_if(|write| aborted(write));
                }
                let header = self.answer(opcode::TASK_MANAGEMENT_RESPONSE, FINAL, pdu);
                header.with(&[], self.digests, &mut self.out);
                Ok(())
            }
            opcode::TEXT => self.text(pdu),
            opcode::LOGOUT => {
                self.phase = Phase::Over;
                let header = self.answer(opcode::LOGOUT_RESPONSE, FINAL, pdu);
                header.with(&[], self.digests, &mut self.out);
                Ok(())
            }
            _ => {
                let header = self
                    .answer(opcode::REJECT, FINAL, pdu)
                    .byte(2, COMMAND_NOT_SUPPORTED)
                    .word(16, NO_TAG);
                header.with(pdu.header, self.digests, &mut self.out);
                Ok(())
            }
        }
    }

    /// The header of an answer that has a status: its tag and numbers.
    fn answer(&mut self, opcode: u8, flags: u8, to: &Pdu<'_>) -> Header {
        self.header(opcode, flags, be32(to.header, 16), true)
    }

    fn header(&mut self, opcode: u8, flags: u8, tag: u32, status: bool) -> Header {
        let stat_sn = self.stat_sn;
        if status {
            self.stat_sn = stat_sn.wrapping_add(1);
        }
        let last = self.exp_cmd_sn.wrapping_add(self.target.window - 1);
        Header::new(opcode, flags)
            .word(16, tag)
            .word(24, stat_sn)
            .word(28, self.exp_cmd_sn)
            .word(32, last)
    }

    /// RFC 7143 sections 11.12 and 11.13.
    fn login(&mut self, pdu: &Pdu<'_>, begun: bool, declared: bool) -> io::Result<()> {
        if !begun {
            self.exp_cmd_sn = be32(pdu.header, 24);
            self.stat_sn = be32(pdu.header, 28);
        }
        let flags = pdu.header[1];
        let (transit, more) = (flags & 0x80 != 0, flags & 0x40 != 0);
        let (stage, next) = (flags >> 2 & 3, flags & 3);
        if stage > 1 || (transit && (more || next <= stage || next == 2)) {
            return Err(broken(format!("a login of stages {flags:#04x}")));
        }
        self.text.add(pdu.data)?;
        let mut answer = Vec::new();
        let mut declared = declared;
        let mut refused = false;
        if !more {
            let pairs = self.text.take()?;
            for pair in &pairs {
                let from = answer.len();
                settle(&mut self.settled, self.target.wanted, pair, &mut answer)?;
                refused |= pair.0 == "AuthMethod" && answer[from..].ends_with(b"=Reject\0");
                if pair.0 == "TargetName" {
                    say(&mut answer, "TargetPortalGroupTag", "1");
                }
            }
            if stage == 1 && !declared {
                let length = self.target.wanted.max_receive.to_string();
                say(&mut answer, "MaxRecvDataSegmentLength", &length);
                declared = true;
            }
        }
        self.phase = Phase::Login {
            begun: true,
            declared,
        };
        let done = transit && next == 3;
        if done {
            self.id = self
                .target
                .next_session
                .fetch_add(1, Ordering::Relaxed)
                .max(1);
        }
        let flags = if refused || !transit {
            stage << 2
        } else {
            flags & 0x8f
        };
        let mut header = self.answer(opcode::LOGIN_RESPONSE, flags, pdu);
        header.0[8..14].copy_from_slice(&pdu.header[8..14]);
        put(&mut header.0, 14, self.id.to_be_bytes());
        if refused {
            self.phase = Phase::Over;
            header = header.byte(36, 2).byte(37, 1);
        }
        header.with(&answer, Digests::default(), &mut self.out);
        if done && !refused {
            self.phase = Phase::Full;
            self.digests = Digests {
                header: self.settled.header_digest,
                data: self.settled.data_digest,
            };
        }
        Ok(())
    }

    /// RFC 7143 sections 11.10 and 11.11; SendTargets: appendix C.
    fn text(&mut self, pdu: &Pdu<'_>) -> io::Result<()> {
        self.text.add(pdu.data)?;
        let mut answer = Vec::new();
        let more = pdu.header[1] & 0x40 != 0;
        if !more {
            for (key, value) in self.text.take()? {
                match (key.as_str(), value.as_str()) {
                    ("SendTargets", "All" | "" | NAME) => {
                        say(&mut answer, "TargetName", NAME);
                        say(&mut answer, "TargetAddress", &format!("{},1", self.address));
                    }
                    ("SendTargets", _) => {}
                    _ => say(&mut answer, &key, "NotUnderstood"),
                }
            }
        }
        answer.truncate(self.settled.max_send);
        let (flags, tag) = if more { (0, 1) } else { (FINAL, NO_TAG) };
        let header = self.answer(opcode::TEXT_RESPONSE, flags, pdu).word(20, tag);
        header.with(&answer, self.digests, &mut self.out);
        Ok(())
    }

    /// RFC 7143 section 11.3.
    fn command(&mut self, pdu: &Pdu<'_>) -> io::Result<()> {
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
    fn data_out(&mut self, pdu: &Pdu<'_>) -> io::Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use pdu::IMMEDIATE;

    fn session(target: &Target) -> Session<'_> {
        let mut session = Session::new(target, "127.0.0.1:3260".parse().unwrap());
        session.phase = Phase::Full;
        session
    }

    /// Whatever an initiator sends, it ends in answers or an error.
    #[test]
    fn nonsense_is_survived() {
        let target = Target::new(1, 2, 8, false, 8192);
        let mut state = 1u64;
        let mut random = move || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            (state >> 33) as u8
        };
        let mut refused = 0;
        for round in 0..20_000u32 {
            let mut session = session(&target);
            if round % 8 == 0 {
                session.phase = Session::new(&target, session.address).phase;
            }
            for _ in 0..8 {
                let mut header: [u8; BHS] = std::array::from_fn(|_| random() & random());
                header[0] = (random() % 7) | IMMEDIATE;
                if random() % 2 == 0 {
                    // A command that may well be meant.
                    header[8..16].fill(0);
                    header[32] = [0x28, 0x2a, 0x8a, 0x12, 0xa0, 0x9e][usize::from(random()) % 6];
                    header[34..36].fill(0);
                }
                let data: Vec<u8> = (0..random()).map(|_| random()).collect();
                let len = BHS + data.len();
                let pdu = Pdu {
                    header: &header,
                    data: &data,
                    len,
                };
                if session.take(&pdu).is_err() {
                    refused += 1;
                    break;
                }
            }
            session.out.flush(&target.disk, &mut io::sink()).unwrap();
        }
        assert!(refused > 1000);
    }
}
