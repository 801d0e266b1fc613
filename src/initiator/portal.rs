// SPDX-License-Identifier: GPL-2.0-only

//! A connection to a portal that a thread talks over, PDU by PDU: for logins and for discovery.

use super::login::LoginFailure;
use crate::{
    linux::{
        clock,
        errno::EINPROGRESS,
        socket::Socket, //
    },
    proto::{
        config::target::Portal,
        iscsi::{
            error::Error as ProtocolError,
            frame::Frame,
            login::DATA_LENGTH_MAX,
            HEADER_LENGTH, //
        }, //
    }, //
};
use core::net::SocketAddr;
use kernel::prelude::*;

/// The most time one connection attempt or one answer may take, in milliseconds.
pub(super) const STEP_TIMEOUT: u64 = 5_000;

/// A connection, and the time by which all must have been said.
pub(super) struct Connected {
    socket: Socket,
    portal: Portal,
    deadline: u64,
}

impl Connected {
    pub(super) fn new(portal: Portal, deadline: u64) -> Result<Self, LoginFailure> {
        let peer = SocketAddr::new(portal.address, portal.port);
        let failure = |error| LoginFailure::Connect(portal, error);
        let socket = Socket::tcp(&peer).map_err(failure)?;

        let left = deadline.saturating_sub(clock::milliseconds());
        socket.set_timeout(left.min(STEP_TIMEOUT));
        // A connection attempt that its time limit has ended is still under way.
        socket.connect(&peer).map_err(|error| match error {
            EINPROGRESS | EAGAIN => failure(ETIMEDOUT),
            error => failure(error),
        })?;
        Ok(Self {
            socket,
            portal,
            deadline,
        })
    }

    /// The socket, whose connection lives on.
    pub(super) fn into_socket(self) -> Socket {
        self.socket
    }

    /// A failure of the protocol here.
    pub(super) fn protocol(&self, error: ProtocolError) -> LoginFailure {
        LoginFailure::Protocol(self.portal, error)
    }

    pub(super) fn send(&self, bytes: &[u8]) -> Result<(), LoginFailure> {
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
        // CAST: 8192.
        let frame =
            Frame::of(&header, DATA_LENGTH_MAX as u32).map_err(|error| self.protocol(error))?;
        // CAST: `Frame::of` has checked that it is at most DATA_LENGTH_MAX.
        let data_length = frame.data_length as usize;
        let padded = data_length.saturating_add(frame.padding);
        let data = buffer.get_mut(..padded).unwrap_or_default();
        self.fill(data)?;
        Ok((header, data.get(..data_length).unwrap_or_default()))
    }

    fn fill(&self, mut buffer: &mut [u8]) -> Result<(), LoginFailure> {
        while !buffer.is_empty() {
            let left = self.deadline.saturating_sub(clock::milliseconds());
            if left == 0 {
                return Err(LoginFailure::Timeout(self.portal));
            }
            self.socket.set_timeout(left.min(STEP_TIMEOUT));
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
