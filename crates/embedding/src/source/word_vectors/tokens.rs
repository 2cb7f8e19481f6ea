//! Finds the words of a text in a vocabulary.
//!
//! `auto`, for a vocabulary whose tokenisation is unknown: a text is split at white space, and each chunk is looked
//! up in pieces that get smaller until the vocabulary contains one:
//!
//! 1. the chunk as a whole: `U.S.`, `:)`, `c++`, and any vocabulary that was itself split at white space;
//! 2. without the other characters at either end, each of which becomes a token: `"well-known",` -> `"`,
//!    `well-known`, `"`, `,`;
//! 3. its pieces by `words.rs`: `well`, `-`, `known`; `don't`;
//! 4. of a piece with an apostrophe, the two halves of the Penn Treebank, if the vocabulary contains the second: `do`
//!    + `n't`, `it` + `'s`;
//! 5. its runs of letters, and the apostrophes between them.
//!
//! `whitespace`: step 1 alone. Both look up a piece in these forms: as written; in lower case; both with a straight
//! apostrophe in place of a typographic one; and, if asked for, with `#` for every digit of a piece with two or more.
//! The setting `lowercase` leaves only the lower-case forms (true) or only those as written (false).
//!
//! `fasttext`: a text is split at the seven separators of fastText's `readWord` and words are looked up as written
//! (in lower case if `lowercase` says so), without any Unicode normalisation: what fastText itself does.
//!
//! A piece of which no form is known is composed of its parts, if the vocabulary can do that (under `auto` only
//! letters and digits): as written, or in lower case if `lowercase` says so or the vocabulary has no capitals.
//! Otherwise it has no row and doesn't count in a mean.

use std::borrow::Cow;
use std::collections::HashSet;

use emberline_base::normalise::lowercase;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::WordCounts;
use crate::source::words;

/// How a text falls into words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tokens {
    /// The largest pieces that the vocabulary knows.
    #[default]
    Auto,
    /// What stands between white space.
    Whitespace,
    /// What stands between fastText's separators, exactly as written.
    Fasttext,
}

/// The rules by which words are found in a text, and forms of words in a vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rules {
    pub(super) tokens: Tokens,
    pub(super) lowercase: Option<bool>,
    pub(super) digits_as_hash: bool,
}

/// A vocabulary in which words are looked up.
pub(super) trait Vocabulary {
    /// Returns the row of a word that it contains.
    fn known(&mut self, form: &str) -> Option<u32>;

    /// Returns the row of a word that it doesn't contain, composed of the word's parts.
    fn composed(&mut self, word: &str) -> Option<u32>;

    /// Returns whether it contains words with capitals.
    fn is_cased(&self) -> bool;

    /// Returns whether this row is never used for a text, although it is a known word's.
    fn is_left_out(&self, _row: u32) -> bool {
        false
    }
}

/// Returns every form that [`resolve`] may look up in these texts.
pub(super) fn candidates(texts: &[&str], rules: Rules) -> HashSet<Box<[u8]>> {
    /// A vocabulary that contains nothing, so that every smaller piece is looked up.
    struct Unknown(HashSet<Box<[u8]>>);

    impl Vocabulary for Unknown {
        fn known(&mut self, form: &str) -> Option<u32> {
            if !self.0.contains(form.as_bytes()) {
                self.0.insert(form.as_bytes().into());
            }
            None
        }

        fn composed(&mut self, _: &str) -> Option<u32> {
            None
        }

        fn is_cased(&self) -> bool {
            true
        }
    }

    let mut unknown = Unknown(HashSet::new());
    resolve_all(texts, rules, &mut unknown);
    unknown.0
}

/// Looks up everything that [`resolve`] will look up in these texts.
pub(super) fn resolve_all(texts: &[&str], rules: Rules, vocabulary: &mut impl Vocabulary) {
    let (mut chunks, mut ids) = (HashSet::new(), Vec::new());
    for text in texts {
        rules.for_each_chunk(text.as_bytes(), |chunk| {
            if !chunks.contains(chunk) {
                chunks.insert(chunk.to_owned());
                resolve(chunk, rules, vocabulary, &mut ids);
                ids.clear();
            }
        });
    }
}

/// Appends the rows of a chunk's words, and returns the word counts.
pub(super) fn resolve(chunk: &str, rules: Rules, vocabulary: &mut impl Vocabulary, ids: &mut Vec<u32>) -> WordCounts {
    let mut resolver = Resolver { rules, vocabulary, ids, words: WordCounts::default() };
    resolver.chunk(chunk);
    resolver.words
}

