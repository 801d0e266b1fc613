// SPDX-License-Identifier: GPL-2.0-only

//! Who reads every PDU of a session, both ways, and checks the initiator by what must hold whatever
//! the target sends.
//!
//! What is expected follows from the bytes alone. No target can make the initiator
//!
//! - use a CmdSN twice, leave one out, or pass MaxCmdSN (RFC 7143 section 4.2.2.1);
//! - acknowledge a status that did not come, or leave out one that did (section 4.2.2.2);
//! - name a byte outside a command's buffer, or take one twice (sections 11.7 and 11.8);
//! - send data that is neither agreed on nor asked for, or more of it at once than a burst (section
//!   4.2.5.2);
//! - believe in a success whose bytes were not moved.
//!
//! Nor does the initiator refuse Data-In, R2T or an end that keep to the rules.

use std::{
    collections::BTreeMap,
    ops::Range, //
};

use iscsi_init::proto::iscsi::{
    login::Established,
    parameters::Parameters,
    pdu::response::Residual,
    task::Outcome, //
};

use super::{
    data_length,
    initiator::{
        LUN,
        UNTOUCHED, //
    },
    word, //
};

/// How far back a StatSN is tolerated as the repetition of one.
pub(crate) const REPEATS: u32 = 4_096;

/// Whether the serial number `a` comes before `b` (RFC 1982 section 3.2).
pub(crate) fn before(a: u32, b: u32) -> bool {
    (1..1 << 31).contains(&b.wrapping_sub(a))
}

/// Checks that what holds to all `rules`, and nothing else, was accepted.
fn judge(accepted: bool, rules: &[(&str, bool)]) {
    let broken = rules.iter().find(|(_, kept)| !kept).map(|(rule, _)| rule);
    match broken {
        Some(rule) => assert!(!accepted, "accepted in spite of this: {rule}"),
        None => assert!(accepted, "refused without a reason"),
    }
}

/// Data-Out that is owed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Burst {
    ttt: u32,
    next: u32,
    end: u32,
    data_sn: u32,
}

/// A command as its PDUs show it.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) is_read: bool,
    pub(crate) is_write: bool,
    pub(crate) length: u32,
    /// DataSN or R2TSN of the next.
    pub(crate) next_sn: u32,
    /// How far the bytes reach that were received, or sent, or will be without being asked for.
    pub(crate) reach: u32,
    /// What was read.
    bytes: Vec<Option<u8>>,
    unsolicited: Option<Burst>,
    pub(crate) asked: Option<Burst>,
}

impl Seen {
    /// How far the bytes reach that were moved.
    fn moved(&self) -> u32 {
        // What is promised and has not gone is the end of the unsolicited data.
        self.unsolicited.map_or(self.reach, |burst| burst.next)
    }

    pub(crate) fn owes(&self) -> bool {
        self.unsolicited.is_some() || self.asked.is_some()
    }
}

#[derive(Debug)]
pub(crate) struct Witness {
    parameters: Parameters,
    pub(crate) next_cmd_sn: u32,
    max_cmd_sn: u32,
    pub(crate) exp_stat_sn: u32,
    pub(crate) commands: BTreeMap<u32, Seen>,
    logged_out: bool,
}

impl Witness {
    pub(crate) fn new(established: &Established) -> Self {
        let next_cmd_sn = established.cmd_sn.value();
        let mut witness = Self {
            parameters: established.parameters,
            next_cmd_sn,
            // RFC 7143 section 4.2.2.1: whatever opens the window, the login's numbers do first.
            max_cmd_sn: established.max_cmd_sn.value(),
            exp_stat_sn: established.exp_stat_sn.value(),
            commands: BTreeMap::new(),
            logged_out: false,
        };
        let (exp_cmd_sn, max_cmd_sn) = (established.exp_cmd_sn.value(), witness.max_cmd_sn);
        if !witness.is_plausible(exp_cmd_sn, max_cmd_sn) {
            // Room for the one command whose response will tell.
            witness.max_cmd_sn = next_cmd_sn;
        }
        witness
    }

