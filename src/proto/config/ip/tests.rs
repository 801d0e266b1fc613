// SPDX-License-Identifier: GPL-2.0-only

//! What `ip=` says, and what it cannot say.

extern crate std;

use std::{
    format,
    string::{
        String,
        ToString, //
    }, //
};

use super::*;

fn ip(text: &str) -> Ip {
    Ip::parse(text).expect(text).expect(text)
}

/// The device and the address in one line.
fn interface(text: &str) -> String {
    ip(text).interface.to_string()
}

fn fault(text: &str) -> Option<(IpFault, usize)> {
    Ip::parse(text)
        .err()
        .map(|error| (error.reason, error.offset))
}

fn client_id(text: &str) -> Option<(u8, String)> {
    let id = ip(text).details.identity.client_id?;
    Some((id.kind, id.value.to_string()))
}

#[test]
fn a_method_may_stand_alone() {
    for text in ["dhcp", "on", "any", "both", "bootp", "single-dhcp"] {
        assert_eq!(interface(text), "any", "{text}");
    }
    for text in ["", "off", "none", "ibft", "::::::off", ":::::::none"] {
        if text == ":::::::none" {
            assert_eq!(fault(text), Some((IpFault::Address, 7)));
        } else {
            assert_eq!(Ip::parse(text), Ok(None), "{text}");
        }
    }
}

#[test]
fn the_kernels_form_is_read() {
    // The example of Documentation/admin-guide/nfs/nfsroot.rst's grammar with all of its fields.
    let text = "192.0.2.9:192.0.2.1:192.0.2.254:255.255.255.0:node1.lab.example:eth0:off:\
                192.0.2.53:192.0.2.54:192.0.2.123";
    let whole = ip(text);
    assert_eq!(
        whole.interface.to_string(),
        "eth0 with 192.0.2.9/24 via 192.0.2.254"
    );
    let details = whole.details;
    let name = |text: &Option<Text<64>>| text.as_ref().map(ToString::to_string);
    assert_eq!(name(&details.identity.host_name).as_deref(), Some("node1"));
    assert_eq!(name(&details.nis_domain).as_deref(), Some("lab.example"));
    assert_eq!(details.server, Some(Ipv4Addr::new(192, 0, 2, 1)));
    assert_eq!(
        details
            .dns_servers
            .map(|server| server.map(|server| server.to_string())),
        ["192.0.2.53", "192.0.2.54"].map(|server| Some(server.to_string()))
    );
    assert_eq!(details.ntp_server, Some(Ipv4Addr::new(192, 0, 2, 123)));

    assert_eq!(interface("192.0.2.9"), "any with 192.0.2.9/24");
    assert_eq!(interface("10.0.0.9::::::"), "any with 10.0.0.9/8");
    assert_eq!(
        interface("10.0.0.9:::24::eth1:none"),
        "eth1 with 10.0.0.9/24"
    );
    assert_eq!(interface(":::::eth0:"), "eth0");
    assert_eq!(interface(":::::eth0"), "eth0");
    assert_eq!(interface(":::::eth0:any"), "eth0");
    assert_eq!(interface("::::node1::dhcp"), "any");
    // As for dracut.
    assert_eq!(interface("10.0.0.9:::24::eth1:dhcp"), "eth1");
    assert_eq!(
        ip("::::node1::dhcp").details.identity.host_name,
        Text::new("node1")
    );
    assert_eq!(
        ip("::10.0.0.1:::eth0:dhcp").details.gateway,
        Some(Ipv4Addr::new(10, 0, 0, 1))
    );
}

#[test]
fn dracuts_forms_are_read() {
    assert_eq!(interface("enp1s0:dhcp"), "enp1s0");
    assert_eq!(interface("enp1s0:on:1400"), "enp1s0");
    assert_eq!(ip("enp1s0:dhcp:1400").details.mtu, Some(1_400));
    assert_eq!(ip("enp1s0:dhcp:1400:").details.mtu, Some(1_400));
    assert_eq!(interface("52-54-00-12-34-56:dhcp"), "52:54:00:12:34:56");
    let mtu = ip("10.0.0.9::10.0.0.1:255.255.255.0:node1:eth0:none:9000");
    assert_eq!(mtu.details.mtu, Some(9_000));
    let Addressing::Static(config) = mtu.interface.addressing else {
        panic!("not static");
    };
    assert_eq!(config.mtu, Some(9_000));
    assert_eq!(config.to_string(), "10.0.0.9/24 via 10.0.0.1");
    assert_eq!(
        ip("10.0.0.9::10.0.0.1:8:node1:eth0:none:10.0.0.53")
            .details
            .dns_servers,
        [Some(IpAddr::from([10, 0, 0, 53])), None]
    );
}

