// SPDX-License-Identifier: GPL-2.0-only

//! The first login, and the question that may come before it: what may mend itself within seconds
//! gets a few tries.

use super::{
    attempts::Attempts,
    error::Failure, //
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
    // Each portal has its turn.
    let portals = account.others.len().saturating_add(1);
    let (socket, established) = tries(attempts, portals.max(TRIES), || login::login(account))
        .map_err(|failure| named(failure, &account.node.initiator, Some(&account.target.name)))?;
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
    tries(attempts, TRIES, || discovery::discover(node, portal))
        .map_err(|failure| named(failure, &node.initiator, None))
}

fn tries<T>(
    attempts: &mut Attempts,
    most: usize,
    mut again: impl FnMut() -> Result<T, LoginFailure>,
) -> Result<T, LoginFailure> {
    let mut attempt = 1;

    loop {
        let failure = match again() {
            Ok(done) => return Ok(done),
            Err(failure) => failure,
        };
        let transient = match failure {
            LoginFailure::Connect(_, EINTR) | LoginFailure::Connection(_, EINTR) => false,
            LoginFailure::Connect(..)
            | LoginFailure::Connection(..)
            | LoginFailure::Closed(_)
            | LoginFailure::Timeout(_) => true,
            LoginFailure::Protocol(_, ProtocolError::Refused(status)) => status.may_be_retried(),
            _ => false,
        };
        if !transient || attempt == most || attempts.are_over() {
            return Err(failure);
        }
        attempts.tell(core::format_args!(
            "login attempt {attempt} of {most}: {failure}"
        ));
        attempt = attempt.saturating_add(1);
        clock::sleep(DELAY);
    }
}

/// The failure with the names of who was to log in to what.
fn named(failure: LoginFailure, initiator: &Name, target: Option<&Name>) -> Failure<'static> {
    if let LoginFailure::Connect(_, EINTR) | LoginFailure::Connection(_, EINTR) = failure {
        return Failure::Interrupted;
    }
    match KBox::new((initiator.clone(), target.cloned()), GFP_KERNEL) {
        Ok(parties) => Failure::Login(failure, parties),
        Err(error) => Failure::kernel(error),
    }
}
