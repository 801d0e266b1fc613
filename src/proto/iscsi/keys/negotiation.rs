// SPDX-License-Identifier: GPL-2.0-only

//! The operational negotiation: the target's answers to our offer, and its own proposals.
//!
//! Source: RFC 7143 sections 6.2, 7.12 and 13.

use crate::proto::iscsi::{
    digest::Digest,
    error::{
        Error,
        Malformed,
        Unsupported,
        Violation, //
    },
    keys::{
        DigestChoice,
        Key,
        Offer,
        Value, //
    },
    parameters::Parameters,
    quirk::{
        Quirk,
        Quirks, //
    },
    text,
};

/// The negotiation of one operational stage.
///
/// A key that the target does not answer keeps the default of RFC 7143 section 13, since nothing
/// was agreed on.
#[derive(Clone, Copy, Debug)]
pub struct Negotiation {
    offer: Offer,
    parameters: Parameters,
    /// One bit for each [`Key`] that the target has used.
    seen: u64,
    first_burst_is_irrelevant: bool,
    quirks: Quirks,
}

// CAST: the last key has the largest discriminant.
const _: () = assert!((Key::NodeArchitecture as u32) < u64::BITS);

/// A value as the target sends it for a key that has an answer.
enum Answer<'a> {
    Value(&'a [u8]),
    Reject,
    Irrelevant,
    NotUnderstood,
}

impl<'a> Answer<'a> {
    // RFC 7143 section 6.2: these words are reserved.
    fn parse(value: &'a [u8]) -> Self {
        match value {
            b"Reject" => Self::Reject,
            b"Irrelevant" => Self::Irrelevant,
            b"NotUnderstood" => Self::NotUnderstood,
            value => Self::Value(value),
        }
    }
}

impl Negotiation {
    /// A negotiation that begins with `offer`, its values brought into their ranges.
    pub fn new(offer: Offer) -> Self {
        let offer = offer.brought_into_range();
        Self {
            offer,
            parameters: Parameters {
                max_receive_data_segment_length: offer.max_receive_data_segment_length,
                // RFC 7143 section 6.2.2: the answer is optional where it can only be No.
                immediate_data: offer.immediate_data,
                ..Parameters::default()
            },
            seen: 0,
            first_burst_is_irrelevant: false,
            quirks: Quirks::NONE,
        }
    }

    /// The keys to send, with their values.
    pub fn offers(&self) -> [(Key, Value); 14] {
        self.offer.pairs()
    }

    /// Takes a key of the operational stage; returns what it is to be answered with, if it is a
    /// proposal.
    ///
    /// # Errors
    ///
    /// [`Malformed`] or the [`Violation`] of a value that the key cannot have, or not after our
    /// offer.
    pub fn receive(&mut self, key: Key, value: &[u8]) -> Result<Option<Value>, Error> {
        self.take_once(key)?;
        let parameters = &mut self.parameters;
        let offer = &self.offer;
        match key {
            // RFC 7143 section 13.12: a declaration, for the other direction than ours.
            Key::MaxRecvDataSegmentLength => {
                let length = declared_number(key, value, Offer::LENGTH_MIN, Offer::LENGTH_MAX)?;
                parameters.max_send_data_segment_length = length;
            }
            Key::HeaderDigest => {
                parameters.header_digest = answered_digest(key, value, offer.header_digest)?;
            }
            Key::DataDigest => {
                parameters.data_digest = answered_digest(key, value, offer.data_digest)?;
            }
            Key::InitialR2T => {
                if let Some(answer) = answered_boolean(key, value)? {
                    // RFC 7143 section 13.10: the result is the OR of both.
                    parameters.initial_r2t = admissible(key, answer, answer || !offer.initial_r2t)?;
                }
            }
            Key::ImmediateData => {
                if let Some(answer) = answered_boolean(key, value)? {
                    // RFC 7143 section 13.11: the result is the AND of both.
                    parameters.immediate_data =
                        admissible(key, answer, !answer || offer.immediate_data)?;
                }
            }
            Key::DataPDUInOrder | Key::DataSequenceInOrder => {
                if let Some(answer) = answered_boolean(key, value)? {
                    // RFC 7143 sections 13.18 and 13.19: the result is the OR of both.
                    admissible(key, answer, answer)?;
                }
            }
            Key::MaxConnections | Key::MaxOutstandingR2T => {
                answered_minimum(key, value, 1, 1)?;
            }
            Key::ErrorRecoveryLevel => {
                answered_minimum(key, value, 0, 0)?;
            }
            Key::MaxBurstLength => {
                let most = offer.max_burst_length;
                if let Some(length) = answered_minimum(key, value, Offer::LENGTH_MIN, most)? {
                    parameters.max_burst_length = length;
                }
            }
            Key::FirstBurstLength if matches!(Answer::parse(value), Answer::Irrelevant) => {
                self.first_burst_is_irrelevant = true;
            }
            Key::FirstBurstLength => {
                let most = offer.first_burst_length;
                if let Some(length) = answered_minimum(key, value, Offer::LENGTH_MIN, most)? {
                    parameters.first_burst_length = length;
                }
            }
            Key::DefaultTime2Wait => {
                if let Some(seconds) = answered_seconds(key, value)? {
                    // RFC 7143 section 13.15: the result is the larger of both.
                    let enough = seconds >= offer.default_time2wait;
                    parameters.default_time2wait = admissible(key, seconds, enough)?;
                }
            }
            Key::DefaultTime2Retain => {
                if let Some(seconds) = answered_seconds(key, value)? {
                    // RFC 7143 section 13.16: the result is the smaller of both.
                    if seconds > offer.default_time2retain {
                        self.quirks.insert(Quirk::LongTime2Retain);
                    }
                    parameters.default_time2retain = seconds.min(offer.default_time2retain);
                }
            }
            _ => return proposal(key, value),
        }
        Ok(None)
    }

