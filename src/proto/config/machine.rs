// SPDX-License-Identifier: GPL-2.0-only

//! What tells a machine from all others: its initiator name, where nobody has given one, and its
//! part of a session's identifier.
//!
//! What the firmware has comes first: it is the machine's by whichever device it boots, whatever a
//! server says, and after its network card was changed. A host name is the machine's as long as its
//! server says so. A MAC address is that of one device of perhaps several.

use core::{
    fmt,
    net::Ipv4Addr, //
};

use crate::proto::config::name::Name;

/// The length of a UUID as text (RFC 9562 section 4).
const UUID_LENGTH: usize = 36;
/// UUIDs that whole series of boards were sold with, in both orders of their bytes.
const SHARED: [&str; 6] = [
    "03000200-0400-0500-0006-000700080009",
    "00020003-0004-0005-0006-000700080009",
    "00010203-0405-0607-0809-0a0b0c0d0e0f",
    "03020100-0504-0706-0809-0a0b0c0d0e0f",
    "11111111-2222-3333-4444-555555555555",
    "12345678-1234-5678-90ab-cddeefaabbcc",
];

/// What tells a machine from others.
#[derive(Clone, Copy, Debug)]
pub struct Machine<'a> {
    /// The UUID that its firmware has, as text (SMBIOS).
    pub uuid: Option<&'a str>,
    /// The host name that it alone was given.
    pub host_name: Option<&'a str>,
    /// The Ethernet address of the device that it boots over.
    pub mac: [u8; 6],
}

/// What a machine's name is made of.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Mark {
    /// [`Machine::uuid`].
    Uuid,
    /// [`Machine::host_name`].
    HostName,
    /// [`Machine::mac`].
    Mac,
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uuid => "system UUID",
            Self::HostName => "host name",
            Self::Mac => "MAC address",
        })
    }
}

impl Machine<'_> {
    /// The machine's initiator name, the same after every boot and no other machine's, and what it
    /// is made of: the first that can be.
    #[inline(never)]
    pub fn name(&self) -> (Name, Mark) {
        if let Some(name) = self.uuid.filter(|uuid| is_own_uuid(uuid)).and_then(named) {
            return (name, Mark::Uuid);
        }
        if let Some(name) = self
            .host_name
            .filter(|name| is_own_host_name(name))
            .and_then(named)
        {
            return (name, Mark::HostName);
        }
        (Name::from_mac(self.mac), Mark::Mac)
    }
}

/// The first byte of an ISID whose rest is any number (RFC 7143 section 11.12.5, type 10b).
const ISID_RANDOM: u8 = 0b10 << 6;

/// ISID, the initiator's part of a session's identifier: this machine's after every boot, and no
/// other's that has the same initiator name by mistake.
///
/// It is made of the UUID, so it stays when the network card is changed or another one is booted
/// over, as RFC 7143 section 11.12.5 wants it: type 10b, and then what `hash` makes of its 16
/// bytes. Other initiators of the machine have the formats of their makers. Without a UUID it is
/// the address of the device, in the format that is made for it: type 00b, the OUI without its two
/// flags, then 24 bits of the vendor's. There is one session, so a target's portal group has one
/// with it (section 4.4.3).
pub fn isid(uuid: Option<&str>, mac: [u8; 6], hash: impl FnOnce(&[u8]) -> u32) -> [u8; 6] {
    if let Some(uuid) = uuid.filter(|uuid| is_own_uuid(uuid)) {
        let digits = uuid.chars().filter_map(|digit| digit.to_digit(16));
        let number = digits.fold(0, |number: u128, digit| {
            number.wrapping_shl(4) | u128::from(digit)
        });
        let [b, c, d, e] = hash(&number.to_be_bytes()).to_be_bytes();
        return [ISID_RANDOM, b, c, d, e, 0];
    }
    let [first, rest @ ..] = mac;
    let [b, c, d, e, f] = rest;
    [first >> 2, b, c, d, e, f]
}

fn named(text: &str) -> Option<Name> {
    Name::of_machine(format_args!("{text}"))
}

