// SPDX-License-Identifier: GPL-2.0-only

//! Command and status numbers of one connection.
//!
//! Source: RFC 7143 section 4.2.2.

use crate::proto::{
    iscsi::error::Violation,
    serial::Serial, //
};

/// CmdSN and the window the target leaves open for it (RFC 7143 section 4.2.2.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CommandNumbering {
    next: Serial,
    max: Serial,
    contradicts: bool,
}

impl CommandNumbering {
    /// Numbering that goes on with `next`, after a login that ended with these ExpCmdSN and
    /// MaxCmdSN.
    ///
    /// If these two contradict each other there is room for one command, whose response will tell.
    pub fn new(next: Serial, exp_cmd_sn: Serial, max_cmd_sn: Serial) -> Self {
        let mut numbering = Self {
            next,
            max: next,
            contradicts: false,
        };
        if numbering.is_plausible(exp_cmd_sn, max_cmd_sn) {
            numbering.max = max_cmd_sn;
        } else {
            numbering.contradicts = true;
        }
        numbering
    }

    /// Whether numbers have come that cannot be.
    pub const fn contradicts(&self) -> bool {
        self.contradicts
    }

    /// The CmdSN that the next command will take, and that immediate ones carry.
    pub const fn next(&self) -> Serial {
        self.next
    }

    /// Whether a non-immediate command may be sent.
    pub const fn is_open(&self) -> bool {
        // RFC 7143 section 4.2.2.1: not beyond MaxCmdSN.
        self.next.value() == self.max.value() || self.next.precedes(self.max)
    }

    /// Takes the CmdSN of a non-immediate command; `None` while the window is closed.
    pub fn take(&mut self) -> Option<Serial> {
        if !self.is_open() {
            return None;
        }
        let taken = self.next;
        self.next = taken.next();
        Some(taken)
    }

    /// Learns from the numbers of a PDU.
    pub fn update(&mut self, exp_cmd_sn: Serial, max_cmd_sn: Serial) {
        // RFC 7143 section 4.2.2.1: a smaller MaxCmdSN is old news, so the window never shrinks.
        if !self.is_plausible(exp_cmd_sn, max_cmd_sn) {
            self.contradicts = true;
        } else if self.max.precedes(max_cmd_sn) {
            self.max = max_cmd_sn;
        }
    }

    // RFC 7143 section 4.2.2.1: both are ignored when MaxCmdSN is less than ExpCmdSN - 1. The same
    // goes for an ExpCmdSN that acknowledges what was not sent, such as the zeros that tgt before
    // 2015 put into its R2Ts.
    fn is_plausible(&self, exp_cmd_sn: Serial, max_cmd_sn: Serial) -> bool {
        !max_cmd_sn.next().precedes(exp_cmd_sn) && !self.next.precedes(exp_cmd_sn)
    }
}

/// StatSN, of which each status-bearing PDU of the target uses up one (RFC 7143 section 4.2.2.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StatusNumbering {
    expected: Serial,
    repeats: bool,
}

impl StatusNumbering {
    /// How far back a StatSN may lie and be taken for a repetition rather than for nonsense.
    const REPEAT_WINDOW: u32 = 4_096;

    /// Numbering that expects this number next.
    pub const fn new(expected: Serial) -> Self {
        Self {
            expected,
            repeats: false,
        }
    }

    /// The next StatSN, which ExpStatSN acknowledges everything before.
    pub const fn expected(&self) -> Serial {
        self.expected
    }

    /// Whether a status has repeated an earlier number.
    pub const fn repeats(&self) -> bool {
        self.repeats
    }

    /// Takes note of the StatSN of a status-bearing PDU.
    ///
    /// Nothing is lost when one is repeated, and nothing but [`StatusNumbering::repeats`] shows it.
    ///
    /// # Errors
    ///
    /// [`Violation::StatSnGap`] when a response is missing: on one connection without digests
    /// nothing can bring it back (RFC 7143 section 7.9).
    pub fn accept(&mut self, received: Serial) -> Result<(), Violation> {
        let expected = self.expected;
        if received == expected {
            self.expected = expected.next();
            Ok(())
        } else if received.distance_to(expected) <= Self::REPEAT_WINDOW {
            self.repeats = true;
            Ok(())
        } else {
            Err(Violation::StatSnGap { expected, received })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn sn(value: u32) -> Serial {
        Serial::new(value)
    }

    #[test]
    fn a_window_opens_closes_and_wraps() {
        let mut commands = CommandNumbering::new(sn(u32::MAX), sn(u32::MAX), sn(0));
        assert_eq!(commands.take(), Some(sn(u32::MAX)));
        assert_eq!(commands.take(), Some(sn(0)));
        assert_eq!(commands.take(), None);
        commands.update(sn(1), sn(1));
        assert_eq!(commands.take(), Some(sn(1)));
        assert!(!commands.is_open());
    }

    #[test]
    fn a_login_may_leave_the_window_closed() {
        let mut commands = CommandNumbering::new(sn(5), sn(5), sn(4));
        assert!(!commands.is_open());
        commands.update(sn(5), sn(5));
        assert!(commands.is_open());
    }

    #[test]
    fn contradictory_login_numbers_leave_room_for_one() {
        let mut commands = CommandNumbering::new(sn(5), sn(5), sn(3));
        assert_eq!(commands.take(), Some(sn(5)));
        assert_eq!(commands.take(), None);
    }

    #[test]
    fn the_window_never_shrinks() {
        let mut commands = CommandNumbering::new(sn(5), sn(5), sn(9));
        commands.update(sn(5), sn(5));
        for number in 5..=9 {
            assert_eq!(commands.take(), Some(sn(number)));
        }
        assert_eq!(commands.take(), None);
    }

    #[test]
    fn numbers_that_contradict_each_other_or_the_future_are_ignored() {
        let mut commands = CommandNumbering::new(sn(5), sn(5), sn(4));
        commands.update(sn(5), sn(4));
        assert!(!commands.contradicts());
        commands.update(sn(5), sn(3));
        assert!(commands.contradicts());
        commands.update(sn(6), sn(9));
        assert!(!commands.is_open());
        // Zeros while CmdSN is near 2^31, where zero looks like the future.
        let mut commands = CommandNumbering::new(sn(0x8000_0010), sn(0x8000_0010), sn(0x8000_0010));
        commands.update(sn(0), sn(0));
        assert_eq!(commands.max, sn(0x8000_0010));
        assert!(commands.contradicts());
    }

    #[test]
    fn statuses_count_across_the_wrap() {
        let mut statuses = StatusNumbering::new(sn(u32::MAX));
        assert_eq!(statuses.accept(sn(u32::MAX)), Ok(()));
        assert_eq!(statuses.accept(sn(0)), Ok(()));
        assert_eq!(statuses.expected(), sn(1));
        assert!(!statuses.repeats());
    }

    #[test]
    fn a_gap_is_an_error_and_a_repetition_is_counted() {
        let mut statuses = StatusNumbering::new(sn(10));
        for far in [11, 1_010, 10 + (1 << 31), 10_u32.wrapping_sub(5_000)] {
            let error = Violation::StatSnGap {
                expected: sn(10),
                received: sn(far),
            };
            assert_eq!(statuses.accept(sn(far)), Err(error));
        }
        assert_eq!(statuses.accept(sn(9)), Ok(()));
        assert_eq!((statuses.expected(), statuses.repeats()), (sn(10), true));
    }
}