    /// The result, once the target has ended the stage.
    ///
    /// # Errors
    ///
    /// The [`Violation`] of values that do not go together, or [`Unsupported::Digest`] when the
    /// target has not answered the only digest that was offered.
    pub fn conclude(&self) -> Result<Parameters, Error> {
        let parameters = self.parameters;
        for (key, choice, digest) in [
            (
                Key::HeaderDigest,
                self.offer.header_digest,
                parameters.header_digest,
            ),
            (
                Key::DataDigest,
                self.offer.data_digest,
                parameters.data_digest,
            ),
        ] {
            if !choice.allows(digest) {
                return Err(Unsupported::Digest(key).into());
            }
        }
        // RFC 7143 section 13.14: without unsolicited data of any kind FirstBurstLength means
        // nothing.
        if parameters.initial_r2t && !parameters.immediate_data {
            return Ok(parameters);
        }
        if self.first_burst_is_irrelevant {
            return Err(Violation::Irrelevant(Key::FirstBurstLength).into());
        }
        let (first, max) = (parameters.first_burst_length, parameters.max_burst_length);
        if first > max {
            return Err(Violation::FirstBurstAboveMaxBurst { first, max }.into());
        }
        Ok(parameters)
    }

    /// What the target has done wrong in the whole stage, and is tolerated. `is_sent` tells which
    /// of the keys to send went out.
    pub fn quirks(&self, is_sent: impl Fn(Key) -> bool) -> Quirks {
        let mut quirks = self.quirks;
        let is_unanswered =
            |(key, value)| is_sent(key) && needs_answer(key, value) && self.seen & bit(key) == 0;
        if self.offers().into_iter().any(is_unanswered) {
            quirks.insert(Quirk::KeyUnanswered);
        }
        quirks
    }

    // RFC 7143 section 6.3: a key is negotiated or declared once in a login.
    fn take_once(&mut self, key: Key) -> Result<(), Violation> {
        if self.seen & bit(key) != 0 {
            return Err(Violation::RepeatedKey(key));
        }
        self.seen |= bit(key);
        Ok(())
    }
}

/// The bit that stands for a key.
const fn bit(key: Key) -> u64 {
    // CAST: the discriminants are below 64, as asserted above.
    1_u64.wrapping_shl(key as u32)
}

/// Whether the target has to answer this offer: not a declaration (RFC 7143 section 6.2), nor a
/// boolean that decides by itself (section 6.2.2).
const fn needs_answer(key: Key, value: Value) -> bool {
    !matches!(
        (key, value),
        (Key::MaxRecvDataSegmentLength, _)
            | (
                Key::InitialR2T | Key::DataPDUInOrder | Key::DataSequenceInOrder,
                Value::Boolean(true)
            )
            | (Key::ImmediateData, Value::Boolean(false))
    )
}

