//! Splits texts into words, and words into numbers, so that checks compare 64-bit numbers instead of strings.
//!
//! A word is a run of letters, digits and combining marks, in lower case; a Chinese or Japanese character is a word of its own.
//! Two different words have the same number with a probability of 2^-64 a pair.

/// Appends the number of every word of a text, in order.
pub(crate) fn push_words(text: &str, words: &mut Vec<u64>) {
    let mut hash = START;
    for c in text.chars() {
        if !is_word(c) {
            end(&mut hash, words);
        } else if stands_alone(c) {
            end(&mut hash, words);
            add(&mut hash, c);
            end(&mut hash, words);
        } else if c.is_ascii() {
            add(&mut hash, c.to_ascii_lowercase());
        } else {
            c.to_lowercase().for_each(|c| add(&mut hash, c));
        }
    }
    end(&mut hash, words);
}

/// Returns the numbers of a text's words.
pub(crate) fn words(text: &str) -> Vec<u64> {
    let mut words = Vec::new();
    push_words(text, &mut words);
    words
}

/// The state of the hash before a word: the offset basis of FNV-1a.
const START: u64 = 0xcbf2_9ce4_8422_2325;

/// Adds a character to the hash of a word, as FNV-1a adds a byte.
fn add(hash: &mut u64, c: char) {
    *hash = (*hash ^ u64::from(u32::from(c))).wrapping_mul(0x100_0000_01b3);
}

/// Ends a word, if one has begun.
fn end(hash: &mut u64, words: &mut Vec<u64>) {
    if *hash != START {
        words.push(mix(*hash));
        *hash = START;
    }
}

/// Mixes the bits of a number, as SplitMix64 does: numbers that differ in one bit give unrelated ones.
pub(crate) fn mix(number: u64) -> u64 {
    let z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn is_word(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphanumeric() } else { c.is_alphanumeric() || is_mark(c) }
}

/// The marks of the scripts whose words can't do without them: combining diacritics and the vowel signs of Indic scripts.
fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{900}'..='\u{dff}')
}

/// Scripts without spaces: Han ideographs, Hiragana, Katakana.
fn stands_alone(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_equal_but_for_case_and_punctuation() {
        assert_eq!(words("Why, is it SO?"), words("why is it so"));
        assert_eq!(words("  ÉCOLE—été "), words("école été"));
        assert_eq!((words("我爱Rust").len(), words("").len(), words("... !").len()), (3, 0, 0));
        assert_ne!(words("a b"), words("ab"));
        assert_ne!(words("a b"), words("b a"));
    }
}
