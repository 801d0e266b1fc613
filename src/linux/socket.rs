// SPDX-License-Identifier: GPL-2.0-only

//! Sockets used from process context, each call bounded by the socket's time limit.
//!
//! C header: [`include/linux/net.h`](srctree/include/linux/net.h)

use super::bindings;
use core::{
    mem::{
        size_of,
        MaybeUninit, //
    },
    net::SocketAddr,
    ptr::NonNull, //
};
use kernel::{
    error::{
        from_err_ptr,
        to_result, //
    },
    ffi::c_int,
    prelude::*, //
};

mod datagram;
#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
pub(super) mod loopback;
mod packet;

/// An open socket of the machine's first network name space.
pub(crate) struct Socket {
    socket: NonNull<bindings::socket>,
    // Set when a file owns the socket; then the file is what gets released.
    file: Option<NonNull<bindings::file>>,
}

// SAFETY: A socket has its own lock and may be used and released from any thread.
unsafe impl Send for Socket {}
// SAFETY: As above.
unsafe impl Sync for Socket {}

impl Socket {
    fn create(family: u32, kind: bindings::sock_type, protocol: u32) -> Result<Self> {
        // SAFETY: Any combination of numbers is allowed; what the kernel does not know it refuses.
        let socket = from_err_ptr(unsafe {
            bindings::iscsi_init_socket_create(family as c_int, kind as c_int, protocol as c_int)
        })?;
        Ok(Self {
            socket: NonNull::new(socket).ok_or(ENOMEM)?,
            file: None,
        })
    }

    /// A TCP socket that can connect to `peer`, and that works for a disk: it does not wait for
    /// memory, nor to fill its packets.
    ///
    /// # Errors
    ///
    /// `EAFNOSUPPORT`: the kernel does no IPv6, or not now. Others are the kernel's.
    pub(crate) fn tcp(peer: &SocketAddr) -> Result<Self> {
        let family = match peer {
            SocketAddr::V4(_) => bindings::AF_INET,
            SocketAddr::V6(_) => bindings::AF_INET6,
        };
        let socket = Self::create(family, bindings::sock_type_SOCK_STREAM, 0)?;

        // SAFETY: The socket is a TCP socket that nobody else uses.
        unsafe { bindings::iscsi_init_sock_prepare(socket.sock()) };
        Ok(socket)
    }

    /// A socket of rtnetlink. What it receives may have been made of the memory reserves.
    fn netlink_route() -> Result<Self> {
        let socket = Self::create(
            bindings::AF_NETLINK,
            bindings::sock_type_SOCK_RAW,
            bindings::NETLINK_ROUTE,
        )?;

        // SAFETY: The socket is valid, and nobody else uses it.
        unsafe { bindings::iscsi_init_sock_take_reserves(socket.sock()) };
        Ok(socket)
    }

    /// A socket that talks rtnetlink to the kernel, with the rights of whoever opens it.
    pub(crate) fn rtnetlink() -> Result<Self> {
        let mut socket = Self::netlink_route()?;
        // The check for the right to change the network reads the credentials of the socket's file.
        // SAFETY: The socket has no file yet.
        let file = unsafe { bindings::iscsi_init_socket_file(socket.as_ptr()) };
        match from_err_ptr(file) {
            Ok(file) => {
                socket.file = NonNull::new(file);
                Ok(socket)
            }
            Err(error) => {
                // The failed call has released the socket.
                core::mem::forget(socket);
                Err(error)
            }
        }
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::socket {
        self.socket.as_ptr()
    }

    /// The protocol's half of the socket, valid as long as `self`.
    pub(super) fn sock(&self) -> *mut bindings::sock {
        // SAFETY: The socket is valid, and a socket that was created has this
        // half until it is released.
        unsafe { (*self.as_ptr()).sk }
    }

    /// Limits each following call to `milliseconds`, or one jiffy where that is longer.
    pub(crate) fn set_timeout(&self, milliseconds: u64) {
        let milliseconds = u32::try_from(milliseconds).unwrap_or(u32::MAX);

        // SAFETY: The socket is valid.
        unsafe { bindings::iscsi_init_socket_timeout(self.as_ptr(), milliseconds) }
    }

    /// Connects to `peer`.
    ///
    /// # Errors
    ///
    /// `EINPROGRESS`: there was no answer in time. Others are the kernel's, such as `ECONNREFUSED`.
    pub(crate) fn connect(&self, peer: &SocketAddr) -> Result {
        match peer {
            SocketAddr::V4(peer) => self.connect_raw(&mut datagram::ipv4_address(peer)),
            SocketAddr::V6(peer) => self.connect_raw(&mut datagram::ipv6_address(peer)),
        }
    }

    fn connect_raw<A>(&self, address: &mut A) -> Result {
        // SAFETY: The socket is valid, and `address` is a socket address of the given size.
        to_result(unsafe {
            bindings::kernel_connect(
                self.as_ptr(),
                core::ptr::from_mut(address).cast(),
                size_of::<A>() as c_int,
                0,
            )
        })
    }

    /// Sends all of `data` on a connected or netlink socket.
    ///
    /// # Errors
    ///
    /// `EAGAIN`: there was no room in time; part of `data` may have gone. Others are the kernel's.
    pub(crate) fn send_all(&self, mut data: &[u8]) -> Result {
        while !data.is_empty() {
            let sent = self.send_message(data, &mut message())?;
            data = data.get(sent..).unwrap_or_default();
        }
        Ok(())
    }

    /// Receives at least one byte; none, when the peer has closed.
    ///
    /// # Errors
    ///
    /// `EAGAIN`: nothing came in time. Others are the kernel's.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> Result<usize> {
        self.receive_message(buffer, &mut message())
    }

