// SPDX-License-Identifier: GPL-2.0-only

//! `thin nvme`: an NVMe/TCP target (NVMe over Fabrics 1.1, NVM Express 1.4) built like `thin iscsi`,
//! so that initiators of both can be compared: a thread for each connection, which is a queue;
//! every command that has arrived is executed, and all answers go out in one system call.
//!
//! Controllers share nothing but the medium, so a queue needs to know no other. Any host and
//! subsystem name is accepted.

mod identify;
mod pdu;

use std::io;
use std::net::TcpStream;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::Arc;

use crate::bytes::{broken, le16, le32, le64};
use crate::disk::Disk;
use crate::options::Options;
use crate::server;
use crate::wire::{Inbox, Outbox};
use identify::{BLOCK_SHIFT, IN_CAPSULE, NAMESPACE, PAGE};
use pdu::{kind, Pdu};

pub const HELP: &str = "\
thin nvme [--listen ADDRESS:PORT] [--size MIB] [--max-h2c-data BYTES]

  --listen        where to listen (127.0.0.1:4421)
  --size          of the namespace, in MiB (1024); memory is taken as it is written
  --max-h2c-data  the most data in a PDU of the host's (1048576)
";

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
/// An SGL descriptor of data in the capsule, and one of data that the transport brings.
const SGL_IN_CAPSULE: u8 = 0x01;
const SGL_TRANSPORT: u8 = 0x5a;
/// What a queue that is asked not to says of its head.
const NO_HEAD: u16 = 0xffff;

struct Target {
    disk: Disk,
    max_h2c_data: usize,
    next_controller: AtomicU16,
}

pub fn main(arguments: impl Iterator<Item = String>) -> Result<(), String> {
    let options = Options::parse(arguments, &["listen", "size", "max-h2c-data"], &["help"])?;
    if options.flag("help") {
        print!("{HELP}");
        return Ok(());
    }
    let max_h2c_data = options.range("max-h2c-data", 1 << 20, 4096..=1 << 24)? as usize & !3;
    let target = Arc::new(Target {
        disk: Disk::new(options.range("size", 1024, 1..=1 << 24)? << 20),
        max_h2c_data,
        next_controller: AtomicU16::new(1),
    });
    let listener = server::listen(options.text("listen").unwrap_or("127.0.0.1:4421"))?;
    server::run(&listener, move |stream| serve(&target, stream));
    Ok(())
}

fn serve(target: &Target, stream: &mut TcpStream) -> io::Result<()> {
    let largest = 255 + target.max_h2c_data.max(IN_CAPSULE);
    let mut inbox = Inbox::new(largest);
    let mut queue = Queue::new(target, stream.local_addr()?.port());
    while inbox.fill(stream)? {
        while let Some(pdu) = Pdu::first(inbox.bytes(), largest)? {
            queue.take(&pdu)?;
            let len = pdu.len;
            inbox.consume(len);
        }
        queue.out.flush(&target.disk, stream)?;
    }
    Ok(())
}

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

/// A write whose data was asked for.
struct Write {
    command: u16,
    offset: u64,
    len: usize,
    received: usize,
}

struct Queue<'a> {
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
    out: Outbox,
}

