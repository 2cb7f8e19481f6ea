//! Composes the vectors of words from a matrix's rows: those of the word itself and of its n-grams.
//!
//! A dictionary and a query enter; the words that are asked for leave ([`SelectedWords`]), then the matrix rows that
//! they need ([`WordParts`]), then, while the matrix is read, the numbers of these rows ([`GatheredRows`]), then the
//! [`Vectors`]. Memory holds only the rows that are needed, whatever the size of the file. If the words aren't known
//! yet, the whole file is held ([`Model`]), and gives the vectors of the words that are asked for later.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::PathBuf;

use foldhash::fast::FixedState;
use rayon::prelude::*;

use crate::error::Error;
use crate::fields::Fields;
use crate::memory;
use crate::query::{Query, Selection};
use crate::vectors::{Difference, Ids, LINE_END, Line, Vectors};

/// The words of a file that may be asked for, with their rows.
#[derive(Debug)]
pub(crate) struct Dictionary {
    /// The words that may be asked for. `None`: every word.
    asked: Option<HashSet<Box<[u8]>>>,
    rows: HashMap<Box<[u8]>, u64, FixedState>,
    is_cased: bool,
}

impl Dictionary {
    /// Returns an empty dictionary for these candidates; `None`: for every word.
    pub(crate) fn new(asked: Option<HashSet<Box<[u8]>>>) -> Self {
        Self { asked, rows: HashMap::default(), is_cased: false }
    }

    /// Adds a word of the file with its row; of two equal words the first one counts.
    pub(crate) fn insert(&mut self, word: &[u8], row: u64) {
        self.is_cased |= word.iter().any(u8::is_ascii_uppercase);
        match &mut self.asked {
            Some(asked) => self.rows.extend(asked.take(word).map(|word| (word, row))),
            None if self.rows.contains_key(word) => {}
            None => drop(self.rows.insert(word.into(), row)),
        }
    }

    /// Returns a word of the dictionary, and its row.
    pub(crate) fn row(&self, word: &[u8]) -> Option<(&[u8], u64)> {
        self.rows.get_key_value(word).map(|(word, &row)| (&**word, row))
    }

    /// Returns all words of the dictionary, in no particular order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&[u8], u64)> {
        self.rows.iter().map(|(word, &row)| (&**word, row))
    }

    pub(crate) fn is_cased(&self) -> bool {
        self.is_cased
    }

    /// Returns the words that a query asks for, and the end of a line if texts are lines.
    pub(crate) fn used(&self, query: &dyn Query, reads_lines: bool) -> SelectedWords {
        let mut selection = Selection::new(self);
        query.select(&mut selection);
        if reads_lines && !selection.known(LINE_END) {
            selection.composed(LINE_END);
        }
        let (known, unknown) = selection.into_parts();
        SelectedWords { known, unknown, is_cased: self.is_cased }
    }
}

/// The words that are asked for.
pub(crate) struct SelectedWords {
    /// Words that the file holds, with their rows, in the order of the file.
    pub(crate) known: Vec<(u64, Box<[u8]>)>,
    /// The other words, in the order of their bytes.
    pub(crate) unknown: Vec<Box<[u8]>>,
    is_cased: bool,
}

/// The matrix rows that each word's vector is composed of, in the order in which they are added.
pub(crate) struct WordParts {
    rows: Vec<u64>,
    /// The end of each word's rows.
    ends: Vec<usize>,
    ids: Ids,
    known: u32,
    is_cased: bool,
}

impl WordParts {
    /// Collects the rows of words. `parts` appends the rows of a word, given its own row if the file holds it. A word
    /// without any rows has no vector.
    pub(crate) fn new(used: SelectedWords, mut parts: impl FnMut(&[u8], Option<u64>, &mut Vec<u64>)) -> Self {
        let (mut rows, mut ends, mut ids, mut known) = (Vec::new(), Vec::new(), Ids::default(), 0);
        let unknown = used.unknown.into_iter().map(|word| (None, word));
        for (row, word) in used.known.into_iter().map(|(row, word)| (Some(row), word)).chain(unknown) {
            let start = rows.len();
            parts(&word, row, &mut rows);
            if rows.len() > start {
                known += u32::from(row.is_some());
                ids.insert(word, ends.len() as u32);
                ends.push(rows.len());
            }
        }
        Self { rows, ends, ids, known, is_cased: used.is_cased }
    }

