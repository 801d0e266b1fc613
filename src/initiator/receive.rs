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
    linux::tcp::Chunk,
    proto::iscsi::{
        frame::Frame,
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
    header: [u8; HEADER_LENGTH],
    header_length: usize,
    /// The PDU whose header has arrived.
    pdu: Option<Received>,
    /// Where its next data belongs, if it is a command's.
    place: Option<u32>,
    data_left: u32,
    padding_left: u32,
    side: [u8; SIDE_SIZE],
    side_length: usize,
}

impl Receive {
    /// Nothing has been received.
    pub(super) fn new() -> Self {
        Self {
            header: [0; HEADER_LENGTH],
            header_length: 0,
            pdu: None,
            place: None,
            data_left: 0,
            padding_left: 0,
            side: [0; SIDE_SIZE],
            side_length: 0,
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
                let room = self
                    .header
                    .get_mut(self.header_length..)
                    .unwrap_or_default();
                let taken = chunk.take(room).map_err(Failure::Socket)?;
                self.header_length = self.header_length.saturating_add(taken);
                if self.header_length < HEADER_LENGTH {
                    continue;
                }
                self.start(session, tasks)?;
            } else if self.data_left > 0 {
                self.data(tasks, chunk)?;
            } else {
                let skipped = chunk.skip(self.padding_left);
                self.padding_left = self.padding_left.saturating_sub(skipped);
            }
            if self.pdu.is_some() && self.data_left == 0 && self.padding_left == 0 {
                self.header_length = 0;
                return Ok(self.pdu.take());
            }
        }
        Ok(None)
    }

    /// What was kept of the last PDU's data.
    pub(super) fn side(&self) -> &[u8] {
        self.side.get(..self.side_length).unwrap_or_default()
    }

    fn start(&mut self, session: &mut Session, tasks: &mut Tasks) -> Result<(), Failure> {
        let limit = session.parameters().max_receive_data_segment_length;
        let frame = Frame::of(&self.header, limit)?;
        let pdu = session.receive(&self.header)?;

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
        // CAST: 0 to 3.
        self.padding_left = frame.padding as u32;
        self.side_length = 0;
        self.pdu = Some(pdu);
        Ok(())
    }

    fn data(&mut self, tasks: &mut Tasks, chunk: &mut Chunk<'_>) -> Result<(), Failure> {
        let taken = match (&self.pdu, &mut self.place) {
            (Some(Received::DataIn(data_in)), Some(place)) => {
                let running = tasks.get(data_in.itt).ok_or(Failure::LostTask)?;
                let cursor = &mut running.cursor;
                let taken = running
                    .command
                    .receive(cursor, *place, chunk, self.data_left)
                    .map_err(Failure::Socket)?;
                *place = place.saturating_add(taken);
                taken
            }
            _ => {
                // CAST: 32 bits fit a machine word, and what was taken fits the side buffer.
                let room = self.side.get_mut(self.side_length..).unwrap_or_default();
                let wanted = room.len().min(self.data_left as usize);
                match room.get_mut(..wanted) {
                    Some(room) if !room.is_empty() => {
                        let taken = chunk.take(room).map_err(Failure::Socket)?;
                        self.side_length = self.side_length.saturating_add(taken);
                        taken as u32
                    }
                    _ => chunk.skip(self.data_left),
                }
            }
        };
        self.data_left = self.data_left.saturating_sub(taken);
        Ok(())
    }
}
