//! Byte-class bitmasks of a 64-byte block (SIMD): bit i is set if byte i belongs to the class. The first byte is the lowest
//! bit; the mask of `,` in `a,b,` is `0b1010`.
//!
//! Delimiters are found by counting bits of a mask, not by a loop with a branch per byte: where the next word or field ends
//! can't be predicted, and a branch misprediction takes longer than scanning a word.

pub use wide::u8x16;

/// Bytes per mask.
pub const BLOCK: usize = u64::BITS as usize;
/// Bytes per SIMD register.
const LANES: usize = 16;

/// Computes the masks of the first [`BLOCK`] bytes, one per class. `classes` compares 16 bytes at a time: it returns one
/// vector per class, in which every byte of the class has its highest bit set. Bytes past the end match no class.
#[inline]
pub fn masks<const N: usize>(bytes: &[u8], classes: impl Fn(u8x16) -> [u8x16; N]) -> [u64; N] {
    let length = bytes.len().min(BLOCK);
    let classify = |lanes: [u8; LANES]| classes(u8x16::new(lanes)).map(|found| u64::from(found.move_mask() as u16));
    let mut masks = [0; N];
    let Some(last) = length.checked_sub(LANES) else {
        let mut lanes = [0; LANES];
        lanes[..length].copy_from_slice(bytes);
        return classify(lanes).map(|mask| mask & !(u64::MAX << length));
    };
    // A block shorter than 64 bytes is read at overlapping offsets, so that the loop has no branch that depends on the
    // length: of 40 bytes, the registers begin at 0, 16, 24 and 24.
    for at in [0, LANES, 2 * LANES, 3 * LANES] {
        let at = at.min(last);
        let lanes = bytes[at..].first_chunk().copied().unwrap_or_default();
        for (mask, found) in masks.iter_mut().zip(classify(lanes)) {
            *mask |= found << at;
        }
    }
    masks
}

/// Marks the bytes from `first` to `last`, both included: all bits of such a byte are set, those of others are zero.
///
/// After subtracting `first` with wraparound, smaller bytes are large: for `b'0'..=b'9'`, `b'5'` becomes 5 and `b'/'` 255.
#[inline]
pub fn in_range(bytes: u8x16, first: u8, last: u8) -> u8x16 {
    let offset = bytes - u8x16::splat(first);
    offset.cmp_eq(offset.min(u8x16::splat(last - first)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_lie_within() {
        let found = in_range(u8x16::new([0, 9, 10, 11, 12, 13, 14, 127, 128, 200, 255, 10, 0, 13, 14, 9]), 10, 13);
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
