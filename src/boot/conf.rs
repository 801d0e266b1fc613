// SPDX-License-Identifier: GPL-2.0-only

//! The configuration file, which may have secrets.

use super::error::Failure;
use crate::{
    initiator::authentication::Authentication,
    linux::{
        errno::{
            ENAMETOOLONG,
            ENOPKG, //
        },
        file::File, //
    },
    proto::{
        config::{
            iscsi_conf::{
                self,
                Login, //
            },
            target::{
                Portal,
                Target, //
            },
            text::Text, //
        },
        iscsi::chap::Credentials,
        secret,
        time::Duration, //
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
    content: KVec<u8>,
}

impl Conf {
    /// Reads the file that is `given`, or the usual one where there is one, and tells of keys that
    /// mean nothing.
    pub(super) fn read(given: Option<&str>) -> Result<Self, Failure<'static>> {
        let mut conf = Self {
            path: Path::new(given.unwrap_or(DEFAULT)).ok_or(Failure::Kernel(ENAMETOOLONG))?,
            content: KVec::new(),
        };

        match conf.load() {
            Ok(()) => {}
            Err(ENOENT) if given.is_none() => return Ok(conf),
            Err(error) => {
                return Err(Failure::ConfUnreadable {
                    path: conf.boxed_path()?,
                    error,
                })
            }
        }
        for entry in iscsi_conf::entries(&conf.content) {
            let entry = entry.map_err(|error| conf.failure(error))?;
            if entry.key.is_none() {
                pr_warn!(
                    "{}: line {}: {} is not used\n",
                    conf.path.as_str(),
                    entry.line,
                    entry.name
                );
            }
        }
        Ok(conf)
    }

    fn load(&mut self) -> Result {
        let path = CString::try_from_fmt(core::format_args!("{}", self.path.as_str()))?;
        let file = File::open(&path)?;

        self.content = KVec::from_elem(0, SIZE_MAX, GFP_KERNEL)?;
        let length = file.read(&mut self.content)?;
        self.content.truncate(length);
        Ok(())
    }

    /// For how long commands to `target` wait for a lost session, if not for ever.
    pub(super) fn patience(&self, target: &Target) -> Result<Option<Duration>, Failure<'static>> {
        iscsi_conf::read_patience(&self.content, Login::Target(target.name.as_str()))
            .map_err(|error| self.failure(error))
    }

    /// What a login to `target` authenticates with, if it does.
    pub(super) fn authentication(
        &self,
        target: &Target,
    ) -> Result<Option<Authentication>, Failure<'static>> {
        self.authentication_of(Login::Target(target.name.as_str()))
    }

    /// What a login authenticates with that asks this portal for its targets, if it does.
    pub(super) fn authentication_at(
        &self,
        portal: Portal,
    ) -> Result<Option<Authentication>, Failure<'static>> {
        self.authentication_of(Login::Discovery(portal))
    }

    fn authentication_of(
        &self,
        login: Login<'_>,
    ) -> Result<Option<Authentication>, Failure<'static>> {
        // Filled where they stay, so that no copy of a secret is left behind.
        let mut credentials =
            KBox::new(Credentials::none(), GFP_KERNEL).map_err(Failure::kernel)?;

        iscsi_conf::read_credentials(&self.content, login, &mut credentials)
            .map_err(|error| self.failure(error))?;
        if !credentials.are_given() {
            return Ok(None);
        }
        authenticate(credentials).map(Some)
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

/// What a login authenticates with that has these credentials.
pub(super) fn authenticate(
    credentials: KBox<Credentials>,
) -> Result<Authentication, Failure<'static>> {
    match Authentication::new(credentials) {
        Err(ENOPKG) => Err(Failure::NoHash),
        result => result.map_err(Failure::Kernel),
    }
}

impl Drop for Conf {
    fn drop(&mut self) {
        secret::wipe(&mut self.content);
    }
}
