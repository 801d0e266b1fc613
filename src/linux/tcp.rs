// SPDX-License-Identifier: GPL-2.0-only

//! A TCP connection whose own lock protects what its owner knows about it.
//!
//! The network stack tells of received data and of free space with the socket lock held, mostly in
//! softirq; a thread takes the same lock to send. So one lock orders everything that happens on a
//! connection, and there is no second one to take. [`Connection`] enforces it: the owner's state, a
//! [`Protocol`], is reachable only with the lock held, and never twice at a time. What arrives
//! while the state is in use is looked at when that use ends; what is too little, or too much for
//! softirq, is left for more to come or for a thread.
//!
//! C headers: [`include/net/sock.h`](srctree/include/net/sock.h),
//! [`include/net/tcp.h`](srctree/include/net/tcp.h)

use super::{
    bindings,
    errno::ECONNABORTED,
    memory::NoReclaim,
    socket::{
        count,
        Socket, //
    },
};
use core::{
    cell::UnsafeCell,
    marker::PhantomData,
    mem::MaybeUninit, //
};
use kernel::{
    ffi::c_int,
    prelude::*,
    sync::{
        Arc,
        UniqueArc, //
    },
};

mod burst;
#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
mod tests;

pub(crate) use burst::Burst;

/// How many received bytes are worth the way to a thread in any case: softirq keeps everything else
/// on its processor waiting.
const SOFTIRQ_MAX: u32 = 65_536;

