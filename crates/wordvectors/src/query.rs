//! Which words are asked for.

use std::collections::{BTreeSet, HashSet};

use crate::MAX_WORD;
use crate::compose::Dictionary;

/// Which words of a file are asked for, and of which its vectors are composed.
///
/// A file is read in one pass: before its numbers pass by, [`candidates`](Self::candidates) says which words may be asked
/// for, and, in a model with n-grams, [`select`](Self::select) which of them are, now that it is known what the file holds.
pub trait Query {
    /// Every form of a word that may be asked for; none: every word of the file.
    fn candidates(&self) -> Option<HashSet<Box<[u8]>>>;

    /// Asks for words of a model, now that it is known which of the candidates it holds.
    fn select(&self, selection: &mut Selection<'_>);

    /// Whether texts of a supervised fastText model are lines, whose end ([`LINE_END`](crate::LINE_END)) is a word too, as
    /// `getSentenceVector` reads them.
    fn reads_lines(&self) -> bool {
        false
    }

    /// Called before so many bytes are decoded, which may be far more than the file has.
    ///
    /// # Errors
    /// When they should not be: reading ends with [`Error::Refused`](crate::Error::Refused).
    fn reserve(&self, _bytes: u64) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(())
    }
}

/// Every word of a file. A row with a number that isn't finite is left out.
#[derive(Clone, Copy, Debug)]
pub struct All;

impl Query for All {
    fn candidates(&self) -> Option<HashSet<Box<[u8]>>> {
        None
    }

    fn select(&self, selection: &mut Selection<'_>) {
        selection.all();
    }
}

/// These words as they are written. A word that a model doesn't hold is composed of its n-grams, where the model has some.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a>(pub &'a [&'a str]);

impl Query for Words<'_> {
    fn candidates(&self) -> Option<HashSet<Box<[u8]>>> {
        Some(self.0.iter().map(|word| word.as_bytes().into()).collect())
    }

    fn select(&self, selection: &mut Selection<'_>) {
        for word in self.0 {
            if !selection.known(word) {
                selection.composed(word);
            }
        }
    }
}

/// The words of a model that are asked for.
pub struct Selection<'d> {
    dictionary: &'d Dictionary,
    known: BTreeSet<(u64, Box<[u8]>)>,
    unknown: BTreeSet<Box<[u8]>>,
}

impl<'d> Selection<'d> {
    pub(crate) fn new(dictionary: &'d Dictionary) -> Self {
        Self { dictionary, known: BTreeSet::new(), unknown: BTreeSet::new() }
    }

    /// Asks for a word that the file holds. False: it doesn't, or the word was no candidate.
    pub fn known(&mut self, word: &str) -> bool {
        let found = self.dictionary.row(word.as_bytes());
        self.known.extend(found.map(|(word, row)| (row, word.into())));
        found.is_some()
    }

    /// Asks for the vector of a word that the file doesn't hold, made of the word's n-grams. A word that has none gets none.
    pub fn composed(&mut self, word: &str) {
        if word.len() <= MAX_WORD && !self.unknown.contains(word.as_bytes()) {
            self.unknown.insert(word.as_bytes().into());
        }
    }

    /// Whether the file holds words with capitals (ASCII).
    pub fn is_cased(&self) -> bool {
        self.dictionary.is_cased()
    }

    /// Asks for every word that the file holds.
    fn all(&mut self) {
        self.known.extend(self.dictionary.rows().map(|(word, row)| (row, word.into())));
    }

    /// Those that the file holds, by row; and the others, in the order of their bytes.
    pub(crate) fn into_parts(self) -> (Vec<(u64, Box<[u8]>)>, Vec<Box<[u8]>>) {
        (self.known.into_iter().collect(), self.unknown.into_iter().collect())
    }
}
