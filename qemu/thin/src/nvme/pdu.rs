// SPDX-License-Identifier: GPL-2.0-only

//! NVMe/TCP PDUs (NVMe over Fabrics 1.1 section 7.4): where one ends, and those that we send.

use std::io;

use crate::bytes::{broken, le16, le32, put};
use crate::wire::Outbox;

/// PDU types.
pub mod kind {
    pub const IC_REQ: u8 = 0x00;
    pub const IC_RESP: u8 = 0x01;
    pub const H2C_TERM: u8 = 0x02;
    pub const COMMAND: u8 = 0x04;
    pub const RESPONSE: u8 = 0x05;
    pub const H2C_DATA: u8 = 0x06;
    pub const C2H_DATA: u8 = 0x07;
    pub const R2T: u8 = 0x09;
}

/// The headers that a host sends: the common one, a command, data.
const COMMON: usize = 8;
const COMMAND_HEADER: usize = 72;
const DATA_HEADER: usize = 24;
const IC: usize = 128;

const LAST: u8 = 0x04;
const SUCCESS: u8 = 0x08;

/// A PDU that has arrived.
pub struct Pdu<'a> {
    pub kind: u8,
    pub last: bool,
    pub header: &'a [u8],
    pub data: &'a [u8],
    /// What it takes up on the wire.
    pub len: usize,
}

impl<'a> Pdu<'a> {
    /// The first PDU of `bytes`, when all of it is there.
    pub fn first(bytes: &'a [u8], largest: usize) -> io::Result<Option<Self>> {
        let Some(&[kind, flags, header, offset, ..]) = bytes.first_chunk::<COMMON>() else {
            return Ok(None);
        };
        let len = le32(bytes, 4) as usize;
        let (header, offset) = (usize::from(header), usize::from(offset));
        let expected = match kind {
            kind::IC_REQ => IC,
            kind::COMMAND => COMMAND_HEADER,
            kind::H2C_DATA | kind::H2C_TERM => DATA_HEADER,
            _ => return Err(broken(format!("a PDU of type {kind:#04x}"))),
        };
        if header != expected || len < header || len > largest || flags & 3 != 0 {
            let what =
                format!("a PDU of type {kind:#04x}, flags {flags:#04x}, {header} of {len} bytes");
            return Err(broken(what));
        }
        let Some(all) = bytes.get(..len) else {
            return Ok(None);
        };
        // Without data the offset means nothing.
        let data = if len == header {
            &[]
        } else {
            all.get(offset.max(header)..).unwrap_or(&[])
        };
        Ok(Some(Self {
            kind,
            last: flags & LAST != 0,
            header: &all[..header],
            data,
            len,
        }))
    }
}

fn header<const N: usize>(kind: u8, flags: u8, offset: u8, data: usize) -> [u8; N] {
    let mut header = [0; N];
    header[0] = kind;
    header[1] = flags;
    header[2] = N as u8;
    header[3] = offset;
    put(&mut header, 4, ((N + data) as u32).to_le_bytes());
    header
}

/// Accepts the connection: no digests, no alignment.
pub fn ic_resp(max_h2c_data: usize, out: &mut Outbox) {
    let mut pdu: [u8; IC] = header(kind::IC_RESP, 0, 0, 0);
    put(&mut pdu, 12, (max_h2c_data as u32).to_le_bytes());
    out.bytes(&pdu);
}

/// A completion queue entry: `result`, the submission queue's head, and the status with DNR.
pub fn response(command: u16, result: u64, head: u16, status: u16, out: &mut Outbox) {
    let mut pdu: [u8; 24] = header(kind::RESPONSE, 0, 0, 0);
    put(&mut pdu, 8, result.to_le_bytes());
    put(&mut pdu, 16, head.to_le_bytes());
    put(&mut pdu, 20, command.to_le_bytes());
    put(&mut pdu, 22, (status << 1).to_le_bytes());
    out.bytes(&pdu);
}

/// The header of all the data of a command; with `success` no completion is to follow.
pub fn c2h_data(command: u16, len: usize, success: bool, out: &mut Outbox) {
    let flags = LAST | if success { SUCCESS } else { 0 };
    let mut pdu: [u8; DATA_HEADER] = header(kind::C2H_DATA, flags, DATA_HEADER as u8, len);
    put(&mut pdu, 8, command.to_le_bytes());
    put(&mut pdu, 16, (len as u32).to_le_bytes());
    out.bytes(&pdu);
}

/// Asks for all the data of a command.
pub fn r2t(command: u16, tag: u16, len: usize, out: &mut Outbox) {
    let mut pdu: [u8; 24] = header(kind::R2T, 0, 0, 0);
    put(&mut pdu, 8, command.to_le_bytes());
    put(&mut pdu, 10, tag.to_le_bytes());
    put(&mut pdu, 16, (len as u32).to_le_bytes());
    out.bytes(&pdu);
}

/// Where host data belongs: command, tag, offset.
pub fn h2c_place(header: &[u8]) -> (u16, u16, usize) {
    (le16(header, 8), le16(header, 10), le32(header, 12) as usize)
}
