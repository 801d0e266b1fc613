// SPDX-License-Identifier: GPL-2.0-only

//! What the kernel is asked: one message, answered with an acknowledgment or, when it
//! lists something, with that.

use core::net::{
    IpAddr,
    Ipv4Addr,
    Ipv6Addr, //
};

use zerocopy::{
    native_endian::{
        I32,
        U16,
        U32, //
    },
    Immutable,
    IntoBytes, //
};

use super::{
    address,
    link,
    route,
    scope,
    AddressHeader,
    AttributeHeader,
    Header,
    LinkHeader,
    RouteHeader,
    DELETE_ADDRESS,
    DELETE_LINK,
    DELETE_ROUTE,
    INET,
    INET6,
    NEW_ADDRESS,
    NEW_LINK,
    NEW_ROUTE,
    NO_PREFIX_ROUTE,
    UP, //
};
use crate::proto::{
    bytes::Writer,
    config::interface::Route, //
};

/// The room in bytes that every request fits in.
pub const MAX_LENGTH: usize = 96;

/// What is to happen to an address or a route.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Change {
    /// It is made; an error (`EEXIST`) where there is one.
    Add,
    /// It is made, or takes the place of the one that there is.
    Replace,
    /// It goes; an error where there is none (`EADDRNOTAVAIL` of an address, `ESRCH` of a route).
    Delete,
}

/// Who made a route, as `ip route` shows it (`rtm_protocol`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RouteProtocol {
    /// Made while booting (`RTPROT_BOOT`).
    Boot,
    /// Learned from a DHCP server (`RTPROT_DHCP`).
    Dhcp,
}

impl RouteProtocol {
    /// Its number.
    const fn number(self) -> u8 {
        match self {
            Self::Boot => 3,
            Self::Dhcp => 16,
        }
    }
}

/// A request about links, addresses or routes; `index` is the device's.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Request {
    /// Lists all links.
    DumpLinks,
    /// Lists all IPv4 addresses.
    DumpAddresses,
    /// Lists all IPv6 addresses.
    DumpIpv6Addresses,
    /// Brings a link up or takes it down.
    SetUp {
        /// The device.
        index: i32,
        /// Whether it is to be up.
        up: bool,
    },
    /// Sets a link's MTU.
    SetMtu {
        /// The device.
        index: i32,
        /// The MTU in bytes.
        mtu: u32,
    },
    /// Makes a device of a VLAN; an error (`EEXIST`) where there is one of its name.
    AddVlan {
        /// The device under it.
        lower: i32,
        /// Its name, NULs behind it.
        name: [u8; 16],
        /// The VLAN's number (1 to 4094).
        id: u16,
    },
    /// Has a device go that was made.
    DeleteLink {
        /// The device.
        index: i32,
    },
    /// Changes an address.
    Address {
        /// What is to happen.
        change: Change,
        /// The device.
        index: i32,
        /// The address.
        address: Ipv4Addr,
        /// How many of the address's bits are the network's (0 to 32).
        prefix_length: u8,
        /// The broadcast address; without it the last one of the network, where that has one.
        broadcast: Option<Ipv4Addr>,
    },
    /// Changes a route in the main table.
    Route {
        /// What is to happen.
        change: Change,
        /// The device.
        index: i32,
        /// The route.
        route: Route,
        /// Who made it.
        protocol: RouteProtocol,
    },
    /// Changes an IPv6 address. The kernel uses it once it has made sure that nobody else does.
    Ipv6Address {
        /// What is to happen.
        change: Change,
        /// The device.
        index: i32,
        /// The address.
        address: Ipv6Addr,
        /// How many of the address's bits are the network's (1 to 128).
        prefix_length: u8,
        /// For how many seconds it is for new connections; `None`: for ever. It stays valid for
        /// ever.
        preferred: Option<u32>,
    },
    /// Changes the IPv6 route to everything, in the main table.
    Ipv6DefaultRoute {
        /// What is to happen.
        change: Change,
        /// The device.
        index: i32,
        /// The router.
        gateway: Ipv6Addr,
    },
    /// Makes the route to an address's own network as the kernel does where it makes the address:
    /// it goes with that. An error (`EEXIST`) where there is one.
    NetworkRoute {
        /// The device.
        index: i32,
        /// The address.
        address: IpAddr,
        /// How many of the address's bits are the network's.
        prefix_length: u8,
    },
    /// Makes the route by which the kernel takes an IPv4 address for its own, as it does where it
    /// makes the address: it goes with that. An error (`EEXIST`) where there is one.
    LocalRoute {
        /// The device.
        index: i32,
        /// The address.
        address: Ipv4Addr,
    },
}

