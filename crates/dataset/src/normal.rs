//! Which texts count as the same: those that are equal when lower-cased, with every run of
//! Unicode white space as one space and none at the ends. Composed and decomposed accents
//! stay different.

use std::hash::{BuildHasher, Hasher};

use foldhash::quality::RandomState;

use crate::texts::Texts;

/// Appends the normalised text, in UTF-8.
pub(crate) fn normalise(text: &str, into: &mut Vec<u8>) {
    if is_plain(text.as_bytes()) {
        let start = into.len();
        into.extend_from_slice(text.as_bytes());
        into[start..].make_ascii_lowercase();
        return;
    }
    for (at, word) in text.split_whitespace().enumerate() {
        if at > 0 {
            into.push(b' ');
        }
        let start = into.len();
        if word.is_ascii() {
            into.extend_from_slice(word.as_bytes());
            into[start..].make_ascii_lowercase();
        } else {
            let mut bytes = [0; 4];
            word.chars().flat_map(char::to_lowercase).for_each(|c| into.extend(c.encode_utf8(&mut bytes).as_bytes()));
        }
    }
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
    /// Each text's hash, and its row below it.
    rows: Vec<u64>,
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
        self.rows.push(u64::from(hash) << 32 | self.rows.len() as u64);
    }

    /// Numbers the texts so that those which count as the same share a number: 0, 1, 2, ... in the
    /// order of their first rows.
    pub(crate) fn groups(self, texts: &Texts) -> Vec<u32> {
        groups(self.rows, texts)
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

/// Few texts are equal, and fewer only seem so: those of one hash are brought together and compared. To sort takes less
/// time than to look a million hashes up in a table, which lies in no cache.
fn groups(mut hashes: Vec<u64>, texts: &Texts) -> Vec<u32> {
    let rows = hashes.len();
    hashes.sort_unstable();
    // Rows whose text a row before them has, and that row.
    let mut repeated = Vec::new();
    let mut distinct = Vec::new();
    for alike in hashes.chunk_by(|a, b| a >> 32 == b >> 32).filter(|alike| alike.len() > 1) {
        distinct.clear();
        for row in alike.iter().map(|&hash| hash as u32) {
            match distinct.iter().find(|&&other| are_same(&texts[other as usize], &texts[row as usize])) {
                Some(&first) => repeated.push((row, first)),
                None => distinct.push(row),
            }
        }
    }
    repeated.sort_unstable();
    let mut numbers: Vec<u32> = Vec::with_capacity(rows);
    let mut groups = 0..;
    for (row, first) in repeated {
        numbers.extend(groups.by_ref().take(row as usize - numbers.len()));
        numbers.push(numbers[first as usize]);
    }
    numbers.extend(groups.take(rows - numbers.len()));
    numbers
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
        hashes.groups(texts)
    }

    #[test]
    fn case_and_white_space_don_t_count() {
        let texts = ["A  b", "a\u{A0}B\n", " a b", "ab", "É", "é", "", "A b", "a\u{B}B", "a b ", "\u{1}a b"];
        assert_eq!(groups(&texts.into_iter().collect()), [0, 0, 0, 1, 2, 2, 3, 0, 0, 0, 4]);
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
        assert_eq!(super::groups((0..5).map(|row| 7 << 32 | row).collect(), &texts), [0, 1, 0, 2, 1]);
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
                    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
                    let mut normal = Vec::new();
                    normalise(&text, &mut normal);
                    assert_eq!(normal, words.join(" ").as_bytes(), "{text:?}");
                }
            }
        }
    }
}
