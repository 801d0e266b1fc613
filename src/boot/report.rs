// SPDX-License-Identifier: GPL-2.0-only

//! What `/proc/iscsi_init` tells: `key: value` lines, which docs/status.md describes.

use super::{
    attempts::Attempts,
    custody::status::NetworkStatus,
    error::Failure,
    growing::Growing,
    identity::Names, //
};
use crate::{
    initiator::{
        Initiator,
        SessionStatus, //
    },
    linux::proc::{
        File,
        Output,
        Place,
        Show, //
    },
    proto::config::merge::{
        Boot,
        Request, //
    },
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// What is told.
pub(super) struct Report {
    /// What does not change: the settings with their sources, and the boot's times.
    fixed: KVec<u8>,
    session: SessionStatus,
    network: Arc<NetworkStatus>,
}

impl Show for Report {
    fn show(&self, output: &mut Output<'_>) -> core::fmt::Result {
        self.fixed.show(output)?;
        self.session.write(output)?;
        self.network.write(output)
    }
}

/// Makes the file.
#[inline(never)]
pub(super) fn publish(
    request: &Request,
    boot: &Boot,
    names: &Names,
    attempts: &Attempts,
    initiator: &Initiator,
    network: Arc<NetworkStatus>,
) -> Result<File<Report>, Failure<'static>> {
    let report = Report {
        fixed: fixed(request, boot, names, attempts)?,
        session: initiator.session(),
        network,
    };
    let report = Arc::new(report, GFP_KERNEL).map_err(Failure::kernel)?;
    File::new(Place::Root, c"iscsi_init", report).map_err(Failure::Kernel)
}

fn fixed(
    request: &Request,
    boot: &Boot,
    names: &Names,
    attempts: &Attempts,
) -> Result<KVec<u8>, Failure<'static>> {
    let mut text = Growing::new();
    text.print(core::format_args!("setting-if: "))?;
    match &request.interface {
        Some(interface) => text.print(core::format_args!("{interface}\n"))?,
        None => text.print(core::format_args!("any (default)\n"))?,
    }
    text.print(core::format_args!(
        "setting-initiator: {}\n",
        boot.initiator
    ))?;
    text.print(core::format_args!("setting-target: {}\n", boot.target))?;
    text.print(core::format_args!("setting-lun: {}\n", boot.lun))?;
    if !names.search_domains.is_empty() {
        text.print(core::format_args!(
            "search-domains: {}\n",
            names.search_domains
        ))?;
    }
    for (milestone, at) in attempts.milestones() {
        text.print(core::format_args!("boot-{milestone}: {at}\n"))?;
    }
    Ok(text.0)
}
