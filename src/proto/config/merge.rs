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
        Key,
        Other,
        Others, //
    },
    ibft::Ibft,
    interface::{
        Addressing,
        Device,
        DeviceName,
        Interface,
        Mac, //
    },
    ip::{Details, Ip},
    iscsi_conf::Told,
    lun::{self},
    name::Name,
    netroot::NetRoot,
    root_path::RootPath,
    target::{
        Portal,
        Targets,
        Wanted,
        FURTHER_MAX, //
    },
    text::Text,
    timeout::{self, Patience},
};

mod error;

pub use self::error::{
    Origin,
    SettingError,
    SettingFault, //
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
    /// The DHCP option for an initiator's name.
    DhcpInitiator,
    /// Nobody gave it.
    Default,
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
            Self::DhcpInitiator => "DHCP option 203",
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
    /// The device to boot over where that one cannot be used.
    pub spare: Option<Interface>,
    /// What this machine is called.
    pub initiator: Option<Setting<Name>>,
    /// The target.
    pub target: Option<Setting<Wanted>>,
    /// Further portals of the target that parameter or argument names.
    pub further: [Option<Portal>; FURTHER_MAX],
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

/// Who acts on `ip=`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ipconfig {
    /// The kernel's own ipconfig.
    Kernel,
    /// This driver: the kernel has no ipconfig.
    Driver,
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
        let targets = read(pick(Key::Target, |given| given.target), Targets::parse)?;
        let (target, further) = match targets {
            Some(Setting {
                value: Targets { wanted, further },
                source,
            }) => {
                let value = wanted;
                (Some(Setting { value, source }), further)
            }
            None => Default::default(),
        };
        Ok(Self {
            interface: read(
                pick(Key::Interface, |given| given.interface),
                Interface::parse,
            )?,
            spare: None,
            initiator: read(pick(Key::Initiator, |given| given.initiator), Name::parse)?,
            target,
            further,
            lun: read(pick(Key::Lun, |given| given.lun), lun::parse)?,
            timeout: read(pick(Key::Timeout, |given| given.timeout), timeout::parse)?,
            details: Details::default(),
            ipconfig: false,
            exposed: None,
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
    pub fn take_ibft(&mut self, ibft: Ibft<'_>, may_configure: bool) {
        if self.interface.is_none() && may_configure {
            self.take_nic(ibft);
        }
        let (target, lun) = ibft.boot_target().unzip();
        fill(&mut self.initiator, ibft.initiator(), Source::Ibft);
        fill(&mut self.target, target.map(Wanted::Named), Source::Ibft);
        fill(&mut self.lun, lun, Source::Ibft);
    }

    /// Takes the network device from the firmware's table.
    #[inline(never)]
    fn take_nic(&mut self, ibft: Ibft<'_>) {
        let Some(nic) = ibft.boot_nic() else {
            return;
        };
        nic.describe(&mut self.details);
        fill(&mut self.interface, Some(nic.interface()), Source::Ibft);
        self.spare = ibft.spare_nic().map(|nic| nic.interface());
    }

    /// Takes what nobody has said yet from others' arguments.
    ///
    /// # Errors
    ///
    /// Says which of them is wrong, and how.
    pub fn complete<'a>(
        &mut self,
        others: &Others<'a>,
        ipconfig: Ipconfig,
    ) -> Result<(), SettingError<'a>> {
        self.ipconfig = ipconfig == Ipconfig::Kernel && others.ip.is_some();
        let given = |other, text: Option<&'a str>| text.map(|text| (other, text));
        if let (None, Some(text), Ipconfig::Driver) = (&self.interface, others.ip, ipconfig) {
            self.read_ip(text)?;
        }
        let mut device = None;
        if self.target.is_none() {
            let root = given(Other::Root, others.root);
            if let Some((other, text)) = given(Other::NetRoot, others.net_root).or(root) {
                device = self.read_net_root(other, text)?;
            }
        }
        let boot_interface = others.boot_interface.and_then(Mac::parse_bootif);
        self.narrow(
            device
                .map(|(device, other)| (Device::Named(device), other))
                .or(boot_interface.map(|mac| (Device::Mac(mac), Other::BootInterface))),
        );
        if let (None, Some(text)) = (&self.initiator, others.initiator) {
            let value = Name::parse(text).map_err(wrong(Other::Initiator, text))?;
            let source = Source::Other(Other::Initiator);
            self.initiator = Some(Setting { value, source });
        }
        if let Some(text) = others.vendor_class {
            let class = Text::new(text).ok_or(SettingError {
                origin: Origin::Other(Other::VendorClass),
                text,
                fault: SettingFault::VendorClass,
            })?;
            self.details.identity.vendor_class = Some(class);
        }
        Ok(())
    }

    /// Reads `ip=`.
    // Not inlined: a kernel stack is too small for all of it together.
    #[inline(never)]
    fn read_ip<'a>(&mut self, text: &'a str) -> Result<(), SettingError<'a>> {
        if let Some(Ip { interface, details }) = Ip::parse(text).map_err(wrong(Other::Ip, text))? {
            self.interface = Some(Setting {
                value: interface,
                source: Source::Other(Other::Ip),
            });
            self.details = details;
        }
        Ok(())
    }

    /// Reads dracut's target, and gives the device that it names.
    #[inline(never)]
    fn read_net_root<'a>(
        &mut self,
        other: Other,
        text: &'a str,
    ) -> Result<Option<(DeviceName, Other)>, SettingError<'a>> {
        let root = NetRoot::parse(text).map_err(wrong(other, text))?;
        let source = Source::Other(other);
        self.target = Some(Setting {
            value: root.target,
            source,
        });
        let _ = self.lun.get_or_insert(Setting {
            value: root.lun,
            source,
        });
        self.exposed = root.has_credentials.then_some(other);
        Ok(root.device.map(|device| (device, other)))
    }

    /// Uses this device where nobody has named one.
    fn narrow(&mut self, device: Option<(Device, Other)>) {
        let Some((device, other)) = device else {
            return;
        };
        match &mut self.interface {
            Some(interface) => {
                if interface.value.device == Device::Any {
                    interface.value.device = device;
                }
            }
            // The kernel's own ipconfig knows better.
            None if self.ipconfig => {}
            None => {
                self.interface = Some(Setting {
                    value: Interface {
                        device,
                        addressing: Addressing::Dhcp,
                    },
                    source: Source::Other(other),
                });
            }
        }
    }
}

/// Sets what is not set.
fn fill<T>(setting: &mut Option<Setting<T>>, value: Option<T>, source: Source) {
    if setting.is_none() {
        *setting = value.map(|value| Setting { value, source });
    }
}

/// The error of an argument of others.
fn wrong<'a, E: Into<SettingFault>>(
    other: Other,
    text: &'a str,
) -> impl FnOnce(E) -> SettingError<'a> {
    move |error| SettingError {
        origin: Origin::Other(other),
        text,
        fault: error.into(),
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
}

impl Boot {
    /// Completes `request` with what the root path says, with the `initiator` that DHCP names
    /// beside it, and with defaults: LUN 0 and a name made from `mac`.
    ///
    /// # Errors
    ///
    /// Nobody names a target.
    pub fn new(
        request: &Request,
        root_path: Option<&RootPath>,
        initiator: Option<Name>,
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
        let offered = initiator.map(|value| Setting {
            value,
            source: Source::DhcpInitiator,
        });
        let initiator = request
            .initiator
            .clone()
            .or_else(|| {
                Some(Setting {
                    value: root_path?.initiator.clone()?,
                    source: Source::Dhcp,
                })
            })
            .or(offered)
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
