// SPDX-License-Identifier: GPL-2.0-only

//! The PDUs a target sends after the login, parsed from their headers.
//!
//! A value of these types is legal as far as one header can tell; whether it fits its task and its
//! session is for [`super::super::task`] and [`super::super::session`]. Source: RFC 7143 sections
//! 11.4, 11.6 to 11.9, 11.11, 11.15, 11.17 and 11.19.

mod codes;

pub use self::codes::{
    FunctionResponse,
    RejectReason,
    ScsiStatus, //
};

use zerocopy::{
    transmute_ref,
    FromBytes, //
};

use crate::proto::{
    bytes::Reader,
    iscsi::{
        bhs,
        error::{
            Error,
            Violation, //
        },
        lun::Lun,
        opcode::Opcode,
        pdu::text::TextResponse,
        tag::{
            Itt,
            Ttt, //
        },
        HEADER_LENGTH, //
    },
    scsi::sense::Sense,
    serial::Serial, //
};

/// A PDU from the target.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Received {
    /// SCSI Response.
    ScsiResponse(ScsiResponse),
    /// SCSI Data-In.
    DataIn(DataIn),
    /// Ready To Transfer.
    R2t(R2t),
    /// NOP-In.
    NopIn(NopIn),
    /// Task Management Function Response.
    TaskManagement(TaskManagementResponse),
    /// Text Response.
    Text(TextResponse),
    /// Logout Response.
    Logout(LogoutResponse),
    /// Asynchronous Message.
    Async(AsynchronousMessage),
    /// Reject.
    Reject(Reject),
}

impl Received {
    /// The task the PDU belongs to; `None` for one that belongs to none.
    pub const fn itt(&self) -> Option<Itt> {
        match self {
            Self::ScsiResponse(pdu) => Some(pdu.itt),
            Self::DataIn(pdu) => Some(pdu.itt),
            Self::R2t(pdu) => Some(pdu.itt),
            Self::NopIn(NopIn::Reply { itt, .. }) => Some(*itt),
            Self::NopIn(_) | Self::Async(_) | Self::Reject(_) => None,
            Self::TaskManagement(pdu) => Some(pdu.itt),
            Self::Text(pdu) => Some(pdu.itt),
            Self::Logout(pdu) => Some(pdu.itt),
        }
    }
}

/// The numbering fields of a PDU from the target.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Numbers {
    /// This PDU's status number; `None` when the PDU does not use one up.
    pub stat_sn: Option<Serial>,
    /// The next command the target expects.
    pub exp_cmd_sn: Serial,
    /// The last command the target has room for.
    pub max_cmd_sn: Serial,
}

impl Numbers {
    /// The fields of a PDU that uses up a StatSN if `counted`.
    pub(in crate::proto::iscsi) fn new(fields: &bhs::Numbers, counted: bool) -> Self {
        Self {
            stat_sn: counted.then_some(Serial::new(fields.stat_sn.get())),
            exp_cmd_sn: Serial::new(fields.exp_cmd_sn.get()),
            max_cmd_sn: Serial::new(fields.max_cmd_sn.get()),
        }
    }
}

/// How the bytes moved differ from the bytes expected, as the target counts them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Residual {
    /// Not at all.
    None,
    /// This many bytes of the buffer were not used.
    Underflow(u32),
    /// This many bytes had no room in the buffer.
    Overflow(u32),
}

impl Residual {
    const OVERFLOW: u8 = 0x04;
    const UNDERFLOW: u8 = 0x02;

    // RFC 7143 section 11.4.5.1: the count means nothing when neither bit is set; both are a
    // protocol error.
    fn parse(flags: u8, count: u32) -> Result<Self, Violation> {
        match (flags & Self::OVERFLOW != 0, flags & Self::UNDERFLOW != 0) {
            (false, false) => Ok(Self::None),
            (false, true) => Ok(Self::Underflow(count)),
            (true, false) => Ok(Self::Overflow(count)),
            (true, true) => Err(Violation::BothResiduals),
        }
    }
}

/// The end of a command, from a SCSI Response or from the last Data-In.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Status {
    /// The SCSI status.
    pub status: ScsiStatus,
    /// How the bytes moved differ from the bytes expected.
    pub residual: Residual,
}

/// A SCSI Response (RFC 7143 section 11.4).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ScsiResponse {
    /// The task it ends.
    pub itt: Itt,
    /// How the command ended; `Err` holds the response code of one that did not complete at the
    /// target.
    pub outcome: Result<Status, u8>,
    /// Data-In or R2T PDUs the target sent for the command.
    pub exp_data_sn: u32,
    /// Bytes of sense and response data behind the header.
    pub data_length: u32,
}

