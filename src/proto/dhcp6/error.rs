// SPDX-License-Identifier: GPL-2.0-only

//! Why a message is of no use, and why there is no lease.

use core::{
    fmt,
    net::Ipv6Addr, //
};

use crate::proto::{
    bytes::Reader,
    config::text::Text,
    dhcp6::message::{
        Code,
        MessageType,
        Options, //
    },
    time::Duration,
};

/// What a server refuses with (RFC 8415 section 21.13).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The status; 0, success, is none.
    pub status: u16,
    /// What the server says to that, for people.
    pub message: Text<64>,
}

impl Refusal {
    /// There is a fault that no other status is about.
    pub(super) const UNSPECIFIED: u16 = 1;
    /// The server has no such lease.
    pub(super) const NO_BINDING: u16 = 3;
    /// The message came to the server's own address.
    pub(super) const USE_MULTICAST: u16 = 5;

    /// The refusal in `options`, if there is one.
    pub(super) fn new(options: Options<'_>) -> Option<Self> {
        let mut reader = Reader::new(options.value(Code::STATUS)?);
        let status = reader.be_u16().filter(|status| *status != 0)?;
        Some(Self {
            status,
            message: Text::lossy(reader.rest()),
        })
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            1 => f.write_str("UnspecFail")?,
            2 => f.write_str("NoAddrsAvail")?,
            3 => f.write_str("NoBinding")?,
            4 => f.write_str("NotOnLink")?,
            5 => f.write_str("UseMulticast")?,
            status => write!(f, "status {status}")?,
        }
        write!(f, ", {:?}", self.message.as_str())
    }
}

/// Why a message changed nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Ignored {
    /// It is no message.
    Malformed,
    /// It is for another machine, or for none.
    OtherClient,
    /// It answers a message that this client did not send.
    OtherTransaction,
    /// It is of a type that is not waited for.
    OutOfTurn(MessageType),
    /// It does not name its server.
    NoServerIdentifier {
        /// Where it came from.
        server: Ipv6Addr,
    },
    /// It comes from another server than the one that was asked.
    OtherServer,
    /// It has no address that this machine could have.
    NoAddress {
        /// Where it came from.
        server: Ipv6Addr,
    },
    /// The server has nothing for this machine.
    Refused {
        /// The server.
        server: Ipv6Addr,
        /// What it says.
        refusal: Refusal,
    },
    /// A server that has not given the lease would take it back.
    Stranger {
        /// The server.
        server: Ipv6Addr,
    },
    /// It has nothing to boot.
    NoDisk {
        /// Where it came from.
        server: Ipv6Addr,
    },
    /// It is an offer no better than one that came before it.
    NoBetter,
}

impl Ignored {
    /// Whether a server has answered this client, but not with what it needs.
    pub(super) const fn is_fault(&self) -> bool {
        matches!(
            self,
            Self::NoServerIdentifier { .. } | Self::NoAddress { .. } | Self::Refused { .. }
        )
    }
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("this is no DHCPv6 message"),
            Self::OtherClient => f.write_str("the message is for another machine"),
            Self::OtherTransaction => f.write_str("the message is from another conversation"),
            Self::OutOfTurn(kind) => write!(f, "no {kind} is waited for"),
            Self::NoServerIdentifier { server } => {
                write!(f, "{server} does not say who it is (option 2)")
            }
            Self::OtherServer => f.write_str("the message is from a server that was not asked"),
            Self::NoAddress { server } => write!(f, "{server} offers no address"),
            Self::Refused { server, refusal } => write!(f, "{server} refuses: {refusal}"),
            Self::Stranger { server } => {
                write!(
                    f,
                    "{server} has not given the lease, and cannot take it back"
                )
            }
            Self::NoDisk { server } => write!(f, "{server} names no disk to boot (option 59)"),
            Self::NoBetter => f.write_str("the offer is no better than an earlier one"),
        }
    }
}

/// Why there is no lease.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Failure {
    /// No server offers anything of use.
    NoAnswer {
        /// How many messages were sent.
        sent: u32,
        /// The time since the first one.
        elapsed: Duration,
        /// Why the last answer that came all the same was of no use.
        last_fault: Option<Ignored>,
    },
    /// No server says what else there is to know.
    NoInformation {
        /// How many messages were sent.
        sent: u32,
        /// The time since the first one.
        elapsed: Duration,
        /// Why the last answer that came all the same was of no use.
        last_fault: Option<Ignored>,
    },
    /// Servers have information, but nothing to boot.
    NoDisk {
        /// The first of them.
        server: Ipv6Addr,
    },
    /// A server offered an address, and then did not answer the requests for it.
    Silence {
        /// The server.
        server: Ipv6Addr,
        /// What it offered.
        address: Ipv6Addr,
    },
    /// A server refused what it had offered.
    Refused {
        /// The server.
        server: Ipv6Addr,
        /// What it says.
        refusal: Refusal,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer {
                sent,
                elapsed,
                last_fault,
            } => {
                let seconds = elapsed.as_secs();
                write!(
                    f,
                    "no DHCPv6 server gave an address at {sent} requests in {seconds} s"
                )?;
                advise(f, last_fault.as_ref())
            }
            Self::NoInformation {
                sent,
                elapsed,
                last_fault,
            } => {
                let seconds = elapsed.as_secs();
                write!(
                    f,
                    "no DHCPv6 server gave information at {sent} requests in {seconds} s"
                )?;
                advise(f, last_fault.as_ref())
            }
            Self::NoDisk { server } => write!(
                f,
                "DHCPv6 server {server} names no disk to boot; check its boot file URL (option 59)"
            ),
            Self::Silence { server, address } => write!(
                f,
                "DHCPv6 server {server} offered {address} but did not answer the requests for it; \
                 check its log"
            ),
            Self::Refused { server, refusal } => write!(
                f,
                "DHCPv6 server {server} refused what it had offered: {refusal}; check its log"
            ),
        }
    }
}

/// What to check where no server has answered, or only with `fault`.
fn advise(f: &mut fmt::Formatter<'_>, fault: Option<&Ignored>) -> fmt::Result {
    match fault {
        Some(fault) => write!(f, " ({fault}); check its configuration"),
        None => write!(f, "; check that one serves this network"),
    }
}
