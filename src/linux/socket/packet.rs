// SPDX-License-Identifier: GPL-2.0-only

//! Packets as they are on a link, and which of them a socket gets.

use super::{
    message,
    Socket, //
};
use crate::linux::bindings;
use core::mem::size_of;
use kernel::{
    error::to_result,
    ffi::c_int,
    prelude::*, //
};

/// The Ethernet types of IPv4 and ARP, for packet sockets.
const ETH_P_IP: u16 = bindings::ETH_P_IP as u16;
const ETH_P_ARP: u16 = bindings::ETH_P_ARP as u16;

/// An instruction of classic BPF: code, jump if true, jump if false, operand.
pub(crate) type Instruction = (u16, u8, u8, u32);

/// The length of the longest filter.
const INSTRUCTIONS: usize = 16;

impl Socket {
    /// A socket that sends and receives IPv4 packets without the link's header, on this `device`
    /// or on any. Of those that come in it gets what `filter` accepts, a program of classic BPF.
    pub(crate) fn ipv4_packets(device: Option<i32>, filter: &[Instruction]) -> Result<Self> {
        Self::packets(ETH_P_IP, device, filter)
    }

    /// The same for ARP packets, on this device.
    pub(crate) fn arp_packets(device: i32, filter: &[Instruction]) -> Result<Self> {
        Self::packets(ETH_P_ARP, Some(device), filter)
    }

    fn packets(protocol: u16, device: Option<i32>, filter: &[Instruction]) -> Result<Self> {
        // Without a protocol nothing comes in before it would be filtered.
        let socket = Self::create(bindings::AF_PACKET, bindings::sock_type_SOCK_DGRAM, 0)?;

        socket.accept_only(filter)?;
        socket.bind(&mut bindings::sockaddr_ll {
            sll_family: bindings::AF_PACKET as u16,
            sll_protocol: protocol.to_be(),
            // 0 is any.
            sll_ifindex: device.unwrap_or_default(),
            ..Default::default()
        })?;
        Ok(socket)
    }

    /// Gives a new socket its filter.
    fn accept_only(&self, filter: &[Instruction]) -> Result {
        let mut program = [bindings::sock_filter::default(); INSTRUCTIONS];
        let program = program.get_mut(..filter.len()).ok_or(E2BIG)?;

        for (to, &(code, jt, jf, k)) in program.iter_mut().zip(filter) {
            *to = bindings::sock_filter { code, jt, jf, k };
        }
        // SAFETY: The socket is valid, has no filter yet, and nobody else uses it; the program is
        // readable for its length, which fits, and is only read.
        to_result(unsafe {
            bindings::iscsi_init_sock_filter(self.sock(), program.as_ptr(), program.len() as u16)
        })
    }

    /// Broadcasts an IPv4 `packet` on the Ethernet device with this index.
    pub(crate) fn broadcast(&self, packet: &[u8], device: i32) -> Result {
        self.broadcast_as(ETH_P_IP, packet, device)
    }

    /// Broadcasts an ARP `packet` on the Ethernet device with this index.
    pub(crate) fn broadcast_arp(&self, packet: &[u8], device: i32) -> Result {
        self.broadcast_as(ETH_P_ARP, packet, device)
    }

    fn broadcast_as(&self, protocol: u16, packet: &[u8], device: i32) -> Result {
        let mut address = bindings::sockaddr_ll {
            sll_family: bindings::AF_PACKET as u16,
            sll_protocol: protocol.to_be(),
            sll_ifindex: device,
            sll_halen: 6,
            sll_addr: [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0],
            ..Default::default()
        };
        let mut message = message();
        message.msg_name = core::ptr::from_mut(&mut address).cast();
        message.msg_namelen = size_of::<bindings::sockaddr_ll>() as c_int;
        self.send_message(packet, &mut message).map(|_| ())
    }

    /// Receives one packet and the index of the device it came from.
    pub(crate) fn receive_from(&self, buffer: &mut [u8]) -> Result<(usize, i32)> {
        let mut address = LinkAddress::default();
        let mut message = message();
        message.msg_name = core::ptr::from_mut(&mut address).cast();
        message.msg_namelen = size_of::<LinkAddress>() as c_int;
        let length = self.receive_message(buffer, &mut message)?;
        Ok((length, address.address.sll_ifindex))
    }
}

