// SPDX-License-Identifier: GPL-2.0-only

//! The client's side of the conversation with DHCPv6 servers (RFC 8415 section 18.2).
//!
//! | State      | What happens                                 | Next state                      |
//! |------------|----------------------------------------------|---------------------------------|
//! | Soliciting | an Advertise of the highest preference, with | Requesting                      |
//! |            | all that the boot needs                      |                                 |
//! | Soliciting | the first wait ends, with an Advertise       | Requesting, of the best server  |
//! | Soliciting | an Advertise after that                      | Requesting                      |
//! | Requesting | the server's Reply with an address           | Bound                           |
//! | Requesting | the server refuses                           | Soliciting; after three, Failed |
//! | Requesting | ten Requests without answer                  | Soliciting                      |
//! | Bound      | another host has the address                 | Declining                       |
//! | Declining  | the server's Reply, or four Declines without | Soliciting                      |
//! | any        | the limit ends                               | Failed                          |

use core::net::Ipv6Addr;

use crate::proto::{
    dhcp6::{
        error::{
            Failure,
            Ignored,
            Refusal, //
        },
        exchange::{
            Exchange,
            Random,
            Waits, //
        },
        lease::{
            Information,
            Lease, //
        },
        message::{
            answerer,
            Code,
            Message,
            MessageType,
            Question, //
        },
    },
    time::{
        Duration,
        Instant, //
    },
};

/// How long all of it takes at most where nobody is in a hurry.
pub const LIMIT: Duration = Duration::from_secs(30);
/// The most that the first message is delayed: machines that start together shall not stay together
/// (RFC 8415 section 7.6, SOL_MAX_DELAY).
pub(super) const MAX_DELAY: Duration = Duration::from_secs(1);
/// For how long an answer is waited for (SOL_TIMEOUT, REQ_TIMEOUT, REQ_MAX_RT).
pub(super) const WAITS: Waits = Waits {
    first: Duration::from_secs(1),
    max: Duration::from_secs(30),
};
/// How many Requests a server may leave without an answer (REQ_MAX_RC).
pub(super) const MAX_REQUESTS: u32 = 10;
/// For how long an answer to a Decline is waited for, and how many there may be (DEC_TIMEOUT,
/// DEC_MAX_RC).
const DECLINE_WAITS: Waits = Waits {
    first: Duration::from_secs(1),
    max: Duration::from_secs(30),
};
const MAX_DECLINES: u32 = 4;
/// How many refusals end the conversation, and how many addresses that others have.
const MAX_REFUSALS: u8 = 3;
const MAX_CONFLICTS: u8 = 3;
/// The preference with which a server is chosen at once.
const HIGHEST_PREFERENCE: u8 = 255;

/// What a client is given at its start.
#[derive(Clone, Copy, Debug)]
pub struct Parameters {
    /// The address of the Ethernet device.
    pub mac: [u8; 6],
    /// A random number, of which come the numbers of messages and the spread of times.
    pub seed: u64,
    /// Whether an offer with something to boot is better than others.
    pub needs_root_path: bool,
    /// The address that the machine would like to have: it has had it before.
    pub wanted: Option<Ipv6Addr>,
    /// How long all of it may take, [`LIMIT`] or less.
    pub limit: Duration,
}

/// A DHCPv6 client for one network device, without I/O and clock.
///
/// The caller moves messages and tells the time:
/// - [`poll_transmit`](Self::poll_transmit): at the start, after each message taken in and when the
///   time of `poll_timeout` has come; again until it has nothing to send.
/// - [`handle_message`](Self::handle_message): for each UDP datagram that comes in.
/// - [`outcome`](Self::outcome): after each of those; once there is one, it stays.
#[derive(Debug)]
pub struct Client {
    parameters: Parameters,
    random: Random,
    started: Instant,
    sent: u32,
    refusals: u8,
    conflicts: u8,
    last_fault: Option<Ignored>,
    state: State,
}

/// Where the client is.
#[derive(Debug)]
enum State {
    Soliciting {
        exchange: Exchange,
        best: Option<Offer>,
    },
    Requesting {
        exchange: Exchange,
        offer: Offer,
    },
    Bound(Lease),
    Declining {
        exchange: Exchange,
        lease: Lease,
    },
    Failed(Failure),
}

/// Whether an offer has something to boot where that is needed, whether it is of the address that
/// is wanted, and how much its server wants to be chosen.
type Rank = (bool, bool, u8);

