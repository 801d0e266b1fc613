// SPDX-License-Identifier: GPL-2.0-only

//! The Login Phase of a new session: from a TCP connection to the Full Feature Phase, or to
//! somewhere else.
//!
//! Source: RFC 7143 sections 6.3, 11.12 and 11.13.

mod conversation;
mod redirect;
mod security;

pub(super) use self::redirect::target_address;
pub use self::redirect::Redirect;

use self::{
    conversation::Conversation,
    security::Security, //
};

use zerocopy_derive::{
    FromBytes,
    IntoBytes,
    KnownLayout, //
};

use crate::proto::{
    bytes,
    bytes::Writer,
    iscsi::{
        chap::{
            Algorithm,
            Chap,
            TARGET_CHALLENGE_MAX, //
        },
        error::{
            Error,
            LoginStatus,
            Misuse,
            Unsupported,
            Violation, //
        },
        keys::{
            Key,
            Negotiation,
            Offer,
            Value, //
        },
        parameters::Parameters,
        pdu::login::{
            LoginRequest,
            LoginResponse,
            Stage, //
        },
        quirk::Quirks,
        tag::Itt,
        text,
        HEADER_LENGTH, //
    },
    serial::Serial, //
};

/// The most data in a PDU of the Login Phase, in bytes (RFC 7143 section 6.3).
pub const DATA_LENGTH_MAX: usize = 8_192;

/// The whole login is one task with one tag; no other task lives beside it.
const LOGIN_ITT: Itt = Itt::new(0);

/// Command numbers begin with the login.
const FIRST_CMD_SN: Serial = Serial::new(1);

/// Who logs in where.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// InitiatorName.
    pub initiator: &'a str,
    /// InitiatorAlias, a name for people (RFC 7143 section 13.7); at most 255 bytes.
    pub alias: Option<&'a str>,
    /// TargetName; without it the session is for discovery (RFC 7143 section 4.3).
    pub target: Option<&'a str>,
    /// ISID, the same for every login of this initiator to this target (RFC 7143 section 10.1.1).
    pub isid: [u8; 6],
    /// How both prove who they are; without it nobody does.
    pub chap: Option<Chap<'a>>,
}

impl Identity<'_> {
    /// Whether this key of [`Offer`] means something in the session.
    const fn offers(&self, key: Key) -> bool {
        self.target.is_some() || key.is_for_discovery()
    }
}

/// What a login needs memory for as long as it lasts; zeroes at first.
#[derive(Debug, FromBytes, IntoBytes, KnownLayout)]
#[repr(C)]
pub struct Workspace {
    /// Text that goes on in the next PDU.
    partial: [u8; text::PARTIAL],
    /// The target's CHAP challenge.
    challenge: [u8; TARGET_CHALLENGE_MAX],
}

impl Workspace {
    /// Memory that no login has used.
    pub const fn zeroed() -> Self {
        Self {
            partial: [0; text::PARTIAL],
            challenge: [0; TARGET_CHALLENGE_MAX],
        }
    }

    /// The part for text, for what comes after the login.
    pub fn partial(&mut self) -> &mut [u8; text::PARTIAL] {
        &mut self.partial
    }
}

/// The Login Phase of one connection.
///
/// Send what [`Login::request`] gives, receive one PDU, framed with [`DATA_LENGTH_MAX`], and hand
/// it to [`Login::response`]; while that gives [`Step::Request`], begin again. Anything else, and
/// every error, ends the login. How long it may take is the caller's to decide; how many exchanges
/// is bounded here.
///
/// | state | request | leaves it |
/// |---|---|---|
/// | security | names, AuthMethod, steps of [`chap`](super::chap) | target agrees: operational |
/// | operational | every key of [`Offer`] | target agrees: [`Step::Established`] |
#[derive(Debug)]
pub struct Login<'a> {
    identity: Identity<'a>,
    conversation: Conversation<'a>,
    state: State<'a>,
    offer: Offer,
}

/// Where the login stands. What either state keeps ends with it.
#[derive(Debug)]
enum State<'a> {
    Security(Security<'a>),
    Operational(Operational),
}

/// LoginOperationalNegotiation.
#[derive(Debug)]
struct Operational {
    opening: bool,
    negotiation: Negotiation,
}

