// SPDX-License-Identifier: GPL-2.0-only

//! What routers advertise beside addresses: name servers. The kernel keeps nothing of that, but
//! hands it on as it comes in, so whoever wants it has to listen before.

use crate::{
    linux::{
        errno::ENOBUFS,
        socket::Socket, //
    },
    proto::{
        nd_option::Resolver,
        rtnetlink::answer::{
            answers,
            Body, //
        },
    }, //
};
use kernel::prelude::*;

/// Room for the longest option and what is around it.
const MESSAGE_SIZE: usize = 4_096;
/// How many messages are taken in at a time.
const MESSAGES: usize = 256;

/// Listens to the routers of all links.
pub(super) struct Advertised {
    socket: Socket,
    buffer: KVec<u8>,
    /// What each link's say, by the device's number.
    resolvers: KVec<(i32, Resolver)>,
}

impl Advertised {
    /// Begins to listen.
    pub(super) fn new() -> Result<Self> {
        let socket = Socket::rtnetlink_nd_options()?;
        socket.set_timeout(0);
        Ok(Self {
            socket,
            buffer: KVec::from_elem(0, MESSAGE_SIZE, GFP_KERNEL)?,
            resolvers: KVec::new(),
        })
    }

    /// What routers have said until now on the link of the device with the number `index`.
    pub(super) fn on(&mut self, index: i32) -> Result<Option<&Resolver>> {
        for _ in 0..MESSAGES {
            let length = match self.socket.receive(&mut self.buffer) {
                Ok(length) => length,
                // Some were too many, which is told once; the others are there.
                Err(ENOBUFS) => continue,
                Err(_) => break,
            };
            for answer in answers(self.buffer.get(..length).unwrap_or_default()) {
                let Body::Advertised(index, option) = answer.body else {
                    continue;
                };
                let known = self.resolvers.iter_mut().find(|known| known.0 == index);
                match known {
                    Some((_, resolver)) => resolver.hear(&option),
                    None => {
                        let mut resolver = Resolver::default();
                        resolver.hear(&option);
                        self.resolvers.push((index, resolver), GFP_KERNEL)?;
                    }
                }
            }
        }
        let mut resolvers = self.resolvers.iter();
        let known = resolvers.find(|known| known.0 == index);
        Ok(known.map(|(_, resolver)| resolver))
    }
}
