//! Random numbers that are the same on every platform: named substreams of one seed.
//!
//! Every use of randomness (split, initialisation, shuffling, dropout, ...) draws from a
//! substream of its own, so that one more draw in one place moves nothing elsewhere. The
//! generator is ChaCha8, keyed by SHA-256 of seed and name; the sampling below is written
//! out, so that no library's change of algorithm can move a result.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use sha2::{Digest as _, Sha256};

/// A stream of random numbers that depends on a seed and a name alone.
#[derive(Clone, Debug)]
pub struct Substream(ChaCha8Rng);

impl Substream {
    /// The substream `name` of `seed`, for example `"shuffle/epoch/3"`.
    pub fn new(seed: u64, name: &str) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(b"emberline substream\0");
        hasher.update(seed.to_le_bytes());
        hasher.update(name.as_bytes());
        Self(ChaCha8Rng::from_seed(hasher.finalize().into()))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A whole number in `0..bound`, each equally likely.
    ///
    /// # Panics
    /// When `bound` is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        assert!(bound > 0, "an empty range");
        let bound = bound as u64;
        // Reject the incomplete last group, so that the remainder is unbiased. It is shorter than `bound`: only what
        // comes near it is worth the division that tells where it begins.
        let limit = || u64::MAX - (u64::MAX % bound + 1) % bound;
        loop {
            let bits = self.bits();
            if bits <= u64::MAX - bound || bits <= limit() {
                return (bits % bound) as usize;
            }
        }
    }

    /// A float in `[0, 1)`, a multiple of 2^-24.
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u32 << 24) as f32
    }

    /// A float in `[-limit, limit)`.
    pub fn symmetric(&mut self, limit: f32) -> f32 {
        (2.0 * self.unit() - 1.0) * limit
    }

    /// Puts the items in random order (Fisher-Yates, from the end).
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
