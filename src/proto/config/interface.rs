// SPDX-License-Identifier: GPL-2.0-only

//! Which network device to boot over and how it is addressed:
//! `<dev>[:<ip>[:<netmask>[:<gateway>]]]`, or for IPv6
//! `<dev>:[<ip>]/<prefix length>[:[<gateway>]]`, where `<dev>` is a name or an Ethernet address.

use core::{
    fmt,
    net::Ipv4Addr, //
};

use crate::proto::config::{
    ipv6::{
        Ipv6Config,
        Ipv6Fault, //
    },
    Field,
    ParseError, //
};

mod device;

pub use self::device::{
    Device,
    DeviceName,
    Mac, //
};

/// An IPv4 address and what goes with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ipv4Config {
    /// The machine's address.
    pub address: Ipv4Addr,
    /// How many of the address's bits are the network's (0 to 32).
    pub prefix_length: u8,
    /// The broadcast address of the network, where somebody said so.
    pub broadcast: Option<Ipv4Addr>,
    /// The router of everything else; on the same network.
    pub gateway: Option<Ipv4Addr>,
    /// The largest packet in bytes, where somebody said so.
    pub mtu: Option<u16>,
}

/// `<ip>/<prefix length>[ via <gateway>]`.
impl fmt::Display for Ipv4Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_length)?;
        self.gateway
            .map_or(Ok(()), |gateway| write!(f, " via {gateway}"))
    }
}

/// A route to a network.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Route {
    /// The network's address; host bits are 0.
    pub destination: Ipv4Addr,
    /// How many of the destination's bits are the network's (0 to 32).
    pub prefix_length: u8,
    /// The router; none where the network is on the same link.
    pub gateway: Option<Ipv4Addr>,
}

/// `<destination>/<prefix length>[ via <gateway>]`.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.destination, self.prefix_length)?;
        self.gateway
            .map_or(Ok(()), |gateway| write!(f, " via {gateway}"))
    }
}

/// How a device gets its address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Addressing {
    /// From a DHCP or BOOTP server.
    Dhcp,
    /// As written.
    Static(Ipv4Config),
    /// As written, and no IPv4 address.
    StaticIpv6(Ipv6Config),
}

/// A device to boot over.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Interface {
    /// The device.
    pub device: Device,
    /// How it gets its address.
    pub addressing: Addressing,
}

/// The device, and the static address where there is one.
impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.addressing {
            Addressing::Dhcp => self.device.fmt(f),
            Addressing::Static(config) => write!(f, "{} with {config}", self.device),
            Addressing::StaticIpv6(config) => write!(f, "{} with {config}", self.device),
        }
    }
}

impl Interface {
    /// Reads `<dev>[:<ip>[:<netmask>[:<gateway>]]]`, or what [`Ipv6Config`] is made of behind
    /// `<dev>:`.
    ///
    /// With no address, the address comes from DHCP; with no netmask, it is the one of the
    /// address's class. Empty fields are as good as none.
    ///
    /// # Errors
    ///
    /// [`InterfaceFault`] says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, InterfaceError> {
        let whole = Field::whole(text);
        let Some((device, rest)) = Device::split(whole) else {
            return Err(whole.error(InterfaceFault::Device));
        };
        if let Some(rest) = rest.filter(|rest| rest.text.starts_with('[')) {
            let config = Ipv6Config::parse(rest).map_err(|error| error.inside(0))?;
            return Ok(Self {
                device,
                addressing: Addressing::StaticIpv6(config),
            });
        }
        let (address, rest) = split_off(rest);
        let (netmask, rest) = split_off(rest);
        let (gateway, rest) = split_off(rest);
        if let Some(rest) = rest {
            return Err(rest.error(InterfaceFault::TooMany));
        }
        let Some(address) = address else {
            return match netmask.or(gateway) {
                Some(field) => Err(field.error(InterfaceFault::NoAddress)),
                None => Ok(Self {
                    device,
                    addressing: Addressing::Dhcp,
                }),
            };
        };
        let config = parse_static(address, netmask, gateway)?;
        Ok(Self {
            device,
            addressing: Addressing::Static(config),
        })
    }
}

