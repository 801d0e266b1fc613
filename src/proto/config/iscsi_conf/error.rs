// SPDX-License-Identifier: GPL-2.0-only

//! What can be wrong with the file. No error has a value in it that may be a secret.

use core::fmt;

use super::key::Key;
use crate::proto::{
    config::{
        name::NameFault,
        target::TargetFault, //
    },
    iscsi::keys::Offer,
    secret::Secret, //
};

/// What is wrong with the file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ConfError {
    /// Line and column, from 1, where there is a place.
    pub place: Option<(usize, usize)>,
    /// What is wrong there.
    pub fault: ConfFault,
}

impl fmt::Display for ConfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.place {
            write!(f, "line {line}, column {column}: ")?;
        }
        self.fault.fmt(f)
    }
}

/// What is wrong with a line, or with what several lines say together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ConfFault {
    /// A line without `=`.
    NoEquals,
    /// What stands before `=` is no key.
    Key,
    /// A quotation mark without its like.
    OpenQuotation,
    /// Something behind the value.
    BehindValue,
    /// Neither yes nor no.
    Boolean,
    /// A time that is none.
    Time,
    /// A time that is too short or too long, in seconds.
    TimeRange {
        /// The least.
        least: u32,
        /// The most.
        most: u32,
    },
    /// A choice of digests that is none.
    Digest,
    /// A list of CHAP algorithms that is none, or has one twice.
    Algorithms,
    /// A number of bytes that is none, or too few or too many.
    Length,
    /// A list of logical units that is none.
    Luns,
    /// An iSCSI name that is none.
    IscsiName(NameFault),
    /// The address of a portal that is none.
    Address(TargetFault),
    /// A network that is none.
    Network,
    /// A name that is not UTF-8.
    NotUtf8,
    /// A name with a control character.
    Control,
    /// A name of more than 255 bytes.
    NameTooLong,
    /// A password of more than 256 bytes.
    PasswordTooLong,
    /// A name without this password.
    Missing(Key),
    /// The target has to prove itself, but the initiator has no password.
    IncomingAlone,
    /// Both passwords are the same.
    SamePasswords,
}

impl fmt::Display for ConfFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoEquals => "a line without '='; comments begin with '#'",
            Self::Key => "no key before '='",
            Self::OpenQuotation => "a '\"' that no other one follows",
            Self::BehindValue => {
                "something behind the value; a value with spaces stands in '\"', \
                 a comment begins with '#'"
            }
            Self::Boolean => "expected yes or no",
            Self::Time => "expected a time: a number, and 's', 'm' or 'h' behind it",
            Self::TimeRange { least, most } => {
                return write!(f, "expected a time from {least} s to {most} s");
            }
            Self::Digest => "expected never, always, prefer-on or prefer-off",
            Self::Algorithms => {
                "expected one of SHA3-256, SHA-256, SHA-1 and MD5 that is not there yet; \
                 a ',' and nothing else stands between two"
            }
            Self::Length => {
                let (least, most) = (Offer::LENGTH_MIN, Offer::LENGTH_MAX);
                return write!(f, "expected a number of bytes from {least} to {most}");
            }
            Self::Luns => "expected LUNs from 0 to 255, as in 1 or 1,3-5",
            Self::IscsiName(fault) => return fault.fmt(f),
            Self::Address(fault) => return fault.fmt(f),
            Self::Network => {
                "expected an IP address and, for more than this one, the length of its prefix, \
                 as in 192.0.2.0/24"
            }
            Self::NotUtf8 => "a name that is not UTF-8",
            Self::Control => "a name with a control character",
            Self::NameTooLong => "a name of more than 255 bytes",
            Self::PasswordTooLong => {
                return write!(f, "a password of more than {} bytes", Secret::MAX);
            }
            Self::Missing(Key::IncomingPassword) => {
                "a user name, but no IncomingPassword, and no key \"iscsi_init:<user name>\" \
                 in the kernel's keyrings"
            }
            Self::Missing(_) => {
                "a user name, but no OutgoingPassword, and no key \"iscsi_init:<user name>\" \
                 in the kernel's keyrings"
            }
            Self::IncomingAlone => {
                "IncomingPassword, but no OutgoingPassword: \
                 a target proves itself only to whom has done so before"
            }
            Self::SamePasswords => {
                "IncomingPassword and OutgoingPassword are the same, \
                 so that whoever is asked for one learns the other"
            }
        })
    }
}