    /// Returns the distinct rows that occur, in order.
    fn needed(&self) -> NeededRows {
        let mut needed = self.rows.clone();
        needed.sort_unstable();
        needed.dedup();
        NeededRows::Rows(needed)
    }

    fn of_word(&self, word: usize) -> &[u64] {
        let start = if word == 0 { 0 } else { self.ends[word - 1] };
        &self.rows[start..self.ends[word]]
    }
}

/// How vectors of words are composed of a matrix's rows.
pub(crate) trait Composer: fmt::Debug + Send + Sync {
    /// Appends the rows of a word, given its own row if the file holds it.
    fn parts(&self, word: &[u8], own: Option<u64>, rows: &mut Vec<u64>);

    /// Turns the sum of a word's rows into its vector; `is_known`: the file holds the word.
    fn finish(&self, sum: &mut [f32], rows: &[u64], is_known: bool);
}

/// A model with n-grams, or the part of one that was read: the rows that the requested words need, or all.
#[derive(Debug)]
pub struct Model {
    pub(crate) path: PathBuf,
    pub(crate) dictionary: Dictionary,
    pub(crate) composer: Box<dyn Composer>,
    pub(crate) gathered: GatheredRows,
    pub(crate) file_rows: u64,
    /// Whether texts are lines of a supervised model; if so, why their mean isn't fastText's vector, if it isn't.
    pub(crate) lines: Option<Option<Difference>>,
}

/// A model, with the parts of the words that were asked for.
pub struct Loaded {
    /// The model. Only if the query had no candidates does it hold the whole file, and can be asked for other words.
    pub model: Model,
    /// `None`: the words aren't known yet.
    pub(crate) parts: Option<WordParts>,
}

impl Loaded {
    /// Returns the vectors of the words that the file was read for.
    ///
    /// # Errors
    /// When they aren't finite, or there is too little memory.
    pub fn into_vectors(self, query: &dyn Query) -> Result<Vectors, Error> {
        let Self { model, parts } = self;
        parts.map_or_else(|| model.vectors(query), |parts| model.compose(parts))
    }
}

/// Returns the parts of the selected words, and the rows of the matrix that they need.
pub(crate) fn plan(used: Option<SelectedWords>, composer: &dyn Composer) -> (Option<WordParts>, NeededRows) {
    let parts = used.map(|used| WordParts::new(used, |word, own, rows| composer.parts(word, own, rows)));
    let needed = parts.as_ref().map_or(NeededRows::All, WordParts::needed);
    (parts, needed)
}

impl Model {
    /// Returns the vectors of the words that a query selects. The whole file must have been read, by a query without
    /// candidates.
    ///
    /// # Errors
    /// When they aren't finite, or there is too little memory.
    pub fn vectors(&self, query: &dyn Query) -> Result<Vectors, Error> {
        let used = self.dictionary.used(query, self.lines.is_some());
        self.compose(WordParts::new(used, |word, own, rows| self.composer.parts(word, own, rows)))
    }

    /// Returns the vectors of all words of these parts.
    fn compose(&self, parts: WordParts) -> Result<Vectors, Error> {
        let dim = self.gathered.dim;
        let mut values = memory::filled(0.0_f32, parts.ends.len() * dim)?;
        values.par_chunks_exact_mut(dim).enumerate().for_each(|(word, sum)| {
            let rows = parts.of_word(word);
            for &row in rows {
                sum.iter_mut().zip(self.gathered.row(row)).for_each(|(sum, value)| *sum += value);
            }
            self.composer.finish(sum, rows, word < parts.known as usize);
        });
        if !values.iter().all(|value| value.is_finite()) {
            let reason = "the vectors are too large to be added up, or not finite; the file is damaged";
            return Err(Error::format(&self.path, reason));
        }
        let WordParts { ids, known, is_cased, .. } = parts;
        let line = self.lines.map(|differs| {
            let end = ids.get(LINE_END.as_bytes()).copied().filter(|&id| id < known);
            Line { end, differs }
        });
        Ok(Vectors { dim, file_rows: self.file_rows, values, ids, known, is_cased, line })
    }
}

