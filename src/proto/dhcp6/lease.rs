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
            Options, //
        },
    },
};

/// An address with all that goes with it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Lease {
    /// The machine's address. Which network it is in, a router says, not the server.
    pub address: Ipv6Addr,
    /// The domain name servers, the preferred one first.
    pub dns_servers: List<Ipv6Addr, 3>,
    /// The first of the domains in which names are looked for, up to 63 bytes of it.
    pub domain_name: Option<Text<63>>,
    /// What to boot, as it is. One that is too long for a root path is cut, but still too long.
    pub boot_file_url: Option<RootPathText>,
    /// Where the answer came from.
    pub server: Ipv6Addr,
}

impl Lease {
    /// Takes the lease out of the answer's `options` for the client with the address `mac`; `None`,
    /// when there is no address of use in it.
    pub(super) fn new(
        options: Options<'_>,
        mac: [u8; 6],
        server: Ipv6Addr,
    ) -> Option<Result<Self, Refusal>> {
        if let Some(refusal) = Refusal::new(options) {
            return Some(Err(refusal));
        }
        let own = options
            .iter()
            .filter(|(code, _)| *code == Code::ADDRESSES)
            .filter_map(|(_, value)| Association::parse(value))
            .find(|association| association.id == association_id(mac))?;
        if let Some(refusal) = Refusal::new(own.options) {
            return Some(Err(refusal));
        }
        let address = own
            .options
            .iter()
            .filter(|(code, _)| *code == Code::ADDRESS)
            .find_map(|(_, value)| address(value))?;
        let texts = options.value(Code::DOMAIN_LIST).and_then(first_domain);
        let url = options.value(Code::BOOT_FILE_URL).map(Text::lossy);
        Some(Ok(Self {
            address,
            dns_servers: addresses(options.value(Code::DNS_SERVERS).unwrap_or_default()),
            domain_name: texts,
            boot_file_url: url.filter(|url: &RootPathText| !url.is_empty()),
            server,
        }))
    }

    /// The URL of what to boot where that is an iSCSI disk: it is a root path as RFC 4173 has it.
    pub fn root_path(&self) -> Option<&RootPathText> {
        let url = self.boot_file_url.as_ref()?;
        let (scheme, _) = url.as_str().split_once(':')?;
        scheme.eq_ignore_ascii_case("iscsi").then_some(url)
    }

    /// Writes what `/proc/net/pnp` says: as with IPv4, less the boot server.
    ///
    /// # Errors
    ///
    /// `out` takes no more.
    pub fn write_pnp(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str("#PROTO: DHCP\n")?;
        if let Some(domain) = &self.domain_name {
            writeln!(out, "domain {domain}")?;
        }
        self.dns_servers
            .iter()
            .try_for_each(|server| writeln!(out, "nameserver {server}"))
    }
}

/// The address in the value of [`Code::ADDRESS`], if it can be used.
fn address(value: &[u8]) -> Option<Ipv6Addr> {
    let mut reader = Reader::new(value);
    let address = Ipv6Addr::from(reader.array::<16>()?);
    let preferred = reader.be_u32()?;
    let valid = reader.be_u32()?;
    let is_good = valid > 0 && preferred <= valid && is_host(address) && !is_link_local(address);
    is_good.then_some(address)
}

/// The addresses that `value` lists.
fn addresses(value: &[u8]) -> List<Ipv6Addr, 3> {
    let mut reader = Reader::new(value);
    core::iter::from_fn(|| reader.array::<16>().map(Ipv6Addr::from)).collect()
}

/// The first domain of a list (RFC 1035 section 3.1; RFC 8415 section 10 allows no compression).
fn first_domain(value: &[u8]) -> Option<Text<63>> {
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
