//! The rows to keep: words that occur in the texts enter, their numbers as the file holds them leave.

use std::collections::{HashMap, HashSet};

use foldhash::fast::FixedState;

use super::table::{Ids, Table};
use crate::source::memo::Memo;

/// In place of a row number: not met in the file yet.
const UNSEEN: u32 = u32::MAX;

/// What is looked for in a file, and what was found of it.
pub(super) struct Wanted {
    ids: Ids,
    found: u32,
    values: Vec<f32>,
}

impl Wanted {
    pub(super) fn new(words: HashSet<Box<[u8]>>) -> Self {
        let mut ids = HashMap::with_capacity_and_hasher(words.len(), FixedState::default());
        ids.extend(words.into_iter().map(|word| (word, UNSEEN)));
        Self { ids, found: 0, values: Vec::new() }
    }

    /// Whether the row of `word` is to be kept: it is asked for and is the first of its name.
    pub(super) fn is_open(&self, word: &[u8]) -> bool {
        self.ids.get(word) == Some(&UNSEEN)
    }

    /// Keeps the row of an open word. Gives back the place of the first number that isn't finite.
    pub(super) fn keep(&mut self, word: &[u8], row: impl Iterator<Item = f32>) -> Result<(), usize> {
        let start = self.values.len();
        self.values.extend(row);
        if let Some(at) = self.values[start..].iter().position(|value| !value.is_finite()) {
            return Err(at);
        }
        if let Some(id) = self.ids.get_mut(word) {
            *id = self.found;
            self.found += 1;
        }
        Ok(())
    }

    /// All rows kept, in the order of the file; it has `file_rows` of `dim` numbers.
    pub(super) fn into_table(self, dim: usize, file_rows: u64) -> Table {
        let Self { mut ids, found, values } = self;
        ids.retain(|_, id| *id != UNSEEN);
        let (left_out, chunks) = (HashSet::new(), Memo::default());
        Table { dim, file_rows, values, ids, known: found, is_cased: true, left_out, chunks, line: None }
    }
}

/// A word of a file as a message shows it: readable, escaped, not endless.
pub(super) fn shown(word: &[u8]) -> String {
    let text = String::from_utf8_lossy(word);
    let short: String = text.chars().take(40).collect();
    if short.len() < text.len() { format!("{short:?}...") } else { format!("{short:?}") }
}
