// SPDX-License-Identifier: GPL-2.0-only

//! How a lease is kept (RFC 8415 sections 18.2.4, 18.2.5 and 18.2.10.1).
//!
//! | State      | What happens                                     | Next state            |
//! |------------|--------------------------------------------------|-----------------------|
//! | Bound      | T1 has come                                      | Renewing              |
//! | Renewing   | its server gives more time                       | Bound                 |
//! | Renewing   | T2 has come                                      | Rebinding             |
//! | Rebinding  | any server gives more time                       | Bound, at that server |
//! | both       | a server that is asked has no such lease         | Requesting, from that |
//! | Requesting | that server gives the address                    | Bound                 |
//! | Requesting | another server than the lease's refuses          | Rebinding             |
//! | Requesting | ten Requests without an answer                   | as before             |
//! | all three  | its server refuses, or takes the address back;   | Lost                  |
//! |            | any server gives another address                 |                       |
//! | all        | the lease's end                                  | Lost                  |
//!
//! A server that has not given the lease cannot take it back: the address is still good for the
//! rest of it. Every message goes to all servers of the link, so none has to say UseMulticast.

use core::{
    fmt,
    net::Ipv6Addr, //
};

use crate::proto::{
    dhcp::renewal::{
        RENEWING_MIN,
        TOTAL_MIN, //
    },
    dhcp6::{
        client::{
            MAX_REQUESTS,
            WAITS, //
        },
        error::{
            Ignored,
            Refusal, //
        },
        exchange::{
            Exchange,
            Random,
            Waits, //
        },
        lease::{
            Given,
            Lease,
            Term,
            FOREVER, //
        },
        message::{
            answerer,
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

/// For how long an answer is waited for (REN_TIMEOUT, REN_MAX_RT, REB_TIMEOUT, REB_MAX_RT).
const RENEWAL_WAITS: Waits = Waits {
    first: Duration::from_secs(10),
    max: Duration::from_secs(600),
};
/// What never comes.
const NEVER: Instant = Instant::from_millis(u64::MAX);

/// A lease that is kept, without I/O and clock.
///
/// The caller moves messages and tells the time:
/// - [`poll_transmit`](Self::poll_transmit): when the time of `poll_timeout` has come and after
///   each message taken in, until it has nothing to send.
/// - [`handle_message`](Self::handle_message): for each message to the client's port.
/// - [`loss`](Self::loss): after each of those; once there is one, it stays.
#[derive(Debug)]
pub struct Renewal {
    mac: [u8; 6],
    random: Random,
    address: Ipv6Addr,
    server: ServerId,
    times: Times,
    state: State,
}

/// Why a lease is no more.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Loss {
    /// Nobody has renewed it until its end.
    Over,
    /// Its server refuses.
    Refused {
        /// The server.
        server: Ipv6Addr,
        /// What it says.
        refusal: Refusal,
    },
    /// Its server takes the address back.
    Withdrawn {
        /// The server.
        server: Ipv6Addr,
    },
    /// A server gives another address.
    Moved {
        /// The server.
        server: Ipv6Addr,
        /// The other address.
        address: Ipv6Addr,
    },
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Over => f.write_str("no DHCPv6 server has renewed it until its end"),
            Self::Refused { server, refusal } => {
                write!(f, "DHCPv6 server {server} refuses: {refusal}")
            }
            Self::Withdrawn { server } => write!(f, "DHCPv6 server {server} takes it back"),
            Self::Moved { server, address } => {
                write!(f, "DHCPv6 server {server} gives {address} in its place")
            }
        }
    }
}

/// When what is to be done for a lease.
#[derive(Clone, Copy, Debug)]
struct Times {
    /// T1, T2, the end of the time in which the address may be used for what is new, and the end.
    renewing: Instant,
    rebinding: Instant,
    deprecated: Instant,
    end: Instant,
}

