// SPDX-License-Identifier: GPL-2.0-only

//! The one source of each setting.
//!
//! What the machine is told becomes a [`Request`] before there is a network, and a [`Boot`] after
//! DHCP has answered. A setting comes whole from the first [`Source`] that gives it; what later
//! sources say about it is not looked at.

use core::fmt;

use crate::proto::config::{
    cmdline::{
        Arguments,
        Key, //
    },
    ibft::{
        Ibft,
        NicFault, //
    },
    interface::{
        Interface,
        InterfaceError, //
    },
    iscsi_conf::Told,
    lun::{
        self,
        LunError, //
    },
    name::{
        Name,
        NameError, //
    },
    root_path::{
        RootPath,
        RootPathError, //
    },
    target::{
        TargetError,
        Wanted, //
    },
    timeout::{
        self,
        Patience,
        TimeoutError, //
    },
};

/// Where a setting comes from, in the order of precedence.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Source {
    /// A module parameter.
    Parameter,
    /// A kernel argument.
    Argument,
    /// The configuration file.
    Conf,
    /// The firmware's table.
    Ibft,
    /// The DHCP root path.
    Dhcp,
    /// Nobody gave it.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parameter => "module parameter",
            Self::Argument => "kernel argument",
            Self::Conf => "iscsi.conf",
            Self::Ibft => "iBFT",
            Self::Dhcp => "DHCP root path",
            Self::Default => "default",
        })
    }
}

/// A setting and where it comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Setting<T> {
    /// The setting.
    pub value: T,
    /// Where it comes from.
    pub source: Source,
}

/// `<value> (<source>)`.
impl<T: fmt::Display> fmt::Display for Setting<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.value, self.source)
    }
}

/// What the machine is told before it has a network.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
    /// The device to boot over; any, where nobody says.
    pub interface: Option<Setting<Interface>>,
    /// What this machine is called.
    pub initiator: Option<Setting<Name>>,
    /// The target.
    pub target: Option<Setting<Wanted>>,
    /// The boot LUN (0 to [`lun::MAX`]).
    pub lun: Option<Setting<u16>>,
    /// For how long the boot is tried.
    pub timeout: Option<Setting<Patience>>,
    /// Whether the kernel's own ipconfig was told to set up the network.
    pub ipconfig: bool,
}

impl Request {
    /// Reads each setting from the module's parameters or, where those do not have it,
    /// from the kernel's arguments.
    ///
    /// # Errors
    ///
    /// Says which text of which source is wrong, and how.
    pub fn new<'a>(
        parameters: &Arguments<'a>,
        arguments: &Arguments<'a>,
    ) -> Result<Self, SettingError<'a>> {
        let pick = |key, field: fn(&Arguments<'a>) -> Option<&'a str>| {
            let parameter = field(parameters).map(|text| Given {
                key,
                text,
                source: Source::Parameter,
            });
            let argument = field(arguments).map(|text| Given {
                key,
                text,
                source: Source::Argument,
            });
            parameter.or(argument)
        };
        Ok(Self {
            interface: read(
                pick(Key::Interface, |given| given.interface),
                Interface::parse,
            )?,
            initiator: read(pick(Key::Initiator, |given| given.initiator), Name::parse)?,
            target: read(pick(Key::Target, |given| given.target), Wanted::parse)?,
            lun: read(pick(Key::Lun, |given| given.lun), lun::parse)?,
            timeout: read(pick(Key::Timeout, |given| given.timeout), timeout::parse)?,
            ipconfig: arguments.ipconfig,
        })
    }

    /// Takes from the configuration file what nobody has said before it.
    pub fn take_told(&mut self, told: Told) {
        let Told { initiator, target } = told;
        fill(&mut self.initiator, initiator, Source::Conf);
        fill(&mut self.target, target, Source::Conf);
    }

    /// Takes from the firmware's table what nobody has said before; the network device only where
    /// it `may_configure` one.
    ///
    /// # Errors
    ///
    /// The network device is wanted, and used in a way that this driver cannot set up.
    pub fn complete(&mut self, ibft: Ibft<'_>, may_configure: bool) -> Result<(), NicFault> {
        if self.interface.is_none() && may_configure {
            let interface = ibft.boot_nic().map(|nic| nic.interface()).transpose()?;
            fill(&mut self.interface, interface, Source::Ibft);
        }
        let (target, lun) = ibft.boot_target().unzip();
        fill(&mut self.initiator, ibft.initiator(), Source::Ibft);
        fill(&mut self.target, target.map(Wanted::Named), Source::Ibft);
        fill(&mut self.lun, lun, Source::Ibft);
        Ok(())
    }
}

