// SPDX-License-Identifier: GPL-2.0-only

//! Who boots from where.

use super::{
    entries,
    error::ConfError,
    key::Key,
    line::{
        Entry,
        Part, //
    },
    value::LABEL_MAX, //
};
use crate::proto::config::{
    name::Name,
    target::{
        Portal,
        Target,
        Wanted, //
    },
    text::Text, //
};

/// What the file tells of who boots from where.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Told {
    /// What this machine is called.
    pub initiator: Option<Name>,
    /// The target.
    pub target: Option<Wanted>,
}

/// Reads that.
///
/// The target is the first that is enabled and has an address: its own, or that of the last enabled
/// portal above it. Where there is none it is whatever the first enabled portal tells of.
///
/// # Errors
///
/// The file has a line that is none, or a name or an address that is none.
pub fn read_told(file: &[u8]) -> Result<Told, ConfError> {
    let mut told = Told::default();
    let mut first = None;
    let mut last = None;
    for entry in entries(file) {
        let entry = entry?;
        match (entry.key(), entry.part) {
            (Some(Key::InitiatorName), _) => told.initiator = Some(entry.iscsi_name()?),
            (Some(Key::DiscoveryAddress), Part::Discovery(_)) if is_enabled(file, &entry)? => {
                let portal = entry.portal()?;
                first = first.or(Some(portal));
                last = Some(portal);
            }
            (Some(Key::TargetName), _) if told.target.is_none() && is_enabled(file, &entry)? => {
                let portal = own_portal(file, entry.part)?.or(last);
                let name = entry.iscsi_name()?;
                let named = |portal| Wanted::Named(Target { portal, name });
                told.target = portal.map(named);
            }
            _ => {}
        }
    }
    told.target = told.target.or(first.map(Wanted::Any));
    Ok(told)
}

/// What this machine is called for people, if the file says so.
///
/// # Errors
///
/// The file has a line that is none, or a name that is none.
pub fn read_alias(file: &[u8]) -> Result<Option<Text<LABEL_MAX>>, ConfError> {
    let mut alias = None;
    for entry in entries(file) {
        let entry = entry?;
        if entry.key() == Some(Key::InitiatorAlias) {
            alias = Some(entry.label()?);
        }
    }
    Ok(alias)
}

/// Whether the part that begins with `of` is enabled: by a line of its own or, without one, by the
/// last one for all above it.
fn is_enabled(file: &[u8], of: &Entry<'_>) -> Result<bool, ConfError> {
    let mut enabled = true;
    let mut own = false;
    for entry in entries(file) {
        let entry = entry?;
        let is_own = entry.part == of.part;
        let is_for_all = !own && entry.part == Part::All && entry.line < of.line;
        if entry.key() == Some(Key::Enabled) && (is_own || is_for_all) {
            own |= is_own;
            enabled = entry.boolean()?;
        }
    }
    Ok(enabled)
}

/// Where a target is, by its own part.
fn own_portal(file: &[u8], part: Part<'_>) -> Result<Option<Portal>, ConfError> {
    let mut portal = None;
    for entry in entries(file) {
        let entry = entry?;
        if entry.key() == Some(Key::DiscoveryAddress) && entry.part == part {
            portal = Some(entry.portal()?);
        }
    }
    Ok(portal)
}
