// SPDX-License-Identifier: GPL-2.0-only

//! The question for what else there is to know, of a client that has its address from elsewhere
//! (RFC 8415 sections 6.1 and 18.2.6).
//!
//! The first answer counts; where something to boot is needed, the first that has it.

use core::net::Ipv6Addr;

use crate::proto::{
    dhcp6::{
        client::{
            Parameters,
            MAX_DELAY,
            WAITS, //
        },
        error::{
            Failure,
            Ignored,
            Refusal, //
        },
        exchange::{
            Exchange,
            Random, //
        },
        lease::Information,
        message::{
            answerer,
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

/// A question to all servers of one network device, without I/O and clock; it is moved as a
/// [`Client`](super::client::Client) is.
#[derive(Debug)]
pub struct Inquiry {
    parameters: Parameters,
    random: Random,
    started: Instant,
    exchange: Exchange,
    last_fault: Option<Ignored>,
    /// A server that has nothing to boot.
    useless: Option<Ipv6Addr>,
    outcome: Option<Result<Information, Failure>>,
}

impl Inquiry {
    /// A client that begins to ask soon after `now`.
    pub fn new(parameters: Parameters, now: Instant) -> Self {
        let mut random = Random(parameters.seed);
        let delay = random.below(MAX_DELAY.as_millis());
        let due = now.after(Duration::from_millis(delay));
        Self {
            parameters,
            exchange: Exchange::new(&mut random, due, WAITS),
            random,
            started: now,
            last_fault: None,
            useless: None,
            outcome: None,
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
        let elapsed = now.since(self.started);
        // The others have the time of the first wait, as for an address (RFC 8415 section 18.2.1).
        if let Some(server) = self.useless {
            self.outcome = Some(Err(Failure::NoDisk { server }));
            return None;
        }
        if elapsed >= self.parameters.limit {
            self.outcome = Some(Err(Failure::NoInformation {
                sent: self.exchange.count,
                elapsed,
                last_fault: self.last_fault.clone(),
            }));
            return None;
        }
        let question = Question {
            kind: MessageType::INFORMATION_REQUEST,
            transaction: self.exchange.transaction,
            mac: self.parameters.mac,
            elapsed: self.exchange.send(&mut self.random, now),
            server: None,
            address: None,
        };
        question.write(buffer)
    }

    /// Takes in a datagram that came from the address `from`.
    ///
    /// # Errors
    ///
    /// The message changed nothing, for the reason that is given; that is nothing out of the
    /// ordinary.
    pub fn handle_message(&mut self, from: Ipv6Addr, datagram: &[u8]) -> Result<(), Ignored> {
        let result = self.take_in(from, datagram);
        if let Err(reason) = &result {
            if reason.is_fault() {
                self.last_fault = Some(reason.clone());
            }
        }
        result
    }

    fn take_in(&mut self, from: Ipv6Addr, datagram: &[u8]) -> Result<(), Ignored> {
        let message = Message::parse(datagram).ok_or(Ignored::Malformed)?;
        if self.outcome.is_some() {
            return Err(Ignored::OutOfTurn(message.kind));
        }
        // What was not asked yet has no answer.
        if self.exchange.count == 0 {
            return Err(Ignored::OtherTransaction);
        }
        let transaction = self.exchange.transaction;
        let mac = self.parameters.mac;
        answerer(&message, MessageType::REPLY, transaction, mac, from)?;
        if let Some(refusal) = Refusal::new(message.options) {
            let server = from;
            return Err(Ignored::Refused { server, refusal });
        }
        let needs_root_path = self.parameters.needs_root_path;
        let is_good = !needs_root_path || Information::has_root_path(message.options);
        if is_good {
            self.outcome = Some(Ok(Information::new(message.options, from)));
            return Ok(());
        }
        self.useless = self.useless.or(Some(from));
        Err(Ignored::NoDisk { server: from })
    }

    /// When [`poll_transmit`](Self::poll_transmit) is to be called next, unless there is an
    /// outcome.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.outcome.is_some() {
            return None;
        }
        let end = self.started.after(self.parameters.limit);
        Some(self.exchange.due.min(end))
    }

    /// How it ended, once it has.
    pub fn outcome(&self) -> Option<Result<&Information, &Failure>> {
        self.outcome.as_ref().map(|outcome| outcome.as_ref())
    }
}
