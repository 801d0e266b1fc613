// SPDX-License-Identifier: GPL-2.0-only

//! A BOOTP message (RFC 951, RFC 2131 section 2) in UDP (RFC 768) in IPv4 (RFC 791).
//!
//! While the device has no address, the messages do not go through a UDP socket but whole, headers
//! included, through a packet socket.

use core::{
    fmt,
    net::Ipv4Addr, //
};

use zerocopy::{
    big_endian::{
        U16,
        U32, //
    },
    FromBytes,
    IntoBytes, //
};
use zerocopy_derive::{
    FromBytes,
    Immutable,
    IntoBytes,
    KnownLayout,
    Unaligned, //
};

use crate::proto::{
    bytes::Writer,
    config::text::Text,
    dhcp::options::{
        Code,
        Options, //
    }, //
};

/// The length in bytes of the longest packet that the client sends.
pub const SENT_LENGTH: usize = size_of::<Headers>() + OPTIONS_LENGTH;

/// Where the message begins in such a packet, for a UDP socket, which makes the headers itself.
pub const MESSAGE_OFFSET: usize = size_of::<Ipv4>() + size_of::<Udp>();

/// The room for options: a packet with all of them is no fragment on any link of Ethernet.
pub(crate) const OPTIONS_LENGTH: usize = 700;

/// The bytes of options that every message has: it is 300 bytes long then, the shortest that relay
/// agents pass on (RFC 1542 section 2.1).
const OPTIONS_MIN: usize = 300 - size_of::<Message>();

/// The UDP port of servers.
pub const SERVER_PORT: u16 = 67;
/// The UDP port of clients.
pub const CLIENT_PORT: u16 = 68;
/// The protocol number of UDP.
const UDP: u8 = 17;
/// A message from a client.
const BOOTREQUEST: u8 = 1;
/// A message from a server.
const BOOTREPLY: u8 = 2;
/// The hardware type of Ethernet, and the length of its addresses.
const ETHERNET: (u8, u8) = (1, 6);

/// The IPv4 header without options (RFC 791 section 3.1).
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct Ipv4 {
    /// The version (4) and the header's length in words of 4 bytes.
    version_ihl: u8,
    tos: u8,
    /// The length of the packet in bytes, this header included.
    total_length: U16,
    identification: U16,
    /// Three flags, and where in the whole packet this fragment is, in units of 8 bytes.
    flags_fragment: U16,
    ttl: u8,
    protocol: u8,
    checksum: U16,
    source: [u8; 4],
    destination: [u8; 4],
}

/// The UDP header (RFC 768).
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct Udp {
    source: U16,
    destination: U16,
    /// The length in bytes, this header included.
    length: U16,
    /// Over a pseudo header, this header and the data; 0 is none.
    checksum: U16,
}

/// The fixed part of a BOOTP message (RFC 2131 section 2), with the names of the RFC.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct Message {
    op: u8,
    htype: u8,
    hlen: u8,
    hops: u8,
    xid: U32,
    secs: U16,
    flags: U16,
    ciaddr: [u8; 4],
    yiaddr: [u8; 4],
    siaddr: [u8; 4],
    giaddr: [u8; 4],
    chaddr: [u8; 16],
    sname: [u8; 64],
    file: [u8; 128],
}

/// All headers of a packet that the client sends.
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned)]
#[repr(C)]
struct Headers {
    ipv4: Ipv4,
    udp: Udp,
    message: Message,
}

const _: () =
    assert!(size_of::<Ipv4>() == 20 && size_of::<Udp>() == 8 && size_of::<Message>() == 236);

/// What a message says of the client that it is from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender {
    /// Its Ethernet address.
    pub(crate) mac: [u8; 6],
    /// The transaction.
    pub(crate) xid: u32,
    /// The time in seconds since it began to ask.
    pub(crate) secs: u16,
    /// The address that it has and answers to, or 0.0.0.0.
    pub(crate) address: Ipv4Addr,
}

