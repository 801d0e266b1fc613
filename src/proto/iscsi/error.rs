// SPDX-License-Identifier: GPL-2.0-only

//! Whose fault a failure is, and which rule was broken.
//!
//! Every text completes a sentence such as "login to 192.0.2.1: ..." and says what to check where
//! the reader can do something about it. Source: RFC 7143 section 7 and the section each rule
//! names.

mod status;
mod violation;

pub use self::{
    status::LoginStatus,
    violation::Violation, //
};

use crate::proto::iscsi::{
    chap::Algorithms,
    keys::Key, //
};

/// Why the initiator cannot go on.
///
/// After any of these but [`Error::Misused`] the connection is of no further use: nothing received
/// later on it can be trusted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Error {
    /// The bytes received cannot be decoded.
    Malformed(Malformed),
    /// What was received can be decoded but breaks a rule of the protocol.
    PeerMisbehaved(Violation),
    /// The target refused the login with this status.
    Refused(LoginStatus),
    /// The target has not proved who it is, although it has to.
    Unauthenticated(Unauthenticated),
    /// The target offered or demanded something this initiator does not have.
    Unsupported(Unsupported),
    /// The caller asked for something that cannot be done; nothing was sent.
    Misused(Misuse),
}

impl core::error::Error for Error {}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "the target sent what is not iSCSI: {error}"),
            Self::PeerMisbehaved(error) => {
                write!(f, "the target broke the iSCSI protocol: {error}")
            }
            Self::Refused(status) => write!(f, "the target refused: {status}"),
            Self::Unauthenticated(error) => error.fmt(f),
            Self::Unsupported(error) => error.fmt(f),
            Self::Misused(error) => write!(f, "internal error: {error}"),
        }
    }
}

impl From<Malformed> for Error {
    fn from(error: Malformed) -> Self {
        Self::Malformed(error)
    }
}

impl From<Violation> for Error {
    fn from(error: Violation) -> Self {
        Self::PeerMisbehaved(error)
    }
}

impl From<Unauthenticated> for Error {
    fn from(error: Unauthenticated) -> Self {
        Self::Unauthenticated(error)
    }
}

impl From<Unsupported> for Error {
    fn from(error: Unsupported) -> Self {
        Self::Unsupported(error)
    }
}

impl From<Misuse> for Error {
    fn from(error: Misuse) -> Self {
        Self::Misused(error)
    }
}

/// Bytes that cannot be decoded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Malformed {
    /// Text did not end with a NUL (RFC 7143 section 6.1).
    TextNotTerminated,
    /// A piece of text had no "=" (section 6.1).
    PairWithoutEquals,
    /// A key name was empty, longer than 63 bytes, or had a byte that no key name has (section
    /// 6.1).
    KeyName,
    /// A value was longer than its key allows (sections 6.1 and 12.1.3).
    ValueTooLong(Key),
    /// A value was neither a number in the key's form nor one of the reserved words (section 6.1).
    NotANumber(Key),
    /// A value was neither Yes nor No nor one of the reserved words (section 6.1).
    NotABoolean(Key),
    /// A value was no binary constant, or too long (sections 6.1 and 12.1.3).
    NotBinary(Key),
    /// A redirection did not say where to (section 11.13.5).
    RedirectWithoutAddress,
    /// A TargetName was empty or not UTF-8 (section 4.2.7.1).
    TargetName,
    /// A TargetAddress was not an address with an optional port (section 13.8).
    TargetAddress,
}

impl core::fmt::Display for Malformed {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::TextNotTerminated => f.write_str("login text that does not end with a NUL"),
            Self::PairWithoutEquals => f.write_str("login text without an '='"),
            Self::KeyName => f.write_str("login text with an illegal key name"),
            Self::ValueTooLong(key) => write!(f, "a value that is too long for {key}"),
            Self::NotANumber(key) => write!(f, "a value for {key} that is not a number"),
            Self::NotABoolean(key) => write!(f, "a value for {key} that is neither Yes nor No"),
            Self::NotBinary(key) => {
                write!(
                    f,
                    "a value for {key} that is not 0x or 0b and 1 to 1024 bytes"
                )
            }
            Self::RedirectWithoutAddress => {
                f.write_str("a redirection without a TargetAddress; check the target's settings")
            }
            Self::TargetName => f.write_str("a target without a name; check the target's settings"),
            Self::TargetAddress => {
                f.write_str("an address to go to that is none; check the target's settings")
            }
        }
    }
}

