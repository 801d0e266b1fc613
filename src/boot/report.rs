// SPDX-License-Identifier: GPL-2.0-only

//! What `/proc/iscsi_init` tells: `key: value` lines, which docs/status.md describes.

use super::{
    attempts::Attempts,
    configuration::Configuration,
    custody::status::NetworkStatus,
    error::Failure,
    growing::Growing,
    network::Network,
    settings, //
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
    pub(super) network: &'a Network,
    pub(super) attempts: &'a Attempts,
    pub(super) passed_over: &'a Growing,
}

/// Makes the file.
#[inline(never)]
pub(super) fn publish(
    text: Growing,
    initiator: &Initiator,
    network: Arc<NetworkStatus>,
) -> Result<File<Report>, Failure<'static>> {
    let report = Report {
        fixed: text.0,
        session: initiator.session(),
        network,
    };
    let report = Arc::new(report, GFP_KERNEL).map_err(Failure::kernel)?;
    File::new(Place::Root, c"iscsi_init", report).map_err(Failure::Kernel)
}

impl Settled<'_> {
    /// What of that is told, as lines.
    #[inline(never)]
    pub(super) fn text(&self) -> Result<Growing, Failure<'static>> {
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
        self.write_luns(&mut text)?;
        self.write_alias(&mut text)?;
        settings::write(self.network, request, &mut text)?;
        text.append(self.passed_over)?;
        for (milestone, at) in self.attempts.milestones() {
            text.print(core::format_args!("boot-{milestone}: {at}\n"))?;
        }
        Ok(text)
    }

    fn write_luns(&self, to: &mut Growing) -> Result<(), Failure<'static>> {
        match &self.boot.session.luns {
            Some(luns) => to.print(core::format_args!(
                "setting-LUNs: {luns} ({})\n",
                Source::Conf
            )),
            None => to.print(core::format_args!(
                "setting-LUNs: all ({})\n",
                Source::Default
            )),
        }
    }

    #[inline(never)]
    fn write_alias(&self, to: &mut Growing) -> Result<(), Failure<'static>> {
        let alias = self.configuration.conf.alias()?;
        let (alias, source) = match alias.is_empty() {
            true => ("none", Source::Default),
            false => (alias.as_str(), Source::Conf),
        };
        to.print(core::format_args!(
            "setting-InitiatorAlias: {alias} ({source})\n"
        ))
    }
}
