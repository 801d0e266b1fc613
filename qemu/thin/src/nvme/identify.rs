// SPDX-License-Identifier: GPL-2.0-only

//! What an NVMe controller and its namespace say of themselves (NVM Express Base Specification 1.4
//! section 5.15, NVMe over Fabrics 1.1 section 4).

use crate::bytes::{put, put_text};

/// Blocks have 512 bytes.
pub const BLOCK_SHIFT: u8 = 9;
/// The one namespace.
pub const NAMESPACE: u32 = 1;
/// Data that may come with a command; what is larger is asked for.
pub const IN_CAPSULE: usize = 16 << 10;
/// The largest queue.
pub const QUEUE_SIZE: u16 = 1024;
/// The largest transfer, in pages of 4 KiB to the power of two: 4 MiB.
const TRANSFER_SHIFT: u8 = 10;

pub const PAGE: usize = 4096;
pub const VERSION: u32 = 0x0001_0400;
/// Queues of QUEUE_SIZE that are contiguous; ready in 7.5 s; the NVM command set.
pub const CAPABILITIES: u64 = (QUEUE_SIZE as u64 - 1) | 1 << 16 | 15 << 24 | 1 << 37;

/// CNS 01h.
pub fn controller(id: u16, name: &[u8], port: u16) -> Vec<u8> {
    let mut data = vec![0; PAGE];
    put_text(&mut data, 4, 20, &format!("thin{port:05}"));
    put_text(&mut data, 24, 40, "thin");
    put_text(&mut data, 64, 8, env!("CARGO_PKG_VERSION"));
    data[77] = TRANSFER_SHIFT;
    put(&mut data, 78, id.to_le_bytes());
    put(&mut data, 80, VERSION.to_le_bytes());
    data[111] = 1; // an I/O controller
    data[258] = 3; // Abort commands at a time, less one
    data[259] = 3; // Asynchronous Event Requests, less one
    put(&mut data, 320, 10u16.to_le_bytes()); // Keep Alive in units of a second
    data[512] = 0x66;
    data[513] = 0x44;
    put(&mut data, 514, QUEUE_SIZE.to_le_bytes());
    put(&mut data, 516, NAMESPACE.to_le_bytes());
    put(&mut data, 536, (1u32 | 1 << 20).to_le_bytes()); // SGLs, and offsets in a capsule
    let name = &name[..name.len().min(223)];
    data[768..768 + name.len()].copy_from_slice(name);
    put(
        &mut data,
        1792,
        ((64 + IN_CAPSULE as u32) / 16).to_le_bytes(),
    );
    put(&mut data, 1796, 1u32.to_le_bytes());
    data[1803] = 1; // one SGL descriptor
    data
}

/// CNS 00h.
pub fn namespace(blocks: u64, port: u16) -> Vec<u8> {
    let mut data = vec![0; PAGE];
    for at in [0, 8, 16] {
        put(&mut data, at, blocks.to_le_bytes());
    }
    put(&mut data, 104, name(port));
    data[130] = BLOCK_SHIFT;
    data
}

/// CNS 02h: the namespaces after `after`.
pub fn namespaces(after: u32) -> Vec<u8> {
    let mut data = vec![0; PAGE];
    if after < NAMESPACE {
        put(&mut data, 0, NAMESPACE.to_le_bytes());
    }
    data
}

/// CNS 03h.
pub fn descriptors(port: u16) -> Vec<u8> {
    let mut data = vec![0; PAGE];
    data[0] = 2; // an NGUID
    data[1] = 16;
    put(&mut data, 4, name(port));
    data
}

/// An NGUID that two of us on a machine do not share.
fn name(port: u16) -> [u8; 16] {
    let mut name = *b"thin\0\0\0\0\0\0\0\0\0\0\0\0";
    put(&mut name, 14, port.to_be_bytes());
    name
}
