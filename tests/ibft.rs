// SPDX-License-Identifier: GPL-2.0-only

//! From the firmware's table to what is booted.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a failure is what these look for"
)]

use iscsi_init::proto::{
    config::{
        cmdline::Arguments,
        ibft::{
            Ibft,
            IbftFault,
            Origin, //
        },
        ip::Details,
        machine::Machine,
        merge::{
            Boot,
            Request,
            Source, //
        },
        name::Name,
        root_path::RootPath, //
    },
    iscsi::chap::Credentials, //
};

#[path = "dhcp_support/hex.rs"]
mod hex;
mod ibft_support;

use ibft_support::{
    usual,
    Nic,
    Table,
    Target,
    INITIATOR,
    SELECTED,
    VALID, //
};

/// A table of iPXE's.
const IPXE: &str = include_str!("ibft_ipxe_e1000.hex");

const TARGET: &str = "iqn.2001-04.com.example:disk";
const MACHINE: Machine<'_> = Machine {
    uuid: None,
    host_name: None,
    mac: [0x52, 0x54, 0x00, 0xaa, 0x00, 0x01],
};

fn request(line: &str) -> Request {
    let arguments = Arguments::parse(line.as_bytes()).unwrap();
    Request::new(&Arguments::default(), &arguments, &mut |_| ()).unwrap()
}

fn completed(line: &str, table: &[u8]) -> Request {
    let mut request = request(line);
    request.take_ibft(Ibft::parse(table).unwrap(), true, &mut |_| ());
    request
}

#[test]
fn every_field_is_read() {
    let target = Target {
        port: 860,
        lun: [0x41, 0x00, 0, 0, 0, 0, 0, 0],
        ..Target::default()
    };
    let nic = Nic {
        index: 3,
        dns: ["192.0.2.53", "192.0.2.54"],
        dhcp: "192.0.2.2",
        origin: 3,
        vlan: 4094,
        pci: 0x3b09,
        ..Nic::default()
    };
    let table = usual(&nic, &target);
    let ibft = Ibft::parse(&table).unwrap();
    assert_eq!(ibft.initiator(), Name::parse(INITIATOR).ok());

    let nic = ibft.nics().next().unwrap();
    assert_eq!((nic.index, nic.is_selected), (3, true));
    assert_eq!(nic.address, "192.0.2.7".parse().ok());
    assert_eq!((nic.prefix_length, nic.origin), (24, Origin::Dhcp));
    assert_eq!(nic.gateway, "192.0.2.1".parse().ok());
    assert_eq!(
        nic.dns,
        ["192.0.2.53".parse().ok(), "192.0.2.54".parse().ok()]
    );
    assert_eq!(nic.dhcp, "192.0.2.2".parse().ok());
    assert_eq!((nic.vlan, nic.mac[5]), (Some(4094), 0x56));
    assert_eq!(nic.pci.to_string(), "3b:01.1");
    assert_eq!(nic.host_name.unwrap().as_str(), "kiosk");

    let target = ibft.targets().next().unwrap();
    assert_eq!((target.index, target.is_selected), (0, true));
    assert_eq!(target.address, "192.0.2.9".parse().ok());
    assert_eq!((target.port, target.lun, target.nic), (860, 256, 0));
    assert_eq!(target.name, Name::parse(TARGET).ok());
    assert!(target.chap.is_none());
}

