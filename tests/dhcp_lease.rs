// SPDX-License-Identifier: GPL-2.0-only

//! What the DHCP client makes of servers' answers: recorded ones of dnsmasq and ISC dhcpd, and hostile ones.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failure is what these look for"
)]

use std::net::Ipv4Addr;

use iscsi_init::proto::{
    config::{
        interface::Route,
        ip::{
            Details,
            Ip, //
        },
        name::Name,
        root_path::RootPath, //
    },
    dhcp::{
        client::Client,
        error::Ignored,
        lease::{
            Lease,
            Protocol, //
        },
        packet::PacketFault,
        pnp,
    },
    nd_option::Resolver,
    time::{
        Duration,
        Instant, //
    },
};

use crate::dhcp_support::{
    client,
    recorded,
    run,
    seal,
    Reply, //
};

mod dhcp_support;

/// The lease in the last packet of a recorded conversation.
fn leased(text: &str) -> Lease {
    let packets = recorded(text);
    let mut client = client(0, true);
    for (_, packet) in packets.iter().filter(|(from_server, _)| *from_server) {
        assert_eq!(
            client.handle_packet(Instant::from_millis(0), packet),
            Ok(())
        );
    }
    lease(&client).expect("a lease").clone()
}

fn lease(client: &Client) -> Option<&Lease> {
    client.outcome().and_then(Result::ok)
}

/// The lease of a client that is sent `reply`, which has no message type.
fn bootp(reply: Reply) -> Lease {
    run(client(0, false), |_| vec![(0, reply.clone())])
        .outcome
        .expect("a lease")
}

fn pnp(lease: &Lease) -> String {
    let mut text = String::new();
    lease.write_pnp(&mut text).expect("room");
    text
}

fn address(text: &str) -> Ipv4Addr {
    text.parse().expect("an address")
}

fn route(destination: &str, prefix_length: u8, gateway: Option<&str>) -> Route {
    Route {
        destination: address(destination),
        prefix_length,
        gateway: gateway.map(address),
    }
}

#[test]
fn dnsmasq_is_understood() {
    let lease = leased(include_str!("dhcp_support/dnsmasq.hex"));
    assert_eq!(lease.protocol, Protocol::Dhcp);
    assert_eq!(
        (lease.address, lease.prefix_length),
        (address("192.0.2.59"), 24)
    );
    // Option 3 said 192.0.2.254 too; option 121 is what counts.
    let routes = [
        route("10.1.0.0", 16, Some("192.0.2.9")),
        route("0.0.0.0", 0, Some("192.0.2.254")),
    ];
    assert!(lease.routes.iter().eq(routes));
    assert_eq!(lease.router(), Some(address("192.0.2.254")));
    assert!(lease
        .dns_servers
        .iter()
        .eq(["192.0.2.2", "192.0.2.3"].map(address)));
    assert!(lease.ntp_servers.iter().eq([address("192.0.2.4")]));
    assert_eq!(
        lease.host_name.as_ref().map(|name| name.as_str()),
        Some("node1")
    );
    assert_eq!(
        lease.root_path.as_ref().map(|path| path.as_str()),
        Some("192.0.2.1:/iqn.2001-04.com.example:disk")
    );
    assert_eq!(lease.mtu, Some(9_000));
    assert_eq!(lease.server_identifier, Some(lease.server));
    assert_eq!(lease.lease_time, Some(Duration::from_secs(3_600)));
    assert_eq!(
        lease.ipv4_config().to_string(),
        "192.0.2.59/24 via 192.0.2.254"
    );
    assert_eq!(
        pnp(&lease),
        "#PROTO: DHCP\ndomain example.com\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nbootserver 192.0.2.1\n"
    );
}

#[test]
fn dhcpd_is_understood() {
    let lease = leased(include_str!("dhcp_support/dhcpd.hex"));
    assert_eq!(
        (lease.address, lease.prefix_length),
        (address("192.0.2.70"), 24)
    );
    assert!(lease
        .routes
        .iter()
        .eq([route("0.0.0.0", 0, Some("192.0.2.254"))]));
    assert!(lease
        .ntp_servers
        .iter()
        .eq(["192.0.2.5", "192.0.2.6"].map(address)));
    let path = RootPath::parse(lease.root_path.as_ref().expect("a root path").as_str())
        .expect("a root path");
    assert_eq!(
        (path.target.portal().to_string().as_str(), path.lun),
        ("192.0.2.1:3261", Some(1))
    );
    assert_eq!(
        (lease.mtu, lease.boot_server),
        (Some(1_400), address("192.0.2.77"))
    );
    assert_eq!(
        pnp(&lease),
        "#PROTO: DHCP\ndomain example.org\nnameserver 192.0.2.2\nbootserver 192.0.2.77\n"
    );
}

