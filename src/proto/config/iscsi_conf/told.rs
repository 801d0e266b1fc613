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
    /// The target, or the first of several.
    pub target: Option<Wanted>,
}

/// Reads that.
///
/// # Errors
///
/// The file has a line that is none, or a name or an address that is none.
pub fn read_told(file: &[u8]) -> Result<Told, ConfError> {
    let mut told = Told::default();
    for entry in entries(file) {
        let entry = entry?;
        if entry.key() == Some(Key::InitiatorName) {
            told.initiator = Some(entry.iscsi_name()?);
        }
    }
    read_targets(file, |wanted| {
        told.target.get_or_insert(wanted);
    })?;
    Ok(told)
}

/// Hands over the targets to boot from, in their order: those that are enabled and have an
/// address, their own or that of the last enabled portal above them. Where there are none, it is
/// whatever the enabled portals tell of.
///
/// # Errors
///
/// The file has a line that is none, or a name or an address that is none.
pub fn read_targets(file: &[u8], mut add: impl FnMut(Wanted)) -> Result<(), ConfError> {
    let mut above = None;
    let mut any = false;
    for entry in entries(file) {
        let entry = entry?;
        match (entry.key(), entry.part) {
            (Some(Key::DiscoveryAddress), Part::Discovery(_)) if is_enabled(file, &entry)? => {
                above = Some(entry.portal()?);
            }
            (Some(Key::TargetName), _) if is_enabled(file, &entry)? => {
                let name = entry.iscsi_name()?;
                if let Some(portal) = own_portal(file, entry.part)?.or(above) {
                    add(Wanted::Named(Target { portal, name }));
                    any = true;
                }
            }
            _ => {}
        }
    }
    if any {
        return Ok(());
    }
    for entry in entries(file) {
        let entry = entry?;
        let is_portal = matches!(entry.part, Part::Discovery(_));
        let is_address = is_portal && entry.key() == Some(Key::DiscoveryAddress);
        if is_address && is_enabled(file, &entry)? {
            add(Wanted::Any(entry.portal()?));
        }
    }
    Ok(())
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
