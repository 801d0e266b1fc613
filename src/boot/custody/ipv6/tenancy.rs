// SPDX-License-Identifier: GPL-2.0-only

//! Keeps the lease of an IPv6 address, or gets another one.
//!
//! The root disk is worth more than a lease: an address whose lease is over stays in use until
//! there is another one.

use super::super::{
    super::{
        attempts::Attempts,
        changes::Changes,
        error::Failure,
        ipv6::{
            now,
            Asker,
            Ipv6,
            Port,
            Wish,
            MESSAGE_SIZE, //
        }, //
    },
    status::LeaseState, //
};
use crate::{
    linux::{
        clock,
        errno::EADDRINUSE,
        random, //
    },
    proto::{
        backoff::Backoff,
        dhcp6::{
            error::Failure as Dhcpv6Failure,
            lease::Lease,
            message::CLIENT_PORT,
            renewal::Renewal, //
        },
        rtnetlink::answer::Link,
        time::{
            Duration,
            Instant, //
        },
    },
};
use core::{
    fmt,
    net::Ipv6Addr, //
};
use kernel::prelude::*;

/// How long one search for a lease takes at most, in milliseconds.
const SEARCH: u64 = 10_000;
/// The delay after the first search and the most after any.
const DELAY_FIRST: Duration = Duration::from_secs(1);
const DELAY_MAX: Duration = Duration::from_secs(60);
/// The interval between looks for an answer, in milliseconds.
const LOOK: u64 = 100;

/// What is done about the lease.
pub(super) struct Ipv6Tenancy {
    state: State,
    /// The address came with a lease that ends.
    leased: bool,
    /// The client's port, while an answer is waited for.
    port: Option<Port>,
    /// It was said that somebody else has that port.
    told: bool,
}

enum State {
    /// The address has no lease that ends, or it is somebody else's matter.
    Free,
    Kept(KBox<Renewal>),
    Searching {
        asker: Option<Asker>,
        backoff: Backoff,
        next: Instant,
    },
}

/// What has come of it.
pub(super) enum Event {
    /// There is more time, or no more.
    Renewed,
    /// There is a new lease, of this address; the device has it.
    Leased(Ipv6, KBox<Lease>),
}

impl Ipv6Tenancy {
    /// Keeps `lease`, which counts from the time `asked` on the clock, if there is one.
    pub(super) fn new(mac: [u8; 6], lease: Option<(&Lease, u64)>) -> Self {
        let mut tenancy = Self {
            state: State::Free,
            leased: false,
            port: None,
            told: false,
        };
        if let Some((lease, asked)) = lease {
            tenancy.keep(mac, lease, Instant::from_millis(asked));
        }
        tenancy
    }

    fn keep(&mut self, mac: [u8; 6], lease: &Lease, asked: Instant) {
        let seed = u64::from_ne_bytes(random::bytes());
        self.state = match Renewal::new(mac, seed, lease, asked) {
            Some(renewal) => match KBox::new(renewal, GFP_KERNEL) {
                Ok(renewal) => State::Kept(renewal),
                // A search ends in another try.
                Err(_) => Self::searching(),
            },
            None => State::Free,
        };
        self.leased = !matches!(self.state, State::Free);
    }

    fn searching() -> State {
        State::Searching {
            asker: None,
            backoff: Backoff::new(DELAY_FIRST, DELAY_MAX),
            next: now(),
        }
    }

    /// Leaves the lease to somebody else.
    pub(super) fn leave(&mut self) {
        self.state = State::Free;
        self.port = None;
    }

    /// Looks for a new lease.
    fn search(&mut self) {
        self.state = Self::searching();
        self.port = None;
    }

    /// Takes the lease back from somebody else, where the address was leased before.
    pub(super) fn resume(&mut self) {
        if self.leased {
            self.search();
        }
    }

    /// The device has another number.
    pub(super) fn moved(&mut self) {
        self.port = None;
        if let State::Searching { asker, .. } = &mut self.state {
            *asker = None;
        }
    }

    /// What is told of it.
    pub(super) fn state(&self) -> LeaseState {
        match &self.state {
            State::Free => LeaseState::None,
            State::Kept(renewal) if renewal.is_asking() => LeaseState::Asking,
            State::Kept(renewal) => match renewal.poll_timeout() {
                Some(due) => LeaseState::RenewedAt(due.as_millis()),
                None => LeaseState::Lost,
            },
            State::Searching { .. } => LeaseState::Lost,
        }
    }

    /// For how long nothing is to be done, in milliseconds.
    pub(super) fn patience(&self) -> u64 {
        let (due, is_asking) = match &self.state {
            State::Free => return u64::MAX,
            State::Kept(renewal) => (renewal.poll_timeout(), renewal.is_asking()),
            State::Searching { asker, next, .. } => (Some(*next), asker.is_some()),
        };
        let patience = due.map_or(0, |due| due.since(now()).as_millis());
        match is_asking {
            true => LOOK,
            false => patience,
        }
    }

    /// For how many seconds the address is for new connections; `None`: for ever.
    pub(super) fn preferred(&self) -> Option<u32> {
        match &self.state {
            State::Free => None,
            State::Kept(renewal) => {
                let until = renewal.preferred_until()?;
                Some(u32::try_from(until.since(now()).as_secs()).unwrap_or(u32::MAX))
            }
            // It is used on sufferance.
            State::Searching { .. } => Some(0),
        }
    }