impl ScsiResponse {
    const COMPLETED: u8 = 0;
    /// RFC 7143 section 11.4.2: the residual bits of the only direction there is.
    fn parse(header: &bhs::ScsiResponse) -> Result<Self, Violation> {
        let status = ScsiStatus::new(header.status);
        let data_length = header.lengths.data();
        // RFC 7143 section 11.4.3: with any other response the status and the flags mean nothing.
        let outcome = if header.response == Self::COMPLETED {
            if status == ScsiStatus::CHECK_CONDITION && data_length == 0 {
                return Err(Violation::CheckConditionWithoutSense);
            }
            let residual = Residual::parse(header.flags, header.residual_count.get())?;
            Ok(Status { status, residual })
        } else {
            Err(header.response)
        };
        Ok(Self {
            itt: task_tag(header.itt.get(), Opcode::SCSI_RESPONSE)?,
            outcome,
            exp_data_sn: header.exp_data_sn.get(),
            data_length,
        })
    }
}

/// The sense data in the data segment of a SCSI Response, or in that of an Asynchronous Message for
/// event 0.
///
/// Shorter than SenseLength says when the segment is (RFC 7143 section 11.4.7).
pub fn sense(data: &[u8]) -> &[u8] {
    let mut reader = Reader::new(data);
    let length = reader.be_u16().map_or(0, usize::from);
    let rest = reader.rest();
    rest.get(..length).unwrap_or(rest)
}

/// The sense data in the data segment of a SCSI Response with the status CHECK CONDITION.
///
/// # Errors
///
/// [`Violation::CheckConditionWithoutSense`] where it is none: whoever passed that on would be
/// asked to fetch the sense data, which a target does not keep (RFC 7143 section 11.4.7).
pub fn autosense(data: &[u8]) -> Result<&[u8], Error> {
    Some(sense(data))
        .filter(|sense| Sense::is_present(sense))
        .ok_or(Violation::CheckConditionWithoutSense.into())
}

/// A SCSI Data-In (RFC 7143 section 11.7).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DataIn {
    /// The task it belongs to.
    pub itt: Itt,
    /// Its place among the task's Data-In, from 0.
    pub data_sn: u32,
    /// Where its data belongs in the command's buffer, in bytes.
    pub offset: u32,
    /// Bytes of data behind the header.
    pub length: u32,
    /// How the command ended, if this ends it.
    pub status: Option<Status>,
}

// The A bit means nothing at error recovery level 0 (RFC 7143 section 11.7.2).
impl DataIn {
    const FINAL: u8 = 0x80;
    const STATUS: u8 = 0x01;

    fn parse(header: &bhs::DataIn) -> Result<Self, Violation> {
        let status = if header.flags & Self::STATUS == 0 {
            None
        } else {
            if header.flags & Self::FINAL == 0 {
                return Err(Violation::StatusBeforeEnd);
            }
            let status = ScsiStatus::new(header.status);
            if !status.is_success() {
                return Err(Violation::ErrorStatusInDataIn(header.status));
            }
            let residual = Residual::parse(header.flags, header.residual_count.get())?;
            Some(Status { status, residual })
        };
        Ok(Self {
            itt: task_tag(header.itt.get(), Opcode::DATA_IN)?,
            data_sn: header.data_sn.get(),
            offset: header.buffer_offset.get(),
            length: header.lengths.data(),
            status,
        })
    }
}

/// A Ready To Transfer (RFC 7143 section 11.8).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct R2t {
    /// The task it belongs to.
    pub itt: Itt,
    /// The tag to copy into the data.
    pub ttt: Ttt,
    /// The logical unit, to copy into the data.
    pub lun: Lun,
    /// Its place among the task's R2Ts, from 0.
    pub r2t_sn: u32,
    /// Where the wanted data begins in the command's buffer, in bytes.
    pub offset: u32,
    /// Bytes wanted, at least one.
    pub length: u32,
}

impl R2t {
    fn parse(header: &bhs::R2t) -> Result<Self, Violation> {
        no_data(&header.lengths, Opcode::R2T)?;
        let ttt = Ttt::new(header.ttt.get());
        if ttt.is_reserved() {
            return Err(Violation::R2tWithoutTag);
        }
        let length = header.desired_data_transfer_length.get();
        if length == 0 {
            return Err(Violation::R2tForNothing);
        }
        Ok(Self {
            itt: task_tag(header.itt.get(), Opcode::R2T)?,
            ttt,
            lun: Lun::from_wire(header.lun),
            r2t_sn: header.r2t_sn.get(),
            offset: header.buffer_offset.get(),
            length,
        })
    }
}

