// SPDX-License-Identifier: GPL-2.0-only

//! Where DHCP servers say that the boot disk is, in a running machine.
//!
//! A root path that names the same target at another portal is followed. It proves nothing: that
//! the disk there is the same has to be seen at it.

use core::fmt;

use crate::proto::config::{
    location::LocationError,
    merge::{
        Boot,
        Source, //
    },
    name::Name,
    root_path::RootPath,
    target::{
        Portal,
        Wanted, //
    },
};

/// The disk that a root path has named, and what the latest one says of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Whereabouts {
    target: Name,
    /// The boot LUN, where that was the root path's to say.
    lun: Option<u16>,
    latest: Result<Portal, NotFollowed>,
}

/// Why a root path is not followed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotFollowed {
    /// It names no disk.
    Unreadable(LocationError),
    /// It names another target.
    Target,
    /// It names another LUN than the boot disk's.
    Lun,
}

impl Whereabouts {
    /// Those of the disk that `boot` says, of the target that turned out to be called `target`;
    /// `None` where no root path has named that.
    pub fn new(boot: &Boot, target: &Name) -> Option<Self> {
        (boot.target.source == Source::Dhcp).then(|| Self {
            target: target.clone(),
            lun: (boot.lun.source >= Source::Dhcp).then_some(boot.lun.value),
            latest: Ok(boot.target.value.portal()),
        })
    }

    /// What the target is called.
    pub const fn target(&self) -> &Name {
        &self.target
    }

    /// Where the latest root path has it, if that is followed.
    pub fn portal(&self) -> Option<Portal> {
        self.latest.ok()
    }

    /// Takes in a root path; what it says, where the one before has said something else.
    pub fn hear(&mut self, root_path: &str) -> Option<Result<Portal, NotFollowed>> {
        let said = self.read(root_path);
        let is_news = said != self.latest;
        self.latest = said;
        is_news.then_some(said)
    }

    // Not inlined: a kernel stack is too small for what is read together with what has asked.
    #[inline(never)]
    fn read(&self, root_path: &str) -> Result<Portal, NotFollowed> {
        let RootPath { target, lun, .. } =
            RootPath::parse(root_path).map_err(NotFollowed::Unreadable)?;
        match &target {
            Wanted::Named(target) if target.name != self.target => Err(NotFollowed::Target),
            _ if self.lun.is_some_and(|own| own != lun.unwrap_or_default()) => {
                Err(NotFollowed::Lun)
            }
            target => Ok(target.portal()),
        }
    }
}

impl fmt::Display for NotFollowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ADVICE: &str = "boot the machine again if that is meant";
        match self {
            Self::Unreadable(error) => error.fmt(f),
            Self::Target => write!(f, "it names another target; {ADVICE}"),
            Self::Lun => write!(f, "it names another LUN than the boot disk's; {ADVICE}"),
        }
    }
}
