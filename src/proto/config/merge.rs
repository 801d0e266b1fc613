// SPDX-License-Identifier: GPL-2.0-only

//! The one source of each setting.
//!
//! What the machine is told becomes a [`Request`] before there is a network, and a [`Boot`] after
//! DHCP has answered. A setting comes whole from the first [`Source`] that gives it; what later
//! sources say about it is not looked at.

use core::{
    fmt,
    mem,
    net::IpAddr, //
};

use crate::proto::config::{
    choice::Choice,
    cmdline::{
        Arguments,
        Key,
        Other, //
    },
    ibft::Ibft,
    interface::Interface,
    ip::Details,
    iscsi_conf::{
        Settings,
        Told, //
    },
    lun::{self},
    machine::{
        Machine,
        Mark, //
    },
    name::Name,
    netroot::NetRoot,
    root_path::RootPath,
    target::{
        parse_list,
        TargetError,
        TargetFault,
        Wanted, //
    },
    text::Text,
    timeout::{self, Patience},
};
use crate::proto::dhcp::options::Code;

mod error;
mod notice;
mod others;

pub use self::error::{
    Origin,
    SettingError,
    SettingFault, //
};
pub use self::{
    notice::{
        Notice,
        Tell, //
    },
    others::Ipconfig, //
};

/// Where a setting comes from, in the order of precedence.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Source {
    /// A module parameter.
    Parameter,
    /// A kernel argument.
    Argument,
    /// A kernel argument that was made for others.
    Other(Other),
    /// The configuration file.
    Conf,
    /// The firmware's table.
    Ibft,
    /// The DHCP root path.
    Dhcp,
    /// The DHCP option of this number.
    DhcpOption(u8),
    /// The DHCPv6 option of this number.
    Dhcpv6Option(u16),
    /// What a router advertises.
    Router,
    /// Nobody gave it.
    Default,
    /// Nobody gave it; it is made of what the machine has of its own.
    Machine(Mark),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parameter => "module parameter",
            Self::Argument => "kernel argument",
            Self::Other(other) => return write!(f, "kernel argument {}=", other.name()),
            Self::Conf => "iscsi.conf",
            Self::Ibft => "iBFT",
            Self::Dhcp => "DHCP root path",
            Self::DhcpOption(number) => return write!(f, "DHCP option {number}"),
            Self::Dhcpv6Option(number) => return write!(f, "DHCPv6 option {number}"),
            Self::Router => "router advertisement",
            Self::Default => "default",
            Self::Machine(mark) => return write!(f, "default: {mark}"),
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
    /// The device to boot over where that one cannot be used; the first, while this one is.
    pub spare: Option<Spare>,
    /// What this machine is called.
    pub initiator: Option<Setting<Name>>,
    /// The target, or the first of several.
    pub target: Option<Setting<Wanted>>,
    /// The boot LUN (0 to [`lun::MAX`]).
    pub lun: Option<Setting<u16>>,
    /// For how long the boot is tried.
    pub timeout: Option<Setting<Patience>>,
    /// What goes with the address, and what DHCP servers are told.
    pub details: Details,
    /// Whether the kernel's own ipconfig was told to set up the network.
    pub ipconfig: bool,
    /// The argument that has user names and passwords, which are not used.
    pub exposed: Option<Other>,
}

