// SPDX-License-Identifier: GPL-2.0-only

//! Cursors over byte slices that cannot run past the end.

/// Reads a slice from front to back; each call takes what it names, or nothing.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader of all of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What has not been read.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether everything has been read.
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Takes the next `length` bytes; `None`, and nothing taken, when fewer are left.
    pub fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.rest.split_at_checked(length)?;
        self.rest = tail;
        Some(head)
    }

    /// Takes the next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, tail) = self.rest.split_first_chunk::<N>()?;
        self.rest = tail;
        Some(*head)
    }

    /// Takes one byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    /// Takes a big-endian 16-bit number.
    pub fn be_u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    /// Takes a big-endian 32-bit number.
    pub fn be_u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }
}

/// Fills a slice from front to back; a call that does not fit writes nothing.
#[derive(Debug)]
pub struct Writer<'a> {
    buffer: &'a mut [u8],
    length: usize,
}

impl<'a> Writer<'a> {
    /// A writer to all of `buffer`.
    pub fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, length: 0 }
    }

    /// How many bytes have been written.
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether nothing has been written.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Appends `bytes`; `None`, and nothing written, when they do not fit.
    pub fn put(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.length.checked_add(bytes.len())?;
        self.buffer
            .get_mut(self.length..end)?
            .copy_from_slice(bytes);
        self.length = end;
        Some(())
    }

    /// What has been written, with the buffer's lifetime.
    pub fn finish(self) -> &'a [u8] {
        let Self { buffer, length } = self;
        buffer.get(..length).unwrap_or_default()
    }
}

impl core::fmt::Write for Writer<'_> {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.put(text.as_bytes()).ok_or(core::fmt::Error)
    }
}

/// The number of bytes that pad `length` to a multiple of four (0 to 3).
pub const fn padding(length: usize) -> usize {
    length.wrapping_neg() & 3
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::fmt::Write;

    #[test]
    fn a_reader_takes_all_or_nothing() {
        let mut reader = Reader::new(&[1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(reader.be_u32(), Some(0x0102_0304));
        assert_eq!(reader.be_u32(), None);
        assert_eq!(reader.be_u16(), Some(0x0506));
        assert_eq!(reader.take(2), None);
        assert_eq!(reader.u8(), Some(7));
        assert!(reader.is_empty());
    }

    #[test]
    fn a_writer_puts_all_or_nothing() {
        let mut buffer = [0; 5];
        let mut writer = Writer::new(&mut buffer);
        assert_eq!(writer.put(b"abc"), Some(()));
        assert_eq!(writer.put(b"def"), None);
        assert!(write!(writer, "{}", 42).is_ok());
        assert!(write!(writer, "!").is_err());
        assert_eq!(writer.finish(), b"abc42");
    }

    #[test]
    fn padding_reaches_the_next_word() {
        assert_eq!([0, 1, 2, 3, 4, 5].map(padding), [0, 3, 2, 1, 0, 3]);
    }
}
