// SPDX-License-Identifier: GPL-2.0-only

//! CHAP: the initiator proves to the target who it is, and the target to the initiator where that
//! is wanted.
//!
//! | step | request | response |
//! |---|---|---|
//! | algorithm | CHAP_A, a list | CHAP_A, CHAP_I, CHAP_C |
//! | proof | CHAP_N, CHAP_R; to have the target prove itself CHAP_I, CHAP_C | then CHAP_N, CHAP_R |
//!
//! Source: RFC 7143 sections 9.2.1 and 12.1.3, RFC 1994 section 4; the algorithms above 5 are in
//! IANA's registry of PPP Authentication Algorithms.

mod algorithm;

pub use self::algorithm::{
    Algorithm,
    Algorithms,
    HASH_MAX, //
};

use core::fmt;

use crate::proto::{
    bytes::Writer,
    config::text::Text,
    iscsi::{
        binary::{
            self,
            Hexadecimal, //
        },
        error::{
            Error,
            Malformed,
            Misuse,
            Unauthenticated,
            Unsupported,
            Violation, //
        },
        keys::Key,
        text, //
    },
    secret::{
        self,
        Secret, //
    },
};

/// The most bytes of a challenge (RFC 7143 section 12.1.3).
pub(super) const TARGET_CHALLENGE_MAX: usize = 1_024;

/// The bytes of our own challenge.
pub const CHALLENGE_LENGTH: usize = 16;

/// What computes hashes.
pub trait Hash {
    /// Writes the hash of `parts`, one after the other, to the front of `to`; `None` when it cannot
    /// be computed.
    fn hash(&self, algorithm: Algorithm, parts: [&[u8]; 3], to: &mut [u8; HASH_MAX]) -> Option<()>;
}

/// A name and the secret that goes with it.
#[derive(Debug)]
pub struct Account {
    /// The name, CHAP_N; may be empty.
    pub name: Text<{ text::VALUE_MAX }>,
    /// The secret.
    pub secret: Secret,
}

/// Who we are, and who the target has to be.
#[derive(Debug)]
pub struct Credentials {
    /// What proves the initiator; without a secret nobody authenticates.
    pub outgoing: Account,
    /// What proves the target; without a secret it need not, without a name it may have any.
    pub incoming: Account,
}

impl Credentials {
    /// None at all.
    pub fn none() -> Self {
        let account = || Account {
            name: Text::default(),
            secret: Secret::none(),
        };
        Self {
            outgoing: account(),
            incoming: account(),
        }
    }

    /// Takes what `other` has.
    pub fn fill_from(&mut self, other: &Self) {
        for (to, from) in [
            (&mut self.outgoing, &other.outgoing),
            (&mut self.incoming, &other.incoming),
        ] {
            to.name = from.name.clone();
            // A secret is as long as any other may be.
            let _ = to.secret.set(from.secret.bytes());
        }
    }

    /// Whether CHAP is wanted.
    pub const fn are_given(&self) -> bool {
        !self.outgoing.secret.is_none()
    }

    /// Whether the target has to prove itself too.
    pub const fn are_mutual(&self) -> bool {
        !self.incoming.secret.is_none()
    }
}

/// CHAP as one login uses it.
#[derive(Clone, Copy)]
pub struct Chap<'a> {
    /// Who we are, and who the target has to be.
    pub credentials: &'a Credentials,
    /// The algorithms to offer, in this order.
    pub algorithms: Algorithms,
    /// What computes them.
    pub hash: &'a dyn Hash,
    /// The identifier of our challenge: random, used once.
    pub identifier: u8,
    /// Our challenge: random, used once.
    pub challenge: [u8; CHALLENGE_LENGTH],
}

impl fmt::Debug for Chap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chap")
            .field("algorithms", &self.algorithms)
            .finish_non_exhaustive()
    }
}

/// A hash of ours.
#[derive(Clone, Copy, Debug)]
struct Proof {
    bytes: [u8; HASH_MAX],
    length: usize,
}

impl Proof {
    /// What answers a challenge (RFC 1994 section 4.1).
    fn new(
        chap: &Chap<'_>,
        algorithm: Algorithm,
        identifier: u8,
        secret: &Secret,
        challenge: &[u8],
    ) -> Result<Self, Misuse> {
        let mut bytes = [0; HASH_MAX];
        chap.hash
            .hash(
                algorithm,
                [&[identifier], secret.bytes(), challenge],
                &mut bytes,
            )
            .ok_or(Misuse::Hash)?;
        Ok(Self {
            bytes,
            length: algorithm.length(),
        })
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// CHAP's exchange in one login.
#[derive(Debug)]
pub(super) struct Exchange<'a> {
    chap: Chap<'a>,
    /// Room for the target's challenge.
    challenge: &'a mut [u8; TARGET_CHALLENGE_MAX],
    step: Step,
}

#[derive(Debug)]
enum Step {
    /// An algorithm is asked for.
    Algorithm {
        algorithm: Option<Algorithm>,
        identifier: Option<u8>,
        /// The bytes of the target's challenge.
        length: Option<usize>,
    },
    /// We prove ourselves.
    Proof {
        algorithm: Algorithm,
        proof: Proof,
        /// What the target has said of itself.
        named: bool,
        proven: bool,
    },
    /// The target moves on when it likes.
    Done(Algorithm),
}

impl<'a> Exchange<'a> {
    /// An exchange that begins.
    pub(super) fn new(chap: Chap<'a>, challenge: &'a mut [u8; TARGET_CHALLENGE_MAX]) -> Self {
        Self {
            chap,
            challenge,
            step: Step::Algorithm {
                algorithm: None,
                identifier: None,
                length: None,
            },
        }
    }

