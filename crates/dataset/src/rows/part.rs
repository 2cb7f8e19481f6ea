//! One file of the data and its rows: which are usable, and how many are not.

use std::ops::Range;
use std::path::PathBuf;

use emberline_base::{SplitName, Warning};

use crate::error::{Place, Unit};
use crate::format::QuotedRows;

/// How many places of a kind of fault are remembered.
const REMEMBERED: usize = 5;

/// One file and its rows.
#[derive(Debug)]
pub(crate) struct Part {
    /// The split it is the file of; training for the file of all rows.
    pub(crate) split: SplitName,
    pub(crate) path: PathBuf,
    /// The path as the settings give it.
    pub(crate) name: PathBuf,
    pub(crate) unit: Unit,
    /// The usable ones, in [`Rows::texts`](super::Rows::texts).
    pub(crate) rows: Range<usize>,
    /// All rows of the file.
    pub(crate) read: usize,
    pub(crate) empty: Tally,
    pub(crate) unlabelled: Tally,
    /// Rows whose label no training row has, whether they are left out or count as wrong.
    pub(crate) unknown: Tally,
    /// The first row, if it is usable and the file is read without a header.
    pub(crate) first_unnamed: Option<usize>,
    /// Rows with a text or label that stands between quotes, where quotes are ordinary characters.
    pub(crate) quoted: QuotedRows,
}

/// A number a row. Most are one more than the row's before: what is kept is where they aren't.
#[derive(Debug, Default)]
pub(crate) struct Numbers(Vec<(usize, u64)>);

/// How often something was seen, and where at first.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) count: usize,
    pub(crate) first: Vec<u64>,
}

impl Part {
    /// Before its first row. `row`: how many usable rows there were before.
    pub(super) fn before(split: SplitName, name: PathBuf, path: PathBuf, row: usize) -> Self {
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

    /// A warning if quotes of other programs are kept.
    pub(crate) fn quotes_kept(&self) -> Option<Warning> {
        self.quoted.warning(&self.path, self.read)
    }
}

impl Numbers {
    /// Sets that of a row behind all others.
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

    /// The row with that number among the first `rows` ones, whose numbers grow.
    pub(crate) fn find(&self, number: u64, rows: usize) -> Option<usize> {
        let at = self.0.partition_point(|&(first, of_first)| first < rows && of_first <= number).checked_sub(1)?;
        let (first, of_first) = self.0[at];
        let end = self.0.get(at + 1).map_or(rows, |&(next, _)| next.min(rows));
        let row = first + usize::try_from(number - of_first).ok()?;
        (row < end).then_some(row)
    }

    /// Leaves out the rows that aren't to be kept.
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
        if self.first.len() < REMEMBERED {
            self.first.push(number);
        }
    }
}

/// The place of a usable row.
pub(super) fn place_of(parts: &[Part], numbers: &Numbers, row: usize) -> Place {
    let part = &parts[parts.partition_point(|part| part.rows.end <= row)];
    Place { path: part.path.clone(), unit: part.unit, number: numbers.of(row) }
}
