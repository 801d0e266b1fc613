// SPDX-License-Identifier: GPL-2.0-only

//! The configuration file, which may have secrets.

use super::{
    error::Failure,
    growing::Growing, //
};
use crate::{
    initiator::{
        authentication::Authentication,
        login::Alias, //
    },
    linux::{
        errno::{
            ENAMETOOLONG,
            ENOKEY, //
        },
        file::File,
        keyring, //
    },
    proto::{
        config::{
            iscsi_conf::{self, Login, Settings},
            merge::{
                Request,
                Source,
                Tell, //
            },
            target::{
                Portal,
                Target,
                Wanted, //
            },
            text::Text, //
        },
        iscsi::chap::Credentials,
        secret,
        secret::Secret, //
    }, //
};
use kernel::{
    prelude::*,
    str::CString, //
};

/// Where the file is when nobody says.
const DEFAULT: &str = "/etc/iscsi.conf";
/// The most bytes of the file.
const SIZE_MAX: usize = 16_384;

/// The file's path, as long as a module parameter may be.
pub(super) type Path = Text<320>;

/// The file's content; without a file, none. It is cleared when it is dropped.
pub(super) struct Conf {
    path: Path,
    /// Who says where it is.
    source: Source,
    is_there: bool,
    content: KVec<u8>,
}

impl Conf {
    /// Reads the file that is `given`, or the usual one where there is one, and tells of keys that
    /// mean nothing.
    #[inline(never)]
    pub(super) fn read(given: Option<(&str, Source)>) -> Result<Self, Failure<'static>> {
        let (path, source) = given.unwrap_or((DEFAULT, Source::Default));
        let mut conf = Self {
            path: Path::new(path).ok_or(Failure::Kernel(ENAMETOOLONG))?,
            source,
            is_there: false,
            content: KVec::new(),
        };

        match conf.load() {
            Ok(()) => conf.is_there = true,
            Err(ENOENT) if given.is_none() => return Ok(conf),
            Err(error) => {
                return Err(Failure::ConfUnreadable {
                    path: conf.boxed_path()?,
                    error,
                })
            }
        }
        iscsi_conf::check(&conf.content, |entry, notice| {
            pr_warn!(
                "{}: line {}: {} {}\n",
                conf.path.as_str(),
                entry.line,
                entry.name,
                core::format_args!("{notice}")
            );
        })
        .map_err(|error| conf.failure(error))?;
        Ok(conf)
    }

    /// Writes where it is and who says so.
    pub(super) fn write(&self, to: &mut Growing) -> Result<(), Failure<'static>> {
        let path = match self.is_there {
            true => self.path.as_str(),
            false => "none",
        };
        to.print(core::format_args!(
            "setting-conf: {path} ({})\n",
            self.source
        ))
    }

    fn load(&mut self) -> Result {
        let path = CString::try_from_fmt(core::format_args!("{}", self.path.as_str()))?;
        let file = File::open(&path)?;

        self.content = KVec::from_elem(0, SIZE_MAX, GFP_KERNEL)?;
        let length = file.read(&mut self.content)?;
        self.content.truncate(length);
        Ok(())
    }

    /// Takes from the file what nobody has said before: who boots from where.
    #[inline(never)]
    pub(super) fn complete(
        &self,
        request: &mut Request,
        tell: Tell<'_>,
    ) -> Result<(), Failure<'static>> {
        let told = iscsi_conf::read_told(&self.content).map_err(|error| self.failure(error))?;

        request.take_told(told, tell);
        Ok(())
    }

    /// Hands over the targets to boot from, in the order in which they are tried.
    #[inline(never)]
    pub(super) fn targets(&self, add: impl FnMut(Wanted)) -> Result<(), Failure<'static>> {
        iscsi_conf::read_targets(&self.content, add).map_err(|error| self.failure(error))
    }

    /// What this machine is called for people; empty if nothing.
    pub(super) fn alias(&self) -> Result<Alias, Failure<'static>> {
        let alias = iscsi_conf::read_alias(&self.content);
        Ok(alias
            .map_err(|error| self.failure(error))?
            .unwrap_or_default())
    }

    /// How the session of `login` is negotiated and kept.
    pub(super) fn settings(&self, login: Login<'_>) -> Result<Settings, Failure<'static>> {
        iscsi_conf::read_settings(&self.content, login).map_err(|error| self.failure(error))
    }

    /// What a login to `target` authenticates with, if it does.
    pub(super) fn authentication(
        &self,
        target: &Target,
    ) -> Result<Option<Authentication>, Failure<'static>> {
        self.authentication_of(Login::Target(target))
    }

    /// What a login authenticates with that asks this portal for its targets, if it does.
    pub(super) fn authentication_at(
        &self,
        portal: Portal,
    ) -> Result<Option<Authentication>, Failure<'static>> {
        self.authentication_of(Login::Discovery(portal))
    }

    #[inline(never)]
    fn authentication_of(
        &self,
        login: Login<'_>,
    ) -> Result<Option<Authentication>, Failure<'static>> {
        // Filled where they stay, so that no copy of a secret is left behind.
        let mut credentials =
            KBox::new(Credentials::none(), GFP_KERNEL).map_err(Failure::kernel)?;

        iscsi_conf::read_credentials(&self.content, login, &mut credentials, look_for)
            .map_err(|error| self.failure(error))?;
        if !credentials.are_given() {
            return Ok(None);
        }
        Authentication::new(credentials)
            .map(Some)
            .map_err(Failure::authentication)
    }

    fn failure(&self, error: iscsi_conf::ConfError) -> Failure<'static> {
        match self.boxed_path() {
            Ok(path) => Failure::Conf { path, error },
            Err(failure) => failure,
        }
    }

    fn boxed_path(&self) -> Result<KBox<Path>, Failure<'static>> {
        KBox::new(self.path.clone(), GFP_KERNEL).map_err(Failure::kernel)
    }
}

/// Looks for the secret of the user `name` in the keyrings of who loads the module.
fn look_for(name: &str, secret: &mut Secret) {
    let description = CString::try_from_fmt(core::format_args!("iscsi_init:{name}"));
    let found =
        description.and_then(|description| secret.fill(|bytes| keyring::read(&description, bytes)));

    match found {
        Ok(()) | Err(ENOKEY) => {}
        Err(error) => pr_warn!("key \"iscsi_init:{name}\" cannot be used: {error:?}\n"),
    }
}

impl Drop for Conf {
    fn drop(&mut self) {
        secret::wipe(&mut self.content);
    }
}
