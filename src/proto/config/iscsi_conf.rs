// SPDX-License-Identifier: GPL-2.0-only

//! The configuration file, `/etc/iscsi.conf`, in the grammar of linux-iscsi.
//!
//! A line is `Key=value`, or empty, or a comment behind `#`. A key is the same in capitals and in
//! small letters. A value ends at white space, unless it stands in quotation marks. `TargetName`
//! begins a target's part, `DiscoveryAddress` one for asking a portal for its targets, and some
//! other keys one of something else: what is indented deeper than such a line belongs to it,
//! everything else is for all targets named further down, or nowhere. What a target's own part says
//! comes before what is for all. Without a part of its own, asking a portal takes no credentials:
//! few portals want any, and one that wants none would be refused.
//!
//! No error has a value in it, since that may be a secret.

use core::fmt;

use crate::proto::{
    config::{
        target::{
            Portal,
            Wanted, //
        },
        text::Text, //
    },
    iscsi::chap::{
        Account,
        Credentials, //
    },
    secret,
    secret::Secret,
    time::Duration, //
};

/// The columns between two tabulator stops.
const TAB: usize = 8;

/// A key that means something here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Key {
    /// The target that the lines below are for.
    TargetName,
    /// The portal that the lines below are for, when it is asked for its targets.
    DiscoveryAddress,
    /// The name with which the initiator proves itself.
    OutgoingUsername,
    /// The secret with which the initiator proves itself.
    OutgoingPassword,
    /// The name with which the target has to prove itself.
    IncomingUsername,
    /// The secret with which the target has to prove itself.
    IncomingPassword,
    /// How long commands wait for a lost session.
    ConnFailTimeout,
}

impl Key {
    /// Every spelling.
    const NAMES: [(&'static str, Self); 15] = [
        ("TargetName", Self::TargetName),
        ("DiscoveryAddress", Self::DiscoveryAddress),
        ("TargetIpAddr", Self::DiscoveryAddress),
        ("OutgoingUsername", Self::OutgoingUsername),
        ("UsernameOut", Self::OutgoingUsername),
        ("Username", Self::OutgoingUsername),
        ("OutgoingPassword", Self::OutgoingPassword),
        ("PasswordOut", Self::OutgoingPassword),
        ("Password", Self::OutgoingPassword),
        ("IncomingUsername", Self::IncomingUsername),
        ("UsernameIn", Self::IncomingUsername),
        ("IncomingPassword", Self::IncomingPassword),
        ("PasswordIn", Self::IncomingPassword),
        ("ConnFailTimeout", Self::ConnFailTimeout),
        ("ReplacementTimeout", Self::ConnFailTimeout),
    ];

    /// The name under which it is spoken of.
    const fn name(self) -> &'static str {
        match self {
            Self::TargetName => "TargetName",
            Self::DiscoveryAddress => "DiscoveryAddress",
            Self::OutgoingUsername => "OutgoingUsername",
            Self::OutgoingPassword => "OutgoingPassword",
            Self::IncomingUsername => "IncomingUsername",
            Self::IncomingPassword => "IncomingPassword",
            Self::ConnFailTimeout => "ConnFailTimeout",
        }
    }

    fn named(name: &str) -> Option<Self> {
        let mut names = Self::NAMES.into_iter();
        let found = names.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, key)| key)
    }
}

/// Keys that begin a part for something else.
const OTHER_PARTS: [&str; 6] = [
    "DiscoveryFile",
    "SLPMulticast",
    "SLPUnicast",
    "SLPScopes",
    "Subnet",
    "Address",
];

/// A line with a key.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    /// The number of the line, from 1.
    pub line: usize,
    /// What the line is for.
    pub part: Part<'a>,
    /// The key as the file has it.
    pub name: &'a str,
    /// What it means.
    pub key: Option<Key>,
    value: &'a [u8],
    /// The column at which the value begins, from 1.
    column: usize,
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
    /// For something else.
    Other,
}

