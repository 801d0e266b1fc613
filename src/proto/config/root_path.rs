// SPDX-License-Identifier: GPL-2.0-only

//! The DHCP root path (RFC 2132 section 3.19), in the two dialects in which it names an iSCSI disk.
//!
//! - `<ip>[:<port>]:/<target>[/<initiator>[/<lun>]]`, the LUN in decimal: this
//!   project's own since 2004.
//! - `iscsi:<server>:<protocol>:<port>:<LUN>:<target>`, the LUN in hexadecimal: RFC 4173 section 5.
//!
//! In either, no target stands for the one of which the portal tells.

use crate::proto::config::{
    location::{
        parse_name,
        parse_portal,
        parse_target,
        LocationError,
        LocationFault, //
    },
    lun,
    name::Name,
    target::{
        parse_address,
        parse_port,
        Portal,
        Wanted, //
    },
    Field, //
};

/// The longest root path in bytes; two names of the longest kind, an address and a LUN fit.
pub const MAX_LENGTH: usize = 512;

/// What a root path says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RootPath {
    /// The target.
    pub target: Wanted,
    /// What this machine is called, where the path says so.
    pub initiator: Option<Name>,
    /// The boot LUN (0 to [`lun::MAX`]), where the path says so.
    pub lun: Option<u16>,
}

impl RootPath {
    /// Reads a root path in either dialect.
    ///
    /// # Errors
    ///
    /// [`LocationFault`] says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        if text.is_empty() {
            return Err(LocationError::new(LocationFault::Empty, 0));
        }
        if text.len() > MAX_LENGTH {
            return Err(LocationError::new(LocationFault::TooLong, MAX_LENGTH));
        }
        match Field::whole(text).split(':') {
            (scheme, Some(rest)) if scheme.text.eq_ignore_ascii_case("iscsi") => {
                parse_rfc4173(rest)
            }
            _ => parse_own(Field::whole(text)),
        }
    }
}

/// Reads what follows `iscsi:` in RFC 4173's dialect.
fn parse_rfc4173(text: Field<'_>) -> Result<RootPath, LocationError> {
    let missing = LocationError::new(LocationFault::Fields, text.end());
    let (portal, rest) = parse_portal(text, LocationFault::Fields)?;
    let (number, rest) = rest.split(':');
    let lun = lun::parse_hexadecimal(number.text).map_err(|error| error.inside(number.offset))?;
    Ok(RootPath {
        target: parse_target(portal, rest.ok_or(missing)?)?,
        initiator: None,
        lun: (!number.text.is_empty()).then_some(lun),
    })
}

/// Reads this project's own dialect.
fn parse_own(text: Field<'_>) -> Result<RootPath, LocationError> {
    // The slash comes first, since what is before it and what is behind it both have colons.
    let (place, rest) = text.split('/');
    let (address, port) = parse_address(place).map_err(|error| error.inside(0))?;
    let Some(rest) = rest else {
        return Err(LocationError::new(LocationFault::NoSlash, text.end()));
    };
    let Some(port) = port else {
        return Err(LocationError::new(LocationFault::NoColon, place.end()));
    };
    let port = match port.split(':') {
        (port, None) if port.text.is_empty() => parse_port(port),
        (port, Some(end)) if end.text.is_empty() => parse_port(port),
        _ => return Err(LocationError::new(LocationFault::NoColon, place.end())),
    };
    let port = port.map_err(|error| error.inside(0))?;

    let (target, rest) = rest.split('/');
    let target = parse_target(Portal { address, port }, target)?;
    let (initiator, rest) = split_off(rest);
    let (number, rest) = split_off(rest);
    if let Some(rest) = rest {
        return Err(rest.error(LocationFault::TooMany));
    }
    let lun = match number {
        None => None,
        Some(number) => Some(lun::parse(number.text).map_err(|error| error.inside(number.offset))?),
    };
    Ok(RootPath {
        target,
        initiator: initiator.map(parse_name).transpose()?,
        lun,
    })
}

