//! Reading: the usable rows of all files, with their classes and which of them count as the
//! same text.
//!
//! A row is left out, and counted, when its text is empty (white space alone) or its label
//! missing. With a file per split, a text that stands in several files belongs to the most
//! protected of them: test before validation before training. Its rows elsewhere are kept out
//! of the split and counted as leaks.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use emberline_base::{Labels, SplitName, Splits, Targets};

use crate::error::{Error, Place, Unit};
use crate::format::{self, Field, Request, Row};
use crate::labels::{Collector, MOST_CLASSES, Refusal};
use crate::normal::{Groups, Hashes};
use crate::settings::{Column, LabelColumns, Settings};
use crate::texts::Texts;

/// How many places of a kind of fault are remembered.
const REMEMBERED: usize = 5;

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
    /// Texts that count as the same share a number; in order of their first rows.
    pub(crate) groups: Vec<u32>,
    /// Where rows have several classes, each row's rarest in its file.
    rarest: Vec<u32>,
    /// The rows that each split may be taken from; those of training serve the splits without
    /// a file too.
    pub(crate) pools: Splits<Vec<u32>>,
    /// Whether the rows of each group carry different labels.
    pub(crate) conflicts: Vec<bool>,
}

/// One file and its rows.
#[derive(Debug)]
pub(crate) struct Part {
    /// The split it is the file of; training for the file of all rows.
    pub(crate) split: SplitName,
    pub(crate) path: PathBuf,
    pub(crate) unit: Unit,
    /// The usable ones, in [`Rows::texts`].
    pub(crate) rows: Range<usize>,
    /// All rows of the file.
    pub(crate) read: usize,
    pub(crate) empty: Tally,
    pub(crate) unlabelled: Tally,
}

/// A number a row. Most are one more than the row's before: what is kept is where they aren't.
#[derive(Debug, Default)]
pub(crate) struct Numbers(Vec<(usize, u64)>);

impl Numbers {
    /// Sets that of a row behind all others.
    fn set(&mut self, row: usize, number: u64) {
        let expected = self.0.last().map(|&(first, of_first)| of_first + (row - first) as u64);
        if expected != Some(number) {
            self.0.push((row, number));
        }
    }

    fn of(&self, row: usize) -> u64 {
        let (first, of_first) = self.0[self.0.partition_point(|&(first, _)| first <= row) - 1];
        of_first + (row - first) as u64
    }
}

/// How often something was seen, and where at first.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) count: usize,
    pub(crate) first: Vec<u64>,
}

impl Tally {
    fn add(&mut self, number: u64) {
        self.count += 1;
        if self.first.len() < REMEMBERED {
            self.first.push(number);
        }
    }
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
    for (key, path) in settings.files() {
        let split = match key {
            "valid.path" => SplitName::Valid,
            "test.path" => SplitName::Test,
            _ => SplitName::Train,
        };
        reading.file(split, base.join(path))?;
    }
    reading.finish()
}

/// Reads the texts of one file without labels, row by row: empty ones too, so that what is
/// made of them can be laid beside the file's rows. Missing texts are empty.
///
/// `header` and `delimiter` are those of [`Settings`].
///
/// # Errors
/// When the file can't be read, or lacks the column.
pub fn read_texts(
    path: &Path,
    text: &Column,
    header: Option<bool>,
    delimiter: Option<char>,
) -> Result<Vec<String>, Error> {
    let columns = std::slice::from_ref(text);
    let request = Request { path, columns, header, delimiter: delimiter.and_then(|d| u8::try_from(d).ok()) };
    let mut texts = Vec::new();
    format::read(&request, &mut |row| {
        texts.push(as_text(row.fields.first(), text, || row.place(path))?.to_owned());
        Ok(())
    })?;
    Ok(texts)
}

