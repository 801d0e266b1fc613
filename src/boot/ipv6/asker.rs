// SPDX-License-Identifier: GPL-2.0-only

//! A device on which DHCPv6 servers are asked.

use super::Origin;
use crate::{
    boot::{
        attempts::Attempts,
        changes::Changes,
        error::Failure, //
    },
    linux::{
        clock,
        random,
        socket::Socket, //
    },
    proto::{
        config::ipv6::Ipv6Config,
        dhcp6::{
            client::{
                Client,
                Parameters,
                LIMIT, //
            },
            error::Failure as Dhcpv6Failure,
            information::Inquiry,
            lease::{
                Information,
                Lease, //
            },
            message::{
                CLIENT_PORT,
                SERVERS,
                SERVER_PORT, //
            }, //
        },
        rtnetlink::answer::{
            Link,
            Routers, //
        },
        time::{
            Duration,
            Instant, //
        }, //
    },
};
use core::net::{
    Ipv6Addr,
    SocketAddrV6, //
};
use kernel::prelude::*;

/// How long a server has before the address that the kernel has made by itself is used, in
/// milliseconds.
const GRACE: u64 = 10_000;
/// How many messages are taken in at a time.
const MESSAGES: usize = 32;

pub(in crate::boot) fn now() -> Instant {
    Instant::from_millis(clock::milliseconds())
}

/// What servers are asked for.
#[derive(Clone, Copy, Debug)]
pub(in crate::boot) struct Wish {
    /// Something to boot, as far as there is any.
    pub(in crate::boot) root_path: bool,
    /// The address that the machine has already.
    pub(in crate::boot) address: Option<Ipv6Addr>,
    /// For how long servers are asked at most, in milliseconds.
    pub(in crate::boot) limit: u64,
}

/// What they are asked for, and how far that is.
enum Talk {
    /// An address with all that goes with it.
    Address(KBox<Client>),
    /// What else there is to know.
    Information(KBox<Inquiry>),
}

impl Talk {
    fn new(link: &Link, is_managed: bool, wish: Wish) -> Result<Self> {
        let parameters = Parameters {
            mac: link.mac.unwrap_or_default(),
            seed: u64::from_ne_bytes(random::bytes()),
            needs_root_path: wish.root_path,
            wanted: wish.address,
            limit: Duration::from_millis(wish.limit).min(LIMIT),
        };
        Ok(if is_managed {
            Self::Address(KBox::new(Client::new(parameters, now()), GFP_KERNEL)?)
        } else {
            Self::Information(KBox::new(Inquiry::new(parameters, now()), GFP_KERNEL)?)
        })
    }
}

/// The client's port on a device, to which all servers answer.
pub(in crate::boot) struct Port {
    socket: Socket,
    index: i32,
}

impl Port {
    /// Opens it.
    ///
    /// # Errors
    ///
    /// `EADDRINUSE` where somebody else has it.
    pub(in crate::boot) fn open(link: &Link) -> Result<Self> {
        let index = link.index;
        let socket = Socket::udp_ipv6(CLIENT_PORT, index)?;
        socket.set_timeout(0);
        Ok(Self { socket, index })
    }

    /// Sends a message to all servers.
    ///
    /// One that the device does not take, for want of an address of its own that is known to be
    /// nobody else's, is like one that the network loses.
    pub(in crate::boot) fn send(&self, message: &[u8]) {
        let scope = u32::try_from(self.index).unwrap_or_default();
        let servers = SocketAddrV6::new(SERVERS, SERVER_PORT, 0, scope);
        let _ = self.socket.send_to_ipv6(message, &servers);
    }

    /// Hands the messages that have come to `take`, each with its sender.
    pub(in crate::boot) fn receive(
        &self,
        buffer: &mut [u8],
        mut take: impl FnMut(Ipv6Addr, &[u8]),
    ) {
        for _ in 0..MESSAGES {
            let Ok((length, from)) = self.socket.receive_ipv6_datagram(buffer) else {
                return;
            };
            take(*from.ip(), buffer.get(..length).unwrap_or_default());
        }
    }
}

/// A device on which DHCPv6 servers are asked.
pub(in crate::boot) struct Asker {
    pub(in crate::boot) link: Link,
    port: Port,
    talk: Talk,
    /// From when what they give counts, on the clock.
    pub(in crate::boot) since: u64,
}

