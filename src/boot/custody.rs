// SPDX-License-Identifier: GPL-2.0-only

//! Keeps the network as the boot left it, for as long as the root disk needs it.
//!
//! User space may well take the network over; what it may not is take it away. What is done about
//! that: [`ipv4`] for a network that has an IPv4 address, [`ipv6`] for one that has an IPv6 address
//! alone.

mod ipv4;
mod ipv6;
mod log;
pub(super) mod status;
mod vlan;
mod watch;

use super::{
    changes::Changes,
    network::Network, //
};
use crate::{
    initiator::Reconnect,
    linux::{
        memory::NoIo,
        thread::Run, //
    },
    proto::config::{
        interface::Ipv4Config,
        ip::Details,
        whereabouts::Whereabouts, //
    },
};
use core::{
    mem::MaybeUninit,
    sync::atomic::{
        AtomicBool,
        Ordering, //
    },
};
use ipv4::{
    Ipv4Keeper,
    Ipv4Tenancy, //
};
use ipv6::{
    Holding,
    Ipv6Keeper, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex,
        UniqueArc, //
    }, //
};
use status::{
    Facts,
    NetworkStatus, //
};
use watch::Watch;

/// How long a wait is, at most: the thread is to end soon after it is asked to. Milliseconds.
const TICK: u64 = 1_000;
/// How long a change is let be, in milliseconds: user space may take something away only to put
/// it elsewhere, or to set the device up in another way.
const GRACE: u64 = 2_000;
/// How long user space may leave the device without an address, in milliseconds.
const DESERTED: u64 = 10_000;

/// What the thread works with. Dropping it takes back what the boot has changed.
#[pin_data]
pub(super) struct Custody {
    stop: AtomicBool,
    status: Arc<NetworkStatus>,
    #[pin]
    charge: Mutex<Charge>,
}

/// What is taken care of.
enum Charge {
    Ipv4(KBox<Ipv4Keeper>),
    Ipv6(KBox<Ipv6Keeper>),
}

impl Charge {
    /// What is told of it.
    fn facts(&self) -> Facts {
        match self {
            Self::Ipv4(keeper) => keeper.facts(),
            Self::Ipv6(keeper) => keeper.facts(),
        }
    }
}

/// All that may fail to be had for a [`Custody`]: what is to be taken care of stays where it is
/// until nothing can fail any more.
pub(super) struct Vacancy {
    place: UniqueArc<MaybeUninit<Custody>>,
    keeper: Keeper,
    watch: Watch,
    status: Arc<NetworkStatus>,
}

/// The place of who takes care.
enum Keeper {
    Ipv4(KBox<MaybeUninit<Ipv4Keeper>>, Ipv4Config),
    Ipv6(KBox<MaybeUninit<Ipv6Keeper>>, KBox<Holding>),
}

impl Vacancy {
    /// The place for who takes care of `network`.
    pub(super) fn new(network: &mut Network) -> Result<Self> {
        let watch = Watch::new(network.link())?;
        let status = NetworkStatus::new(Facts::of(network.link()))?;
        let keeper = match network.config() {
            Some(config) => Keeper::Ipv4(KBox::new_uninit(GFP_KERNEL)?, config),
            None => {
                let place = KBox::new_uninit(GFP_KERNEL)?;
                let holding = Holding::of(network).ok_or(EINVAL)?;
                Keeper::Ipv6(place, KBox::new(holding, GFP_KERNEL)?)
            }
        };
        Ok(Self {
            place: UniqueArc::new_uninit(GFP_KERNEL)?,
            keeper,
            watch,
            status,
        })
    }

    /// What will tell where the network stands.
    pub(super) fn status(&self) -> Arc<NetworkStatus> {
        self.status.clone()
    }

    /// Takes care of `network`, which `changes` have made; `reconnect` when the session cannot go
    /// on over the address it has begun with; `details` are what that was asked for with. Where the
    /// disk has its `whereabouts` from a server, that is asked when the session is lost.
    pub(super) fn fill(
        self,
        network: Network,
        changes: Changes,
        reconnect: Reconnect,
        details: KBox<Details>,
        whereabouts: Option<KBox<Whereabouts>>,
    ) -> Arc<Custody> {
        let Self {
            place,
            keeper,
            watch,
            status,
        } = self;
        let charge = match keeper {
            Keeper::Ipv4(place, config) => {
                let tenancy = Ipv4Tenancy::new(&network, details, whereabouts);
                let keeper = Ipv4Keeper::new(network, config, watch, changes, reconnect, tenancy);
                Charge::Ipv4(place.write(keeper))
            }
            Keeper::Ipv6(place, holding) => {
                let link = network.into_link();
                let holding = KBox::into_inner(holding);
                let keeper = Ipv6Keeper::new(link, holding, watch, changes, reconnect);
                Charge::Ipv6(place.write(keeper))
            }
        };
        status.set(charge.facts());
        let Ok(custody) = place.pin_init_with(pin_init!(Custody {
            stop: AtomicBool::new(false),
            status: status,
            charge <- new_mutex!(charge, "iscsi_init keeper"),
        }));
        custody.into()
    }
}

impl Run for Custody {
    fn run(&self) {
        let _memory = NoIo::new();
        let mut charge = self.charge.lock();

        while !self.stop.load(Ordering::Acquire) {
            match &mut *charge {
                Charge::Ipv4(keeper) => keeper.round(),
                Charge::Ipv6(keeper) => keeper.round(),
            }
            self.status.set(charge.facts());
        }
    }

    fn stop(&self) {
        self.stop.store(true, Ordering::Release);
    }
}