/// The first field of `text`, unless empty, and what follows it.
fn split_off(text: Option<Field<'_>>) -> (Option<Field<'_>>, Option<Field<'_>>) {
    match text.map(|text| text.split(':')) {
        None => (None, None),
        Some((field, rest)) => (Some(field).filter(|field| !field.text.is_empty()), rest),
    }
}

/// Reads the fields of a static address.
fn parse_static(
    address: Field<'_>,
    netmask: Option<Field<'_>>,
    gateway: Option<Field<'_>>,
) -> Result<Ipv4Config, InterfaceError> {
    let parsed = parse_ipv4(address)?;
    if !is_host(parsed) {
        return Err(address.error(InterfaceFault::NotAHost));
    }
    let prefix_length = match netmask {
        Some(field) => {
            prefix_length(parse_ipv4(field)?).ok_or(field.error(InterfaceFault::Netmask))?
        }
        None => classful_prefix_length(parsed),
    };
    let gateway = match gateway {
        None => None,
        Some(field) => {
            let gateway = parse_ipv4(field)?;
            if !same_network(gateway, parsed, prefix_length) {
                return Err(field.error(InterfaceFault::Gateway {
                    address: parsed,
                    prefix_length,
                }));
            }
            Some(gateway)
        }
    };
    Ok(Ipv4Config {
        address: parsed,
        prefix_length,
        broadcast: None,
        gateway,
        mtu: None,
    })
}

/// Reads a dotted IPv4 address.
fn parse_ipv4(field: Field<'_>) -> Result<Ipv4Addr, InterfaceError> {
    field
        .text
        .parse()
        .map_err(|_| field.error(InterfaceFault::Address))
}

/// Whether a machine can have `address` for its own.
pub(crate) const fn is_host(address: Ipv4Addr) -> bool {
    !address.is_unspecified()
        && !address.is_broadcast()
        && !address.is_multicast()
        && !address.is_loopback()
}

/// The number of network bits in `netmask`; `None` when they are not all at its front.
pub(crate) fn prefix_length(netmask: Ipv4Addr) -> Option<u8> {
    let bits = netmask.to_bits();
    let length = bits.leading_ones();
    let contiguous = length.saturating_add(bits.trailing_zeros()) >= u32::BITS;
    u8::try_from(length).ok().filter(|_| contiguous)
}

/// The network bits of `address`'s class (RFC 791 section 3.2), as ipconfig guesses them.
pub(crate) const fn classful_prefix_length(address: Ipv4Addr) -> u8 {
    let [first, ..] = address.octets();
    match first {
        0..=127 => 8,
        128..=191 => 16,
        192..=223 => 24,
        224.. => 32,
    }
}

/// Whether `a` and `b` are in the same network of `prefix_length` bits.
pub(crate) fn same_network(a: Ipv4Addr, b: Ipv4Addr, prefix_length: u8) -> bool {
    let host_bits = 32_u32.saturating_sub(u32::from(prefix_length));
    let differing = a.to_bits() ^ b.to_bits();
    differing.checked_shr(host_bits).unwrap_or(0) == 0
}

/// What is wrong with an interface's text, and where.
pub type InterfaceError = ParseError<InterfaceFault>;

/// What is wrong with an interface's text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum InterfaceFault {
    /// The device's name is none.
    Device,
    /// An address, netmask or gateway is not a dotted address.
    Address,
    /// A netmask or gateway without an address.
    NoAddress,
    /// The address is not one that a machine can have.
    NotAHost,
    /// The netmask's bits are not all at its front.
    Netmask,
    /// The gateway is not on the address's network.
    Gateway {
        /// The machine's address.
        address: Ipv4Addr,
        /// The bits of its network.
        prefix_length: u8,
    },
    /// Something follows the gateway.
    TooMany,
    /// Something is wrong with an IPv6 address.
    Ipv6(Ipv6Fault),
}

impl From<Ipv6Fault> for InterfaceFault {
    fn from(fault: Ipv6Fault) -> Self {
        Self::Ipv6(fault)
    }
}

