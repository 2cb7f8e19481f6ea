//! Splits texts into words, for the sources that have no tokenisation of their own.
//!
//! A text (bytes) is read as UTF-8, damaged bytes as U+FFFD; invisible format characters are removed and the rest is
//! brought to normalisation form C. The result is split into *pieces*:
//!
//! - a run of letters, digits and their marks (`is_alphanumeric`, general category M), in which an apostrophe (`'` or
//!   `’`) between two of them stays: `don't` is one piece;
//! - a Chinese or Japanese character, since those scripts put no spaces between words;
//! - every other visible character, with its marks.
//!
//! White space and control characters only separate.

use std::borrow::Cow;

use emberline_base::normalise::{lowercase, to_nfc, without_invisible};
use unicode_normalization::char::is_combining_mark;

use super::ascii;

/// The name and version of these rules, which is part of digests; it changes when they do.
pub(super) const RULES: &str = "words/1";

/// Returns the normalised text that is split into pieces.
pub(super) fn normalised(text: &[u8]) -> Cow<'_, str> {
    let text = match str::from_utf8(text) {
        Ok(ascii) if text.is_ascii() => return Cow::Borrowed(ascii),
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(text),
    };
    to_nfc(without_invisible(text))
}

/// Calls `take` with every piece of a text, in lower case and with straight apostrophes.
pub(super) fn for_each_lower(text: &[u8], take: &mut impl FnMut(&str)) {
    let lower = text.to_ascii_lowercase();
    if ascii::for_each_piece(&lower, |place| take(str::from_utf8(&lower[place]).unwrap_or_default())) {
        return;
    }
    let text = normalised(text);
    let text = lowercase(&text);
    let curly = text.contains('’');
    for piece in pieces(&text) {
        if curly && piece.contains('’') {
            take(&piece.replace('’', "'"));
        } else {
            take(piece);
        }
    }
}

/// Returns the pieces of a normalised text, in order.
pub(super) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while class(text.as_bytes(), at) == Class::Separator {
            at += 1;
        }
        if class(text.as_bytes(), at) == Class::Beyond {
            at = text.len() - text[at..].trim_start_matches(is_separator).len();
        }
        let start = at;
        at += ascii_piece_length(&text.as_bytes()[at..]).unwrap_or_else(|| any_piece_length(&text[at..]));
        (start < at).then(|| &text[start..at])
    })
}

/// The token of unknown words in [`tokenizer_json`]; no piece is longer than its first character.
const UNKNOWN: &str = "[UNK]";
/// A piece, as a regular expression of `tokenizers`.
const PIECE: &str = concat!(
    r"(?:(?![\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])W)+",
    r"(?:['’](?:(?![\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])W)+)*",
    r"|[^\s\p{Cc}\u200b](?:(?![\x00-\x7f])\p{M})*",
);

/// Returns the `tokenizer.json` that splits texts by these rules, in lower case, and numbers the words in the order
/// of the list; the id after the last word's is that of unknown words.
pub(super) fn tokenizer_json(words: &[String]) -> String {
    let letter = r"(?:\p{Alphabetic}|\p{N}|\p{M}|\u200c|\u200d)";
    let pattern = spelled_out(&PIECE.replace('W', letter));
    let mut vocabulary: serde_json::Map<String, serde_json::Value> =
        words.iter().zip(0..).map(|(word, id): (_, usize)| (word.clone(), id.into())).collect();
    vocabulary.insert(UNKNOWN.to_owned(), words.len().into());
    let replace = |pattern: &str, content: &str| serde_json::json!({"type": "Replace", "pattern": {"Regex": spelled_out(pattern)}, "content": content});
    let invisible = r"[\u00ad\u200e\u200f\u202a-\u202e\u2060-\u2064\ufeff]";
    let normalizers = serde_json::json!([
        replace(invisible, ""),
        {"type": "NFC"},
        // Lower-casing character by character doesn't handle the sigma at the end of a word.
        replace(r"(?<=\p{L})Σ(?!\p{L})", "ς"),
        {"type": "Lowercase"},
        replace("’", "'"),
    ]);
    serde_json::json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": {"type": "Sequence", "normalizers": normalizers},
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Removed", "invert": true},
        "post_processor": null, "decoder": null,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": UNKNOWN},
    })
    .to_string()
}

/// Returns a regular expression with the characters themselves in place of `\uXXXX` and `\UXXXXXXXX`, which not every
/// engine supports.
fn spelled_out(pattern: &str) -> String {
    let mut spelled = String::new();
    let mut rest = pattern;
    while let Some(at) = rest.find(r"\u").into_iter().chain(rest.find(r"\U")).min() {
        let digits = if rest[at..].starts_with(r"\u") { 4 } else { 8 };
        spelled.push_str(&rest[..at]);
        let (code, after) = rest[at + 2..].split_at(digits);
        spelled.extend(u32::from_str_radix(code, 16).ok().and_then(char::from_u32));
        rest = after;
    }
    spelled + rest
}