    /// The algorithm agreed on.
    pub(super) const fn algorithm(&self) -> Option<Algorithm> {
        match &self.step {
            Step::Algorithm { algorithm, .. } => *algorithm,
            Step::Proof { algorithm, .. } | Step::Done(algorithm) => Some(*algorithm),
        }
    }

    /// Whether the target may end the stage now.
    pub(super) const fn may_end(&self) -> bool {
        !matches!(self.step, Step::Algorithm { .. })
    }

    /// Writes the keys of this step; `None` when they do not fit.
    pub(super) fn put(&self, to: &mut Writer<'_>) -> Option<()> {
        match &self.step {
            Step::Algorithm { .. } => {
                text::put_pair(to, Key::ChapA, Numbers(&self.chap.algorithms))
            }
            Step::Proof { proof, .. } => {
                let Chap {
                    credentials,
                    identifier,
                    challenge,
                    ..
                } = &self.chap;
                text::put_pair(to, Key::ChapN, credentials.outgoing.name.as_str())?;
                text::put_pair(to, Key::ChapR, Hexadecimal(proof.bytes()))?;
                if credentials.are_mutual() {
                    text::put_pair(to, Key::ChapI, identifier)?;
                    text::put_pair(to, Key::ChapC, Hexadecimal(challenge))?;
                }
                Some(())
            }
            Step::Done(_) => Some(()),
        }
    }

    /// Takes a key of this step.
    pub(super) fn receive(&mut self, key: Key, value: &[u8]) -> Result<(), Error> {
        match (&mut self.step, key) {
            (Step::Algorithm { algorithm, .. }, Key::ChapA) => {
                if value == b"Reject" {
                    return Err(Unsupported::ChapAlgorithm(self.chap.algorithms).into());
                }
                let number = number(key, value)?;
                let mut offered = self.chap.algorithms.iter();
                let chosen = offered.find(|offered| offered.number() == number);
                let chosen = chosen.ok_or(Violation::InadmissibleAnswer(key))?;
                once(key, algorithm, chosen)
            }
            (Step::Algorithm { identifier, .. }, Key::ChapI) => {
                once(key, identifier, number(key, value)?)
            }
            (Step::Algorithm { length, .. }, Key::ChapC) => {
                let decoded = binary::decode(value, self.challenge);
                once(key, length, decoded.ok_or(Malformed::NotBinary(key))?)
            }
            (Step::Proof { named, .. }, Key::ChapN) if self.chap.credentials.are_mutual() => {
                let wanted = self.chap.credentials.incoming.name.as_str();
                if *named {
                    return Err(Violation::RepeatedKey(key).into());
                }
                if !wanted.is_empty() && wanted.as_bytes() != value {
                    return Err(Unauthenticated::Name.into());
                }
                *named = true;
                Ok(())
            }
            (
                Step::Proof {
                    algorithm, proven, ..
                },
                Key::ChapR,
            ) if self.chap.credentials.are_mutual() => {
                if *proven {
                    return Err(Violation::RepeatedKey(key).into());
                }
                let Chap {
                    credentials,
                    identifier,
                    challenge,
                    ..
                } = &self.chap;
                let secret = &credentials.incoming.secret;
                let expected = Proof::new(&self.chap, *algorithm, *identifier, secret, challenge)?;
                let mut received = [0; HASH_MAX];
                let length = binary::decode(value, &mut received);
                let received = length.and_then(|length| received.get(..length));
                if !received.is_some_and(|bytes| secret::equal(bytes, expected.bytes())) {
                    return Err(Unauthenticated::Response.into());
                }
                *proven = true;
                Ok(())
            }
            _ => Err(Violation::KeyNotAllowed(key).into()),
        }
    }

    /// Goes on to the next step, when all of the target's text has come.
    pub(super) fn advance(&mut self) -> Result<(), Error> {
        self.step = match &self.step {
            Step::Algorithm {
                algorithm,
                identifier,
                length,
            } => {
                let algorithm = algorithm.ok_or(Violation::MissingKey(Key::ChapA))?;
                let identifier = identifier.ok_or(Violation::MissingKey(Key::ChapI))?;
                let length = length.ok_or(Violation::MissingKey(Key::ChapC))?;
                let challenge = self.challenge.get(..length).unwrap_or_default();
                // RFC 7143 section 9.2.1: a challenge of ours must not come back.
                if challenge == self.chap.challenge {
                    return Err(Violation::ReflectedChallenge.into());
                }
                let secret = &self.chap.credentials.outgoing.secret;
                Step::Proof {
                    algorithm,
                    proof: Proof::new(&self.chap, algorithm, identifier, secret, challenge)?,
                    named: false,
                    proven: false,
                }
            }
            Step::Proof {
                algorithm,
                named,
                proven,
                ..
            } => {
                if self.chap.credentials.are_mutual() && !(*named && *proven) {
                    return Err(Unauthenticated::Missing.into());
                }
                Step::Done(*algorithm)
            }
            Step::Done(algorithm) => Step::Done(*algorithm),
        };
        Ok(())
    }
}

/// A number from 0 to 255.
fn number(key: Key, value: &[u8]) -> Result<u8, Error> {
    let value = text::number(value).ok_or(Malformed::NotANumber(key))?;
    u8::try_from(value).map_err(|_| Violation::OutOfRange { key, value }.into())
}

/// Takes note of what a key says, which it says once.
fn once<T>(key: Key, slot: &mut Option<T>, value: T) -> Result<(), Error> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Violation::RepeatedKey(key).into()),
    }
}

/// Algorithms as the value of CHAP_A.
struct Numbers<'a>(&'a Algorithms);

impl fmt::Display for Numbers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        self.0.iter().try_for_each(|algorithm| {
            write!(f, "{separator}{}", algorithm.number())?;
            separator = ",";
            Ok(())
        })
    }
}
