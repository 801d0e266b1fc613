// SPDX-License-Identifier: GPL-2.0-only

//! What routers advertise of name servers (RFC 8106 section 5).

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failure is what these look for"
)]

use std::net::Ipv6Addr;

use iscsi_init::proto::{
    config::{
        ip::{
            Details,
            Ip, //
        },
        text::Text, //
    },
    dhcp::pnp,
    dhcp6::lease::Information,
    nd_option::{
        NdOption,
        Resolver, //
    },
};

fn ip(text: &str) -> Ipv6Addr {
    text.parse().expect(text)
}

/// An option of `kind` with this lifetime and what is behind it.
fn option(kind: u8, lifetime: u32, rest: &[u8]) -> Vec<u8> {
    let units = rest.len().div_ceil(8).saturating_add(1);
    let mut option = vec![kind, u8::try_from(units).expect("a length"), 0, 0];
    option.extend(lifetime.to_be_bytes());
    option.extend(rest);
    option.resize(units.saturating_mul(8), 0);
    option
}

fn servers(lifetime: u32, list: &[&str]) -> Vec<u8> {
    let octets: Vec<u8> = list.iter().flat_map(|text| ip(text).octets()).collect();
    option(25, lifetime, &octets)
}

/// What `/proc/net/pnp` says once these options have come.
fn pnp(options: &[Vec<u8>]) -> String {
    pnp_beside(&Details::default(), options)
}

fn pnp_beside(details: &Details, options: &[Vec<u8>]) -> String {
    let mut text = String::new();
    pnp::write_manual(details, &resolver(options), &mut text).expect("room");
    text
}

/// What is known once these options have come.
fn resolver(options: &[Vec<u8>]) -> Resolver {
    let mut resolver = Resolver::default();
    for option in options {
        resolver.hear(&NdOption::parse(option).expect("an option"));
    }
    resolver
}

#[test]
fn the_first_three_servers_and_the_first_domain_count() {
    let domains = b"\x03lab\x07example\x00\x07example\x00";
    let options = [
        servers(600, &["2001:db8::1", "2001:db8::2"]),
        option(31, 600, domains),
        servers(u32::MAX, &["2001:db8::2", "2001:db8::3", "2001:db8::4"]),
        option(31, 600, b"\x05other\x00"),
    ];
    assert_eq!(
        pnp(&options),
        "#MANUAL\ndomain lab.example\nnameserver 2001:db8::1\nnameserver 2001:db8::2\n\
         nameserver 2001:db8::3\n"
    );
}

#[test]
fn what_a_router_takes_back_is_gone() {
    let options = [
        servers(600, &["2001:db8::1", "2001:db8::2"]),
        option(31, 600, b"\x03lab\x00"),
        servers(0, &["2001:db8::1", "2001:db8::9"]),
        option(31, 0, b"\x05other\x00"),
    ];
    assert_eq!(
        pnp(&options),
        "#MANUAL\ndomain lab\nnameserver 2001:db8::2\n"
    );
    let back = [
        &options[..],
        &[servers(60, &["2001:db8::1"]), option(31, 0, b"\x03lab\x00")],
    ]
    .concat();
    assert_eq!(
        pnp(&back),
        "#MANUAL\nnameserver 2001:db8::2\nnameserver 2001:db8::1\n"
    );
}

#[test]
fn who_is_no_server_for_every_program_is_left_out() {
    let list = ["fe80::1", "::", "::1", "ff02::fb", "::ffff:192.0.2.1"];
    let list = [&list[..], &["2001:db8::1"]].concat();
    assert_eq!(
        pnp(&[servers(600, &list)]),
        "#MANUAL\nnameserver 2001:db8::1\n"
    );
}

#[test]
fn what_a_person_says_comes_first() {
    let text = "10.0.0.2::::::off::10.0.0.54";
    let details = Ip::parse(text).expect("ip=").expect("ip=").details;
    assert_eq!(
        pnp_beside(&details, &[servers(600, &["2001:db8::1"])]),
        "#MANUAL\nnameserver 10.0.0.54\n"
    );
}

#[test]
fn what_a_dhcpv6_server_says_comes_first() {
    let advertised = resolver(&[
        servers(600, &["2001:db8::1"]),
        option(31, 600, b"\x03lab\x00"),
    ]);
    let pnp = |servers: &[&str], domain: Option<&str>| {
        let information = Information {
            dns_servers: servers.iter().map(|text| ip(text)).collect(),
            domain_name: domain.map(|domain| Text::lossy(domain.as_bytes())),
            boot_file_url: None,
            server: ip("fe80::1"),
        };
        let mut text = String::new();
        information.write_pnp(&advertised, &mut text).expect("room");
        text
    };
    for (domain, line) in [(None, "domain lab\n"), (Some("six"), "domain six\n")] {
        assert_eq!(
            pnp(&[], domain),
            format!("#PROTO: DHCP\n{line}nameserver 2001:db8::1\n")
        );
        assert_eq!(
            pnp(&["2001:db8::6"], domain),
            format!("#PROTO: DHCP\n{line}nameserver 2001:db8::6\n")
        );
    }
}

#[test]
fn what_is_no_such_option_is_none() {
    let whole = servers(600, &["2001:db8::1"]);
    for length in 0..whole.len() {
        assert_eq!(NdOption::parse(&whole[..length]), None, "{length} bytes");
    }
    let mut empty = whole.clone();
    empty[1] = 0;
    for option in [
        empty,
        // A header alone, another type, a domain that is none or that a shell would take for more.
        option(25, 0, b"")[..4].to_vec(),
        option(24, 600, &[0; 16]),
        option(31, 600, b""),
        option(31, 600, b"\x09lab\x00"),
        option(31, 600, b"\x04a;ls\x00"),
    ] {
        assert_eq!(NdOption::parse(&option), None, "{option:?}");
    }
    // An address that is cut short is none.
    assert_eq!(
        NdOption::parse(&option(25, 600, &[0x20; 8])),
        NdOption::parse(&option(25, 600, &[]))
    );
}
