// SPDX-License-Identifier: GPL-2.0-only

//! The thread that keeps the session alive (session recovery, RFC 7143 section 7.1.5), and the only
//! place that takes a connection down. It also serves the connection where that is not done better
//! at once: when much arrives, or many commands are under way.
//!
//! | state | leaves it |
//! |---|---|
//! | up | the connection fails: it is reset, its commands wait, down |
//! | down | a login succeeds: the commands are sent again, up |
//! | down | waiting is bounded and takes too long: the commands fail, ended |
//! | ended | never |
//!
//! Where there are other targets, they have their turn when the present one's portals do not answer
//! for [`ELSEWHERE`]; [`identity`] tells what of them has to be the same. So it is with a portal
//! that only a DHCP server tells of.
//!
//! The session is the machine's root disk, so login is tried for ever, ever less often up to
//! [`DELAY_MAX`]. Waiting is bounded, by [`BOUNDED_DOWN`] and [`BOUNDED_UP`], only until the boot
//! has its disk, and again when the host or the machine goes down.

mod targets;

use super::{
    identity::{
        self,
        Whose, //
    },
    login::{
        log_in,
        Account,
        LoginFailure, //
    },
    nexus::{
        self,
        Nexus, //
    },
    tasks::Tasks,
    transmit::Transmit,
    wire::{
        Failure,
        Wire, //
    },
    COMMANDS, //
};
use crate::{
    linux::{
        clock,
        memory::{
            NoIo,
            NoReclaim, //
        },
        random,
        scsi::{
            Command,
            HostStatus, //
        },
        socket::Socket,
        tcp::Connection,
        thread::Run, //
    },
    proto::{
        backoff::Backoff,
        iscsi::session::Session,
        reminder::Reminder,
        time::{
            Duration,
            Instant, //
        }, //
    }, //
};
use core::{
    mem::{
        self,
        Discriminant, //
    },
    sync::atomic::Ordering, //
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        Arc,
        Mutex, //
    }, //
};
use targets::Targets;

/// How often the thread looks after the connection, in milliseconds.
const TICK: u64 = 1_000;
/// How often it looks at nothing once the session has ended.
const TICK_ENDED: u64 = 30_000;
/// The delay before the first and the most before any further login attempt.
const DELAY_FIRST: Duration = Duration::from_millis(250);
const DELAY_MAX: Duration = Duration::from_millis(5_000);
/// A session that is lost sooner than this is not followed by another at once, in milliseconds.
const SHORT_LIVED: u64 = 1_000;
/// The most a target may put a new session off, in seconds.
const TIME2WAIT_MAX: u16 = 60;
/// How long a lost target has before others have their turn, in milliseconds: it may just be
/// starting again, and what it still has of commands comes to its end meanwhile.
const ELSEWHERE: u64 = 5_000;
/// How long the target has to confirm a logout.
const LOGOUT_TIMEOUT: u64 = 2_000;
/// While waiting is bounded: how long a lost target has to come back, and how long commands may go
/// without one of them being answered.
const BOUNDED_DOWN: u64 = 10_000;
const BOUNDED_UP: u64 = 60_000;

/// What the recovery thread works with.
#[pin_data]
pub(super) struct Recovery {
    nexus: Arc<Nexus>,
    #[pin]
    link: Mutex<Link>,
}

/// Where the session stands.
struct Link {
    targets: Targets,
    state: State,
    /// When a command last ended; at first, when the session began.
    progress: u64,
    /// When the latest connection was made.
    up_since: u64,
    /// The outage before this connection, on which no command has ended yet: a target that
    /// only logs in is still out.
    previous: Option<Pace>,
    /// Since when waiting is bounded, if it is: until the boot has its disk, and when the host
    /// or the machine goes down.
    bounded_since: Option<u64>,
}

enum State {
    Up(Arc<Connection<Wire>>),
    Down(Outage),
    Ended,
}

/// A time without a connection.
struct Outage {
    tasks: Tasks,
    pace: Pace,
    next_attempt: u64,
    /// It has lasted too long for commands to wait.
    failing: bool,
    /// The kinds of reasons that were spoken of.
    reminder: Reminder<Discriminant<LoginFailure>>,
}

/// How long an outage has lasted, and how often login is tried in it.
#[derive(Clone, Copy)]
struct Pace {
    since: u64,
    backoff: Backoff,
}

impl Pace {
    /// The time of the next attempt after one at `now`.
    fn next_attempt(&mut self, now: u64) -> u64 {
        let random = u16::from_ne_bytes(random::bytes());
        now.saturating_add(self.backoff.next(random).as_millis())
    }
}

