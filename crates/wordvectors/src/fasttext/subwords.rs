//! The character n-grams of a word and their hashes, as in fastText's `computeSubwords`.
//!
//! The word is enclosed in `<` and `>`; its n-grams of `min` to `max` characters are in the order of their starts,
//! shorter ones first. Characters are delimited by the lead bytes of UTF-8, whether the word is valid or not. A
//! single `<` or `>` isn't an n-gram. The word `</s>`, the end of a line, has no n-grams.
//!
//! The hash is FNV-1a of 32 bits, with each byte sign-extended (fastText's `char` is signed): 0xc3 becomes
//! 0xffffffc3.

/// The range of the n-grams' lengths, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ngrams {
    /// At least 1.
    pub(super) min: usize,
    pub(super) max: usize,
}

const END_OF_LINE: &[u8] = b"</s>";

impl Ngrams {
    /// Calls `take` with the hash of every n-gram, in fastText's order.
    pub(super) fn for_each_hash(self, word: &[u8], mut take: impl FnMut(u32)) {
        if word == END_OF_LINE {
            return;
        }
        let word = [b"<", word, b">"].concat();
        for start in (0..word.len()).filter(|&at| starts_character(word[at])) {
            let (mut end, mut hash) = (start, Fnv::EMPTY);
            for characters in 1..=self.max {
                if end == word.len() {
                    break;
                }
                hash = hash.add(word[end]);
                end += 1;
                while end < word.len() && !starts_character(word[end]) {
                    hash = hash.add(word[end]);
                    end += 1;
                }
                let is_edge = characters == 1 && (start == 0 || end == word.len());
                if characters >= self.min && !is_edge {
                    take(hash.0);
                }
            }
        }
    }
}

fn starts_character(byte: u8) -> bool {
    byte & 0xc0 != 0x80
}

/// Returns the hash of an n-gram.
pub(crate) fn hash(ngram: &[u8]) -> u32 {
    ngram.iter().fold(Fnv::EMPTY, |hash, &byte| hash.add(byte)).0
}

/// FNV-1a, 32 bits.
#[derive(Clone, Copy)]
struct Fnv(u32);

impl Fnv {
    const EMPTY: Self = Self(2_166_136_261);

    fn add(self, byte: u8) -> Self {
        Self((self.0 ^ i32::from(byte.cast_signed()).cast_unsigned()).wrapping_mul(16_777_619))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(word: &str, min: usize, max: usize) -> Vec<u32> {
        let mut found = Vec::new();
        Ngrams { min, max }.for_each_hash(word.as_bytes(), |hash| found.push(hash % 2_000_000));
        found
    }

    fn bucket(ngram: &str) -> u32 {
        hash(ngram.as_bytes()) % 2_000_000
    }

    #[test]
    fn shorter_ones_come_first_and_edges_are_left_out() {
        assert_eq!(buckets("ab", 1, 2), ["<a", "a", "ab", "b", "b>"].map(bucket));
        assert_eq!(buckets("ab", 3, 6), ["<ab", "<ab>", "ab>"].map(bucket));
        assert_eq!(buckets("é", 2, 3), ["<é", "<é>", "é>"].map(bucket));
        assert!(buckets("</s>", 1, 6).is_empty());
        assert!(buckets("ab", 4, 3).is_empty());
        assert!(buckets("", 1, 1).is_empty());
    }

    /// The published test vector of FNV-1a for ASCII; a byte above 127 is sign-extended.
    #[test]
    fn the_hash_is_fasttexts() {
        assert_eq!(hash(b"foobar"), 0xbf9c_f968);
        assert_eq!(hash(&[0x80]), (2_166_136_261_u32 ^ 0xffff_ff80).wrapping_mul(16_777_619));
    }
}