/// A link-layer address with the room of the longest there is: the kernel stores as much
/// as the device's type has.
#[repr(C)]
struct LinkAddress {
    address: bindings::sockaddr_ll,
    _room: [u8; 64],
}

impl Default for LinkAddress {
    fn default() -> Self {
        Self {
            address: bindings::sockaddr_ll::default(),
            _room: [0; 64],
        }
    }
}

#[cfg(CONFIG_ISCSI_INIT_KUNIT_TEST)]
#[kunit_tests(iscsi_init_packet)]
mod tests {
    use super::{
        super::loopback::{
            Loopback,
            DEADLINE,
            DEVICE, //
        },
        *,
    };
    use crate::linux::errno::ENETDOWN;

    /// Milliseconds that nothing comes in.
    const SHORT: u64 = 50;
    /// Accepts all there is: `BPF_RET`.
    const ALL: [Instruction; 1] = [(0x06, 0, 0, u32::MAX)];
    /// IPv4, a protocol number for experiments (RFC 3692), from nowhere to everywhere.
    const PACKET: [u8; 28] =
        *b"\x45\0\0\x1c\0\0\0\0\x40\xfd\x7a\xd2\0\0\0\0\xff\xff\xff\xffunittest";

    #[test]
    fn a_broadcast_packet_comes_back_with_the_number_of_its_device() -> Result {
        let up = Loopback::new()?;
        let socket = Socket::ipv4_packets(None, &ALL)?;
        let mut buffer = [0; 64];

        socket.set_timeout(DEADLINE);
        socket.broadcast(&PACKET, DEVICE)?;
        // Whatever else is on the device comes too.
        let (length, device) = loop {
            let (length, device) = socket.receive_from(&mut buffer)?;
            if buffer[..length].ends_with(b"unittest") {
                break (length, device);
            }
        };
        assert_eq!(&buffer[..length], &PACKET);
        assert_eq!(device, DEVICE);
        assert_eq!(socket.broadcast(&PACKET, i32::MAX), Err(ENXIO));
        drop(up);
        assert_eq!(socket.broadcast(&PACKET, DEVICE), Err(ENETDOWN));
        Ok(())
    }

    #[test]
    fn no_packet_is_a_time_out() -> Result {
        let socket = Socket::ipv4_packets(None, &ALL)?;
        socket.set_timeout(SHORT);
        assert_eq!(socket.receive_from(&mut [0; 8]), Err(EAGAIN));
        Ok(())
    }

    #[test]
    fn a_filter_keeps_out_what_it_does_not_accept() -> Result {
        let _up = Loopback::new()?;
        let sender = Socket::ipv4_packets(Some(DEVICE), &ALL)?;
        // Accepts what has 'u' behind its header: BPF_LD | BPF_B | BPF_ABS, BPF_JMP | BPF_JEQ.
        let filter = [
            (0x30, 0, 0, 20),
            (0x15, 0, 1, u32::from(b'u')),
            ALL[0],
            (0x06, 0, 0, 0),
        ];
        let socket = Socket::ipv4_packets(Some(DEVICE), &filter)?;
        let mut other = PACKET;
        let mut buffer = [0; 64];

        other[20] = b'U';
        socket.set_timeout(DEADLINE);
        for packet in [&other, &PACKET, &other] {
            sender.broadcast(packet, DEVICE)?;
        }
        let (length, _) = socket.receive_from(&mut buffer)?;
        assert_eq!(&buffer[..length], &PACKET);
        socket.set_timeout(SHORT);
        assert_eq!(socket.receive_from(&mut buffer), Err(EAGAIN));
        Ok(())
    }

    #[test]
    fn a_program_that_is_none_is_refused() {
        for filter in [
            &[][..],
            &[(0xffff, 0, 0, 0)],
            &[(0x06, 0, 0, 0); INSTRUCTIONS + 1],
        ] {
            assert!(Socket::ipv4_packets(None, filter).is_err());
        }
    }
}
