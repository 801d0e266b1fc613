// SPDX-License-Identifier: GPL-2.0-only

//! A network in virtual time for the DHCP client, and servers' messages made byte by byte.

#![allow(dead_code, reason = "each test uses some of these")]

use std::net::Ipv4Addr;

use iscsi_init::proto::{
    dhcp::{
        client::{
            Client,
            Parameters,
            LIMIT, //
        },
        error::Failure,
        identity::Identity,
        lease::Lease,
        packet::SENT_LENGTH, //
    },
    time::{
        Duration,
        Instant, //
    },
};

pub(crate) mod hex;

/// The client's MAC address.
pub(crate) const MAC: [u8; 6] = [0x52, 0x54, 0x00, 0xaa, 0x00, 0x01];
/// The client's transaction.
pub(crate) const XID: u32 = 0x1234_abcd;

/// A client that begins at time 0.
pub(crate) fn client(seed: u64, needs_root_path: bool) -> Client {
    client_with(seed, needs_root_path, None, LIMIT)
}

/// A client that begins at time 0 and would keep this address.
pub(crate) fn client_at(address: Ipv4Addr) -> Client {
    client_with(0, false, Some(address), LIMIT)
}

/// A client that begins at time 0 and has `limit`.
pub(crate) fn client_within(limit: Duration) -> Client {
    client_with(0, true, None, limit)
}

fn client_with(
    seed: u64,
    needs_root_path: bool,
    wanted: Option<Ipv4Addr>,
    limit: Duration,
) -> Client {
    let parameters = Parameters {
        mac: MAC,
        xid: XID,
        seed,
        needs_root_path,
        wanted,
        limit,
    };
    Client::new(parameters, Instant::from_millis(0))
}

/// The packets of a recorded conversation: whether a server sent it, and the packet.
pub(crate) fn recorded(text: &str) -> Vec<(bool, Vec<u8>)> {
    text.split("# ")
        .filter_map(|part| {
            let client = part.strip_prefix("client\n").map(|packet| (false, packet));
            client.or_else(|| part.strip_prefix("server\n").map(|packet| (true, packet)))
        })
        .map(|(server, packet)| (server, hex::bytes(packet)))
        .collect()
}

/// A message that the client sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// When, in milliseconds.
    pub(crate) at: u64,
    /// The whole packet.
    pub(crate) packet: Vec<u8>,
    /// The message type.
    pub(crate) kind: u8,
    /// `secs`.
    pub(crate) secs: u16,
    /// The server's identifier and the requested address.
    pub(crate) asked: Option<(Ipv4Addr, Ipv4Addr)>,
}

impl Sent {
    fn new(at: u64, packet: &[u8]) -> Self {
        let address = |code| {
            option(packet, code)
                .map(|value| Ipv4Addr::from([value[0], value[1], value[2], value[3]]))
        };
        Self {
            at,
            packet: packet.to_vec(),
            kind: option(packet, 53).expect("a type")[0],
            secs: u16::from_be_bytes([packet[36], packet[37]]),
            asked: address(54).zip(address(50)),
        }
    }
}

/// The value of option `code` of a message without overload.
pub(crate) fn option(packet: &[u8], code: u8) -> Option<Vec<u8>> {
    let mut rest = &packet[20 + 8 + 236 + 4..];
    while rest[0] != 255 {
        if rest[0] == 0 {
            rest = &rest[1..];
            continue;
        }
        let end = 2 + usize::from(rest[1]);
        if rest[0] == code {
            return Some(rest[2..end].to_vec());
        }
        rest = &rest[end..];
    }
    None
}

/// A message from a server.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) source: [u8; 4],
    pub(crate) destination: [u8; 4],
    pub(crate) xid: u32,
    pub(crate) mac: [u8; 6],
    pub(crate) yiaddr: [u8; 4],
    pub(crate) siaddr: [u8; 4],
    pub(crate) sname: [u8; 64],
    pub(crate) file: [u8; 128],
    /// With the cookie, where there is one.
    pub(crate) options: Vec<u8>,
}

impl Reply {
    /// A BOOTP reply of the server 10.0.0.`server`, without cookie.
    pub(crate) fn bare(server: u8) -> Self {
        Self {
            source: [10, 0, 0, server],
            destination: [255; 4],
            xid: XID,
            mac: MAC,
            yiaddr: [10, 0, 0, 100 + server],
            siaddr: [10, 0, 0, server],
            sname: [0; 64],
            file: [0; 128],
            options: Vec::new(),
        }
    }

    /// A BOOTP reply with the options' cookie.
    pub(crate) fn bootp(server: u8) -> Self {
        let options = vec![99, 130, 83, 99];
        Self {
            options,
            ..Self::bare(server)
        }
    }

    /// A DHCP message of type `kind` from the server 10.0.0.`server`.
    pub(crate) fn dhcp(kind: u8, server: u8) -> Self {
        Self::bootp(server)
            .with(53, &[kind])
            .with(54, &[10, 0, 0, server])
    }