    pub(crate) fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Where everything stands, in a line.
    pub(crate) fn summary(&self) -> String {
        let (next, max, status) = (self.next_cmd_sn, self.max_cmd_sn, self.exp_stat_sn);
        let commands = self.commands.iter().map(|(tag, seen)| {
            let Seen {
                length,
                next_sn,
                reach,
                unsolicited,
                asked,
                ..
            } = seen;
            let way = match (seen.is_read, seen.is_write) {
                (true, _) => "read",
                (_, true) => "write",
                _ => "no data",
            };
            format!("; {tag:#x} {way} {reach}/{length} SN {next_sn} {unsolicited:?} {asked:?}")
        });
        let commands: String = commands.collect();
        format!("CmdSN {next:#x} to {max:#x}, ExpStatSN {status:#x}{commands}")
    }

    pub(crate) fn tags(&self) -> Vec<u32> {
        self.commands.keys().copied().collect()
    }

    pub(crate) fn owes(&self, tag: u32) -> bool {
        self.commands[&tag].owes()
    }

    fn is_plausible(&self, exp_cmd_sn: u32, max_cmd_sn: u32) -> bool {
        !before(max_cmd_sn.wrapping_add(1), exp_cmd_sn) && !before(self.next_cmd_sn, exp_cmd_sn)
    }

    /// Checks the numbers of an immediate request, and whether a command may be sent.
    pub(crate) fn numbers(&self, request: &[u8; 48], window_open: bool) {
        let expected = (self.next_cmd_sn, self.exp_stat_sn);
        assert_eq!((word(request, 24), word(request, 28)), expected);
        let is_open =
            self.next_cmd_sn == self.max_cmd_sn || before(self.next_cmd_sn, self.max_cmd_sn);
        assert_eq!(window_open, is_open && !self.logged_out);
    }

    /// Checks what the initiator sends.
    pub(crate) fn sent(&mut self, header: &[u8]) {
        assert!(!self.logged_out, "something follows the Logout Request");
        assert_eq!(header[4], 0, "no additional header");
        assert_eq!(word(header, 28), self.exp_stat_sn, "ExpStatSN");
        match header[0] {
            0x01 => self.command(header),
            0x05 => self.data_out(header),
            immediate => {
                assert_eq!(immediate & 0x40, 0x40);
                assert_eq!(word(header, 24), self.next_cmd_sn, "CmdSN of a request");
                self.logged_out = immediate == 0x46;
            }
        }
    }

    fn command(&mut self, header: &[u8]) {
        assert_eq!(word(header, 24), self.next_cmd_sn, "CmdSN");
        assert!(
            !before(self.max_cmd_sn, self.next_cmd_sn),
            "the window was closed"
        );
        self.next_cmd_sn = self.next_cmd_sn.wrapping_add(1);
        let (tag, length) = (word(header, 16), word(header, 20));
        let (is_read, is_write) = (header[1] & 0x40 != 0, header[1] & 0x20 != 0);
        let immediate = u32::try_from(data_length(header)).unwrap();
        assert!(!(is_read && is_write));
        assert!(immediate == 0 || is_write && self.parameters.immediate_data);
        assert!(immediate <= self.parameters.max_send_data_segment_length);
        let first_burst = length.min(self.parameters.first_burst_length);
        assert!(immediate <= first_burst);
        let is_final = header[1] & 0x80 != 0;
        assert!(is_final || is_write && !self.parameters.initial_r2t && immediate < first_burst);
        let reach = if is_final { immediate } else { first_burst };
        let unsolicited = (!is_final).then_some(Burst {
            ttt: u32::MAX,
            next: immediate,
            end: first_burst,
            data_sn: 0,
        });
        let seen = Seen {
            is_read,
            is_write,
            length,
            next_sn: 0,
            reach,
            bytes: vec![None; if is_read { length as usize } else { 0 }],
            unsolicited,
            asked: None,
        };
        assert_ne!(tag, u32::MAX);
        assert!(self.commands.insert(tag, seen).is_none(), "a tag in use");
    }

