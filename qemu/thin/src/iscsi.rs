// SPDX-License-Identifier: GPL-2.0-only

//! `thin iscsi`: an iSCSI target (RFC 7143) that costs as little as one can in user space.
//!
//! A thread for each connection waits in read(), executes every command that has arrived whole, and
//! sends all answers in one system call. A session has one connection and error recovery level 0.
//! Names are not looked at, and there is no authentication.

pub mod login;
pub mod pdu;
pub mod scsi;
mod session;

use std::io;
use std::net::TcpStream;
use std::sync::atomic::AtomicU16;
use std::sync::Arc;

use crate::disk::Disk;
use crate::options::Options;
use crate::server;
use crate::wire::Inbox;
use login::Wanted;
use pdu::{Pdu, BHS};
use scsi::Units;
use session::{Phase, Session};

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
