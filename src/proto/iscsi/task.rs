// SPDX-License-Identifier: GPL-2.0-only

//! One SCSI command's data, both ways, and its outcome.
//!
//! Source: RFC 7143 sections 4.2.5, 11.4, 11.7 and 11.8.

use core::ops::Range;

use crate::proto::{
    iscsi::{
        error::{
            Error,
            Violation, //
        },
        lun::Lun,
        parameters::Parameters,
        pdu::{
            request::{
                DataOut,
                Direction, //
            },
            response::{
                DataIn,
                R2t,
                Residual,
                ScsiResponse,
                Status, //
            },
        },
        tag::Ttt, //
    },
    serial::Serial, //
};

/// A command from before it is sent until its outcome is known.
///
/// 1. [`Task::new`], then `Session::scsi_command` for its header, with [`Task::immediate_length`]
///    bytes of data.
/// 2. [`Task::next_data_out`] until it gives nothing, now and after every [`Task::r2t`].
/// 3. [`Task::data_in`] for every Data-In.
/// 4. [`Task::status`] or [`Task::response`] for its end.
///
/// Every call takes constant time and allocates nothing.
#[derive(Debug)]
pub struct Task {
    lun: Lun,
    cmd_sn: Option<Serial>,
    direction: Direction,
    /// The bytes the command moves.
    expected_length: u32,
    /// The bytes that go with the command itself.
    immediate_length: u32,
    /// How far the bytes reach that are sent without being asked for, those of the command
    /// included.
    unsolicited_end: u32,
    /// The next unsolicited Data-Out.
    unsolicited: Cursor,
    /// How far the bytes reach that were received or sent.
    moved: u32,
    /// DataSN of the next Data-In, or R2TSN of the next R2T.
    next_sn: u32,
    /// The R2T that waits for its data.
    solicited: Option<Solicited>,
}

/// Where a sequence of Data-Out stands.
#[derive(Debug)]
struct Cursor {
    offset: u32,
    data_sn: u32,
}

#[derive(Debug)]
struct Solicited {
    ttt: Ttt,
    end: u32,
    cursor: Cursor,
}

impl Task {
    /// A command that moves `expected_length` bytes in `direction`.
    pub fn new(
        lun: Lun,
        direction: Direction,
        expected_length: u32,
        parameters: &Parameters,
    ) -> Self {
        let (immediate_length, unsolicited_end) = match direction {
            Direction::Write => unsolicited_lengths(expected_length, parameters),
            Direction::None | Direction::Read => (0, 0),
        };
        Self {
            lun,
            cmd_sn: None,
            direction,
            expected_length,
            immediate_length,
            unsolicited_end,
            unsolicited: Cursor {
                offset: immediate_length,
                data_sn: 0,
            },
            moved: immediate_length,
            next_sn: 0,
            solicited: None,
        }
    }

    /// The logical unit.
    pub const fn lun(&self) -> Lun {
        self.lun
    }

    /// The CmdSN the command was sent with; `None` before it was.
    pub const fn cmd_sn(&self) -> Option<Serial> {
        self.cmd_sn
    }

    /// Which way the data goes.
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// The bytes the command moves.
    pub const fn expected_length(&self) -> u32 {
        self.expected_length
    }

    /// The bytes moved so far.
    pub const fn moved(&self) -> u32 {
        self.moved
    }

    /// The bytes of data that go with the command itself.
    pub const fn immediate_length(&self) -> u32 {
        self.immediate_length
    }

    /// Whether no unsolicited Data-Out follows the command.
    pub(super) const fn immediate_data_is_all(&self) -> bool {
        self.immediate_length == self.unsolicited_end
    }

    /// Takes note of the number the command was sent with.
    pub(super) fn sent_as(&mut self, cmd_sn: Serial) {
        self.cmd_sn = Some(cmd_sn);
    }

    /// Whether [`Task::next_data_out`] has something to give.
    pub const fn owes_data(&self) -> bool {
        self.unsolicited.offset < self.unsolicited_end || self.solicited.is_some()
    }

    /// The next Data-Out that is owed: the unsolicited burst first, then what the R2T asks for.
    ///
    /// What is returned counts as sent.
    pub fn next_data_out(&mut self, parameters: &Parameters) -> Option<DataOut> {
        // RFC 7143 section 11.7.4: without the target's tag the LUN is reserved.
        let (ttt, lun, end, cursor) = if self.unsolicited.offset < self.unsolicited_end {
            let cursor = &mut self.unsolicited;
            (Ttt::RESERVED, Lun::default(), self.unsolicited_end, cursor)
        } else {
            let solicited = self.solicited.as_mut()?;
            (
                solicited.ttt,
                self.lun,
                solicited.end,
                &mut solicited.cursor,
            )
        };
        let offset = cursor.offset;
        let data_sn = cursor.data_sn;
        let left = end.saturating_sub(offset);
        // RFC 7143 section 11.7.7: all but the last should be multiples of four bytes.
        let most = parameters.max_send_data_segment_length & !3;
        let length = left.min(most);
        let last = length == left;
        cursor.offset = offset.saturating_add(length);
        cursor.data_sn = data_sn.wrapping_add(1);
        self.moved = self.moved.max(cursor.offset);
        if last && !ttt.is_reserved() {
            self.solicited = None;
        }
        Some(DataOut {
            lun,
            ttt,
            data_sn,
            offset,
            length,
            last,
        })
    }

