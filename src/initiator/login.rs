// SPDX-License-Identifier: GPL-2.0-only

//! From a target's address to a connection in full feature phase, in process context.

use super::authentication::Authentication;
use crate::{
    linux::{
        clock,
        errno::{
            ECONNREFUSED,
            EINPROGRESS, //
        },
        socket::Socket, //
    },
    proto::{
        config::{
            name::Name,
            target::{
                Portal,
                Target, //
            },
        },
        iscsi::{
            chap::Algorithm,
            error::{
                Error as ProtocolError,
                LoginStatus, //
            },
            frame::Frame,
            keys::Offer,
            login::{
                Established,
                Identity,
                Login,
                Step,
                Workspace,
                DATA_LENGTH_MAX, //
            },
            HEADER_LENGTH, //
        },
    }, //
};
use core::net::SocketAddr;
use kernel::prelude::*;
use zerocopy::FromBytes;

/// The most time one connection attempt or one answer may take, in milliseconds.
const STEP_TIMEOUT: u64 = 5_000;
/// The most time one login may take, redirections included, in milliseconds.
pub(crate) const LOGIN_TIMEOUT: u64 = 15_000;
/// The most redirections followed in one login.
const REDIRECTIONS: usize = 4;

/// Who logs in, and where.
pub(crate) struct Account {
    /// InitiatorName.
    pub(crate) initiator: Name,
    /// The target; its portal may move when the target says so for good.
    pub(crate) target: Target,
    /// The initiator's part of the session's identifier. The same for all logins of this machine,
    /// so that the target ends what is left of an earlier session before it starts the next
    /// (RFC 7143 section 6.3.5).
    pub(crate) isid: [u8; 6],
    /// What is offered to the target.
    pub(crate) offer: Offer,
    /// How both prove who they are, if they do.
    pub(crate) authentication: Option<Authentication>,
}

/// Why there is no session.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LoginFailure {
    /// There is no TCP connection.
    Connect(Portal, Error),
    /// The connection ended before the login did.
    Connection(Portal, Error),
    /// The target closed the connection before the login ended.
    Closed(Portal),
    /// The login took too long.
    Timeout(Portal),
    /// What the target said ends the login.
    Protocol(Portal, ProtocolError),
    /// The target redirects without end.
    Redirections(Portal),
    /// There is no memory.
    Memory(Error),
}

/// Makes a session.
///
/// A permanent redirection changes `account`'s portal.
pub(crate) fn login(account: &mut Account) -> Result<(Socket, Established), LoginFailure> {
    let deadline = clock::milliseconds().saturating_add(LOGIN_TIMEOUT);
    let mut memory = Memory::new().map_err(LoginFailure::Memory)?;
    let mut portal = account.target.portal;
    let mut redirections = 0;

    while redirections <= REDIRECTIONS {
        let socket = connect(portal, deadline)?;
        match negotiate(&socket, account, portal, deadline, &mut memory)? {
            End::Refused(status, algorithm) => {
                let failure = LoginFailure::Protocol(portal, ProtocolError::Refused(status));
                if !other_algorithm(account, portal, status, algorithm) {
                    return Err(failure);
                }
            }
            End::Established(established) => return Ok((socket, established)),
            End::Moved(to, permanent) => {
                pr_info!(
                    "target {} has moved from {} to {}{}\n",
                    account.target.name.as_str(),
                    core::format_args!("{portal}"),
                    core::format_args!("{to}"),
                    if permanent { ", for good" } else { "" }
                );
                portal = to;
                redirections = redirections.saturating_add(1);
                if permanent {
                    account.target.portal = to;
                }
            }
        }
    }
    Err(LoginFailure::Redirections(portal))
}

enum End {
    Established(Established),
    Moved(Portal, bool),
    /// With the CHAP algorithm that was agreed on.
    Refused(LoginStatus, Option<Algorithm>),
}

/// What the logins at one portal after the other take.
struct Memory {
    buffer: KVec<u8>,
    workspace: KVec<u8>,
}

impl Memory {
    fn new() -> Result<Self> {
        Ok(Self {
            buffer: KVec::from_elem(0, HEADER_LENGTH + DATA_LENGTH_MAX, GFP_KERNEL)?,
            workspace: KVec::from_elem(0, size_of::<Workspace>(), GFP_KERNEL)?,
        })
    }
}

/// Whether a refused login can be tried with another algorithm.
///
/// tgt takes number 7 for SHA-1, while in IANA's registry it is SHA-256, and then has no room for
/// the longer response.
fn other_algorithm(
    account: &mut Account,
    portal: Portal,
    status: LoginStatus,
    algorithm: Option<Algorithm>,
) -> bool {
    let (Some(Algorithm::Sha256), Some(authentication)) = (algorithm, &mut account.authentication)
    else {
        return false;
    };
    if status != LoginStatus::INITIATOR_ERROR || !authentication.give_up(Algorithm::Sha256) {
        return false;
    }
    pr_info!(
        "{} has no room for SHA-256 in CHAP, as tgt, which means SHA-1 by it; trying without\n",
        core::format_args!("{portal}")
    );
    true
}