impl Times {
    /// The times of what was asked for at `asked`.
    fn new(term: &Term, asked: Instant) -> Self {
        let forever = NEVER.since(Instant::from_millis(0));
        let span = |seconds| match seconds {
            FOREVER => forever,
            _ => Duration::from_secs(u64::from(seconds)),
        };
        let valid = span(term.valid).max(TOTAL_MIN);
        let basis = match term.preferred {
            0 => valid,
            preferred => span(preferred).max(TOTAL_MIN),
        };
        // RFC 8415 section 14.2: what is left to the client.
        let tenths = |count: u64| match basis {
            basis if basis == forever => forever,
            basis => Duration::from_millis((basis.as_millis() / 10).saturating_mul(count)),
        };
        // A server's times that make no sense are not believed; that a client is never to ask does.
        let told = |seconds| {
            let told = span(seconds);
            let is_good = told == forever || (RENEWING_MIN..valid).contains(&told);
            is_good.then_some(told)
        };
        let renewing = told(term.renewing);
        let rebinding = told(term.rebinding);
        let rebinding = rebinding.unwrap_or(tenths(8).max(renewing.unwrap_or_default()));
        Self {
            renewing: asked.after(renewing.unwrap_or(tenths(5)).min(rebinding)),
            rebinding: asked.after(rebinding),
            deprecated: asked.after(span(term.preferred)),
            end: asked.after(valid),
        }
    }
}

#[derive(Debug)]
enum State {
    /// The lease is good for a while.
    Bound,
    /// It is asked for.
    Asking(Whom, Exchange),
    Lost(Loss),
}

/// Who is asked for what.
#[derive(Debug)]
enum Whom {
    /// The server of the lease, for more time.
    Own,
    /// Any server, for more time.
    Anyone,
    /// This server, for the address, as if it had not been given yet.
    Anew(ServerId),
}

impl Renewal {
    /// Keeps `lease`, which the device `mac` asked for at `asked`; `None` for one that needs no
    /// keeping. `seed` is a random number.
    pub fn new(mac: [u8; 6], seed: u64, lease: &Lease, asked: Instant) -> Option<Self> {
        let renewal = Self {
            mac,
            random: Random(seed),
            address: lease.address,
            server: lease.server_id.clone(),
            times: Times::new(&lease.term, asked),
            state: State::Bound,
        };
        renewal.poll_timeout().is_some().then_some(renewal)
    }

    /// Whether an answer is waited for.
    pub const fn is_asking(&self) -> bool {
        matches!(self.state, State::Asking(..))
    }

    /// Why the lease is no more, if it is not.
    pub const fn loss(&self) -> Option<&Loss> {
        match &self.state {
            State::Lost(loss) => Some(loss),
            State::Bound | State::Asking(..) => None,
        }
    }

    /// Until when the address may be used for what is new; `None`: for ever.
    pub fn preferred_until(&self) -> Option<Instant> {
        Some(self.times.deprecated).filter(|at| *at < NEVER)
    }