#[test]
fn a_table_of_ipxes_is_read() {
    let table = hex::bytes(IPXE);
    assert_eq!(table.len(), 578);
    let request = completed("", &table);
    assert_eq!(
        request.interface.unwrap().to_string(),
        "52:54:00:12:34:56 (iBFT)"
    );
    assert_eq!(
        request.initiator.unwrap().to_string(),
        "iqn.2010-04.org.ipxe:kiosk (iBFT)"
    );
    assert_eq!(
        request.target.unwrap().to_string(),
        "192.168.7.1:3260:iqn.2004-01.net.example:diskless (iBFT)"
    );
    assert_eq!(request.lun.unwrap().value, 1);

    let nic = Ibft::parse(&table).unwrap().boot_nic().unwrap();
    assert_eq!((nic.origin, nic.prefix_length), (Origin::Dhcp, 24));
    assert_eq!(nic.address, "192.168.7.158".parse().ok());
    let server = "192.168.7.1".parse().ok();
    assert_eq!((nic.gateway, nic.dhcp), (server, server));
    assert_eq!(nic.dns, [server, None]);
    assert_eq!((nic.index, nic.vlan), (0, None));
    assert_eq!(nic.pci.to_string(), "00:02.0");
    assert_eq!(nic.host_name.unwrap().as_str(), "kiosk");
}

#[test]
fn a_machine_without_arguments_boots_from_it() {
    let request = completed(
        "ro root=/dev/sda1",
        &usual(&Nic::default(), &Target::default()),
    );
    assert_eq!(
        request.interface.as_ref().unwrap().to_string(),
        "52:54:00:12:34:56 with 192.0.2.7/24 via 192.0.2.1 (iBFT)"
    );
    // The DHCP root path comes last.
    let path = RootPath::parse("10.0.0.3:/eui.0000000000000003/eui.00000000000000a3/3").unwrap();
    let boot = Boot::new(&request, Some(&path), None, &MACHINE, &mut |_| ()).unwrap();
    assert_eq!(
        [
            boot.initiator.to_string(),
            boot.target.to_string(),
            boot.lun.to_string()
        ],
        [
            format!("{INITIATOR} (iBFT)"),
            format!("192.0.2.9:3260:{TARGET} (iBFT)"),
            "7 (iBFT)".to_string()
        ]
    );
}

#[test]
fn a_lun_is_that_of_its_target() {
    let mut table = Table::new(6);
    for (name, lun) in [(TARGET, 7_u8), ("iqn.2001-04.com.example:other", 9)] {
        table.target(&Target {
            name,
            lun: [0, lun, 0, 0, 0, 0, 0, 0],
            ..Target::default()
        });
    }
    let table = table.finish();
    for (line, lun) in [
        ("", Some(7)),
        (
            "iscsi-target=10.0.0.1:iqn.2001-04.com.example:other",
            Some(9),
        ),
        ("iscsi-target=10.0.0.1:iqn.2001-04.com.example:nobody", None),
        ("iscsi-target=10.0.0.1", None),
        ("iscsi-target=10.0.0.1 iscsi-lun=3", Some(3)),
    ] {
        let found = completed(line, &table).lun.map(|lun| lun.value);
        assert_eq!(found, lun, "{line}");
    }
}

#[test]
fn what_somebody_has_said_stays() {
    let line =
        "iscsi-if=eth1 iscsi-initiator=eui.00000000000000a2 iscsi-target=10.0.0.1 iscsi-lun=1";
    let table = usual(&Nic::default(), &Target::default());
    assert_eq!(completed(line, &table), request(line));
    let lun = completed("iscsi-lun=1", &table);
    assert_eq!(lun.lun.unwrap().source, Source::Argument);
    assert_eq!(lun.target.unwrap().source, Source::Ibft);
    // A network that is there already is not made again.
    let mut request = request("");
    request.take_ibft(Ibft::parse(&table).unwrap(), false, &mut |_| ());
    assert_eq!(request.details, Details::default());
    assert!(request.interface.is_none() && request.target.is_some());
}

