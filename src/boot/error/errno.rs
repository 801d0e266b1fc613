// SPDX-License-Identifier: GPL-2.0-only

//! The errno of each way in which a login fails.

use crate::{
    initiator::login::LoginFailure,
    linux::errno::{
        EADDRNOTAVAIL,
        EBADE,
        EBADR,
        ECONNRESET,
        EHOSTUNREACH,
        EIDRM,
        EILSEQ,
        EISCONN,
        EKEYREJECTED,
        ELOOP,
        ENETUNREACH,
        ENOBUFS,
        ENOKEY,
        ENOMEDIUM,
        EPROTO,
        EPROTONOSUPPORT,
        EREMOTEIO,
        ESOCKTNOSUPPORT,
        ESTALE,
        EUSERS, //
    },
    proto::iscsi::error::{
        Error as ProtocolError,
        LoginStatus,
        Unsupported, //
    },
};
use kernel::prelude::*;

/// The errno of a login that fails.
pub(super) fn login_errno(failure: &LoginFailure) -> Error {
    match failure {
        LoginFailure::Connect(_, ENETUNREACH | EADDRNOTAVAIL) => EHOSTUNREACH,
        LoginFailure::Connect(_, error) | LoginFailure::Memory(error) => *error,
        LoginFailure::Connection(..) | LoginFailure::Closed(_) => ECONNRESET,
        LoginFailure::Timeout(_) | LoginFailure::UnitSilent(..) => ETIMEDOUT,
        LoginFailure::Redirections(_) => ELOOP,
        LoginFailure::UnitGone(..)
        | LoginFailure::UnitReplaced(..)
        | LoginFailure::UnitNotReset(..) => ENXIO,
        LoginFailure::UnitNotReady(..) => EBUSY,
        LoginFailure::Protocol(_, ProtocolError::Refused(status)) => status_errno(*status),
        LoginFailure::Protocol(
            _,
            ProtocolError::Unauthenticated(_)
            | ProtocolError::Unsupported(Unsupported::Authentication),
        ) => ENOKEY,
        LoginFailure::Protocol(..) => EPROTO,
    }
}

/// RFC 7143 section 11.13.5.
fn status_errno(status: LoginStatus) -> Error {
    match status.code() {
        0x0200 => EBADE,
        0x0201 => EKEYREJECTED,
        0x0202 => EACCES,
        0x0203 => ENOMEDIUM,
        0x0204 => EIDRM,
        0x0205 => EPROTONOSUPPORT,
        0x0206 => EUSERS,
        0x0207 => EBADR,
        0x0208 => EISCONN,
        0x0209 => ESOCKTNOSUPPORT,
        0x020a => ESTALE,
        0x020b => EILSEQ,
        0x0300 => EREMOTEIO,
        0x0301 => EAGAIN,
        0x0302 => ENOBUFS,
        _ => EPROTO,
    }
}
