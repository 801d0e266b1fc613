// SPDX-License-Identifier: GPL-2.0-only

//! Where the target is and what it is called: `<ip>[:<port>][:<target name>]`.

use core::{
    fmt,
    net::{
        IpAddr,
        Ipv4Addr,
        Ipv6Addr,
        SocketAddr, //
    }, //
};

use crate::proto::config::{
    decimal,
    name::{
        Name,
        NameFault, //
    },
    Field,
    ParseError, //
};

/// The port of iSCSI targets (RFC 7143 section 14).
pub const DEFAULT_PORT: u16 = 3260;

/// A network portal: where a target listens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Portal {
    /// The target's address.
    pub address: IpAddr,
    /// The TCP port (1 to 65535).
    pub port: u16,
}

/// `<ip>:<port>`, IPv6 in brackets.
impl fmt::Display for Portal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SocketAddr::new(self.address, self.port).fmt(f)
    }
}

/// A target and the portal it is reached at.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Target {
    /// Where it listens.
    pub portal: Portal,
    /// What it is called.
    pub name: Name,
}

/// `<ip>:<port>:<target name>`.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.portal, self.name)
    }
}

/// A target as people give it.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is no allocator to box the name with"
)]
pub enum Wanted {
    /// The target of this name.
    Named(Target),
    /// The one target of which this portal tells.
    Any(Portal),
}

impl Wanted {
    /// Where it is, or where to ask for it.
    pub const fn portal(&self) -> Portal {
        match self {
            Self::Named(target) => target.portal,
            Self::Any(portal) => *portal,
        }
    }

    /// Reads `<ip>[:<port>][:<target name>]`; an IPv6 address is in brackets.
    ///
    /// # Errors
    ///
    /// [`TargetFault`] says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        let (address, rest) = parse_address(Field::whole(text))?;
        let Some(rest) = rest else {
            let port = DEFAULT_PORT;
            return Ok(Self::Any(Portal { address, port }));
        };
        // No name starts with a digit, since each starts with its type.
        let (port, name) = if rest.text.starts_with(|first: char| first.is_ascii_digit()) {
            let (port, name) = rest.split(':');
            let port = parse_port(port)?;
            let Some(name) = name else {
                return Ok(Self::Any(Portal { address, port }));
            };
            (port, name)
        } else {
            (DEFAULT_PORT, rest)
        };
        if name.text.is_empty() {
            return Err(name.error(TargetFault::NoName));
        }
        Ok(Self::Named(Target {
            portal: Portal { address, port },
            name: Name::parse(name.text).map_err(|error| error.inside(name.offset))?,
        }))
    }
}

/// `<ip>:<port>:<target name>`, or `<ip>:<port>, whose one target`.
impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(target) => target.fmt(f),
            Self::Any(portal) => write!(f, "of portal {portal}"),
        }
    }
}

/// Reads `<target>[,<target>...]`, each as [`Wanted::parse`] does.
///
/// Each error is that of its target, at its place in the whole text.
pub fn parse_list(text: &str) -> impl Iterator<Item = Result<Wanted, TargetError>> + '_ {
    let mut rest = Some(Field::whole(text));
    core::iter::from_fn(move || {
        let (next, behind) = rest?.split(',');
        rest = behind;
        Some(Wanted::parse(next.text).map_err(|error| error.inside(next.offset)))
    })
}

