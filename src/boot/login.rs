// SPDX-License-Identifier: GPL-2.0-only

//! The first login, and the question that may come before it: what may mend itself within seconds
//! gets a few tries, and each portal one at least.

use super::{
    attempts::Attempts,
    error::{
        FailedLogin,
        Failure, //
    }, //
};
use crate::{
    initiator::{
        discovery::{
            self,
            Found, //
        },
        login::{
            self,
            Account,
            LoginFailure,
            Node, //
        }, //
    },
    linux::{
        clock,
        errno::EAFNOSUPPORT,
        socket::Socket, //
    },
    proto::{
        config::{
            name::Name,
            target::Portal, //
        },
        iscsi::{
            error::Error as ProtocolError,
            login::Established, //
        },
    }, //
};
use kernel::prelude::*;

/// How often what may mend itself is tried, and the delay between, in milliseconds.
const TRIES: usize = 3;
const DELAY: u32 = 1_000;

/// Logs in.
#[inline(never)]
pub(super) fn log_in(
    account: &mut Account,
    attempts: &mut Attempts,
) -> Result<(Socket, Established), Failure<'static>> {
    let portals = account.others.len().saturating_add(1);
    let (socket, established) = tries(attempts, portals, || login::login(account))
        .map_err(|end| end.named(&account.node.initiator, Some(&account.target.name)))?;
    // The session's number is another one each time.
    attempts.tell_of(
        core::format_args!("logged in to {}", account.target),
        core::format_args!(
            "logged in to {}, session {:#06x}: {}",
            account.target,
            established.tsih,
            established.parameters
        ),
    );
    Ok((socket, established))
}

/// Asks a portal for its targets.
#[inline(never)]
pub(super) fn discover(
    node: &mut Node,
    portal: Portal,
    attempts: &mut Attempts,
) -> Result<KVec<Found>, Failure<'static>> {
    tries(attempts, 1, || discovery::discover(node, portal))
        .map_err(|end| end.named(&node.initiator, None))
}

/// What tries in vain have come to.
struct End {
    failure: LoginFailure,
    /// What came of the latest tries at the other portals.
    others: KVec<LoginFailure>,
}

/// Has each of so many `portals` its turn, whatever the others say, and what may mend itself a few.
fn tries<T>(
    attempts: &mut Attempts,
    portals: usize,
    mut again: impl FnMut() -> Result<T, LoginFailure>,
) -> Result<T, End> {
    let mut others = KVec::new();
    let mut attempt = 1;
    let mut last = portals;

    loop {
        let failure = match again() {
            Ok(done) => return Ok(done),
            Err(failure) => failure,
        };
        last = match Hope::of(&failure) {
            Hope::Soon => last.max(TRIES),
            Hope::Elsewhere => last,
            Hope::None => 0,
        };
        if attempt >= last || attempts.are_over() {
            return Err(End { failure, others });
        }
        attempts.tell(core::format_args!(
            "login attempt {attempt} of {last}: {failure}"
        ));
        if let Err(error) = others.push(failure, GFP_KERNEL) {
            let failure = LoginFailure::Memory(error.into());
            return Err(End { failure, others });
        }
        if others.len() >= portals {
            // The next try is at this one's portal.
            let _ = others.remove(0);
        }
        attempt = attempt.saturating_add(1);
        clock::sleep(DELAY);
    }
}

/// What a failed login lets hope for.
enum Hope {
    /// It may mend itself within seconds.
    Soon,
    /// Another portal may do better.
    Elsewhere,
    None,
}

impl Hope {
    fn of(failure: &LoginFailure) -> Self {
        match failure {
            LoginFailure::Connect(_, EINTR)
            | LoginFailure::Connection(_, EINTR)
            | LoginFailure::Memory(_) => Self::None,
            LoginFailure::Connect(_, EAFNOSUPPORT) => Self::Elsewhere,
            LoginFailure::Connect(..)
            | LoginFailure::Connection(..)
            | LoginFailure::Closed(_)
            | LoginFailure::Timeout(_) => Self::Soon,
            LoginFailure::Protocol(_, ProtocolError::Refused(status))
                if status.may_be_retried() =>
            {
                Self::Soon
            }
            _ => Self::Elsewhere,
        }
    }
}

impl End {
    /// The failure with the names of who was to log in to what.
    fn named(self, initiator: &Name, target: Option<&Name>) -> Failure<'static> {
        let Self { failure, others } = self;
        if let LoginFailure::Connect(_, EINTR) | LoginFailure::Connection(_, EINTR) = failure {
            return Failure::Interrupted;
        }
        let attempt = FailedLogin {
            initiator: initiator.clone(),
            target: target.cloned(),
            others,
        };
        match KBox::new(attempt, GFP_KERNEL) {
            Ok(attempt) => Failure::Login(failure, attempt),
            Err(error) => Failure::kernel(error),
        }
    }
}
