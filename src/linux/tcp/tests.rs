// SPDX-License-Identifier: GPL-2.0-only

//! Connections over the loopback device, with a protocol that takes down what it is told.

use super::{
    bindings,
    Burst,
    Connection,
    Protocol,
    Stream, //
};
use crate::linux::{
    clock,
    event::Event,
    socket::{
        loopback::{
            pair,
            receive_all,
            Loopback,
            DEADLINE, //
        },
        Socket, //
    },
    testing::in_thread, //
};
use core::sync::atomic::{
    AtomicBool,
    AtomicI32,
    AtomicU32,
    Ordering, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

const READABLE: u32 = 1 << 0;
const WRITABLE: u32 = 1 << 1;
const CLOSED: u32 = 1 << 2;
const DROPPED: u32 = 1 << 3;
const DEFERRED: u32 = 1 << 4;

/// More than any test receives without its being taken away.
const ROOM: usize = 1 << 20;

/// What the protocol was told, for who does not hold the lock.
#[pin_data]
struct Log {
    #[pin]
    events: Event,
    readable: AtomicU32,
    error: AtomicI32,
    inside: AtomicBool,
    twice: AtomicBool,
    /// It was told of space while a thread owned the lock.
    owned: AtomicBool,
    busy: AtomicBool,
    /// What is told to be expected.
    expected: AtomicU32,
    /// Nothing is to be received.
    holding: AtomicBool,
}

impl Log {
    fn new(holding: bool) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                events <- Event::new(),
                readable: AtomicU32::new(0),
                error: AtomicI32::new(0),
                inside: AtomicBool::new(false),
                twice: AtomicBool::new(false),
                owned: AtomicBool::new(false),
                busy: AtomicBool::new(false),
                expected: AtomicU32::new(0),
                holding: AtomicBool::new(holding),
            }),
            GFP_KERNEL,
        )
    }

    /// How often the protocol was told that something has arrived.
    fn readable(&self) -> u32 {
        self.readable.load(Ordering::SeqCst)
    }

    /// Notes when two have the state at a time.
    fn enter(&self) {
        if self.inside.swap(true, Ordering::SeqCst) {
            self.twice.store(true, Ordering::SeqCst);
        }
    }

    fn leave(&self) {
        self.inside.store(false, Ordering::SeqCst);
    }

    /// Waits for a flag; the others that come with it are of no interest any more.
    fn wait(&self, flag: u32) {
        while self.events.wait(DEADLINE) & flag == 0 {}
    }
}

/// Receives all there is, unless it was told to leave it where it is.
struct Recorder {
    log: Arc<Log>,
    received: KVVec<u8>,
}

impl Protocol for Recorder {
    fn readable(&mut self, stream: &mut Stream<'_>) {
        self.log.enter();
        self.log.readable.fetch_add(1, Ordering::SeqCst);
        if !self.log.holding.load(Ordering::SeqCst) {
            let received = &mut self.received;
            stream.receive(|chunk| {
                let mut bytes = [0; 512];
                while let Ok(length @ 1..) = chunk.take(&mut bytes) {
                    // There is room, so that nothing is allocated here.
                    let _ = received.extend_from_slice(&bytes[..length], GFP_ATOMIC);
                }
            });
        }
        if let Some(error) = stream.error() {
            self.log.error.store(error.to_errno(), Ordering::SeqCst);
        }
        let closed = if stream.open() { 0 } else { CLOSED };
        self.log.events.raise(READABLE | closed);
        self.log.leave();
    }

    fn writable(&mut self, stream: &mut Stream<'_>) {
        // SAFETY: The socket is valid, and its lock is held.
        if unsafe { bindings::iscsi_init_sock_owned(stream.sock) } {
            self.log.owned.store(true, Ordering::SeqCst);
        }
        self.log.events.raise(WRITABLE);
    }

    fn defer(&mut self) {
        self.log.events.raise(DEFERRED);
    }

    fn busy(&self) -> bool {
        self.log.busy.load(Ordering::SeqCst)
    }

    fn expected(&self) -> u32 {
        self.log.expected.load(Ordering::SeqCst)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.log.events.raise(DROPPED);
    }
}

/// A connection, its peer, and what the protocol is told; the loopback device goes last.
struct Set {
    connection: Arc<Connection<Recorder>>,
    peer: Socket,
    log: Arc<Log>,
    _up: Loopback,
}

