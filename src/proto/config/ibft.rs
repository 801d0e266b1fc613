// SPDX-License-Identifier: GPL-2.0-only

//! The iSCSI Boot Firmware Table: what the firmware booted from, as it tells the operating system.
//!
//! | bytes | what |
//! |---|---|
//! | 0 to 35 | the header of an ACPI table: signature, length, revision, checksum |
//! | 36 to 47 | reserved |
//! | from 48 | the control structure: offsets of the initiator, of NICs and of targets |
//! | anywhere behind | those structures, and the strings they point to |
//!
//! All numbers are little-endian, and offsets count from the table's first byte. An offset or a
//! length of 0 means that there is none. The table is the firmware's, or what somebody has put in
//! its place, so nothing in it is believed before it is checked; [`Ibft::parse`] refuses a table
//! with any fault whole. A structure that is not marked as valid is skipped: firmware leaves
//! anything in it.
//!
//! Source: IBM's and Microsoft's specification "iSCSI Boot Firmware Table (iBFT)", 1.03 (C header:
//! `include/acpi/actbl1.h`).

use core::{
    fmt,
    net::{
        IpAddr,
        Ipv4Addr,
        Ipv6Addr, //
    },
};

use zerocopy::{
    little_endian::{
        U16,
        U32, //
    },
    FromBytes, //
};
use zerocopy_derive::{
    FromBytes,
    Immutable,
    KnownLayout,
    Unaligned, //
};

use crate::proto::{
    config::{
        interface,
        ipv6,
        name::{
            Name,
            NameFault, //
        },
        target::DEFAULT_PORT,
        text::Text, //
    },
    iscsi::{
        chap::Credentials,
        lun::Lun, //
    },
    secret::{
        self,
        Secret, //
    },
};

mod choice;
mod error;

pub use self::error::{
    IbftError,
    IbftFault, //
};

/// The most bytes of a table: as far as its offsets reach.
pub const MAX_LENGTH: usize = 0x1_0000;

/// The signatures in use: the specification's, that of ACPI's list of reserved names, and
/// Broadcom's.
const SIGNATURES: [&[u8; 4]; 3] = [b"iBFT", b"IBFT", b"BIFT"];

/// The one revision that there is.
const REVISION: u8 = 1;
/// Where the control structure begins.
const CONTROL: usize = size_of::<RawTable>();
/// The control structure's bytes in front of the offsets: its header, and the offset of
/// extensions, of which none are defined.
const CONTROL_FIXED: usize = size_of::<RawHeader>() + 2;
/// The control structure's least length, with the offsets of five structures.
const CONTROL_MIN: usize = CONTROL_FIXED + 10;

/// The types of structures.
const TYPE_CONTROL: u8 = 1;
const TYPE_INITIATOR: u8 = 2;
const TYPE_NIC: u8 = 3;
const TYPE_TARGET: u8 = 4;

/// The structure has content.
const FLAG_VALID: u8 = 1;
/// The firmware booted with it.
const FLAG_SELECTED: u8 = 2;

/// The header of the table.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawTable {
    signature: [u8; 4],
    length: U32,
    revision: u8,
    /// Makes the sum of all bytes 0.
    _checksum: u8,
    _oem: [u8; 14],
    _reserved: [u8; 24],
}

/// The header of a structure.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawHeader {
    id: u8,
    _version: u8,
    /// The structure's length in bytes, with this header.
    length: U16,
    index: u8,
    flags: u8,
}

impl RawHeader {
    const fn is_selected(&self) -> bool {
        self.flags & FLAG_SELECTED != 0
    }
}

/// Where a string is. Its length does not count the NUL behind it.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawString {
    length: U16,
    offset: U16,
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawInitiator {
    header: RawHeader,
    /// The servers of iSNS and SLP, and two of RADIUS.
    _servers: [[u8; 16]; 4],
    name: RawString,
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawNic {
    header: RawHeader,
    address: [u8; 16],
    prefix_length: u8,
    origin: u8,
    gateway: [u8; 16],
    dns: [[u8; 16]; 2],
    dhcp: [u8; 16],
    vlan: U16,
    mac: [u8; 6],
    pci: U16,
    host_name: RawString,
}

#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct RawTarget {
    header: RawHeader,
    address: [u8; 16],
    port: U16,
    lun: [u8; 8],
    chap_type: u8,
    nic: u8,
    name: RawString,
    chap_name: RawString,
    chap_secret: RawString,
    reverse_name: RawString,
    reverse_secret: RawString,
}

