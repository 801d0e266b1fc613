// SPDX-License-Identifier: GPL-2.0-only

//! Why a machine does not come up, and the errno that says so.

mod errno;

use super::conf::Path;
use crate::{
    initiator::{
        discovery::Found,
        login::LoginFailure, //
    },
    linux::errno::{
        EADDRINUSE,
        EADDRNOTAVAIL,
        EBADMSG,
        ECONNABORTED,
        ENETDOWN,
        ENODATA,
        ENOPKG,
        ENOTUNIQ, //
    },
    proto::{
        config::{
            cmdline::ArgumentError,
            interface::{
                Device,
                DeviceName,
                Mac,
                Route, //
            },
            iscsi_conf::{
                ConfError,
                ConfFault, //
            },
            merge::{
                NoTarget,
                Origin,
                SettingError,
                SettingFault, //
            },
            name::Name,
            target::{
                Portal,
                Target, //
            },
        },
        dhcp::{
            error::Failure as DhcpFailure,
            lease::{
                InitiatorText,
                RootPathText, //
            },
        },
        dhcp6::error::Failure as Dhcpv6Failure,
        rtnetlink::answer::Routers,
    }, //
};
use core::{
    fmt,
    net::{
        IpAddr,
        Ipv4Addr,
        Ipv6Addr, //
    }, //
};
use errno::login_errno;
use kernel::prelude::*;

/// How many targets a line has room for, with names of the longest kind.
const NAMES_MAX: usize = 3;
/// For how many portals' words besides one there is room, with two names.
const OTHERS_MAX: usize = 2;

/// Why a boot ends without a disk.
#[derive(Debug)]
pub(super) enum Failure<'a> {
    /// A kernel argument has no value to read.
    Argument(ArgumentError),
    /// A parameter or an argument cannot be understood.
    Setting(SettingError<'a>),
    /// The configuration file cannot be understood.
    Conf { path: KBox<Path>, error: ConfError },
    /// The configuration file cannot be read.
    ConfUnreadable { path: KBox<Path>, error: Error },
    /// There are credentials, but nothing to use them with.
    NoHash,
    /// There is no such network device, or none at all.
    NoDevice { device: Device, seconds: u64 },
    /// Another machine has the address that a server gave.
    AddressTaken {
        device: DeviceName,
        address: Ipv4Addr,
        rival: Mac,
        server: Ipv4Addr,
    },
    /// No device that could be used has a carrier.
    NoCarrier { device: Device, seconds: u64 },
    /// The kernel refuses a change of a device.
    Device {
        name: DeviceName,
        step: Step,
        error: Error,
    },
    /// No server gives an address.
    Dhcp {
        device: DeviceName,
        others: usize,
        failure: DhcpFailure,
    },
    /// No router and no server has given an IPv6 address.
    NoIpv6 {
        device: Device,
        routers: Option<Routers>,
        failure: Option<KBox<Dhcpv6Failure>>,
        seconds: u64,
    },
    /// Another host has the IPv6 address.
    Duplicate {
        device: DeviceName,
        address: Ipv6Addr,
    },
    /// The kernel has not made sure that nobody else has the IPv6 address.
    Tentative {
        device: DeviceName,
        address: Ipv6Addr,
        seconds: u64,
    },
    /// Nobody names a target.
    NoTarget {
        asked: Option<Informant>,
        error: NoTarget,
    },
    /// The root path cannot be understood.
    RootPath {
        informant: Informant,
        text: KBox<RootPathText>,
        fault: SettingFault,
    },
    /// The initiator's name that DHCP gives cannot be understood.
    InitiatorOption {
        server: Ipv4Addr,
        text: KBox<InitiatorText>,
        fault: SettingFault,
    },
    /// The user names and passwords that DHCP gives cannot be meant.
    DhcpCredentials { server: Ipv4Addr, fault: ConfFault },
    /// The portal tells of no target.
    NoTargets { portal: Portal },
    /// The portal tells of several targets.
    ManyTargets {
        portal: Portal,
        targets: KVec<Found>,
    },
    /// There is no session for this initiator with this target, or to ask for targets.
    Login(LoginFailure, KBox<FailedLogin>),
    /// The session was lost while the boot disk was looked for, and did not come back in time.
    Lost(KBox<Target>),
    /// Somebody sent `insmod` a signal.
    Interrupted,
    /// The target has no such logical unit.
    NoLun { lun: u16, target: KBox<Target> },
    /// The logical unit is there, but no disk.
    NoDisk { lun: u16, kind: u8 },
    /// The disk is there, but cannot be opened.
    Unreadable { lun: u16, error: Error },
    /// There is no time left for another attempt.
    TimeIsUp {
        seconds: u64,
        last: KBox<Failure<'static>>,
    },
    /// The kernel refuses something that has nothing to do with this machine's configuration.
    Kernel(Error),
}

