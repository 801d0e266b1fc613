// SPDX-License-Identifier: GPL-2.0-only

//! The PDUs an initiator sends after the login, each one header long; data follows where a length
//! says so.
//!
//! Source: RFC 7143 sections 11.3, 11.5, 11.7, 11.14 and 11.18.

use zerocopy::transmute;

use crate::proto::{
    iscsi::{
        bhs::{
            self,
            Lengths, //
        },
        lun::Lun,
        opcode::Opcode,
        pdu::{
            header::{
                Cdb,
                Header, //
            },
            FINAL, //
        },
        tag::{
            Itt,
            Ttt, //
        },
        HEADER_LENGTH, //
    },
    serial::Serial, //
};

/// Which way a command's data goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Direction {
    /// The command has no data.
    None,
    /// From the target.
    Read,
    /// To the target.
    Write,
}

/// How a device server queues a command (RFC 7143 section 11.3.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Attribute {
    /// The target decides.
    Untagged,
    /// In any order with other simple commands.
    Simple,
    /// After all commands before it.
    Ordered,
    /// Before all others.
    HeadOfQueue,
}

impl Attribute {
    const fn value(self) -> u8 {
        match self {
            Self::Untagged => 0,
            Self::Simple => 1,
            Self::Ordered => 2,
            Self::HeadOfQueue => 3,
        }
    }
}

/// A SCSI Command with data in at most one direction (RFC 7143 section 11.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ScsiCommand {
    /// The task's tag.
    pub itt: Itt,
    /// The logical unit.
    pub lun: Lun,
    /// Which way the data goes.
    pub direction: Direction,
    /// Whether no unsolicited Data-Out follows.
    pub is_final: bool,
    /// How the command is queued.
    pub attribute: Attribute,
    /// Bytes of data that the command moves.
    pub expected_length: u32,
    /// Bytes of data right behind this header. 0 to 2^24-1.
    pub immediate_length: u32,
    /// The command's number.
    pub cmd_sn: Serial,
    /// The next StatSN expected.
    pub exp_stat_sn: Serial,
    /// What the logical unit is to do.
    pub cdb: Cdb,
}

impl ScsiCommand {
    const READ: u8 = 0x40;
    const WRITE: u8 = 0x20;

    /// The header segments.
    pub fn emit(&self) -> Header {
        let last = if self.is_final { FINAL } else { 0 };
        let direction = match self.direction {
            Direction::None => 0,
            Direction::Read => Self::READ,
            Direction::Write => Self::WRITE,
        };
        let basic = transmute!(bhs::ScsiCommand {
            opcode: Opcode::SCSI_COMMAND.value(),
            flags: last | direction | self.attribute.value(),
            reserved_2: [0; 2],
            lengths: Lengths::new(self.cdb.total_ahs_length(), self.immediate_length),
            lun: self.lun.to_wire(),
            itt: self.itt.value().into(),
            expected_data_transfer_length: self.expected_length.into(),
            cmd_sn: self.cmd_sn.value().into(),
            exp_stat_sn: self.exp_stat_sn.value().into(),
            cdb: self.cdb.short,
        });
        Header::with_cdb(basic, &self.cdb)
    }
}

/// A SCSI Data-Out (RFC 7143 section 11.7).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DataOut {
    /// The logical unit of the R2T it answers, else 0.
    pub lun: Lun,
    /// The R2T it answers; reserved when unsolicited.
    pub ttt: Ttt,
    /// Its place in the sequence, from 0.
    pub data_sn: u32,
    /// Where its data begins in the command's buffer, in bytes.
    pub offset: u32,
    /// Bytes of data behind this header. 1 to 2^24-1.
    pub length: u32,
    /// Whether it ends the sequence.
    pub last: bool,
}

impl DataOut {
    /// The header, for the task with this tag.
    pub fn emit(&self, itt: Itt, exp_stat_sn: Serial) -> [u8; HEADER_LENGTH] {
        transmute!(bhs::DataOut {
            opcode: Opcode::DATA_OUT.value(),
            flags: if self.last { FINAL } else { 0 },
            reserved_2: [0; 2],
            lengths: Lengths::of_data(self.length),
            lun: self.lun.to_wire(),
            itt: itt.value().into(),
            ttt: self.ttt.value().into(),
            reserved_24: [0; 4],
            exp_stat_sn: exp_stat_sn.value().into(),
            reserved_32: [0; 4],
            data_sn: self.data_sn.into(),
            buffer_offset: self.offset.into(),
            reserved_44: [0; 4],
        })
    }
}

