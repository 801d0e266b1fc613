// SPDX-License-Identifier: GPL-2.0-only

//! The pure core: bytes and states in, bytes and actions out.
//!
//! Nothing in here knows a clock, does I/O, allocates, logs, panics or is unsafe, so the same files
//! are compiled into the module and, by Cargo, into the host's tests and fuzzers.
//!
//! - [`backoff`], [`bytes`], [`reminder`], [`secret`], [`serial`], [`time`]: what all below is made
//!   of.
//! - [`arp`], [`bpf`]: whose an IPv4 address is; which packets a socket is to get.
//! - [`config`]: kernel arguments, root path and names; which setting comes from where.
//! - [`dhcp`]: the DHCP and BOOTP client. [`dhcp6`]: the one of DHCPv6.
//! - [`iscsi`]: the iSCSI initiator (RFC 7143).
//! - [`nd_option`]: what IPv6 routers advertise of name servers.
//! - [`scsi`]: what of SCSI an initiator has to understand by itself.
//! - [`rtnetlink`]: the messages that read and change the machine's links, addresses and routes.

#![forbid(unsafe_code)]

pub mod arp;
pub mod backoff;
pub mod bpf;
pub mod bytes;
pub mod config;
pub mod dhcp;
pub mod dhcp6;
pub mod iscsi;
pub mod nd_option;
pub mod reminder;
pub mod rtnetlink;
pub mod scsi;
pub mod secret;
pub mod serial;
pub mod time;