impl Set {
    /// `before` sees the peer, and the socket, before a connection is made of it.
    fn new(holding: bool, before: impl FnOnce(&Socket, &Socket) -> Result) -> Result<Self> {
        let up = Loopback::new()?;
        let (socket, peer) = pair()?;
        let log = Log::new(holding)?;
        let recorder = Recorder {
            log: log.clone(),
            received: KVVec::with_capacity(ROOM, GFP_KERNEL)?,
        };
        let vacancy = Connection::vacant()?;

        before(&peer, &socket)?;
        Ok(Self {
            connection: Connection::new(vacancy, socket, recorder),
            peer,
            log,
            _up: up,
        })
    }

    fn received(&self) -> usize {
        self.connection.with(|recorder, _| recorder.received.len())
    }

    fn wait_for(&self, length: usize) {
        while self.received() < length {
            self.log.wait(READABLE);
        }
    }
}

/// Waits until this many bytes can be received.
fn wait_queued(socket: &Socket, length: u32) {
    // SAFETY: The socket is valid.
    while unsafe { bindings::iscsi_init_sock_queued(socket.sock()) } < length {
        clock::sleep(1);
    }
}

/// The byte at a place of what is sent.
fn pattern(at: usize) -> u8 {
    (at % 251) as u8
}

fn patterned(length: usize) -> Result<KVVec<u8>> {
    let mut bytes = KVVec::with_capacity(length, GFP_KERNEL)?;
    for at in 0..length {
        bytes.push(pattern(at), GFP_KERNEL)?;
    }
    Ok(bytes)
}

fn is_patterned(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .enumerate()
        .all(|(at, byte)| *byte == pattern(at))
}

/// Puts copies of `bytes` into an empty burst and sends it; returns how much of them has gone.
fn send(stream: &mut Stream<'_>, burst: &mut Burst, bytes: &[u8], more: bool) -> Result<usize> {
    for piece in bytes.chunks(Burst::COPY_MAX) {
        if !burst.copy(stream, piece) {
            return Err(ENOBUFS);
        }
    }
    stream.send(burst, more)?;
    Ok(bytes.len() - burst.length())
}

#[kunit_tests(iscsi_init_tcp)]
mod cases {
    use super::*;
    use crate::linux::errno::{
        ECONNABORTED,
        ECONNRESET, //
    };

    #[test]
    fn what_the_peer_sends_arrives_whole_and_in_order() -> Result {
        const LENGTH: usize = 300_000;
        let set = Set::new(false, |_, _| Ok(()))?;
        for piece in patterned(LENGTH)?.chunks(7_777) {
            set.peer.send_all(piece)?;
        }
        set.wait_for(LENGTH);
        let right = set
            .connection
            .with(|recorder, _| is_patterned(&recorder.received));
        assert_eq!(set.received(), LENGTH);
        assert!(right);
        Ok(())
    }

    #[test]
    fn what_came_before_the_connection_is_told_at_once() -> Result {
        let set = Set::new(false, |peer, socket| {
            peer.send_all(b"early")?;
            wait_queued(socket, 5);
            Ok(())
        })?;
        assert!(set.log.readable() > 0);
        assert_eq!(set.received(), 5);
        Ok(())
    }

    #[test]
    fn what_is_not_taken_stays_in_front() -> Result {
        let set = Set::new(true, |_, _| Ok(()))?;
        set.peer.send_all(b"abcdefgh")?;
        wait_queued(&set.connection.socket, 8);
        let mut buffer = [0; 3];
        let mut seen = KVec::with_capacity(8, GFP_KERNEL)?;
        set.connection.with(|_, stream| {
            stream.receive(|chunk| {
                let first = seen.is_empty();
                let length = chunk.len();
                let skipped = if first { chunk.skip(2) } else { 0 };
                let taken = if first {
                    chunk.take(&mut buffer)
                } else {
                    Ok(0)
                };
                let _ = seen.push((length, skipped, taken, chunk.len()), GFP_ATOMIC);
            });
        });
        assert_eq!(&buffer, b"cde");
        // The rest comes again, until nothing of it is taken.
        assert_eq!(&*seen, [(8, 2, Ok(3), 3), (3, 0, Ok(0), 3)].as_slice());

        let mut buffer = [0; 8];
        let mut taken = Ok(0);
        let mut skipped = 1;
        set.connection.with(|_, stream| {
            stream.receive(|chunk| {
                taken = chunk.take(&mut buffer);
                skipped = chunk.skip(1);
            });
        });
        assert_eq!(taken, Ok(3));
        assert_eq!(&buffer[..3], b"fgh");
        assert_eq!(skipped, 0);
        Ok(())
    }