#[test]
fn a_client_identifier_goes_with_dhcp() {
    let id = |kind, value: &str| Some((kind, value.to_string()));
    assert_eq!(client_id("dhcp,1,node1"), id(1, "node1"));
    assert_eq!(client_id("dhcp,0x0f,a,b:c"), id(15, "a,b:c"));
    assert_eq!(client_id("::::node1:eth0:dhcp,0,x"), id(0, "x"));
    assert_eq!(client_id("dhcp"), None);
    for text in [
        "dhcp,1,",
        "dhcp,256,x",
        "dhcp,x,y",
        "dhcp,1",
        "dhcp,,x",
        "dhcp,0x+1,y",
    ] {
        assert!(Ip::parse(text).is_err(), "{text}");
    }
    assert_eq!(fault(":::::eth0:dhcp,1"), Some((IpFault::ClientId, 10)));
    let long = format!("dhcp,1,{:x<252}", "");
    assert!(Ip::parse(&long).is_ok());
    assert!(Ip::parse(&format!("{long}x")).is_err());
}

#[test]
fn what_cannot_be_meant_says_why_and_where() {
    use IpFault as F;
    assert_eq!(fault("eth0"), Some((F::Form, 0)));
    assert_eq!(fault("a/b:dhcp"), Some((F::Form, 0)));
    assert_eq!(fault("10.0.0"), Some((F::Form, 0)));
    assert_eq!(fault("eth0:static"), Some((F::Method, 5)));
    assert_eq!(fault("eth0:none"), Some((F::NoAddress, 5)));
    assert_eq!(fault(":::::eth0:off"), Some((F::NoAddress, 10)));
    assert_eq!(fault("eth0:dhcp6"), Some((F::Ipv6, 5)));
    assert_eq!(fault("[2001:db8::1]::::::none"), Some((F::Ipv6, 0)));
    assert_eq!(
        fault("10.0.0.2::[fe80::1]:::eth0:none"),
        Some((F::Ipv6, 10))
    );
    assert_eq!(fault(":::::eth0:rarp"), Some((F::Rarp, 10)));
    assert_eq!(fault("127.0.0.1::::::"), Some((F::NotAHost, 0)));
    assert_eq!(fault("10.0.0.2:x"), Some((F::Address, 9)));
    assert_eq!(fault("10.0.0.2:::255.0.255.0"), Some((F::Netmask, 11)));
    assert_eq!(fault("10.0.0.2:::0"), Some((F::Netmask, 11)));
    assert_eq!(fault("10.0.0.2:::33"), Some((F::Netmask, 11)));
    let gateway = F::Gateway {
        address: Ipv4Addr::new(10, 0, 0, 2),
        prefix_length: 24,
    };
    assert_eq!(fault("10.0.0.2::10.0.1.1:24"), Some((gateway, 10)));
    assert_eq!(fault("::::a b::dhcp"), Some((F::HostName, 4)));
    assert_eq!(fault("::::-rf::dhcp"), Some((F::HostName, 4)));
    assert_eq!(fault(":::::a/b:dhcp"), Some((F::Device, 5)));
    assert_eq!(fault("eth0:dhcp:67"), Some((F::Mtu, 10)));
    assert_eq!(
        fault("eth0:dhcp:1400:52:54:00:12:34:56"),
        Some((F::Mac, 15))
    );
    assert_eq!(fault("eth0:dhcp::52:54:00:12:34:56"), Some((F::Mac, 11)));
    assert_eq!(
        fault("10.0.0.2::::::off:10.0.0.3:10.0.0.4:10.0.0.5:x"),
        Some((F::TooMany, 45))
    );
}
