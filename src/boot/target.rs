// SPDX-License-Identifier: GPL-2.0-only

//! Who logs in where: by what the machine was told, by the DHCP root path, or by what a portal
//! tells.

use super::{
    attempts::Attempts,
    conf::Conf,
    error::Failure,
    ibft::Firmware,
    login,
    network::Network, //
};
use crate::{
    initiator::{
        authentication::Authentication,
        login::{
            Account,
            Node, //
        }, //
    },
    linux::shash,
    proto::{
        config::{
            iscsi_conf::{
                Login,
                Luns,
                Timeouts, //
            },
            merge::{
                self,
                Boot,
                Request,
                Source, //
            },
            name::Name,
            target::{
                Portal,
                Target,
                Wanted, //
            },
        },
        iscsi::{
            chap::Algorithm,
            keys::Offer, //
        }, //
    }, //
};
use kernel::prelude::*;

/// Settles who logs in where.
// Not inlined, as each step of the boot: a kernel stack is too small for all of them together.
#[inline(never)]
pub(super) fn settle(
    request: &Request,
    conf: &Conf,
    network: &Network,
    attempts: &mut Attempts,
) -> Result<KBox<Boot>, Failure<'static>> {
    let mut boot = merged(request, network, attempts)?;
    if let Wanted::Named(target) = &boot.target.value {
        let luns = luns(conf, Login::Target(target))?;
        boot.take_lun(luns.map(|luns| luns.first()));
    }
    attempts.tell(core::format_args!(
        "target {}, LUN {}, initiator {}",
        boot.target,
        boot.lun,
        boot.initiator
    ));
    Ok(boot)
}

/// What the machine was told and what came with its address, together.
#[inline(never)]
fn merged(
    request: &Request,
    network: &Network,
    attempts: &mut Attempts,
) -> Result<KBox<Boot>, Failure<'static>> {
    let informant = network.informant();
    let root_path = match informant.zip(network.root_path()) {
        // With a target given, whatever else the DHCP server says about roots is for somebody else.
        Some((informant, text)) => match merge::read_root_path(text.as_str()) {
            Ok(path) => Some(path),
            Err(error) if request.target.is_some() => {
                attempts.tell(core::format_args!("not used: {error}"));
                None
            }
            Err(error) => {
                let fault = error.fault;
                return Err(Failure::RootPath {
                    informant,
                    text: KBox::new(text, GFP_KERNEL).map_err(Failure::kernel)?,
                    fault,
                });
            }
        },
        None => None,
    };
    let named = request.initiator.is_some()
        || root_path
            .as_ref()
            .is_some_and(|path| path.initiator.is_some());
    let offered = if named { None } else { initiator(network)? };
    let boot = Boot::new(request, root_path.as_ref(), offered, network.mac()).map_err(|error| {
        Failure::NoTarget {
            asked: informant,
            error,
        }
    })?;
    KBox::new(boot, GFP_KERNEL).map_err(Failure::kernel)
}

/// The logical units that the configuration file has for a login.
#[inline(never)]
fn luns(conf: &Conf, login: Login<'_>) -> Result<Option<Luns>, Failure<'static>> {
    Ok(conf.settings(login)?.luns)
}

/// The initiator's name that came with the address, beside the root path.
#[inline(never)]
fn initiator(network: &Network) -> Result<Option<Name>, Failure<'static>> {
    let lease = network.lease();
    let Some((lease, text)) = lease.and_then(|lease| Some((lease, lease.initiator.as_ref()?)))
    else {
        return Ok(None);
    };
    match merge::read_initiator(text.as_str()) {
        Ok(name) => Ok(Some(name)),
        Err(error) => Err(Failure::InitiatorOption {
            server: lease.server,
            fault: error.fault,
            text: KBox::new(text.clone(), GFP_KERNEL).map_err(Failure::kernel)?,
        }),
    }
}

/// What a login to `target` authenticates with, by the first who has credentials.
#[inline(never)]
fn authentication(
    target: &Target,
    conf: &Conf,
    firmware: &Firmware,
    network: &mut Network,
    attempts: &mut Attempts,
) -> Result<Option<Authentication>, Failure<'static>> {
    if let Some(authentication) = conf.authentication(target)? {
        return Ok(Some(authentication));
    }
    if let Some(authentication) = firmware.authentication(target)? {
        attempts.tell(core::format_args!(
            "credentials for target {} (iBFT)",
            target.name
        ));
        return Ok(Some(authentication));
    }
    let Some(credentials) = network.take_credentials()? else {
        return Ok(None);
    };
    attempts.warn(core::format_args!(
        "CHAP password from the DHCP server: whoever is on this network can have it"
    ));
    Authentication::new(credentials)
        .map(Some)
        .map_err(Failure::authentication)
}

