// SPDX-License-Identifier: GPL-2.0-only

//! The Text Request and the Text Response.
//!
//! Source: RFC 7143 sections 11.10 and 11.11.

use zerocopy::transmute;

use crate::proto::{
    iscsi::{
        bhs::{
            self,
            Lengths, //
        },
        error::Violation,
        lun::Lun,
        opcode::Opcode,
        pdu::FINAL,
        tag::{
            Itt,
            Ttt, //
        },
        HEADER_LENGTH, //
    },
    serial::Serial, //
};

const CONTINUE: u8 = 0x40;

/// A Text Request, immediate and with all there is to say (RFC 7143 section 11.10).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TextRequest {
    /// The tag of the whole negotiation.
    pub itt: Itt,
    /// What the target wants to be asked on with; reserved in the first request.
    pub continuation: Continuation,
    /// The next command's number.
    pub cmd_sn: Serial,
    /// The next StatSN expected.
    pub exp_stat_sn: Serial,
    /// Bytes of text behind the header.
    pub data_length: u32,
}

impl TextRequest {
    /// The header.
    pub fn emit(&self) -> [u8; HEADER_LENGTH] {
        transmute!(bhs::TextRequest {
            opcode: Opcode::TEXT_REQUEST.value() | Opcode::IMMEDIATE,
            flags: FINAL,
            reserved_2: [0; 2],
            lengths: Lengths::of_data(self.data_length),
            lun: self.continuation.lun.to_wire(),
            itt: self.itt.value().into(),
            ttt: self.continuation.ttt.value().into(),
            cmd_sn: self.cmd_sn.value().into(),
            exp_stat_sn: self.exp_stat_sn.value().into(),
            reserved_32: [0; 16],
        })
    }
}

/// What a target names the rest of its text by (RFC 7143 sections 11.10.4 and 11.11.4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Continuation {
    /// The tag.
    pub ttt: Ttt,
    /// The LUN field, which is copied with it.
    pub lun: Lun,
}

impl Continuation {
    /// No rest: what a first request has.
    pub fn none() -> Self {
        Self {
            ttt: Ttt::RESERVED,
            lun: Lun::default(),
        }
    }
}

/// A Text Response (RFC 7143 section 11.11).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TextResponse {
    /// The negotiation it belongs to.
    pub itt: Itt,
    /// With what to ask for the rest; `None` when this is all.
    pub continuation: Option<Continuation>,
    /// Whether the text may end within a pair.
    pub more: bool,
    /// Bytes of text behind the header.
    pub data_length: u32,
}

impl TextResponse {
    pub(super) fn parse(header: &bhs::TextResponse) -> Result<Self, Violation> {
        let is_final = header.flags & FINAL != 0;
        let more = header.flags & CONTINUE != 0;
        let ttt = Ttt::new(header.ttt.get());
        // RFC 7143 sections 11.11.1 and 11.11.2.
        if is_final && more {
            return Err(Violation::FinalWhileContinuing);
        }
        if !is_final && ttt.is_reserved() {
            return Err(Violation::TextWithoutTag);
        }
        Ok(Self {
            itt: Itt::new(header.itt.get()),
            // Some targets leave a tag in the last response, where it means nothing.
            continuation: (!is_final).then_some(Continuation {
                ttt,
                lun: Lun::from_wire(header.lun),
            }),
            more,
            data_length: header.lengths.data(),
        })
    }
}
