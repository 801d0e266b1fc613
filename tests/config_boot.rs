// SPDX-License-Identifier: GPL-2.0-only

//! From the kernel command line, the module's parameters, the configuration file and the DHCP root
//! path to what is booted.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a failure is what these look for"
)]

use config_support::{
    boot,
    request,
    request_with,
    MACHINE, //
};
use iscsi_init::proto::config::{
    cmdline::{
        Arguments,
        Other, //
    },
    iscsi_conf::{
        read_settings,
        read_told,
        Login, //
    },
    merge::{
        read_initiator,
        read_root_path,
        Boot,
        Ipconfig,
        Notice,
        Request,
        Source, //
    },
    root_path::RootPath,
    target::Wanted,
    text::Text, //
};

mod config_support;

/// All notices of what is said in `line`, and what the file and the root path say.
fn notices(parameters: &Arguments<'_>, line: &str, file: &str, path: Option<&str>) -> Vec<String> {
    let arguments = Arguments::parse(line.as_bytes()).expect(line);
    let mut told = Vec::new();
    let mut tell = |notice: &Notice<'_>| told.push(notice.to_string());
    let mut request = Request::new(parameters, &arguments, &mut tell).expect(line);
    request
        .complete(&arguments.others, Ipconfig::Driver, &mut tell)
        .expect(line);
    request.take_told(read_told(file.as_bytes()).expect(file), &mut tell);
    let path = path.map(|text| read_root_path(text).expect(text));
    Boot::new(&request, path.as_ref(), None, &MACHINE, &mut tell).expect(line);
    told
}

#[test]
fn who_is_overruled_is_told_so() {
    let none = Arguments::default();
    let parameters = Arguments {
        lun: Some("1"),
        ..none
    };
    let path = Some("10.0.0.3:/eui.00000000000000a2/eui.00000000000000a1/3");
    let target = "iscsi-target=10.0.0.3:eui.00000000000000a2";
    assert_eq!(
        notices(&parameters, &format!("{target} iscsi-lun=1"), "", path),
        ["LUN 3 (DHCP root path) is not used: module parameter comes first"]
    );
    assert_eq!(
        notices(&parameters, &format!("{target} iscsi-lun=2"), FILE, None),
        [
            "iscsi-lun= is not used: the module parameter lun= comes first",
            "target 10.0.0.4:3260:eui.00000000000000b2 (iscsi.conf) is not used: kernel argument \
             comes first",
        ]
    );
    // Who says the same is right.
    let file = "TargetName=eui.00000000000000a2\n TargetIpAddress=10.0.0.3\n";
    assert!(notices(&none, &format!("{target} iscsi-lun=3"), file, path).is_empty());
    assert_eq!(
        notices(
            &none,
            "iscsi-target=10.0.0.3 iscsi-if=eth0 iscsi-initiator=eui.00000000000000a1 \
             netroot=iscsi:10.0.0.9:::: ip=dhcp rd.iscsi.initiator=eui.00000000000000a2",
            "",
            None
        ),
        [
            "netroot= is not used for the target: kernel argument comes first",
            "ip= is not used for the interface: kernel argument comes first",
            "rd.iscsi.initiator= is not used for the initiator: kernel argument comes first",
        ]
    );
}

#[test]
fn each_ip_is_for_its_device() {
    const ETH0: &str = "ip=10.0.0.2:::24::eth0:none";
    const ETH1: &str = "ip=eth1:dhcp";
    let netroot = "netroot=iscsi:10.0.0.9:::default:eth1:1:eui.02004567a425678d";
    let first = "eth0 with 10.0.0.2/24 (kernel argument ip=)";
    let second = "eth1 (kernel argument ip=)";
    for (line, expected) in [
        (format!("{ETH0} {ETH1}"), first),
        (format!("{ETH1} {ETH0}"), second),
        (format!("{ETH0} {ETH1} bootdev=eth1"), second),
        (format!("{ETH0} {ETH1} {netroot}"), second),
        (format!("{ETH1} {netroot} {ETH0} bootdev=eth0"), first),
        // Of several for one device the last counts, as with the kernel's own.
        (format!("{ETH1} ip=eth0:dhcp {ETH0} bootdev=eth0"), first),
        // What is nobody's is no device's, and what cannot be understood is for another one.
        (format!("ip=off ip=eth2:dhcp6 {ETH0}"), first),
        (format!("{ETH0} {ETH1} bootdev=eth2"), first),
        (
            "ip=dhcp ip=eth1:dhcp bootdev=eth0".into(),
            "eth0 (kernel argument ip=)",
        ),
        ("bootdev=eth1".into(), "eth1 (kernel argument bootdev=)"),
    ] {
        assert_eq!(interface(&line), expected, "{line}");
    }
    assert!(settings("ip=eth2:dhcp6 ip=x", Ipconfig::Driver).is_err());
    let target = "iscsi-target=10.0.0.9";
    let none = Arguments::default();
    assert_eq!(
        notices(
            &none,
            &format!("{target} {ETH0} {ETH1} bootdev=eth1"),
            "",
            None
        ),
        [
            "of several ip= this machine boots by \"eth1:dhcp\", device eth1; bootdev= or \
             iscsi-if= chooses another"
        ]
    );
    assert!(notices(&none, &format!("{target} {ETH0}"), "", None).is_empty());
}