/// What a Login Response led to.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is no allocator to box the login with"
)]
pub enum Step<'a> {
    /// The login goes on: send its next request.
    Request(Login<'a>),
    /// The target is elsewhere.
    Moved(Redirect),
    /// The connection is in the Full Feature Phase.
    Established(Established),
}

/// What a login established.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Established {
    /// The values agreed on.
    pub parameters: Parameters,
    /// The target's part of the session's identifier, not zero.
    pub tsih: u16,
    /// The number of the first command.
    pub cmd_sn: Serial,
    /// The next command the target expects.
    pub exp_cmd_sn: Serial,
    /// The last command the target has room for.
    pub max_cmd_sn: Serial,
    /// The next StatSN expected.
    pub exp_stat_sn: Serial,
    /// The portal group that answered, if it said so.
    pub target_portal_group: Option<u16>,
    /// What the target has done wrong so far, and is tolerated.
    pub quirks: Quirks,
}

impl<'a> Login<'a> {
    /// A login that has not sent anything; values of `offer` outside their ranges are brought into
    /// them.
    pub fn new(identity: Identity<'a>, offer: Offer, workspace: &'a mut Workspace) -> Self {
        let Workspace { partial, challenge } = workspace;
        Self {
            conversation: Conversation::new(partial),
            state: State::Security(Security::new(identity.chap, challenge)),
            identity,
            offer,
        }
    }

    /// The CHAP algorithm that the target has chosen, in the security stage.
    pub const fn chap_algorithm(&self) -> Option<Algorithm> {
        match &self.state {
            State::Security(security) => security.algorithm(),
            State::Operational(_) => None,
        }
    }

    /// Writes the next request, header and padded text, to the front of `buffer`; returns its
    /// length in bytes.
    ///
    /// A buffer of [`HEADER_LENGTH`] and [`DATA_LENGTH_MAX`] bytes always suffices with names of
    /// legal length.
    ///
    /// # Errors
    ///
    /// [`Misuse::BufferTooSmall`].
    pub fn request(&self, buffer: &mut [u8]) -> Result<usize, Error> {
        let (header, data) = buffer
            .split_first_chunk_mut::<HEADER_LENGTH>()
            .ok_or(Misuse::BufferTooSmall)?;
        let room = data.len().min(DATA_LENGTH_MAX);
        let mut text = Writer::new(data.get_mut(..room).unwrap_or_default());
        let (current, next) = self.state.stages();
        self.write_text(&mut text).ok_or(Misuse::BufferTooSmall)?;
        let length = text.len();
        let padding = bytes::padding(length);
        text.put([0; 3].get(..padding).unwrap_or_default())
            .ok_or(Misuse::BufferTooSmall)?;
        let padded = text.len();
        *header = LoginRequest {
            current,
            next,
            isid: self.identity.isid,
            itt: LOGIN_ITT,
            cmd_sn: FIRST_CMD_SN,
            exp_stat_sn: self.conversation.exp_stat_sn(),
            data_length: u32::try_from(length).map_err(|_| Misuse::BufferTooSmall)?,
        }
        .emit();
        Ok(HEADER_LENGTH.saturating_add(padded))
    }

    /// Takes a PDU: its header and its data without padding.
    ///
    /// # Errors
    ///
    /// - [`Error::Refused`] when the target refuses the login.
    /// - [`Error::Malformed`] or [`Error::PeerMisbehaved`] when the PDU is not what may follow the
    ///   last request.
    /// - [`Error::Unauthenticated`] when the target has to prove who it is, and does not.
    /// - [`Error::Unsupported`] when the target insists on authentication that is not configured,
    ///   or redirects to a host name.
    /// - [`Misuse::DataLength`] when `data` is not as long as `header` says.
    ///
    /// The connection is to be closed after any of them.
    pub fn response(
        mut self,
        header: &[u8; HEADER_LENGTH],
        data: &[u8],
    ) -> Result<Step<'a>, Error> {
        let response = LoginResponse::parse(header)?;
        if usize::try_from(response.data_length) != Ok(data.len()) {
            return Err(Misuse::DataLength.into());
        }
        // RFC 7143 section 11.13: the tag is the request's.
        if response.itt != LOGIN_ITT {
            return Err(Violation::LoginTag(response.itt).into());
        }
        match response.status.class {
            LoginStatus::CLASS_SUCCESS => {}
            LoginStatus::CLASS_REDIRECTION => {
                return Redirect::parse(response.status, data).map(Step::Moved)
            }
            _ => return Err(Error::Refused(response.status)),
        }
        // RFC 7143 section 11.13.2.
        if response.version != LoginRequest::VERSION {
            return Err(Unsupported::Version(response.version).into());
        }
        self.check_stages(&response)?;
        self.conversation.count(&response, data.len())?;

