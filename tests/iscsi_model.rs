// SPDX-License-Identifier: GPL-2.0-only

//! Sessions with arbitrary targets, from login to login: `Login`, `Session` and `Task` in steps
//! that chance chooses.
//!
//! What must hold whatever a target sends is checked after every step by the [`Witness`] (RFC 7143
//! sections 4.2.2.1, 4.2.2.2, 4.2.2.4, 4.2.5.2, 4.2.5.3, 7.9, 11.4, 11.7 and 11.8), and here that no
//! command ends twice, or never. The core has no allocator; what a target could have its caller fill
//! up is bounded here. With a correct target every command must succeed besides, with its bytes.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

mod iscsi_support;

use std::collections::{
    BTreeMap,
    VecDeque, //
};

use iscsi_init::proto::{
    iscsi::{
        keys::Offer,
        login::{
            Established,
            Step, //
        },
        parameters::Parameters,
        quirk::Quirks,
        task::Outcome, //
    },
    serial::Serial, //
};

use iscsi_support::{
    exchange::{
        random_parameters,
        Exchange, //
    },
    initiator::{
        Ended,
        Fault,
        Initiator,
        Order, //
    },
    liar::{
        self,
        Known, //
    },
    login::{
        answer,
        login_offering,
        request,
        text,
        TO_FULL_FEATURE,
        TO_OPERATIONAL, //
    },
    login_response,
    shrink,
    witness::{
        Witness,
        REPEATS, //
    },
    word,
    Random, //
};

/// The most commands there are at a time, as a host's queue bounds them.
const QUEUE: usize = 8;
/// Ended tags that a target remembers.
const PAST: usize = 16;
/// Where the numbers of a session begin that do not begin with 1: they are about to wrap, or to
/// leave the half that compares with 0.
const FIRST: [u32; 4] = [0xffff_fffc, 0x7fff_fffc, 0x8000_0000, 0xffff_ff00];

/// The keys of a target that agrees on these values.
fn keys(parameters: &Parameters) -> String {
    let yes = |value| if value { "Yes" } else { "No" };
    format!(
        "HeaderDigest=None,DataDigest=None,MaxConnections=1,InitialR2T={},ImmediateData={},\
         MaxRecvDataSegmentLength={},MaxBurstLength={},FirstBurstLength={},DefaultTime2Wait=2,\
         DefaultTime2Retain=0,MaxOutstandingR2T=1,DataPDUInOrder=Yes,DataSequenceInOrder=Yes,\
         ErrorRecoveryLevel=0",
        yes(parameters.initial_r2t),
        yes(parameters.immediate_data),
        parameters.max_send_data_segment_length,
        parameters.max_burst_length,
        parameters.first_burst_length,
    )
}

/// Logs in to a target that agrees on values of its choice, and `lies` now and then.
fn log_in(lies: bool, random: &mut Random) -> Option<Established> {
    let parameters = Parameters {
        default_time2retain: 0,
        ..random_parameters(random)
    };
    let offer = Offer {
        max_receive_data_segment_length: parameters.max_receive_data_segment_length,
        ..Offer::default()
    };
    let first = random.pick(&FIRST).unwrap();
    let mut login = login_offering(offer, None);
    let mut expected = None;
    let responses = [
        (TO_OPERATIONAL, 0, "AuthMethod=None".to_string()),
        (TO_FULL_FEATURE, 7, keys(&parameters)),
    ];
    for (stat_sn, (flags, tsih, pairs)) in (first..).zip(responses) {
        let max_cmd_sn = random.within(0, 4);
        let data = text(&pairs);
        let mut header = login_response(flags, tsih, 0, data.len()).numbers(stat_sn, 1, max_cmd_sn);
        if lies && random.once_in(6) {
            let known = Known {
                witness: &Witness::new(&nobody()),
                past: &[],
                requests: &[],
            };
            liar::mutate(&mut header, &known, random);
        }
        let received = word(&header.0, 24);
        let follows = |expected: u32| expected.wrapping_sub(received) <= REPEATS;
        let exp_stat_sn = match expected {
            Some(expected) if received != expected => expected,
            _ => received.wrapping_add(1),
        };
        match answer(login, &header, &data) {
            Ok(Step::Request(next)) => login = next,
            Ok(Step::Established(established)) => {
                assert!(expected.is_none_or(follows), "a status was lost");
                assert_eq!(established.exp_stat_sn.value(), exp_stat_sn);
                assert_eq!(established.cmd_sn.value(), 1);
                assert_eq!(established.parameters, parameters);
                assert_ne!(established.tsih, 0);
                return Some(renumbered(established, random));
            }
            _ if lies => return None,
            other => panic!("{other:?}"),
        }
        assert!(expected.is_none_or(follows), "a status was lost");
        assert_eq!(word(&request(&login).0, 28), exp_stat_sn);
        expected = Some(exp_stat_sn);
    }
    None
}

