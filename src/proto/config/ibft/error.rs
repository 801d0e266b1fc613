// SPDX-License-Identifier: GPL-2.0-only

//! What is wrong with a table.

use core::fmt;

use crate::proto::{
    config::{
        ibft::MAX_LENGTH,
        name::NameFault,
        ParseError, //
    },
    secret::Secret, //
};

/// What is wrong with a table, and at which structure.
pub type IbftError = ParseError<IbftFault>;

/// What is wrong with a table. None of them has a secret in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum IbftFault {
    /// The length is less than a table has, more than one can have, or more than there is.
    Length(usize),
    /// It is another table, or none.
    Signature,
    /// Its revision is not known.
    Revision(u8),
    /// The sum of its bytes is not 0.
    Checksum,
    /// There is no control structure where it should be.
    Control,
    /// A structure reaches past the end of the table.
    Outside,
    /// A structure is shorter than one of its type.
    Short,
    /// A string reaches past the end of the table.
    StringOutside,
    /// A name is not UTF-8.
    NotUtf8,
    /// The initiator's name is none.
    InitiatorName(NameFault),
    /// A target's name is none.
    TargetName(NameFault),
    /// The network has more bits than the address.
    PrefixLength(u8),
    /// The address is not one that a machine can have.
    NotAHost,
    /// The VLAN's number is none.
    Vlan(u16),
    /// The LUN has more levels than one, or an addressing method that is neither peripheral nor
    /// flat.
    Lun,
    /// The CHAP type is not known.
    ChapType(u8),
    /// The name for CHAP has more than 255 bytes.
    ChapNameLength,
    /// There is to be CHAP, but without a secret.
    NoSecret,
    /// A secret has more bytes than [`Secret::MAX`].
    SecretLength,
    /// Both secrets are the same.
    SameSecrets,
}

impl fmt::Display for IbftFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length(length) => write!(
                f,
                "a length of {length} bytes; a table has at most {MAX_LENGTH}, \
                 and all of them are there"
            ),
            Self::Signature => f.write_str("this is no iBFT"),
            Self::Revision(revision) => write!(f, "revision {revision}; only 1 is known"),
            Self::Checksum => f.write_str("the checksum is wrong"),
            Self::Control => f.write_str("there is no control structure here"),
            Self::Outside => f.write_str("the structure here reaches past the end of the table"),
            Self::Short => f.write_str("the structure here is shorter than one of its type"),
            Self::StringOutside => {
                f.write_str("a string of the structure here reaches past the end of the table")
            }
            Self::NotUtf8 => f.write_str("a name of the structure here is not UTF-8"),
            Self::InitiatorName(fault) => write!(f, "the initiator's name: {fault}"),
            Self::TargetName(fault) => write!(f, "the target's name: {fault}"),
            Self::PrefixLength(bits) => {
                write!(f, "a network of {bits} bits, more than the address has")
            }
            Self::NotAHost => f.write_str("a machine cannot have the address that is here"),
            Self::Vlan(vlan) => write!(f, "VLAN {vlan}; expected 1 to 4094"),
            Self::Lun => f.write_str(
                "the LUN has more than one level, or is addressed by neither the peripheral \
                 nor the flat method",
            ),
            Self::ChapType(other) => {
                write!(f, "CHAP type {other}; expected 0 (none), 1 or 2 (mutual)")
            }
            Self::ChapNameLength => f.write_str("a CHAP name of more than 255 bytes"),
            Self::NoSecret => f.write_str("CHAP is wanted, but there is no secret for it"),
            Self::SecretLength => write!(f, "a CHAP secret of more than {} bytes", Secret::MAX),
            Self::SameSecrets => f.write_str(
                "the CHAP secrets of both directions are the same, \
                 so that whoever is asked for one learns the other",
            ),
        }
    }
}
