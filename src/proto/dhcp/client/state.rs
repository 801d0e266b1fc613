// SPDX-License-Identifier: GPL-2.0-only

//! The states of the client, and what becomes of them.

use core::net::Ipv4Addr;

use super::schedule::{
    Schedule,
    Wait, //
};
use crate::proto::{
    config::text::Text,
    dhcp::{
        error::Failure,
        lease::{
            Lease,
            Protocol, //
        },
        packet::Reply,
        question::Question, //
    },
    time::{
        Duration,
        Instant, //
    },
};

/// How long the client waits for a better offer after one without the root path that it needs.
///
/// A server that first looks whether the address is in use answers a second
/// later than one that does not.
pub const COLLECTION: Duration = Duration::from_secs(2);

/// How many REQUESTs in a row may stay without answer before all servers are asked again.
const MAX_REQUESTS: u8 = 3;

/// How many refusals end the conversation.
const MAX_REFUSALS: u8 = 3;

/// Where the client is.
#[derive(Debug)]
pub(super) enum State {
    /// It asks who is there.
    Discovering(Discovering),
    /// It has an offer and waits for a better one.
    Collecting(Collecting),
    /// It asks for what it was offered.
    Requesting(Requesting),
    /// It has a lease.
    Bound,
    /// It has given up.
    Failed(Failure),
}

/// What an offer is known by; the client has the rest of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    protocol: Protocol,
    server: Ipv4Addr,
    address: Ipv4Addr,
}

impl From<&Lease> for Offer {
    fn from(lease: &Lease) -> Self {
        Self {
            protocol: lease.protocol,
            server: lease.server,
            address: lease.address,
        }
    }
}

/// Asking who is there.
#[derive(Debug)]
pub(super) struct Discovering {
    pub(super) progress: Progress,
    pub(super) wait: Wait,
}

/// Waiting for a better offer.
#[derive(Debug)]
pub(super) struct Collecting {
    pub(super) progress: Progress,
    /// The best offer yet, and how good it is.
    pub(super) best: Offer,
    pub(super) rank: Rank,
    pub(super) until: Instant,
}

/// Asking for what a server offered.
#[derive(Debug)]
pub(super) struct Requesting {
    progress: Progress,
    offer: Offer,
    /// How many REQUESTs were sent for this offer.
    requests: u8,
    pub(super) wait: Wait,
}

impl State {
    /// Stands in for a state that is being changed.
    pub(super) const PLACEHOLDER: Self = Self::Failed(Failure::NoAnswer {
        sent: 0,
        elapsed: Duration::from_millis(0),
        faulty: 0,
        last_fault: None,
    });

    /// What the state becomes when its time has come, and what the client asks then.
    ///
    /// `elapsed` is the time since the start, `no_answer` the failure if no
    /// server ever offered anything.
    pub(super) fn on_time(
        self,
        now: Instant,
        elapsed: Duration,
        no_answer: Failure,
    ) -> (Self, Option<Question>) {
        match self {
            Self::Discovering(state) => match (state.wait, state.progress.schedule.next()) {
                (Wait::Send(_), _) => {
                    let wait = Wait::Answer(now.after(state.progress.schedule.timeout));
                    let secs = u16::try_from(elapsed.as_secs()).unwrap_or(u16::MAX);
                    let progress = Progress {
                        secs,
                        ..state.progress
                    };
                    (
                        Self::Discovering(Discovering { progress, wait }),
                        Some(Question::Discover { secs }),
                    )
                }
                (Wait::Answer(_), Some(schedule)) => {
                    let progress = Progress {
                        schedule,
                        ..state.progress
                    };
                    (
                        Self::Discovering(Discovering {
                            progress,
                            wait: Wait::Send(now),
                        }),
                        None,
                    )
                }
                (Wait::Answer(_), None) => (
                    Self::Failed(Self::Discovering(state).failure(no_answer)),
                    None,
                ),
            },
            Self::Collecting(state) => (state.settled(now), None),
            Self::Requesting(state) => match (state.wait, state.progress.schedule.next()) {
                (Wait::Send(_), _) => {
                    let wait = Wait::Answer(now.after(state.progress.schedule.timeout));
                    let question = Question::Request {
                        secs: state.progress.secs,
                        server: state.offer.server,
                        address: state.offer.address,
                    };
                    let requests = state.requests.saturating_add(1);
                    (
                        Self::Requesting(Requesting {
                            requests,
                            wait,
                            ..state
                        }),
                        Some(question),
                    )
                }
                (Wait::Answer(_), Some(schedule)) => {
                    let setback = Some(state.silence());
                    let Requesting {
                        progress,
                        offer,
                        requests,
                        ..
                    } = state;
                    let wait = Wait::Send(now);
                    let next = if requests < MAX_REQUESTS {
                        let progress = Progress {
                            schedule,
                            ..progress
                        };
                        Self::Requesting(Requesting {
                            progress,
                            offer,
                            requests,
                            wait,
                        })
                    } else {
                        Self::Discovering(Discovering {
                            progress: Progress {
                                schedule,
                                setback,
                                ..progress
                            },
                            wait,
                        })
                    };
                    (next, None)
                }
                (Wait::Answer(_), None) => (
                    Self::Failed(Self::Requesting(state).failure(no_answer)),
                    None,
                ),
            },
            state @ (Self::Bound | Self::Failed(_)) => (state, None),
        }
    }