/// Reads the address at the front of `text`; with it comes what follows the `:`
/// behind it, where there is one.
pub(crate) fn parse_address(text: Field<'_>) -> Result<(IpAddr, Option<Field<'_>>), TargetError> {
    if let Some(inside) = text.strip('[') {
        let (address, Some(behind)) = inside.split(']') else {
            return Err(text.error(TargetFault::Bracket));
        };
        let Ok(address) = address.text.parse::<Ipv6Addr>() else {
            return Err(address.error(TargetFault::Address));
        };
        return match behind.strip(':') {
            None if !behind.text.is_empty() => Err(behind.error(TargetFault::BehindBracket)),
            rest => Ok((IpAddr::V6(address), rest)),
        };
    }
    let (address, rest) = text.split(':');
    match address.text.parse::<Ipv4Addr>() {
        Ok(parsed) => Ok((IpAddr::V4(parsed), rest)),
        Err(_) if address.text.is_empty() => Err(address.error(TargetFault::NoAddress)),
        Err(_)
            if address
                .text
                .contains(|character: char| character.is_ascii_alphabetic()) =>
        {
            Err(address.error(TargetFault::HostName))
        }
        Err(_) => Err(address.error(TargetFault::Address)),
    }
}

/// Reads a port; an empty text is the default port.
pub(crate) fn parse_port(text: Field<'_>) -> Result<u16, TargetError> {
    if text.text.is_empty() {
        return Ok(DEFAULT_PORT);
    }
    decimal(text.text)
        .filter(|port| *port != 0)
        .ok_or(text.error(TargetFault::Port))
}

/// What is wrong with a target's text, and where.
pub type TargetError = ParseError<TargetFault>;

/// What is wrong with a target's text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TargetFault {
    /// There is nothing where the address should be.
    NoAddress,
    /// There is a host name where the address should be.
    HostName,
    /// The address is none.
    Address,
    /// The bracket around an IPv6 address is not closed.
    Bracket,
    /// The bracket around an IPv6 address is followed by something other than `:`.
    BehindBracket,
    /// The port is none.
    Port,
    /// Nothing follows the colon where the target's name should be.
    NoName,
    /// The target name is none.
    Name(NameFault),
    /// There are too many targets, or portals of one.
    TooMany,
}

impl From<NameFault> for TargetFault {
    fn from(fault: NameFault) -> Self {
        Self::Name(fault)
    }
}

