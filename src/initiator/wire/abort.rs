// SPDX-License-Identifier: GPL-2.0-only

//! What is done about a command that the target does not answer, though it answers pings
//! (RFC 7143 sections 4.2.3.3, 7.11, 11.5.1 and 11.6).
//!
//! | its timer has expired | what |
//! |---|---|
//! | twice | ABORT TASK; then it is sent again |
//! | four times, or it is not aborted | LOGICAL UNIT RESET; then the unit's are sent again |
//! | six times, or that is not done | TARGET WARM RESET; then all are sent again |
//! | eight times, or that is not done | a new connection, on which all are sent again |
//!
//! So one logical unit that hangs costs the others nothing at first. The target as a whole is reset
//! late, since that ends other machines' commands as well. A command stays its task's until
//! the target has confirmed that it will not touch it any more: then it is as if it had just come,
//! with another tag, and what the target still says about the earlier one is a fault of the
//! target's. What is being reset gets no commands meanwhile: which of them the reset would end
//! could not be told.

use super::{
    super::{
        lun_of,
        tasks::Running,
        transmit::{
            self,
            Reset, //
        }, //
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
    /// The logical unit whose command has no answer, as the mid-layer numbers it.
    lun: u64,
    /// When it was asked.
    since: u64,
}

#[derive(Clone, Copy)]
enum Scope {
    Task(Itt),
    Reset(Reset),
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
            1 => self.reset(Reset::LogicalUnit(lun), lun, stream),
            2 => self.reset(Reset::Target, lun, stream),
            _ => self.fail(Failure::CommandExpired),
        }
    }

    /// Asks for a reset, since a command to `lun` has no answer.
    fn reset(&mut self, reset: Reset, lun: u64, stream: &mut Stream<'_>) {
        match reset {
            Reset::LogicalUnit(_) => {
                pr_warn!("LUN {lun} is stuck; asking the target to reset it\n");
            }
            Reset::Target => pr_warn!(
                "LUN {lun} is still stuck; asking the target to reset itself, with all its LUNs\n"
            ),
        }
        // What the target gets from now on may come before or after its reset.
        self.transmit.hold_back(reset);
        self.ask(Scope::Reset(reset), lun, stream);
    }

    fn ask(&mut self, scope: Scope, lun: u64, stream: &mut Stream<'_>) {
        let function = match scope {
            Scope::Reset(Reset::LogicalUnit(_)) => Some(Function::LogicalUnitReset),
            Scope::Reset(Reset::Target) => Some(Function::TargetWarmReset),
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
            Scope::Reset(Reset::LogicalUnit(_)) => &self.nexus.status.resets,
            Scope::Reset(Reset::Target) => &self.nexus.status.target_resets,
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
        let Some(abort) = self.abort.take_if(|abort| abort.itt == itt) else {
            return match transmit::is_task_management(itt, self.requests) {
                true => Ok(()),
                false => Err(Failure::UnknownTask(itt)),
            };
        };
        let Abort { scope, lun, .. } = abort;
        let tasks = self.tasks.as_mut().ok_or(Failure::LostTask)?;

        if response != FunctionResponse::COMPLETE {
            let is_answered = match scope {
                // It may have been before the target's word that there is no such task.
                Scope::Task(itt) => tasks.get(itt).is_none(),
                Scope::Reset(_) => !tasks.is_stuck(lun),
            };
            match is_answered {
                true => self.transmit.release(),
                false => self.refused = Some(abort),
            }
            return Ok(());
        }
        self.transmit.release();
        let concerned = |itt: Itt, running: &Running| match scope {
            Scope::Task(aborted) => itt == aborted,
            // Those that have not been sent are not the target's.
            Scope::Reset(reset) => running.task.is_some() && reset.ends(running.command.lun()),
        };
        let mut count: usize = 0;
        tasks.renew(concerned, |itt| {
            count = count.saturating_add(1);
            self.transmit.command(itt);
        });
        let what = match scope {
            Scope::Task(_) => "aborted it",
            Scope::Reset(Reset::LogicalUnit(_)) => "reset the LUN",
            Scope::Reset(Reset::Target) => "reset itself",
        };
        pr_info!("LUN {lun}: the target has {what}; {count} commands sent again\n");
        Ok(())
    }

    /// Goes on where the target has refused, or has not answered by now.
    pub(super) fn watch_abort(&mut self, now: u64, timeouts: &Timeouts, stream: &mut Stream<'_>) {
        let overdue = self.abort.filter(|abort| {
            let patience = match abort.scope {
                Scope::Task(_) => timeouts.abort,
                Scope::Reset(_) => timeouts.reset,
            };
            now.saturating_sub(abort.since) >= patience.as_millis()
        });
        let Some(Abort { scope, lun, .. }) = self.refused.take().or(overdue) else {
            return;
        };
        match scope {
            Scope::Task(_) => self.reset(Reset::LogicalUnit(lun), lun, stream),
            Scope::Reset(Reset::LogicalUnit(_)) => self.reset(Reset::Target, lun, stream),
            Scope::Reset(Reset::Target) => self.fail(Failure::CommandExpired),
        }
    }
}