/// A table without a fault.
#[derive(Clone, Copy)]
pub struct Ibft<'a> {
    table: &'a [u8],
}

/// A structure that is marked as valid.
enum Structure<'a> {
    Initiator(Initiator),
    Nic(Nic),
    Target(Target<'a>),
}

/// The initiator as the firmware knows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Initiator {
    /// Whether the firmware booted with it.
    pub is_selected: bool,
    /// What it is called, where it is called something.
    pub name: Option<Name>,
}

/// A network device as the firmware uses it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Nic {
    /// Its number among the table's, by which targets name it.
    pub index: u8,
    /// Whether the firmware booted over it.
    pub is_selected: bool,
    /// Its address.
    pub address: Option<IpAddr>,
    /// How many of the address's bits are the network's: 0 to 32, of an IPv6 address 0 to 128.
    pub prefix_length: u8,
    /// Where the address comes from.
    pub origin: Origin,
    /// The router.
    pub gateway: Option<IpAddr>,
    /// The domain name servers, the preferred one first.
    pub dns: [Option<IpAddr>; 2],
    /// The DHCP server that gave the address.
    pub dhcp: Option<IpAddr>,
    /// The VLAN (1 to 4094).
    pub vlan: Option<u16>,
    /// Its Ethernet address.
    pub mac: [u8; 6],
    /// Where it is on the first PCI segment.
    pub pci: PciAddress,
    /// What it calls the machine.
    pub host_name: Option<Text<63>>,
}

/// Where an address comes from (Windows' `NL_PREFIX_ORIGIN`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// From a DHCP server.
    Dhcp,
    /// From a router's advertisement.
    Router,
    /// From somebody who wrote it down, or nobody knows.
    Other,
}

/// A place on a PCI segment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PciAddress(u16);

/// `<bus>:<device>.<function>`, as `lspci` writes it.
impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [bus, device] = self.0.to_be_bytes();
        write!(f, "{bus:02x}:{:02x}.{:x}", device >> 3, device & 7)
    }
}

/// A target that the firmware knows.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    /// Its number among the table's.
    pub index: u8,
    /// Whether the firmware booted from it.
    pub is_selected: bool,
    /// Where it listens.
    pub address: Option<IpAddr>,
    /// On which TCP port (1 to 65535).
    pub port: u16,
    /// The boot LUN (0 to 16383).
    pub lun: u16,
    /// The number of the NIC over which it is reached.
    pub nic: u8,
    /// What it is called.
    pub name: Option<Name>,
    /// How both prove who they are, where they do.
    pub chap: Option<Chap<'a>>,
}

/// The accounts of a target with CHAP.
#[derive(Clone, Debug)]
pub struct Chap<'a> {
    outgoing: Account<'a>,
    incoming: Option<Account<'a>>,
}

/// A name, and a secret that nothing shows.
#[derive(Clone)]
struct Account<'a> {
    name: &'a str,
    secret: &'a [u8],
}

impl fmt::Debug for Account<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl Chap<'_> {
    /// Copies what proves either to `to`.
    pub fn read_into(&self, to: &mut Credentials) {
        let accounts = [
            (Some(&self.outgoing), &mut to.outgoing),
            (self.incoming.as_ref(), &mut to.incoming),
        ];
        for (from, to) in accounts {
            if let Some(account) = from {
                // Both fit, since the table would have been refused otherwise.
                to.name = Text::new(account.name).unwrap_or_default();
                let _ = to.secret.set(account.secret);
            }
        }
    }
}

