// SPDX-License-Identifier: GPL-2.0-only

//! The rtnetlink messages that read links and change links, addresses and routes.
//!
//! - [`request`]: what the kernel is asked, one message in one datagram.
//! - [`answer`]: what it answers, any number of messages in a datagram.
//!
//! Numbers are in the machine's own byte order; messages and attributes start
//! at multiples of 4 bytes.
//!
//! C headers: `include/uapi/linux/netlink.h`, `include/uapi/linux/rtnetlink.h`,
//! `include/uapi/linux/if_link.h`, `include/uapi/linux/if_addr.h`.

#![forbid(unsafe_code)]

use zerocopy::native_endian::{
    I32,
    U16,
    U32, //
};
use zerocopy_derive::{
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout,
    Unaligned, //
};

pub mod answer;
pub mod request;

/// The start of each message (`struct nlmsghdr`).
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct Header {
    /// The length of the message in bytes, this header included.
    length: U32,
    kind: U16,
    flags: U16,
    /// The number that the answers repeat.
    sequence: U32,
    port: U32,
}

/// The start of each attribute (`struct rtattr`).
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct AttributeHeader {
    /// The length of the attribute in bytes, this header included.
    length: U16,
    kind: U16,
}

/// What a message about a link starts with (`struct ifinfomsg`).
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct LinkHeader {
    family: u8,
    padding: u8,
    /// The hardware type.
    hardware: U16,
    index: I32,
    flags: U32,
    /// Which of the flags are to be changed.
    change: U32,
}

/// What a message about an address starts with (`struct ifaddrmsg`).
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct AddressHeader {
    family: u8,
    prefix_length: u8,
    flags: u8,
    scope: u8,
    /// The device's number.
    index: I32,
}

/// What a message about a route starts with (`struct rtmsg`).
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct RouteHeader {
    family: u8,
    destination_length: u8,
    source_length: u8,
    tos: u8,
    table: u8,
    protocol: u8,
    scope: u8,
    kind: u8,
    flags: U32,
}

/// What a message about an option of Neighbor Discovery starts with (`struct nduseroptmsg`); the
/// option is behind it.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct NdUserOptionHeader {
    family: u8,
    padding: u8,
    /// The length of the option in bytes.
    length: U16,
    /// The number of the device that it came in by.
    index: I32,
    /// The type of the message that it was in.
    icmp_type: u8,
    icmp_code: u8,
    more_padding: U16,
    even_more_padding: U32,
}

/// The attributes of a route (`RTA_*`); `RTA_PREFSRC` is called `SOURCE`.
mod route {
    pub(super) const DESTINATION: u16 = 1;
    pub(super) const OUTPUT_DEVICE: u16 = 4;
    pub(super) const GATEWAY: u16 = 5;
    pub(super) const PRIORITY: u16 = 6;
    pub(super) const SOURCE: u16 = 7;
}

/// The attributes of an address (`IFA_*`); `IFA_CACHEINFO` is called `LIFETIMES`, `IFA_RT_PRIORITY`
/// `PRIORITY`, and `IFA_PROTO` `MAKER`.
mod address {
    pub(super) const ADDRESS: u16 = 1;
    pub(super) const LOCAL: u16 = 2;
    pub(super) const BROADCAST: u16 = 4;
    pub(super) const LIFETIMES: u16 = 6;
    pub(super) const FLAGS: u16 = 8;
    pub(super) const PRIORITY: u16 = 9;
    pub(super) const MAKER: u16 = 11;
}

/// How far an address or a route reaches (`RT_SCOPE_*`).
mod scope {
    pub(super) const UNIVERSE: u8 = 0;
    pub(super) const LINK: u8 = 253;
    pub(super) const HOST: u8 = 254;
}

/// The attributes of a link (`IFLA_*`); `IFLA_AF_SPEC` is called `FAMILIES`.
mod link {
    pub(super) const ADDRESS: u16 = 1;
    pub(super) const NAME: u16 = 3;
    pub(super) const MTU: u16 = 4;
    pub(super) const LOWER: u16 = 5;
    pub(super) const MASTER: u16 = 10;
    pub(super) const OPERATIONAL_STATE: u16 = 16;
    pub(super) const INFO: u16 = 18;
    pub(super) const FAMILIES: u16 = 26;

    /// What [`INFO`] has: of what kind of software a link is, and what is particular to that.
    pub(super) mod info {
        /// `IFLA_INFO_KIND` and `IFLA_INFO_DATA`.
        pub(in super::super) const KIND: u16 = 1;
        pub(in super::super) const DATA: u16 = 2;
        /// The kind of a VLAN's link, and `IFLA_VLAN_ID` of its data.
        pub(in super::super) const VLAN: &[u8; 5] = b"vlan\0";
        pub(in super::super) const VLAN_ID: u16 = 1;
    }
}

/// No route is made with an address (`IFA_F_NOPREFIXROUTE`).
const NO_PREFIX_ROUTE: u32 = 0x200;
/// The administrative state of a link (`IFF_UP`).
const UP: u32 = 0x1;
/// `RTM_NEWLINK` and `RTM_DELLINK`.
const NEW_LINK: u16 = 16;
const DELETE_LINK: u16 = 17;
/// `RTM_NEWADDR` and `RTM_DELADDR`.
const NEW_ADDRESS: u16 = 20;
const DELETE_ADDRESS: u16 = 21;
/// `RTM_NEWROUTE` and `RTM_DELROUTE`.
const NEW_ROUTE: u16 = 24;
const DELETE_ROUTE: u16 = 25;
/// `RTM_NEWNDUSEROPT`.
const NEW_ND_USER_OPTION: u16 = 68;
/// `AF_INET` and `AF_INET6`.
const INET: u8 = 2;
const INET6: u8 = 10;

const _: () = assert!(
    size_of::<Header>() == 16
        && size_of::<AttributeHeader>() == 4
        && size_of::<LinkHeader>() == 16
        && size_of::<AddressHeader>() == 8
        && size_of::<RouteHeader>() == 12
        && size_of::<NdUserOptionHeader>() == 16
);