fn connect(portal: Portal, deadline: u64) -> Result<Socket, LoginFailure> {
    let peer = SocketAddr::new(portal.address, portal.port);
    let failure = |error| LoginFailure::Connect(portal, error);
    let socket = Socket::tcp(&peer).map_err(failure)?;

    let left = deadline.saturating_sub(clock::milliseconds());
    socket.set_timeout(left.min(STEP_TIMEOUT));
    // A connection attempt that its time limit has ended is still under way.
    socket.connect(&peer).map_err(|error| match error {
        EINPROGRESS | EAGAIN => failure(ETIMEDOUT),
        error => failure(error),
    })?;
    Ok(socket)
}

fn negotiate(
    socket: &Socket,
    account: &Account,
    portal: Portal,
    deadline: u64,
    memory: &mut Memory,
) -> Result<End, LoginFailure> {
    let Memory { buffer, workspace } = memory;
    let workspace =
        Workspace::mut_from_bytes(workspace).map_err(|_| LoginFailure::Memory(EINVAL))?;
    let identity = Identity {
        initiator: account.initiator.as_str(),
        target: account.target.name.as_str(),
        isid: account.isid,
        chap: account.authentication.as_ref().map(Authentication::chap),
    };
    let protocol = |error| LoginFailure::Protocol(portal, error);
    let mut login = Login::new(identity, account.offer, workspace);

    loop {
        let algorithm = login.chap_algorithm();
        let length = login.request(buffer).map_err(protocol)?;
        let request = buffer.get(..length).unwrap_or_default();
        socket
            .send_all(request)
            .map_err(|error| connection(portal, error))?;

        let mut header = [0; HEADER_LENGTH];
        receive(socket, portal, deadline, &mut header)?;
        // CAST: 8192.
        let frame = Frame::of(&header, DATA_LENGTH_MAX as u32).map_err(protocol)?;
        // CAST: `Frame::of` has checked that it is at most DATA_LENGTH_MAX.
        let data_length = frame.data_length as usize;
        let padded = data_length.saturating_add(frame.padding);
        let data = buffer.get_mut(..padded).unwrap_or_default();
        receive(socket, portal, deadline, data)?;
        let data = data.get(..data_length).unwrap_or_default();

        match login.response(&header, data) {
            Err(ProtocolError::Refused(status)) => return Ok(End::Refused(status, algorithm)),
            Err(error) => return Err(protocol(error)),
            Ok(Step::Request(next)) => login = next,
            Ok(Step::Established(established)) => return Ok(End::Established(established)),
            Ok(Step::Moved(redirect)) => {
                let to = Portal {
                    address: redirect.address,
                    port: redirect.port,
                };
                return Ok(End::Moved(to, redirect.permanent));
            }
        }
    }
}

/// Fills `buffer`.
fn receive(
    socket: &Socket,
    portal: Portal,
    deadline: u64,
    mut buffer: &mut [u8],
) -> Result<(), LoginFailure> {
    while !buffer.is_empty() {
        let left = deadline.saturating_sub(clock::milliseconds());
        if left == 0 {
            return Err(LoginFailure::Timeout(portal));
        }
        socket.set_timeout(left.min(STEP_TIMEOUT));
        let count = socket
            .receive(buffer)
            .map_err(|error| connection(portal, error))?;
        if count == 0 {
            return Err(LoginFailure::Closed(portal));
        }
        buffer = buffer.get_mut(count..).unwrap_or_default();
    }
    Ok(())
}

fn connection(portal: Portal, error: Error) -> LoginFailure {
    match error {
        EAGAIN => LoginFailure::Timeout(portal),
        error => LoginFailure::Connection(portal, error),
    }
}

impl core::fmt::Display for LoginFailure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Connect(portal, ECONNREFUSED) => write!(
                f,
                "cannot connect to {portal}: connection refused; \
                 check that an iSCSI target listens there"
            ),
            Self::Connect(portal, ETIMEDOUT) => write!(
                f,
                "cannot connect to {portal}: no answer within {} s; \
                 check the address, the route and firewalls",
                STEP_TIMEOUT / 1_000
            ),
            Self::Connect(portal, error) => write!(
                f,
                "cannot connect to {portal}: {error:?}; check the address and the route to it"
            ),
            Self::Connection(portal, error) => write!(
                f,
                "the connection to {portal} broke during login: {error:?}; look at the target's log"
            ),
            Self::Closed(portal) => write!(
                f,
                "{portal} closed the connection during login without a word; \
                 check that it is an iSCSI target, that it does not want CHAP of this initiator, \
                 and its log"
            ),
            Self::Timeout(portal) => write!(
                f,
                "{portal} did not answer the login in time; \
                 check that it is an iSCSI target, and its load"
            ),
            Self::Protocol(portal, error) => write!(f, "login at {portal} failed: {error}"),
            Self::Redirections(portal) => write!(
                f,
                "the target redirects without end, last to {portal}; \
                 check the redirections configured there"
            ),
            Self::Memory(error) => write!(f, "out of memory: {error:?}"),
        }
    }
}