/// The same session where it may have come after many commands.
fn renumbered(established: Established, random: &mut Random) -> Established {
    let by = match random.below(8) {
        0 => FIRST[0],
        1 => FIRST[1],
        _ => 0,
    };
    Established {
        cmd_sn: established.cmd_sn.advanced(by),
        exp_cmd_sn: established.exp_cmd_sn.advanced(by),
        max_cmd_sn: established.max_cmd_sn.advanced(by),
        ..established
    }
}

/// A session before there is one.
fn nobody() -> Established {
    let one = Serial::new(1);
    Established {
        parameters: Parameters::default(),
        tsih: 1,
        cmd_sn: one,
        exp_cmd_sn: one,
        max_cmd_sn: one,
        exp_stat_sn: one,
        target_portal_group: None,
        quirks: Quirks::NONE,
    }
}

/// How often what happened.
type Tally = BTreeMap<String, u32>;

/// A host with commands, and a target that says what it likes.
#[derive(Default)]
struct World {
    initiator: Option<Initiator>,
    /// Commands that are not under way.
    waiting: VecDeque<Order>,
    submitted: u32,
    /// How often each command ended.
    ends: BTreeMap<u32, u32>,
    tag: u32,
    past: Vec<u32>,
    tally: Tally,
    tells: bool,
}

impl World {
    fn step(&mut self, random: &mut Random) {
        let Some(initiator) = &mut self.initiator else {
            let established = log_in(true, random);
            self.count(if established.is_some() {
                "session"
            } else {
                "no session"
            });
            self.initiator = established.as_ref().map(Initiator::new);
            return;
        };
        let mut wire = VecDeque::new();
        match random.below(20) {
            0..4 => self.submit(random),
            4..8 => {
                if let Some(tag) = random.pick(&initiator.tags()) {
                    // RFC 7143 section 4.2.5.2: what may be owed at a time.
                    let parameters = initiator.parameters();
                    let burst = parameters.max_burst_length + parameters.first_burst_length;
                    let most = 2 + burst / (parameters.max_send_data_segment_length & !3);
                    let some = random.within(1, 3) as usize;
                    let count = if random.once_in(2) { usize::MAX } else { some };
                    assert!(initiator.pay(tag, count, &mut wire) <= most as usize);
                }
            }
            8..18 => self.hear(random),
            18 if !initiator.is_logged_out() => {
                self.tag += 1;
                let tags = initiator.tags();
                match random.below(12) {
                    0 => initiator.logout(self.tag, &mut wire),
                    1..6 => initiator.ping(self.tag, &mut wire),
                    _ if initiator.requests().len() >= QUEUE => {}
                    _ => {
                        if let Some(tag) = random.pick(&tags) {
                            initiator.abort(self.tag, tag, &mut wire);
                        }
                    }
                }
            }
            _ if random.once_in(12) => self.tear(random),
            _ => {}
        }
        if let Some(initiator) = &self.initiator {
            initiator.audit();
            assert!(initiator.commands.len() + self.waiting.len() <= QUEUE);
        }
    }

    /// Sends a command, a new one if none waits.
    fn submit(&mut self, random: &mut Random) {
        let Some(initiator) = &mut self.initiator else {
            return;
        };
        if self.waiting.is_empty() && initiator.commands.len() < QUEUE {
            let burst = initiator.parameters().max_burst_length.min(2_000);
            self.waiting
                .push_back(Order::random(self.submitted, burst, random));
            self.submitted += 1;
        }
        let Some(order) = self.waiting.front() else {
            return;
        };
        self.tag += 1;
        if self.tells {
            println!("{:#x}: {order:?}", self.tag);
        }
        if initiator.issue(self.tag, *order, &mut VecDeque::new()) {
            self.waiting.pop_front();
        }
    }

    /// Takes a PDU of the target's choice.
    fn hear(&mut self, random: &mut Random) {
        let Some(initiator) = &mut self.initiator else {
            return;
        };
        let known = Known {
            witness: &initiator.witness,
            past: &self.past,
            requests: &initiator.requests(),
        };
        let pdu = liar::pdu(&known, random);
        if self.tells {
            let [a, b, c] = [0, 16, 32].map(|at| &pdu[at..at + 16]);
            println!("{a:02x?} {b:02x?} {c:02x?}");
            println!("  at {}", initiator.witness.summary());
        }
        let tag = word(&pdu, 16);
        initiator.input.extend(pdu);
        let mut wire = VecDeque::new();
        let received = initiator.receive(&mut wire);
        assert!(wire.len() <= 48, "more than the answer to a ping");
        match received {
            Ok(None) => {}
            Ok(Some(ended)) => {
                self.past.insert(0, tag);
                self.past.truncate(PAST);
                self.end(&ended);
            }
            Err(fault) => {
                // The session says the same as before, though nobody asks it any more.
                initiator.audit_numbers();
                self.count_name(&fault);
                self.tear(random);
            }
        }
    }

