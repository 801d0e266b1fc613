// SPDX-License-Identifier: GPL-2.0-only

//! A queue from its beginning to its end, and nonsense.

use super::io_command::{SGL_IN_CAPSULE, SGL_TRANSPORT};
use super::*;
use crate::bytes::put;
use crate::disk::Disk;
use std::sync::atomic::AtomicU16;

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
