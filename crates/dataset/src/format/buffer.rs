//! A buffer over a stream of bytes that grows until it holds one whole row.

use std::io::{self, Read};

/// The initial size of the buffer in bytes.
pub(super) const CHUNK: usize = 1 << 18;

/// The bytes that have been read from a stream but not consumed.
pub(super) struct Buffer<'r> {
    reader: &'r mut dyn Read,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes of the stream before `start`.
    taken: u64,
    ended: bool,
}

impl<'r> Buffer<'r> {
    /// Returns an empty buffer.
    pub(super) fn new(reader: &'r mut dyn Read) -> Self {
        Self { reader, bytes: vec![0; CHUNK], start: 0, end: 0, taken: 0, ended: false }
    }

    /// The bytes that have been read and not consumed.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Whether the stream has no more bytes than [`Self::bytes`].
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// The position of the first byte of [`Self::bytes`] in the stream.
    pub(super) fn position(&self) -> u64 {
        self.taken
    }

    /// Consumes `count` bytes, or all of [`Self::bytes`] if they are fewer.
    pub(super) fn take(&mut self, count: usize) {
        let count = count.min(self.end - self.start);
        self.start += count;
        self.taken += count as u64;
    }

    /// Reads more bytes. If more than half of the buffer is not consumed, it is doubled, so that a row of n bytes is scanned in
    /// O(n) altogether.
    pub(super) fn fill(&mut self) -> io::Result<()> {
        self.bytes.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end * 2 > self.bytes.len() {
            self.bytes.try_reserve(self.bytes.len()).map_err(|_| io::ErrorKind::OutOfMemory)?;
            self.bytes.resize(self.bytes.len() * 2, 0);
        }
        while self.end < self.bytes.len() && !self.ended {
            match self.reader.read(&mut self.bytes[self.end..]) {
                Ok(0) => self.ended = true,
                Ok(count) => self.end += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads the first bytes and consumes a UTF-8 byte order mark.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        self.fill()?;
        if self.bytes().starts_with(b"\xEF\xBB\xBF") {
            self.take(3);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_row_grows_the_window() {
        let content: Vec<u8> = (0..CHUNK * 3 + 7).map(|i| i as u8).collect();
        let mut reader = content.as_slice();
        let mut buffer = Buffer::new(&mut reader);
        buffer.begin().expect("readable");
        buffer.take(5);
        while !buffer.ended() {
            buffer.fill().expect("readable");
        }
        assert_eq!(buffer.bytes(), &content[5..]);
        assert_eq!(buffer.position(), 5);
    }
}
