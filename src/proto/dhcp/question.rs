// SPDX-License-Identifier: GPL-2.0-only

//! What servers are asked and told: the DISCOVER, the REQUEST and the DECLINE (RFC 2131 section
//! 4.3.6, and table 5).

use core::net::Ipv4Addr;

use crate::proto::{
    bytes::Writer,
    dhcp::{
        identity::{
            Identity,
            USER_CLASS, //
        },
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
    /// For nothing: the address that a server gave is somebody else's.
    Decline {
        /// The server.
        server: Ipv4Addr,
        /// What it gave.
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
            Self::Decline { .. } => 0,
        }
    }

    /// Writes the message's options, with their cookie and end, and gives their bytes; `None` if
    /// they did not fit, which they do. A DISCOVER says that `wanted` is the address that would be
    /// best.
    pub(super) fn options<'b>(
        self,
        identity: &Identity,
        wanted: Option<Ipv4Addr>,
        buffer: &'b mut [u8; OPTIONS_LENGTH],
    ) -> Option<&'b [u8]> {
        /// What the client takes, and no fragments: an Ethernet frame's 1500 bytes
        /// less the IPv4 and UDP headers, so that it holds for servers that count
        /// those and for those that do not.
        const MAXIMUM_MESSAGE_SIZE: u16 = 1_472;
        // RFC 3442: the classless routes come before what they take the place of.
        const WANTED: [Code; 16] = [
            Code::SUBNET_MASK,
            Code::CLASSLESS_ROUTES,
            Code::ROUTERS,
            Code::STATIC_ROUTES,
            Code::DNS_SERVERS,
            Code::HOST_NAME,
            Code::DOMAIN_NAME,
            Code::ROOT_PATH,
            Code::INTERFACE_MTU,
            Code::BROADCAST_ADDRESS,
            Code::NIS_DOMAIN,
            Code::NTP_SERVERS,
            Code::VENDOR_OPTIONS,
            Code::DOMAIN_SEARCH,
            Code::IPXE_OPTIONS,
            Code::INITIATOR_NAME,
        ];

        let mut writer = Writer::new(buffer);
        writer.put(&MAGIC_COOKIE)?;
        // An option whose value starts with a byte of its own.
        let mut put_with = |code: Code, first: &[u8], value: &[u8]| {
            let length = first.len().checked_add(value.len())?;
            writer.put(&[code.0, u8::try_from(length).ok()?])?;
            writer.put(first)?;
            writer.put(value)
        };
        let mut put = |code: Code, value: &[u8]| put_with(code, &[], value);
        let (kind, server, address) = match self {
            Self::Discover { .. } => (MessageType::DISCOVER, None, wanted),
            Self::Request {
                server, address, ..
            } => (MessageType::REQUEST, Some(server), Some(address)),
            Self::Decline { server, address } => {
                (MessageType::DECLINE, Some(server), Some(address))
            }
            Self::Renew { .. } => (MessageType::REQUEST, None, None),
        };
        put(Code::MESSAGE_TYPE, &[kind.0])?;
        if let Some(server) = server {
            put(Code::SERVER_IDENTIFIER, &server.octets())?;
        }
        if let Some(address) = address {
            put(Code::REQUESTED_ADDRESS, &address.octets())?;
        }
        let asks = !matches!(self, Self::Decline { .. });
        if asks {
            put(Code::PARAMETER_REQUEST_LIST, &WANTED.map(|code| code.0))?;
            put(
                Code::MAXIMUM_MESSAGE_SIZE,
                &MAXIMUM_MESSAGE_SIZE.to_be_bytes(),
            )?;
        }
        if let Some(name) = identity.host_name.as_ref().filter(|_| asks) {
            put(Code::HOST_NAME, name.as_str().as_bytes())?;
        }
        if let Some(class) = identity.vendor_class.as_ref().filter(|_| asks) {
            put(Code::VENDOR_CLASS, class.as_str().as_bytes())?;
        }
        if let Some(id) = &identity.client_id {
            put_with(
                Code::CLIENT_IDENTIFIER,
                &[id.kind],
                id.value.as_str().as_bytes(),
            )?;
        }
        if asks {
            // RFC 3004 section 4: a list of classes, each with its length.
            let length = u8::try_from(USER_CLASS.len()).ok()?;
            put_with(Code::USER_CLASS, &[length], USER_CLASS.as_bytes())?;
        }
        writer.put(&[Code::END.0])?;
        Some(writer.finish())
    }
}
