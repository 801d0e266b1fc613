// SPDX-License-Identifier: GPL-2.0-only

//! From a target's address to a connection in full feature phase, in process context.

use super::{
    authentication::Authentication,
    portal::{
        Connected,
        Time, //
    },
    tolerance, //
};
use crate::{
    linux::{
        clock,
        errno::{
            EADDRNOTAVAIL,
            EAFNOSUPPORT,
            ECONNREFUSED,
            ENETUNREACH, //
        },
        socket::Socket, //
    },
    proto::{
        config::{
            iscsi_conf::{
                Luns,
                Timeouts,
                LABEL_MAX, //
            },
            name::Name,
            target::{
                Portal,
                Target, //
            },
            text::Text, //
        },
        iscsi::{
            chap::Algorithm,
            error::{
                Error as ProtocolError,
                LoginStatus, //
            },
            keys::Offer,
            login::{
                Established,
                Identity,
                Login,
                Step,
                Workspace,
                DATA_LENGTH_MAX, //
            },
            quirk::{
                Quirk,
                Quirks, //
            },
            HEADER_LENGTH, //
        },
        time::Duration,
    }, //
};
use kernel::prelude::*;
use zerocopy::FromBytes;

/// Each attempt to connect and each answer may take this part of a login's time.
const STEPS: u64 = 3;
/// The most redirections followed in one login.
const REDIRECTIONS: usize = 4;

/// Who logs in.
pub(crate) struct Node {
    /// InitiatorName.
    pub(crate) initiator: Name,
    /// InitiatorAlias; empty if there is none.
    pub(crate) alias: Alias,
    /// The initiator's part of the session's identifier. The same for all logins of this machine,
    /// so that the target ends what is left of an earlier session before it starts the next
    /// (RFC 7143 section 6.3.5).
    pub(crate) isid: [u8; 6],
    /// What is offered to the target.
    pub(crate) offer: Offer,
    /// What takes how long.
    pub(crate) timeouts: Timeouts,
    /// How both prove who they are, if they do.
    pub(crate) authentication: Option<Authentication>,
    /// Where a target was last told to have moved: it may say so at each login, every few seconds.
    pub(crate) moved: Option<Portal>,
    /// The portal groups' tags that a list of targets had, but for those that were contradicted.
    pub(crate) groups: KVec<(Portal, u16)>,
}

/// A name for people.
pub(crate) type Alias = Text<LABEL_MAX>;

impl Node {
    /// The most time one login may take, redirections included.
    pub(super) fn longest_login(&self) -> Duration {
        match self.authentication {
            Some(_) => self.timeouts.authentication.max(self.timeouts.login),
            None => self.timeouts.login,
        }
    }

    /// The same, without what was heard of where a target is.
    fn copy(&self) -> Self {
        Self {
            initiator: self.initiator.clone(),
            alias: self.alias.clone(),
            isid: self.isid,
            offer: self.offer,
            timeouts: self.timeouts,
            authentication: self.authentication.clone(),
            moved: None,
            groups: KVec::new(),
        }
    }

    /// Says once that the target has answered at `portal` as another portal group than it was
    /// listed with (RFC 7143 sections 6.3.1 and 13.9). It may have been set up anew in between, and
    /// nothing depends on the list: its units are reset where the groups of two sessions differ.
    fn check_group(&mut self, portal: Portal, group: Option<u16>) {
        let Some(group) = group else {
            return;
        };
        self.groups.retain(|&mut (listed_portal, listed)| {
            let is_contradicted = listed_portal == portal && listed != group;
            if is_contradicted {
                pr_info!(
                    "{} is in portal group {group}, not in {listed} as in the list of targets\n",
                    core::format_args!("{portal}")
                );
            }
            !is_contradicted
        });
    }
}

/// Who logs in, and where.
pub(crate) struct Account {
    /// Who logs in.
    pub(crate) node: KBox<Node>,
    /// The target; its portal may move when the target says so for good.
    pub(crate) target: Target,
    /// Further portals of the target.
    pub(crate) others: KVec<Portal>,
    /// The logical units that are looked for, if not all.
    pub(crate) luns: Option<Luns>,
    /// Its place among the targets that the machine may have its disk from.
    pub(crate) place: usize,
}

impl Account {
    /// Whether the target is known to be at `portal`.
    pub(super) fn has(&self, portal: Portal) -> bool {
        self.target.portal == portal || self.others.contains(&portal)
    }

    /// Has the first of the other portals be the next one, and this one the last.
    fn turn(&mut self) {
        if let Some(first) = self.others.first_mut() {
            core::mem::swap(first, &mut self.target.portal);
            self.others.rotate_left(1);
        }
    }

