// SPDX-License-Identifier: GPL-2.0-only

//! Makes iBFTs, from the offsets of the specification alone.

#![allow(dead_code, reason = "each user needs a part of it")]

/// A table that grows: structures first, each with the strings that it points to.
pub(crate) struct Table {
    bytes: Vec<u8>,
    /// Where the next offset goes in the control structure.
    slot: usize,
}

/// The flags of a structure.
pub(crate) const VALID: u8 = 1;
pub(crate) const SELECTED: u8 = 3;

/// The name of the initiator in [`usual`].
pub(crate) const INITIATOR: &str = "iqn.2001-04.com.example:me";

/// The offsets of the fields that the tests break.
pub(crate) const NIC_PREFIX_LENGTH: usize = 22;
pub(crate) const NIC_ORIGIN: usize = 23;
pub(crate) const NIC_VLAN: usize = 88;
pub(crate) const TARGET_LUN: usize = 24;
pub(crate) const TARGET_CHAP_TYPE: usize = 32;

/// A NIC structure's content.
pub(crate) struct Nic<'a> {
    pub(crate) index: u8,
    pub(crate) flags: u8,
    pub(crate) address: &'a str,
    pub(crate) prefix_length: u8,
    pub(crate) origin: u8,
    pub(crate) gateway: &'a str,
    pub(crate) dns: [&'a str; 2],
    pub(crate) dhcp: &'a str,
    pub(crate) vlan: u16,
    pub(crate) mac: [u8; 6],
    pub(crate) pci: u16,
    pub(crate) host_name: &'a str,
}

impl Default for Nic<'_> {
    fn default() -> Self {
        Self {
            index: 0,
            flags: SELECTED,
            address: "192.0.2.7",
            prefix_length: 24,
            origin: 1,
            gateway: "192.0.2.1",
            dns: ["192.0.2.53", ""],
            dhcp: "",
            vlan: 0,
            mac: [0x52, 0x54, 0, 0x12, 0x34, 0x56],
            pci: 0x0010,
            host_name: "kiosk",
        }
    }
}

/// A target structure's content.
pub(crate) struct Target<'a> {
    pub(crate) index: u8,
    pub(crate) flags: u8,
    pub(crate) address: &'a str,
    pub(crate) port: u16,
    pub(crate) lun: [u8; 8],
    pub(crate) chap_type: u8,
    pub(crate) nic: u8,
    pub(crate) name: &'a str,
    pub(crate) chap: [&'a str; 4],
}

impl Default for Target<'_> {
    fn default() -> Self {
        Self {
            index: 0,
            flags: SELECTED,
            address: "192.0.2.9",
            port: 3260,
            lun: [0, 7, 0, 0, 0, 0, 0, 0],
            chap_type: 0,
            nic: 0,
            name: "iqn.2001-04.com.example:disk",
            chap: ["", "", "", ""],
        }
    }
}

impl Table {
    /// A table whose control structure has room for `slots` offsets.
    pub(crate) fn new(slots: u8) -> Self {
        let mut bytes = b"iBFT\0\0\0\0\x01\0EXAMPLFIRMWARE".to_vec();
        bytes.resize(48, 0);
        let length = 8 + 2 * slots;
        bytes.extend([1, 1, length, 0, 0, 0, 0, 0]);
        let slot = bytes.len();
        bytes.resize(slot + usize::from(slots) * 2, 0);
        Self { bytes, slot }
    }

    /// Adds a structure, and returns where it is.
    pub(crate) fn structure(&mut self, id: u8, index: u8, flags: u8, content: &[u8]) -> usize {
        let at = self.bytes.len();
        let length = u16::try_from(6 + content.len()).unwrap();
        self.bytes.extend([id, 1]);
        self.bytes.extend(length.to_le_bytes());
        self.bytes.extend([index, flags]);
        self.bytes.extend(content);
        self.offset(u16::try_from(at).unwrap());
        at
    }

    /// Fills the next slot of the control structure.
    pub(crate) fn offset(&mut self, offset: u16) {
        self.bytes[self.slot..][..2].copy_from_slice(&offset.to_le_bytes());
        self.slot += 2;
    }

    /// Adds an initiator.
    pub(crate) fn initiator(&mut self, flags: u8, name: &str) -> usize {
        let at = self.structure(2, 0, flags, &[0; 68]);
        self.strings(at + 70, &[name]);
        at
    }

    /// Adds a NIC.
    pub(crate) fn nic(&mut self, nic: &Nic<'_>) -> usize {
        let mut content = address(nic.address).to_vec();
        content.extend([nic.prefix_length, nic.origin]);
        for other in [nic.gateway, nic.dns[0], nic.dns[1], nic.dhcp] {
            content.extend(address(other));
        }
        content.extend(nic.vlan.to_le_bytes());
        content.extend(nic.mac);
        content.extend(nic.pci.to_le_bytes());
        content.extend([0; 4]);
        let at = self.structure(3, nic.index, nic.flags, &content);
        self.strings(at + 98, &[nic.host_name]);
        at
    }

    /// Adds a target.
    pub(crate) fn target(&mut self, target: &Target<'_>) -> usize {
        let mut content = address(target.address).to_vec();
        content.extend(target.port.to_le_bytes());
        content.extend(target.lun);
        content.extend([target.chap_type, target.nic]);
        content.extend([0; 20]);
        let at = self.structure(4, target.index, target.flags, &content);
        let [a, b, c, d] = target.chap;
        self.strings(at + 34, &[target.name, a, b, c, d]);
        at
    }

    /// Adds strings, and from `at` on their lengths and offsets.
    fn strings(&mut self, at: usize, strings: &[&str]) {
        for (number, string) in strings.iter().enumerate() {
            if !string.is_empty() {
                let offset = u16::try_from(self.bytes.len()).unwrap();
                let length = u16::try_from(string.len()).unwrap();
                self.put(at + 4 * number, &length.to_le_bytes());
                self.put(at + 4 * number + 2, &offset.to_le_bytes());
                self.bytes.extend(string.as_bytes());
                self.bytes.push(0);
            }
        }
    }

    /// Writes over what is there.
    pub(crate) fn put(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..][..bytes.len()].copy_from_slice(bytes);
    }

    /// The table, with its length and its checksum.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        let length = u32::try_from(self.bytes.len()).unwrap();
        self.put(4, &length.to_le_bytes());
        seal(&mut self.bytes);
        self.bytes
    }
}

/// Makes the sum of all bytes 0.
pub(crate) fn seal(bytes: &mut [u8]) {
    if let Some(checksum) = bytes.get(9).copied() {
        let sum = bytes
            .iter()
            .fold(0, |sum: u8, byte| sum.wrapping_add(*byte));
        bytes[9] = checksum.wrapping_sub(sum);
    }
}

fn address(text: &str) -> [u8; 16] {
    match text.parse() {
        Ok(std::net::IpAddr::V4(address)) => address.to_ipv6_mapped().octets(),
        Ok(std::net::IpAddr::V6(address)) => address.octets(),
        Err(_) => [0; 16],
    }
}

/// The table of a machine with one initiator, this NIC and this target.
pub(crate) fn usual(nic: &Nic<'_>, target: &Target<'_>) -> Vec<u8> {
    let mut table = Table::new(5);
    table.initiator(SELECTED, INITIATOR);
    table.nic(nic);
    table.target(target);
    table.finish()
}
