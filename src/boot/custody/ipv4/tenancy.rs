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
    status::LeaseState, //
};
use crate::{
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
            timeout::Patience, //
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
pub(super) struct Ipv4Tenancy {
    state: State,
    /// The address came with a lease that ends.
    leased: bool,
    /// The client's port, while an answer is waited for.
    socket: Option<Socket>,
    /// It was said that somebody else has that port.
    told: bool,
    /// What servers are told of this machine, and what goes before what they say.
    details: KBox<Details>,
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

fn now() -> Instant {
    Instant::from_millis(clock::milliseconds())
}

fn random_number() -> u32 {
    u32::from_ne_bytes(random::bytes())
}

impl Ipv4Tenancy {
    /// Keeps the lease that `network` came with, if it did.
    pub(super) fn new(network: &Network, details: KBox<Details>) -> Self {
        let mut tenancy = Self {
            state: State::Free,
            leased: false,
            socket: None,
            told: false,
            details,
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
        self.socket = None;
    }

    /// Looks for a new lease.
    pub(super) fn search(&mut self) {
        self.state = Self::searching();
        self.socket = None;
    }

    /// Takes the lease back from somebody else, where the address was leased before.
    pub(super) fn resume(&mut self) {
        if self.leased {
            self.search();
        }
    }

    /// The device has another number.
    pub(super) fn moved(&mut self) {
        self.socket = None;
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
        let due = match &self.state {
            State::Free => return u64::MAX,
            State::Kept(renewal) => renewal.poll_timeout(),
            State::Searching { next, .. } => Some(*next),
        };
        due.map_or(0, |due| due.since(now()).as_millis())
    }

    /// Does what is due for `address` on `link`; a new lease, when there is one.
    pub(super) fn step(
        &mut self,
        link: &Link,
        address: Ipv4Addr,
        netlink: &mut Netlink,
    ) -> Option<KBox<Lease>> {
        if let State::Kept(_) = self.state {
            self.renew(link, address);
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
    fn renew(&mut self, link: &Link, address: Ipv4Addr) {
        let State::Kept(renewal) = &mut self.state else {
            return;
        };
        let mut message = [0; MESSAGE_LENGTH];
        let Details { identity, .. } = &*self.details;
        while let Some((to, length)) =
            renewal.poll_transmit(now(), random_number(), identity, &mut message)
        {
            if self.socket.is_none() {
                match Socket::udp(CLIENT_PORT, link.index) {
                    Ok(socket) => self.socket = Some(socket),
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
            if let (Some(socket), Some(message)) = (&self.socket, message.get(..length)) {
                let _ = socket.send_to(message, &SocketAddrV4::new(to, SERVER_PORT));
            }
        }
        if let (Some(socket), true) = (&self.socket, renewal.is_asking()) {
            if let Ok(mut buffer) = KVec::from_elem(0, MESSAGE_SIZE, GFP_KERNEL) {
                socket.set_timeout(0);
                for _ in 0..MESSAGES {
                    let Ok((length, from)) = socket.receive_datagram(&mut buffer) else {
                        break;
                    };
                    let message = buffer.get(..length).unwrap_or_default();
                    // Most messages are other clients'.
                    let _ = renewal.handle_message(message, *from.ip());
                }
                // Servers may give passwords along.
                secret::wipe(&mut buffer);
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
            self.socket = None;
            self.told = false;
        }
    }
}
