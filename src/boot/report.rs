// SPDX-License-Identifier: GPL-2.0-only

//! What `/proc/iscsi_init` tells: `key: value` lines, which docs/status.md describes.

use super::{
    attempts::Attempts,
    configuration::Configuration,
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
        Source, //
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

/// What does not change.
pub(super) struct Settled<'a> {
    pub(super) configuration: &'a Configuration,
    pub(super) boot: &'a Boot,
    pub(super) names: &'a Names,
    pub(super) attempts: &'a Attempts,
    pub(super) passed_over: &'a Growing,
}

/// Makes the file.
#[inline(never)]
pub(super) fn publish(
    settled: &Settled<'_>,
    initiator: &Initiator,
    network: Arc<NetworkStatus>,
) -> Result<File<Report>, Failure<'static>> {
    let report = Report {
        fixed: settled.text()?,
        session: initiator.session(),
        network,
    };
    let report = Arc::new(report, GFP_KERNEL).map_err(Failure::kernel)?;
    File::new(Place::Root, c"iscsi_init", report).map_err(Failure::Kernel)
}

impl Settled<'_> {
    fn text(&self) -> Result<KVec<u8>, Failure<'static>> {
        let mut text = Growing::new();
        let Boot {
            initiator,
            target,
            lun,
            credentials,
            session,
        } = self.boot;
        let Configuration { request, conf, .. } = self.configuration;
        text.print(core::format_args!("setting-if: "))?;
        match &request.interface {
            Some(interface) => text.print(core::format_args!("{interface}\n"))?,
            None => text.print(core::format_args!("any (default)\n"))?,
        }
        text.print(core::format_args!("setting-initiator: {initiator}\n"))?;
        text.print(core::format_args!("setting-target: {target}\n"))?;
        text.print(core::format_args!("setting-lun: {lun}\n"))?;
        text.print(core::format_args!("setting-credentials: {credentials}\n"))?;
        conf.write(&mut text)?;
        match &request.timeout {
            Some(timeout) => text.print(core::format_args!("setting-timeout: {timeout}\n"))?,
            None if cfg!(MODULE) => text.print(core::format_args!(
                "setting-timeout: one attempt (default)\n"
            ))?,
            None => text.print(core::format_args!("setting-timeout: no limit (default)\n"))?,
        }
        for (key, value, is_told) in session.all() {
            let source = match is_told {
                true => Source::Conf,
                false => Source::Default,
            };
            let key = key.name();
            text.print(core::format_args!("setting-{key}: {value} ({source})\n"))?;
        }
        text.append(self.passed_over)?;
        let Names { search_domains, .. } = self.names;
        if !search_domains.is_empty() {
            text.print(core::format_args!("search-domains: {search_domains}\n"))?;
        }
        for (milestone, at) in self.attempts.milestones() {
            text.print(core::format_args!("boot-{milestone}: {at}\n"))?;
        }
        Ok(text.0)
    }
}