impl Request {
    /// Writes the request with the number `sequence`, by which the answers to it are
    /// known, and gives its length.
    ///
    /// `None`, when `buffer` has no room for it; [`MAX_LENGTH`] bytes are enough.
    pub fn write(&self, sequence: u32, buffer: &mut [u8]) -> Option<usize> {
        /// `AF_UNSPEC`.
        const UNSPECIFIED: u8 = 0;
        const ADDRESS: Kind = Kind {
            new: NEW_ADDRESS,
            delete: DELETE_ADDRESS,
        };
        const ROUTE: Kind = Kind {
            new: NEW_ROUTE,
            delete: DELETE_ROUTE,
        };
        /// `RTM_GETLINK` and `RTM_GETADDR`.
        const GET_LINK: u16 = 18;
        const GET_ADDRESS: u16 = 22;
        /// `NLM_F_ACK` and `NLM_F_DUMP`.
        const ACK: u16 = 0x4;
        const DUMP: u16 = 0x300;

        let link_header = |index: i32| LinkHeader {
            family: UNSPECIFIED,
            padding: 0,
            hardware: U16::ZERO,
            index: I32::new(index),
            flags: U32::ZERO,
            change: U32::ZERO,
        };
        match *self {
            Self::DumpLinks => {
                let body = Body::new(buffer, &link_header(0))?;
                body.finish(GET_LINK, DUMP, sequence)
            }
            Self::DumpAddresses | Self::DumpIpv6Addresses => {
                let header = AddressHeader {
                    family: match self {
                        Self::DumpIpv6Addresses => INET6,
                        _ => INET,
                    },
                    prefix_length: 0,
                    flags: 0,
                    scope: scope::UNIVERSE,
                    index: I32::ZERO,
                };
                Body::new(buffer, &header)?.finish(GET_ADDRESS, DUMP, sequence)
            }
            Self::SetUp { index, up } => {
                let flags = U32::new(if up { UP } else { 0 });
                let header = LinkHeader {
                    flags,
                    change: U32::new(UP),
                    ..link_header(index)
                };
                Body::new(buffer, &header)?.finish(NEW_LINK, ACK, sequence)
            }
            Self::SetMtu { index, mtu } => {
                let mut body = Body::new(buffer, &link_header(index))?;
                body.attribute(link::MTU, mtu.to_ne_bytes())?;
                body.finish(NEW_LINK, ACK, sequence)
            }
            Self::AddVlan { lower, name, id } => {
                let mut body = Body::new(buffer, &link_header(0))?;
                body.attribute(link::LOWER, lower.to_ne_bytes())?;
                body.attribute(link::NAME, name)?;
                body.attribute(link::INFO, vlan(id)?)?;
                body.finish(NEW_LINK, EXCLUSIVELY | ACK, sequence)
            }
            Self::DeleteLink { index } => {
                Body::new(buffer, &link_header(index))?.finish(DELETE_LINK, ACK, sequence)
            }
            Self::Address {
                change,
                index,
                address,
                prefix_length,
                broadcast,
            } => {
                let (kind, flags) = ADDRESS.of(change);
                let header = AddressHeader {
                    family: INET,
                    prefix_length,
                    flags: 0,
                    scope: scope::UNIVERSE,
                    index: I32::new(index),
                };
                let mut body = Body::new(buffer, &header)?;
                body.attribute(address::LOCAL, address.octets())?;
                body.attribute(address::ADDRESS, address.octets())?;
                // RFC 3021: a network of two addresses has none for broadcast; one of one
                // address has no room for it.
                let last = (prefix_length < 31).then(|| {
                    let host_bits = u32::MAX.checked_shr(u32::from(prefix_length)).unwrap_or(0);
                    Ipv4Addr::from_bits(address.to_bits() | host_bits)
                });
                let broadcast = broadcast.or(last).filter(|_| change != Change::Delete);
                if let Some(broadcast) = broadcast {
                    body.attribute(address::BROADCAST, broadcast.octets())?;
                }
                body.finish(kind, flags | ACK, sequence)
            }
            Self::Route {
                change,
                index,
                route:
                    Route {
                        destination,
                        prefix_length,
                        gateway,
                    },
                protocol,
            } => {
                let (kind, flags) = ROUTE.of(change);
                let header = RouteHeader {
                    family: INET,
                    destination_length: prefix_length,
                    source_length: 0,
                    tos: 0,
                    table: 254, // RT_TABLE_MAIN
                    protocol: protocol.number(),
                    scope: if gateway.is_some() {
                        scope::UNIVERSE
                    } else {
                        scope::LINK
                    },
                    kind: 1, // RTN_UNICAST
                    flags: U32::ZERO,
                };
                let mut body = Body::new(buffer, &header)?;
                if prefix_length > 0 {
                    body.attribute(route::DESTINATION, destination.octets())?;
                }
                if let Some(gateway) = gateway {
                    body.attribute(route::GATEWAY, gateway.octets())?;
                }
                body.attribute(route::OUTPUT_DEVICE, index.to_ne_bytes())?;
                body.finish(kind, flags | ACK, sequence)
            }
            Self::Ipv6Address {
                change,
                index,
                address,
                prefix_length,
                preferred,
            } => {
                /// `INFINITY_LIFE_TIME`.
                const FOREVER: u32 = u32::MAX;

                let (kind, flags) = ADDRESS.of(change);
                let header = AddressHeader {
                    family: INET6,
                    prefix_length,
                    flags: 0,
                    scope: scope::UNIVERSE,
                    index: I32::new(index),
                };
                let mut body = Body::new(buffer, &header)?;
                body.attribute(address::LOCAL, address.octets())?;
                body.attribute(address::ADDRESS, address.octets())?;
                if let Some(preferred) = preferred.filter(|_| change != Change::Delete) {
                    // `struct ifa_cacheinfo`: what is said, and two times that the kernel says.
                    let mut lifetimes = [0; 16];
                    let mut writer = Writer::new(&mut lifetimes);
                    writer.put(&preferred.to_ne_bytes())?;
                    writer.put(&FOREVER.to_ne_bytes())?;
                    body.attribute(address::LIFETIMES, lifetimes)?;
                }
                // Where there is but one routing table, a route to a network of the address alone
                // takes the place of the one by which the kernel knows the address for its own.
                if prefix_length == 128 && change != Change::Delete {
                    body.attribute(address::FLAGS, NO_PREFIX_ROUTE.to_ne_bytes())?;
                }
                body.finish(kind, flags | ACK, sequence)
            }
            Self::Ipv6DefaultRoute {
                change,
                index,
                gateway,
            } => {
                let (kind, flags) = ROUTE.of(change);
                let header = RouteHeader {
                    family: INET6,
                    destination_length: 0,
                    source_length: 0,
                    tos: 0,
                    table: 254, // RT_TABLE_MAIN
                    protocol: RouteProtocol::Boot.number(),
                    scope: scope::UNIVERSE,
                    kind: 1, // RTN_UNICAST
                    flags: U32::ZERO,
                };
                let mut body = Body::new(buffer, &header)?;
                body.attribute(route::DESTINATION, Ipv6Addr::UNSPECIFIED.octets())?;
                body.attribute(route::GATEWAY, gateway.octets())?;
                body.attribute(route::OUTPUT_DEVICE, index.to_ne_bytes())?;
                body.finish(kind, flags | ACK, sequence)
            }
            Self::NetworkRoute {
                index,
                address,
                prefix_length,
            } => {
                /// `IP6_RT_PRIO_ADDRCONF`.
                const PRIORITY: u32 = 256;

                let (family, scope) = match address {
                    IpAddr::V4(_) => (INET, scope::LINK),
                    IpAddr::V6(_) => (INET6, scope::UNIVERSE),
                };
                let header = RouteHeader {
                    family,
                    destination_length: prefix_length,
                    source_length: 0,
                    tos: 0,
                    table: 254,  // RT_TABLE_MAIN
                    protocol: 2, // RTPROT_KERNEL
                    scope,
                    kind: 1, // RTN_UNICAST
                    flags: U32::ZERO,
                };
                let mut body = Body::new(buffer, &header)?;
                match (address, network(address, prefix_length)) {
                    (IpAddr::V4(address), IpAddr::V4(network)) => {
                        body.attribute(route::DESTINATION, network.octets())?;
                        body.attribute(route::SOURCE, address.octets())?;
                    }
                    (IpAddr::V6(_), IpAddr::V6(network)) => {
                        body.attribute(route::DESTINATION, network.octets())?;
                        body.attribute(route::PRIORITY, PRIORITY.to_ne_bytes())?;
                    }
                    _ => return None,
                }
                body.attribute(route::OUTPUT_DEVICE, index.to_ne_bytes())?;
                body.finish(NEW_ROUTE, EXCLUSIVELY | ACK, sequence)
            }
            Self::LocalRoute { index, address } => {
                let header = RouteHeader {
                    family: INET,
                    destination_length: 32,
                    source_length: 0,
                    tos: 0,
                    table: 255,  // RT_TABLE_LOCAL
                    protocol: 2, // RTPROT_KERNEL
                    scope: scope::HOST,
                    kind: 2, // RTN_LOCAL
                    flags: U32::ZERO,
                };
                let mut body = Body::new(buffer, &header)?;
                body.attribute(route::DESTINATION, address.octets())?;
                body.attribute(route::SOURCE, address.octets())?;
                body.attribute(route::OUTPUT_DEVICE, index.to_ne_bytes())?;
                body.finish(NEW_ROUTE, EXCLUSIVELY | ACK, sequence)
            }
        }
    }
}

