// SPDX-License-Identifier: GPL-2.0-only

//! The client's side of the conversation with DHCP and BOOTP servers
//! (RFC 2131 section 4.4, RFC 1534).
//!
//! | State       | What happens                               | Next state                       |
//! |-------------|--------------------------------------------|----------------------------------|
//! | Discovering | an offer with all that the boot needs      | Requesting                       |
//! | Discovering | an offer that lacks something              | Collecting                       |
//! | Collecting  | an offer with all that the boot needs      | Requesting                       |
//! | Collecting  | [`COLLECTION`] is over                     | Requesting, with the best offer  |
//! | Requesting  | the server's ACK                           | Bound                            |
//! | Requesting  | the server's NAK                           | Discovering; after three, Failed |
//! | Requesting  | three REQUESTs without answer              | Discovering                      |
//! | any         | the [`MAX_WAITS`]th wait or the limit ends | Failed                           |
//!
//! A BOOTP reply is chosen like an offer, and then there is nothing to request: the next state
//! is Bound. Where a request to a server was in vain, an offer from another server is
//! preferred to one of its own.

use core::net::Ipv4Addr;

use crate::proto::{
    config::interface::is_host,
    dhcp::{
        error::{
            Failure,
            Ignored, //
        },
        identity::Identity,
        lease::{
            Lease,
            Protocol, //
        },
        options::{
            Code,
            MessageType, //
        },
        packet::{
            self,
            Reply,
            Sender,
            OPTIONS_LENGTH, //
        },
        question::Question,
    },
    time::{
        Duration,
        Instant, //
    },
};

use self::{
    schedule::Wait,
    state::{
        Collecting,
        Discovering,
        Progress,
        Rank,
        Refusal,
        State, //
    },
};

mod schedule;
mod state;

pub use self::{
    schedule::MAX_WAITS,
    state::COLLECTION, //
};

/// How long all of it takes at most where nobody is in a hurry.
///
/// Where nobody answers, the [`MAX_WAITS`] are over sooner, after 71 to 92 s.
pub const LIMIT: Duration = Duration::from_secs(120);

/// What a client is given at its start.
#[derive(Clone, Copy, Debug)]
pub struct Parameters {
    /// The address of the Ethernet device.
    pub mac: [u8; 6],
    /// A random number, by which servers' answers are told from those to other clients.
    pub xid: u32,
    /// A random number, which spreads the times of sending; else machines that
    /// start together stay together.
    pub seed: u64,
    /// Whether the boot needs a root path, so that waiting for an offer with one
    /// is worth [`COLLECTION`].
    pub needs_root_path: bool,
    /// The address that the machine has and would keep, so that waiting for an offer of it is worth
    /// [`COLLECTION`].
    pub wanted: Option<Ipv4Addr>,
    /// How long all of it may take, [`LIMIT`] or less.
    pub limit: Duration,
}

/// A DHCP and BOOTP client for one network device, without I/O and clock.
///
/// The caller moves packets and tells the time:
/// - [`poll_transmit`](Self::poll_transmit): at the start, after each packet taken in and when the
///   time of `poll_timeout` has come; again until it has nothing to send.
/// - [`handle_packet`](Self::handle_packet): for each IPv4 packet that the device receives.
/// - [`outcome`](Self::outcome): after each of those; once there is one, it stays.
/// - [`poll_timeout`](Self::poll_timeout): before waiting; it changes with each of those.
#[derive(Debug)]
pub struct Client {
    parameters: Parameters,
    started: Instant,
    /// How many packets were sent.
    sent: u32,
    /// How many answers to this client could not be used, and why the last one.
    faulty: u32,
    last_fault: Option<Ignored>,
    state: State,
    /// The offer that the state is about, and in the end the lease.
    lease: Option<Lease>,
    /// What the latest answer gives.
    answered: Option<Lease>,
}

impl Client {
    /// A client that begins to ask at `now`.
    pub fn new(parameters: Parameters, now: Instant) -> Self {
        Self {
            parameters,
            started: now,
            sent: 0,
            faulty: 0,
            last_fault: None,
            state: State::Discovering(Discovering {
                progress: Progress::new(parameters.seed),
                wait: Wait::Send(now),
            }),
            lease: None,
            answered: None,
        }
    }

