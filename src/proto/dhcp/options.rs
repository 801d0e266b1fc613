// SPDX-License-Identifier: GPL-2.0-only

//! DHCP options, also called BOOTP vendor extensions (RFC 2132), and the places in
//! a message that hold them.

use core::fmt;

use crate::proto::bytes::Reader;

/// What the options start with (RFC 2132 section 2).
pub const MAGIC_COOKIE: [u8; 4] = [99, 130, 83, 99];

/// An option's number (RFC 2132, unless said otherwise).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Code(pub u8);

impl Code {
    /// Fills space; has neither length nor value.
    pub const PAD: Self = Self(0);
    /// Subnet mask.
    pub const SUBNET_MASK: Self = Self(1);
    /// Routers, the preferred one first.
    pub const ROUTERS: Self = Self(3);
    /// Domain name servers, the preferred one first.
    pub const DNS_SERVERS: Self = Self(6);
    /// The client's host name.
    pub const HOST_NAME: Self = Self(12);
    /// The client's DNS domain.
    pub const DOMAIN_NAME: Self = Self(15);
    /// The path of the client's root disk.
    pub const ROOT_PATH: Self = Self(17);
    /// The MTU of the interface.
    pub const INTERFACE_MTU: Self = Self(26);
    /// The broadcast address of the interface.
    pub const BROADCAST_ADDRESS: Self = Self(28);
    /// Routes to hosts and to networks of their class.
    pub const STATIC_ROUTES: Self = Self(33);
    /// The client's NIS domain.
    pub const NIS_DOMAIN: Self = Self(40);
    /// Time servers, the preferred one first.
    pub const NTP_SERVERS: Self = Self(42);
    /// Options whose meaning is the vendor's.
    pub const VENDOR_OPTIONS: Self = Self(43);
    /// The address that the client asks for.
    pub const REQUESTED_ADDRESS: Self = Self(50);
    /// How long the lease lasts, in seconds.
    pub const LEASE_TIME: Self = Self(51);
    /// Which of the fields `file` and `sname` hold options too.
    pub const OVERLOAD: Self = Self(52);
    /// The DHCP message type; BOOTP has none.
    pub const MESSAGE_TYPE: Self = Self(53);
    /// The server that speaks or is spoken to.
    pub const SERVER_IDENTIFIER: Self = Self(54);
    /// The options that the client would like to have.
    pub const PARAMETER_REQUEST_LIST: Self = Self(55);
    /// Why a server refuses, for people.
    pub const MESSAGE: Self = Self(56);
    /// The longest message that the client takes.
    pub const MAXIMUM_MESSAGE_SIZE: Self = Self(57);
    /// After how long a lease is renewed with its server, in seconds.
    pub const RENEWAL_TIME: Self = Self(58);
    /// After how long a lease is renewed with any server, in seconds.
    pub const REBINDING_TIME: Self = Self(59);
    /// What the client is, in its vendor's words.
    pub const VENDOR_CLASS: Self = Self(60);
    /// By what the server is to know the client again, in place of its hardware address.
    pub const CLIENT_IDENTIFIER: Self = Self(61);
    /// What the client is, in its user's words (RFC 3004).
    pub const USER_CLASS: Self = Self(77);
    /// The domains in which names are looked for, the preferred one first (RFC 3397).
    pub const DOMAIN_SEARCH: Self = Self(119);
    /// Routes to networks of any size (RFC 3442).
    pub const CLASSLESS_ROUTES: Self = Self(121);
    /// Options of iPXE's own (<https://ipxe.org/howto/dhcpd>).
    pub const IPXE_OPTIONS: Self = Self(175);
    /// The client's iSCSI name, as iPXE has it; network adapters have the same number among the
    /// [`VENDOR_OPTIONS`](Self::VENDOR_OPTIONS).
    pub const INITIATOR_NAME: Self = Self(203);
    /// Ends the options; has neither length nor value.
    pub const END: Self = Self(255);
}

/// A DHCP message type (RFC 2132 section 9.6).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MessageType(pub u8);

impl MessageType {
    /// A client looks for servers.
    pub const DISCOVER: Self = Self(1);
    /// A server offers an address.
    pub const OFFER: Self = Self(2);
    /// A client asks for the address that it was offered.
    pub const REQUEST: Self = Self(3);
    /// A client tells a server that the address is somebody else's.
    pub const DECLINE: Self = Self(4);
    /// A server gives the address.
    pub const ACK: Self = Self(5);
    /// A server refuses the address.
    pub const NAK: Self = Self(6);
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::DISCOVER => f.write_str("DHCPDISCOVER"),
            Self::OFFER => f.write_str("DHCPOFFER"),
            Self::REQUEST => f.write_str("DHCPREQUEST"),
            Self::ACK => f.write_str("DHCPACK"),
            Self::NAK => f.write_str("DHCPNAK"),
            Self(number) => write!(f, "DHCP message of type {number}"),
        }
    }
}

/// The options of one message, wherever they are in it.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// In the order of RFC 3396 section 7: the field `options`, then `file`, then `sname`.
    fields: [&'a [u8]; 3],
}

