// SPDX-License-Identifier: GPL-2.0-only

//! The rules of the protocol that a target can be seen to break, one variant each.
//!
//! Source: RFC 7143; each variant names its section.

use crate::proto::{
    iscsi::{
        keys::Key,
        lun::Lun,
        opcode::Opcode,
        tag::Itt, //
    },
    serial::Serial, //
};

/// A rule that the target broke.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Violation {
    /// A data segment longer than we declared to accept (sections 11.7.1 and 13.12).
    DataSegmentTooLong {
        /// Bytes the header announces.
        length: u32,
        /// Bytes we declared.
        limit: u32,
    },
    /// An Additional Header Segment; targets have none to send (section 11.2.2.1).
    AdditionalHeader(Opcode),
    /// A header that its digest does not fit (section 7.8).
    HeaderDigest,
    /// Data that its digest does not fit (section 7.8).
    DataDigest(Opcode),
    /// A data segment in a PDU that has none (sections 11.8 and 11.19).
    UnexpectedData(Opcode),
    /// A PDU that a target does not send, or not in the Full Feature Phase (section 11.2.1.2).
    UnexpectedOpcode(Opcode),
    /// A tag that names no task in a PDU that must name one (section 11.2.1.8).
    ReservedTag(Opcode),
    /// A PDU whose LUN is not its task's (section 4.2.5.3).
    LunMismatch {
        /// The task's LUN.
        expected: Lun,
        /// The PDU's LUN.
        received: Lun,
    },
    /// A StatSN that says a response was lost (sections 4.2.2.2 and 7.9).
    StatSnGap {
        /// The next StatSN.
        expected: Serial,
        /// The one received.
        received: Serial,
    },

    /// Something other than a Login Response in the Login Phase (section 4.2.4).
    NotALoginResponse(Opcode),
    /// A Login Response with another Initiator Task Tag than its request (section 11.13).
    LoginTag(Itt),
    /// A Login Response with both the T and the C bit (section 11.13.1).
    TransitWhileContinuing,
    /// A Login Response whose CSG is not the current stage (section 11.13.6).
    StageMismatch {
        /// The current stage.
        expected: u8,
        /// The stage in the response.
        received: u8,
    },
    /// A Login Response that moves to another stage than the one asked for (sections 6.3 and
    /// 11.13.6).
    NextStage {
        /// The stage asked for.
        expected: u8,
        /// The stage in the response.
        received: u8,
    },
    /// A Login Response that ends the stage although the request did not ask for that (section
    /// 11.13.6).
    TransitUnasked,
    /// A final Login Response with TSIH 0 (section 11.13.3).
    NoSessionHandle,
    /// The target ended the stage and still wants an answer to a key (section 6.3).
    TransitBeforeAnswer,
    /// More exchanges or more text than any login needs (sections 6.2 and 10.3 permit limits).
    EndlessLogin,
    /// More proposals than there is room to answer (section 6.2 permits limits).
    TooManyProposals,
    /// The same key twice (section 6.3).
    RepeatedKey(Key),
    /// A step of the authentication without this key (section 12.1.3).
    MissingKey(Key),
    /// Our own CHAP challenge as the target's (section 9.2.1).
    ReflectedChallenge,
    /// A key that a target may not send, or not in this stage (section 13).
    KeyNotAllowed(Key),
    /// A number outside the key's range (section 13).
    OutOfRange {
        /// The key.
        key: Key,
        /// The number.
        value: u64,
    },
    /// An answer that does not follow from what was offered (sections 6.2.1 and 6.2.2).
    InadmissibleAnswer(Key),
    /// The answer NotUnderstood to a key that every implementation understands (section 6.2).
    NotUnderstood(Key),
    /// The answer Reject to a key that cannot be done without (section 6.2).
    Rejected(Key),
    /// The answer Irrelevant where the key does matter (section 6.2).
    Irrelevant(Key),
    /// A reserved word as a proposal or declaration (section 6.2).
    ReservedProposal(Key),
    /// FirstBurstLength above MaxBurstLength (section 13.14).
    FirstBurstAboveMaxBurst {
        /// FirstBurstLength in bytes.
        first: u32,
        /// MaxBurstLength in bytes.
        max: u32,
    },

    /// Something other than the answer to a Text Request (section 11.11).
    NotATextResponse,
    /// A Text Response with both the F and the C bit (section 11.11.2).
    FinalWhileContinuing,
    /// A Text Response that goes on, without the tag to ask for the rest with (section 11.11.1).
    TextWithoutTag,
    /// More text than there can be to say (section 6.2 permits limits).
    EndlessText,

    /// Data-In for a task that reads nothing (section 11.7).
    DataInWithoutRead,
    /// Data-In out of sequence: a PDU was lost, repeated or overtaken (sections 4.2.2.4 and 7.9).
    DataSn {
        /// The next DataSN.
        expected: u32,
        /// The one received.
        received: u32,
    },
    /// Data-In that does not continue where the last one ended (sections 13.18 and 13.19).
    DataInOffset {
        /// The next offset in bytes.
        expected: u32,
        /// The one received.
        received: u32,
    },
    /// Data-In beyond the expected data transfer length (section 11.7.6).
    DataInBeyondEnd {
        /// Offset in bytes.
        offset: u32,
        /// Length in bytes.
        length: u32,
        /// Expected data transfer length in bytes.
        expected: u32,
    },
    /// Data-In with status but without the F bit (section 11.7).
    StatusBeforeEnd,
    /// Data-In with a status that only a SCSI Response may carry (section 11.7.3).
    ErrorStatusInDataIn(u8),
    /// CHECK CONDITION without sense data (section 7.7).
    CheckConditionWithoutSense,
    /// Both the overflow and the underflow bit (section 11.4.1).
    BothResiduals,

    /// R2T for a task that writes nothing (section 11.8).
    R2tWithoutWrite,
    /// R2T with the reserved Target Transfer Tag (section 11.8.5).
    R2tWithoutTag,
    /// R2T for no bytes (section 11.8.4).
    R2tForNothing,
    /// R2T for more than MaxBurstLength (section 11.8.4).
    R2tAboveMaxBurst {
        /// Desired length in bytes.
        length: u32,
        /// MaxBurstLength in bytes.
        limit: u32,
    },
    /// R2T beyond the expected data transfer length (section 11.8.4).
    R2tBeyondEnd {
        /// Offset in bytes.
        offset: u32,
        /// Desired length in bytes.
        length: u32,
        /// Expected data transfer length in bytes.
        expected: u32,
    },
    /// R2T that leaves out bytes that were neither sent nor asked for (section 13.19).
    R2tOffset {
        /// The end of what was sent or asked for, in bytes.
        expected: u32,
        /// The offset in bytes.
        received: u32,
    },
    /// R2T out of sequence: one was lost (sections 4.2.2.4 and 7.9).
    R2tSn {
        /// The next R2TSN.
        expected: u32,
        /// The one received.
        received: u32,
    },
    /// R2T while MaxOutstandingR2T of them wait for their data (section 13.17).
    TooManyR2ts,

    /// NOP-In that both answers a ping and wants an answer (section 7.7).
    PingAndReply,
}

