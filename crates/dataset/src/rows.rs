//! Reading: the usable rows of all files, with their classes and which of them count as the
//! same text.
//!
//! A row is left out, and counted, when its text or its label is missing (`missing.rs`). A row that
//! repeats the header is refused. With a file per split, a text that stands in several files belongs to the most
//! protected of them: test before validation before training. Its rows elsewhere are kept out
//! of the split and counted as leaks. Within a file the first row of a text stays, unless `duplicates = "keep"`, with which
//! texts may stand in two files, too.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use emberline_base::{Labels, SplitName, Splits, Targets, Warning};

use crate::draws::Draws;
use crate::error::{Error, Place, Unit};
use crate::format::{self, Field, Format, QuotedRows, Request, Row};
use crate::group::GroupColumn;
use crate::labels::{Collector, MOST_CLASSES, Positive, Refusal};
use crate::missing::{is_blank, trimmed};
use crate::normal::{Groups, Hashes};
use crate::one_class::refuse_one_text;
use crate::reader::as_text;
use crate::settings::{Column, Duplicates, LabelColumns, Settings};
use crate::texts::Texts;
use crate::time::TimeColumn;

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

/// One file and its rows.
#[derive(Debug)]
pub(crate) struct Part {
    /// The split it is the file of; training for the file of all rows.
    pub(crate) split: SplitName,
    pub(crate) path: PathBuf,
    /// The path as the settings give it.
    pub(crate) name: PathBuf,
    pub(crate) unit: Unit,
    /// The usable ones, in [`Rows::texts`].
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

/// How often something was seen, and where at first.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) count: usize,
    pub(crate) first: Vec<u64>,
}

impl Tally {
    pub(crate) fn add(&mut self, number: u64) {
        self.count += 1;
        if self.first.len() < REMEMBERED {
            self.first.push(number);
        }
    }
}

/// What is expected of flags in the first row of a file that is read without a header.
const FLAG_OR_HEADER: &str = "0 or 1; if the line holds the columns' names, set header = true";

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

/// What is gathered while the files are read.
pub(crate) struct Reading<'s> {
    pub(crate) settings: &'s Settings,
    /// The text column, then the label columns, then those of groups and of times, where there are such.
    columns: Vec<Column>,
    /// The label columns' names in the first file.
    label_names: Vec<String>,
    pub(crate) texts: Texts,
    pub(crate) hashes: Hashes,
    pub(crate) numbers: Numbers,
    pub(crate) ordinals: Numbers,
    pub(crate) groups: GroupColumn,
    pub(crate) times: TimeColumn,
    pub(crate) labels: Collector,
    pub(crate) parts: Vec<Part>,
}

impl<'s> Reading<'s> {
    fn new(settings: &'s Settings) -> Self {
        let columns = std::iter::once(&settings.text).chain(settings.label.columns());
        let columns = columns.chain(&settings.group).chain(&settings.split.order).cloned().collect();
        let flags = matches!(settings.label, LabelColumns::Several(_));
        let labels = Collector::new(settings.separator.clone(), flags);
        Self {
            settings,
            columns,
            label_names: Vec::new(),
            texts: Texts::default(),
            hashes: Hashes::default(),
            numbers: Numbers::default(),
            ordinals: Numbers::default(),
            groups: GroupColumn::default(),
            times: TimeColumn::default(),
            labels,
            parts: Vec::new(),
        }
    }

    /// Adds the rows of one file.
    fn file(&mut self, split: SplitName, name: PathBuf, path: PathBuf) -> Result<(), Error> {
        let mut part = Part::before(split, name, path.clone(), self.texts.len());
        // An unpacked file is at least as long as its texts; a missing one is told of below.
        self.texts.reserve(fs::metadata(&path).map_or(0, |facts| facts.len()));
        let columns = std::mem::take(&mut self.columns);
        let delimiter = self.settings.delimiter.and_then(|d| u8::try_from(d).ok());
        let header = self.settings.header;
        let request =
            Request { path: &path, columns: &columns, header, delimiter, originals: false, needs_text: false };
        let names = format::read(&request, Format::of, &mut |row| self.row(&columns, &mut part, row))?;
        self.columns = columns;
        part.rows.end = self.texts.len();
        if part.rows.is_empty() {
            let (read, empty, unlabelled) = (part.read, part.empty.count, part.unlabelled.count);
            return Err(Error::NoUsableRows { path, read, empty, unlabelled });
        }
        let labels = self.settings.label.columns().len();
        self.compare_names(path, names.into_iter().skip(1).take(labels).collect())?;
        self.parts.push(part);
        Ok(())
    }

