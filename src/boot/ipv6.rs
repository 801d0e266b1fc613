// SPDX-License-Identifier: GPL-2.0-only

//! An IPv6 address of a network device.

use super::{
    attempts::Attempts,
    changes::Changes,
    error::Failure,
    netlink::Netlink, //
};
use crate::{
    linux::{
        clock,
        errno::EADDRINUSE,
        random,
        socket::Socket, //
    },
    proto::{
        config::{
            interface::Device,
            ipv6::Ipv6Config, //
        },
        dhcp6::{
            client::{
                Client,
                Parameters,
                LIMIT, //
            },
            lease::Lease,
            message::{
                CLIENT_PORT,
                SERVERS,
                SERVER_PORT, //
            }, //
        },
        rtnetlink::answer::Link,
        time::{
            Duration,
            Instant, //
        }, //
    },
};
use core::{
    fmt,
    net::{
        Ipv6Addr,
        SocketAddrV6, //
    }, //
};
use kernel::prelude::*;

/// How long the kernel has to make sure that no other host has an address, in milliseconds. By
/// itself it waits for up to a second, asks once, and waits another second for an answer.
const DUPLICATE_TIMEOUT: u64 = 10_000;
/// How long routers and servers have to give an address, in milliseconds. The kernel asks routers
/// after up to a second, and every 4 s at first.
const TIMEOUT: u64 = 40_000;
/// How long a DHCPv6 server has before the address that the kernel has made by itself is used, in
/// milliseconds.
const GRACE: u64 = 10_000;
/// Room for the largest message of a server, and how many are taken in at a time.
const MESSAGE_SIZE: usize = 1_500;
const MESSAGES: usize = 32;
/// The interval between looks.
const INTERVAL: u32 = 20;

/// Who has given an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Origin {
    Static,
    Advertised,
    Dhcp,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Static => "static",
            Self::Advertised => "router-advertised",
            Self::Dhcp => "DHCPv6",
        })
    }
}

/// An address that a device has.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ipv6 {
    /// The device's number.
    pub(super) index: i32,
    pub(super) address: Ipv6Addr,
    pub(super) prefix_length: u8,
    pub(super) origin: Origin,
}

/// `<ip>/<prefix length> (<origin>)`.
impl fmt::Display for Ipv6 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{} ({})",
            self.address, self.prefix_length, self.origin
        )
    }
}

/// Gives a device the address that was asked for.
#[inline(never)]
pub(super) fn assign(
    link: &Link,
    config: &Ipv6Config,
    changes: &mut Changes,
    attempts: &mut Attempts,
) -> Result<Found, Failure<'static>> {
    attempts.tell(core::format_args!("{}: static address {config}", link.name));
    changes.configure_ipv6(link, config)?;
    settle(&mut changes.netlink, link, config.address, attempts)?;
    Ok(Found {
        link: link.clone(),
        ipv6: Ipv6 {
            index: link.index,
            address: config.address,
            prefix_length: config.prefix_length,
            origin: Origin::Static,
        },
        lease: None,
    })
}

/// A device on which a DHCPv6 server is asked.
struct Asker {
    link: Link,
    socket: Socket,
    client: KBox<Client>,
    since: u64,
}

impl Asker {
    fn new(link: &Link, needs_root_path: bool, limit: u64) -> Result<Self> {
        let since = clock::milliseconds();
        let parameters = Parameters {
            mac: link.mac.unwrap_or_default(),
            seed: u64::from_ne_bytes(random::bytes()),
            needs_root_path,
            limit: Duration::from_millis(limit).min(LIMIT),
        };
        Ok(Self {
            link: link.clone(),
            socket: Socket::udp_ipv6(CLIENT_PORT, link.index)?,
            client: KBox::new(Client::new(parameters, now()), GFP_KERNEL)?,
            since,
        })
    }

