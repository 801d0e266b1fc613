// SPDX-License-Identifier: GPL-2.0-only

//! The device of a VLAN that the boot has made, and that somebody has deleted.

use super::super::{
    changes::Changes,
    netlink::Netlink, //
};
use crate::{
    linux::errno::ENOBUFS,
    proto::rtnetlink::answer::Link, //
};
use core::net::IpAddr;
use kernel::prelude::*;

/// All network devices, `link` made again among them where it is gone, unless another one has its
/// `address` now; whether it was made.
pub(super) fn links(
    changes: &mut Changes,
    link: &Link,
    address: Option<IpAddr>,
) -> Result<(KVec<Link>, bool)> {
    let links = changes.netlink.links()?;
    if link.among(&links).is_some() || is_had(&mut changes.netlink, address)? {
        return Ok((links, false));
    }
    // What cannot be made is gone, until there is another change.
    match changes.make_vlan_again(link, &links) {
        Ok(true) => Ok((changes.netlink.links()?, true)),
        Err(error @ (ENOMEM | ENOBUFS)) => Err(error),
        _ => Ok((links, false)),
    }
}

/// Whether any device has `address`.
fn is_had(netlink: &mut Netlink, address: Option<IpAddr>) -> Result<bool> {
    match address {
        Some(IpAddr::V4(own)) => {
            let addresses = netlink.addresses()?;
            let mut all = addresses.iter();
            Ok(all.any(|address| address.address == own))
        }
        Some(IpAddr::V6(own)) => {
            let addresses = netlink.ipv6_addresses()?;
            let mut all = addresses.iter();
            Ok(all.any(|address| address.address == own))
        }
        None => Ok(false),
    }
}
