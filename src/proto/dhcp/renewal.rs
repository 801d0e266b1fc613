// SPDX-License-Identifier: GPL-2.0-only

//! How a lease is kept (RFC 2131 section 4.4.5).
//!
//! | State     | What happens                                   | Next state |
//! |-----------|------------------------------------------------|------------|
//! | Bound     | T1 has come                                    | Renewing   |
//! | Renewing  | its server's ACK                               | Bound      |
//! | Renewing  | T2 has come                                    | Rebinding  |
//! | Rebinding | any server's ACK                               | Bound      |
//! | Rebinding | the lease's end                                | Lost       |
//! | both      | its server's NAK, or an ACK for another address | Lost       |
//!
//! RFC 2131 has a client that rebinds believe any server's NAK. Here that would hand a machine's
//! root disk to whoever is asked first, while the address is still good for the rest of the lease.
//!
//! The address is in use all the while, so the messages go through a UDP socket.
//!
//! An answer may also say where the disk is: [`Renewal::hasten`] has the server asked for that
//! before the lease's time.

use core::{
    fmt,
    net::Ipv4Addr, //
};

use crate::proto::{
    config::{
        interface::is_host,
        text::Text, //
    },
    dhcp::{
        error::Ignored,
        identity::Identity,
        lease::{
            Lease,
            Protocol,
            RootPathText, //
        },
        options::{
            Code,
            MessageType, //
        },
        packet::{
            self,
            Reply,
            Sender,
            MESSAGE_OFFSET,
            OPTIONS_LENGTH,
            SENT_LENGTH, //
        },
        question::Question,
    },
    time::{
        Duration,
        Instant, //
    },
};

/// The length in bytes of the longest message that is sent.
pub const MESSAGE_LENGTH: usize = SENT_LENGTH - MESSAGE_OFFSET;

/// The least time between two requests (RFC 2131 section 4.4.5).
pub const PAUSE: Duration = Duration::from_secs(60);

/// The least T1, and the least lease, whatever a server says: with less, a client would do nothing
/// but ask.
pub(in crate::proto) const RENEWING_MIN: Duration = Duration::from_secs(5);
pub(in crate::proto) const TOTAL_MIN: Duration = Duration::from_secs(10);

/// A lease that is kept, without I/O and clock.
///
/// The caller moves messages and tells the time:
/// - [`poll_transmit`](Self::poll_transmit): when the time of `poll_timeout` has come, until it has
///   nothing to send.
/// - [`handle_message`](Self::handle_message): for each message to the client's port.
/// - [`loss`](Self::loss): after each of those; once there is one, it stays.
#[derive(Debug)]
pub struct Renewal {
    mac: [u8; 6],
    address: Ipv4Addr,
    server: Ipv4Addr,
    times: Times,
    state: State,
    /// That of the latest answer with more time.
    root_path: Option<RootPathText>,
}

/// Whom a message is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Destination {
    /// The server of the lease.
    Server(Ipv4Addr),
    /// Every server of the link.
    Broadcast,
}

/// Why a lease is no more.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Loss {
    /// Nobody has renewed it until its end.
    Over,
    /// A server says that the address is not this machine's.
    Refused {
        /// The server.
        server: Ipv4Addr,
        /// What it said to that.
        message: Text<64>,
    },
    /// A server gives another address.
    Moved {
        /// The server.
        server: Ipv4Addr,
        /// The other address.
        address: Ipv4Addr,
    },
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Over => f.write_str("no DHCP server has renewed it until its end"),
            Self::Refused { server, message } if message.is_empty() => {
                write!(f, "DHCP server {server} says that it is not this machine's")
            }
            Self::Refused { server, message } => {
                write!(f, "DHCP server {server} takes it back: {message:?}")
            }
            Self::Moved { server, address } => {
                write!(f, "DHCP server {server} gives {address} in its place")
            }
        }
    }
}

/// When what is to be done for a lease.
#[derive(Clone, Copy, Debug)]
struct Times {
    /// T1, T2 and the end.
    renewing: Instant,
    rebinding: Instant,
    end: Instant,
}

impl Times {
    /// The times of a lease that was asked for at `asked`; `None` for one that has no end.
    fn new(lease: &Lease, asked: Instant) -> Option<Self> {
        let total = lease.lease_time?.max(TOTAL_MIN);
        let eighths =
            |count: u64| Duration::from_millis((total.as_millis() / 8).saturating_mul(count));
        // A server's times that do not follow each other are not believed.
        let rebinding = lease
            .rebinding_time
            .filter(|rebinding| (RENEWING_MIN..total).contains(rebinding))
            .unwrap_or(eighths(7));
        let renewing = lease
            .renewal_time
            .filter(|renewing| (RENEWING_MIN..rebinding).contains(renewing))
            .unwrap_or(eighths(4).min(rebinding));
        Some(Self {
            renewing: asked.after(renewing),
            rebinding: asked.after(rebinding),
            end: asked.after(total),
        })
    }
}

#[derive(Debug)]
enum State {
    /// The lease is good for a while.
    Bound,
    /// It is asked for.
    Asking(Asking),
    Lost(Loss),
}

#[derive(Clone, Copy, Debug)]
struct Asking {
    xid: u32,
    /// When the first request was sent, and when the latest was.
    since: Instant,
    sent: Instant,
    next: Instant,
    /// Whether any server is asked.
    anyone: bool,
}

impl Renewal {
    /// Keeps `lease`, which the device `mac` asked for at `asked`; `None` for one without an end.
    pub fn new(mac: [u8; 6], lease: &Lease, asked: Instant) -> Option<Self> {
        Some(Self {
            mac,
            address: lease.address,
            server: lease.server,
            times: Times::new(lease, asked)?,
            state: State::Bound,
            root_path: None,
        })
    }

