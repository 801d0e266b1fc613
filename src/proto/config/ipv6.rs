// SPDX-License-Identifier: GPL-2.0-only

//! A static IPv6 address as people give it: `[<ip>]/<prefix length>[:[<gateway>]]`.

use core::{
    fmt,
    net::Ipv6Addr, //
};

use crate::proto::config::{
    decimal,
    Field,
    ParseError, //
};

/// An IPv6 address and what goes with it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ipv6Config {
    /// The machine's address.
    pub address: Ipv6Addr,
    /// How many of the address's bits are the network's (1 to 128).
    pub prefix_length: u8,
    /// The router of everything else; on the same network, or the link-local address of one.
    pub gateway: Option<Ipv6Addr>,
}

/// `<ip>/<prefix length>[ via <gateway>]`.
impl fmt::Display for Ipv6Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_length)?;
        self.gateway
            .map_or(Ok(()), |gateway| write!(f, " via {gateway}"))
    }
}

impl Ipv6Config {
    /// Reads `[<ip>]/<prefix length>[:[<gateway>]]`; an empty field is as good as no gateway.
    pub(super) fn parse(text: Field<'_>) -> Result<Self, ParseError<Ipv6Fault>> {
        let (field, address, behind) = bracketed(text)?;
        if !is_host(address) || is_link_local(address) {
            return Err(field.error(Ipv6Fault::NotAHost));
        }
        let Some(behind) = behind.strip('/') else {
            return Err(behind.error(Ipv6Fault::PrefixLength));
        };
        let (length, gateway) = behind.split(':');
        let prefix_length = decimal(length.text)
            .and_then(|length| u8::try_from(length).ok())
            .filter(|length| (1..=128).contains(length))
            .ok_or(length.error(Ipv6Fault::PrefixLength))?;
        let gateway = match gateway.filter(|gateway| !gateway.text.is_empty()) {
            None => None,
            Some(text) => {
                let (field, gateway, behind) = bracketed(text)?;
                if !behind.text.is_empty() {
                    return Err(behind.error(Ipv6Fault::TooMany));
                }
                if !is_near(gateway, address, prefix_length) {
                    return Err(field.error(Ipv6Fault::Gateway {
                        address,
                        prefix_length,
                    }));
                }
                Some(gateway)
            }
        };
        Ok(Self {
            address,
            prefix_length,
            gateway,
        })
    }
}

/// Reads the address in brackets at the front of `text`: its text, itself, and what follows.
fn bracketed(text: Field<'_>) -> Result<(Field<'_>, Ipv6Addr, Field<'_>), ParseError<Ipv6Fault>> {
    let inside = text.strip('[').map(|inside| inside.split(']'));
    let Some((field, Some(behind))) = inside else {
        return Err(text.error(Ipv6Fault::Brackets));
    };
    match field.text.parse() {
        Ok(address) => Ok((field, address, behind)),
        Err(_) => Err(field.error(Ipv6Fault::Address)),
    }
}

/// Whether a machine can have `address` for its own; one of IPv4 in IPv6's form is none.
pub(crate) const fn is_host(address: Ipv6Addr) -> bool {
    !address.is_unspecified()
        && !address.is_loopback()
        && !address.is_multicast()
        && address.to_ipv4_mapped().is_none()
}

/// Whether `address` is good for talking to the hosts of its own link alone (RFC 4291 section
/// 2.5.6).
pub(crate) const fn is_link_local(address: Ipv6Addr) -> bool {
    let [first, ..] = address.segments();
    first & 0xffc0 == 0xfe80
}

/// Whether a host with `address` in a network of `prefix_length` bits reaches `gateway` without
/// another router.
pub(crate) fn is_near(gateway: Ipv6Addr, address: Ipv6Addr, prefix_length: u8) -> bool {
    is_link_local(gateway) || is_host(gateway) && same_network(gateway, address, prefix_length)
}

/// Whether `a` and `b` are in the same network of `prefix_length` bits.
fn same_network(a: Ipv6Addr, b: Ipv6Addr, prefix_length: u8) -> bool {
    let host_bits = 128_u32.saturating_sub(u32::from(prefix_length));
    let differing = u128::from(a) ^ u128::from(b);
    differing.checked_shr(host_bits).unwrap_or(0) == 0
}

