// SPDX-License-Identifier: GPL-2.0-only

//! The keys: how each is spelled, and where it counts.

use core::fmt;

use super::line::Part;

/// A key that means something here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Key {
    /// The target that the lines below are for.
    TargetName,
    /// The portal that the lines below are for, when it is asked for its targets; below a target,
    /// where that is.
    DiscoveryAddress,
    /// The portals that the lines below are for.
    Subnet,
    /// Whether the target or portal is booted from.
    Enabled,
    /// The logical units that are looked for, the boot disk's first.
    Luns,
    /// What this machine is called.
    InitiatorName,
    /// What this machine is called, for people.
    InitiatorAlias,
    /// The name with which the initiator proves itself.
    OutgoingUsername,
    /// The secret with which the initiator proves itself.
    OutgoingPassword,
    /// The name with which the target has to prove itself.
    IncomingUsername,
    /// The secret with which the target has to prove itself.
    IncomingPassword,
    /// The algorithms with which both may prove themselves.
    ChapAlgorithms,
    /// Which header digests are offered.
    HeaderDigest,
    /// Which data digests are offered.
    DataDigest,
    /// Whether the target must ask before any Data-Out.
    InitialR2T,
    /// Whether a SCSI Command may carry data.
    ImmediateData,
    /// The most data in a PDU from the target.
    MaxRecvDataSegmentLength,
    /// The most unsolicited data of a command.
    FirstBurstLength,
    /// The most data in a sequence.
    MaxBurstLength,
    /// How long a login may take.
    LoginTimeout,
    /// How long a login with CHAP may take.
    AuthTimeout,
    /// The silence after which an idle target is pinged.
    IdleTimeout,
    /// The silence after which a target with commands under way is pinged.
    ActiveTimeout,
    /// How long a ping waits for its answer.
    PingTimeout,
    /// How long commands wait for a lost session.
    ConnFailTimeout,
    /// How long the target has to abort a command.
    AbortTimeout,
    /// How long the target has to reset a logical unit.
    ResetTimeout,
    /// How long a command may be without an answer.
    DiskCommandTimeout,
}

impl Key {
    /// Its first spelling.
    pub fn name(self) -> &'static str {
        let mut names = NAMES.iter().filter(|(_, key)| *key == self);
        names.next().map_or("", |(name, _)| name)
    }
}

/// Every spelling.
const NAMES: [(&str, Key); 38] = [
    ("TargetName", Key::TargetName),
    ("DiscoveryAddress", Key::DiscoveryAddress),
    ("TargetIpAddr", Key::DiscoveryAddress),
    ("TargetIpAddress", Key::DiscoveryAddress),
    ("Subnet", Key::Subnet),
    ("Address", Key::Subnet),
    ("Enabled", Key::Enabled),
    ("LUNs", Key::Luns),
    ("InitiatorName", Key::InitiatorName),
    ("InitiatorAlias", Key::InitiatorAlias),
    ("OutgoingUsername", Key::OutgoingUsername),
    ("UsernameOut", Key::OutgoingUsername),
    ("Username", Key::OutgoingUsername),
    ("OutgoingPassword", Key::OutgoingPassword),
    ("PasswordOut", Key::OutgoingPassword),
    ("Password", Key::OutgoingPassword),
    ("IncomingUsername", Key::IncomingUsername),
    ("UsernameIn", Key::IncomingUsername),
    ("IncomingPassword", Key::IncomingPassword),
    ("PasswordIn", Key::IncomingPassword),
    ("CHAPAlgorithms", Key::ChapAlgorithms),
    ("HeaderDigest", Key::HeaderDigest),
    ("DataDigest", Key::DataDigest),
    ("InitialR2T", Key::InitialR2T),
    ("ImmediateData", Key::ImmediateData),
    ("MaxRecvDataSegmentLength", Key::MaxRecvDataSegmentLength),
    ("FirstBurstLength", Key::FirstBurstLength),
    ("MaxBurstLength", Key::MaxBurstLength),
    ("LoginTimeout", Key::LoginTimeout),
    ("AuthTimeout", Key::AuthTimeout),
    ("IdleTimeout", Key::IdleTimeout),
    ("ActiveTimeout", Key::ActiveTimeout),
    ("PingTimeout", Key::PingTimeout),
    ("ConnFailTimeout", Key::ConnFailTimeout),
    ("ReplacementTimeout", Key::ConnFailTimeout),
    ("AbortTimeout", Key::AbortTimeout),
    ("ResetTimeout", Key::ResetTimeout),
    ("DiskCommandTimeout", Key::DiskCommandTimeout),
];

/// Keys of linux-iscsi that begin a part, and mean nothing any more.
const OTHER_PARTS: [&str; 4] = ["DiscoveryFile", "SLPMulticast", "SLPUnicast", "SLPScopes"];

/// Keys of linux-iscsi that mean nothing any more.
const OBSOLETE: [&str; 10] = [
    "Continuous",
    "DefaultAddress",
    "Multipath",
    "PollInterval",
    "PortalFailover",
    "PreferredPortal",
    "PreferredSubnet",
    "ReadSize",
    "SendAsyncText",
    "TCPWindowSize",
];

/// What a key's name stands for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Meaning {
    Key(Key),
    /// Nothing any more, but it begins a part.
    OtherPart,
    /// Nothing any more.
    Obsolete,
    /// Nothing that is known here.
    Unknown,
}

impl Meaning {
    pub(super) fn of(name: &str) -> Self {
        let is_name = |known: &str| known.eq_ignore_ascii_case(name);
        let named = NAMES.into_iter().find(|(known, _)| is_name(known));
        match named {
            Some((_, key)) => Self::Key(key),
            None if OTHER_PARTS.into_iter().any(is_name) => Self::OtherPart,
            None if OBSOLETE.into_iter().any(is_name) => Self::Obsolete,
            None => Self::Unknown,
        }
    }
}

impl Key {
    /// Whether the key counts in this part.
    pub(super) const fn counts_in(self, part: Part<'_>) -> bool {
        match self {
            // These begin their own.
            Self::TargetName | Self::DiscoveryAddress | Self::Subnet => true,
            Self::InitiatorName | Self::InitiatorAlias => matches!(part, Part::All),
            Self::Luns => matches!(part, Part::All | Part::Target(_)),
            Self::Enabled
            | Self::OutgoingUsername
            | Self::OutgoingPassword
            | Self::IncomingUsername
            | Self::IncomingPassword => !matches!(part, Part::Portals(_) | Part::Other),
            _ => !matches!(part, Part::Other),
        }
    }
}

/// Why a line does not count.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Notice {
    /// The key is known, but means nothing any more.
    Obsolete,
    /// The key means nothing for what its line is for.
    NotHere,
    /// The key is none.
    Unknown,
}

/// What follows the key in a line of the log.
impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Obsolete => "has no meaning any more, and is not used",
            Self::NotHere => "has no meaning below the line above it, and is not used",
            Self::Unknown => "is no key of this file, and is not used; check its spelling",
        })
    }
}
