// SPDX-License-Identifier: GPL-2.0-only

//! A queue: its connection's beginning, Fabrics and admin commands (NVMe over Fabrics 1.1 sections
//! 3 and 7.4, NVM Express 1.4 section 5).

mod io_command;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::atomic::Ordering;

use super::identify::{self, BLOCK_SHIFT, NAMESPACE, PAGE};
use super::pdu::{self, kind, Pdu};
use super::Target;
use crate::bytes::{broken, le16, le32};
use crate::wire::Outbox;
use io_command::Write;

/// Status codes (NVM Express 1.4 section 4.6.1, NVMe over Fabrics 1.1 section 2.2.2), with DNR.
mod status {
    pub const SUCCESS: u16 = 0;
    pub const INVALID_OPCODE: u16 = 0x4001;
    pub const INVALID_FIELD: u16 = 0x4002;
    pub const INVALID_NAMESPACE: u16 = 0x400b;
    pub const INVALID_SGL_LENGTH: u16 = 0x400f;
    pub const LBA_OUT_OF_RANGE: u16 = 0x4080;
    pub const SEQUENCE_ERROR: u16 = 0x400c;
}

const FABRICS: u8 = 0x7f;
/// What a queue that is asked not to says of its head.
const NO_HEAD: u16 = 0xffff;

/// What a connection is.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Role {
    /// No ICReq yet.
    Fresh,
    /// No Connect yet.
    Accepted,
    Admin,
    Io,
}

pub(super) struct Queue<'a> {
    target: &'a Target,
    port: u16,
    role: Role,
    controller: u16,
    subsystem: Vec<u8>,
    /// The register CC.
    configuration: u32,
    /// How many entries the submission queue has, and its head; None when nobody asks.
    size: u16,
    head: Option<u16>,
    /// By transfer tag.
    writes: Vec<Option<Write>>,
    pub(super) out: Outbox,
}

impl<'a> Queue<'a> {
    pub(super) fn new(target: &'a Target, port: u16) -> Self {
        Self {
            target,
            port,
            role: Role::Fresh,
            controller: 0,
            subsystem: Vec::new(),
            configuration: 0,
            size: 1,
            head: Some(0),
            writes: Vec::new(),
            out: Outbox::default(),
        }
    }

    pub(super) fn take(&mut self, pdu: &Pdu<'_>) -> io::Result<()> {
        match (pdu.kind, self.role) {
            (kind::IC_REQ, Role::Fresh) => {
                let (format, alignment) = (le16(pdu.header, 8), pdu.header[10]);
                if format != 0 || alignment != 0 {
                    return Err(broken(format!("format {format}, alignment {alignment}")));
                }
                // Digests are not agreed to; a host that insists closes.
                pdu::ic_resp(self.target.max_h2c_data, &mut self.out);
                self.role = Role::Accepted;
                Ok(())
            }
            (kind::H2C_TERM, _) => {
                let reason = le16(pdu.header, 8);
                Err(broken(format!(
                    "the host ends the connection, reason {reason:#06x}"
                )))
            }
            (kind::COMMAND, Role::Accepted | Role::Admin | Role::Io) => self.command(pdu),
            (kind::H2C_DATA, Role::Io) => self.data(pdu),
            (other, _) => Err(broken(format!("a PDU of type {other:#04x} out of order"))),
        }
    }

    fn command(&mut self, pdu: &Pdu<'_>) -> io::Result<()> {
        let Some(command) = pdu.header[8..].first_chunk::<64>() else {
            return Err(broken("a command that is too short"));
        };
        if let Some(head) = &mut self.head {
            *head = (*head + 1) % self.size;
        }
        match (command[0], self.role) {
            (FABRICS, _) => self.fabrics(command, pdu.data),
            (_, Role::Io) => return self.io(command, pdu.data),
            (_, Role::Admin) => self.admin(command),
            _ => self.fail(command, status::SEQUENCE_ERROR),
        }
        Ok(())
    }

    fn complete(&mut self, command: u16, result: u64, status: u16) {
        let head = self.head.unwrap_or(NO_HEAD);
        pdu::response(command, result, head, status, &mut self.out);
    }

    fn succeed(&mut self, command: &[u8; 64], result: u64) {
        self.complete(le16(command, 2), result, status::SUCCESS);
    }

    fn fail(&mut self, command: &[u8; 64], status: u16) {
        self.complete(le16(command, 2), 0, status);
    }

