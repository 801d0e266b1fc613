// SPDX-License-Identifier: GPL-2.0-only

//! The PDUs as types that say what RFC 7143 lets them say.
//!
//! [`header`] has a CDB of any length, and what precedes a PDU's data.
//! [`login`] has the two of the Login Phase, [`text`] the two of a text negotiation. After the
//! login [`request`] has what we send, with an `emit` each, and [`response`] what a target sends,
//! with one parser for all.

pub mod header;
pub mod login;
pub mod request;
pub mod response;
pub mod text;

/// The bit that is one in every PDU that has no F bit to set, and the F bit where there is one.
const FINAL: u8 = 0x80;