    #[test]
    fn sent_bytes_reach_the_peer() -> Result {
        let set = Set::new(false, |_, _| Ok(()))?;
        let mut burst = Burst::new()?;
        let sent = set.connection.with(|_, stream| {
            let first = send(stream, &mut burst, b"head", true)?;
            Ok::<_, Error>(first + send(stream, &mut burst, b"tail", false)?)
        })?;
        assert!(burst.is_empty());
        let mut buffer = [0; 8];
        assert_eq!(sent, 8);
        assert_eq!(receive_all(&set.peer, &mut buffer)?, 8);
        assert_eq!(&buffer, b"headtail");
        Ok(())
    }

    #[test]
    fn a_full_socket_says_so_and_when_there_is_space_again() -> Result {
        let set = Set::new(false, |_, _| Ok(()))?;
        let data = patterned(64 << 20)?;
        let mut sent = 0;
        let mut burst = Burst::new()?;
        set.connection.with(|_, stream| {
            while burst.is_empty() {
                let piece = &data[sent..sent + 30_000];
                sent += send(stream, &mut burst, piece, false)?;
            }
            Ok::<_, Error>(())
        })?;
        // Part of the last piece has stayed.
        let left = burst.length();
        assert!(sent > 0 && left > 0);

        let mut received = KVVec::from_elem(0u8, sent, GFP_KERNEL)?;
        assert_eq!(receive_all(&set.peer, &mut received)?, sent);
        assert!(is_patterned(&received));
        set.log.wait(WRITABLE);
        let again = set
            .connection
            .with(|_, stream| stream.send(&mut burst, false));
        assert_eq!(again, Ok(true));
        let mut rest = KVVec::from_elem(0u8, left, GFP_KERNEL)?;
        assert_eq!(receive_all(&set.peer, &mut rest)?, left);
        assert_eq!(&*rest, &data[sent..sent + left]);
        Ok(())
    }

    #[test]
    fn space_is_not_told_of_while_a_thread_owns_the_lock() -> Result {
        let Set {
            connection,
            peer,
            log,
            _up,
        } = Set::new(false, |_, _| Ok(()))?;
        let piece = patterned(30_000)?;
        let mut burst = Burst::new()?;
        let mut sent = 0;
        connection.with(|_, stream| {
            while burst.is_empty() {
                sent += send(stream, &mut burst, &piece, false)?;
            }
            Ok::<_, Error>(())
        })?;
        let thread = in_thread(move || {
            let mut received = KVVec::from_elem(0u8, sent, GFP_KERNEL)?;
            receive_all(&peer, &mut received).map(|_| ())
        })?;
        // Most of what the peer acknowledges comes while the lock is owned.
        for _ in 0..100 {
            connection.locked(|_| clock::sleep(1));
        }
        drop(thread);
        log.wait(WRITABLE | DEFERRED);
        assert!(!log.owned.load(Ordering::SeqCst));
        Ok(())
    }

    #[test]
    fn nobody_else_has_the_state_while_one_has() -> Result {
        let set = Set::new(false, |_, _| Ok(()))?;
        let user = |connection: &Connection<Recorder>| {
            connection.with(|recorder, _| {
                recorder.log.enter();
                let before = recorder.log.readable();
                // Time for whoever does not care for the lock. None may sleep with it.
                for _ in 0..100_000 {
                    core::hint::spin_loop();
                }
                let told = recorder.log.readable() - before;
                recorder.log.leave();
                told
            })
        };
        let other = set.connection.clone();
        let thread = in_thread(move || {
            (0..20).for_each(|_| {
                user(&other);
            });
            Ok(())
        })?;
        let mut told = 0;
        for _ in 0..20 {
            set.peer.send_all(b"x")?;
            told += user(&set.connection);
        }
        drop(thread);
        // None of it inside, all of it by now.
        assert_eq!(told, 0);
        set.wait_for(20);
        assert!(!set.log.twice.load(Ordering::SeqCst));
        Ok(())
    }