impl Recovery {
    /// Starts with the connection of the first login, to the portal group `group`.
    pub(super) fn new(
        nexus: Arc<Nexus>,
        account: KBox<Account>,
        fallbacks: KVec<KBox<Account>>,
        connection: Arc<Connection<Wire>>,
        group: Option<u16>,
    ) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                nexus,
                link <- new_mutex!(
                    Link {
                        targets: Targets::new(account, fallbacks, group),
                        state: State::Up(connection),
                        progress: clock::milliseconds(),
                        up_since: clock::milliseconds(),
                        previous: None,
                        bounded_since: Some(clock::milliseconds()),
                    },
                    "iscsi_init link"
                ),
            }),
            GFP_KERNEL,
        )
    }
}

impl Run for Recovery {
    fn run(&self) {
        let _memory = NoIo::new();
        let mut link = self.link.lock();
        let mut looked_after = clock::milliseconds();

        if let State::Up(connection) = &link.state {
            self.nexus.set_connection(Some(connection.clone()));
        }
        loop {
            let wait = link.wait();
            let events = self.nexus.events.wait(wait);

            if events & nexus::STOP != 0 {
                link.end(&self.nexus);
                return;
            }
            if events & nexus::SERVE != 0 {
                link.serve();
                // What comes again and again must not keep the rest from being done.
                if events == nexus::SERVE
                    && clock::milliseconds().saturating_sub(looked_after) < TICK
                {
                    continue;
                }
            }
            looked_after = clock::milliseconds();
            // In this order: a machine may go down at the moment it has come up.
            if events & nexus::BOOTED != 0 {
                link.bounded_since = None;
            }
            if events & nexus::CLOSING != 0 {
                link.bounded_since = Some(clock::milliseconds());
            }
            if events & nexus::ABORT != 0 {
                link.abort(&self.nexus);
            }
            if events & nexus::END != 0 {
                link.log_out(&self.nexus);
                link.end(&self.nexus);
            }
            link.step(&self.nexus, events & nexus::EXPIRED != 0);
        }
    }

    fn stop(&self) {
        self.nexus.events.raise(nexus::STOP);
    }
}

impl Link {
    /// Receives and sends what there is.
    fn serve(&self) {
        if let State::Up(connection) = &self.state {
            connection.serve();
        }
    }

    /// How long nothing needs to be done, in milliseconds.
    fn wait(&self) -> u64 {
        match &self.state {
            State::Up(_) => TICK,
            State::Down(outage) => {
                let left = outage.next_attempt.saturating_sub(clock::milliseconds());
                left.clamp(1, TICK)
            }
            State::Ended => TICK_ENDED,
        }
    }

    fn step(&mut self, nexus: &Arc<Nexus>, expired: bool) {
        let now = clock::milliseconds();

        self.check_deadline(nexus);
        match &mut self.state {
            State::Up(connection) => {
                let timeouts = &self.targets.account.node.timeouts;
                let failure = connection.with(|wire, stream| {
                    wire.watch(now, timeouts, expired, stream);
                    wire.failure()
                });
                if let Some(failure) = failure {
                    self.go_down(nexus, failure);
                }
            }
            State::Down(outage) => {
                let waited = now.saturating_sub(outage.pace.since);
                let holder = self.targets.holder();
                let patience = holder.node.timeouts.conn_fail;
                let patience = patience.map(Duration::as_millis);
                if !outage.failing && patience.is_some_and(|patience| waited >= patience) {
                    outage.failing = true;
                    pr_err!(
                        "no session with {} since {} s: commands fail from now on, until there is \
                         one again (ConnFailTimeout)\n",
                        core::format_args!("{}", holder.target),
                        waited / 1_000
                    );
                    nexus.status.failing();
                    outage.tasks.end_all(HostStatus::NoConnect);
                    nexus.set_failing(true);
                }
                if now >= outage.next_attempt {
                    self.try_login(nexus);
                }
            }
            State::Ended => {}
        }
    }

