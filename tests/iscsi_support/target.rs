// SPDX-License-Identifier: GPL-2.0-only

//! A target that keeps to RFC 7143 in every random choice it makes, and polices what it receives:
//! numbers, lengths, bits, and the bytes themselves.

use std::collections::{
    BTreeMap,
    VecDeque, //
};

use iscsi_init::proto::iscsi::parameters::Parameters;

use super::{
    data_in,
    data_length,
    nop_in,
    r2t,
    scsi_response,
    word,
    Builder,
    Random, //
};

/// A byte of the disk: a function of the command and the offset, so that no other byte passes for
/// it.
pub(crate) fn pattern(command: u32, offset: u32) -> u8 {
    let mixed = command.wrapping_mul(0x9e37_79b1) ^ offset.wrapping_mul(0x85eb_ca77);
    (mixed ^ (mixed >> 15)).to_le_bytes()[1]
}

/// One command as the target sees it.
struct Work {
    /// Whose bytes of the disk it moves.
    id: u32,
    is_read: bool,
    /// The expected data transfer length.
    length: u32,
    /// How much of it the target moves; the rest is its residual.
    wanted: u32,
    /// Bytes received, or sent.
    moved: u32,
    /// End of the unsolicited data.
    unsolicited_end: u32,
    unsolicited_sn: u32,
    /// The R2T that is out: tag, offset, end, next offset, next DataSN.
    r2t: Option<(u32, u32, u32, u32)>,
    /// DataSN or R2TSN.
    next_sn: u32,
    in_burst: u32,
}

/// A target, with the bytes on their way to and from it.
pub(crate) struct Target {
    parameters: Parameters,
    stat_sn: u32,
    exp_cmd_sn: u32,
    max_cmd_sn: u32,
    pub(crate) input: VecDeque<u8>,
    pub(crate) output: VecDeque<u8>,
    work: BTreeMap<u32, Work>,
    next_ttt: u32,
}

impl Target {
    /// A target whose login ended with these numbers.
    pub(crate) fn new(parameters: Parameters, stat_sn: u32, cmd_sn: u32, max_cmd_sn: u32) -> Self {
        Self {
            parameters,
            stat_sn,
            exp_cmd_sn: cmd_sn,
            max_cmd_sn,
            input: VecDeque::new(),
            output: VecDeque::new(),
            work: BTreeMap::new(),
            next_ttt: 0,
        }
    }

    fn send(&mut self, builder: Builder, counted: bool, data: &[u8]) {
        let header = builder
            .numbers(self.stat_sn, self.exp_cmd_sn, self.max_cmd_sn)
            .0;
        self.output.extend(header);
        self.output.extend(data);
        // Padding may hold anything.
        self.output.extend(std::iter::repeat_n(
            0xa5,
            data.len().next_multiple_of(4) - data.len(),
        ));
        if counted {
            self.stat_sn = self.stat_sn.wrapping_add(1);
        }
    }

    /// Takes one whole PDU, if there is one.
    pub(crate) fn receive(&mut self) {
        let available = self.input.make_contiguous();
        if available.len() < 48 {
            return;
        }
        let data = data_length(available);
        let padded = data.next_multiple_of(4);
        if available.len() < 48 + padded {
            return;
        }
        let pdu: Vec<u8> = self.input.drain(..48 + padded).collect();
        let (header, data) = (&pdu[..48], &pdu[48..48 + data]);
        assert!(data.len() as u64 <= u64::from(self.parameters.max_send_data_segment_length));
        assert!(
            pdu[48 + data.len()..].iter().all(|byte| *byte == 0),
            "padding"
        );
        assert_eq!(header[4], 0, "no additional header");
        // The answer to a ping may cross an event and a status that were sent right behind the
        // ping.
        let crossed = if header[0] == 0x40 { 2 } else { 0 };
        let unacknowledged = self.stat_sn.wrapping_sub(word(header, 28));
        assert!(
            unacknowledged <= crossed,
            "ExpStatSN acknowledges what was delivered"
        );
        match header[0] {
            0x01 => self.command(header, data),
            0x05 => self.data_out(header, data),
            0x40 => {
                assert_eq!(
                    word(header, 24),
                    self.exp_cmd_sn,
                    "immediate commands take no number"
                );
                if word(header, 16) != u32::MAX {
                    assert_eq!(word(header, 20), u32::MAX);
                    self.send(nop_in(word(header, 16), u32::MAX), true, &[]);
                }
            }
            // RFC 7143 section 11.14: what is under way ends with the session.
            0x46 => {
                assert_eq!(word(header, 24), self.exp_cmd_sn);
                self.work.clear();
                let answer = Builder::new(0x26, 0x80).word(16, word(header, 16));
                self.send(answer, true, &[]);
            }
            other => panic!("opcode {other:#x}"),
        }
    }

