//! Counts of terms per text: the vocabulary of the training texts, and sparse rows of counts.

use std::collections::HashMap;

use emberline_linear::SparseRows;
use rayon::prelude::*;

use crate::tokens::for_each_term;

/// Texts per parallel work item.
const CHUNK_TEXTS: usize = 1024;

/// Chunks whose terms are held at the same time before they enter the vocabulary.
const CHUNKS_AT_ONCE: usize = 32;

/// Which terms are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The smallest and the largest number of tokens of a term: `ngram_range` of scikit-learn.
    pub lengths: (usize, usize),
    /// The number of training texts that a term must occur in: `min_df` of scikit-learn, as a count.
    pub min_texts: u32,
}

impl Default for Terms {
    /// Single words, all of them.
    fn default() -> Self {
        Self { lengths: (1, 1), min_texts: 1 }
    }
}

/// The terms of the training texts, which are the columns of rows of counts.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    terms: Terms,
    /// The column of each term. Columns are in the order of the terms' code points.
    columns: HashMap<Box<str>, u32>,
    /// The number of training texts with the term of each column.
    texts_with: Vec<u32>,
}

/// The counts of terms per text, `[texts, terms]`; the columns of each row rise.
pub type Counts = SparseRows;

/// The terms of some texts: for each text, its distinct terms and their counts.
#[derive(Default)]
struct Chunk {
    /// The terms, by the ids that the rows use.
    terms: Vec<Box<str>>,
    /// The number of distinct terms of each text.
    lengths: Vec<usize>,
    /// Ids of terms and their counts, text after text.
    entries: Vec<(u32, f32)>,
}

impl Chunk {
    fn of(texts: &[&str], lengths: (usize, usize)) -> Self {
        let (mut chunk, mut ids) = (Self::default(), HashMap::<Box<str>, u32>::new());
        let (mut buffer, mut of_text) = (String::new(), Vec::new());
        for text in texts {
            of_text.clear();
            for_each_term(text, lengths, &mut buffer, |term| {
                let id = ids.get(term).copied().unwrap_or_else(|| {
                    let id = chunk.terms.len() as u32;
                    chunk.terms.push(term.into());
                    ids.insert(term.into(), id);
                    id
                });
                of_text.push(id);
            });
            let before = chunk.entries.len();
            push_counts(&mut of_text, &mut chunk.entries);
            chunk.lengths.push(chunk.entries.len() - before);
        }
        chunk
    }
}

/// Appends the distinct ids, rising, with the number of times that each occurs.
fn push_counts(ids: &mut [u32], entries: &mut Vec<(u32, f32)>) {
    ids.sort_unstable();
    entries.extend(ids.chunk_by(|a, b| a == b).map(|run| (run[0], run.len() as f32)));
}

impl Vocabulary {
    /// Returns the vocabulary of training texts, and their counts.
    pub fn fit(texts: &[&str], terms: Terms) -> (Self, Counts) {
        let (mut ids, mut texts_with) = (HashMap::<Box<str>, u32>::new(), Vec::<u32>::new());
        let (mut lengths, mut entries) = (Vec::with_capacity(texts.len()), Vec::new());
        for some in texts.chunks(CHUNK_TEXTS * CHUNKS_AT_ONCE) {
            let chunks: Vec<Chunk> =
                some.par_chunks(CHUNK_TEXTS).map(|texts| Chunk::of(texts, terms.lengths)).collect();
            for chunk in chunks {
                let of_chunk: Vec<u32> = chunk.terms.into_iter().map(|term| number(&mut ids, term)).collect();
                texts_with.resize(ids.len(), 0);
                for (id, count) in chunk.entries {
                    let id = of_chunk[id as usize];
                    texts_with[id as usize] += 1;
                    entries.push((id, count));
                }
                lengths.extend(chunk.lengths);
            }
        }
        let (vocabulary, columns) = Self::sorted(terms, ids, &texts_with);
        let counts = vocabulary.rows(&lengths, entries, &columns);
        (vocabulary, counts)
    }

    /// Sorts terms that occur often enough. Returns the vocabulary, and the column of each id; none for a term that doesn't
    /// occur often enough.
    fn sorted(terms: Terms, ids: HashMap<Box<str>, u32>, texts_with: &[u32]) -> (Self, Vec<Option<u32>>) {
        let is_frequent = |(_, id): &(Box<str>, u32)| texts_with[*id as usize] >= terms.min_texts;
        let mut sorted: Vec<(Box<str>, u32)> = ids.into_iter().filter(is_frequent).collect();
        sorted.par_sort_unstable();
        let mut columns = vec![None; texts_with.len()];
        sorted.iter().enumerate().for_each(|(column, (_, id))| columns[*id as usize] = Some(column as u32));
        let texts_with = sorted.iter().map(|(_, id)| texts_with[*id as usize]).collect();
        let named = sorted.into_iter().enumerate().map(|(column, (term, _))| (term, column as u32)).collect();
        (Self { terms, columns: named, texts_with }, columns)
    }