impl fmt::Display for TargetFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoAddress => "no address of the target",
            Self::HostName => "host names are not resolved; write the target's IP address",
            Self::Address => {
                "this is no IP address; expected IPv4 as in 192.0.2.1 or IPv6 as in [2001:db8::1]"
            }
            Self::Bracket => "the [ of the IPv6 address has no ]",
            Self::BehindBracket => "expected : after the ] of the IPv6 address",
            Self::Port => "a port is a decimal number from 1 to 65535",
            Self::NoName => {
                "no target name after the colon; expected <ip>[:<port>]:<target name>, \
                 or <ip>[:<port>] alone, whose target is asked for"
            }
            Self::Name(fault) => return fault.fmt(f),
            Self::TooMany => "at most 8 targets can be given, each with at most 8 portals",
        })
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::{
        format,
        string::ToString, //
    };

    use super::*;

    fn fault(text: &str) -> Option<(TargetFault, usize)> {
        Wanted::parse(text)
            .err()
            .map(|error| (error.reason, error.offset))
    }

    #[test]
    fn targets_are_read_and_written() {
        for (text, whole) in [
            (
                "10.0.0.1:iqn.2001-04.com.example:disk:1",
                "10.0.0.1:3260:iqn.2001-04.com.example:disk:1",
            ),
            (
                "10.0.0.1:3261:iqn.2001-04.com.example",
                "10.0.0.1:3261:iqn.2001-04.com.example",
            ),
            (
                "[2001:db8::1]:eui.02004567a425678d",
                "[2001:db8::1]:3260:eui.02004567a425678d",
            ),
            (
                "[fe80::1]:860:naa.52004567ba64678d",
                "[fe80::1]:860:naa.52004567ba64678d",
            ),
        ] {
            let target = Wanted::parse(text).expect(text);
            assert_eq!(target.to_string(), whole);
            assert_eq!(Wanted::parse(whole), Ok(target));
        }
    }

    #[test]
    fn a_portal_alone_is_asked_for_its_target() {
        for (text, portal) in [
            ("10.0.0.1", "10.0.0.1:3260"),
            ("10.0.0.1:860", "10.0.0.1:860"),
            ("[::1]", "[::1]:3260"),
            ("[2001:db8::1]:3261", "[2001:db8::1]:3261"),
        ] {
            let wanted = Wanted::parse(text).expect(text);
            assert_eq!(wanted.portal().to_string(), portal);
            assert_eq!(wanted.to_string(), format!("of portal {portal}"));
        }
    }

    #[test]
    fn what_is_no_target_says_why_and_where() {
        assert_eq!(fault(""), Some((TargetFault::NoAddress, 0)));
        assert_eq!(
            fault(":iqn.2001-04.com.example"),
            Some((TargetFault::NoAddress, 0))
        );
        assert_eq!(fault("10.0.0.1:"), Some((TargetFault::NoName, 9)));
        assert_eq!(fault("10.0.0.1:3260:"), Some((TargetFault::NoName, 14)));
        assert_eq!(
            fault("10.0.0:iqn.2001-04.com.example"),
            Some((TargetFault::Address, 0))
        );
        assert_eq!(
            fault("san.example.com:iqn.2001-04.com.example"),
            Some((TargetFault::HostName, 0))
        );
        assert_eq!(
            fault("iqn.2001-04.com.example"),
            Some((TargetFault::HostName, 0))
        );
        assert_eq!(
            fault("10.0.0.1:0:iqn.2001-04.com.example"),
            Some((TargetFault::Port, 9))
        );
        assert_eq!(
            fault("10.0.0.1:65536:iqn.2001-04.com.example"),
            Some((TargetFault::Port, 9))
        );
        assert_eq!(
            fault("10.0.0.1:32x:iqn.2001-04.com.example"),
            Some((TargetFault::Port, 9))
        );
        assert_eq!(
            fault("[2001:db8::1:iqn.2001-04.com.example"),
            Some((TargetFault::Bracket, 0))
        );
        assert_eq!(
            fault("[2001::db8::1]:iqn.2001-04.com.example"),
            Some((TargetFault::Address, 1))
        );
        assert_eq!(
            fault("[::1]iqn.2001-04.com.example"),
            Some((TargetFault::BehindBracket, 5))
        );
        assert_eq!(
            fault("10.0.0.1:disk"),
            Some((TargetFault::Name(NameFault::Type), 9))
        );
        assert_eq!(
            fault("10.0.0.1:860:eui.0"),
            Some((TargetFault::Name(NameFault::Eui), 17))
        );
    }

    #[test]
    fn a_list_has_several() {
        let read = |text: &str| -> Result<std::vec::Vec<_>, _> {
            parse_list(text)
                .map(|item| item.map(|wanted| wanted.to_string()))
                .collect::<Result<_, _>>()
                .map_err(|error| (error.reason, error.offset))
        };
        assert_eq!(
            read("10.0.0.1:iqn.2001-04.com.example,10.0.1.1,[::1]:860:iqn.2001-04.com.other"),
            Ok(std::vec![
                "10.0.0.1:3260:iqn.2001-04.com.example".to_string(),
                "of portal 10.0.1.1:3260".to_string(),
                "[::1]:860:iqn.2001-04.com.other".to_string()
            ])
        );
        assert_eq!(
            read("10.0.0.1:iqn.2001-04.com.example,10.0.0"),
            Err((TargetFault::Address, 33))
        );
        assert_eq!(
            read("10.0.0.1:iqn.2001-04.com.example,"),
            Err((TargetFault::NoAddress, 33))
        );
    }

    #[test]
    fn the_error_is_a_sentence() {
        let error = Wanted::parse("10.0.0.1:").expect_err("no target");
        assert_eq!(
            format!("{error}"),
            "no target name after the colon; expected <ip>[:<port>]:<target name>, \
             or <ip>[:<port>] alone, whose target is asked for (at byte 9)"
        );
    }
}