#[test]
fn options_that_go_on_in_file_are_understood() {
    let lease = leased(include_str!("dhcp_support/dhcpd_overload.hex"));
    let path = lease.root_path.as_ref().expect("a root path").as_str();
    assert_eq!(path.len(), 298);
    let path = RootPath::parse(path).expect("a root path");
    // The portal with its port, a colon, and the name.
    assert_eq!((path.target.to_string().len(), path.lun), (167, Some(5)));
    assert_eq!(path.initiator.map(|name| name.as_str().len()), Some(132));
    // Only `file` has these.
    assert_eq!(lease.mtu, Some(1_400));
    assert!(lease
        .ntp_servers
        .iter()
        .eq(["192.0.2.5", "192.0.2.6"].map(address)));
}

#[test]
fn options_in_sname_are_understood() {
    let mut reply = Reply::bootp(1)
        .with(17, b"10.0.0.9:/iqn.2001")
        .with(52, &[2]);
    reply.sname[..15].copy_from_slice(b"\x11\x09-04.com.ex\x06\x01\x00");
    reply.sname[10..15].copy_from_slice(b"e\xff\x11\x01x");
    let lease = bootp(reply);
    assert_eq!(
        lease.root_path.expect("a root path").as_str(),
        "10.0.0.9:/iqn.2001-04.com.e"
    );
}

#[test]
fn a_cut_packet_is_refused() {
    for text in [
        include_str!("dhcp_support/dnsmasq.hex"),
        include_str!("dhcp_support/dhcpd_overload.hex"),
    ] {
        let (_, packet) = recorded(text).remove(1);
        for length in 0..packet.len() {
            let result = client(0, true).handle_packet(Instant::from_millis(0), &packet[..length]);
            assert_eq!(
                result,
                Err(Ignored::Packet(PacketFault::Truncated)),
                "{length}"
            );
        }
    }
}

#[test]
fn a_message_cut_anywhere_says_no_more_than_it_has() {
    let (_, whole) = recorded(include_str!("dhcp_support/dhcpd_overload.hex")).remove(1);
    let root_path = leased(include_str!("dhcp_support/dhcpd_overload.hex"))
        .root_path
        .expect("a root path");
    for length in 20..whole.len() {
        let mut packet = whole[..length].to_vec();
        packet[2..4].copy_from_slice(&u16::try_from(length).expect("short").to_be_bytes());
        if length >= 28 {
            packet[24..26]
                .copy_from_slice(&u16::try_from(length - 20).expect("short").to_be_bytes());
            seal(&mut packet);
        } else {
            continue;
        }
        let mut client = client(0, false);
        let result = client.handle_packet(Instant::from_millis(0), &packet);
        // The fixed part, the cookie, the message type and the server identifier.
        let expected = match length {
            0..264 => Err(Ignored::Packet(PacketFault::Truncated)),
            264..271 => Ok(()),
            271..277 => Err(Ignored::NoServerIdentifier {
                server: [192, 0, 2, 1].into(),
            }),
            _ => Ok(()),
        };
        assert_eq!(result, expected, "{length}");
        if let Some(lease) = lease(&client) {
            assert_eq!((length < 271, lease.protocol), (true, Protocol::Bootp));
            assert!(lease
                .root_path
                .as_ref()
                .is_none_or(|path| root_path.as_str().starts_with(path.as_str())));
        }
    }
}