    /// Adds one row, or counts why it is left out.
    fn row(&mut self, columns: &[Column], part: &mut Part, row: Row<'_>) -> Result<(), Error> {
        part.read += 1;
        part.unit = row.unit;
        part.quoted.add(row.quoting, row.number);
        let text = as_text(row.fields.first(), &columns[0], || row.place(&part.path))?;
        if let Some(names) = second_header(&row) {
            return Err(Error::SecondHeader { place: row.place(&part.path), names });
        }
        if is_blank(text) {
            part.empty.add(row.number);
            return Ok(());
        }
        let labels = 1..1 + self.settings.label.columns().len();
        match self.labels.push(row.fields.get(labels).unwrap_or_default()) {
            Ok(()) => {
                if part.read == 1 && row.names.is_empty() {
                    part.first_unnamed = Some(self.texts.len());
                }
                self.numbers.set(self.texts.len(), row.number);
                self.ordinals.set(self.texts.len(), part.read as u64);
                self.texts.push(text)?;
                self.hashes.push(text);
                self.group_and_time(part, &row)
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
                let may_be_header = part.read == 1 && row.names.is_empty();
                let expected = if may_be_header { FLAG_OR_HEADER } else { expected };
                Err(Error::Value { place: row.place(&part.path), column, found, expected })
            }
        }
    }

