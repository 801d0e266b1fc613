// SPDX-License-Identifier: GPL-2.0-only

//! Lines, and the parts that their indentation makes of them.

use super::{
    error::{
        ConfError,
        ConfFault, //
    },
    key::{
        Key,
        Meaning,
        Notice, //
    }, //
};

/// The columns between two tabulator stops.
const TAB: usize = 8;

/// A line with a key.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    /// The number of the line, from 1.
    pub line: usize,
    /// What the line is for.
    pub part: Part<'a>,
    /// The key as the file has it.
    pub name: &'a str,
    pub(super) value: &'a [u8],
    meaning: Meaning,
    /// The column at which the value begins, from 1, and that behind its quotation mark.
    column: usize,
    inner_column: usize,
}

/// What a line is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Part<'a> {
    /// For every target.
    All,
    /// For the target of this name.
    Target(&'a [u8]),
    /// For asking the portal of this address.
    Discovery(&'a [u8]),
    /// For the portals of this network.
    Portals(&'a [u8]),
    /// For something else.
    Other,
}

impl<'a> Entry<'a> {
    /// The key, where it counts.
    pub fn key(&self) -> Option<Key> {
        match self.meaning {
            Meaning::Key(key) if key.counts_in(self.part) => Some(key),
            _ => None,
        }
    }

    /// Why the line does not count, if it does not.
    pub fn notice(&self) -> Option<Notice> {
        match self.meaning {
            Meaning::Key(key) if key.counts_in(self.part) => None,
            Meaning::Key(_) => Some(Notice::NotHere),
            Meaning::OtherPart | Meaning::Obsolete => Some(Notice::Obsolete),
            Meaning::Unknown => Some(Notice::Unknown),
        }
    }

    /// The error that its value is.
    pub(super) fn error(&self, fault: ConfFault) -> ConfError {
        ConfError {
            place: Some((self.line, self.column)),
            fault,
        }
    }

    /// The error that its value has at byte `offset`.
    pub(super) fn error_at(&self, offset: usize, fault: ConfFault) -> ConfError {
        ConfError {
            place: Some((self.line, self.inner_column.saturating_add(offset))),
            fault,
        }
    }

    /// The part that this line begins, if it does, below a line of the part `outer`.
    fn begins(&self, outer: Option<Part<'_>>) -> Option<Part<'a>> {
        match self.meaning {
            Meaning::Key(Key::TargetName) => Some(Part::Target(self.value)),
            Meaning::Key(Key::DiscoveryAddress) if matches!(outer, Some(Part::Target(_))) => None,
            Meaning::Key(Key::DiscoveryAddress) => Some(Part::Discovery(self.value)),
            Meaning::Key(Key::Subnet) => Some(Part::Portals(self.value)),
            Meaning::OtherPart => Some(Part::Other),
            _ => None,
        }
    }
}

/// The lines with a key in `file`; the first error ends them.
pub fn entries(file: &[u8]) -> impl Iterator<Item = Result<Entry<'_>, ConfError>> {
    let mut begun = None;
    let mut failed = false;
    file.split(|byte| *byte == b'\n')
        .zip(1..)
        .filter_map(move |(text, line)| {
            if failed {
                return None;
            }
            let entry = entry(text, line, &mut begun);
            failed = entry.is_err();
            entry.transpose()
        })
}

/// Takes a line apart; `begun` is the last part that has begun, and how deep its first line is
/// indented.
fn entry<'a>(
    text: &'a [u8],
    line: usize,
    begun: &mut Option<(Part<'a>, usize)>,
) -> Result<Option<Entry<'a>>, ConfError> {
    let blank = |byte: &&u8| byte.is_ascii_whitespace();
    let indentation = text.iter().take_while(blank).count();
    let content = text.get(indentation..).unwrap_or_default();
    if content.is_empty() || content.starts_with(b"#") {
        return Ok(None);
    }
    let column = |rest: &[u8]| text.len().saturating_sub(rest.len()).saturating_add(1);
    let error = |rest: &[u8], fault| ConfError {
        place: Some((line, column(rest))),
        fault,
    };
    let end = content
        .iter()
        .position(|byte| *byte == b'=')
        .ok_or_else(|| error(content, ConfFault::NoEquals))?;
    let (name, behind) = content.split_at_checked(end).unwrap_or_default();
    let name = core::str::from_utf8(name.trim_ascii_end())
        .ok()
        .filter(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        .ok_or_else(|| error(content, ConfFault::Key))?;
    let given = behind.get(1..).unwrap_or_default().trim_ascii_start();
    let (value, rest) = value(given).ok_or_else(|| error(given, ConfFault::OpenQuotation))?;
    let behind = rest.trim_ascii_start();
    if !behind.is_empty() && !behind.starts_with(b"#") {
        return Err(error(behind, ConfFault::BehindValue));
    }

    let depth = depth(text.get(..indentation).unwrap_or_default());
    let outer = match &*begun {
        Some((part, outer)) if depth > *outer => Some(*part),
        _ => None,
    };
    let column = column(given);
    let mut entry = Entry {
        line,
        part: outer.unwrap_or(Part::All),
        name,
        value,
        meaning: Meaning::of(name),
        column,
        inner_column: column.saturating_add(usize::from(given.starts_with(b"\""))),
    };
    if let Some(part) = entry.begins(outer) {
        *begun = Some((part, depth));
        entry.part = part;
    }
    Ok(Some(entry))
}

/// The value at the front of `text`, and what stands behind it; `None` when a quotation does not
/// end.
fn value(text: &[u8]) -> Option<(&[u8], &[u8])> {
    if let Some(quoted) = text.strip_prefix(b"\"") {
        let end = quoted.iter().position(|byte| *byte == b'"')?;
        let (value, rest) = quoted.split_at_checked(end)?;
        return Some((value, rest.get(1..)?));
    }
    let end = text.iter().position(u8::is_ascii_whitespace);
    text.split_at_checked(end.unwrap_or(text.len()))
}

/// How deep white space indents, in columns.
fn depth(space: &[u8]) -> usize {
    space.iter().fold(0_usize, |column, byte| match byte {
        b'\t' => column
            .checked_div(TAB)
            .unwrap_or_default()
            .saturating_add(1)
            .saturating_mul(TAB),
        _ => column.saturating_add(1),
    })
}
