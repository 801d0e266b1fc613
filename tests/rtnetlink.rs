// SPDX-License-Identifier: GPL-2.0-only

//! rtnetlink messages against those of other programs: the requests of iproute2 6.1 and the answers of Linux, both
//! recorded on a little-endian machine.

#![cfg(target_endian = "little")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failure is what these look for"
)]

use std::net::Ipv4Addr;

use iscsi_init::proto::{
    config::interface::Route,
    rtnetlink::{
        answer::{
            answers,
            Address,
            Answer,
            Body,
            Link,
            Vlan, //
        },
        request::{
            Change,
            Request,
            RouteProtocol,
            MAX_LENGTH, //
        },
    },
};

#[path = "dhcp_support/hex.rs"]
mod hex;

/// Linux's list of links.
const LINKS: &str = include_str!("rtnetlink_links.hex");

/// Linux's answer about the device of VLAN 100 on the link with the number 2.
const VLAN: &str = include_str!("rtnetlink_vlan.hex");

/// The number that iproute2 used.
const SEQUENCE: u32 = 0x6b03_3fa3;

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

fn address(change: Change) -> Request {
    Request::Address {
        change,
        index: 3,
        address: Ipv4Addr::new(10, 0, 0, 2),
        prefix_length: 24,
        broadcast: None,
    }
}

fn route(
    change: Change,
    destination: [u8; 4],
    prefix_length: u8,
    gateway: Option<[u8; 4]>,
) -> Request {
    let route = Route {
        destination: destination.into(),
        prefix_length,
        gateway: gateway.map(Ipv4Addr::from),
    };
    let protocol = if change == Change::Add && gateway.is_some() {
        RouteProtocol::Boot
    } else {
        RouteProtocol::Dhcp
    };
    Request::Route {
        change,
        index: 3,
        route,
        protocol,
    }
}

#[test]
fn links_are_changed_as_iproute2_changes_them() {
    // ip link set v0 up
    assert_written(
        Request::SetUp { index: 3, up: true },
        "20000000 10000500 a33f036b 00000000 00000000 03000000 01000000 01000000",
    );
    // ip link set v0 down
    assert_written(
        Request::SetUp {
            index: 3,
            up: false,
        },
        "20000000 10000500 a33f036b 00000000 00000000 03000000 00000000 01000000",
    );
    // ip link set v0 mtu 1400
    assert_written(
        Request::SetMtu {
            index: 3,
            mtu: 1_400,
        },
        "28000000 10000500 a33f036b 00000000 00000000 03000000 00000000 00000000 08000400 78050000",
    );
}

#[test]
fn addresses_are_changed_as_iproute2_changes_them() {
    // ip addr add 10.0.0.2/24 brd + dev v0
    assert_written(
        address(Change::Add),
        "30000000 14000506 a33f036b 00000000 02180000 03000000
         08000200 0a000002 08000100 0a000002 08000400 0a0000ff",
    );
    // ip addr replace 10.0.0.2/24 brd + dev v0
    assert_written(
        address(Change::Replace),
        "30000000 14000505 a33f036b 00000000 02180000 03000000
         08000200 0a000002 08000100 0a000002 08000400 0a0000ff",
    );
    // ip addr del 10.0.0.2/24 dev v0
    assert_written(
        address(Change::Delete),
        "28000000 15000500 a33f036b 00000000 02180000 03000000 08000200 0a000002 08000100 0a000002",
    );
}

#[test]
fn networks_of_one_or_two_addresses_have_no_broadcast_address() {
    let length = |prefix_length, broadcast| {
        let address = Ipv4Addr::new(10, 0, 0, 2);
        let request = Request::Address {
            change: Change::Add,
            index: 3,
            address,
            prefix_length,
            broadcast,
        };
        request.write(1, &mut [0; MAX_LENGTH])
    };
    assert_eq!(
        [0, 30, 31, 32].map(|prefix_length| length(prefix_length, None)),
        [Some(48), Some(48), Some(40), Some(40)]
    );
    let given = Some(Ipv4Addr::new(10, 0, 0, 3));
    assert_eq!(
        [30, 31].map(|prefix_length| length(prefix_length, given)),
        [Some(48); 2]
    );
}

#[test]
fn a_broadcast_address_that_is_given_is_written() {
    // ip address add 10.0.0.2/24 broadcast 10.0.0.0 dev v0
    let request = Request::Address {
        change: Change::Add,
        index: 3,
        address: Ipv4Addr::new(10, 0, 0, 2),
        prefix_length: 24,
        broadcast: Some(Ipv4Addr::new(10, 0, 0, 0)),
    };
    assert_written(
        request,
        "30000000 14000506 a33f036b 00000000 02180000 03000000 08000200 0a000002 08000100 0a000002
         08000400 0a000000",
    );
}

