// SPDX-License-Identifier: GPL-2.0-only

//! The client's login, straight to the operational stage (RFC 7143 sections 6.3, 11.12 and 13).

use std::io::{self, Write};
use std::net::TcpStream;

use crate::bytes::{be16, be24, be32, broken};
use crate::disk::Disk;
use crate::iscsi::login::{say, Text};
use crate::iscsi::pdu::{opcode, Digests, Header, Pdu, IMMEDIATE};
use crate::wire::{Inbox, Outbox};

/// A random-format ISID (RFC 7143 section 11.12.5), unlike those that initiators make.
const ISID: [u8; 6] = [0x80, 0x74, 0x68, 0x69, 0x6e, 0x00];
/// The most exchanges that a login may take.
const EXCHANGES: usize = 8;

/// What login has settled.
pub struct Parameters {
    /// What the target takes in a PDU.
    pub max_send: usize,
    pub max_burst: usize,
    pub first_burst: usize,
    pub initial_r2t: bool,
    pub immediate_data: bool,
    pub cmd_sn: u32,
    pub max_cmd_sn: u32,
    pub exp_stat_sn: u32,
}

fn offer(target: &str, max_recv: usize) -> Vec<u8> {
    let mut text = Vec::new();
    let max_recv = max_recv.to_string();
    for (key, value) in [
        ("InitiatorName", "iqn.2004-01.net.example:thin-floor"),
        ("TargetName", target),
        ("SessionType", "Normal"),
        ("HeaderDigest", "None"),
        ("DataDigest", "None"),
        ("MaxConnections", "1"),
        ("InitialR2T", "No"),
        ("ImmediateData", "Yes"),
        ("MaxRecvDataSegmentLength", &max_recv),
        ("MaxBurstLength", "16776192"),
        ("FirstBurstLength", "262144"),
        ("DefaultTime2Wait", "0"),
        ("DefaultTime2Retain", "0"),
        ("MaxOutstandingR2T", "1"),
        ("DataPDUInOrder", "Yes"),
        ("DataSequenceInOrder", "Yes"),
        ("ErrorRecoveryLevel", "0"),
    ] {
        say(&mut text, key, value);
    }
    text
}

pub fn login(
    stream: &mut TcpStream,
    inbox: &mut Inbox,
    target: &str,
    max_recv: usize,
) -> io::Result<Parameters> {
    let mut parameters = Parameters {
        max_send: 8192,
        max_burst: 262_144,
        first_burst: 65_536,
        initial_r2t: true,
        immediate_data: true,
        cmd_sn: 1,
        max_cmd_sn: 1,
        exp_stat_sn: 0,
    };
    let mut request = offer(target, max_recv);
    let mut text = Text::default();
    for _ in 0..EXCHANGES {
        // From the operational stage to the full feature phase.
        let header = Header::new(opcode::LOGIN | IMMEDIATE, 0x87)
            .copy(8, &ISID)
            .word(24, parameters.cmd_sn)
            .word(28, parameters.exp_stat_sn);
        send(stream, header, &request)?;
        request.clear();
        let (flags, len) = loop {
            if let Some(pdu) = Pdu::first(inbox.bytes(), Digests::default(), 64 << 10)? {
                let header = pdu.header;
                if pdu.opcode() != opcode::LOGIN_RESPONSE || be24(header, 5) > 64 << 10 {
                    return Err(broken("not a Login Response"));
                }
                let status = be16(header, 36);
                if status != 0 {
                    return Err(io::Error::other(format!(
                        "login refused with {status:#06x}"
                    )));
                }
                parameters.exp_stat_sn = be32(header, 24).wrapping_add(1);
                parameters.cmd_sn = be32(header, 28);
                parameters.max_cmd_sn = be32(header, 32);
                text.add(pdu.data)?;
                break (header[1], pdu.len);
            }
            if !inbox.fill(stream)? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        };
        inbox.consume(len);
        if flags & 0x40 == 0 {
            for pair in text.take()? {
                parameters.take(&pair)?;
            }
        }
        if flags & 0x83 == 0x83 {
            return Ok(parameters);
        }
    }
    Err(broken("a login without end"))
}

fn send(stream: &mut TcpStream, header: Header, text: &[u8]) -> io::Result<()> {
    let mut out = Outbox::default();
    header.with(text, Digests::default(), &mut out);
    out.flush(&Disk::new(0), stream)?;
    stream.flush()
}

impl Parameters {
    fn take(&mut self, (key, value): &(String, String)) -> io::Result<()> {
        let length = || match value.parse() {
            Ok(length) if (512..1 << 24).contains(&length) => Ok(length),
            _ => Err(broken(format!("{key}={value}"))),
        };
        match key.as_str() {
            "MaxRecvDataSegmentLength" => self.max_send = length()? & !3,
            "MaxBurstLength" => self.max_burst = length()?,
            "FirstBurstLength" => self.first_burst = length()?,
            "InitialR2T" => self.initial_r2t = value == "Yes",
            "ImmediateData" => self.immediate_data = value == "Yes",
            _ => {}
        }
        Ok(())
    }
}