/// What is wrong with the text of a static IPv6 address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ipv6Fault {
    /// The address or the gateway is not in brackets.
    Brackets,
    /// What is in the brackets is no IPv6 address.
    Address,
    /// The address is not one that a machine can have and be reached at.
    NotAHost,
    /// The prefix length is missing, or none.
    PrefixLength,
    /// The gateway is not on the address's network.
    Gateway {
        /// The machine's address.
        address: Ipv6Addr,
        /// The bits of its network.
        prefix_length: u8,
    },
    /// Something follows the gateway.
    TooMany,
}

impl fmt::Display for Ipv6Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const FORM: &str = "expected <dev>:[<ip>]/<prefix length>[:[<gateway>]]";
        match self {
            Self::Brackets => write!(f, "an IPv6 address goes in [ and ]; {FORM}"),
            Self::Address => write!(f, "this is no IPv6 address; {FORM}"),
            Self::NotAHost => f.write_str(
                "a machine cannot be reached at this address from other networks; give a global \
                 or unique local one",
            ),
            Self::PrefixLength => {
                write!(
                    f,
                    "a prefix length from 1 to 128 goes after the address; {FORM}"
                )
            }
            Self::Gateway {
                address,
                prefix_length,
            } => write!(
                f,
                "the gateway is neither on the network of {address}/{prefix_length} nor \
                 link-local; check the prefix length"
            ),
            Self::TooMany => write!(f, "nothing goes after the gateway; {FORM}"),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::ToString;

    use super::*;

    fn parse(text: &str) -> Result<Ipv6Config, ParseError<Ipv6Fault>> {
        Ipv6Config::parse(Field::whole(text))
    }

    fn fault(text: &str) -> Option<(Ipv6Fault, usize)> {
        parse(text).err().map(|error| (error.reason, error.offset))
    }

    #[test]
    fn addresses_are_read_and_written() {
        for (text, whole) in [
            ("[2001:db8::2]/64", "2001:db8::2/64"),
            ("[2001:db8::2]/64:", "2001:db8::2/64"),
            ("[fd00::2]/128", "fd00::2/128"),
            ("[0:0:0:2:0:0:0:1]/1", "::2:0:0:0:1/1"),
            (
                "[2001:DB8::2]/64:[2001:db8::1]",
                "2001:db8::2/64 via 2001:db8::1",
            ),
            ("[2001:db8::2]/128:[fe80::1]", "2001:db8::2/128 via fe80::1"),
        ] {
            assert_eq!(parse(text).expect(text).to_string(), whole);
        }
    }

    #[test]
    fn what_is_no_address_says_why_and_where() {
        use Ipv6Fault as F;
        assert_eq!(fault(""), Some((F::Brackets, 0)));
        assert_eq!(fault("2001:db8::2/64"), Some((F::Brackets, 0)));
        assert_eq!(fault("[2001:db8::2/64"), Some((F::Brackets, 0)));
        assert_eq!(fault("[2001:db8:2]/64"), Some((F::Address, 1)));
        assert_eq!(fault("[192.0.2.1]/24"), Some((F::Address, 1)));
        for none in [
            "[::]/64",
            "[::1]/128",
            "[ff02::1]/64",
            "[fe80::2]/64",
            "[::ffff:192.0.2.1]/96",
        ] {
            assert_eq!(fault(none), Some((F::NotAHost, 1)), "{none}");
        }
        assert_eq!(fault("[2001:db8::2]"), Some((F::PrefixLength, 13)));
        assert_eq!(fault("[2001:db8::2]:"), Some((F::PrefixLength, 13)));
        for length in ["", "0", "129", "256", "+64", "64a"] {
            let text = std::format!("[2001:db8::2]/{length}");
            assert_eq!(fault(&text), Some((F::PrefixLength, 14)), "{text}");
        }
        assert_eq!(
            fault("[2001:db8::2]/64:2001:db8::1"),
            Some((F::Brackets, 17))
        );
        assert_eq!(fault("[2001:db8::2]/64:[x]"), Some((F::Address, 18)));
        let gateway = F::Gateway {
            address: Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2),
            prefix_length: 64,
        };
        for (text, fault_of) in [
            ("[2001:db8:0:1::1]", gateway),
            ("[ff02::2]", gateway),
            ("[::]", gateway),
        ] {
            let text = std::format!("[2001:db8::2]/64:{text}");
            assert_eq!(fault(&text), Some((fault_of, 18)), "{text}");
        }
        assert_eq!(
            fault("[2001:db8::2]/64:[fe80::1]:x"),
            Some((F::TooMany, 26))
        );
    }
}