#[test]
fn classless_routes_are_those_of_rfc_3442() {
    let routes = |value: &[u8]| -> Vec<Route> {
        let reply = Reply::bootp(1).with(3, &[10, 0, 0, 254]).with(121, value);
        bootp(reply).routes.iter().collect()
    };
    // The examples of RFC 3442, with the router 10.0.0.1; then a destination on the link.
    let mut value = Vec::new();
    let examples: [(&[u8], Route); 8] = [
        (&[0], route("0.0.0.0", 0, Some("10.0.0.1"))),
        (&[8, 10], route("10.0.0.0", 8, Some("10.0.0.1"))),
        (&[24, 10, 0, 0], route("10.0.0.0", 24, Some("10.0.0.1"))),
        (&[16, 10, 17], route("10.17.0.0", 16, Some("10.0.0.1"))),
        (
            &[24, 10, 27, 129],
            route("10.27.129.0", 24, Some("10.0.0.1")),
        ),
        (
            &[25, 10, 229, 0, 128],
            route("10.229.0.128", 25, Some("10.0.0.1")),
        ),
        (
            &[32, 10, 198, 122, 47],
            route("10.198.122.47", 32, Some("10.0.0.1")),
        ),
        (&[4, 0xff], route("240.0.0.0", 4, Some("10.0.0.1"))),
    ];
    for (descriptor, _) in &examples {
        value.extend(*descriptor);
        value.extend([10, 0, 0, 1]);
    }
    assert_eq!(routes(&value), examples.map(|(_, route)| route));
    assert_eq!(
        routes(&[16, 169, 254, 0, 0, 0, 0]),
        [route("169.254.0.0", 16, None)]
    );
    // No more than 16 are kept.
    assert_eq!(routes(&[8, 10, 10, 0, 0, 1].repeat(17)).len(), 16);
    assert_eq!(
        routes(&[32, 10, 198, 122, 47, 10, 0, 0, 1].repeat(17)).len(),
        16
    );
    // What is no such list leaves the routers of option 3.
    let router = [route("0.0.0.0", 0, Some("10.0.0.254"))];
    for value in [
        &[][..],
        &[33, 1, 2, 3, 4, 5, 10, 0, 0, 1],
        &[8, 10, 10, 0, 0],
        &[8, 10, 10, 0, 0, 1, 24, 10],
    ] {
        assert_eq!(routes(value), router);
    }
}

#[test]
fn static_routes_are_classful_and_give_way_to_classless_ones() {
    let reply = |value: &[u8]| Reply::bootp(1).with(3, &[10, 0, 0, 254]).with(33, value);
    let routes = |value: &[u8]| -> Vec<Route> { bootp(reply(value)).routes.iter().collect() };
    let default = route("0.0.0.0", 0, Some("10.0.0.254"));
    let value = [
        172, 16, 0, 0, 10, 0, 0, 1, 172, 17, 0, 9, 10, 0, 0, 1, // A network and a host.
        0, 0, 0, 0, 10, 0, 0, 1, 172, 18, 0, 0, 0, 0, 0, 0, 172, 19, // None of them.
    ];
    assert_eq!(
        routes(&value),
        [
            default,
            route("172.16.0.0", 16, Some("10.0.0.1")),
            route("172.17.0.9", 32, Some("10.0.0.1"))
        ]
    );
    let lease = bootp(reply(&value).with(121, &[8, 10, 10, 0, 0, 1]));
    assert!(lease
        .routes
        .iter()
        .eq([route("10.0.0.0", 8, Some("10.0.0.1"))]));
}

#[test]
fn a_broadcast_address_is_of_the_network() {
    let broadcast = |value: &[u8]| bootp(Reply::bootp(1).with(28, value)).broadcast;
    assert_eq!(broadcast(&[10, 0, 0, 255]), Some(address("10.0.0.255")));
    assert_eq!(broadcast(&[11, 0, 0, 255]), None);
    assert_eq!(broadcast(&[10, 0, 0]), None);
}

#[test]
fn the_initiator_may_be_named_in_two_places() {
    let name = |reply: Reply| bootp(reply).initiator.map(|name| name.as_str().to_owned());
    let vendor = b"\x01\x02zz\xcb\x16iqn.2001-04.com.vendor\xff";
    let own = b"iqn.2001-04.com.example\0";
    assert_eq!(
        name(Reply::bootp(1).with(203, own).with(43, vendor)).as_deref(),
        Some("iqn.2001-04.com.example")
    );
    assert_eq!(
        name(Reply::bootp(1).with(43, vendor)).as_deref(),
        Some("iqn.2001-04.com.vendor")
    );
    // A name that is cut does not become another one.
    let long = [&own[..own.len() - 1], &[b'a'; 220]].concat();
    assert!(Name::parse(&name(Reply::bootp(1).with(203, &long)).expect("a text")).is_err());
}

#[test]
fn the_root_path_of_adapters_comes_second() {
    let path = |reply: Reply| bootp(reply).root_path.map(|path| path.as_str().to_owned());
    let vendor = b"\xc9\x1ciscsi:10.0.0.8:::1:iqn.2001-";
    assert_eq!(
        path(Reply::bootp(1).with(43, vendor)).as_deref(),
        Some("iscsi:10.0.0.8:::1:iqn.2001-")
    );
    assert_eq!(
        path(Reply::bootp(1).with(43, vendor).rooted()).as_deref(),
        Some("10.0.0.9:/iqn.2001-04.com.example:disk")
    );
    // Not one that goes on behind its end.
    assert_eq!(path(Reply::bootp(1).with(43, &vendor[..20])), None);
}