    fn command(&mut self, header: &[u8], data: &[u8]) {
        let (itt, length) = (word(header, 16), word(header, 20));
        assert_eq!(word(header, 24), self.exp_cmd_sn, "commands come in order");
        let room = self
            .max_cmd_sn
            .wrapping_sub(self.exp_cmd_sn)
            .wrapping_add(1);
        assert!(room != 0 && room < 1 << 31, "the window was closed");
        self.exp_cmd_sn = self.exp_cmd_sn.wrapping_add(1);
        assert_eq!(header[8..16], [0, 3, 0, 0, 0, 0, 0, 0]);
        let is_read = header[1] & 0x40 != 0;
        let is_write = header[1] & 0x20 != 0;
        assert!(!(is_read && is_write));
        assert_eq!(is_read || is_write, length != 0);
        // The tests' CDBs say whose bytes are moved, and how much the target is to move of them.
        let (id, wanted) = (word(header, 32), word(header, 36));
        let is_final = header[1] & 0x80 != 0;
        let immediate = u32::try_from(data.len()).unwrap();
        let first_burst = length.min(self.parameters.first_burst_length);
        assert!(is_write || immediate == 0);
        assert!(immediate == 0 || self.parameters.immediate_data);
        assert!(immediate <= first_burst);
        assert!(is_final || is_write && !self.parameters.initial_r2t && immediate < first_burst);
        check(id, 0, data);
        let work = Work {
            id,
            is_read,
            length,
            wanted,
            moved: immediate,
            unsolicited_end: if is_final { immediate } else { first_burst },
            unsolicited_sn: 0,
            r2t: None,
            next_sn: 0,
            in_burst: 0,
        };
        assert!(self.work.insert(itt, work).is_none(), "a tag in use");
    }

    fn data_out(&mut self, header: &[u8], data: &[u8]) {
        let itt = word(header, 16);
        let work = self.work.get_mut(&itt).unwrap();
        let (ttt, data_sn, offset) = (word(header, 20), word(header, 36), word(header, 40));
        let end = offset + u32::try_from(data.len()).unwrap();
        let is_final = header[1] & 0x80 != 0;
        assert_eq!(header[1] & 0x7f, 0);
        // RFC 7143 section 11.7.4: the LUN goes with the target's tag.
        let lun = if ttt == u32::MAX { 0 } else { 3 };
        assert_eq!(header[8..16], [0, lun, 0, 0, 0, 0, 0, 0]);
        assert!(!data.is_empty());
        assert!(is_final || data.len() % 4 == 0);
        if ttt == u32::MAX {
            assert_eq!(data_sn, work.unsolicited_sn);
            assert_eq!(
                offset, work.moved,
                "unsolicited data goes on after the command's"
            );
            assert_eq!(is_final, end == work.unsolicited_end);
            work.unsolicited_sn += 1;
            work.moved = end;
        } else {
            let (expected, until, next, sn) = work.r2t.unwrap();
            assert_eq!((ttt, offset, data_sn), (expected, next, sn));
            assert!(end <= until);
            assert_eq!(is_final, end == until);
            work.r2t = (!is_final).then_some((expected, until, end, sn + 1));
            work.moved = work.moved.max(end);
        }
        check(work.id, offset, data);
    }