    fn data_out(&mut self, header: &[u8]) {
        let seen = self.commands.get_mut(&word(header, 16)).unwrap();
        let ttt = word(header, 20);
        // RFC 7143 section 11.7.4: the LUN goes with the target's tag.
        let (owed, lun) = if ttt == u32::MAX {
            (&mut seen.unsolicited, 0)
        } else {
            (&mut seen.asked, LUN)
        };
        let burst = owed.as_mut().expect("data that nobody asked for");
        let (offset, length) = (word(header, 40), data_length(header));
        let length = u32::try_from(length).unwrap();
        assert_eq!(header[8..10], lun.to_be_bytes());
        assert_eq!(
            (ttt, word(header, 36), offset),
            (burst.ttt, burst.data_sn, burst.next)
        );
        assert!(length > 0 && length <= self.parameters.max_send_data_segment_length);
        let end = offset.checked_add(length).unwrap();
        assert!(end <= burst.end, "more than was asked for");
        assert!(end <= seen.length, "bytes beyond the buffer");
        let is_final = header[1] & 0x80 != 0;
        assert_eq!(is_final, end == burst.end);
        burst.next = end;
        burst.data_sn += 1;
        if is_final {
            *owed = None;
        }
        seen.reach = seen.reach.max(end);
    }

    /// Takes note of a header from the target, and of whether it was accepted.
    pub(crate) fn heard(&mut self, header: &[u8], accepted: bool) {
        // RFC 7143 sections 11.7.3, 11.8.3 and 11.19.2: not every PDU has a status.
        let counted = match header[0] & 0x3f {
            0x20 => word(header, 16) != u32::MAX,
            0x25 => header[1] & 1 != 0,
            0x31 => false,
            _ => true,
        };
        if !accepted {
            return;
        }
        let most = self.parameters.max_receive_data_segment_length as usize;
        assert!(header[4] == 0 && data_length(header) <= most, "too long");
        if header[0] & 0x3f == 0x25 && counted {
            // RFC 7143 section 11.7.3.
            assert_eq!(header[1] & 0x80, 0x80, "a status before the end");
            assert!(matches!(header[3], 0 | 4), "an error with data");
        }
        if counted {
            let behind = self.exp_stat_sn.wrapping_sub(word(header, 24));
            assert!(behind <= REPEATS, "a status was lost");
            if behind == 0 {
                self.exp_stat_sn = self.exp_stat_sn.wrapping_add(1);
            }
        }
        let (exp_cmd_sn, max_cmd_sn) = (word(header, 28), word(header, 32));
        if self.is_plausible(exp_cmd_sn, max_cmd_sn) && before(self.max_cmd_sn, max_cmd_sn) {
            self.max_cmd_sn = max_cmd_sn;
        }
    }

    /// Checks where the data of a Data-In is to go, or that it had to be refused.
    pub(crate) fn data_in(&mut self, header: &[u8], data: &[u8], range: Option<&Range<u32>>) {
        let seen = self.commands.get_mut(&word(header, 16)).unwrap();
        let (offset, length) = (word(header, 40), u32::try_from(data.len()).unwrap());
        let fits = offset
            .checked_add(length)
            .is_some_and(|end| end <= seen.length);
        judge(
            range.is_some(),
            &[
                ("a command that reads nothing", seen.is_read),
                ("DataSN", word(header, 36) == seen.next_sn),
                // RFC 7143 section 11.7.7: no data is nowhere.
                ("bytes beyond the buffer", fits || length == 0),
                // RFC 7143 section 13.19.
                ("data out of order", offset == seen.reach || length == 0),
            ],
        );
        let Some(range) = range else {
            return;
        };
        seen.next_sn += 1;
        assert_eq!(range.len(), data.len());
        if data.is_empty() {
            return;
        }
        assert_eq!(range.start, offset);
        for (at, byte) in (range.start as usize..).zip(data) {
            assert_eq!(seen.bytes[at].replace(*byte), None, "a byte taken twice");
        }
        seen.reach = range.end;
    }

