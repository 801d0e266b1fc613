// SPDX-License-Identifier: GPL-2.0-only

//! What is wrong with a setting, and who says it.

use core::fmt;

use crate::proto::config::{
    cmdline::{
        Key,
        Other, //
    },
    interface::InterfaceError,
    ip::IpError,
    location::LocationError,
    lun::LunError,
    name::NameError,
    target::TargetError,
    timeout::TimeoutError,
};

/// A setting that cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SettingError<'a> {
    /// Who says it.
    pub origin: Origin,
    /// What they say.
    pub text: &'a str,
    /// What is wrong with that.
    pub fault: SettingFault,
}

impl fmt::Display for SettingError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.origin {
            // It may have a password.
            Origin::Other(Other::NetRoot | Other::Root) => {
                write!(f, "{}: {}", self.origin, self.fault)
            }
            origin => write!(f, "{origin}: {:?}: {}", self.text, self.fault),
        }
    }
}

/// Who says something, by the name under which people know it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// The module parameter of this setting.
    Parameter(Key),
    /// The kernel argument of this setting.
    Argument(Key),
    /// A kernel argument that was made for others.
    Other(Other),
    /// The DHCP root path.
    RootPath,
    /// The DHCP option for an initiator's name.
    DhcpInitiator,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parameter(key) => write!(f, "{}=", key.parameter()),
            Self::Argument(key) => write!(f, "{}=", key.argument()),
            Self::Other(other) => write!(f, "{}=", other.name()),
            Self::DhcpInitiator => f.write_str("DHCP option 203"),
            Self::RootPath => f.write_str("DHCP root path"),
        }
    }
}

/// What is wrong with a setting.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SettingFault {
    /// With the interface.
    Interface(InterfaceError),
    /// With the initiator's name.
    Initiator(NameError),
    /// With the target.
    Target(TargetError),
    /// With the LUN.
    Lun(LunError),
    /// With the time limit.
    Timeout(TimeoutError),
    /// With the root path, or with dracut's target.
    Location(LocationError),
    /// With `ip=`.
    Ip(IpError),
    /// With the vendor class, which has more than 252 bytes.
    VendorClass,
}

impl From<IpError> for SettingFault {
    fn from(error: IpError) -> Self {
        Self::Ip(error)
    }
}

impl From<LocationError> for SettingFault {
    fn from(error: LocationError) -> Self {
        Self::Location(error)
    }
}

impl From<InterfaceError> for SettingFault {
    fn from(error: InterfaceError) -> Self {
        Self::Interface(error)
    }
}

impl From<NameError> for SettingFault {
    fn from(error: NameError) -> Self {
        Self::Initiator(error)
    }
}

impl From<TargetError> for SettingFault {
    fn from(error: TargetError) -> Self {
        Self::Target(error)
    }
}

impl From<LunError> for SettingFault {
    fn from(error: LunError) -> Self {
        Self::Lun(error)
    }
}

impl From<TimeoutError> for SettingFault {
    fn from(error: TimeoutError) -> Self {
        Self::Timeout(error)
    }
}

impl fmt::Display for SettingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interface(error) => error.fmt(f),
            Self::Initiator(error) => error.fmt(f),
            Self::Target(error) => error.fmt(f),
            Self::Lun(error) => error.fmt(f),
            Self::Timeout(error) => error.fmt(f),
            Self::Location(error) => error.fmt(f),
            Self::Ip(error) => error.fmt(f),
            Self::VendorClass => f.write_str("a vendor class has at most 252 bytes (at byte 0)"),
        }
    }
}