    /// Accepts an R2T, whose data [`Task::next_data_out`] then gives.
    ///
    /// A repeated R2T is discarded (RFC 7143 section 7.9).
    ///
    /// # Errors
    ///
    /// The [`Violation`] of an R2T that does not fit the command; nothing has changed then.
    pub fn r2t(&mut self, r2t: &R2t, parameters: &Parameters) -> Result<(), Error> {
        if self.direction != Direction::Write {
            return Err(Violation::R2tWithoutWrite.into());
        }
        // RFC 7143 section 4.2.5.3: the other fields must agree with the task that the tag names.
        if r2t.lun != self.lun {
            let (expected, received) = (self.lun, r2t.lun);
            return Err(Violation::LunMismatch { expected, received }.into());
        }
        if r2t.r2t_sn < self.next_sn {
            return Ok(());
        }
        if r2t.r2t_sn != self.next_sn {
            return Err(Violation::R2tSn {
                expected: self.next_sn,
                received: r2t.r2t_sn,
            }
            .into());
        }
        // MaxOutstandingR2T is 1: no more was offered.
        if self.solicited.is_some() {
            return Err(Violation::TooManyR2ts.into());
        }
        let (offset, length) = (r2t.offset, r2t.length);
        if length > parameters.max_burst_length {
            let limit = parameters.max_burst_length;
            return Err(Violation::R2tAboveMaxBurst { length, limit }.into());
        }
        let end = self
            .end_within(offset, length)
            .ok_or(Violation::R2tBeyondEnd {
                offset,
                length,
                expected: self.expected_length,
            })?;
        // RFC 7143 section 13.19: sequences come in order, so what is left out now never comes.
        // Asking again for what was sent is legal.
        let reach = self.moved.max(self.unsolicited_end);
        if offset > reach {
            return Err(Violation::R2tOffset {
                expected: reach,
                received: offset,
            }
            .into());
        }
        self.next_sn = self.next_sn.wrapping_add(1);
        let cursor = Cursor { offset, data_sn: 0 };
        self.solicited = Some(Solicited {
            ttt: r2t.ttt,
            end,
            cursor,
        });
        Ok(())
    }

    /// Accepts a Data-In: where in the command's buffer its data belongs, in bytes.
    ///
    /// The length of a burst is not checked: too long a burst of data that is in order harms
    /// nothing.
    ///
    /// # Errors
    ///
    /// The [`Violation`] of a Data-In that does not fit the command; nothing has changed then.
    pub fn data_in(&mut self, data_in: &DataIn) -> Result<Range<u32>, Error> {
        if self.direction != Direction::Read {
            return Err(Violation::DataInWithoutRead.into());
        }
        if data_in.data_sn != self.next_sn {
            let (expected, received) = (self.next_sn, data_in.data_sn);
            return Err(Violation::DataSn { expected, received }.into());
        }
        let (offset, length) = (data_in.offset, data_in.length);
        let range = if length == 0 {
            // RFC 7143 section 11.7.7 allows no data, which belongs nowhere.
            self.moved..self.moved
        } else {
            let end = self
                .end_within(offset, length)
                .ok_or(Violation::DataInBeyondEnd {
                    offset,
                    length,
                    expected: self.expected_length,
                })?;
            // RFC 7143 sections 13.18 and 13.19: DataPDUInOrder and DataSequenceInOrder are Yes.
            if offset != self.moved {
                let expected = self.moved;
                return Err(Violation::DataInOffset {
                    expected,
                    received: offset,
                }
                .into());
            }
            offset..end
        };
        self.moved = range.end;
        self.next_sn = self.next_sn.wrapping_add(1);
        Ok(range)
    }

    /// How the command ended, by the status of its last Data-In, which went through
    /// [`Task::data_in`] before.
    pub fn status(&self, status: &Status) -> Outcome {
        if !status.status.is_known() {
            Outcome::Failed(Failure::Status(status.status.value()))
        } else if status.status.is_success() {
            self.success(status)
        } else {
            Outcome::Completed(Status {
                residual: self.bounded(status.residual),
                ..*status
            })
        }
    }

