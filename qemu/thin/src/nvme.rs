// SPDX-License-Identifier: GPL-2.0-only

//! `thin nvme`: an NVMe/TCP target (NVMe over Fabrics 1.1, NVM Express 1.4) built like `thin iscsi`,
//! so that initiators of both can be compared: a thread for each connection, which is a queue;
//! every command that has arrived is executed, and all answers go out in one system call.
//!
//! Controllers share nothing but the medium, so a queue needs to know no other. Any host and
//! subsystem name is accepted.

mod identify;
mod pdu;
mod queue;

use std::io;
use std::net::TcpStream;
use std::sync::atomic::AtomicU16;
use std::sync::Arc;

use crate::disk::Disk;
use crate::options::Options;
use crate::server;
use crate::wire::Inbox;
use identify::IN_CAPSULE;
use pdu::Pdu;
use queue::Queue;

pub const HELP: &str = "\
thin nvme [--listen ADDRESS:PORT] [--size MIB] [--max-h2c-data BYTES]

  --listen        where to listen (127.0.0.1:4421)
  --size          of the namespace, in MiB (1024); memory is taken as it is written
  --max-h2c-data  the most data in a PDU of the host's (1048576)
";

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