impl core::fmt::Display for Violation {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match *self {
            Self::DataSegmentTooLong { length, limit } => {
                write!(
                    f,
                    "a data segment of {length} bytes where {limit} were declared"
                )
            }
            Self::AdditionalHeader(opcode) => write!(f, "{opcode} with an additional header"),
            Self::HeaderDigest => f.write_str(
                "a header that its digest does not fit; look for what damages packets on the way",
            ),
            Self::DataDigest(opcode) => write!(
                f,
                "{opcode} with data that its digest does not fit; \
                 look for what damages packets on the way"
            ),
            Self::UnexpectedData(opcode) => write!(f, "{opcode} with data"),
            Self::UnexpectedOpcode(opcode) => write!(f, "{opcode} out of place"),
            Self::ReservedTag(opcode) => write!(f, "{opcode} without an initiator task tag"),
            Self::LunMismatch { expected, received } => {
                write!(f, "LUN {received} for a task on LUN {expected}")
            }
            Self::StatSnGap { expected, received } => {
                write!(f, "StatSN {received} where {expected} was next")
            }
            Self::NotALoginResponse(opcode) => {
                write!(
                    f,
                    "{opcode} in the login; check that this port is an iSCSI target's"
                )
            }
            Self::LoginTag(itt) => write!(f, "a Login Response with the unknown tag {itt}"),
            Self::TransitWhileContinuing => f.write_str("a Login Response with both T and C set"),
            Self::StageMismatch { expected, received } => {
                write!(
                    f,
                    "a Login Response for stage {received} in stage {expected}"
                )
            }
            Self::NextStage { expected, received } => {
                write!(
                    f,
                    "a move to login stage {received} where {expected} was asked for"
                )
            }
            Self::TransitUnasked => f.write_str("the end of a login stage that was not asked for"),
            Self::NoSessionHandle => f.write_str("the end of the login without a session handle"),
            Self::TransitBeforeAnswer => {
                f.write_str("the end of a login stage with a question open")
            }
            Self::EndlessLogin => f.write_str("a login without end"),
            Self::TooManyProposals => f.write_str("more proposed keys than can be answered"),
            Self::RepeatedKey(key) => write!(f, "{key} twice in one login"),
            Self::MissingKey(key) => write!(f, "a step of its authentication without {key}"),
            Self::ReflectedChallenge => f.write_str(
                "our own CHAP challenge sent back; check that the target is the right one",
            ),
            Self::KeyNotAllowed(key) => write!(f, "{key}, which a target may not send here"),
            Self::OutOfRange { key, value } => write!(f, "{key}={value}, which is out of range"),
            Self::InadmissibleAnswer(key) => {
                write!(f, "an answer to {key} that does not follow from the offer")
            }
            Self::NotUnderstood(key) => write!(f, "{key}=NotUnderstood"),
            Self::Rejected(key) => write!(f, "{key}=Reject; check the target's setting for {key}"),
            Self::Irrelevant(key) => write!(f, "{key}=Irrelevant"),
            Self::ReservedProposal(key) => write!(f, "a reserved word as its value for {key}"),
            Self::FirstBurstAboveMaxBurst { first, max } => {
                write!(
                    f,
                    "FirstBurstLength {first} above MaxBurstLength {max}; check both at the target"
                )
            }
            Self::NotATextResponse => f.write_str("something that is no answer to SendTargets"),
            Self::FinalWhileContinuing => f.write_str("a Text Response with both F and C set"),
            Self::TextWithoutTag => {
                f.write_str("a Text Response that goes on, without a target transfer tag")
            }
            Self::EndlessText => f.write_str("a list of targets without end"),
            Self::DataInWithoutRead => f.write_str("data for a command that reads none"),
            Self::DataSn { expected, received } => {
                write!(f, "DataSN {received} where {expected} was next")
            }
            Self::DataInOffset { expected, received } => {
                write!(f, "data at offset {received} where {expected} was next")
            }
            Self::DataInBeyondEnd {
                offset,
                length,
                expected,
            } => {
                write!(
                    f,
                    "{length} bytes at offset {offset} for a read of {expected}"
                )
            }
            Self::StatusBeforeEnd => f.write_str("a status in data that is not the last"),
            Self::ErrorStatusInDataIn(status) => {
                write!(f, "SCSI status {status:#04x} together with data")
            }
            Self::CheckConditionWithoutSense => f.write_str("CHECK CONDITION without sense data"),
            Self::BothResiduals => f.write_str("a residual that is overflow and underflow at once"),
            Self::R2tWithoutWrite => f.write_str("R2T for a command that writes nothing"),
            Self::R2tWithoutTag => f.write_str("R2T without a target transfer tag"),
            Self::R2tForNothing => f.write_str("R2T for no bytes"),
            Self::R2tAboveMaxBurst { length, limit } => {
                write!(f, "R2T for {length} bytes where MaxBurstLength is {limit}")
            }
            Self::R2tBeyondEnd {
                offset,
                length,
                expected,
            } => {
                write!(
                    f,
                    "R2T for {length} bytes at offset {offset} of a write of {expected}"
                )
            }
            Self::R2tOffset { expected, received } => {
                write!(
                    f,
                    "R2T at offset {received} where data only reaches {expected}"
                )
            }
            Self::R2tSn { expected, received } => {
                write!(f, "R2TSN {received} where {expected} was next")
            }
            Self::TooManyR2ts => f.write_str("R2T while another one waits for its data"),
            Self::PingAndReply => f.write_str("NOP-In that is a ping and a reply at once"),
        }
    }
}