/// What a server has advertised.
#[derive(Debug)]
struct Offer {
    lease: Lease,
    rank: Rank,
}

impl Client {
    /// A client that begins to ask soon after `now`.
    pub fn new(parameters: Parameters, now: Instant) -> Self {
        let mut random = Random(parameters.seed);
        let delay = random.below(MAX_DELAY.as_millis());
        let due = now.after(Duration::from_millis(delay));
        let exchange = Exchange::new(&mut random, due, WAITS);
        Self {
            parameters,
            random,
            started: now,
            sent: 0,
            refusals: 0,
            conflicts: 0,
            last_fault: None,
            state: State::Soliciting {
                exchange,
                best: None,
            },
        }
    }

    /// Writes the message that is to be sent now to all servers, if any, and gives its length.
    ///
    /// Where `buffer` has no room for [`SENT_LENGTH`](super::message::SENT_LENGTH) bytes, the
    /// message is lost.
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<usize> {
        if self.poll_timeout()? > now {
            return None;
        }
        if now.since(self.started) >= self.parameters.limit {
            let failure = self.failure(now);
            self.state = State::Failed(failure);
            return None;
        }
        self.settle(now);
        let mac = self.parameters.mac;
        let (kind, exchange, server, address) = match &mut self.state {
            State::Soliciting { exchange, .. } => {
                (MessageType::SOLICIT, exchange, None, self.parameters.wanted)
            }
            State::Requesting { exchange, offer } => {
                let Lease {
                    server_id, address, ..
                } = &offer.lease;
                (
                    MessageType::REQUEST,
                    exchange,
                    Some(server_id),
                    Some(*address),
                )
            }
            State::Declining { exchange, lease } => (
                MessageType::DECLINE,
                exchange,
                Some(&lease.server_id),
                Some(lease.address),
            ),
            State::Bound(_) | State::Failed(_) => return None,
        };
        self.sent = self.sent.saturating_add(1);
        let question = Question {
            kind,
            transaction: exchange.transaction,
            mac,
            elapsed: exchange.send(&mut self.random, now),
            server,
            address,
        };
        question.write(buffer)
    }

    /// Takes in a datagram that came from the address `from`.
    ///
    /// # Errors
    ///
    /// The message changed nothing, for the reason that is given; that is
    /// nothing out of the ordinary.
    pub fn handle_message(
        &mut self,
        now: Instant,
        from: Ipv6Addr,
        datagram: &[u8],
    ) -> Result<(), Ignored> {
        let result = self.take_in(now, from, datagram);
        if let Err(reason) = &result {
            if reason.is_fault() {
                self.last_fault = Some(reason.clone());
            }
        }
        result
    }

