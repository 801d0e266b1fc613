// SPDX-License-Identifier: GPL-2.0-only

//! What the kernel answers, or tells by itself: any number of messages in a datagram.

use core::net::{
    Ipv4Addr,
    Ipv6Addr, //
};

use zerocopy::FromBytes;

use super::{
    address,
    link,
    route,
    scope,
    AddressHeader,
    AttributeHeader,
    Header,
    LinkHeader,
    NdUserOptionHeader,
    RouteHeader,
    DELETE_ADDRESS,
    DELETE_LINK,
    DELETE_ROUTE,
    INET,
    INET6,
    NEW_ADDRESS,
    NEW_LINK,
    NEW_ND_USER_OPTION,
    NO_PREFIX_ROUTE,
    UP, //
};
use crate::proto::{
    bytes::{
        padding,
        Reader, //
    },
    config::interface::DeviceName,
    nd_option::NdOption,
};

/// A message from the kernel.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The number of the request that it answers, or that brought about what it tells.
    pub sequence: u32,
    /// Whose request that was: as a rule the number of a process, and 0 for the kernel itself.
    pub port: u32,
    /// What it says.
    pub body: Body,
}

/// What a message from the kernel says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Body {
    /// There is this link.
    Link(Link),
    /// There is this address.
    Address(Address),
    /// There is this IPv6 address.
    Ipv6Address(Ipv6Address),
    /// There is no such link any more.
    LinkGone(Link),
    /// There is no such address any more.
    AddressGone(Address),
    /// There is no such IPv6 address any more.
    Ipv6AddressGone(Ipv6Address),
    /// There is no such route over the device with this number any more.
    RouteGone(i32),
    /// A router on the link of the device with this number advertises that.
    Advertised(i32, NdOption),
    /// The list is at its end.
    Done,
    /// What came of the request: 0 when it was done, or else a negative errno.
    Error(i32),
    /// Something that the boot does not need.
    Other,
}

/// A network device.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Link {
    /// The number by which requests name it.
    pub index: i32,
    /// Its name.
    pub name: DeviceName,
    /// Its hardware type (`ARPHRD_*`).
    pub hardware: u16,
    /// Its flags (`IFF_*`).
    pub flags: u32,
    /// Whether there is a carrier; a link that is not up has none.
    pub carrier: bool,
    /// Its operational state (`IF_OPER_*`, RFC 2863).
    pub operational_state: u8,
    /// Its address, where that has the length of an Ethernet address.
    pub mac: Option<[u8; 6]>,
    /// Its MTU in bytes.
    pub mtu: u32,
    /// Whether it exists in software only, such as a bridge or a VLAN; a virtual
    /// machine's device does not count.
    pub is_virtual: bool,
    /// The VLAN that it is of, if it is of one.
    pub vlan: Option<Vlan>,
    /// Whether it is part of another link, such as a bridge or a bond.
    pub is_part: bool,
    /// What routers say there, unless the kernel does no IPv6 on it.
    pub ipv6: Option<Routers>,
}

/// A VLAN on a link.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Vlan {
    /// The number of the link under it.
    pub lower: i32,
    /// The VLAN's own number (0 to 4095).
    pub id: u16,
}

/// What the kernel has heard of a link's IPv6 routers (RFC 4861 section 4.2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Routers {
    /// One has advertised itself.
    pub is_one: bool,
    /// One says that addresses come from DHCPv6.
    pub is_managed: bool,
    /// One says that further information comes from DHCPv6.
    pub is_informed: bool,
}

impl Link {
    /// Whether it is administratively up.
    pub const fn is_up(&self) -> bool {
        self.flags & UP != 0
    }

    /// Whether it is an Ethernet device that a machine can boot over: with an address,
    /// with broadcast, no loopback.
    pub const fn is_ethernet(&self) -> bool {
        /// `ARPHRD_ETHER`.
        const ETHERNET: u16 = 1;
        /// `IFF_BROADCAST`.
        const BROADCAST: u32 = 0x2;

        self.hardware == ETHERNET
            && self.mac.is_some()
            && self.flags & BROADCAST != 0
            && !self.is_loopback()
    }

    /// Whether it is the loopback device.
    pub const fn is_loopback(&self) -> bool {
        /// `IFF_LOOPBACK`.
        const LOOPBACK: u32 = 0x8;

        self.flags & LOOPBACK != 0
    }

