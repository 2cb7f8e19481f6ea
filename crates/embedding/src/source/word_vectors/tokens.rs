//! How the words of a text are found in a vocabulary that was tokenised in a way we don't know.
//!
//! A text is cut at white space, and each chunk is looked up in pieces that get smaller until
//! the vocabulary knows one:
//!
//! 1. the chunk as a whole: `U.S.`, `:)`, `c++`, and any vocabulary that was itself cut at white space;
//! 2. without the other characters at either end, each of which becomes a token: `"well-known",` ->
//!    `"`, `well-known`, `"`, `,`;
//! 3. its pieces by `words.rs`: `well`, `-`, `known`; `don't`;
//! 4. of a piece with an apostrophe, the two halves of the Penn Treebank, where the vocabulary knows the
//!    second: `do` + `n't`, `it` + `'s`;
//! 5. its runs of letters, and the apostrophes between them.
//!
//! Each is asked for in these forms: as written; in lower case; both with a straight apostrophe in place of
//! a typographic one. The setting `lowercase` leaves only the lower-case forms (true) or only those as
//! written (false). What no form is known of has no row and doesn't count in a mean.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::source::words;

/// Every form that [`resolve`] may ask for in these texts.
pub(super) fn candidates(texts: &[&str], lowercase: Option<bool>) -> HashSet<Box<[u8]>> {
    let mut chunks = HashSet::new();
    let mut candidates: HashSet<Box<[u8]>> = HashSet::new();
    for text in texts {
        for chunk in words::normalised(text.as_bytes()).split(words::is_separator) {
            if chunks.contains(chunk) {
                continue;
            }
            chunks.insert(chunk.to_owned());
            // Where nothing is known, every smaller piece is asked for.
            let unknown = |form: &str| {
                candidates.insert(form.as_bytes().into());
                None
            };
            resolve(chunk, lowercase, unknown, &mut Vec::new());
        }
    }
    candidates
}

/// Appends the rows of a normalised text's tokens; `known` gives the row of one form.
pub(super) fn resolve(text: &str, lowercase: Option<bool>, known: impl FnMut(&str) -> Option<u32>, ids: &mut Vec<u32>) {
    let mut tokens = Tokens { lowercase, known, ids };
    for chunk in text.split(words::is_separator).filter(|chunk| !chunk.is_empty()) {
        tokens.chunk(chunk);
    }
}

struct Tokens<'a, K> {
    lowercase: Option<bool>,
    known: K,
    ids: &'a mut Vec<u32>,
}

impl<K: FnMut(&str) -> Option<u32>> Tokens<'_, K> {
    /// Steps 1 and 2.
    fn chunk(&mut self, chunk: &str) {
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
            let inner = piece.starts_with(words::is_word) && piece.contains(words::is_apostrophe);
            if !self.take(piece) && inner && !self.contraction(piece) {
                for part in piece.split_inclusive(words::is_apostrophe) {
                    let run = part.trim_end_matches(words::is_apostrophe);
                    self.take(run);
                    if run.len() < part.len() {
                        self.take(&part[run.len()..]);
                    }
                }
            }
        }
    }

    /// Step 4: `n't` takes the letter before its apostrophe along. Both halves are asked for in any case.
    fn contraction(&mut self, piece: &str) -> bool {
        let Some(apostrophe) = piece.rfind(words::is_apostrophe) else { return false };
        let not = ["n't", "N'T", "n’t", "N’T"].iter().any(|not| piece.ends_with(not));
        let (stem, clitic) = piece.split_at(apostrophe - usize::from(not));
        let (stem, clitic) = (self.row(stem), self.row(clitic));
        if clitic.is_some() {
            self.ids.extend(stem.into_iter().chain(clitic));
        }
        clitic.is_some()
    }

    fn take(&mut self, piece: &str) -> bool {
        let row = self.row(piece);
        self.ids.extend(row);
        row.is_some()
    }

    /// The row of the first form that is known.
    fn row(&mut self, piece: &str) -> Option<u32> {
        if piece.is_empty() {
            return None;
        }
        let straight = if piece.contains('’') { Some(piece.replace('’', "'")) } else { None };
        let written = std::iter::once(piece).chain(straight.as_deref());
        for form in written {
            let lower = lower(form);
            let forms = match self.lowercase {
                Some(true) => [None, Some(lower.as_ref())],
                Some(false) => [Some(form), None],
                None => [Some(form), Some(lower.as_ref()).filter(|lower| *lower != form)],
            };
            if let Some(row) = forms.into_iter().flatten().find_map(|form| (self.known)(form)) {
                return Some(row);
            }
        }
        None
    }
}

/// In lower case, copied only where that changes something.
fn lower(form: &str) -> Cow<'_, str> {
    let is_lower = form.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase());
    if is_lower { Cow::Borrowed(form) } else { Cow::Owned(form.to_lowercase()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tokens of `text` that a vocabulary knows, by name.
    fn found<'a>(vocabulary: &[&'a str], text: &str, lowercase: Option<bool>) -> Vec<&'a str> {
        let asked = candidates(&[text], lowercase);
        let mut ids = Vec::new();
        let known = |form: &str| {
            assert!(asked.contains(form.as_bytes()), "{form:?} was not among the candidates");
            vocabulary.iter().position(|word| *word == form).map(|at| at as u32)
        };
        resolve(text, lowercase, known, &mut ids);
        ids.iter().map(|&id| vocabulary[id as usize]).collect()
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
            assert_eq!(found(&[], text, None), Vec::<&str>::new(), "{text:?}");
        }
        assert_eq!(found(&["a", "'", "b", "我"], "a''b 'a' 我爱", None), ["a", "'", "'", "b", "'", "a", "'", "我"]);
    }
}