impl Rules {
    /// Calls `take` with each chunk between separators: a chunk's words don't depend on the neighbouring chunks.
    pub(super) fn for_each_chunk(self, text: &[u8], mut take: impl FnMut(&str)) {
        match self.tokens {
            Tokens::Auto | Tokens::Whitespace => {
                words::normalised(text).split(words::is_separator).filter(|chunk| !chunk.is_empty()).for_each(take);
            }
            Tokens::Fasttext => {
                let text = String::from_utf8_lossy(text);
                let separators = [' ', '\n', '\r', '\t', '\u{b}', '\u{c}', '\0'];
                text.split(separators).filter(|chunk| !chunk.is_empty()).for_each(&mut take);
            }
        }
    }
}

struct Resolver<'a, V> {
    rules: Rules,
    vocabulary: &'a mut V,
    ids: &'a mut Vec<u32>,
    words: WordCounts,
}

/// Where the row of a word comes from.
enum Found {
    Known(u32),
    Composed(u32),
    Nowhere,
}

impl<V: Vocabulary> Resolver<'_, V> {
    fn chunk(&mut self, chunk: &str) {
        match self.rules.tokens {
            Tokens::Auto => self.largest(chunk),
            Tokens::Whitespace => {
                let found = self.known_or_composed(chunk);
                self.add(chunk, found);
            }
            Tokens::Fasttext => {
                let word = if self.rules.lowercase == Some(true) { lowercase(chunk) } else { Cow::Borrowed(chunk) };
                let known = self.vocabulary.known(&word).map(Found::Known);
                let found = known.or_else(|| self.vocabulary.composed(&word).map(Found::Composed));
                self.add(&word, found.unwrap_or(Found::Nowhere));
            }
        }
    }

    /// Counts a word and appends its row.
    fn add(&mut self, word: &str, found: Found) {
        let row = match found {
            Found::Known(row) | Found::Composed(row) => Some(row).filter(|&row| !self.vocabulary.is_left_out(row)),
            Found::Nowhere => None,
        };
        self.ids.extend(row);
        match (row, found) {
            (Some(_), Found::Composed(_)) => self.words.count_composed(word.as_bytes()),
            (row, _) => self.words.count_token(word.as_bytes(), row.is_some()),
        }
    }

    fn known_or_composed(&mut self, word: &str) -> Found {
        match self.row(word) {
            Some(row) => Found::Known(row),
            None => self.composed(word),
        }
    }

    /// Steps 1 and 2.
    fn largest(&mut self, chunk: &str) {
        if self.take(chunk) {
            return;
        }
        let after_opening = chunk.trim_start_matches(|c| !words::is_word(c));
        let core = after_opening.trim_end_matches(|c| !words::is_word(c));
        self.pieces(&chunk[..chunk.len() - after_opening.len()]);
        if core.len() == chunk.len() || !self.take(core) {
            self.pieces(core);
        }
        self.pieces(&after_opening[core.len()..]);
    }

    /// Steps 3 to 5.
    fn pieces(&mut self, text: &str) {
        for piece in words::pieces(text) {
            if self.take(piece) || !piece.starts_with(words::is_word) {
                continue;
            }
            if !piece.contains(words::is_apostrophe) {
                let found = self.composed(piece);
                self.add(piece, found);
            } else if !self.contraction(piece) {
                self.runs(piece);
            }
        }
    }

    /// Step 4: `n't` includes the letter before its apostrophe. Both halves are looked up in any case.
    fn contraction(&mut self, piece: &str) -> bool {
        let Some(apostrophe) = piece.rfind(words::is_apostrophe) else { return false };
        let not = ["n't", "N'T", "n’t", "N’T"].iter().any(|not| piece.ends_with(not));
        let (stem, clitic) = piece.split_at(apostrophe - usize::from(not));
        let (known, row) = (self.row(stem), self.row(clitic));
        let Some(row) = row else { return false };
        let found = known.map_or_else(|| self.composed(stem), Found::Known);
        self.add(stem, found);
        self.add(clitic, Found::Known(row));
        true
    }

    /// Step 5.
    fn runs(&mut self, piece: &str) {
        for part in piece.split_inclusive(words::is_apostrophe) {
            let run = part.trim_end_matches(words::is_apostrophe);
            let found = self.known_or_composed(run);
            self.add(run, found);
            if run.len() < part.len() {
                self.take(&part[run.len()..]);
            }
        }
    }

    fn take(&mut self, piece: &str) -> bool {
        let row = self.row(piece);
        if let Some(row) = row {
            self.add(piece, Found::Known(row));
        }
        row.is_some()
    }

    /// The row of the first form that is known.
    fn row(&mut self, piece: &str) -> Option<u32> {
        if piece.is_empty() {
            return None;
        }
        let straight = straight(piece);
        let both = [Some(piece), straight.as_deref()];
        let known = both.into_iter().flatten().find_map(|form| self.in_either_case(form));
        if known.is_some() || !self.rules.digits_as_hash {
            return known;
        }
        hashes(straight.as_deref().unwrap_or(piece)).and_then(|form| self.in_either_case(&form))
    }

    fn in_either_case(&mut self, form: &str) -> Option<u32> {
        if self.rules.lowercase != Some(true)
            && let Some(row) = self.vocabulary.known(form)
        {
            return Some(row);
        }
        match (self.rules.lowercase, lowercase(form)) {
            (Some(false), _) => None,
            (None, lower) if lower == form => None,
            (_, lower) => self.vocabulary.known(&lower),
        }
    }

    /// Returns the row of an unknown word, composed of its parts.
    fn composed(&mut self, word: &str) -> Found {
        if word.is_empty() {
            return Found::Nowhere;
        }
        let word = straight(word).map_or(Cow::Borrowed(word), Cow::Owned);
        let row = if self.rules.lowercase.unwrap_or(!self.vocabulary.is_cased()) {
            self.vocabulary.composed(&lowercase(&word))
        } else {
            self.vocabulary.composed(&word)
        };
        row.map_or(Found::Nowhere, Found::Composed)
    }
}

