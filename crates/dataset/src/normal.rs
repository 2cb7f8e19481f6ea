//! Which texts count as the same: those with equal keys (`emberline_base::normalise`), which are equal but for case, white
//! space, invisible characters, and whether accents are composed.

use std::hash::{BuildHasher, Hasher};

use emberline_base::normalise::push_key;
use foldhash::quality::RandomState;
use hashbrown::HashTable;

use crate::texts::Texts;

/// Appends the key of a text, in UTF-8.
pub(crate) fn normalise(text: &str, into: &mut Vec<u8>) {
    if !is_plain(text.as_bytes()) {
        return push_key(text, into);
    }
    let start = into.len();
    into.extend_from_slice(text.as_bytes());
    into[start..].make_ascii_lowercase();
}

/// Whether nothing but the case can have to change, as in most texts: ASCII without control characters, single spaces,
/// none at the ends. Sixteen bytes are looked at together, the last sixteen once more rather than what is left one by one.
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

/// What tells texts apart: they are added as they are read, while they lie near.
#[derive(Default)]
pub(crate) struct Hashes {
    random: RandomState,
    of_rows: Vec<u32>,
    normal: Vec<u8>,
}

impl Hashes {
    /// Adds the text of the next row.
    pub(crate) fn push(&mut self, text: &str) {
        let hash = if is_plain(text.as_bytes()) {
            hash(&self.random, text.as_bytes())
        } else {
            self.normal.clear();
            normalise(text, &mut self.normal);
            hash(&self.random, &self.normal)
        };
        self.of_rows.push(hash);
    }

    /// Leaves out the texts that aren't to be kept.
    pub(crate) fn retain(&mut self, keep: &[bool]) {
        let mut keep = keep.iter();
        self.of_rows.retain(|_| keep.next().is_some_and(|&keep| keep));
    }

    /// Which of the texts count as the same.
    pub(crate) fn groups(self, texts: &Texts) -> Groups {
        Groups::of(&self.of_rows, texts)
    }
}

/// The hash of a text in which the case of ASCII letters doesn't count, so that a plain text need not be normalised.
fn hash(random: &RandomState, text: &[u8]) -> u32 {
    /// The bit that tells lower case from upper.
    const LOWER: u64 = u64::from_le_bytes([0x20; 8]);
    let mut hasher = random.build_hasher();
    let mut add = |eight: [u8; 8]| hasher.write_u64(u64::from_le_bytes(eight) | LOWER);
    let (eights, rest) = text.as_chunks();
    eights.iter().for_each(|eight| add(*eight));
    // The last eight bytes, some of them once more, rather than what is left.
    add(text.last_chunk().copied().unwrap_or_else(|| {
        let mut end = [0; 8];
        end[..rest.len()].copy_from_slice(rest);
        end
    }));
    hasher.write_usize(text.len());
    (hasher.finish() >> 32) as u32
}

/// Which texts count as the same.
pub(crate) struct Groups {
    /// A number a row, which those share whose texts count as the same: 0, 1, 2, ... in the order of their first rows.
    pub(crate) of_rows: Vec<u32>,
    /// The rows whose text a row before them has, in order, and the first row that has it.
    pub(crate) repeated: Vec<(u32, u32)>,
}

impl Groups {
    fn of(hashes: &[u32], texts: &Texts) -> Self {
        let spread = |&row: &u32| u64::from(hashes[row as usize]) << 32 | u64::from(hashes[row as usize]);
        let crowd = Crowd::of(hashes);
        let mut firsts = HashTable::new();
        let mut groups = Self { of_rows: Vec::with_capacity(hashes.len()), repeated: Vec::new() };
        let mut new = 0..;
        for (row, &hash) in (0..).zip(hashes) {
            let mut first = None;
            if crowd.has_more_than_one(hash) {
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

/// Which hashes may occur twice. Few texts are equal: to look all up in a table, which lies in no cache, or to sort them takes
/// longer than to tell most of them apart here, in two bits a place.
struct Crowd {
    /// The lower bit of a place: a hash falls on it. The higher: a second does.
    places: Vec<u64>,
    /// From a hash to its place.
    shift: u32,
}

impl Crowd {
    /// Places in a word.
    const PLACES: u32 = u64::BITS / 2;

    fn of(hashes: &[u32]) -> Self {
        // From 4 to 8 places a hash: more of them would lie further away.
        let bits = (hashes.len().max(1).ilog2() + 3).clamp(Self::PLACES.ilog2(), u32::BITS);
        let mut crowd = Self { places: vec![0; 1 << (bits - Self::PLACES.ilog2())], shift: u32::BITS - bits };
        for &hash in hashes {
            let (word, bit) = crowd.place(hash);
            let before = crowd.places[word] >> bit & 1;
            crowd.places[word] |= (1 | before << 1) << bit;
        }
        crowd
    }

    fn has_more_than_one(&self, hash: u32) -> bool {
        let (word, bit) = self.place(hash);
        self.places[word] >> bit & 2 != 0
    }

    /// The number of the word, and the lower of the two bits in it.
    fn place(&self, hash: u32) -> (usize, u32) {
        let place = hash >> self.shift;
        ((place / Self::PLACES) as usize, place % Self::PLACES * 2)
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

    /// The short way for plain texts against the rule itself.
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
