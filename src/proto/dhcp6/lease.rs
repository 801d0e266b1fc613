// SPDX-License-Identifier: GPL-2.0-only

//! What a server's answer says, as typed values.

use core::{
    fmt,
    net::Ipv6Addr, //
};

use crate::proto::{
    bytes::Reader,
    config::{
        ipv6::{
            is_host,
            is_link_local, //
        },
        text::Text, //
    },
    dhcp::lease::{
        List,
        RootPathText, //
    },
    dhcp6::{
        error::Refusal,
        message::{
            association_id,
            Association,
            Code,
            Options,
            ServerId, //
        },
    },
    nd_option::Resolver,
};

/// The number of seconds that means for ever (RFC 8415 section 7.7).
pub const FOREVER: u32 = u32::MAX;

/// An address with all that goes with it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Lease {
    /// The machine's address. Which network it is in, a router says, not the server.
    pub address: Ipv6Addr,
    /// The server that has given it.
    pub server_id: ServerId,
    /// For how long it is given.
    pub term: Term,
    /// What else there is to know.
    pub information: Information,
}

/// For how long an address is given, all in seconds, from when it was asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Term {
    /// T1, when its server is to be asked for more; 0 leaves it to the client.
    pub renewing: u32,
    /// T2, when any server is; 0 leaves it to the client.
    pub rebinding: u32,
    /// For how long it may be used for new connections.
    pub preferred: u32,
    /// For how long it may be used, more than 0.
    pub valid: u32,
}

impl Term {
    /// For how many seconds the address may be used for new connections; `None`: for ever.
    pub fn preferred(&self) -> Option<u32> {
        Some(self.preferred).filter(|seconds| *seconds != FOREVER)
    }
}

/// What servers say besides addresses.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Information {
    /// The domain name servers, the preferred one first.
    pub dns_servers: List<Ipv6Addr, 3>,
    /// The first of the domains in which names are looked for, up to 63 bytes of it.
    pub domain_name: Option<Text<63>>,
    /// What to boot, as it is. One that is too long for a root path is cut, but still too long.
    pub boot_file_url: Option<RootPathText>,
    /// Where the answer came from.
    pub server: Ipv6Addr,
}

/// What an answer says of the client's addresses (IA_NA).
pub(super) struct Given<'a> {
    association: Association<'a>,
}

/// An address that is given, and for how long.
pub(super) type Offered = (Ipv6Addr, Term);

impl<'a> Given<'a> {
    /// What the answer's `options` say for the client `mac`; `None`, where they do not speak of it.
    ///
    /// # Errors
    ///
    /// What the server refuses with.
    pub(super) fn new(options: Options<'a>, mac: [u8; 6]) -> Option<Result<Self, Refusal>> {
        if let Some(refusal) = Refusal::new(options) {
            return Some(Err(refusal));
        }
        let association = options
            .iter()
            .filter(|(code, _)| *code == Code::ADDRESSES)
            .filter_map(|(_, value)| Association::parse(value))
            .find(|association| association.id == association_id(mac))?;
        if let Some(refusal) = Refusal::new(association.options) {
            return Some(Err(refusal));
        }
        // RFC 8415 section 21.4: such a one is as good as none.
        let Association {
            renewing,
            rebinding,
            ..
        } = association;
        (renewing <= rebinding || rebinding == 0).then_some(Ok(Self { association }))
    }

    /// The addresses, and for how long each is given; 0, where it is taken back.
    pub(super) fn addresses(&self) -> impl Iterator<Item = Offered> + use<'_, 'a> {
        let values = self.association.options.iter();
        let values = values.filter(|(code, _)| *code == Code::ADDRESS);
        values.filter_map(|(_, value)| {
            let mut reader = Reader::new(value);
            let address = Ipv6Addr::from(reader.array::<16>()?);
            let term = Term {
                renewing: self.association.renewing,
                rebinding: self.association.rebinding,
                preferred: reader.be_u32()?,
                valid: reader.be_u32()?,
            };
            // RFC 8415 section 21.6: any other is not to be believed.
            let is_good = term.preferred <= term.valid;
            let is_good = is_good && is_host(address) && !is_link_local(address);
            is_good.then_some((address, term))
        })
    }
}

