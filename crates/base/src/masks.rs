//! What the bytes of a block are, as masks: a bit a byte, the first in the lowest.
//!
//! What is sought in a mask is counted and not searched for: a processor can't foresee where the next word or field ends,
//! and every wrong guess costs it more than the word.

pub use wide::u8x16;

/// Bytes that a mask tells of.
pub const BLOCK: usize = u64::BITS as usize;
/// Bytes that are looked at together.
const SIDE: usize = 16;

/// The masks of the first [`BLOCK`] bytes, one for each of the `kinds`, which says of bytes what they are: all bits of a
/// byte, or at least the highest. Behind the end nothing is of any kind.
#[inline]
pub fn masks<const N: usize>(bytes: &[u8], kinds: impl Fn(u8x16) -> [u8x16; N]) -> [u64; N] {
    let length = bytes.len().min(BLOCK);
    let of = |side: [u8; SIDE]| kinds(u8x16::new(side)).map(|found| u64::from(found.move_mask() as u16));
    let mut masks = [0; N];
    let Some(last) = length.checked_sub(SIDE) else {
        let mut side = [0; SIDE];
        side[..length].copy_from_slice(bytes);
        return of(side).map(|mask| mask & !(u64::MAX << length));
    };
    // Bytes before the end are looked at again where fewer are left: what doesn't depend on the length need not be guessed.
    for at in [0, SIDE, 2 * SIDE, 3 * SIDE] {
        let at = at.min(last);
        let side = bytes[at..].first_chunk().copied().unwrap_or_default();
        for (mask, found) in masks.iter_mut().zip(of(side)) {
            *mask |= found << at;
        }
    }
    masks
}

/// Which bytes lie between two, these included.
#[inline]
pub fn within(bytes: u8x16, first: u8, last: u8) -> u8x16 {
    let beyond = bytes - u8x16::splat(first);
    beyond.cmp_eq(beyond.min(u8x16::splat(last - first)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_lie_within() {
        let found = within(u8x16::new([0, 9, 10, 11, 12, 13, 14, 127, 128, 200, 255, 10, 0, 13, 14, 9]), 10, 13);
        assert_eq!(found.move_mask(), 0b0010_1000_0011_1100);
    }

    #[test]
    fn every_length_has_its_bits() {
        let bytes: Vec<u8> = (0..100u32).map(|at| (at * 37 % 5) as u8).collect();
        for length in 0..bytes.len() {
            let bytes = &bytes[..length];
            let [zeros, threes] = masks(bytes, |bytes| [0, 3].map(|byte| bytes.cmp_eq(u8x16::splat(byte))));
            for (mask, byte) in [(zeros, 0), (threes, 3)] {
                let expected = (0..BLOCK).filter(|&at| bytes.get(at) == Some(&byte)).fold(0, |mask, at| mask | 1 << at);
                assert_eq!(mask, expected, "{length}");
            }
        }
    }
}
