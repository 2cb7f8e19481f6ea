//! Finds duplicate texts: those with equal keys (`emberline_base::normalise`), which differ only in case, white space, invisible
//! characters, and whether accents are composed.

use std::hash::{BuildHasher, Hasher};

use emberline_base::normalise::push_key;
use foldhash::quality::RandomState;
use hashbrown::HashTable;

use crate::texts::Texts;

/// Appends the normalised form of a text, in UTF-8.
pub(crate) fn normalise(text: &str, into: &mut Vec<u8>) {
    if !is_plain(text.as_bytes()) {
        return push_key(text, into);
    }
    let start = into.len();
    into.extend_from_slice(text.as_bytes());
    into[start..].make_ascii_lowercase();
}

/// Whether normalising a text can change nothing but its case, as with most texts: it is ASCII without control characters, has
/// only single spaces, and none at its ends. Sixteen bytes are compared at once; the last sixteen overlap those before them, so
/// that no rest is left to compare byte by byte.
fn is_plain(text: &[u8]) -> bool {
    let ([first, after @ ..], [before @ .., last]) = (text, text) else { return true };
    let is_visible = |byte: u8| (b' '..0x7F).contains(&byte);
    let is_odd = |(&byte, &next): (&u8, &u8)| !is_visible(byte) | ((byte == b' ') & (next == b' '));
    let are_odd = |byte: &[u8; 16], next: &[u8; 16]| byte.iter().zip(next).fold(false, |odd, pair| odd | is_odd(pair));
    let odd = match (before.last_chunk(), after.last_chunk()) {
        (Some(end), Some(end_after)) => {
            let pairs = before.as_chunks().0.iter().zip(after.as_chunks().0);
            pairs.fold(are_odd(end, end_after), |odd, (byte, next)| odd | are_odd(byte, next))
        }
        _ => before.iter().zip(after).any(is_odd),
    };
    !odd && is_visible(*last) && *first != b' ' && *last != b' '
}

/// The hashes of all texts. Each is computed when its text is read, while the text is still in the processor's cache.
#[derive(Default)]
pub(crate) struct Hashes {
    random: RandomState,
    of_rows: Vec<u32>,
    /// Reused for the normalised form of each text.
    normalised: Vec<u8>,
}

impl Hashes {
    /// Adds the text of the next row.
    pub(crate) fn push(&mut self, text: &str) {
        let hash = if is_plain(text.as_bytes()) {
            hash(&self.random, text.as_bytes())
        } else {
            self.normalised.clear();
            normalise(text, &mut self.normalised);
            hash(&self.random, &self.normalised)
        };
        self.of_rows.push(hash);
    }

    /// Removes the texts whose `keep` is false.
    pub(crate) fn retain(&mut self, keep: &[bool]) {
        let mut keep = keep.iter();
        self.of_rows.retain(|_| keep.next().is_some_and(|&keep| keep));
    }

    /// Groups the duplicates among the texts.
    pub(crate) fn groups(self, texts: &Texts) -> Groups {
        Groups::of(&self.of_rows, texts)
    }
}

/// Hashes a text without regard to the case of ASCII letters, so that a plain text need not be normalised.
fn hash(random: &RandomState, text: &[u8]) -> u32 {
    /// The bit that distinguishes lower case from upper: `b'A' | 0x20 == b'a'`.
    const LOWER: u64 = u64::from_le_bytes([0x20; 8]);
    let mut hasher = random.build_hasher();
    let mut add = |eight: [u8; 8]| hasher.write_u64(u64::from_le_bytes(eight) | LOWER);
    let (eights, rest) = text.as_chunks();
    eights.iter().for_each(|eight| add(*eight));
    // The last eight bytes overlap those before them, so that no shorter rest needs padding.
    add(text.last_chunk().copied().unwrap_or_else(|| {
        let mut end = [0; 8];
        end[..rest.len()].copy_from_slice(rest);
        end
    }));
    hasher.write_usize(text.len());
    (hasher.finish() >> 32) as u32
}

/// The rows grouped by text: duplicates are in one group.
pub(crate) struct Groups {
    /// The group of each row. Groups are numbered 0, 1, 2, ... in the order of their first rows.
    pub(crate) of_rows: Vec<u32>,
    /// The duplicates in order, each as its row and the first row with the same text.
    pub(crate) repeated: Vec<(u32, u32)>,
}

impl Groups {
    fn of(hashes: &[u32], texts: &Texts) -> Self {
        let spread = |&row: &u32| u64::from(hashes[row as usize]) << 32 | u64::from(hashes[row as usize]);
        let filter = TwoBitFilter::of(hashes);
        let mut firsts = HashTable::new();
        let mut groups = Self { of_rows: Vec::with_capacity(hashes.len()), repeated: Vec::new() };
        let mut new = 0..;
        for (row, &hash) in (0..).zip(hashes) {
            let mut first = None;
            if filter.may_repeat(hash) {
                let is_same = |&other: &u32| {
                    hashes[other as usize] == hash && are_same(&texts[other as usize], &texts[row as usize])
                };
                first = firsts.find(spread(&row), is_same).copied();
                if first.is_none() {
                    firsts.insert_unique(spread(&row), row, spread);
                }
            }
            match first {
                Some(first) => {
                    groups.of_rows.push(groups.of_rows[first as usize]);
                    groups.repeated.push((row, first));
                }
                None => groups.of_rows.extend(new.next()),
            }
        }
        groups
    }
}

