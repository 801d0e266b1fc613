// SPDX-License-Identifier: GPL-2.0-only

//! What both prove who they are with.

use super::{
    entries_for,
    error::{
        ConfError,
        ConfFault, //
    },
    key::Key,
    line::{
        Entry,
        Part, //
    },
    Login, //
};
use crate::proto::{
    iscsi::chap::{
        Account,
        Credentials, //
    },
    secret::{
        self,
        Secret, //
    },
};

/// Reads what `file` has of credentials for `login` into `to`, which has none. The secret of a user
/// name without a password is looked for elsewhere, by `look_for`.
///
/// # Errors
///
/// The file has a line that is none, a value that is too long, or credentials that cannot be meant.
pub fn read_credentials(
    file: &[u8],
    login: Login<'_>,
    to: &mut Credentials,
    mut look_for: impl FnMut(&str, &mut Secret),
) -> Result<(), ConfError> {
    for entry in entries_for(file, login) {
        let entry = entry?;
        // Few portals want credentials, and one that wants none would be refused.
        if matches!(login, Login::Discovery(_)) && entry.part == Part::All {
            continue;
        }
        read_into(&entry, to)?;
    }
    for account in [&mut to.outgoing, &mut to.incoming] {
        if account.secret.is_none() && !account.name.is_empty() {
            look_for(account.name.as_str(), &mut account.secret);
        }
    }
    check_credentials(to).map_err(|fault| ConfError { place: None, fault })
}

fn read_into(entry: &Entry<'_>, to: &mut Credentials) -> Result<(), ConfError> {
    let (account, is_password) = match entry.key() {
        Some(Key::OutgoingUsername) => (&mut to.outgoing, false),
        Some(Key::OutgoingPassword) => (&mut to.outgoing, true),
        Some(Key::IncomingUsername) => (&mut to.incoming, false),
        Some(Key::IncomingPassword) => (&mut to.incoming, true),
        _ => return Ok(()),
    };
    if is_password {
        return account
            .secret
            .set(entry.value)
            .ok_or_else(|| entry.error(ConfFault::PasswordTooLong));
    }
    account.name = entry.label()?;
    Ok(())
}

/// Looks for credentials that cannot be meant: half of them would be none, and nobody would notice.
pub fn check_credentials(credentials: &Credentials) -> Result<(), ConfFault> {
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
