// SPDX-License-Identifier: GPL-2.0-only

//! Says what targets do wrong, and is tolerated: each once, whichever target and session it is.

use crate::proto::iscsi::quirk::Quirks;
use core::sync::atomic::{
    AtomicU16,
    Ordering, //
};
use kernel::prelude::*;

/// Says so of those of which it was not said before. Any context.
pub(super) fn tell(quirks: Quirks) {
    static TOLD: AtomicU16 = AtomicU16::new(Quirks::NONE.bits());
    let told = Quirks::from_bits(TOLD.fetch_or(quirks.bits(), Ordering::Relaxed));

    for quirk in quirks.without(told).iter() {
        pr_info!(
            "the target {}, which is tolerated\n",
            core::format_args!("{quirk}")
        );
    }
}
