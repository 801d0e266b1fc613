// SPDX-License-Identifier: GPL-2.0-only

//! The login keys: what is offered, what each answer means, and what a proposal of the target is
//! answered with.
//!
//! Source: RFC 7143 sections 6.2 and 13; 12.1 for AuthMethod and CHAP.

mod negotiation;
mod offer;

pub use self::{
    negotiation::Negotiation,
    offer::{
        DigestChoice,
        Offer, //
    }, //
};

use crate::proto::iscsi::text;

/// Defines the keys from their names, which are the variants' names unless given.
macro_rules! keys {
    ($($(#[$attribute:meta])* $key:ident = $name:literal,)+) => {
        /// A key of RFC 7143.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum Key {
            $($(#[$attribute])* $key,)+
        }

        impl Key {
            /// The name on the wire.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$key => $name,)+
                }
            }

            /// The key of this name; `None` for one that is not in RFC 7143.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$key),)+
                    _ => None,
                }
            }
        }
    };
}

keys! {
    /// Section 12; the method of authentication.
    AuthMethod = "AuthMethod",
    /// Section 12.1.3.
    ChapA = "CHAP_A",
    /// Section 12.1.3.
    ChapC = "CHAP_C",
    /// Section 12.1.3.
    ChapI = "CHAP_I",
    /// Section 12.1.3.
    ChapN = "CHAP_N",
    /// Section 12.1.3.
    ChapR = "CHAP_R",
    /// Section 13.1.
    HeaderDigest = "HeaderDigest",
    /// Section 13.1.
    DataDigest = "DataDigest",
    /// Section 13.2.
    MaxConnections = "MaxConnections",
    /// Section 13.3.
    SendTargets = "SendTargets",
    /// Section 13.4.
    TargetName = "TargetName",
    /// Section 13.5.
    InitiatorName = "InitiatorName",
    /// Section 13.6.
    TargetAlias = "TargetAlias",
    /// Section 13.7.
    InitiatorAlias = "InitiatorAlias",
    /// Section 13.8.
    TargetAddress = "TargetAddress",
    /// Section 13.9.
    TargetPortalGroupTag = "TargetPortalGroupTag",
    /// Section 13.10.
    InitialR2T = "InitialR2T",
    /// Section 13.11.
    ImmediateData = "ImmediateData",
    /// Section 13.12.
    MaxRecvDataSegmentLength = "MaxRecvDataSegmentLength",
    /// Section 13.13.
    MaxBurstLength = "MaxBurstLength",
    /// Section 13.14.
    FirstBurstLength = "FirstBurstLength",
    /// Section 13.15.
    DefaultTime2Wait = "DefaultTime2Wait",
    /// Section 13.16.
    DefaultTime2Retain = "DefaultTime2Retain",
    /// Section 13.17.
    MaxOutstandingR2T = "MaxOutstandingR2T",
    /// Section 13.18.
    DataPDUInOrder = "DataPDUInOrder",
    /// Section 13.19.
    DataSequenceInOrder = "DataSequenceInOrder",
    /// Section 13.20.
    ErrorRecoveryLevel = "ErrorRecoveryLevel",
    /// Section 13.21.
    SessionType = "SessionType",
    /// Section 13.23.
    TaskReporting = "TaskReporting",
    /// Section 13.24.
    ProtocolLevel = "iSCSIProtocolLevel",
    /// Section 13.25, obsolete.
    IFMarker = "IFMarker",
    /// Section 13.25, obsolete.
    OFMarker = "OFMarker",
    /// Section 13.25, obsolete.
    IFMarkInt = "IFMarkInt",
    /// Section 13.25, obsolete.
    OFMarkInt = "OFMarkInt",
    /// Section 13.26.
    NodeArchitecture = "X#NodeArchitecture",
}

impl Key {
    /// Whether the key, which is offered, means something in a discovery session (the sections
    /// above, "Irrelevant when").
    pub(super) const fn is_for_discovery(self) -> bool {
        !matches!(
            self,
            Self::MaxConnections
                | Self::InitialR2T
                | Self::ImmediateData
                | Self::MaxBurstLength
                | Self::FirstBurstLength
                | Self::MaxOutstandingR2T
                | Self::DataPDUInOrder
                | Self::DataSequenceInOrder
        )
    }

    /// The most bytes of its value (RFC 7143 sections 6.1 and 12.1.3).
    pub(super) const fn value_max(self) -> usize {
        match self {
            Self::ChapC | Self::ChapR => text::BINARY_VALUE_MAX,
            _ => text::VALUE_MAX,
        }
    }
}

impl core::fmt::Display for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

/// A value as it is written into text.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Value {
    /// A number, in decimal.
    Number(u32),
    /// Yes or No.
    Boolean(bool),
    /// A word.
    Name(&'static str),
}

impl core::fmt::Display for Value {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Boolean(true) => f.write_str("Yes"),
            Self::Boolean(false) => f.write_str("No"),
            Self::Name(name) => f.write_str(name),
        }
    }
}
