// SPDX-License-Identifier: GPL-2.0-only

//! Asks for an address on several devices at a time.

use super::{
    attempts::Attempts,
    error::Failure, //
};
use crate::{
    linux::{
        clock,
        random,
        socket::Socket, //
    },
    proto::{
        dhcp::{
            client::{
                Client,
                Parameters,
                LIMIT, //
            },
            lease::Lease,
            packet::SENT_LENGTH, //
        },
        rtnetlink::answer::Link,
        time::{
            Duration,
            Instant, //
        }, //
    },
};
use kernel::prelude::*;

/// Room for the largest packet an Ethernet device receives.
const PACKET_SIZE: usize = 9_216;
/// How long the other devices have once one has an answer, but not one with the
/// root path that is needed.
const GRACE: Duration = Duration::from_secs(10);

/// A device that asks.
struct Candidate {
    index: i32,
    client: KBox<Client>,
}

/// Asks on all `links`, and returns the number in `links` of the first with a usable
/// answer, and that answer.
pub(super) fn obtain(
    links: &[Link],
    needs_root_path: bool,
    attempts: &Attempts,
) -> Result<(usize, KBox<Lease>), Failure<'static>> {
    let socket = Socket::ipv4_packets().map_err(Failure::Kernel)?;
    let limit = Duration::from_millis(attempts.at_most(LIMIT.as_millis()));
    let mut buffer = KVec::from_elem(0, PACKET_SIZE, GFP_KERNEL).map_err(Failure::kernel)?;
    let mut candidates = candidates(links, needs_root_path, limit).map_err(Failure::Kernel)?;
    let mut second_choice_until = None;

    loop {
        let now = Instant::from_millis(clock::milliseconds());
        for candidate in &mut candidates {
            let packet = buffer.get_mut(..SENT_LENGTH).unwrap_or_default();
            while let Some(length) = candidate.client.poll_transmit(now, packet) {
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
        if let Some(first) = answered(needs_root_path) {
            return lease_of(&candidates, first);
        }
        let next = candidates
            .iter()
            .filter_map(|candidate| candidate.client.poll_timeout())
            .min();
        if let Some(second) = answered(false) {
            let until = *second_choice_until.get_or_insert(now.after(GRACE));
            if next.is_none() || now >= until {
                return lease_of(&candidates, second);
            }
        }
        let Some(next) = next else {
            return Err(refusal(links, &candidates));
        };
        let next = second_choice_until.map_or(next, |until| next.min(until));
        socket.set_timeout(next.since(now).as_millis());
        let (length, index) = match socket.receive_from(&mut buffer) {
            Ok(received) => received,
            Err(EAGAIN) => continue,
            Err(EINTR) => return Err(Failure::Interrupted),
            Err(error) => return Err(Failure::Kernel(error)),
        };
        let now = Instant::from_millis(clock::milliseconds());
        let packet = buffer.get(..length).unwrap_or_default();
        for candidate in candidates
            .iter_mut()
            .filter(|candidate| candidate.index == index)
        {
            // Most packets are somebody else's.
            let _ = candidate.client.handle_packet(now, packet);
        }
    }
}

fn candidates(links: &[Link], needs_root_path: bool, limit: Duration) -> Result<KVec<Candidate>> {
    let now = Instant::from_millis(clock::milliseconds());
    let mut candidates = KVec::new();

    for link in links {
        let parameters = Parameters {
            mac: link.mac.unwrap_or_default(),
            xid: u32::from_ne_bytes(random::bytes()),
            seed: u64::from_ne_bytes(random::bytes()),
            needs_root_path,
            limit,
        };
        let candidate = Candidate {
            index: link.index,
            client: KBox::new(Client::new(parameters, now), GFP_KERNEL)?,
        };
        candidates.push(candidate, GFP_KERNEL)?;
    }
    Ok(candidates)
}

fn lease_of(
    candidates: &[Candidate],
    index: usize,
) -> Result<(usize, KBox<Lease>), Failure<'static>> {
    let outcome = candidates
        .get(index)
        .and_then(|candidate| candidate.client.outcome());
    match outcome {
        Some(Ok(lease)) => {
            let lease = KBox::new(lease.clone(), GFP_KERNEL).map_err(Failure::kernel)?;
            Ok((index, lease))
        }
        _ => Err(Failure::Kernel(EINVAL)),
    }
}

/// What to say when no device has an answer: what the first one met, which is the
/// only one if it was named.
fn refusal(links: &[Link], candidates: &[Candidate]) -> Failure<'static> {
    let first = links.iter().zip(candidates).find_map(|(link, candidate)| {
        match candidate.client.outcome()? {
            Err(failure) => Some((link, failure)),
            Ok(_) => None,
        }
    });
    match first {
        Some((link, failure)) => Failure::Dhcp {
            device: link.name.clone(),
            others: candidates.len().saturating_sub(1),
            failure: failure.clone(),
        },
        None => Failure::Kernel(ENODEV),
    }
}
