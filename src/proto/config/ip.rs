// SPDX-License-Identifier: GPL-2.0-only

//! `ip=`, as the kernel's own ipconfig has it, and as dracut has it.
//!
//! - `<method>`
//! - `<ip>:<server>:<gateway>:<netmask>:<host name>:<device>:<method>[:<dns>[:<dns>[:<ntp>]]]`
//! - dracut's alone: the same up to `<method>`, then `:<MTU>[:<MAC>]`
//! - dracut's alone: `<device>:<method>[:[<MTU>][:<MAC>]]`
//!
//! An empty field is as good as none. Sources: Documentation/admin-guide/nfs/nfsroot.rst and
//! dracut.cmdline(7).

use core::{
    fmt,
    net::{
        IpAddr,
        Ipv4Addr, //
    }, //
};

use crate::proto::{
    config::{
        decimal,
        interface::{
            classful_prefix_length,
            is_host,
            prefix_length,
            same_network,
            Addressing,
            Device,
            Interface,
            Ipv4Config, //
        },
        text::Text,
        Field,
        ParseError, //
    },
    dhcp::identity::{
        ClientId,
        Identity, //
    },
};

/// What `ip=` says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ip {
    /// The device and how it is addressed.
    pub interface: Interface,
    /// What else it says.
    pub details: Details,
}

/// What goes with an address; it comes before what a DHCP server says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Details {
    /// What a DHCP server is told of the machine; its name is the host name, up to its first dot.
    pub identity: Identity,
    /// The machine's NIS domain: what is behind that dot.
    pub nis_domain: Option<Text<64>>,
    /// The server of the next step of the boot.
    pub server: Option<Ipv4Addr>,
    /// How many of the address's bits are the network's (1 to 32).
    pub prefix_length: Option<u8>,
    /// The router of everything else.
    pub gateway: Option<Ipv4Addr>,
    /// The largest packet in bytes.
    pub mtu: Option<u16>,
    /// The first and the second domain name server.
    pub dns_servers: [Option<IpAddr>; 2],
    /// The first time server.
    pub ntp_server: Option<Ipv4Addr>,
}

impl Ip {
    /// Reads `ip=`; `None` where it says nothing about this machine's address: `off` and `none`,
    /// with which the kernel's own ipconfig does nothing, and `ibft`, which leaves it to the
    /// firmware's table.
    ///
    /// # Errors
    ///
    /// [`IpFault`] says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Option<Self>, IpError> {
        let whole = Field::whole(text);
        let (first, rest) = whole.split(':');
        if matches!(text, "" | "off" | "none" | "ibft") {
            return Ok(None);
        }
        if first.text.starts_with('[') {
            return Err(first.error(IpFault::Ipv6));
        }
        // The kernel looks for a method alone before it looks for colons, which an identifier may
        // have.
        if rest.is_none() || text.starts_with(CLIENT_ID) {
            if let Ok((_, client_id)) = Method::parse(whole) {
                return Ok(Some(Self::dynamic(Device::Any, client_id)));
            }
        }
        if !first.text.is_empty() && first.text.parse::<Ipv4Addr>().is_err() {
            let Some(rest) = rest else {
                return Err(first.error(IpFault::Form));
            };
            return Self::parse_device_first(first, rest).map(Some);
        }
        Self::parse_fields(whole)
    }

    /// An address from a DHCP or BOOTP server.
    fn dynamic(device: Device, client_id: Option<ClientId>) -> Self {
        Self {
            interface: Interface {
                device,
                addressing: Addressing::Dhcp,
            },
            details: Details {
                identity: Identity {
                    client_id,
                    ..Identity::default()
                },
                ..Details::default()
            },
        }
    }

    /// Reads `<device>:<method>[:[<MTU>][:<MAC>]]`.
    fn parse_device_first(device: Field<'_>, rest: Field<'_>) -> Result<Self, IpError> {
        let (method_field, rest) = rest.split(':');
        let device = Device::parse(device.text).ok_or(device.error(IpFault::Form))?;
        let (method, client_id) = Method::parse(method_field)?;
        if let Method::None = method {
            return Err(method_field.error(IpFault::NoAddress));
        }
        let mut ip = Self::dynamic(device, client_id);
        if let Some(rest) = rest {
            let (mtu, mac) = rest.split(':');
            ip.details.mtu = given(mtu).map(parse_mtu).transpose()?;
            refuse_mac(mac)?;
        }
        Ok(ip)
    }

    /// Reads the form with an address, which may be empty.
    fn parse_fields(whole: Field<'_>) -> Result<Option<Self>, IpError> {
        let mut fields = Fields { rest: Some(whole) };
        // Filled in where it is: a kernel stack is too small for its parts beside it.
        let mut details = Details::default();
        let address_field = fields.next();
        details.server = fields.next().map(parse_ipv4).transpose()?;
        let gateway_field = fields.next();
        let gateway = gateway_field.map(parse_ipv4).transpose()?;
        let netmask = fields.next().map(parse_netmask).transpose()?;
        details.gateway = gateway;
        details.prefix_length = netmask;
        if let Some(name) = fields.next() {
            (details.identity.host_name, details.nis_domain) = parse_host_name(name)?;
        }
        let device = match fields.next() {
            Some(name) => Device::parse(name.text).ok_or(name.error(IpFault::Device))?,
            None => Device::Any,
        };
        let method_field = fields.next();
        let method;
        (method, details.identity.client_id) =
            method_field.map_or(Ok((Method::Any, None)), Method::parse)?;

        let (mtu, mac) = fields.rest.map_or((None, None), |rest| {
            let (field, behind) = rest.split(':');
            (given(field), behind)
        });
        match mtu {
            // Other than a number of bytes an address has dots.
            Some(mtu) if mtu.text.bytes().all(|byte| byte.is_ascii_digit()) => {
                details.mtu = Some(parse_mtu(mtu)?);
                refuse_mac(mac)?;
            }
            _ => {
                let first = fields.next();
                let second = fields.next();
                let ntp = fields.next();
                details.dns_servers = [
                    first.map(parse_ipv4).transpose()?.map(IpAddr::V4),
                    second.map(parse_ipv4).transpose()?.map(IpAddr::V4),
                ];
                details.ntp_server = ntp.map(parse_ipv4).transpose()?;
                if let Some(behind) = fields.rest {
                    return Err(behind.error(IpFault::TooMany));
                }
            }
        }

        let addressing = match (address_field, method) {
            // As for dracut: who says DHCP means it, whatever address is in front.
            (_, Method::Dhcp) => Addressing::Dhcp,
            (None, Method::Any) => Addressing::Dhcp,
            (None, Method::None) if says_nothing(&details) && device == Device::Any => {
                return Ok(None);
            }
            (None, Method::None) => {
                let place = method_field.unwrap_or(whole);
                return Err(place.error(IpFault::NoAddress));
            }
            (Some(field), Method::Any | Method::None) => {
                let config = static_config(field, gateway_field, &details)?;
                Addressing::Static(config)
            }
        };
        Ok(Some(Self {
            interface: Interface { device, addressing },
            details,
        }))
    }
}

