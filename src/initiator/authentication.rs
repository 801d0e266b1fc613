// SPDX-License-Identifier: GPL-2.0-only

//! What a login proves with who it is: credentials, and the kernel's hash functions.
//!
//! The functions are looked for before there is a session, and kept: a later look might load a
//! module, from a disk that is not there at the time.

use crate::{
    linux::{
        errno::ENOPKG,
        random,
        shash::{
            self,
            Shash, //
        }, //
    },
    proto::{
        config::merge::Proof,
        iscsi::chap::{
            Algorithm,
            Algorithms,
            Chap,
            Credentials,
            Hash,
            HASH_MAX, //
        },
    }, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Credentials, and what they are used with.
#[derive(Clone)]
pub(crate) struct Authentication {
    means: Arc<Means>,
    /// The algorithms to offer.
    algorithms: Algorithms,
}

/// What all who log in with the same credentials share.
struct Means {
    credentials: KBox<Credentials>,
    functions: Functions,
}

/// A hash function for each algorithm that there is one for.
struct Functions([Option<Shash>; Algorithm::ALL.len()]);

impl Authentication {
    /// Takes the credentials; ENOPKG when the kernel has no hash function for them.
    pub(crate) fn new(credentials: KBox<Credentials>) -> Result<Self> {
        let means = Means {
            credentials,
            functions: Functions(Algorithm::ALL.map(function)),
        };
        let mut this = Self {
            means: Arc::new(means, GFP_KERNEL)?,
            algorithms: Algorithms::NONE,
        };

        this.allow(Algorithms::all())?;
        Ok(this)
    }

    /// Offers these algorithms, and no others; ENOPKG when the kernel has no hash function for any.
    pub(crate) fn allow(&mut self, mut algorithms: Algorithms) -> Result {
        algorithms.retain(|algorithm| self.means.functions.of(algorithm).is_some());
        if algorithms.is_empty() {
            return Err(ENOPKG);
        }
        self.algorithms = algorithms;
        Ok(())
    }

    /// Who proves who they are.
    pub(crate) fn proof(&self) -> Proof {
        match self.means.credentials.are_mutual() {
            true => Proof::Mutual,
            false => Proof::OneWay,
        }
    }

    /// What one login authenticates with.
    pub(super) fn chap(&self) -> Chap<'_> {
        let [identifier] = random::bytes();
        Chap {
            credentials: &self.means.credentials,
            algorithms: self.algorithms,
            hash: &self.means.functions,
            identifier,
            challenge: random::bytes(),
        }
    }

    /// Does without an algorithm from now on; returns whether another one is left.
    pub(super) fn give_up(&mut self, algorithm: Algorithm) -> bool {
        let mut others = self.algorithms;

        others.retain(|other| other != algorithm);
        if others.is_empty() {
            return false;
        }
        self.algorithms = others;
        true
    }
}

impl Functions {
    fn of(&self, algorithm: Algorithm) -> Option<&Shash> {
        let functions = Algorithm::ALL.into_iter().zip(&self.0);
        let mut same = functions.filter(|(other, _)| *other == algorithm);
        same.next().and_then(|(_, function)| function.as_ref())
    }
}

impl Hash for Functions {
    fn hash(&self, algorithm: Algorithm, parts: [&[u8]; 3], to: &mut [u8; HASH_MAX]) -> Option<()> {
        self.of(algorithm)?.digest(&parts, to).ok()
    }
}

/// The kernel's function for an algorithm, where there is one and it may be used.
fn function(algorithm: Algorithm) -> Option<Shash> {
    let name = match algorithm {
        Algorithm::Md5 if shash::approved_only() => return None,
        Algorithm::Md5 => c"md5",
        Algorithm::Sha1 => c"sha1",
        Algorithm::Sha256 => c"sha256",
        Algorithm::Sha3_256 => c"sha3-256",
    };
    Shash::new(name).ok()
}