/// The network of an address, `prefix_length` of whose bits are the network's.
pub fn network(address: IpAddr, prefix_length: u8) -> IpAddr {
    let length = u32::from(prefix_length);
    match address {
        IpAddr::V4(address) => {
            let host = u32::MAX.checked_shr(length).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & !host).into()
        }
        IpAddr::V6(address) => {
            let host = u128::MAX.checked_shr(length).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & !host).into()
        }
    }
}

/// What makes a device one of the VLAN `id` (C header: `include/uapi/linux/if_link.h`,
/// `IFLA_INFO_KIND`, `IFLA_INFO_DATA` and in that `IFLA_VLAN_ID`).
fn vlan(id: u16) -> Option<[u8; 24]> {
    let mut nested = [0; 24];
    let mut writer = Writer::new(&mut nested);
    // Each attribute has its length and its kind in front, and is padded to four bytes.
    for part in [
        &9_u16.to_ne_bytes(),
        &1_u16.to_ne_bytes(),
        &b"vlan\0\0\0\0"[..],
        &12_u16.to_ne_bytes(),
        &2_u16.to_ne_bytes(),
        &6_u16.to_ne_bytes(),
        &1_u16.to_ne_bytes(),
        &id.to_ne_bytes(),
    ] {
        writer.put(part)?;
    }
    Some(nested)
}

