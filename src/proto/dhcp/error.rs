// SPDX-License-Identifier: GPL-2.0-only

//! Why a packet is of no use, and why there is no lease.

use core::{
    fmt,
    net::Ipv4Addr, //
};

use crate::proto::{
    config::text::Text,
    dhcp::{
        options::MessageType,
        packet::PacketFault, //
    },
    time::Duration,
};

/// Why a packet changed nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ignored {
    /// It is no message from a server.
    Packet(PacketFault),
    /// It is for another machine.
    OtherClient,
    /// It answers a message that this client did not send.
    OtherTransaction,
    /// It is of a type that clients do not get, or that is not known.
    MessageType(MessageType),
    /// It offers an address that no machine can have.
    Address {
        /// Who offers it.
        server: Ipv4Addr,
        /// The address.
        address: Ipv4Addr,
    },
    /// It is an offer that cannot be taken, since it does not name its server.
    NoServerIdentifier {
        /// Where it came from.
        server: Ipv4Addr,
    },
    /// It is an offer no better than one that came before it.
    NoBetter,
    /// It is not what the client waits for, or not from the server that it waits for.
    OutOfTurn,
}

impl Ignored {
    /// Whether a server answered this client in a way that it should not have.
    pub(crate) const fn is_fault(&self) -> bool {
        match self {
            Self::Packet(PacketFault::HeaderChecksum | PacketFault::UdpChecksum)
            | Self::MessageType(_)
            | Self::Address { .. }
            | Self::NoServerIdentifier { .. } => true,
            Self::Packet(_)
            | Self::OtherClient
            | Self::OtherTransaction
            | Self::NoBetter
            | Self::OutOfTurn => false,
        }
    }
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packet(fault) => fault.fmt(f),
            Self::OtherClient => f.write_str("the message is for another machine"),
            Self::OtherTransaction => f.write_str("the message is from another conversation"),
            Self::MessageType(kind) => write!(f, "the message is a {kind}, which no client gets"),
            Self::Address { server, address } => {
                write!(f, "{server} offers {address}, which no machine can have")
            }
            Self::NoServerIdentifier { server } => {
                write!(
                    f,
                    "the offer from {server} has no server identifier (option 54)"
                )
            }
            Self::NoBetter => f.write_str("the offer is no better than an earlier one"),
            Self::OutOfTurn => f.write_str("the message is not what the client waits for"),
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
        /// How many answers were of no use.
        faulty: u32,
        /// Why the last one of those was not.
        last_fault: Option<Ignored>,
    },
    /// A server offered an address, and then did not answer the requests for it.
    Silence {
        /// The server.
        server: Ipv4Addr,
        /// What it offered.
        address: Ipv4Addr,
    },
    /// A server refused what it had offered.
    Refused {
        /// The server.
        server: Ipv4Addr,
        /// What it said to that.
        message: Text<64>,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAnswer {
                sent,
                elapsed,
                faulty,
                last_fault,
            } => {
                write!(
                    f,
                    "no DHCP or BOOTP server answered {sent} requests in {} s; \
                    check that one serves this network and knows this machine",
                    elapsed.as_secs()
                )?;
                match last_fault {
                    Some(fault) => write!(
                        f,
                        " ({faulty} answers were of no use; of the last one, {fault})"
                    ),
                    None => Ok(()),
                }
            }
            Self::Silence { server, address } => write!(
                f,
                "DHCP server {server} offered {address} \
                 but did not answer the request for it; check its log"
            ),
            Self::Refused { server, message } if message.is_empty() => {
                write!(
                    f,
                    "DHCP server {server} refused the address that it had offered; check its log"
                )
            }
            Self::Refused { server, message } => write!(
                f,
                "DHCP server {server} refused the address that it had offered: \
                 {message:?}; check its log"
            ),
        }
    }
}
