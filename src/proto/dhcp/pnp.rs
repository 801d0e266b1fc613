// SPDX-License-Identifier: GPL-2.0-only

//! `/proc/net/pnp` and `/proc/net/ipconfig/ntp_servers`, in the bytes of the kernel's own ipconfig
//! (net/ipv4/ipconfig.c, `pnp_seq_show` and `ntp_servers_show`).

use core::{
    fmt,
    net::Ipv4Addr, //
};

use crate::proto::{
    config::ip::Details,
    dhcp::lease::{
        Lease,
        Protocol, //
    },
    nd_option::Resolver,
};

/// Writes what `/proc/net/pnp` says when the address is static and `details` go with it, or when
/// routers have `advertised` it: what these say of names counts as far as `details` have nothing.
///
/// # Errors
///
/// `out` takes no more.
pub fn write_manual(
    details: &Details,
    advertised: &Resolver,
    out: &mut dyn fmt::Write,
) -> fmt::Result {
    out.write_str("#MANUAL\n")?;
    if let Some(domain) = &advertised.domain_name {
        writeln!(out, "domain {domain}")?;
    }
    for server in details.dns_servers.iter().flatten() {
        writeln!(out, "nameserver {server}")?;
    }
    let servers = advertised.dns_servers.iter();
    for server in servers.filter(|_| details.dns_servers == [None; 2]) {
        writeln!(out, "nameserver {server}")?;
    }
    details
        .server
        .map_or(Ok(()), |server| writeln!(out, "bootserver {server}"))
}

/// Writes what `/proc/net/ipconfig/ntp_servers` says.
///
/// # Errors
///
/// `out` takes no more.
pub fn write_ntp_servers(
    mut servers: impl Iterator<Item = Ipv4Addr>,
    out: &mut dyn fmt::Write,
) -> fmt::Result {
    servers.try_for_each(|server| writeln!(out, "{server}"))
}

impl Lease {
    /// The domain name server where none is named: as with ipconfig the server that offered the
    /// address, or else the boot server.
    pub fn fallback_dns_server(&self) -> Option<Ipv4Addr> {
        let server = self.server_identifier.unwrap_or(self.boot_server);
        self.dns_servers.is_empty().then_some(server)
    }

    /// Writes what `/proc/net/pnp` says when the address is this lease's.
    ///
    /// # Errors
    ///
    /// `out` takes no more.
    pub fn write_pnp(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str(match self.protocol {
            Protocol::Dhcp => "#PROTO: DHCP\n",
            Protocol::Bootp => "#PROTO: BOOTP\n",
        })?;
        if let Some(domain) = &self.domain_name {
            writeln!(out, "domain {domain}")?;
        }
        for server in self.dns_servers.iter() {
            writeln!(out, "nameserver {server}")?;
        }
        if let Some(server) = self.fallback_dns_server() {
            writeln!(out, "nameserver {server}")?;
        }
        writeln!(out, "bootserver {}", self.boot_server)
    }
}
