// SPDX-License-Identifier: GPL-2.0-only

extern crate std;

use std::{
    format,
    string::ToString, //
};

use super::*;

/// A table of a header and `rest`, whose sum is 0.
fn table<const N: usize>(signature: &[u8; 4], rest: [u8; N]) -> std::vec::Vec<u8> {
    let mut table = std::vec![0; CONTROL];
    table[..4].copy_from_slice(signature);
    table[8] = REVISION;
    table.extend(rest);
    let length = u32::try_from(table.len()).unwrap();
    table[4..8].copy_from_slice(&length.to_le_bytes());
    table[9] = table
        .iter()
        .fold(0, |sum: u8, byte| sum.wrapping_add(*byte))
        .wrapping_neg();
    table
}

/// A control structure that names no other.
const EMPTY: [u8; 18] = [1, 1, 18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn fault(bytes: &[u8]) -> (IbftFault, usize) {
    let error = Ibft::parse(bytes).map(|_| ()).unwrap_err();
    (error.reason, error.offset)
}

/// The sizes that the specification gives.
#[test]
fn structures_have_their_sizes() {
    assert_eq!(size_of::<RawTable>(), 48);
    assert_eq!(CONTROL_MIN, 18);
    assert_eq!(size_of::<RawInitiator>(), 74);
    assert_eq!(size_of::<RawNic>(), 102);
    assert_eq!(size_of::<RawTarget>(), 54);
}

#[test]
fn a_table_may_have_nothing() {
    for signature in SIGNATURES {
        let table = table(signature, EMPTY);
        let ibft = Ibft::parse(&table).unwrap();
        assert_eq!(ibft.nics().count() + ibft.targets().count(), 0);
        assert!(ibft.initiator().is_none() && ibft.boot_target().is_none());
        // What follows the table in memory is not part of it.
        let longer = [&table[..], &[7; 9]].concat();
        assert!(Ibft::parse(&longer).is_ok());
    }
}

#[test]
fn what_is_no_table_is_refused() {
    let good = table(b"iBFT", EMPTY);
    for length in 0..good.len() {
        let at_least = if length < CONTROL { length } else { good.len() };
        assert_eq!(
            fault(&good[..length]),
            (IbftFault::Length(at_least), 0),
            "{length}"
        );
    }
    assert_eq!(fault(&table(b"iBFT", [])), (IbftFault::Outside, CONTROL));
    assert_eq!(fault(&table(b"APIC", EMPTY)), (IbftFault::Signature, 0));
    let changed = |at: usize, to: u8| {
        let mut table = good.clone();
        table[at] = to;
        table
    };
    assert_eq!(fault(&changed(8, 2)), (IbftFault::Revision(2), 0));
    assert_eq!(fault(&changed(20, 1)), (IbftFault::Checksum, 0));
    let mut huge = std::vec![0; MAX_LENGTH + 1];
    huge[..good.len()].copy_from_slice(&good);
    huge[4..8].copy_from_slice(&0x1_0001_u32.to_le_bytes());
    assert_eq!(fault(&huge), (IbftFault::Length(MAX_LENGTH + 1), 0));
}

#[test]
fn a_control_structure_has_its_place() {
    let mut control = EMPTY;
    control[0] = 2;
    assert_eq!(
        fault(&table(b"iBFT", control)),
        (IbftFault::Control, CONTROL)
    );
    control = EMPTY;
    control[2] = 17;
    assert_eq!(
        fault(&table(b"iBFT", control)),
        (IbftFault::Control, CONTROL)
    );
    control[2] = 19;
    assert_eq!(
        fault(&table(b"iBFT", control)),
        (IbftFault::Outside, CONTROL)
    );
}

#[test]
fn addresses_are_of_both_kinds_or_none() {
    let mut bytes = [0; 16];
    assert_eq!(address(bytes), None);
    bytes[10] = 0xff;
    bytes[11] = 0xff;
    assert_eq!(address(bytes), None);
    bytes[12..].copy_from_slice(&[192, 0, 2, 1]);
    assert_eq!(address(bytes), "192.0.2.1".parse().ok());
    bytes[0] = 0x20;
    assert_eq!(address(bytes), "2000::ffff:c000:201".parse().ok());
}

#[test]
fn pci_addresses_are_written_as_usual() {
    assert_eq!(PciAddress(0x0010).to_string(), "00:02.0");
    assert_eq!(PciAddress(0x3bff).to_string(), "3b:1f.7");
}

#[test]
fn a_secret_is_not_shown() {
    let account = Account {
        name: "us",
        secret: b"hunter2",
    };
    let shown = format!("{account:?}");
    assert!(shown.contains("us") && !shown.contains("hunter2") && !shown.contains("104"));
}