#[test]
fn everything_can_come_from_dhcp() {
    let path = "10.0.0.9:3261:/iqn.2001-04.com.example:disk/iqn.2001-04.com.example:me/7";
    let boot = boot(&Arguments::default(), "ro iscsi-if=eth0", Some(path)).expect("a target");
    assert_eq!(
        boot.target.to_string(),
        "10.0.0.9:3261:iqn.2001-04.com.example:disk (DHCP root path)"
    );
    assert_eq!(
        boot.initiator.to_string(),
        "iqn.2001-04.com.example:me (DHCP root path)"
    );
    assert_eq!(boot.lun.to_string(), "7 (DHCP root path)");
}

#[test]
fn what_nobody_says_has_a_default() {
    let boot = boot(
        &Arguments::default(),
        "",
        Some("iscsi:10.0.0.9::::eui.02004567a425678d"),
    )
    .expect("a target");
    assert_eq!(
        boot.initiator.to_string(),
        "iqn.2004-11.net.sourceforge.iscsi-init:525400aa0001 (default: MAC address)"
    );
    assert_eq!(boot.lun.to_string(), "0 (default)");
}

#[test]
fn parameters_come_before_arguments_and_those_before_dhcp() {
    let parameters = Arguments {
        lun: Some("1"),
        target: Some("10.0.0.1:eui.0000000000000001").into(),
        ..Arguments::default()
    };
    let line = "iscsi-lun=2 iscsi-initiator=eui.00000000000000a2 iscsi-if=eth2:10.0.0.2";
    let path = "10.0.0.3:/eui.0000000000000003/eui.00000000000000a3/3";
    let boot = boot(&parameters, line, Some(path)).expect("a target");
    assert_eq!((boot.lun.value, boot.lun.source), (1, Source::Parameter));
    assert_eq!(
        (boot.initiator.value.as_str(), boot.initiator.source),
        ("eui.00000000000000a2", Source::Argument)
    );
    // The portal does not come from one place and the name from another.
    assert_eq!(
        boot.target.to_string(),
        "10.0.0.1:3260:eui.0000000000000001 (module parameter)"
    );
    let interface = request(&parameters, line)
        .expect("a request")
        .interface
        .expect("an interface");
    assert_eq!(
        (
            interface.value.device.to_string().as_str(),
            interface.source
        ),
        ("eth2", Source::Argument)
    );
}

/// What is booted with this configuration file.
fn boot_with(file: &str, line: &str, root_path: Option<&str>) -> Boot {
    let mut request = request(&Arguments::default(), line).expect("a request");
    request.take_told(read_told(file.as_bytes()).expect("a file"), &mut |_| ());
    let root_path = root_path.map(|text| read_root_path(text).expect("a root path"));
    let mut boot =
        Boot::new(&request, root_path.as_ref(), None, &MACHINE, &mut |_| ()).expect("a target");
    if let Wanted::Named(target) = &boot.target.value {
        let settings =
            read_settings(file.as_bytes(), Login::Target(target)).expect("a file of settings");
        boot.take_lun(settings.luns.map(|luns| luns.first()));
    }
    boot
}

const FILE: &str = "InitiatorName=eui.00000000000000b1\n\
                    TargetName=eui.00000000000000b2\n TargetIpAddress=10.0.0.4\n LUNs=4\n\
                    TargetName=eui.00000000000000c2\n LUNs=5\n";