impl<'a> Ibft<'a> {
    /// Reads the table at the front of `bytes`.
    ///
    /// # Errors
    ///
    /// [`IbftFault`] says what is wrong, and the offset where in the table.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, IbftError> {
        let error = |fault| Err(IbftError::new(fault, 0));
        let Ok((header, _)) = RawTable::ref_from_prefix(bytes) else {
            return error(IbftFault::Length(bytes.len()));
        };
        if !SIGNATURES.contains(&&header.signature) {
            return error(IbftFault::Signature);
        }
        if header.revision != REVISION {
            return error(IbftFault::Revision(header.revision));
        }
        let length = usize::try_from(header.length.get()).unwrap_or(usize::MAX);
        let table = match bytes.get(..length) {
            Some(table) if (CONTROL..=MAX_LENGTH).contains(&length) => table,
            _ => return error(IbftFault::Length(length)),
        };
        if table
            .iter()
            .fold(0, |sum: u8, byte| sum.wrapping_add(*byte))
            != 0
        {
            return error(IbftFault::Checksum);
        }
        let this = Self { table };
        let control = this.structure_at(CONTROL)?;
        if control.0.id != TYPE_CONTROL || control.1.len() < CONTROL_MIN {
            return Err(IbftError::new(IbftFault::Control, CONTROL));
        }
        for structure in this.structures() {
            structure?;
        }
        Ok(this)
    }

    /// The header of the structure at `offset`, and the whole structure.
    fn structure_at(&self, offset: usize) -> Result<(&'a RawHeader, &'a [u8]), IbftError> {
        let outside = IbftError::new(IbftFault::Outside, offset);
        let from = self.table.get(offset..).unwrap_or_default();
        let (header, _) = RawHeader::ref_from_prefix(from).map_err(|_| outside)?;
        let structure = from.get(..usize::from(header.length.get()));
        Ok((header, structure.ok_or(outside)?))
    }

    /// The structures that are valid, each with its fault if it has one.
    fn structures(self) -> impl Iterator<Item = Result<Structure<'a>, IbftError>> + Clone {
        let control = self.structure_at(CONTROL).map(|(_, control)| control);
        let slots = control
            .ok()
            .and_then(|control| control.get(CONTROL_FIXED..))
            .unwrap_or_default();
        let offsets = slots
            .chunks_exact(2)
            .filter_map(|slot| Some(u16::from_le_bytes(*slot.first_chunk()?)));
        offsets
            .filter(|offset| *offset != 0)
            .filter_map(move |offset| self.structure(usize::from(offset)).transpose())
    }

    /// Reads the structure at `offset`, if it is valid and of a type that is known.
    fn structure(self, offset: usize) -> Result<Option<Structure<'a>>, IbftError> {
        let (header, bytes) = self.structure_at(offset)?;
        if header.flags & FLAG_VALID == 0 {
            return Ok(None);
        }
        let structure = match header.id {
            TYPE_INITIATOR => self.initiator_in(bytes).map(Structure::Initiator),
            TYPE_NIC => self.nic_in(bytes).map(Structure::Nic),
            TYPE_TARGET => self.target_in(bytes).map(Structure::Target),
            _ => return Ok(None),
        };
        structure
            .map(Some)
            .map_err(|fault| IbftError::new(fault, offset))
    }

    fn initiator_in(self, bytes: &[u8]) -> Result<Initiator, IbftFault> {
        let (raw, _) = RawInitiator::ref_from_prefix(bytes).map_err(|_| IbftFault::Short)?;
        Ok(Initiator {
            is_selected: raw.header.is_selected(),
            name: self.name(&raw.name, IbftFault::InitiatorName)?,
        })
    }

    fn nic_in(self, bytes: &[u8]) -> Result<Nic, IbftFault> {
        let (raw, _) = RawNic::ref_from_prefix(bytes).map_err(|_| IbftFault::Short)?;
        let address = address(raw.address);
        let bits = match address {
            Some(IpAddr::V4(_)) => 32,
            _ => 128,
        };
        if raw.prefix_length > bits {
            return Err(IbftFault::PrefixLength(raw.prefix_length));
        }
        let is_host = match address {
            Some(IpAddr::V4(address)) => interface::is_host(address),
            Some(IpAddr::V6(address)) => ipv6::is_host(address),
            None => true,
        };
        if !is_host {
            return Err(IbftFault::NotAHost);
        }
        let host_name = Text::host_name(self.string(&raw.host_name)?);
        Ok(Nic {
            index: raw.header.index,
            is_selected: raw.header.is_selected(),
            address,
            prefix_length: raw.prefix_length,
            origin: match raw.origin {
                3 => Origin::Dhcp,
                4 => Origin::Router,
                _ => Origin::Other,
            },
            gateway: self::address(raw.gateway),
            dns: raw.dns.map(self::address),
            dhcp: self::address(raw.dhcp),
            vlan: match raw.vlan.get() {
                0 => None,
                vlan @ 1..=4094 => Some(vlan),
                vlan => return Err(IbftFault::Vlan(vlan)),
            },
            mac: raw.mac,
            pci: PciAddress(raw.pci.get()),
            host_name: Some(host_name).filter(|name| !name.is_empty()),
        })
    }

    fn target_in(self, bytes: &[u8]) -> Result<Target<'a>, IbftFault> {
        let (raw, _) = RawTarget::ref_from_prefix(bytes).map_err(|_| IbftFault::Short)?;
        let chap = match raw.chap_type {
            0 => None,
            1 | 2 => Some(Chap {
                outgoing: self.account(&raw.chap_name, &raw.chap_secret)?,
                incoming: match raw.chap_type {
                    1 => None,
                    _ => Some(self.account(&raw.reverse_name, &raw.reverse_secret)?),
                },
            }),
            other => return Err(IbftFault::ChapType(other)),
        };
        if let Some(Chap {
            outgoing,
            incoming: Some(incoming),
        }) = &chap
        {
            // RFC 7143 section 9.2.1.
            if secret::equal(outgoing.secret, incoming.secret) {
                return Err(IbftFault::SameSecrets);
            }
        }
        Ok(Target {
            index: raw.header.index,
            is_selected: raw.header.is_selected(),
            address: address(raw.address),
            port: match raw.port.get() {
                0 => DEFAULT_PORT,
                port => port,
            },
            lun: Lun::from_wire(raw.lun).number().ok_or(IbftFault::Lun)?,
            nic: raw.nic,
            name: self.name(&raw.name, IbftFault::TargetName)?,
            chap,
        })
    }

    /// Reads a name and a secret, which there has to be: a login without it would be one that
    /// proves nothing, and nobody would notice.
    fn account(self, name: &RawString, secret: &RawString) -> Result<Account<'a>, IbftFault> {
        let name = self.string(name)?;
        let name = core::str::from_utf8(name).map_err(|_| IbftFault::NotUtf8)?;
        let secret = self.string(secret)?;
        // What CHAP_N has room for.
        if name.len() > 255 {
            return Err(IbftFault::ChapNameLength);
        }
        match secret.len() {
            0 => Err(IbftFault::NoSecret),
            1..=Secret::MAX => Ok(Account { name, secret }),
            _ => Err(IbftFault::SecretLength),
        }
    }

    fn name(
        self,
        string: &RawString,
        fault: fn(NameFault) -> IbftFault,
    ) -> Result<Option<Name>, IbftFault> {
        let text = core::str::from_utf8(self.string(string)?).map_err(|_| IbftFault::NotUtf8)?;
        if text.is_empty() {
            return Ok(None);
        }
        match Name::parse(text) {
            Ok(name) => Ok(Some(name)),
            Err(error) => Err(fault(error.reason)),
        }
    }

    /// The string there, up to a NUL: some firmware counts that too.
    fn string(self, string: &RawString) -> Result<&'a [u8], IbftFault> {
        let length = usize::from(string.length.get());
        if length == 0 {
            return Ok(&[]);
        }
        let from = self.table.get(usize::from(string.offset.get())..);
        let string = from.and_then(|from| from.get(..length));
        let string = string.ok_or(IbftFault::StringOutside)?;
        Ok(string.split(|byte| *byte == 0).next().unwrap_or_default())
    }
}

/// An address; an IPv4 one stands in the last four bytes of an IPv6 one that is made for it
/// (`::ffff:0:0/96`), and no address is all zeros in either.
fn address(bytes: [u8; 16]) -> Option<IpAddr> {
    let address = Ipv6Addr::from(bytes).to_canonical();
    let none = [
        IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        IpAddr::V4(Ipv4Addr::UNSPECIFIED),
    ];
    Some(address).filter(|address| !none.contains(address))
}

#[cfg(test)]
mod tests;
