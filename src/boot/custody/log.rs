// SPDX-License-Identifier: GPL-2.0-only

//! What is said of repairs: who made them necessary, and not one line for each of many.

use crate::{
    linux::{
        clock,
        process, //
    },
    proto::rtnetlink::answer::Answer,
};
use core::fmt;
use kernel::prelude::*;

/// How many lines on repairs there may be, and after how long there may be one more, in
/// milliseconds.
const LINES: u64 = 20;
const LINE_INTERVAL: u64 = 60_000;

/// A process that has taken something away.
pub(super) struct Culprit {
    pub(super) number: u32,
    /// The program it ran, if it had not ended by then.
    pub(super) name: Option<process::Name>,
}

impl Culprit {
    /// The process that has brought about what the kernel tells, unless the kernel has itself.
    pub(super) fn of(answer: &Answer) -> Option<Self> {
        (answer.port != 0).then(|| Self {
            number: answer.port,
            // It may end soon.
            name: process::Name::of(answer.port),
        })
    }
}

/// Who did it, if that is known.
pub(super) struct By<'a>(pub(super) Option<&'a Culprit>);

impl fmt::Display for By<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(Culprit { number, name }) = self.0 else {
            return Ok(());
        };
        match name {
            Some(name) => write!(f, " (by {}, process {number})", name.as_str()),
            None => write!(f, " (by process {number}, which has ended)"),
        }
    }
}

/// Lines for the log, of which there is not one for each of many repairs.
pub(super) struct Lines {
    left: u64,
    since: u64,
    unsaid: u64,
}

impl Lines {
    pub(super) fn new(now: u64) -> Self {
        Self {
            left: LINES,
            since: now,
            unsaid: 0,
        }
    }

    pub(super) fn warn(&mut self, line: fmt::Arguments<'_>) {
        let now = clock::milliseconds();
        let more = now.saturating_sub(self.since) / LINE_INTERVAL;
        if more > 0 {
            self.left = self.left.saturating_add(more).min(LINES);
            self.since = now;
        }
        if self.left == 0 {
            self.unsaid = self.unsaid.saturating_add(1);
            return;
        }
        self.left = self.left.saturating_sub(1);
        match core::mem::take(&mut self.unsaid) {
            0 => pr_warn!("{line}\n"),
            unsaid => pr_warn!("{line}; {unsaid} such lines were left out before\n"),
        }
    }
}
