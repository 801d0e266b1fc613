// SPDX-License-Identifier: GPL-2.0-only

//! What a server's answer says, as typed values.

use core::net::{
    IpAddr,
    Ipv4Addr, //
};

use crate::proto::{
    bytes::Reader,
    config::{
        interface::{
            classful_prefix_length,
            prefix_length,
            same_network,
            Ipv4Config,
            Route, //
        },
        ip::Details,
        name,
        root_path,
        text::Text, //
    },
    dhcp::{
        options::{
            Code,
            Options, //
        },
        packet::Reply,
        search::{
            self,
            SearchDomains, //
        },
    },
    time::Duration,
};

/// The protocol in which an address was given.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// BOOTP (RFC 951): the address is the machine's for good.
    Bootp,
    /// DHCP (RFC 2131).
    Dhcp,
}

impl core::fmt::Display for Protocol {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Dhcp => "DHCP",
            Self::Bootp => "BOOTP",
        })
    }
}

/// The text of a root path, with room for one that is too long.
pub type RootPathText = Text<{ root_path::MAX_LENGTH + 4 }>;

/// The text of an initiator name, with room for one that is too long.
pub type InitiatorText = Text<{ name::MAX_LENGTH + 4 }>;

/// An address with all that goes with it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Lease {
    /// The protocol in which it was given.
    pub protocol: Protocol,
    /// The machine's address.
    pub address: Ipv4Addr,
    /// How many of the address's bits are the network's (0 to 32); by its class where the
    /// server gives no netmask.
    pub prefix_length: u8,
    /// The broadcast address of the network, where the server gives one that is in it.
    pub broadcast: Option<Ipv4Addr>,
    /// The routes to other networks; the default route is the one of prefix length 0.
    pub routes: List<Route, 16>,
    /// The domain name servers, the preferred one first.
    pub dns_servers: List<Ipv4Addr, 3>,
    /// The time servers, the preferred one first.
    pub ntp_servers: List<Ipv4Addr, 3>,
    /// The machine's name, cut after 63 bytes as ipconfig does.
    pub host_name: Option<Text<63>>,
    /// The machine's DNS domain, cut after 63 bytes as ipconfig does; the first of the search
    /// domains, where the server gives those alone.
    pub domain_name: Option<Text<63>>,
    /// Whether that is the first of the search domains.
    pub is_domain_searched: bool,
    /// The domains in which names are looked for.
    pub search_domains: SearchDomains,
    /// The machine's NIS domain, cut after 63 bytes as ipconfig does.
    pub nis_domain: Option<Text<63>>,
    /// The machine's iSCSI name, as it is.
    pub initiator: Option<InitiatorText>,
    /// The root path, as it is. One that is too long for [`root_path::RootPath`] is
    /// cut, but still too long.
    pub root_path: Option<RootPathText>,
    /// The largest packet in bytes (576 or more; a smaller one is not believed).
    pub mtu: Option<u16>,
    /// The server's address: its identifier or, where it gave none, where the answer came from.
    pub server: Ipv4Addr,
    /// The identifier by which a DHCP server is told from others.
    pub server_identifier: Option<Ipv4Addr>,
    /// The server of the next step of the boot; often 0.0.0.0.
    pub boot_server: Ipv4Addr,
    /// How long the lease lasts; for ever, where the server does not say.
    pub lease_time: Option<Duration>,
    /// After how long it is to be renewed with its server (T1), where that says so.
    pub renewal_time: Option<Duration>,
    /// After how long it is to be renewed with any server (T2), where its server says so.
    pub rebinding_time: Option<Duration>,
}

impl Lease {
    /// No lease.
    pub(crate) fn none() -> Self {
        Self {
            protocol: Protocol::Bootp,
            address: Ipv4Addr::UNSPECIFIED,
            prefix_length: 0,
            broadcast: None,
            routes: List::none(),
            dns_servers: List::none(),
            ntp_servers: List::none(),
            host_name: None,
            domain_name: None,
            is_domain_searched: false,
            search_domains: SearchDomains::default(),
            nis_domain: None,
            initiator: None,
            root_path: None,
            mtu: None,
            server: Ipv4Addr::UNSPECIFIED,
            server_identifier: None,
            boot_server: Ipv4Addr::UNSPECIFIED,
            lease_time: None,
            renewal_time: None,
            rebinding_time: None,
        }
    }