/// An immediate NOP-Out, as one without a tag of ours has to be, without data (RFC 7143 sections
/// 11.18 and 11.18.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NopOut {
    /// Our tag when we want an answer, else reserved.
    pub itt: Itt,
    /// The tag of the NOP-In it answers, else reserved.
    pub ttt: Ttt,
    /// The LUN of the NOP-In it answers, else 0.
    pub lun: Lun,
    /// The next command's number.
    pub cmd_sn: Serial,
    /// The next StatSN expected.
    pub exp_stat_sn: Serial,
}

impl NopOut {
    /// The header.
    pub fn emit(&self) -> [u8; HEADER_LENGTH] {
        transmute!(bhs::NopOut {
            opcode: Opcode::NOP_OUT.value() | Opcode::IMMEDIATE,
            flags: FINAL,
            reserved_2: [0; 2],
            lengths: Lengths::NONE,
            lun: self.lun.to_wire(),
            itt: self.itt.value().into(),
            ttt: self.ttt.value().into(),
            cmd_sn: self.cmd_sn.value().into(),
            exp_stat_sn: self.exp_stat_sn.value().into(),
            reserved_32: [0; 16],
        })
    }
}

/// An immediate Logout Request that closes the session (RFC 7143 section 11.14).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LogoutRequest {
    /// The logout's tag.
    pub itt: Itt,
    /// The next command's number.
    pub cmd_sn: Serial,
    /// The next StatSN expected.
    pub exp_stat_sn: Serial,
}

impl LogoutRequest {
    /// Close the session; the CID is not used with it (RFC 7143 section 11.14.1).
    const CLOSE_SESSION: u8 = 0;

    /// The header.
    pub fn emit(&self) -> [u8; HEADER_LENGTH] {
        transmute!(bhs::LogoutRequest {
            opcode: Opcode::LOGOUT_REQUEST.value() | Opcode::IMMEDIATE,
            reason: FINAL | Self::CLOSE_SESSION,
            reserved_2: [0; 2],
            lengths: Lengths::NONE,
            reserved_8: [0; 8],
            itt: self.itt.value().into(),
            cid: 0.into(),
            reserved_22: [0; 2],
            cmd_sn: self.cmd_sn.value().into(),
            exp_stat_sn: self.exp_stat_sn.value().into(),
            reserved_32: [0; 16],
        })
    }
}

/// What a task management request does (RFC 7143 section 11.5.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Function {
    /// ABORT TASK (sections 11.5.4 and 11.5.5).
    AbortTask {
        /// The tag of the task.
        referenced: Itt,
        /// The CmdSN of the task.
        ref_cmd_sn: Serial,
    },
    /// LOGICAL UNIT RESET.
    LogicalUnitReset,
    /// TARGET WARM RESET.
    TargetWarmReset,
}

/// An immediate Task Management Function Request, which has nothing behind its header (RFC 7143
/// sections 11.5 and 11.5.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TaskManagementRequest {
    /// What to do.
    pub function: Function,
    /// The logical unit; not used by a target reset.
    pub lun: Lun,
    /// The request's own tag.
    pub itt: Itt,
    /// The next command's number.
    pub cmd_sn: Serial,
    /// The next StatSN expected.
    pub exp_stat_sn: Serial,
}

impl TaskManagementRequest {
    /// The header.
    pub fn emit(&self) -> [u8; HEADER_LENGTH] {
        let (function, lun, referenced, ref_cmd_sn) = match self.function {
            Function::AbortTask {
                referenced,
                ref_cmd_sn,
            } => (1, self.lun, referenced, ref_cmd_sn.value()),
            Function::LogicalUnitReset => (5, self.lun, Itt::RESERVED, 0),
            Function::TargetWarmReset => (6, Lun::default(), Itt::RESERVED, 0),
        };
        transmute!(bhs::TaskManagementRequest {
            opcode: Opcode::TASK_MANAGEMENT_REQUEST.value() | Opcode::IMMEDIATE,
            function: FINAL | function,
            reserved_2: [0; 2],
            lengths: Lengths::NONE,
            lun: lun.to_wire(),
            itt: self.itt.value().into(),
            referenced_task_tag: referenced.value().into(),
            cmd_sn: self.cmd_sn.value().into(),
            exp_stat_sn: self.exp_stat_sn.value().into(),
            ref_cmd_sn: ref_cmd_sn.into(),
            exp_data_sn: 0.into(),
            reserved_40: [0; 8],
        })
    }
}
