// SPDX-License-Identifier: GPL-2.0-only

//! The received byte stream, taken apart into PDUs where it arrives.
//!
//! The data of a Data-In goes from the network's buffers straight to its place in the command's;
//! anything else that is worth keeping is small and goes to a side buffer.

use super::{
    tasks::Tasks,
    wire::Failure, //
};
use crate::{
    linux::{
        crc32c::crc32c,
        tcp::Chunk, //
    },
    proto::iscsi::{
        digest::{
            Crc32c,
            Digest, //
        },
        error::Violation,
        frame::Frame,
        opcode::Opcode,
        pdu::response::Received,
        session::Session,
        HEADER_LENGTH, //
    },
};
use kernel::prelude::*;

/// Bytes of a PDU's data that are kept when they are not a command's: sense data with its length is
/// at most 254 (SPC-5 section 4.4.2), a rejected header 48.
const SIDE_SIZE: usize = 256;

/// The receiving half of a connection.
pub(super) struct Receive {
    /// A header, and its digest.
    header: [u8; HEADER_LENGTH + Digest::LENGTH],
    header_length: usize,
    /// The PDU whose header has arrived.
    pdu: Option<Received>,
    /// Where its next data belongs, if it is a command's.
    place: Option<u32>,
    data_left: u32,
    side: [u8; SIDE_SIZE],
    side_length: usize,
    /// What the data so far adds up to, when a digest follows it.
    crc: Crc32c,
    /// Padding, and the data's digest.
    end: [u8; END_SIZE],
    end_length: usize,
    end_size: usize,
    padding: usize,
}

/// Padding and a digest at most.
const END_SIZE: usize = 3 + Digest::LENGTH;

impl Receive {
    /// Nothing has been received.
    pub(super) fn new() -> Self {
        Self {
            header: [0; HEADER_LENGTH + Digest::LENGTH],
            header_length: 0,
            pdu: None,
            place: None,
            data_left: 0,
            side: [0; SIDE_SIZE],
            side_length: 0,
            crc: Crc32c::START,
            end: [0; END_SIZE],
            end_length: 0,
            end_size: 0,
            padding: 0,
        }
    }

    /// Takes bytes until a PDU is complete, which is returned, or until `chunk` is used up.
    pub(super) fn next(
        &mut self,
        session: &mut Session,
        tasks: &mut Tasks,
        chunk: &mut Chunk<'_>,
    ) -> Result<Option<Received>, Failure> {
        while chunk.len() > 0 {
            if self.pdu.is_none() {
                let digest = session.parameters().header_digest;
                let size = HEADER_LENGTH.saturating_add(digest.length());
                take(chunk, &mut self.header, &mut self.header_length, size)?;
                if self.header_length < size {
                    continue;
                }
                self.start(session, tasks)?;
            } else if self.data_left > 0 {
                self.data(session.parameters().data_digest, tasks, chunk)?;
            } else {
                take(chunk, &mut self.end, &mut self.end_length, self.end_size)?;
            }
            if self.pdu.is_some() && self.data_left == 0 && self.end_length == self.end_size {
                self.check_data(session.parameters().data_digest)?;
                self.header_length = 0;
                return Ok(self.pdu.take());
            }
        }
        Ok(None)
    }

    /// Whether all PDUs that have begun are complete.
    pub(super) fn is_between(&self) -> bool {
        self.header_length == 0
    }

    /// How much is to come of the PDU under way.
    pub(super) fn expected(&self) -> u32 {
        let end = self.end_size.saturating_sub(self.end_length);
        match self.pdu {
            // CAST: At most END_SIZE.
            Some(_) => self.data_left.saturating_add(end as u32),
            None => 0,
        }
    }

    /// What was kept of the last PDU's data.
    pub(super) fn side(&self) -> &[u8] {
        self.side.get(..self.side_length).unwrap_or_default()
    }

