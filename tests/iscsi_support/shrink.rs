// SPDX-License-Identifier: GPL-2.0-only

//! Fewer steps that fail like many did.
//!
//! A step is the seed of all its choices, so it can be left out without a change to the others.

use std::{
    cell::Cell,
    panic::{
        catch_unwind,
        set_hook,
        take_hook,
        AssertUnwindSafe, //
    },
    sync::Once, //
};

thread_local! {
    /// Whether this thread's panics are expected.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `property` on `count` steps; when it panics, runs it once more on the fewest that it is
/// found to panic on too, with `true` for it to tell what it does.
pub(crate) fn check<T>(seed: u64, count: u64, property: impl Fn(&[u64], bool) -> T) -> T {
    let mut steps: Vec<u64> = (0..count).map(|step| (seed << 32) | step).collect();
    if let Some(result) = quietly(|| property(&steps, false)) {
        return result;
    }
    let mut size = steps.len();
    while size > 0 {
        let mut at = 0;
        while at < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(at..(at + size).min(steps.len()));
            if quietly(|| property(&fewer, false)).is_none() {
                steps = fewer;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    println!("seed {seed} fails after {count} steps, and after {steps:#x?} alone:");
    property(&steps, true)
}

/// What `f` returns; `None` when it panics.
fn quietly<T>(f: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = take_hook();
        set_hook(Box::new(move |info| {
            if !QUIET.get() {
                loud(info);
            }
        }));
    });
    QUIET.set(true);
    let result = catch_unwind(AssertUnwindSafe(f)).ok();
    QUIET.set(false);
    result
}