/// Completes what has been settled: where nobody has named the target, its portal has to.
#[inline(never)]
pub(super) fn account(
    request: &Request,
    boot: &mut Boot,
    conf: &Conf,
    firmware: &Firmware,
    network: &mut Network,
    attempts: &mut Attempts,
) -> Result<KBox<Account>, Failure<'static>> {
    let mut node = node(boot, conf, network)?;
    let (target, others) = match &boot.target.value {
        Wanted::Named(target) => named(target, boot.target.source, request, firmware)?,
        Wanted::Any(portal) => {
            node.authentication = conf.authentication_at(*portal)?;
            configure(&mut node, conf, Login::Discovery(*portal), attempts)?;
            discover(&mut node, *portal, attempts)?
        }
    };
    node.authentication = authentication(&target, conf, firmware, network, attempts)?;
    let luns = configure(&mut node, conf, Login::Target(&target), attempts)?;
    if boot.take_lun(luns.map(|luns| luns.first())) {
        attempts.tell(core::format_args!("LUN {}", boot.lun));
    }
    finish(node, target, others, luns)
}

/// Who logs in.
#[inline(never)]
fn node(boot: &Boot, conf: &Conf, network: &Network) -> Result<KBox<Node>, Failure<'static>> {
    let node = Node {
        initiator: boot.initiator.value.clone(),
        alias: conf.alias()?,
        isid: isid(network.mac()),
        offer: Offer::default(),
        timeouts: Timeouts::default(),
        authentication: None,
    };
    KBox::new(node, GFP_KERNEL).map_err(Failure::kernel)
}

/// A target that is known by name, and its further portals.
#[inline(never)]
fn named(
    target: &Target,
    source: Source,
    request: &Request,
    firmware: &Firmware,
) -> Result<(KBox<Target>, KVec<Portal>), Failure<'static>> {
    let mut others = KVec::new();
    match source {
        Source::Ibft => others = firmware.other_portals(target)?,
        Source::Parameter | Source::Argument => {
            for portal in request.further.iter().flatten() {
                others.push(*portal, GFP_KERNEL).map_err(Failure::kernel)?;
            }
        }
        _ => {}
    }
    let target = KBox::new(target.clone(), GFP_KERNEL).map_err(Failure::kernel)?;
    Ok((target, others))
}

#[inline(never)]
fn finish(
    node: KBox<Node>,
    target: KBox<Target>,
    others: KVec<Portal>,
    luns: Option<Luns>,
) -> Result<KBox<Account>, Failure<'static>> {
    let account = Account {
        node,
        target: KBox::into_inner(target),
        others,
        luns,
    };
    KBox::new(account, GFP_KERNEL).map_err(Failure::kernel)
}

/// Has `node` negotiate and keep the session of `login` as the configuration file says; what that
/// has of logical units.
#[inline(never)]
fn configure(
    node: &mut Node,
    conf: &Conf,
    login: Login<'_>,
    attempts: &mut Attempts,
) -> Result<Option<Luns>, Failure<'static>> {
    let settings = conf.settings(login)?;
    if let Some(authentication) = &mut node.authentication {
        if shash::approved_only() && settings.algorithms.has(Algorithm::Md5) {
            attempts.tell(core::format_args!(
                "CHAP without MD5, since the kernel is in FIPS mode"
            ));
        }
        authentication
            .allow(settings.algorithms)
            .map_err(Failure::authentication)?;
    }
    node.offer = settings.offer;
    node.timeouts = settings.timeouts;
    Ok(settings.luns)
}

/// The one target of which a portal tells, and its further portals.
#[inline(never)]
fn discover(
    node: &mut Node,
    portal: Portal,
    attempts: &mut Attempts,
) -> Result<(KBox<Target>, KVec<Portal>), Failure<'static>> {
    let mut targets = login::discover(node, portal, attempts)?;
    if targets.len() > 1 {
        return Err(Failure::ManyTargets { portal, targets });
    }
    let Some(mut found) = targets.pop() else {
        return Err(Failure::NoTargets { portal });
    };
    // The one that has answered comes first.
    let first = found.portals.iter().position(|other| *other == portal);
    let first = found.portals.remove(first.unwrap_or_default());
    let target = Target {
        portal: first.unwrap_or(portal),
        name: found.name,
    };
    attempts.tell(core::format_args!(
        "portal {portal} tells of target {target}"
    ));
    let target = KBox::new(target, GFP_KERNEL).map_err(Failure::kernel)?;
    Ok((target, found.portals))
}

/// The initiator's part of the session's identifier: the network device's address in the format
/// that is made for it (RFC 7143 section 11.12.5, type 00b: the OUI without its two flags, then
/// 24 bits of the vendor's).
fn isid(mac: [u8; 6]) -> [u8; 6] {
    let [first, rest @ ..] = mac;
    let [b, c, d, e, f] = rest;
    [first >> 2, b, c, d, e, f]
}