    /// The same at `portal` alone, in this place.
    // Not inlined: a kernel stack is too small for it together with a login.
    #[inline(never)]
    pub(super) fn at(&self, portal: Portal, place: usize) -> Result<KBox<Self>> {
        let account = Self {
            node: KBox::new(self.node.copy(), GFP_KERNEL)?,
            target: Target {
                name: self.target.name.clone(),
                portal,
            },
            others: KVec::new(),
            luns: self.luns,
            place,
        };
        Ok(KBox::new(account, GFP_KERNEL)?)
    }
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
    /// The target has no such logical unit any more, which is the boot disk.
    UnitGone(Portal, u64),
    /// The target has another disk in the place of the boot disk, or of very many.
    UnitReplaced(Portal, u64),
    /// A disk of another target or portal group, the boot disk or one beside it, is not reset.
    UnitNotReset(Portal, u64),
    /// A logical unit is busy, or the boot disk is not ready.
    UnitNotReady(Portal, u64),
    /// A logical unit does not answer.
    UnitSilent(Portal, u64),
    /// There is no memory.
    Memory(Error),
}

impl LoginFailure {
    /// Whether it may not end by itself: it is for what the target has as a logical unit, or for
    /// want of an address that leads there.
    pub(super) const fn is_lasting(&self) -> bool {
        self.is_of_unit()
            || matches!(
                self,
                Self::Connect(_, ENETUNREACH | EADDRNOTAVAIL | EAFNOSUPPORT)
            )
    }

    /// Whether the target is as it should be, but for a logical unit.
    pub(super) const fn is_of_unit(&self) -> bool {
        matches!(
            self,
            Self::UnitGone(..)
                | Self::UnitReplaced(..)
                | Self::UnitNotReset(..)
                | Self::UnitNotReady(..)
                | Self::UnitSilent(..)
        )
    }
}

/// Makes a session.
///
/// A permanent redirection changes `account`'s portal, and so does a failure, when there is another
/// one for the next attempt.
pub(crate) fn login(account: &mut Account) -> Result<(Socket, Established), LoginFailure> {
    let (connected, established, ()) = log_in(account, |_, _| Ok(()))?;
    Ok((connected.into_socket(), established))
}

/// The same, of a session that is one only if `verify` finds it to be.
pub(super) fn log_in<T>(
    account: &mut Account,
    verify: impl FnOnce(&mut Connected, &Established) -> Result<T, LoginFailure>,
) -> Result<(Connected, Established, T), LoginFailure> {
    let mut portal = account.target.portal;
    let result = reach(account, &mut portal).and_then(|(mut connected, established)| {
        let verified = verify(&mut connected, &established)?;
        Ok((connected, established, verified))
    });

    match &result {
        Ok(_) => account.target.portal = portal,
        // It is not the portal's fault.
        Err(LoginFailure::Memory(_)) => {}
        Err(_) => account.turn(),
    }
    result
}

// Not inlined: what it returns alone is to be on the stack while a session is verified.
#[inline(never)]
fn reach(
    account: &mut Account,
    portal: &mut Portal,
) -> Result<(Connected, Established), LoginFailure> {
    let mut memory = Memory::new().map_err(LoginFailure::Memory)?;
    let name = Some(account.target.name.as_str());
    establish(&mut account.node, name, portal, &mut memory)
}

/// Logs in at `home`, or where that redirects to: to the target called `target`, or for discovery.
///
/// A permanent redirection changes `home`.
pub(super) fn establish(
    node: &mut Node,
    target: Option<&str>,
    home: &mut Portal,
    memory: &mut Memory,
) -> Result<(Connected, Established), LoginFailure> {
    let begun = clock::milliseconds();
    let mut portal = *home;
    let mut new_home = *home;
    let mut redirections = 0;

    while redirections <= REDIRECTIONS {
        let time = Time::of_login(begun, node.timeouts.login);
        let mut connected = Connected::new(portal, time)?;
        match negotiate(&mut connected, begun, node, target, memory)? {
            End::Refused(status, algorithm) => {
                if !other_algorithm(node, portal, status, algorithm) {
                    return Err(connected.protocol(ProtocolError::Refused(status)));
                }
            }
            End::Established(established) => {
                // Only now: who sent the initiator elsewhere had not proved who it is.
                *home = new_home;
                tolerance::tell(established.quirks);
                if redirections == 0 {
                    node.check_group(portal, established.target_portal_group);
                }
                return Ok((connected, established));
            }
            End::Moved(to, permanent, quirks) => {
                tolerance::tell(quirks);
                if node.moved.replace(to) != Some(to) {
                    pr_info!(
                        "target {} has moved from {} to {}{}\n",
                        target.unwrap_or("for discovery"),
                        core::format_args!("{portal}"),
                        core::format_args!("{to}"),
                        if permanent { ", for good" } else { "" }
                    );
                }
                portal = to;
                redirections = redirections.saturating_add(1);
                if permanent {
                    new_home = to;
                }
            }
        }
    }
    Err(LoginFailure::Redirections(portal))
}