impl fmt::Display for InterfaceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const FORM: &str = "expected <dev>[:<ip>[:<netmask>[:<gateway>]]]";
        match self {
            Self::Device => write!(f, "this is no device name or MAC address; {FORM}"),
            Self::Address => write!(f, "this is no IPv4 address; {FORM}"),
            Self::NoAddress => write!(f, "a netmask or gateway needs an address before it; {FORM}"),
            Self::NotAHost => f.write_str("a machine cannot have this address"),
            Self::Netmask => {
                f.write_str("a netmask is ones followed by zeros, as in 255.255.255.0")
            }
            Self::Gateway {
                address,
                prefix_length,
            } => {
                write!(
                    f,
                    "the gateway is not on the network of {address}/{prefix_length}; \
                     check the netmask"
                )
            }
            Self::TooMany => write!(f, "nothing goes after the gateway; {FORM}"),
            Self::Ipv6(fault) => fault.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::ToString;

    use super::*;

    fn fault(text: &str) -> Option<(InterfaceFault, usize)> {
        Interface::parse(text)
            .err()
            .map(|error| (error.reason, error.offset))
    }

    fn addressing(text: &str) -> Addressing {
        Interface::parse(text).expect(text).addressing
    }

    fn static_address(text: &str) -> std::string::String {
        match addressing(text) {
            Addressing::Dhcp => "dhcp".to_string(),
            Addressing::Static(config) => config.to_string(),
            Addressing::StaticIpv6(config) => config.to_string(),
        }
    }

    #[test]
    fn interfaces_are_read() {
        assert_eq!(
            Interface::parse("eth0").expect("eth0").device.to_string(),
            "eth0"
        );
        assert_eq!(static_address("eth0"), "dhcp");
        assert_eq!(static_address("eth0:"), "dhcp");
        assert_eq!(static_address("eth0:::"), "dhcp");
        assert_eq!(static_address("eth0:10.0.0.2"), "10.0.0.2/8");
        assert_eq!(static_address("eth0:172.16.0.2"), "172.16.0.2/16");
        assert_eq!(
            static_address("eth0:192.168.0.2::192.168.0.1"),
            "192.168.0.2/24 via 192.168.0.1"
        );
        assert_eq!(
            static_address("eth0:10.0.0.2:255.255.255.0:10.0.0.1"),
            "10.0.0.2/24 via 10.0.0.1"
        );
        assert_eq!(
            static_address("eth0:10.0.0.2:255.255.255.254:10.0.0.3"),
            "10.0.0.2/31 via 10.0.0.3"
        );
        assert_eq!(
            static_address("eth0:10.0.0.2:255.255.255.255:"),
            "10.0.0.2/32"
        );
        assert_eq!(
            static_address("eth0:10.0.0.2:0.0.0.0:192.0.2.1"),
            "10.0.0.2/0 via 192.0.2.1"
        );
        assert_eq!(
            static_address("eth0:[2001:db8::2]/64:[fe80::1]"),
            "2001:db8::2/64 via fe80::1"
        );
    }

    #[test]
    fn a_device_may_be_an_ethernet_address() {
        let whole = |text: &str| Interface::parse(text).expect(text).to_string();
        let mac = "52:54:00:ab:cd:ef";
        for text in [mac, "52-54-00-AB-cd-ef", "52:54:00:AB:CD:EF:"] {
            assert_eq!(whole(text), mac);
        }
        for separator in [":", "-"] {
            let mac = mac.replace(':', separator);
            assert_eq!(
                whole(&std::format!("{mac}:10.0.0.2:255.255.255.0:10.0.0.1")),
                "52:54:00:ab:cd:ef with 10.0.0.2/24 via 10.0.0.1"
            );
        }
        assert_eq!(
            fault("52:54:00:12:34:56:10.0.0.2:24"),
            Some((InterfaceFault::Address, 27))
        );
        // A device whose name looks like the first byte.
        assert_eq!(static_address("52:10.0.0.2"), "10.0.0.2/8");
        assert_eq!(fault("52:54:00:12:34"), Some((InterfaceFault::TooMany, 12)));
        assert_eq!(
            fault("52:54:00:12:34:567"),
            Some((InterfaceFault::Device, 0))
        );
        assert_eq!(
            fault("52:54:00:12:34:+6"),
            Some((InterfaceFault::TooMany, 12))
        );
    }

    #[test]
    fn a_name_may_be_that_of_a_vlan() {
        let vlan = |name| {
            let (lower, id) = DeviceName::new(name)?.vlan()?;
            Some(std::format!("{lower} {id}"))
        };
        assert_eq!(vlan("eth0.100").as_deref(), Some("eth0 100"));
        assert_eq!(vlan("a.b.1").as_deref(), Some("a.b 1"));
        assert_eq!(vlan("eth0.4094").as_deref(), Some("eth0 4094"));
        for name in [
            "eth0",
            "eth0.",
            "eth0.0",
            "eth0.4095",
            "eth0.x",
            ".5",
            "eth0.+5",
        ] {
            assert_eq!(vlan(name), None, "{name}");
        }
        let made =
            |name: &str, id| DeviceName::new(name).map(|lower| lower.of_vlan(id).to_string());
        assert_eq!(made("eth0", 100).as_deref(), Some("eth0.100"));
        assert_eq!(made("enp0s31f61", 4094).as_deref(), Some("enp0s31f61.4094"));
        assert_eq!(made("enp0s31f6d1", 4094).as_deref(), Some("vlan4094"));
        let padded = DeviceName::new("eth0.7").expect("a name").padded();
        assert_eq!(&padded, b"eth0.7\0\0\0\0\0\0\0\0\0\0");
    }

    #[test]
    fn pxelinux_names_the_device() {
        let mac = |text| Mac::parse_bootif(text).map(|mac| mac.to_string());
        assert_eq!(
            mac("01-52-54-00-12-34-56").as_deref(),
            Some("52:54:00:12:34:56")
        );
        for text in [
            "52-54-00-12-34-56",
            "20-52-54-00-12-34-56",
            "01-52-54-00-12-34-56-",
            "01-52:54:00:12:34:56",
            "01-52-54-00-12-34-5é",
            "",
        ] {
            assert_eq!(mac(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_interface_says_why_and_where() {
        assert_eq!(fault(""), Some((InterfaceFault::Device, 0)));
        assert_eq!(fault(":10.0.0.2"), Some((InterfaceFault::Device, 0)));
        assert_eq!(fault(".."), Some((InterfaceFault::Device, 0)));
        assert_eq!(fault("a/b"), Some((InterfaceFault::Device, 0)));
        assert_eq!(fault("eth0 "), Some((InterfaceFault::Device, 0)));
        assert_eq!(
            fault("averylongnetworkdevicename"),
            Some((InterfaceFault::Device, 0))
        );
        assert_eq!(fault("eth0:10.0.0"), Some((InterfaceFault::Address, 5)));
        assert_eq!(
            fault("eth0:10.0.0.2:24"),
            Some((InterfaceFault::Address, 14))
        );
        assert_eq!(
            fault("eth0::255.0.0.0"),
            Some((InterfaceFault::NoAddress, 6))
        );
        assert_eq!(fault("eth0:0.0.0.0"), Some((InterfaceFault::NotAHost, 5)));
        assert_eq!(fault("eth0:127.0.0.1"), Some((InterfaceFault::NotAHost, 5)));
        assert_eq!(fault("eth0:224.0.0.1"), Some((InterfaceFault::NotAHost, 5)));
        assert_eq!(
            fault("eth0:10.0.0.2:255.0.255.0"),
            Some((InterfaceFault::Netmask, 14))
        );
        let gateway = InterfaceFault::Gateway {
            address: Ipv4Addr::new(10, 0, 0, 2),
            prefix_length: 24,
        };
        assert_eq!(
            fault("eth0:10.0.0.2:255.255.255.0:10.0.1.1"),
            Some((gateway, 28))
        );
        assert_eq!(
            fault("eth0:10.0.0.2:255.0.0.0:10.0.0.1:x"),
            Some((InterfaceFault::TooMany, 33))
        );
        assert_eq!(
            fault("eth0:[2001:db8::2]"),
            Some((InterfaceFault::Ipv6(Ipv6Fault::PrefixLength), 18))
        );
    }

    #[test]
    fn a_device_name_has_at_most_15_bytes() {
        assert!(DeviceName::new("enp0s31f6d15chr").is_some());
        assert!(DeviceName::new("enp0s31f6d16char").is_none());
    }

    #[test]
    fn netmasks_are_contiguous() {
        for length in 0..=32_u8 {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            assert_eq!(prefix_length(Ipv4Addr::from_bits(mask)), Some(length));
        }
        assert_eq!(prefix_length(Ipv4Addr::new(255, 255, 0, 255)), None);
        assert_eq!(prefix_length(Ipv4Addr::new(0, 255, 255, 255)), None);
    }
}
