//! The rows to keep: words that are asked for (or all) enter, their numbers as the file holds them leave.

use std::collections::{HashMap, HashSet};

use foldhash::fast::FixedState;

use crate::vectors::{Ids, Vectors};

/// In place of a row number: not met in the file yet.
const UNSEEN: u32 = u32::MAX;
/// In place of a row number: its numbers aren't finite.
const UNREADABLE: u32 = u32::MAX - 1;

/// What is looked for in a file, and what was found of it.
pub(crate) struct Wanted {
    ids: Ids,
    found: u32,
    values: Vec<f32>,
    /// Whether every row is kept, whatever its word.
    all: bool,
}

impl Wanted {
    /// These words' rows.
    pub(crate) fn new(words: HashSet<Box<[u8]>>) -> Self {
        let mut ids = HashMap::with_capacity_and_hasher(words.len(), FixedState::default());
        ids.extend(words.into_iter().map(|word| (word, UNSEEN)));
        Self { ids, found: 0, values: Vec::new(), all: false }
    }

    /// Every row. One with a number that isn't finite is left out: the texts may never ask for it.
    pub(crate) fn all() -> Self {
        Self { ids: Ids::default(), found: 0, values: Vec::new(), all: true }
    }

    /// Whether the row of `word` is to be kept: it is asked for and is the first of its name.
    pub(crate) fn is_open(&self, word: &[u8]) -> bool {
        match self.ids.get(word) {
            Some(&id) => id == UNSEEN,
            None => self.all,
        }
    }

    /// Keeps the row of an open word. Gives back the place of the first number that isn't finite.
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

    /// All rows kept, in the order of the file; it has `file_rows` of `dim` numbers.
    pub(crate) fn into_vectors(self, dim: usize, file_rows: u64) -> Vectors {
        let Self { mut ids, found, values, .. } = self;
        ids.retain(|_, id| *id < found);
        Vectors { dim, file_rows, values, ids, known: found, is_cased: true, line: None }
    }
}

/// A word of a file as a message shows it: readable, escaped, not endless.
pub(crate) fn shown(word: &[u8]) -> String {
    let text = String::from_utf8_lossy(word);
    let short: String = text.chars().take(40).collect();
    if short.len() < text.len() { format!("{short:?}...") } else { format!("{short:?}") }
}
