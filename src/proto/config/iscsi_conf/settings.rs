// SPDX-License-Identifier: GPL-2.0-only

//! How a session is negotiated and kept.
//!
//! The timeouts' defaults are those of linux-iscsi.

use core::{
    fmt,
    ops::RangeInclusive, //
};

use super::{
    entries,
    entries_for,
    error::ConfError,
    key::Key,
    line::{
        Entry,
        Part, //
    },
    luns::Luns,
    value::Network,
    Login, //
};
use crate::proto::{
    iscsi::{
        chap::Algorithms,
        keys::{
            DigestChoice,
            Offer, //
        },
    },
    time::Duration, //
};

/// How long a login may take, in seconds. It bounds how long a machine that goes down waits.
const LOGIN: RangeInclusive<u32> = 1..=300;
/// How long a target may take to abort or reset, in seconds.
const RECOVERY: RangeInclusive<u32> = 1..=3_600;
/// The longest silence, and the most time for a command, in seconds.
const SILENCE_MAX: u32 = 86_400;
const COMMAND_MAX: u32 = 3_600;

/// How a session with a target is negotiated and kept.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Settings {
    /// What is offered to the target.
    pub offer: Offer,
    /// The algorithms with which both may prove who they are.
    pub algorithms: Algorithms,
    /// What takes how long.
    pub timeouts: Timeouts,
    /// The logical units that are looked for; without it all of them.
    pub luns: Option<Luns>,
    /// The keys that the file has, as bits.
    told: u32,
}

/// A setting's value, as the file would have it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Value {
    /// The algorithms for CHAP, the preferred one first.
    Algorithms(Algorithms),
    /// Which digests are offered.
    Digest(DigestChoice),
    /// Yes or no.
    Boolean(bool),
    /// A number of bytes.
    Length(u32),
    /// A time, or never.
    Time(Option<Duration>),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Algorithms(algorithms) => return algorithms.fmt(f),
            Self::Digest(DigestChoice::Never) => "never",
            Self::Digest(DigestChoice::Always) => "always",
            Self::Digest(DigestChoice::PreferOn) => "prefer-on",
            Self::Digest(DigestChoice::PreferOff) => "prefer-off",
            Self::Boolean(true) => "yes",
            Self::Boolean(false) => "no",
            Self::Length(length) => return length.fmt(f),
            Self::Time(Some(time)) => return write!(f, "{} s", time.as_secs()),
            Self::Time(None) => "none",
        })
    }
}

/// What takes how long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timeouts {
    /// A login, redirections included. 1 to 300 s.
    pub login: Duration,
    /// A login, once the target has begun to authenticate, unless that is less than
    /// [`Self::login`]. 1 to 300 s.
    pub authentication: Duration,
    /// The target's silence before it is pinged, without commands under way; `None`: it is not.
    pub idle: Option<Duration>,
    /// The same, with commands under way.
    pub active: Option<Duration>,
    /// The target's silence after a ping before it is given up; `None`: it is not.
    pub ping: Option<Duration>,
    /// An outage before commands fail; `None`: they wait for ever.
    pub conn_fail: Option<Duration>,
    /// The answer to ABORT TASK. 1 s to 1 h.
    pub abort: Duration,
    /// The answer to LOGICAL UNIT RESET. 1 s to 1 h.
    pub reset: Duration,
    /// A command without an answer, before something is done about it, up to 1 h; `None`: the
    /// kernel's own.
    pub command: Option<Duration>,
}

impl Timeouts {
    /// The target's silence before it is given up, with commands under way; without end where it
    /// is not.
    pub fn silence(&self) -> Duration {
        let milliseconds = match (self.active, self.ping) {
            (Some(active), Some(ping)) => active.as_millis().saturating_add(ping.as_millis()),
            _ => u64::MAX,
        };
        Duration::from_millis(milliseconds)
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            login: Duration::from_secs(15),
            authentication: Duration::from_secs(45),
            idle: Some(Duration::from_secs(60)),
            active: Some(Duration::from_secs(5)),
            ping: Some(Duration::from_secs(5)),
            conn_fail: None,
            abort: Duration::from_secs(10),
            reset: Duration::from_secs(30),
            command: None,
        }
    }
}

/// What `file` says about the session of `login`.
///
/// # Errors
///
/// The file has a line that is none, or a value that its key cannot have.
pub fn read_settings(file: &[u8], login: Login<'_>) -> Result<Settings, ConfError> {
    let mut settings = Settings::default();
    for entry in entries_for(file, login) {
        settings.take(&entry?)?;
    }
    // What is for a portal comes before what is for the target there, as in linux-iscsi.
    let address = login.portal().address;
    for entry in entries(file) {
        let entry = entry?;
        let Part::Portals(network) = entry.part else {
            continue;
        };
        if Network::of(network).is_some_and(|network| network.contains(address)) {
            settings.take(&entry)?;
        }
    }
    Ok(settings)
}