/// The state of a connection's owner. Every method is called with the socket lock held, often in
/// softirq: none may sleep.
pub(crate) trait Protocol: Send + 'static {
    /// Something can be received, or the peer has closed.
    fn readable(&mut self, stream: &mut Stream<'_>);

    /// There is space to send again.
    fn writable(&mut self, stream: &mut Stream<'_>);

    /// Something has arrived, or there is space to send again: a thread is to call
    /// [`Connection::serve`], and [`Protocol::readable`] to send what there is space for.
    fn defer(&mut self);

    /// Whether a thread that comes a little later finds so much to do that the wait is worth it.
    fn busy(&self) -> bool;

    /// How many bytes at least will follow those received; 0 when that is not known.
    fn expected(&self) -> u32;
}

/// A connected socket and the state its lock protects.
pub(crate) struct Connection<P: Protocol> {
    socket: Socket,
    guarded: UnsafeCell<Guarded<P>>,
}

/// What the socket lock protects.
struct Guarded<P> {
    protocol: P,
    /// `protocol` is borrowed.
    entered: bool,
    /// Something has arrived that `protocol` has not been told of.
    readable: bool,
    /// The callbacks that were in place before ours; `None` while they are in place.
    theirs: Option<bindings::iscsi_init_callbacks>,
}

/// Memory for a connection.
pub(crate) struct Vacancy<P: Protocol>(UniqueArc<MaybeUninit<Connection<P>>>);

// SAFETY: `guarded` is reached only with the socket lock held, and `P` is `Send`.
unsafe impl<P: Protocol> Send for Connection<P> {}
// SAFETY: As above.
unsafe impl<P: Protocol> Sync for Connection<P> {}

impl<P: Protocol> Connection<P> {
    const CALLBACKS: bindings::iscsi_init_callbacks = bindings::iscsi_init_callbacks {
        data_ready: Some(data_ready_callback::<P>),
        write_space: Some(write_space_callback::<P>),
        state_change: Some(data_ready_callback::<P>),
        error_report: Some(data_ready_callback::<P>),
    };

    /// Allocates a connection before there is one.
    pub(crate) fn vacant() -> Result<Vacancy<P>> {
        Ok(Vacancy(UniqueArc::new_uninit(GFP_KERNEL)?))
    }

    /// Hands a connected `socket` over to `protocol`, and tells it at once that
    /// something may have arrived.
    pub(crate) fn new(vacancy: Vacancy<P>, socket: Socket, protocol: P) -> Arc<Self> {
        // SAFETY: The socket is valid, and this is process context.
        unsafe { bindings::iscsi_init_sock_bound_window(socket.sock()) };
        let connection: Arc<Self> = vacancy
            .0
            .write(Self {
                socket,
                guarded: UnsafeCell::new(Guarded {
                    protocol,
                    entered: false,
                    readable: true,
                    theirs: None,
                }),
            })
            .into();

        connection.locked(|connection| {
            let mut theirs = MaybeUninit::uninit();
            let owner = core::ptr::from_ref(connection).cast_mut().cast();
            // SAFETY: The lock is held. `owner` stays valid until `detach`, which runs
            // before the memory is freed.
            unsafe {
                bindings::iscsi_init_sock_attach(
                    connection.socket.sock(),
                    owner,
                    &Self::CALLBACKS,
                    theirs.as_mut_ptr(),
                )
            };
            // SAFETY: The lock is held.
            let guarded = unsafe { &mut *connection.guarded.get() };
            // SAFETY: The call above has filled it.
            guarded.theirs = Some(unsafe { theirs.assume_init() });
        });
        connection.with(|_, _| ());
        connection
    }

    /// Calls `work` with the state and the stream, waiting for the lock; process context only.
    /// Softirqs may be off meanwhile: `work` must not sleep.
    ///
    /// What arrives meanwhile is handed to the protocol before the lock is released, or left for
    /// more to come or for a thread.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut P, &mut Stream<'_>) -> R) -> R {
        let _memory = NoReclaim::new();

        // SAFETY: The socket is valid, and this is process context.
        let slow = unsafe { bindings::iscsi_init_sock_lock_fast(self.socket.sock()) };
        // SAFETY: The lock is held.
        let result = unsafe { self.enter(work) };
        // SAFETY: The lock is held.
        if core::mem::take(unsafe { &mut (*self.guarded.get()).readable }) {
            // SAFETY: The lock is held.
            unsafe { self.arrived() };
        }
        // SAFETY: The lock was taken above, in the way that `slow` tells.
        unsafe { bindings::iscsi_init_sock_unlock_fast(self.socket.sock(), slow) };
        result
    }

    /// Has the protocol receive what there is, in this thread; process context only. Unlike in
    /// [`Connection::with`] softirqs stay on, since it may take long.
    pub(crate) fn serve(&self) {
        let _memory = NoReclaim::new();

        // SAFETY: The lock is held in the closure.
        self.locked(|connection| unsafe { connection.read() });
    }

    /// Takes the stack's callbacks back and resets the connection: the peer gets a RST, and nothing
    /// that was sent but not acknowledged is sent again.
    pub(crate) fn abort(&self) {
        self.detach();
        // The stack keeps errors as positive numbers.
        let error = -ECONNABORTED.to_errno();
        // SAFETY: The socket is valid; the call takes the lock by itself.
        unsafe { bindings::tcp_abort(self.socket.sock(), error) };
    }

    fn detach(&self) {
        self.locked(|connection| {
            // SAFETY: The lock is held.
            let guarded = unsafe { &mut *connection.guarded.get() };
            if let Some(theirs) = guarded.theirs.take() {
                // SAFETY: The lock is held, and `theirs` is what the socket had before.
                unsafe { bindings::iscsi_init_sock_detach(connection.socket.sock(), &theirs) };
            }
        });
    }

    fn locked<R>(&self, work: impl FnOnce(&Self) -> R) -> R {
        // SAFETY: The socket is valid, and this is process context.
        unsafe { bindings::iscsi_init_sock_lock(self.socket.sock()) };
        let result = work(self);
        // SAFETY: The lock was taken above.
        unsafe { bindings::release_sock(self.socket.sock()) };
        result
    }

    /// Borrows the protocol.
    ///
    /// # Safety
    ///
    /// The socket lock is held, and the protocol is not borrowed.
    unsafe fn enter<R>(&self, work: impl FnOnce(&mut P, &mut Stream<'_>) -> R) -> R {
        let guarded = self.guarded.get();
        let mut stream = Stream {
            sock: self.socket.sock(),
            _locked: PhantomData,
        };

        // SAFETY: With the lock held nobody else reaches this; the callbacks
        // look at `entered` first.
        unsafe { (*guarded).entered = true };
        // SAFETY: As above: `entered` keeps the callbacks away from `protocol`
        // for the time of the borrow.
        let result = work(unsafe { &mut (*guarded).protocol }, &mut stream);
        // SAFETY: The lock is held.
        unsafe { (*guarded).entered = false };
        result
    }

    /// Has the protocol receive what there is, and what arrives meanwhile.
    ///
    /// # Safety
    ///
    /// The socket lock is held, and the protocol is not borrowed.
    unsafe fn read(&self) {
        let guarded = self.guarded.get();

        loop {
            // SAFETY: The lock is held; no borrow of the field exists.
            unsafe { (*guarded).readable = false };
            // SAFETY: By this function's contract.
            unsafe { self.enter(|protocol, stream| protocol.readable(stream)) };
            // SAFETY: As above.
            if !unsafe { (*guarded).readable } {
                return;
            }
        }
    }

    /// Something has arrived: the protocol hears of it now, or when its present
    /// use ends, or in a thread.
    ///
    /// # Safety
    ///
    /// The socket lock is held.
    unsafe fn arrived(&self) {
        let guarded = self.guarded.get();

        // SAFETY: The lock is held, and no borrow covers this field.
        if unsafe { (*guarded).entered } {
            // SAFETY: As above.
            unsafe { (*guarded).readable = true };
            return;
        }
        // SAFETY: The socket is valid, and its lock is held.
        let queued = unsafe { bindings::iscsi_init_sock_queued(self.socket.sock()) };
        // SAFETY: The lock is held, and the protocol is not borrowed.
        let expected = unsafe { (*guarded).protocol.expected() };
        // SAFETY: The socket is valid, and its lock is held.
        if expected > 0 && queued < expected.min(unsafe { self.batch() }) {
            return;
        }
        // SAFETY: The lock is held, and the protocol is not borrowed.
        if queued > SOFTIRQ_MAX || unsafe { (*guarded).protocol.busy() } {
            // SAFETY: As above.
            unsafe { (*guarded).protocol.defer() };
        } else {
            // SAFETY: The lock is held, and the protocol is not borrowed.
            unsafe { self.read() }
        }
    }

    /// How many bytes are worth reading while more are expected.
    ///
    /// # Safety
    ///
    /// The socket lock is held.
    unsafe fn batch(&self) -> u32 {
        // SAFETY: The socket is valid, and its lock is held.
        if !unsafe { bindings::iscsi_init_sock_open(self.socket.sock()) } {
            return 0;
        }
        // SAFETY: As above.
        unsafe { bindings::iscsi_init_sock_batch(self.socket.sock()) }
    }

    /// There may be space to send again.
    ///
    /// While the protocol is in use this comes from its own sending, which has noticed the
    /// lack of space by itself.
    ///
    /// The stack calls from the midst of its sending. While a thread owns the lock, whoever sends
    /// more takes in what has arrived meanwhile, and with the ACKs among that frees the very
    /// packet that the stack has just sent and goes on to look at. So that is left for a thread
    /// that begins anew.
    ///
    /// # Safety
    ///
    /// The socket lock is held.
    unsafe fn drained(&self) {
        // SAFETY: The lock is held, and no borrow covers this field.
        if unsafe { (*self.guarded.get()).entered } {
            return;
        }
        // SAFETY: The socket is valid, and its lock is held.
        let owned = unsafe { bindings::iscsi_init_sock_owned(self.socket.sock()) };
        let tell = |protocol: &mut P, stream: &mut Stream<'_>| {
            if !stream.writable() {
                return;
            }
            if owned {
                protocol.defer();
            } else {
                protocol.writable(stream);
            }
        };
        // SAFETY: The lock is held, and the protocol is not borrowed.
        unsafe { self.enter(tell) };
        // SAFETY: The lock is held.
        if core::mem::take(unsafe { &mut (*self.guarded.get()).readable }) {
            // SAFETY: The lock is held.
            unsafe { self.arrived() };
        }
    }
}