#[test]
fn the_configuration_file_comes_between_arguments_and_dhcp() {
    let path = "10.0.0.3:/eui.00000000000000a2/eui.00000000000000a1/3";
    for path in [Some(path), None] {
        let boot = boot_with(FILE, "iscsi-if=eth0", path);
        assert_eq!(
            boot.target.to_string(),
            "10.0.0.4:3260:eui.00000000000000b2 (iscsi.conf)"
        );
        assert_eq!(
            boot.initiator.to_string(),
            "eui.00000000000000b1 (iscsi.conf)"
        );
        assert_eq!(boot.lun.to_string(), "4 (iscsi.conf)");
    }
    let line = "iscsi-target=10.0.0.5:eui.00000000000000c2 iscsi-initiator=eui.00000000000000c1";
    let boot = boot_with(FILE, line, Some(path));
    assert_eq!(boot.target.source, Source::Argument);
    assert_eq!(boot.initiator.source, Source::Argument);
    // Each setting for itself: the file has a LUN for this target too.
    assert_eq!(boot.lun.to_string(), "5 (iscsi.conf)");
    let boot = boot_with(FILE, "iscsi-lun=6", Some(path));
    assert_eq!(boot.lun.to_string(), "6 (kernel argument)");
    // Another target's LUN is not this one's.
    let boot = boot_with(
        FILE,
        "iscsi-target=10.0.0.5:eui.00000000000000d2",
        Some(path),
    );
    assert_eq!(boot.lun.to_string(), "3 (DHCP root path)");
}

#[test]
fn each_setting_of_a_session_has_a_source() {
    let Ok(Wanted::Named(target)) = Wanted::parse("192.0.2.1:eui.02004567a425678d") else {
        panic!("a target");
    };
    let file = "ImmediateData=no\nIdleTimeout=0\nLoginTimeout=15\n";
    let settings = read_settings(file.as_bytes(), Login::Target(&target)).expect(file);
    let all: Vec<_> = settings
        .all()
        .map(|(key, value, told)| format!("{}={value} {told}", key.name()))
        .collect();
    for shown in [
        "CHAPAlgorithms=SHA3-256, SHA-256, SHA-1, MD5 false",
        "HeaderDigest=prefer-off false",
        "ImmediateData=no true",
        "FirstBurstLength=262144 false",
        "LoginTimeout=15 s true",
        "IdleTimeout=none true",
        "ActiveTimeout=5 s false",
    ] {
        assert!(all.iter().any(|one| one == shown), "{shown}: {all:?}");
    }
    assert_eq!(all.len(), 17);
}

#[test]
fn what_does_not_count_is_not_looked_at() {
    let parameters = Arguments {
        lun: Some("1"),
        ..Arguments::default()
    };
    assert_eq!(
        request(&parameters, "iscsi-lun=x")
            .expect("a request")
            .lun
            .map(|lun| lun.value),
        Some(1)
    );
}

/// What the request for `line` says of interface, initiator, target and LUN.
fn settings(line: &str, ipconfig: Ipconfig) -> Result<[String; 4], String> {
    let arguments = Arguments::parse(line.as_bytes()).map_err(|error| error.to_string())?;
    let request = request_with(&Arguments::default(), &arguments, ipconfig)?;
    Ok([
        request.interface.map(|setting| setting.to_string()),
        request.initiator.map(|setting| setting.to_string()),
        request.target.map(|setting| setting.to_string()),
        request.lun.map(|setting| setting.to_string()),
    ]
    .map(Option::unwrap_or_default))
}

fn interface(line: &str) -> String {
    let [interface, ..] = settings(line, Ipconfig::Driver).expect(line);
    interface
}

#[test]
fn arguments_of_others_come_after_ours() {
    const NETROOT: &str = "netroot=iscsi:10.0.0.9::::eth3:12:eui.02004567a425678d";
    let theirs =
        "ip=eth1:dhcp rd.iscsi.initiator=eui.00000000000000a1 netroot=iscsi:10.0.0.9:::12:\
                  eui.02004567a425678d";
    assert_eq!(
        settings(theirs, Ipconfig::Driver).expect("settings"),
        [
            "eth1 (kernel argument ip=)",
            "eui.00000000000000a1 (kernel argument rd.iscsi.initiator=)",
            "10.0.0.9:3260:eui.02004567a425678d (kernel argument netroot=)",
            "12 (kernel argument netroot=)",
        ]
    );
    let ours =
        "iscsi-if=eth0 iscsi-initiator=eui.00000000000000a2 iscsi-target=10.0.0.8 iscsi-lun=3";
    assert_eq!(
        settings(&format!("{ours} {theirs}"), Ipconfig::Driver).expect("settings"),
        [
            "eth0 (kernel argument)",
            "eui.00000000000000a2 (kernel argument)",
            "of portal 10.0.0.8:3260 (kernel argument)",
            "3 (kernel argument)",
        ]
    );
    // What does not count is not looked at.
    assert!(settings(&format!("{ours} ip=x netroot=iscsi:x"), Ipconfig::Driver).is_ok());
    assert!(settings("ip=x", Ipconfig::Kernel).is_ok());
    assert_eq!(
        settings("ip=x", Ipconfig::Driver).expect_err("nonsense"),
        "ip=: \"x\": expected dhcp, <device>:dhcp or \
         <ip>:<server>:<gateway>:<netmask>:<host name>:<device>:<method> (at byte 0)"
    );
    let root = "root=iscsi:10.0.0.7::::eui.02004567a425678d";
    let [_, _, target, _] = settings(root, Ipconfig::Driver).expect("settings");
    assert!(target.ends_with("(kernel argument root=)"));
    let both = format!("{root} {NETROOT} iscsi-lun=1");
    let [_, _, target, lun] = settings(&both, Ipconfig::Driver).expect("settings");
    assert!(target.ends_with("(kernel argument netroot=)"));
    assert_eq!(lun, "1 (kernel argument)");
}