/// Who is logged in to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Login<'a> {
    /// The target of this name.
    Target(&'a str),
    /// A portal, which is asked for its targets.
    Discovery(Portal),
}

impl Login<'_> {
    /// Whether a part is for this login and no other.
    fn is_of(self, part: Part<'_>) -> bool {
        match (self, part) {
            (Self::Target(name), Part::Target(value)) => name.as_bytes() == value,
            (Self::Discovery(portal), Part::Discovery(value)) => {
                let address = core::str::from_utf8(value).unwrap_or_default();
                Wanted::parse(address) == Ok(Wanted::Any(portal))
            }
            _ => false,
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
    let error = |rest: &[u8], fault| ConfError {
        place: Some((
            line,
            text.len().saturating_sub(rest.len()).saturating_add(1),
        )),
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
    let rest = rest.trim_ascii_start();
    if !rest.is_empty() && !rest.starts_with(b"#") {
        return Err(error(rest, ConfFault::BehindValue));
    }

    let depth = depth(text.get(..indentation).unwrap_or_default());
    let key = Key::named(name);
    let begins = match key {
        Some(Key::TargetName) => Some(Part::Target(value)),
        Some(Key::DiscoveryAddress) => Some(Part::Discovery(value)),
        _ if OTHER_PARTS
            .iter()
            .any(|other| other.eq_ignore_ascii_case(name)) =>
        {
            Some(Part::Other)
        }
        _ => None,
    };
    let part = match (begins, &*begun) {
        (Some(part), _) => {
            *begun = Some((part, depth));
            part
        }
        (None, Some((part, outer))) if depth > *outer => *part,
        _ => Part::All,
    };
    Ok(Some(Entry {
        line,
        part,
        name,
        key,
        value,
        column: error(given, ConfFault::Key)
            .place
            .map_or(0, |(_, column)| column),
    }))
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

/// Reads what `file` has of credentials for `login` into `to`, which has none.
///
/// # Errors
///
/// The file has a line that is none, a value that is too long, or credentials that cannot be meant.
pub fn read_credentials(
    file: &[u8],
    login: Login<'_>,
    to: &mut Credentials,
) -> Result<(), ConfError> {
    for entry in entries_for(file, login) {
        entry?.read_into(to)?;
    }
    check(to).map_err(|fault| ConfError { place: None, fault })
}

/// For how long commands to `login`'s target wait for a lost session before they fail; `None`, the
/// default, for ever.
///
/// # Errors
///
/// The file has a line that is none, or a time that is none.
pub fn read_patience(file: &[u8], login: Login<'_>) -> Result<Option<Duration>, ConfError> {
    let mut patience = None;
    for entry in entries_for(file, login) {
        let entry = entry?;
        if entry.key == Some(Key::ConnFailTimeout) {
            patience = time(entry.value).ok_or_else(|| entry.error(ConfFault::Time))?;
        }
    }
    Ok(patience)
}

/// A time as `<number>`, in seconds, or `<number>` and one of `s`, `m` and `h`; 0 is none.
fn time(text: &[u8]) -> Option<Option<Duration>> {
    let (number, unit) = match text.split_last()? {
        (b's', number) => (number, 1),
        (b'm', number) => (number, 60),
        (b'h', number) => (number, 3_600),
        _ => (text, 1),
    };
    let text = core::str::from_utf8(number).ok()?;
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse::<u32>().ok().filter(|_| is_number)?;
    let time = Duration::from_secs(u64::from(number).saturating_mul(unit));
    Some((number > 0).then_some(time))
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
            Part::All if matches!(login, Login::Discovery(_)) => false,
            Part::All => first.is_none_or(|first| entry.line < first),
            part => login.is_of(part),
        },
    })
}

