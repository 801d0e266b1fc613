// SPDX-License-Identifier: GPL-2.0-only

//! What the texts that name a whole disk have in common: the DHCP root path in either dialect, and
//! dracut's arguments.

use core::fmt;

use crate::proto::config::{
    lun::LunFault,
    name::{
        Name,
        NameFault, //
    },
    root_path::MAX_LENGTH,
    target::{
        parse_address,
        parse_port,
        Portal,
        Target,
        TargetFault,
        Wanted, //
    },
    Field,
    ParseError, //
};

/// Reads `<address>:[<protocol>]:[<port>]:`, and gives what follows; `missing` where that ends too
/// early.
pub(super) fn parse_portal(
    text: Field<'_>,
    missing: LocationFault,
) -> Result<(Portal, Field<'_>), LocationError> {
    let missing = LocationError::new(missing, text.end());
    let (address, rest) = parse_address(text).map_err(|error| error.inside(0))?;
    let (protocol, rest) = rest.ok_or(missing)?.split(':');
    // RFC 4173 section 5: the protocol is a decimal number, 6 (TCP) when left out.
    if !matches!(protocol.text, "" | "6") {
        return Err(protocol.error(LocationFault::Protocol));
    }
    let (port, rest) = rest.ok_or(missing)?.split(':');
    let port = parse_port(port).map_err(|error| error.inside(0))?;
    Ok((Portal { address, port }, rest.ok_or(missing)?))
}

/// The target of this name; without one, the one of which the portal tells.
pub(super) fn parse_target(portal: Portal, name: Field<'_>) -> Result<Wanted, LocationError> {
    if name.text.is_empty() {
        return Ok(Wanted::Any(portal));
    }
    let name = parse_name(name)?;
    Ok(Wanted::Named(Target { portal, name }))
}

/// Reads an iSCSI name.
pub(super) fn parse_name(field: Field<'_>) -> Result<Name, LocationError> {
    Name::parse(field.text).map_err(|error| error.inside(field.offset))
}

/// What is wrong with a text that names a disk, and where.
pub type LocationError = ParseError<LocationFault>;

/// What is wrong with a text that names a disk.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LocationFault {
    /// A root path has no character.
    Empty,
    /// A root path has more than [`MAX_LENGTH`] bytes.
    TooLong,
    /// In this project's own dialect no `/` follows the address.
    NoSlash,
    /// There no `:` stands between address and `/`, or too much does.
    NoColon,
    /// There something follows the LUN.
    TooMany,
    /// An `iscsi:` path has fewer than its five fields.
    Fields,
    /// dracut's argument has fewer fields than there have to be.
    DracutFields,
    /// The protocol is not TCP's number.
    Protocol,
    /// The address or the port is none.
    Portal(TargetFault),
    /// The network device's name is none.
    Device,
    /// The LUN is none.
    Lun(LunFault),
    /// A name is none.
    Name(NameFault),
}

impl From<TargetFault> for LocationFault {
    fn from(fault: TargetFault) -> Self {
        Self::Portal(fault)
    }
}

impl From<LunFault> for LocationFault {
    fn from(fault: LunFault) -> Self {
        Self::Lun(fault)
    }
}

impl From<NameFault> for LocationFault {
    fn from(fault: NameFault) -> Self {
        Self::Name(fault)
    }
}

impl fmt::Display for LocationFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const OWN: &str = "expected <ip>:/<target>[/<initiator>[/<lun>]]";
        const RFC4173: &str = "expected iscsi:<ip>:<protocol>:<port>:<LUN>:<target>";
        match self {
            Self::Empty => write!(f, "the root path is empty; {OWN} or iscsi:<ip>::::<target>"),
            Self::TooLong => write!(f, "the root path is longer than {MAX_LENGTH} bytes"),
            Self::NoSlash => write!(f, "no / after the address; {OWN}"),
            Self::NoColon => write!(f, "no : between the address and the /; {OWN}"),
            Self::TooMany => write!(f, "nothing goes after the LUN; {OWN}"),
            Self::Fields => write!(f, "the root path ends too early; {RFC4173}"),
            Self::DracutFields => f.write_str(
                "expected iscsi:<ip>:[<protocol>]:[<port>]:[[<iface>]:[<device>]:][<LUN>]:\
                 <target name>",
            ),
            Self::Protocol => f.write_str("the protocol is TCP: 6 or nothing"),
            Self::Portal(fault) => fault.fmt(f),
            Self::Device => f.write_str("this is no device name"),
            Self::Lun(fault) => fault.fmt(f),
            Self::Name(fault) => fault.fmt(f),
        }
    }
}