/// `NLM_F_CREATE` and `NLM_F_EXCL`.
const EXCLUSIVELY: u16 = 0x600;

/// The message types that make and delete something.
struct Kind {
    new: u16,
    delete: u16,
}

impl Kind {
    /// The message type and the flags of `change`.
    const fn of(self, change: Change) -> (u16, u16) {
        /// `NLM_F_REPLACE` and `NLM_F_CREATE`.
        const REPLACE: u16 = 0x100;
        const CREATE: u16 = 0x400;

        match change {
            Change::Add => (self.new, EXCLUSIVELY),
            Change::Replace => (self.new, CREATE | REPLACE),
            Change::Delete => (self.delete, 0),
        }
    }
}

/// A message that is being written; its header comes last, since it has the length.
struct Body<'a> {
    header: &'a mut [u8],
    writer: Writer<'a>,
}

impl<'a> Body<'a> {
    /// A message whose body starts with `fixed`.
    fn new(buffer: &'a mut [u8], fixed: &(impl Immutable + IntoBytes)) -> Option<Self> {
        let (header, rest) = buffer.split_at_mut_checked(size_of::<Header>())?;
        let mut writer = Writer::new(rest);
        writer.put(fixed.as_bytes())?;
        Some(Self { header, writer })
    }

    /// Appends an attribute; those used here have a multiple of 4 bytes, so none needs padding.
    fn attribute<const N: usize>(&mut self, kind: u16, value: [u8; N]) -> Option<()> {
        let length = size_of::<AttributeHeader>().checked_add(N)?;
        let header = AttributeHeader {
            length: U16::new(u16::try_from(length).ok()?),
            kind: U16::new(kind),
        };
        self.writer.put(header.as_bytes())?;
        self.writer.put(&value)
    }

    /// Writes the header and gives the length of the whole message.
    fn finish(self, kind: u16, flags: u16, sequence: u32) -> Option<usize> {
        /// `NLM_F_REQUEST`.
        const REQUEST: u16 = 0x1;

        let length = self.header.len().checked_add(self.writer.len())?;
        let header = Header {
            length: U32::new(u32::try_from(length).ok()?),
            kind: U16::new(kind),
            flags: U16::new(flags | REQUEST),
            sequence: U32::new(sequence),
            port: U32::ZERO,
        };
        header.write_to(self.header).ok()?;
        Some(length)
    }
}
