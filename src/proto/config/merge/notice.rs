// SPDX-License-Identifier: GPL-2.0-only

//! What somebody has said in vain, and might wonder about.

use core::fmt;

use crate::proto::config::{
    cmdline::{
        Key,
        Other, //
    },
    interface::Device,
    merge::Source,
};

/// Whom notices are told.
pub type Tell<'a> = &'a mut dyn FnMut(&Notice<'_>);

/// What somebody has said in vain.
pub enum Notice<'a> {
    /// The kernel argument of a setting whose module parameter says something else.
    Argument(Key),
    /// The value of a later source.
    Overruled {
        /// Of which setting.
        key: Key,
        /// What it is there.
        value: &'a dyn fmt::Display,
        /// Where.
        source: Source,
        /// Whose word counts.
        by: Source,
    },
    /// The argument of others, since somebody before has said what it is about.
    Other {
        /// The argument.
        other: Other,
        /// What it is about.
        key: Key,
        /// Whose word counts.
        by: Source,
    },
    /// Several `ip=`, of which one counts.
    Several {
        /// The one that does.
        text: &'a str,
        /// The device that it is for.
        device: &'a Device,
    },
}

impl fmt::Display for Notice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument(key) => write!(
                f,
                "{}= is not used: the module parameter {}= comes first",
                key.argument(),
                key.parameter()
            ),
            Self::Overruled {
                key,
                value,
                source,
                by,
            } => write!(f, "{key} {value} ({source}) is not used: {by} comes first"),
            Self::Other { other, key, by } => write!(
                f,
                "{}= is not used for the {key}: {by} comes first",
                other.name()
            ),
            Self::Several { text, device } => write!(
                f,
                "of several ip= this machine boots by {text:?}, device {device}; bootdev= or \
                 iscsi-if= chooses another"
            ),
        }
    }
}