    /// Returns rows of counts from their entries; `columns` are those of the ids.
    fn rows(&self, lengths: &[usize], mut entries: Vec<(u32, f32)>, columns: &[Option<u32>]) -> Counts {
        let (mut offsets, mut ids, mut values) = (vec![0], Vec::new(), Vec::new());
        let mut rest = entries.as_mut_slice();
        for &length in lengths {
            let (row, after) = rest.split_at_mut(length);
            rest = after;
            row.sort_unstable_by_key(|(id, _)| columns[*id as usize]);
            let kept = row.iter().filter_map(|&(id, count)| Some((columns[id as usize]?, count)));
            kept.for_each(|(column, count)| {
                ids.push(column);
                values.push(count);
            });
            offsets.push(ids.len());
        }
        Counts::new(self.len(), offsets, ids, values)
    }

    /// Counts the terms of texts; terms that no training text has are left out.
    pub fn count(&self, texts: &[&str]) -> Counts {
        let chunks: Vec<Chunk> = texts.par_chunks(CHUNK_TEXTS).map(|texts| self.count_chunk(texts)).collect();
        let (mut offsets, mut ids, mut values) = (vec![0], Vec::new(), Vec::new());
        for chunk in chunks {
            for length in chunk.lengths {
                offsets.push(offsets.last().copied().unwrap_or(0) + length);
            }
            ids.extend(chunk.entries.iter().map(|(id, _)| *id));
            values.extend(chunk.entries.iter().map(|(_, count)| *count));
        }
        Counts::new(self.len(), offsets, ids, values)
    }

    fn count_chunk(&self, texts: &[&str]) -> Chunk {
        let (mut chunk, mut buffer, mut of_text) = (Chunk::default(), String::new(), Vec::new());
        for text in texts {
            of_text.clear();
            for_each_term(text, self.terms.lengths, &mut buffer, |term| {
                of_text.extend(self.columns.get(term));
            });
            let before = chunk.entries.len();
            push_counts(&mut of_text, &mut chunk.entries);
            chunk.lengths.push(chunk.entries.len() - before);
        }
        chunk
    }

    /// Returns the number of terms.
    pub fn len(&self) -> usize {
        self.texts_with.len()
    }

    /// Returns whether there are no terms.
    pub fn is_empty(&self) -> bool {
        self.texts_with.is_empty()
    }

    /// Returns the column of a term; none if no training text has it.
    pub fn column(&self, term: &str) -> Option<u32> {
        self.columns.get(term).copied()
    }

    /// Returns the number of training texts with the term of each column, `[terms]`.
    pub fn texts_with(&self) -> &[u32] {
        &self.texts_with
    }
}

/// Returns the id of a term; a new one if it has none yet.
fn number(ids: &mut HashMap<Box<str>, u32>, term: Box<str>) -> u32 {
    let next = ids.len() as u32;
    *ids.entry(term).or_insert(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 3] = ["the cat and the dog", "The dog!", "a bird"];

    #[test]
    fn terms_are_counted_in_the_order_of_the_alphabet() {
        let (vocabulary, counts) = Vocabulary::fit(&TEXTS, Terms::default());
        let columns = ["and", "bird", "cat", "dog", "the"].map(|term| vocabulary.column(term));
        assert_eq!(columns, [0, 1, 2, 3, 4].map(Some));
        assert_eq!(vocabulary.texts_with(), [1, 1, 1, 2, 2]);
        assert_eq!(counts.row(0), (&[0, 2, 3, 4][..], &[1.0, 1.0, 1.0, 2.0][..]));
        assert_eq!(counts, vocabulary.count(&TEXTS));
        assert_eq!(vocabulary.count(&["dog dog snake"]).row(0), (&[3][..], &[2.0][..]));
    }

    #[test]
    fn rare_terms_are_left_out() {
        let (vocabulary, counts) = Vocabulary::fit(&TEXTS, Terms { lengths: (1, 2), min_texts: 2 });
        assert_eq!((vocabulary.len(), vocabulary.column("the dog")), (3, Some(2)));
        assert_eq!(counts.row(0), (&[0, 1, 2][..], &[1.0, 2.0, 1.0][..]));
        assert_eq!(counts, vocabulary.count(&TEXTS));
    }

    #[test]
    fn chunks_do_not_show() {
        let texts: Vec<String> = (0..3000).map(|at| format!("word{} word{} same", at % 70, at % 11)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let (vocabulary, counts) = Vocabulary::fit(&texts, Terms::default());
        assert_eq!((vocabulary.len(), vocabulary.texts_with()[0]), (71, 3000));
        assert_eq!(counts, vocabulary.count(&texts));
    }
}
