// SPDX-License-Identifier: GPL-2.0-only

//! What routers advertise of name servers: two options of Neighbor Discovery (RFC 8106 section 5).

use core::net::Ipv6Addr;

use crate::proto::{
    bytes::Reader,
    config::{
        ipv6::{
            is_host,
            is_link_local, //
        },
        text::Text, //
    },
    dhcp::lease::List,
    dhcp6::lease::first_domain,
};

/// What an option of a router advertisement says. Its lifetime in seconds is 0 where that is not so
/// any more.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NdOption {
    /// Recursive DNS Server (section 5.1).
    DnsServers {
        /// For how long they may be used.
        lifetime: u32,
        /// The first of them, as far as every program can name them: a link-local one would need
        /// its link besides.
        servers: List<Ipv6Addr, 3>,
    },
    /// DNS Search List (section 5.2).
    DnsDomain {
        /// For how long it may be used.
        lifetime: u32,
        /// The first domain in which names are looked for, up to 63 bytes of it.
        domain: Text<63>,
    },
}

impl NdOption {
    /// Reads an option; `None` where it is cut short, names nothing of use, or is another one.
    pub fn parse(option: &[u8]) -> Option<Self> {
        const DNS_SERVERS: u8 = 25;
        const DNS_SEARCH_LIST: u8 = 31;
        /// In which options are counted, in bytes.
        const UNIT: usize = 8;

        let [kind, length, ..] = *option else {
            return None;
        };
        let length = usize::from(length).checked_mul(UNIT)?;
        let mut reader = Reader::new(option.get(..length)?);
        // Type and length, and what is reserved.
        reader.take(4)?;
        let lifetime = reader.be_u32()?;
        match kind {
            DNS_SERVERS => {
                let addresses = || reader.array::<16>().map(Ipv6Addr::from);
                let servers = core::iter::from_fn(addresses)
                    .filter(|server| is_host(*server) && !is_link_local(*server))
                    .collect();
                Some(Self::DnsServers { lifetime, servers })
            }
            DNS_SEARCH_LIST => Some(Self::DnsDomain {
                lifetime,
                domain: first_domain(reader.rest())?,
            }),
            _ => None,
        }
    }
}

/// The name servers, the first one preferred, and the domain that the routers of one link tell of.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Resolver {
    /// The domain name servers.
    pub dns_servers: List<Ipv6Addr, 3>,
    /// The domain in which names are looked for.
    pub domain_name: Option<Text<63>>,
}

impl Resolver {
    /// Takes note of what a router says now.
    pub fn hear(&mut self, told: &NdOption) {
        let known = &self.dns_servers;
        match told {
            NdOption::DnsServers {
                lifetime: 0,
                servers,
            } => {
                let is_gone = |server: &Ipv6Addr| servers.iter().any(|gone| gone == *server);
                self.dns_servers = known.iter().filter(|server| !is_gone(server)).collect();
            }
            NdOption::DnsServers { servers, .. } => {
                let is_known = |server: &Ipv6Addr| known.iter().any(|known| known == *server);
                let new = servers.iter().filter(|server| !is_known(server));
                self.dns_servers = known.iter().chain(new).collect();
            }
            NdOption::DnsDomain {
                lifetime: 0,
                domain,
            } => {
                self.domain_name.take_if(|known| known == domain);
            }
            NdOption::DnsDomain { domain, .. } => {
                self.domain_name.get_or_insert_with(|| domain.clone());
            }
        }
    }
}
