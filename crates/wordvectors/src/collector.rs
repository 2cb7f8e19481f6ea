//! Collects the rows of the requested words (or of all words) while a file is read.

use std::collections::{HashMap, HashSet};

use foldhash::fast::FixedState;

use crate::vectors::{Ids, Vectors};

/// In place of a row number: the word hasn't occurred in the file yet.
const UNSEEN: u32 = u32::MAX;
/// In place of a row number: the word's numbers aren't finite.
const UNREADABLE: u32 = u32::MAX - 1;

/// The words that are looked for in a file, and the rows found so far.
pub(crate) struct RowCollector {
    ids: Ids,
    found: u32,
    values: Vec<f32>,
    /// Whether every row is kept, whatever its word.
    all: bool,
}

impl RowCollector {
    /// Returns a collector of these words' rows.
    pub(crate) fn new(words: HashSet<Box<[u8]>>) -> Self {
        let mut ids = HashMap::with_capacity_and_hasher(words.len(), FixedState::default());
        ids.extend(words.into_iter().map(|word| (word, UNSEEN)));
        Self { ids, found: 0, values: Vec::new(), all: false }
    }

    /// Returns a collector of every row. A row with a number that isn't finite is left out, since it may never be
    /// asked for.
    pub(crate) fn all() -> Self {
        Self { ids: Ids::default(), found: 0, values: Vec::new(), all: true }
    }

    /// Returns whether the row of `word` is to be kept: it is asked for and is the first of its name.
    pub(crate) fn is_open(&self, word: &[u8]) -> bool {
        match self.ids.get(word) {
            Some(&id) => id == UNSEEN,
            None => self.all,
        }
    }

    /// Keeps the row of an open word. The error is the position of the first number that isn't finite.
    pub(crate) fn keep(&mut self, word: &[u8], row: impl Iterator<Item = f32>) -> Result<(), usize> {
        let start = self.values.len();
        self.values.extend(row);
        if let Some(at) = self.values[start..].iter().position(|value| !value.is_finite()) {
            self.values.truncate(start);
            if self.all {
                self.ids.insert(word.into(), UNREADABLE);
                return Ok(());
            }
            return Err(at);
        }
        if self.all {
            self.ids.insert(word.into(), self.found);
        } else if let Some(id) = self.ids.get_mut(word) {
            *id = self.found;
        }
        self.found += 1;
        Ok(())
    }

    /// Returns all kept rows, in the order of the file, which has `file_rows` of `dim` numbers.
    pub(crate) fn into_vectors(self, dim: usize, file_rows: u64) -> Vectors {
        let Self { mut ids, found, values, .. } = self;
        ids.retain(|_, id| *id < found);
        Vectors { dim, file_rows, values, ids, known: found, is_cased: true, line: None }
    }
}

/// Returns a word of a file as messages show it: readable, escaped and truncated.
pub(crate) fn display_word(word: &[u8]) -> String {
    let text = String::from_utf8_lossy(word);
    let short: String = text.chars().take(40).collect();
    if short.len() < text.len() { format!("{short:?}...") } else { format!("{short:?}") }
}
