//! Vectors of words that are sums of a matrix's rows: of the word itself and of its n-grams.
//!
//! A dictionary and the texts enter; the words that the texts need leave ([`Used`]), then the matrix rows that these
//! need ([`Parts`]), then, while the matrix passes by, their numbers ([`Gathered`]), then the [`Table`]. Memory
//! holds what is hit, whatever the size of the file. Where texts aren't known yet, all of the file is held ([`Model`]), and
//! makes a table of the texts that come.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::path::PathBuf;

use emberline_base::memory;
use foldhash::fast::FixedState;
use rayon::prelude::*;

use super::fields::Fields;
use super::table::{Ids, LINE_END, Line, Table, Words};
use super::tokens::{self, Rules, Vocabulary};
use crate::Error;

/// The texts, and how words are found in them.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    /// None: they aren't known yet, so every word of the file may be asked for.
    pub(super) texts: Option<&'a [&'a str]>,
    pub(super) rules: Rules,
}

/// The words of a file that are asked for, and where they stand.
#[derive(Debug)]
pub(super) struct Dictionary {
    /// None: every word is.
    asked: Option<HashSet<Box<[u8]>>>,
    rows: HashMap<Box<[u8]>, u64, FixedState>,
    is_cased: bool,
}

impl Dictionary {
    pub(super) fn new(asked: Asked<'_>) -> Self {
        let asked = asked.texts.map(|texts| tokens::candidates(texts, asked.rules));
        Self { asked, rows: HashMap::default(), is_cased: false }
    }

    /// A word of the file and its row; the first of two equal ones counts.
    pub(super) fn meet(&mut self, word: &[u8], row: u64) {
        self.is_cased |= word.iter().any(u8::is_ascii_uppercase);
        match &mut self.asked {
            Some(asked) => self.rows.extend(asked.take(word).map(|word| (word, row))),
            None if self.rows.contains_key(word) => {}
            None => drop(self.rows.insert(word.into(), row)),
        }
    }

    /// The words that the texts are resolved into.
    pub(super) fn used(&self, texts: &[&str], rules: Rules) -> Used {
        let mut hits = Hits { dictionary: self, known: BTreeSet::new(), unknown: BTreeSet::new() };
        tokens::resolve_all(texts, rules, &mut hits);
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
    fn needed(&self) -> Needed {
        let mut needed = self.rows.clone();
        needed.sort_unstable();
        needed.dedup();
        Needed::Rows(needed)
    }

    fn of_word(&self, word: usize) -> &[u64] {
        let start = if word == 0 { 0 } else { self.ends[word - 1] };
        &self.rows[start..self.ends[word]]
    }
}

/// How vectors of words are made of a matrix's rows.
pub(super) trait Composer: fmt::Debug + Send + Sync {
    /// Appends the rows of a word, given its own row where the file holds it.
    fn parts(&self, word: &[u8], own: Option<u64>, rows: &mut Vec<u64>);

    /// Makes a word's vector of the sum of its rows; `is_known`: the file holds the word.
    fn finish(&self, sum: &mut [f32], rows: &[u64], is_known: bool);
}

/// What was read of a file: the rows that the texts need, or all.
#[derive(Debug)]
pub(super) struct Model {
    pub(super) path: PathBuf,
    pub(super) dictionary: Dictionary,
    pub(super) composer: Box<dyn Composer>,
    pub(super) gathered: Gathered,
    pub(super) file_rows: u64,
    pub(super) rules: Rules,
    /// Whether texts are lines of a supervised model, and why their mean isn't fastText's vector, if so.
    pub(super) lines: Option<Option<&'static str>>,
}

/// A model, and the parts of the words that the texts need; none if texts aren't known yet.
pub(super) struct Loaded {
    pub(super) model: Model,
    pub(super) parts: Option<Parts>,
}

/// The rows of the words used, and which rows of the matrix that needs.
pub(super) fn plan(used: Option<Used>, composer: &dyn Composer) -> (Option<Parts>, Needed) {
    let parts = used.map(|used| Parts::new(used, |word, own, rows| composer.parts(word, own, rows)));
    let needed = parts.as_ref().map_or(Needed::All, Parts::needed);
    (parts, needed)
}

impl Model {
    /// The vectors of the words that these texts are resolved into. All of the file must have been read.
    pub(super) fn table(&self, texts: &[&str]) -> Result<Table, Error> {
        let line_end = self.lines.map_or(&[][..], |_| &[LINE_END]);
        let used = self.dictionary.used(&[texts, line_end].concat(), self.rules);
        self.compose(Parts::new(used, |word, own, rows| self.composer.parts(word, own, rows)))
    }

