// SPDX-License-Identifier: GPL-2.0-only

//! A conversation with the kernel about links, addresses and routes.

use crate::{
    linux::{
        clock,
        errno::ENOBUFS,
        socket::Socket, //
    },
    proto::rtnetlink::{
        answer::{
            answers,
            Address,
            Body,
            Ipv6Address,
            Link, //
        },
        request::{
            Request,
            MAX_LENGTH, //
        }, //
    },
};
use kernel::prelude::*;

/// The most the kernel puts into one datagram of a dump.
const DUMP_SIZE: usize = 32_768;
/// More than an acknowledgment takes, which repeats the request.
const ACK_SIZE: usize = 512;
/// The kernel answers at once; this only keeps a fault from becoming a hang. Milliseconds.
const TIMEOUT: u64 = 5_000;
/// How often what was done is tried to be taken back while there is no memory for that, and the
/// delay after each, in milliseconds.
const UNDO_TRIES: u32 = 10;
const UNDO_PAUSE: u32 = 50;

/// An open rtnetlink socket.
pub(super) struct Netlink {
    socket: Socket,
    sequence: u32,
}

impl Netlink {
    /// Opens one.
    pub(super) fn new() -> Result<Self> {
        let socket = Socket::rtnetlink()?;

        socket.set_timeout(TIMEOUT);
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// Has the kernel do what `request` says.
    ///
    /// # Errors
    ///
    /// The errno the kernel answers with.
    pub(super) fn change(&mut self, request: &Request) -> Result {
        self.exchange(request, &mut [0; ACK_SIZE], |_| Ok(()))?
    }

    /// The same of something that is to be there only once.
    ///
    /// # Errors
    ///
    /// The same; `EEXIST` where it was there before.
    pub(super) fn make(&mut self, request: &Request) -> Result {
        match self.exchange(request, &mut [0; ACK_SIZE], |_| Ok(())) {
            // The kernel had no memory to say that it has made it, or, what is less likely, that
            // somebody had before, or that it has not.
            Err(ENOBUFS) => match self.change(request) {
                Err(EEXIST) => Ok(()),
                result => result,
            },
            result => result?,
        }
    }

    /// Makes something again that is to be there; whether it was not.
    ///
    /// # Errors
    ///
    /// `ENOMEM` or `ENOBUFS`, where there is no memory to do it, or to say so.
    pub(super) fn restore(&mut self, request: &Request) -> Result<bool> {
        match self.change(request) {
            Ok(()) => Ok(true),
            Err(error @ (ENOMEM | ENOBUFS)) => Err(error),
            // It is there, or cannot be now.
            Err(_) => Ok(false),
        }
    }

    /// Takes back what was done, if it is still there; again where there is no memory for that,
    /// since nobody else will.
    pub(super) fn undo(&mut self, request: &Request) {
        for _ in 0..UNDO_TRIES {
            match self.change(request) {
                Err(ENOMEM | ENOBUFS) => clock::sleep(UNDO_PAUSE),
                _ => return,
            }
        }
    }

    /// All network devices.
    pub(super) fn links(&mut self) -> Result<KVec<Link>> {
        let mut buffer = KVVec::from_elem(0, DUMP_SIZE, GFP_KERNEL)?;
        let mut links = KVec::new();

        self.exchange(&Request::DumpLinks, &mut buffer, |body| {
            if let Body::Link(link) = body {
                links.push(link, GFP_KERNEL)?;
            }
            Ok(())
        })??;
        Ok(links)
    }

    /// All IPv4 addresses.
    pub(super) fn addresses(&mut self) -> Result<KVec<Address>> {
        let mut buffer = KVVec::from_elem(0, DUMP_SIZE, GFP_KERNEL)?;
        let mut addresses = KVec::new();

        self.exchange(&Request::DumpAddresses, &mut buffer, |body| {
            if let Body::Address(address) = body {
                addresses.push(address, GFP_KERNEL)?;
            }
            Ok(())
        })??;
        Ok(addresses)
    }

    /// All IPv6 addresses.
    pub(super) fn ipv6_addresses(&mut self) -> Result<KVec<Ipv6Address>> {
        let mut buffer = KVVec::from_elem(0, DUMP_SIZE, GFP_KERNEL)?;
        let mut addresses = KVec::new();

        self.exchange(&Request::DumpIpv6Addresses, &mut buffer, |body| {
            if let Body::Ipv6Address(address) = body {
                addresses.push(address, GFP_KERNEL)?;
            }
            Ok(())
        })??;
        Ok(addresses)
    }

    /// Sends a request, and has each answer taken in; what the kernel has said in the end.
    ///
    /// # Errors
    ///
    /// The errno for which no more is heard of what has become of the request.
    fn exchange(
        &mut self,
        request: &Request,
        buffer: &mut [u8],
        mut each: impl FnMut(Body) -> Result,
    ) -> Result<Result> {
        let mut message = [0; MAX_LENGTH];

        self.sequence = self.sequence.wrapping_add(1);
        let length = request.write(self.sequence, &mut message);
        let Some(message) = length.and_then(|length| message.get(..length)) else {
            return Ok(Err(EMSGSIZE));
        };
        if let Err(error) = self.socket.send_all(message) {
            return Ok(Err(error));
        }
        loop {
            let length = self.socket.receive(buffer)?;
            let datagram = buffer.get(..length).unwrap_or_default();
            for answer in answers(datagram) {
                if answer.sequence != self.sequence {
                    continue;
                }
                match answer.body {
                    Body::Done | Body::Error(0) => return Ok(Ok(())),
                    Body::Error(errno) => return Ok(Err(Error::from_errno(errno))),
                    Body::Other => {}
                    body => each(body)?,
                }
            }
        }
    }
}

#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
#[kunit_tests(iscsi_init_netlink)]
mod tests {
    use super::*;
    use crate::proto::{
        config::interface::Route,
        rtnetlink::request::{
            Change,
            RouteProtocol, //
        }, //
    };
    use core::net::Ipv4Addr;

