// SPDX-License-Identifier: GPL-2.0-only

//! What came with the address, each with who said so, as `/proc/iscsi_init` has it.

use super::{
    error::Failure,
    growing::Growing,
    network::Network, //
};
use crate::proto::{
    config::{
        cmdline::Other,
        ip::Details,
        merge::{
            Request,
            Source, //
        }, //
    },
    dhcp::{
        lease::Lease,
        options::Code, //
    },
    dhcp6::{
        lease::Information,
        message::Code as Dhcpv6Code, //
    },
    nd_option::Resolver,
};
use core::{
    fmt::Display,
    net::IpAddr, //
};
use kernel::prelude::*;

/// A value, if there is one, and who gave it.
type Given<'a> = Option<(&'a dyn Display, Source)>;

/// Who may have said something.
struct Sources<'a> {
    details: &'a Details,
    /// Whose details these are.
    source: Source,
    lease: Option<&'a Lease>,
    information: Option<&'a Information>,
    resolver: Option<&'a Resolver>,
}

/// The settings that go with the network, as lines; where the kernel's own ipconfig has set it up,
/// the address and the gateway alone, since that does not tell what it has from whom.
#[inline(never)]
pub(super) fn write(
    network: &Network,
    request: &Request,
    to: &mut Growing,
) -> Result<(), Failure<'static>> {
    if network.is_ipconfig() {
        return write_ipconfig(network, to);
    }
    let interface = request.interface.as_ref();
    let sources = Sources {
        details: &request.details,
        source: interface.map_or(Source::Default, |interface| interface.source),
        lease: network.lease(),
        information: network.information(),
        resolver: network.resolver(),
    };
    sources.write_machine(to)?;
    sources.write_names(to)?;
    sources.write_mtu(network, to)?;
    sources.write_servers(to)?;
    if let Some(lease) = sources
        .lease
        .filter(|lease| !lease.search_domains.is_empty())
    {
        let domains = &lease.search_domains;
        to.print(core::format_args!("search-domains: {domains}\n"))?;
    }
    Ok(())
}

#[inline(never)]
fn write_ipconfig(network: &Network, to: &mut Growing) -> Result<(), Failure<'static>> {
    let source = Source::Other(Other::Ip);
    let Some(config) = network.config() else {
        return Ok(());
    };
    let (address, length) = (config.address, config.prefix_length);
    to.print(core::format_args!(
        "setting-address: {address}/{length} ({source})\n"
    ))?;
    line(to, "gateway", given(config.gateway.as_ref(), source))
}