/// The text in a field; missing ones are empty.
fn as_text<'f>(field: Option<&'f Field<'_>>, column: &Column, place: impl FnOnce() -> Place) -> Result<&'f str, Error> {
    let found = match field {
        Some(Field::Text(text)) => return Ok(text),
        Some(Field::Missing) | None => return Ok(""),
        Some(Field::Scalar(scalar)) => format!("`{scalar}`"),
        Some(Field::List(_)) => "a list".to_owned(),
    };
    Err(Error::Value { place: place(), column: column.to_string(), found, expected: "a text" })
}

/// What is gathered while the files are read.
struct Reading<'s> {
    settings: &'s Settings,
    /// The text column, then the label columns.
    columns: Vec<Column>,
    /// The label columns' names in the first file.
    label_names: Vec<String>,
    texts: Texts,
    hashes: Hashes,
    numbers: Numbers,
    labels: Collector,
    parts: Vec<Part>,
}

impl<'s> Reading<'s> {
    fn new(settings: &'s Settings) -> Self {
        let columns = std::iter::once(&settings.text).chain(settings.label.columns()).cloned().collect();
        let flags = matches!(settings.label, LabelColumns::Several(_));
        let labels = Collector::new(settings.separator.clone(), flags);
        Self {
            settings,
            columns,
            label_names: Vec::new(),
            texts: Texts::default(),
            hashes: Hashes::default(),
            numbers: Numbers::default(),
            labels,
            parts: Vec::new(),
        }
    }

    /// Adds the rows of one file.
    fn file(&mut self, split: SplitName, path: PathBuf) -> Result<(), Error> {
        let mut part = Part::before(split, path.clone(), self.texts.len());
        // An unpacked file is at least as long as its texts; a missing one is told of below.
        self.texts.reserve(fs::metadata(&path).map_or(0, |facts| facts.len()));
        let columns = std::mem::take(&mut self.columns);
        let delimiter = self.settings.delimiter.and_then(|d| u8::try_from(d).ok());
        let request = Request { path: &path, columns: &columns, header: self.settings.header, delimiter };
        let names = format::read(&request, &mut |row| self.row(&columns, &mut part, row))?;
        self.columns = columns;
        part.rows.end = self.texts.len();
        if part.rows.is_empty() {
            let (read, empty, unlabelled) = (part.read, part.empty.count, part.unlabelled.count);
            return Err(Error::NoUsableRows { path, read, empty, unlabelled });
        }
        self.compare_names(path, names.into_iter().skip(1).collect())?;
        self.parts.push(part);
        Ok(())
    }

    /// Adds one row, or counts why it is left out.
    fn row(&mut self, columns: &[Column], part: &mut Part, row: Row<'_>) -> Result<(), Error> {
        part.read += 1;
        part.unit = row.unit;
        let text = as_text(row.fields.first(), &columns[0], || row.place(&part.path))?;
        if text.chars().all(char::is_whitespace) {
            part.empty.add(row.number);
            return Ok(());
        }
        match self.labels.push(row.fields.get(1..).unwrap_or_default()) {
            Ok(()) => {
                self.numbers.set(self.texts.len(), row.number);
                self.texts.push(text);
                self.hashes.push(text);
                Ok(())
            }
            Err(Refusal::Missing) => {
                part.unlabelled.add(row.number);
                Ok(())
            }
            Err(Refusal::TooMany) => {
                let column = columns[1].to_string();
                Err(Error::TooManyClasses { place: row.place(&part.path), limit: MOST_CLASSES, column })
            }
            Err(Refusal::Value { column, found, expected }) => {
                let column = columns[column + 1].to_string();
                Err(Error::Value { place: row.place(&part.path), column, found, expected })
            }
        }
    }

    /// Label columns that are classes must be the same in every file.
    fn compare_names(&mut self, path: PathBuf, names: Vec<String>) -> Result<(), Error> {
        let Some(first) = self.parts.first() else {
            self.labels.name_flags(&names);
            self.label_names = names;
            return Ok(());
        };
        if matches!(self.settings.label, LabelColumns::One(_)) || names == self.label_names {
            return Ok(());
        }
        Err(Error::OtherColumns {
            path,
            columns: names,
            first: first.path.clone(),
            expected: std::mem::take(&mut self.label_names),
        })
    }