#[test]
fn a_device_is_named_by_the_first_who_does() {
    let bootif = "BOOTIF=01-52-54-00-12-34-56";
    let netroot = "netroot=iscsi:10.0.0.9:::default:eth3:1:eui.02004567a425678d";
    let mac = "52:54:00:12:34:56";
    for (line, expected) in [
        ("", String::new()),
        (bootif, format!("{mac} (kernel argument BOOTIF=)")),
        ("BOOTIF=20-52-54-00-12-34-56", String::new()),
        (netroot, "eth3 (kernel argument netroot=)".into()),
        ("ip=dhcp", "any (kernel argument ip=)".into()),
        ("ip=off", String::new()),
        (
            "ip=10.0.0.2::10.0.0.1:24::eth1:none",
            "eth1 with 10.0.0.2/24 via 10.0.0.1 (kernel argument ip=)".into(),
        ),
    ] {
        assert_eq!(interface(line), expected, "{line}");
        let first = if line.contains("=eth") || line.contains("netroot") {
            expected
        } else {
            String::new()
        };
        if !first.is_empty() {
            assert_eq!(interface(&format!("{line} {bootif}")), first);
        }
    }
    assert_eq!(
        interface(&format!("ip=dhcp {bootif}")),
        format!("{mac} (kernel argument ip=)")
    );
    assert_eq!(
        interface(&format!("ip=10.0.0.2:::24 {netroot} {bootif}")),
        "eth3 with 10.0.0.2/24 (kernel argument ip=)"
    );
    assert_eq!(
        interface(&format!("iscsi-if={mac}:10.0.0.2:255.255.255.0 {netroot}")),
        format!("{mac} with 10.0.0.2/24 (kernel argument)")
    );
    // Where the kernel has brought up a device, that one is used.
    let line = format!("ip=dhcp {bootif} {netroot}");
    let [interface, ..] = settings(&line, Ipconfig::Kernel).expect("settings");
    assert_eq!(interface, "");
}

#[test]
fn servers_are_told_what_the_kernel_would_tell_them() {
    let identity =
        |line| request(&Arguments::default(), line).map(|request| request.details.identity);
    let told = identity("ip=::::node1:eth0:dhcp,1,me dhcpclass=diskless").expect("settings");
    assert_eq!(told.host_name, Text::new("node1"));
    assert_eq!(told.vendor_class, Text::new("diskless"));
    assert_eq!(
        told.client_id.map(|id| (id.kind, id.value)),
        Text::new("me").map(|id| (1, id))
    );
    let told =
        identity("iscsi-if=eth0 ip=::::node1:eth1:dhcp dhcpclass=diskless").expect("settings");
    assert_eq!(
        (told.host_name, told.vendor_class),
        (None, Text::new("diskless"))
    );
    let long = format!("dhcpclass={:x<253}", "");
    assert!(identity(&long).is_err());
}

#[test]
fn a_password_in_the_kernels_arguments_is_neither_used_nor_shown() {
    let line = "netroot=iscsi:me:top-secret@10.0.0.9::::eui.02004567a425678d";
    let request = request(&Arguments::default(), line).expect("settings");
    assert_eq!(request.exposed, Some(Other::NetRoot));
    assert!(!format!("{request:?}").contains("top-secret"));
    for line in [
        "netroot=iscsi:me:top-secret@10.0.0.9::::disk",
        "root=iscsi:me:top-secret:10.0.0.9::::disk",
        "netroot=iscsi:me:top-secret",
    ] {
        let error = settings(line, Ipconfig::Driver).expect_err(line);
        assert!(!error.contains("top-secret"), "{error}");
    }
}