    /// The link among `links` that this one is now: that of its number or else, where its driver
    /// was bound again or the device of a VLAN made again, the one like it.
    pub fn among<'a>(&self, links: &'a [Self]) -> Option<&'a Self> {
        let same = links.iter().find(|link| link.index == self.index);
        same.or_else(|| links.iter().find(|link| link.is_again(self)))
    }

    /// Whether it is what `other` was, though its number may be another one.
    fn is_again(&self, other: &Self) -> bool {
        let is_like = match (self.vlan, other.vlan) {
            (Some(own), Some(other)) => own.id == other.id,
            (None, None) => !self.is_virtual,
            _ => false,
        };
        self.index == other.index || is_like && self.mac.is_some() && self.mac == other.mac
    }

    /// Reads the body of a message about a link; `None` when that is none.
    fn parse(body: &[u8]) -> Option<Self> {
        /// `IFF_LOWER_UP`.
        const LOWER_UP: u32 = 0x1_0000;

        let (header, attributes) = LinkHeader::ref_from_prefix(body).ok()?;
        let flags = header.flags.get();
        let mut name = None;
        let mut operational_state = 0;
        let mut mac = None;
        let mut mtu = None;
        let mut lower = None;
        let mut info = None;
        let mut is_part = false;
        let mut ipv6 = None;
        for (kind, value) in Attributes(Reader::new(attributes)) {
            match kind {
                link::ADDRESS => mac = value.try_into().ok(),
                link::NAME => name = value.split(|byte| *byte == 0).next(),
                link::MTU => mtu = value.try_into().ok().map(u32::from_ne_bytes),
                link::OPERATIONAL_STATE => operational_state = *value.first()?,
                link::LOWER => lower = value.try_into().ok().map(i32::from_ne_bytes),
                link::INFO => info = Some(value),
                link::MASTER => is_part = true,
                link::FAMILIES => ipv6 = routers(value),
                _ => {}
            }
        }
        Some(Self {
            index: header.index.get(),
            name: DeviceName::new(core::str::from_utf8(name?).ok()?)?,
            hardware: header.hardware.get(),
            flags,
            // IFLA_CARRIER would say what was true when the link was last up.
            carrier: flags & LOWER_UP != 0,
            operational_state,
            mac,
            mtu: mtu?,
            is_virtual: info.is_some(),
            vlan: lower
                .zip(info.and_then(vlan))
                .map(|(lower, id)| Vlan { lower, id }),
            is_part,
            ipv6,
        })
    }
}

/// The number of the VLAN that a link of software is of, if it is of one.
fn vlan(info: &[u8]) -> Option<u16> {
    let is_vlan = find(info, link::info::KIND)? == link::info::VLAN;
    let data = find(info, link::info::DATA).filter(|_| is_vlan)?;
    let id = find(data, link::info::VLAN_ID)?;
    id.try_into().ok().map(u16::from_ne_bytes)
}

/// What the attributes of a link that are an address family's say of its IPv6 routers.
fn routers(families: &[u8]) -> Option<Routers> {
    /// `IFLA_INET6_FLAGS`.
    const FLAGS: u16 = 1;
    /// `IF_RA_RCVD`, `IF_RA_MANAGED` and `IF_RA_OTHERCONF` (C header: `include/net/if_inet6.h`).
    const RECEIVED: u32 = 0x20;
    const MANAGED: u32 = 0x40;
    const INFORMED: u32 = 0x80;

    let own = find(families, u16::from(INET6))?;
    let flags = find(own, FLAGS)?;
    let flags = u32::from_ne_bytes(flags.try_into().ok()?);
    Some(Routers {
        is_one: flags & RECEIVED != 0,
        is_managed: flags & MANAGED != 0,
        is_informed: flags & INFORMED != 0,
    })
}

/// An IPv4 address of a network device.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Address {
    /// The device's number.
    pub index: i32,
    /// The address.
    pub address: Ipv4Addr,
    /// How many of the address's bits are the network's (0 to 32).
    pub prefix_length: u8,
    /// Whether it is good for talking to every host, not just to those of its link or to itself.
    pub is_global: bool,
    /// Whether it has no lifetime, at whose end it goes.
    pub is_permanent: bool,
    /// Whether the device had another address of the same network before, which its routes name as
    /// their source.
    pub is_secondary: bool,
    /// Whether the kernel has made a route to its network with it.
    pub has_route: bool,
}

