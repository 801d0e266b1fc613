// SPDX-License-Identifier: GPL-2.0-only

//! A target that says what it likes: what could follow, that with fields changed, or noise.

use super::{
    data_in,
    data_length,
    initiator::LUN,
    nop_in,
    r2t,
    scsi_response,
    witness::{
        Seen,
        Witness, //
    },
    word,
    Builder,
    Random, //
};

/// The most data that goes with a header; more is only announced.
const DATA_MAX: usize = 1 << 16;

/// The 32-bit fields of a header from the target: lengths, LUN, tags, numbers, and what its opcode
/// puts behind them.
const WORDS: [usize; 11] = [4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44];

/// What the target could know.
pub(crate) struct Known<'a> {
    pub(crate) witness: &'a Witness,
    /// Tags that named a task, and do so no more.
    pub(crate) past: &'a [u32],
    /// The requests that wait for their answer: tag, and the answer's opcode.
    pub(crate) requests: &'a [(u32, u8)],
}

/// A whole PDU: more often than not one that could follow.
pub(crate) fn pdu(known: &Known<'_>, random: &mut Random) -> Vec<u8> {
    let mut header = if random.once_in(200) {
        noise(random)
    } else {
        numbered(legal(known, random), known.witness, random)
    };
    if random.once_in(10) {
        for _ in 0..random.within(1, 2) {
            mutate(&mut header, known, random);
        }
    }
    let length = data_length(&header.0).min(DATA_MAX);
    let mut pdu = header.0.to_vec();
    pdu.extend((0..length).map(|_| random.next().to_le_bytes()[2]));
    pdu.resize(pdu.len().next_multiple_of(4), 0xa5);
    pdu
}

/// A header that could follow, but for its numbers.
fn legal(known: &Known<'_>, random: &mut Random) -> Builder {
    let none = u32::MAX;
    match random.below(24) {
        0 => return nop_in(none, none),
        1 => return nop_in(none, 0x77),
        2 => {
            let event = if random.once_in(16) { 3 } else { 255 };
            return Builder::new(0x32, 0x80).word(16, none).byte(36, event);
        }
        3 if random.once_in(16) => {
            let reject = Builder::new(0x3f, 0x80).word(16, none).byte(2, 4);
            return reject.data_length(if random.once_in(2) { 48 } else { 0 });
        }
        4..6 if !known.requests.is_empty() => {
            let index = random.below(known.requests.len() as u64);
            let (tag, opcode) = known.requests[usize::try_from(index).unwrap()];
            let opcode = if random.once_in(32) { 0x24 } else { opcode };
            return Builder::new(opcode, 0x80).word(16, tag).word(20, none);
        }
        _ => {}
    }
    let Some(tag) = random.pick(&known.witness.tags()) else {
        return nop_in(none, none);
    };
    let seen = &known.witness.commands[&tag];
    let parameters = known.witness.parameters();
    let left = seen.length - seen.reach;
    if random.once_in(24) || left == 0 && !seen.owes() && !random.once_in(4) {
        return end(tag, seen, random);
    }
    if seen.is_read {
        let most = parameters.max_receive_data_segment_length;
        let length = random.within(0, left.min(most));
        // RFC 7143 section 11.7.7: where no data is does not matter.
        let offset = match length {
            0 => random.within(0, seen.length),
            _ => seen.reach,
        };
        let pdu = data_in(tag, seen.next_sn, offset, length as usize);
        let ends = length == left && random.once_in(2);
        return if ends { pdu.byte(1, 0x81) } else { pdu };
    }
    if seen.is_write && (seen.asked.is_none() || random.once_in(24)) && seen.length > 0 {
        // Now and then again what was already sent.
        let offset = if random.once_in(4) || left == 0 {
            random.within(0, seen.reach.min(seen.length - 1))
        } else {
            seen.reach
        };
        let most = parameters.max_burst_length.min(seen.length - offset);
        let length = random.within(1, most);
        let ttt = random.within(0, 3);
        return r2t(tag, ttt, seen.next_sn, offset, length).lun([0, 3, 0, 0, 0, 0, 0, 0]);
    }
    if seen.owes() {
        return nop_in(none, none);
    }
    end(tag, seen, random)
}

/// An end with a status that fits, or one that does not.
fn end(tag: u32, seen: &Seen, random: &mut Random) -> Builder {
    let left = seen.length - seen.reach;
    let (flags, residual) = match random.below(6) {
        0 => (0x80, 0),
        1 => (0x84, random.within(0, 9)),
        2 => (0x82, random.within(0, seen.length)),
        _ if left == 0 => (0x80, 0),
        _ => (0x82, left),
    };
    let (status, sense) = match random.below(8) {
        0 => (2, 20),
        1 => (8, 0),
        _ => (0, 0),
    };
    scsi_response(tag, status, sense)
        .byte(1, flags)
        .word(36, seen.next_sn)
        .word(44, residual)
}

/// Numbers that could be: the next StatSN, and a window that is open, closed or old.
fn numbered(header: Builder, witness: &Witness, random: &mut Random) -> Builder {
    let exp_cmd_sn = witness.next_cmd_sn.wrapping_sub(random.within(0, 3));
    let max_cmd_sn = exp_cmd_sn.wrapping_add(random.within(0, 9)).wrapping_sub(1);
    let back = if random.once_in(30) { 1 } else { 0 };
    header.numbers(
        witness.exp_stat_sn.wrapping_sub(back),
        exp_cmd_sn,
        max_cmd_sn,
    )
}

/// Forty-eight bytes, as often as not with the opcode of a target and little data.
fn noise(random: &mut Random) -> Builder {
    const OPCODES: [u8; 9] = [0x20, 0x21, 0x22, 0x24, 0x25, 0x26, 0x31, 0x32, 0x3f];
    let mut header = Builder([0; 48]);
    for byte in &mut header.0 {
        *byte = random.next().to_le_bytes()[2];
    }
    if random.once_in(2) {
        header.0[0] = OPCODES[usize::try_from(random.below(9)).unwrap()];
        header.0[4..6].fill(0);
    }
    header
}

/// Changes one field to a value at an edge, or to one that belongs elsewhere.
pub(crate) fn mutate(header: &mut Builder, known: &Known<'_>, random: &mut Random) {
    // Opcode, flags, response and status.
    if random.once_in(4) {
        let at = usize::try_from(random.below(4)).unwrap();
        header.0[at] = match random.below(3) {
            0 => header.0[at] ^ (1 << random.below(8)),
            1 => 0,
            _ => random.next().to_le_bytes()[2],
        };
        return;
    }
    let at = WORDS[usize::try_from(random.below(11)).unwrap()];
    let old = word(&header.0, at);
    let tag = word(&header.0, 16);
    let length = known
        .witness
        .commands
        .get(&tag)
        .map_or(0, |seen| seen.length);
    let new = match random.below(12) {
        0 => 0,
        1 => u32::MAX,
        2 => old.wrapping_add(1),
        3 => old.wrapping_sub(1),
        4 => old.wrapping_add(random.within(0, 8_192)),
        5 => old.wrapping_sub(random.within(0, 8_192)),
        6 => old ^ (1 << random.below(32)),
        7 => length,
        8 => length.wrapping_sub(word(&header.0, 40)).wrapping_add(1),
        9 => random.pick(&known.witness.tags()).unwrap_or(u32::from(LUN)),
        10 => random.pick(known.past).unwrap_or_default(),
        _ => u32::try_from(random.next() >> 32).unwrap(),
    };
    *header = header.clone().word(at, new);
}
