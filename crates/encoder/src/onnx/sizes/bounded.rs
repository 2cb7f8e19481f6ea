//! A reader of bytes in memory with which the parser of ONNX files always ends.
//!
//! The parser (`rten-onnx` 0.24) reads a number of more than ten bytes for ever, asking for zero bytes again and again, and skips a
//! length of 2^63 or more backwards. Both are errors here: a second look at the same bytes after none was consumed, and a step back.

use std::io::{BufRead, Cursor, Error, ErrorKind, Read, Result, Seek, SeekFrom};

/// Reads forwards only, and at least a byte at a time.
pub(super) struct Bounded<'b> {
    bytes: Cursor<&'b [u8]>,
    /// Whether the last `consume` took no byte.
    is_stalled: bool,
}

impl<'b> Bounded<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self { bytes: Cursor::new(bytes), is_stalled: false }
    }
}

impl Read for Bounded<'_> {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        self.is_stalled = false;
        self.bytes.read(into)
    }
}

impl BufRead for Bounded<'_> {
    fn fill_buf(&mut self) -> Result<&[u8]> {
        if self.is_stalled {
            return Err(Error::new(ErrorKind::InvalidData, "a number has more than ten bytes"));
        }
        self.bytes.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.is_stalled = amount == 0;
        self.bytes.consume(amount);
    }
}

impl Seek for Bounded<'_> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        match to {
            SeekFrom::Current(offset) if offset < 0 => {
                Err(Error::new(ErrorKind::InvalidData, "a length exceeds the file"))
            }
            _ => self.bytes.seek(to),
        }
    }
}