    /// Takes note of an R2T that was accepted, or checks that it had to be refused.
    pub(crate) fn r2t(&mut self, header: &[u8], accepted: bool) {
        let seen = self.commands.get_mut(&word(header, 16)).unwrap();
        let (ttt, r2t_sn) = (word(header, 20), word(header, 36));
        let (offset, length) = (word(header, 40), word(header, 44));
        let fits = offset
            .checked_add(length)
            .is_some_and(|end| end <= seen.length);
        // RFC 7143 section 7.9: a repeated R2T is discarded, whatever else it says.
        let repeated = r2t_sn < seen.next_sn;
        let most = self.parameters.max_burst_length;
        judge(
            accepted,
            &[
                ("a command that writes nothing", seen.is_write),
                ("another LUN", header[8..16] == [0, 3, 0, 0, 0, 0, 0, 0]),
                ("no tag", ttt != u32::MAX),
                ("no bytes", length > 0),
                ("R2TSN", repeated || r2t_sn == seen.next_sn),
                ("MaxOutstandingR2T is 1", repeated || seen.asked.is_none()),
                ("more than a burst", repeated || length <= most),
                ("bytes beyond the buffer", repeated || fits),
                ("bytes left out", repeated || offset <= seen.reach),
            ],
        );
        if !accepted || repeated {
            return;
        }
        seen.next_sn += 1;
        seen.asked = Some(Burst {
            ttt,
            next: offset,
            end: offset + length,
            data_sn: 0,
        });
    }

    /// Checks how a command ended, and what its buffer holds.
    pub(crate) fn ended(&mut self, header: &[u8], outcome: &Outcome, buffer: &[u8]) {
        let seen = self.commands.remove(&word(header, 16)).unwrap();
        if seen.is_read {
            for (byte, read) in buffer.iter().zip(&seen.bytes) {
                assert_eq!(*byte, read.unwrap_or(UNTOUCHED));
            }
        }
        let (moved, length) = (seen.moved(), seen.length);
        let response = header[0] & 0x3f == 0x21;
        // SAM-5 section 5.3.1.
        let known = [0x00, 0x02, 0x04, 0x08, 0x18, 0x28, 0x30, 0x40];
        let succeeds = matches!(header[3], 0 | 4);
        // RFC 7143 section 11.4.5.1.
        let unused = if header[1] & 2 == 0 {
            0
        } else {
            word(header, 44)
        };
        let missing = seen.is_read && response && word(header, 36) > seen.next_sn;
        // A short read is taken for one, though the target does not call it so.
        let enough = !seen.is_write || length.saturating_sub(unused) <= moved;
        judge(
            matches!(outcome, Outcome::Completed(_)),
            &[
                ("not completed", !response || header[2] == 0),
                ("an unknown status", known.contains(&header[3])),
                (
                    "more left over than there was",
                    !succeeds || unused <= length,
                ),
                ("PDUs missing", !succeeds || !missing),
                ("bytes not written", !succeeds || enough),
            ],
        );
        let Outcome::Completed(end) = outcome else {
            return;
        };
        assert_eq!(end.status.value(), header[3]);
        let unused = match end.residual {
            Residual::Underflow(count) => count,
            Residual::None | Residual::Overflow(_) => 0,
        };
        assert!(unused <= length, "more left over than there was");
        if seen.is_read || end.status.is_success() {
            assert!(length - unused <= moved, "bytes that were not moved");
        }
    }

    /// Takes note that a command was given up.
    pub(crate) fn forget(&mut self, tag: u32) {
        self.commands.remove(&tag);
    }
}
