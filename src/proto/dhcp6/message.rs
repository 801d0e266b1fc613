// SPDX-License-Identifier: GPL-2.0-only

//! Messages between clients and servers (RFC 8415 section 8), and their options (section 21.1).

use core::{
    fmt,
    net::Ipv6Addr, //
};

use crate::proto::{
    bytes::{
        Reader,
        Writer, //
    },
    dhcp6::error::Ignored,
    time::Duration,
};

/// The UDP port of clients (RFC 8415 section 7.2).
pub const CLIENT_PORT: u16 = 546;
/// The UDP port of servers.
pub const SERVER_PORT: u16 = 547;
/// The address at which all servers of a link are asked (RFC 8415 section 7.1).
pub const SERVERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);
/// The room in bytes that every message of the client fits in.
pub const SENT_LENGTH: usize = 256;

/// A message's type (RFC 8415 section 7.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MessageType(pub u8);

impl MessageType {
    /// A client looks for servers.
    pub const SOLICIT: Self = Self(1);
    /// A server says what it has.
    pub const ADVERTISE: Self = Self(2);
    /// A client asks one server for it.
    pub const REQUEST: Self = Self(3);
    /// A client asks the server of its lease for more time.
    pub const RENEW: Self = Self(5);
    /// A client asks any server for more time.
    pub const REBIND: Self = Self(6);
    /// A server gives it.
    pub const REPLY: Self = Self(7);
    /// A client will not have an address, since another host has it.
    pub const DECLINE: Self = Self(9);
    /// A client that has an address asks for what else there is to know.
    pub const INFORMATION_REQUEST: Self = Self(11);
}

/// The number by which an answer is known for one to a certain message.
pub type TransactionId = [u8; 3];

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::SOLICIT => f.write_str("Solicit"),
            Self::ADVERTISE => f.write_str("Advertise"),
            Self::REQUEST => f.write_str("Request"),
            Self::RENEW => f.write_str("Renew"),
            Self::REBIND => f.write_str("Rebind"),
            Self::REPLY => f.write_str("Reply"),
            Self::DECLINE => f.write_str("Decline"),
            Self::INFORMATION_REQUEST => f.write_str("Information-Request"),
            Self(number) => write!(f, "DHCPv6 message of type {number}"),
        }
    }
}

/// An option's number (RFC 8415 section 21, unless said otherwise).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Code(pub u16);

impl Code {
    /// The client that speaks or is spoken to.
    pub const CLIENT_IDENTIFIER: Self = Self(1);
    /// The server that speaks or is spoken to.
    pub const SERVER_IDENTIFIER: Self = Self(2);
    /// Addresses that are no temporary ones (IA_NA).
    pub const ADDRESSES: Self = Self(3);
    /// One of these.
    pub const ADDRESS: Self = Self(5);
    /// The options that the client would like to have.
    pub const OPTION_REQUEST: Self = Self(6);
    /// How much a server wants to be chosen.
    pub const PREFERENCE: Self = Self(7);
    /// For how long the client has been asking, in hundredths of a second.
    pub const ELAPSED_TIME: Self = Self(8);
    /// What came of the request; without it, success.
    pub const STATUS: Self = Self(13);
    /// Domain name servers, the preferred one first (RFC 3646).
    pub const DNS_SERVERS: Self = Self(23);
    /// The domains in which names are looked for (RFC 3646).
    pub const DOMAIN_LIST: Self = Self(24);
    /// When further information is to be asked for again.
    pub const REFRESH_TIME: Self = Self(32);
    /// What to boot (RFC 5970).
    pub const BOOT_FILE_URL: Self = Self(59);
    /// The longest wait for an answer to a Solicit.
    pub const SOLICIT_MAX_WAIT: Self = Self(82);
    /// The longest wait for an answer to an Information-Request.
    pub const INFORMATION_MAX_WAIT: Self = Self(83);
}

/// A server's identifier, its DUID: bytes that mean something to their server alone.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerId {
    bytes: [u8; Self::MAX_LENGTH],
    length: usize,
}

impl ServerId {
    /// RFC 8415 section 11.1: a type of 2 bytes, and at most 128 more.
    const MAX_LENGTH: usize = 130;

    /// The identifier that these bytes are; `None` for too many, and for none.
    pub fn new(from: &[u8]) -> Option<Self> {
        let mut bytes = [0; Self::MAX_LENGTH];
        let length = from.len();
        bytes.get_mut(..length)?.copy_from_slice(from);
        (length > 0).then_some(Self { bytes, length })
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

/// What the client with this Ethernet address is called (RFC 8415 section 11.4): the same in every
/// boot, since nothing is kept from one to the next.
pub(crate) const fn client_id(mac: [u8; 6]) -> [u8; 10] {
    let [a, b, c, d, e, f] = mac;
    // DUID-LL; hardware type Ethernet.
    [0, 3, 0, 1, a, b, c, d, e, f]
}

/// What it calls the set of its addresses, of which there is one (RFC 8415 section 12.1).
pub(crate) const fn association_id(mac: [u8; 6]) -> [u8; 4] {
    let [_, _, rest @ ..] = mac;
    rest
}

/// The options in a message, or in an option.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a>(&'a [u8]);

impl<'a> Options<'a> {
    /// Every option, in order; one that runs past the end is the end.
    pub fn iter(&self) -> impl Iterator<Item = (Code, &'a [u8])> {
        let mut reader = Reader::new(self.0);
        core::iter::from_fn(move || {
            let code = Code(reader.be_u16()?);
            let length = reader.be_u16()?;
            Some((code, reader.take(usize::from(length))?))
        })
    }

    /// The value of the first option `code`.
    pub fn value(&self, code: Code) -> Option<&'a [u8]> {
        let (_, value) = self.iter().find(|(each, _)| *each == code)?;
        Some(value)
    }
}

/// A message to or from a client.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Its type.
    pub kind: MessageType,
    /// The number by which answers are told from others.
    pub transaction: TransactionId,
    /// What it says.
    pub options: Options<'a>,
}