    /// Writes the packet that is to be sent now, if any, and gives its length; `identity` is what
    /// the machine says of itself, the same each time.
    ///
    /// It is a whole IPv4 packet for the link's broadcast address. Where `buffer` has no room for
    /// [`packet::SENT_LENGTH`] bytes, the packet is lost.
    pub fn poll_transmit(
        &mut self,
        now: Instant,
        identity: &Identity,
        buffer: &mut [u8],
    ) -> Option<usize> {
        while self.poll_timeout()? <= now {
            if let Some(question) = self.on_time(now) {
                self.sent = self.sent.saturating_add(1);
                return self.write(question, identity, buffer);
            }
        }
        None
    }

    /// Writes the packet that asks `question`.
    // Not inlined, as what else is large: a kernel stack is too small for all of it together.
    #[inline(never)]
    fn write(&self, question: Question, identity: &Identity, buffer: &mut [u8]) -> Option<usize> {
        let sender = Sender {
            mac: self.parameters.mac,
            xid: self.parameters.xid,
            secs: question.secs(),
            address: Ipv4Addr::UNSPECIFIED,
        };
        let mut options = [0; OPTIONS_LENGTH];
        let options = question.options(identity, self.parameters.wanted, &mut options)?;
        packet::write(buffer, &sender, options)
    }

    /// Takes in an IPv4 packet that the device received.
    ///
    /// # Errors
    ///
    /// The packet changed nothing, for the reason that is given; that is
    /// nothing out of the ordinary.
    pub fn handle_packet(&mut self, now: Instant, packet: &[u8]) -> Result<(), Ignored> {
        let result = match self.read(packet) {
            Ok(answer) => self.on_answer(now, answer),
            Err(reason) => Err(reason),
        };
        if let Err(reason) = &result {
            if reason.is_fault() {
                self.faulty = self.faulty.saturating_add(1);
                self.last_fault = Some(*reason);
            }
        }
        result
    }

