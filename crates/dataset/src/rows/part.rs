//! One data file: its usable rows, and the counts of the others.

use std::ops::Range;
use std::path::PathBuf;

use emberline_base::{SplitName, Warning};

use crate::error::{Place, Unit};
use crate::format::QuotedRows;

/// The number of row numbers that a [`Tally`] keeps.
const EXAMPLES: usize = 5;

/// One file and its rows.
#[derive(Debug)]
pub(crate) struct Part {
    /// The split of the file; training for a file of all rows.
    pub(crate) split: SplitName,
    pub(crate) path: PathBuf,
    /// The path as the settings give it.
    pub(crate) name: PathBuf,
    pub(crate) unit: Unit,
    /// The usable rows, as positions in [`Rows::texts`](super::Rows::texts).
    pub(crate) rows: Range<usize>,
    /// The number of all rows of the file.
    pub(crate) read: usize,
    pub(crate) empty: Tally,
    pub(crate) unlabelled: Tally,
    /// Rows whose label no training row has, whether they are left out or count as wrong.
    pub(crate) unknown: Tally,
    /// The first row, if it is usable and the file is read without a header.
    pub(crate) first_unnamed: Option<usize>,
    /// Rows with a quoted text or label in a format without quotes.
    pub(crate) quoted: QuotedRows,
}

/// A number per row, stored as runs, because most numbers are one more than the one before. The numbers 2, 3, 4, 7, 8 of rows 0
/// to 4 are the runs `(0, 2)` and `(3, 7)`.
#[derive(Debug, Default)]
pub(crate) struct Numbers(Vec<(usize, u64)>);

/// Counts rows, and keeps the numbers of the first ones.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) count: usize,
    pub(crate) first: Vec<u64>,
}

impl Part {
    /// Returns a file without rows. `row` is the number of usable rows in the files before.
    pub(super) fn new(split: SplitName, name: PathBuf, path: PathBuf, row: usize) -> Self {
        Self {
            split,
            path,
            name,
            unit: Unit::Line,
            rows: row..row,
            read: 0,
            empty: Tally::default(),
            unlabelled: Tally::default(),
            unknown: Tally::default(),
            first_unnamed: None,
            quoted: QuotedRows::default(),
        }
    }

    /// Returns a warning if quotes of other programs are kept as part of values.
    pub(crate) fn quotes_kept(&self) -> Option<Warning> {
        self.quoted.warning(&self.path, self.read)
    }
}

impl Numbers {
    /// Sets the number of a row after all others.
    pub(crate) fn set(&mut self, row: usize, number: u64) {
        let expected = self.0.last().map(|&(first, of_first)| of_first + (row - first) as u64);
        if expected != Some(number) {
            self.0.push((row, number));
        }
    }

    pub(crate) fn of(&self, row: usize) -> u64 {
        let (first, of_first) = self.0[self.0.partition_point(|&(first, _)| first <= row) - 1];
        of_first + (row - first) as u64
    }

    /// Returns the row with this number among the first `rows` rows, whose numbers are ascending.
    pub(crate) fn find(&self, number: u64, rows: usize) -> Option<usize> {
        let at = self.0.partition_point(|&(first, of_first)| first < rows && of_first <= number).checked_sub(1)?;
        let (first, of_first) = self.0[at];
        let end = self.0.get(at + 1).map_or(rows, |&(next, _)| next.min(rows));
        let row = first + usize::try_from(number - of_first).ok()?;
        (row < end).then_some(row)
    }

    /// Removes the rows whose `keep` is false.
    pub(crate) fn retain(&mut self, keep: &[bool]) {
        let mut kept = Self::default();
        let rows = (0..keep.len()).filter(|&row| keep[row]);
        rows.enumerate().for_each(|(at, row)| kept.set(at, self.of(row)));
        *self = kept;
    }
}

impl Tally {
    pub(crate) fn add(&mut self, number: u64) {
        self.count += 1;
        if self.first.len() < EXAMPLES {
            self.first.push(number);
        }
    }
}

/// Returns the place of a usable row.
pub(super) fn place_of(parts: &[Part], numbers: &Numbers, row: usize) -> Place {
    let part = &parts[parts.partition_point(|part| part.rows.end <= row)];
    Place { path: part.path.clone(), unit: part.unit, number: numbers.of(row) }
}
