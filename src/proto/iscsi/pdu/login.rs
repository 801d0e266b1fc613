// SPDX-License-Identifier: GPL-2.0-only

//! The Login Request and the Login Response.
//!
//! Source: RFC 7143 sections 11.12 and 11.13.

use zerocopy::{
    transmute,
    transmute_ref, //
};

use crate::proto::{
    iscsi::{
        bhs::{
            self,
            Lengths, //
        },
        error::{
            LoginStatus,
            Violation, //
        },
        opcode::Opcode,
        pdu::response::Numbers,
        tag::Itt,
        HEADER_LENGTH, //
    },
    serial::Serial, //
};

/// A stage of the Login Phase, or its end (RFC 7143 section 11.12.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stage {
    /// SecurityNegotiation.
    Security,
    /// LoginOperationalNegotiation.
    Operational,
    /// FullFeaturePhase.
    FullFeature,
}

impl Stage {
    /// The wire value of CSG and NSG.
    pub const fn value(self) -> u8 {
        match self {
            Self::Security => 0,
            Self::Operational => 1,
            Self::FullFeature => 3,
        }
    }
}

/// The CID of a session's only connection.
pub const CID: u16 = 0;

const TRANSIT: u8 = 0x80;
const CONTINUE: u8 = 0x40;
const STAGE_MASK: u8 = 0x03;

/// A Login Request of a new session (RFC 7143 section 11.12).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LoginRequest {
    /// The current stage.
    pub current: Stage,
    /// The stage that it asks to move on to, if it does.
    pub next: Option<Stage>,
    /// The initiator's part of the session's identifier.
    pub isid: [u8; 6],
    /// The tag of the whole login.
    pub itt: Itt,
    /// The number that the first command will take.
    pub cmd_sn: Serial,
    /// The next StatSN expected; means nothing in the first request.
    pub exp_stat_sn: Serial,
    /// Bytes of text behind the header.
    pub data_length: u32,
}

impl LoginRequest {
    /// The only version there is (RFC 7143 section 11.12.4).
    pub(in crate::proto::iscsi) const VERSION: u8 = 0;

    /// The header.
    pub fn emit(&self) -> [u8; HEADER_LENGTH] {
        let transit = match self.next {
            Some(next) => TRANSIT | next.value(),
            None => 0,
        };
        transmute!(bhs::LoginRequest {
            opcode: Opcode::LOGIN_REQUEST.value() | Opcode::IMMEDIATE,
            flags: transit | (self.current.value() << 2),
            version_max: Self::VERSION,
            version_min: Self::VERSION,
            lengths: Lengths::of_data(self.data_length),
            isid: self.isid,
            // RFC 7143 section 11.12.6: zero asks for a new session.
            tsih: 0.into(),
            itt: self.itt.value().into(),
            cid: CID.into(),
            reserved_22: [0; 2],
            cmd_sn: self.cmd_sn.value().into(),
            exp_stat_sn: self.exp_stat_sn.value().into(),
            reserved_32: [0; 16],
        })
    }
}

/// A Login Response (RFC 7143 section 11.13).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LoginResponse {
    /// Whether the login goes on.
    pub status: LoginStatus,
    /// Whether the current stage ends.
    pub transit: bool,
    /// Whether the text goes on in the next response.
    pub more: bool,
    /// CSG.
    pub current: u8,
    /// NSG.
    pub next: u8,
    /// Version-active.
    pub version: u8,
    /// The target's part of the session's identifier.
    pub tsih: u16,
    /// The tag of the login.
    pub itt: Itt,
    /// Numbers, which mean something only if the login goes on.
    pub numbers: Numbers,
    /// Bytes of text behind the header.
    pub data_length: u32,
}

impl LoginResponse {
    /// Parses a header.
    ///
    /// # Errors
    ///
    /// [`Violation::NotALoginResponse`].
    pub fn parse(header: &[u8; HEADER_LENGTH]) -> Result<Self, Violation> {
        let header: &bhs::LoginResponse = transmute_ref!(header);
        let opcode = Opcode::of(header.opcode);
        if opcode != Opcode::LOGIN_RESPONSE {
            return Err(Violation::NotALoginResponse(opcode));
        }
        Ok(Self {
            status: LoginStatus {
                class: header.status_class,
                detail: header.status_detail,
            },
            transit: header.flags & TRANSIT != 0,
            more: header.flags & CONTINUE != 0,
            current: (header.flags >> 2) & STAGE_MASK,
            next: header.flags & STAGE_MASK,
            version: header.version_active,
            tsih: header.tsih.get(),
            itt: Itt::new(header.itt.get()),
            numbers: Numbers::new(&header.numbers, true),
            data_length: header.lengths.data(),
        })
    }
}
