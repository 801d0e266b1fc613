// SPDX-License-Identifier: GPL-2.0-only

//! What is done about a command that the target does not answer, though it answers pings
//! (RFC 7143 sections 4.2.3.3, 7.11, 11.5.1 and 11.6).
//!
//! | its timer has expired | what |
//! |---|---|
//! | twice | ABORT TASK; then it is sent again |
//! | four times, or it is not aborted | LOGICAL UNIT RESET; then the unit's are sent again |
//! | six times, or the target refuses that | TARGET WARM RESET; then all are sent again |
//! | eight times, or a reset is not answered, or none done | a new connection; all are sent again |
//!
//! So one logical unit that hangs costs the others nothing at first. The target as a whole is reset
//! late, since that ends other machines' commands as well. A command stays its task's until
//! the target has confirmed that it will not touch it any more: then it is as if it had just come,
//! with another tag, and what the target still says about the earlier one is a fault of the
//! target's. What is being reset gets no commands meanwhile: which of them the reset would end
//! could not be told. So nothing but a new connection follows a reset of which nobody knows whether
//! it is still to come.

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
    cause: Cause,
    /// When it was asked.
    since: u64,
}

#[derive(Clone, Copy)]
enum Scope {
    Task,
    Reset(Reset),
}

/// The command that has no answer.
#[derive(Clone, Copy)]
struct Cause {
    itt: Itt,
    /// Its logical unit, as the mid-layer numbers it.
    lun: u64,
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
        let cause = Cause { itt, lun };
        let opcode = running.command.cdb().first().copied().unwrap_or_default();
        let setbacks = running.setbacks;
        running.setbacks = setbacks.saturating_add(1);
        match setbacks {
            0 => {
                pr_warn!(
                    "LUN {lun} has not answered command {opcode:#04x}; \
                     asking the target to abort it\n"
                );
                self.ask(Scope::Task, cause, stream);
            }
            1 => self.reset(Reset::LogicalUnit(lun), cause, stream),
            2 => self.reset(Reset::Target, cause, stream),
            _ => self.fail(Failure::CommandExpired),
        }
    }

    fn reset(&mut self, reset: Reset, cause: Cause, stream: &mut Stream<'_>) {
        let lun = cause.lun;
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
        self.ask(Scope::Reset(reset), cause, stream);
    }

    fn ask(&mut self, scope: Scope, cause: Cause, stream: &mut Stream<'_>) {
        let function = match scope {
            Scope::Reset(Reset::LogicalUnit(_)) => Some(Function::LogicalUnitReset),
            Scope::Reset(Reset::Target) => Some(Function::TargetWarmReset),
            Scope::Task => self
                .tasks
                .as_mut()
                .and_then(|tasks| tasks.get(cause.itt)?.task.as_ref()?.cmd_sn())
                .map(|ref_cmd_sn| Function::AbortTask {
                    referenced: cause.itt,
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
            cause,
            since: clock::milliseconds(),
        });
        let counter = match scope {
            Scope::Task => &self.nexus.status.aborts,
            Scope::Reset(Reset::LogicalUnit(_)) => &self.nexus.status.resets,
            Scope::Reset(Reset::Target) => &self.nexus.status.target_resets,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        self.transmit
            .task_management(function, lun_of(cause.lun), itt);
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
        if response != FunctionResponse::COMPLETE {
            self.refused = Some(abort);
            return Ok(());
        }
        self.transmit.release();
        let Abort { scope, cause, .. } = abort;
        let tasks = self.tasks.as_mut().ok_or(Failure::LostTask)?;
        let concerned = |itt: Itt, running: &Running| match scope {
            Scope::Task => itt == cause.itt,
            // Those that have not been sent are not the target's.
            Scope::Reset(reset) => running.task.is_some() && reset.ends(running.command.lun()),
        };
        let mut count: usize = 0;
        tasks.renew(concerned, |itt| {
            count = count.saturating_add(1);
            self.transmit.command(itt);
        });
        let what = match scope {
            Scope::Task => "aborted it",
            Scope::Reset(Reset::LogicalUnit(_)) => "reset the LUN",
            Scope::Reset(Reset::Target) => "reset itself",
        };
        let lun = cause.lun;
        pr_info!("LUN {lun}: the target has {what}; {count} commands sent again\n");
        Ok(())
    }

    /// Goes on where the target has refused, or has not answered by now.
    pub(super) fn watch_abort(&mut self, now: u64, timeouts: &Timeouts, stream: &mut Stream<'_>) {
        if let Some(Abort { scope, cause, .. }) = self.refused.take() {
            match scope {
                // It has come after all, or before the target's word that there is no such task.
                _ if self.is_answered(cause) => self.transmit.release(),
                Scope::Task => self.reset(Reset::LogicalUnit(cause.lun), cause, stream),
                Scope::Reset(Reset::LogicalUnit(_)) => self.reset(Reset::Target, cause, stream),
                Scope::Reset(Reset::Target) => self.fail(Failure::CommandExpired),
            }
        }
        let Some(abort) = self.abort else {
            return;
        };
        let patience = match abort.scope {
            Scope::Task => timeouts.abort,
            Scope::Reset(_) => timeouts.reset,
        };
        if now.saturating_sub(abort.since) < patience.as_millis() {
            return;
        }
        let cause = abort.cause;
        match abort.scope {
            Scope::Task if self.is_answered(cause) => self.abort = None,
            Scope::Task => self.reset(Reset::LogicalUnit(cause.lun), cause, stream),
            Scope::Reset(_) => self.fail(Failure::CommandExpired),
        }
    }

    fn is_answered(&mut self, cause: Cause) -> bool {
        let tasks = self.tasks.as_mut();
        tasks.is_none_or(|tasks| tasks.get(cause.itt).is_none())
    }
}