    /// A device that there is not.
    const NO_DEVICE: i32 = i32::MAX;
    /// TEST-NET-1 (RFC 5737).
    const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);

    fn loopback(netlink: &mut Netlink) -> Result<Link> {
        let links = netlink.links()?;
        links.into_iter().find(Link::is_loopback).ok_or(ENODEV)
    }

    fn set_up(index: i32, up: bool) -> Request {
        Request::SetUp { index, up }
    }

    fn address(index: i32, change: Change) -> Request {
        Request::Address {
            change,
            index,
            address: ADDRESS,
            prefix_length: 24,
            broadcast: None,
        }
    }

    fn has_address(netlink: &mut Netlink, index: i32) -> Result<bool> {
        let addresses = netlink.addresses()?;
        Ok(addresses.iter().any(|known| {
            known.index == index && known.address == ADDRESS && known.prefix_length == 24
        }))
    }

    #[test]
    fn a_link_goes_up_and_down_and_is_listed_so() -> Result {
        let mut netlink = Netlink::new()?;
        let link = loopback(&mut netlink)?;
        assert_eq!(link.name.as_str(), "lo");
        assert!(!link.is_up());
        assert!(!link.is_ethernet());

        netlink.change(&set_up(link.index, true))?;
        let up = loopback(&mut netlink);
        netlink.change(&Request::SetMtu {
            index: link.index,
            mtu: 4_321,
        })?;
        let small = loopback(&mut netlink);
        netlink.change(&Request::SetMtu {
            index: link.index,
            mtu: link.mtu,
        })?;
        netlink.change(&set_up(link.index, false))?;
        let up = up?;
        assert!(up.is_up());
        assert!(up.carrier);
        assert_eq!(small?.mtu, 4_321);
        assert_eq!(loopback(&mut netlink)?, link);
        Ok(())
    }

    #[test]
    fn an_address_is_listed_until_it_is_deleted() -> Result {
        let mut netlink = Netlink::new()?;
        let index = loopback(&mut netlink)?.index;
        assert!(!has_address(&mut netlink, index)?);
        netlink.change(&address(index, Change::Add))?;
        let listed = has_address(&mut netlink, index)?;
        let twice = netlink.change(&address(index, Change::Add));
        netlink.change(&address(index, Change::Delete))?;
        assert!(listed);
        assert_eq!(twice, Err(EEXIST));
        assert!(!has_address(&mut netlink, index)?);
        Ok(())
    }

    #[test]
    fn a_refused_request_gives_its_errno() -> Result {
        let mut netlink = Netlink::new()?;
        let index = loopback(&mut netlink)?.index;
        let route = Request::Route {
            change: Change::Delete,
            index,
            route: Route {
                destination: ADDRESS,
                prefix_length: 32,
                gateway: None,
            },
            protocol: RouteProtocol::Boot,
        };
        assert_eq!(netlink.change(&set_up(NO_DEVICE, true)), Err(ENODEV));
        assert_eq!(netlink.change(&route), Err(ESRCH));
        let none = netlink.change(&address(index, Change::Delete));
        assert_eq!(none, Err(crate::linux::errno::EADDRNOTAVAIL));
        // An error is the answer to one request, and the next one has its own.
        assert!(netlink.links().is_ok());
        Ok(())
    }
}