    /// When [`poll_transmit`](Self::poll_transmit) is to be called next; `None` where the lease is
    /// lost, or was given for ever.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let Times {
            renewing,
            rebinding,
            end,
            ..
        } = self.times;
        let due = match &self.state {
            State::Bound => renewing.min(rebinding),
            State::Asking(Whom::Own, exchange) => exchange.due.min(rebinding),
            State::Asking(_, exchange) => exchange.due,
            State::Lost(_) => return None,
        };
        Some(due.min(end)).filter(|due| *due < NEVER)
    }

    /// Writes the message that is to be sent now to all servers, if any, and gives its length.
    ///
    /// Where `buffer` has no room for [`SENT_LENGTH`](super::message::SENT_LENGTH) bytes, the
    /// message is lost.
    pub fn poll_transmit(&mut self, now: Instant, buffer: &mut [u8]) -> Option<usize> {
        if self.poll_timeout()? > now {
            return None;
        }
        if now >= self.times.end {
            self.state = State::Lost(Loss::Over);
            return None;
        }
        let goes_on = match &self.state {
            State::Asking(Whom::Own, _) => now < self.times.rebinding,
            State::Asking(Whom::Anew(_), exchange) => exchange.count < MAX_REQUESTS,
            State::Asking(Whom::Anyone, _) => true,
            State::Bound | State::Lost(_) => false,
        };
        if !goes_on {
            self.ask(now, now);
        }
        let State::Asking(whom, exchange) = &mut self.state else {
            return None;
        };
        let (kind, server) = match whom {
            Whom::Own => (MessageType::RENEW, Some(&self.server)),
            Whom::Anyone => (MessageType::REBIND, None),
            Whom::Anew(server) => (MessageType::REQUEST, Some(&*server)),
        };
        let question = Question {
            kind,
            transaction: exchange.transaction,
            mac: self.mac,
            elapsed: exchange.send(&mut self.random, now),
            server,
            address: Some(self.address),
        };
        question.write(buffer)
    }

    /// Takes in a message that came to the client's port from `from`.
    ///
    /// # Errors
    ///
    /// The message changed nothing, for the reason that is given.
    pub fn handle_message(
        &mut self,
        now: Instant,
        from: Ipv6Addr,
        datagram: &[u8],
    ) -> Result<(), Ignored> {
        let message = Message::parse(datagram).ok_or(Ignored::Malformed)?;
        let State::Asking(whom, exchange) = &self.state else {
            return Err(Ignored::OutOfTurn(message.kind));
        };
        // What was not asked yet has no answer.
        if exchange.count == 0 {
            return Err(Ignored::OtherTransaction);
        }
        let (transaction, asked) = (exchange.transaction, exchange.sent);
        let server = answerer(&message, MessageType::REPLY, transaction, self.mac, from)?;
        let is_asked = match whom {
            Whom::Own => server == self.server,
            Whom::Anyone => true,
            Whom::Anew(asked) => server == *asked,
        };
        if !is_asked {
            return Err(Ignored::OtherServer);
        }
        let given = Given::new(message.options, self.mac);
        let given = match given.ok_or(Ignored::NoAddress { server: from })? {
            Ok(given) => given,
            Err(refusal) => return self.refused(now, server, from, refusal),
        };
        let (mut own, mut other) = (None, None);
        for (address, term) in given.addresses() {
            if address == self.address {
                own = own.or(Some((address, term)));
            }
            if term.valid > 0 {
                other = other.or(Some((address, term)));
            }
        }
        match (own, other) {
            (Some((_, term)), _) if term.valid > 0 => {
                self.server = server;
                self.times = Times::new(&term, asked);
                self.state = State::Bound;
            }
            (_, Some((address, _))) => {
                let server = from;
                self.state = State::Lost(Loss::Moved { server, address });
            }
            (Some(_), None) if server == self.server => {
                self.state = State::Lost(Loss::Withdrawn { server: from });
            }
            (Some(_), None) => return Err(Ignored::Stranger { server: from }),
            (None, None) => return Err(Ignored::NoAddress { server: from }),
        }
        Ok(())
    }

    /// The server that is asked refuses.
    fn refused(
        &mut self,
        now: Instant,
        server: ServerId,
        from: Ipv6Addr,
        refusal: Refusal,
    ) -> Result<(), Ignored> {
        let is_own = server == self.server;
        let is_anew = matches!(self.state, State::Asking(Whom::Anew(_), _));
        match refusal.status {
            // It may be better next time.
            Refusal::UNSPECIFIED | Refusal::USE_MULTICAST => {
                let server = from;
                return Err(Ignored::Refused { server, refusal });
            }
            Refusal::NO_BINDING if !is_anew => {
                let exchange = Exchange::new(&mut self.random, now, WAITS);
                self.state = State::Asking(Whom::Anew(server), exchange);
            }
            _ if is_own => {
                let server = from;
                self.state = State::Lost(Loss::Refused { server, refusal });
            }
            // It shall not be asked again and again without a pause.
            _ if is_anew => self.ask(now, now.after(RENEWAL_WAITS.first)),
            _ => return Err(Ignored::Stranger { server: from }),
        }
        Ok(())
    }

    /// Asks for more time, at `due` for the first time.
    fn ask(&mut self, now: Instant, due: Instant) {
        let whom = match now >= self.times.rebinding {
            true => Whom::Anyone,
            false => Whom::Own,
        };
        let exchange = Exchange::new(&mut self.random, due, RENEWAL_WAITS);
        self.state = State::Asking(whom, exchange);
    }
}