    /// Adds the group and the time of a row that is kept, where the settings name columns of them.
    fn group_and_time(&mut self, part: &Part, row: &Row<'_>) -> Result<(), Error> {
        let Settings { group, split, .. } = self.settings;
        let mut fields = row.fields.iter().skip(1 + self.settings.label.columns().len());
        if group.is_some() {
            self.groups.push(fields.next());
        }
        match &split.order {
            Some(column) => self.times.push(fields.next(), column, || row.place(&part.path)),
            None => Ok(()),
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
    fn finish(mut self) -> Result<Rows, Error> {
        self.texts.shrink();
        let train = self.train();
        let mut classes = self.labels.classes(train.rows.clone(), &train.path)?;
        let mut warnings = self.label_warnings();
        warnings.extend(self.settle_unknown(&classes)?);
        self.labels.choose_positive(&mut classes, self.settings.positive.as_deref())?;
        let Self { settings, texts, hashes, numbers, ordinals, groups: group_column, times, labels, parts, .. } = self;
        let labels = labels.finish(&classes);
        let groups = hashes.groups(&texts);
        let duplicates = settings.duplicates;
        let units = group_column.units(&groups.of_rows, duplicates);
        let sides = Sides { texts: &groups.of_rows, groups: group_column.is_there().then_some(&units), duplicates };
        let Pools { rows: pools, leaks, by_group: group_leaks } = pools(&parts, &sides)?;
        refuse_one_text(&parts[0], &pools.train, &groups.of_rows, &texts)?;
        let conflicts = conflicts(&groups, &labels);
        let strata = strata(&labels, &parts);
        let (texts, labels) = (Arc::new(texts), Arc::new(labels));
        let mut rows = Rows {
            texts,
            labels,
            parts,
            numbers,
            ordinals,
            groups: groups.of_rows,
            units,
            group_column,
            times: times.ranks(),
            draws: None,
            duplicates,
            leaks,
            group_leaks,
            strata,
            pools,
            conflicts,
            positive: classes.positive,
            warnings,
        };
        rows.warnings.extend(rows.row_warnings());
        rows.warnings.extend(rows.parts.iter().filter_map(Part::quotes_kept));
        Ok(rows)
    }

    /// The file of the training rows, or of all rows.
    pub(crate) fn train(&self) -> &Part {
        self.parts.first().expect("a faultless `[data]` names a file of training rows, which is read first")
    }

    /// The place of a usable row.
    pub(crate) fn place(&self, row: usize) -> Place {
        place_of(&self.parts, &self.numbers, row)
    }
}

/// What a row holds, if that is nothing but names of different columns, in whatever order.
fn second_header(row: &Row<'_>) -> Option<Vec<String>> {
    let name_in = |field: &Field<'_>| match field {
        Field::Text(text) => row.names.iter().position(|name| trimmed(text).eq_ignore_ascii_case(name)),
        _ => None,
    };
    // A name of nothing but digits may as well be a value.
    let is_word = |at: &usize| row.names[*at].contains(char::is_alphabetic);
    // Most rows end here.
    name_in(row.fields.first()?)?;
    let found: Vec<usize> = row.fields.iter().map(name_in).collect::<Option<_>>()?;
    let differ = (1..found.len()).all(|at| !found[..at].contains(&found[at]));
    (found.len() > 1 && differ && found.iter().any(is_word))
        .then(|| found.into_iter().map(|at| row.names[at].clone()).collect())
}

impl Part {
    fn before(split: SplitName, name: PathBuf, path: PathBuf, row: usize) -> Self {
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

fn place_of(parts: &[Part], numbers: &Numbers, row: usize) -> Place {
    let part = &parts[parts.partition_point(|part| part.rows.end <= row)];
    Place { path: part.path.clone(), unit: part.unit, number: numbers.of(row) }
}

/// What decides which rows may be on two sides.
struct Sides<'a> {
    /// A number a row that rows of one text share.
    texts: &'a [u32],
    /// A number a row that rows of one group share, where there is a column of groups.
    groups: Option<&'a Vec<u32>>,
    duplicates: Duplicates,
}

/// The rows that each split may be taken from.
struct Pools {
    rows: Splits<Vec<u32>>,
    /// How many rows of each file were left out because their text or group stands in a more protected one.
    leaks: Splits<usize>,
    /// How many of all of these were left out for their group alone.
    by_group: usize,
}

/// Each file's rows, without those whose text or group stands in a more protected file too, and without copies of a text
/// unless they are kept.
fn pools(parts: &[Part], sides: &Sides<'_>) -> Result<Pools, Error> {
    let mut is_own = vec![true; sides.texts.len()];
    if parts.len() > 1 && sides.duplicates == Duplicates::Drop {
        refuse_leaks(parts, sides.texts, &mut is_own);
    }
    let count = |is_own: &[bool]| is_own.iter().filter(|&&own| own).count();
    let before = count(&is_own);
    if let Some(groups) = sides.groups.filter(|_| parts.len() > 1) {
        refuse_leaks(parts, groups, &mut is_own);
    }
    let by_group = before - count(&is_own);
    let mut is_known = vec![sides.duplicates == Duplicates::Keep; sides.texts.len()];
    let (mut pools, mut leaks) = (Splits::default(), Splits::default());
    for part in parts {
        let own = || part.rows.clone().filter(|&row| is_own[row]);
        let leaked = part.rows.len() - own().count();
        let is_new = |row: &usize| {
            sides.duplicates == Duplicates::Keep || !std::mem::replace(&mut is_known[sides.texts[*row] as usize], true)
        };
        let rows: Vec<u32> = own().filter(is_new).map(|row| row as u32).collect();
        if rows.is_empty() {
            let what = if sides.groups.is_some() { "texts or groups" } else { "texts" };
            let reason = format!("each of its {what} stands in another split's file too");
            return Err(Error::EmptySplit { path: part.path.clone(), split: part.split, reason });
        }
        match part.split {
            SplitName::Train => (pools.train, leaks.train) = (rows, leaked),
            SplitName::Valid => (pools.valid, leaks.valid) = (Some(rows), Some(leaked)),
            SplitName::Test => (pools.test, leaks.test) = (Some(rows), Some(leaked)),
        }
    }
    Ok(Pools { rows: pools, leaks, by_group })
}

/// Marks the rows that share a number with a row of a more protected file: test before validation before training.
fn refuse_leaks(parts: &[Part], numbers: &[u32], is_own: &mut [bool]) {
    let protection = |split| match split {
        SplitName::Train => 0u8,
        SplitName::Valid => 1,
        SplitName::Test => 2,
    };
    let mut highest = vec![0; numbers.iter().max().map_or(0, |&last| last as usize + 1)];
    for part in parts {
        for row in part.rows.clone() {
            let highest = &mut highest[numbers[row] as usize];
            *highest = protection(part.split).max(*highest);
        }
    }
    for part in parts {
        part.rows.clone().for_each(|row| is_own[row] &= highest[numbers[row] as usize] == protection(part.split));
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