    /// NVMe over Fabrics 1.1 section 3.
    fn fabrics(&mut self, command: &[u8; 64], data: &[u8]) {
        match (command[4], self.role) {
            (0x01, Role::Accepted) => self.connect(command, data),
            (0x00, Role::Admin) if le32(command, 44) == 0x14 => {
                self.configuration = le32(command, 48);
                self.succeed(command, 0);
            }
            (0x04, Role::Admin) => {
                let value = match le32(command, 44) {
                    0x00 => identify::CAPABILITIES,
                    0x08 => identify::VERSION.into(),
                    0x14 => self.configuration.into(),
                    0x1c => self.state().into(),
                    _ => return self.fail(command, status::INVALID_FIELD),
                };
                self.succeed(command, value);
            }
            (0x00 | 0x04, _) => self.fail(command, status::INVALID_FIELD),
            (0x01, _) => self.fail(command, status::SEQUENCE_ERROR),
            _ => self.fail(command, status::INVALID_OPCODE),
        }
    }

    /// The register CSTS: whatever is asked for has been done.
    fn state(&self) -> u32 {
        let ready = self.configuration & 1;
        let shut_down = if self.configuration >> 14 & 3 != 0 {
            2 << 2
        } else {
            0
        };
        ready | shut_down
    }

    fn connect(&mut self, command: &[u8; 64], data: &[u8]) {
        let (queue, last) = (le16(command, 42), le16(command, 44));
        if data.len() < 1024 || last == 0 || last >= identify::QUEUE_SIZE {
            return self.fail(command, status::INVALID_FIELD);
        }
        self.size = last + 1;
        if command[46] & 4 != 0 {
            self.head = None;
        } else {
            self.head = Some(1 % self.size);
        }
        if queue == 0 {
            let next = &self.target.next_controller;
            // FFF0h and up are reserved.
            self.controller = next.fetch_add(1, Ordering::Relaxed) % 0xffef + 1;
            self.role = Role::Admin;
        } else {
            self.controller = le16(data, 16);
            self.role = Role::Io;
        }
        let name = &data[256..512];
        let end = name
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(name.len());
        self.subsystem = name[..end].to_vec();
        self.succeed(command, self.controller.into());
    }

    /// NVM Express 1.4 section 5.
    fn admin(&mut self, command: &[u8; 64]) {
        let word = |n: usize| le32(command, 4 * n);
        let room = le32(command, 32) as usize;
        match command[0] {
            // Identify
            0x06 => {
                let namespace = word(1);
                let data = match word(10) & 0xff {
                    0x00 if namespace != NAMESPACE => {
                        return self.fail(command, status::INVALID_NAMESPACE)
                    }
                    0x00 => identify::namespace(self.target.disk.len() >> BLOCK_SHIFT, self.port),
                    0x01 => identify::controller(self.controller, &self.subsystem, self.port),
                    0x02 => identify::namespaces(namespace),
                    0x03 if namespace == NAMESPACE => identify::descriptors(self.port),
                    _ => return self.fail(command, status::INVALID_FIELD),
                };
                self.send(command, &data[..room.min(PAGE)]);
            }
            // Get Log Page: nothing has happened.
            0x02 => {
                let dwords = u64::from(word(10) >> 16 | word(11) << 16) + 1;
                let len = (4 * dwords).min(room as u64).min(1 << 20);
                self.send(command, &vec![0; len as usize]);
            }
            // Abort: too late, always.
            0x08 => self.succeed(command, 1),
            // Set Features and Get Features: Number of Queues, Asynchronous Event
            // Configuration, Keep Alive Timer
            0x09 | 0x0a => match word(10) & 0xff {
                0x07 if command[0] == 0x09 => self.succeed(command, word(11).into()),
                0x07 => self.succeed(command, 0x007f_007f),
                0x0b | 0x0f => self.succeed(command, 0),
                _ => self.fail(command, status::INVALID_FIELD),
            },
            // Asynchronous Event Request: kept for ever, for there will be no event.
            0x0c => {}
            // Keep Alive
            0x18 => self.succeed(command, 0),
            _ => self.fail(command, status::INVALID_OPCODE),
        }
    }

    /// Sends data that is made here.
    fn send(&mut self, command: &[u8; 64], data: &[u8]) {
        if data.is_empty() {
            return self.succeed(command, 0);
        }
        let success = self.head.is_none();
        pdu::c2h_data(le16(command, 2), data.len(), success, &mut self.out);
        self.out.bytes(data);
        if !success {
            self.succeed(command, 0);
        }
    }
}
