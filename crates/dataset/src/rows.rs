//! Reads the usable rows of all files, with their classes and duplicates.
//!
//! A row whose text or label is missing (`missing.rs`) is left out and counted. A row that repeats the header is refused. If each
//! split has a file, a text in several files belongs to the most protected of them: test before validation before training. Its
//! rows in the other files are left out and counted as leaks. Within a file, only the first row of a text is used. With
//! `duplicates = "keep"`, all rows are used, even of texts in two files.

mod part;
mod pools;
mod reading;

use std::ops::Range;
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
    /// The files; that of the training rows (or of all rows) is the first.
    pub(crate) parts: Vec<Part>,
    /// The line of each row in its file, or its number in a file without lines.
    pub(crate) numbers: Numbers,
    /// The number of each row in its file, counting the rows that are left out; 1 is the first below the header.
    pub(crate) ordinals: Numbers,
    /// The text of each row, as a number that duplicates share. Numbers are in the order of first rows.
    pub(crate) groups: Vec<u32>,
    /// The unit of each row; rows of one unit stay together in one split.
    pub(crate) units: Vec<u32>,
    /// The column of groups, if the settings name one.
    pub(crate) group_column: GroupColumn,
    /// The rank of each row by time, if the rows are split by time.
    pub(crate) times: Vec<u32>,
    /// Explicit rows for each split, if the settings name a file of them.
    pub(crate) draws: Option<Draws>,
    /// How duplicate texts are treated.
    pub(crate) duplicates: Duplicates,
    /// The number of rows left out of each file, because their text or group is also in the file of a more protected split.
    pub(crate) leaks: Splits<usize>,
    /// How many of these were left out only because of their group.
    pub(crate) group_leaks: usize,
    /// The stratum of each row; empty if it is the row's class.
    strata: Vec<u32>,
    /// The rows that each split may be taken from; splits without a file are taken from those of training.
    pub(crate) pools: Splits<Vec<u32>>,
    /// Whether the rows of each text have different labels.
    pub(crate) conflicts: Vec<bool>,
    /// How the positive class was chosen, in a binary task.
    pub(crate) positive: Option<Positive>,
    /// Warnings about the data.
    pub(crate) warnings: Vec<Warning>,
}

/// Where a row comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowOrigin<'a> {
    /// The file, as the settings name it.
    pub file: &'a Path,
    /// Its line, or its number in a file without lines; 1 is the first.
    pub number: u64,
    /// Its group, if the settings name a column of groups and the row has a group.
    pub group: Option<&'a str>,
}

/// The usable rows of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOfRows<'a> {
    /// The file, as the settings name it.
    pub name: &'a Path,
    /// The number of all rows of the file, usable or not.
    pub read: usize,
    /// The usable rows, as positions in [`Rows::texts`].
    pub rows: Range<usize>,
}

/// Reads the files that the settings name. Relative paths are resolved against `base`.
///
/// # Errors
/// When the settings are invalid, a file can't be read, or its rows are no valid data, such as those of only one class.
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
        let labels = file.labels.map(|labels| base.join(labels));
        reading.file(split, file.path.to_owned(), (base.join(file.path), labels))?;
    }
    if let Some(names) = &settings.class_names {
        reading.name_classes(&base.join(names))?;
    }
    let mut rows = reading.finish()?;
    if let Some(path) = &settings.split.rows {
        rows.draws = Some(rows.read_draws(&base.join(path), settings.duplicates)?);
    }
    Ok(rows)
}

impl Rows {
    /// Returns the file, line and group of a usable row.
    pub fn origin(&self, row: usize) -> RowOrigin<'_> {
        let part = &self.parts[self.parts.partition_point(|part| part.rows.end <= row)];
        RowOrigin { file: &part.name, number: self.numbers.of(row), group: self.group_column.name_of(row) }
    }

    /// Returns the files with their rows, in the order in which they were read.
    pub fn files(&self) -> impl Iterator<Item = FileOfRows<'_>> {
        self.parts.iter().map(|part| FileOfRows { name: &part.name, read: part.read, rows: part.rows.clone() })
    }

    /// Returns the usable texts of all files, in the order in which they were read.
    pub fn texts(&self) -> &Texts {
        &self.texts
    }

    /// Returns the label, or set of labels, of each of the texts.
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// Returns the stratum of each row: its class or, of several classes, one of the rarest in its file.
    pub(crate) fn strata(&self) -> &[u32] {
        match &self.labels.targets {
            Targets::Single(classes) if self.strata.is_empty() => classes,
            _ => &self.strata,
        }
    }

    /// Returns the place of a usable row.
    pub(crate) fn place(&self, row: usize) -> Place {
        place_of(&self.parts, &self.numbers, row)
    }

    /// Returns the positive class of a binary task.
    pub fn positive(&self) -> Option<&str> {
        self.positive.and_then(|_| self.labels.classes.get(1)).map(String::as_str)
    }
}

/// Returns for each text whether its rows have different labels.
fn conflicts(groups: &Groups, labels: &Labels) -> Vec<bool> {
    let mut conflicts = vec![false; groups.of_rows.len() - groups.repeated.len()];
    for &(row, first) in &groups.repeated {
        let differ = labels.of_row(first as usize) != labels.of_row(row as usize);
        conflicts[groups.of_rows[row as usize] as usize] |= differ;
    }
    conflicts
}

/// Returns the stratum of each row if that isn't its class: its rarest class in its file; rows without a class are one more
/// stratum. Counts are compared as powers of two, and equal ones by the class's name, so that an added row rarely changes the
/// order of classes. The labels of other files don't matter: a held-out file must not decide which rows are trained on. The
/// result is empty if each row has exactly one class.
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
