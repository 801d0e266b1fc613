// SPDX-License-Identifier: GPL-2.0-only

//! What people call a network device.

use core::fmt::{
    self,
    Write, //
};

use crate::proto::config::{
    decimal,
    text::Text,
    Field, //
};

/// A network device's name (C header: `include/uapi/linux/if.h`, `IFNAMSIZ` less its NUL).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DeviceName(Text<15>);

impl DeviceName {
    /// The device name that `text` is; `None` for what the kernel would not call a device.
    pub fn new(text: &str) -> Option<Self> {
        let reserved = matches!(text, "" | "." | "..");
        let legal = |byte: u8| !matches!(byte, b'/' | b':' | b' ' | 0x09..=0x0d | 0xa0);
        if reserved || !text.bytes().all(legal) {
            return None;
        }
        Text::new(text).map(Self)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The device under a VLAN's, and the VLAN's number (1 to 4094), where the name is
    /// `<dev>.<number>`.
    pub fn vlan(&self) -> Option<(Self, u16)> {
        let (lower, id) = self.as_str().rsplit_once('.')?;
        let id = decimal(id).filter(|id| (1..=4094).contains(id))?;
        Some((Self::new(lower)?, id))
    }

    /// What the device of VLAN `id` on this one is called: `<dev>.<number>`, or `vlan<number>`
    /// where that is too long a name.
    pub fn of_vlan(&self, id: u16) -> Self {
        let mut name = Text::default();
        if write!(name, "{self}.{id}").is_err() {
            name = Text::default();
            // No number has more than five digits.
            let _ = write!(name, "vlan{id}");
        }
        Self(name)
    }

    /// The name with NULs behind it.
    pub fn padded(&self) -> [u8; 16] {
        let mut name = [0; 16];
        for (to, from) in name.iter_mut().zip(self.as_str().bytes()) {
            *to = from;
        }
        name
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// An Ethernet address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Reads an Ethernet address at the front of `text`, its bytes separated by `separator`; with
    /// it comes what follows it.
    fn parse(text: &str, separator: char) -> Option<(Self, &str)> {
        let mut mac = [0; 6];
        let mut rest = text;
        for (place, byte) in mac.iter_mut().enumerate() {
            if place > 0 {
                rest = rest.strip_prefix(separator)?;
            }
            let (digits, behind) = rest.split_at_checked(2)?;
            if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            *byte = u8::from_str_radix(digits, 16).ok()?;
            rest = behind;
        }
        Some((Self(mac), rest))
    }

    /// Reads PXELINUX's `BOOTIF=`: the hardware type of Ethernet, 01, and the address.
    pub fn parse_bootif(text: &str) -> Option<Self> {
        let (mac, rest) = Self::parse(text.strip_prefix("01-")?, '-')?;
        rest.is_empty().then_some(mac)
    }
}

/// Six bytes in hexadecimal, with colons.
impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// A network device as people name it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Device {
    /// Whichever it is.
    Any,
    /// The one of this name.
    Named(DeviceName),
    /// The one that is no mere part of software, with this Ethernet address.
    Mac(Mac),
    /// The one of the VLAN with this number (1 to 4094) on that one.
    Vlan(Mac, u16),
}

impl Device {
    /// The device that `text` names, with `-` between the bytes of an Ethernet address.
    pub fn parse(text: &str) -> Option<Self> {
        match Mac::parse(text, '-') {
            Some((mac, "")) => Some(Self::Mac(mac)),
            _ => DeviceName::new(text).map(Self::Named),
        }
    }

    /// The device that the first part of `text` names, with what follows its `:`.
    pub(super) fn split(text: Field<'_>) -> Option<(Self, Option<Field<'_>>)> {
        // No name is as long as an Ethernet address, and no address field looks like its bytes.
        if let Some((mac, rest)) = Mac::parse(text.text, ':') {
            let offset = text.end().saturating_sub(rest.len());
            let rest = Field { text: rest, offset };
            if rest.text.is_empty() {
                return Some((Self::Mac(mac), None));
            }
            return rest.strip(':').map(|rest| (Self::Mac(mac), Some(rest)));
        }
        let (device, rest) = text.split(':');
        Some((Self::parse(device.text)?, rest))
    }
}

/// The name or the Ethernet address, with the VLAN.
impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::Named(name) => name.fmt(f),
            Self::Mac(mac) => mac.fmt(f),
            Self::Vlan(mac, id) => write!(f, "VLAN {id} on {mac}"),
        }
    }
}
