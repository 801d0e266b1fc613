// SPDX-License-Identifier: GPL-2.0-only

//! What a machine tells servers of itself, besides its Ethernet address.

use core::fmt;

use crate::proto::config::text::Text;

/// The user class (option 77) of every machine that boots with this driver, by which a server tells
/// it from the firmware and the boot loader that came before.
pub const USER_CLASS: &str = "iscsi_init";

/// By what a server is to know the machine again, in place of its Ethernet address (option 61).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientId {
    /// The type: that of a hardware address (RFC 1700), or 0 for anything else.
    pub kind: u8,
    /// The identifier.
    pub value: Text<252>,
}

/// `<type>,<identifier>`, as `ip=` has it.
impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{}", self.kind, self.value)
    }
}

/// What a machine says of itself in each message.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Identity {
    /// Its name (option 12).
    pub host_name: Option<Text<64>>,
    /// What it is, in its vendor's words (option 60).
    pub vendor_class: Option<Text<252>>,
    /// By what it is to be known.
    pub client_id: Option<ClientId>,
}