/// Sets what is not set.
fn fill<T>(setting: &mut Option<Setting<T>>, value: Option<T>, source: Source) {
    if setting.is_none() {
        *setting = value.map(|value| Setting { value, source });
    }
}

/// The text of a setting.
struct Given<'a> {
    key: Key,
    text: &'a str,
    source: Source,
}

/// Reads a setting's text, where there is one.
fn read<T, E: Into<SettingFault>>(
    given: Option<Given<'_>>,
    parse: fn(&str) -> Result<T, E>,
) -> Result<Option<Setting<T>>, SettingError<'_>> {
    let Some(Given { key, text, source }) = given else {
        return Ok(None);
    };
    match parse(text) {
        Ok(value) => Ok(Some(Setting { value, source })),
        Err(error) => {
            let origin = match source {
                Source::Argument => Origin::Argument(key),
                _ => Origin::Parameter(key),
            };
            Err(SettingError {
                origin,
                text,
                fault: error.into(),
            })
        }
    }
}

/// Reads the DHCP root path.
///
/// # Errors
///
/// Says what is wrong with it.
pub fn read_root_path(text: &str) -> Result<RootPath, SettingError<'_>> {
    RootPath::parse(text).map_err(|error| SettingError {
        origin: Origin::RootPath,
        text,
        fault: SettingFault::RootPath(error),
    })
}

/// What to boot from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Boot {
    /// What this machine is called.
    pub initiator: Setting<Name>,
    /// The target.
    pub target: Setting<Wanted>,
    /// The boot LUN (0 to [`lun::MAX`]).
    pub lun: Setting<u16>,
}

impl Boot {
    /// Completes `request` with what the root path says, and with defaults: LUN 0
    /// and a name made from `mac`.
    ///
    /// # Errors
    ///
    /// Nobody names a target.
    pub fn new(
        request: &Request,
        root_path: Option<&RootPath>,
        mac: [u8; 6],
    ) -> Result<Self, NoTarget> {
        let dhcp = |path: &RootPath| Setting {
            value: path.target.clone(),
            source: Source::Dhcp,
        };
        let target = request
            .target
            .clone()
            .or_else(|| root_path.map(dhcp))
            .ok_or(NoTarget)?;
        let initiator = request
            .initiator
            .clone()
            .or_else(|| {
                Some(Setting {
                    value: root_path?.initiator.clone()?,
                    source: Source::Dhcp,
                })
            })
            .unwrap_or_else(|| Setting {
                value: Name::from_mac(mac),
                source: Source::Default,
            });
        let lun = request
            .lun
            .clone()
            .or_else(|| {
                Some(Setting {
                    value: root_path?.lun?,
                    source: Source::Dhcp,
                })
            })
            .unwrap_or(Setting {
                value: 0,
                source: Source::Default,
            });
        Ok(Self {
            initiator,
            target,
            lun,
        })
    }

    /// Takes the LUN that the configuration file has for the target, which is known by now, unless
    /// somebody before it has said one; whether it was taken.
    pub fn take_lun(&mut self, lun: Option<u16>) -> bool {
        let Some(value) = lun.filter(|_| self.lun.source > Source::Conf) else {
            return false;
        };
        let source = Source::Conf;
        self.lun = Setting { value, source };
        true
    }
}

/// Neither parameter, argument nor root path names a target.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NoTarget;

impl fmt::Display for NoTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "no target: set iscsi-target=<ip>[:<port>][:<target name>] \
             or the DHCP server's root-path (option 17)",
        )
    }
}

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
        write!(f, "{}: {:?}: {}", self.origin, self.text, self.fault)
    }
}

/// Who says something, by the name under which people know it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// The module parameter of this setting.
    Parameter(Key),
    /// The kernel argument of this setting.
    Argument(Key),
    /// The DHCP root path.
    RootPath,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Parameter(key) => write!(f, "{}=", key.parameter()),
            Self::Argument(key) => write!(f, "{}=", key.argument()),
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
    /// With the root path.
    RootPath(RootPathError),
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
            Self::RootPath(error) => error.fmt(f),
        }
    }
}
