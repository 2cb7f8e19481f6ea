//! The pieces of an ASCII text by the rules of `words.rs`, found 64 bytes at a time.
//!
//! What the bytes are stands in masks, a bit a byte, so that the end of a piece is counted and not searched for: a
//! processor can't foresee how long the next word is, and every wrong guess costs it more than the word.

use std::ops::Range;

use wide::u8x16;

/// Bytes that a mask tells of.
const BLOCK: usize = u64::BITS as usize;
/// Bytes that are looked at together.
const SIDE: usize = 16;

/// Calls `take` with the place of every piece, in order. Whether the text is ASCII: if it isn't, nothing is taken.
pub(super) fn for_each_piece(text: &[u8], mut take: impl FnMut(Range<usize>)) -> bool {
    let mut masks = Masks::of(text);
    if masks.beyond || !text.get(BLOCK..).unwrap_or_default().is_ascii() {
        return false;
    }
    // Where the piece begins that is to be taken next, when that is known.
    let mut open = None;
    // What ended the block before.
    let (mut words_before, mut alone_before) = (0, 0);
    for base in (0..=text.len()).step_by(BLOCK) {
        let next = text.get(base + BLOCK..).map_or(Masks::NONE, Masks::of);
        let words = masks.words(words_before, next.word);
        let alone = masks.visible & !words;
        let mut starts = words & !shifted(words, words_before) | alone;
        // Behind a word, or a character that is a piece of its own.
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

/// A mask moved on by a byte; the first bit is the last of the mask before.
fn shifted(mask: u64, before: u64) -> u64 {
    mask << 1 | before >> (BLOCK - 1)
}

/// What the bytes of a block are, the first in the lowest bit.
#[derive(Clone, Copy)]
struct Masks {
    /// Letters and digits.
    word: u64,
    apostrophe: u64,
    /// What is neither white space nor a control character.
    visible: u64,
    /// Whether one is beyond ASCII.
    beyond: bool,
}

impl Masks {
    /// Those behind the end of a text.
    const NONE: Self = Self { word: 0, apostrophe: 0, visible: 0, beyond: false };

    /// Those of the first bytes of a text.
    fn of(text: &[u8]) -> Self {
        let text = &text[..text.len().min(BLOCK)];
        let (sides, rest) = text.as_chunks::<SIDE>();
        let mut masks = Self::NONE;
        for (at, side) in sides.iter().enumerate() {
            masks.add(*side, 0, at * SIDE);
        }
        match text.last_chunk() {
            _ if rest.is_empty() => {}
            // Bytes that were looked at before are passed over, which is faster than to bring the others elsewhere.
            Some(last) => masks.add(*last, SIDE - rest.len(), text.len() - rest.len()),
            None => {
                let mut side = [0; SIDE];
                side[..rest.len()].copy_from_slice(rest);
                masks.add(side, 0, 0);
            }
        }
        masks
    }

    /// Adds those of a few bytes but the first `passed`, from the bit `at` on.
    fn add(&mut self, bytes: [u8; SIDE], passed: usize, at: usize) {
        let bytes = u8x16::new(bytes);
        let is = |byte: u8| bytes.cmp_eq(u8x16::splat(byte));
        let within = |bytes: u8x16, first: u8, last: u8| {
            let beyond = bytes - u8x16::splat(first);
            beyond.cmp_eq(beyond.min(u8x16::splat(last - first)))
        };
        let bits = |found: u8x16| u64::from(found.move_mask() as u16) >> passed << at;
        self.word |= bits(within(bytes | u8x16::splat(0x20), b'a', b'z') | within(bytes, b'0', b'9'));
        self.apostrophe |= bits(is(b'\''));
        self.visible |= bits(within(bytes, b'!', b'~'));
        self.beyond |= bytes.move_mask() != 0;
    }

    /// The bytes of words: an apostrophe between two letters or digits, too. `before` and `after`: those of words in the
    /// blocks beside this one.
    fn words(self, before: u64, after: u64) -> u64 {
        self.word | self.apostrophe & shifted(self.word, before) & (self.word >> 1 | after << (BLOCK - 1))
    }
}
