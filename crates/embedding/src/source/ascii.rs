//! Splits ASCII texts into pieces by the rules of `words.rs`, 64 bytes at a time, and loads the first bytes of a
//! piece.

use std::ops::Range;

use emberline_base::masks::{BLOCK, in_range, masks, u8x16};

/// Calls `take` with the range of every piece, in order. Returns whether the text is ASCII; if it isn't, `take` isn't
/// called.
pub(super) fn for_each_piece(text: &[u8], mut take: impl FnMut(Range<usize>)) -> bool {
    let mut masks = Masks::of(text);
    if masks.beyond != 0 || !text.get(BLOCK..).unwrap_or_default().is_ascii() {
        return false;
    }
    // The start of the next piece, if it is known already.
    let mut open = None;
    // The last bits of the masks of the previous block.
    let (mut words_before, mut alone_before) = (0, 0);
    for base in (0..=text.len()).step_by(BLOCK) {
        let next = text.get(base + BLOCK..).map_or(Masks::NONE, Masks::of);
        let words = masks.words(words_before, next.word);
        let alone = masks.visible & !words;
        let mut starts = words & !shifted(words, words_before) | alone;
        // A piece ends after a word, and after a character that is a piece of its own.
        let mut stops = shifted(words, words_before) & !words | shifted(alone, alone_before);
        let mut next_start = || {
            let start = base + starts.trailing_zeros() as usize;
            starts &= starts.wrapping_sub(1);
            start
        };
        let mut start = open.unwrap_or_else(&mut next_start);
        while stops != 0 {
            take(start..base + stops.trailing_zeros() as usize);
            start = next_start();
            stops &= stops - 1;
        }
        open = Some(start).filter(|&start| start < base + BLOCK);
        (words_before, alone_before, masks) = (words, alone, next);
    }
    true
}

/// Loads eight bytes of a text from `start` on, the first in the lowest bits, with zeros past the end. No branch
/// depends on where the text ends, since a processor can't predict that. Example: `eight(b"abc", 1)` is `0x6362`
/// (`b`, `c`, then zeros).
pub(super) fn eight(text: &[u8], start: usize) -> u64 {
    let Some(last) = text.len().checked_sub(8) else {
        let mut bytes = [0; 8];
        bytes[..text.len() - start].copy_from_slice(&text[start..]);
        return u64::from_le_bytes(bytes);
    };
    let at = start.min(last);
    let bytes = text[at..].first_chunk().copied().unwrap_or_default();
    u64::from_le_bytes(bytes).unbounded_shr(8 * (start - at) as u32)
}

/// Shifts a mask by one byte towards higher positions; the lowest bit becomes the highest bit of `before`. Example in
/// 4 bits: `0b0110` after a mask whose highest bit is set gives `0b1101`.
fn shifted(mask: u64, before: u64) -> u64 {
    mask << 1 | before >> (BLOCK - 1)
}

/// The character classes of a block of bytes, one bit per byte, the first byte in the lowest bit. Example: `a b` has
/// `word` = `0b101`.
#[derive(Clone, Copy)]
struct Masks {
    /// Letters and digits.
    word: u64,
    apostrophe: u64,
    /// Bytes that are neither white space nor control characters.
    visible: u64,
    /// Bytes that aren't ASCII.
    beyond: u64,
}

impl Masks {
    /// The masks past the end of a text.
    const NONE: Self = Self { word: 0, apostrophe: 0, visible: 0, beyond: 0 };

    /// Returns the masks of the first bytes of a text.
    fn of(text: &[u8]) -> Self {
        let [word, apostrophe, visible, beyond] = masks(text, |bytes| {
            let letters = in_range(bytes | u8x16::splat(0x20), b'a', b'z');
            let word = letters | in_range(bytes, b'0', b'9');
            [word, bytes.cmp_eq(u8x16::splat(b'\'')), in_range(bytes, b'!', b'~'), bytes]
        });
        Self { word, apostrophe, visible, beyond }
    }

    /// Returns the bytes that belong to words, including an apostrophe between two letters or digits. `before` and
    /// `after` are the word masks of the neighbouring blocks.
    fn words(self, before: u64, after: u64) -> u64 {
        self.word | self.apostrophe & shifted(self.word, before) & (self.word >> 1 | after << (BLOCK - 1))
    }
}
