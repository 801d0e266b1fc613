// SPDX-License-Identifier: GPL-2.0-only

//! Keeps the lease of the address, or gets another one.
//!
//! The root disk is worth more than a lease: an address whose lease is over stays in use until
//! there is another one.

use super::super::{
    super::{
        attempts::Attempts,
        conflict,
        error::Failure,
        lease::{
            Answer,
            Wish, //
        },
        netlink::Netlink,
        network::Network, //
    },
    log::Lines,
    status::LeaseState, //
};
use super::lookout::Lookout;
use crate::{
    initiator::Reconnect,
    linux::{
        clock,
        errno::EADDRINUSE,
        random,
        socket::Socket, //
    },
    proto::{
        backoff::Backoff,
        config::{
            interface::Device,
            ip::Details,
            target::Portal,
            timeout::Patience,
            whereabouts::Whereabouts, //
        },
        dhcp::{
            lease::Lease,
            packet::{
                CLIENT_PORT,
                SERVER_PORT, //
            },
            renewal::{
                Destination,
                Renewal,
                MESSAGE_LENGTH, //
            },
        },
        rtnetlink::answer::Link,
        secret,
        time::{
            Duration,
            Instant, //
        },
    },
};
use core::net::{
    Ipv4Addr,
    SocketAddrV4, //
};
use kernel::prelude::*;

/// Room for the largest message of a server.
const MESSAGE_SIZE: usize = 1_500;
/// How long one search for a lease may take; the end of the machine may have to wait for it.
const SEARCH: Duration = Duration::from_secs(10);
/// The delay after the first search and the most after any.
const DELAY_FIRST: Duration = Duration::from_secs(1);
const DELAY_MAX: Duration = Duration::from_secs(60);
/// How many messages are taken in at a time.
const MESSAGES: usize = 32;

/// What is done about the lease.
pub(in super::super) struct Ipv4Tenancy {
    state: State,
    /// The address came with a lease that ends.
    leased: bool,
    /// The client's port, while an answer is waited for.
    port: Option<Port>,
    /// It was said that somebody else has that port.
    told: bool,
    /// What servers are told of this machine, and what goes before what they say.
    details: KBox<Details>,
    /// Looks for the disk, where a server has named it.
    lookout: Option<Lookout>,
}

/// The client's port, with room for what comes to it.
struct Port {
    socket: Socket,
    buffer: KVec<u8>,
}

enum State {
    /// The address has no lease that ends, or it is somebody else's matter.
    Free,
    Kept(KBox<Renewal>),
    Searching {
        backoff: Backoff,
        next: Instant,
    },
}

pub(super) fn now() -> Instant {
    Instant::from_millis(clock::milliseconds())
}

fn random_number() -> u32 {
    u32::from_ne_bytes(random::bytes())
}

impl Ipv4Tenancy {
    /// Keeps the lease that `network` came with, if it did, which may have the `whereabouts` of the
    /// disk.
    pub(in super::super) fn new(
        network: &Network,
        details: KBox<Details>,
        whereabouts: Option<KBox<Whereabouts>>,
    ) -> Self {
        let mut tenancy = Self {
            state: State::Free,
            leased: false,
            port: None,
            told: false,
            details,
            lookout: whereabouts.map(Lookout::new),
        };
        if let Some(lease) = network.lease() {
            let asked = Instant::from_millis(network.asked());
            tenancy.keep(network.mac(), lease, asked);
        }
        tenancy
    }