    fn send_message(&self, data: &[u8], message: &mut bindings::msghdr) -> Result<usize> {
        let mut piece = bindings::kvec {
            iov_base: data.as_ptr().cast_mut().cast(),
            iov_len: data.len(),
        };

        // SAFETY: The socket is valid, `message` names at most an address that outlives the call,
        // and `piece` is `data`, which sending only reads.
        count(unsafe {
            bindings::kernel_sendmsg(self.as_ptr(), message, &mut piece, 1, data.len())
        })
    }

    fn receive_message(&self, buffer: &mut [u8], message: &mut bindings::msghdr) -> Result<usize> {
        let mut piece = bindings::kvec {
            iov_base: buffer.as_mut_ptr().cast(),
            iov_len: buffer.len(),
        };

        // SAFETY: The socket is valid, `message` names at most an address that outlives the call
        // and is writable, and `piece` is `buffer`, which is writable.
        count(unsafe {
            bindings::kernel_recvmsg(self.as_ptr(), message, &mut piece, 1, buffer.len(), 0)
        })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        match self.file {
            // SAFETY: The file owns the socket, and its reference is ours.
            Some(file) => unsafe { bindings::fput(file.as_ptr()) },
            None => {
                // SAFETY: The socket is valid.
                unsafe { bindings::iscsi_init_sock_retire(self.sock()) };
                // SAFETY: The socket is ours and is released once.
                unsafe { bindings::sock_release(self.as_ptr()) }
            }
        }
    }
}

/// A message without address or control data.
fn message() -> bindings::msghdr {
    let mut message = MaybeUninit::<bindings::msghdr>::zeroed();

    // SAFETY: `message` is writable, and the flag is a plain number in it.
    unsafe { (*message.as_mut_ptr()).msg_flags = bindings::MSG_NOSIGNAL };
    // SAFETY: All zeroes is a message that names nothing.
    unsafe { message.assume_init() }
}

/// A C result that is a count or a negative errno.
pub(super) fn count(result: c_int) -> Result<usize> {
    usize::try_from(result).map_err(|_| Error::from_errno(result))
}

#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
#[kunit_tests(iscsi_init_socket)]
mod tests {
    use super::{
        loopback::{
            pair,
            receive_all,
            set_up,
            Listener,
            Loopback,
            DEADLINE,
            DEVICE, //
        },
        *,
    };
    use crate::linux::errno::{
        ECONNREFUSED,
        EINPROGRESS, //
    };
    use core::net::Ipv6Addr;

    /// Milliseconds that nothing comes in.
    const SHORT: u64 = 50;

    #[test]
    fn a_connection_carries_bytes_both_ways_until_it_is_closed() -> Result {
        let _up = Loopback::new()?;
        let (socket, peer) = pair()?;
        let mut buffer = [0; 16];

        socket.send_all(b"question")?;
        assert_eq!(receive_all(&peer, &mut buffer[..8])?, 8);
        assert_eq!(&buffer[..8], b"question");
        peer.send_all(b"answer")?;
        drop(peer);
        assert_eq!(receive_all(&socket, &mut buffer)?, 6);
        assert_eq!(&buffer[..6], b"answer");
        assert_eq!(socket.receive(&mut buffer)?, 0);
        Ok(())
    }

