// SPDX-License-Identifier: GPL-2.0-only

//! The fuzz targets of the settings' texts.

use iscsi_init::proto::{
    config::{
        choice::{
            join,
            CHOICES_MAX, //
        },
        cmdline::Arguments,
        interface::{
            Addressing,
            Device,
            Interface, //
        },
        ip::Ip,
        iscsi_conf::{
            check,
            entries,
            read_alias,
            read_credentials,
            read_settings,
            read_told,
            Login, //
        },
        lun,
        machine::{
            Machine,
            Mark, //
        },
        merge::{
            Boot,
            Ipconfig,
            Request,
            SettingError, //
        },
        name::Name,
        netroot::NetRoot,
        root_path::RootPath,
        target::Wanted, //
    },
    iscsi::chap::Credentials, //
};

const MACHINE: Machine<'_> = Machine {
    uuid: None,
    host_name: None,
    mac: [0x52, 0x54, 0x00, 0xaa, 0x00, 0x01],
};

/// A kernel command line, and all that is made of it.
pub(crate) fn config_cmdline(data: &[u8]) {
    let arguments = match Arguments::parse(data) {
        Ok(arguments) => arguments,
        Err(error) => return assert!(error.to_string().starts_with("iscsi-")),
    };
    let none = Arguments::default();
    let request = Request::new(&none, &arguments, &mut |_| ()).and_then(|mut request| {
        request.complete(&arguments.others, Ipconfig::Driver, &mut |_| ())?;
        Ok(request)
    });
    let mut request = match request {
        Ok(request) => request,
        Err(error) => return placed(&error),
    };
    match Boot::new(&request, None, None, &MACHINE, &mut |_| ()) {
        Ok(boot) => {
            assert_eq!(
                Name::parse(boot.initiator.value.as_str()),
                Ok(boot.initiator.value)
            );
            let target = boot.target.value;
            if let Wanted::Named(_) = target {
                assert_eq!(Wanted::parse(&target.to_string()), Ok(target));
            }
            assert!(boot.lun.value <= lun::MAX);
        }
        Err(error) => assert!(request.target.is_none(), "{error}"),
    }
    let mut choices = Vec::new();
    let listed = request.targets(&none, &arguments, |wanted, lun| {
        let own = join(&mut choices, wanted, lun)?;
        choices.extend(own);
        Ok(())
    });
    let target = request.target.as_ref().map(|target| &target.value);
    let first = choices.first().map(|choice| &choice.wanted);
    assert!(choices.len() <= CHOICES_MAX && (first.is_none() || first == target));
    if let Err(error) = listed {
        placed(&error);
    }
}

/// The place of the fault is in the text, in front of a character or at its end.
fn placed(error: &SettingError<'_>) {
    let message = error.to_string();
    let (_, behind) = message.rsplit_once("(at byte ").unwrap();
    let place = behind.trim_end_matches(')').parse().unwrap();
    assert!(error.text.is_char_boundary(place), "{message}");
}

pub(crate) fn cmdline_seeds() -> Vec<Vec<u8>> {
    // One more than there may be.
    let many = (0..=CHOICES_MAX).map(|number| format!("10.0.0.1:eui.02004567a425678{number},"));
    let too_many = format!("iscsi-target={}", many.collect::<String>());
    [
        "ro root=/dev/sda1 iscsi-if=eth0 iscsi_initiator=iqn.2001-04.com.example:me quiet\n",
        "iscsi-if=\"eth0:10.0.0.2:255.255.255.0:10.0.0.1\" iscsi-lun=7 iscsi-target=[2001:db8::1]:3261:eui.02004567a425678d",
        "ip=10.0.0.2::10.0.0.1:24:node1.lab:eth0:none:10.0.0.53 netroot=iscsi:u:p@10.0.0.1:::eth1:2:eui.02004567a425678d",
        "ip=:::::eth0:dhcp,1,me BOOTIF=01-52-54-00-12-34-56 rd.iscsi.initiator=eui.02004567a425678d dhcpclass=x root=iscsi:[::1]::::",
        "\"iscsi-target=10.0.0.1:naa.52004567ba64678d\" iscsi-lun=16383 -- iscsi-lun=1",
        "iscsi-target=10.0.0.1:eui.02004567a425678d,10.0.1.1,10.0.0.2 iscsi-target=10.0.0.3:3261:eui.02004567a425678e",
        "netroot=iscsi:10.0.0.1::::eui.02004567a425678d netroot=iscsi:10.0.0.2::::eui.02004567a425678d",
        &too_many,
    ]
    .map(|line| line.as_bytes().to_vec())
    .into()
}

