//! The character n-grams of a word, and their rows.
//!
//! The word is enclosed in `<` and `>`; its n-grams of `min` to `max` characters (Unicode scalar values) are in the
//! order of their starts, longer ones first. Their rows, counted from the end of the words' rows:
//!
//! - fastText's buckets: its 32-bit hash of the UTF-8 bytes, modulo the buckets;
//! - finalfusion's buckets: the lowest bits of FNV-1a of 64 bits over the number of characters (u64) and each
//!   character (u32), all little-endian;
//! - listed n-grams: their numbers in the list; n-grams that are not listed have none.

use std::collections::HashMap;

use crate::fasttext::hash;

/// The n-grams of a vocabulary.
#[derive(Debug)]
pub(super) struct Ngrams {
    pub(super) min: usize,
    pub(super) max: usize,
    pub(super) rows: Rows,
}

/// How an n-gram gets its row.
#[derive(Debug)]
pub(super) enum Rows {
    /// fastText's buckets, at least 1 of them.
    FastText { buckets: u32 },
    /// Two to this power buckets; the exponent is below 64.
    Finalfusion { exponent: u32 },
    /// Listed n-grams; only the requested ones are held.
    Listed { ngrams: HashMap<Box<[u8]>, u64>, rows: u64 },
}

impl Ngrams {
    /// Returns the n-grams of a vocabulary that has words only.
    pub(super) fn none() -> Self {
        Self { min: 1, max: 0, rows: Rows::Listed { ngrams: HashMap::new(), rows: 0 } }
    }

    /// Returns the number of rows of n-grams.
    pub(super) fn rows(&self) -> u64 {
        match self.rows {
            Rows::FastText { buckets } => u64::from(buckets),
            Rows::Finalfusion { exponent } => 1 << exponent,
            Rows::Listed { rows, .. } => rows,
        }
    }

    /// Calls `take` with the row of every n-gram of a word that has one.
    pub(super) fn for_each_row(&self, word: &[u8], mut take: impl FnMut(u64)) {
        self.for_each(word, |ngram, characters| match &self.rows {
            Rows::FastText { buckets } => take(u64::from(hash(ngram.as_bytes()) % buckets)),
            Rows::Finalfusion { exponent } => take(finalfusion_hash(ngram, characters) & ((1 << exponent) - 1)),
            Rows::Listed { ngrams, .. } => ngrams.get(ngram.as_bytes()).copied().into_iter().for_each(&mut take),
        });
    }

    /// Calls `take` with every n-gram of a word, and its number of characters.
    pub(super) fn for_each(&self, word: &[u8], mut take: impl FnMut(&str, usize)) {
        let word = format!("<{}>", String::from_utf8_lossy(word));
        let mut at: Vec<usize> = word.char_indices().map(|(at, _)| at).collect();
        at.push(word.len());
        let characters = at.len() - 1;
        for start in 0..characters {
            for length in (self.min..=self.max.min(characters - start)).rev() {
                take(&word[at[start]..at[start + length]], length);
            }
        }
    }
}

fn finalfusion_hash(ngram: &str, characters: usize) -> u64 {
    let fnv = |hash: u64, bytes: &[u8]| {
        bytes.iter().fold(hash, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    };
    let start = fnv(0xcbf2_9ce4_8422_2325, &(characters as u64).to_le_bytes());
    ngram.chars().fold(start, |hash, c| fnv(hash, &u32::from(c).to_le_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ngrams(word: &str, min: usize, max: usize) -> Vec<String> {
        let mut found = Vec::new();
        let all = Ngrams { min, max, ..Ngrams::none() };
        all.for_each(word.as_bytes(), |ngram, characters| {
            assert_eq!(ngram.chars().count(), characters);
            found.push(ngram.to_owned());
        });
        found
    }

    #[test]
    fn longer_ones_come_first() {
        assert_eq!(ngrams("éa", 2, 3), ["<éa", "<é", "éa>", "éa", "a>"]);
        assert_eq!(ngrams("a", 3, 6), ["<a>"]);
        assert!(ngrams("a", 4, 6).is_empty());
        assert!(ngrams("abc", 1, 0).is_empty());
    }

    /// The buckets of the n-grams of `<Daniël>` below 2,000,000, from the tests of the Rust package.
    #[test]
    fn buckets_are_fasttexts() {
        let five = Ngrams { min: 5, max: 5, rows: Rows::FastText { buckets: 2_000_000 } };
        let mut rows = Vec::new();
        five.for_each_row("Daniël".as_bytes(), |row| rows.push(row));
        rows.sort_unstable();
        assert_eq!(rows, [441_697, 749_365, 1_105_725, 1_880_616]);
    }
}