    /// When [`poll_transmit`](Self::poll_transmit) is to be called next,
    /// unless there is an outcome.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due = match &self.state {
            State::Discovering(state) => state.wait.due(),
            State::Collecting(state) => state.until,
            State::Requesting(state) => state.wait.due(),
            State::Bound | State::Failed(_) => return None,
        };
        Some(due.min(self.started.after(self.parameters.limit)))
    }

    /// How it ended, once it has.
    pub fn outcome(&self) -> Option<Result<&Lease, &Failure>> {
        match &self.state {
            State::Bound => self.lease.as_ref().map(Ok),
            State::Failed(failure) => Some(Err(failure)),
            State::Discovering(_) | State::Collecting(_) | State::Requesting(_) => None,
        }
    }

    /// Does what is due at `now`; there may be something to send then.
    fn on_time(&mut self, now: Instant) -> Option<Question> {
        let no_answer = self.no_answer(now);
        let elapsed = now.since(self.started);
        let state = self.take_state();
        let (state, question) = if elapsed >= self.parameters.limit {
            (State::Failed(state.failure(no_answer)), None)
        } else {
            state.on_time(now, elapsed, no_answer)
        };
        self.state = state;
        question
    }

    /// Reads an answer to this client.
    // Not inlined, as what follows it: a kernel stack is too small for both together.
    #[inline(never)]
    fn read(&mut self, packet: &[u8]) -> Result<Answer, Ignored> {
        let reply = Reply::parse(packet).map_err(Ignored::Packet)?;
        if !reply.is_for(self.parameters.mac) {
            return Err(Ignored::OtherClient);
        }
        if reply.xid() != self.parameters.xid {
            return Err(Ignored::OtherTransaction);
        }
        let kind = reply
            .options()
            .array::<1>(Code::MESSAGE_TYPE)
            .map(|[kind]| MessageType(kind));
        let protocol = match kind {
            // RFC 1534 section 2: an answer without message type is BOOTP.
            None => Protocol::Bootp,
            Some(MessageType::OFFER | MessageType::ACK) => Protocol::Dhcp,
            Some(MessageType::NAK) => return Ok(Answer::Nak(Refusal::new(&reply))),
            Some(kind) => return Err(Ignored::MessageType(kind)),
        };
        let server = reply.server_identifier();
        let address = reply.your_address();
        if !is_host(address) {
            return Err(Ignored::Address {
                server: server.unwrap_or(reply.source()),
                address,
            });
        }
        let answer = match kind {
            Some(MessageType::ACK) => Answer::Ack,
            Some(_) if server.is_none() => {
                return Err(Ignored::NoServerIdentifier {
                    server: reply.source(),
                })
            }
            _ => Answer::Offer,
        };
        self.room().read(protocol, &reply);
        Ok(answer)
    }

    /// Where an answer's lease is put.
    #[inline(never)]
    fn room(&mut self) -> &mut Lease {
        self.answered.get_or_insert_with(Lease::none)
    }

    /// The latest answer is what counts.
    fn accept(&mut self) {
        core::mem::swap(&mut self.lease, &mut self.answered);
    }

    /// Takes in an answer.
    #[inline(never)]
    fn on_answer(&mut self, now: Instant, answer: Answer) -> Result<(), Ignored> {
        let Parameters {
            needs_root_path,
            wanted,
            ..
        } = self.parameters;
        let rank = |lease: &Lease, progress: &Progress| Rank {
            complete: (lease.root_path.is_some() || !needs_root_path)
                && wanted.is_none_or(|wanted| lease.address == wanted),
            untried: !progress.failed_with(lease.server),
        };
        let state = self.take_state();
        let (state, result) = match (state, answer, &self.answered) {
            (State::Discovering(Discovering { progress, .. }), Answer::Offer, Some(lease)) => {
                let collecting = Collecting {
                    rank: rank(lease, &progress),
                    progress,
                    best: lease.into(),
                    until: now.after(COLLECTION),
                };
                self.accept();
                (collecting.weighed(now), Ok(()))
            }
            (State::Collecting(state), Answer::Offer, Some(lease)) => {
                let rank = rank(lease, &state.progress);
                if rank > state.rank {
                    let better = Collecting {
                        rank,
                        best: lease.into(),
                        ..state
                    };
                    self.accept();
                    (better.weighed(now), Ok(()))
                } else {
                    (State::Collecting(state), Err(Ignored::NoBetter))
                }
            }
            (State::Requesting(state), Answer::Ack, Some(lease))
                if state.is_with(lease.server_identifier) =>
            {
                self.accept();
                (State::Bound, Ok(()))
            }
            (State::Requesting(state), Answer::Nak(refusal), _)
                if state.is_with(refusal.server_identifier) =>
            {
                (state.refused(now, refusal), Ok(()))
            }
            (state, _, _) => (state, Err(Ignored::OutOfTurn)),
        };
        self.state = state;
        result
    }

    /// Takes the state out, for the caller to put back what becomes of it.
    fn take_state(&mut self) -> State {
        core::mem::replace(&mut self.state, State::PLACEHOLDER)
    }

    /// The failure to get any offer.
    fn no_answer(&self, now: Instant) -> Failure {
        Failure::NoAnswer {
            sent: self.sent,
            elapsed: now.since(self.started),
            faulty: self.faulty,
            last_fault: self.last_fault,
        }
    }
}

/// Writes the packet that tells `server` that the `address` which it gave to `mac` is somebody
/// else's (RFC 2131 section 4.4.4), and gives its length; `None`, when `buffer` has no room.
pub fn decline(
    mac: [u8; 6],
    xid: u32,
    address: Ipv4Addr,
    server: Ipv4Addr,
    identity: &Identity,
    buffer: &mut [u8; packet::SENT_LENGTH],
) -> Option<usize> {
    let question = Question::Decline { server, address };
    let sender = Sender {
        mac,
        xid,
        secs: question.secs(),
        address: Ipv4Addr::UNSPECIFIED,
    };
    let mut options = [0; OPTIONS_LENGTH];
    let options = question.options(identity, None, &mut options)?;
    packet::write(buffer, &sender, options)
}

/// An answer to this client, of use in some state.
enum Answer {
    /// A DHCPOFFER or a BOOTP reply.
    Offer,
    /// A DHCPACK.
    Ack,
    /// A DHCPNAK.
    Nak(Refusal),
}