/// What is left of the fields.
struct Fields<'a> {
    rest: Option<Field<'a>>,
}

impl<'a> Fields<'a> {
    /// The next one, unless it is empty.
    fn next(&mut self) -> Option<Field<'a>> {
        let (field, rest) = self.rest?.split(':');
        self.rest = rest;
        given(field)
    }
}

/// The field, unless it is empty.
fn given(field: Field<'_>) -> Option<Field<'_>> {
    Some(field).filter(|field| !field.text.is_empty())
}

/// How an address is found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Method {
    /// By DHCP or BOOTP, where there is none.
    Any,
    /// By DHCP or BOOTP.
    Dhcp,
    /// Not at all.
    None,
}

/// What a method with an identifier starts with.
const CLIENT_ID: &str = "dhcp,";

impl Method {
    /// Reads a method, with the client identifier that DHCP may have.
    fn parse(field: Field<'_>) -> Result<(Self, Option<ClientId>), IpError> {
        let method = match field.text {
            "" | "on" | "any" => Self::Any,
            // This client speaks both at once.
            "dhcp" | "bootp" | "both" | "single-dhcp" => Self::Dhcp,
            "off" | "none" => Self::None,
            "rarp" => return Err(field.error(IpFault::Rarp)),
            "dhcp6" | "auto6" | "either6" | "link6" => return Err(field.error(IpFault::Ipv6)),
            text => {
                let id = text.strip_prefix(CLIENT_ID);
                let id = id.ok_or(field.error(IpFault::Method))?;
                let id = parse_client_id(id).ok_or(field.error(IpFault::ClientId))?;
                return Ok((Self::Dhcp, Some(id)));
            }
        };
        Ok((method, None))
    }
}

/// Whether nothing is said in `details`.
// Not inlined: nothing is as large as everything.
#[inline(never)]
fn says_nothing(details: &Details) -> bool {
    *details == Details::default()
}

/// Reads `<type>,<value>`.
fn parse_client_id(text: &str) -> Option<ClientId> {
    let (kind, value) = text.split_once(',')?;
    let kind = match kind.strip_prefix("0x") {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            u8::from_str_radix(digits, 16).ok()?
        }
        _ => u8::try_from(decimal(kind)?).ok()?,
    };
    Some(ClientId {
        kind,
        value: Text::new(value).filter(|value| !value.is_empty())?,
    })
}

/// Reads a dotted address.
fn parse_ipv4(field: Field<'_>) -> Result<Ipv4Addr, IpError> {
    if field.text.starts_with('[') {
        return Err(field.error(IpFault::Ipv6));
    }
    field
        .text
        .parse()
        .map_err(|_| field.error(IpFault::Address))
}

