// SPDX-License-Identifier: GPL-2.0-only

//! rtnetlink messages about IPv6 against those of other programs: the requests of iproute2 6.1 and the answers of Linux
//! 6.18, both recorded on a little-endian machine.

#![cfg(target_endian = "little")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failure is what these look for"
)]

use std::net::Ipv6Addr;

use iscsi_init::proto::{
    nd_option::NdOption,
    rtnetlink::{
        answer::{
            answers,
            Body,
            Ipv6Address,
            Routers, //
        },
        request::{
            Change,
            Request,
            MAX_LENGTH, //
        },
    },
};

#[path = "dhcp_support/hex.rs"]
mod hex;

/// Linux's list of links: the last one is v0, without a router.
const LINKS: &str = include_str!("rtnetlink_links.hex");

/// The number that iproute2 used.
const SEQUENCE: u32 = 0x6b07_62d6;

/// Checks that `request` is `expected`, and that a buffer one byte too short is refused.
#[track_caller]
fn assert_written(request: Request, expected: &str) {
    let expected = hex::bytes(expected);
    let mut buffer = [0xaa; MAX_LENGTH];
    let length = request.write(SEQUENCE, &mut buffer).expect("room");
    assert_eq!(buffer[..length], expected);
    for short in 0..length {
        assert_eq!(request.write(SEQUENCE, &mut buffer[..short]), None);
    }
}

fn ip(text: &str) -> Ipv6Addr {
    text.parse().expect(text)
}

#[test]
fn addresses_are_changed_as_iproute2_changes_them() {
    let address = |change| Request::Ipv6Address {
        change,
        index: 2,
        address: ip("2001:db8::2"),
        prefix_length: 64,
        preferred: None,
    };
    // ip -6 addr add 2001:db8::2/64 dev v0
    assert_written(
        address(Change::Add),
        "40000000 14000506 d662076b 00000000 0a400000 02000000
         14000200 20010db8 00000000 00000000 00000002
         14000100 20010db8 00000000 00000000 00000002",
    );
    // ip -6 addr del 2001:db8::2/64 dev v0
    assert_written(
        address(Change::Delete),
        "40000000 15000500 d662076b 00000000 0a400000 02000000
         14000200 20010db8 00000000 00000000 00000002
         14000100 20010db8 00000000 00000000 00000002",
    );
}

#[test]
fn an_address_is_for_new_connections_for_a_while_and_valid_for_ever() {
    let address = |change, preferred| Request::Ipv6Address {
        change,
        index: 2,
        address: ip("2001:db8::2"),
        prefix_length: 128,
        preferred,
    };
    // IFA_CACHEINFO behind what there is without it: 60 s, for ever, and two times that are not looked at. IFA_FLAGS: no route
    // to a network that is the address alone.
    assert_written(
        address(Change::Replace, Some(60)),
        "5c000000 14000505 d662076b 00000000 0a800000 02000000
         14000200 20010db8 00000000 00000000 00000002
         14000100 20010db8 00000000 00000000 00000002
         14000600 3c000000 ffffffff 00000000 00000000
         08000800 00020000",
    );
    for request in [
        address(Change::Delete, Some(60)),
        address(Change::Delete, None),
    ] {
        assert_written(
            request,
            "40000000 15000500 d662076b 00000000 0a800000 02000000
             14000200 20010db8 00000000 00000000 00000002
             14000100 20010db8 00000000 00000000 00000002",
        );
    }
}

#[test]
fn default_routes_are_made_as_iproute2_makes_them() {
    let route = |change, gateway| Request::Ipv6DefaultRoute {
        change,
        index: 2,
        gateway: ip(gateway),
    };
    // ip -6 route add default via 2001:db8::1 dev v0
    assert_written(
        route(Change::Add, "2001:db8::1"),
        "4c000000 18000506 d662076b 00000000 0a000000 fe030001 00000000
         14000100 00000000 00000000 00000000 00000000
         14000500 20010db8 00000000 00000000 00000001 08000400 02000000",
    );
    // ip -6 route add default via fe80::1 dev v0
    assert_written(
        route(Change::Add, "fe80::1"),
        "4c000000 18000506 d662076b 00000000 0a000000 fe030001 00000000
         14000100 00000000 00000000 00000000 00000000
         14000500 fe800000 00000000 00000000 00000001 08000400 02000000",
    );
    // Where iproute2 deletes any route that fits, this deletes only its own: the same message but for the type.
    assert_written(
        route(Change::Delete, "2001:db8::1"),
        "4c000000 19000500 d662076b 00000000 0a000000 fe030001 00000000
         14000100 00000000 00000000 00000000 00000000
         14000500 20010db8 00000000 00000000 00000001 08000400 02000000",
    );
}

