// SPDX-License-Identifier: GPL-2.0-only

//! What a login carries from exchange to exchange, whatever its stage.
//!
//! Source: RFC 7143 sections 4.2.2.2, 6.1, 6.2 and 13.

use crate::proto::{
    bytes::Writer,
    iscsi::{
        error::{
            Error,
            Malformed,
            Violation, //
        },
        keys::{
            Key,
            Value, //
        },
        numbering::StatusNumbering,
        pdu::login::LoginResponse,
        quirk::Quirks,
        text::{
            self,
            Assembler, //
        },
    },
    serial::Serial, //
};

/// The text, numbers and limits of one login.
#[derive(Debug)]
pub(super) struct Conversation<'a> {
    assembler: Assembler<'a>,
    statuses: Option<StatusNumbering>,
    target_portal_group: Option<u16>,
    replies: Replies,
    /// Whether the text of the target goes on, which is answered with no text at all.
    more: bool,
    exchanges: u32,
    text_length: usize,
}

/// What the target's proposals are to be answered with, as text.
#[derive(Debug)]
struct Replies {
    text: [u8; Replies::ROOM],
    length: usize,
    /// Whether a proposal of a known key is among them.
    owed: bool,
}

impl Replies {
    /// Room for an answer to every key of RFC 7143 that is not offered, and to a few unknown ones.
    const ROOM: usize = 320;
}

impl<'a> Conversation<'a> {
    /// No login takes as many exchanges, unless its text comes a few bytes at a time.
    const EXCHANGES_MAX: u32 = 2_048;
    /// No login takes as much text, in bytes.
    const TEXT_MAX: usize = 65_536;

    pub(super) fn new(partial: &'a mut [u8; text::PARTIAL]) -> Self {
        Self {
            assembler: Assembler::new(partial),
            statuses: None,
            target_portal_group: None,
            replies: Replies {
                text: [0; Replies::ROOM],
                length: 0,
                owed: false,
            },
            more: false,
            exchanges: 0,
            text_length: 0,
        }
    }

    /// The next StatSN expected; any number before the first response (RFC 7143 section 11.12.9).
    pub(super) fn exp_stat_sn(&self) -> Serial {
        self.statuses
            .map_or(Serial::new(0), |statuses| statuses.expected())
    }

    pub(super) const fn target_portal_group(&self) -> Option<u16> {
        self.target_portal_group
    }

    /// What was wrong with the target's text so far, and is tolerated.
    pub(super) const fn quirks(&self) -> Quirks {
        self.assembler.quirks()
    }

    /// Takes note of a response's numbers and sets it against the limits.
    pub(super) fn count(
        &mut self,
        response: &LoginResponse,
        length: usize,
    ) -> Result<(), Violation> {
        if let Some(stat_sn) = response.numbers.stat_sn {
            // RFC 7143 section 11.13.4: the first response sets the number.
            self.statuses
                .get_or_insert(StatusNumbering::new(stat_sn))
                .accept(stat_sn)?;
        }
        self.exchanges = self.exchanges.saturating_add(1);
        self.text_length = self.text_length.saturating_add(length);
        if self.exchanges > Self::EXCHANGES_MAX || self.text_length > Self::TEXT_MAX {
            return Err(Violation::EndlessLogin);
        }
        Ok(())
    }

    /// Takes the text of a response; `negotiate` gets each key that depends on the stage.
    pub(super) fn text(
        &mut self,
        data: &[u8],
        more: bool,
        mut negotiate: impl FnMut(Key, &[u8]) -> Result<Option<Value>, Error>,
    ) -> Result<(), Error> {
        // What was owed went out with the last request, unless that was empty because the text went
        // on.
        if !self.more {
            self.replies.length = 0;
            self.replies.owed = false;
        }
        let Self {
            assembler,
            replies,
            target_portal_group,
            ..
        } = self;
        assembler.feed(data, |name, value| {
            let Some(key) = Key::from_name(name) else {
                // RFC 7143 sections 6.2 and 13.22.
                return Ok(replies.add(name, Value::Name("NotUnderstood"))?);
            };
            if value.len() > key.value_max() {
                return Err(Malformed::ValueTooLong(key).into());
            }
            match key {
                Key::TargetAlias | Key::TargetAddress | Key::NodeArchitecture => Ok(()),
                Key::TargetPortalGroupTag => portal_group(target_portal_group, value),
                _ => match negotiate(key, value)? {
                    Some(reply) => {
                        replies.owed = true;
                        Ok(replies.add(name, reply)?)
                    }
                    None => Ok(()),
                },
            }
        })?;
        self.more = more;
        if !more {
            self.assembler.finish()?;
        }
        Ok(())
    }

    /// Whether the target asked a question that cannot stay unanswered.
    pub(super) const fn owes_an_answer(&self) -> bool {
        self.replies.owed
    }

    /// Whether the target's text goes on, which is answered with none (RFC 7143 section 6.2).
    pub(super) const fn is_to_be_continued(&self) -> bool {
        self.more
    }

    /// Writes the replies that are owed; `None` when they do not fit.
    pub(super) fn put_replies(&self, to: &mut Writer<'_>) -> Option<()> {
        to.put(self.replies.text.get(..self.replies.length)?)
    }
}

impl Replies {
    fn add(&mut self, name: &str, value: Value) -> Result<(), Violation> {
        let room = self.text.get_mut(self.length..).unwrap_or_default();
        let mut writer = Writer::new(room);
        text::put_pair(&mut writer, name, value).ok_or(Violation::TooManyProposals)?;
        self.length = self.length.saturating_add(writer.len());
        Ok(())
    }
}

/// Takes the portal group's tag, which says the same each time it is said.
fn portal_group(known: &mut Option<u16>, value: &[u8]) -> Result<(), Error> {
    let key = Key::TargetPortalGroupTag;
    let value = text::number(value).ok_or(Malformed::NotANumber(key))?;
    let tag = u16::try_from(value).map_err(|_| Violation::OutOfRange { key, value })?;
    match *known {
        Some(earlier) if earlier != tag => Err(Violation::RepeatedKey(key).into()),
        _ => {
            *known = Some(tag);
            Ok(())
        }
    }
}