    #[test]
    fn more_than_fits_is_sent_whole() -> Result {
        const LENGTH: usize = 4 << 20;
        let _up = Loopback::new()?;
        let (socket, peer) = pair()?;
        let mut sent = KVVec::with_capacity(LENGTH, GFP_KERNEL)?;
        for index in 0..LENGTH {
            sent.push((index % 251) as u8, GFP_KERNEL)?;
        }
        let mut received = KVVec::from_elem(0u8, LENGTH, GFP_KERNEL)?;

        let sending = crate::linux::testing::in_thread(move || socket.send_all(&sent))?;
        let length = receive_all(&peer, &mut received)?;
        drop(sending);
        assert_eq!(length, LENGTH);
        let wrong = received.iter().enumerate();
        assert_eq!(
            wrong
                .filter(|(at, byte)| at % 251 != usize::from(**byte))
                .count(),
            0
        );
        Ok(())
    }

    #[test]
    fn a_port_where_nobody_listens_refuses() -> Result {
        let _up = Loopback::new()?;
        let address = Listener::new()?.address();
        let socket = Socket::tcp(&address)?;
        assert_eq!(socket.connect(&address), Err(ECONNREFUSED));

        let address = SocketAddr::from((Ipv6Addr::LOCALHOST, address.port()));
        let socket = Socket::tcp(&address)?;
        assert_eq!(socket.connect(&address), Err(ECONNREFUSED));
        Ok(())
    }

    #[test]
    fn each_call_ends_with_its_time() -> Result {
        let _up = Loopback::new()?;
        let (socket, _peer) = pair()?;
        socket.set_timeout(SHORT);
        assert_eq!(socket.receive(&mut [0; 8]), Err(EAGAIN));
        // Nobody receives; so much no socket takes.
        let data = KVec::from_elem(0, 1 << 20, GFP_KERNEL)?;
        let result = (0..64).try_for_each(|_| socket.send_all(&data));
        assert_eq!(result, Err(EAGAIN));

        let listener = Listener::new()?;
        let first = Socket::tcp(&listener.address())?;
        first.set_timeout(DEADLINE);
        first.connect(&listener.address())?;
        // There is no room for a second one that nobody accepts.
        let second = Socket::tcp(&listener.address())?;
        second.set_timeout(SHORT);
        assert_eq!(second.connect(&listener.address()), Err(EINPROGRESS));
        Ok(())
    }

    // With lockdep the bindings look for this field elsewhere in `struct sock`; only this reads it.
    #[cfg(not(CONFIG_LOCKDEP))]
    #[test]
    fn a_socket_for_a_disk_does_not_wait_for_memory() -> Result {
        use kernel::bindings::{
            ___GFP_DIRECT_RECLAIM_BIT,
            ___GFP_MEMALLOC_BIT, //
        };
        let address = SocketAddr::from(([127, 0, 0, 1], 1));
        let socket = Socket::tcp(&address)?;
        // SAFETY: The socket is valid, and nobody else uses it.
        let sock = unsafe { &*socket.sock() };
        assert_eq!(sock.sk_allocation >> ___GFP_DIRECT_RECLAIM_BIT & 1, 0);
        assert_eq!(sock.sk_allocation >> ___GFP_MEMALLOC_BIT & 1, 1);
        assert!(!sock.sk_use_task_frag);

        for socket in [socket, Socket::rtnetlink()?, Socket::rtnetlink_changes()?] {
            // SAFETY: The socket is valid, and nobody else uses it.
            let sock = unsafe { &*socket.sock() };
            // SAFETY: Of a socket the union has the flags.
            let flags = unsafe { sock.__sk_common.__bindgen_anon_5.skc_flags };
            assert_eq!(flags >> bindings::sock_flags_SOCK_MEMALLOC & 1, 1);
        }
        Ok(())
    }

    #[test]
    fn rtnetlink_does_what_root_may_and_says_why_not() -> Result {
        let socket = Socket::rtnetlink()?;
        socket.set_timeout(DEADLINE);
        set_up(&socket, DEVICE, true)?;
        set_up(&socket, DEVICE, false)?;
        assert_eq!(set_up(&socket, i32::MAX, true), Err(ENODEV));
        Ok(())
    }
}
