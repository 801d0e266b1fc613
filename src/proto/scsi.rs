// SPDX-License-Identifier: GPL-2.0-only

//! What of SCSI an initiator has to understand by itself.
//!
//! - [`identification`]: whether a logical unit is the one that it was.
//! - [`sense`]: what a logical unit says about a command that failed.

#![forbid(unsafe_code)]

pub mod identification;
pub mod sense;