impl<'a> Message<'a> {
    /// Reads a UDP datagram's content; `None` when that is too short.
    pub fn parse(datagram: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(datagram);
        Some(Self {
            kind: MessageType(reader.u8()?),
            transaction: reader.array()?,
            options: Options(reader.rest()),
        })
    }
}

/// A set of addresses (IA_NA): what it is called, its T1 and T2 in seconds, and what is in it.
pub(crate) struct Association<'a> {
    pub(crate) id: [u8; 4],
    pub(crate) renewing: u32,
    pub(crate) rebinding: u32,
    pub(crate) options: Options<'a>,
}

impl<'a> Association<'a> {
    /// Reads the value of [`Code::ADDRESSES`].
    pub(crate) fn parse(value: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(value);
        Some(Self {
            id: reader.array()?,
            renewing: reader.be_u32()?,
            rebinding: reader.be_u32()?,
            options: Options(reader.rest()),
        })
    }
}

/// The identifier of the server that has sent `message` to the client `mac`, once that is known for
/// an answer of type `kind` to the message `transaction` (RFC 8415 sections 16.3 and 16.10); `from`
/// is where it came from.
pub(super) fn answerer(
    message: &Message<'_>,
    kind: MessageType,
    transaction: TransactionId,
    mac: [u8; 6],
    from: Ipv6Addr,
) -> Result<ServerId, Ignored> {
    if message.kind != kind {
        return Err(Ignored::OutOfTurn(message.kind));
    }
    if message.transaction != transaction {
        return Err(Ignored::OtherTransaction);
    }
    if message.options.value(Code::CLIENT_IDENTIFIER) != Some(&client_id(mac)) {
        return Err(Ignored::OtherClient);
    }
    let server = message.options.value(Code::SERVER_IDENTIFIER);
    server
        .and_then(ServerId::new)
        .ok_or(Ignored::NoServerIdentifier { server: from })
}

/// What the client says.
pub(super) struct Question<'a> {
    pub(super) kind: MessageType,
    pub(super) transaction: TransactionId,
    pub(super) mac: [u8; 6],
    /// Since it has first said so.
    pub(super) elapsed: Duration,
    /// The server that is meant, where it is one.
    pub(super) server: Option<&'a ServerId>,
    /// The address that it is about, or that the client would like to have.
    pub(super) address: Option<Ipv6Addr>,
}

impl Question<'_> {
    /// Writes the message and gives its length; `None` where `buffer` has less than [`SENT_LENGTH`]
    /// bytes.
    pub(super) fn write(&self, buffer: &mut [u8]) -> Option<usize> {
        const WANTED: [Code; 3] = [Code::DNS_SERVERS, Code::DOMAIN_LIST, Code::BOOT_FILE_URL];
        // To be asked for (RFC 8415 sections 18.2.1 to 18.2.6), though nothing is asked again
        // later, and no such wait is as long as the shortest that servers may name.
        const REQUIRED: [Code; 1] = [Code::SOLICIT_MAX_WAIT];
        const REQUIRED_INFORMATION: [Code; 2] = [Code::REFRESH_TIME, Code::INFORMATION_MAX_WAIT];

        let is_information = self.kind == MessageType::INFORMATION_REQUEST;
        let mut writer = Writer::new(buffer.get_mut(..SENT_LENGTH)?);
        writer.put(&[self.kind.0])?;
        writer.put(&self.transaction)?;
        let mut option = |code: Code, parts: &[&[u8]]| {
            let length: usize = parts.iter().map(|part| part.len()).sum();
            writer.put(&code.0.to_be_bytes())?;
            writer.put(&u16::try_from(length).ok()?.to_be_bytes())?;
            parts.iter().try_for_each(|part| writer.put(part))
        };
        option(Code::CLIENT_IDENTIFIER, &[&client_id(self.mac)])?;
        if let Some(server) = self.server {
            option(Code::SERVER_IDENTIFIER, &[server.as_bytes()])?;
        }
        let elapsed = u16::try_from(self.elapsed.as_millis() / 10).unwrap_or(u16::MAX);
        option(Code::ELAPSED_TIME, &[&elapsed.to_be_bytes()])?;
        let wanted = WANTED.map(|code| code.0.to_be_bytes());
        let required = REQUIRED.map(|code| code.0.to_be_bytes());
        let required_information = REQUIRED_INFORMATION.map(|code| code.0.to_be_bytes());
        let required = if is_information {
            required_information.as_flattened()
        } else {
            required.as_flattened()
        };
        // A client that declines asks for nothing.
        if self.kind != MessageType::DECLINE {
            option(Code::OPTION_REQUEST, &[wanted.as_flattened(), required])?;
        }
        // The times T1 and T2, and an address's lifetimes, are the server's to say.
        let id = association_id(self.mac);
        match self.address {
            _ if is_information => {}
            None => option(Code::ADDRESSES, &[&id, &[0; 8]])?,
            Some(address) => {
                const LENGTH: [u8; 2] = 24_u16.to_be_bytes();
                let code = Code::ADDRESS.0.to_be_bytes();
                let address = address.octets();
                option(
                    Code::ADDRESSES,
                    &[&id, &[0; 8], &code, &LENGTH, &address, &[0; 8]],
                )?;
            }
        }
        Some(writer.len())
    }
}
