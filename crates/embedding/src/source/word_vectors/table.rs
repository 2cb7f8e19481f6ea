//! A table of the words that occur in the texts, whatever file they came from, and the look-up of a text's words in
//! it.

use std::collections::HashSet;
use std::sync::OnceLock;

use wordvectors::{Ids, LINE_END, Line, Vectors};

use super::tokens::{self, Rules, Vocabulary};
use crate::WordCounts;
use crate::learned::WordWeights;
use crate::source::memo::Memo;

/// Words and their rows.
#[derive(Debug)]
pub(super) struct Table {
    /// The length of a row.
    pub(super) dim: usize,
    /// The number of rows of the file, whether kept or not.
    pub(super) file_rows: u64,
    /// The rows, one after another.
    pub(super) values: Vec<f32>,
    /// The row of each word.
    pub(super) ids: Ids,
    /// Rows below this number belong to words that the file holds; the others to words composed of their parts.
    pub(super) known: u32,
    /// Whether the file holds words with capitals.
    pub(super) is_cased: bool,
    /// Rows that are never used for a text.
    pub(super) left_out: HashSet<u32>,
    /// The rows and word counts of chunks of the texts.
    pub(super) chunks: Memo<WordCounts>,
    /// How a supervised model of fastText reads a text, if texts are split as fastText splits them.
    pub(super) line: Option<Line>,
    /// The word of each row, `""` if it isn't UTF-8; computed on first use.
    words: OnceLock<Vec<String>>,
}

impl Table {
    /// Builds a table from the vectors that were read.
    pub(super) fn of(vectors: Vectors) -> Self {
        let Vectors { dim, file_rows, values, ids, known, is_cased, line } = vectors;
        let (left_out, chunks, words) = (HashSet::new(), Memo::default(), OnceLock::new());
        Self { dim, file_rows, values, ids, known, is_cased, left_out, chunks, line, words }
    }

    /// Returns the number of rows.
    pub(super) fn rows(&self) -> usize {
        self.values.len() / self.dim
    }

    /// Returns the word of each row, `""` if it isn't UTF-8.
    pub(super) fn words(&self) -> &[String] {
        self.words.get_or_init(|| {
            let mut words = vec![String::new(); self.rows()];
            self.ids.iter().for_each(|(word, &id)| {
                words[id as usize] = str::from_utf8(word).unwrap_or_default().to_owned();
            });
            words
        })
    }

    /// Looks up every chunk of the texts once, and stores the result.
    pub(super) fn remember(&mut self, texts: &[&str], rules: Rules) {
        let (mut chunks, mut ids) = (Memo::default(), Vec::new());
        for text in texts {
            rules.for_each_chunk(text.as_bytes(), |chunk| {
                if chunks.get(chunk).is_none() {
                    ids.clear();
                    let words = tokens::resolve(chunk, rules, &mut &*self, &mut ids);
                    chunks.insert(chunk, &ids, words);
                }
            });
        }
        self.chunks = chunks;
    }

    /// Appends the rows of a text's words, and returns the word counts. The end of a line has a row, but isn't a word
    /// of the text.
    pub(super) fn token_ids(&self, text: &[u8], rules: Rules, ids: &mut Vec<u32>) -> WordCounts {
        let (mut words, mut has_ended) = (WordCounts::default(), false);
        rules.for_each_chunk(text, |chunk| {
            has_ended |= self.line.is_some() && chunk == LINE_END;
            if has_ended {
                return;
            }
            words += match self.chunks.get(chunk) {
                Some((known, of_chunk)) => {
                    ids.extend_from_slice(known);
                    of_chunk
                }
                None => tokens::resolve(chunk, rules, &mut &*self, ids),
            };
        });
        let end = self.line.and_then(|line| line.end);
        ids.extend(end.filter(|end| !self.left_out.contains(end)));
        words
    }

    /// Scales every row to length 1. A word whose vector is zero has no direction, and is left out of texts.
    pub(super) fn normalize(&mut self) {
        for (id, row) in self.values.chunks_exact_mut(self.dim).enumerate() {
            if row.iter().all(|&value| value == 0.0) {
                self.left_out.insert(id as u32);
            }
            crate::combine::normalize(row);
        }
    }

    /// Multiplies every row by the weight of its word.
    pub(super) fn weigh(&mut self, weights: &WordWeights) {
        let Self { ids, values, dim, .. } = self;
        ids.iter().for_each(|(word, &id)| {
            let weight = weights.of(word);
            values[id as usize * *dim..][..*dim].iter_mut().for_each(|value| *value *= weight);
        });
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

    fn is_left_out(&self, row: u32) -> bool {
        self.left_out.contains(&row)
    }
}