impl Time {
    /// The time of a login that began at `begun` and may take `span`.
    fn of_login(begun: u64, span: Duration) -> Self {
        Self {
            deadline: begun.saturating_add(span.as_millis()),
            step: span.as_millis() / STEPS,
        }
    }
}

enum End {
    Established(Established),
    Moved(Portal, bool, Quirks),
    /// With the CHAP algorithm that was agreed on.
    Refused(LoginStatus, Option<Algorithm>),
}

/// What the logins at one portal after the other take.
pub(super) struct Memory {
    pub(super) buffer: KVVec<u8>,
    pub(super) workspace: KVVec<u8>,
}

impl Memory {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            buffer: KVVec::from_elem(0, HEADER_LENGTH + DATA_LENGTH_MAX, GFP_KERNEL)?,
            workspace: KVVec::from_elem(0, size_of::<Workspace>(), GFP_KERNEL)?,
        })
    }
}

/// Whether a refused login can be tried with another algorithm, since the target may have the quirk
/// of [`Quirk::ChapSha256IsSha1`].
fn other_algorithm(
    node: &mut Node,
    portal: Portal,
    status: LoginStatus,
    algorithm: Option<Algorithm>,
) -> bool {
    let (Some(Algorithm::Sha256), Some(authentication)) = (algorithm, &mut node.authentication)
    else {
        return false;
    };
    if status != LoginStatus::INITIATOR_ERROR {
        return false;
    }
    let others = authentication.give_up(Algorithm::Sha256);
    pr_info!(
        "{} refuses, perhaps because it {}; {}\n",
        core::format_args!("{portal}"),
        core::format_args!("{}", Quirk::ChapSha256IsSha1),
        match others {
            true => "trying without SHA-256",
            false => "no other algorithm is left to try",
        }
    );
    others
}

// Not inlined: a kernel stack is too small for a login below what makes a connection.
#[inline(never)]
fn negotiate(
    connected: &mut Connected,
    begun: u64,
    node: &Node,
    target: Option<&str>,
    memory: &mut Memory,
) -> Result<End, LoginFailure> {
    let Memory { buffer, workspace } = memory;
    let workspace =
        Workspace::mut_from_bytes(workspace).map_err(|_| LoginFailure::Memory(EINVAL))?;
    let identity = Identity {
        initiator: node.initiator.as_str(),
        alias: Some(node.alias.as_str()).filter(|alias| !alias.is_empty()),
        target,
        isid: node.isid,
        chap: node.authentication.as_ref().map(Authentication::chap),
    };
    let portal = connected.portal();
    let protocol = |error| LoginFailure::Protocol(portal, error);
    let mut login = Login::new(identity, node.offer, workspace);

    loop {
        let algorithm = login.chap_algorithm();
        if algorithm.is_some() {
            connected.limit(Time::of_login(begun, node.longest_login()));
        }
        let length = login.request(buffer).map_err(protocol)?;
        connected.send(buffer.get(..length).unwrap_or_default())?;
        let (header, data) = connected.receive(buffer)?;
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
                return Ok(End::Moved(to, redirect.permanent, redirect.quirks));
            }
        }
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
                "cannot connect to {portal}: no answer in time; \
                 check the address, the route and firewalls"
            ),
            Self::Connect(portal, ENETUNREACH | EADDRNOTAVAIL) => write!(
                f,
                "cannot connect to {portal}: no {} address of this machine leads there; check its \
                 addresses and routes",
                match portal.address.is_ipv4() {
                    true => "IPv4",
                    false => "IPv6",
                }
            ),
            Self::Connect(portal, EAFNOSUPPORT) => write!(
                f,
                "cannot connect to {portal}: this kernel does no IPv6; check ipv6.disable= among \
                 its arguments, and CONFIG_IPV6"
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
            Self::UnitGone(portal, lun) => write!(
                f,
                "the target at {portal} has no LUN {lun} any more, which is the boot disk; \
                 check which LUNs it has for this initiator"
            ),
            Self::UnitReplaced(portal, lun) => write!(
                f,
                "the target at {portal} has another disk than before as LUN {lun}, or does not \
                 tell, and nothing is sent to it; check which disk it has there"
            ),
            Self::UnitNotReset(portal, lun) => write!(
                f,
                "the target at {portal} does not reset LUN {lun}, which another target or portal \
                 group has had commands for; look at the target's log"
            ),
            Self::UnitNotReady(portal, lun) => write!(
                f,
                "LUN {lun} of the target at {portal} is busy or not ready, and nothing is sent to \
                 it until it is; look at the target's log"
            ),
            Self::UnitSilent(portal, lun) => write!(
                f,
                "LUN {lun} of the target at {portal} does not answer; check the target, and what \
                 it has behind that LUN"
            ),
            Self::Memory(error) => write!(f, "out of memory: {error:?}"),
        }
    }
}
