// SPDX-License-Identifier: GPL-2.0-only

//! This module's arguments in the kernel command line, split as the kernel splits it.
//!
//! The source of the rules is the kernel's own `next_arg` and `parse_args`: words end at white
//! space; `"` keeps white space inside a word and is taken off where it surrounds the word or its
//! value; `-` and `_` are the same in a name; a word `--` ends the kernel's part of the line.

use core::fmt;

use crate::proto::config::netroot::SCHEME;

/// The texts of the settings; an empty one is as good as none.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Arguments<'a> {
    /// The network device and how it is addressed.
    pub interface: Option<&'a str>,
    /// The initiator's name.
    pub initiator: Option<&'a str>,
    /// The targets and where they are.
    pub target: Repeated<'a>,
    /// The boot LUN.
    pub lun: Option<&'a str>,
    /// The configuration file.
    pub conf: Option<&'a str>,
    /// For how long the boot is tried.
    pub timeout: Option<&'a str>,
    /// Kernel arguments of others.
    pub others: Others<'a>,
}

/// Kernel arguments that were made for others and mean the same here; an empty one is as good as
/// none. One that is not UTF-8 is left to them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Others<'a> {
    /// `ip=` or `nfsaddrs=`, of the kernel's own ipconfig and of dracut.
    pub ip: Repeated<'a>,
    /// `bootdev=`, of dracut.
    pub boot_device: Option<&'a str>,
    /// `dhcpclass=`, of the kernel's own ipconfig.
    pub vendor_class: Option<&'a str>,
    /// `BOOTIF=`, of PXELINUX.
    pub boot_interface: Option<&'a str>,
    /// `netroot=iscsi:`, of dracut.
    pub net_root: Repeated<'a>,
    /// `root=iscsi:`, of dracut.
    pub root: Option<&'a str>,
    /// `rd.iscsi.initiator=`, of dracut.
    pub initiator: Option<&'a str>,
}

impl<'a> Others<'a> {
    /// Takes note of the argument, if it is one of them.
    fn take(&mut self, other: Other, value: Option<&'a [u8]>) {
        let Some(value) = value.and_then(|value| core::str::from_utf8(value).ok()) else {
            return;
        };
        let value = match other {
            Other::NetRoot | Other::Root if !value.starts_with(SCHEME) => "",
            _ => value,
        };
        let slot = match other {
            Other::Ip | Other::NetRoot => {
                let texts = match other {
                    Other::Ip => &mut self.ip,
                    _ => &mut self.net_root,
                };
                // One too many is left to them.
                let _ = texts.add(value);
                return;
            }
            Other::BootDevice => &mut self.boot_device,
            Other::VendorClass => &mut self.vendor_class,
            Other::BootInterface => &mut self.boot_interface,
            Other::Root => &mut self.root,
            Other::Initiator => &mut self.initiator,
        };
        *slot = Some(value).filter(|value| !value.is_empty());
    }
}

/// A kernel argument that was made for others.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Other {
    /// The network device and how it is addressed.
    Ip,
    /// What a DHCP server is told that the machine is.
    VendorClass,
    /// The network device to boot over.
    BootDevice,
    /// The network device that the boot loader came from.
    BootInterface,
    /// The target.
    NetRoot,
    /// The target, in place of the root file system's device.
    Root,
    /// The initiator's name.
    Initiator,
}

impl Other {
    const ALL: [Self; 7] = [
        Self::Ip,
        Self::VendorClass,
        Self::BootDevice,
        Self::BootInterface,
        Self::NetRoot,
        Self::Root,
        Self::Initiator,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::VendorClass => "dhcpclass",
            Self::BootDevice => "bootdev",
            Self::BootInterface => "BOOTIF",
            Self::NetRoot => "netroot",
            Self::Root => "root",
            Self::Initiator => "rd.iscsi.initiator",
        }
    }

    /// The argument that is called `name`.
    fn named(name: &[u8]) -> Option<Self> {
        if name == b"nfsaddrs" {
            return Some(Self::Ip);
        }
        Self::ALL
            .into_iter()
            .find(|other| other.name().as_bytes() == name)
    }
}