    /// Resets the connection; from then on its commands wait.
    fn go_down(&mut self, nexus: &Nexus, failure: Failure) {
        let State::Up(connection) = &self.state else {
            return;
        };
        // First nobody finds the connection any more, then the peer gets its RST, and only then can
        // a command be sent again: what the network still holds of its first sending must not
        // arrive after the second.
        nexus.set_connection(None);
        nexus.busy.store(false, Ordering::Relaxed);
        connection.abort();
        let (tasks, progress) = connection.with(|wire, _| (wire.take_tasks(), wire.progress()));
        let Some(mut tasks) = tasks else {
            return;
        };
        tasks.end_those(HostStatus::NoConnect, Command::is_error_handlers);
        let now = clock::milliseconds();
        let previous = self.previous.take().filter(|_| progress == self.progress);
        let hint = match failure {
            Failure::Silent(_) if previous.is_some() && tasks.len() > 0 => {
                ", nor any command in this session (large packets may be lost: check the MTU of \
                 all that is on the way)"
            }
            _ => "",
        };
        pr_warn!(
            "session with {} lost: {}{hint}; {} commands wait for a new one\n",
            core::format_args!("{}", self.targets.account.target),
            core::format_args!("{failure}"),
            tasks.len()
        );
        let (pace, next_attempt) = match previous {
            Some(mut pace) => {
                let next_attempt = pace.next_attempt(now);
                (pace, next_attempt)
            }
            None => {
                let mut pace = Pace {
                    since: now,
                    backoff: Backoff::new(DELAY_FIRST, DELAY_MAX),
                };
                let next_attempt = match now.saturating_sub(self.up_since) {
                    ..SHORT_LIVED => pace.next_attempt(now),
                    _ => now,
                };
                (pace, next_attempt)
            }
        };
        // RFC 7143 section 11.9.1: who drops a session may say when it will take the next.
        let next_attempt = match failure {
            Failure::EndRequested(seconds) => {
                next_attempt.max(now.saturating_add(u64::from(seconds.min(TIME2WAIT_MAX)) * 1_000))
            }
            _ => next_attempt,
        };
        self.progress = progress;
        nexus.status.down(pace.since, &failure);
        self.state = State::Down(Outage {
            tasks,
            pace,
            next_attempt,
            failing: false,
            reminder: Reminder::new(Instant::from_millis(now)),
        });
    }

    fn try_login(&mut self, nexus: &Arc<Nexus>) {
        // What frees memory may be waiting for this very disk.
        let _reserves = NoReclaim::new();
        let mut told = nexus.told_portal.lock();
        // What there is no memory for is heard at the next attempt.
        if told.is_some_and(|portal| self.targets.hear(portal).is_ok()) {
            *told = None;
        }
        drop(told);
        let (whose, group) = (self.targets.whose(), self.targets.group);
        let result = log_in(&mut self.targets.account, |connected, established| {
            identity::verify(connected, established, nexus, whose, group)
        });
        let now = clock::milliseconds();
        let state = mem::replace(&mut self.state, State::Ended);
        let State::Down(mut outage) = state else {
            self.state = state;
            return;
        };

        let reason = match result {
            Ok((connected, established, session)) => {
                let socket = connected.into_socket();
                outage.tasks.end_those(HostStatus::NoConnect, |command| {
                    nexus.is_foreign(command.lun())
                });
                let count = outage.tasks.len();
                // They have waited as well, and are renewed with the others.
                nexus.hand_over(&mut outage.tasks, |_| {});
                match connect(nexus, socket, session, outage.tasks, self.progress) {
                    Ok(connection) => {
                        self.targets.settle(established.target_portal_group);
                        pr_info!(
                            "session with {} restored after {} ms; {} commands sent again\n",
                            core::format_args!("{}", self.targets.account.target),
                            now.saturating_sub(outage.pace.since),
                            count
                        );
                        let (tsih, parameters) = (established.tsih, &established.parameters);
                        nexus
                            .status
                            .up(&self.targets.account.target, tsih, parameters, count);
                        nexus.set_failing(false);
                        nexus.set_connection(Some(connection.clone()));
                        self.previous = Some(outage.pace);
                        self.up_since = now;
                        self.state = State::Up(connection);
                        return;
                    }
                    Err((mut tasks, error)) => {
                        tasks.end_those(HostStatus::NoConnect, Command::is_error_handlers);
                        outage.tasks = tasks;
                        LoginFailure::Memory(error)
                    }
                }
            }
            Err(failure) => failure,
        };
        nexus.status.failed(&reason);
        let (at, kind) = (Instant::from_millis(now), mem::discriminant(&reason));
        let is_first = outage.pace.backoff.is_fresh();
        if outage.reminder.is_due(at, kind, is_first) {
            pr_warn!(
                "no session since {} s, still trying: {}\n",
                now.saturating_sub(outage.pace.since) / 1_000,
                core::format_args!("{reason}")
            );
        }
        if whose == Whose::Another {
            self.targets.tell(&reason);
        }
        let waited = now.saturating_sub(outage.pace.since);
        let may_leave = waited >= ELSEWHERE && nexus.boot_unit().is_some();
        // All of them have their turn before there is a delay.
        outage.next_attempt = match self.targets.next(may_leave) {
            Whose::Same => outage.pace.next_attempt(now),
            Whose::Another => now,
        };
        self.state = State::Down(outage);
    }