    /// Does what is due for `address` on `link`.
    pub(super) fn step(
        &mut self,
        link: &Link,
        address: Ipv6Addr,
        changes: &mut Changes,
    ) -> Option<Event> {
        match self.state {
            State::Free => None,
            State::Kept(_) => self.renew(link, address),
            State::Searching { .. } => self.seek(link, address, changes),
        }
    }

    /// Looks for a new lease, where that is due.
    fn seek(&mut self, link: &Link, address: Ipv6Addr, changes: &mut Changes) -> Option<Event> {
        let State::Searching {
            asker,
            backoff,
            next,
        } = &mut self.state
        else {
            return None;
        };
        if asker.is_none() && *next > now() {
            return None;
        }
        match ask(asker, link, address, changes) {
            Ok(None) => None,
            Ok(Some((ipv6, lease, asked))) => {
                self.keep(link.mac.unwrap_or_default(), &lease, asked);
                Some(Event::Leased(ipv6, lease))
            }
            Err(trouble) => {
                let first = backoff.is_fresh();
                let random = u16::from_ne_bytes(random::bytes());
                *next = now().after(backoff.next(random));
                *asker = None;
                if first {
                    pr_warn!(
                        "{}\n",
                        core::format_args!(
                            "{address} stays in use, and a lease is looked for: {trouble}"
                        )
                    );
                }
                None
            }
        }
    }

    /// Takes in what has come, and sends what is due.
    fn renew(&mut self, link: &Link, address: Ipv6Addr) -> Option<Event> {
        let State::Kept(renewal) = &mut self.state else {
            return None;
        };
        let name = &link.name;
        let mut buffer = KVec::from_elem(0, MESSAGE_SIZE, GFP_KERNEL).ok()?;
        let was_asking = renewal.is_asking();
        if let Some(port) = &self.port {
            port.receive(&mut buffer, |from, message| {
                // Most messages are other clients'.
                let _ = renewal.handle_message(now(), from, message);
            });
        }
        while let Some(length) = renewal.poll_transmit(now(), &mut buffer) {
            if self.port.is_none() {
                match Port::open(link) {
                    Ok(port) => self.port = Some(port),
                    Err(EADDRINUSE) if !self.told => {
                        self.told = true;
                        pr_info!(
                            "{}\n",
                            core::format_args!(
                            "{name}: UDP port {CLIENT_PORT} is in use, so the lease of {address} \
                             is left to who uses it until its end"
                        )
                        );
                    }
                    // As if the network had lost the message.
                    Err(_) => {}
                }
            }
            if let Some(port) = &self.port {
                port.send(buffer.get(..length).unwrap_or_default());
            }
        }
        if let Some(loss) = renewal.loss() {
            pr_warn!(
                "{}\n",
                core::format_args!("{name}: the lease of {address} is lost: {loss}")
            );
            self.search();
            return Some(Event::Renewed);
        }
        if renewal.is_asking() {
            return None;
        }
        let is_endless = renewal.poll_timeout().is_none();
        self.port = None;
        self.told = false;
        if is_endless {
            self.state = State::Free;
        }
        was_asking.then_some(Event::Renewed)
    }
}

/// Why there is no lease yet.
enum Trouble {
    /// Somebody else has the client's port.
    Port,
    /// Servers say so, or say nothing.
    Servers(Dhcpv6Failure),
    Boot(Failure<'static>),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port => write!(f, "UDP port {CLIENT_PORT} is in use"),
            Self::Servers(failure) => failure.fmt(f),
            Self::Boot(failure) => failure.fmt(f),
        }
    }
}

/// Asks for a lease of `address`, or another one, and gives that to the device: the address, the
/// lease, and from when it counts. `None`: there is no answer yet.
#[inline(never)]
fn ask(
    asker: &mut Option<Asker>,
    link: &Link,
    address: Ipv6Addr,
    changes: &mut Changes,
) -> Result<Option<(Ipv6, KBox<Lease>, Instant)>, Trouble> {
    let kernel = |error| match error {
        EADDRINUSE => Trouble::Port,
        error => Trouble::Boot(Failure::Kernel(error)),
    };
    let no_memory = |_| Trouble::Boot(Failure::Kernel(ENOMEM));
    if asker.is_none() {
        let wish = Wish {
            root_path: false,
            address: Some(address),
            limit: SEARCH,
        };
        *asker = Some(Asker::new(link, true, wish).map_err(kernel)?);
    }
    let Some(asker) = asker else {
        return Ok(None);
    };
    let mut buffer = KVec::from_elem(0, MESSAGE_SIZE, GFP_KERNEL).map_err(no_memory)?;
    asker.step(&mut buffer);
    if let Some(failure) = asker.failure() {
        return Err(Trouble::Servers(failure.clone()));
    }
    let Some(lease) = asker.lease() else {
        return Ok(None);
    };
    let lease = KBox::new(lease.clone(), GFP_KERNEL).map_err(no_memory)?;
    let attempts = Attempts::new(clock::milliseconds(), None);
    match asker.apply(Some(address), changes, &attempts) {
        Ok(ipv6) => Ok(Some((ipv6, lease, Instant::from_millis(asker.since)))),
        Err(failure @ Failure::Duplicate { .. }) if asker.decline() => {
            pr_warn!(
                "{}\n",
                core::format_args!("{failure}; another one is asked for")
            );
            Ok(None)
        }
        Err(failure) => Err(Trouble::Boot(failure)),
    }
}