    /// The vectors of all words of these parts.
    pub(super) fn compose(&self, parts: Parts) -> Result<Table, Error> {
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
        let Parts { ids, known, is_cased, .. } = parts;
        let mut table = Table::new(dim, self.file_rows, values, Words { ids, known, is_cased });
        table.line = self.lines.map(|differs| {
            let end = table.ids.get(LINE_END.as_bytes()).copied().filter(|&id| id < table.known);
            Line { end, differs }
        });
        Ok(table)
    }
}

/// Which rows of a matrix are needed.
#[derive(Clone, Debug)]
pub(super) enum Needed {
    All,
    /// These, in order, each once.
    Rows(Vec<u64>),
}

impl Needed {
    /// The place of a needed row among those gathered.
    fn place(&self, row: u64) -> usize {
        match self {
            Self::All => row as usize,
            Self::Rows(rows) => rows.binary_search(&row).expect("every row of a part was gathered"),
        }
    }
}

/// Some rows of a matrix.
#[derive(Debug)]
pub(super) struct Gathered {
    pub(super) dim: usize,
    /// Which rows.
    pub(super) needed: Needed,
    pub(super) values: Vec<f32>,
}

impl Gathered {
    /// One of the rows needed.
    pub(super) fn row(&self, row: u64) -> &[f32] {
        let at = self.needed.place(row);
        &self.values[at * self.dim..(at + 1) * self.dim]
    }

    /// Refuses infinite numbers and such, which only a damaged file has. Of all rows, those that texts ask for are checked when
    /// they do.
    pub(super) fn checked(self, fields: &Fields<'_>) -> Result<Self, Error> {
        let Needed::Rows(needed) = &self.needed else { return Ok(self) };
        if let Some(at) = self.values.iter().position(|value| !value.is_finite()) {
            let (row, number) = (needed[at / self.dim], at % self.dim + 1);
            return Err(
                fields.fault(format!("number {number} of the matrix row {row} isn't finite; the file is damaged"))
            );
        }
        Ok(self)
    }
}

/// Passes over the `rows` rows of a matrix, `stride` bytes each, and gives those `needed` (all below `rows`) to `take`, in
/// order.
pub(super) fn pass(
    fields: &mut Fields<'_>,
    rows: u64,
    stride: usize,
    needed: &Needed,
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
        Needed::All => (0..rows).try_for_each(&mut take_row)?,
        Needed::Rows(needed) => needed.iter().try_for_each(|&row| take_row(row))?,
    }
    fields.skip((rows - at) * stride as u64, what)
}

/// The needed rows of a matrix of floats, `[rows, dim]`.
pub(super) fn pass_floats(
    fields: &mut Fields<'_>,
    rows: u64,
    dim: usize,
    needed: Needed,
    what: &str,
) -> Result<Gathered, Error> {
    let mut values = Vec::new();
    pass(fields, rows, 4 * dim, &needed, what, |bytes| {
        values.extend(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
    })?;
    Gathered { dim, needed, values }.checked(fields)
}

/// Room for decoded rows, which take more memory than their codes in the file.
pub(super) fn decoded(rows: usize, dim: usize) -> Result<Vec<f32>, Error> {
    let numbers = rows.saturating_mul(dim);
    emberline_device::memory::require((numbers as u64).saturating_mul(4))?;
    Ok(memory::with_capacity(numbers)?)
}
