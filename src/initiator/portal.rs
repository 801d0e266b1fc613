// SPDX-License-Identifier: GPL-2.0-only

//! A connection to a portal that a thread talks over, PDU by PDU: for logins and for discovery.

use super::login::LoginFailure;
use crate::{
    linux::{
        clock,
        crc32c::crc32c,
        errno::EINPROGRESS,
        socket::Socket, //
    },
    proto::{
        config::target::Portal,
        iscsi::{
            digest::{
                Crc32c,
                Digest, //
            },
            error::{
                Error as ProtocolError,
                Violation, //
            },
            frame::Frame,
            login::DATA_LENGTH_MAX,
            opcode::Opcode,
            parameters::Parameters,
            HEADER_LENGTH, //
        }, //
    }, //
};
use core::net::SocketAddr;
use kernel::prelude::*;

/// How long a conversation may take.
#[derive(Clone, Copy)]
pub(super) struct Time {
    /// When all must have been said, on the clock.
    pub(super) deadline: u64,
    /// The most that one connection attempt or one answer may take, in milliseconds.
    pub(super) step: u64,
}

impl Time {
    /// What is left for a step, in milliseconds; 0 when the time is up.
    fn left(self) -> u64 {
        let left = self.deadline.saturating_sub(clock::milliseconds());
        left.min(self.step)
    }
}

/// A connection, and the time that it has.
pub(super) struct Connected {
    socket: Socket,
    portal: Portal,
    time: Time,
    /// What protects headers and data; nothing in the Login Phase.
    digests: (Digest, Digest),
}

impl Connected {
    pub(super) fn new(portal: Portal, time: Time) -> Result<Self, LoginFailure> {
        let peer = SocketAddr::new(portal.address, portal.port);
        let failure = |error| LoginFailure::Connect(portal, error);
        let socket = Socket::tcp(&peer).map_err(failure)?;

        socket.set_timeout(time.left());
        // A connection attempt that its time limit has ended is still under way.
        socket.connect(&peer).map_err(|error| match error {
            EINPROGRESS | EAGAIN => failure(ETIMEDOUT),
            error => failure(error),
        })?;
        Ok(Self {
            socket,
            portal,
            time,
            digests: (Digest::None, Digest::None),
        })
    }

    /// Has what follows take so long.
    pub(super) fn limit(&mut self, time: Time) {
        self.time = time;
    }

    /// Goes on after a login that has agreed on `parameters`.
    pub(super) fn go_on(&mut self, parameters: &Parameters) {
        self.digests = (parameters.header_digest, parameters.data_digest);
    }

    /// Where it leads.
    pub(super) fn portal(&self) -> Portal {
        self.portal
    }

    /// The socket, whose connection lives on.
    pub(super) fn into_socket(self) -> Socket {
        self.socket
    }

    /// A failure of the protocol here.
    pub(super) fn protocol(&self, error: ProtocolError) -> LoginFailure {
        LoginFailure::Protocol(self.portal, error)
    }

    /// Sends one PDU: its header, and its padded data.
    pub(super) fn send(&self, pdu: &[u8]) -> Result<(), LoginFailure> {
        if self.digests == (Digest::None, Digest::None) {
            return self.put(pdu);
        }
        let (header, data) = pdu.split_at_checked(HEADER_LENGTH).unwrap_or((pdu, &[]));
        for (digest, bytes) in [(self.digests.0, header), (self.digests.1, data)] {
            self.put(bytes)?;
            // RFC 7143 section 11.2.4: no data, no digest.
            if digest == Digest::Crc32c && !bytes.is_empty() {
                self.put(&digest_of(bytes))?;
            }
        }
        Ok(())
    }

    fn put(&self, bytes: &[u8]) -> Result<(), LoginFailure> {
        self.socket
            .send_all(bytes)
            .map_err(|error| self.failure(error))
    }

    /// Receives one PDU: its header, and its data, which is put at the front of `buffer`.
    pub(super) fn receive<'a>(
        &self,
        buffer: &'a mut [u8],
    ) -> Result<([u8; HEADER_LENGTH], &'a [u8]), LoginFailure> {
        let mut header = [0; HEADER_LENGTH];
        self.fill(&mut header)?;
        self.check(self.digests.0, &header, Violation::HeaderDigest)?;
        // CAST: 8192.
        let frame =
            Frame::of(&header, DATA_LENGTH_MAX as u32).map_err(|error| self.protocol(error))?;
        // CAST: `Frame::of` has checked that it is at most DATA_LENGTH_MAX.
        let data_length = frame.data_length as usize;
        let padded = data_length.saturating_add(frame.padding);
        let data = buffer.get_mut(..padded).unwrap_or_default();
        self.fill(data)?;
        // RFC 7143 section 11.2.4: no data, no digest.
        if !data.is_empty() {
            let [first, ..] = header;
            let violation = Violation::DataDigest(Opcode::of(first));
            self.check(self.digests.1, data, violation)?;
        }
        Ok((header, data.get(..data_length).unwrap_or_default()))
    }

    /// Receives the digest that follows `bytes`, if one does.
    fn check(
        &self,
        digest: Digest,
        bytes: &[u8],
        violation: Violation,
    ) -> Result<(), LoginFailure> {
        if digest == Digest::None {
            return Ok(());
        }
        let mut received = [0; Digest::LENGTH];
        self.fill(&mut received)?;
        match received == digest_of(bytes) {
            true => Ok(()),
            false => Err(self.protocol(violation.into())),
        }
    }

    fn fill(&self, mut buffer: &mut [u8]) -> Result<(), LoginFailure> {
        while !buffer.is_empty() {
            let left = self.time.left();
            if left == 0 {
                return Err(LoginFailure::Timeout(self.portal));
            }
            self.socket.set_timeout(left);
            let count = self
                .socket
                .receive(buffer)
                .map_err(|error| self.failure(error))?;
            if count == 0 {
                return Err(LoginFailure::Closed(self.portal));
            }
            buffer = buffer.get_mut(count..).unwrap_or_default();
        }
        Ok(())
    }

    fn failure(&self, error: Error) -> LoginFailure {
        match error {
            EAGAIN => LoginFailure::Timeout(self.portal),
            error => LoginFailure::Connection(self.portal, error),
        }
    }
}

/// The digest of `bytes`.
fn digest_of(bytes: &[u8]) -> [u8; Digest::LENGTH] {
    Crc32c(crc32c(Crc32c::START.0, bytes)).bytes()
}
