// SPDX-License-Identifier: GPL-2.0-only

//! Who logs in where: by what the machine was told, by the DHCP root path, or by what a portal
//! tells.

use super::{
    attempts::Attempts,
    conf::Conf,
    configuration::Configuration,
    error::Failure,
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
    linux::{
        crc32c::crc32c,
        dmi,
        shash, //
    },
    proto::{
        config::{
            choice::Choice,
            iscsi_conf::{
                Login,
                Luns,
                Settings,
                Timeouts, //
            },
            machine::{
                isid,
                Machine, //
            },
            merge::{
                self,
                Boot,
                Notice,
                Proof,
                Request,
                Setting,
                Source, //
            },
            name::Name,
            root_path::RootPath,
            target::{
                Portal,
                Target,
                Wanted, //
            },
        },
        dhcp::options::Code,
        iscsi::{
            chap::Algorithm,
            keys::Offer, //
        }, //
    }, //
};
use kernel::prelude::*;

/// Settles who logs in where, to the target in this place of the order.
// Not inlined, as each step of the boot: a kernel stack is too small for all of them together.
#[inline(never)]
pub(super) fn settle(
    configuration: &Configuration,
    merged: &Boot,
    place: usize,
    attempts: &mut Attempts,
) -> Result<KBox<Boot>, Failure<'static>> {
    let boot = chosen(configuration, merged, place)?;
    attempts.tell(core::format_args!(
        "target {}, LUN {}, initiator {}",
        boot.target,
        boot.lun,
        boot.initiator
    ));
    Ok(boot)
}

/// The same, without a word.
#[inline(never)]
fn chosen(
    configuration: &Configuration,
    merged: &Boot,
    place: usize,
) -> Result<KBox<Boot>, Failure<'static>> {
    let mut boot = KBox::new(merged.clone(), GFP_KERNEL).map_err(Failure::kernel)?;
    if let Some(choice) = configuration.choices.get(place) {
        boot.choose(choice);
    }
    if let Wanted::Named(target) = &boot.target.value {
        let luns = luns(&configuration.conf, Login::Target(target))?;
        boot.take_lun(luns.map(|luns| luns.first()));
    }
    Ok(boot)
}

/// What the machine was told and what came with its address, together: for all targets alike, and
/// so with a word on what was said in vain.
#[inline(never)]
pub(super) fn merged(
    request: &Request,
    network: &Network,
    attempts: &mut Attempts,
) -> Result<KBox<Boot>, Failure<'static>> {
    let root_path = root_path(request, network, attempts)?;
    let root_path = root_path.as_deref();
    let named =
        request.initiator.is_some() || root_path.is_some_and(|path| path.initiator.is_some());
    let offered = if named { None } else { initiator(network)? };
    boxed(request, root_path, offered, network, attempts)
}

#[inline(never)]
fn boxed(
    request: &Request,
    root_path: Option<&RootPath>,
    offered: Option<Name>,
    network: &Network,
    attempts: &mut Attempts,
) -> Result<KBox<Boot>, Failure<'static>> {
    let mut tell = |notice: &Notice<'_>| attempts.tell(core::format_args!("{notice}"));
    let machine = Machine {
        uuid: dmi::product_uuid(),
        host_name: host_name(request, network),
        mac: network.mac(),
    };
    match Boot::new(request, root_path, offered, &machine, &mut tell) {
        Ok(boot) => KBox::new(boot, GFP_KERNEL).map_err(Failure::kernel),
        Err(error) => Err(Failure::NoTarget {
            asked: network.informant(),
            error,
        }),
    }
}

/// The host name that came with the address. One of arguments that leave the address to a server is
/// perhaps every machine's that starts with these arguments.
fn host_name<'a>(request: &'a Request, network: &'a Network) -> Option<&'a str> {
    let given = &request.details.identity.host_name;
    match (network.lease(), network.informant()) {
        (None, None) => given.as_ref().map(|name| name.as_str()),
        (Some(lease), _) if given.is_none() => lease.host_name.as_ref().map(|name| name.as_str()),
        _ => None,
    }
}

/// The root path that came with the address.
#[inline(never)]
fn root_path(
    request: &Request,
    network: &Network,
    attempts: &mut Attempts,
) -> Result<Option<KBox<RootPath>>, Failure<'static>> {
    let Some((informant, text)) = network.informant().zip(network.root_path()) else {
        return Ok(None);
    };
    match merge::read_root_path(text.as_str()) {
        Ok(path) => KBox::new(path, GFP_KERNEL)
            .map(Some)
            .map_err(Failure::kernel),
        // With a target given, whatever else the DHCP server says about roots is for somebody else.
        Err(error) if request.target.is_some() => {
            attempts.tell(core::format_args!("not used: {error}"));
            Ok(None)
        }
        Err(error) => {
            let fault = error.fault;
            Err(Failure::RootPath {
                informant,
                text: KBox::new(text, GFP_KERNEL).map_err(Failure::kernel)?,
                fault,
            })
        }
    }
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
    configuration: &Configuration,
    network: &Network,
    attempts: &mut Attempts,
) -> Result<Option<(Authentication, Source)>, Failure<'static>> {
    if let Some(authentication) = configuration.conf.authentication(target)? {
        return Ok(Some((authentication, Source::Conf)));
    }
    if let Some(authentication) = configuration.firmware.authentication(target)? {
        attempts.tell(core::format_args!(
            "credentials for target {} (iBFT)",
            target.name
        ));
        return Ok(Some((authentication, Source::Ibft)));
    }
    let Some(credentials) = network.credentials()? else {
        return Ok(None);
    };
    attempts.warn(core::format_args!(
        "CHAP password from the DHCP server: whoever is on this network can have it"
    ));
    let authentication = Authentication::new(credentials).map_err(Failure::authentication)?;
    Ok(Some((
        authentication,
        Source::DhcpOption(Code::IPXE_OPTIONS.0),
    )))
}