impl Settings {
    /// Every setting but the logical units: its key, its value, and whether the file has it.
    pub fn all(&self) -> impl Iterator<Item = (Key, Value, bool)> + '_ {
        let Self {
            offer,
            algorithms,
            timeouts,
            ..
        } = self;
        let all = [
            (Key::ChapAlgorithms, Value::Algorithms(*algorithms)),
            (Key::HeaderDigest, Value::Digest(offer.header_digest)),
            (Key::DataDigest, Value::Digest(offer.data_digest)),
            (Key::InitialR2T, Value::Boolean(offer.initial_r2t)),
            (Key::ImmediateData, Value::Boolean(offer.immediate_data)),
            (
                Key::MaxRecvDataSegmentLength,
                Value::Length(offer.max_receive_data_segment_length),
            ),
            (
                Key::FirstBurstLength,
                Value::Length(offer.first_burst_length),
            ),
            (Key::MaxBurstLength, Value::Length(offer.max_burst_length)),
            (Key::LoginTimeout, Value::Time(Some(timeouts.login))),
            (Key::AuthTimeout, Value::Time(Some(timeouts.authentication))),
            (Key::IdleTimeout, Value::Time(timeouts.idle)),
            (Key::ActiveTimeout, Value::Time(timeouts.active)),
            (Key::PingTimeout, Value::Time(timeouts.ping)),
            (Key::ConnFailTimeout, Value::Time(timeouts.conn_fail)),
            (Key::AbortTimeout, Value::Time(Some(timeouts.abort))),
            (Key::ResetTimeout, Value::Time(Some(timeouts.reset))),
            (Key::DiskCommandTimeout, Value::Time(timeouts.command)),
        ];
        let with_source = |(key, value)| (key, value, self.told & bit(key) != 0);
        all.into_iter().map(with_source)
    }

    /// Takes what a line says, if it is about this.
    pub(super) fn take(&mut self, entry: &Entry<'_>) -> Result<(), ConfError> {
        let Self {
            offer,
            algorithms,
            timeouts,
            luns,
            told,
        } = self;
        match entry.key() {
            Some(Key::ChapAlgorithms) => *algorithms = entry.algorithms()?,
            Some(Key::HeaderDigest) => offer.header_digest = entry.digest()?,
            Some(Key::DataDigest) => offer.data_digest = entry.digest()?,
            Some(Key::InitialR2T) => offer.initial_r2t = entry.boolean()?,
            Some(Key::ImmediateData) => offer.immediate_data = entry.boolean()?,
            Some(Key::MaxRecvDataSegmentLength) => {
                offer.max_receive_data_segment_length = entry.length()?;
            }
            Some(Key::FirstBurstLength) => offer.first_burst_length = entry.length()?,
            Some(Key::MaxBurstLength) => offer.max_burst_length = entry.length()?,
            Some(Key::LoginTimeout) => timeouts.login = entry.time_in(LOGIN)?,
            Some(Key::AuthTimeout) => timeouts.authentication = entry.time_in(LOGIN)?,
            Some(Key::IdleTimeout) => timeouts.idle = entry.time_or_none(SILENCE_MAX)?,
            Some(Key::ActiveTimeout) => timeouts.active = entry.time_or_none(SILENCE_MAX)?,
            Some(Key::PingTimeout) => timeouts.ping = entry.time_or_none(SILENCE_MAX)?,
            Some(Key::ConnFailTimeout) => timeouts.conn_fail = entry.time_or_none(u32::MAX)?,
            Some(Key::AbortTimeout) => timeouts.abort = entry.time_in(RECOVERY)?,
            Some(Key::ResetTimeout) => timeouts.reset = entry.time_in(RECOVERY)?,
            Some(Key::DiskCommandTimeout) => timeouts.command = entry.time_or_none(COMMAND_MAX)?,
            Some(Key::Luns) => *luns = Some(entry.luns()?),
            _ => {}
        }
        *told |= entry.key().map_or(0, bit);
        Ok(())
    }
}

// CAST: The last key has the largest discriminant.
const _: () = assert!((Key::DiskCommandTimeout as u32) < u32::BITS);

/// The bit that stands for a key.
fn bit(key: Key) -> u32 {
    // CAST: A discriminant, below 32, as asserted above.
    1_u32.wrapping_shl(key as u32)
}
