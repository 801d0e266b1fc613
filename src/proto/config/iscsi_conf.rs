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
    secret::Secret, //
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
}

impl Key {
    /// Every spelling.
    const NAMES: [(&'static str, Self); 13] = [
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
    let mut first = None;
    for entry in entries(file) {
        let entry = entry?;
        if first.is_none() && login.is_of(entry.part) {
            first = Some(entry.line);
        }
    }
    for entry in entries(file) {
        let entry = entry?;
        let counts = match entry.part {
            Part::All if matches!(login, Login::Discovery(_)) => false,
            Part::All => first.is_none_or(|first| entry.line < first),
            part => login.is_of(part),
        };
        if counts {
            entry.read_into(to)?;
        }
    }
    check(to).map_err(|fault| ConfError { place: None, fault })
}

impl Entry<'_> {
    fn read_into(&self, to: &mut Credentials) -> Result<(), ConfError> {
        let error = |fault| ConfError {
            place: Some((self.line, self.column)),
            fault,
        };
        let account = match self.key {
            Some(Key::OutgoingUsername | Key::OutgoingPassword) => &mut to.outgoing,
            Some(Key::IncomingUsername | Key::IncomingPassword) => &mut to.incoming,
            Some(Key::TargetName | Key::DiscoveryAddress) | None => return Ok(()),
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
fn check(credentials: &Credentials) -> Result<(), ConfFault> {
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
mod tests {
    extern crate std;

    use std::{
        format,
        string::ToString,
        vec::Vec, //
    };

    use super::*;

    const TARGET: &str = "iqn.2004-01.net.example:root";

    fn read(file: &str) -> Result<[std::string::String; 4], ConfError> {
        let mut credentials = Credentials::none();
        read_credentials(file.as_bytes(), Login::Target(TARGET), &mut credentials)?;
        let Credentials { outgoing, incoming } = &credentials;
        let secret = |account: &Account| {
            std::string::String::from_utf8(account.secret.bytes().to_vec()).unwrap()
        };
        Ok([
            outgoing.name.as_str().to_string(),
            secret(outgoing),
            incoming.name.as_str().to_string(),
            secret(incoming),
        ])
    }

    fn error(file: &str) -> (Option<(usize, usize)>, ConfFault) {
        let error = read(file).unwrap_err();
        (error.place, error.fault)
    }

    #[test]
    fn every_spelling_of_the_credentials_is_read() {
        let expected = ["us", "ours", "them", "theirs"];
        for (a, b, c, d) in [
            (
                "OutgoingUsername",
                "OutgoingPassword",
                "IncomingUsername",
                "IncomingPassword",
            ),
            ("UsernameOut", "PasswordOut", "UsernameIn", "PasswordIn"),
            ("USERNAME", "password", "usernamein", "PASSWORDIN"),
        ] {
            let file = format!("{a}=us\n{b}=ours\n{c}=them\n{d}=theirs");
            assert_eq!(read(&file).unwrap(), expected);
            let file =
                format!("{a} = \"us\" # 1\r\n\n# {b}=no\n\t{b}= ours\r\n{c}=them\n{d}=theirs\n");
            assert_eq!(read(&file).unwrap(), expected);
        }
        assert_eq!(read("").unwrap(), ["", "", "", ""]);
        assert_eq!(read("Password=\"a b#c=\"").unwrap()[1], "a b#c=");
        assert_eq!(read("Password=a\"b#c").unwrap()[1], "a\"b#c");
    }

    #[test]
    fn a_targets_own_part_comes_first() {
        let own = format!("TargetName={TARGET}\n    Password=own\n");
        assert_eq!(read(&own).unwrap()[1], "own");
        assert_eq!(read(&format!("Password=all\n{own}")).unwrap()[1], "own");
        // What is for all is so for those named further down.
        assert_eq!(read(&format!("{own}Username=late\n")).unwrap()[0], "");
        let other = "TargetName=iqn.2004-01.net.example:other\n\tPassword=other\n";
        assert_eq!(read(other).unwrap()[1], "");
        assert_eq!(read(&format!("{other}Password=all\n")).unwrap()[1], "all");
        assert_eq!(read(&format!("{other}{own}")).unwrap()[1], "own");
        assert_eq!(read(&format!("{own}{other}")).unwrap()[1], "own");
        // Not deeper than the line above, so for all.
        assert_eq!(read(&format!("  {other}")).unwrap()[1], "");
        assert_eq!(read("  TargetName=x\n  Password=all\n").unwrap()[1], "all");
        assert_eq!(
            read("\tTargetName=x\n        Password=all\n").unwrap()[1],
            "all"
        );
        assert_eq!(
            read("DiscoveryAddress=192.0.2.1\n Password=no\n").unwrap()[1],
            ""
        );
        assert_eq!(read("subnet=192.0.2.0/24\n Password=no\n").unwrap()[1], "");
    }

    #[test]
    fn asking_a_portal_takes_its_own_credentials_or_none() {
        let file = b"Password=all\nDiscoveryAddress=192.0.2.1\n Password=one\n\
                     TargetIpAddr=192.0.2.1:3261\n Password=two\n\
                     DiscoveryAddress=host\n Password=3\n";
        for (portal, secret) in [
            ("192.0.2.1", &b"one"[..]),
            ("192.0.2.1:3261", b"two"),
            ("192.0.2.2", b""),
        ] {
            let portal = Wanted::parse(portal).unwrap().portal();
            let mut credentials = Credentials::none();
            read_credentials(file, Login::Discovery(portal), &mut credentials).unwrap();
            assert_eq!(credentials.outgoing.secret.bytes(), secret);
        }
    }

    #[test]
    fn what_is_no_line_is_an_error_with_its_place() {
        use ConfFault::*;
        assert_eq!(error("\nPassword"), (Some((2, 1)), NoEquals));
        assert_eq!(error("  Pass word=x"), (Some((1, 3)), Key));
        assert_eq!(error("=x"), (Some((1, 1)), Key));
        assert_eq!(error("P\u{e4}=x"), (Some((1, 1)), Key));
        assert_eq!(error("Password=\"x"), (Some((1, 10)), OpenQuotation));
        assert_eq!(error("Password=x y"), (Some((1, 12)), BehindValue));
        assert_eq!(error("Password=\"x\"y"), (Some((1, 13)), BehindValue));
        let long = "x".repeat(257);
        assert_eq!(
            error(&format!("Username={long}")),
            (Some((1, 10)), NameTooLong)
        );
        assert_eq!(
            error(&format!(" Password={long}")),
            (Some((1, 11)), PasswordTooLong)
        );
        let mut credentials = Credentials::none();
        let error = read_credentials(b"Username=\xff", Login::Target(TARGET), &mut credentials)
            .unwrap_err();
        assert_eq!(error.fault, NotUtf8);
    }

    #[test]
    fn half_of_the_credentials_are_an_error() {
        use ConfFault::*;
        assert_eq!(
            error("Username=us"),
            (None, Missing(super::Key::OutgoingPassword))
        );
        let file = "Password=a\nUsernameIn=them\nPaswordIn=b";
        assert_eq!(error(file), (None, Missing(super::Key::IncomingPassword)));
        assert_eq!(error("PasswordIn=a"), (None, IncomingAlone));
        assert_eq!(error("Password=a\nPasswordIn=a"), (None, SamePasswords));
    }

    #[test]
    fn no_error_has_a_value_in_it() {
        for file in [
            "Password=topsecret y",
            "Password=\"topsecret",
            "Username=topsecret",
            "Password=topsecret\nPasswordIn=topsecret",
        ] {
            let error = read(file).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("topsecret"));
        }
    }

    #[test]
    fn keys_that_mean_nothing_are_seen() {
        let names: Vec<_> = entries(b"ConnFailTimeout=3\nPassword=x\nFoo=bar")
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.line, entry.name, entry.key))
            .collect();
        let password = Some(Key::OutgoingPassword);
        let expected = [
            (1, "ConnFailTimeout", None),
            (2, "Password", password),
            (3, "Foo", None),
        ];
        assert_eq!(names, expected);
    }
}