/// The first field of `text`, unless empty, and what follows it.
fn split_off(text: Option<Field<'_>>) -> (Option<Field<'_>>, Option<Field<'_>>) {
    match text.map(|text| text.split('/')) {
        None => (None, None),
        Some((field, rest)) => (Some(field).filter(|field| !field.text.is_empty()), rest),
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::format;

    use super::*;
    use crate::proto::config::{
        lun::LunFault,
        name::NameFault,
        target::TargetFault, //
    };

    const TARGET: &str = "iqn.2001-04.com.example:disk:1";

    fn fault(text: &str) -> Option<(LocationFault, usize)> {
        RootPath::parse(text)
            .err()
            .map(|error| (error.reason, error.offset))
    }

    /// The parts of a root path in one line.
    fn parts(text: &str) -> std::string::String {
        let path = RootPath::parse(text).expect(text);
        let Wanted::Named(target) = &path.target else {
            panic!("no name in {text}");
        };
        assert_eq!(target.name.as_str(), TARGET);
        format!("{} {:?} {:?}", target.portal, path.initiator, path.lun)
    }

    #[test]
    fn own_dialect_is_read() {
        let initiator = "iqn.2001-04.com.example:me";
        assert_eq!(
            parts(&format!("10.0.0.1:/{TARGET}")),
            "10.0.0.1:3260 None None"
        );
        assert_eq!(
            parts(&format!("10.0.0.1:860:/{TARGET}/")),
            "10.0.0.1:860 None None"
        );
        assert_eq!(
            parts(&format!("10.0.0.1:/{TARGET}/{initiator}")),
            format!("10.0.0.1:3260 Some({initiator:?}) None")
        );
        assert_eq!(
            parts(&format!("10.0.0.1:/{TARGET}/{initiator}/10")),
            format!("10.0.0.1:3260 Some({initiator:?}) Some(10)")
        );
        assert_eq!(
            parts(&format!("[2001:db8::1]:/{TARGET}//3")),
            "[2001:db8::1]:3260 None Some(3)"
        );
        assert_eq!(
            parts(&format!("10.0.0.1:/{TARGET}//")),
            "10.0.0.1:3260 None None"
        );
    }

    #[test]
    fn rfc_4173_dialect_is_read() {
        assert_eq!(
            parts(&format!("iscsi:10.0.0.1::::{TARGET}")),
            "10.0.0.1:3260 None None"
        );
        assert_eq!(
            parts(&format!("ISCSI:10.0.0.1:6:3261:10:{TARGET}")),
            "10.0.0.1:3261 None Some(16)"
        );
        assert_eq!(
            parts(&format!("iscsi:[2001:db8::1]:6::0:{TARGET}")),
            "[2001:db8::1]:3260 None Some(0)"
        );
        assert_eq!(
            parts(&format!("iscsi:10.0.0.1:::4001-0-0-0:{TARGET}")),
            "10.0.0.1:3260 None Some(1)"
        );
    }

    #[test]
    fn a_root_path_without_a_name_is_a_portal() {
        let portal = |text| {
            let path = RootPath::parse(text).expect(text);
            assert!(matches!(path.target, Wanted::Any(_)), "{text}");
            format!("{} {:?}", path.target.portal(), path.lun)
        };
        assert_eq!(portal("10.0.0.1:/"), "10.0.0.1:3260 None");
        assert_eq!(portal("10.0.0.1:860:///3"), "10.0.0.1:860 Some(3)");
        assert_eq!(portal("iscsi:10.0.0.1::::"), "10.0.0.1:3260 None");
        assert_eq!(portal("iscsi:10.0.0.1:6:860:1:"), "10.0.0.1:860 Some(1)");
    }

    #[test]
    fn what_is_no_own_root_path_says_why_and_where() {
        use LocationFault as F;
        assert_eq!(fault(""), Some((F::Empty, 0)));
        assert_eq!(fault("10.0.0.1"), Some((F::NoSlash, 8)));
        assert_eq!(
            fault("10.0.0.1:iqn.2001-04.com.example"),
            Some((F::NoSlash, 32))
        );
        assert_eq!(
            fault("10.0.0.1/iqn.2001-04.com.example"),
            Some((F::NoColon, 8))
        );
        assert_eq!(
            fault("10.0.0.1:860/iqn.2001-04.com.example"),
            Some((F::NoColon, 12))
        );
        assert_eq!(
            fault("10.0.0.1:+860:/iqn.2001-04.com.example"),
            Some((F::Portal(TargetFault::Port), 9))
        );
        assert_eq!(
            fault("10.0.0.1:x:/iqn.2001-04.com.example"),
            Some((F::Portal(TargetFault::Port), 9))
        );
        assert_eq!(
            fault("/srv/nfs"),
            Some((F::Portal(TargetFault::NoAddress), 0))
        );
        assert_eq!(
            fault("san:/iqn.2001-04.com.example"),
            Some((F::Portal(TargetFault::HostName), 0))
        );
        assert_eq!(
            fault("10.0.0.1:/disk"),
            Some((F::Name(NameFault::Type), 10))
        );
        let path = "10.0.0.1:/iqn.2001-04.com.example";
        assert_eq!(
            fault(&format!("{path}/me")),
            Some((F::Name(NameFault::Type), 34))
        );
        assert_eq!(
            fault(&format!("{path}//a")),
            Some((F::Lun(LunFault::NotDecimal), 35))
        );
        assert_eq!(fault(&format!("{path}//1/")), Some((F::TooMany, 37)));
        assert_eq!(fault(&format!("{path:a<513}")), Some((F::TooLong, 512)));
    }

    #[test]
    fn what_is_no_rfc_4173_root_path_says_why_and_where() {
        use LocationFault as F;
        assert_eq!(
            fault("iscsi:"),
            Some((F::Portal(TargetFault::NoAddress), 6))
        );
        assert_eq!(
            fault("iscsi:san.example.com::::eui.0"),
            Some((F::Portal(TargetFault::HostName), 6))
        );
        assert_eq!(fault("iscsi:10.0.0.1"), Some((F::Fields, 14)));
        assert_eq!(fault("iscsi:10.0.0.1:6:3260:0"), Some((F::Fields, 23)));
        assert_eq!(fault("iscsi:10.0.0.1:17:::eui.0"), Some((F::Protocol, 15)));
        assert_eq!(
            fault("iscsi:10.0.0.1::x::eui.0"),
            Some((F::Portal(TargetFault::Port), 16))
        );
        assert_eq!(
            fault("iscsi:10.0.0.1:::g:eui.0"),
            Some((F::Lun(LunFault::NotHexadecimal), 17))
        );
        assert_eq!(
            fault("iscsi:10.0.0.1::::eui.0"),
            Some((F::Name(NameFault::Eui), 22))
        );
    }
}
