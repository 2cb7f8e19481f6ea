//! The footer of a Parquet file, walked before the crate reads it: a list of booleans in a field that the crate passes
//! over costs it a step an element, and no byte, so that a kilobyte could keep it busy for minutes.
//!
//! Follows Thrift's compact protocol: a field is a byte (its id's increase, its type), a list a byte (size, type); types are
//! 1 and 2 booleans, 3 byte, 4 to 6 varints, 7 double, 8 binary, 9 list, 10 set, 11 map, 12 struct, 13 uuid.

use super::claims::varint;

/// Deeper than any footer nests.
const MAX_DEPTH: u32 = 64;

/// Whether its collections claim more elements than it has bytes. What can't be walked is the crate's to explain.
pub(super) fn claims_too_much(footer: &[u8]) -> bool {
    let mut walk = Walk { rest: footer, left: Some(footer.len() as u64) };
    let _ = walk.skip(12, MAX_DEPTH);
    walk.left.is_none()
}

struct Walk<'a> {
    rest: &'a [u8],
    /// The elements that may still be claimed; none: more were.
    left: Option<u64>,
}

impl Walk<'_> {
    /// Steps over a value of this type; none where it can't.
    fn skip(&mut self, kind: u8, depth: u32) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            1 | 2 => Some(()),
            3 => self.bytes(1),
            4..=6 => varint(&mut self.rest).map(drop),
            7 => self.bytes(8),
            8 => varint(&mut self.rest).and_then(|length| self.bytes(length)),
            9 | 10 => {
                let head = self.byte()?;
                let size = if head >> 4 == 15 { varint(&mut self.rest)? } else { u64::from(head >> 4) };
                self.elements(size, &[head & 15], depth)
            }
            11 => match varint(&mut self.rest)? {
                0 => Some(()),
                size => self.byte().and_then(|kinds| self.elements(size, &[kinds >> 4, kinds & 15], depth)),
            },
            12 => self.fields(depth),
            13 => self.bytes(16),
            _ => None,
        }
    }

    fn fields(&mut self, depth: u32) -> Option<()> {
        loop {
            let head = self.byte()?;
            if head & 15 == 0 {
                return Some(());
            }
            if head >> 4 == 0 {
                varint(&mut self.rest)?;
            }
            self.skip(head & 15, depth)?;
        }
    }

    fn elements(&mut self, size: u64, kinds: &[u8], depth: u32) -> Option<()> {
        self.left = self.left?.checked_sub(size);
        self.left?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_collection_has_more_elements_than_the_footer_has_bytes() {
        // Field 1, a list of so many: 0x19; then the type of its elements.
        for (footer, too_much) in [
            (&[0x19, 0x21, 0][..], false),
            (&[0x19, 0xf1, 0xff, 0xff, 0xff, 0xff, 7, 0], true),
            (&[0x1a, 0xf2, 0xff, 0xff, 0xff, 0xff, 7, 0], true),
            (&[0x1b, 0xff, 0xff, 0xff, 0xff, 7, 0x11, 0], true),
            (&[0x1c, 0x19, 0xf1, 0xff, 0xff, 3, 0, 0], true),
            (&[0x19, 0x2c, 0, 0, 0], false),
            (&[0x19, 0xf5, 100, 0], true),
            (&[0x18, 100, 0], false),
            (&[0x19], false),
            (&[], false),
        ] {
            assert_eq!(claims_too_much(footer), too_much, "{footer:x?}");
        }
        assert!(!claims_too_much(&[0x1c; 1000]));
    }
}