impl<'a> Arguments<'a> {
    /// Finds this module's arguments in the kernel command line `line`.
    ///
    /// Of an argument given more than once the last counts, as with the kernel's own, but that
    /// targets are all taken. Everything else in the line is somebody else's.
    ///
    /// # Errors
    ///
    /// An argument of ours has no value, or one that is not UTF-8, or is there too often.
    pub fn parse(line: &'a [u8]) -> Result<Self, ArgumentError> {
        let mut found = Self::default();
        for word in Words::new(line) {
            let Some(key) = Key::named(word.name) else {
                if let Some(other) = Other::named(word.name) {
                    found.others.take(other, word.value);
                }
                continue;
            };
            let error = |fault| ArgumentError { key, fault };
            let value = word.value.ok_or(error(ArgumentFault::NoValue))?;
            let value = core::str::from_utf8(value).map_err(|_| error(ArgumentFault::NotUtf8))?;
            let slot = match key {
                Key::Interface => &mut found.interface,
                Key::Initiator => &mut found.initiator,
                Key::Target => {
                    let added = found.target.add(value);
                    added.ok_or(error(ArgumentFault::TooOften))?;
                    continue;
                }
                Key::Lun => &mut found.lun,
                Key::Conf => &mut found.conf,
                Key::Timeout => &mut found.timeout,
            };
            *slot = Some(value).filter(|value| !value.is_empty());
        }
        Ok(found)
    }

    /// Whether one of these settings is given; others' arguments do not count.
    pub fn any(&self) -> bool {
        let Self {
            interface,
            initiator,
            target,
            lun,
            conf,
            timeout,
            others: _,
        } = self;
        [interface, initiator, lun, conf, timeout]
            .into_iter()
            .any(Option::is_some)
            || target.first().is_some()
    }
}

/// The texts of an argument that may be there more than once.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Repeated<'a>([Option<&'a str>; REPEATED_MAX]);

/// How often an argument may be there.
const REPEATED_MAX: usize = 8;

impl<'a> Repeated<'a> {
    /// The first text, which is the only one of most.
    pub fn first(&self) -> Option<&'a str> {
        self.iter().next()
    }

    /// All texts, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.0.iter().flatten().copied()
    }

    /// Takes one more; an empty one is as good as none, nor does any before it count then. `None`
    /// where there is no room.
    fn add(&mut self, text: &'a str) -> Option<()> {
        if text.is_empty() {
            *self = Self::default();
            return Some(());
        }
        *self.0.iter_mut().find(|slot| slot.is_none())? = Some(text);
        Some(())
    }
}

/// The one text that there is, if there is one.
impl<'a> From<Option<&'a str>> for Repeated<'a> {
    fn from(text: Option<&'a str>) -> Self {
        let mut texts = Self::default();
        texts.add(text.unwrap_or_default());
        texts
    }
}

/// A setting that people can give.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Key {
    /// The network device and how it is addressed.
    Interface,
    /// The initiator's name.
    Initiator,
    /// The target and where it is.
    Target,
    /// The boot LUN.
    Lun,
    /// The configuration file.
    Conf,
    /// For how long the boot is tried.
    Timeout,
}

impl Key {
    const ALL: [Self; 6] = [
        Self::Interface,
        Self::Initiator,
        Self::Target,
        Self::Lun,
        Self::Conf,
        Self::Timeout,
    ];

    /// The setting's name as a module parameter.
    pub const fn parameter(self) -> &'static str {
        match self {
            Self::Interface => "if",
            Self::Initiator => "initiator",
            Self::Target => "target",
            Self::Lun => "lun",
            Self::Conf => "conf",
            Self::Timeout => "timeout",
        }
    }

    /// The setting's name as a kernel argument.
    pub const fn argument(self) -> &'static str {
        match self {
            Self::Interface => "iscsi-if",
            Self::Initiator => "iscsi-initiator",
            Self::Target => "iscsi-target",
            Self::Lun => "iscsi-lun",
            Self::Conf => "iscsi-conf",
            Self::Timeout => "iscsi-timeout",
        }
    }

    /// The setting whose kernel argument is called `name`.
    fn named(name: &[u8]) -> Option<Self> {
        let dashed = |byte: &u8| if *byte == b'_' { b'-' } else { *byte };
        Self::ALL
            .into_iter()
            .find(|key| name.iter().map(dashed).eq(key.argument().bytes()))
    }
}

/// What it is, for people.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interface => "interface",
            Self::Initiator => "initiator",
            Self::Target => "target",
            Self::Lun => "LUN",
            Self::Conf => "configuration file",
            Self::Timeout => "time limit",
        })
    }
}

/// A kernel argument that has no text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ArgumentError {
    /// The argument.
    pub key: Key,
    /// What is wrong with it.
    pub fault: ArgumentFault,
}

/// Why a kernel argument has no text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ArgumentFault {
    /// No `=` follows its name.
    NoValue,
    /// Its value is not UTF-8.
    NotUtf8,
    /// It is there too often.
    TooOften,
}

impl fmt::Display for ArgumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.key.argument();
        match self.fault {
            ArgumentFault::NoValue => write!(f, "{name}: no value; expected {name}=<value>"),
            ArgumentFault::NotUtf8 => write!(f, "{name}=: the value is not UTF-8"),
            ArgumentFault::TooOften => {
                write!(f, "{name}=: at most {REPEATED_MAX} of them can be given")
            }
        }
    }
}