impl<'a> Options<'a> {
    /// The options of a message with these fields.
    ///
    /// `options` starts with the [`MAGIC_COOKIE`], or else holds no options, and
    /// `file` and `sname` neither.
    pub fn new(options: &'a [u8], file: &'a [u8], sname: &'a [u8]) -> Self {
        const IN_FILE: u8 = 1;
        const IN_SNAME: u8 = 2;

        let options = options.strip_prefix(&MAGIC_COOKIE).unwrap_or_default();
        let own = Self {
            fields: [options, &[], &[]],
        };
        let overload = own.array(Code::OVERLOAD).map_or(0, |[fields]| fields);
        let held = |mark, field| if overload & mark != 0 { field } else { &[][..] };
        Self {
            fields: [options, held(IN_FILE, file), held(IN_SNAME, sname)],
        }
    }

    /// The options that are in the value of another option.
    pub const fn encapsulated(value: &'a [u8]) -> Self {
        Self {
            fields: [value, &[], &[]],
        }
    }

    /// Every option, in order.
    ///
    /// An option that runs past the end of its field ends that field, as for ipconfig.
    pub fn iter(&self) -> impl Iterator<Item = (Code, &'a [u8])> {
        self.fields.into_iter().flat_map(|field| {
            let mut reader = Reader::new(field);
            core::iter::from_fn(move || loop {
                return match Code(reader.u8()?) {
                    Code::PAD => continue,
                    Code::END => None,
                    code => {
                        let length = reader.u8()?;
                        Some((code, reader.take(usize::from(length))?))
                    }
                };
            })
        })
    }

    /// The value of option `code`, put together in `buffer` where the message
    /// has it in parts (RFC 3396).
    ///
    /// What does not fit in the buffer is left out; the message may have none.
    pub fn value<'b>(&self, code: Code, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
        let mut present = false;
        let mut length = 0;
        let parts = self
            .iter()
            .filter(|(each, _)| *each == code)
            .map(|(_, part)| {
                present = true;
                part
            });
        for (slot, byte) in buffer.iter_mut().zip(parts.flatten()) {
            *slot = *byte;
            length = usize::saturating_add(length, 1);
        }
        buffer.get(..length).filter(|_| present)
    }

    /// The first `N` bytes of option `code`; `None` when it has fewer.
    pub fn array<const N: usize>(&self, code: Code) -> Option<[u8; N]> {
        let mut buffer = [0; N];
        let length = self.value(code, &mut buffer)?.len();
        (length == N).then_some(buffer)
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use super::*;

    fn all<'a>(options: &Options<'a>) -> Vec<(u8, &'a [u8])> {
        options
            .iter()
            .map(|(code, value)| (code.0, value))
            .collect()
    }

    fn field(bytes: &[u8]) -> Vec<u8> {
        [&MAGIC_COOKIE, bytes].concat()
    }

    #[test]
    fn options_are_listed_up_to_the_end() {
        let field = field(&[0, 12, 2, b'h', b'i', 0, 0, 80, 0, 255, 15, 1, b'x']);
        assert_eq!(
            all(&Options::new(&field, &[], &[])),
            [(12, &b"hi"[..]), (80, &[])]
        );
    }

    #[test]
    fn an_option_past_the_end_ends_the_field() {
        let whole = field(&[12, 2, b'h', b'i', 15, 3, b'a', b'b', b'c']);
        for length in 0..whole.len() {
            let expected = [(12, &b"hi"[..])];
            let expected = if length < 8 {
                &expected[..0]
            } else {
                &expected[..]
            };
            assert_eq!(
                all(&Options::new(&whole[..length], &[], &[])),
                expected,
                "{length}"
            );
        }
    }

    #[test]
    fn no_cookie_means_no_options() {
        assert!(all(&Options::new(&[12, 1, b'h', 255], &[], &[])).is_empty());
        assert!(all(&Options::new(&[99, 130, 83, 98, 12, 1, b'h'], &[], &[])).is_empty());
    }

    #[test]
    fn overload_says_which_fields_hold_options() {
        let file = [15, 1, b'f', 255];
        let sname = [12, 1, b's', 255];
        let overloaded = |fields| field(&[52, 1, fields, 255]);
        let codes = |fields| {
            let options = overloaded(fields);
            all(&Options::new(&options, &file, &sname))
                .iter()
                .map(|(code, _)| *code)
                .collect::<Vec<_>>()
        };
        assert_eq!(codes(0), [52]);
        assert_eq!(codes(1), [52, 15]);
        assert_eq!(codes(2), [52, 12]);
        assert_eq!(codes(3), [52, 15, 12]);
    }

    #[test]
    fn parts_are_put_together_in_the_order_of_rfc_3396() {
        let options = field(&[17, 2, b'a', b'b', 52, 1, 3, 17, 1, b'c', 255]);
        let options = Options::new(&options, &[17, 1, b'd', 255], &[17, 1, b'e']);
        let mut buffer = [0; 8];
        assert_eq!(
            options.value(Code::ROOT_PATH, &mut buffer),
            Some(&b"abcde"[..])
        );
        assert_eq!(
            options.value(Code::ROOT_PATH, &mut buffer[..3]),
            Some(&b"abc"[..])
        );
        assert_eq!(options.value(Code::HOST_NAME, &mut buffer), None);
        assert_eq!(options.array(Code::ROOT_PATH), Some(*b"ab"));
        assert_eq!(options.array::<6>(Code::ROOT_PATH), None);
    }

    #[test]
    fn an_option_without_value_is_there() {
        let options = field(&[12, 0, 255]);
        assert_eq!(
            Options::new(&options, &[], &[]).value(Code::HOST_NAME, &mut [0; 4]),
            Some(&[][..])
        );
    }
}
