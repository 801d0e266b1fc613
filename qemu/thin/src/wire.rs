// SPDX-License-Identifier: GPL-2.0-only

//! The two ends of a connection: what has arrived, and what is to be sent in one system call.

use std::io::{self, ErrorKind, IoSlice, Read, Write};

use crate::bytes::put;
use crate::crc32c::Crc;
use crate::disk::Disk;

/// What has arrived and was not understood yet.
pub struct Inbox {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    largest: usize,
}

impl Inbox {
    /// For PDUs of up to `largest` bytes, several of which may arrive at a time.
    pub fn new(largest: usize) -> Self {
        Self {
            buffer: vec![0; (2 * largest).max(256 << 10)],
            start: 0,
            end: 0,
            largest,
        }
    }

    /// What is there.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Drops the first `len` bytes.
    pub fn consume(&mut self, len: usize) {
        self.start = (self.start + len).min(self.end);
    }

    /// Waits for more, and takes all that has arrived; false when the peer has closed.
    ///
    /// Where a begun PDU is in the way of its own end it moves to the front, which is seldom.
    pub fn fill(&mut self, from: &mut impl Read) -> io::Result<bool> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.buffer.len() - self.start < self.largest {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        loop {
            match from.read(&mut self.buffer[self.end..]) {
                Ok(len) => {
                    self.end += len;
                    return Ok(len != 0);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// What is to be sent: bytes of our own, and between them bytes of a disk, which are not copied.
#[derive(Default)]
pub struct Outbox {
    own: Vec<u8>,
    inserts: Vec<Insert>,
}

/// Bytes of the disk, to be sent when `at` bytes of our own have been.
struct Insert {
    at: usize,
    offset: u64,
    len: usize,
    /// Where their digest is to stand; what is between `at` and it is padding.
    digest: Option<usize>,
}

impl Outbox {
    pub fn is_empty(&self) -> bool {
        self.own.is_empty()
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.own.extend_from_slice(bytes);
    }

    pub fn disk(&mut self, offset: u64, len: usize) {
        self.inserts.push(Insert {
            at: self.own.len(),
            offset,
            len,
            digest: None,
        });
    }

    /// The digest of the disk's bytes last added, and of the padding after them.
    pub fn digest(&mut self) {
        if let Some(insert) = self.inserts.last_mut() {
            insert.digest = Some(self.own.len());
            self.own.extend_from_slice(&[0; 4]);
        }
    }

    /// Sends everything, by one system call where the socket takes it.
    pub fn flush(&mut self, disk: &Disk, to: &mut impl Write) -> io::Result<()> {
        if self.inserts.is_empty() {
            if !self.own.is_empty() {
                to.write_all(&self.own)?;
                self.own.clear();
            }
            return Ok(());
        }
        let view = disk.view(
            self.inserts
                .iter()
                .map(|insert| (insert.offset, insert.len)),
        );
        for insert in &self.inserts {
            let Some(at) = insert.digest else { continue };
            let crc = view
                .pieces(insert.offset, insert.len)
                .fold(Crc::new(), Crc::update);
            let crc = crc.update(&self.own[insert.at..at]);
            put(&mut self.own, at, crc.digest());
        }
        let mut slices = Vec::with_capacity(2 * self.inserts.len() + 2);
        let mut from = 0;
        for insert in &self.inserts {
            if from < insert.at {
                slices.push(IoSlice::new(&self.own[from..insert.at]));
            }
            view.push(insert.offset, insert.len, &mut slices);
            from = insert.at;
        }
        if from < self.own.len() {
            slices.push(IoSlice::new(&self.own[from..]));
        }
        write_all(&mut slices, to)?;
        self.own.clear();
        self.inserts.clear();
        Ok(())
    }
}

fn write_all(mut slices: &mut [IoSlice<'_>], to: &mut impl Write) -> io::Result<()> {
    while !slices.is_empty() {
        match to.write_vectored(slices) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(len) => IoSlice::advance_slices(&mut slices, len),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crc32c::digest;

    /// Takes three bytes at a time.
    struct Narrow(Vec<u8>);

    impl Write for Narrow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let len = bytes.len().min(3);
            self.0.extend_from_slice(&bytes[..len]);
            Ok(len)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn own_and_disk_in_turn() {
        let disk = Disk::new(1 << 20);
        disk.write(100, b"disk");
        let mut outbox = Outbox::default();
        outbox.bytes(b"one ");
        outbox.disk(100, 3);
        outbox.bytes(b"\0");
        outbox.digest();
        outbox.bytes(b" two");
        outbox.disk(103, 1);
        let mut sent = Narrow(Vec::new());
        outbox.flush(&disk, &mut sent).unwrap();
        let expected = [b"one dis\0".as_slice(), &digest(b"dis\0"), b" twok"].concat();
        assert_eq!(sent.0, expected);
    }

    #[test]
    fn a_begun_pdu_moves_to_the_front() {
        let mut inbox = Inbox::new(200 << 10);
        let mut from = io::repeat(7);
        assert!(inbox.fill(&mut from).unwrap());
        assert_eq!(inbox.bytes().len(), 400 << 10);
        inbox.consume(300 << 10);
        assert!(inbox.fill(&mut from).unwrap());
        assert_eq!(inbox.bytes().len(), 400 << 10);
        assert!(!Inbox::new(1).fill(&mut io::empty()).unwrap());
    }
}
