// SPDX-License-Identifier: GPL-2.0-only

//! Peers for measuring an initiator, thin enough not to be what is measured: an iSCSI target, an
//! NVMe/TCP target of the same build to compare with, and the smallest client of an iSCSI target.

#![forbid(unsafe_code)]

mod bytes;
mod crc32c;
mod disk;
mod floor;
mod iscsi;
mod nvme;
mod options;
mod server;
mod wire;

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let done = match arguments.next().as_deref() {
        Some("iscsi") => iscsi::main(arguments),
        Some("nvme") => nvme::main(arguments),
        Some("floor") => floor::main(arguments),
        Some("--help" | "-h" | "help") => {
            println!("{}\n{}\n{}", iscsi::HELP, nvme::HELP, floor::HELP);
            Ok(())
        }
        Some(other) => Err(format!("there is no command {other}")),
        None => Err("iscsi, nvme or floor? See thin --help".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("thin: {error}");
            ExitCode::FAILURE
        }
    }
}