    /// A DHCPOFFER.
    pub(crate) fn offer(server: u8) -> Self {
        Self::dhcp(2, server)
    }

    /// A DHCPACK.
    pub(crate) fn ack(server: u8) -> Self {
        Self::dhcp(5, server)
    }

    /// A DHCPNAK.
    pub(crate) fn nak(server: u8) -> Self {
        Self {
            yiaddr: [0; 4],
            ..Self::dhcp(6, server).with(56, b"not this one")
        }
    }

    /// The same with one more option.
    pub(crate) fn with(mut self, code: u8, value: &[u8]) -> Self {
        self.options
            .extend([code, u8::try_from(value.len()).expect("a short value")]);
        self.options.extend(value);
        self
    }

    /// The same with a root path.
    pub(crate) fn rooted(self) -> Self {
        self.with(17, b"10.0.0.9:/iqn.2001-04.com.example:disk")
    }

    /// The whole packet, with good checksums.
    pub(crate) fn packet(&self) -> Vec<u8> {
        let mut message = vec![2, 1, 6, 0];
        message.extend(self.xid.to_be_bytes());
        message.extend([0; 8]);
        message.extend(self.yiaddr);
        message.extend(self.siaddr);
        message.extend([0; 4]);
        message.extend(self.mac);
        message.extend([0; 10]);
        message.extend(self.sname);
        message.extend(self.file);
        message.extend(&self.options);
        if !self.options.is_empty() {
            message.push(255);
        }
        let udp = [
            &[0, 67, 0, 68],
            &length(message.len() + 8)[..],
            &[0, 0],
            &message,
        ]
        .concat();
        let mut packet = [
            &[0x45, 0][..],
            &length(udp.len() + 20),
            &[0, 0, 0, 0, 64, 17, 0, 0],
            &self.source,
            &self.destination,
            &udp,
        ]
        .concat();
        seal(&mut packet);
        packet
    }
}

fn length(length: usize) -> [u8; 2] {
    u16::try_from(length).expect("a short packet").to_be_bytes()
}

/// Writes the checksums of a packet with a header of 20 bytes.
pub(crate) fn seal(packet: &mut [u8]) {
    packet[10..12].fill(0);
    let header = checksum(&packet[..20]);
    packet[10..12].copy_from_slice(&header);
    packet[26..28].fill(0);
    let pseudo = [&packet[12..20], &[0, 17], &packet[24..26], &packet[20..]].concat();
    let udp = checksum(&pseudo);
    packet[26..28].copy_from_slice(&udp);
}

/// The Internet checksum of `bytes`.
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let mut sum: u64 = bytes
        .iter()
        .enumerate()
        .map(|(index, byte)| u64::from(*byte) << if index % 2 == 0 { 8 } else { 0 })
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!u16::try_from(sum).expect("folded")).to_be_bytes()
}

/// What became of a client.
#[derive(Debug)]
pub(crate) struct Ending {
    /// When, in milliseconds.
    pub(crate) at: u64,
    /// Everything that it sent.
    pub(crate) sent: Vec<Sent>,
    /// Its outcome.
    pub(crate) outcome: Result<Lease, Failure>,
}

impl Ending {
    /// The types and times of what was sent.
    pub(crate) fn times(&self) -> Vec<(u8, u64)> {
        self.sent.iter().map(|sent| (sent.kind, sent.at)).collect()
    }

    /// The last digit of the address of the server that gave the lease.
    pub(crate) fn server(&self) -> u8 {
        self.outcome.as_ref().expect("a lease").server.octets()[3]
    }
}

/// Runs `client` to its end; `servers` says what reaches it and how many milliseconds after each message it sends.
pub(crate) fn run(
    mut client: Client,
    mut servers: impl FnMut(&Sent) -> Vec<(u64, Reply)>,
) -> Ending {
    let mut now = 0;
    let mut sent = Vec::new();
    let mut under_way: Vec<(u64, Vec<u8>)> = Vec::new();
    loop {
        let mut buffer = [0; SENT_LENGTH];
        while let Some(length) =
            client.poll_transmit(Instant::from_millis(now), &Identity::default(), &mut buffer)
        {
            let message = Sent::new(now, &buffer[..length]);
            under_way.extend(
                servers(&message)
                    .iter()
                    .map(|(delay, reply)| (now + delay, reply.packet())),
            );
            sent.push(message);
            assert!(sent.len() < 100, "the client sends without end");
        }
        if let Some(outcome) = client.outcome() {
            assert_eq!(client.poll_timeout(), None);
            return Ending {
                at: now,
                sent,
                outcome: outcome.cloned().map_err(Clone::clone),
            };
        }
        let due = client.poll_timeout().expect("a time").as_millis();
        assert!(due > now, "the client waits for the past");
        under_way.sort_by_key(|(at, _)| *at);
        match under_way.first() {
            Some((at, _)) if *at <= due => {
                let (at, packet) = under_way.remove(0);
                now = at;
                let _ = client.handle_packet(Instant::from_millis(now), &packet);
            }
            _ => now = due,
        }
    }
}
