// SPDX-License-Identifier: GPL-2.0-only

//! User names and passwords in a server's answer: iPXE's options 190 to 193, encapsulated in 175.
//!
//! They are no part of a lease, which is copied: a secret is read where it stays.

use crate::proto::{
    config::{
        iscsi_conf::{
            check_credentials,
            ConfFault, //
        },
        text::Text, //
    },
    dhcp::{
        options::{
            Code,
            Options, //
        },
        packet::Reply, //
    },
    iscsi::chap::{
        Account,
        Credentials, //
    },
    secret::{
        self,
        Secret, //
    },
};

/// How this machine proves itself, and how the target does.
const USER_NAME: Code = Code(190);
const PASSWORD: Code = Code(191);
const REVERSE_USER_NAME: Code = Code(192);
const REVERSE_PASSWORD: Code = Code(193);

/// The most bytes of a name, and of a secret with those that are too many.
const VALUE_MAX: usize = Secret::MAX + 1;

/// Reads the credentials in the answer of a server that `packet` is; without any, `to` stays empty.
///
/// # Errors
///
/// Says what is wrong with them.
pub fn read(packet: &[u8], to: &mut Credentials) -> Result<(), ConfFault> {
    let Ok(reply) = Reply::parse(packet) else {
        return Ok(());
    };
    // Four values and their lengths.
    let mut buffer = [0; 4 * (VALUE_MAX + 4)];
    let value = reply.options().value(Code::IPXE_OPTIONS, &mut buffer);
    let options = Options::encapsulated(value.unwrap_or_default());
    let result = read_account(&options, [USER_NAME, PASSWORD], &mut to.outgoing)
        .and_then(|()| {
            let codes = [REVERSE_USER_NAME, REVERSE_PASSWORD];
            read_account(&options, codes, &mut to.incoming)
        })
        .and_then(|()| check_credentials(to));
    secret::wipe(&mut buffer);
    result
}

fn read_account(
    options: &Options<'_>,
    [name, password]: [Code; 2],
    to: &mut Account,
) -> Result<(), ConfFault> {
    let mut buffer = [0; VALUE_MAX];
    if let Some(value) = options.value(name, &mut buffer) {
        let name = value.split(|byte| *byte == 0).next().unwrap_or_default();
        let name = core::str::from_utf8(name).map_err(|_| ConfFault::NotUtf8)?;
        to.name = Text::new(name).ok_or(ConfFault::NameTooLong)?;
    }
    let value = options.value(password, &mut buffer).unwrap_or_default();
    // RFC 2132 section 2: a text may end with NULs, which are no part of it.
    let length = value.iter().rposition(|byte| *byte != 0);
    let value = value
        .get(..=length.unwrap_or_default())
        .filter(|_| length.is_some());
    let result = to.secret.set(value.unwrap_or_default());
    secret::wipe(&mut buffer);
    result.ok_or(ConfFault::PasswordTooLong)
}