/// A configuration file, and all that is read from it.
pub(crate) fn config_file(data: &[u8]) {
    for entry in entries(data).flatten() {
        assert!(entry.line > 0 && !entry.name.is_empty());
        assert!(entry.key().is_none() || entry.notice().is_none());
    }
    let sound = check(data, |entry, notice| {
        assert_eq!(entry.notice(), Some(notice));
    });
    if let Err(error) = &sound {
        let (line, column) = error.place.unwrap();
        let text = data.split(|byte| *byte == b'\n').nth(line - 1).unwrap();
        // The place of the fault is in that line, or at its end.
        assert!((1..=text.len() + 1).contains(&column), "{error}");
    }
    // What has been looked at can be read.
    let told = read_told(data);
    assert!(told.is_ok() && read_alias(data).is_ok() || sound.is_err());
    if let Some(Wanted::Named(target)) = told.ok().and_then(|told| told.target) {
        assert_eq!(Name::parse(target.name.as_str()), Ok(target.name));
    }
    let Ok(Wanted::Named(target)) = Wanted::parse("192.0.2.1:iqn.2004-01.example:a") else {
        panic!();
    };
    for login in [Login::Target(&target), Login::Discovery(target.portal)] {
        match read_settings(data, login) {
            Ok(settings) => {
                let luns = settings.luns;
                assert!(luns.is_none_or(|luns| luns.iter().any(|lun| lun == luns.first())));
                assert!(settings.timeouts.login.as_millis() > 0);
            }
            Err(_) => assert!(sound.is_err()),
        }
        let mut credentials = Credentials::none();
        match read_credentials(data, login, &mut credentials, |_, _| {}) {
            // Never half of them.
            Ok(()) => assert!(credentials.are_given() || !credentials.are_mutual()),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

pub(crate) fn file_seeds() -> Vec<Vec<u8>> {
    [
        "# comment\nUsername=us\nPassword=\"a b\" # more\n\nPasswordIn=x\r\nUsernameIn=them",
        "Password=all\nTargetName=iqn.2004-01.example:a\n\tPassword=own\n\tPasswordIn=in\n",
        "InitiatorName=iqn.2004-01.example:me\nInitiatorAlias=\"rack 7\"\nEnabled=no\nTargetName=iqn.2004-01.example:a\n TargetIpAddress=192.0.2.1:860\n Enabled=yes\n LUNs=7,0-3\n",
        "HeaderDigest=always\nDataDigest=prefer-on\nImmediateData=No\nInitialR2T=1\nMaxBurstLength=65536\nSubnet=192.0.2.0/24\n LoginTimeout=30\n MaxRecvDataSegmentLength=512\n",
        "ConnFailTimeout=5m\nTargetName=iqn.2004-01.example:a\n ReplacementTimeout=0\n",
        "DiscoveryAddress=192.0.2.1\n  Password=p\nSubnet=192.0.2.0/24\n  Other=1\nLast=2\n",
    ]
    .map(|file| file.as_bytes().to_vec())
    .into()
}

/// A root path, and each other text that a setting can have.
pub(crate) fn config_texts(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else {
        return;
    };
    let offset = match RootPath::parse(text) {
        Ok(path) => {
            assert!(path.target.portal().port != 0 && path.lun.unwrap_or(0) <= lun::MAX);
            if let Wanted::Named(target) = path.target {
                assert_eq!(Name::parse(target.name.as_str()), Ok(target.name));
            }
            0
        }
        Err(error) => error.offset,
    };
    assert!(offset <= text.len());
    if let Ok(interface) = Interface::parse(text) {
        match interface.device {
            Device::Named(name) => assert!(text.starts_with(name.as_str())),
            Device::Mac(mac) => {
                let text = text.to_ascii_lowercase().replace('-', ":");
                assert!(text.starts_with(&mac.to_string()));
            }
            Device::Any | Device::Vlan(..) => panic!("no device"),
        }
    }
    match Ip::parse(text) {
        Ok(Some(ip)) => {
            if let Addressing::Static(config) = ip.interface.addressing {
                assert!(text.starts_with(&config.address.to_string()));
            }
        }
        Ok(None) => {}
        Err(error) => assert!(text.is_char_boundary(error.offset), "{error}"),
    }
    match NetRoot::parse(text) {
        Ok(root) => assert!(root.lun <= lun::MAX),
        Err(error) => assert!(text.is_char_boundary(error.offset), "{error}"),
    }
    if let Ok(name) = Name::parse(text) {
        assert!(name.as_str().eq_ignore_ascii_case(text));
    }
    // Whatever firmware and servers call a machine, it has a name, and its own mark.
    for (uuid, host_name) in [(Some(text), None), (None, Some(text))] {
        let machine = Machine {
            uuid,
            host_name,
            ..MACHINE
        };
        let (name, mark) = machine.name();
        assert_eq!(Name::parse(name.as_str()).as_ref(), Ok(&name));
        let own = text.to_ascii_lowercase();
        assert!(mark == Mark::Mac || name.as_str().ends_with(&own));
    }
    if let Ok(lun) = lun::parse(text) {
        assert_eq!(
            text.trim_start_matches('0'),
            lun.to_string().trim_start_matches('0')
        );
    }
    if let Ok(lun) = lun::parse_hexadecimal(text) {
        assert!(lun <= lun::MAX);
    }
}

pub(crate) fn texts_seeds() -> Vec<Vec<u8>> {
    [
        "10.0.0.1:3261:/iqn.2001-04.com.example:disk/iqn.2001-04.com.example:me/12",
        "iscsi:[2001:db8::1]:6:3260:4001-0-0-0:naa.62004567ba64678d0123456789abcdef",
        "eth0:10.0.0.2:255.255.255.0:10.0.0.1",
        "52:54:00:12:34:56:10.0.0.2",
        "10.0.0.2:10.0.0.9:10.0.0.1:255.255.255.0:node1.lab:eth0:none:10.0.0.53:10.0.0.54:10.0.0.123",
        "enp1s0:dhcp:1400",
        "dhcp,0x01,me",
        "iscsi:u:p@10.0.0.1:6:3260:default:eth0:1:iqn.2001-04.com.example:disk",
        "eui.02004567A425678D",
        "4C4C4544-0042-3510-8052-b3c04f4b4e32",
        "00016383",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into()
}