impl<P: Protocol> Drop for Connection<P> {
    fn drop(&mut self) {
        self.detach();
    }
}

/// The connection that has a socket's callbacks.
///
/// # Safety
///
/// Called by the stack with the lock of `sock` held, for as long as the result is used.
unsafe fn owner<'a, P: Protocol>(sock: *mut bindings::sock) -> Option<&'a Connection<P>> {
    // SAFETY: `sock` is valid.
    let owner = unsafe { bindings::iscsi_init_sock_owner(sock) }.cast::<Connection<P>>();

    // SAFETY: The owner is a connection from `attach` to `detach`, both of which hold the lock.
    unsafe { owner.as_ref() }
}

/// # Safety
///
/// Called by the stack with the socket lock held.
unsafe extern "C" fn data_ready_callback<P: Protocol>(sock: *mut bindings::sock) {
    // SAFETY: By this function's contract.
    if let Some(connection) = unsafe { owner::<P>(sock) } {
        // SAFETY: By this function's contract.
        unsafe { connection.arrived() }
    }
}

/// # Safety
///
/// Called by the stack with the socket lock held.
unsafe extern "C" fn write_space_callback<P: Protocol>(sock: *mut bindings::sock) {
    // SAFETY: By this function's contract.
    if let Some(connection) = unsafe { owner::<P>(sock) } {
        // SAFETY: By this function's contract.
        unsafe { connection.drained() }
    }
}

