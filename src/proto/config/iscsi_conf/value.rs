// SPDX-License-Identifier: GPL-2.0-only

//! Values, each read as its key has it.

use core::{
    net::IpAddr,
    ops::RangeInclusive, //
};

use super::{
    error::{
        ConfError,
        ConfFault, //
    },
    line::Entry,
    luns::Luns, //
};
use crate::proto::{
    config::{
        decimal,
        name::Name,
        target::{
            parse_address,
            parse_port,
            Portal,
            TargetFault,
            DEFAULT_PORT, //
        },
        text::Text,
        Field, //
    },
    iscsi::{
        chap::{
            Algorithm,
            Algorithms, //
        },
        keys::{
            DigestChoice,
            Offer, //
        }, //
    },
    time::Duration, //
};

/// The most bytes of a name that is text (RFC 7143 sections 6.1 and 13.7).
pub const LABEL_MAX: usize = 255;

impl Entry<'_> {
    /// `yes` or `no`, which may be cut short, or a number, of which 0 is no.
    pub(super) fn boolean(&self) -> Result<bool, ConfError> {
        let begins = |word: &[u8]| {
            let same = word.get(..self.value.len());
            !self.value.is_empty() && same.is_some_and(|same| same.eq_ignore_ascii_case(self.value))
        };
        let number = core::str::from_utf8(self.value).ok().and_then(number);
        match number {
            Some(number) => Ok(number != 0),
            None if begins(b"yes") => Ok(true),
            None if begins(b"no") => Ok(false),
            None => Err(self.error(ConfFault::Boolean)),
        }
    }

    /// A time as `<number>`, in seconds, or `<number>` and one of `s`, `m` and `h`.
    pub(super) fn time(&self) -> Result<Duration, ConfError> {
        time(self.value).ok_or_else(|| self.error(ConfFault::Time))
    }

    /// A time within these seconds.
    pub(super) fn time_in(&self, range: RangeInclusive<u32>) -> Result<Duration, ConfError> {
        let time = self.time()?;
        let seconds = u32::try_from(time.as_secs()).unwrap_or(u32::MAX);
        if range.contains(&seconds) {
            return Ok(time);
        }
        let (least, most) = range.into_inner();
        Err(self.error(ConfFault::TimeRange { least, most }))
    }

    /// A time up to so many seconds, of which 0 is none.
    pub(super) fn time_or_none(&self, most: u32) -> Result<Option<Duration>, ConfError> {
        let time = self.time_in(0..=most)?;
        Ok(Some(time).filter(|time| time.as_millis() > 0))
    }

    /// Which digests are offered.
    pub(super) fn digest(&self) -> Result<DigestChoice, ConfError> {
        const NAMES: [(&[u8], DigestChoice); 8] = [
            (b"never", DigestChoice::Never),
            (b"no", DigestChoice::Never),
            (b"none", DigestChoice::Never),
            (b"always", DigestChoice::Always),
            (b"yes", DigestChoice::Always),
            (b"crc32c", DigestChoice::Always),
            (b"prefer-on", DigestChoice::PreferOn),
            (b"prefer-off", DigestChoice::PreferOff),
        ];
        NAMES
            .into_iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(self.value))
            .map(|(_, choice)| choice)
            .ok_or_else(|| self.error(ConfFault::Digest))
    }

    /// Algorithms for CHAP, the preferred one first.
    pub(super) fn algorithms(&self) -> Result<Algorithms, ConfError> {
        const NAMES: [(&[u8], Algorithm); 6] = [
            (b"md5", Algorithm::Md5),
            (b"sha1", Algorithm::Sha1),
            (b"sha-1", Algorithm::Sha1),
            (b"sha256", Algorithm::Sha256),
            (b"sha-256", Algorithm::Sha256),
            (b"sha3-256", Algorithm::Sha3_256),
        ];
        let mut algorithms = Algorithms::NONE;
        let mut offset = 0_usize;
        for name in self.value.split(|byte| *byte == b',') {
            NAMES
                .into_iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
                .and_then(|(_, algorithm)| algorithms.push(algorithm))
                .ok_or_else(|| self.error_at(offset, ConfFault::Algorithms))?;
            offset = offset.saturating_add(name.len()).saturating_add(1);
        }
        Ok(algorithms)
    }

    /// A number of bytes (RFC 7143 sections 13.12 to 13.14).
    pub(super) fn length(&self) -> Result<u32, ConfError> {
        core::str::from_utf8(self.value)
            .ok()
            .and_then(number)
            .filter(|length| (Offer::LENGTH_MIN..=Offer::LENGTH_MAX).contains(length))
            .ok_or_else(|| self.error(ConfFault::Length))
    }

    /// An iSCSI name.
    pub(super) fn iscsi_name(&self) -> Result<Name, ConfError> {
        Name::parse(self.text()?)
            .map_err(|error| self.error_at(error.offset, ConfFault::IscsiName(error.reason)))
    }

    /// The address of a portal, `<ip>[:<port>]`.
    pub(super) fn portal(&self) -> Result<Portal, ConfError> {
        let error = |offset, fault| self.error_at(offset, ConfFault::Address(fault));
        let (address, port) = parse_address(Field::whole(self.text()?))
            .map_err(|fault| error(fault.offset, fault.reason))?;
        let port = match port {
            Some(port) if port.text.is_empty() => {
                return Err(error(port.offset, TargetFault::Port));
            }
            Some(port) => parse_port(port).map_err(|fault| error(fault.offset, fault.reason))?,
            None => DEFAULT_PORT,
        };
        Ok(Portal { address, port })
    }

    /// A network of portals.
    pub(super) fn network(&self) -> Result<Network, ConfError> {
        Network::of(self.value).ok_or_else(|| self.error(ConfFault::Network))
    }

    /// A list of logical units.
    pub(super) fn luns(&self) -> Result<Luns, ConfError> {
        core::str::from_utf8(self.value)
            .ok()
            .and_then(Luns::parse)
            .ok_or_else(|| self.error(ConfFault::Luns))
    }

    /// A name that is text.
    pub(super) fn label(&self) -> Result<Text<LABEL_MAX>, ConfError> {
        let text = self.text()?;
        if text.contains(char::is_control) {
            return Err(self.error(ConfFault::Control));
        }
        Text::new(text).ok_or_else(|| self.error(ConfFault::NameTooLong))
    }

    fn text(&self) -> Result<&str, ConfError> {
        core::str::from_utf8(self.value).map_err(|_| self.error(ConfFault::NotUtf8))
    }
}