/// Whether this is a UUID, and one that a maker may have given to a single machine.
fn is_own_uuid(text: &str) -> bool {
    let is_uuid = text.len() == UUID_LENGTH
        && text.bytes().zip(0..).all(|(byte, place)| match place {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    // None at all is all zeros or all ones.
    let mut digits = text.bytes().filter(|byte| *byte != b'-');
    let first = digits.next();
    let is_one_digit = digits.all(|digit| Some(digit) == first);
    let is_shared = SHARED.iter().any(|other| text.eq_ignore_ascii_case(other));
    is_uuid && !is_one_digit && !is_shared
}

/// Whether a host name is one of a machine's own, and not every machine's or its address.
fn is_own_host_name(name: &str) -> bool {
    let host = name.split('.').next().unwrap_or_default();
    !host.is_empty() && !host.eq_ignore_ascii_case("localhost") && name.parse::<Ipv4Addr>().is_err()
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::{
        String,
        ToString, //
    };

    use super::*;

    const UUID: &str = "4c4c4544-0042-3510-8052-b3c04f4b4e32";

    fn name(uuid: Option<&str>, host_name: Option<&str>) -> (String, Mark) {
        let machine = Machine {
            uuid,
            host_name,
            mac: [0x52, 0x54, 0x00, 0xaa, 0x00, 0x01],
        };
        let (name, mark) = machine.name();
        assert_eq!(Name::parse(name.as_str()).as_ref(), Ok(&name));
        let own = name
            .as_str()
            .strip_prefix("iqn.2004-11.net.sourceforge.iscsi-init:");
        (own.expect("our authority").to_string(), mark)
    }

    #[test]
    fn the_firmware_comes_first_and_then_the_server() {
        assert_eq!(
            name(Some(UUID), Some("rack7")),
            (UUID.to_string(), Mark::Uuid)
        );
        assert_eq!(
            name(None, Some("Rack_7.example.net")),
            ("rack_7.example.net".to_string(), Mark::HostName)
        );
        assert_eq!(name(None, None), ("525400aa0001".to_string(), Mark::Mac));
    }

    #[test]
    fn an_isid_is_the_machines_by_whichever_device() {
        let card = [0x52, 0x54, 0x00, 0xaa, 0x00, 0x01];
        let hash = |bytes: &[u8]| {
            let uuid = 0x4c4c_4544_0042_3510_8052_b3c0_4f4b_4e32_u128;
            assert_eq!(bytes, uuid.to_be_bytes());
            0x1234_5678
        };
        let expected = [0x80, 0x12, 0x34, 0x56, 0x78, 0];
        assert_eq!(isid(Some(UUID), card, hash), expected);
        assert_eq!(isid(Some(&UUID.to_uppercase()), [0; 6], hash), expected);
        for none in [None, Some(SHARED[0]), Some("Not Settable")] {
            let isid = isid(none, card, |_| 0);
            assert_eq!(isid, [0x14, 0x54, 0x00, 0xaa, 0x00, 0x01], "{none:?}");
        }
    }

    #[test]
    fn a_uuid_is_the_same_in_capitals() {
        assert_eq!(
            name(Some(&UUID.to_uppercase()), None),
            name(Some(UUID), None)
        );
    }

    #[test]
    fn a_uuid_that_others_have_too_is_none() {
        let none = [
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
            "12345678-1234-5678-90AB-CDDEEFAABBCC",
            "Not Settable",
            "To be filled by O.E.M.",
            "4c4c4544004235108052b3c04f4b4e32",
            "4c4c4544-0042-3510-8052-b3c04f4b4e3",
            "4c4c4544-0042-3510-8052-b3c04f4b4e3g",
            "4c4c4544-0042-3510-8052b-3c04f4b4e32",
            "4c4c4544-0042-3510-8052-b3c04f4b4é32",
            "",
        ];
        for text in none.iter().chain(&SHARED) {
            assert_eq!(name(Some(text), Some("rack7")).1, Mark::HostName, "{text}");
        }
    }

    #[test]
    fn a_host_name_that_others_have_too_is_none() {
        for text in [
            "localhost",
            "LOCALHOST",
            "localhost.localdomain",
            "(none)",
            "192.168.7.158",
            "rack 7",
            "",
        ] {
            assert_eq!(name(None, Some(text)).1, Mark::Mac, "{text}");
        }
    }
}