#[test]
fn the_selected_target_and_its_nic_are_taken() {
    let nics = [0, 1].map(|index| Nic {
        index,
        flags: VALID,
        mac: [2, 0, 0, 0, 0, index],
        ..Nic::default()
    });
    let targets = [(0, VALID, "192.0.2.8"), (1, SELECTED, "192.0.2.9")];
    let mut table = Table::new(6);
    table.initiator(0, "eui.00000000000000a0");
    table.initiator(VALID, INITIATOR);
    for nic in &nics {
        table.nic(nic);
    }
    for (index, flags, address) in targets {
        table.target(&Target {
            index,
            flags,
            address,
            nic: index,
            ..Target::default()
        });
    }
    let table = table.finish();
    let ibft = Ibft::parse(&table).unwrap();
    assert_eq!(ibft.initiator().unwrap().as_str(), INITIATOR);
    assert_eq!(ibft.boot_nic().unwrap().mac[5], 1);
    let targets: Vec<String> = ibft
        .targets_in_order()
        .map(|(target, _)| target.to_string())
        .collect();
    assert_eq!(
        targets,
        [
            format!("192.0.2.9:3260:{TARGET}"),
            format!("192.0.2.8:3260:{TARGET}")
        ]
    );
}

#[test]
fn what_is_not_valid_or_not_known_is_not_looked_at() {
    let mut table = Table::new(8);
    table.target(&Target {
        flags: 0,
        name: "no name",
        chap_type: 9,
        ..Target::default()
    });
    table.structure(7, 0, SELECTED, b"future");
    table.structure(5, 0, SELECTED, b"");
    // A target that was never reached has no address; one that discovery did not find, no name.
    for target in [("", TARGET), ("192.0.2.9", "")] {
        table.target(&Target {
            address: target.0,
            name: target.1,
            ..Target::default()
        });
    }
    table.target(&Target {
        flags: VALID,
        address: "2001:db8::9",
        ..Target::default()
    });
    let table = table.finish();
    let ibft = Ibft::parse(&table).unwrap();
    assert_eq!(ibft.targets().count(), 3);
    let (target, lun) = ibft.boot_target().unwrap();
    assert_eq!(target.to_string(), format!("[2001:db8::9]:3260:{TARGET}"));
    assert_eq!(lun, 7);
    assert!(completed("", &table).interface.is_none());
}

#[test]
fn a_nic_is_used_as_the_firmware_does() {
    let interface = |nic: &Nic<'_>| {
        let table = usual(nic, &Target::default());
        let interface = completed("", &table).interface;
        interface.unwrap().value.to_string()
    };
    let mac = || "52:54:00:12:34:56".to_string();
    let with = |text: &str| format!("52:54:00:12:34:56 with {text}");
    let dhcp = Nic {
        origin: 3,
        ..Nic::default()
    };
    assert_eq!(interface(&dhcp), mac());
    let nowhere = Nic {
        address: "0.0.0.0",
        ..Nic::default()
    };
    assert_eq!(interface(&nowhere), mac());
    let elsewhere = Nic {
        gateway: "192.0.3.1",
        ..Nic::default()
    };
    assert_eq!(interface(&elsewhere), with("192.0.2.7/24"));
    let classful = Nic {
        prefix_length: 0,
        address: "10.0.0.7",
        gateway: "10.1.0.1",
        ..Nic::default()
    };
    assert_eq!(interface(&classful), with("10.0.0.7/8 via 10.1.0.1"));
    let vlan = |origin| Nic {
        vlan: 100,
        origin,
        ..Nic::default()
    };
    assert_eq!(interface(&vlan(3)), format!("VLAN 100 on {}", mac()));
    assert_eq!(
        interface(&vlan(1)),
        format!("VLAN 100 on {} with 192.0.2.7/24 via 192.0.2.1", mac())
    );
}

#[test]
fn an_ipv6_address_is_used_as_an_ipv4_one_is() {
    let interface = |address, prefix_length, gateway, origin| {
        let nic = Nic {
            address,
            prefix_length,
            gateway,
            origin,
            vlan: 7,
            ..Nic::default()
        };
        let interface = completed("", &usual(&nic, &Target::default())).interface;
        let whole = interface.unwrap().value.to_string();
        let (device, address) = whole.split_once(" with ").unwrap_or((&whole, "no address"));
        assert_eq!(device, "VLAN 7 on 52:54:00:12:34:56");
        address.to_string()
    };
    let own = "2001:db8::7";
    for (prefix_length, gateway, shown) in [
        (64, "2001:db8::1", "2001:db8::7/64 via 2001:db8::1"),
        (64, "fe80::1", "2001:db8::7/64 via fe80::1"),
        (128, "", "2001:db8::7/128"),
        // What is of no use to the kernel, and what is not said.
        (64, "2001:db8:0:1::1", "2001:db8::7/64"),
        (64, "192.0.2.1", "2001:db8::7/64"),
        (0, "", "2001:db8::7/64"),
    ] {
        assert_eq!(interface(own, prefix_length, gateway, 1), shown);
    }
    // A server, a router or the kernel gives it again.
    for (address, origin) in [(own, 3), (own, 4), ("fe80::7", 1)] {
        assert_eq!(
            interface(address, 64, "2001:db8::1", origin),
            "no address",
            "{address}"
        );
    }
}

