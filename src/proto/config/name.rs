// SPDX-License-Identifier: GPL-2.0-only

//! iSCSI names: who an initiator or a target is (RFC 7143 section 4.2.7, RFC 3722).

use core::fmt;

use crate::proto::config::{
    text::Text,
    ParseError, //
};

/// The longest iSCSI name in bytes (RFC 7143 section 4.2.7.1).
pub const MAX_LENGTH: usize = 223;
/// What the names of this project's own authority begin with.
const AUTHORITY: &str = "iqn.2004-11.net.sourceforge.iscsi-init:";

/// An iSCSI name in the form in which it is sent and compared.
#[derive(Clone, Eq, PartialEq)]
pub struct Name(Text<MAX_LENGTH>);

impl Name {
    /// Reads a name of type `iqn.`, `eui.` or `naa.`.
    ///
    /// ASCII capitals become small letters, as the stringprep profile of RFC 3722 folds them. Other
    /// than ASCII characters are taken as they are: who writes them has to write them normalised.
    /// `_` is not in the profile's repertoire but in the names of many targets, so it is taken too.
    ///
    /// # Errors
    ///
    /// [`NameFault`] says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::new(NameFault::Empty, 0));
        }
        if let Some((offset, character)) = text
            .char_indices()
            .find(|(_, character)| !is_permitted(*character))
        {
            return Err(NameError::new(NameFault::Character(character), offset));
        }
        let Some(mut name) = Text::new(text) else {
            return Err(NameError::new(NameFault::TooLong, MAX_LENGTH));
        };
        name.make_ascii_lowercase();
        match name.as_str().split_at_checked(4) {
            Some(("iqn.", rest)) => check_qualified(rest)?,
            Some(("eui.", rest)) => check_hexadecimal(rest, &[16], NameFault::Eui)?,
            Some(("naa.", rest)) => check_hexadecimal(rest, &[16, 32], NameFault::Naa)?,
            _ => return Err(NameError::new(NameFault::Type, 0)),
        }
        Ok(Self(name))
    }

    /// A name of this project's own authority, `iqn.2004-11.net.sourceforge.iscsi-init:` and what
    /// tells a machine from others, for one that was given none; `None` if `what` cannot be in a
    /// name.
    pub fn of_machine(what: fmt::Arguments<'_>) -> Option<Self> {
        let mut text = Text::<MAX_LENGTH>::default();
        fmt::write(&mut text, format_args!("{AUTHORITY}{what}")).ok()?;
        Self::parse(text.as_str()).ok()
    }

    /// Such a name, of the twelve hexadecimal digits of `mac`.
    pub fn from_mac(mac: [u8; 6]) -> Self {
        /// A MAC address in hexadecimal digits only.
        struct Digits([u8; 6]);

        impl fmt::Display for Digits {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        let mut name = Text::default();
        // 51 bytes fit in 223.
        let _ = fmt::write(&mut name, format_args!("{AUTHORITY}{}", Digits(mac)));
        Self(name)
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What is wrong with an iSCSI name, and where.
pub type NameError = ParseError<NameFault>;

/// What is wrong with an iSCSI name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NameFault {
    /// There is no character.
    Empty,
    /// There are more than [`MAX_LENGTH`] bytes.
    TooLong,
    /// It starts with none of the types.
    Type,
    /// It has a character that no name has.
    Character(char),
    /// No `yyyy-mm` follows `iqn.`.
    Date,
    /// No naming authority follows the date.
    Authority,
    /// What follows `eui.` is not 16 hexadecimal digits.
    Eui,
    /// What follows `naa.` is neither 16 nor 32 hexadecimal digits.
    Naa,
}

impl fmt::Display for NameFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the iSCSI name is empty"),
            Self::TooLong => write!(f, "the iSCSI name is longer than {MAX_LENGTH} bytes"),
            Self::Type => f.write_str("an iSCSI name starts with iqn., eui. or naa."),
            Self::Character(character) => write!(f, "{character:?} cannot be in an iSCSI name"),
            Self::Date => f.write_str(
                "an iqn. name goes on with a year and a month, as in iqn.2001-04.com.example",
            ),
            Self::Authority => {
                f.write_str("an iqn. name needs a reversed domain name after its date")
            }
            Self::Eui => f.write_str("an eui. name goes on with 16 hexadecimal digits"),
            Self::Naa => f.write_str("a naa. name goes on with 16 or 32 hexadecimal digits"),
        }
    }
}

/// Whether `character` can be in a name.
fn is_permitted(character: char) -> bool {
    // RFC 3722 section 6.2: of ASCII, only letters, digits and these are permitted.
    if character.is_ascii() {
        return character.is_ascii_alphanumeric() || matches!(character, '-' | '.' | ':' | '_');
    }
    !character.is_whitespace() && !character.is_control()
}

/// Checks what follows `iqn.`: `yyyy-mm.` and the naming authority (RFC 7143 section 4.2.7.4).
fn check_qualified(rest: &str) -> Result<(), NameError> {
    let date = rest.as_bytes().first_chunk::<8>();
    let Some([y1, y2, y3, y4, b'-', m1, m2, b'.']) = date else {
        return Err(NameError::new(NameFault::Date, 4));
    };
    let year = [y1, y2, y3, y4].iter().all(|digit| digit.is_ascii_digit());
    let month = matches!((m1, m2), (b'0', b'1'..=b'9') | (b'1', b'0'..=b'2'));
    if !year || !month {
        return Err(NameError::new(NameFault::Date, 4));
    }
    match rest.as_bytes().get(8) {
        None | Some(b':' | b'.') => Err(NameError::new(NameFault::Authority, 12)),
        Some(_) => Ok(()),
    }
}