/// A network of portals.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Network {
    address: u128,
    mask: u128,
    is_ipv4: bool,
}

impl Network {
    /// The network that `text` names, `<ip>[/<bits>]` or `<ip>&<mask in hexadecimal>`.
    pub(super) fn of(text: &[u8]) -> Option<Self> {
        let text = core::str::from_utf8(text).ok()?;
        let end = text.find(['/', '&']).unwrap_or(text.len());
        let (address, mask) = text.split_at_checked(end)?;
        let address: IpAddr = address.parse().ok()?;
        let (bits, width) = bits(address);
        let above = u128::BITS.checked_sub(width)?;
        let all = u128::MAX.checked_shr(above)?;
        let mask = match mask.split_at_checked(1) {
            None => all,
            Some(("/", length)) => {
                let length = decimal(length).filter(|_| !length.is_empty())?;
                let rest = width.checked_sub(u32::from(length))?;
                all.checked_shl(rest).unwrap_or_default() & all
            }
            Some((_, mask)) => {
                let is_number = mask.bytes().all(|byte| byte.is_ascii_hexdigit());
                u128::from_str_radix(mask, 16)
                    .ok()
                    .filter(|mask| is_number && mask & !all == 0)?
            }
        };
        Some(Self {
            address: bits & mask,
            mask,
            is_ipv4: address.is_ipv4(),
        })
    }

    /// Whether `address` is in it.
    pub(super) fn contains(self, address: IpAddr) -> bool {
        address.is_ipv4() == self.is_ipv4 && bits(address).0 & self.mask == self.address
    }
}

/// The bits of an address, and how many they are.
fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), u32::BITS),
        IpAddr::V6(address) => (address.to_bits(), u128::BITS),
    }
}

/// A decimal number and nothing else.
fn number(text: &str) -> Option<u32> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

fn time(text: &[u8]) -> Option<Duration> {
    let (digits, unit) = match text.split_last()? {
        (b's', digits) => (digits, 1),
        (b'm', digits) => (digits, 60),
        (b'h', digits) => (digits, 3_600),
        _ => (text, 1),
    };
    let number = number(core::str::from_utf8(digits).ok()?)?;
    Some(Duration::from_secs(u64::from(number).saturating_mul(unit)))
}