    /// Takes all of the lease out of `reply`.
    // It is read where it stays, piece by piece: a kernel stack is too small for it as a whole.
    #[inline(never)]
    pub(crate) fn read(&mut self, protocol: Protocol, reply: &Reply<'_>) {
        let options = reply.options();
        self.protocol = protocol;
        self.address = reply.your_address();
        self.server_identifier = reply.server_identifier();
        self.server = self.server_identifier.unwrap_or(reply.source());
        self.boot_server = reply.boot_server();
        self.read_network(options);
        self.read_names(options);
        self.read_times(options);
        read_text(options, Code::INITIATOR_NAME, &mut self.initiator);
        read_text(options, Code::ROOT_PATH, &mut self.root_path);
        if self.initiator.is_none() {
            read_vendor_text(options, Code::INITIATOR_NAME, &mut self.initiator);
        }
        if self.root_path.is_none() {
            read_vendor_text(options, FIRST_TARGET, &mut self.root_path);
        }
    }

    #[inline(never)]
    fn read_network(&mut self, options: &Options<'_>) {
        /// RFC 791 section 3.2: every host takes packets of this size.
        const SMALLEST_MTU: u16 = 576;

        let netmask = options.array::<4>(Code::SUBNET_MASK).map(Ipv4Addr::from);
        let (address, prefix_length) = (
            self.address,
            netmask
                .and_then(prefix_length)
                .filter(|length| *length != 0)
                .unwrap_or(classful_prefix_length(self.address)),
        );
        self.prefix_length = prefix_length;
        self.broadcast = options
            .array::<4>(Code::BROADCAST_ADDRESS)
            .map(Ipv4Addr::from)
            .filter(|broadcast| same_network(*broadcast, address, prefix_length));
        self.routes = routes(options);
        self.dns_servers = addresses(options, Code::DNS_SERVERS);
        self.ntp_servers = addresses(options, Code::NTP_SERVERS);
        self.mtu = options
            .array(Code::INTERFACE_MTU)
            .map(u16::from_be_bytes)
            .filter(|mtu| *mtu >= SMALLEST_MTU);
    }

    #[inline(never)]
    fn read_names(&mut self, options: &Options<'_>) {
        self.host_name = host_name(options, Code::HOST_NAME);
        self.nis_domain = host_name(options, Code::NIS_DOMAIN);
        self.search_domains = search_domains(options);
        let first = self.search_domains.as_str().split(' ').next();
        let first = first.filter(|domain| !domain.is_empty());
        let own = host_name(options, Code::DOMAIN_NAME);
        self.is_domain_searched = own.is_none();
        self.domain_name = own.or(first.and_then(Text::new));
    }

    fn read_times(&mut self, options: &Options<'_>) {
        /// RFC 2131 section 3.3: this lease time means for ever.
        const INFINITE: u32 = u32::MAX;

        let time = |code| {
            options
                .array(code)
                .map(u32::from_be_bytes)
                .filter(|seconds| *seconds != INFINITE)
                .map(|seconds| Duration::from_secs(u64::from(seconds)))
        };
        self.lease_time = time(Code::LEASE_TIME);
        self.renewal_time = time(Code::RENEWAL_TIME);
        self.rebinding_time = time(Code::REBINDING_TIME);
    }