/// Reads a netmask: dotted, or as dracut also has it the number of its bits.
fn parse_netmask(field: Field<'_>) -> Result<u8, IpError> {
    let length = match decimal(field.text) {
        Some(length) => u8::try_from(length).ok(),
        None => prefix_length(parse_ipv4(field)?),
    };
    length
        .filter(|length| matches!(length, 1..=32))
        .ok_or(field.error(IpFault::Netmask))
}

fn parse_host_name(field: Field<'_>) -> Result<(Option<Text<64>>, Option<Text<64>>), IpError> {
    let part = |text: &str| {
        let name = Text::<64>::host_name(text.as_bytes());
        if name.as_str() == text {
            Ok(Some(name).filter(|name| !name.is_empty()))
        } else {
            Err(field.error(IpFault::HostName))
        }
    };
    let (host, domain) = field.text.split_once('.').unwrap_or((field.text, ""));
    Ok((part(host)?, part(domain)?))
}

fn parse_mtu(field: Field<'_>) -> Result<u16, IpError> {
    decimal(field.text)
        .filter(|mtu| *mtu >= 68)
        .ok_or(field.error(IpFault::Mtu))
}

/// A device keeps the Ethernet address that it has.
fn refuse_mac(field: Option<Field<'_>>) -> Result<(), IpError> {
    match field.and_then(given) {
        Some(field) => Err(field.error(IpFault::Mac)),
        None => Ok(()),
    }
}

/// The static address in `field` with what goes with it.
fn static_config(
    field: Field<'_>,
    gateway_field: Option<Field<'_>>,
    details: &Details,
) -> Result<Ipv4Config, IpError> {
    let address = parse_ipv4(field)?;
    if !is_host(address) {
        return Err(field.error(IpFault::NotAHost));
    }
    let prefix_length = details
        .prefix_length
        .unwrap_or(classful_prefix_length(address));
    if let (Some(field), Some(gateway)) = (gateway_field, details.gateway) {
        if !same_network(gateway, address, prefix_length) {
            return Err(field.error(IpFault::Gateway {
                address,
                prefix_length,
            }));
        }
    }
    Ok(Ipv4Config {
        address,
        prefix_length,
        broadcast: None,
        gateway: details.gateway,
        mtu: details.mtu,
    })
}

/// What is wrong with `ip=`, and where.
pub type IpError = ParseError<IpFault>;

/// What is wrong with `ip=`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum IpFault {
    /// It is neither a method nor starts with an address or a device.
    Form,
    /// An address, gateway or server is not a dotted address.
    Address,
    /// The address is not one that a machine can have.
    NotAHost,
    /// No address is to be asked for, and none is given.
    NoAddress,
    /// The netmask is none.
    Netmask,
    /// The gateway is not on the address's network.
    Gateway {
        /// The machine's address.
        address: Ipv4Addr,
        /// The bits of its network.
        prefix_length: u8,
    },
    /// The host name is none.
    HostName,
    /// The device's name is none.
    Device,
    /// There is no such method.
    Method,
    /// The method is RARP.
    Rarp,
    /// The address or the method is of IPv6.
    Ipv6,
    /// The client identifier is none.
    ClientId,
    /// The MTU is none.
    Mtu,
    /// A MAC address is to be set.
    Mac,
    /// Something follows the last field.
    TooMany,
}

impl fmt::Display for IpFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => {
                "expected dhcp, <device>:dhcp or \
                 <ip>:<server>:<gateway>:<netmask>:<host name>:<device>:<method>"
            }
            Self::Address => "this is no IPv4 address; expected one as in 192.0.2.1",
            Self::NotAHost => "a machine cannot have this address",
            Self::NoAddress => "without DHCP the first field has to be the machine's address",
            Self::Netmask => "a netmask is ones followed by zeros, as in 255.255.255.0, or 1 to 32",
            Self::Gateway {
                address,
                prefix_length,
            } => {
                return write!(
                    f,
                    "the gateway is not on the network of {address}/{prefix_length}; \
                     check the netmask"
                )
            }
            Self::HostName => "a host name has letters, digits, '-' and '_', at most 64",
            Self::Device => "this is no device name",
            Self::Method => "expected dhcp, bootp, both, on, any, none or off",
            Self::Rarp => "RARP is not spoken here; expected dhcp",
            Self::Ipv6 => "IPv6 is not configured here; expected IPv4",
            Self::ClientId => "expected dhcp,<type, 0 to 255>,<client identifier, 1 to 252 bytes>",
            Self::Mtu => "an MTU is a number of bytes from 68 to 65535",
            Self::Mac => "the MAC address is not changed here",
            Self::TooMany => "nothing goes after the time server",
        })
    }
}

#[cfg(test)]
mod tests;