    /// Sends what is due, and takes in what has come.
    fn step(&mut self, buffer: &mut [u8]) {
        while let Some(length) = self.client.poll_transmit(now(), buffer) {
            // A message that the device does not take, for want of an address of its own that is
            // known to be nobody else's, is like one that the network loses.
            let scope = u32::try_from(self.link.index).unwrap_or_default();
            let servers = SocketAddrV6::new(SERVERS, SERVER_PORT, 0, scope);
            let message = buffer.get(..length).unwrap_or_default();
            let _ = self.socket.send_to_ipv6(message, &servers);
        }
        self.socket.set_timeout(0);
        for _ in 0..MESSAGES {
            let Ok((length, from)) = self.socket.receive_ipv6_datagram(buffer) else {
                return;
            };
            let message = buffer.get(..length).unwrap_or_default();
            // Most messages are other clients'.
            let _ = self.client.handle_message(now(), *from.ip(), message);
        }
    }

    fn lease(&self) -> Option<&Lease> {
        self.client.outcome().and_then(|outcome| outcome.ok())
    }

    /// Gives the device the address of the lease.
    fn take(
        &self,
        changes: &mut Changes,
        attempts: &mut Attempts,
    ) -> Result<Found, Failure<'static>> {
        let lease = self.lease().ok_or(Failure::Kernel(EINVAL))?;
        let link = &self.link;
        let config = Ipv6Config {
            address: lease.address,
            // Who else is on the link, a router says.
            prefix_length: 128,
            gateway: None,
        };
        attempts.tell(core::format_args!(
            "{}: DHCPv6 from server {}, {}",
            link.name,
            lease.server,
            lease.address
        ));
        if let (Some(url), None) = (&lease.boot_file_url, lease.root_path()) {
            attempts.tell(core::format_args!(
                "not used: boot file URL {:?} is not of the form iscsi:...",
                url.as_str()
            ));
        }
        changes.configure_ipv6(link, &config)?;
        settle(&mut changes.netlink, link, config.address, attempts)?;
        Ok(Found {
            link: link.clone(),
            ipv6: Ipv6 {
                index: link.index,
                address: config.address,
                prefix_length: config.prefix_length,
                origin: Origin::Dhcp,
            },
            lease: Some(KBox::new(lease.clone(), GFP_KERNEL).map_err(Failure::kernel)?),
        })
    }
    /// Whether its answer is worth waiting for, though there is another address.
    fn is_hopeful(&self) -> bool {
        let waited = clock::milliseconds().saturating_sub(self.since);
        self.client.outcome().is_none() && waited < GRACE
    }
}

fn now() -> Instant {
    Instant::from_millis(clock::milliseconds())
}

/// Whether a router on one of `links`, by what is `found` of them now, says that addresses come
/// from DHCPv6.
pub(super) fn is_managed(found: &[Link], links: &[Link]) -> bool {
    found.iter().any(|link| {
        let is_meant = links.iter().any(|other| other.index == link.index);
        is_meant && link.ipv6.is_some_and(|routers| routers.is_managed)
    })
}

/// An address, the device that has it, and what came with it.
pub(super) struct Found {
    pub(super) link: Link,
    pub(super) ipv6: Ipv6,
    pub(super) lease: Option<KBox<Lease>>,
}