/// A device in the place of another one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Spare {
    /// The device, and how it is addressed.
    pub interface: Interface,
    /// What goes with its address in place of the other's: the host name, and the name servers.
    host_name: Option<Text<64>>,
    dns_servers: [Option<IpAddr>; 2],
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
        tell: Tell<'_>,
    ) -> Result<Self, SettingError<'a>> {
        let mut pick = |key, field: fn(&Arguments<'a>) -> Option<&'a str>| {
            let argument = field(arguments);
            let (text, source) = match field(parameters) {
                Some(text) => (text, Source::Parameter),
                None => (argument?, Source::Argument),
            };
            if argument.is_some_and(|argument| argument != text) {
                tell(&Notice::Argument(key));
            }
            Some(Given { key, text, source })
        };
        Ok(Self {
            interface: read(
                pick(Key::Interface, |given| given.interface),
                Interface::parse,
            )?,
            spare: None,
            initiator: read(pick(Key::Initiator, |given| given.initiator), Name::parse)?,
            target: read(pick(Key::Target, |given| given.target.first()), first)?,
            lun: read(pick(Key::Lun, |given| given.lun), lun::parse)?,
            timeout: read(pick(Key::Timeout, |given| given.timeout), timeout::parse)?,
            details: Details::default(),
            ipconfig: false,
            exposed: None,
        })
    }

    /// Hands over the targets that parameters or arguments name, the first one too, each with its
    /// boot LUN where one is said of it alone; nothing, where the target is somebody else's word.
    ///
    /// # Errors
    ///
    /// Says which text of which source is wrong, and how; also by what `add` finds.
    pub fn targets<'a>(
        &mut self,
        parameters: &Arguments<'a>,
        arguments: &Arguments<'a>,
        mut add: impl FnMut(Wanted, Option<u16>) -> Result<(), TargetFault>,
    ) -> Result<(), SettingError<'a>> {
        let (origin, texts) = match self.target.as_ref().map(|target| target.source) {
            Some(Source::Parameter) => (Origin::Parameter(Key::Target), &parameters.target),
            Some(Source::Argument) => (Origin::Argument(Key::Target), &arguments.target),
            Some(Source::Other(Other::NetRoot)) => {
                (Origin::Other(Other::NetRoot), &arguments.others.net_root)
            }
            _ => return Ok(()),
        };
        for text in texts.iter() {
            let error = |fault| SettingError {
                origin,
                text,
                fault,
            };
            if origin == Origin::Other(Other::NetRoot) {
                let root = NetRoot::parse(text).map_err(|fault| error(fault.into()))?;
                if root.has_credentials {
                    self.exposed = Some(Other::NetRoot);
                }
                add(root.target, Some(root.lun))
                    .map_err(|fault| error(TargetError::new(fault, 0).into()))?;
                continue;
            }
            for wanted in parse_list(text) {
                let wanted = wanted.map_err(|fault| error(fault.into()))?;
                add(wanted, None).map_err(|fault| error(TargetError::new(fault, 0).into()))?;
            }
        }
        Ok(())
    }

    /// Takes from the configuration file what nobody has said before it.
    pub fn take_told(&mut self, told: Told, tell: Tell<'_>) {
        let Told { initiator, target } = told;
        fill(
            Key::Initiator,
            &mut self.initiator,
            initiator,
            Source::Conf,
            tell,
        );
        fill(Key::Target, &mut self.target, target, Source::Conf, tell);
    }

    /// Takes from the firmware's table what nobody has said before; the network device only where
    /// it `may_configure` one, and the LUN only for the target that it is of.
    pub fn take_ibft(&mut self, ibft: Ibft<'_>, may_configure: bool, tell: Tell<'_>) {
        const SOURCE: Source = Source::Ibft;
        if self.interface.is_none() && may_configure {
            self.take_nic(ibft);
        }
        fill(
            Key::Initiator,
            &mut self.initiator,
            ibft.initiator(),
            SOURCE,
            tell,
        );
        // A LUN is that of its target.
        let lun = match self.target.as_ref().map(|target| &target.value) {
            Some(Wanted::Named(wanted)) => ibft
                .targets_in_order()
                .find(|(target, _)| target.name == wanted.name)
                .map(|(_, lun)| lun),
            Some(Wanted::Any(_)) => None,
            None => ibft.boot_target().map(|(_, lun)| lun),
        };
        fill(Key::Lun, &mut self.lun, lun, SOURCE, tell);
        let target = ibft.boot_target().map(|(target, _)| Wanted::Named(target));
        fill(Key::Target, &mut self.target, target, SOURCE, tell);
    }

    /// Takes the network device from the firmware's table.
    #[inline(never)]
    fn take_nic(&mut self, ibft: Ibft<'_>) {
        let Some(nic) = ibft.boot_nic() else {
            return;
        };
        if let Some(spare) = ibft.spare_nic() {
            spare.describe(&mut self.details);
            self.spare = Some(Spare {
                interface: spare.interface(),
                host_name: self.details.identity.host_name.take(),
                dns_servers: mem::take(&mut self.details.dns_servers),
            });
        }
        nic.describe(&mut self.details);
        self.interface = Some(Setting {
            value: nic.interface(),
            source: Source::Ibft,
        });
    }

    /// Has the spare device and the one in use change places, where there are both; whether that
    /// is so.
    pub fn change_devices(&mut self) -> bool {
        let (Some(spare), Some(interface)) = (&mut self.spare, &mut self.interface) else {
            return false;
        };
        mem::swap(&mut spare.interface, &mut interface.value);
        mem::swap(&mut spare.host_name, &mut self.details.identity.host_name);
        mem::swap(&mut spare.dns_servers, &mut self.details.dns_servers);
        true
    }
}

