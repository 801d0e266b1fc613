// SPDX-License-Identifier: GPL-2.0-only

//! UDP, and what the kernel tells of links, addresses and routes by itself.

use super::{
    message,
    Socket, //
};
use crate::linux::bindings;
use core::{
    mem::size_of,
    net::{
        Ipv4Addr,
        SocketAddrV4,
        SocketAddrV6, //
    }, //
};
use kernel::{
    error::to_result,
    ffi::c_int,
    prelude::*, //
};

impl Socket {
    /// A UDP socket that sends and receives on one device, with this port and whatever address the
    /// device has; it may broadcast.
    ///
    /// # Errors
    ///
    /// `EADDRINUSE` where somebody else has the port.
    pub(crate) fn udp(port: u16, device: i32) -> Result<Self> {
        let socket = Self::udp_on(bindings::AF_INET, device)?;

        // SAFETY: The socket is valid.
        unsafe { bindings::iscsi_init_sock_allow_broadcast(socket.sock()) };
        socket.bind(&mut ipv4_address(&SocketAddrV4::new(
            Ipv4Addr::UNSPECIFIED,
            port,
        )))?;
        Ok(socket)
    }

    /// The same with the device's IPv6 addresses.
    ///
    /// # Errors
    ///
    /// `EADDRINUSE` where somebody else has the port.
    pub(crate) fn udp_ipv6(port: u16, device: i32) -> Result<Self> {
        let socket = Self::udp_on(bindings::AF_INET6, device)?;

        socket.bind(&mut bindings::sockaddr_in6 {
            sin6_family: bindings::AF_INET6 as u16,
            sin6_port: port.to_be(),
            ..Default::default()
        })?;
        Ok(socket)
    }

    fn udp_on(family: u32, device: i32) -> Result<Self> {
        let socket = Self::create(family, bindings::sock_type_SOCK_DGRAM, 0)?;

        // SAFETY: The socket is valid; nobody has its lock.
        to_result(unsafe { bindings::sock_bindtoindex(socket.sock(), device, true) })?;
        // SAFETY: As above, and nobody else uses it.
        unsafe { bindings::iscsi_init_sock_take_reserves(socket.sock()) };
        Ok(socket)
    }

    /// A socket that gets a message of each change of a link, an address or a route.
    pub(crate) fn rtnetlink_changes() -> Result<Self> {
        Self::rtnetlink_groups(
            group(bindings::rtnetlink_groups_RTNLGRP_LINK)
                | group(bindings::rtnetlink_groups_RTNLGRP_IPV4_IFADDR)
                | group(bindings::rtnetlink_groups_RTNLGRP_IPV4_ROUTE)
                | group(bindings::rtnetlink_groups_RTNLGRP_IPV6_IFADDR)
                | group(bindings::rtnetlink_groups_RTNLGRP_IPV6_ROUTE),
        )
    }

    /// A socket that gets a message of each option of Neighbor Discovery that the kernel has no use
    /// for itself, as it comes in.
    pub(crate) fn rtnetlink_nd_options() -> Result<Self> {
        Self::rtnetlink_groups(group(bindings::rtnetlink_groups_RTNLGRP_ND_USEROPT))
    }

    fn rtnetlink_groups(groups: u32) -> Result<Self> {
        let socket = Self::netlink_route()?;
        socket.bind(&mut bindings::sockaddr_nl {
            nl_family: bindings::AF_NETLINK as u16,
            nl_groups: groups,
            ..Default::default()
        })?;
        Ok(socket)
    }

    pub(super) fn bind<A>(&self, address: &mut A) -> Result {
        // SAFETY: The socket is valid, and `address` is a socket address of the given size.
        to_result(unsafe {
            bindings::kernel_bind(
                self.as_ptr(),
                core::ptr::from_mut(address).cast(),
                size_of::<A>() as c_int,
            )
        })
    }

    /// Sends one datagram.
    pub(crate) fn send_to(&self, data: &[u8], to: &SocketAddrV4) -> Result {
        self.send_to_raw(data, &mut ipv4_address(to))
    }

    /// Sends one datagram to an IPv6 address.
    pub(crate) fn send_to_ipv6(&self, data: &[u8], to: &SocketAddrV6) -> Result {
        self.send_to_raw(data, &mut ipv6_address(to))
    }

    fn send_to_raw<A>(&self, data: &[u8], address: &mut A) -> Result {
        let mut message = message();
        message.msg_name = core::ptr::from_mut(address).cast();
        message.msg_namelen = size_of::<A>() as c_int;
        self.send_message(data, &mut message).map(|_| ())
    }

    /// Receives one datagram, and tells where it came from.
    pub(crate) fn receive_datagram(&self, buffer: &mut [u8]) -> Result<(usize, SocketAddrV4)> {
        let mut address = bindings::sockaddr_in::default();
        let length = self.receive_raw(buffer, &mut address)?;
        let ip = Ipv4Addr::from_bits(u32::from_be(address.sin_addr.s_addr));
        let from = SocketAddrV4::new(ip, u16::from_be(address.sin_port));
        Ok((length, from))
    }