/// A word of the command line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Word<'a> {
    /// What is before the first `=`.
    name: &'a [u8],
    /// What is behind the first `=`.
    value: Option<&'a [u8]>,
}

/// The kernel's words of the command line.
struct Words<'a> {
    rest: &'a [u8],
}

impl<'a> Words<'a> {
    fn new(line: &'a [u8]) -> Self {
        // A C string ends at its NUL.
        Self {
            rest: line.split(|byte| *byte == 0).next().unwrap_or_default(),
        }
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = Word<'a>;

    fn next(&mut self) -> Option<Word<'a>> {
        let start = self.rest.iter().position(|byte| !is_space(*byte))?;
        let (_, from_word) = self.rest.split_at_checked(start)?;
        let (quoted, text) = match from_word.strip_prefix(b"\"") {
            Some(behind) => (true, behind),
            None => (false, from_word),
        };
        let mut in_quotes = quoted;
        let end = text.iter().position(|byte| {
            if *byte == b'"' {
                in_quotes = !in_quotes;
            }
            is_space(*byte) && !in_quotes
        });
        let (text, rest) = text.split_at_checked(end.unwrap_or(text.len()))?;
        self.rest = rest;

        let unquoted = |text: &'a [u8]| {
            if quoted {
                text.strip_suffix(b"\"").unwrap_or(text)
            } else {
                text
            }
        };
        // An `=` in front separates nothing.
        let equals = text.iter().skip(1).position(|byte| *byte == b'=');
        let split =
            equals.and_then(|behind_first| text.split_at_checked(behind_first.saturating_add(1)));
        let word = match split {
            None => Word {
                name: unquoted(text),
                value: None,
            },
            Some((name, value)) => {
                let value = value.strip_prefix(b"=").unwrap_or(value);
                let value = match value.strip_prefix(b"\"") {
                    Some(value) => value.strip_suffix(b"\"").unwrap_or(value),
                    None => unquoted(value),
                };
                Word {
                    name,
                    value: Some(value),
                }
            }
        };
        if word
            == (Word {
                name: b"--",
                value: None,
            })
        {
            self.rest = &[];
            return None;
        }
        Some(word)
    }
}