    /// Puts `details` in the place of what the server says, as ipconfig does with what `ip=` says.
    pub fn prefer(&mut self, details: &Details) {
        if let Some(name) = &details.identity.host_name {
            self.host_name = Some(Text::host_name(name.as_str().as_bytes()));
        }
        if let Some(domain) = &details.nis_domain {
            self.nis_domain = Some(Text::host_name(domain.as_str().as_bytes()));
        }
        if let Some(prefix_length) = details.prefix_length {
            self.prefix_length = prefix_length;
            self.broadcast = None;
        }
        if let Some(gateway) = details.gateway {
            let default = Route {
                destination: Ipv4Addr::UNSPECIFIED,
                prefix_length: 0,
                gateway: Some(gateway),
            };
            let others = self.routes.iter().filter(|route| route.prefix_length != 0);
            self.routes = core::iter::once(default).chain(others).collect();
        }
        self.mtu = details.mtu.or(self.mtu);
        self.boot_server = details.server.unwrap_or(self.boot_server);
        self.dns_servers
            .prefer(details.dns_servers.map(|server| match server? {
                IpAddr::V4(server) => Some(server),
                IpAddr::V6(_) => None,
            }));
        self.ntp_servers.prefer([details.ntp_server]);
    }

    /// The router of everything that no other route leads to.
    pub fn router(&self) -> Option<Ipv4Addr> {
        self.routes
            .iter()
            .find(|route| route.prefix_length == 0)?
            .gateway
    }

    /// The address, its network, the default router and the MTU.
    pub fn ipv4_config(&self) -> Ipv4Config {
        Ipv4Config {
            address: self.address,
            prefix_length: self.prefix_length,
            broadcast: self.broadcast,
            gateway: self.router(),
            mtu: self.mtu,
        }
    }
}

/// At most `N` items; further ones are dropped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct List<T, const N: usize> {
    items: [Option<T>; N],
}

impl<T: Copy, const N: usize> List<T, N> {
    /// No item.
    const fn none() -> Self {
        Self { items: [None; N] }
    }

    /// The items.
    pub fn iter(&self) -> impl Iterator<Item = T> + '_ {
        self.items.iter().copied().flatten()
    }

    /// Puts those of `items` that there are in their places.
    fn prefer(&mut self, items: impl IntoIterator<Item = Option<T>>) {
        for (slot, item) in self.items.iter_mut().zip(items) {
            *slot = item.or(*slot);
        }
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }
}

impl<T: Copy, const N: usize> Default for List<T, N> {
    fn default() -> Self {
        Self::none()
    }
}

impl<T: Copy, const N: usize> FromIterator<T> for List<T, N> {
    fn from_iter<I: IntoIterator<Item = T>>(iterator: I) -> Self {
        let mut list = Self::default();
        for (slot, item) in list.items.iter_mut().zip(iterator) {
            *slot = Some(item);
        }
        list
    }
}

/// The addresses that the option `code` lists.
fn addresses(options: &Options<'_>, code: Code) -> List<Ipv4Addr, 3> {
    let mut buffer = [0; 12];
    let value = options.value(code, &mut buffer).unwrap_or_default();
    let mut reader = Reader::new(value);
    core::iter::from_fn(|| reader.array::<4>().map(Ipv4Addr::from)).collect()
}

/// The host or domain name in the option `code`, unless empty.
fn host_name(options: &Options<'_>, code: Code) -> Option<Text<63>> {
    let mut buffer = [0; 63];
    Some(Text::host_name(options.value(code, &mut buffer)?)).filter(|text| !text.is_empty())
}

/// The first target's root path among the [`Code::VENDOR_OPTIONS`], as the boot firmware of network
/// adapters has it (Broadcom, QLogic).
const FIRST_TARGET: Code = Code(201);

/// Reads the text of the option `code`, which is none if it is empty.
#[inline(never)]
fn read_text<const N: usize>(options: &Options<'_>, code: Code, to: &mut Option<Text<N>>) {
    let mut buffer = [0; N];
    let mut value = options.value(code, &mut buffer).unwrap_or_default();
    // RFC 2132 section 2: a text may end with NULs, which are no part of it.
    while let Some(shorter) = value.strip_suffix(&[0]) {
        value = shorter;
    }
    *to = match value {
        [] => None,
        value => Some(Text::lossy(value)),
    };
}

