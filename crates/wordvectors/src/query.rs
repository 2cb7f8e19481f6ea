//! Queries: the words that a file is asked for.

use std::collections::{BTreeSet, HashSet};

use crate::MAX_WORD;
use crate::compose::Dictionary;

/// The words that a file is asked for, and the words whose vectors are composed.
///
/// A file is read in one pass. Before its numbers are read, [`candidates`](Self::candidates) says which words may be
/// asked for; in a model with n-grams, [`select`](Self::select) then says which of them are asked for, once it is
/// known which ones the file holds.
pub trait Query {
    /// Returns every form of a word that may be asked for. `None`: every word of the file.
    fn candidates(&self) -> Option<HashSet<Box<[u8]>>>;

    /// Asks for words of a model, once it is known which of the candidates it holds.
    fn select(&self, selection: &mut Selection<'_>);

    /// Returns whether texts of a supervised fastText model are lines, whose end ([`LINE_END`](crate::LINE_END)) is a
    /// word too, as in `getSentenceVector`.
    fn reads_lines(&self) -> bool {
        false
    }

    /// Called before this many bytes are decoded, which may be far more than the file has.
    ///
    /// # Errors
    /// When they should not be decoded: reading then ends with [`Error::Refused`](crate::Error::Refused).
    fn reserve(&self, _bytes: u64) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        Ok(())
    }
}

/// Asks for every word of a file. A row with a number that isn't finite is left out.
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

/// Asks for these words as they are written. A word that a model doesn't hold is composed of its n-grams, if the
/// model has some.
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

/// The row of a word in the file, and the word.
pub(crate) type KnownWord = (u64, Box<[u8]>);

/// The words of a model that are asked for.
pub struct Selection<'d> {
    dictionary: &'d Dictionary,
    known: BTreeSet<KnownWord>,
    unknown: BTreeSet<Box<[u8]>>,
}

impl<'d> Selection<'d> {
    pub(crate) fn new(dictionary: &'d Dictionary) -> Self {
        Self { dictionary, known: BTreeSet::new(), unknown: BTreeSet::new() }
    }

    /// Asks for a word that the file may hold. Returns false if it doesn't, or if the word was no candidate.
    pub fn known(&mut self, word: &str) -> bool {
        let found = self.dictionary.row(word.as_bytes());
        self.known.extend(found.map(|(word, row)| (row, word.into())));
        found.is_some()
    }

    /// Asks for the vector of a word that the file doesn't hold, composed of the word's n-grams. A word without
    /// n-grams gets no vector.
    pub fn composed(&mut self, word: &str) {
        if word.len() <= MAX_WORD && !self.unknown.contains(word.as_bytes()) {
            self.unknown.insert(word.as_bytes().into());
        }
    }

    /// Returns whether the file holds words with capitals (ASCII).
    pub fn is_cased(&self) -> bool {
        self.dictionary.is_cased()
    }

    /// Asks for every word that the file holds.
    fn all(&mut self) {
        self.known.extend(self.dictionary.rows().map(|(word, row)| (row, word.into())));
    }

    /// Returns the words that the file holds, by row, and the other words, in the order of their bytes.
    pub(crate) fn into_parts(self) -> (Vec<KnownWord>, Vec<Box<[u8]>>) {
        (self.known.into_iter().collect(), self.unknown.into_iter().collect())
    }
}