#[test]
fn a_domain_may_come_from_those_to_search() {
    let search = b"\x03lab\x07example\0\x03lan\0";
    let lease = bootp(Reply::bootp(1).with(119, search));
    assert_eq!(lease.search_domains.as_str(), "lab.example lan");
    assert!(lease.is_domain_searched);
    assert_eq!(
        pnp(&lease),
        "#PROTO: BOOTP\ndomain lab.example\nnameserver 10.0.0.1\nbootserver 10.0.0.1\n"
    );
    let lease = bootp(Reply::bootp(1).with(119, search).with(15, b"example"));
    assert!(!lease.is_domain_searched);
    assert_eq!(
        lease.domain_name.map(|name| name.to_string()).as_deref(),
        Some("example")
    );
    // In parts, as RFC 3397 has it for a long one.
    let parts = Reply::bootp(1)
        .with(119, &search[..5])
        .with(119, &search[5..]);
    assert_eq!(bootp(parts).search_domains.as_str(), "lab.example lan");
}

#[test]
fn values_that_make_no_sense_are_not_believed() {
    let netmask = |value: &[u8]| bootp(Reply::bootp(1).with(1, value)).prefix_length;
    assert_eq!(netmask(&[255, 255, 240, 0]), 20);
    // 10.0.0.101 is in a network of class A.
    assert_eq!(
        [&[255, 0, 255, 0][..], &[0; 4], &[255, 255], &[]].map(netmask),
        [8; 4]
    );
    let mtu = |value: &[u8]| bootp(Reply::bootp(1).with(26, value)).mtu;
    assert_eq!(
        [&[2, 0x40][..], &[2, 0x3f], &[0, 68], &[5]].map(mtu),
        [Some(576), None, None, None]
    );
    let lease_time = |value: &[u8]| bootp(Reply::bootp(1).with(51, value)).lease_time;
    assert_eq!([&[0xff; 4][..], &[0, 0, 1]].map(lease_time), [None; 2]);
    let servers = bootp(Reply::bootp(1).with(6, &[10; 17])).dns_servers;
    assert_eq!(servers.iter().count(), 3);
    let servers = bootp(Reply::bootp(1).with(6, &[10; 7])).dns_servers;
    assert_eq!(servers.iter().count(), 1);
}

#[test]
fn texts_end_before_what_cannot_be_shown() {
    let lease = bootp(
        Reply::bootp(1)
            .with(12, b"node1\0\0")
            .with(15, b"a.example\nnameserver 10.6.6.6"),
    );
    assert_eq!(
        lease.host_name.as_ref().map(|name| name.as_str()),
        Some("node1")
    );
    assert_eq!(
        lease.domain_name.as_ref().map(|name| name.as_str()),
        Some("a.example")
    );
    // 63 characters and no more, as with ipconfig.
    let lease = bootp(Reply::bootp(1).with(15, &[b'a'; 64]));
    assert_eq!(lease.domain_name.map(|name| name.as_str().len()), Some(63));
    assert_eq!(
        bootp(Reply::bootp(1).with(12, b"\0").with(15, b"")).domain_name,
        None
    );
}

#[test]
fn a_root_path_is_whole_or_refused() {
    let root_path = |value: &[u8]| {
        let parts = value
            .chunks(255)
            .fold(Reply::bootp(1), |reply, part| reply.with(17, part));
        bootp(parts).root_path.map(|path| path.as_str().to_owned())
    };
    let path = "10.0.0.9:/iqn.2001-04.com.example:disk";
    assert_eq!(root_path(path.as_bytes()).as_deref(), Some(path));
    assert_eq!(
        root_path(&[path.as_bytes(), &[0, 0]].concat()).as_deref(),
        Some(path)
    );
    assert_eq!([root_path(b""), root_path(b"\0")], [None, None]);
    // Bytes that are no text, and texts that are cut, do not become another root path.
    for value in [
        [path.as_bytes(), b"\0/x"].concat(),
        [path.as_bytes(), b"\xff"].concat(),
    ] {
        assert!(RootPath::parse(&root_path(&value).expect("a text")).is_err());
    }
    let long = format!("{path}//{:0>600}", 1);
    for length in 513..600 {
        assert!(RootPath::parse(&root_path(&long.as_bytes()[..length]).expect("a text")).is_err());
    }
    assert_eq!(
        RootPath::parse(&root_path(&long.as_bytes()[..512]).expect("a text")).map(|path| path.lun),
        Ok(Some(0))
    );
}

