// SPDX-License-Identifier: GPL-2.0-only

//! The DHCP and BOOTP client (RFC 2131, RFC 2132, RFC 951).
