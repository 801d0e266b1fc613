// SPDX-License-Identifier: GPL-2.0-only

//! What this initiator offers.
//!
//! Source: RFC 7143 section 13, which gives each range.

use crate::proto::iscsi::{
    digest::Digest,
    keys::{
        Key,
        Value, //
    }, //
};

/// The values of the keys that leave a choice.
///
/// Every key is offered, those without a choice too: several targets fail a login that leaves out a
/// key, and LIO proposes each that is left out, which costs an exchange.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Offer {
    /// Whether headers are protected by CRC32C.
    pub header_digest: DigestChoice,
    /// Whether data is protected by CRC32C.
    pub data_digest: DigestChoice,
    /// Whether the target must ask before any Data-Out.
    pub initial_r2t: bool,
    /// Whether a SCSI Command may carry data.
    pub immediate_data: bool,
    /// The most data in a PDU that we accept. 512 to 2^24-1 bytes.
    pub max_receive_data_segment_length: u32,
    /// The most data in one sequence. 512 to 2^24-1 bytes.
    pub max_burst_length: u32,
    /// The most unsolicited data of one command. 512 bytes to `max_burst_length`.
    pub first_burst_length: u32,
    /// Seconds to wait after a connection failed before the next login; the larger of both sides'
    /// counts. 0 to 3600.
    pub default_time2wait: u16,
    /// Seconds after that wait for which the target keeps tasks; the smaller of both sides' counts.
    /// 0 to 3600.
    pub default_time2retain: u16,
}

impl Default for Offer {
    /// Data goes out as early and in pieces as large as the target takes them.
    ///
    /// A digest costs both sides a look at every byte, so it is the target's choice, and None comes
    /// first (RFC 7143 section 6.2.1: the first value that the target supports wins).
    ///
    /// DefaultTime2Wait 0 and DefaultTime2Retain 0: at error recovery level 0 no task can be taken
    /// up again, and a new session need not wait for the old one.
    fn default() -> Self {
        Self {
            header_digest: DigestChoice::PreferOff,
            data_digest: DigestChoice::PreferOff,
            initial_r2t: false,
            immediate_data: true,
            max_receive_data_segment_length: 1_048_576,
            max_burst_length: 16_776_192,
            first_burst_length: 262_144,
            default_time2wait: 0,
            default_time2retain: 0,
        }
    }
}

impl Offer {
    /// The smallest value of the keys that count bytes.
    pub const LENGTH_MIN: u32 = 512;
    /// The largest value of the keys that count bytes.
    pub const LENGTH_MAX: u32 = (1 << 24) - 1;
    /// The largest value of the keys that count seconds.
    pub(super) const SECONDS_MAX: u16 = 3_600;

    /// The nearest offer in which every value is in its range.
    pub(super) fn brought_into_range(self) -> Self {
        let length = |value: u32| value.clamp(Self::LENGTH_MIN, Self::LENGTH_MAX);
        let max_burst_length = length(self.max_burst_length);
        Self {
            max_receive_data_segment_length: length(self.max_receive_data_segment_length),
            max_burst_length,
            first_burst_length: length(self.first_burst_length).min(max_burst_length),
            default_time2wait: self.default_time2wait.min(Self::SECONDS_MAX),
            default_time2retain: self.default_time2retain.min(Self::SECONDS_MAX),
            ..self
        }
    }

    /// The keys of the operational stage, as they are sent.
    pub(super) fn pairs(&self) -> [(Key, Value); 14] {
        [
            (Key::HeaderDigest, Value::Name(self.header_digest.offered())),
            (Key::DataDigest, Value::Name(self.data_digest.offered())),
            (Key::MaxConnections, Value::Number(1)),
            (Key::InitialR2T, Value::Boolean(self.initial_r2t)),
            (Key::ImmediateData, Value::Boolean(self.immediate_data)),
            (
                Key::MaxRecvDataSegmentLength,
                Value::Number(self.max_receive_data_segment_length),
            ),
            (Key::MaxBurstLength, Value::Number(self.max_burst_length)),
            (
                Key::FirstBurstLength,
                Value::Number(self.first_burst_length),
            ),
            (
                Key::DefaultTime2Wait,
                Value::Number(u32::from(self.default_time2wait)),
            ),
            (
                Key::DefaultTime2Retain,
                Value::Number(u32::from(self.default_time2retain)),
            ),
            (Key::MaxOutstandingR2T, Value::Number(1)),
            (Key::DataPDUInOrder, Value::Boolean(true)),
            (Key::DataSequenceInOrder, Value::Boolean(true)),
            (Key::ErrorRecoveryLevel, Value::Number(0)),
        ]
    }
}

/// Which digests the target may choose from, and which of them it is to take when it has both.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DigestChoice {
    /// None alone.
    Never,
    /// CRC32C alone.
    Always,
    /// Both, CRC32C first.
    PreferOn,
    /// Both, None first.
    PreferOff,
}

impl DigestChoice {
    /// The list that is offered (RFC 7143 section 6.2.1).
    const fn offered(self) -> &'static str {
        match self {
            Self::Never => "None",
            Self::Always => "CRC32C",
            Self::PreferOn => "CRC32C,None",
            Self::PreferOff => "None,CRC32C",
        }
    }

    /// Whether `digest` is in that list.
    pub(super) fn allows(self, digest: Digest) -> bool {
        match self {
            Self::Never => digest == Digest::None,
            Self::Always => digest == Digest::Crc32c,
            Self::PreferOn | Self::PreferOff => true,
        }
    }
}