#[test]
fn addresses_are_listed() {
    assert_written(
        Request::DumpIpv6Addresses,
        "18000000 16000103 d662076b 00000000 0a000000 00000000",
    );
    // One that was just added, one without duplicate address detection, and the one that the kernel makes.
    let datagram = hex::bytes(
        "48000000 14000200 e362076b 5d1e0000 0a40c000 02000000
         14000100 20010db8 00000000 00000000 00000005
         14000600 ffffffff ffffffff 4d037300 4d037300 08000800 c0000000
         48000000 14000200 e362076b 5d1e0000 0a408200 02000000
         14000100 20010db8 00000000 00000000 00000002
         14000600 ffffffff ffffffff 18027300 18027300 08000800 82000000
         50000000 14000200 e362076b 5d1e0000 0a4080fd 02000000
         14000100 fe800000 00000000 44442fff fe66befb
         14000600 ffffffff ffffffff 11027300 11027300 08000800 80000000 05000b00 03000000
         14000000 03000200 e362076b 5d1e0000 00000000",
    );
    let bodies: Vec<Body> = answers(&datagram).map(|answer| answer.body).collect();
    let address = |text, is_global, is_tentative| {
        Body::Ipv6Address(Ipv6Address {
            index: 2,
            address: ip(text),
            prefix_length: 64,
            is_global,
            is_tentative,
            is_duplicate: false,
            is_permanent: true,
            is_advertised: false,
            has_route: true,
        })
    };
    let expected = [
        address("2001:db8::5", true, true),
        address("2001:db8::2", true, false),
        address("fe80::4444:2fff:fe66:befb", false, false),
        Body::Done,
    ];
    assert_eq!(bodies, expected);
    let usable = |body: &Body| matches!(body, Body::Ipv6Address(address) if address.is_usable());
    assert_eq!(bodies.iter().position(usable), Some(1));

    // A network by itself, and one with `noprefixroute`.
    for (offset, to) in [(17, 128), (69, 0x02)] {
        let mut other = datagram.clone();
        other[offset] = to;
        let first = answers(&other).next().map(|answer| answer.body);
        assert!(
            matches!(
                first,
                Some(Body::Ipv6Address(Ipv6Address {
                    has_route: false,
                    ..
                }))
            ),
            "{first:?}"
        );
    }

    // Duplicate address detection has found another host.
    let mut duplicate = datagram;
    duplicate[18] = 0x88;
    let first = answers(&duplicate).next().map(|answer| answer.body);
    assert!(
        matches!(
            first,
            Some(Body::Ipv6Address(Ipv6Address {
                is_duplicate: true,
                ..
            }))
        ),
        "{first:?}"
    );
    assert!(!first.as_ref().is_some_and(usable));
}

#[test]
fn who_has_made_an_address_and_for_how_long_is_told() {
    let advertised = hex::bytes(
        "50000000 14000200 e362076b 5d1e0000 0a400000 02000000
         14000100 20010db8 00000000 00000000 00000005
         14000600 58020000 b0040000 4d037300 4d037300 08000800 00000000 05000b00 02000000",
    );
    let told = |datagram: &[u8]| match answers(datagram).next().map(|answer| answer.body) {
        Some(Body::Ipv6Address(own)) => (own.is_permanent, own.is_advertised),
        other => panic!("{other:?}"),
    };
    assert_eq!(told(&advertised), (false, true));
    let changed = |offset: usize, to: u8| {
        let mut other = advertised.clone();
        other[offset] = to;
        other
    };
    assert_eq!(told(&changed(76, 3)), (false, false));
    // Temporary, by no maker that is named; and for ever.
    assert_eq!(told(&changed(18, 0x01)), (false, true));
    assert_eq!(told(&changed(18, 0x80)), (true, true));
    let gone = changed(4, 21);
    let body = answers(&gone).next().map(|answer| answer.body);
    assert!(
        matches!(body, Some(Body::Ipv6AddressGone(own)) if own.address == ip("2001:db8::5")),
        "{body:?}"
    );
}

