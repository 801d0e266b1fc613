// SPDX-License-Identifier: GPL-2.0-only

//! What is asked of servers: the DISCOVER and the REQUEST (RFC 2131 section 4.3.6, table 5).

use core::net::Ipv4Addr;

use crate::proto::{
    bytes::Writer,
    dhcp::{
        options::{
            Code,
            MessageType,
            MAGIC_COOKIE, //
        },
        packet::OPTIONS_LENGTH, //
    },
};

/// What the client asks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Question {
    /// Who has an address for it.
    Discover {
        /// The time since the start, in seconds.
        secs: u16,
    },
    /// For the address that one server offered.
    Request {
        /// The time of the DISCOVER (RFC 2131 section 4.4.1).
        secs: u16,
        /// The server.
        server: Ipv4Addr,
        /// What it offered.
        address: Ipv4Addr,
    },
    /// For more time with the address that the message comes from.
    Renew {
        /// The time since the first such question, in seconds.
        secs: u16,
    },
}

impl Question {
    /// The message's `secs`.
    pub(super) const fn secs(self) -> u16 {
        match self {
            Self::Discover { secs } | Self::Request { secs, .. } | Self::Renew { secs } => secs,
        }
    }

    /// The message's options, with their cookie and end; `None` if they did not fit, which they do.
    /// A DISCOVER says that `wanted` is the address that would be best.
    pub(super) fn options(self, wanted: Option<Ipv4Addr>) -> Option<[u8; OPTIONS_LENGTH]> {
        /// What the client takes, and no fragments: an Ethernet frame's 1500 bytes
        /// less the IPv4 and UDP headers, so that it holds for servers that count
        /// those and for those that do not.
        const MAXIMUM_MESSAGE_SIZE: u16 = 1_472;
        const WANTED: [Code; 9] = [
            Code::SUBNET_MASK,
            Code::ROUTERS,
            Code::DNS_SERVERS,
            Code::HOST_NAME,
            Code::DOMAIN_NAME,
            Code::ROOT_PATH,
            Code::INTERFACE_MTU,
            Code::NTP_SERVERS,
            Code::CLASSLESS_ROUTES,
        ];

        let mut buffer = [Code::PAD.0; OPTIONS_LENGTH];
        let mut writer = Writer::new(&mut buffer);
        writer.put(&MAGIC_COOKIE)?;
        let mut put = |code: Code, value: &[u8]| {
            writer.put(&[code.0, u8::try_from(value.len()).ok()?])?;
            writer.put(value)
        };
        let (kind, server, address) = match self {
            Self::Discover { .. } => (MessageType::DISCOVER, None, wanted),
            Self::Request {
                server, address, ..
            } => (MessageType::REQUEST, Some(server), Some(address)),
            Self::Renew { .. } => (MessageType::REQUEST, None, None),
        };
        put(Code::MESSAGE_TYPE, &[kind.0])?;
        if let Some(server) = server {
            put(Code::SERVER_IDENTIFIER, &server.octets())?;
        }
        if let Some(address) = address {
            put(Code::REQUESTED_ADDRESS, &address.octets())?;
        }
        put(Code::PARAMETER_REQUEST_LIST, &WANTED.map(|code| code.0))?;
        put(
            Code::MAXIMUM_MESSAGE_SIZE,
            &MAXIMUM_MESSAGE_SIZE.to_be_bytes(),
        )?;
        writer.put(&[Code::END.0])?;
        Some(buffer)
    }
}
