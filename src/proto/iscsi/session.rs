// SPDX-License-Identifier: GPL-2.0-only

//! Numbering and legality of one connection in the Full Feature Phase.
//!
//! Source: RFC 7143 sections 4.2.2, 7.9 and 11.

use crate::proto::iscsi::{
    error::{
        Error,
        Misuse, //
    },
    login::Established,
    lun::Lun,
    numbering::{
        CommandNumbering,
        StatusNumbering, //
    },
    parameters::Parameters,
    pdu::{
        header::{
            Cdb,
            Header, //
        },
        request::{
            Attribute,
            DataOut,
            Function,
            LogoutRequest,
            NopOut,
            ScsiCommand,
            TaskManagementRequest, //
        },
        response::{
            self,
            Ping,
            Received,
            Status, //
        },
        text::{
            Continuation,
            TextRequest, //
        },
    },
    quirk::{
        Quirk,
        Quirks, //
    },
    tag::{
        Itt,
        Ttt, //
    },
    task::{
        Outcome,
        Task, //
    },
    HEADER_LENGTH, //
};

/// One session of one connection, from the end of its login to its end.
///
/// It has one owner, who serialises all calls. Headers must go out in the order in which they were
/// made, since a command takes its number when its header is made. Each header received goes
/// through [`Session::receive`] once, in order, before anything it says is acted on.
#[derive(Clone, Debug)]
pub struct Session {
    parameters: Parameters,
    commands: CommandNumbering,
    statuses: StatusNumbering,
    logged_out: bool,
    quirks: Quirks,
}

impl Session {
    /// The session that a login established.
    pub fn new(established: &Established) -> Self {
        let Established {
            parameters,
            cmd_sn,
            exp_cmd_sn,
            max_cmd_sn,
            exp_stat_sn,
            ..
        } = *established;
        Self {
            parameters,
            commands: CommandNumbering::new(cmd_sn, exp_cmd_sn, max_cmd_sn),
            statuses: StatusNumbering::new(exp_stat_sn),
            logged_out: false,
            quirks: Quirks::NONE,
        }
    }

    /// What the login agreed on.
    pub const fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Whether a SCSI Command may be sent now.
    pub const fn window_open(&self) -> bool {
        self.commands.is_open() && !self.logged_out
    }

    /// Whether the Logout Request has been made; nothing may follow it (RFC 7143 section 11.14).
    pub const fn is_logged_out(&self) -> bool {
        self.logged_out
    }

    /// What the target has done wrong so far, and is tolerated.
    pub const fn quirks(&self) -> Quirks {
        self.quirks
    }

    /// The header segments of the command that `task` stands for, followed by
    /// [`Task::immediate_length`] bytes of data.
    ///
    /// Takes the next CmdSN and leaves it in `task`. `cdb` has 1 to 32 bytes.
    ///
    /// # Errors
    ///
    /// [`Misuse::WindowClosed`], [`Misuse::LoggedOut`] or [`Misuse::CdbLength`]; nothing has
    /// changed then.
    pub fn scsi_command(
        &mut self,
        task: &mut Task,
        itt: Itt,
        attribute: Attribute,
        cdb: &[u8],
    ) -> Result<Header, Error> {
        if self.logged_out {
            return Err(Misuse::LoggedOut.into());
        }
        let cdb = Cdb::new(cdb).ok_or(Misuse::CdbLength)?;
        let cmd_sn = self.commands.take().ok_or(Misuse::WindowClosed)?;
        task.sent_as(cmd_sn);
        Ok(ScsiCommand {
            itt,
            lun: task.lun(),
            direction: task.direction(),
            is_final: task.immediate_data_is_all(),
            attribute,
            expected_length: task.expected_length(),
            immediate_length: task.immediate_length(),
            cmd_sn,
            exp_stat_sn: self.statuses.expected(),
            cdb,
        }
        .emit())
    }

    /// The header of a Data-Out of the task `itt`, followed by its data; tag and LUN are those of
    /// the R2T that it answers (RFC 7143 section 11.7.4).
    pub fn data_out(&self, itt: Itt, data_out: &DataOut) -> [u8; HEADER_LENGTH] {
        data_out.emit(itt, self.statuses.expected())
    }

    /// A ping, which the target answers with [`response::NopIn::Reply`].
    pub fn nop_out_ping(&self, itt: Itt) -> [u8; HEADER_LENGTH] {
        self.nop_out(itt, Ttt::RESERVED, Lun::default())
    }

    /// The answer to the target's ping.
    pub fn nop_out_reply(&self, ping: &Ping) -> [u8; HEADER_LENGTH] {
        // RFC 7143 section 11.18.2: no tag of ours, the target's tag and LUN copied.
        self.nop_out(Itt::RESERVED, ping.ttt, ping.lun)
    }

    /// A Text Request with this many bytes of text.
    pub fn text(
        &self,
        itt: Itt,
        continuation: Continuation,
        data_length: u32,
    ) -> [u8; HEADER_LENGTH] {
        TextRequest {
            itt,
            continuation,
            cmd_sn: self.commands.next(),
            exp_stat_sn: self.statuses.expected(),
            data_length,
        }
        .emit()
    }

    /// A request that closes the session; nothing may follow it.
    pub fn logout(&mut self, itt: Itt) -> [u8; HEADER_LENGTH] {
        // RFC 7143 section 11.14: nothing new after the Logout Request.
        self.logged_out = true;
        let cmd_sn = self.commands.next();
        LogoutRequest {
            itt,
            cmd_sn,
            exp_stat_sn: self.statuses.expected(),
        }
        .emit()
    }

    /// A task management request; immediate, so that a closed window does not hold it up.
    pub fn task_management(&self, function: Function, lun: Lun, itt: Itt) -> [u8; HEADER_LENGTH] {
        let cmd_sn = self.commands.next();
        let exp_stat_sn = self.statuses.expected();
        TaskManagementRequest {
            function,
            lun,
            itt,
            cmd_sn,
            exp_stat_sn,
        }
        .emit()
    }

    /// Parses a header from the target and takes note of its numbers.
    ///
    /// # Errors
    ///
    /// [`Error::PeerMisbehaved`] when the header is illegal or a response is missing. The
    /// connection is then to be closed; the numbers are as before.
    pub fn receive(&mut self, header: &[u8; HEADER_LENGTH]) -> Result<Received, Error> {
        let (received, numbers) = response::parse(header)?;
        if let Some(stat_sn) = numbers.stat_sn {
            self.statuses.accept(stat_sn)?;
            if self.statuses.repeats() {
                self.quirks.insert(Quirk::StatSnRepeated);
            }
        }
        self.commands.update(numbers.exp_cmd_sn, numbers.max_cmd_sn);
        if self.commands.contradicts() {
            self.quirks.insert(Quirk::NumbersOfNothing);
        }
        Ok(received)
    }

    /// Takes note of what a target does wrong that ends a command by saying `said`, which has come
    /// to `outcome`.
    pub fn ended(&mut self, said: &Status, outcome: &Outcome) {
        let is_short = match outcome {
            Outcome::Completed(status) => {
                status.status.is_success() && status.residual != said.residual
            }
            Outcome::Failed(_) => false,
        };
        if is_short {
            self.quirks.insert(Quirk::ShortRead);
        }
    }

    fn nop_out(&self, itt: Itt, ttt: Ttt, lun: Lun) -> [u8; HEADER_LENGTH] {
        let cmd_sn = self.commands.next();
        let exp_stat_sn = self.statuses.expected();
        NopOut {
            itt,
            ttt,
            lun,
            cmd_sn,
            exp_stat_sn,
        }
        .emit()
    }
}
