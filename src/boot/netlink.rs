// SPDX-License-Identifier: GPL-2.0-only

//! A conversation with the kernel about links, addresses and routes.

use crate::{
    linux::socket::Socket,
    proto::rtnetlink::{
        answer::{
            answers,
            Address,
            Body,
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
/// More than an acknowledgement takes, which repeats the request.
const ACK_SIZE: usize = 512;
/// The kernel answers at once; this only keeps a fault from becoming a hang. Milliseconds.
const TIMEOUT: u64 = 5_000;

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
        self.exchange(request, &mut [0; ACK_SIZE], |_| Ok(()))
    }

    /// All network devices.
    pub(super) fn links(&mut self) -> Result<KVec<Link>> {
        let mut buffer = KVec::from_elem(0, DUMP_SIZE, GFP_KERNEL)?;
        let mut links = KVec::new();

        self.exchange(&Request::DumpLinks, &mut buffer, |body| {
            if let Body::Link(link) = body {
                links.push(link, GFP_KERNEL)?;
            }
            Ok(())
        })?;
        Ok(links)
    }

    /// All IPv4 addresses.
    pub(super) fn addresses(&mut self) -> Result<KVec<Address>> {
        let mut buffer = KVec::from_elem(0, DUMP_SIZE, GFP_KERNEL)?;
        let mut addresses = KVec::new();

        self.exchange(&Request::DumpAddresses, &mut buffer, |body| {
            if let Body::Address(address) = body {
                addresses.push(address, GFP_KERNEL)?;
            }
            Ok(())
        })?;
        Ok(addresses)
    }

    fn exchange(
        &mut self,
        request: &Request,
        buffer: &mut [u8],
        mut each: impl FnMut(Body) -> Result,
    ) -> Result {
        let mut message = [0; MAX_LENGTH];

        self.sequence = self.sequence.wrapping_add(1);
        let length = request.write(self.sequence, &mut message).ok_or(EMSGSIZE)?;
        self.socket
            .send_all(message.get(..length).ok_or(EMSGSIZE)?)?;
        loop {
            let length = self.socket.receive(buffer)?;
            let datagram = buffer.get(..length).unwrap_or_default();
            for answer in answers(datagram) {
                if answer.sequence != self.sequence {
                    continue;
                }
                match answer.body {
                    Body::Done | Body::Error(0) => return Ok(()),
                    Body::Error(errno) => return Err(Error::from_errno(errno)),
                    Body::Other => {}
                    body => each(body)?,
                }
            }
        }
    }
}