/// The two directions of a connection, for who holds its lock.
pub(crate) struct Stream<'a> {
    sock: *mut bindings::sock,
    _locked: PhantomData<&'a mut ()>,
}

impl Stream<'_> {
    /// Whether both directions are open.
    pub(crate) fn open(&self) -> bool {
        // SAFETY: The socket is valid, and its lock is held.
        unsafe { bindings::iscsi_init_sock_open(self.sock) }
    }

    /// The error that has ended the connection, told once.
    pub(crate) fn error(&mut self) -> Option<Error> {
        // SAFETY: The socket is valid, and its lock is held.
        let error = unsafe { bindings::iscsi_init_sock_error(self.sock) };
        (error < 0).then(|| Error::from_errno(error))
    }

    fn writable(&self) -> bool {
        // SAFETY: The socket is valid, and its lock is held.
        unsafe { bindings::iscsi_init_sock_writable(self.sock) }
    }

    /// Sends as much of `burst` as there is space for, without copying where the memory allows it;
    /// `more` promises that something follows at once. Returns whether all has gone:
    /// [`Protocol::writable`] tells when there is space again.
    pub(crate) fn send(&mut self, burst: &mut Burst, more: bool) -> Result<bool> {
        while !burst.is_empty() {
            let (array, filled) = burst.as_raw();
            // SAFETY: The socket is valid and its lock is held. `array` has `filled` entries, at
            // least one, which describe valid memory by the invariant of `Burst`; the stack takes
            // references of its own to the pages it keeps.
            let sent = count(unsafe {
                bindings::iscsi_init_sock_send_pages(self.sock, array, filled, more)
            });
            match sent {
                Ok(sent) => burst.advance(sent),
                Err(EAGAIN) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Hands what has been received to `consume`, chunk by chunk, until it takes nothing. What it
    /// leaves of a chunk comes again.
    pub(crate) fn receive<F: FnMut(&mut Chunk<'_>)>(&mut self, consume: F) {
        let mut descriptor = bindings::read_descriptor_t {
            count: 1,
            ..Default::default()
        };
        let mut receiver = Receiver {
            sock: self.sock,
            consume,
        };
        descriptor.arg.data = core::ptr::from_mut(&mut receiver).cast();

        // SAFETY: The socket is a TCP socket whose lock is held; the actor gets `descriptor`,
        // which outlives the call.
        unsafe { bindings::tcp_read_sock(self.sock, &mut descriptor, Some(actor::<F>)) };
    }
}

/// Who receives from which socket.
struct Receiver<F> {
    sock: *mut bindings::sock,
    consume: F,
}

/// # Safety
///
/// Called by `tcp_read_sock` with the descriptor that [`Stream::receive`] made for the same `F`.
unsafe extern "C" fn actor<F: FnMut(&mut Chunk<'_>)>(
    descriptor: *mut bindings::read_descriptor_t,
    packet: *mut bindings::sk_buff,
    offset: u32,
    length: usize,
) -> c_int {
    // SAFETY: The descriptor is valid.
    let receiver = unsafe { (*descriptor).arg.data }.cast::<Receiver<F>>();
    // SAFETY: The descriptor has the receiver that `receive` borrows for the time of the call.
    let receiver = unsafe { &mut *receiver };
    let mut chunk = Chunk {
        sock: receiver.sock,
        packet,
        offset,
        left: u32::try_from(length).unwrap_or(u32::MAX),
        _packet: PhantomData,
    };
    let whole = chunk.left;

    (receiver.consume)(&mut chunk);
    // CAST: A packet is far smaller than 2 GiB.
    whole.saturating_sub(chunk.left) as c_int
}

/// Part of the received byte stream, taken from the front.
pub(crate) struct Chunk<'a> {
    sock: *mut bindings::sock,
    packet: *mut bindings::sk_buff,
    offset: u32,
    left: u32,
    _packet: PhantomData<&'a ()>,
}

impl Chunk<'_> {
    /// The bytes that have not been taken.
    pub(crate) fn len(&self) -> u32 {
        self.left
    }

    /// What has been taken so far ends an answer, so that something will soon be sent that can
    /// acknowledge it.
    pub(crate) fn answered(&mut self) {
        // SAFETY: The socket is valid, and its lock is held while a chunk exists.
        unsafe { bindings::iscsi_init_sock_answered(self.sock) }
    }

    /// Takes at most `length` bytes without looking at them; returns how many.
    pub(crate) fn skip(&mut self, length: u32) -> u32 {
        let length = length.min(self.left);
        self.offset = self.offset.saturating_add(length);
        self.left = self.left.saturating_sub(length);
        length
    }

    /// Takes bytes into `buffer` until it is full or nothing is left; returns how many.
    pub(crate) fn take(&mut self, buffer: &mut [u8]) -> Result<usize> {
        // CAST: 32 bits fit a machine word.
        let length = buffer.len().min(self.left as usize);

        // SAFETY: The packet is valid during the read, and `buffer` has at least `length` writable
        // bytes.
        // CAST: Offset and length lie in one packet, which is far smaller than 2 GiB.
        kernel::error::to_result(unsafe {
            bindings::skb_copy_bits(
                self.packet,
                self.offset as c_int,
                buffer.as_mut_ptr().cast(),
                length as c_int,
            )
        })?;
        Ok(self.skip(length as u32) as usize)
    }

    /// The remainder `crc` after the next `length` bytes, which are not taken, or after all.
    pub(crate) fn crc32c(&self, length: u32, crc: u32) -> u32 {
        // SAFETY: The packet is valid during the read.
        // CAST: Offset and length lie in one packet, which is far smaller than 2 GiB.
        unsafe {
            bindings::skb_crc32c(
                self.packet,
                self.offset as c_int,
                length.min(self.left) as c_int,
                crc,
            )
        }
    }

    /// The packet and the offset in it of what comes next.
    pub(super) fn as_raw(&self) -> (*mut bindings::sk_buff, u32) {
        (self.packet, self.offset)
    }
}
