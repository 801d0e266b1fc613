// SPDX-License-Identifier: GPL-2.0-only

//! One function per parser that takes any bytes and checks what must hold whatever they are.
//!
//! The wrappers in `fuzz_targets/` run one of them under libFuzzer; `tests/fuzz_smoke.rs` runs all
//! of them, on mutations of the seeds given here, in every `cargo test`. A new parser needs a
//! function, a line in [`ALL`], a wrapper, and a `[[bin]]` in `Cargo.toml`.

#![allow(dead_code, reason = "each wrapper uses one of these")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a failure is what these look for"
)]

#[path = "targets/arp.rs"]
mod arp;
#[path = "targets/captured.rs"]
mod captured;
#[path = "targets/config.rs"]
mod config;
#[path = "targets/dhcp.rs"]
mod dhcp;
#[path = "targets/dhcp6.rs"]
mod dhcp6;
#[path = "targets/ibft.rs"]
mod ibft;
#[path = "targets/iscsi.rs"]
mod iscsi;
#[path = "targets/rtnetlink.rs"]
mod rtnetlink;
#[path = "targets/scsi.rs"]
mod scsi;

pub(crate) use self::{
    arp::arp_packet,
    config::{
        config_cmdline,
        config_file,
        config_texts, //
    },
    dhcp::{
        dhcp_client,
        dhcp_packet,
        dhcp_renewal, //
    },
    dhcp6::{
        dhcp6_client,
        dhcp6_information,
        dhcp6_renewal, //
    },
    ibft::config_ibft,
    iscsi::{
        iscsi_chap,
        iscsi_discovery,
        iscsi_login,
        iscsi_session,
        iscsi_text, //
    },
    rtnetlink::rtnetlink_answers,
    scsi::scsi_unit, //
};

/// A parser's name, its function, and inputs that it accepts.
pub(crate) type Target = (&'static str, fn(&[u8]), fn() -> Vec<Vec<u8>>);

/// Every target.
pub(crate) const ALL: &[Target] = &[
    ("arp_packet", arp_packet, arp::packet_seeds),
    ("config_cmdline", config_cmdline, config::cmdline_seeds),
    ("config_file", config_file, config::file_seeds),
    ("config_ibft", config_ibft, ibft::ibft_seeds),
    ("config_texts", config_texts, config::texts_seeds),
    ("dhcp6_client", dhcp6_client, dhcp6::client_seeds),
    ("dhcp6_information", dhcp6_information, dhcp6::client_seeds),
    ("dhcp6_renewal", dhcp6_renewal, dhcp6::renewal_seeds),
    ("dhcp_client", dhcp_client, dhcp::client_seeds),
    ("dhcp_packet", dhcp_packet, dhcp::packet_seeds),
    ("dhcp_renewal", dhcp_renewal, dhcp::renewal_seeds),
    ("iscsi_chap", iscsi_chap, iscsi::chap_seeds),
    ("iscsi_discovery", iscsi_discovery, iscsi::discovery_seeds),
    ("iscsi_login", iscsi_login, iscsi::login_seeds),
    ("iscsi_session", iscsi_session, iscsi::session_seeds),
    ("iscsi_text", iscsi_text, iscsi::text_seeds),
    (
        "rtnetlink_answers",
        rtnetlink_answers,
        rtnetlink::answers_seeds,
    ),
    ("scsi_unit", scsi_unit, scsi::unit_seeds),
];