/// Which rows of a matrix are needed.
#[derive(Clone, Debug)]
pub(crate) enum NeededRows {
    All,
    /// These rows, in order, each once.
    Rows(Vec<u64>),
}

impl NeededRows {
    /// Returns the position of a needed row among the gathered ones.
    fn place(&self, row: u64) -> usize {
        match self {
            Self::All => row as usize,
            Self::Rows(rows) => rows.binary_search(&row).expect("every row of a part was gathered"),
        }
    }
}

/// Some rows of a matrix.
#[derive(Debug)]
pub(crate) struct GatheredRows {
    pub(crate) dim: usize,
    /// The numbers of the rows.
    pub(crate) needed: NeededRows,
    pub(crate) values: Vec<f32>,
}

impl GatheredRows {
    /// Returns one of the needed rows.
    pub(crate) fn row(&self, row: u64) -> &[f32] {
        let at = self.needed.place(row);
        &self.values[at * self.dim..(at + 1) * self.dim]
    }

    /// Refuses numbers that aren't finite, which only a damaged file has. If all rows were read, each is checked when
    /// it is used.
    pub(crate) fn checked(self, fields: &Fields<'_>) -> Result<Self, Error> {
        let NeededRows::Rows(needed) = &self.needed else { return Ok(self) };
        if let Some(at) = self.values.iter().position(|value| !value.is_finite()) {
            let (row, number) = (needed[at / self.dim], at % self.dim + 1);
            return Err(
                fields.fault(format!("number {number} of the matrix row {row} isn't finite; the file is damaged"))
            );
        }
        Ok(self)
    }
}

/// Reads the `rows` rows of a matrix, `stride` bytes each, and calls `take` with those `needed` (all below `rows`),
/// in order.
pub(crate) fn visit_rows(
    fields: &mut Fields<'_>,
    rows: u64,
    stride: usize,
    needed: &NeededRows,
    what: &str,
    mut take: impl FnMut(&[u8]),
) -> Result<(), Error> {
    fields.check_left(rows.checked_mul(stride as u64), what)?;
    let mut at = 0;
    let mut take_row = |row: u64| {
        fields.skip((row - at) * stride as u64, what)?;
        take(fields.peek(stride, what)?);
        fields.stream.consume(stride);
        at = row + 1;
        Ok::<_, Error>(())
    };
    match needed {
        NeededRows::All => (0..rows).try_for_each(&mut take_row)?,
        NeededRows::Rows(needed) => needed.iter().try_for_each(|&row| take_row(row))?,
    }
    fields.skip((rows - at) * stride as u64, what)
}

/// Returns the needed rows of a matrix of floats, `[rows, dim]`.
pub(crate) fn read_rows(
    fields: &mut Fields<'_>,
    rows: u64,
    dim: usize,
    needed: NeededRows,
    what: &str,
) -> Result<GatheredRows, Error> {
    let mut values = Vec::new();
    visit_rows(fields, rows, 4 * dim, &needed, what, |bytes| {
        values.extend(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
    })?;
    GatheredRows { dim, needed, values }.checked(fields)
}

/// Allocates an array for decoded rows, which take more memory than their codes in the file.
pub(crate) fn decoded(query: &dyn Query, rows: usize, dim: usize) -> Result<Vec<f32>, Error> {
    let numbers = rows.saturating_mul(dim);
    query.reserve((numbers as u64).saturating_mul(4)).map_err(Error::Refused)?;
    memory::with_capacity(numbers)
}
