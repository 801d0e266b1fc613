// SPDX-License-Identifier: GPL-2.0-only

//! Kernel arguments, root path and names: bytes in, typed settings with their source out.