/// What a proposal of a key that is never offered is answered with.
fn proposal(key: Key, value: &[u8]) -> Result<Option<Value>, Error> {
    let Answer::Value(value) = Answer::parse(value) else {
        return Err(Violation::ReservedProposal(key).into());
    };
    match key {
        // RFC 7143 section 13.23: the default is the only behaviour there is.
        Key::TaskReporting => {
            let known = value
                .split(|byte| *byte == b',')
                .any(|name| name == b"RFC3720");
            Ok(Some(Value::Name(if known { "RFC3720" } else { "Reject" })))
        }
        // RFC 7143 section 13.24: the result is the smaller of both, and RFC 7143 itself is level
        // 1.
        Key::ProtocolLevel => {
            let level = declared_number(key, value, 0, 31)?;
            Ok(Some(Value::Number(level.min(1))))
        }
        // RFC 7143 section 13.25: not to be called unknown. To earlier versions of LIO, which know
        // markers, it is fatal that IFMarker or OFMarker is rejected; a proposal of No needs no
        // answer.
        Key::IFMarker | Key::OFMarker => {
            let asked = value != b"No";
            Ok(asked.then_some(Value::Boolean(false)))
        }
        Key::IFMarkInt | Key::OFMarkInt => Ok(Some(Value::Name("Reject"))),
        _ => Err(Violation::KeyNotAllowed(key).into()),
    }
}

/// The answer to the offer of `choice` for a digest.
fn answered_digest(key: Key, value: &[u8], choice: DigestChoice) -> Result<Digest, Error> {
    match Answer::parse(value) {
        Answer::Value(value) => match Digest::from_name(value) {
            Some(digest) if choice.allows(digest) => Ok(digest),
            // Not offered, but no matter of the protocol: it will not have the digest.
            Some(Digest::None) => Err(Unsupported::Digest(key).into()),
            _ => Err(Violation::InadmissibleAnswer(key).into()),
        },
        Answer::Reject if choice == DigestChoice::Always => Err(Unsupported::Digest(key).into()),
        // tgt rejects a digest and then waits for it, so only an offered value will do.
        Answer::Reject => Err(Violation::Rejected(key).into()),
        other => Err(inadmissible(key, &other).into()),
    }
}

/// The answer to a boolean offer; `None` when it was rejected, which leaves the default.
fn answered_boolean(key: Key, value: &[u8]) -> Result<Option<bool>, Error> {
    match Answer::parse(value) {
        Answer::Value(value) => match text::boolean(value) {
            None => Err(Malformed::NotABoolean(key).into()),
            answer => Ok(answer),
        },
        Answer::Reject => Ok(None),
        other => Err(inadmissible(key, &other).into()),
    }
}

/// The answer to a numeric offer; `None` when it was rejected, which leaves the default.
fn answered_number(key: Key, value: &[u8]) -> Result<Option<u64>, Error> {
    match Answer::parse(value) {
        Answer::Value(value) => match text::number(value) {
            None => Err(Malformed::NotANumber(key).into()),
            answer => Ok(answer),
        },
        Answer::Reject => Ok(None),
        other => Err(inadmissible(key, &other).into()),
    }
}

/// The answer to a numeric offer of `most`, of which the smaller of both sides' values is the
/// result.
fn answered_minimum(key: Key, value: &[u8], least: u32, most: u32) -> Result<Option<u32>, Error> {
    let Some(value) = answered_number(key, value)? else {
        return Ok(None);
    };
    if value < u64::from(least) {
        return Err(Violation::OutOfRange { key, value }.into());
    }
    match u32::try_from(value) {
        Ok(value) if value <= most => Ok(Some(value)),
        _ => Err(Violation::InadmissibleAnswer(key).into()),
    }
}

/// The answer to an offer that counts seconds.
fn answered_seconds(key: Key, value: &[u8]) -> Result<Option<u16>, Error> {
    let Some(value) = answered_number(key, value)? else {
        return Ok(None);
    };
    match u16::try_from(value) {
        Ok(seconds) if seconds <= Offer::SECONDS_MAX => Ok(Some(seconds)),
        _ => Err(Violation::OutOfRange { key, value }.into()),
    }
}

/// A number that the target declares or proposes, from `least` to `most`.
fn declared_number(key: Key, value: &[u8], least: u32, most: u32) -> Result<u32, Error> {
    let Answer::Value(value) = Answer::parse(value) else {
        return Err(Violation::ReservedProposal(key).into());
    };
    let value = text::number(value).ok_or(Malformed::NotANumber(key))?;
    match u32::try_from(value) {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => Err(Violation::OutOfRange { key, value }.into()),
    }
}

fn admissible<T>(key: Key, answer: T, follows: bool) -> Result<T, Violation> {
    if follows {
        Ok(answer)
    } else {
        Err(Violation::InadmissibleAnswer(key))
    }
}

fn inadmissible(key: Key, answer: &Answer<'_>) -> Violation {
    match answer {
        Answer::NotUnderstood => Violation::NotUnderstood(key),
        Answer::Irrelevant => Violation::Irrelevant(key),
        Answer::Value(_) | Answer::Reject => Violation::InadmissibleAnswer(key),
    }
}