/// Completes what has been settled: where nobody has named the target, its portal has to.
#[inline(never)]
pub(super) fn account(
    configuration: &Configuration,
    place: usize,
    boot: &mut Boot,
    network: &Network,
    attempts: &mut Attempts,
) -> Result<KBox<Account>, Failure<'static>> {
    let conf = &configuration.conf;
    let mut node = node(boot, conf, network)?;
    let (target, others) = match &boot.target.value {
        Wanted::Named(target) => named(target, configuration.choices.get(place))?,
        Wanted::Any(portal) => {
            node.authentication = conf.authentication_at(*portal)?;
            configure(&mut node, conf, Login::Discovery(*portal), attempts)?;
            discover(&mut node, *portal, attempts)?
        }
    };
    let proven = authentication(&target, configuration, network, attempts)?;
    boot.credentials = match &proven {
        Some((authentication, source)) => Setting {
            value: authentication.proof(),
            source: *source,
        },
        None => Setting {
            value: Proof::None,
            source: Source::Default,
        },
    };
    node.authentication = proven.map(|(authentication, _)| authentication);
    boot.session = configure(&mut node, conf, Login::Target(&target), attempts)?;
    let luns = boot.session.luns;
    if boot.take_lun(luns.map(|luns| luns.first())) {
        attempts.tell(core::format_args!("LUN {}", boot.lun));
    }
    finish(node, target, others, luns, place)
}

/// Who logs in to the targets besides the one in this place, in a running machine: those that are
/// known by name, and have their boot LUN under the same number.
#[inline(never)]
pub(super) fn fallbacks(
    configuration: &Configuration,
    merged: &Boot,
    taken: usize,
    boot: &Boot,
    network: &Network,
    attempts: &mut Attempts,
) -> Result<KVec<KBox<Account>>, Failure<'static>> {
    let mut accounts = KVec::new();

    for (place, choice) in configuration.choices.iter().enumerate() {
        if place == taken || !matches!(choice.wanted, Wanted::Named(_)) {
            continue;
        }
        let mut other = chosen(configuration, merged, place)?;
        if other.lun.value != boot.lun.value {
            attempts.tell(core::format_args!(
                "target {} serves to boot alone: its LUN is {}",
                choice.wanted,
                other.lun.value
            ));
            continue;
        }
        match account(configuration, place, &mut other, network, attempts) {
            Ok(account) => accounts
                .push(account, GFP_KERNEL)
                .map_err(Failure::kernel)?,
            Err(failure) => attempts.warn(core::format_args!(
                "target {} serves to boot alone: {failure}",
                choice.wanted
            )),
        }
    }
    Ok(accounts)
}

/// Who logs in.
#[inline(never)]
fn node(boot: &Boot, conf: &Conf, network: &Network) -> Result<KBox<Node>, Failure<'static>> {
    let node = Node {
        initiator: boot.initiator.value.clone(),
        alias: conf.alias()?,
        isid: isid(dmi::product_uuid(), network.mac(), |uuid| {
            crc32c(u32::MAX, uuid)
        }),
        offer: Offer::default(),
        timeouts: Timeouts::default(),
        authentication: None,
        moved: None,
        groups: KVec::new(),
    };
    KBox::new(node, GFP_KERNEL).map_err(Failure::kernel)
}

/// A target that is known by name, and its further portals.
#[inline(never)]
fn named(
    target: &Target,
    choice: Option<&Choice>,
) -> Result<(KBox<Target>, KVec<Portal>), Failure<'static>> {
    let mut others = KVec::new();
    for portal in choice.into_iter().flat_map(Choice::further) {
        others.push(portal, GFP_KERNEL).map_err(Failure::kernel)?;
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
    place: usize,
) -> Result<KBox<Account>, Failure<'static>> {
    let account = Account {
        place,
        node,
        target: KBox::into_inner(target),
        others,
        luns,
    };
    KBox::new(account, GFP_KERNEL).map_err(Failure::kernel)
}

/// Has `node` negotiate and keep the session of `login` as the configuration file says.
#[inline(never)]
fn configure(
    node: &mut Node,
    conf: &Conf,
    login: Login<'_>,
    attempts: &mut Attempts,
) -> Result<Settings, Failure<'static>> {
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
    Ok(settings)
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
    node.groups = found.groups;
    Ok((target, found.portals))
}
