// SPDX-License-Identifier: GPL-2.0-only

//! dracut's `netroot=iscsi:` and `root=iscsi:`, of which this is what follows `iscsi:`:
//! `[<user>:<password>[:<user>:<password>]@]<ip>:[<protocol>]:[<port>]:[[<iface>]:[<device>]:]`
//! `[<LUN, decimal>]:[<target name>]`.
//!
//! Source: dracut.cmdline(7). The LUN becomes part of a name in `/dev/disk/by-path` there, which
//! has it in decimal.

use crate::proto::config::{
    interface::DeviceName,
    location::{
        parse_portal,
        parse_target,
        LocationError,
        LocationFault, //
    },
    lun,
    target::Wanted,
    Field, //
};

/// What it starts with.
pub(crate) const SCHEME: &str = "iscsi:";

/// What dracut's argument says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NetRoot {
    /// The target.
    pub target: Wanted,
    /// The LUN (0 to [`lun::MAX`]).
    pub lun: u16,
    /// The network device to reach it over.
    pub device: Option<DeviceName>,
    /// Whether there are user names and passwords, which are not used: everybody can read the
    /// kernel's arguments.
    pub has_credentials: bool,
}

impl NetRoot {
    /// Reads the argument's whole value.
    ///
    /// # Errors
    ///
    /// [`LocationFault`] says what is wrong with it. The value may have passwords and is shown to
    /// nobody.
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        let whole = Field::whole(text);
        let text = text
            .strip_prefix(SCHEME)
            .ok_or(whole.error(LocationFault::DracutFields))?;
        // What is behind the last `@` has no part of a password.
        let (credentials, text) = match text.rsplit_once('@') {
            Some((credentials, text)) => (Some(credentials), text),
            None => (None, text),
        };
        let text = Field {
            text,
            offset: whole.end().saturating_sub(text.len()),
        };

        let missing = LocationError::new(LocationFault::DracutFields, text.end());
        let (portal, rest) = parse_portal(text, LocationFault::DracutFields)?;
        let (first, behind) = rest.split(':');
        let name = behind.ok_or(missing)?;
        // A target's name has colons, too, but starts as no other field does.
        let (device, number, name) = if name.text.is_empty() || is_name(name.text) {
            (None, first, name)
        } else {
            let (device, rest) = name.split(':');
            let (number, rest) = rest.ok_or(missing)?.split(':');
            if is_name(number.text) {
                return Err(device.error(LocationFault::DracutFields));
            }
            (Some(device), number, rest.ok_or(missing)?)
        };
        let device = match device.filter(|device| !device.text.is_empty()) {
            None => None,
            Some(field) => {
                Some(DeviceName::new(field.text).ok_or(field.error(LocationFault::Device))?)
            }
        };
        let lun = match number.text {
            "" => 0,
            text => lun::parse(text).map_err(|error| error.inside(number.offset))?,
        };
        Ok(Self {
            target: parse_target(portal, name)?,
            lun,
            device,
            has_credentials: credentials.is_some_and(|credentials| !credentials.is_empty()),
        })
    }
}

/// Whether `text` starts as a target's name does.
fn is_name(text: &str) -> bool {
    text.get(..4).is_some_and(|start| {
        ["iqn.", "eui.", "naa."]
            .iter()
            .any(|kind| start.eq_ignore_ascii_case(kind))
    })
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::{
        format,
        string::{
            String,
            ToString, //
        },
    };

    use super::*;
    use crate::proto::config::{
        lun::LunFault,
        name::NameFault,
        target::TargetFault, //
    };

    const TARGET: &str = "iqn.2001-04.com.example:disk:1";

    /// The parts in one line.
    fn parts(text: &str) -> String {
        let root = NetRoot::parse(text).expect(text);
        let device = root.device.map(|device| device.to_string());
        format!(
            "{} {} {device:?} {}",
            root.target, root.lun, root.has_credentials
        )
    }

    fn fault(text: &str) -> Option<(LocationFault, usize)> {
        NetRoot::parse(text)
            .err()
            .map(|error| (error.reason, error.offset))
    }

    #[test]
    fn both_forms_are_read() {
        // The examples of dracut.cmdline(7) are of this kind.
        assert_eq!(
            parts(&format!("iscsi:192.168.50.1::::{TARGET}")),
            format!("192.168.50.1:3260:{TARGET} 0 None false")
        );
        assert_eq!(
            parts(&format!("iscsi:192.168.50.1:6:3261:12:{TARGET}")),
            format!("192.168.50.1:3261:{TARGET} 12 None false")
        );
        assert_eq!(
            parts(&format!("iscsi:[2001:db8::1]:::default:eth1:1:{TARGET}")),
            format!("[2001:db8::1]:3260:{TARGET} 1 Some(\"eth1\") false")
        );
        assert_eq!(
            parts(&format!("iscsi:192.168.50.1::::::{TARGET}")),
            format!("192.168.50.1:3260:{TARGET} 0 None false")
        );
        assert_eq!(
            parts("iscsi:192.168.50.1::::"),
            "of portal 192.168.50.1:3260 0 None false"
        );
    }

    #[test]
    fn credentials_are_left_out_whole() {
        for credentials in ["user:secret", "user:secret:target:other", "user:sec@ret"] {
            assert_eq!(
                parts(&format!("iscsi:{credentials}@10.0.0.1::::{TARGET}")),
                format!("10.0.0.1:3260:{TARGET} 0 None true")
            );
        }
        assert_eq!(
            fault(&format!("iscsi:user:secret@san::::{TARGET}")),
            Some((LocationFault::Portal(TargetFault::HostName), 18))
        );
    }

    #[test]
    fn what_cannot_be_meant_says_why_and_where() {
        use LocationFault as F;
        assert_eq!(fault("nbd:10.0.0.1"), Some((F::DracutFields, 0)));
        assert_eq!(
            fault("iscsi:"),
            Some((F::Portal(TargetFault::NoAddress), 6))
        );
        assert_eq!(fault("iscsi:10.0.0.1"), Some((F::DracutFields, 14)));
        assert_eq!(fault("iscsi:10.0.0.1:::0"), Some((F::DracutFields, 18)));
        assert_eq!(fault("iscsi:10.0.0.1:17:::x"), Some((F::Protocol, 15)));
        assert_eq!(
            fault("iscsi:10.0.0.1::x::eui.0"),
            Some((F::Portal(TargetFault::Port), 16))
        );
        assert_eq!(
            fault("iscsi:10.0.0.1:::a:eui.0"),
            Some((F::Lun(LunFault::NotDecimal), 17))
        );
        assert_eq!(
            fault("iscsi:10.0.0.1:::1:eui.0"),
            Some((F::Name(NameFault::Eui), 23))
        );
        assert_eq!(
            fault("iscsi:10.0.0.1:::1:disk"),
            Some((F::DracutFields, 23))
        );
        assert_eq!(
            fault("iscsi:10.0.0.1::::1:eui.02004567a425678d:1"),
            Some((F::DracutFields, 18))
        );
        assert_eq!(
            fault("iscsi:10.0.0.1:::x:a/b:1:eui.0"),
            Some((F::Device, 19))
        );
        assert_eq!(
            fault("iscsi:10.0.0.1:::x:eth0:1:disk"),
            Some((F::Name(NameFault::Type), 26))
        );
    }
}
