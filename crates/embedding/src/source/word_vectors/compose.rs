//! Vectors of words that are sums of a matrix's rows: of the word itself and of its n-grams.
//!
//! A dictionary and the texts enter; the words that the texts need leave ([`Used`]), then the matrix rows that these
//! need ([`Parts`]), then, while the matrix passes by, their numbers ([`Gathered`]), then the [`Table`]. Memory
//! holds what is hit, whatever the size of the file.

use std::collections::{BTreeSet, HashMap, HashSet};

use emberline_base::memory;
use foldhash::fast::FixedState;
use rayon::prelude::*;

use super::fields::Fields;
use super::table::{Ids, Table};
use super::tokens::{self, Rules, Vocabulary};
use crate::Error;
use crate::source::memo::Memo;

/// The texts, and how words are found in them.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) texts: &'a [&'a str],
    pub(super) rules: Rules,
}

/// The words of a file that are asked for, and where they stand.
pub(super) struct Dictionary {
    asked: HashSet<Box<[u8]>>,
    rows: HashMap<Box<[u8]>, u64, FixedState>,
    is_cased: bool,
}

impl Dictionary {
    pub(super) fn new(asked: Asked<'_>) -> Self {
        let asked = tokens::candidates(asked.texts, asked.rules);
        Self { asked, rows: HashMap::default(), is_cased: false }
    }

    /// A word of the file and its row; the first of two equal ones counts.
    pub(super) fn meet(&mut self, word: &[u8], row: u64) {
        self.is_cased |= word.iter().any(u8::is_ascii_uppercase);
        if let Some(word) = self.asked.take(word) {
            self.rows.insert(word, row);
        }
    }

    /// The words that the texts are resolved into.
    pub(super) fn used(&self, asked: Asked<'_>) -> Used {
        let mut hits = Hits { dictionary: self, known: BTreeSet::new(), unknown: BTreeSet::new() };
        tokens::resolve_all(asked.texts, asked.rules, &mut hits);
        let Hits { known, unknown, .. } = hits;
        Used { known: known.into_iter().collect(), unknown: unknown.into_iter().collect(), is_cased: self.is_cased }
    }
}

struct Hits<'d> {
    dictionary: &'d Dictionary,
    known: BTreeSet<(u64, Box<[u8]>)>,
    unknown: BTreeSet<Box<[u8]>>,
}

impl Vocabulary for Hits<'_> {
    fn known(&mut self, form: &str) -> Option<u32> {
        let (word, &row) = self.dictionary.rows.get_key_value(form.as_bytes())?;
        self.known.insert((row, word.clone()));
        Some(0)
    }

    fn composed(&mut self, word: &str) -> Option<u32> {
        if word.len() <= super::MAX_WORD && !self.unknown.contains(word.as_bytes()) {
            self.unknown.insert(word.as_bytes().into());
        }
        None
    }

    fn is_cased(&self) -> bool {
        self.dictionary.is_cased
    }
}

/// The words that texts are resolved into.
pub(super) struct Used {
    /// Those that the file holds, and their rows, in the order of the file.
    pub(super) known: Vec<(u64, Box<[u8]>)>,
    /// The others, in the order of their bytes.
    pub(super) unknown: Vec<Box<[u8]>>,
    is_cased: bool,
}

/// The matrix rows that each word's vector is made of, in the order in which they are added.
pub(super) struct Parts {
    rows: Vec<u64>,
    /// Where each word's rows end.
    ends: Vec<usize>,
    ids: Ids,
    known: u32,
    is_cased: bool,
}

impl Parts {
    /// `parts` appends the rows of a word, given its own row where the file holds it. A word without any has no vector.
    pub(super) fn new(used: Used, mut parts: impl FnMut(&[u8], Option<u64>, &mut Vec<u64>)) -> Self {
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

    /// The rows that occur, in order, each once.
    pub(super) fn needed(&self) -> Vec<u64> {
        let mut needed = self.rows.clone();
        needed.sort_unstable();
        needed.dedup();
        needed
    }

    fn of_word(&self, word: usize) -> &[u64] {
        let start = if word == 0 { 0 } else { self.ends[word - 1] };
        &self.rows[start..self.ends[word]]
    }

    /// The vectors of all words: `finish` is given the sum of a word's rows, the rows, and whether the file holds the word.
    pub(super) fn compose(
        self,
        fields: &Fields<'_>,
        gathered: &Gathered,
        file_rows: u64,
        finish: impl Fn(&mut [f32], &[u64], bool) + Sync,
    ) -> Result<Table, Error> {
        let dim = gathered.dim;
        let mut values = memory::filled(0.0_f32, self.ends.len() * dim)?;
        values.par_chunks_exact_mut(dim).enumerate().for_each(|(word, sum)| {
            let rows = self.of_word(word);
            for &row in rows {
                sum.iter_mut().zip(gathered.row(row)).for_each(|(sum, value)| *sum += value);
            }
            finish(sum, rows, word < self.known as usize);
        });
        if !values.iter().all(|value| value.is_finite()) {
            return Err(fields.fault("the vectors are too large to be added up; the file is damaged"));
        }
        let Self { ids, known, is_cased, .. } = self;
        let (left_out, chunks) = (HashSet::new(), Memo::default());
        Ok(Table { dim, file_rows, values, ids, known, is_cased, left_out, chunks, line: None })
    }
}

/// Some rows of a matrix.
pub(super) struct Gathered {
    pub(super) dim: usize,
    /// Which rows, in order.
    pub(super) needed: Vec<u64>,
    pub(super) values: Vec<f32>,
}

impl Gathered {
    /// One of the rows needed.
    pub(super) fn row(&self, row: u64) -> &[f32] {
        let at = self.needed.binary_search(&row).expect("every row of a part was gathered");
        &self.values[at * self.dim..(at + 1) * self.dim]
    }

    /// Refuses infinite numbers and such, which only a damaged file has.
    pub(super) fn checked(self, fields: &Fields<'_>) -> Result<Self, Error> {
        if let Some(at) = self.values.iter().position(|value| !value.is_finite()) {
            let (row, number) = (self.needed[at / self.dim], at % self.dim + 1);
            return Err(
                fields.fault(format!("number {number} of the matrix row {row} isn't finite; the file is damaged"))
            );
        }
        Ok(self)
    }
}

/// Passes over the `rows` rows of a matrix, `stride` bytes each, and gives those `needed` (in order, all below `rows`)
/// to `take`.
pub(super) fn pass(
    fields: &mut Fields<'_>,
    rows: u64,
    stride: usize,
    needed: &[u64],
    what: &str,
    mut take: impl FnMut(&[u8]),
) -> Result<(), Error> {
    fields.check_left(rows.checked_mul(stride as u64), what)?;
    let mut at = 0;
    for &row in needed {
        fields.skip((row - at) * stride as u64, what)?;
        take(fields.peek(stride, what)?);
        fields.stream.consume(stride);
        at = row + 1;
    }
    fields.skip((rows - at) * stride as u64, what)
}

/// The needed rows of a matrix of floats, `[rows, dim]`.
pub(super) fn pass_floats(
    fields: &mut Fields<'_>,
    rows: u64,
    dim: usize,
    needed: Vec<u64>,
    what: &str,
) -> Result<Gathered, Error> {
    let mut values = Vec::new();
    pass(fields, rows, 4 * dim, &needed, what, |bytes| {
        values.extend(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
    })?;
    Gathered { dim, needed, values }.checked(fields)
}
