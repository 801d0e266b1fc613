// SPDX-License-Identifier: GPL-2.0-only

//! From arguments that name several targets to the order in which they are tried.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failure is what these look for"
)]

use iscsi_init::proto::config::{
    choice::{
        join,
        Choice, //
    },
    cmdline::Arguments,
    machine::Machine,
    merge::{
        Boot,
        Ipconfig,
        Request, //
    },
};

const MACHINE: Machine<'_> = Machine {
    uuid: None,
    host_name: None,
    mac: [0x52, 0x54, 0x00, 0xaa, 0x00, 0x01],
};

/// The targets that are tried in order, each with its further portals and its LUN.
fn choices(parameters: &Arguments<'_>, line: &str) -> Result<Vec<String>, String> {
    let arguments = Arguments::parse(line.as_bytes()).map_err(|error| error.to_string())?;
    let mut request =
        Request::new(parameters, &arguments, &mut |_| ()).map_err(|error| error.to_string())?;
    request
        .complete(&arguments.others, Ipconfig::Driver, &mut |_| ())
        .map_err(|error| error.to_string())?;
    let mut choices = Vec::new();
    request
        .targets(parameters, &arguments, |wanted, lun| {
            let own = join(&mut choices, wanted, lun)?;
            choices.extend(own);
            Ok(())
        })
        .map_err(|error| error.to_string())?;
    let show = |choice: &Choice| {
        let mut boot = Boot::new(&request, None, None, &MACHINE, &mut |_| ()).expect("a target");
        boot.choose(choice);
        let further: Vec<_> = choice.further().map(|portal| portal.to_string()).collect();
        format!(
            "{} LUN {} {}",
            boot.target.value,
            boot.lun.value,
            further.join(" ")
        )
    };
    Ok(choices.iter().map(show).collect())
}

#[test]
fn several_targets_have_an_order() {
    const ONE: &str = "eui.0000000000000001";
    const TWO: &str = "eui.0000000000000002";
    let none = Arguments::default();
    let both = Ok(vec![
        format!("10.0.0.1:3260:{ONE} LUN 3 10.0.1.1:3260"),
        format!("10.0.0.2:3260:{TWO} LUN 3 "),
    ]);
    let one = format!("10.0.0.1:{ONE},10.0.1.1");
    let line = format!("iscsi-target={one} iscsi-target=10.0.0.2:{TWO} iscsi-lun=3");
    assert_eq!(choices(&none, &line), both);
    let list = format!("{one},10.0.0.2:{TWO}");
    let line = format!("iscsi-target={list} iscsi-lun=3");
    assert_eq!(choices(&none, &line), both);
    let parameters = Arguments {
        target: Some(list.as_str()).into(),
        ..none
    };
    // Another source is not mixed in.
    let line = format!("iscsi-target=10.0.0.9:{ONE} iscsi-lun=3");
    assert_eq!(choices(&parameters, &line), both);

    // dracut says the LUN of each.
    let netroots = format!(
        "netroot=iscsi:10.0.0.1:::1:{ONE} netroot=iscsi:10.0.0.2:::2:{TWO} \
         netroot=iscsi:10.0.1.1:::1:{ONE}"
    );
    assert_eq!(
        choices(&none, &netroots),
        Ok(vec![
            format!("10.0.0.1:3260:{ONE} LUN 1 10.0.1.1:3260"),
            format!("10.0.0.2:3260:{TWO} LUN 2 "),
        ])
    );
    assert_eq!(
        choices(&none, &format!("{netroots} iscsi-lun=5")).map(|choices| choices[1].clone()),
        Ok(format!("10.0.0.2:3260:{TWO} LUN 5 "))
    );
    assert_eq!(
        choices(
            &none,
            &format!("iscsi-target=10.0.0.1:{ONE} iscsi-target=10.0.0")
        ),
        Err(
            "iscsi-target=: \"10.0.0\": this is no IP address; expected IPv4 as in 192.0.2.1 or \
             IPv6 as in [2001:db8::1] (at byte 0)"
                .into()
        )
    );
    let secret =
        format!("netroot=iscsi:10.0.0.1:::1:{ONE} netroot=iscsi:me:top-secret@10.0.0.9:::");
    let error = choices(&none, &secret).expect_err("half a target");
    assert!(!error.contains("top-secret"), "{error}");
}
