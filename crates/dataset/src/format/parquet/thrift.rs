//! Walks values in Thrift's compact protocol, in which Parquet writes its footer and page headers.
//!
//! A field begins with a byte: the increment of its id (4 bits) and its type (4 bits). A list begins with a byte: its size (4 bits,
//! 15 if a varint follows) and the type of its elements. A number is a zigzag varint. Types are 1 and 2 booleans, 3 byte, 4 to 6
//! varints, 7 double, 8 binary, 9 list, 10 set, 11 map, 12 struct, 13 uuid.
//!
//! Specification: Apache Thrift, `doc/specs/thrift-compact-protocol.md`.

use super::claims::varint;

/// The largest supported depth of nesting.
pub(super) const MAX_DEPTH: u32 = 64;
/// The type of a 32-bit number.
pub(super) const I32: u8 = 5;
/// The type of a list.
pub(super) const LIST: u8 = 9;
/// The type of a struct.
pub(super) const STRUCT: u8 = 12;

/// A walk over encoded values.
pub(super) struct Walk<'a> {
    /// The bytes that haven't been walked.
    pub(super) rest: &'a [u8],
    /// The number of collection elements that may still be claimed; none once more were claimed.
    pub(super) left: Option<u64>,
}

impl<'a> Walk<'a> {
    /// Starts a walk. At most as many elements may be claimed as there are bytes.
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, left: Some(bytes.len() as u64) }
    }

    /// Skips a value of this type; none if it is invalid or nested too deeply.
    pub(super) fn skip(&mut self, kind: u8, depth: u32) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            1 | 2 => Some(()),
            3 => self.bytes(1),
            4..=6 => varint(&mut self.rest).map(drop),
            7 => self.bytes(8),
            8 => varint(&mut self.rest).and_then(|length| self.bytes(length)),
            9 | 10 => {
                let (size, kind) = self.list()?;
                self.elements(size, &[kind], depth)
            }
            11 => match varint(&mut self.rest)? {
                0 => Some(()),
                size => self.byte().and_then(|kinds| self.elements(size, &[kinds >> 4, kinds & 15], depth)),
            },
            12 => self.fields(|walk, _, kind| walk.skip(kind, depth)),
            13 => self.bytes(16),
            _ => None,
        }
    }

    /// Passes the id and type of each field of a struct to `visit`, which must consume its value.
    pub(super) fn fields(&mut self, mut visit: impl FnMut(&mut Self, i64, u8) -> Option<()>) -> Option<()> {
        let mut id = 0_i64;
        loop {
            let head = self.byte()?;
            if head & 15 == 0 {
                return Some(());
            }
            id = match head >> 4 {
                0 => self.number()?,
                more => id.checked_add(i64::from(more))?,
            };
            visit(self, id, head & 15)?;
        }
    }

    /// Reads the size of a list and the type of its elements, and claims the size.
    pub(super) fn list(&mut self) -> Option<(u64, u8)> {
        let head = self.byte()?;
        let size = if head >> 4 == 15 { varint(&mut self.rest)? } else { u64::from(head >> 4) };
        self.claim(size)?;
        Some((size, head & 15))
    }

    /// Reads a signed number in zigzag encoding: 0, 1, 2, 3 are 0, -1, 1, -2.
    pub(super) fn number(&mut self) -> Option<i64> {
        let zigzag = varint(&mut self.rest)?;
        Some((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
    }

    /// Subtracts `size` from the elements that may still be claimed; none if they are fewer.
    pub(super) fn claim(&mut self, size: u64) -> Option<()> {
        self.left = self.left?.checked_sub(size);
        self.left.map(drop)
    }

    fn elements(&mut self, size: u64, kinds: &[u8], depth: u32) -> Option<()> {
        if kinds.len() > 1 {
            self.claim(size)?;
        }
        (0..size).try_for_each(|_| kinds.iter().try_for_each(|&kind| self.skip(kind, depth)))
    }

    fn byte(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    fn bytes(&mut self, length: u64) -> Option<()> {
        self.rest = self.rest.get(usize::try_from(length).ok()?..)?;
        Some(())
    }
}