/// Writes the packet that broadcasts a message of a client.
///
/// `options` are the options with their cookie and end. `None`, when `buffer` has no room;
/// [`SENT_LENGTH`] bytes are enough.
pub(crate) fn write(buffer: &mut [u8], sender: &Sender, options: &[u8]) -> Option<usize> {
    const PADDING: [u8; OPTIONS_MIN] = [Code::PAD.0; OPTIONS_MIN];
    const DO_NOT_FRAGMENT: U16 = U16::new(0x4000);

    let padding = PADDING.get(options.len()..).unwrap_or_default();
    let length = size_of::<Headers>()
        .checked_add(options.len())?
        .checked_add(padding.len())?;
    let field = |behind: usize| {
        let length = length.checked_sub(behind)?;
        u16::try_from(length).ok().map(U16::new)
    };
    let mut chaddr = [0; 16];
    chaddr.first_chunk_mut().map(|slot| *slot = sender.mac)?;
    let (htype, hlen) = ETHERNET;
    let mut headers = Headers {
        ipv4: Ipv4 {
            version_ihl: 0x45,
            tos: 0,
            total_length: field(0)?,
            identification: U16::ZERO,
            flags_fragment: DO_NOT_FRAGMENT,
            ttl: 64,
            protocol: UDP,
            checksum: U16::ZERO,
            source: Ipv4Addr::UNSPECIFIED.octets(),
            destination: Ipv4Addr::BROADCAST.octets(),
        },
        udp: Udp {
            source: U16::new(CLIENT_PORT),
            destination: U16::new(SERVER_PORT),
            length: field(size_of::<Ipv4>())?,
            checksum: U16::ZERO,
        },
        message: Message {
            op: BOOTREQUEST,
            htype,
            hlen,
            hops: 0,
            xid: U32::new(sender.xid),
            secs: U16::new(sender.secs),
            // The broadcast flag stays clear, as ipconfig's does: a packet socket takes
            // unicast to this MAC address.
            flags: U16::ZERO,
            ciaddr: sender.address.octets(),
            yiaddr: [0; 4],
            siaddr: [0; 4],
            giaddr: [0; 4],
            chaddr,
            sname: [0; 64],
            file: [0; 128],
        },
    };
    headers.ipv4.checksum = U16::new(!Sum::new().add(headers.ipv4.as_bytes()).folded());
    // The padding adds nothing.
    let sum = pseudo_header(&headers.ipv4, headers.udp.length)
        .add(headers.udp.as_bytes())
        .add(headers.message.as_bytes())
        .add(options);
    // RFC 768: a checksum that comes out as 0 is sent as all ones.
    headers.udp.checksum = U16::new(match !sum.folded() {
        0 => 0xffff,
        checksum => checksum,
    });

    let mut writer = Writer::new(buffer);
    writer.put(headers.as_bytes())?;
    writer.put(options)?;
    writer.put(padding)?;
    Some(writer.len())
}

/// A message from a server.
#[derive(Clone, Copy, Debug)]
pub struct Reply<'a> {
    source: Ipv4Addr,
    message: &'a Message,
    options: Options<'a>,
}

impl<'a> Reply<'a> {
    /// Reads the IPv4 packet at the front of `packet`; what follows it is an
    /// Ethernet frame's padding.
    ///
    /// # Errors
    ///
    /// [`PacketFault`] says why it is no message from a server to a client.
    pub fn parse(packet: &'a [u8]) -> Result<Self, PacketFault> {
        const MORE_FRAGMENTS_AND_OFFSET: u16 = 0x3fff;

        let (ipv4, _) = Ipv4::ref_from_prefix(packet).map_err(|_| PacketFault::Truncated)?;
        if ipv4.version_ihl >> 4 != 4 {
            return Err(PacketFault::NotIpv4);
        }
        let packet = packet
            .get(..usize::from(ipv4.total_length.get()))
            .ok_or(PacketFault::Truncated)?;
        let header_length = usize::from(ipv4.version_ihl & 0x0f).saturating_mul(4);
        let (header, datagram) = packet
            .split_at_checked(header_length)
            .ok_or(PacketFault::Truncated)?;
        if header_length < size_of::<Ipv4>() {
            return Err(PacketFault::Truncated);
        }
        if Sum::new().add(header).folded() != 0xffff {
            return Err(PacketFault::HeaderChecksum);
        }
        if ipv4.protocol != UDP {
            return Err(PacketFault::NotUdp);
        }
        if ipv4.flags_fragment.get() & MORE_FRAGMENTS_AND_OFFSET != 0 {
            return Err(PacketFault::Fragment);
        }

        let (udp, _) = Udp::ref_from_prefix(datagram).map_err(|_| PacketFault::Truncated)?;
        if (udp.source.get(), udp.destination.get()) != (SERVER_PORT, CLIENT_PORT) {
            return Err(PacketFault::OtherPort);
        }
        let datagram = datagram
            .get(..usize::from(udp.length.get()))
            .ok_or(PacketFault::Truncated)?;
        let message = datagram
            .get(size_of::<Udp>()..)
            .ok_or(PacketFault::Truncated)?;
        if !is_intact(ipv4, udp, datagram) {
            return Err(PacketFault::UdpChecksum);
        }

        Self::parse_message(message, ipv4.source.into())
    }

    /// Reads a message that a UDP socket has received from `source`.
    ///
    /// # Errors
    ///
    /// [`PacketFault`] says why it is no message from a server.
    pub fn parse_message(message: &'a [u8], source: Ipv4Addr) -> Result<Self, PacketFault> {
        let (message, options) =
            Message::ref_from_prefix(message).map_err(|_| PacketFault::Truncated)?;
        if message.op != BOOTREPLY {
            return Err(PacketFault::NotAReply);
        }
        Ok(Self {
            source,
            message,
            options: Options::new(options, &message.file, &message.sname),
        })
    }

