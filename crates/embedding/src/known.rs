//! Counts the words of texts that a table knows, while their rows are looked up.
//!
//! [`KnownShare`] defines what counts as a word, and when a word is known.

use std::ops::{Add, AddAssign};

use emberline_base::Splits;
use emberline_base::record::{KnownShare, KnownWords};

/// The word counts of one text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WordCounts {
    /// All words.
    pub all: u32,
    /// Words that the table has a row for.
    pub known: u32,
    /// Words without a row whose vector is composed of their character n-grams.
    pub composed: u32,
}

impl WordCounts {
    /// Returns the counts of `words` words that are all known.
    pub(crate) fn all_known(words: usize) -> Self {
        Self { all: words as u32, known: words as u32, composed: 0 }
    }

    /// Counts a token, if it is a word.
    pub(crate) fn count_token(&mut self, token: &[u8], known: bool) {
        if is_word_token(token) {
            self.all += 1;
            self.known += u32::from(known);
        }
    }

    /// Counts a token whose vector is composed of its character n-grams, if it is a word.
    pub(crate) fn count_composed(&mut self, token: &[u8]) {
        if is_word_token(token) {
            self.all += 1;
            self.composed += 1;
        }
    }
}

impl AddAssign for WordCounts {
    fn add_assign(&mut self, other: Self) {
        self.all += other.all;
        self.known += other.known;
        self.composed += other.composed;
    }
}

/// Returns whether a token contains a letter or a digit.
fn is_word_token(token: &[u8]) -> bool {
    token.iter().any(u8::is_ascii_alphanumeric)
        || (!token.is_ascii() && String::from_utf8_lossy(token).contains(char::is_alphanumeric))
}

/// The word counts of several texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    words: u64,
    known: u64,
    composed: u64,
    texts: u64,
    texts_without: u64,
}

impl Counts {
    /// Returns the counts of one text.
    fn of_text(words: WordCounts) -> Self {
        let WordCounts { all, known, composed } = words;
        let texts_without = u64::from(known == 0);
        Self { words: all.into(), known: known.into(), composed: composed.into(), texts: 1, texts_without }
    }

    fn share(self) -> KnownShare {
        let share = |part: u64, whole: u64, of_none: f64| if whole == 0 { of_none } else { part as f64 / whole as f64 };
        KnownShare {
            tokens: share(self.known, self.words, 1.0),
            composed: share(self.composed, self.words, 0.0),
            texts_without: share(self.texts_without, self.texts, 0.0),
        }
    }
}

impl Add for Counts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            words: self.words + other.words,
            known: self.known + other.known,
            composed: self.composed + other.composed,
            texts: self.texts + other.texts,
            texts_without: self.texts_without + other.texts_without,
        }
    }
}

/// Returns what records show about the words of each text.
pub fn known_words(words: &Splits<Vec<WordCounts>>) -> KnownWords {
    let counts =
        words.map(|_, words| words.iter().map(|&words| Counts::of_text(words)).fold(Counts::default(), Counts::add));
    let all = counts.iter().fold(Counts::default(), |all, (_, counts)| all + *counts);
    KnownWords { all: all.share(), splits: counts.map(|_, counts| counts.share()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn punctuation_is_no_word() {
        for (token, expected) in [
            ("word", true),
            ("c++", true),
            ("7", true),
            ("слово", true),
            ("我", true),
            ("", false),
            ("...", false),
            ("“", false),
            ("🙂", false),
        ] {
            assert_eq!(is_word_token(token.as_bytes()), expected, "{token}");
        }
        assert!(!is_word_token(b"\xff"));
    }

    #[test]
    fn shares_are_of_all_texts_and_of_each_split() {
        let text = |all, known, composed| WordCounts { all, known, composed };
        let train = vec![text(4, 3, 1), text(4, 0, 0)];
        let known = known_words(&Splits { train, valid: Some(vec![text(2, 2, 0)]), test: Some(Vec::new()) });
        assert_eq!(known.all, KnownShare { tokens: 0.5, composed: 0.1, texts_without: 1.0 / 3.0 });
        assert_eq!(known.splits.train, KnownShare { tokens: 0.375, composed: 0.125, texts_without: 0.5 });
        assert_eq!(known.splits.valid, Some(KnownShare { tokens: 1.0, ..KnownShare::default() }));
        assert_eq!(known.splits.test, Some(KnownShare { tokens: 1.0, ..KnownShare::default() }));
    }
}
