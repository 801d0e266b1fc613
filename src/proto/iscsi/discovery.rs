// SPDX-License-Identifier: GPL-2.0-only

//! SendTargets: what targets there are behind a portal, and where each is reached.
//!
//! Source: RFC 7143 sections 4.3 and 11.10, appendix C.

use core::net::IpAddr;

use crate::proto::{
    bytes::{
        self,
        Writer, //
    },
    iscsi::{
        error::{
            Error,
            Malformed,
            Misuse,
            Unsupported,
            Violation, //
        },
        keys::Key,
        login::{
            target_address,
            Established, //
        },
        pdu::{
            response::{
                Event,
                Received, //
            },
            text::Continuation, //
        },
        quirk::Quirks,
        session::Session,
        tag::Itt,
        text::{
            self,
            Assembler, //
        },
        HEADER_LENGTH, //
    },
};

/// The tag of the one negotiation.
const TEXT_ITT: Itt = Itt::new(1);
/// The tag of the Logout Request.
const LOGOUT_ITT: Itt = Itt::new(2);

/// What a target says of itself or of others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Item<'a> {
    /// There is a target of this name; what follows is about it.
    Target(&'a str),
    /// It is reached at this address and port, in the portal group of this tag.
    Address(IpAddr, u16, Option<u16>),
}

/// What a PDU led to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Progress {
    /// Nothing yet: receive the next PDU.
    Wait,
    /// There is more text: send the next request.
    Request,
    /// That was all.
    Done,
}

/// A discovery session, from the end of its login to its end.
///
/// Send what [`Discovery::request`] gives, then hand each PDU to [`Discovery::response`] and do
/// what it says; in the end, and after an error, send [`Discovery::logout`] and close the
/// connection.
#[derive(Debug)]
pub struct Discovery<'a> {
    session: Session,
    assembler: Assembler<'a>,
    continuation: Option<Continuation>,
    exchanges: u32,
    text_length: usize,
}

impl<'a> Discovery<'a> {
    /// No portal has as much to say, in bytes of text.
    const TEXT_MAX: usize = 1 << 20;
    /// No portal takes as many exchanges.
    const EXCHANGES_MAX: u32 = 2_048;

    /// The session that a login without a target's name established; it keeps in `partial` what
    /// goes on in the next PDU.
    pub fn new(established: &Established, partial: &'a mut [u8; text::PARTIAL]) -> Self {
        Self {
            session: Session::new(established),
            assembler: Assembler::new(partial),
            continuation: None,
            exchanges: 0,
            text_length: 0,
        }
    }

    /// Writes the next request, header and padded text, to the front of `buffer`; returns its
    /// length in bytes.
    ///
    /// # Errors
    ///
    /// [`Misuse::BufferTooSmall`].
    pub fn request(&self, buffer: &mut [u8]) -> Result<usize, Error> {
        let (header, data) = buffer
            .split_first_chunk_mut::<HEADER_LENGTH>()
            .ok_or(Misuse::BufferTooSmall)?;
        let mut text = Writer::new(data);
        // RFC 7143 section 6.2: text that goes on is answered with none.
        if self.continuation.is_none() {
            text::put_pair(&mut text, Key::SendTargets, "All").ok_or(Misuse::BufferTooSmall)?;
        }
        let length = text.len();
        let padding = bytes::padding(length);
        text.put([0; 3].get(..padding).unwrap_or_default())
            .ok_or(Misuse::BufferTooSmall)?;
        let padded = text.len();
        let length = u32::try_from(length).map_err(|_| Misuse::BufferTooSmall)?;
        let continuation = self.continuation.unwrap_or(Continuation::none());
        *header = self.session.text(TEXT_ITT, continuation, length);
        Ok(HEADER_LENGTH.saturating_add(padded))
    }

    /// Takes a PDU: its header and its data without padding. `visit` gets each name and address, in
    /// order; an address that is a host name is left out.
    ///
    /// # Errors
    ///
    /// - [`Error::Malformed`] or [`Error::PeerMisbehaved`] when the PDU is not what may follow the
    ///   last request.
    /// - [`Error::Unsupported`] when the target does not tell.
    pub fn response(
        &mut self,
        header: &[u8; HEADER_LENGTH],
        data: &[u8],
        mut visit: impl FnMut(Item<'_>),
    ) -> Result<Progress, Error> {
        let response = match self.session.receive(header)? {
            Received::Text(response) => response,
            Received::Reject(_) => return Err(Unsupported::SendTargets.into()),
            Received::Async(message) if matches!(message.event, Event::LogoutRequested { .. }) => {
                return Err(Unsupported::SendTargets.into());
            }
            // RFC 7143 section 4.3: a ping could not be answered.
            Received::NopIn(_) | Received::Async(_) => return Ok(Progress::Wait),
            _ => return Err(Violation::NotATextResponse.into()),
        };
        if usize::try_from(response.data_length) != Ok(data.len()) {
            return Err(Misuse::DataLength.into());
        }
        if response.itt != TEXT_ITT {
            return Err(Violation::NotATextResponse.into());
        }
        self.exchanges = self.exchanges.saturating_add(1);
        self.text_length = self.text_length.saturating_add(data.len());
        if self.exchanges > Self::EXCHANGES_MAX || self.text_length > Self::TEXT_MAX {
            return Err(Violation::EndlessText.into());
        }
        self.assembler.feed(data, |name, value| {
            let key = Key::from_name(name);
            match key {
                Some(Key::TargetName) => {
                    let name = core::str::from_utf8(value).ok();
                    let name = name.filter(|name| !name.is_empty());
                    visit(Item::Target(name.ok_or(Malformed::TargetName)?));
                    Ok(())
                }
                Some(Key::TargetAddress) => match target_address(value) {
                    Ok((address, port, group)) => {
                        visit(Item::Address(address, port, group));
                        Ok(())
                    }
                    Err(Error::Unsupported(_)) => Ok(()),
                    Err(error) => Err(error),
                },
                _ => Ok(()),
            }
        })?;
        if !response.more {
            self.assembler.finish()?;
        }
        self.continuation = response.continuation;
        Ok(match self.continuation {
            Some(_) => Progress::Request,
            None => Progress::Done,
        })
    }

    /// What the target has done wrong since its login, and is tolerated.
    pub const fn quirks(&self) -> Quirks {
        self.session.quirks().with(self.assembler.quirks())
    }

    /// The request that ends the session.
    pub fn logout(&mut self) -> [u8; HEADER_LENGTH] {
        self.session.logout(LOGOUT_ITT)
    }
}
