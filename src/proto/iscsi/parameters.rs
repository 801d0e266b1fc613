// SPDX-License-Identifier: GPL-2.0-only

//! The operational values of one session, as its login left them.
//!
//! Source: RFC 7143 section 13, which gives the defaults.

use crate::proto::iscsi::{
    digest::Digest,
    keys::{
        Key,
        Value, //
    }, //
};

/// What both sides agreed on, or the defaults of RFC 7143 section 13 where they agreed on nothing.
///
/// MaxConnections is 1, ErrorRecoveryLevel is 0, DataPDUInOrder and DataSequenceInOrder are Yes:
/// nothing else is offered, so nothing else can result.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Parameters {
    /// What protects each header.
    pub header_digest: Digest,
    /// What protects the data of each PDU that has some.
    pub data_digest: Digest,
    /// Whether the target must ask before any Data-Out.
    pub initial_r2t: bool,
    /// Whether a SCSI Command may carry data.
    pub immediate_data: bool,
    /// The target's MaxRecvDataSegmentLength: the most data in a PDU we send. 512 to 2^24-1 bytes.
    pub max_send_data_segment_length: u32,
    /// Our MaxRecvDataSegmentLength: the most data in a PDU we accept. 512 to 2^24-1 bytes.
    pub max_receive_data_segment_length: u32,
    /// The most data in one sequence of Data-In or solicited Data-Out. 512 to 2^24-1 bytes.
    pub max_burst_length: u32,
    /// The most unsolicited data of one command. 512 to 2^24-1 bytes, not above `max_burst_length`.
    pub first_burst_length: u32,
    /// The most R2Ts of one task that may wait for their data.
    pub max_outstanding_r2t: u16,
    /// Seconds to wait after a connection failed before the next login. 0 to 3600.
    pub default_time2wait: u16,
    /// Seconds after that wait for which the target keeps tasks. 0 to 3600.
    pub default_time2retain: u16,
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            header_digest: Digest::None,
            data_digest: Digest::None,
            initial_r2t: true,
            immediate_data: true,
            max_send_data_segment_length: 8_192,
            max_receive_data_segment_length: 8_192,
            max_burst_length: 262_144,
            first_burst_length: 65_536,
            max_outstanding_r2t: 1,
            default_time2wait: 2,
            default_time2retain: 20,
        }
    }
}

impl Parameters {
    /// Every negotiated key with its value. MaxRecvDataSegmentLength is ours; the target's goes by
    /// the name it has at initiators, which is no key, MaxXmitDataSegmentLength.
    pub fn pairs(&self) -> [(&'static str, Value); 15] {
        [
            (
                Key::HeaderDigest.name(),
                Value::Name(self.header_digest.name()),
            ),
            (Key::DataDigest.name(), Value::Name(self.data_digest.name())),
            (Key::MaxConnections.name(), Value::Number(1)),
            (Key::InitialR2T.name(), Value::Boolean(self.initial_r2t)),
            (
                Key::ImmediateData.name(),
                Value::Boolean(self.immediate_data),
            ),
            (
                Key::MaxRecvDataSegmentLength.name(),
                Value::Number(self.max_receive_data_segment_length),
            ),
            (
                "MaxXmitDataSegmentLength",
                Value::Number(self.max_send_data_segment_length),
            ),
            (
                Key::MaxBurstLength.name(),
                Value::Number(self.max_burst_length),
            ),
            (
                Key::FirstBurstLength.name(),
                Value::Number(self.first_burst_length),
            ),
            (
                Key::DefaultTime2Wait.name(),
                Value::Number(u32::from(self.default_time2wait)),
            ),
            (
                Key::DefaultTime2Retain.name(),
                Value::Number(u32::from(self.default_time2retain)),
            ),
            (
                Key::MaxOutstandingR2T.name(),
                Value::Number(u32::from(self.max_outstanding_r2t)),
            ),
            (Key::DataPDUInOrder.name(), Value::Boolean(true)),
            (Key::DataSequenceInOrder.name(), Value::Boolean(true)),
            (Key::ErrorRecoveryLevel.name(), Value::Number(0)),
        ]
    }
}

/// `<key>=<value>` for each key, with blanks between.
impl core::fmt::Display for Parameters {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (index, (key, value)) in self.pairs().iter().enumerate() {
            let separator = if index == 0 { "" } else { " " };
            write!(f, "{separator}{key}={value}")?;
        }
        Ok(())
    }
}
