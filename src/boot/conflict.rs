// SPDX-License-Identifier: GPL-2.0-only

//! Whether another machine has the address, too (RFC 5227).
//!
//! The RFC has a machine wait for 4 to 7 s before it takes an address. A root disk cannot wait that
//! long each time, and who has the address answers at once: here it waits [`PROBES`] times
//! [`PATIENCE`]. Conflicts are looked for as long as the address is in use.

use super::{
    attempts::Attempts,
    error::Failure,
    lease::{
        self,
        Answer,
        Wish, //
    },
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
        arp, bpf,
        config::interface::{
            Device,
            Mac, //
        },
        dhcp::{
            self,
            identity::Identity,
            lease::{
                Lease,
                Protocol, //
            },
            packet::{
                CLIENT_PORT,
                SENT_LENGTH, //
            }, //
        },
        rtnetlink::answer::Link,
    },
};
use core::net::Ipv4Addr;
use kernel::prelude::*;

/// How many questions there are for who has an address, and how long each waits for an answer, in
/// milliseconds.
const PROBES: u32 = 2;
const PATIENCE: u64 = 50;
/// How many addresses are tried that turn out to be somebody else's, and the delay after each, in
/// milliseconds.
const TRIES: u32 = 3;
const DELAY: u64 = 1_000;
/// The least time between two announcements that defend the address, in milliseconds (RFC 5227
/// section 2.4, `DEFEND_INTERVAL`).
const DEFEND_INTERVAL: u64 = 10_000;
/// Room for a packet; what pads it to an Ethernet frame's least length does not matter.
const SIZE: usize = 64;
/// How many packets are looked at in one go.
const PACKETS: usize = 32;

/// The same as [`lease::obtain`], but for an address that nobody else has.
#[inline(never)]
pub(super) fn obtain(
    links: &[Link],
    wish: Wish,
    device: &Device,
    identity: &Identity,
    netlink: &mut Netlink,
    attempts: &mut Attempts,
) -> Result<Option<Answer>, Failure<'static>> {
    for tried in 1..=TRIES {
        let answer = lease::obtain(links, wish, device, identity, netlink, attempts)?;
        let Some(answer) = answer else {
            return Ok(None);
        };
        let link = links.get(answer.link).ok_or(Failure::Kernel(ENODEV))?;
        // What is in use here already is looked after.
        if wish.address == Some(answer.lease.address)
            || is_free(link, &answer.lease, tried, identity, attempts)?
        {
            return Ok(Some(answer));
        }
    }
    // The last try has ended in a failure.
    Err(Failure::Kernel(EADDRINUSE))
}

/// Whether nobody else has the address of a lease; else the server is told, and that is a failure
/// where it cannot be, or has been often enough.
#[inline(never)]
fn is_free(
    link: &Link,
    lease: &Lease,
    tried: u32,
    identity: &Identity,
    attempts: &mut Attempts,
) -> Result<bool, Failure<'static>> {
    let (address, server) = (lease.address, lease.server);
    // Who cannot listen hears nothing.
    let watch = Watch::new(link, address).ok();
    let Some(rival) = watch.and_then(|watch| watch.probe()) else {
        return Ok(true);
    };
    let failure = Failure::AddressTaken {
        device: link.name.clone(),
        address,
        rival,
        server,
    };
    if lease.protocol == Protocol::Bootp || tried == TRIES {
        return Err(failure);
    }
    attempts.warn(core::format_args!("{failure}; another one is asked for"));
    decline(link, address, server, identity).map_err(Failure::Kernel)?;
    clock::sleep_interruptible(DELAY).map_err(|_| Failure::Interrupted)?;
    Ok(false)
}

/// Tells a server that somebody else has the address that it gave (RFC 2131 section 4.4.1).
#[inline(never)]
fn decline(link: &Link, address: Ipv4Addr, server: Ipv4Addr, identity: &Identity) -> Result {
    let socket = Socket::ipv4_packets(Some(link.index), &bpf::udp_to(CLIENT_PORT))?;
    let mut packet = [0; SENT_LENGTH];
    let mac = link.mac.unwrap_or_default();
    let xid = u32::from_ne_bytes(random::bytes());
    let length = dhcp::client::decline(mac, xid, address, server, identity, &mut packet);
    let packet = packet.get(..length.unwrap_or_default());

    socket.broadcast(packet.unwrap_or_default(), link.index)
}

/// Listens to who says on a device that he has an address.
pub(super) struct Watch {
    socket: Socket,
    device: i32,
    mac: [u8; 6],
    address: Ipv4Addr,
    /// When the address was last defended.
    defended: Option<u64>,
}

impl Watch {
    /// Listens on `link` for who has `address`.
    ///
    /// # Errors
    ///
    /// `EINVAL`: the device has no Ethernet address. `EAFNOSUPPORT`: the kernel has no packet
    /// sockets, and finds no module for them. Others are the kernel's.
    pub(super) fn new(link: &Link, address: Ipv4Addr) -> Result<Self> {
        Ok(Self {
            mac: link.mac.ok_or(EINVAL)?,
            socket: Socket::arp_packets(link.index, &bpf::arp_about(address))?,
            device: link.index,
            address,
            defended: None,
        })
    }

    /// Asks who has the address, and gives the first other machine that does or wants to.
    fn probe(&self) -> Option<Mac> {
        for _ in 0..PROBES {
            let packet = arp::probe(self.mac, self.address);
            // A packet that is not sent is like one that is lost.
            let _ = self.socket.broadcast_arp(&packet, self.device);
            let end = clock::milliseconds().saturating_add(PATIENCE);
            loop {
                let left = end.saturating_sub(clock::milliseconds());
                if left == 0 {
                    break;
                }
                self.socket.set_timeout(left);
                if let Some(rival) = self.heard(true).ok().flatten() {
                    return Some(rival);
                }
            }
        }
        None
    }

    /// Another machine that has said since the last call that it has the address; it hears that
    /// this machine has it.
    pub(super) fn rival(&mut self) -> Option<Mac> {
        let mut rival = None;

        self.socket.set_timeout(0);
        for _ in 0..PACKETS {
            match self.heard(false) {
                Ok(heard) => rival = heard.or(rival),
                Err(_) => break,
            }
        }
        let now = clock::milliseconds();
        let is_quiet = |then: u64| now.saturating_sub(then) >= DEFEND_INTERVAL;
        if rival.is_some() && self.defended.is_none_or(is_quiet) {
            self.defended = Some(now);
            let packet = arp::announcement(self.mac, self.address);
            let _ = self.socket.broadcast_arp(&packet, self.device);
        }
        rival
    }

    /// The other machine that the next packet is of, if it has the address or, while that is being
    /// probed for, wants it.
    ///
    /// # Errors
    ///
    /// `EAGAIN`: no packet has come in the socket's time.
    fn heard(&self, probing: bool) -> Result<Option<Mac>> {
        let mut buffer = [0; SIZE];
        let (length, device) = self.socket.receive_from(&mut buffer)?;
        let packet = buffer.get(..length).unwrap_or(&buffer);

        if device != self.device {
            return Ok(None);
        }
        Ok(arp::rival(packet, self.mac, self.address, probing).map(Mac))
    }
}