    fn keep(&mut self, mac: [u8; 6], lease: &Lease, asked: Instant) {
        self.state = match Renewal::new(mac, lease, asked) {
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
    pub(super) fn search(&mut self) {
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

    /// Where the target is by the lease's root path, if that has named it.
    pub(super) fn portal(&self) -> Option<Portal> {
        self.lookout.as_ref().and_then(Lookout::portal)
    }

    /// For how long nothing is to be done, in milliseconds.
    pub(super) fn patience(&self) -> u64 {
        let due = match &self.state {
            State::Free => return u64::MAX,
            State::Kept(renewal) => renewal.poll_timeout(),
            State::Searching { next, .. } => Some(*next),
        };
        due.map_or(0, |due| due.since(now()).as_millis())
    }

    /// Does what is due for `address` on `link`; a new lease, when there is one. What that or an
    /// older one says of where the disk is goes to the `session`.
    pub(super) fn step(
        &mut self,
        link: &Link,
        address: Ipv4Addr,
        netlink: &mut Netlink,
        session: &Reconnect,
        lines: &mut Lines,
    ) -> Option<KBox<Lease>> {
        if let State::Kept(renewal) = &mut self.state {
            let lookout = self.lookout.as_mut();
            if lookout.is_some_and(|lookout| lookout.is_due(session, renewal.is_asking())) {
                renewal.hasten(now());
            }
            self.renew(link, address, session, lines);
            return None;
        }
        let State::Searching { backoff, next } = &mut self.state else {
            return None;
        };
        if *next > now() {
            return None;
        }
        let first = backoff.is_fresh();
        let patience = Some(Patience::For(SEARCH));
        let mut attempts = Attempts::new(clock::milliseconds(), patience);
        let asked = now();
        let links = core::slice::from_ref(link);
        let wish = Wish {
            // It is heard where there is one, and not worth another address.
            root_path: false,
            address: Some(address),
            or_ipv6: false,
        };
        let device = Device::Named(link.name.clone());
        let Details { identity, .. } = &*self.details;
        match conflict::obtain(links, wish, &device, identity, netlink, &mut attempts) {
            Ok(None) => None,
            Ok(Some(Answer { mut lease, .. })) => {
                lease.prefer(&self.details);
                if let (Some(lookout), Some(path)) = (&mut self.lookout, &lease.root_path) {
                    lookout.hear(link, lease.server, path.as_str(), session, lines);
                }
                self.keep(link.mac.unwrap_or_default(), &lease, asked);
                Some(lease)
            }
            // The thread is to end.
            Err(Failure::Interrupted) => None,
            Err(failure) => {
                let random = u16::from_ne_bytes(random::bytes());
                *next = now().after(backoff.next(random));
                if first {
                    pr_warn!(
                        "{address} stays in use, and a lease is looked for: {failure}\n",
                        address = core::format_args!("{address}"),
                        failure = core::format_args!("{failure}"),
                    );
                }
                None
            }
        }
    }

    /// Sends what is due, and takes in what has come.
    fn renew(&mut self, link: &Link, address: Ipv4Addr, session: &Reconnect, lines: &mut Lines) {
        let State::Kept(renewal) = &mut self.state else {
            return;
        };
        let mut message = [0; MESSAGE_LENGTH];
        let Details { identity, .. } = &*self.details;
        while let Some((to, length)) =
            renewal.poll_transmit(now(), random_number(), identity, &mut message)
        {
            if self.port.is_none() {
                match Port::open(link.index) {
                    Ok(port) => self.port = Some(port),
                    Err(EADDRINUSE) if !self.told => {
                        self.told = true;
                        pr_info!(
                            "{}: UDP port {CLIENT_PORT} is in use, so the lease of {} is left to \
                             who uses it until its end\n",
                            core::format_args!("{}", link.name),
                            core::format_args!("{address}")
                        );
                    }
                    // As if the network had lost the message.
                    Err(_) => {}
                }
            }
            let to = match to {
                Destination::Server(server) => server,
                Destination::Broadcast => Ipv4Addr::BROADCAST,
            };
            if let (Some(port), Some(message)) = (&self.port, message.get(..length)) {
                let to = SocketAddrV4::new(to, SERVER_PORT);
                let _ = port.socket.send_to(message, &to);
            }
        }
        if let (Some(port), true) = (&mut self.port, renewal.is_asking()) {
            let mut is_answered = false;
            // Most messages are other clients'.
            port.receive(|message, from| {
                is_answered |= renewal.handle_message(message, from).is_ok();
            });
            let path = renewal.root_path().filter(|_| is_answered);
            if let (Some(lookout), Some(path)) = (&mut self.lookout, path) {
                lookout.hear(link, renewal.server(), path, session, lines);
            }
        }
        if let Some(loss) = renewal.loss() {
            pr_warn!(
                "{}: the lease of {} is lost: {}\n",
                core::format_args!("{}", link.name),
                core::format_args!("{address}"),
                core::format_args!("{loss}")
            );
            self.search();
        } else if !renewal.is_asking() {
            self.port = None;
            self.told = false;
        }
    }
}

impl Port {
    /// On the device of this number.
    fn open(index: i32) -> Result<Self> {
        let socket = Socket::udp(CLIENT_PORT, index)?;
        socket.set_timeout(0);
        Ok(Self {
            socket,
            buffer: KVec::from_elem(0, MESSAGE_SIZE, GFP_KERNEL)?,
        })
    }

    /// Has each message taken in that has come, with where it is from.
    fn receive(&mut self, mut take: impl FnMut(&[u8], Ipv4Addr)) {
        for _ in 0..MESSAGES {
            let Ok((length, from)) = self.socket.receive_datagram(&mut self.buffer) else {
                break;
            };
            take(self.buffer.get(..length).unwrap_or_default(), *from.ip());
        }
        // Servers may give passwords along.
        secret::wipe(&mut self.buffer);
    }
}
