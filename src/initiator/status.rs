// SPDX-License-Identifier: GPL-2.0-only

//! Where the session stands, for whoever asks: kept up to date by the recovery thread.

use crate::{
    linux::clock,
    proto::{
        config::{
            target::Target,
            text::Text, //
        },
        iscsi::parameters::Parameters, //
    }, //
};
use core::{
    fmt,
    sync::atomic::{
        AtomicU64,
        Ordering, //
    }, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::Mutex, //
};

/// What went wrong, in words.
type Words = Text<192>;

/// Where the session stands.
#[pin_data]
pub(super) struct Status {
    #[pin]
    facts: Mutex<Facts>,
    /// Commands that the target was asked to abort, logical units that it was asked to reset, and
    /// how often it was asked to reset itself.
    pub(super) aborts: AtomicU64,
    pub(super) resets: AtomicU64,
    pub(super) target_resets: AtomicU64,
}

struct Facts {
    state: State,
    /// Since when, in milliseconds of the clock.
    since: u64,
    connection: Option<(Target, u16, Parameters)>,
    logins: u64,
    outages: u64,
    longest_outage: u64,
    resent: u64,
    /// When the connection last failed, and why.
    failure: Option<(u64, Words)>,
    /// Why the latest attempt to log in again has failed.
    attempt: Option<Words>,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum State {
    Up,
    Down,
    Failing,
    Ended,
}

fn words(of: &dyn fmt::Display) -> Words {
    let mut words = Words::default();
    // What does not fit is left out.
    let _ = fmt::Write::write_fmt(&mut words, core::format_args!("{of}"));
    words
}

impl Status {
    pub(super) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            facts <- new_mutex!(
                Facts {
                    state: State::Down,
                    since: clock::milliseconds(),
                    connection: None,
                    logins: 0,
                    outages: 0,
                    longest_outage: 0,
                    resent: 0,
                    failure: None,
                    attempt: None,
                },
                "iscsi_init status"
            ),
            aborts: AtomicU64::new(0),
            resets: AtomicU64::new(0),
            target_resets: AtomicU64::new(0),
        })
    }

    /// There is a session, upon which so many commands were sent again.
    pub(super) fn up(&self, target: &Target, tsih: u16, parameters: &Parameters, resent: usize) {
        let now = clock::milliseconds();
        let mut facts = self.facts.lock();
        if facts.logins > 0 {
            let outage = now.saturating_sub(facts.since);
            facts.longest_outage = facts.longest_outage.max(outage);
        }
        facts.state = State::Up;
        facts.since = now;
        facts.connection = Some((target.clone(), tsih, *parameters));
        facts.logins = facts.logins.saturating_add(1);
        // CAST: A count of commands fits 64 bits.
        facts.resent = facts.resent.saturating_add(resent as u64);
        facts.attempt = None;
    }

    /// There is none any more; `since` is when the trouble began.
    pub(super) fn down(&self, since: u64, failure: &dyn fmt::Display) {
        let failure = words(failure);
        let mut facts = self.facts.lock();
        facts.state = State::Down;
        facts.since = since;
        facts.outages = facts.outages.saturating_add(1);
        facts.failure = Some((clock::milliseconds(), failure));
    }

    /// There still is none.
    pub(super) fn failed(&self, reason: &dyn fmt::Display) {
        let reason = words(reason);
        self.facts.lock().attempt = Some(reason);
    }

    /// Commands do not wait for one any more.
    pub(super) fn failing(&self) {
        self.facts.lock().state = State::Failing;
    }

    /// There will be none any more.
    pub(super) fn ended(&self) {
        let mut facts = self.facts.lock();
        facts.state = State::Ended;
        facts.since = clock::milliseconds();
    }

    /// Writes a line for each fact.
    pub(super) fn write(&self, output: &mut impl fmt::Write) -> fmt::Result {
        let facts = self.facts.lock();
        let (state, waiting) = match (facts.state, &facts.attempt) {
            (State::Up, _) => ("up", None),
            (State::Down, reason) => ("down", Some(reason)),
            (State::Failing, reason) => ("failing", Some(reason)),
            (State::Ended, _) => ("ended", None),
        };
        writeln!(output, "state: {state}")?;
        writeln!(output, "state-since: {}", facts.since)?;
        let waiting = match waiting {
            None => "nothing",
            Some(None) => "a login",
            Some(Some(reason)) => reason.as_str(),
        };
        writeln!(output, "waiting-for: {waiting}")?;
        if let Some((target, tsih, parameters)) = &facts.connection {
            writeln!(output, "target: {}", target.name)?;
            writeln!(output, "portal: {}", target.portal)?;
            writeln!(output, "session: {tsih:#06x}")?;
            writeln!(output, "negotiated: {parameters}")?;
        }
        writeln!(output, "logins: {}", facts.logins)?;
        writeln!(output, "outages: {}", facts.outages)?;
        writeln!(output, "longest-outage: {}", facts.longest_outage)?;
        writeln!(output, "commands-sent-again: {}", facts.resent)?;
        writeln!(output, "aborts: {}", self.aborts.load(Ordering::Relaxed))?;
        writeln!(
            output,
            "lun-resets: {}",
            self.resets.load(Ordering::Relaxed)
        )?;
        writeln!(
            output,
            "target-resets: {}",
            self.target_resets.load(Ordering::Relaxed)
        )?;
        match &facts.failure {
            Some((at, words)) => {
                writeln!(output, "last-failure: {words}")?;
                writeln!(output, "last-failure-at: {at}")
            }
            None => writeln!(output, "last-failure: none"),
        }
    }
}