#[test]
fn routes_are_made_as_iproute2_makes_them() {
    // ip route add 192.168.5.0/24 via 10.0.0.1 dev v0 proto boot
    assert_written(
        route(Change::Add, [192, 168, 5, 0], 24, Some([10, 0, 0, 1])),
        "34000000 18000506 a33f036b 00000000 02180000 fe030001 00000000
         08000100 c0a80500 08000500 0a000001 08000400 03000000",
    );
    // ip route replace default via 10.0.0.1 dev v0 proto dhcp
    assert_written(
        route(Change::Replace, [0; 4], 0, Some([10, 0, 0, 1])),
        "2c000000 18000505 a33f036b 00000000 02000000 fe100001 00000000
         08000500 0a000001 08000400 03000000",
    );
    // ip route add 169.254.1.1/32 dev v0 scope link proto dhcp
    assert_written(
        route(Change::Add, [169, 254, 1, 1], 32, None),
        "2c000000 18000506 a33f036b 00000000 02200000 fe10fd01 00000000
         08000100 a9fe0101 08000400 03000000",
    );
    // Where iproute2 deletes any route that fits, this deletes only its own: the same message but for the type.
    assert_written(
        route(Change::Delete, [192, 168, 5, 0], 24, Some([10, 0, 0, 1])),
        "34000000 19000500 a33f036b 00000000 02180000 fe100001 00000000
         08000100 c0a80500 08000500 0a000001 08000400 03000000",
    );
}

#[test]
fn routes_to_an_addresses_own_network_are_made_as_iproute2_makes_them() {
    let route = |address: &str, prefix_length| Request::NetworkRoute {
        index: 3,
        address: address.parse().expect("an address"),
        prefix_length,
    };
    // ip route add 10.0.0.0/24 dev v0 proto kernel scope link src 10.0.0.2
    assert_written(
        route("10.0.0.2", 24),
        "34000000 18000506 a33f036b 00000000 02180000 fe02fd01 00000000
         08000100 0a000000 08000700 0a000002 08000400 03000000",
    );
    // ip route add 2001:db8:0:8::/61 dev v0 proto kernel metric 256
    assert_written(
        route("2001:db8:0:a::5", 61),
        "40000000 18000506 a33f036b 00000000 0a3d0000 fe020001 00000000
         14000100 20010db8 00000008 00000000 00000000 08000600 00010000 08000400 03000000",
    );
}

#[test]
fn the_route_to_an_own_address_is_made_as_iproute2_makes_it() {
    // ip route add local 10.0.0.2 dev v0 table local proto kernel scope host src 10.0.0.2
    assert_written(
        Request::LocalRoute {
            index: 3,
            address: Ipv4Addr::new(10, 0, 0, 2),
        },
        "34000000 18000506 a33f036b 00000000 02200000 ff02fe02 00000000
         08000100 0a000002 08000700 0a000002 08000400 03000000",
    );
}

#[test]
fn all_links_are_asked_for() {
    // As `ip link` does, less its filter attribute.
    assert_written(
        Request::DumpLinks,
        "20000000 12000103 a33f036b 00000000 00000000 00000000 00000000 00000000",
    );
}

#[test]
fn links_are_read() {
    let datagram = hex::bytes(LINKS);
    let links: Vec<Answer> = answers(&datagram).collect();
    let [Answer {
        sequence: 7,
        body: Body::Link(lo),
        ..
    }, Answer {
        sequence: 7,
        body: Body::Link(v0),
        ..
    }] = &links[..]
    else {
        panic!("{links:?}");
    };
    let facts = |link: &Link| {
        (
            link.index,
            link.name.as_str().to_owned(),
            link.hardware,
            link.flags,
            link.mtu,
        )
    };
    assert_eq!(facts(lo), (1, "lo".to_owned(), 772, 0x8, 65_536));
    assert_eq!((lo.mac, lo.operational_state), (Some([0; 6]), 2));
    assert_eq!(
        [lo.is_up(), lo.carrier, lo.is_ethernet(), lo.is_virtual],
        [false; 4]
    );
    assert_eq!(facts(v0), (3, "v0".to_owned(), 1, 0x1_1043, 1_400));
    assert_eq!(
        (v0.mac, v0.operational_state),
        (Some([0x52, 0x54, 0, 0xaa, 0, 1]), 6)
    );
    assert_eq!(
        [v0.is_up(), v0.carrier, v0.is_ethernet(), v0.is_virtual],
        [true; 4]
    );
}

