// SPDX-License-Identifier: GPL-2.0-only

//! What is said of a table of the firmware that cannot be read.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a failure is what these look for"
)]

use iscsi_init::proto::config::{
    ibft::{
        Ibft,
        IbftFault,
        Origin, //
    },
    name::NameFault, //
};

mod ibft_support;

use ibft_support::{
    seal,
    usual,
    Nic,
    Table,
    Target,
    INITIATOR,
    NIC_ORIGIN,
    NIC_PREFIX_LENGTH,
    NIC_VLAN,
    SELECTED,
    TARGET_CHAP_TYPE,
    TARGET_LUN, //
};

/// The fault of a table that has just this NIC and this target, of which some bytes are changed.
fn fault(change: impl Fn(&mut Table, usize, usize)) -> IbftFault {
    let mut table = Table::new(5);
    table.initiator(SELECTED, INITIATOR);
    let nic = table.nic(&Nic::default());
    let target = table.target(&Target::default());
    change(&mut table, nic, target);
    let table = table.finish();
    let error = Ibft::parse(&table).map(|_| ()).unwrap_err();
    assert!([nic, target].contains(&error.offset), "{error}");
    error.reason
}

#[test]
fn what_is_wrong_is_said_with_its_structure() {
    assert_eq!(
        fault(|table, nic, _| table.put(nic + NIC_PREFIX_LENGTH, &[33])),
        IbftFault::PrefixLength(33)
    );
    assert_eq!(
        fault(|table, nic, _| table.put(nic + NIC_VLAN, &[0xff, 0x0f])),
        IbftFault::Vlan(4095)
    );
    assert_eq!(
        fault(|table, nic, _| table.put(nic + 18, &[224])),
        IbftFault::NotAHost
    );
    // ff00::7, a group of machines.
    assert_eq!(
        fault(|table, nic, _| table.put(
            nic + 6,
            &[0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7]
        )),
        IbftFault::NotAHost
    );
    assert_eq!(
        fault(|table, _, target| table.put(target + TARGET_LUN, &[0x80])),
        IbftFault::Lun
    );
    assert_eq!(
        fault(|table, _, target| table.put(target + TARGET_LUN + 2, &[1])),
        IbftFault::Lun
    );
    assert_eq!(
        fault(|table, _, target| table.put(target + TARGET_CHAP_TYPE, &[255])),
        IbftFault::ChapType(255)
    );
    assert_eq!(
        fault(|table, _, target| table.put(target + 36, &[0xff, 0xff])),
        IbftFault::StringOutside
    );
    assert_eq!(
        fault(|table, _, target| table.put(target + 34, &[0xff, 0xff])),
        IbftFault::StringOutside
    );
    assert_eq!(
        fault(|table, _, target| table.put(target + 36, &[10, 0])),
        IbftFault::TargetName(NameFault::Type)
    );
    assert_eq!(
        fault(|table, nic, _| table.put(nic + 2, &[101, 0])),
        IbftFault::Short
    );
    assert_eq!(
        fault(|table, nic, _| table.put(nic + 2, &[0xff, 0xff])),
        IbftFault::Outside
    );
    // An origin that is not known is one that does not matter.
    let mut table = Table::new(5);
    let nic = table.nic(&Nic::default());
    table.put(nic + NIC_ORIGIN, &[200]);
    let table = table.finish();
    let nic = Ibft::parse(&table).unwrap().boot_nic().unwrap();
    assert_eq!(nic.origin, Origin::Other);
}

#[test]
fn an_offset_leads_into_the_table() {
    for offset in [0xffff, 600, 5] {
        let mut table = Table::new(5);
        table.offset(offset);
        let table = table.finish();
        let error = Ibft::parse(&table).map(|_| ());
        // What stands in the header is no structure that is valid and reaches no further.
        if offset > 5 {
            assert_eq!(error.unwrap_err().reason, IbftFault::Outside, "{offset}");
        }
    }
}

#[test]
fn errors_have_a_place_and_no_secret() {
    let table = usual(
        &Nic::default(),
        &Target {
            chap_type: 1,
            chap: ["us", "hunter2", "", ""],
            name: "iqn.disk",
            ..Target::default()
        },
    );
    let error = Ibft::parse(&table).map(|_| ()).unwrap_err().to_string();
    assert_eq!(
        error,
        "the target's name: an iqn. name goes on with a year and a month, \
         as in iqn.2001-04.com.example (at byte 275)"
    );
}

#[test]
fn a_changed_byte_is_noticed_and_a_cut_table_refused() {
    let good = usual(&Nic::default(), &Target::default());
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        assert!(Ibft::parse(&bad).is_err(), "{at}");
        assert!(Ibft::parse(&good[..at]).is_err(), "{at}");
        // With its checksum right, it is one fault or another, or a table.
        seal(&mut bad);
        if let Ok(ibft) = Ibft::parse(&bad) {
            assert!(ibft.nics().count() <= 1 && ibft.targets().count() <= 1);
        }
    }
}