impl Address {
    /// Reads the body of a message about an address; `None` when that is none of IPv4.
    fn parse(body: &[u8]) -> Option<Self> {
        /// `IFA_F_SECONDARY` and `IFA_F_PERMANENT`.
        const SECONDARY: u8 = 0x01;
        const PERMANENT: u8 = 0x80;

        let (header, attributes) = AddressHeader::ref_from_prefix(body).ok()?;
        let value = find(attributes, address::LOCAL).filter(|_| header.family == INET)?;
        let is_secondary = header.flags & SECONDARY != 0;
        Some(Self {
            index: header.index.get(),
            address: <[u8; 4]>::try_from(value).ok()?.into(),
            prefix_length: header.prefix_length,
            is_global: header.scope == scope::UNIVERSE,
            is_permanent: header.flags & PERMANENT != 0,
            is_secondary,
            has_route: !is_secondary
                && (1..32).contains(&header.prefix_length)
                && makes_route(attributes),
        })
    }
}

/// Whether the kernel makes an ordinary route to the network of an address with these attributes:
/// `IFA_FLAGS` has more flags than the header; a route of another priority, or to a peer's network,
/// is user space's wish.
fn makes_route(attributes: &[u8]) -> bool {
    let flags = find(attributes, address::FLAGS).and_then(|flags| flags.first_chunk().copied());
    let (local, peer) = (
        find(attributes, address::LOCAL),
        find(attributes, address::ADDRESS),
    );
    flags.map_or(0, u32::from_ne_bytes) & NO_PREFIX_ROUTE == 0
        && find(attributes, address::PRIORITY).is_none()
        && (local.is_none() || peer.is_none() || local == peer)
}

/// An IPv6 address of a network device.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ipv6Address {
    /// The device's number.
    pub index: i32,
    /// The address.
    pub address: Ipv6Addr,
    /// How many of the address's bits are the network's (0 to 128).
    pub prefix_length: u8,
    /// Whether it is good for talking to every host, not just to those of its link or to itself.
    pub is_global: bool,
    /// Whether it is not used yet, since another host may have it (RFC 4862 section 5.4).
    pub is_tentative: bool,
    /// Whether another host has it.
    pub is_duplicate: bool,
    /// Whether it is valid for ever.
    pub is_permanent: bool,
    /// Whether the kernel has made it of what a router advertises.
    pub is_advertised: bool,
    /// Whether the kernel has made a route to its network with it.
    pub has_route: bool,
}

impl Ipv6Address {
    /// Whether it can be talked from to every host.
    pub const fn is_usable(&self) -> bool {
        self.is_global && !self.is_tentative && !self.is_duplicate
    }

    /// Reads the body of a message about an IPv6 address; `None` when that is none.
    fn parse(body: &[u8]) -> Option<Self> {
        /// `IFA_F_TEMPORARY`, `IFA_F_DADFAILED`, `IFA_F_TENTATIVE` and `IFA_F_PERMANENT`.
        const TEMPORARY: u8 = 0x01;
        const DUPLICATE: u8 = 0x08;
        const TENTATIVE: u8 = 0x40;
        const PERMANENT: u8 = 0x80;
        /// `IFAPROT_KERNEL_RA`.
        const ADVERTISED: &[u8] = &[2];

        let (header, attributes) = AddressHeader::ref_from_prefix(body).ok()?;
        let mut own = None;
        let mut maker = None;
        for (kind, value) in Attributes(Reader::new(attributes)) {
            match kind {
                address::MAKER => maker = Some(value),
                // On a point-to-point link the other one is the peer's.
                address::LOCAL => own = Some(value),
                address::ADDRESS => own = own.or(Some(value)),
                _ => {}
            }
        }
        Some(Self {
            index: header.index.get(),
            address: <[u8; 16]>::try_from(own?).ok()?.into(),
            prefix_length: header.prefix_length,
            is_global: header.scope == scope::UNIVERSE,
            is_tentative: header.flags & TENTATIVE != 0,
            is_duplicate: header.flags & DUPLICATE != 0,
            is_permanent: header.flags & PERMANENT != 0,
            // Temporary ones (RFC 8981) say nothing of their maker, who is the kernel.
            is_advertised: maker == Some(ADVERTISED) || header.flags & TEMPORARY != 0,
            has_route: (1..128).contains(&header.prefix_length) && makes_route(attributes),
        })
    }
}

