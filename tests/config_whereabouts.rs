// SPDX-License-Identifier: GPL-2.0-only

//! Which root paths a running machine follows.

#![allow(clippy::expect_used, reason = "a failure is what these look for")]

use config_support::boot;
use iscsi_init::proto::config::{
    cmdline::Arguments,
    name::Name,
    whereabouts::Whereabouts, //
};

mod config_support;

#[test]
fn a_root_path_is_followed_to_the_same_disk_alone() {
    const NAME: &str = "eui.02004567a425678d";
    let name = Name::parse(NAME).expect(NAME);
    let whereabouts = |line: &str, path: &str| {
        let boot = boot(&Arguments::default(), line, Some(path)).expect("a target");
        Whereabouts::new(&boot, &name)
    };
    let mut own = whereabouts("", &format!("10.0.0.9:/{NAME}//3")).expect("whereabouts");
    let mut heard = |path: &str| {
        let said = own.hear(path)?;
        Some(match said {
            Ok(portal) => portal.to_string(),
            Err(reason) => reason.to_string(),
        })
    };
    let portal = |portal: &str| Some(portal.to_string());
    // The same in the other dialect is no news.
    assert_eq!(heard(&format!("iscsi:10.0.0.9:::3:{NAME}")), None);
    let moved = format!("10.0.0.9:3261:/{NAME}//3");
    assert_eq!(heard(&moved), portal("10.0.0.9:3261"));
    assert_eq!(heard(&moved), None);
    assert_eq!(
        heard(&format!("10.0.0.8:/{NAME}//3")),
        portal("10.0.0.8:3260")
    );
    assert_eq!(heard("[2001:db8::1]:///3"), portal("[2001:db8::1]:3260"));
    let other = "it names another target; boot the machine again if that is meant";
    assert_eq!(
        heard("10.0.0.7:/eui.02004567a425678e//3").as_deref(),
        Some(other)
    );
    assert_eq!(heard("10.0.0.6:/eui.02004567a425678e//3"), None);
    let other =
        "it names another LUN than the boot disk's; boot the machine again if that is meant";
    assert_eq!(heard(&format!("10.0.0.7:/{NAME}")).as_deref(), Some(other));
    assert!(heard("/srv/nfs").is_some_and(|reason| reason.ends_with("(at byte 0)")));
    assert_eq!(heard("/srv/nfs"), None);
    assert_eq!(heard(&moved), portal("10.0.0.9:3261"));
    assert_eq!(
        own.portal().map(|portal| portal.to_string()),
        portal("10.0.0.9:3261")
    );

    // LUN 0 is what is meant without one, and what the machine is told comes before it.
    let path = format!("10.0.0.9:/{NAME}");
    let mut own = whereabouts("", &path).expect("whereabouts");
    assert!(own
        .hear(&format!("{path}//1"))
        .is_some_and(|said| said.is_err()));
    let mut own = whereabouts("iscsi-lun=2", &path).expect("whereabouts");
    assert_eq!(own.hear(&format!("{path}//1")), None);
    // Where the machine is told the target, no root path is heard.
    let line = format!("iscsi-target=10.0.0.9:{NAME}");
    assert_eq!(whereabouts(&line, &path), None);
    assert_eq!(whereabouts(&line, &format!("{path}//1")), None);
}