    /// The address from which it came.
    pub fn source(&self) -> Ipv4Addr {
        self.source
    }

    /// The transaction that it belongs to.
    pub fn xid(&self) -> u32 {
        self.message.xid.get()
    }

    /// Whether it is for the Ethernet device with the address `mac`.
    pub fn is_for(&self, mac: [u8; 6]) -> bool {
        (self.message.htype, self.message.hlen) == ETHERNET && self.message.chaddr.starts_with(&mac)
    }

    /// The address that the client can have (`yiaddr`).
    pub fn your_address(&self) -> Ipv4Addr {
        self.message.yiaddr.into()
    }

    /// The server of the next step of the boot (`siaddr`); often 0.0.0.0.
    pub fn boot_server(&self) -> Ipv4Addr {
        self.message.siaddr.into()
    }

    /// The identifier by which a DHCP server is told from others.
    pub fn server_identifier(&self) -> Option<Ipv4Addr> {
        self.options
            .array::<4>(Code::SERVER_IDENTIFIER)
            .map(Ipv4Addr::from)
    }

    /// Why the server refuses, in its own words; empty where it does not say.
    pub fn refusal(&self) -> Text<64> {
        let mut buffer = [0; 64];
        let message = self.options.value(Code::MESSAGE, &mut buffer);
        Text::printable(message.unwrap_or_default())
    }

    /// The options.
    pub fn options(&self) -> &Options<'a> {
        &self.options
    }
}

/// Why a packet is no message from a server to a client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PacketFault {
    /// It ends before its headers, or before its length says.
    Truncated,
    /// Its version is not 4.
    NotIpv4,
    /// The IPv4 header's checksum is wrong.
    HeaderChecksum,
    /// It is not UDP.
    NotUdp,
    /// It is a fragment, and nothing here puts those together.
    Fragment,
    /// Its ports are not those of a message from a server to a client.
    OtherPort,
    /// The UDP checksum is wrong.
    UdpChecksum,
    /// It is a message from a client.
    NotAReply,
}

impl fmt::Display for PacketFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "the packet is cut short",
            Self::NotIpv4 => "the packet is not IPv4",
            Self::HeaderChecksum => "the IPv4 header's checksum is wrong",
            Self::NotUdp => "the packet is not UDP",
            Self::Fragment => "the packet is a fragment",
            Self::OtherPort => "the packet is not from a DHCP server",
            Self::UdpChecksum => "the UDP checksum is wrong",
            Self::NotAReply => "the message is from a client",
        })
    }
}

/// Whether the UDP checksum holds.
///
/// A sender on the same machine (a virtual machine's host) leaves the checksum to hardware that
/// never sees the packet; then the field has the sum over the pseudo header only.
fn is_intact(ipv4: &Ipv4, udp: &Udp, datagram: &[u8]) -> bool {
    let pseudo_header = pseudo_header(ipv4, udp.length);
    let checksum = udp.checksum.get();
    checksum == 0
        || pseudo_header.add(datagram).folded() == 0xffff
        || checksum == pseudo_header.folded()
}

/// The sum over the pseudo header (RFC 768).
fn pseudo_header(ipv4: &Ipv4, udp_length: U16) -> Sum {
    Sum::new()
        .add(&ipv4.source)
        .add(&ipv4.destination)
        .add(&[0, ipv4.protocol])
        .add(udp_length.as_bytes())
}

/// The sum of the Internet checksum (RFC 1071), not yet complemented.
#[derive(Clone, Copy)]
struct Sum(u32);

impl Sum {
    const fn new() -> Self {
        Self(0)
    }

    /// Adds `bytes`; only the last ones that are added can be odd in number.
    fn add(self, bytes: &[u8]) -> Self {
        let words = bytes.chunks(2).map(|chunk| match *chunk {
            [high, low] => u16::from_be_bytes([high, low]),
            [high] => u16::from_be_bytes([high, 0]),
            _ => 0,
        });
        // A packet has at most 2^15 words and a little, so 32 bits hold their sum.
        Self(words.fold(self.0, |sum, word| sum.wrapping_add(u32::from(word))))
    }

    /// The sum in ones' complement arithmetic.
    fn folded(self) -> u16 {
        let [a, b, c, d] = self.0.to_be_bytes();
        let (sum, carry) = u16::from_be_bytes([a, b]).overflowing_add(u16::from_be_bytes([c, d]));
        sum.wrapping_add(u16::from(carry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_that_of_rfc_1071() {
        // The example of RFC 1071 section 3.
        let sum = Sum::new()
            .add(&[0x00, 0x01, 0xf2, 0x03])
            .add(&[0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.folded(), 0xddf2);
        // A carry out of the fold; an odd byte.
        assert_eq!(
            Sum::new()
                .add(&[0xff, 0xff, 0xff, 0xff, 0x00, 0x01])
                .folded(),
            0x0001
        );
        assert_eq!(Sum::new().add(&[0x12, 0x34, 0x56]).folded(), 0x6834);
    }
}
