// SPDX-License-Identifier: GPL-2.0-only

//! What tests need to talk to themselves: the loopback device, and the side of
//! a connection that waits.

use super::{
    bindings,
    Socket, //
};
use core::{
    net::{
        Ipv4Addr,
        SocketAddr, //
    },
    ptr::NonNull, //
};
use kernel::{
    error::to_result,
    ffi::c_int,
    prelude::*, //
};

/// The number of the loopback device, the first that the kernel makes.
pub(in crate::linux) const DEVICE: i32 = 1;

/// How long a test waits for what comes at once, in milliseconds.
pub(in crate::linux) const DEADLINE: u64 = 120_000;

/// The loopback device, up while this lives.
pub(in crate::linux) struct Loopback(Socket);

impl Loopback {
    pub(in crate::linux) fn new() -> Result<Self> {
        let socket = Socket::rtnetlink()?;

        socket.set_timeout(DEADLINE);
        set_up(&socket, DEVICE, true)?;
        Ok(Self(socket))
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        let _ = set_up(&self.0, DEVICE, false);
    }
}

/// Has a device brought up or down, and gives the kernel's answer.
pub(super) fn set_up(socket: &Socket, device: i32, up: bool) -> Result {
    /// `RTM_NEWLINK`, with `NLM_F_REQUEST` and `NLM_F_ACK` in the upper half.
    const REQUEST: u32 = 16 | 5 << 16;
    /// `NLMSG_ERROR`.
    const ANSWER: u32 = 2;
    /// `IFF_UP`.
    const UP: u32 = 1;

    let flags = if up { UP } else { 0 };
    let request = [32, REQUEST, 7, 0, 0, device as u32, flags, UP];
    socket.send_all(request.map(u32::to_ne_bytes).as_flattened())?;

    let mut answer = [[0; 4]; 64];
    let length = socket.receive(answer.as_flattened_mut())?;
    let [_, kind, sequence, _, error, ..] = answer.map(u32::from_ne_bytes);
    if length < 20 || kind & 0xffff != ANSWER || sequence != 7 {
        return Err(EINVAL);
    }
    to_result(error as i32)
}

/// A TCP socket that waits for connections on a free port of the loopback device.
pub(in crate::linux) struct Listener {
    socket: Socket,
    address: SocketAddr,
}

impl Listener {
    /// Waits, and has room for one connection that nobody has accepted.
    pub(in crate::linux) fn new() -> Result<Self> {
        let socket = Socket::create(bindings::AF_INET, bindings::sock_type_SOCK_STREAM, 0)?;
        let mut address = bindings::sockaddr_in {
            sin_family: bindings::AF_INET as u16,
            sin_addr: bindings::in_addr {
                s_addr: u32::from(Ipv4Addr::LOCALHOST).to_be(),
            },
            ..Default::default()
        };
        let raw = core::ptr::from_mut(&mut address);

        socket.set_timeout(DEADLINE);
        // SAFETY: The socket is valid, and the address is one of that size.
        to_result(unsafe {
            bindings::kernel_bind(
                socket.as_ptr(),
                raw.cast(),
                size_of::<bindings::sockaddr_in>() as c_int,
            )
        })?;
        // SAFETY: The socket is valid.
        to_result(unsafe { bindings::kernel_listen(socket.as_ptr(), 0) })?;
        // SAFETY: The socket is valid, and the address has room for one of its family.
        let length = unsafe { bindings::kernel_getsockname(socket.as_ptr(), raw.cast()) };
        to_result(length.min(0))?;
        let port = u16::from_be(address.sin_port);
        Ok(Self {
            socket,
            address: (Ipv4Addr::LOCALHOST, port).into(),
        })
    }

    /// Where it waits.
    pub(in crate::linux) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts a connection.
    pub(in crate::linux) fn accept(&self) -> Result<Socket> {
        let mut accepted = core::ptr::null_mut();

        // SAFETY: The socket is valid, and `accepted` is writable.
        to_result(unsafe { bindings::kernel_accept(self.socket.as_ptr(), &mut accepted, 0) })?;
        let socket = Socket {
            socket: NonNull::new(accepted).ok_or(ENOMEM)?,
            file: None,
        };
        socket.set_timeout(DEADLINE);
        Ok(socket)
    }
}

/// Both ends of a connection: the one under test, and its peer.
pub(in crate::linux) fn pair() -> Result<(Socket, Socket)> {
    let listener = Listener::new()?;
    let socket = Socket::tcp(&listener.address())?;

    socket.set_timeout(DEADLINE);
    socket.connect(&listener.address())?;
    Ok((socket, listener.accept()?))
}

/// Receives as many bytes as `buffer` has, or all that there are until the peer
/// closes; gives their number.
pub(in crate::linux) fn receive_all(socket: &Socket, buffer: &mut [u8]) -> Result<usize> {
    let mut length = 0;

    while length < buffer.len() {
        match socket.receive(&mut buffer[length..])? {
            0 => break,
            count => length += count,
        }
    }
    Ok(length)
}
