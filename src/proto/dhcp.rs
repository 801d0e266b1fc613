// SPDX-License-Identifier: GPL-2.0-only

//! The DHCP and BOOTP client (RFC 2131, RFC 951), with the timing of the kernel's own ipconfig.
//!
//! - [`client`]: the conversation with the servers; packets in, packets and a [`lease::Lease`] out.
//! - [`credentials`]: user names and passwords in an answer.
//! - [`error`]: why a packet is of no use, and why there is no lease.
//! - [`haste`]: when a server is asked before the lease's time.
//! - [`identity`]: what a machine tells servers of itself.
//! - [`lease`]: what an answer says, as typed values.
//! - [`packet`] and [`options`]: the layout of an answer in IPv4, UDP and BOOTP,
//!   and of the options in it.
//! - [`renewal`]: how a lease is kept.
//! - [`search`]: the domains in which names are looked for.
//! - [`pnp`]: what `/proc/net/pnp` says about a lease.

#![forbid(unsafe_code)]

pub mod client;
pub mod credentials;
pub mod error;
pub mod haste;
pub mod identity;
pub mod lease;
pub mod options;
pub mod packet;
pub mod pnp;
mod question;
pub mod renewal;
pub mod search;
