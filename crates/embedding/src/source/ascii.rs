//! The pieces of an ASCII text by the rules of `words.rs`, found 64 bytes at a time.
//!
//! What the bytes are stands in masks, a bit a byte, so that the end of a piece is counted and not searched for: a
//! processor can't foresee how long the next word is, and every wrong guess costs it more than the word.

use std::ops::Range;

/// Bytes that are looked at together.
const BLOCK: usize = u64::BITS as usize;

/// Calls `take` with the place of every piece, in order.
pub(super) fn for_each_piece(text: &[u8], mut take: impl FnMut(Range<usize>)) {
    // Where the word begins that goes on in the next block.
    let mut open: Option<usize> = None;
    let mut before = 0;
    let mut masks = Masks::of(text);
    for base in (0..text.len()).step_by(BLOCK) {
        let next = text.get(base + BLOCK..).map_or(Masks::NONE, Masks::of);
        let words = masks.words(before >> (BLOCK - 1), next.word << (BLOCK - 1));
        let mut starts = words & !(words << 1) | masks.visible & !words;
        if let Some(start) = open {
            let rest = words.trailing_ones() as usize;
            // What the word goes on with begins nothing.
            starts &= !(words & 1);
            if rest < BLOCK {
                take(start..base + rest);
                open = None;
            }
        }
        while starts != 0 {
            let start = starts.trailing_zeros() as usize;
            let length = (words >> start).trailing_ones().max(1) as usize;
            if start + length == BLOCK && words >> (BLOCK - 1) == 1 {
                open = Some(base + start);
            } else {
                take(base + start..base + start + length);
            }
            starts &= starts - 1;
        }
        (before, masks) = (masks.word, next);
    }
    if let Some(start) = open {
        take(start..text.len());
    }
}

/// What the bytes of a block are, the first in the lowest bit.
#[derive(Clone, Copy)]
struct Masks {
    /// Letters and digits.
    word: u64,
    apostrophe: u64,
    /// What is neither white space nor a control character.
    visible: u64,
}

impl Masks {
    /// Those behind the end of a text.
    const NONE: Self = Self { word: 0, apostrophe: 0, visible: 0 };

    /// Those of the first bytes of a text.
    fn of(text: &[u8]) -> Self {
        let mut rest = [0; BLOCK];
        let block = text.first_chunk().unwrap_or_else(|| {
            rest[..text.len()].copy_from_slice(text);
            &rest
        });
        let is_word = |byte: u8| ((byte | 0x20).wrapping_sub(b'a') < 26) | (byte.wrapping_sub(b'0') < 10);
        Self {
            word: mask(block, is_word),
            apostrophe: mask(block, |byte| byte == b'\''),
            visible: mask(block, |byte| byte.wrapping_sub(b'!') < 94),
        }
    }

    /// The bytes of words: an apostrophe between two letters or digits, too. `before` and `after`: what of a word stands
    /// at the edge of the blocks beside this one, in the bit of the byte beside it.
    fn words(self, before: u64, after: u64) -> u64 {
        self.word | self.apostrophe & (self.word << 1 | before) & (self.word >> 1 | after)
    }
}

/// A bit a byte.
fn mask(block: &[u8; BLOCK], is: impl Fn(u8) -> bool) -> u64 {
    let mut found = [0; BLOCK];
    for (found, &byte) in found.iter_mut().zip(block) {
        *found = u8::from(is(byte));
    }
    let mut mask = 0;
    for (at, eight) in found.chunks_exact(8).enumerate() {
        let eight = u64::from_le_bytes(eight.try_into().unwrap_or_default());
        // Moves the lowest bits of eight bytes beside each other, into the highest byte.
        mask |= (eight.wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * at);
    }
    mask
}
