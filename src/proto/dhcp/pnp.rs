// SPDX-License-Identifier: GPL-2.0-only

//! `/proc/net/pnp`, in the bytes of the kernel's own ipconfig
//! (net/ipv4/ipconfig.c, `pnp_seq_show`).

use core::fmt;

use crate::proto::dhcp::lease::{
    Lease,
    Protocol, //
};

/// What the file says when the address is static.
pub const MANUAL: &str = "#MANUAL\n";

impl Lease {
    /// Writes what the file says when the address is this lease's.
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
        // Where no server is named, ipconfig takes the one that offered the address,
        // or else the boot server.
        if self.dns_servers.is_empty() {
            let fallback = self.server_identifier.unwrap_or(self.boot_server);
            writeln!(out, "nameserver {fallback}")?;
        }
        writeln!(out, "bootserver {}", self.boot_server)
    }
}