/// Waits until one of `links` has an address: from DHCPv6 where a router says so, or one that the
/// kernel has made of what a router advertises, or where any other device has one already.
///
/// `name` is what the only one of `links` was called for. `needs_root_path`: only DHCPv6 will do.
#[inline(never)]
pub(super) fn obtain(
    links: &[Link],
    device: &Device,
    needs_root_path: bool,
    changes: &mut Changes,
    attempts: &mut Attempts,
) -> Result<Found, Failure<'static>> {
    let begin = clock::milliseconds();
    let patience = attempts.at_most(TIMEOUT);
    let mut buffer = KVec::from_elem(0, MESSAGE_SIZE, GFP_KERNEL).map_err(Failure::kernel)?;
    let mut askers: KVec<Asker> = KVec::new();
    let mut is_busy = false;

    loop {
        let left = patience.saturating_sub(clock::milliseconds().saturating_sub(begin));
        let found = changes.netlink.links().map_err(Failure::Kernel)?;
        let is_meant = |link: &&Link| links.iter().any(|other| other.index == link.index);
        for link in found.iter().filter(is_meant) {
            let known = askers.iter().any(|asker| asker.link.index == link.index);
            if known || is_busy || !is_managed(core::slice::from_ref(link), links) {
                continue;
            }
            match Asker::new(link, needs_root_path, left) {
                Ok(asker) => askers.push(asker, GFP_KERNEL).map_err(Failure::kernel)?,
                Err(EADDRINUSE) => {
                    is_busy = true;
                    attempts.warn(core::format_args!(
                        "{}: UDP port {CLIENT_PORT} is in use, so DHCPv6 is left to who uses it",
                        link.name
                    ));
                }
                Err(error) => return Err(Failure::Kernel(error)),
            }
        }
        for asker in &mut askers {
            asker.step(&mut buffer);
        }
        if let Some(asker) = chosen(&askers, needs_root_path) {
            return asker.take(changes, attempts);
        }
        if !needs_root_path {
            let addresses = changes.netlink.ipv6_addresses().map_err(Failure::Kernel)?;
            let mut usable = addresses.iter().filter(|address| address.is_usable());
            let own = usable.clone().find(|address| {
                let mut asked = askers.iter();
                links.iter().any(|link| link.index == address.index)
                    && !asked.any(|asker| asker.link.index == address.index && asker.is_hopeful())
            });
            // The target may well be reached over another device: a bridge, say.
            let address = own.or_else(|| usable.next().filter(|_| left == 0));
            let link =
                address.and_then(|address| found.iter().find(|link| link.index == address.index));
            if let Some((address, link)) = address.zip(link) {
                let ipv6 = Ipv6 {
                    index: address.index,
                    address: address.address,
                    prefix_length: address.prefix_length,
                    origin: Origin::Advertised,
                };
                attempts.tell(core::format_args!("{}: {ipv6}", link.name));
                return Ok(Found {
                    link: link.clone(),
                    ipv6,
                    lease: None,
                });
            }
        }
        let mut failures = askers
            .iter()
            .filter_map(|asker| asker.client.outcome()?.err());
        let is_over = needs_root_path && failures.clone().count() == askers.len();
        if left == 0 || is_over && !askers.is_empty() {
            let mut routers = found.iter().filter(is_meant).map(|link| link.ipv6);
            return Err(Failure::NoIpv6 {
                device: device.clone(),
                routers: routers
                    .clone()
                    .find(|routers| routers.is_some_and(|routers| routers.is_one))
                    .or_else(|| routers.next())
                    .flatten(),
                failure: match failures.next() {
                    Some(failure) => {
                        Some(KBox::new(failure.clone(), GFP_KERNEL).map_err(Failure::kernel)?)
                    }
                    None => None,
                },
                seconds: clock::milliseconds().saturating_sub(begin) / 1_000,
            });
        }
        clock::sleep_interruptible(INTERVAL.into()).map_err(|_| Failure::Interrupted)?;
    }
}

/// The one with a lease that will do; when all have their answer, any with a lease.
fn chosen(askers: &[Asker], needs_root_path: bool) -> Option<&Asker> {
    let is_good = |lease: &Lease| !needs_root_path || lease.root_path().is_some();
    let all_done = askers.iter().all(|asker| asker.client.outcome().is_some());
    askers
        .iter()
        .find(|asker| asker.lease().is_some_and(is_good))
        .or_else(|| {
            askers
                .iter()
                .find(|asker| all_done && asker.lease().is_some())
        })
}

/// Waits until the kernel has made sure that no other host has `address` (RFC 4862 section 5.4).
fn settle(
    netlink: &mut Netlink,
    link: &Link,
    address: Ipv6Addr,
    attempts: &Attempts,
) -> Result<(), Failure<'static>> {
    let patience = attempts.at_most(DUPLICATE_TIMEOUT);
    let deadline = clock::milliseconds().saturating_add(patience);

    loop {
        let addresses = netlink.ipv6_addresses().map_err(Failure::Kernel)?;
        let own = addresses
            .iter()
            .find(|own| own.index == link.index && own.address == address);
        let device = link.name.clone();
        match own {
            Some(own) if own.is_duplicate => return Err(Failure::Duplicate { device, address }),
            Some(own) if !own.is_tentative => return Ok(()),
            _ if clock::milliseconds() >= deadline => {
                return Err(Failure::Tentative {
                    device,
                    address,
                    seconds: patience / 1_000,
                });
            }
            _ => {}
        }
        clock::sleep(INTERVAL);
    }
}