/// Who was to log in to what.
#[derive(Debug)]
pub(super) struct FailedLogin {
    pub(super) initiator: Name,
    /// Without it a portal was asked for its targets.
    pub(super) target: Option<Name>,
    /// What came of it at further portals of the target.
    pub(super) others: KVec<LoginFailure>,
}

/// Who may know of a root path.
#[derive(Clone, Copy, Debug)]
pub(super) enum Informant {
    Server(Ipv4Addr),
    Dhcpv6(Ipv6Addr),
    Ipconfig,
}

impl fmt::Display for Informant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server(address) => write!(f, "DHCP server {address}"),
            Self::Dhcpv6(address) => write!(f, "DHCPv6 server {address}"),
            Self::Ipconfig => write!(f, "the kernel's ipconfig"),
        }
    }
}

/// What is changed about a network device.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Vlan,
    Up,
    Mtu,
    Address,
    Route(Route),
    Ipv6Address(Ipv6Addr),
    Ipv6Router(Ipv6Addr),
    /// What the kernel makes with an address.
    OwnAddress(Ipv4Addr),
    OwnNetwork(IpAddr, u8),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vlan | Self::Up => write!(f, "the device"),
            Self::Mtu => write!(f, "the MTU"),
            Self::Address => write!(f, "the address"),
            Self::Route(route) => write!(
                f,
                "a route to {}/{}",
                route.destination, route.prefix_length
            ),
            Self::Ipv6Address(address) => write!(f, "the address {address}"),
            Self::Ipv6Router(gateway) => write!(f, "a default route via {gateway}"),
            Self::OwnAddress(address) => write!(f, "the route to its own address {address}"),
            Self::OwnNetwork(network, length) => {
                write!(f, "the route to its own network {network}/{length}")
            }
        }
    }
}

