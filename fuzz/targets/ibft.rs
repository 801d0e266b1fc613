// SPDX-License-Identifier: GPL-2.0-only

//! The fuzz target of the firmware's table.

use iscsi_init::proto::{
    config::{
        cmdline::Arguments,
        ibft::Ibft,
        interface::Addressing,
        lun,
        merge::Request,
        name::Name, //
    },
    iscsi::chap::Credentials, //
};

use super::captured;

#[path = "../../tests/ibft_support/mod.rs"]
mod support;

use support::{
    seal,
    Nic,
    Table,
    Target,
    SELECTED,
    VALID, //
};

/// A table as it is, and with its length and checksum set right.
pub(crate) fn config_ibft(data: &[u8]) {
    read(data);
    let mut data = data.to_vec();
    if let (Ok(length), Some(slot)) = (u32::try_from(data.len()), data.get_mut(4..8)) {
        slot.copy_from_slice(&length.to_le_bytes());
    }
    seal(&mut data);
    read(&data);
}

fn read(table: &[u8]) {
    let ibft = match Ibft::parse(table) {
        Ok(ibft) => ibft,
        Err(error) => return assert!(error.offset < 0x1_0000 && !error.to_string().is_empty()),
    };
    for nic in ibft.nics() {
        assert!(nic.prefix_length <= 128);
        match nic.interface().addressing {
            Addressing::Dhcp => {}
            Addressing::Static(config) => assert!((1..=32).contains(&config.prefix_length)),
            Addressing::StaticIpv6(config) => assert!((1..=128).contains(&config.prefix_length)),
        }
    }
    for target in ibft.targets() {
        assert!(target.port != 0 && target.lun <= lun::MAX);
        let Some(name) = target.name else { continue };
        assert_eq!(Name::parse(name.as_str()).as_ref(), Ok(&name));
        if let Some(chap) = ibft.chap(&name) {
            let mut credentials = Credentials::none();
            chap.read_into(&mut credentials);
            assert!(credentials.are_given());
        }
    }
    let none = Arguments::default();
    let mut request = Request::new(&none, &none, &mut |_| ()).unwrap();
    request.take_ibft(ibft, true, &mut |_| ());
    assert_eq!(request.target.is_some(), request.lun.is_some());
    assert_eq!(request.interface.is_some(), ibft.boot_nic().is_some());
    let first = request.interface.map(|interface| interface.value.device);
    assert!(request
        .spare
        .is_none_or(|spare| first != Some(spare.interface.device)));
    assert!(ibft.targets_in_order().count() <= ibft.targets().count());
}

pub(crate) fn ibft_seeds() -> Vec<Vec<u8>> {
    let mut usual = Table::new(5);
    usual.initiator(SELECTED, "iqn.2001-04.com.example:me");
    usual.nic(&Nic::default());
    usual.target(&Target::default());
    let mut full = Table::new(7);
    full.initiator(VALID, "eui.02004567a425678d");
    for (index, address) in [(0, "192.0.2.8"), (1, "2001:db8::9")] {
        full.nic(&Nic {
            index,
            address,
            vlan: 100,
            origin: 3,
            ..Nic::default()
        });
        full.target(&Target {
            index,
            address,
            nic: index,
            chap_type: 2,
            chap: ["us", "ours", "them", "theirs"],
            ..Target::default()
        });
    }
    let captured = [
        include_str!("../../tests/ibft_ipxe.hex"),
        include_str!("../../tests/ibft_ipxe_chap.hex"),
        include_str!("../../tests/ibft_ipxe_e1000.hex"),
    ];
    let made = [usual.finish(), full.finish(), Table::new(5).finish()];
    made.into_iter()
        .chain(captured.map(captured::bytes))
        .collect()
}
