// SPDX-License-Identifier: GPL-2.0-only

//! The SCSI mid-layer, seen from a host.
//!
//! - [`host`]: [`host::Host`] is a registered `Scsi_Host`, its callbacks a [`host::Operations`].
//! - [`command`]: [`command::Command`] is a `scsi_cmnd` the mid-layer has handed over,
//!   until it is completed.
//! - [`identification`]: what the logical units of a host have said that they are called.
//!
//! C headers: [`include/scsi/scsi_host.h`](srctree/include/scsi/scsi_host.h),
//! [`include/scsi/scsi_cmnd.h`](srctree/include/scsi/scsi_cmnd.h)

mod command;
mod host;
mod identification;
#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
pub(crate) mod testing;

pub(super) use command::Held;
pub(crate) use command::{
    Buffer,
    Command,
    CommandList,
    Direction,
    HostStatus,
    Outcome, //
};
pub(crate) use host::{
    Host,
    Limits,
    Operations, //
};
pub(crate) use identification::{
    identifications,
    Identification, //
};
