// SPDX-License-Identifier: GPL-2.0-only

//! SecurityNegotiation: whether anybody authenticates, and how.
//!
//! Whoever is given credentials is let in with them or not at all: with them nothing but CHAP is
//! offered, so that nobody on the way can have it left out (RFC 7143 section 9.2).
//!
//! Source: RFC 7143 sections 6.3 and 12.

use super::Identity;
use crate::proto::{
    bytes::Writer,
    iscsi::{
        chap::{
            Algorithm,
            Chap,
            Exchange,
            TARGET_CHALLENGE_MAX, //
        },
        error::{
            Error,
            Unauthenticated,
            Unsupported,
            Violation, //
        },
        keys::Key,
        pdu::login::Stage,
        text, //
    },
};

/// The first stage of a login.
#[derive(Debug)]
pub(super) struct Security<'a> {
    /// Names and method are still to be sent.
    opening: bool,
    /// The target has agreed on the method.
    agreed: bool,
    exchange: Option<Exchange<'a>>,
}

impl<'a> Security<'a> {
    pub(super) fn new(
        chap: Option<Chap<'a>>,
        challenge: &'a mut [u8; TARGET_CHALLENGE_MAX],
    ) -> Self {
        Self {
            opening: true,
            agreed: false,
            exchange: chap.map(|chap| Exchange::new(chap, challenge)),
        }
    }

    /// The CHAP algorithm agreed on.
    pub(super) const fn algorithm(&self) -> Option<Algorithm> {
        match &self.exchange {
            Some(exchange) => exchange.algorithm(),
            None => None,
        }
    }

    /// The stage that the next request asks for: none before we have proved who we are.
    pub(super) const fn next(&self) -> Option<Stage> {
        match &self.exchange {
            Some(exchange) if self.opening || !exchange.may_end() => None,
            _ => Some(Stage::Operational),
        }
    }

    /// Writes the keys of the next request; `None` when they do not fit.
    pub(super) fn put(&self, identity: &Identity<'_>, to: &mut Writer<'_>) -> Option<()> {
        if !self.opening {
            return match &self.exchange {
                Some(exchange) => exchange.put(to),
                None => Some(()),
            };
        }
        let method = match &self.exchange {
            Some(_) => "CHAP",
            None => "None",
        };
        text::put_pair(to, Key::InitiatorName, identity.initiator)?;
        if let Some(alias) = identity.alias {
            text::put_pair(to, Key::InitiatorAlias, alias)?;
        }
        match identity.target {
            Some(target) => {
                text::put_pair(to, Key::TargetName, target)?;
                text::put_pair(to, Key::SessionType, "Normal")?;
            }
            None => text::put_pair(to, Key::SessionType, "Discovery")?,
        }
        text::put_pair(to, Key::AuthMethod, method)
    }

    /// Takes a key of this stage.
    pub(super) fn receive(&mut self, key: Key, value: &[u8]) -> Result<(), Error> {
        if key != Key::AuthMethod {
            return match &mut self.exchange {
                Some(exchange) if !self.opening => exchange.receive(key, value),
                _ => Err(Violation::KeyNotAllowed(key).into()),
            };
        }
        if self.agreed {
            return Err(Violation::RepeatedKey(key).into());
        }
        self.agreed = true;
        match (value, &self.exchange) {
            (b"NotUnderstood", _) => Err(Violation::NotUnderstood(key).into()),
            (b"Irrelevant", _) => Err(Violation::Irrelevant(key).into()),
            (b"None", None) | (b"CHAP", Some(_)) => Ok(()),
            (_, None) => Err(Unsupported::Authentication.into()),
            (_, Some(_)) => Err(Unauthenticated::Method.into()),
        }
    }

    /// Goes on to the next step, when all of the target's text has come.
    pub(super) fn advance(&mut self) -> Result<(), Error> {
        let opening = core::mem::replace(&mut self.opening, false);
        match &mut self.exchange {
            None => Ok(()),
            Some(_) if opening && self.agreed => Ok(()),
            Some(_) if opening => Err(Violation::MissingKey(Key::AuthMethod).into()),
            Some(exchange) => exchange.advance(),
        }
    }
}