#[test]
fn dhcp_may_name_the_initiator_beside_the_root_path() {
    let offered = |line: &str, path: &str| {
        let path = read_root_path(path).expect("a root path");
        let name = read_initiator("eui.00000000000000aa").expect("a name");
        let request = request(&Arguments::default(), line).expect("a request");
        let boot =
            Boot::new(&request, Some(&path), Some(name), &MACHINE, &mut |_| ()).expect("a target");
        boot.initiator.to_string()
    };
    let path = "10.0.0.9:/eui.02004567a425678d";
    assert_eq!(offered("", path), "eui.00000000000000aa (DHCP option 203)");
    assert_eq!(
        offered("", &format!("{path}/eui.00000000000000ab")),
        "eui.00000000000000ab (DHCP root path)"
    );
    assert_eq!(
        offered("iscsi-initiator=eui.00000000000000ac", path),
        "eui.00000000000000ac (kernel argument)"
    );
    assert_eq!(
        read_initiator("me").expect_err("no name").to_string(),
        "DHCP option 203: \"me\": an iSCSI name starts with iqn., eui. or naa. (at byte 0)"
    );
}

#[test]
fn the_time_limit_comes_from_one_source() {
    let parameters = Arguments {
        timeout: Some("0"),
        ..Arguments::default()
    };
    let timeout = |parameters: &Arguments<'_>| {
        request(parameters, "iscsi_timeout=90")
            .expect("a request")
            .timeout
            .map(|timeout| timeout.to_string())
    };
    assert_eq!(
        timeout(&Arguments::default()).as_deref(),
        Some("90 s (kernel argument)")
    );
    assert_eq!(
        timeout(&parameters).as_deref(),
        Some("no limit (module parameter)")
    );
    assert_eq!(
        request(&Arguments::default(), "iscsi-timeout=1m").expect_err("an error"),
        "iscsi-timeout=: \"1m\": a time limit is a decimal number of seconds (at byte 1)"
    );
}

#[test]
fn a_boot_needs_a_target() {
    let error =
        boot(&Arguments::default(), "iscsi-if=eth0 iscsi-lun=1", None).expect_err("no target");
    assert_eq!(
        error.to_string(),
        "no target: set iscsi-target=<ip>[:<port>][:<target name>] or the DHCP server's root-path (option 17)"
    );
}

#[test]
fn errors_name_who_said_what() {
    let none = Arguments::default();
    let error =
        |parameters: &Arguments<'_>, line: &str| request(parameters, line).expect_err("an error");
    assert_eq!(
        error(&none, "iscsi_target=10.0.0.1:"),
        "iscsi-target=: \"10.0.0.1:\": no target name after the colon; expected \
         <ip>[:<port>]:<target name>, or <ip>[:<port>] alone, whose target is asked for (at byte 9)"
    );
    assert_eq!(
        error(
            &Arguments {
                lun: Some("16384"),
                ..none
            },
            ""
        ),
        "lun=: \"16384\": the LUN is above 16383 (at byte 0)"
    );
    assert_eq!(
        error(
            &Arguments {
                initiator: Some("me\n"),
                ..none
            },
            ""
        ),
        r#"initiator=: "me\n": '\n' cannot be in an iSCSI name (at byte 2)"#
    );
    assert_eq!(
        error(&none, "iscsi-if=eth0:10.0.0.2:255.255.255.0:10.1.0.1"),
        "iscsi-if=: \"eth0:10.0.0.2:255.255.255.0:10.1.0.1\": \
         the gateway is not on the network of 10.0.0.2/24; check the netmask (at byte 28)"
    );
    assert_eq!(
        error(&none, "iscsi-lun"),
        "iscsi-lun: no value; expected iscsi-lun=<value>"
    );
    assert_eq!(
        read_root_path("/srv/root")
            .expect_err("an error")
            .to_string(),
        "DHCP root path: \"/srv/root\": no address of the target (at byte 0)"
    );
}

#[test]
fn a_root_path_cut_anywhere_does_not_name_what_it_did_not() {
    for text in [
        "10.0.0.9:3261:/iqn.2001-04.com.example:disk/iqn.2001-04.com.example:me/7",
        "iscsi:[2001:db8::9]:6:3261:7:iqn.2001-04.com.example:disk",
    ] {
        let whole = RootPath::parse(text).expect("a root path");
        for length in 0..text.len() {
            if let Ok(cut) = RootPath::parse(&text[..length]) {
                assert_eq!(cut.target.portal(), whole.target.portal(), "{length}");
                if let Wanted::Named(target) = &cut.target {
                    assert!(text.contains(target.name.as_str()), "{length}");
                }
                assert!(cut.lun.is_none() || cut.lun == whole.lun, "{length}");
            }
        }
    }
}