#[test]
fn a_route_that_goes_is_told_of_with_its_device() {
    let datagram = hex::bytes(
        "4c000000 19000000 d662076b 5d1e0000 0a000000 fe030001 00000000
         14000500 20010db8 00000000 00000000 00000001 08000400 02000000
         14000100 20010db8 00000000 00000000 00000000",
    );
    let body = answers(&datagram).next().map(|answer| answer.body);
    assert_eq!(body, Some(Body::RouteGone(2)));
}

#[test]
fn the_own_address_comes_before_the_peers() {
    // ip -6 addr add 2001:db8::7 peer 2001:db8::8/127 dev v0, as it is listed: IFA_LOCAL, then IFA_ADDRESS.
    let datagram = hex::bytes(
        "40000000 14000200 e362076b 5d1e0000 0a7f8000 02000000
         14000200 20010db8 00000000 00000000 00000007
         14000100 20010db8 00000000 00000000 00000008",
    );
    let first = answers(&datagram).next().map(|answer| answer.body);
    assert!(
        matches!(&first, Some(Body::Ipv6Address(own)) if own.address == ip("2001:db8::7")),
        "{first:?}"
    );
}

#[test]
fn links_tell_of_their_routers() {
    let routers = |datagram: &[u8]| match answers(datagram).last().map(|answer| answer.body) {
        Some(Body::Link(link)) => link.ipv6,
        other => panic!("{other:?}"),
    };
    let mut datagram = hex::bytes(LINKS);
    let none = Routers {
        is_one: false,
        is_managed: false,
        is_informed: false,
    };
    assert_eq!(routers(&datagram), Some(none));

    // IFLA_INET6_FLAGS in AF_INET6 in IFLA_AF_SPEC: ready, and RA_RCVD, RA_MANAGED and RA_OTHERCONF one after the other.
    let own = b"\xa0\x02\x0a\0\x08\0\x01\0\0\0\0\x80";
    let at = datagram
        .windows(own.len())
        .rposition(|window| window == own);
    let flags = at.expect("flags of IPv6") + 8;
    for (bits, is_managed, is_informed) in [
        (0x20, false, false),
        (0x60, true, false),
        (0xa0, false, true),
        (0xf0, true, true),
    ] {
        datagram[flags] = bits;
        let expected = Routers {
            is_one: true,
            is_managed,
            is_informed,
        };
        assert_eq!(routers(&datagram), Some(expected), "{bits:#x}");
    }
    // The kernel does no IPv6 there: what was AF_INET6 is another family.
    datagram[flags - 6] = 11;
    assert_eq!(routers(&datagram), None);
}

#[test]
fn what_routers_advertise_of_names_is_told_with_its_device() {
    // What Linux 6.18 tells of an advertisement of dnsmasq's: Prefix Information, DNSSL and RDNSS, each with
    // NDUSEROPT_SRCADDR behind it.
    let prefix = hex::bytes(
        "54000000 44000000 00000000 00000000 0a002000 03000000 86000000 00000000
         030440c0 ffffffff ffffffff 00000000 20010db8 00000000 00000000 00000000
         14000100 fe800000 00000000 30b80eff fe391f42",
    );
    let domains = hex::bytes(
        "54000000 44000000 00000000 00000000 0a002000 03000000 86000000 00000000
         1f040000 ffffffff 036c6162 07657861 6d706c65 00076578 616d706c 65000000
         14000100 fe800000 00000000 30b80eff fe391f42",
    );
    let servers = hex::bytes(
        "5c000000 44000000 00000000 00000000 0a002800 03000000 86000000 00000000
         19050000 ffffffff 20010db8 00000000 00000000 00000001 20010db8 00000000 00000000 00000053
         14000100 fe800000 00000000 30b80eff fe391f42",
    );
    let told = |datagram: &[u8]| answers(datagram).next().map(|answer| answer.body);
    assert_eq!(told(&prefix), Some(Body::Other));
    assert!(
        matches!(told(&domains), Some(Body::Advertised(3, NdOption::DnsDomain { lifetime: u32::MAX, domain }))
            if domain.as_str() == "lab.example")
    );
    let expected = NdOption::DnsServers {
        lifetime: u32::MAX,
        servers: [ip("2001:db8::1"), ip("2001:db8::53")]
            .into_iter()
            .collect(),
    };
    assert_eq!(told(&servers), Some(Body::Advertised(3, expected)));
    // An option that is longer than the message, another family, an option of something else.
    for (offset, to) in [(18, 0xff), (16, 2), (24, 137)] {
        let mut other = servers.clone();
        other[offset] = to;
        assert_eq!(told(&other), Some(Body::Other), "{offset}");
    }
}