/// Checks that `rest` is hexadecimal digits, as many as one of `lengths` (RFC 7143 sections 4.2.7.5
/// and 4.2.7.6).
fn check_hexadecimal(rest: &str, lengths: &[usize], fault: NameFault) -> Result<(), NameError> {
    let digits = rest.bytes().all(|byte| byte.is_ascii_hexdigit());
    if digits && lengths.contains(&rest.len()) {
        Ok(())
    } else {
        Err(NameError::new(fault, 4))
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::format;

    use super::*;

    fn fault(text: &str) -> Option<(NameFault, usize)> {
        Name::parse(text)
            .err()
            .map(|error| (error.reason, error.offset))
    }

    /// RFC 7143 sections 4.2.7.4 to 4.2.7.6.
    #[test]
    fn names_of_rfc_7143_are_read() {
        // RFC 7143 sections 4.2.7.4 to 4.2.7.6.
        for name in [
            "iqn.2001-04.com.example:storage:diskarrays-sn-a8675309",
            "iqn.2001-04.com.example",
            "iqn.2001-04.com.example:storage.tape1.sys1.xyz",
            "eui.02004567a425678d",
            "naa.52004567ba64678d",
            "naa.62004567ba64678d0123456789abcdef",
            "iqn.2003-01.org.linux-iscsi:my_disk",
            "iqn.2001-04.com.example:plätze",
        ] {
            assert_eq!(
                Name::parse(name).map(|parsed| parsed.as_str() == name),
                Ok(true),
                "{name}"
            );
        }
    }

    #[test]
    fn capitals_are_folded() {
        let name = Name::parse("IQN.2001-04.COM.Example:Disk").expect("a name");
        assert_eq!(name.as_str(), "iqn.2001-04.com.example:disk");
        assert_eq!(
            Name::parse("EUI.02004567A425678D")
                .expect("a name")
                .as_str(),
            "eui.02004567a425678d"
        );
    }

    #[test]
    fn what_is_no_name_says_why_and_where() {
        assert_eq!(fault(""), Some((NameFault::Empty, 0)));
        assert_eq!(fault("disk"), Some((NameFault::Type, 0)));
        assert_eq!(fault("iqn"), Some((NameFault::Type, 0)));
        assert_eq!(fault("iqn."), Some((NameFault::Date, 4)));
        assert_eq!(fault("iqn.2001-4.com.example"), Some((NameFault::Date, 4)));
        assert_eq!(fault("iqn.2001-13.com.example"), Some((NameFault::Date, 4)));
        assert_eq!(fault("iqn.2001-00.com.example"), Some((NameFault::Date, 4)));
        assert_eq!(fault("iqn.200x-01.com.example"), Some((NameFault::Date, 4)));
        assert_eq!(fault("iqn.2001-04."), Some((NameFault::Authority, 12)));
        assert_eq!(fault("iqn.2001-04.:disk"), Some((NameFault::Authority, 12)));
        assert_eq!(fault("eui.02004567a425678"), Some((NameFault::Eui, 4)));
        assert_eq!(fault("eui.02004567a425678g"), Some((NameFault::Eui, 4)));
        assert_eq!(fault("naa.52004567ba64678d0"), Some((NameFault::Naa, 4)));
        assert_eq!(
            fault("iqn.2001-04.com.example:a b"),
            Some((NameFault::Character(' '), 25))
        );
        assert_eq!(
            fault("iqn.2001-04.com.example:a\n"),
            Some((NameFault::Character('\n'), 25))
        );
        assert_eq!(
            fault("iqn.2001-04.com.example/a"),
            Some((NameFault::Character('/'), 23))
        );
        assert_eq!(
            fault("iqn.2001-04.com.example:\u{80}"),
            Some((NameFault::Character('\u{80}'), 24))
        );
        assert_eq!(
            fault("iqn.2001-04.com.example:\u{a0}"),
            Some((NameFault::Character('\u{a0}'), 24))
        );
    }

    /// RFC 7143 section 4.2.7.1.
    #[test]
    fn the_longest_name_has_223_bytes() {
        let longest = format!("{:a<223}", "iqn.2001-04.com.example:");
        assert!(Name::parse(&longest).is_ok());
        assert_eq!(
            fault(&format!("{longest}a")),
            Some((NameFault::TooLong, 223))
        );
    }

    #[test]
    fn a_name_from_a_mac_is_a_name() {
        let name = Name::from_mac([0x52, 0x54, 0x00, 0x12, 0x34, 0x0f]);
        assert_eq!(
            name.as_str(),
            "iqn.2004-11.net.sourceforge.iscsi-init:52540012340f"
        );
        assert_eq!(Name::parse(name.as_str()), Ok(name));
    }

    #[test]
    fn the_error_is_a_sentence() {
        let error = Name::parse("iqn.2001-04.com.example:a\tb").expect_err("no name");
        assert_eq!(
            format!("{error}"),
            r"'\t' cannot be in an iSCSI name (at byte 25)"
        );
    }
}