/// A counting Bloom filter with one hash function and counters of two bits, which finds the hashes that may repeat. Few texts
/// are duplicates. To look up every hash in a table larger than the processor's cache, or to sort the hashes, takes longer than
/// to exclude most of them here.
struct TwoBitFilter {
    /// The counters, 32 per word. The lower bit is set by the first hash that falls on a counter, the higher by a second.
    words: Vec<u64>,
    /// The counter of a hash is its upper bits, `hash >> shift`.
    shift: u32,
}

impl TwoBitFilter {
    /// Counters per word.
    const PER_WORD: u32 = u64::BITS / 2;

    fn of(hashes: &[u32]) -> Self {
        // From 4 to 8 counters per hash: more of them would no longer fit into the processor's cache.
        let bits = (hashes.len().max(1).ilog2() + 3).clamp(Self::PER_WORD.ilog2(), u32::BITS);
        let mut filter = Self { words: vec![0; 1 << (bits - Self::PER_WORD.ilog2())], shift: u32::BITS - bits };
        for &hash in hashes {
            let (word, bit) = filter.counter(hash);
            // A counter goes from 0b00 to 0b01 to 0b11, and stays there.
            let is_set = filter.words[word] >> bit & 1;
            filter.words[word] |= (1 | is_set << 1) << bit;
        }
        filter
    }

    /// Whether a second hash may equal this one. False is certain.
    fn may_repeat(&self, hash: u32) -> bool {
        let (word, bit) = self.counter(hash);
        self.words[word] >> bit & 2 != 0
    }

    /// Returns the word that holds a hash's counter, and the lower of its two bits: counter 33 is bit 2 of word 1.
    fn counter(&self, hash: u32) -> (usize, u32) {
        let counter = hash >> self.shift;
        ((counter / Self::PER_WORD) as usize, counter % Self::PER_WORD * 2)
    }
}

fn are_same(first: &str, second: &str) -> bool {
    if first == second {
        return true;
    }
    let [first, second] = [first, second].map(|text| {
        let mut normal = Vec::with_capacity(text.len());
        normalise(text, &mut normal);
        normal
    });
    first == second
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(texts: &Texts) -> Vec<u32> {
        let mut hashes = Hashes::default();
        texts.iter().for_each(|text| hashes.push(text));
        hashes.groups(texts).of_rows
    }

    #[test]
    fn case_and_white_space_don_t_count() {
        let texts = ["A  b", "a\u{A0}B\n", " a b", "ab", "É", "é", "", "A b", "a\u{B}B", "a b ", "\u{1}a b"];
        assert_eq!(groups(&texts.into_iter().collect()), [0, 0, 0, 1, 2, 2, 3, 0, 0, 0, 4]);
    }

    #[test]
    fn composed_accents_sigmas_and_invisible_characters_don_t_count() {
        let texts = ["CAFE\u{301} k", "café \u{212A}", "cafe k", "ΟΔΟΣ", "οδος", "οδοσ", "\u{FEFF}co\u{AD}op", "Coop"];
        assert_eq!(groups(&texts.into_iter().collect()), [0, 0, 1, 2, 2, 2, 3, 3]);
    }

    #[test]
    fn texts_of_many_words_are_told_apart_at_their_ends() {
        let long = |end: &str| format!("{} {end}", "Why Is It So".repeat(3));
        let texts = [long("A"), long("b"), long("a"), long(""), long("a\u{A0}"), long(" a"), long("ab"), long("AB")];
        assert_eq!(groups(&texts.iter().map(String::as_str).collect()), [0, 1, 0, 2, 0, 0, 3, 3]);
    }

    #[test]
    fn equal_hashes_of_different_texts_are_told_apart() {
        let texts: Texts = ["a", "b", "A", "c", "B"].into_iter().collect();
        let groups = Groups::of(&[7; 5], &texts);
        assert_eq!((groups.of_rows, groups.repeated), (vec![0, 1, 0, 2, 1], vec![(2, 0), (4, 1)]));
    }

    #[test]
    fn of_many_texts_the_repeated_are_found() {
        let numbers: Vec<u32> = (0..5000).map(|row| if row % 7 == 6 { row / 3 } else { row }).collect();
        let texts: Vec<String> = numbers.iter().map(|number| format!("text {number}")).collect();
        let groups = groups(&texts.iter().map(String::as_str).collect());
        let first = |row: usize| numbers.iter().position(|&number| number == numbers[row]);
        let mut new = 0..;
        for row in 0..numbers.len() {
            let expected = match first(row) {
                Some(first) if first < row => groups[first],
                _ => new.next().unwrap_or_default(),
            };
            assert_eq!(groups[row], expected, "{row}");
        }
    }

    /// Compares the fast path for plain texts with the general one.
    #[test]
    fn plain_texts_are_normalised_as_all_are() {
        let characters = ['a', 'B', ' ', ' ', '\t', '\u{B}', '\u{1C}', '\u{7F}', 'É', '\u{A0}', '~', '0'];
        for number in 0..characters.len().pow(4) {
            let digit = |place: u32| characters[number / characters.len().pow(place) % characters.len()];
            let edge: String = (0..4).map(digit).collect();
            for length in [0, 11, 12, 13, 14, 29, 30] {
                let plain = "x".repeat(length);
                for text in [format!("{plain}{edge}"), format!("{edge}{plain}"), format!("{plain}{edge}{plain}")] {
                    let (mut by_rule, mut normal) = (Vec::new(), Vec::new());
                    push_key(&text, &mut by_rule);
                    normalise(&text, &mut normal);
                    assert_eq!(normal, by_rule, "{text:?}");
                }
            }
        }
    }
}
