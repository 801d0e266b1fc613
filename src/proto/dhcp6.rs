// SPDX-License-Identifier: GPL-2.0-only

//! The DHCPv6 client (RFC 8415), which asks for one address and what a boot needs (RFC 5970).
//!
//! - [`client`]: the conversation with the servers; messages in, messages and a [`lease::Lease`]
//!   out.
//! - [`error`]: why a message is of no use, and why there is no lease.
//! - [`information`]: the question for what else there is to know, of a client that has an address.
//! - [`lease`]: what an answer says, as typed values.
//! - [`message`]: the layout of messages, and of the options in them.
//! - [`renewal`]: how a lease is kept.

#![forbid(unsafe_code)]

pub mod client;
pub mod error;
mod exchange;
pub mod information;
pub mod lease;
pub mod message;
pub mod renewal;
