// SPDX-License-Identifier: GPL-2.0-only
#![no_main]
#[path = "../targets.rs"]
mod targets;
libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::arp_packet(data));
