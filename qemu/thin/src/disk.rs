// SPDX-License-Identifier: GPL-2.0-only

//! The medium: memory that several connections use at a time.
//!
//! It is cut into a few stripes with a lock each. Nobody holds a lock while it executes commands:
//! a write takes one for each copy, and answers take those that they need, in ascending order, for
//! the system call that sends them. The memory is zeroed and takes up no page before a write.

use std::array;
use std::io::IoSlice;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

const STRIPES: usize = 32;

pub struct Disk {
    stripes: [RwLock<Vec<u8>>; STRIPES],
    stripe: usize,
    len: u64,
}

impl Disk {
    /// A disk of `len` bytes, all of them zero.
    pub fn new(len: u64) -> Self {
        let stripe = usize::try_from(len.div_ceil(STRIPES as u64))
            .unwrap_or(usize::MAX)
            .next_multiple_of(4096);
        Self {
            stripes: array::from_fn(|_| RwLock::new(vec![0; stripe])),
            stripe,
            len,
        }
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    /// Copies `data` to `offset`; what would be beyond the end is dropped.
    pub fn write(&self, offset: u64, data: &[u8]) {
        let mut data = data;
        for (stripe, at, len) in self.spans(offset, data.len()) {
            let (now, later) = data.split_at(len);
            let mut bytes = self.stripes[stripe]
                .write()
                .unwrap_or_else(PoisonError::into_inner);
            bytes[at..at + len].copy_from_slice(now);
            data = later;
        }
    }

    /// The stripes below the bytes: each with the place in it and the length.
    fn spans(&self, offset: u64, len: usize) -> impl Iterator<Item = (usize, usize, usize)> {
        let stripe = self.stripe;
        let start = offset.min(self.len) as usize;
        let end = start.saturating_add(len).min(self.len as usize);
        let mut from = start;
        std::iter::from_fn(move || {
            if from >= end {
                return None;
            }
            let at = from % stripe;
            let len = (stripe - at).min(end - from);
            let span = (from / stripe, at, len);
            from += len;
            Some(span)
        })
    }

    /// Locks what `ranges` need for reading.
    pub fn view(&self, ranges: impl Iterator<Item = (u64, usize)>) -> View<'_> {
        let mut wanted = [false; STRIPES];
        for (offset, len) in ranges {
            for (stripe, ..) in self.spans(offset, len) {
                wanted[stripe] = true;
            }
        }
        View {
            disk: self,
            stripes: array::from_fn(|n| {
                let lock = || {
                    self.stripes[n]
                        .read()
                        .unwrap_or_else(PoisonError::into_inner)
                };
                wanted[n].then(lock)
            }),
        }
    }
}

/// Bytes of a disk that do not change as long as this lives.
pub struct View<'a> {
    disk: &'a Disk,
    stripes: [Option<RwLockReadGuard<'a, Vec<u8>>>; STRIPES],
}

impl View<'_> {
    /// The bytes of one of the ranges that the view was made for, in pieces.
    pub fn pieces(&self, offset: u64, len: usize) -> impl Iterator<Item = &[u8]> {
        self.disk
            .spans(offset, len)
            .filter_map(|(stripe, at, len)| {
                self.stripes[stripe]
                    .as_ref()
                    .and_then(|bytes| bytes.get(at..at + len))
            })
    }

    pub fn push<'s>(&'s self, offset: u64, len: usize, into: &mut Vec<IoSlice<'s>>) {
        into.extend(self.pieces(offset, len).map(IoSlice::new));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn across_stripes() {
        let disk = Disk::new(32 * 4096);
        let data: Vec<u8> = (0..10_000u32).map(|n| n as u8).collect();
        disk.write(4000, &data);
        let view = disk.view([(4000, data.len())].into_iter());
        let read: Vec<u8> = view.pieces(4000, data.len()).flatten().copied().collect();
        assert_eq!(read, data);
        assert_eq!(view.pieces(4000, data.len()).count(), 4);
    }

    #[test]
    fn nothing_beyond_the_end() {
        let disk = Disk::new(1 << 20);
        disk.write((1 << 20) - 1, &[1; 8]);
        let view = disk.view([(u64::MAX, 8)].into_iter());
        assert_eq!(view.pieces(u64::MAX, 8).count(), 0);
    }
}
