// SPDX-License-Identifier: GPL-2.0-only

//! The rtnetlink messages that read and change links, addresses and routes (linux/rtnetlink.h).