#[test]
fn names_and_name_servers_go_with_an_address_that_is_written_down() {
    let details = |nic: &Nic<'_>| {
        let Details {
            identity,
            dns_servers,
            ..
        } = completed("", &usual(nic, &Target::default())).details;
        let name = identity.host_name.map(|name| name.as_str().to_string());
        (
            name.unwrap_or_default(),
            dns_servers.map(|server| server.map(|server| server.to_string()).unwrap_or_default()),
        )
    };
    let servers = |first: &str, second: &str| [first.to_string(), second.to_string()];
    let ipv4 = Nic::default();
    assert_eq!(
        details(&ipv4),
        ("kiosk".to_string(), servers("192.0.2.53", ""))
    );
    let ipv6 = Nic {
        address: "2001:db8::7",
        dns: ["2001:db8::53", "2001:db8::54"],
        ..Nic::default()
    };
    assert_eq!(
        details(&ipv6),
        ("kiosk".to_string(), servers("2001:db8::53", "2001:db8::54"))
    );
    // A server that gives the address says it anew.
    let dhcp = Nic {
        origin: 3,
        ..Nic::default()
    };
    assert_eq!(details(&dhcp), (String::new(), servers("", "")));
}

#[test]
fn another_nic_is_there_for_when_the_first_cannot_be_used() {
    let spare = |nics: &[Nic<'_>]| {
        let mut table = Table::new(6);
        for nic in nics {
            table.nic(nic);
        }
        let target = Target {
            nic: 1,
            ..Target::default()
        };
        table.target(&target);
        let request = completed("", &table.finish());
        let [first, spare] = [
            request.interface.map(|setting| setting.value),
            request.spare.map(|spare| spare.interface),
        ]
        .map(|interface| interface.map(|interface| interface.device.to_string()));
        (first.unwrap(), spare)
    };
    let nic = |index, last, vlan| Nic {
        index,
        mac: [2, 0, 0, 0, 0, last],
        vlan,
        ..Nic::default()
    };
    let [a, b] = ["02:00:00:00:00:0a", "02:00:00:00:00:0b"].map(String::from);
    // That of the boot target is the first.
    assert_eq!(
        spare(&[nic(0, 10, 0), nic(1, 11, 0), nic(2, 12, 0)]),
        (b.clone(), Some(a.clone()))
    );
    assert_eq!(
        spare(&[nic(0, 10, 7), nic(1, 10, 0)]),
        (a.clone(), Some(format!("VLAN 7 on {a}")))
    );
    assert_eq!(spare(&[nic(0, 11, 0), nic(1, 11, 0)]), (b.clone(), None));
    let nowhere = Nic {
        mac: [0; 6],
        ..nic(0, 0, 0)
    };
    assert_eq!(spare(&[nowhere, nic(1, 11, 0)]), (b, None));
    let table = usual(&Nic::default(), &Target::default());
    assert_eq!(completed("iscsi-if=eth0", &table).spare, None);
}

