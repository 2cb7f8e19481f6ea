//! Text normalisation: lower-casing, and the key by which two texts are duplicates of each other.
//!
//! Duplicates are found by [`push_key`]; the sources that look words up in lower case use [`lowercase`]. The key is coarser
//! than every lower-casing in use, so that two texts which a source can't distinguish by case have equal keys and are never
//! put into different splits. For every text `t`, all of these have the key of `t`:
//!
//! - `lowercase(t)`, whole or word by word (the word list sources);
//! - `t` lower-cased character by character, where a final sigma stays `σ` (the `tokenizers` library);
//! - `t` with only ASCII letters lower-cased (the graphs of TensorFlow Hub);
//! - `t` in normalisation form C or D (composed or decomposed accents).
//!
//! The sources whose reference defines its own lower-casing keep exactly that one: the graph of a `tfhub` module, and the
//! `tokenizer.json` of `sentence_transformer`, `model2vec` and `onnx`.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Converts a text to lower case by Unicode's full mapping, in which the last sigma of a word becomes `ς`. Copies the text
/// only if it may change.
pub fn lowercase(text: &str) -> Cow<'_, str> {
    let is_lower = text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
    if is_lower { Cow::Borrowed(text) } else { Cow::Owned(text.to_lowercase()) }
}

/// Converts a text to normalisation form C (composed accents). Copies the text only if it may change.
pub fn to_nfc(text: Cow<'_, str>) -> Cow<'_, str> {
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => text,
        _ => Cow::Owned(text.nfc().collect()),
    }
}

/// Removes [invisible](is_invisible) format characters from a text. Copies the text only if it changes.
pub fn without_invisible(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.contains(is_invisible) { Cow::Owned(text.replace(is_invisible, "")) } else { text }
}

/// Returns whether a character is an invisible format character that separates nothing: a soft hyphen, a direction mark, a
/// word joiner or a byte order mark.
pub fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

/// Returns whether a text is blank: it is empty, or has only white space and invisible characters.
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || is_invisible(c))
}

/// Appends the duplicate key of a text, in UTF-8: two texts with equal keys are duplicates.
///
/// The key is the text without invisible characters, in lower case, in normalisation form C, with every final sigma as
/// `σ` (which sigma is final depends on how a text is split into words), every run of white space as one space, and no
/// white space at the beginning and the end.
pub fn push_key(text: &str, key: &mut Vec<u8>) {
    if text.is_ascii() {
        return push_words(text, key, |word, key| {
            let start = key.len();
            key.extend_from_slice(word.as_bytes());
            key[start..].make_ascii_lowercase();
        });
    }
    push_words(&without_invisible(Cow::Borrowed(text)), key, |word, key| {
        let lower = lowercase(word);
        let lower = if lower.contains('ς') { Cow::Owned(lower.replace('ς', "σ")) } else { lower };
        key.extend_from_slice(to_nfc(lower).as_bytes());
    });
}

/// Appends the words of a text, separated by single spaces.
fn push_words(text: &str, key: &mut Vec<u8>, push: impl Fn(&str, &mut Vec<u8>)) {
    for (at, word) in text.split_whitespace().enumerate() {
        if at > 0 {
            key.push(b' ');
        }
        push(word, key);
    }
}

#[cfg(test)]
mod tests {
    use unicode_normalization::char::decompose_canonical;

    use super::*;

    fn key(text: &str) -> String {
        let mut key = Vec::new();
        push_key(text, &mut key);
        String::from_utf8(key).expect("a key is UTF-8")
    }

    /// Returns the forms to which sources and other programs convert the case and accents of a text.
    fn forms(text: &str) -> [String; 8] {
        let by_character: String = text.chars().flat_map(char::to_lowercase).collect();
        let lower = lowercase(text).into_owned();
        [
            by_character.clone(),
            by_character.nfc().collect(),
            lower.nfd().collect(),
            text.nfc().collect::<String>().to_lowercase(),
            lower,
            text.to_ascii_lowercase(),
            text.nfc().collect(),
            text.nfd().collect(),
        ]
    }

    fn assert_one_key(text: &str) {
        let expected = key(text);
        assert_eq!(key(&expected), expected, "the key of a key is itself: {text:?}");
        for form in forms(text) {
            assert_eq!(key(&form), expected, "{form:?} is a form of {text:?}");
        }
    }

    /// Returns whether a character has another case, decomposes into others, or is invisible.
    fn has_forms(c: char) -> bool {
        let mut decomposed = String::new();
        decompose_canonical(c, |part| decomposed.push(part));
        decomposed != c.to_string() || !c.to_lowercase().eq([c]) || !c.to_uppercase().eq([c]) || is_invisible(c)
    }

    #[test]
    fn every_character_has_the_key_of_its_forms() {
        let characters: Vec<char> = ('\0'..=char::MAX).filter(|&c| has_forms(c)).collect();
        assert!(characters.len() > 10_000, "{}", characters.len());
        for character in characters {
            for text in [format!("{character}"), format!("Ab{character}"), format!("{character}\u{301}")] {
                assert_one_key(&text);
            }
        }
    }

    #[test]
    fn texts_of_several_words_have_the_key_of_their_forms() {
        let characters =
            ['Σ', 'ς', 'σ', 'Ο', '.', '\'', ' ', '\u{301}', 'J', '\u{30C}', 'İ', '\u{ad}', 'ẞ', '\u{212B}'];
        for number in 0..characters.len().pow(4) {
            let digit = |place: u32| characters[number / characters.len().pow(place) % characters.len()];
            let text: String = (0..4).map(digit).collect();
            assert_one_key(&text);
            let piecewise: String = text.split_inclusive(['.', '\'']).map(lowercase).collect();
            assert_eq!(key(&piecewise), key(&text), "{piecewise:?} is {text:?}, word by word");
        }
    }

    #[test]
    fn equal_texts_and_different_ones() {
        for (one, other) in [
            ("ΟΔΟΣ", "οδος"),
            ("ΟΔΟΣ", "οδοσ"),
            ("CAFE\u{301}", "café"),
            ("\u{212A}", "k"),
            ("co\u{ad}op", "Coop"),
            ("\u{feff}a\u{a0} b\n", " A\tB"),
            ("J\u{30C}", "\u{1F0}"),
        ] {
            assert_eq!(key(one), key(other), "{one:?} and {other:?}");
        }
        for (one, other) in [("Straße", "STRASSE"), ("é", "e"), ("ﬁ", "fi"), ("a b", "ab"), ("ı", "i")] {
            assert_ne!(key(one), key(other), "{one:?} and {other:?}");
        }
    }

    #[test]
    fn what_is_lower_is_not_copied() {
        assert!(matches!(lowercase("it's 5"), Cow::Borrowed(_)));
        assert_eq!(lowercase("ΟΔΟΣ Él"), "οδος él");
        assert!(is_blank(" \u{feff}\u{2003}") && is_blank("") && !is_blank("\u{200b}") && !is_blank("a"));
    }
}