/// A NOP-In (RFC 7143 section 11.19).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NopIn {
    /// The answer to our ping.
    Reply {
        /// The tag of the ping.
        itt: Itt,
        /// Bytes of data behind the header.
        data_length: u32,
    },
    /// A ping that must be answered.
    Ping(Ping),
    /// Nothing but numbers.
    Notice,
}

/// A NOP-In that must be answered with a NOP-Out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ping {
    /// The tag to copy into the answer.
    pub ttt: Ttt,
    /// The LUN to copy into the answer.
    pub lun: Lun,
}

impl NopIn {
    fn parse(header: &bhs::NopIn) -> Result<Self, Violation> {
        let itt = Itt::new(header.itt.get());
        let ttt = Ttt::new(header.ttt.get());
        match (itt.is_reserved(), ttt.is_reserved()) {
            (false, true) => Ok(Self::Reply {
                itt,
                data_length: header.lengths.data(),
            }),
            (false, false) => Err(Violation::PingAndReply),
            (true, reserved) => {
                // RFC 7143 section 11.19: only the answer to a ping has data.
                no_data(&header.lengths, Opcode::NOP_IN)?;
                let lun = Lun::from_wire(header.lun);
                Ok(if reserved {
                    Self::Notice
                } else {
                    Self::Ping(Ping { ttt, lun })
                })
            }
        }
    }
}

/// A Task Management Function Response (RFC 7143 section 11.6).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TaskManagementResponse {
    /// The tag of the request.
    pub itt: Itt,
    /// What became of it.
    pub response: FunctionResponse,
}

impl TaskManagementResponse {
    fn parse(header: &bhs::TaskManagementResponse) -> Result<Self, Violation> {
        no_data(&header.lengths, Opcode::TASK_MANAGEMENT_RESPONSE)?;
        Ok(Self {
            itt: task_tag(header.itt.get(), Opcode::TASK_MANAGEMENT_RESPONSE)?,
            response: FunctionResponse::new(header.response),
        })
    }
}

/// A Logout Response (RFC 7143 section 11.15).
///
/// Its Time2Wait and Time2Retain are left out: they mean something at error recovery level 2 only.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LogoutResponse {
    /// The tag of the request.
    pub itt: Itt,
    /// 0 when the session was closed.
    pub response: u8,
}

impl LogoutResponse {
    fn parse(header: &bhs::LogoutResponse) -> Result<Self, Violation> {
        no_data(&header.lengths, Opcode::LOGOUT_RESPONSE)?;
        let itt = task_tag(header.itt.get(), Opcode::LOGOUT_RESPONSE)?;
        Ok(Self {
            itt,
            response: header.response,
        })
    }
}

/// An Asynchronous Message (RFC 7143 section 11.9).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AsynchronousMessage {
    /// What happened.
    pub event: Event,
    /// Bytes of data behind the header; sense data for [`Event::Scsi`].
    pub data_length: u32,
}

/// What an Asynchronous Message tells (RFC 7143 section 11.9.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Event {
    /// A SCSI event at this logical unit, told by sense data.
    Scsi(Lun),
    /// The target asks for a logout within this many seconds.
    LogoutRequested {
        /// Seconds.
        within: u16,
    },
    /// The target is about to drop this connection.
    ConnectionDropped {
        /// The connection's CID.
        cid: u16,
        /// Seconds to wait before the next login.
        time2wait: u16,
    },
    /// The target is about to drop all connections of the session.
    SessionDropped {
        /// Seconds to wait before the next login.
        time2wait: u16,
    },
    /// The target asks for a negotiation, or a logout, within this many seconds.
    NegotiationRequested {
        /// Seconds.
        within: u16,
    },
    /// Any other event, which may be ignored.
    Other(u8),
}

impl AsynchronousMessage {
    fn parse(header: &bhs::AsynchronousMessage) -> Self {
        let time2wait = header.parameter_2.get();
        let within = header.parameter_3.get();
        let event = match header.event {
            0 => Event::Scsi(Lun::from_wire(header.lun)),
            1 => Event::LogoutRequested { within },
            2 => Event::ConnectionDropped {
                cid: header.parameter_1.get(),
                time2wait,
            },
            3 => Event::SessionDropped { time2wait },
            4 => Event::NegotiationRequested { within },
            other => Event::Other(other),
        };
        Self {
            event,
            data_length: header.lengths.data(),
        }
    }
}

/// A Reject (RFC 7143 section 11.17).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reject {
    /// Why.
    pub reason: RejectReason,
    /// Bytes behind the header: the rejected PDU's header.
    pub data_length: u32,
}