/// Returns the word with straight apostrophes in place of typographic ones; `None` if it has none.
fn straight(word: &str) -> Option<String> {
    word.contains('’').then(|| word.replace('’', "'"))
}

/// Returns the word with `#` for every digit; `None` if there are fewer than two.
fn hashes(word: &str) -> Option<String> {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    (digits >= 2).then(|| word.replace(|c: char| c.is_ascii_digit(), "#"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A vocabulary of some words, which records the unknown ones that were composed.
    struct List {
        asked: HashSet<Box<[u8]>>,
        words: Vec<String>,
        known: usize,
        composes: bool,
    }

    impl Vocabulary for List {
        fn known(&mut self, form: &str) -> Option<u32> {
            assert!(self.asked.contains(form.as_bytes()), "{form:?} was not among the candidates");
            self.words[..self.known].iter().position(|word| word == form).map(|at| at as u32)
        }

        fn composed(&mut self, word: &str) -> Option<u32> {
            self.words.push(format!("<{word}>"));
            self.composes.then(|| self.words.len() as u32 - 1)
        }

        fn is_cased(&self) -> bool {
            self.words[..self.known].iter().any(|word| word.contains(char::is_uppercase))
        }
    }

    fn found_by(words: &[&str], text: &str, rules: Rules, composes: bool) -> Vec<String> {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let mut list = List { asked: candidates(&[text], rules), known: words.len(), words, composes };
        let mut ids = Vec::new();
        rules.for_each_chunk(text.as_bytes(), |chunk| {
            resolve(chunk, rules, &mut list, &mut ids);
        });
        ids.iter().map(|&id| list.words[id as usize].clone()).collect()
    }

    /// The words of a text: all, known and composed.
    fn counted(words: &[&str], text: &str, rules: Rules, composes: bool) -> (u32, u32, u32) {
        let words: Vec<String> = words.iter().map(ToString::to_string).collect();
        let mut list = List { asked: candidates(&[text], rules), known: words.len(), words, composes };
        let mut found = WordCounts::default();
        rules.for_each_chunk(text.as_bytes(), |chunk| found += resolve(chunk, rules, &mut list, &mut Vec::new()));
        (found.all, found.known, found.composed)
    }

    #[test]
    fn words_are_counted_whether_they_have_a_row_or_not() {
        let auto = rules(Tokens::Auto, None);
        for (words, text, expected) in [
            (&["good"][..], "Good, film... :)", (2, 1, 0)),
            (&["well-known", "and"], "\"well-known\", and/or", (3, 2, 0)),
            (&["do", "n't"], "don't", (2, 2, 0)),
            (&["n't"], "don't", (2, 1, 0)),
            (&["don"], "don't", (2, 1, 0)),
            (&[":)", "?"], ":) ?", (0, 0, 0)),
            (&["good"], "слово слово good", (3, 1, 0)),
            (&[], "", (0, 0, 0)),
        ] {
            assert_eq!(counted(words, text, auto, false), expected, "{text}");
        }
        assert_eq!(counted(&["is"], "Brexit is (X-ray)", auto, true), (4, 1, 3));
        assert_eq!(counted(&["is"], "it IS, is", rules(Tokens::Whitespace, None), false), (3, 1, 0));
        assert_eq!(counted(&["is"], "it is", rules(Tokens::Fasttext, None), true), (2, 1, 1));
    }

    fn rules(tokens: Tokens, lowercase: Option<bool>) -> Rules {
        Rules { tokens, lowercase, digits_as_hash: false }
    }

    /// The tokens of `text` that a vocabulary knows, by name.
    fn found(vocabulary: &[&str], text: &str, lowercase: Option<bool>) -> Vec<String> {
        found_by(vocabulary, text, rules(Tokens::Auto, lowercase), false)
    }

    #[test]
    fn larger_pieces_come_first() {
        let words = ["u.s.", "u", "s", ".", "well-known", "well", "known", "\"", ",", "and", "or", ":)"];
        assert_eq!(
            found(&words, "The U.S. \"well-known\", and/or :)", None),
            ["u.s.", "\"", "well-known", "\"", ",", "and", "or", ":)"]
        );
    }

    #[test]
    fn contractions_are_met_in_every_spelling() {
        let text = "Don’t it's I'M";
        assert_eq!(found(&["don't", "it's", "i'm"], text, None), ["don't", "it's", "i'm"]);
        assert_eq!(found(&["do", "n't", "it", "'s", "i", "'m", "'"], text, None), ["do", "n't", "it", "'s", "i", "'m"]);
        assert_eq!(found(&["don", "t", "it", "s"], text, None), ["don", "t", "it", "s"]);
        assert_eq!(found(&["don’t"], text, None), ["don’t"]);
    }

    #[test]
    fn the_case_setting_is_kept() {
        let words = ["What", "what", "is", "us", "US"];
        assert_eq!(found(&words, "What IS US", None), ["What", "is", "US"]);
        assert_eq!(found(&words, "What IS US", Some(true)), ["what", "is", "us"]);
        assert_eq!(found(&words, "What IS US", Some(false)), ["What", "US"]);
    }

    #[test]
    fn odd_chunks() {
        for text in ["", " ", "''", "’", "a''b", "'a'", "-", "…", "我爱", "n't", "'t", "N’T", "İstanbul's", "\u{301}'"]
        {
            assert_eq!(found(&[], text, None), Vec::<String>::new(), "{text:?}");
        }
        assert_eq!(found(&["a", "'", "b", "我"], "a''b 'a' 我爱", None), ["a", "'", "'", "b", "'", "a", "'", "我"]);
    }

    #[test]
    fn white_space_alone_and_fasttexts_separators() {
        let words = ["U.S.", "said", "it,", "it"];
        let text = "The U.S. Said it,\u{a0}it";
        assert_eq!(found_by(&words, text, rules(Tokens::Whitespace, None), false), ["U.S.", "said", "it,", "it"]);
        assert_eq!(found_by(&words, text, rules(Tokens::Whitespace, None), true)[0], "<The>");
        let exact = found_by(&words, text, rules(Tokens::Fasttext, None), true);
        assert_eq!(exact, ["<The>", "U.S.", "<Said>", "<it,\u{a0}it>"]);
        let lower = found_by(&words, "IT Said\u{c}\0x", rules(Tokens::Fasttext, Some(true)), true);
        assert_eq!(lower, ["it", "said", "<x>"]);
    }

    #[test]
    fn unknown_words_are_composed_but_punctuation_is_not() {
        let auto = |words: &[&str], text| found_by(words, text, rules(Tokens::Auto, None), true);
        assert_eq!(auto(&["is", "'s"], "Brexit’s “Is” (X-ray)?"), ["<brexit>", "'s", "is", "<x>", "<ray>"]);
        assert_eq!(auto(&["Is", "'s"], "Brexit’s “Is” (X-ray)?"), ["<Brexit>", "'s", "Is", "<X>", "<ray>"]);
        assert_eq!(auto(&["I"], "O'Hara I"), ["<O>", "<Hara>", "I"]);
    }

    #[test]
    fn digits_become_hashes_where_asked_for() {
        let words = ["####s", "#,###", "7", "1984"];
        let text = "1960s 1,000 7 8 1984";
        assert_eq!(found(&words, text, None), ["7", "1984"]);
        let hashes = Rules { digits_as_hash: true, ..rules(Tokens::Auto, None) };
        assert_eq!(found_by(&words, text, hashes, false), ["####s", "#,###", "7", "1984"]);
    }
}