    /// Does one thing for one command, chosen at random.
    pub(crate) fn act(&mut self, random: &mut Random) {
        if random.once_in(16) {
            self.send(nop_in(u32::MAX, u32::MAX), false, &[]);
        }
        if random.once_in(64) {
            self.send(
                nop_in(u32::MAX, 0x77).lun([0, 9, 0, 0, 0, 0, 0, 0]),
                false,
                &[],
            );
        }
        if random.once_in(64) {
            // RFC 7143 section 11.9: vendor's own, with data, and with a status number.
            let event = Builder::new(0x32, 0x80).word(16, u32::MAX).byte(36, 255);
            self.send(event.data_length(5), true, b"event");
        }
        if random.once_in(4)
            && self
                .max_cmd_sn
                .wrapping_sub(self.exp_cmd_sn)
                .wrapping_add(1)
                < 5
        {
            self.max_cmd_sn = self.max_cmd_sn.wrapping_add(random.within(0, 2));
        }
        let busy: Vec<u32> = self.work.keys().copied().collect();
        let Some(itt) = random.pick(&busy) else {
            return;
        };
        let mut work = self.work.remove(&itt).unwrap();
        let goes_on = if work.is_read {
            self.read(itt, &mut work, random)
        } else {
            self.write(itt, &mut work, random)
        };
        if goes_on {
            self.work.insert(itt, work);
        }
    }

    fn read(&mut self, itt: u32, work: &mut Work, random: &mut Random) -> bool {
        let unused = work.length - work.wanted;
        let residual = if unused == 0 { 0 } else { 0x02 };
        if work.moved == work.wanted {
            let end = scsi_response(itt, 0, 0).byte(1, 0x80 | residual);
            self.send(end.word(36, work.next_sn).word(44, unused), true, &[]);
            return false;
        }
        let burst = self.parameters.max_burst_length - work.in_burst;
        let most = self.parameters.max_receive_data_segment_length.min(burst);
        let least = u32::from(!random.once_in(8));
        let length = random.within(least, most.min(work.wanted - work.moved));
        let data: Vec<u8> = (0..length)
            .map(|at| pattern(work.id, work.moved + at))
            .collect();
        let mut pdu = data_in(itt, work.next_sn, work.moved, data.len());
        work.next_sn += 1;
        work.moved += length;
        work.in_burst += length;
        let is_last = work.moved == work.wanted;
        // RFC 7143 section 11.7.1: a sequence may end before it has MaxBurstLength.
        if is_last || work.in_burst == self.parameters.max_burst_length || random.once_in(8) {
            pdu = pdu.byte(1, 0x80);
            work.in_burst = 0;
        }
        let with_status = is_last && random.once_in(2);
        if with_status {
            pdu = pdu.byte(1, 0x81 | residual).word(44, unused);
        }
        self.send(pdu, with_status, &data);
        !with_status
    }

    fn write(&mut self, itt: u32, work: &mut Work, random: &mut Random) -> bool {
        let asked = work
            .r2t
            .map_or(work.unsolicited_end.max(work.moved), |r2t| r2t.1);
        if work.r2t.is_none() && asked < work.wanted {
            // Now and then again what was already sent, as for recovery.
            let offset = if random.once_in(8) {
                random.within(0, asked)
            } else {
                asked
            };
            let most = self.parameters.max_burst_length.min(work.length - offset);
            let length = random.within(1, most);
            self.next_ttt = self.next_ttt.wrapping_add(1) & 0x7fff_ffff;
            let ttt = self.next_ttt;
            let pdu = r2t(itt, ttt, work.next_sn, offset, length).lun([0, 3, 0, 0, 0, 0, 0, 0]);
            work.r2t = Some((ttt, offset + length, offset, 0));
            work.next_sn += 1;
            self.send(pdu, false, &[]);
            return true;
        }
        let complete = work.moved >= work.wanted.max(work.unsolicited_end);
        if work.r2t.is_some() || !complete {
            return true;
        }
        let unused = work.length - work.wanted;
        let residual = if unused == 0 { 0 } else { 0x02 };
        let end = scsi_response(itt, 0, 0).byte(1, 0x80 | residual);
        self.send(end.word(36, work.next_sn).word(44, unused), true, &[]);
        false
    }
}

/// Checks that the bytes of a write are the ones that belong there.
pub(crate) fn check(command: u32, offset: u32, data: &[u8]) {
    for (at, byte) in (offset..).zip(data) {
        assert_eq!(
            *byte,
            pattern(command, at),
            "command {command:#x}, offset {at}"
        );
    }
}