impl Reject {
    fn parse(header: &bhs::Reject) -> Self {
        Self {
            reason: RejectReason::new(header.reason),
            data_length: header.lengths.data(),
        }
    }
}

/// What a Reject shows of the PDU it rejects.
///
/// The target chose these bytes: they name a task only if a task of that kind has that tag.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rejected {
    /// The rejected PDU's opcode.
    pub opcode: Opcode,
    /// The rejected PDU's Initiator Task Tag.
    pub itt: Itt,
}

impl Rejected {
    /// The rejected PDU in a Reject's data; `None` when there is no whole header.
    pub fn parse(data: &[u8]) -> Option<Self> {
        // The tag stands in the same place in every PDU (RFC 7143 section 11.2.1).
        let (header, _) = bhs::DataOut::ref_from_prefix(data).ok()?;
        Some(Self {
            opcode: Opcode::of(header.opcode),
            itt: Itt::new(header.itt.get()),
        })
    }
}

/// Parses the header of any PDU that a target may send after the login.
///
/// # Errors
///
/// The [`Violation`] that the header shows by itself.
pub fn parse(header: &[u8; HEADER_LENGTH]) -> Result<(Received, Numbers), Error> {
    let [first, ..] = *header;
    let opcode = Opcode::of(first);
    Ok(match opcode {
        Opcode::SCSI_RESPONSE => {
            let header: &bhs::ScsiResponse = transmute_ref!(header);
            let pdu = ScsiResponse::parse(header)?;
            (
                Received::ScsiResponse(pdu),
                Numbers::new(&header.numbers, true),
            )
        }
        Opcode::DATA_IN => {
            let header: &bhs::DataIn = transmute_ref!(header);
            let pdu = DataIn::parse(header)?;
            // RFC 7143 section 11.7.3: StatSN has a meaning only together with a status.
            (
                Received::DataIn(pdu),
                Numbers::new(&header.numbers, pdu.status.is_some()),
            )
        }
        Opcode::R2T => {
            let header: &bhs::R2t = transmute_ref!(header);
            // RFC 7143 section 11.8.3: R2T shows the next StatSN and does not use it up.
            (
                Received::R2t(R2t::parse(header)?),
                Numbers::new(&header.numbers, false),
            )
        }
        Opcode::NOP_IN => {
            let header: &bhs::NopIn = transmute_ref!(header);
            let pdu = NopIn::parse(header)?;
            // RFC 7143 section 11.19.2: only the answer to a ping uses up a StatSN.
            let counted = matches!(pdu, NopIn::Reply { .. });
            (Received::NopIn(pdu), Numbers::new(&header.numbers, counted))
        }
        Opcode::TASK_MANAGEMENT_RESPONSE => {
            let header: &bhs::TaskManagementResponse = transmute_ref!(header);
            let pdu = TaskManagementResponse::parse(header)?;
            (
                Received::TaskManagement(pdu),
                Numbers::new(&header.numbers, true),
            )
        }
        Opcode::TEXT_RESPONSE => {
            let header: &bhs::TextResponse = transmute_ref!(header);
            let pdu = TextResponse::parse(header)?;
            (Received::Text(pdu), Numbers::new(&header.numbers, true))
        }
        Opcode::LOGOUT_RESPONSE => {
            let header: &bhs::LogoutResponse = transmute_ref!(header);
            let pdu = LogoutResponse::parse(header)?;
            (Received::Logout(pdu), Numbers::new(&header.numbers, true))
        }
        Opcode::ASYNCHRONOUS_MESSAGE => {
            let header: &bhs::AsynchronousMessage = transmute_ref!(header);
            let pdu = AsynchronousMessage::parse(header);
            (Received::Async(pdu), Numbers::new(&header.numbers, true))
        }
        Opcode::REJECT => {
            let header: &bhs::Reject = transmute_ref!(header);
            (
                Received::Reject(Reject::parse(header)),
                Numbers::new(&header.numbers, true),
            )
        }
        _ => return Err(Violation::UnexpectedOpcode(opcode).into()),
    })
}

fn task_tag(value: u32, opcode: Opcode) -> Result<Itt, Violation> {
    let itt = Itt::new(value);
    if itt.is_reserved() {
        return Err(Violation::ReservedTag(opcode));
    }
    Ok(itt)
}

fn no_data(lengths: &bhs::Lengths, opcode: Opcode) -> Result<(), Violation> {
    if lengths.data() != 0 {
        return Err(Violation::UnexpectedData(opcode));
    }
    Ok(())
}