impl Entry<'_> {
    /// The error that its value is.
    fn error(&self, fault: ConfFault) -> ConfError {
        ConfError {
            place: Some((self.line, self.column)),
            fault,
        }
    }

    fn read_into(&self, to: &mut Credentials) -> Result<(), ConfError> {
        let error = |fault| self.error(fault);
        let account = match self.key {
            Some(Key::OutgoingUsername | Key::OutgoingPassword) => &mut to.outgoing,
            Some(Key::IncomingUsername | Key::IncomingPassword) => &mut to.incoming,
            Some(Key::TargetName | Key::DiscoveryAddress | Key::ConnFailTimeout) | None => {
                return Ok(());
            }
        };
        if matches!(
            self.key,
            Some(Key::OutgoingPassword | Key::IncomingPassword)
        ) {
            return account
                .secret
                .set(self.value)
                .ok_or_else(|| error(ConfFault::PasswordTooLong));
        }
        let name = core::str::from_utf8(self.value).map_err(|_| error(ConfFault::NotUtf8))?;
        account.name = Text::new(name).ok_or_else(|| error(ConfFault::NameTooLong))?;
        Ok(())
    }
}

/// Looks for credentials that cannot be meant: half of them would be none, and nobody would notice.
pub(crate) fn check(credentials: &Credentials) -> Result<(), ConfFault> {
    let Credentials { outgoing, incoming } = credentials;
    let nameless = |account: &Account| account.secret.is_none() && !account.name.is_empty();
    if nameless(outgoing) {
        return Err(ConfFault::Missing(Key::OutgoingPassword));
    }
    if nameless(incoming) {
        return Err(ConfFault::Missing(Key::IncomingPassword));
    }
    if credentials.are_mutual() && !credentials.are_given() {
        return Err(ConfFault::IncomingAlone);
    }
    // RFC 7143 section 9.2.1.
    if credentials.are_mutual() && secret::equal(outgoing.secret.bytes(), incoming.secret.bytes()) {
        return Err(ConfFault::SamePasswords);
    }
    Ok(())
}

/// What is wrong with the file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ConfError {
    /// Line and column, from 1, where there is a place.
    pub place: Option<(usize, usize)>,
    /// What is wrong there.
    pub fault: ConfFault,
}

impl fmt::Display for ConfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((line, column)) = self.place {
            write!(f, "line {line}, column {column}: ")?;
        }
        self.fault.fmt(f)
    }
}

/// What is wrong with a line, or with what several lines say together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ConfFault {
    /// A line without `=`.
    NoEquals,
    /// What stands before `=` is no key.
    Key,
    /// A quotation mark without its like.
    OpenQuotation,
    /// Something behind the value.
    BehindValue,
    /// A time that is none.
    Time,
    /// A name that is not UTF-8.
    NotUtf8,
    /// A name of more than 255 bytes.
    NameTooLong,
    /// A password of more than 256 bytes.
    PasswordTooLong,
    /// A name without this password.
    Missing(Key),
    /// The target has to prove itself, but the initiator has no password.
    IncomingAlone,
    /// Both passwords are the same.
    SamePasswords,
}

impl fmt::Display for ConfFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEquals => f.write_str("a line without '='; comments begin with '#'"),
            Self::Key => f.write_str("no key before '='"),
            Self::OpenQuotation => f.write_str("a '\"' that no other one follows"),
            Self::BehindValue => f.write_str(
                "something behind the value; a value with spaces stands in '\"', \
                 a comment begins with '#'",
            ),
            Self::Time => f.write_str("expected a time: a number, and 's', 'm' or 'h' behind it"),
            Self::NotUtf8 => f.write_str("a name that is not UTF-8"),
            Self::NameTooLong => f.write_str("a name of more than 255 bytes"),
            Self::PasswordTooLong => {
                write!(f, "a password of more than {} bytes", Secret::MAX)
            }
            Self::Missing(key) => write!(f, "a user name, but no {}", key.name()),
            Self::IncomingAlone => f.write_str(
                "IncomingPassword, but no OutgoingPassword: \
                 a target proves itself only to whom has done so before",
            ),
            Self::SamePasswords => f.write_str(
                "IncomingPassword and OutgoingPassword are the same, \
                 so that whoever is asked for one learns the other",
            ),
        }
    }
}

#[cfg(test)]
mod tests;
