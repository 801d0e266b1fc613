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
//! | any        | the limit ends                               | Failed                          |

use core::net::Ipv6Addr;

use crate::proto::{
    dhcp6::{
        error::{
            Failure,
            Ignored, //
        },
        lease::Lease,
        message::{
            client_id,
            Code,
            Message,
            MessageType,
            Question,
            ServerId, //
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
const MAX_DELAY: Duration = Duration::from_secs(1);
/// The first wait for an answer, and about the longest (SOL_TIMEOUT, REQ_TIMEOUT, REQ_MAX_RT).
const FIRST_WAIT: Duration = Duration::from_secs(1);
const MAX_WAIT: Duration = Duration::from_secs(30);
/// How many Requests a server may leave without an answer (REQ_MAX_RC).
const MAX_REQUESTS: u32 = 10;
/// How many refusals end the conversation.
const MAX_REFUSALS: u8 = 3;
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
    Failed(Failure),
}

/// A message that is sent until there is an answer to it.
#[derive(Clone, Copy, Debug)]
struct Exchange {
    transaction: [u8; 3],
    /// When it is sent next, or its wait ends.
    due: Instant,
    /// When it was first sent, and how often it was.
    first: Option<Instant>,
    count: u32,
    /// The last wait for an answer.
    wait: Duration,
}

/// What a server has advertised.
#[derive(Debug)]
struct Offer {
    server: ServerId,
    lease: Lease,
    rank: (bool, u8),
}

impl Client {
    /// A client that begins to ask soon after `now`.
    pub fn new(parameters: Parameters, now: Instant) -> Self {
        let mut random = Random(parameters.seed);
        let delay = random.below(MAX_DELAY.as_millis());
        let exchange = random.exchange(now.after(Duration::from_millis(delay)));
        Self {
            parameters,
            random,
            started: now,
            sent: 0,
            refusals: 0,
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
        let (kind, exchange, of) = match &mut self.state {
            State::Soliciting { exchange, .. } => (MessageType::SOLICIT, exchange, None),
            State::Requesting { exchange, offer } => {
                let of = (&offer.server, offer.lease.address);
                (MessageType::REQUEST, exchange, Some(of))
            }
            State::Bound(_) | State::Failed(_) => return None,
        };
        let wait = self.random.wait(exchange);
        exchange.wait = wait;
        exchange.due = now.after(wait);
        exchange.count = exchange.count.saturating_add(1);
        self.sent = self.sent.saturating_add(1);
        let question = Question {
            kind,
            transaction: exchange.transaction,
            mac,
            elapsed: now.since(*exchange.first.get_or_insert(now)),
            of,
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
            State::Soliciting { exchange, .. } | State::Requesting { exchange, .. } => exchange.due,
            State::Bound(_) | State::Failed(_) => return None,
        };
        Some(due.min(self.started.after(self.parameters.limit)))
    }

    /// How it ended, once it has.
    pub fn outcome(&self) -> Option<Result<&Lease, &Failure>> {
        match &self.state {
            State::Bound(lease) => Some(Ok(lease)),
            State::Failed(failure) => Some(Err(failure)),
            State::Soliciting { .. } | State::Requesting { .. } => None,
        }
    }

    /// Goes on to the next exchange where the wait that has ended was the last of this one.
    fn settle(&mut self, now: Instant) {
        let next = match &mut self.state {
            State::Soliciting { best, .. } => best.take().map(|offer| State::Requesting {
                exchange: self.random.exchange(now),
                offer,
            }),
            State::Requesting { exchange, .. } if exchange.count >= MAX_REQUESTS => {
                Some(State::Soliciting {
                    exchange: self.random.exchange(now),
                    best: None,
                })
            }
            _ => None,
        };
        if let Some(next) = next {
            self.state = next;
        }
    }

    fn take_in(&mut self, now: Instant, from: Ipv6Addr, datagram: &[u8]) -> Result<(), Ignored> {
        let message = Message::parse(datagram).ok_or(Ignored::Malformed)?;
        let mac = self.parameters.mac;
        let (exchange, kind) = match &self.state {
            State::Soliciting { exchange, .. } => (exchange, MessageType::ADVERTISE),
            State::Requesting { exchange, .. } => (exchange, MessageType::REPLY),
            State::Bound(_) | State::Failed(_) => return Err(Ignored::OutOfTurn(message.kind)),
        };
        if message.kind != kind {
            return Err(Ignored::OutOfTurn(message.kind));
        }
        // What was not asked yet has no answer.
        if message.transaction != exchange.transaction || exchange.count == 0 {
            return Err(Ignored::OtherTransaction);
        }
        // RFC 8415 sections 16.3 and 16.10.
        if message.options.value(Code::CLIENT_IDENTIFIER) != Some(&client_id(mac)) {
            return Err(Ignored::OtherClient);
        }
        let server = message.options.value(Code::SERVER_IDENTIFIER);
        let server = server
            .and_then(ServerId::new)
            .ok_or(Ignored::NoServerIdentifier { server: from })?;
        let lease = Lease::new(message.options, mac, from);
        match &mut self.state {
            State::Soliciting { exchange, best } => {
                let lease =
                    lease
                        .ok_or(Ignored::NoAddress { server: from })?
                        .map_err(|refusal| Ignored::Refused {
                            server: from,
                            refusal,
                        })?;
                let preference = match message.options.value(Code::PREFERENCE) {
                    Some([preference]) => *preference,
                    _ => 0,
                };
                let has_root_path = !self.parameters.needs_root_path || lease.root_path().is_some();
                let rank = (has_root_path, preference);
                if best.as_ref().is_some_and(|best| best.rank >= rank) {
                    return Err(Ignored::NoBetter);
                }
                *best = Some(Offer {
                    server,
                    lease,
                    rank,
                });
                // RFC 8415 section 18.2.1: the others have the time of the first wait.
                if rank == (true, HIGHEST_PREFERENCE) || exchange.count > 1 {
                    exchange.due = now;
                }
                Ok(())
            }
            State::Requesting { offer, .. } => {
                if server != offer.server {
                    return Err(Ignored::OtherServer);
                }
                match lease.ok_or(Ignored::NoAddress { server: from })? {
                    Ok(lease) => self.state = State::Bound(lease),
                    Err(refusal) => {
                        let server = from;
                        self.refusals = self.refusals.saturating_add(1);
                        self.last_fault = Some(Ignored::Refused {
                            server,
                            refusal: refusal.clone(),
                        });
                        self.state = if self.refusals >= MAX_REFUSALS {
                            State::Failed(Failure::Refused { server, refusal })
                        } else {
                            State::Soliciting {
                                exchange: self.random.exchange(now),
                                best: None,
                            }
                        };
                    }
                }
                Ok(())
            }
            State::Bound(_) | State::Failed(_) => Err(Ignored::OutOfTurn(message.kind)),
        }
    }

    /// Why there is no lease when there is no time left.
    fn failure(&self, now: Instant) -> Failure {
        match &self.state {
            State::Requesting { offer, .. } => Failure::Silence {
                server: offer.lease.server,
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

/// Numbers that others cannot foresee, as far as the first of them is one (splitmix64).
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, or 0.
    fn below(&mut self, limit: u64) -> u64 {
        self.next().checked_rem(limit).unwrap_or(0)
    }

    /// An exchange whose message is sent at `due`.
    fn exchange(&mut self, due: Instant) -> Exchange {
        let [a, b, c, ..] = self.next().to_be_bytes();
        Exchange {
            transaction: [a, b, c],
            due,
            first: None,
            count: 0,
            wait: Duration::default(),
        }
    }

    /// The next wait for an answer (RFC 8415 section 15): twice as long as the last one, give or
    /// take a tenth; the first one not shorter than it should be.
    fn wait(&mut self, exchange: &Exchange) -> Duration {
        let next = match exchange.count {
            0 => FIRST_WAIT,
            _ => Duration::from_millis(exchange.wait.as_millis().saturating_mul(2)).min(MAX_WAIT),
        };
        let tenth = next.as_millis() / 10;
        let (least, span) = match exchange.count {
            0 => (next.as_millis().saturating_add(1), tenth),
            _ => (
                next.as_millis().saturating_sub(tenth),
                tenth.saturating_mul(2).saturating_add(1),
            ),
        };
        Duration::from_millis(least.saturating_add(self.below(span)))
    }
}
