// SPDX-License-Identifier: GPL-2.0-only

//! The configuration file, `/etc/iscsi.conf`, in the grammar of linux-iscsi.
//!
//! A line is `Key=value`, or empty, or a comment behind `#`. A key is the same in capitals and in
//! small letters. A value ends at white space, unless it stands in quotation marks. `TargetName`
//! begins a target's part, `DiscoveryAddress` one for asking a portal for its targets, `Subnet` one
//! for the portals of a network, and some other keys one of something else: what is indented deeper
//! than such a line belongs to it, everything else is for all targets named further down, or
//! nowhere. What a target's own part says comes before what is for all, and what a network's says
//! before both. Without a part of its own, asking a portal takes no credentials: few portals want
//! any, and one that wants none would be refused.
//!
//! - [`line`] takes lines apart, and [`key`] knows the keys.
//! - [`value`] and [`luns`] read values; [`error`] says what is wrong with one.
//! - [`told`] is about who boots from where, [`credentials`] about who proves what, and
//!   [`settings`] about the session.
//!
//! No error has a value in it that may be a secret.

mod credentials;
mod error;
mod key;
mod line;
mod luns;
mod settings;
mod told;
mod value;

pub use self::{
    credentials::{
        check_credentials,
        read_credentials, //
    },
    error::{
        ConfError,
        ConfFault, //
    },
    key::{
        Key,
        Notice, //
    },
    line::{
        entries,
        Entry,
        Part, //
    },
    luns::Luns,
    settings::{
        read_settings,
        Settings,
        Timeouts, //
    },
    told::{
        read_alias,
        read_targets,
        read_told,
        Told, //
    },
    value::LABEL_MAX,
};

use crate::proto::config::target::{
    Portal,
    Target,
    Wanted, //
};

/// Who is logged in to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Login<'a> {
    /// This target.
    Target(&'a Target),
    /// A portal, which is asked for its targets.
    Discovery(Portal),
}

impl Login<'_> {
    /// Where.
    const fn portal(&self) -> Portal {
        match self {
            Self::Target(target) => target.portal,
            Self::Discovery(portal) => *portal,
        }
    }

    /// Whether a part is for this login and no other.
    fn is_of(&self, part: Part<'_>) -> bool {
        match (self, part) {
            // RFC 3722: a name is the same in capitals and in small letters.
            (Self::Target(target), Part::Target(value)) => {
                target.name.as_str().as_bytes().eq_ignore_ascii_case(value)
            }
            (Self::Discovery(portal), Part::Discovery(value)) => {
                let address = core::str::from_utf8(value).unwrap_or_default();
                Wanted::parse(address) == Ok(Wanted::Any(*portal))
            }
            _ => false,
        }
    }
}

/// Reads every line, whoever it is for, and hands over those that do not count.
///
/// # Errors
///
/// The file has a line that is none, or a value that its key cannot have. Credentials are looked at
/// when they are read.
pub fn check<'a>(
    file: &'a [u8],
    mut tell: impl FnMut(&Entry<'a>, Notice),
) -> Result<(), ConfError> {
    let mut settings = Settings::default();
    for entry in entries(file) {
        let entry = entry?;
        if let Some(notice) = entry.notice() {
            tell(&entry, notice);
        }
        match entry.key() {
            Some(Key::TargetName | Key::InitiatorName) => {
                entry.iscsi_name()?;
            }
            Some(Key::InitiatorAlias) => {
                entry.label()?;
            }
            Some(Key::DiscoveryAddress) => {
                entry.portal()?;
            }
            Some(Key::Subnet) => {
                entry.network()?;
            }
            Some(Key::Enabled) => {
                entry.boolean()?;
            }
            _ => settings.take(&entry)?,
        }
    }
    Ok(())
}

/// The lines that count for `login`: its own part's, and those for all above it.
fn entries_for<'a>(
    file: &'a [u8],
    login: Login<'a>,
) -> impl Iterator<Item = Result<Entry<'a>, ConfError>> {
    let mut own = entries(file).filter_map(Result::ok);
    let first = own
        .find(|entry| login.is_of(entry.part))
        .map(|entry| entry.line);
    entries(file).filter(move |entry| match entry {
        Err(_) => true,
        Ok(entry) => match entry.part {
            Part::All => first.is_none_or(|first| entry.line < first),
            part => login.is_of(part),
        },
    })
}

#[cfg(test)]
mod tests;