    /// When [`poll_transmit`](Self::poll_transmit) is to be called next, unless there is an
    /// outcome.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due = match &self.state {
            State::Soliciting { exchange, .. }
            | State::Requesting { exchange, .. }
            | State::Declining { exchange, .. } => exchange.due,
            State::Bound(_) | State::Failed(_) => return None,
        };
        Some(due.min(self.started.after(self.parameters.limit)))
    }

    /// How it ended, once it has.
    pub fn outcome(&self) -> Option<Result<&Lease, &Failure>> {
        match &self.state {
            State::Bound(lease) => Some(Ok(lease)),
            State::Failed(failure) => Some(Err(failure)),
            State::Soliciting { .. } | State::Requesting { .. } | State::Declining { .. } => None,
        }
    }

    /// Declines the lease that there is, since another host has its address (RFC 8415 section
    /// 18.2.8), and goes on for another one; `false`, and nothing done, where it was often enough.
    pub fn decline(&mut self, now: Instant) -> bool {
        let State::Bound(lease) = &self.state else {
            return false;
        };
        if self.conflicts >= MAX_CONFLICTS {
            return false;
        }
        self.conflicts = self.conflicts.saturating_add(1);
        self.state = State::Declining {
            exchange: Exchange::new(&mut self.random, now, DECLINE_WAITS),
            lease: lease.clone(),
        };
        true
    }

    /// Goes on to the next exchange where the wait that has ended was the last of this one.
    fn settle(&mut self, now: Instant) {
        let next = match &mut self.state {
            State::Soliciting { best, .. } => best.take().map(|offer| State::Requesting {
                exchange: Exchange::new(&mut self.random, now, WAITS),
                offer,
            }),
            State::Requesting { exchange, .. } if exchange.count >= MAX_REQUESTS => {
                Some(self.solicit(now))
            }
            State::Declining { exchange, .. } if exchange.count >= MAX_DECLINES => {
                Some(self.solicit(now))
            }
            _ => None,
        };
        if let Some(next) = next {
            self.state = next;
        }
    }

    /// Begins again.
    fn solicit(&mut self, now: Instant) -> State {
        State::Soliciting {
            exchange: Exchange::new(&mut self.random, now, WAITS),
            best: None,
        }
    }

    fn take_in(&mut self, now: Instant, from: Ipv6Addr, datagram: &[u8]) -> Result<(), Ignored> {
        let message = Message::parse(datagram).ok_or(Ignored::Malformed)?;
        let mac = self.parameters.mac;
        let (exchange, kind) = match &self.state {
            State::Soliciting { exchange, .. } => (exchange, MessageType::ADVERTISE),
            State::Requesting { exchange, .. } | State::Declining { exchange, .. } => {
                (exchange, MessageType::REPLY)
            }
            State::Bound(_) | State::Failed(_) => return Err(Ignored::OutOfTurn(message.kind)),
        };
        let server = answerer(&message, kind, exchange.transaction, mac, from)?;
        // What was not asked yet has no answer.
        if exchange.count == 0 {
            return Err(Ignored::OtherTransaction);
        }
        let options = message.options;
        let offered = || match Lease::address(options, mac) {
            Some(Ok(offered)) => Ok(offered),
            Some(Err(refusal)) => Err(Ignored::Refused {
                server: from,
                refusal,
            }),
            None => Err(Ignored::NoAddress { server: from }),
        };
        match &mut self.state {
            State::Soliciting { exchange, best } => {
                let offered = offered()?;
                let preference = match options.value(Code::PREFERENCE) {
                    Some([preference]) => *preference,
                    _ => 0,
                };
                let Parameters {
                    needs_root_path,
                    wanted,
                    ..
                } = self.parameters;
                let has_root_path = !needs_root_path || Information::has_root_path(options);
                let is_wanted = wanted.is_some_and(|wanted| wanted == offered.0);
                let rank = (has_root_path, is_wanted, preference);
                if best.as_ref().is_some_and(|best| best.rank >= rank) {
                    return Err(Ignored::NoBetter);
                }
                *best = Some(Offer {
                    lease: Lease::new(offered, server, options, from),
                    rank,
                });
                // RFC 8415 section 18.2.1: the others have the time of the first wait.
                let is_chosen = has_root_path && preference == HIGHEST_PREFERENCE;
                if is_chosen || exchange.count > 1 {
                    exchange.due = now;
                }
                Ok(())
            }
            State::Requesting { offer, .. } => {
                if server != offer.lease.server_id {
                    return Err(Ignored::OtherServer);
                }
                match offered() {
                    Ok(offered) => {
                        self.state = State::Bound(Lease::new(offered, server, options, from));
                    }
                    Err(Ignored::Refused { server, refusal }) => {
                        self.refused(now, server, refusal);
                    }
                    Err(reason) => return Err(reason),
                }
                Ok(())
            }
            State::Declining { lease, .. } => {
                if server != lease.server_id {
                    return Err(Ignored::OtherServer);
                }
                self.state = self.solicit(now);
                Ok(())
            }
            State::Bound(_) | State::Failed(_) => Err(Ignored::OutOfTurn(message.kind)),
        }
    }

    /// A server refuses what it has offered.
    fn refused(&mut self, now: Instant, server: Ipv6Addr, refusal: Refusal) {
        self.refusals = self.refusals.saturating_add(1);
        self.last_fault = Some(Ignored::Refused {
            server,
            refusal: refusal.clone(),
        });
        self.state = if self.refusals >= MAX_REFUSALS {
            State::Failed(Failure::Refused { server, refusal })
        } else {
            self.solicit(now)
        };
    }

    /// Why there is no lease when there is no time left.
    fn failure(&self, now: Instant) -> Failure {
        match &self.state {
            State::Requesting { offer, .. } => Failure::Silence {
                server: offer.lease.information.server,
                address: offer.lease.address,
            },
            _ => Failure::NoAnswer {
                sent: self.sent,
                elapsed: now.since(self.started),
                last_fault: self.last_fault.clone(),
            },
        }
    }
}