/// Lists the messages in `datagram`; what is cut short or no message ends the list.
pub fn answers(datagram: &[u8]) -> impl Iterator<Item = Answer> + '_ {
    let mut reader = Reader::new(datagram);
    core::iter::from_fn(move || {
        let (header, _) = Header::ref_from_prefix(reader.rest()).ok()?;
        let length = usize::try_from(header.length.get()).ok()?;
        let message = reader.take(length)?;
        let body = message.get(size_of::<Header>()..)?;
        // The last message may come without its padding.
        let _ = reader.take(padding(length));
        Some(Answer {
            sequence: header.sequence.get(),
            port: header.port.get(),
            body: parse_body(header.kind.get(), body)?,
        })
    })
}

/// Reads the body of a message of type `kind`; `None` when it is too short.
fn parse_body(kind: u16, body: &[u8]) -> Option<Body> {
    /// `NLMSG_ERROR` and `NLMSG_DONE`.
    const ERROR: u16 = 2;
    const DONE: u16 = 3;

    let errno = || body.first_chunk().copied().map(i32::from_ne_bytes);
    Some(match kind {
        // A device whose name is not UTF-8 can be named by nobody here, but must
        // not hide those after it.
        NEW_LINK => Link::parse(body).map_or(Body::Other, Body::Link),
        NEW_ADDRESS if body.first() == Some(&INET6) => {
            Ipv6Address::parse(body).map_or(Body::Other, Body::Ipv6Address)
        }
        NEW_ADDRESS => Address::parse(body).map_or(Body::Other, Body::Address),
        DELETE_LINK => Link::parse(body).map_or(Body::Other, Body::LinkGone),
        DELETE_ADDRESS if body.first() == Some(&INET6) => {
            Ipv6Address::parse(body).map_or(Body::Other, Body::Ipv6AddressGone)
        }
        DELETE_ADDRESS => Address::parse(body).map_or(Body::Other, Body::AddressGone),
        DELETE_ROUTE => output_device(body).map_or(Body::Other, Body::RouteGone),
        NEW_ND_USER_OPTION => advertised(body).map_or(Body::Other, |(index, option)| {
            Body::Advertised(index, option)
        }),
        // The kernel ends a list that it could not complete with the reason.
        DONE => match errno() {
            None | Some(0) => Body::Done,
            Some(errno) => Body::Error(errno),
        },
        ERROR => Body::Error(errno()?),
        _ => Body::Other,
    })
}

/// The device that a route leads over.
fn output_device(body: &[u8]) -> Option<i32> {
    let (header, attributes) = RouteHeader::ref_from_prefix(body).ok()?;
    let value =
        find(attributes, route::OUTPUT_DEVICE).filter(|_| matches!(header.family, INET | INET6))?;
    value.try_into().ok().map(i32::from_ne_bytes)
}

/// The option of a router advertisement, and the device that it came in by.
fn advertised(body: &[u8]) -> Option<(i32, NdOption)> {
    /// Router Advertisement (RFC 4861 section 4.2).
    const ROUTER_ADVERTISEMENT: u8 = 134;

    let (header, rest) = NdUserOptionHeader::ref_from_prefix(body).ok()?;
    let option = rest.get(..usize::from(header.length.get()))?;
    let is_meant = header.family == INET6 && header.icmp_type == ROUTER_ADVERTISEMENT;
    Some((
        header.index.get(),
        NdOption::parse(option).filter(|_| is_meant)?,
    ))
}

/// The value of the first of `attributes` that is of a kind.
fn find(attributes: &[u8], kind: u16) -> Option<&[u8]> {
    let (_, value) = Attributes(Reader::new(attributes)).find(|(each, _)| *each == kind)?;
    Some(value)
}

/// The attributes of a message: their types and their values.
struct Attributes<'a>(Reader<'a>);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        /// Without `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
        const TYPE: u16 = 0x3fff;

        let Self(reader) = self;
        let (header, _) = AttributeHeader::ref_from_prefix(reader.rest()).ok()?;
        let length = usize::from(header.length.get());
        let value = reader.take(length)?.get(size_of::<AttributeHeader>()..)?;
        let _ = reader.take(padding(length));
        Some((header.kind.get() & TYPE, value))
    }
}
