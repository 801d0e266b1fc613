// SPDX-License-Identifier: GPL-2.0-only

//! What the machine is told to boot from: texts in, typed settings with their source out.
//!
//! A setting starts as text in a module parameter, a kernel argument, the configuration file or the
//! DHCP root path.
//! - [`cmdline`] finds the kernel arguments in the command line.
//! - [`interface`] (with [`ipv6`]), [`target`], [`lun`], [`name`], [`timeout`] and [`root_path`]
//!   each turn one text into a value, or into a [`ParseError`] that says what is wrong and where;
//!   so do [`ip`] and [`netroot`] with kernel arguments that others have made; [`location`] is what
//!   the last and the root path have in common.
//! - [`iscsi_conf`] reads the configuration file, [`ibft`] the table that firmware leaves.
//! - [`merge`] picks the one source of each setting; [`choice`] has the targets of one in order.
//! - [`whereabouts`] tells which root paths a running machine follows.
//! - [`machine`] has the initiator name of a machine that is told none.
//! - [`text`] is the string without a heap that they are kept in.

#![forbid(unsafe_code)]

use core::fmt;

pub mod choice;
pub mod cmdline;
pub mod ibft;
pub mod interface;
pub mod ip;
pub mod ipv6;
pub mod iscsi_conf;
pub mod location;
pub mod lun;
pub mod machine;
pub mod merge;
pub mod name;
pub mod netroot;
pub mod root_path;
pub mod target;
pub mod text;
pub mod timeout;
pub mod whereabouts;

/// What is wrong with a setting's text, and where.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ParseError<R> {
    /// What is wrong.
    pub reason: R,
    /// The byte of the text at which it was noticed, from 0.
    pub offset: usize,
}

impl<R> ParseError<R> {
    /// An error found at byte `offset`.
    pub(crate) const fn new(reason: R, offset: usize) -> Self {
        Self { reason, offset }
    }

    /// The same error in a text of which this one is the part that starts at byte `start`.
    pub(crate) fn inside<S: From<R>>(self, start: usize) -> ParseError<S> {
        ParseError::new(self.reason.into(), self.offset.saturating_add(start))
    }
}

impl<R: fmt::Display> fmt::Display for ParseError<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at byte {})", self.reason, self.offset)
    }
}

/// A text with the place it has in the setting's whole text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    /// The text.
    pub(crate) text: &'a str,
    /// The byte of the whole text at which it starts.
    pub(crate) offset: usize,
}

impl<'a> Field<'a> {
    /// The whole text.
    pub(crate) const fn whole(text: &'a str) -> Self {
        Self { text, offset: 0 }
    }

    /// The text before the first `separator` and, where there is one, the text after it.
    pub(crate) fn split(self, separator: char) -> (Self, Option<Self>) {
        match self.text.split_once(separator) {
            None => (self, None),
            Some((head, tail)) => {
                let behind = head.len().saturating_add(separator.len_utf8());
                (
                    Self { text: head, ..self },
                    Some(Self {
                        text: tail,
                        offset: self.offset.saturating_add(behind),
                    }),
                )
            }
        }
    }

    /// The text behind `prefix`, when it starts with that.
    pub(crate) fn strip(self, prefix: char) -> Option<Self> {
        let text = self.text.strip_prefix(prefix)?;
        Some(Self {
            text,
            offset: self.offset.saturating_add(prefix.len_utf8()),
        })
    }

    /// The byte of the whole text at which this one ends.
    pub(crate) const fn end(self) -> usize {
        self.offset.saturating_add(self.text.len())
    }

    /// An error at the start of this text.
    pub(crate) const fn error<R>(self, reason: R) -> ParseError<R> {
        ParseError::new(reason, self.offset)
    }
}

/// The number that `text` spells in decimal digits and nothing else.
pub(crate) fn decimal(text: &str) -> Option<u16> {
    // `from_str` alone would take a sign too.
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}