    /// Numbers the classes and the texts that count as the same.
    fn finish(self) -> Result<Rows, Error> {
        let Self { settings, mut texts, hashes, numbers, labels, parts, .. } = self;
        texts.shrink();
        let train = parts.first().map(|part| part.rows.clone()).unwrap_or_default();
        let place = |row| place_of(&parts, &numbers, row);
        let labels = labels.finish(train, settings.positive.as_deref(), place)?;
        let groups = hashes.groups(&texts);
        let pools = pools(&parts, &groups.of_rows)?;
        let conflicts = conflicts(&groups, &labels);
        let rarest = rarest(&labels, &parts);
        let (texts, labels) = (Arc::new(texts), Arc::new(labels));
        Ok(Rows { texts, labels, parts, numbers, groups: groups.of_rows, rarest, pools, conflicts })
    }
}

impl Part {
    fn before(split: SplitName, path: PathBuf, row: usize) -> Self {
        Self {
            split,
            path,
            unit: Unit::Line,
            rows: row..row,
            read: 0,
            empty: Tally::default(),
            unlabelled: Tally::default(),
        }
    }
}

impl Rows {
    /// What each row is stratified by: its class, or the one of its classes that is rarest in its file.
    pub(crate) fn strata(&self) -> &[u32] {
        match &self.labels.targets {
            Targets::Single(classes) => classes,
            Targets::Multi { .. } => &self.rarest,
        }
    }

    /// The place of a usable row.
    pub(crate) fn place(&self, row: usize) -> Place {
        place_of(&self.parts, &self.numbers, row)
    }
}

fn place_of(parts: &[Part], numbers: &Numbers, row: usize) -> Place {
    let part = &parts[parts.partition_point(|part| part.rows.end <= row)];
    Place { path: part.path.clone(), unit: part.unit, number: numbers.of(row) }
}

/// Each file's rows, without those whose text stands in a more protected file too.
fn pools(parts: &[Part], groups: &[u32]) -> Result<Splits<Vec<u32>>, Error> {
    let protection = |split| match split {
        SplitName::Train => 0u8,
        SplitName::Valid => 1,
        SplitName::Test => 2,
    };
    let rows_of = |part: &Part| part.rows.start as u32..part.rows.end as u32;
    // One file shares no text with another.
    if let [only] = parts {
        return Ok(Splits { train: rows_of(only).collect(), ..Splits::default() });
    }
    let mut highest = vec![0; groups.len()];
    for part in parts {
        for row in part.rows.clone() {
            let highest = &mut highest[groups[row] as usize];
            *highest = protection(part.split).max(*highest);
        }
    }
    let mut pools = Splits::default();
    for part in parts {
        let own = |&row: &u32| highest[groups[row as usize] as usize] == protection(part.split);
        let rows: Vec<u32> = rows_of(part).filter(own).collect();
        if rows.is_empty() {
            let reason = "each of its texts stands in another split's file too".to_owned();
            return Err(Error::EmptySplit { path: part.path.clone(), split: part.split, reason });
        }
        match part.split {
            SplitName::Train => pools.train = rows,
            SplitName::Valid => pools.valid = Some(rows),
            SplitName::Test => pools.test = Some(rows),
        }
    }
    Ok(pools)
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

/// Each row's rarest class in its file, the first among equals; of no class, one more. Another file's labels don't count: a
/// held-out file must not decide which rows are trained on. Nothing where each row has one class.
fn rarest(labels: &Labels, parts: &[Part]) -> Vec<u32> {
    if matches!(labels.targets, Targets::Single(_)) {
        return Vec::new();
    }
    let none = labels.classes.len() as u32;
    let of_part = |part: &Part| {
        let rows: Vec<usize> = part.rows.clone().collect();
        let counts = labels.counts(&rows);
        let rarest = move |row| labels.of_row(row).iter().copied().min_by_key(|&class| counts[class as usize]);
        rows.into_iter().map(move |row| rarest(row).unwrap_or(none))
    };
    parts.iter().flat_map(of_part).collect()
}