/// How the target, which has to authenticate, fails to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unauthenticated {
    /// It wants no authentication, or none that is configured.
    Method,
    /// It ended its authentication without a name or a proof.
    Missing,
    /// Its name is not the one configured.
    Name,
    /// Its proof is wrong.
    Response,
}

impl core::fmt::Display for Unauthenticated {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Method => {
                "the target does not authenticate with CHAP, as this machine is configured to; \
                 have it do so, or take the passwords out of the configuration file or of the \
                 firmware's settings"
            }
            Self::Missing => {
                "the target does not prove with CHAP who it is, as this machine is configured to \
                 want; set its outgoing name and password at the target"
            }
            Self::Name => {
                "the target gives another CHAP name than the one configured; \
                 check IncomingUsername (or the iBFT's reverse CHAP name), \
                 and that the target is the right one"
            }
            Self::Response => {
                "the target's CHAP proof is wrong; \
                 check IncomingPassword (or the iBFT's reverse CHAP secret), \
                 and that the target is the right one"
            }
        })
    }
}

/// What the target has or wants, and we have not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unsupported {
    /// The target rejected a login without authentication, or chose a method that was not offered.
    Authentication,
    /// The target has none of the CHAP algorithms that were offered.
    ChapAlgorithm(Algorithms),
    /// The target redirected us to a host name; only numeric addresses can be reached before there
    /// is a resolver.
    RedirectToName,
    /// The target does without the digest that is configured never to be left out.
    Digest(Key),
    /// The target does not tell what targets there are.
    SendTargets,
    /// The target insists on an iSCSI version other than 0.
    Version(u8),
}

impl core::fmt::Display for Unsupported {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Authentication => f.write_str(
                "the target does not let this initiator in without authentication; \
                 set OutgoingUsername and OutgoingPassword in the configuration file, \
                 or check the target's access list for this initiator name",
            ),
            Self::ChapAlgorithm(offered) => write!(
                f,
                "the target takes none of the algorithms offered for CHAP, {offered}; \
                 allow it one of them, or this machine more with CHAPAlgorithms"
            ),
            Self::RedirectToName => f.write_str(
                "the target redirected to a host name; have it redirect to a numeric address",
            ),
            Self::Digest(key) => write!(
                f,
                "the target does without {key}, as this machine is configured not to; \
                 have the target allow CRC32C, or set {key}=prefer-on in the configuration file"
            ),
            Self::SendTargets => f.write_str(
                "the portal does not tell what targets there are; \
                 set iscsi-target=<ip>[:<port>]:<target name>",
            ),
            Self::Version(version) => {
                write!(
                    f,
                    "the target answered with iSCSI version {version:#04x}, not 0x00"
                )
            }
        }
    }
}

/// What the caller did wrong.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Misuse {
    /// The buffer is too small for the PDU.
    BufferTooSmall,
    /// The data segment handed over is not as long as its header says.
    DataLength,
    /// A non-immediate command was to be sent although the command window is closed.
    WindowClosed,
    /// A request was to be sent after the Logout Request.
    LoggedOut,
    /// A CDB of no bytes, or of more than 32.
    CdbLength,
    /// A hash could not be computed.
    Hash,
}

impl core::fmt::Display for Misuse {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::BufferTooSmall => "the PDU does not fit its buffer",
            Self::DataLength => "the data segment is not as long as its header says",
            Self::WindowClosed => "the command window is closed",
            Self::LoggedOut => "the session is being logged out",
            Self::CdbLength => "the CDB does not have 1 to 32 bytes",
            Self::Hash => "the hash for CHAP cannot be computed",
        })
    }
}