    /// Gives a command back that the error handler wants. Its answer could still come, so
    /// its connection goes first (RFC 7143 section 7.11).
    fn abort(&mut self, nexus: &Nexus) {
        let tag = nexus.unwanted.swap(nexus::NO_TAG, Ordering::SeqCst);
        if tag == nexus::NO_TAG {
            return;
        }
        if let State::Up(connection) = &self.state {
            if connection.with(|wire, _| wire.holds(tag)) {
                self.go_down(nexus, Failure::ResetRequested);
            }
        }
        if let State::Down(outage) = &mut self.state {
            nexus.hand_over(&mut outage.tasks, |_| {});
            if !outage.tasks.release(tag) {
                // The error handler reminds of it.
                nexus.unwanted.store(tag, Ordering::SeqCst);
                return;
            }
        }
        nexus.returned.raise(1);
    }

    /// Ends a session whose bounded time is over.
    fn check_deadline(&mut self, nexus: &Nexus) {
        let Some(since) = self.bounded_since else {
            return;
        };
        let now = clock::milliseconds();
        let (begin, limit) = match &self.state {
            State::Up(connection) => {
                let (outstanding, progress) =
                    connection.with(|wire, _| (wire.outstanding(), wire.progress()));
                if outstanding == 0 {
                    self.bounded_since = Some(now);
                    return;
                }
                (progress, BOUNDED_UP)
            }
            State::Down(outage) => (outage.pace.since, BOUNDED_DOWN),
            State::Ended => return,
        };
        let waited = now.saturating_sub(begin.max(since));
        if waited >= limit {
            pr_warn!(
                "{} has answered nothing for {} s; \
                 waiting ends, and what it has not confirmed is lost\n",
                core::format_args!("{}", self.targets.holder().target),
                waited / 1_000
            );
            self.end(nexus);
        }
    }

    fn log_out(&mut self, nexus: &Nexus) {
        let State::Up(connection) = &self.state else {
            return;
        };
        let deadline = clock::milliseconds().saturating_add(LOGOUT_TIMEOUT);
        connection.with(|wire, stream| wire.logout(stream));
        let mut others = 0;
        let confirmed = loop {
            let left = deadline.saturating_sub(clock::milliseconds());
            if left == 0 {
                break false;
            }
            let events = nexus.events.wait(left);
            others |= events & !(nexus::LOGGED_OUT | nexus::CONNECTION | nexus::SERVE);
            if events & nexus::SERVE != 0 {
                connection.serve();
            }
            if events & nexus::LOGGED_OUT != 0 {
                break true;
            }
            if events & nexus::CONNECTION != 0 || others & nexus::STOP != 0 {
                break false;
            }
        };
        if others != 0 {
            nexus.events.raise(others);
        }
        pr_info!(
            "logged out from {}{}\n",
            core::format_args!("{}", self.targets.account.target),
            if confirmed {
                ""
            } else {
                ", without its confirmation"
            }
        );
    }

    /// Ends the session for good: whatever has not been answered fails.
    fn end(&mut self, nexus: &Nexus) {
        nexus.refuse();
        nexus.status.ended();
        match mem::replace(&mut self.state, State::Ended) {
            State::Up(connection) => {
                nexus.set_connection(None);
                let (sending, tasks) =
                    connection.with(|wire, _| (wire.is_sending(), wire.take_tasks()));
                // As in `go_down`: nothing of a command may be on its way when it ends.
                if sending || tasks.as_ref().is_some_and(|tasks| tasks.len() > 0) {
                    connection.abort();
                }
                if let Some(mut tasks) = tasks {
                    tasks.end_all(HostStatus::NoConnect);
                }
            }
            State::Down(mut outage) => outage.tasks.end_all(HostStatus::NoConnect),
            State::Ended => {}
        }
        nexus.ended.raise(1);
    }
}

/// Puts a logged-in socket to work on `tasks`, none of which has ended since `progress`.
pub(super) fn connect(
    nexus: &Arc<Nexus>,
    socket: Socket,
    session: Session,
    tasks: Tasks,
    progress: u64,
) -> Result<Arc<Connection<Wire>>, (Tasks, Error)> {
    let transmit = match Transmit::new(COMMANDS) {
        Ok(transmit) => transmit,
        Err(error) => return Err((tasks, error)),
    };
    let vacancy = match Connection::vacant() {
        Ok(vacancy) => vacancy,
        Err(error) => return Err((tasks, error)),
    };
    let wire = Wire::new(nexus.clone(), session, tasks, transmit, progress);
    Ok(Connection::new(vacancy, socket, wire))
}