impl Sources<'_> {
    /// What DHCP servers are told of the machine.
    #[inline(never)]
    fn write_machine(&self, to: &mut Growing) -> Result<(), Failure<'static>> {
        let identity = &self.details.identity;
        let class = &identity.vendor_class;
        let source = Source::Other(Other::VendorClass);
        line(to, "vendor-class", given(class.as_ref(), source))?;
        line(to, "client-id", self.by_details(&identity.client_id))
    }

    #[inline(never)]
    fn write_names(&self, to: &mut Growing) -> Result<(), Failure<'static>> {
        let lease = self.lease;
        let host_name = lease.and_then(|lease| option(&lease.host_name, Code::HOST_NAME));
        // The name of a machine that was given none.
        let address = given(lease.map(|lease| &lease.address), Source::Default);
        let host_name = self
            .by_details(&self.details.identity.host_name)
            .or(host_name);
        line(to, "host-name", host_name.or(address))?;

        let domain = lease.and_then(|lease| {
            let code = match lease.is_domain_searched {
                true => Code::DOMAIN_SEARCH,
                false => Code::DOMAIN_NAME,
            };
            option(&lease.domain_name, code)
        });
        let told = self.information.and_then(|told| told.domain_name.as_ref());
        let source = Source::Dhcpv6Option(Dhcpv6Code::DOMAIN_LIST.0);
        let domain = domain.or(given(told, source));
        let told = self.resolver.and_then(|told| told.domain_name.as_ref());
        let domain = domain.or(given(told, Source::Router));
        let nis_domain = lease.and_then(|lease| option(&lease.nis_domain, Code::NIS_DOMAIN));
        let nis_domain = self.by_details(&self.details.nis_domain).or(nis_domain);
        line(to, "domain-name", nis_domain.or(domain))?;
        line(to, "dns-domain", domain)
    }

    #[inline(never)]
    fn write_mtu(&self, network: &Network, to: &mut Growing) -> Result<(), Failure<'static>> {
        let own = network.link().mtu;
        let lease = self.lease;
        let mtu = lease.and_then(|lease| option(&lease.mtu, Code::INTERFACE_MTU));
        let mtu = self.by_details(&self.details.mtu).or(mtu);
        line(to, "mtu", mtu.or(Some((&own, Source::Default))))
    }

    #[inline(never)]
    fn write_servers(&self, to: &mut Growing) -> Result<(), Failure<'static>> {
        let Details {
            dns_servers,
            ntp_server,
            ..
        } = self.details;
        let told = dns_servers.iter().flatten();
        let told = told.map(|server| (*server, self.source));
        match (self.lease, self.information) {
            (Some(lease), _) => {
                let server = lease.fallback_dns_server().map(IpAddr::V4);
                let servers = lease.dns_servers.iter().map(IpAddr::V4).map(|server| {
                    match dns_servers.contains(&Some(server)) {
                        true => (server, self.source),
                        false => (server, Source::DhcpOption(Code::DNS_SERVERS.0)),
                    }
                });
                let fallback = server.map(|server| (server, Source::Default));
                list(to, "dns-servers", Iterator::chain(servers, fallback))?;
            }
            (None, Some(information)) if !information.dns_servers.is_empty() => {
                let source = Source::Dhcpv6Option(Dhcpv6Code::DNS_SERVERS.0);
                let servers = information
                    .dns_servers
                    .iter()
                    .map(|server| (server, source));
                list(to, "dns-servers", servers)?;
            }
            (None, information) => {
                let told = told.filter(|_| information.is_none());
                let is_told = information.is_none() && *dns_servers != [None; 2];
                let advertised = self.resolver.filter(|_| !is_told).into_iter();
                let advertised = advertised.flat_map(|told| told.dns_servers.iter());
                let advertised = advertised.map(|server| (IpAddr::V6(server), Source::Router));
                list(to, "dns-servers", Iterator::chain(told, advertised))?;
            }
        }
        let told = ntp_server.iter().map(|server| (*server, self.source));
        let Some(lease) = self.lease else {
            return list(to, "ntp-servers", told);
        };
        let servers = lease
            .ntp_servers
            .iter()
            .map(|server| match *ntp_server == Some(server) {
                true => (server, self.source),
                false => (server, Source::DhcpOption(Code::NTP_SERVERS.0)),
            });
        list(to, "ntp-servers", servers)
    }

    /// What is written down.
    fn by_details<'b, T: Display>(&self, value: &'b Option<T>) -> Given<'b> {
        given(value.as_ref(), self.source)
    }
}

/// What a DHCP server says in this option.
fn option<T: Display>(value: &Option<T>, code: Code) -> Given<'_> {
    given(value.as_ref(), Source::DhcpOption(code.0))
}

fn given<T: Display>(value: Option<&T>, source: Source) -> Given<'_> {
    value.map(|value| -> (&dyn Display, Source) { (value, source) })
}

fn line(to: &mut Growing, key: &str, given: Given<'_>) -> Result<(), Failure<'static>> {
    let (value, source) = given.unwrap_or((&"none", Source::Default));
    to.print(core::format_args!("setting-{key}: {value} ({source})\n"))
}

/// Several values; behind those of one source, that.
fn list<T: Display>(
    to: &mut Growing,
    key: &str,
    given: impl Iterator<Item = (T, Source)>,
) -> Result<(), Failure<'static>> {
    let mut latest = None;
    to.print(core::format_args!("setting-{key}:"))?;
    for (value, source) in given {
        if let Some(before) = latest.filter(|before| *before != source) {
            to.print(core::format_args!(" ({before})"))?;
        }
        to.print(core::format_args!(" {value}"))?;
        latest = Some(source);
    }
    match latest {
        Some(source) => to.print(core::format_args!(" ({source})\n")),
        None => to.print(core::format_args!(" none ({})\n", Source::Default)),
    }
}