/// Whether the kernel's `isspace` holds (lib/ctype.c: ASCII white space and
/// Latin-1's no-break space).
const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | 0x09..=0x0d | 0xa0)
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::{
        format,
        string::String,
        vec::Vec, //
    };

    use super::*;

    fn words(line: &str) -> Vec<String> {
        let show = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Words::new(line.as_bytes())
            .map(|word| match word.value {
                None => format!("<{}>", show(word.name)),
                Some(value) => format!("<{}|{}>", show(word.name), show(value)),
            })
            .collect()
    }

    // What next_arg() of Linux 7.3 (lib/cmdline.c), compiled for the host, makes of these lines.
    #[test]
    fn lines_are_split_as_the_kernel_splits_them() {
        assert_eq!(
            words("  ro root=/dev/sda1\tquiet\n"),
            ["<ro>", "<root|/dev/sda1>", "<quiet>"]
        );
        assert_eq!(words("a=\"b c\" d"), ["<a|b c>", "<d>"]);
        assert_eq!(words("\"a=b c\" d"), ["<a|b c>", "<d>"]);
        assert_eq!(words("\"a b\" c"), ["<a b>", "<c>"]);
        assert_eq!(
            words("a=b=c =d =e=f g="),
            ["<a|b=c>", "<=d>", "<=e|f>", "<g|>"]
        );
        assert_eq!(words("a=\"b c"), ["<a|b c>"]);
        assert_eq!(words("a=\" b"), ["<a| b>"]);
        assert_eq!(words("a=\""), ["<a|>"]);
        assert_eq!(words("a=\"\" b"), ["<a|>", "<b>"]);
        assert_eq!(words("a=b\"c d\"e f"), ["<a|b\"c d\"e>", "<f>"]);
        assert_eq!(words("\""), ["<>"]);
        assert_eq!(words("a -- b"), ["<a>"]);
        assert_eq!(words("a \"--\" b"), ["<a>"]);
        assert_eq!(words("a --=x -- b"), ["<a>", "<--|x>"]);
        assert_eq!(words("a\0b"), ["<a>"]);
    }

    #[test]
    fn the_no_break_space_of_latin_1_is_a_space() {
        let found = Arguments::parse(b"iscsi-lun=1\xa0iscsi-if=eth0");
        assert_eq!(
            found.map(|found| (found.lun, found.interface)),
            Ok((Some("1"), Some("eth0")))
        );
    }

    #[test]
    fn ours_are_found_among_others() {
        let line =
            b"BOOT_IMAGE=/vmlinuz ro iscsi-if=eth0 iscsi_target=10.0.0.1:eui.02004567a425678d \
            xiscsi-lun=1 iscsi-lunx=2 iscsi-lun=\"3\" -- iscsi-initiator=iqn.2001-04.com.example\n";
        let found = Arguments {
            interface: Some("eth0"),
            initiator: None,
            target: Some("10.0.0.1:eui.02004567a425678d").into(),
            lun: Some("3"),
            ..Arguments::default()
        };
        assert_eq!(Arguments::parse(line), Ok(found));
    }

    #[test]
    fn a_line_without_ours_has_none() {
        let any = |line: &str| Arguments::parse(line.as_bytes()).map(|found| found.any());
        assert_eq!(any("root=/dev/sda1 ip=dhcp iscsi-if="), Ok(false));
        assert_eq!(any("root=/dev/sda1 iscsi-timeout=60"), Ok(true));
        assert_eq!(any("root=/dev/sda1 iscsi_conf=/etc/boot.conf"), Ok(true));
        assert_eq!(any("iscsi_if=eth0"), Ok(true));
    }

    #[test]
    fn arguments_of_others_are_found() {
        let others = |line: &'static str| {
            let found = Arguments::parse(line.as_bytes()).expect(line);
            assert!(!found.any(), "{line}");
            found.others
        };
        assert_eq!(others("ip=dhcp").ip.first(), Some("dhcp"));
        assert_eq!(
            others("nfsaddrs=10.0.0.2::10.0.0.1").ip.first(),
            Some("10.0.0.2::10.0.0.1")
        );
        assert_eq!(
            others("ip quiet xip=dhcp ip6=x root=/dev/sda1 netroot=nbd:x bootif=x -- ip=dhcp"),
            Others::default()
        );
        assert_eq!(others("ip=dhcp ip=").ip.first(), None);
        let found = others(
            "root=iscsi:a netroot=iscsi:b rd.iscsi.initiator=c BOOTIF=01-d dhcpclass=e ip=f \
             bootdev=h",
        );
        let all = Others {
            ip: Some("f").into(),
            vendor_class: Some("e"),
            boot_device: Some("h"),
            boot_interface: Some("01-d"),
            net_root: Some("iscsi:b").into(),
            root: Some("iscsi:a"),
            initiator: Some("c"),
        };
        assert_eq!(found, all);
        let found = Arguments::parse(b"root=\xff ip=\xff");
        assert_eq!(found, Ok(Arguments::default()));
    }

    #[test]
    fn the_last_one_counts() {
        let found = Arguments::parse(b"iscsi-lun=1 iscsi_lun=2 iscsi-if=eth0 iscsi-if=");
        assert_eq!(
            found.map(|found| (found.lun, found.interface)),
            Ok((Some("2"), None))
        );
    }

    #[test]
    fn every_target_counts() {
        let texts = |line: &str| -> Result<_, String> {
            let found = Arguments::parse(line.as_bytes()).map_err(|error| format!("{error}"))?;
            let texts = |texts: Repeated<'_>| texts.iter().map(String::from).collect::<Vec<_>>();
            Ok((texts(found.target), texts(found.others.net_root)))
        };
        let owned = |list: &[&str]| list.iter().map(|text| String::from(*text)).collect();
        assert_eq!(
            texts("iscsi-target=a netroot=iscsi:x iscsi_target=b netroot=iscsi:y netroot=iscsi:x"),
            Ok((
                owned(&["a", "b"]),
                owned(&["iscsi:x", "iscsi:y", "iscsi:x"])
            ))
        );
        // Who wants others alone says so with an empty one, or with one of another kind.
        assert_eq!(
            texts("iscsi-target=a iscsi-target= iscsi-target=b netroot=iscsi:x netroot=nbd:y"),
            Ok((owned(&["b"]), owned(&[])))
        );
        let nine = ["iscsi-target=a"; 9].join(" ");
        assert_eq!(
            texts(&nine),
            Err("iscsi-target=: at most 8 of them can be given".into())
        );
    }

    #[test]
    fn an_argument_without_text_is_an_error() {
        let error = Arguments::parse(b"quiet iscsi_if").expect_err("no value");
        assert_eq!(
            format!("{error}"),
            "iscsi-if: no value; expected iscsi-if=<value>"
        );
        let error = Arguments::parse(b"iscsi-target=\xff").expect_err("not UTF-8");
        assert_eq!(format!("{error}"), "iscsi-target=: the value is not UTF-8");
    }
}
