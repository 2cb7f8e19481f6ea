//! Reading: the usable rows of all files, with their classes and which of them count as the
//! same text.
//!
//! A row is left out, and counted, when its text or its label is missing (`missing.rs`). A row that
//! repeats the header is refused. With a file per split, a text that stands in several files belongs to the most
//! protected of them: test before validation before training. Its rows elsewhere are kept out
//! of the split and counted as leaks. Within a file the first row of a text stays, unless `duplicates = "keep"`, with which
//! texts may stand in two files, too.

mod part;
mod pools;
mod reading;

use std::path::Path;
use std::sync::Arc;

use emberline_base::{Labels, SplitName, Splits, Targets, Warning};

use self::part::place_of;
pub(crate) use self::part::{Numbers, Part};
pub(crate) use self::reading::Reading;
use crate::draws::Draws;
use crate::error::{Error, Place};
use crate::group::GroupColumn;
use crate::labels::Positive;
use crate::normal::Groups;
use crate::settings::{Duplicates, Settings};
use crate::texts::Texts;

/// The usable rows of one pipeline's files. They are read once and may be divided many times;
/// the divisions share the texts and labels.
#[derive(Debug)]
pub struct Rows {
    pub(crate) texts: Arc<Texts>,
    pub(crate) labels: Arc<Labels>,
    /// The files, that of training (or of all rows) first.
    pub(crate) parts: Vec<Part>,
    /// Each row's line or number in its file.
    pub(crate) numbers: Numbers,
    /// Each row's number in its file, those that are left out counted too; 1 is the first below the header.
    pub(crate) ordinals: Numbers,
    /// Texts that count as the same share a number; in order of their first rows.
    pub(crate) groups: Vec<u32>,
    /// Rows that stay together share a number.
    pub(crate) units: Vec<u32>,
    /// The column of groups, where there is one.
    pub(crate) group_column: GroupColumn,
    /// A number a row that grows with time, where the rows are divided by time.
    pub(crate) times: Vec<u32>,
    /// Explicit rows for each split, where the settings name a file of them.
    pub(crate) draws: Option<Draws>,
    /// What becomes of the copies of a text.
    pub(crate) duplicates: Duplicates,
    /// Rows left out of each file, since their text or group stands in that of a more protected split.
    pub(crate) leaks: Splits<usize>,
    /// Of these, the rows whose text alone would have let them stay.
    pub(crate) group_leaks: usize,
    /// What each row is stratified by, unless it is the row's class.
    strata: Vec<u32>,
    /// The rows that each split may be taken from; those of training serve the splits without
    /// a file too.
    pub(crate) pools: Splits<Vec<u32>>,
    /// Whether the rows of each group carry different labels.
    pub(crate) conflicts: Vec<bool>,
    /// How the positive class was chosen, in a binary task.
    pub(crate) positive: Option<Positive>,
    /// What a person should know of the data before trusting a result.
    pub(crate) warnings: Vec<Warning>,
}

/// Where a row comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowOrigin<'a> {
    /// The file, as the settings name it.
    pub file: &'a Path,
    /// Its line, or its number in a file without lines; 1 is the first.
    pub number: u64,
    /// Its group, if the settings name a column of groups and the row has one.
    pub group: Option<&'a str>,
}

/// Reads the files that the settings name. Relative paths count from `base`.
///
/// # Errors
/// When the settings have faults, a file can't be read, or the rows make no dataset.
pub fn read(settings: &Settings, base: &Path) -> Result<Rows, Error> {
    if let Some(fault) = settings.faults().into_iter().next() {
        return Err(Error::Settings { key: fault.key, message: fault.message, hint: fault.hint });
    }
    let mut reading = Reading::new(settings);
    for file in settings.data_files() {
        let split = match file.table {
            Some("valid") => SplitName::Valid,
            Some("test") => SplitName::Test,
            _ => SplitName::Train,
        };
        file.check(base)?;
        reading.file(split, file.path.to_owned(), base.join(file.path))?;
    }
    let mut rows = reading.finish()?;
    if let Some(path) = &settings.split.rows {
        rows.draws = Some(rows.read_draws(&base.join(path), settings.duplicates)?);
    }
    Ok(rows)
}

impl Rows {
    /// Where a row of the texts comes from.
    pub fn origin(&self, row: usize) -> RowOrigin<'_> {
        let part = &self.parts[self.parts.partition_point(|part| part.rows.end <= row)];
        RowOrigin { file: &part.name, number: self.numbers.of(row), group: self.group_column.name_of(row) }
    }

    /// What each row is stratified by: its class, or the one of its classes that is among the rarest of its file.
    pub(crate) fn strata(&self) -> &[u32] {
        match &self.labels.targets {
            Targets::Single(classes) if self.strata.is_empty() => classes,
            _ => &self.strata,
        }
    }

    /// The place of a usable row.
    pub(crate) fn place(&self, row: usize) -> Place {
        place_of(&self.parts, &self.numbers, row)
    }

    /// The positive class of a binary task.
    pub fn positive(&self) -> Option<&str> {
        self.positive.and_then(|_| self.labels.classes.get(1)).map(String::as_str)
    }
}

/// Whether the rows of each group differ in their labels.
fn conflicts(groups: &Groups, labels: &Labels) -> Vec<bool> {
    let mut conflicts = vec![false; groups.of_rows.len() - groups.repeated.len()];
    for &(row, first) in &groups.repeated {
        let differ = labels.of_row(first as usize) != labels.of_row(row as usize);
        conflicts[groups.of_rows[row as usize] as usize] |= differ;
    }
    conflicts
}

/// What each row is stratified by where that isn't its class: its rarest class in its file; of no class, one more. How rare a
/// class is counts in powers of two, and among equals the first name, so that one row more reorders no classes. Another file's
/// labels don't count: a held-out file must not decide which rows are trained on. Nothing where each row has one class.
fn strata(labels: &Labels, parts: &[Part]) -> Vec<u32> {
    let none = labels.classes.len() as u32;
    if let Targets::Single(classes) = &labels.targets {
        let is_unknown = |&class: &u32| class == Labels::UNKNOWN;
        let known = classes.iter().map(|&class| if class == Labels::UNKNOWN { none } else { class });
        return if classes.iter().any(is_unknown) { known.collect() } else { Vec::new() };
    }
    let of_part = |part: &Part| {
        let rows: Vec<usize> = part.rows.clone().collect();
        let counts = labels.counts(&rows);
        let rarity = move |class: u32| (counts[class as usize].max(1).ilog2(), &labels.classes[class as usize]);
        let rarest = move |row| labels.of_row(row).iter().copied().min_by_key(|&class| rarity(class));
        rows.into_iter().map(move |row| rarest(row).unwrap_or(none))
    };
    parts.iter().flat_map(of_part).collect()
}