    #[test]
    fn a_lot_is_left_to_a_thread() -> Result {
        const LENGTH: usize = 400_000;
        // Room to let it pile up.
        let set = Set::new(true, |_, socket| {
            // SAFETY: The socket is valid, and not locked.
            unsafe { bindings::sock_set_rcvbuf(socket.sock(), 4 << 20) };
            Ok(())
        })?;
        set.peer.send_all(&patterned(LENGTH)?)?;
        set.log.wait(DEFERRED);
        wait_queued(&set.connection.socket, LENGTH as u32);
        let before = set.received();
        set.log.holding.store(false, Ordering::SeqCst);
        set.connection.serve();
        assert_eq!((before, set.received()), (0, LENGTH));
        let right = set
            .connection
            .with(|recorder, _| is_patterned(&recorder.received));
        assert!(right);
        Ok(())
    }

    #[test]
    fn a_busy_protocol_leaves_all_to_a_thread() -> Result {
        let set = Set::new(false, |_, _| Ok(()))?;
        let before = set.log.readable();
        set.log.busy.store(true, Ordering::SeqCst);
        set.peer.send_all(b"later")?;
        set.log.wait(DEFERRED);
        assert_eq!(set.log.readable(), before);
        set.connection.serve();
        assert_eq!(set.received(), 5);
        Ok(())
    }

    #[test]
    fn what_is_expected_is_waited_for() -> Result {
        let set = Set::new(false, |_, _| Ok(()))?;
        set.log.expected.store(10, Ordering::SeqCst);
        set.peer.send_all(b"half ")?;
        wait_queued(&set.connection.socket, 5);
        let before = set.log.readable();
        set.peer.send_all(b"whole")?;
        while set.log.readable() == before {
            set.log.wait(READABLE);
        }
        assert_eq!(set.received(), 10);
        // Whoever closes is not waited for.
        let Set {
            connection,
            peer,
            log,
            _up,
        } = set;
        peer.send_all(b"end")?;
        drop(peer);
        log.wait(CLOSED);
        assert_eq!(connection.with(|recorder, _| recorder.received.len()), 13);
        Ok(())
    }

    #[test]
    fn abort_resets_the_connection_and_tells_nobody() -> Result {
        let set = Set::new(false, |_, _| Ok(()))?;
        let before = set.log.readable();
        set.connection.abort();
        assert_eq!(set.peer.receive(&mut [0; 8]), Err(ECONNRESET));
        let (open, error) = set
            .connection
            .with(|_, stream| (stream.open(), stream.error()));
        assert!(!open);
        assert_eq!(error, Some(ECONNABORTED));
        let mut burst = Burst::new()?;
        let sent = set
            .connection
            .with(|_, stream| send(stream, &mut burst, b"x", false));
        assert!(sent.is_err());
        assert_eq!(set.log.readable(), before);
        Ok(())
    }

    #[test]
    fn a_peers_close_is_seen_and_is_no_error() -> Result {
        let Set {
            connection,
            peer,
            log,
            _up,
        } = Set::new(false, |_, _| Ok(()))?;
        peer.send_all(b"last")?;
        assert!(connection.with(|_, stream| stream.open()));
        drop(peer);
        log.wait(CLOSED);
        let (open, length) =
            connection.with(|recorder, stream| (stream.open(), recorder.received.len()));
        assert!(!open);
        assert_eq!(length, 4);
        assert_eq!(log.error.load(Ordering::SeqCst), 0);
        Ok(())
    }

    #[test]
    fn a_peers_reset_is_an_error_that_is_told_once() -> Result {
        let Set {
            connection,
            peer,
            log,
            _up,
        } = Set::new(false, |_, _| Ok(()))?;
        // Who closes with something unread has not understood all, and says so.
        let mut burst = Burst::new()?;
        connection.with(|_, stream| send(stream, &mut burst, b"unread", false))?;
        wait_queued(&peer, 6);
        drop(peer);
        log.wait(CLOSED);
        let (open, error) = connection.with(|_, stream| (stream.open(), stream.error()));
        assert!(!open);
        assert_eq!(log.error.load(Ordering::SeqCst), ECONNRESET.to_errno());
        assert_eq!(error, None);
        Ok(())
    }

    #[test]
    fn a_dropped_connection_is_closed_and_gives_its_protocol_up() -> Result {
        let Set {
            connection,
            peer,
            log,
            _up,
        } = Set::new(false, |_, _| Ok(()))?;
        drop(connection);
        assert_eq!(log.events.wait(DEADLINE) & DROPPED, DROPPED);
        assert_eq!(peer.receive(&mut [0; 8])?, 0);
        assert!(Arc::into_unique_or_drop(log).is_some());
        Ok(())
    }
}
