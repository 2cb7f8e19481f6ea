//! Which texts count as the same: those that are equal when lower-cased, with every run of
//! Unicode white space as one space and none at the ends. Composed and decomposed accents
//! stay different.

use std::hash::BuildHasher;

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
/// none at the ends. All bytes are looked at, so that the compiler can look at many at once.
fn is_plain(text: &[u8]) -> bool {
    let (Some((first, after)), Some((last, before))) = (text.split_first(), text.split_last()) else { return true };
    let beyond = text.iter().fold(0, |found, byte| found | u8::from(!(b' '..0x7F).contains(byte)));
    let doubled = before.iter().zip(after).fold(0, |found, (a, b)| found | u8::from((*a == b' ') & (*b == b' ')));
    (beyond | doubled) == 0 && *first != b' ' && *last != b' '
}

/// Numbers the texts so that those which count as the same share a number: 0, 1, 2, ... in the
/// order of their first rows.
pub(crate) fn groups(texts: &Texts) -> Vec<u32> {
    let random = RandomState::default();
    let mut normal = Vec::new();
    groups_by(texts, |text| {
        normal.clear();
        normalise(text, &mut normal);
        (random.hash_one(normal.as_slice()) >> 32) as u32
    })
}

/// Few texts are equal, and fewer only seem so: those of one hash are brought together and compared. To sort takes less
/// time than to look a million hashes up in a table, which lies in no cache.
fn groups_by(texts: &Texts, mut hash: impl FnMut(&str) -> u32) -> Vec<u32> {
    let mut rows: Vec<u64> = (0..).zip(texts.iter()).map(|(row, text)| u64::from(hash(text)) << 32 | row).collect();
    rows.sort_unstable();
    // The first row of each row's group.
    let mut first: Vec<u32> = (0..texts.len() as u32).collect();
    let mut distinct = Vec::new();
    for alike in rows.chunk_by(|a, b| a >> 32 == b >> 32).filter(|alike| alike.len() > 1) {
        distinct.clear();
        for row in alike.iter().map(|&row| row as u32) {
            match distinct.iter().find(|&&other| are_same(&texts[other as usize], &texts[row as usize])) {
                Some(&other) => first[row as usize] = other,
                None => distinct.push(row),
            }
        }
    }
    let mut numbers: Vec<u32> = Vec::with_capacity(texts.len());
    let mut groups = 0;
    for (row, &first) in first.iter().enumerate() {
        let known = numbers.get(first as usize).copied();
        debug_assert_eq!(known.is_none(), first as usize == row, "a group's first row comes first");
        numbers.push(known.unwrap_or(groups));
        groups += u32::from(known.is_none());
    }
    numbers
}

fn are_same(first: &str, second: &str) -> bool {
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

    #[test]
    fn case_and_white_space_don_t_count() {
        let texts = ["A  b", "a\u{A0}B\n", " a b", "ab", "É", "é", "", "A b", "a\u{B}B", "a b ", "\u{1}a b"];
        assert_eq!(groups(&texts.into_iter().collect()), [0, 0, 0, 1, 2, 2, 3, 0, 0, 0, 4]);
    }

    #[test]
    fn equal_hashes_of_different_texts_are_told_apart() {
        let texts: Texts = ["a", "b", "A", "c", "B"].into_iter().collect();
        assert_eq!(groups_by(&texts, |_| 7), [0, 1, 0, 2, 1]);
    }

    /// The short way for plain texts against the rule itself.
    #[test]
    fn plain_texts_are_normalised_as_all_are() {
        let characters = ['a', 'B', ' ', ' ', '\t', '\u{B}', '\u{1C}', '\u{7F}', 'É', '\u{A0}', '~', '0'];
        for number in 0..characters.len().pow(4) {
            let digit = |place: u32| characters[number / characters.len().pow(place) % characters.len()];
            let text: String = (0..4).map(digit).collect();
            let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
            let mut normal = Vec::new();
            normalise(&text, &mut normal);
            assert_eq!(normal, words.join(" ").as_bytes(), "{text:?}");
        }
    }
}