impl Failure<'_> {
    /// No memory, of whatever kind.
    pub(super) fn kernel(error: impl Into<Error>) -> Self {
        Self::Kernel(error.into())
    }

    /// Whether another target may do better.
    pub(super) const fn is_of_target(&self) -> bool {
        match self {
            Self::Login(failure, _) => !matches!(failure, LoginFailure::Memory(_)),
            Self::NoTargets { .. }
            | Self::ManyTargets { .. }
            | Self::NoIpv6 { .. }
            | Self::Duplicate { .. }
            | Self::Tentative { .. }
            | Self::Lost(_)
            | Self::NoLun { .. }
            | Self::NoDisk { .. }
            | Self::Unreadable { .. } => true,
            _ => false,
        }
    }

    /// Why credentials are of no use.
    pub(super) fn authentication(error: Error) -> Self {
        match error {
            ENOPKG => Self::NoHash,
            error => Self::Kernel(error),
        }
    }

    /// Whether another network device may lead to the disk.
    pub(super) fn is_of_network(&self) -> bool {
        matches!(
            self,
            Self::NoDevice { .. }
                | Self::NoCarrier { .. }
                | Self::Device { .. }
                | Self::AddressTaken { .. }
                | Self::Dhcp { .. }
                | Self::NoIpv6 { .. }
                | Self::Duplicate { .. }
                | Self::Tentative { .. }
                | Self::Login(LoginFailure::Connect(..) | LoginFailure::Timeout(_), _)
        )
    }

    /// The errno for `insmod`, one for each cause.
    pub(super) fn errno(&self) -> Error {
        match self {
            Self::Argument(_) | Self::Setting(_) | Self::Conf { .. } => EINVAL,
            Self::NoHash => ENOPKG,
            Self::NoTargets { .. } => ENODATA,
            Self::ManyTargets { .. } => ENOTUNIQ,
            Self::NoDevice { .. } => ENODEV,
            Self::NoCarrier { .. } => ENETDOWN,
            Self::Device { error, .. } => *error,
            Self::Dhcp { .. } | Self::NoIpv6 { .. } | Self::Tentative { .. } => EADDRNOTAVAIL,
            Self::Duplicate { .. } => EADDRINUSE,
            Self::NoTarget { .. } => ENODATA,
            Self::RootPath { .. } | Self::InitiatorOption { .. } | Self::DhcpCredentials { .. } => {
                EBADMSG
            }
            Self::Login(failure, _) => login_errno(failure),
            Self::Lost(_) => ECONNABORTED,
            Self::Interrupted => EINTR,
            Self::AddressTaken { .. } => EADDRINUSE,
            Self::NoLun { .. } => ENXIO,
            Self::NoDisk { .. } => ENOTBLK,
            Self::TimeIsUp { last, .. } => last.errno(),
            Self::ConfUnreadable { error, .. }
            | Self::Unreadable { error, .. }
            | Self::Kernel(error) => *error,
        }
    }
}

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Conf { path, error } => {
                write!(f, "{}: {error}; correct the file", path.as_str())
            }
            Self::ConfUnreadable { path, error } => write!(
                f,
                "{} cannot be read: {error:?}; \
                 check that the initrd has it, and iscsi-conf= or conf=",
                path.as_str()
            ),
            Self::AddressTaken {
                device,
                address,
                rival,
                server,
            } => write!(
                f,
                "{device}: DHCP server {server} gives {address}, which the machine {rival} has \
                 already; check what addresses are set there by hand, and the server's range"
            ),
            Self::NoHash => write!(
                f,
                "there is a password for CHAP, but the kernel has no hash function that may be \
                 used with it; check CHAPAlgorithms, and that CRYPTO_SHA256, or CRYPTO_MD5 \
                 outside of FIPS mode, is built in or loaded before"
            ),
            Self::Argument(error) => write!(f, "{error}; correct the kernel argument"),
            Self::Setting(error) => {
                let place = match error.origin {
                    Origin::Parameter(_) => "module parameter",
                    Origin::Argument(_) | Origin::Other(_) => "kernel argument",
                    Origin::RootPath | Origin::DhcpInitiator => "DHCP server's configuration",
                };
                write!(f, "{error}; correct the {place}")
            }
            Self::NoDevice {
                device: Device::Mac(mac) | Device::Vlan(mac, _),
                seconds,
            } => write!(
                f,
                "no Ethernet device with address {mac} after {seconds} s; \
                 check that its driver is loaded, or give another one with iscsi-if="
            ),
            Self::NoDevice {
                device: Device::Any,
                seconds,
            } => write!(
                f,
                "no Ethernet device after {seconds} s; \
                 check that the driver of the network device is loaded"
            ),
            Self::NoDevice { device, seconds } => write!(
                f,
                "no network device {device} after {seconds} s; \
                 check the name and that its driver is loaded"
            ),
            Self::NoCarrier { device, seconds } => {
                match device {
                    Device::Any => {
                        write!(f, "no carrier on any Ethernet device after {seconds} s")?;
                    }
                    device => write!(f, "{device}: no carrier after {seconds} s")?,
                }
                write!(f, "; check the cable and the switch port")
            }
            Self::Device { name, step, error } => match step {
                Step::Vlan => write!(
                    f,
                    "{name}: the device of the VLAN cannot be made: {error:?}; \
                     load 8021q before this module, and see whether the VLAN has a device already"
                ),
                Step::Up => write!(
                    f,
                    "{name}: cannot be brought up: {error:?}; \
                     check the device's driver and its firmware"
                ),
                Step::Mtu => write!(
                    f,
                    "{name}: the MTU is refused: {error:?}; \
                     check the DHCP server's interface-mtu (option 26), and ip="
                ),
                Step::Address | Step::OwnAddress(_) | Step::OwnNetwork(..) => {
                    write!(f, "{name}: {step} is refused: {error:?}; check it")
                }
                Step::Ipv6Address(address) => write!(
                    f,
                    "{name}: the address {address} is refused: {error:?}; \
                     check it, and that disable_ipv6 is not set"
                ),
                Step::Route(route) => write!(
                    f,
                    "{name}: the route {route} is refused: {error:?}; \
                     check that the gateway is on the device's own network"
                ),
                Step::Ipv6Router(gateway) => write!(
                    f,
                    "{name}: a default route via {gateway} is refused: {error:?}; \
                     check that the gateway is on the device's own network"
                ),
            },
            Self::NoIpv6 {
                device,
                routers,
                failure,
                seconds,
            } => {
                if let Some(failure @ Dhcpv6Failure::NoDisk { .. }) = failure.as_deref() {
                    return failure.fmt(f);
                }
                match device {
                    Device::Any => write!(f, "no IPv6 address on any device after {seconds} s: ")?,
                    device => write!(f, "{device}: no IPv6 address after {seconds} s: ")?,
                }
                if let Some(failure) = failure {
                    return failure.fmt(f);
                }
                f.write_str(match routers {
                    None => "the kernel does no IPv6 there; check ipv6.disable= and disable_ipv6",
                    Some(Routers { is_one: false, .. }) => {
                        "no router has advertised itself; check that one serves this network"
                    }
                    Some(Routers { .. }) => {
                        "the router advertises no prefix to make one of and no DHCPv6; \
                         check its configuration"
                    }
                })?;
                write!(f, ", or set iscsi-if=<dev>:[<ip>]/<prefix length>")
            }
            Self::Duplicate { device, address } => write!(
                f,
                "{device}: another host has the address {address}; \
                 check which, and give each an address of its own"
            ),
            Self::Tentative {
                device,
                address,
                seconds,
            } => write!(
                f,
                "{device}: after {seconds} s the kernel still looks whether another host has the \
                 address {address}; check the cable and the switch port"
            ),
            Self::Dhcp {
                device,
                others: 0,
                failure,
            } => write!(f, "{device}: {failure}"),
            Self::Dhcp {
                device,
                others,
                failure,
            } => write!(
                f,
                "{device} and {others} other devices have no usable answer; {device}: {failure}"
            ),
            Self::NoTarget {
                asked: Some(Informant::Ipconfig),
                error,
            } if cfg!(MODULE) => {
                write!(
                    f,
                    "the kernel's ipconfig tells modules no root path; {error}"
                )
            }
            Self::NoTarget {
                asked: Some(informant @ Informant::Dhcpv6(_)),
                error,
            } => {
                write!(
                    f,
                    "{informant} gave no boot file URL (option 59) of the form iscsi:...; {error}"
                )
            }
            Self::NoTarget {
                asked: Some(informant),
                error,
            } => {
                write!(f, "{informant} gave no root path; {error}")
            }
            Self::NoTarget { asked: None, error } => error.fmt(f),
            Self::RootPath {
                informant,
                text,
                fault,
            } => write!(
                f,
                "{informant}: root path {:?}: {fault}; check the DHCP server's {}",
                text.as_str(),
                match informant {
                    Informant::Dhcpv6(_) => "boot file URL (option 59)",
                    _ => "root-path (option 17)",
                }
            ),
            Self::InitiatorOption {
                server,
                text,
                fault,
            } => write!(
                f,
                "DHCP server {server}: initiator name {:?}: {fault}; check the server's option 203",
                text.as_str()
            ),
            Self::DhcpCredentials { server, fault } => write!(
                f,
                "DHCP server {server}: user names and passwords: {fault}; \
                 check the server's option 175, in it 190 to 193"
            ),
            Self::Login(failure, login) => {
                match &login.target {
                    Some(target) => write!(f, "{failure} (target {}, ", target.as_str())?,
                    None => write!(f, "{failure} (asking for targets, ")?,
                }
                write!(f, "initiator {})", login.initiator.as_str())?;
                for other in login.others.iter().take(OTHERS_MAX) {
                    write!(f, "; {other}")?;
                }
                match login.others.len().saturating_sub(OTHERS_MAX) {
                    0 => Ok(()),
                    more => write!(f, "; and {more} more of its portals"),
                }
            }
            Self::NoTargets { portal } => write!(
                f,
                "portal {portal} tells of no target; \
                 check what it exports, and that its access lists have this initiator name"
            ),
            Self::ManyTargets { portal, targets } => {
                write!(f, "portal {portal} tells of {} targets: ", targets.len())?;
                for found in targets.iter().take(NAMES_MAX) {
                    write!(f, "{}, ", found.name.as_str())?;
                }
                let more = targets.len().saturating_sub(NAMES_MAX);
                if more > 0 {
                    write!(f, "and {more} more, ")?;
                }
                write!(
                    f,
                    "of which none was asked for; set iscsi-target={portal}:<target name>"
                )
            }
            Self::Lost(target) => write!(
                f,
                "the session with {} was lost while its disk was looked for, \
                 as the lines above say; look at the target's log",
                **target
            ),
            Self::Interrupted => write!(f, "interrupted by a signal; load the module again"),
            Self::NoLun { lun, target } => write!(
                f,
                "target {} has no LUN {lun} for this initiator; check iscsi-lun= or the root path, \
                 and what the target exports",
                **target
            ),
            Self::NoDisk { lun, kind: 0 } => write!(
                f,
                "LUN {lun} is a disk, but no driver has taken it; load sd_mod before this module"
            ),
            Self::NoDisk { lun, kind } => write!(
                f,
                "LUN {lun} is no disk but a SCSI device of type {kind}; \
                 check iscsi-lun= or the root path (tgt has its disks from LUN 1 on)"
            ),
            Self::Unreadable { lun, error } => write!(
                f,
                "the disk on LUN {lun} cannot be opened: {error:?}; look at the target's log"
            ),
            Self::TimeIsUp { seconds, last } => write!(f, "given up after {seconds} s: {}", **last),
            Self::Kernel(ENOMEM) => f.write_str("out of memory; check how much this machine has"),
            Self::Kernel(error) => write!(f, "the kernel refuses: {error:?}"),
        }
    }
}
