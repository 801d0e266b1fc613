// SPDX-License-Identifier: GPL-2.0-only

//! What real targets, servers, firmware and kernels have said: seeds.

#[path = "../../tests/dhcp_support/hex.rs"]
mod hex;

pub(crate) use hex::bytes;

const WIRE: &str = include_str!("../captured.hex");

/// The bytes that were on the wire when this happened.
pub(crate) fn when(what: &str) -> Vec<u8> {
    let (_, behind) = WIRE.split_once(&format!("# {what}\n")).expect(what);
    bytes(behind.split("\n\n").next().unwrap_or_default())
}

/// The packets of the servers in a recorded conversation.
pub(crate) fn of_servers(text: &str) -> Vec<Vec<u8>> {
    let parts = text.split("# ");
    let servers = parts.filter_map(|part| part.strip_prefix("server\n"));
    servers.map(bytes).collect()
}