    fn start(&mut self, session: &mut Session, tasks: &mut Tasks) -> Result<(), Failure> {
        let parameters = session.parameters();
        let limit = parameters.max_receive_data_segment_length;
        let data_digest = parameters.data_digest;
        let (header, digest) = self
            .header
            .split_first_chunk::<HEADER_LENGTH>()
            .ok_or(Failure::LostTask)?;
        // RFC 7143 section 7.8: nothing in a damaged header can be relied on.
        if parameters.header_digest == Digest::Crc32c
            && *digest != Crc32c(crc32c(Crc32c::START.0, header)).bytes()
        {
            return Err(Failure::Protocol(Violation::HeaderDigest.into()));
        }
        let frame = Frame::of(header, limit)?;
        let pdu = session.receive(header)?;

        self.place = None;
        if let Received::DataIn(data_in) = &pdu {
            let running = tasks.get(data_in.itt);
            let task = running.and_then(|running| running.task.as_mut());
            let range = task
                .ok_or(Failure::UnknownTask(data_in.itt))?
                .data_in(data_in)?;
            self.place = Some(range.start);
        }
        self.data_left = frame.data_length;
        self.side_length = 0;
        self.crc = Crc32c::START;
        self.padding = frame.padding;
        self.end_length = 0;
        // RFC 7143 section 11.2.4: no data, no digest.
        self.end_size = match frame.data_length {
            0 => 0,
            _ => frame.padding.saturating_add(data_digest.length()),
        };
        self.pdu = Some(pdu);
        Ok(())
    }

    fn data(
        &mut self,
        digest: Digest,
        tasks: &mut Tasks,
        chunk: &mut Chunk<'_>,
    ) -> Result<(), Failure> {
        let taken = match (&self.pdu, &mut self.place) {
            (Some(Received::DataIn(data_in)), Some(place)) => {
                let running = tasks.get(data_in.itt).ok_or(Failure::LostTask)?;
                let crc = match digest {
                    Digest::None => None,
                    Digest::Crc32c => Some(&mut self.crc.0),
                };
                let taken = running
                    .command
                    .receive(*place, chunk, self.data_left, crc)
                    .map_err(Failure::Socket)?;
                *place = place.saturating_add(taken);
                taken
            }
            _ => {
                if digest == Digest::Crc32c {
                    self.crc = Crc32c(chunk.crc32c(self.data_left, self.crc.0));
                }
                // CAST: 32 bits fit a machine word.
                let size = SIDE_SIZE.min(self.side_length.saturating_add(self.data_left as usize));
                let kept = take(chunk, &mut self.side, &mut self.side_length, size)?;
                kept.saturating_add(chunk.skip(self.data_left.saturating_sub(kept)))
            }
        };
        self.data_left = self.data_left.saturating_sub(taken);
        Ok(())
    }

    /// Whether the data is what its digest says, once both are complete.
    fn check_data(&self, digest: Digest) -> Result<(), Failure> {
        if digest == Digest::None || self.end_size == 0 {
            return Ok(());
        }
        // RFC 7143 section 11.2.4: the digest covers the padding too.
        let (padding, received) = self
            .end
            .get(..self.end_size)
            .and_then(|end| end.split_at_checked(self.padding))
            .ok_or(Failure::LostTask)?;
        if *received != Crc32c(crc32c(self.crc.0, padding)).bytes() {
            let [first, ..] = self.header;
            return Err(Failure::Protocol(
                Violation::DataDigest(Opcode::of(first)).into(),
            ));
        }
        Ok(())
    }
}

/// Takes bytes into `buffer`, which has `length` and is to have `size`; returns how many.
fn take(
    chunk: &mut Chunk<'_>,
    buffer: &mut [u8],
    length: &mut usize,
    size: usize,
) -> Result<u32, Failure> {
    let room = buffer.get_mut(*length..size).unwrap_or_default();
    let taken = chunk.take(room).map_err(Failure::Socket)?;
    *length = length.saturating_add(taken);
    // CAST: At most the size of a small buffer.
    Ok(taken as u32)
}