impl Lease {
    /// The address in the answer's `options` for the client with the address `mac`, and for how
    /// long it is given; `None`, when there is none of use.
    pub(super) fn address(options: Options<'_>, mac: [u8; 6]) -> Option<Result<Offered, Refusal>> {
        match Given::new(options, mac)? {
            Ok(given) => given.addresses().find(|(_, term)| term.valid > 0).map(Ok),
            Err(refusal) => Some(Err(refusal)),
        }
    }

    /// The lease of an address out of the answer's `options`, which server `server_id` has sent
    /// from the address `server`.
    // Not inlined: a kernel stack is too small for it together with what asks for it.
    #[inline(never)]
    pub(super) fn new(
        (address, term): Offered,
        server_id: ServerId,
        options: Options<'_>,
        server: Ipv6Addr,
    ) -> Self {
        Self {
            address,
            server_id,
            term,
            information: Information::new(options, server),
        }
    }
}

impl Information {
    /// Takes it out of an answer's `options`, which came from `server`.
    pub(super) fn new(options: Options<'_>, server: Ipv6Addr) -> Self {
        let url = options.value(Code::BOOT_FILE_URL).map(Text::lossy);
        Self {
            dns_servers: addresses(options.value(Code::DNS_SERVERS).unwrap_or_default()),
            domain_name: options.value(Code::DOMAIN_LIST).and_then(first_domain),
            boot_file_url: url.filter(|url: &RootPathText| !url.is_empty()),
            server,
        }
    }

    /// Whether there is a disk to boot in an answer's `options`.
    pub(super) fn has_root_path(options: Options<'_>) -> bool {
        options.value(Code::BOOT_FILE_URL).is_some_and(is_disk)
    }

    /// The URL of what to boot where that is an iSCSI disk: it is a root path as RFC 4173 has it.
    pub fn root_path(&self) -> Option<&RootPathText> {
        let url = self.boot_file_url.as_ref();
        url.filter(|url| is_disk(url.as_str().as_bytes()))
    }

    /// Writes what `/proc/net/pnp` says: as with IPv4, less the boot server. What the server does
    /// not say of names is taken from what routers have `advertised`.
    ///
    /// # Errors
    ///
    /// `out` takes no more.
    pub fn write_pnp(&self, advertised: &Resolver, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str("#PROTO: DHCP\n")?;
        let domain = self.domain_name.as_ref();
        if let Some(domain) = domain.or(advertised.domain_name.as_ref()) {
            writeln!(out, "domain {domain}")?;
        }
        let servers = match self.dns_servers.is_empty() {
            true => &advertised.dns_servers,
            false => &self.dns_servers,
        };
        servers
            .iter()
            .try_for_each(|server| writeln!(out, "nameserver {server}"))
    }
}

/// Whether `url` is of the scheme `iscsi`.
fn is_disk(url: &[u8]) -> bool {
    const SCHEME: &[u8] = b"iscsi:";
    let scheme = url.get(..SCHEME.len());
    scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case(SCHEME))
}

/// The addresses that `value` lists.
fn addresses(value: &[u8]) -> List<Ipv6Addr, 3> {
    let mut reader = Reader::new(value);
    core::iter::from_fn(|| reader.array::<16>().map(Ipv6Addr::from)).collect()
}

/// The first domain of a list (RFC 1035 section 3.1; RFC 8415 section 10 allows no compression).
pub(in crate::proto) fn first_domain(value: &[u8]) -> Option<Text<63>> {
    let mut reader = Reader::new(value);
    let mut domain = Text::default();
    loop {
        let length = usize::from(reader.u8()?);
        if length == 0 {
            return Some(domain).filter(|domain| !domain.is_empty());
        }
        let label = Text::<63>::host_name(reader.take(length)?);
        // Scripts put it into commands.
        if label.as_str().len() != length {
            return None;
        }
        let dot = if domain.is_empty() { "" } else { "." };
        fmt::write(&mut domain, format_args!("{dot}{label}")).ok()?;
    }
}
