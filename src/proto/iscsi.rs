// SPDX-License-Identifier: GPL-2.0-only

//! The iSCSI initiator (RFC 7143): error recovery level 0, one connection.
//!
//! It owns no socket, thread, lock, memory or clock. The caller frames what arrives with
//! [`frame::Frame`], shows each header to [`login::Login`] or [`session::Session`], and sends the
//! bytes it is given.
//!
//! | file | holds | RFC 7143 sections |
//! |---|---|---|
//! | [`opcode`] | the opcodes | 11.2.1.2 |
//! | [`lun`] | logical unit numbers | 11.2.1.7, SAM |
//! | [`tag`] | initiator and target task tags | 11.2.1.8 |
//! | [`frame`] | the lengths that cut the byte stream into PDUs | 11.2 |
//! | [`bhs`] | the layout of each 48-byte header | 11.3 to 11.19 |
//! | [`pdu`] | what those headers say, as types that cannot be illegal | 11.3 to 11.19 |
//! | [`digest`] | header and data digests | 11.2.3, 11.2.4, 13.1 |
//! | [`binary`] | hexadecimal and base64 | 6.1 |
//! | [`text`] | key=value pairs, numbers, booleans | 6.1, 11.12.2 |
//! | [`keys`] | the key table, what is offered, what each answer means | 6.2, 13 |
//! | [`parameters`] | the values a login agreed on | 13 |
//! | [`login`] | the Login Phase | 6.3, 11.12, 11.13 |
//! | [`chap`] | authentication | 9.2, 12.1 |
//! | [`discovery`] | SendTargets | 4.3, 11.10, C |
//! | [`numbering`] | CmdSN and its window, StatSN | 4.2.2 |
//! | [`session`] | numbering and legality in the Full Feature Phase | 4.2.2, 7.9 |
//! | [`task`] | one SCSI command's data and outcome | 4.2.5, 11.4, 11.7, 11.8 |
//! | [`quirk`] | what targets do wrong and is tolerated | |
//! | [`error`] | whose fault a failure is, and which rule it broke | 7, 11.13.5 |
//!
//! What the RFC requires and is left out, with the section that requires it:
//!
//! - Bidirectional commands (11.2.2.4): the kernel has none any more.
//! - Text Requests in a normal session (11.10): a target that asks for a negotiation may be
//!   answered with a Logout (11.9.1).

#![forbid(unsafe_code)]

pub mod bhs;
pub mod binary;
pub mod chap;
pub mod digest;
pub mod discovery;
pub mod error;
pub mod frame;
pub mod keys;
pub mod login;
pub mod lun;
pub mod numbering;
pub mod opcode;
pub mod parameters;
pub mod pdu;
pub mod quirk;
pub mod session;
pub mod tag;
pub mod task;
pub mod text;

/// The bytes in a Basic Header Segment (RFC 7143 section 11.2.1).
pub const HEADER_LENGTH: usize = 48;