/// White space, control characters, the zero-width space.
pub(super) fn is_separator(c: char) -> bool {
    c.is_whitespace() || c.is_control() || c == '\u{200b}'
}

/// Returns whether a character can be part of a run. Joiners are parts of words in Persian and Hindi.
pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || (!c.is_ascii() && (is_combining_mark(c) || matches!(c, '\u{200c}' | '\u{200d}')))
}

/// The two apostrophes that may stand inside a word.
pub(super) fn is_apostrophe(c: char) -> bool {
    c == '\'' || c == '’'
}

/// Scripts without spaces: Han ideographs, Hiragana, Katakana.
fn stands_alone(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

fn in_run(c: char) -> bool {
    is_word(c) && !stands_alone(c)
}

/// Returns the length in bytes of the piece at the start of `text`; 0 for an empty text.
fn any_piece_length(text: &str) -> usize {
    let mut chars = text.char_indices().peekable();
    let Some((_, first)) = chars.next() else { return 0 };
    let run = in_run(first);
    while let Some((at, c)) = chars.next() {
        let joins = run && is_apostrophe(c) && chars.peek().is_some_and(|&(_, next)| in_run(next));
        let continues = if run { in_run(c) || joins } else { !c.is_ascii() && is_combining_mark(c) };
        if !continues {
            return at;
        }
    }
    text.len()
}

/// Returns the same by a fast path, if the piece and the character after it are ASCII, as most are.
fn ascii_piece_length(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        while class(text, at) == Class::Word {
            at += 1;
        }
        return match class(text, at) {
            Class::Beyond => None,
            Class::End => Some(at),
            // A character that isn't part of a word is a piece of its own.
            _ if at == 0 => (class(text, 1) != Class::Beyond).then_some(1),
            Class::Apostrophe => match class(text, at + 1) {
                Class::Word => {
                    at += 1;
                    continue;
                }
                Class::Beyond => None,
                _ => Some(at),
            },
            _ => Some(at),
        };
    }
}

/// The class of a byte, as far as pieces depend on it.
#[derive(Clone, Copy, PartialEq)]
enum Class {
    /// White space and control characters.
    Separator,
    /// A letter or a digit.
    Word,
    Apostrophe,
    Other,
    /// Part of a character beyond ASCII.
    Beyond,
    /// The end of the text.
    End,
}

fn class(text: &[u8], at: usize) -> Class {
    text.get(at).map_or(Class::End, |&byte| CLASSES[usize::from(byte)])
}

/// The class of every byte.
static CLASSES: [Class; 256] = {
    let mut classes = [Class::Beyond; 256];
    let mut byte = 0;
    while byte < 128 {
        classes[byte as usize] = match byte {
            b'\'' => Class::Apostrophe,
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => Class::Word,
            b'!'..=b'~' => Class::Other,
            _ => Class::Separator,
        };
        byte += 1;
    }
    classes
};

#[cfg(test)]
mod tests {
    use super::*;

    fn lower(text: &[u8]) -> Vec<String> {
        let mut words = Vec::new();
        for_each_lower(text, &mut |word| words.push(word.to_owned()));
        words
    }

    #[test]
    fn words_punctuation_and_apostrophes() {
        assert_eq!(
            lower(b"Why don't  you\tsay 'no' (C++)?"),
            ["why", "don't", "you", "say", "'", "no", "'", "(", "c", "+", "+", ")", "?"]
        );
        assert_eq!(lower("India’s №1".as_bytes()), ["india's", "№", "1"]);
    }

    #[test]
    fn scripts_marks_and_emoji() {
        assert_eq!(lower("हिन्दी میخواهم".as_bytes()), ["हिन्दी", "میخواهم"]);
        assert_eq!(lower("我爱Rust".as_bytes()), ["我", "爱", "rust"]);
        assert_eq!(lower("cafe\u{301} co\u{ad}op ❤\u{fe0f}!".as_bytes()), ["café", "coop", "❤\u{fe0f}", "!"]);
    }

    /// Compares the fast path for ASCII with the general rule.
    #[test]
    fn ascii_pieces_are_cut_as_all_are() {
        let characters = ['a', '7', '\'', '\'', ' ', '.', '\u{7F}', 'é', '\u{301}', '’', '我'];
        for number in 0..characters.len().pow(5) {
            let digit = |place: u32| characters[number / characters.len().pow(place) % characters.len()];
            let text: String = (0..5).map(digit).collect();
            let short = ascii_piece_length(text.as_bytes());
            assert!(short.is_none_or(|length| length == any_piece_length(&text)), "{text:?}: {short:?}");
        }
    }