/// The first target of a list.
fn first(text: &str) -> Result<Wanted, TargetError> {
    parse_list(text)
        .next()
        .unwrap_or(Err(TargetError::new(TargetFault::NoAddress, 0)))
}

/// Sets what is not set; another value than the one that is set is told of.
fn fill<T: PartialEq + fmt::Display>(
    key: Key,
    setting: &mut Option<Setting<T>>,
    value: Option<T>,
    source: Source,
    tell: Tell<'_>,
) {
    let Some(value) = value else {
        return;
    };
    match setting {
        None => *setting = Some(Setting { value, source }),
        Some(setting) if setting.value == value => {}
        Some(setting) => tell(&Notice::Overruled {
            key,
            value: &value,
            source,
            by: setting.source,
        }),
    }
}

/// What is set or, where nothing is, `value`.
#[inline(never)]
fn or<T: Clone + PartialEq + fmt::Display>(
    key: Key,
    setting: &Option<Setting<T>>,
    value: Option<T>,
    source: Source,
    tell: Tell<'_>,
) -> Option<Setting<T>> {
    let mut setting = setting.clone();
    fill(key, &mut setting, value, source, tell);
    setting
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
        fault: error.into(),
    })
}

/// Reads the DHCP option for an initiator's name.
///
/// # Errors
///
/// Says what is wrong with it.
pub fn read_initiator(text: &str) -> Result<Name, SettingError<'_>> {
    Name::parse(text).map_err(|error| SettingError {
        origin: Origin::DhcpInitiator,
        text,
        fault: SettingFault::Initiator(error),
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
    /// How machine and target prove who they are.
    pub credentials: Setting<Proof>,
    /// How the session is negotiated and kept.
    pub session: Settings,
}

/// How machine and target prove who they are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Proof {
    /// Not at all.
    None,
    /// The machine does.
    OneWay,
    /// Both do.
    Mutual,
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::OneWay => "one-way",
            Self::Mutual => "mutual",
        })
    }
}

impl Boot {
    /// Completes `request` with what the root path says, with the `initiator` that DHCP names
    /// beside it, and with defaults: LUN 0 and the name that the `machine` has of its own.
    ///
    /// # Errors
    ///
    /// Nobody names a target.
    pub fn new(
        request: &Request,
        root_path: Option<&RootPath>,
        initiator: Option<Name>,
        machine: &Machine<'_>,
        tell: Tell<'_>,
    ) -> Result<Self, NoTarget> {
        const SOURCE: Source = Source::Dhcp;
        let path = root_path;
        let target = path.map(|path| path.target.clone());
        let target = or(Key::Target, &request.target, target, SOURCE, tell);
        let name = path.and_then(|path| path.initiator.clone());
        let mut name = or(Key::Initiator, &request.initiator, name, SOURCE, tell);
        let lun = path.and_then(|path| path.lun);
        let lun = or(Key::Lun, &request.lun, lun, SOURCE, tell);
        let source = Source::DhcpOption(Code::INITIATOR_NAME.0);
        fill(Key::Initiator, &mut name, initiator, source, tell);
        let source = Source::Default;
        Ok(Self {
            initiator: name.unwrap_or_else(|| own(machine)),
            target: target.ok_or(NoTarget)?,
            lun: lun.unwrap_or(Setting { value: 0, source }),
            credentials: Setting {
                value: Proof::None,
                source,
            },
            session: Settings::default(),
        })
    }

    /// Takes the target of `choice`, and its LUN unless somebody before who names it has said one.
    pub fn choose(&mut self, choice: &Choice) {
        let source = self.target.source;
        self.target.value = choice.wanted.clone();
        if let Some(value) = choice.lun.filter(|_| self.lun.source >= source) {
            self.lun = Setting { value, source };
        }
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

/// The name that a machine has of its own.
fn own(machine: &Machine<'_>) -> Setting<Name> {
    let (value, mark) = machine.name();
    let source = Source::Machine(mark);
    Setting { value, source }
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
