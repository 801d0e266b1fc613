// SPDX-License-Identifier: GPL-2.0-only

//! What kernel arguments say that were made for others.

use crate::proto::config::{
    cmdline::{
        Key,
        Other,
        Others,
        Repeated, //
    },
    interface::{
        Addressing,
        Device,
        Interface,
        Mac, //
    },
    ip::{
        Ip,
        IpError, //
    },
    merge::{
        Notice,
        Origin,
        Request,
        Setting,
        SettingError,
        SettingFault,
        Source,
        Tell, //
    },
    name::Name,
    netroot::NetRoot,
    text::Text, //
};

/// Who acts on `ip=`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ipconfig {
    /// The kernel's own ipconfig.
    Kernel,
    /// This driver: the kernel has no ipconfig.
    Driver,
}

impl Request {
    /// Takes what nobody has said yet from others' arguments.
    ///
    /// # Errors
    ///
    /// Says which of them is wrong, and how.
    pub fn complete<'a>(
        &mut self,
        others: &Others<'a>,
        ipconfig: Ipconfig,
        tell: Tell<'_>,
    ) -> Result<(), SettingError<'a>> {
        let has_ip = others.ip.first().is_some();
        self.ipconfig = ipconfig == Ipconfig::Kernel && has_ip;
        let root = others.net_root.first().map(|text| (Other::NetRoot, text));
        let mut device = others
            .boot_device
            .and_then(Device::parse)
            .map(|device| (device, Other::BootDevice));
        if let Some((other, text)) = root.or(others.root.map(|text| (Other::Root, text))) {
            match &self.target {
                Some(target) => tell(&Notice::Other {
                    other,
                    key: Key::Target,
                    by: target.source,
                }),
                None => device = device.or(self.read_net_root(other, text)?),
            }
        }
        let boot_interface = others.boot_interface.and_then(Mac::parse_bootif);
        let device = device.or(boot_interface.map(|mac| (Device::Mac(mac), Other::BootInterface)));
        if has_ip && ipconfig == Ipconfig::Driver {
            match &self.interface {
                Some(interface) => tell(&Notice::Other {
                    other: Other::Ip,
                    key: Key::Interface,
                    by: interface.source,
                }),
                None => {
                    let wanted = device.as_ref().map(|(device, _)| device);
                    let text = choose(&others.ip, wanted);
                    self.read_ip(text, others.ip.iter().count() > 1, tell)?;
                }
            }
        }
        self.narrow(device);
        if let Some(text) = others.initiator {
            let other = Other::Initiator;
            match &self.initiator {
                Some(name) if name.value.as_str().eq_ignore_ascii_case(text) => {}
                Some(name) => tell(&Notice::Other {
                    other,
                    key: Key::Initiator,
                    by: name.source,
                }),
                None => {
                    let value = Name::parse(text).map_err(wrong(other, text))?;
                    let source = Source::Other(other);
                    self.initiator = Some(Setting { value, source });
                }
            }
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
    fn read_ip<'a>(
        &mut self,
        text: &'a str,
        is_chosen: bool,
        tell: Tell<'_>,
    ) -> Result<(), SettingError<'a>> {
        if let Some(Ip { interface, details }) = Ip::parse(text).map_err(wrong(Other::Ip, text))? {
            if is_chosen {
                let device = &interface.device;
                tell(&Notice::Several { text, device });
            }
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
    ) -> Result<Option<(Device, Other)>, SettingError<'a>> {
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
        Ok(root.device.map(|device| (Device::Named(device), other)))
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

/// The one of several `ip=` that is for the device that is `wanted` or, where there is none, for
/// that of the first; the last of those, as with the kernel's own. What is no device's, and what
/// cannot be understood, counts only where there is nothing else.
#[inline(never)]
fn choose<'a>(texts: &Repeated<'a>, wanted: Option<&Device>) -> &'a str {
    let first = texts.first().unwrap_or_default();
    if texts.iter().count() <= 1 {
        return first;
    }
    let all = || {
        texts
            .iter()
            .filter_map(|text| Some((device_of(text).ok()??, text)))
    };
    let last_for = |wanted: &Device| all().filter(|(device, _)| device == wanted).last();
    let chosen = wanted
        .and_then(last_for)
        .or_else(|| wanted.and_then(|_| last_for(&Device::Any)))
        .or_else(|| all().next().and_then(|(first, _)| last_for(&first)));
    chosen.map_or(first, |(_, text)| text)
}

/// The device that one `ip=` is for.
#[inline(never)]
fn device_of(text: &str) -> Result<Option<Device>, IpError> {
    Ok(Ip::parse(text)?.map(|ip| ip.interface.device))
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