        let Self {
            conversation,
            state,
            ..
        } = &mut self;
        conversation.text(data, response.more, |key, value| state.receive(key, value))?;
        if !response.more {
            self.state.advance()?;
        }
        if !response.transit {
            return Ok(Step::Request(self));
        }
        // RFC 7143 section 6.3: whoever ends the stage has no question left. To have called a key
        // of the target's own unknown is no answer it can miss.
        if self.conversation.owes_an_answer() {
            return Err(Violation::TransitBeforeAnswer.into());
        }
        match self.state {
            State::Security(_) => {
                let state = State::Operational(Operational {
                    opening: true,
                    negotiation: Negotiation::new(self.offer),
                });
                Ok(Step::Request(Self { state, ..self }))
            }
            State::Operational(Operational { negotiation, .. }) => {
                // RFC 7143 section 11.13.3: the final response of a new session names it.
                if response.tsih == 0 {
                    return Err(Violation::NoSessionHandle.into());
                }
                Ok(Step::Established(Established {
                    parameters: negotiation.conclude()?,
                    tsih: response.tsih,
                    cmd_sn: FIRST_CMD_SN,
                    exp_cmd_sn: response.numbers.exp_cmd_sn,
                    max_cmd_sn: response.numbers.max_cmd_sn,
                    exp_stat_sn: self.conversation.exp_stat_sn(),
                    target_portal_group: self.conversation.target_portal_group(),
                    quirks: self
                        .conversation
                        .quirks()
                        .with(negotiation.quirks(|key| self.identity.offers(key))),
                }))
            }
        }
    }

    /// Writes the text of the next request; `None` when it does not fit.
    fn write_text(&self, text: &mut Writer<'_>) -> Option<()> {
        if self.conversation.is_to_be_continued() {
            return Some(());
        }
        match &self.state {
            State::Security(security) => security.put(&self.identity, text)?,
            State::Operational(Operational {
                opening: true,
                negotiation,
            }) => negotiation
                .offers()
                .iter()
                .filter(|(key, _)| self.identity.offers(*key))
                .try_for_each(|(key, value)| text::put_pair(text, key, value))?,
            State::Operational(_) => {}
        }
        self.conversation.put_replies(text)
    }

    // RFC 7143 sections 6.3 and 11.13.6.
    fn check_stages(&self, response: &LoginResponse) -> Result<(), Violation> {
        let (current, next) = self.state.stages();
        if response.transit && response.more {
            return Err(Violation::TransitWhileContinuing);
        }
        let (expected, received) = (current.value(), response.current);
        if expected != received {
            return Err(Violation::StageMismatch { expected, received });
        }
        if !response.transit {
            return Ok(());
        }
        let expected = next.ok_or(Violation::TransitUnasked)?.value();
        let received = response.next;
        if expected != received {
            return Err(Violation::NextStage { expected, received });
        }
        Ok(())
    }
}

impl State<'_> {
    /// The current stage and the one that the next request asks for, as long as the target does not
    /// move on (RFC 7143 section 6.3.3).
    const fn stages(&self) -> (Stage, Option<Stage>) {
        match self {
            Self::Security(security) => (Stage::Security, security.next()),
            Self::Operational(_) => (Stage::Operational, Some(Stage::FullFeature)),
        }
    }

    /// Takes note that all the text of a response has come.
    fn advance(&mut self) -> Result<(), Error> {
        match self {
            Self::Security(security) => security.advance(),
            Self::Operational(Operational { opening, .. }) => {
                *opening = false;
                Ok(())
            }
        }
    }

    /// Takes a key that is not the same in both stages; returns what it is to be answered with, if
    /// it is a proposal.
    fn receive(&mut self, key: Key, value: &[u8]) -> Result<Option<Value>, Error> {
        match self {
            Self::Operational(Operational { negotiation, .. }) => negotiation.receive(key, value),
            Self::Security(security) => security.receive(key, value).map(|()| None),
        }
    }
}
