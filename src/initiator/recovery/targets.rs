// SPDX-License-Identifier: GPL-2.0-only

//! The targets at which a lost session may begin anew: the one that had it and, in turn, the others
//! that were named beside it, and the portal that a DHCP server tells of.

use super::super::{
    identity::Whose,
    login::{
        Account,
        LoginFailure, //
    }, //
};
use crate::proto::config::{
    choice::CHOICES_MAX,
    target::{
        Portal,
        Target, //
    }, //
};
use core::{
    fmt,
    mem, //
};
use kernel::prelude::*;

/// The places of the portals that servers tell of, behind those of all that have been named: of the
/// latest one, and of one that has the session already.
const TOLD: [usize; 2] = [CHOICES_MAX, CHOICES_MAX + 1];

/// The targets.
pub(super) struct Targets {
    /// The one whose turn it is.
    pub(super) account: KBox<Account>,
    /// The others, in their order.
    others: KVec<KBox<Account>>,
    /// The place of the one that had the latest session.
    home: usize,
    /// The portal group that had it, where that said so: a login to another one does not end what
    /// is left of it (RFC 7143 section 6.3.5).
    pub(super) group: Option<u16>,
    /// How many of its portals had their turn.
    tries: usize,
    /// Those of which was said since then why they are not used, by their places, as bits.
    refused: u16,
}

impl Targets {
    /// The one that has the session, with its portal group, and the others.
    pub(super) fn new(
        account: KBox<Account>,
        others: KVec<KBox<Account>>,
        group: Option<u16>,
    ) -> Self {
        let home = account.place;
        Self {
            account,
            others,
            home,
            group,
            tries: 0,
            refused: 0,
        }
    }

    /// The one that had the latest session: what an outage of that means is its settings' to say.
    pub(super) fn holder(&self) -> &Account {
        let mut others = self.others.iter();
        let holder = others.find(|other| other.place == self.home);
        holder.unwrap_or(&self.account)
    }

    fn all(&mut self) -> impl Iterator<Item = &mut KBox<Account>> {
        Iterator::chain(core::iter::once(&mut self.account), &mut self.others)
    }

    /// Takes in that the target of the latest session is said to be at `portal`: one more place, in
    /// that of the one that was told of before. As any other target's, its disk has to be proved to
    /// be the same.
    ///
    /// # Errors
    ///
    /// There is no memory for it.
    #[inline(never)]
    pub(super) fn hear(&mut self, portal: Portal) -> Result {
        let home = self.home;
        let Some(place) = TOLD.into_iter().find(|place| *place != home) else {
            return Ok(());
        };
        if self.all().any(|account| account.has(portal)) {
            return Ok(());
        }
        let told = self.holder().at(portal, place)?;
        self.refused &= !bit(place);
        let before = self.all().find(|account| account.place == place);
        match before {
            Some(before) => *before = told,
            None => self.others.push(told, GFP_KERNEL)?,
        }
        Ok(())
    }

    /// Whose turn it is.
    pub(super) fn whose(&self) -> Whose {
        match self.account.place == self.home {
            true => Whose::Same,
            false => Whose::Another,
        }
    }

    /// Has the next one its turn once each portal of this one had, where that `may_leave` it; whose
    /// turn it is then.
    pub(super) fn next(&mut self, may_leave: bool) -> Whose {
        self.tries = self.tries.saturating_add(1);
        if may_leave && self.tries > self.account.others.len() {
            self.tries = 0;
            if let Some(first) = self.others.first_mut() {
                mem::swap(first, &mut self.account);
                self.others.rotate_left(1);
            }
        }
        self.whose()
    }

    /// Says why this one is not used where that may not end by itself, once in an outage.
    pub(super) fn tell(&mut self, reason: &LoginFailure) {
        let bit = bit(self.account.place);
        if reason.is_lasting() && self.refused & bit == 0 {
            self.refused |= bit;
            pr_warn!(
                "target {} does not take the place of the lost one: {}\n",
                core::format_args!("{}", Named(&self.account)),
                core::format_args!("{reason}")
            );
        }
    }

    /// This one has the session from now on, with this portal group.
    pub(super) fn settle(&mut self, group: Option<u16>) {
        if self.whose() == Whose::Another {
            pr_warn!(
                "target {} has the same disk as target {} and takes its place\n",
                core::format_args!("{}", Named(&self.account)),
                core::format_args!("{}", Named(self.holder()))
            );
        }
        self.home = self.account.place;
        self.group = group;
        self.tries = 0;
        self.refused = 0;
    }
}

/// The bit that stands for a place.
fn bit(place: usize) -> u16 {
    let place = u32::try_from(place).ok();
    let bit = place.and_then(|place| 1_u16.checked_shl(place));
    bit.unwrap_or_default()
}

/// A target as it is told from the others: by its name, and where a server tells of it by its
/// portal, too.
struct Named<'a>(&'a Account);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Target { name, portal } = &self.0.target;
        match TOLD.contains(&self.0.place) {
            true => write!(f, "{name} at {portal}"),
            false => name.fmt(f),
        }
    }
}