/// The same with the option `code` among the [`Code::VENDOR_OPTIONS`].
// Not inlined, for its buffer's sake: a kernel stack is small.
#[inline(never)]
fn read_vendor_text<const N: usize>(options: &Options<'_>, code: Code, to: &mut Option<Text<N>>) {
    let mut buffer = [0; 512];
    let value = options.value(Code::VENDOR_OPTIONS, &mut buffer);
    read_text(&Options::encapsulated(value.unwrap_or_default()), code, to);
}

/// The domains in which names are looked for.
#[inline(never)]
fn search_domains(options: &Options<'_>) -> SearchDomains {
    let mut buffer = [0; 512];
    let value = options.value(Code::DOMAIN_SEARCH, &mut buffer);
    search::domains(value.unwrap_or_default())
}

/// The routes to other networks.
fn routes(options: &Options<'_>) -> List<Route, 16> {
    // The longest descriptor of a destination has five bytes, its router four.
    let mut buffer = [0; 16 * 9];
    // RFC 3442: a client that understands classless routes ignores the routers of
    // option 3 and the routes of option 33 when there are any.
    if let Some(routes) = options
        .value(Code::CLASSLESS_ROUTES, &mut buffer)
        .and_then(classless_routes)
    {
        return routes;
    }
    let router = options
        .array::<4>(Code::ROUTERS)
        .map(Ipv4Addr::from)
        .filter(|router| !router.is_unspecified());
    let default = |router| Route {
        destination: Ipv4Addr::UNSPECIFIED,
        prefix_length: 0,
        gateway: Some(router),
    };
    let value = options.value(Code::STATIC_ROUTES, &mut buffer);
    let routes = router.map(default).into_iter();
    Iterator::chain(routes, static_routes(value.unwrap_or_default())).collect()
}

/// The routes in the value of option 33 (RFC 2132 section 5.8): destinations and their routers.
fn static_routes(value: &[u8]) -> impl Iterator<Item = Route> + '_ {
    let mut reader = Reader::new(value);
    let pairs = core::iter::from_fn(move || Some((reader.array::<4>()?, reader.array::<4>()?)));
    pairs.filter_map(|(destination, router)| {
        let destination = Ipv4Addr::from(destination);
        let gateway = Ipv4Addr::from(router);
        // The default route is none of them.
        if destination.is_unspecified() || gateway.is_unspecified() {
            return None;
        }
        let network = classful_prefix_length(destination);
        let host_bits = u32::MAX.checked_shr(u32::from(network)).unwrap_or(0);
        let is_network = destination.to_bits() & host_bits == 0;
        Some(Route {
            destination,
            prefix_length: if is_network { network } else { 32 },
            gateway: Some(gateway),
        })
    })
}

/// The routes in the value of option 121 (RFC 3442), or `None` when that is not a
/// list of at least one route.
fn classless_routes(value: &[u8]) -> Option<List<Route, 16>> {
    let mut reader = Reader::new(value);
    let mut list = List::default();
    for slot in &mut list.items {
        if reader.is_empty() {
            break;
        }
        *slot = Some(classless_route(&mut reader)?);
    }
    Some(list).filter(|list| !list.is_empty())
}

/// One route of option 121: the width of the destination, its significant bytes, and the router.
fn classless_route(reader: &mut Reader<'_>) -> Option<Route> {
    let prefix_length = reader.u8().filter(|length| *length <= 32)?;
    let significant = reader.take(usize::from(prefix_length.div_ceil(8)))?;
    let mut destination = [0; 4];
    destination
        .get_mut(..significant.len())?
        .copy_from_slice(significant);
    let host_bits = 32_u32.saturating_sub(u32::from(prefix_length));
    let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0);
    let gateway = Ipv4Addr::from(reader.array::<4>()?);
    Some(Route {
        destination: Ipv4Addr::from_bits(u32::from_be_bytes(destination) & mask),
        prefix_length,
        // RFC 3442: a router of 0.0.0.0 says that the destination is on this link.
        gateway: Some(gateway).filter(|gateway| !gateway.is_unspecified()),
    })
}