    /// The failure of a client that has to give up in this state.
    pub(super) fn failure(self, no_answer: Failure) -> Failure {
        match self {
            Self::Discovering(Discovering { progress, .. }) => {
                progress.setback.unwrap_or(no_answer)
            }
            Self::Requesting(state) => state.silence(),
            Self::Failed(failure) => failure,
            // An offer or a lease does not give up.
            Self::Collecting(_) | Self::Bound => no_answer,
        }
    }
}

impl Collecting {
    /// Takes the best offer, if there can be no better one.
    pub(super) fn weighed(self, now: Instant) -> State {
        if self.rank == Rank::BEST {
            self.settled(now)
        } else {
            State::Collecting(self)
        }
    }

    /// Takes the best offer.
    fn settled(self, now: Instant) -> State {
        match self.best.protocol {
            Protocol::Bootp => State::Bound,
            Protocol::Dhcp => State::Requesting(Requesting {
                progress: self.progress,
                offer: self.best,
                requests: 0,
                wait: Wait::Send(now),
            }),
        }
    }
}

impl Requesting {
    /// Whether this is the server that is asked; one that does not say who it is may be.
    pub(super) fn is_with(&self, server: Option<Ipv4Addr>) -> bool {
        server.is_none_or(|server| server == self.offer.server)
    }

    /// What becomes of the request when the server refuses.
    pub(super) fn refused(self, now: Instant, refusal: Refusal) -> State {
        let failure = Failure::Refused {
            server: self.offer.server,
            message: refusal.message,
        };
        let refusals = self.progress.refusals.saturating_add(1);
        if refusals >= MAX_REFUSALS {
            return State::Failed(failure);
        }
        // RFC 2131 section 3.1, step 4: a client that gets a DHCPNAK restarts.
        State::Discovering(Discovering {
            progress: Progress {
                refusals,
                setback: Some(failure),
                ..self.progress
            },
            wait: Wait::Send(now),
        })
    }

    /// The failure to get an answer.
    fn silence(&self) -> Failure {
        Failure::Silence {
            server: self.offer.server,
            address: self.offer.address,
        }
    }
}

/// What outlasts a state.
#[derive(Debug)]
pub(super) struct Progress {
    schedule: Schedule,
    /// The time in seconds at which the latest DISCOVER was sent, which the
    /// REQUEST after it repeats.
    secs: u16,
    refusals: u8,
    /// What came of the latest REQUEST.
    setback: Option<Failure>,
}

impl Progress {
    /// No progress yet.
    pub(super) const fn new(seed: u64) -> Self {
        Self {
            schedule: Schedule::new(seed),
            secs: 0,
            refusals: 0,
            setback: None,
        }
    }

    /// Whether the latest REQUEST was to `server`, in vain.
    pub(super) fn failed_with(&self, server: Ipv4Addr) -> bool {
        match &self.setback {
            Some(
                Failure::Silence { server: other, .. } | Failure::Refused { server: other, .. },
            ) => server == *other,
            Some(Failure::NoAnswer { .. }) | None => false,
        }
    }
}

/// How good an offer is; what is named first weighs more.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Rank {
    /// It has all that the boot needs.
    pub(super) complete: bool,
    /// The latest REQUEST was not to the same server.
    pub(super) untried: bool,
}

impl Rank {
    /// No offer is better.
    const BEST: Self = Self {
        complete: true,
        untried: true,
    };
}

/// What a server refuses with.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) server_identifier: Option<Ipv4Addr>,
    message: Text<64>,
}

impl Refusal {
    /// Takes the refusal out of `reply`.
    pub(super) fn new(reply: &Reply<'_>) -> Self {
        Self {
            server_identifier: reply.server_identifier(),
            message: reply.refusal(),
        }
    }
}
