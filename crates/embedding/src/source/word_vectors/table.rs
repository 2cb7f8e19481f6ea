//! The rows of the words that occur in the texts, whatever file they came from, and how a text's words find them.

use std::collections::{HashMap, HashSet};

use foldhash::fast::FixedState;

use super::tokens::{self, Rules, Vocabulary};
use crate::source::memo::Memo;

/// The row of a word.
pub(super) type Ids = HashMap<Box<[u8]>, u32, FixedState>;

/// Words and their rows.
#[derive(Debug)]
pub(super) struct Table {
    /// The length of a row.
    pub(super) dim: usize,
    /// The rows of the file, whether kept or not.
    pub(super) file_rows: u64,
    /// Row after row.
    pub(super) values: Vec<f32>,
    /// The row of each word.
    pub(super) ids: Ids,
    /// Rows below are of words that the file holds, those from here on of words made of their parts.
    pub(super) known: u32,
    /// Whether the file holds words with capitals.
    pub(super) is_cased: bool,
    /// Rows that no text gets.
    pub(super) left_out: HashSet<u32>,
    /// What chunks of the texts are known to be made of.
    pub(super) chunks: Memo,
}

impl Table {
    /// The number of rows.
    pub(super) fn rows(&self) -> usize {
        self.values.len() / self.dim
    }

    /// Resolves every chunk of the texts, once.
    pub(super) fn remember(&mut self, texts: &[&str], rules: Rules) {
        let (mut chunks, mut ids) = (Memo::default(), Vec::new());
        for text in texts {
            rules.for_each_chunk(text.as_bytes(), |chunk| {
                if chunks.get(chunk).is_none() {
                    ids.clear();
                    self.resolve(chunk, rules, &mut ids);
                    chunks.insert(chunk, &ids);
                }
            });
        }
        self.chunks = chunks;
    }

    /// Appends the rows of a text's words.
    pub(super) fn token_ids(&self, text: &[u8], rules: Rules, ids: &mut Vec<u32>) {
        rules.for_each_chunk(text, |chunk| match self.chunks.get(chunk) {
            Some(known) => ids.extend_from_slice(known),
            None => self.resolve(chunk, rules, ids),
        });
    }

    fn resolve(&self, chunk: &str, rules: Rules, ids: &mut Vec<u32>) {
        let start = ids.len();
        tokens::resolve(chunk, rules, &mut &*self, ids);
        if !self.left_out.is_empty() {
            let kept = ids.split_off(start).into_iter().filter(|id| !self.left_out.contains(id));
            ids.extend(kept);
        }
    }

    /// Scales every row to length 1. A word with the vector 0 has no direction: it is left out of texts.
    pub(super) fn normalize(&mut self) {
        for (id, row) in self.values.chunks_exact_mut(self.dim).enumerate() {
            if row.iter().all(|&value| value == 0.0) {
                self.left_out.insert(id as u32);
            }
            crate::combine::normalize(row);
        }
    }

    /// Multiplies every row by its weight.
    pub(super) fn weigh(&mut self, weights: &[f32]) {
        for (row, &weight) in self.values.chunks_exact_mut(self.dim).zip(weights) {
            row.iter_mut().for_each(|value| *value *= weight);
        }
    }
}

/// A word that was composed for one text must not become a known word for another.
impl Vocabulary for &Table {
    fn known(&mut self, form: &str) -> Option<u32> {
        self.ids.get(form.as_bytes()).copied().filter(|&id| id < self.known)
    }

    fn composed(&mut self, word: &str) -> Option<u32> {
        self.ids.get(word.as_bytes()).copied().filter(|&id| id >= self.known)
    }

    fn is_cased(&self) -> bool {
        self.is_cased
    }
}