impl<'a> Queue<'a> {
    fn new(target: &'a Target, port: u16) -> Self {
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

    fn take(&mut self, pdu: &Pdu<'_>) -> io::Result<()> {
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

    /// NVM Express 1.4 section 6.
    fn io(&mut self, command: &[u8; 64], data: &[u8]) -> io::Result<()> {
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
    fn data(&mut self, pdu: &Pdu<'_>) -> io::Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::put;

    fn target() -> Target {
        Target {
            disk: Disk::new(1 << 20),
            max_h2c_data: 4096,
            next_controller: AtomicU16::new(1),
        }
    }

    /// A command PDU; `data` is in the capsule.
    fn capsule(command: [u8; 64], data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![kind::COMMAND, 0, 72, 72];
        bytes.extend((72 + data.len() as u32).to_le_bytes());
        bytes.extend(command);
        bytes.extend(data);
        bytes
    }

    fn transfer(opcode: u8, id: u16, block: u64, len: usize, sgl: u8) -> [u8; 64] {
        let mut command = [0; 64];
        command[0] = opcode;
        put(&mut command, 2, id.to_le_bytes());
        put(&mut command, 4, NAMESPACE.to_le_bytes());
        put(&mut command, 32, (len as u32).to_le_bytes());
        command[39] = sgl;
        put(&mut command, 40, block.to_le_bytes());
        put(
            &mut command,
            48,
            ((len >> BLOCK_SHIFT) as u16 - 1).to_le_bytes(),
        );
        command
    }

    fn answer(queue: &mut Queue<'_>, bytes: &[u8]) -> Vec<u8> {
        let pdu = Pdu::first(bytes, 1 << 20).unwrap().unwrap();
        assert_eq!(pdu.len, bytes.len());
        queue.take(&pdu).unwrap();
        let mut sent = Vec::new();
        queue.out.flush(&queue.target.disk, &mut sent).unwrap();
        sent
    }

    #[test]
    fn a_queue_from_its_beginning() {
        let target = target();
        let mut queue = Queue::new(&target, 4421);
        let mut request = vec![kind::IC_REQ, 0, 128, 0, 128, 0, 0, 0];
        request.resize(128, 0);
        assert_eq!(answer(&mut queue, &request)[0], kind::IC_RESP);
        let mut connect = [0; 64];
        (connect[0], connect[4], connect[42], connect[44]) = (FABRICS, 1, 1, 31);
        assert_eq!(answer(&mut queue, &capsule(connect, &[0; 1024]))[22], 0);

        let data: Vec<u8> = (0..8192u32).map(|n| (n / 3) as u8).collect();
        let write = transfer(1, 7, 8, 8192, SGL_IN_CAPSULE);
        let done = answer(&mut queue, &capsule(write, &data));
        // The command's id, its status, and the head of the queue after two commands.
        assert_eq!(
            (done[0], done[20], done[22], done[16]),
            (kind::RESPONSE, 7, 0, 2)
        );

        let asked = answer(
            &mut queue,
            &capsule(transfer(1, 9, 24, 8192, SGL_TRANSPORT), &[]),
        );
        assert_eq!((asked[0], le32(&asked, 16)), (kind::R2T, 8192));
        for (from, flags) in [(0, 0), (4096, 4)] {
            let mut pdu = vec![kind::H2C_DATA, flags, 24, 24];
            pdu.extend((24 + 4096u32).to_le_bytes());
            pdu.extend([9, 0, asked[10], asked[11]]);
            pdu.extend((from as u32).to_le_bytes());
            pdu.extend([0, 16, 0, 0, 0, 0, 0, 0]);
            pdu.extend(&data[from..from + 4096]);
            assert_eq!(answer(&mut queue, &pdu).is_empty(), from == 0);
        }

        let read = answer(
            &mut queue,
            &capsule(transfer(2, 3, 8, 16384, SGL_TRANSPORT), &[]),
        );
        assert_eq!(
            (read[0], read[1], read[8], le32(&read, 4)),
            (kind::C2H_DATA, 4, 3, 24 + 16384)
        );
        assert_eq!(read[24..24 + 16384], [data.as_slice(), &data].concat());
        assert_eq!(
            (read[24 + 16384], read.len()),
            (kind::RESPONSE, 24 + 16384 + 24)
        );
        let beyond = answer(
            &mut queue,
            &capsule(transfer(2, 3, 2047, 1024, SGL_TRANSPORT), &[]),
        );
        assert_eq!(le16(&beyond, 22) >> 1, status::LBA_OUT_OF_RANGE);
    }

    /// Whatever a host sends, it ends in answers or an error.
    #[test]
    fn nonsense_is_survived() {
        let target = target();
        let mut state = 1u64;
        let mut random = move || {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
            (state >> 33) as u8
        };
        for role in [Role::Fresh, Role::Accepted, Role::Admin, Role::Io] {
            for _ in 0..5000 {
                let mut queue = Queue::new(&target, 4421);
                queue.role = role;
                for _ in 0..8 {
                    let kind = [0, 2, 4, 4, 4, 6][usize::from(random()) % 6];
                    let header = [128, 0, 24, 0, 72, 0, 24][usize::from(kind)];
                    let mut bytes: Vec<u8> = (0..header).map(|_| random() & random()).collect();
                    bytes.extend((0..random()).map(|_| random()));
                    let len = bytes.len() as u32;
                    bytes[..4].copy_from_slice(&[kind, random() & 4, header, random()]);
                    put(&mut bytes, 4, len.to_le_bytes());
                    if random() % 2 == 0 {
                        bytes[8] = [0, 1, 2, 6, 9, FABRICS][usize::from(random()) % 6];
                    }
                    let Ok(Some(pdu)) = Pdu::first(&bytes, 1 << 20) else {
                        break;
                    };
                    if queue.take(&pdu).is_err() {
                        break;
                    }
                }
                queue.out.flush(&target.disk, &mut io::sink()).unwrap();
            }
        }
    }
}