#[test]
fn pnp_is_what_ipconfig_writes() {
    // No name server: the server that offered the address, or else the boot server; no boot server: 0.0.0.0.
    let lease = bootp(Reply::bootp(1));
    assert_eq!(
        pnp(&lease),
        "#PROTO: BOOTP\nnameserver 10.0.0.1\nbootserver 10.0.0.1\n"
    );
    let lease = bootp(Reply {
        siaddr: [10, 0, 0, 77],
        ..Reply::bootp(1)
    });
    assert_eq!(
        pnp(&lease),
        "#PROTO: BOOTP\nnameserver 10.0.0.77\nbootserver 10.0.0.77\n"
    );
    let reply = Reply {
        siaddr: [0; 4],
        ..Reply::offer(7)
    };
    let ending = run(client(0, false), |sent| {
        let options = if sent.asked.is_some() {
            Reply::ack(7).options
        } else {
            Reply::offer(7).options
        };
        vec![(
            0,
            Reply {
                options,
                ..reply.clone()
            },
        )]
    });
    assert_eq!(
        pnp(&ending.outcome.expect("a lease")),
        "#PROTO: DHCP\nnameserver 10.0.0.7\nbootserver 0.0.0.0\n"
    );
    let manual = |details: &Details| {
        let mut text = String::new();
        pnp::write_manual(details, &Resolver::default(), &mut text).expect("room");
        text
    };
    assert_eq!(manual(&Details::default()), "#MANUAL\n");
    let text = "10.0.0.2:10.0.0.9:::::off::10.0.0.54:10.0.0.123";
    let details = Ip::parse(text).expect("ip=").expect("ip=").details;
    assert_eq!(
        manual(&details),
        "#MANUAL\nnameserver 10.0.0.54\nbootserver 10.0.0.9\n"
    );
    let mut text = String::new();
    let servers = ["10.0.0.1", "10.0.0.2"].map(address);
    pnp::write_ntp_servers(servers.into_iter(), &mut text).expect("room");
    assert_eq!(text, "10.0.0.1\n10.0.0.2\n");
}

#[test]
fn what_a_person_says_comes_before_what_the_server_says() {
    let reply = Reply::bootp(1)
        .with(1, &[255, 255, 255, 0])
        .with(28, &[10, 0, 0, 255])
        .with(33, &[172, 16, 0, 0, 10, 0, 0, 3])
        .with(3, &[10, 0, 0, 254])
        .with(6, &[10, 0, 0, 6, 10, 0, 0, 7, 10, 0, 0, 8])
        .with(12, b"served")
        .with(42, &[10, 0, 0, 9, 10, 0, 0, 10]);
    let mut lease = bootp(reply);
    let before = lease.clone();
    let prefer = |lease: &mut Lease, text| {
        lease.prefer(&Ip::parse(text).expect(text).expect(text).details);
    };
    prefer(&mut lease, "eth0:dhcp");
    assert_eq!(lease, before);
    prefer(
        &mut lease,
        ":10.0.0.77:10.0.0.253:16:mine.nis:eth0:dhcp::10.0.0.70:10.0.0.90",
    );
    assert_eq!(
        lease.ipv4_config().to_string(),
        "10.0.0.101/16 via 10.0.0.253"
    );
    assert_eq!(lease.broadcast, None);
    assert_eq!(lease.routes.iter().count(), 2);
    let domain = lease.nis_domain.as_ref().map(ToString::to_string);
    assert_eq!(domain.as_deref(), Some("nis"));
    let name = lease.host_name.as_ref().map(ToString::to_string);
    assert_eq!(name.as_deref(), Some("mine"));
    assert_eq!(
        pnp(&lease),
        "#PROTO: BOOTP\nnameserver 10.0.0.6\nnameserver 10.0.0.70\nnameserver 10.0.0.8\n\
         bootserver 10.0.0.77\n"
    );
    assert!(lease
        .ntp_servers
        .iter()
        .eq(["10.0.0.90", "10.0.0.10"].map(address)));
    prefer(&mut lease, "eth0:dhcp:1400");
    assert_eq!(lease.mtu, Some(1_400));
}

#[test]
fn every_packet_is_long_enough_for_relay_agents() {
    let ending = run(client(0, true), |_| Vec::new());
    assert!(ending.sent.iter().all(|sent| sent.packet.len() == 328));
}
