// SPDX-License-Identifier: GPL-2.0-only

//! What is done about a command that the target does not answer, though it answers pings
//! (RFC 7143 sections 4.2.3.3, 7.11, 11.5.1 and 11.6).
//!
//! | its timer has expired | what |
//! |---|---|
//! | twice | ABORT TASK; then it is sent again |
//! | four times, or it is not aborted | LOGICAL UNIT RESET; then the unit's are sent again |
//! | six times, or that is not done | a new connection, on which all are sent again |
//!
//! So one logical unit that hangs costs the others nothing at first. TARGET WARM RESET is not among
//! these: it would end other machines' commands as well. A command stays its task's until
//! the target has confirmed that it will not touch it any more: then it is as if it had just come,
//! with another tag, and what the target still says about the earlier one is a fault of the
//! target's. While a unit is being reset, it gets no commands: which of them the reset would end
//! could not be told.

use super::{
    super::{
        lun_of,
        tasks::Running,
        transmit, //
    },
    Failure,
    Wire, //
};
use crate::{
    linux::{
        clock,
        tcp::Stream, //
    },
    proto::{
        config::iscsi_conf::Timeouts,
        iscsi::{
            pdu::{
                request::Function,
                response::FunctionResponse, //
            },
            tag::Itt, //
        }, //
    },
};
use core::sync::atomic::Ordering;
use kernel::prelude::*;

/// What the target was asked to give up.
#[derive(Clone, Copy)]
pub(super) struct Abort {
    /// The tag of the request.
    itt: Itt,
    scope: Scope,
    /// The logical unit, as the mid-layer numbers it.
    lun: u64,
    /// When it was asked.
    since: u64,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Scope {
    Task(Itt),
    LogicalUnit,
}

impl Wire {
    /// The command with this block layer tag has been without an answer for too long, again.
    pub(in super::super) fn expire(&mut self, tag: usize, stream: &mut Stream<'_>) {
        // One at a time: the others' timers go on.
        if self.abort.is_some() || self.refused.is_some() {
            return;
        }
        let Some(tasks) = &mut self.tasks else {
            return;
        };
        let Some((itt, running)) = tasks.sent(tag) else {
            return;
        };
        let lun = running.command.lun();
        let opcode = running.command.cdb().first().copied().unwrap_or_default();
        let setbacks = running.setbacks;
        running.setbacks = setbacks.saturating_add(1);
        match setbacks {
            0 => {
                pr_warn!(
                    "LUN {lun} has not answered command {opcode:#04x}; \
                     asking the target to abort it\n"
                );
                self.ask(Scope::Task(itt), lun, stream);
            }
            1 => self.reset_unit(lun, stream),
            _ => self.fail(Failure::CommandExpired),
        }
    }

    fn reset_unit(&mut self, lun: u64, stream: &mut Stream<'_>) {
        pr_warn!("LUN {lun} is stuck; asking the target to reset it\n");
        // What the target gets from now on may come before or after its reset.
        self.transmit.hold_back(lun);
        self.ask(Scope::LogicalUnit, lun, stream);
    }

    fn ask(&mut self, scope: Scope, lun: u64, stream: &mut Stream<'_>) {
        let function = match scope {
            Scope::LogicalUnit => Some(Function::LogicalUnitReset),
            Scope::Task(itt) => self
                .tasks
                .as_mut()
                .and_then(|tasks| tasks.get(itt)?.task.as_ref()?.cmd_sn())
                .map(|ref_cmd_sn| Function::AbortTask {
                    referenced: itt,
                    ref_cmd_sn,
                }),
        };
        let Some(function) = function else {
            return;
        };
        // Another tag each time: the answer to a request that was given up may still come.
        let itt = transmit::task_management(self.requests);
        self.requests = self.requests.wrapping_add(1);
        self.abort = Some(Abort {
            itt,
            scope,
            lun,
            since: clock::milliseconds(),
        });
        let counter = match scope {
            Scope::Task(_) => &self.nexus.status.aborts,
            Scope::LogicalUnit => &self.nexus.status.resets,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.transmit.task_management(function, lun_of(lun), itt);
        self.pump(stream);
    }

    /// The target has answered a task management request.
    pub(super) fn confirmed(
        &mut self,
        itt: Itt,
        response: FunctionResponse,
    ) -> Result<(), Failure> {
        let Some(Abort { scope, lun, .. }) = self.abort.take_if(|abort| abort.itt == itt) else {
            return match transmit::is_task_management(itt, self.requests) {
                true => Ok(()),
                false => Err(Failure::UnknownTask(itt)),
            };
        };
        if scope == Scope::LogicalUnit {
            self.transmit.release();
        }
        let tasks = self.tasks.as_mut().ok_or(Failure::LostTask)?;
        let concerned = |itt: Itt, running: &Running| match scope {
            Scope::Task(aborted) => itt == aborted,
            // Those that have not been sent are not the target's.
            Scope::LogicalUnit => running.task.is_some() && running.command.lun() == lun,
        };

        if response == FunctionResponse::COMPLETE {
            let mut count: usize = 0;
            tasks.renew(concerned, |itt| {
                count = count.saturating_add(1);
                self.transmit.command(itt);
            });
            let what = match scope {
                Scope::Task(_) => "aborted it",
                Scope::LogicalUnit => "reset the LUN",
            };
            pr_info!("LUN {lun}: the target has {what}; {count} commands sent again\n");
            return Ok(());
        }
        match scope {
            // Its answer may have come before the target's word that there is no such task.
            Scope::Task(itt) if tasks.get(itt).is_none() => Ok(()),
            Scope::Task(_) => {
                self.refused = Some(lun);
                Ok(())
            }
            Scope::LogicalUnit => Err(Failure::CommandExpired),
        }
    }

    /// Goes on where the target has refused, or has not answered by now.
    pub(super) fn watch_abort(&mut self, now: u64, timeouts: &Timeouts, stream: &mut Stream<'_>) {
        if let Some(lun) = self.refused.take() {
            self.reset_unit(lun, stream);
        }
        let Some(abort) = self.abort else {
            return;
        };
        let patience = match abort.scope {
            Scope::Task(_) => timeouts.abort,
            Scope::LogicalUnit => timeouts.reset,
        };
        if now.saturating_sub(abort.since) >= patience.as_millis() {
            match abort.scope {
                Scope::Task(_) => self.reset_unit(abort.lun, stream),
                Scope::LogicalUnit => self.fail(Failure::CommandExpired),
            }
        }
    }
}