    /// Receives one datagram of IPv6, and tells where it came from.
    pub(crate) fn receive_ipv6_datagram(&self, buffer: &mut [u8]) -> Result<(usize, SocketAddrV6)> {
        let mut address = bindings::sockaddr_in6::default();
        let length = self.receive_raw(buffer, &mut address)?;
        // SAFETY: All of the union's members are plain bytes, of the same size.
        let octets = unsafe { address.sin6_addr.in6_u.u6_addr8 };
        let port = u16::from_be(address.sin6_port);
        let scope = address.sin6_scope_id;
        Ok((length, SocketAddrV6::new(octets.into(), port, 0, scope)))
    }

    fn receive_raw<A>(&self, buffer: &mut [u8], address: &mut A) -> Result<usize> {
        let mut message = message();
        message.msg_name = core::ptr::from_mut(address).cast();
        message.msg_namelen = size_of::<A>() as c_int;
        self.receive_message(buffer, &mut message)
    }
}

/// The bit of a group whose messages are wanted.
const fn group(number: bindings::rtnetlink_groups) -> u32 {
    1 << (number - 1)
}

pub(super) fn ipv4_address(of: &SocketAddrV4) -> bindings::sockaddr_in {
    bindings::sockaddr_in {
        sin_family: bindings::AF_INET as u16,
        sin_port: of.port().to_be(),
        sin_addr: bindings::in_addr {
            s_addr: u32::from(*of.ip()).to_be(),
        },
        ..Default::default()
    }
}

pub(super) fn ipv6_address(of: &SocketAddrV6) -> bindings::sockaddr_in6 {
    let mut address = bindings::sockaddr_in6 {
        sin6_family: bindings::AF_INET6 as u16,
        sin6_port: of.port().to_be(),
        sin6_scope_id: of.scope_id(),
        ..Default::default()
    };
    address.sin6_addr.in6_u.u6_addr8 = of.ip().octets();
    address
}

#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
#[kunit_tests(iscsi_init_datagram)]
mod tests {
    use super::{
        super::loopback::{
            Loopback,
            DEADLINE,
            DEVICE, //
        },
        *,
    };
    use crate::linux::errno::EADDRINUSE;
    use core::net::Ipv6Addr;

    /// Ports for the tests' own use (RFC 6335 section 6).
    const PORT: u16 = 50_068;
    const LOCALHOST: Ipv4Addr = Ipv4Addr::LOCALHOST;

    #[test]
    fn a_datagram_arrives_and_says_where_it_is_from() -> Result {
        let _up = Loopback::new()?;
        let here = Socket::udp(PORT, DEVICE)?;
        let there = Socket::udp(PORT + 1, DEVICE)?;
        let mut buffer = [0; 16];

        here.set_timeout(DEADLINE);
        there.send_to(b"datagram", &SocketAddrV4::new(LOCALHOST, PORT))?;
        let (length, from) = here.receive_datagram(&mut buffer)?;
        assert_eq!(&buffer[..length], b"datagram");
        assert_eq!(from, SocketAddrV4::new(LOCALHOST, PORT + 1));
        Ok(())
    }

    #[test]
    fn a_datagram_of_ipv6_arrives_and_says_where_it_is_from() -> Result {
        let _up = Loopback::new()?;
        let here = Socket::udp_ipv6(PORT, DEVICE)?;
        let there = Socket::udp_ipv6(PORT + 1, DEVICE)?;
        let mut buffer = [0; 16];

        here.set_timeout(DEADLINE);
        let address = |port| SocketAddrV6::new(Ipv6Addr::LOCALHOST, port, 0, 0);
        there.send_to_ipv6(b"datagram", &address(PORT))?;
        let (length, from) = here.receive_ipv6_datagram(&mut buffer)?;
        assert_eq!(&buffer[..length], b"datagram");
        assert_eq!(from, address(PORT + 1));
        assert_eq!(Socket::udp_ipv6(PORT, DEVICE).err(), Some(EADDRINUSE));
        Ok(())
    }

    #[test]
    fn a_port_is_one_sockets() -> Result {
        let _up = Loopback::new()?;
        let here = Socket::udp(PORT, DEVICE)?;
        let second = Socket::udp(PORT, DEVICE).err();
        drop(here);
        assert_eq!(second, Some(EADDRINUSE));
        assert!(Socket::udp(PORT, DEVICE).is_ok());
        Ok(())
    }

    #[test]
    fn a_change_of_a_link_is_told() -> Result {
        let changes = Socket::rtnetlink_changes()?;
        changes.set_timeout(DEADLINE);
        let _up = Loopback::new()?;
        assert!(changes.receive(&mut [0; 4_096])? > 0);
        Ok(())
    }
}
