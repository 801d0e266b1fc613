// SPDX-License-Identifier: GPL-2.0-only

//! An initiator and a correct target, who do in turn what chance says.

use std::collections::VecDeque;

use iscsi_init::proto::iscsi::{
    login::Established,
    parameters::Parameters, //
};

use super::{
    initiator::{
        Ended,
        Fault,
        Initiator,
        Order, //
    },
    target::Target,
    Random, //
};

/// The most commands under way.
const DEPTH: usize = 8;

pub(crate) struct Exchange {
    pub(crate) initiator: Initiator,
    target: Target,
}

impl Exchange {
    pub(crate) fn new(established: &Established) -> Self {
        let Established {
            parameters,
            cmd_sn,
            max_cmd_sn,
            exp_stat_sn,
            ..
        } = *established;
        let target = Target::new(
            parameters,
            exp_stat_sn.value(),
            cmd_sn.value(),
            max_cmd_sn.value(),
        );
        Self {
            initiator: Initiator::new(established),
            target,
        }
    }

    /// One thing that either side does, and all that arrives because of it; returns what ended.
    ///
    /// A new command is the first of `orders`, and leaves it.
    pub(crate) fn turn(
        &mut self,
        orders: &mut VecDeque<Order>,
        tag: &mut u32,
        random: &mut Random,
    ) -> Result<Vec<Ended>, Fault> {
        let Self { initiator, target } = self;
        // Everything sent arrives before the other side acts on what it has, so that ExpStatSN is
        // exact.
        match random.below(4) {
            0 if !initiator.is_logged_out() && initiator.commands.len() < DEPTH => {
                if let Some(order) = orders.front() {
                    if initiator.issue(*tag, *order, &mut target.input) {
                        orders.pop_front();
                        *tag += 1;
                    }
                }
            }
            1 => {
                if let Some(one) = random.pick(&initiator.tags()) {
                    let most = random.within(1, 6) as usize;
                    initiator.pay(one, most, &mut target.input);
                }
            }
            2 if random.once_in(32) && !initiator.is_logged_out() => {
                initiator.ping(0x8000_0000 | *tag, &mut target.input);
            }
            _ => target.act(random),
        }
        self.deliver()
    }

    /// Logs out with commands under way; they have no end then.
    pub(crate) fn logout(&mut self, tag: u32) -> Result<Vec<Ended>, Fault> {
        self.initiator.logout(tag, &mut self.target.input);
        self.deliver()
    }

    fn deliver(&mut self) -> Result<Vec<Ended>, Fault> {
        let Self { initiator, target } = self;
        let mut ended = Vec::new();
        while !target.input.is_empty() {
            target.receive();
        }
        initiator.input.append(&mut target.output);
        while !initiator.input.is_empty() {
            ended.extend(initiator.receive(&mut target.input)?);
            initiator.audit();
        }
        while !target.input.is_empty() {
            target.receive();
        }
        Ok(ended)
    }
}

/// Values that a login may agree on.
pub(crate) fn random_parameters(random: &mut Random) -> Parameters {
    let mut length = |last| {
        let first = 512;
        // Round numbers as often as odd ones, and the least value now and then.
        match random.below(4) {
            0 => first,
            1 | 2 => random.within(first, last) & !511,
            _ => random.within(first, last),
        }
    };
    let max_burst_length = length(6_000);
    let first_burst_length = length(6_000).min(max_burst_length);
    let max_send_data_segment_length = length(4_000);
    let max_receive_data_segment_length = length(4_000);
    Parameters {
        initial_r2t: random.once_in(2),
        immediate_data: random.once_in(2),
        max_send_data_segment_length,
        max_receive_data_segment_length,
        max_burst_length,
        first_burst_length,
        ..Parameters::default()
    }
}