impl Asker {
    /// Asks on `link` for an address, or only for what else there is to know.
    ///
    /// # Errors
    ///
    /// `EADDRINUSE` where somebody else has the client's port.
    pub(in crate::boot) fn new(link: &Link, is_managed: bool, wish: Wish) -> Result<Self> {
        Ok(Self {
            link: link.clone(),
            port: Port::open(link)?,
            talk: Talk::new(link, is_managed, wish)?,
            since: clock::milliseconds(),
        })
    }

    /// Asks for an address after all, where a router tells of such now.
    pub(super) fn follow(&mut self, routers: Routers, wish: Wish) -> Result {
        if routers.is_managed && matches!(self.talk, Talk::Information(_)) {
            self.talk = Talk::new(&self.link, true, wish)?;
            self.since = clock::milliseconds();
        }
        Ok(())
    }

    /// Takes in what has come, and sends what is due.
    pub(in crate::boot) fn step(&mut self, buffer: &mut [u8]) {
        let Self { port, talk, .. } = self;
        port.receive(buffer, |from, message| {
            // Most messages are other clients'.
            let _ = match talk {
                Talk::Address(client) => client.handle_message(now(), from, message),
                Talk::Information(inquiry) => inquiry.handle_message(from, message),
            };
        });
        loop {
            let length = match talk {
                Talk::Address(client) => client.poll_transmit(now(), buffer),
                Talk::Information(inquiry) => inquiry.poll_transmit(now(), buffer),
            };
            let Some(length) = length else {
                return;
            };
            port.send(buffer.get(..length).unwrap_or_default());
        }
    }

    /// Why there is no answer, where there will be none.
    pub(in crate::boot) fn failure(&self) -> Option<&Dhcpv6Failure> {
        match &self.talk {
            Talk::Address(client) => client.outcome()?.err(),
            Talk::Information(inquiry) => inquiry.outcome()?.err(),
        }
    }

    /// The address that a server gives, with all that goes with it.
    pub(in crate::boot) fn lease(&self) -> Option<&Lease> {
        match &self.talk {
            Talk::Address(client) => client.outcome()?.ok(),
            Talk::Information(_) => None,
        }
    }

    /// What else a server says, where it gives no address.
    pub(super) fn information(&self) -> Option<&Information> {
        match &self.talk {
            Talk::Address(_) => None,
            Talk::Information(inquiry) => inquiry.outcome()?.ok(),
        }
    }

    /// Whether there is nothing more to come.
    pub(super) fn is_done(&self) -> bool {
        match &self.talk {
            Talk::Address(client) => client.outcome().is_some(),
            Talk::Information(inquiry) => inquiry.outcome().is_some(),
        }
    }

    /// Whether its answer is worth waiting for, though there is an address.
    pub(super) fn is_hopeful(&self) -> bool {
        !self.is_done() && clock::milliseconds().saturating_sub(self.since) < GRACE
    }

    /// Another host has the address of the lease: whether another one is asked for.
    pub(in crate::boot) fn decline(&mut self) -> bool {
        match &mut self.talk {
            Talk::Address(client) => client.decline(now()),
            Talk::Information(_) => false,
        }
    }

    /// Gives the device the address of the lease, in place of `old`, unless it is the same.
    ///
    /// # Errors
    ///
    /// The device has what it had before.
    pub(in crate::boot) fn apply(
        &self,
        old: Option<Ipv6Addr>,
        changes: &mut Changes,
        attempts: &Attempts,
    ) -> Result<super::Ipv6, Failure<'static>> {
        let lease = self.lease().ok_or(Failure::Kernel(EINVAL))?;
        let config = Ipv6Config {
            address: lease.address,
            // Who else is on the link, a router says.
            prefix_length: 128,
            gateway: None,
        };
        let link = &self.link;
        if old != Some(config.address) {
            changes.configure_ipv6(link, &config, lease.term.preferred())?;
            let settled = super::settle(&mut changes.netlink, link, config.address, attempts);
            if let Some(useless) = settled.as_ref().map_or(Some(config.address), |()| old) {
                changes.remove_ipv6(useless);
            }
            settled?;
        }
        Ok(super::Ipv6 {
            index: link.index,
            address: config.address,
            prefix_length: config.prefix_length,
            origin: Origin::Dhcp,
        })
    }
}