    /// The server of the lease.
    pub const fn server(&self) -> Ipv4Addr {
        self.server
    }

    /// The root path that has come with more time, if that had one.
    pub fn root_path(&self) -> Option<&str> {
        self.root_path.as_ref().map(RootPathText::as_str)
    }

    /// Has the server asked `now`, before the lease's time, but no sooner than [`PAUSE`] after the
    /// latest request that has no answer.
    pub fn hasten(&mut self, now: Instant) {
        match &mut self.state {
            State::Bound => self.times.renewing = self.times.renewing.min(now),
            State::Asking(asking) => asking.next = asking.next.min(asking.sent.after(PAUSE)),
            State::Lost(_) => {}
        }
    }

    /// Whether an answer is waited for.
    pub const fn is_asking(&self) -> bool {
        matches!(self.state, State::Asking(_))
    }

    /// Why the lease is no more, if it is not.
    pub const fn loss(&self) -> Option<&Loss> {
        match &self.state {
            State::Lost(loss) => Some(loss),
            State::Bound | State::Asking(_) => None,
        }
    }

    /// When [`poll_transmit`](Self::poll_transmit) is to be called next, unless the lease is lost.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Bound => Some(self.times.renewing),
            State::Asking(asking) if asking.anyone => Some(asking.next.min(self.times.end)),
            State::Asking(asking) => Some(asking.next.min(self.times.rebinding)),
            State::Lost(_) => None,
        }
    }

    /// Writes the message that is to be sent now, if any, and says to whom, and how long it is;
    /// `xid` is a random number, by which a first request is told from others, and `identity` what
    /// the lease was asked for with.
    pub fn poll_transmit(
        &mut self,
        now: Instant,
        xid: u32,
        identity: &Identity,
        buffer: &mut [u8; MESSAGE_LENGTH],
    ) -> Option<(Destination, usize)> {
        if self.poll_timeout()? > now {
            return None;
        }
        if now >= self.times.end {
            self.state = State::Lost(Loss::Over);
            return None;
        }
        let anyone = now >= self.times.rebinding;
        let (xid, since) = match &self.state {
            State::Asking(asking) => (asking.xid, asking.since),
            State::Bound | State::Lost(_) => (xid, now),
        };
        let until = if anyone {
            self.times.end
        } else {
            self.times.rebinding
        };
        // RFC 2131 section 4.4.5: half of the time that is left, but not less than a minute.
        let half = Duration::from_millis(until.since(now).as_millis() / 2);
        self.state = State::Asking(Asking {
            xid,
            since,
            sent: now,
            next: now.after(half.max(PAUSE)),
            anyone,
        });

        let secs = u16::try_from(now.since(since).as_secs()).unwrap_or(u16::MAX);
        let question = Question::Renew { secs };
        let sender = Sender {
            mac: self.mac,
            xid,
            secs: question.secs(),
            address: self.address,
        };
        let mut options = [0; OPTIONS_LENGTH];
        let options = question.options(identity, None, &mut options)?;
        let mut packet = [0; SENT_LENGTH];
        let length = packet::write(&mut packet, &sender, options)?;
        let message = packet.get(MESSAGE_OFFSET..length)?;
        buffer.get_mut(..message.len())?.copy_from_slice(message);
        let destination = if anyone {
            Destination::Broadcast
        } else {
            Destination::Server(self.server)
        };
        Some((destination, message.len()))
    }

    /// Takes in a message that came to the client's port from `source`.
    ///
    /// # Errors
    ///
    /// The message changed nothing, for the reason that is given.
    pub fn handle_message(&mut self, message: &[u8], source: Ipv4Addr) -> Result<(), Ignored> {
        let State::Asking(asking) = &self.state else {
            return Err(Ignored::OutOfTurn);
        };
        let reply = Reply::parse_message(message, source).map_err(Ignored::Packet)?;
        if !reply.is_for(self.mac) {
            return Err(Ignored::OtherClient);
        }
        if reply.xid() != asking.xid {
            return Err(Ignored::OtherTransaction);
        }
        let mut lease = Lease::none();
        lease.read(Protocol::Dhcp, &reply);
        if !asking.anyone && lease.server != self.server {
            return Err(Ignored::OutOfTurn);
        }
        let kind = reply.options().array(Code::MESSAGE_TYPE);
        match kind.map(|[kind]| MessageType(kind)) {
            Some(MessageType::NAK) if lease.server != self.server => {
                return Err(Ignored::OutOfTurn);
            }
            Some(MessageType::NAK) => {
                self.state = State::Lost(Loss::Refused {
                    server: lease.server,
                    message: reply.refusal(),
                });
            }
            Some(MessageType::ACK) if !is_host(lease.address) => {
                return Err(Ignored::Address {
                    server: lease.server,
                    address: lease.address,
                });
            }
            Some(MessageType::ACK) if lease.address != self.address => {
                self.state = State::Lost(Loss::Moved {
                    server: lease.server,
                    address: lease.address,
                });
            }
            Some(MessageType::ACK) => {
                self.server = lease.server;
                self.root_path = lease.root_path.take();
                // One without an end is asked for again as if it were as long as can be.
                let forever = Duration::from_secs(u64::from(u32::MAX));
                lease.lease_time.get_or_insert(forever);
                if let Some(times) = Times::new(&lease, asking.sent) {
                    self.times = times;
                }
                self.state = State::Bound;
            }
            Some(kind) => return Err(Ignored::MessageType(kind)),
            None => return Err(Ignored::OutOfTurn),
        }
        Ok(())
    }
}
