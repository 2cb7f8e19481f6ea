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
    let hash = |text| {
        normal.clear();
        normalise(text, &mut normal);
        random.hash_one(normal.as_slice())
    };
    // All hashes first: then the table's rows can be waited for side by side.
    let hashes: Vec<u64> = texts.iter().map(hash).collect();
    let mut groups = Groups::new(texts);
    hashes.into_iter().enumerate().map(|(row, hash)| groups.number(row, hash)).collect()
}

/// A hash table of texts that are normalised again where they have to be compared: few are equal, and a copy of all
/// would double the memory.
struct Groups<'t> {
    texts: &'t Texts,
    /// Open addressing, a power of two: the upper half of a text's hash, and its group's number plus 1; 0 is free.
    slots: Vec<u64>,
    /// The first row of each group.
    first_rows: Vec<u32>,
    normal: [Vec<u8>; 2],
}

impl<'t> Groups<'t> {
    fn new(texts: &'t Texts) -> Self {
        let slots = vec![0; (texts.len() + texts.len() / 2 + 1).next_power_of_two()];
        Self { texts, slots, first_rows: Vec::new(), normal: Default::default() }
    }

    /// The number of the text's group, a new one where it has none.
    fn number(&mut self, row: usize, hash: u64) -> u32 {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            let group = slot as u32;
            if group == 0 {
                self.first_rows.push(row as u32);
                let number = self.first_rows.len() as u32;
                self.slots[at] = (hash >> 32 << 32) | u64::from(number);
                return number - 1;
            }
            if slot >> 32 == hash >> 32 && self.are_same(self.first_rows[group as usize - 1] as usize, row) {
                return group - 1;
            }
            at = (at + 1) & mask;
        }
    }

    fn are_same(&mut self, first: usize, second: usize) -> bool {
        for (normal, row) in self.normal.iter_mut().zip([first, second]) {
            normal.clear();
            normalise(&self.texts[row], normal);
        }
        self.normal[0] == self.normal[1]
    }
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
        let mut groups = Groups::new(&texts);
        let numbers: Vec<u32> = (0..5).map(|row| groups.number(row, 7)).collect();
        assert_eq!(numbers, [0, 1, 0, 2, 1]);
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
