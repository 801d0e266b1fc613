// SPDX-License-Identifier: GPL-2.0-only

//! Where a target redirects a login to.
//!
//! Source: RFC 7143 sections 11.13.5 and 13.8.

use core::net::{
    IpAddr,
    Ipv4Addr,
    Ipv6Addr, //
};

use crate::proto::iscsi::{
    error::{
        Error,
        LoginStatus,
        Malformed,
        Unsupported, //
    },
    keys::Key,
    quirk::{
        Quirk,
        Quirks, //
    },
    text, //
};

/// The port of a TargetAddress that names none (RFC 7143 section 13.8).
const DEFAULT_PORT: u16 = 3_260;

/// Another address of the target.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Redirect {
    /// Whether the target is to be looked for there from now on, or only this time.
    pub permanent: bool,
    /// The address.
    pub address: IpAddr,
    /// The TCP port.
    pub port: u16,
    /// What the target has done wrong in saying so, and is tolerated.
    pub quirks: Quirks,
}

impl Redirect {
    /// Finds the address in the text of a Login Response with this status.
    pub(super) fn parse(status: LoginStatus, data: &[u8]) -> Result<Self, Error> {
        let mut found = None;
        let mut group = Quirks::NONE;
        let text = text::pairs(data, |name, value| {
            if name == Key::TargetAddress.name() {
                found = Some(target_address(value)?);
                // RFC 7143 section 13.8: not in redirections.
                if value.contains(&b',') {
                    group = Quirk::RedirectedToGroup.into();
                }
            }
            Ok(())
        })?;
        let (address, port, _) = found.ok_or(Malformed::RedirectWithoutAddress)?;
        let permanent = status.detail == LoginStatus::MOVED_PERMANENTLY;
        Ok(Self {
            permanent,
            address,
            port,
            quirks: text.with(group),
        })
    }
}

/// An address, a colon and a port if there is one, a comma and a portal group's tag if there is
/// one. A tag that is none is left out: it says nothing of where to connect to.
pub(in crate::proto::iscsi) fn target_address(
    value: &[u8],
) -> Result<(IpAddr, u16, Option<u16>), Error> {
    let value = core::str::from_utf8(value).map_err(|_| Malformed::TargetAddress)?;
    let (portal, group) = match value.split_once(',') {
        Some((portal, group)) => (portal, text::number(group.as_bytes())),
        None => (value, None),
    };
    let group = group.and_then(|group| u16::try_from(group).ok());
    if let Some(bracketed) = portal.strip_prefix('[') {
        let (host, rest) = bracketed.split_once(']').ok_or(Malformed::TargetAddress)?;
        let address: Ipv6Addr = host.parse().map_err(|_| Malformed::TargetAddress)?;
        let port = match rest.strip_prefix(':') {
            Some(text) => port(text)?,
            None if rest.is_empty() => DEFAULT_PORT,
            None => return Err(Malformed::TargetAddress.into()),
        };
        return Ok((address.into(), port, group));
    }
    let (host, port) = match portal.split_once(':') {
        Some((host, text)) => (host, port(text)?),
        None => (portal, DEFAULT_PORT),
    };
    match host.parse::<Ipv4Addr>() {
        Ok(address) => Ok((address.into(), port, group)),
        Err(_) if is_host_name(host) => Err(Unsupported::RedirectToName.into()),
        Err(_) => Err(Malformed::TargetAddress.into()),
    }
}

fn port(text: &str) -> Result<u16, Malformed> {
    match text.parse() {
        Ok(port) if port != 0 => Ok(port),
        _ => Err(Malformed::TargetAddress),
    }
}

fn is_host_name(host: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    host.bytes().any(|byte| byte.is_ascii_alphabetic()) && host.bytes().all(legal)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::{
        String,
        ToString, //
    };

    use super::*;

    fn address(value: &str) -> Result<(String, u16), Error> {
        target_address(value.as_bytes()).map(|(address, port, _)| (address.to_string(), port))
    }

    #[test]
    fn a_portal_groups_tag_has_16_bits() {
        let group = |value: &str| target_address(value.as_bytes()).map(|(_, _, group)| group);
        assert_eq!(group("192.0.2.7"), Ok(None));
        assert_eq!(group("192.0.2.7,0"), Ok(Some(0)));
        assert_eq!(group("192.0.2.7:3261,65535"), Ok(Some(65_535)));
        assert_eq!(group("[2001:db8::1],0x12"), Ok(Some(18)));
        for none in [
            "192.0.2.7,",
            "192.0.2.7,-1",
            "192.0.2.7,65536",
            "192.0.2.7,1,2",
        ] {
            assert_eq!(group(none), Ok(None), "{none}");
        }
    }

    #[test]
    fn addresses_have_an_optional_port() {
        let v4 = |port| Ok(("192.0.2.7".to_string(), port));
        assert_eq!(address("192.0.2.7"), v4(3_260));
        assert_eq!(address("192.0.2.7:860"), v4(860));
        assert_eq!(address("192.0.2.7:3261,2"), v4(3_261));
        assert_eq!(address("192.0.2.7,1"), v4(3_260));
        let v6 = |port| Ok(("2001:db8::1".to_string(), port));
        assert_eq!(address("[2001:db8::1]"), v6(3_260));
        assert_eq!(address("[2001:db8::1]:860,1"), v6(860));
    }

    #[test]
    fn host_names_are_told_from_nonsense() {
        for name in ["target.example", "target.example:3260"] {
            assert_eq!(
                address(name),
                Err(Unsupported::RedirectToName.into()),
                "{name}"
            );
        }
        let nonsense = [
            "",
            ":3260",
            "192.0.2",
            "192.0.2.7:",
            "192.0.2.7:0",
            "192.0.2.7:65536",
            "[2001:db8::1",
            "[2001:db8::1]3260",
            "[]",
            "2001:db8::1",
            "a b",
            "[192.0.2.7]",
        ];
        for text in nonsense {
            assert_eq!(
                address(text),
                Err(Malformed::TargetAddress.into()),
                "{text}"
            );
        }
    }
}
