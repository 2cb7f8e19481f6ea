//! Finds the space-separated tokens of an ASCII text without its punctuation, 64 bytes at a time.
//!
//! Most of Google's modules split texts in this way. Writing the text without its punctuation first would take as
//! long as looking its tokens up.

use std::ops::Range;

use emberline_base::masks::{BLOCK, in_range, masks, u8x16};
use savedmodel::text::{PUNCTUATION, without_punctuation};

/// Calls `take` with each token, in order: a text, and the range of the token in it. Returns whether the text is
/// ASCII; if it isn't, `take` isn't called.
pub(super) fn each(text: &[u8], mut take: impl FnMut(&[u8], Range<usize>)) -> bool {
    if !text.is_ascii() {
        return false;
    }
    let mut start = 0;
    let mut before = 0;
    for base in (0..=text.len()).step_by(BLOCK) {
        let [mut ends, removed_here] = spaces_and_punctuation(&text[base..]);
        if text.len() - base < BLOCK {
            ends |= 1 << (text.len() - base);
        }
        let marks = u128::from(removed_here) << BLOCK | u128::from(before);
        while ends != 0 {
            let at = ends.trailing_zeros();
            let end = base + at as usize;
            match length_kept(marks << (BLOCK as u32 - at), end - start) {
                // The masks of bytes further back aren't kept.
                Some(length) if base - start.min(base) <= BLOCK => take(text, start..start + length),
                _ => {
                    let kept = without_punctuation(&text[start..end]);
                    take(&kept, 0..kept.len());
                }
            }
            start = end + 1;
            ends &= ends - 1;
        }
        before = removed_here;
    }
    true
}

/// Returns the length of a token of `length` bytes without the punctuation at its end, such as a comma; `None` if
/// there is punctuation elsewhere in it. `marks` says which bytes are punctuation, the token's last byte in the
/// highest bit. Example: `ab,` has `marks` = `1 << 127` and the length 2.
fn length_kept(marks: u128, length: usize) -> Option<usize> {
    let removed = (marks.leading_ones() as usize).min(length);
    let others = marks.unbounded_shl(removed as u32).leading_zeros() as usize;
    (others >= length - removed).then_some(length - removed)
}

/// Returns which of the first bytes are spaces, and which are punctuation, the first byte in the lowest bit. Example:
/// `a, b` gives `0b0100` and `0b0010`.
fn spaces_and_punctuation(text: &[u8]) -> [u64; 2] {
    masks(text, |bytes| {
        let punctuation =
            ASCII.into_iter().fold(u8x16::splat(0), |found, (first, last)| found | in_range(bytes, first, last));
        [bytes.cmp_eq(u8x16::splat(b' ')), punctuation]
    })
}

/// The ranges of [`PUNCTUATION`] that are ASCII.
const ASCII: [(u8, u8); 9] = {
    let mut ranges = [(0, 0); 9];
    let mut at = 0;
    while at < ranges.len() {
        ranges[at] = (PUNCTUATION[at].0 as u8, PUNCTUATION[at].1 as u8);
        at += 1;
    }
    assert!(PUNCTUATION[at - 1].1 < 0x80 && PUNCTUATION[at].0 >= 0x80, "all of them, and no other");
    ranges
};

#[cfg(test)]
mod tests {
    use emberline_base::Substream;

    use super::*;

    /// Compares with the general rule, on texts of every length up to three blocks.
    #[test]
    fn tokens_are_what_is_left_between_spaces() {
        let mut stream = Substream::new(1, "texts");
        let (mut random, characters) = (|bound| stream.below(bound), b"ab$Z  .,?-'_\t\0");
        for length in (0..3 * BLOCK + 2).cycle().take(5000) {
            let rare = 2 + random(characters.len() - 1);
            let text: Vec<u8> = (0..length).map(|_| characters[random(rare)]).collect();
            let expected: Vec<Vec<u8>> =
                without_punctuation(&text).split(|&byte| byte == b' ').map(<[u8]>::to_vec).collect();
            let mut found = Vec::new();
            assert!(each(&text, |text, place| found.push(text[place].to_vec())));
            assert_eq!(found, expected, "{}", text.escape_ascii());
        }
        assert!(!each("a é".as_bytes(), |_, _| panic!("not ASCII")));
    }
}
