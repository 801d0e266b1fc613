// SPDX-License-Identifier: GPL-2.0-only

//! Asks for an address on several devices at a time.

use super::{
    attempts::Attempts,
    error::Failure,
    ipv6,
    netlink::Netlink, //
};
use crate::{
    linux::{
        clock,
        errno::ENETDOWN,
        random,
        socket::Socket, //
    },
    proto::{
        bpf,
        config::{
            interface::Device,
            iscsi_conf::ConfFault, //
        },
        dhcp::{
            client::{
                Client,
                Parameters,
                LIMIT, //
            },
            credentials,
            identity::Identity,
            lease::Lease,
            packet::{
                CLIENT_PORT,
                SENT_LENGTH, //
            }, //
        },
        iscsi::chap::Credentials,
        rtnetlink::answer::Link,
        secret,
        time::{
            Duration,
            Instant, //
        }, //
    },
};
use core::net::Ipv4Addr;
use kernel::prelude::*;

/// Room for the largest packet an Ethernet device receives.
const PACKET_SIZE: usize = 9_216;
/// How long the other devices have once one has an answer, but not one with the
/// root path that is needed; and how long any has where DHCPv6 could be asked.
const GRACE: Duration = Duration::from_secs(10);

/// How often it is looked whether a device without carrier has found one.
const LOOK: Duration = Duration::from_millis(500);

/// What one of several devices was given.
pub(super) struct Answer {
    /// The device's place among the links.
    pub(super) link: usize,
    pub(super) lease: KBox<Lease>,
    pub(super) credentials: Offer,
}

/// User names and passwords that came with a lease.
pub(super) struct Offer {
    pub(super) credentials: KBox<Credentials>,
    /// What is wrong with them.
    pub(super) fault: Option<ConfFault>,
}

/// A device that asks.
struct Candidate {
    /// Its place among the links.
    link: usize,
    index: i32,
    client: KBox<Client>,
    offer: Offer,
}

/// What an answer has to have, or should.
#[derive(Clone, Copy)]
pub(super) struct Wish {
    /// A root path.
    pub(super) root_path: bool,
    /// The address that the machine has already.
    pub(super) address: Option<Ipv4Addr>,
    /// Whether DHCPv6 may be asked instead, where a router tells of it.
    pub(super) or_ipv6: bool,
}

/// What is received, which may have passwords; it is cleared when it is dropped.
struct Buffer(KVVec<u8>);

impl Drop for Buffer {
    fn drop(&mut self) {
        secret::wipe(&mut self.0);
    }
}