/// The only link in a datagram.
fn link(datagram: &[u8]) -> Link {
    match answers(datagram).next().map(|answer| answer.body) {
        Some(Body::Link(link)) => link,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_device_of_a_vlan_is_read() {
    let datagram = hex::bytes(VLAN);
    let vlan = link(&datagram);
    assert_eq!(vlan.name.as_str(), "eth0.100");
    assert_eq!(vlan.vlan, Some(Vlan { lower: 2, id: 100 }));
    assert!(vlan.is_virtual);
    // Of another kind of software, though it is on a link, too.
    let kind = b"\x01\0vlan\0";
    let at = datagram.windows(7).position(|window| window == kind);
    let mut other = datagram.clone();
    other[at.expect("a kind") + 2] = b'w';
    assert_eq!(link(&other).vlan, None);
    assert!(link(&other).is_virtual);
}

#[test]
fn a_link_is_found_again() {
    let vlan = link(&hex::bytes(VLAN));
    let Some(Body::Link(hardware)) = answers(&hex::bytes(LINKS)).last().map(|answer| answer.body)
    else {
        panic!("no link");
    };
    let hardware = Link {
        is_virtual: false,
        mac: vlan.mac,
        ..hardware
    };
    let anew = |link: &Link, index| Link {
        index,
        ..link.clone()
    };
    let number = |link: &Link, links: &[Link]| link.among(links).map(|found| found.index);
    // By its number, whatever else has changed.
    let renamed = Link {
        mac: None,
        ..vlan.clone()
    };
    assert_eq!(number(&vlan, &[anew(&vlan, 8), renamed]), Some(vlan.index));
    // With another one, each of its own kind, though all have the same Ethernet address.
    let links = [anew(&hardware, 12), anew(&vlan, 13)];
    assert_eq!(number(&hardware, &links), Some(12));
    assert_eq!(number(&vlan, &links), Some(13));
    let bridge = Link {
        is_virtual: true,
        ..anew(&hardware, 14)
    };
    let other = Link {
        vlan: Some(Vlan { lower: 12, id: 101 }),
        ..anew(&vlan, 15)
    };
    for link in [&hardware, &vlan] {
        assert_eq!(number(link, &[bridge.clone(), other.clone()]), None);
    }
    let nameless = Link { mac: None, ..vlan };
    assert_eq!(number(&nameless, &[anew(&nameless, 16)]), None);
}

#[test]
fn outcomes_are_read() {
    let bodies = |text| {
        answers(&hex::bytes(text))
            .map(|answer| answer.body)
            .collect::<Vec<_>>()
    };
    // The address was changed.
    assert_eq!(
        bodies("24000000 02000001 07000000 89590000 00000000 28000000 10000500 07000000 00000000"),
        [Body::Error(0)]
    );
    // The address was there already.
    let refusal = "44000000 02000000 07000000 89590000 efffffff 30000000 14000506 07000000 00000000
         02180000 03000000 08000200 0a000002 08000100 0a000002 08000400 0a0000ff";
    assert_eq!(bodies(refusal), [Body::Error(-17)]);
    // The end of a list, good and bad, and of one whose end has no number; and a message of no meaning (NLMSG_NOOP).
    assert_eq!(
        bodies("14000000 03000200 07000000 89590000 00000000"),
        [Body::Done]
    );
    assert_eq!(
        bodies("14000000 03000200 07000000 89590000 f5ffffff"),
        [Body::Error(-11)]
    );
    assert_eq!(bodies("10000000 03000200 07000000 89590000"), [Body::Done]);
    assert_eq!(bodies("10000000 01000200 07000000 89590000"), [Body::Other]);
}

#[test]
fn what_is_cut_short_ends_the_list() {
    let datagram = hex::bytes(LINKS);
    let first = usize::from(u16::from_le_bytes([datagram[0], datagram[1]]));
    for length in 0..datagram.len() {
        let expected = usize::from(length >= first);
        assert_eq!(answers(&datagram[..length]).count(), expected, "{length}");
    }
    // A length shorter than the header, which must not be read for ever.
    assert_eq!(
        answers(&hex::bytes("00000000 03000200 07000000 89590000")).count(),
        0
    );
    assert_eq!(
        answers(&hex::bytes("0f000000 03000200 07000000 89590000")).count(),
        0
    );
    // An error without its number.
    assert_eq!(
        answers(&hex::bytes("10000000 02000000 07000000 89590000")).count(),
        0
    );
}

#[test]
fn a_link_that_cannot_be_read_does_not_hide_the_next() {
    let mut datagram = hex::bytes(LINKS);
    let name = datagram
        .windows(3)
        .position(|window| window == b"lo\0")
        .expect("a name");
    datagram[name] = 0xff;
    let bodies: Vec<Body> = answers(&datagram).map(|answer| answer.body).collect();
    assert!(
        matches!(&bodies[..], [Body::Other, Body::Link(_)]),
        "{bodies:?}"
    );
}

#[test]
fn the_flags_of_an_attribute_are_not_its_type() {
    let mut datagram = hex::bytes(LINKS);
    // IFLA_LINKINFO of v0, which is nested and need not say so: its kind is "veth".
    let kind = datagram
        .windows(8)
        .position(|window| window == b"\x01\x00veth\0\0")
        .expect("a kind");
    assert_eq!(datagram[kind - 4..kind - 2], [18, 0]);
    datagram[kind - 3] = 0x80;
    let last = answers(&datagram).last().map(|answer| answer.body);
    assert!(
        matches!(
            last,
            Some(Body::Link(Link {
                is_virtual: true,
                ..
            }))
        ),
        "{last:?}"
    );
}

#[test]
fn addresses_are_listed() {
    assert_written(
        Request::DumpAddresses,
        "18000000 16000103 a33f036b 00000000 02000000 00000000",
    );
    // What Linux 6.18 answers where lo and eth0 have one each.
    let datagram = hex::bytes(
        "4c000000 14000200 a33f036b bdc23000 020880fe 01000000
         08000100 7f000001 08000200 7f000001 07000300 6c6f0000 08000800 80000000
         14000600 ffffffff ffffffff 17000000 17000000
         58000000 14000200 a33f036b bdc23000 02188000 04000000
         08000100 c0000202 08000200 c0000202 08000400 c00002ff 09000300 65746830 00000000
         08000800 80000000 14000600 ffffffff ffffffff 17000000 17000000",
    );
    let bodies: Vec<Body> = answers(&datagram).map(|answer| answer.body).collect();
    let loopback = Address {
        index: 1,
        address: Ipv4Addr::LOCALHOST,
        prefix_length: 8,
        is_global: false,
        is_permanent: true,
        is_secondary: false,
        has_route: true,
    };
    let ours = Address {
        index: 4,
        address: Ipv4Addr::new(192, 0, 2, 2),
        prefix_length: 24,
        is_global: true,
        is_permanent: true,
        is_secondary: false,
        has_route: true,
    };
    assert_eq!(bodies, [Body::Address(loopback), Body::Address(ours)]);

    // With `noprefixroute`; the second one of a network; a network by itself, and that of
    // everything; a peer's; a metric (in the place of the broadcast address).
    let last = datagram.len() - 88;
    for (offset, to) in [
        (65, 0x02),
        (18, 0x81),
        (17, 32),
        (17, 0),
        (31, 0x03),
        (42, 9),
    ] {
        let mut other = datagram[last..].to_vec();
        other[offset] = to;
        let first = answers(&other).next().map(|answer| answer.body);
        let Some(Body::Address(first)) = first else {
            panic!("an address, not {first:?}");
        };
        let seen = (first.is_secondary, first.has_route);
        assert_eq!(seen, (offset == 18, false), "{offset}: {first:?}");
    }

    let mut other_family = datagram.clone();
    other_family[16] = 10;
    let first = answers(&other_family).next().map(|answer| answer.body);
    assert_eq!(first, Some(Body::Other));
}

#[test]
fn what_changes_is_told_with_who_changed_it() {
    // What Linux 6.18 tells when ip adds an address for a while, deletes a route and then that
    // address, upon which the kernel deletes a route by itself.
    let told = hex::bytes(
        "4c000000 14000000 1c01076b 04750000 02180000 03000000
         08000100 c0000202 08000200 c0000202 07000300 64300000 08000800 00000000
         14000600 64000000 64000000 23d24c00 23d24c00
         3c000000 19000000 1c01076b 06750000 02180000 fe030001 10000000
         08000f00 fe000000 08000100 c6336400 08000500 c0000201 08000400 03000000
         4c000000 15000000 1c01076b 07750000 02180000 03000000
         08000100 c0000202 08000200 c0000202 07000300 64300000 08000800 00000000
         14000600 64000000 64000000 23d24c00 23d24c00
         3c000000 19000000 00000000 00000000 02180000 fe02fd01 10000000
         08000f00 fe000000 08000100 c0000200 08000700 c0000202 08000400 03000000",
    );
    let bodies: Vec<(u32, Body)> = answers(&told)
        .map(|answer| (answer.port, answer.body))
        .collect();
    let address = Address {
        index: 3,
        address: Ipv4Addr::new(192, 0, 2, 2),
        prefix_length: 24,
        is_global: true,
        is_permanent: false,
        is_secondary: false,
        has_route: true,
    };
    let expected = [
        (29_956, Body::Address(address)),
        (29_958, Body::RouteGone(3)),
        (29_959, Body::AddressGone(address)),
        (0, Body::RouteGone(3)),
    ];
    assert_eq!(bodies, expected);

    let mut gone = hex::bytes(LINKS);
    gone[4] = 17;
    let first = answers(&gone).next().map(|answer| answer.body);
    assert!(matches!(first, Some(Body::LinkGone(link)) if link.index == 1));
}