    /// Compares blocks of an ASCII text with the general rule, with words and apostrophes across every edge of a
    /// block.
    #[test]
    fn ascii_texts_are_cut_as_all_are() {
        let cut = |text: &str| {
            let mut found = Vec::new();
            assert!(ascii::for_each_piece(text.as_bytes(), |place| found.push(text[place].to_owned())));
            found
        };
        let by_rule = |text: &str| {
            let (mut found, mut rest) = (Vec::new(), text.trim_start_matches(is_separator));
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(any_piece_length(rest));
                found.push(piece.to_owned());
                rest = after.trim_start_matches(is_separator);
            }
            found
        };
        let characters = ['a', 'Z', '7', '\'', ' ', '.', '\u{7F}', '\t'];
        for number in 0..characters.len().pow(4) {
            let digit = |place: u32| characters[number / characters.len().pow(place) % characters.len()];
            let edge: String = (0..4).map(digit).collect();
            for before in ["", "b", "."] {
                for length in [0, 60, 61, 62, 63, 64, 126, 190] {
                    let text = before.repeat(length) + &edge;
                    assert_eq!(cut(&text), by_rule(&text), "{text:?}");
                }
            }
        }
        let long = "a".repeat(300) + "'" + &"b".repeat(83);
        assert_eq!(cut(&long), std::slice::from_ref(&long));
        for ascii in ["", "a", "a b c", &long] {
            for text in [format!("{ascii}é"), format!("é{ascii}"), format!("{ascii} é{ascii}")] {
                assert!(!ascii::for_each_piece(text.as_bytes(), |place| panic!("{place:?} of {text}")));
            }
        }
    }

    /// Texts that some way of lower-casing makes equal, and some that none does.
    const CASES: [&str; 30] = [
        "ΟΔΟΣ",
        "οδος",
        "οδοσ",
        "Οδός",
        "ΟΔΟΣ.α",
        "οδος.α",
        "οδοσ.α",
        "ΣΑΣ'Σ",
        "σας'ς",
        "İi",
        "i\u{307}i",
        "ıi",
        "ii",
        "\u{212A}",
        "K",
        "k",
        "\u{212B}",
        "Å",
        "a\u{30A}",
        "Straße",
        "STRASSE",
        "STRAẞE",
        "Ǆ",
        "ǅ",
        "ǆ",
        "dž",
        "J\u{30C}",
        "ǰ",
        "ﬁ",
        "FI",
    ];

    fn key(text: &str) -> Vec<u8> {
        let mut key = Vec::new();
        emberline_base::normalise::push_key(text, &mut key);
        key
    }

    /// Texts that stay in one split are those with equal keys.
    #[test]
    fn texts_that_lower_case_makes_equal_stay_in_one_split() {
        use tokenizers::{NormalizedString, Normalizer};
        let by_tokenizers = |text: &str| {
            let mut text = NormalizedString::from(text);
            tokenizers::normalizers::Lowercase.normalize(&mut text).expect("it never fails");
            text.get().to_owned()
        };
        let piecewise = |text: &str| pieces(&normalised(text.as_bytes())).map(|p| lowercase(p).into_owned()).collect();
        let mut equal = 0;
        for (one, other) in CASES.iter().flat_map(|one| CASES.iter().map(move |other| (one, other))) {
            let are_equal = lower(one.as_bytes()) == lower(other.as_bytes())
                || by_tokenizers(one) == by_tokenizers(other)
                || Vec::<String>::eq(&piecewise(one), &piecewise(other))
                || one.eq_ignore_ascii_case(other);
            assert!(!are_equal || key(one) == key(other), "{one} and {other}");
            equal += usize::from(are_equal);
        }
        assert!(equal > CASES.len() + 10, "only {equal} pairs are equal");
        for (one, other) in [("Straße", "STRASSE"), ("ıi", "ii"), ("dž", "ǆ"), ("ﬁ", "FI")] {
            assert_ne!(key(one), key(other));
        }
    }

    #[test]
    fn no_bytes_are_too_odd() {
        assert_eq!(lower(b""), Vec::<String>::new());
        assert_eq!(lower(b" \0\n\xe2\x80\x8b"), Vec::<String>::new());
        assert_eq!(lower(b"a\xffb"), ["a", "\u{fffd}", "b"]);
        assert_eq!(lower(b"'"), ["'"]);
    }
}
