// SPDX-License-Identifier: GPL-2.0-only

//! A session, from its login on: what each request is answered with, and the numbers of both sides
//! (RFC 7143 sections 4.2.2, 11.10 to 11.15 and appendix C).

mod task;

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;

use super::login::{say, settle, Settled, Text};
use super::pdu::{opcode, Digests, Header, Pdu, FINAL, NO_TAG};
use super::{Target, NAME};
use crate::bytes::{be32, broken, put};
use crate::wire::Outbox;
use task::Write;

/// A reason of Reject.
const COMMAND_NOT_SUPPORTED: u8 = 5;
/// A task management function, and one of its responses.
const ABORT_TASK: u8 = 1;
const TASK_DOES_NOT_EXIST: u8 = 1;

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Phase {
    Login { begun: bool, declared: bool },
    Full,
    Over,
}

pub(super) struct Session<'a> {
    target: &'a Target,
    address: SocketAddr,
    pub(super) phase: Phase,
    settled: Settled,
    text: Text,
    pub(super) digests: Digests,
    id: u16,
    stat_sn: u32,
    exp_cmd_sn: u32,
    /// By target transfer tag.
    writes: Vec<Option<Write>>,
    pub(super) out: Outbox,
}

impl<'a> Session<'a> {
    pub(super) fn new(target: &'a Target, address: SocketAddr) -> Self {
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

    pub(super) fn take(&mut self, pdu: &Pdu<'_>) -> io::Result<()> {
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
                let aborted = |write: &Write| function != ABORT_TASK || write.tag == task;
                let mut any = false;
                for slot in &mut self.writes {
                    any |= slot.take_if(|write| aborted(write)).is_some();
                }
                let missing = function == ABORT_TASK && !any;
                let header = self
                    .answer(opcode::TASK_MANAGEMENT_RESPONSE, FINAL, pdu)
                    .byte(2, if missing { TASK_DOES_NOT_EXIST } else { 0 });
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iscsi::pdu::{BHS, IMMEDIATE};

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