// Not inlined: a kernel stack is too small for it together with what asks for it.
/// Asks on each of `links`, which `device` means, from when it has a carrier, and returns the first
/// usable answer, or `None` where DHCPv6 is to be asked instead; `identity` is what servers are
/// told of this machine.
#[inline(never)]
pub(super) fn obtain(
    links: &[Link],
    wish: Wish,
    device: &Device,
    identity: &Identity,
    netlink: &mut Netlink,
    attempts: &Attempts,
) -> Result<Option<Answer>, Failure<'static>> {
    // On a device alone, so that a running machine's other packets stay out of its way.
    let alone = match links {
        [link] => Some(link.index),
        _ => None,
    };
    let socket = Socket::ipv4_packets(alone, &bpf::udp_to(CLIENT_PORT)).map_err(Failure::Kernel)?;
    let limit = Duration::from_millis(attempts.at_most(LIMIT.as_millis()));
    let buffer = KVVec::from_elem(0, PACKET_SIZE, GFP_KERNEL).map_err(Failure::kernel)?;
    let Buffer(buffer) = &mut Buffer(buffer);
    let begin = Instant::from_millis(clock::milliseconds());
    let end = begin.after(limit);
    let mut candidates = KVec::new();
    let mut next_look = None;
    let mut second_choice_until = None;
    let mut ipv6_from = None;

    loop {
        let now = Instant::from_millis(clock::milliseconds());
        let look = candidates.len() < links.len() || wish.or_ipv6;
        if look && next_look.is_none_or(|look| now >= look) {
            let found = netlink.links().map_err(Failure::Kernel)?;
            if wish.or_ipv6 && ipv6::is_served(&found, links) {
                ipv6_from.get_or_insert(now.after(GRACE));
            }
            let parameters = |link: &Link| Parameters {
                mac: link.mac.unwrap_or_default(),
                xid: u32::from_ne_bytes(random::bytes()),
                seed: u64::from_ne_bytes(random::bytes()),
                needs_root_path: wish.root_path,
                wanted: wish.address,
                limit: end.since(now),
            };
            join(&mut candidates, links, &found, now, parameters).map_err(Failure::Kernel)?;
            next_look = Some(now.after(LOOK));
        }
        for candidate in &mut candidates {
            let packet = buffer.get_mut(..SENT_LENGTH).unwrap_or_default();
            while let Some(length) = candidate.client.poll_transmit(now, identity, packet) {
                // A packet that a device does not take is like one that the network loses.
                let packet = packet.get(..length).unwrap_or_default();
                let _ = socket.broadcast(packet, candidate.index);
            }
        }
        let answered = |wanted: bool| {
            candidates
                .iter()
                .position(|candidate| match candidate.client.outcome() {
                    Some(Ok(lease)) => !wanted || lease.root_path.is_some(),
                    _ => false,
                })
        };
        if let Some(first) = answered(wish.root_path) {
            return lease_of(candidates, first).map(Some);
        }
        // Those without carrier get their time, too.
        let dark = candidates.len() < links.len();
        let dark_until = if candidates.is_empty() {
            end
        } else {
            begin.after(GRACE).min(end)
        };
        let next = candidates
            .iter()
            .filter_map(|candidate| candidate.client.poll_timeout())
            .min()
            .or((dark && now < dark_until).then_some(dark_until));
        if let Some(second) = answered(false) {
            let until = *second_choice_until.get_or_insert(now.after(GRACE));
            if next.is_none() && !dark || now >= until {
                return lease_of(candidates, second).map(Some);
            }
        } else if ipv6_from.is_some_and(|from| now >= from) {
            return Ok(None);
        }
        let Some(next) = next.or(second_choice_until) else {
            return Err(refusal(links, &candidates, device, limit));
        };
        let next = second_choice_until.map_or(next, |until| next.min(until));
        let next = match next_look {
            Some(look) if dark || wish.or_ipv6 => next.min(look),
            _ => next,
        };
        socket.set_timeout(next.since(now).as_millis());
        let (length, index) = match socket.receive_from(buffer) {
            Ok(received) => received,
            // A device that is set down has nothing to say until it is up again.
            Err(EAGAIN | ENETDOWN) => continue,
            Err(EINTR) => return Err(Failure::Interrupted),
            Err(error) => return Err(Failure::Kernel(error)),
        };
        let now = Instant::from_millis(clock::milliseconds());
        let packet = buffer.get(..length).unwrap_or_default();
        for candidate in candidates
            .iter_mut()
            .filter(|candidate| candidate.index == index)
        {
            // It may be somebody else's.
            let taken = candidate.client.handle_packet(now, packet).is_ok();
            if taken && matches!(candidate.client.outcome(), Some(Ok(_))) {
                let Offer { credentials, fault } = &mut candidate.offer;
                *fault = credentials::read(packet, credentials).err();
            }
        }
    }
}

/// Takes in those of `links` that are not candidates yet and, in the list `found`, have a carrier.
fn join(
    candidates: &mut KVec<Candidate>,
    links: &[Link],
    found: &[Link],
    now: Instant,
    parameters: impl Fn(&Link) -> Parameters,
) -> Result {
    for (place, link) in links.iter().enumerate() {
        let joined = candidates.iter().any(|other| other.link == place);
        let carrier = found
            .iter()
            .any(|found| found.index == link.index && found.carrier);
        if carrier && !joined {
            let candidate = Candidate {
                link: place,
                index: link.index,
                client: KBox::new(Client::new(parameters(link), now), GFP_KERNEL)?,
                offer: Offer {
                    credentials: KBox::new(Credentials::none(), GFP_KERNEL)?,
                    fault: None,
                },
            };
            candidates.push(candidate, GFP_KERNEL)?;
        }
    }
    Ok(())
}

fn lease_of(mut candidates: KVec<Candidate>, index: usize) -> Result<Answer, Failure<'static>> {
    let candidate = candidates
        .remove(index)
        .map_err(|_| Failure::Kernel(EINVAL))?;
    match candidate.client.outcome() {
        Some(Ok(lease)) => Ok(Answer {
            link: candidate.link,
            lease: KBox::new(lease.clone(), GFP_KERNEL).map_err(Failure::kernel)?,
            credentials: candidate.offer,
        }),
        _ => Err(Failure::Kernel(EINVAL)),
    }
}

/// What to say when no device has an answer: what the first one with a carrier met, which is the
/// only one if it was named.
fn refusal(
    links: &[Link],
    candidates: &[Candidate],
    device: &Device,
    limit: Duration,
) -> Failure<'static> {
    let first = candidates
        .iter()
        .find_map(|candidate| match candidate.client.outcome()? {
            Err(failure) => Some((links.get(candidate.link)?, failure)),
            Ok(_) => None,
        });
    match first {
        Some((link, failure)) => Failure::Dhcp {
            device: link.name.clone(),
            others: candidates.len().saturating_sub(1),
            failure: failure.clone(),
        },
        // Each has lost the carrier it had.
        None => Failure::NoCarrier {
            device: device.clone(),
            seconds: limit.as_secs(),
        },
    }
}