    fn end(&mut self, ended: &Ended) {
        match ended.outcome {
            None => self.count("aborted"),
            Some(Outcome::Failed(failure)) => self.count_name(&failure),
            Some(Outcome::Completed(end)) if !end.status.is_success() => self.count("status"),
            Some(_) if ended.order.length == 0 => self.count("done"),
            Some(_) => self.count("done with data"),
        }
        *self.ends.entry(ended.order.id).or_default() += 1;
    }

    /// The connection is gone: each command ends, or waits for the next.
    fn tear(&mut self, random: &mut Random) {
        let Some(initiator) = self.initiator.take() else {
            return;
        };
        self.past.extend(initiator.tags());
        for order in initiator.commands.values().map(|command| command.order) {
            if random.once_in(4) {
                self.count("torn");
                *self.ends.entry(order.id).or_default() += 1;
            } else {
                self.waiting.push_back(order);
            }
        }
    }

    /// Counts an error or a failure by what names it.
    fn count_name(&mut self, what: &dyn core::fmt::Debug) {
        let name = format!("{what:?}").replace("Protocol(PeerMisbehaved(", "");
        let end = name.find(|letter: char| !letter.is_alphanumeric());
        self.count(&name[..end.unwrap_or(name.len())]);
    }

    fn count(&mut self, what: &str) {
        if self.tells {
            println!("{what}");
        }
        *self.tally.entry(what.to_string()).or_default() += 1;
    }
}

/// Takes these steps, and then the connection down for good.
fn play(steps: &[u64], tells: bool) -> Tally {
    let mut world = World {
        tells,
        ..World::default()
    };
    for step in steps {
        world.step(&mut Random::new(*step));
        assert!(world.ends.values().all(|count| *count == 1), "ended twice");
    }
    world.tear(&mut Random::new(0));
    for order in world.waiting.drain(..) {
        *world.ends.entry(order.id).or_default() += 1;
    }
    assert!(world.ends.keys().copied().eq(0..world.submitted), "no end");
    assert!(world.ends.values().all(|count| *count == 1), "ended twice");
    world.tally
}

/// What the sessions have to come to, or nothing was tried.
const REACHED: [&str; 28] = [
    "session",
    "no session",
    "done",
    "done with data",
    "status",
    "aborted",
    "torn",
    "DataMissing",
    "PdusMissing",
    "Residual",
    "Response",
    "End",
    "Rejected",
    "UnknownTag",
    "AdditionalHeader",
    "DataSegmentTooLong",
    "StatSnGap",
    "DataInWithoutRead",
    "DataSn",
    "DataInOffset",
    "DataInBeyondEnd",
    "LunMismatch",
    "R2tWithoutWrite",
    "R2tSn",
    "TooManyR2ts",
    "R2tAboveMaxBurst",
    "R2tBeyondEnd",
    "R2tOffset",
];

#[test]
fn no_target_breaks_what_must_hold() {
    let mut tally = Tally::new();
    for seed in 0..600 {
        for (what, count) in shrink::check(seed, 500, play) {
            *tally.entry(what).or_default() += count;
        }
    }
    println!("{tally:#?}");
    for what in REACHED {
        assert!(tally.contains_key(what), "never reached: {what}");
    }
}

/// A turn of an exchange with a correct target for each step, and as many more as it takes.
fn serve(seed: u64, steps: &[u64], tells: bool) {
    const COUNT: u32 = 20;
    let mut random = Random::new(seed);
    let mut orders: VecDeque<Order> = (0..COUNT)
        .map(|id| Order::random(id, 2_000, &mut random))
        .collect();
    let (mut tag, mut ended) = (0, vec![0; COUNT as usize]);
    let mut exchange: Option<Exchange> = None;
    for step in steps.iter().copied().chain(0..100_000) {
        let random = &mut Random::new(step);
        let Some(now) = &mut exchange else {
            exchange = log_in(false, random).as_ref().map(Exchange::new);
            continue;
        };
        let initiator = &now.initiator;
        if random.once_in(500) || initiator.is_logged_out() {
            // What is under way begins again with the next session.
            orders.extend(initiator.commands.values().map(|command| command.order));
            exchange = None;
            continue;
        }
        if random.once_in(500) {
            match now.logout(tag) {
                Err(Fault::End) => continue,
                other => panic!("{:?}", other.err()),
            }
        }
        for end in now.turn(&mut orders, &mut tag, random).unwrap() {
            if tells {
                println!("{:?} {:?}", end.order, end.outcome);
            }
            end.check_success();
            ended[end.order.id as usize] += 1;
        }
        if orders.is_empty() && now.initiator.commands.is_empty() {
            assert_eq!(ended, [1; COUNT as usize]);
            return;
        }
    }
    panic!("{ended:?}");
}

#[test]
fn with_a_correct_target_every_command_succeeds() {
    for seed in 0..150 {
        shrink::check(seed, 1_000, |steps, tells| serve(seed, steps, tells));
    }
}