#[test]
fn another_nic_has_names_and_name_servers_of_its_own() {
    let nic = |index, mac, dns, host_name| Nic {
        index,
        mac,
        dns: [dns, ""],
        host_name,
        ..Nic::default()
    };
    let mut table = Table::new(6);
    table.nic(&nic(0, [2, 0, 0, 0, 0, 10], "192.0.2.53", "one"));
    table.nic(&nic(1, [2, 0, 0, 0, 0, 11], "192.0.2.54", "two"));
    table.target(&Target::default());
    let mut request = completed("", &table.finish());
    let in_use = |request: &Request| {
        let Details {
            identity,
            dns_servers: [dns, _],
            ..
        } = &request.details;
        format!(
            "{} {} {}",
            request.interface.as_ref().unwrap(),
            identity.host_name.as_ref().unwrap(),
            dns.unwrap()
        )
    };
    let first = "02:00:00:00:00:0a with 192.0.2.7/24 via 192.0.2.1 (iBFT) one 192.0.2.53";
    let second = "02:00:00:00:00:0b with 192.0.2.7/24 via 192.0.2.1 (iBFT) two 192.0.2.54";
    assert_eq!(in_use(&request), first);
    assert!(request.change_devices());
    assert_eq!(in_use(&request), second);
    assert!(request.change_devices());
    assert_eq!(in_use(&request), first);
    let table = usual(&Nic::default(), &Target::default());
    assert!(!completed("", &table).change_devices());
}

fn credentials(target: &Target<'_>) -> Option<[String; 4]> {
    let table = usual(&Nic::default(), target);
    let chap = Ibft::parse(&table)
        .unwrap()
        .chap(&Name::parse(TARGET).unwrap())?;
    let shown = format!("{chap:?}");
    assert!(!shown.contains("phrase"), "{shown}");
    let mut credentials = Credentials::none();
    chap.read_into(&mut credentials);
    let Credentials { outgoing, incoming } = &credentials;
    let secret =
        |account: &iscsi_init::proto::iscsi::chap::Account| account.secret.bytes().to_vec();
    Some([
        outgoing.name.as_str().to_string(),
        String::from_utf8(secret(outgoing)).unwrap(),
        incoming.name.as_str().to_string(),
        String::from_utf8(secret(incoming)).unwrap(),
    ])
}

#[test]
fn credentials_are_those_of_the_target() {
    let all = ["us", "our-phrase", "them", "their-phrase"];
    let target = |chap_type| Target {
        chap_type,
        chap: all,
        ..Target::default()
    };
    assert_eq!(credentials(&target(0)), None);
    assert_eq!(
        credentials(&target(1)).unwrap(),
        ["us", "our-phrase", "", ""]
    );
    assert_eq!(credentials(&target(2)).unwrap(), all);
    // Some firmware counts the NUL.
    let counted = Target {
        chap: ["us\0", "our-phrase\0", "", ""],
        ..target(1)
    };
    assert_eq!(credentials(&counted).unwrap(), ["us", "our-phrase", "", ""]);
    // A target of another name gets none of it.
    let other = Target {
        name: "iqn.2001-04.com.example:other",
        ..target(2)
    };
    assert_eq!(credentials(&other), None);
}

#[test]
fn chap_is_not_left_out_for_want_of_a_secret() {
    let chap = |chap_type, chap| {
        let table = usual(
            &Nic::default(),
            &Target {
                chap_type,
                chap,
                ..Target::default()
            },
        );
        Ibft::parse(&table).map(|_| ()).unwrap_err().reason
    };
    assert_eq!(chap(1, ["us", "", "", ""]), IbftFault::NoSecret);
    assert_eq!(chap(1, ["us", "\0", "", ""]), IbftFault::NoSecret);
    assert_eq!(chap(2, ["us", "a", "them", ""]), IbftFault::NoSecret);
    assert_eq!(chap(2, ["us", "a", "them", "a"]), IbftFault::SameSecrets);
    assert_eq!(chap(3, ["us", "a", "", ""]), IbftFault::ChapType(3));
    let long = "x".repeat(257);
    assert_eq!(chap(1, ["us", &long, "", ""]), IbftFault::SecretLength);
    assert_eq!(chap(1, [&long, "a", "", ""]), IbftFault::ChapNameLength);
}