    /// How the command ended, by its SCSI Response.
    pub fn response(&self, response: &ScsiResponse) -> Outcome {
        match &response.outcome {
            Err(code) => Outcome::Failed(Failure::Response(*code)),
            // RFC 7143 sections 7.9 and 11.4.8: a larger ExpDataSN tells of PDUs that did not
            // arrive. Of a write it is not looked at: there RFC 3720 section 10.4.8 had it count
            // R2Ts, and the bytes moved tell whether one is missing.
            Ok(status)
                if self.direction == Direction::Read
                    && status.status.is_success()
                    && response.exp_data_sn > self.next_sn =>
            {
                let (expected, received) = (response.exp_data_sn, self.next_sn);
                Outcome::Failed(Failure::PdusMissing { expected, received })
            }
            Ok(status) => self.status(status),
        }
    }

    /// Success is believed only as far as the bytes to go with it were moved: a buffer must not
    /// pass for read, nor a write for written, because its status says so.
    fn success(&self, status: &Status) -> Outcome {
        let unused = match status.residual {
            Residual::None | Residual::Overflow(_) => 0,
            Residual::Underflow(count) => count,
        };
        let Some(expected) = self.expected_length.checked_sub(unused) else {
            return Outcome::Failed(Failure::Residual {
                unused,
                expected: self.expected_length,
            });
        };
        if self.moved < expected && self.direction == Direction::Read {
            // Some targets answer a short read without saying that it is short.
            let residual = self.bounded(status.residual);
            return Outcome::Completed(Status {
                residual,
                ..*status
            });
        }
        if self.moved < expected {
            return Outcome::Failed(Failure::DataMissing {
                expected,
                moved: self.moved,
            });
        }
        Outcome::Completed(*status)
    }

    /// The residual of a command that failed, no larger than its buffer and no smaller than what a
    /// read lacks.
    fn bounded(&self, residual: Residual) -> Residual {
        let lacking = match self.direction {
            Direction::Read => self.expected_length.saturating_sub(self.moved),
            Direction::None | Direction::Write => 0,
        };
        match residual {
            Residual::Underflow(count) => {
                Residual::Underflow(count.max(lacking).min(self.expected_length))
            }
            other if lacking == 0 => other,
            _ => Residual::Underflow(lacking),
        }
    }

    fn end_within(&self, offset: u32, length: u32) -> Option<u32> {
        offset
            .checked_add(length)
            .filter(|end| *end <= self.expected_length)
    }
}

/// What became of a command.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// It ended with this SCSI status, and the residual is within its buffer.
    Completed(Status),
    /// It has no result to rely on and is to be retried or failed; the session goes on.
    Failed(Failure),
}

/// Why a command has no result to rely on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Failure {
    /// The command did not complete at the target, which answered with this response code.
    Response(u8),
    /// It ended with this SCSI status, which there is not.
    Status(u8),
    /// The status says success, but not all bytes were moved.
    DataMissing {
        /// Bytes that the status speaks of.
        expected: u32,
        /// Bytes moved.
        moved: u32,
    },
    /// The response counts more Data-In or R2T PDUs than arrived.
    PdusMissing {
        /// PDUs counted by the target.
        expected: u32,
        /// PDUs that arrived.
        received: u32,
    },
    /// More bytes were said to be left over than there are.
    Residual {
        /// Bytes left over, by the target's count.
        unused: u32,
        /// Bytes the command was to move.
        expected: u32,
    },
}

impl core::fmt::Display for Failure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match *self {
            Self::Response(code) => {
                write!(
                    f,
                    "the target failed the command with iSCSI response {code:#04x}"
                )
            }
            Self::Status(status) => {
                write!(
                    f,
                    "the target ended the command with the unknown SCSI status {status:#04x}"
                )
            }
            Self::DataMissing { expected, moved } => {
                write!(
                    f,
                    "the target reports success after {moved} of {expected} bytes"
                )
            }
            Self::PdusMissing { expected, received } => {
                write!(
                    f,
                    "the target counts {expected} data PDUs where {received} arrived"
                )
            }
            Self::Residual { unused, expected } => {
                write!(
                    f,
                    "the target reports {unused} of {expected} bytes as not used"
                )
            }
        }
    }
}

/// The bytes of a write that go with its command, and the end of those that go without being asked
/// for.
fn unsolicited_lengths(expected_length: u32, parameters: &Parameters) -> (u32, u32) {
    // RFC 7143 section 4.2.5.2: immediate and unsolicited data together are at most
    // FirstBurstLength, and exactly the smaller of it and the whole if any go in a Data-Out of
    // their own.
    let most = expected_length.min(parameters.first_burst_length);
    let immediate = if !parameters.immediate_data {
        0
    } else if most <= parameters.max_send_data_segment_length {
        most
    } else {
        parameters.max_send_data_segment_length & !3
    };
    // RFC 7143 section 13.11.
    let end = if parameters.initial_r2t {
        immediate
    } else {
        most
    };
    (immediate, end)
}
