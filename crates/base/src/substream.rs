//! Seeded random numbers that are equal on every platform: named substreams of one seed.
//!
//! Every use of randomness (split, initialisation, shuffling, dropout, ...) draws from its own substream, so that an
//! additional draw in one place changes nothing elsewhere. The generator is ChaCha8, keyed by the SHA-256 of seed and name.
//! The sampling algorithms are implemented here, so that an update of a library can't change results.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use sha2::{Digest as _, Sha256};

/// A stream of random numbers that depends only on a seed and a name.
#[derive(Clone, Debug)]
pub struct Substream(ChaCha8Rng);

impl Substream {
    /// Creates the substream `name` of `seed`, for example `"shuffle/epoch/3"`.
    pub fn new(seed: u64, name: &str) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(b"emberline substream\0");
        hasher.update(seed.to_le_bytes());
        hasher.update(name.as_bytes());
        Self(ChaCha8Rng::from_seed(hasher.finalize().into()))
    }

    /// Draws 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Draws an integer uniformly from `0..bound`.
    ///
    /// # Panics
    /// If `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "an empty range");
        let bound = bound as u64;
        // Rejection sampling: 2^64 numbers form groups of `bound`, and the numbers of the incomplete last group are rejected,
        // so that the remainder is unbiased (with 3 bits and a bound of 3, 6 and 7 are rejected). That group is shorter than
        // `bound`, so its exact limit, which takes a division, is computed only for the last `bound` numbers.
        let limit = || u64::MAX - (u64::MAX % bound + 1) % bound;
        loop {
            let bits = self.bits();
            if bits <= u64::MAX - bound || bits <= limit() {
                return (bits % bound) as usize;
            }
        }
    }

    /// Draws a float uniformly from `[0, 1)`, as a multiple of 2^-24.
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u32 << 24) as f32
    }

    /// Draws a float uniformly from `[-limit, limit)`.
    pub fn symmetric(&mut self, limit: f32) -> f32 {
        (2.0 * self.unit() - 1.0) * limit
    }

    /// Shuffles the items (Fisher-Yates, from the end).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pinned: these numbers are part of every recorded result.
    #[test]
    fn the_stream_never_changes() {
        let mut stream = Substream::new(42, "split");
        let drawn: Vec<u64> = (0..3).map(|_| stream.bits()).collect();
        let mut order: Vec<usize> = (0..8).collect();
        Substream::new(42, "shuffle").shuffle(&mut order);
        assert_eq!(drawn, [16550910344502971200, 1375165319370016685, 3546398876503900430]);
        assert_eq!(order, [5, 6, 1, 7, 4, 2, 3, 0]);
    }

    #[test]
    fn names_and_seeds_separate_streams() {
        let first = |seed, name| Substream::new(seed, name).bits();
        assert_ne!(first(1, "split"), first(2, "split"));
        assert_ne!(first(1, "split"), first(1, "shuffle"));
    }

    #[test]
    fn below_reaches_every_number_evenly() {
        let mut stream = Substream::new(7, "below");
        let mut counts = [0usize; 6];
        for _ in 0..60_000 {
            counts[stream.below(6)] += 1;
        }
        assert!(counts.iter().all(|&c| (9_500..10_500).contains(&c)), "{counts:?}");
    }
}
