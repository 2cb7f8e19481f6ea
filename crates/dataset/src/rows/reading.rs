//! Reads the data files row by row, then derives what needs all rows: classes, duplicate texts, and the rows of each split.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use emberline_base::SplitName;

use super::part::place_of;
use super::pools::{Pools, SeparationKeys, pools};
use super::{Numbers, Part, Rows, conflicts, strata};
use crate::class_names::ClassNames;
use crate::error::{Error, Place};
use crate::format::{self, Field, Request, Row};
use crate::group::GroupColumn;
use crate::labels::{Collector, MAX_CLASSES, Refusal};
use crate::missing::{is_blank, trimmed};
use crate::normal::Hashes;
use crate::one_class::refuse_one_text;
use crate::reader::as_text;
use crate::settings::{Column, LabelColumns, Settings};
use crate::texts::Texts;
use crate::time::TimeColumn;

/// The expected value of a flag in the first row of a file that is read without a header.
const FLAG_OR_HEADER: &str = "0 or 1; if the line holds the columns' names, set header = true";

/// The rows and statistics collected while the files are read.
pub(crate) struct Reading<'s> {
    pub(crate) settings: &'s Settings,
    /// The text column, the label columns, and then the columns of groups and of times if the settings name them.
    columns: Vec<Column>,
    label_columns: LabelColumns,
    /// The names of the label columns in the first file.
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
    pub(super) fn new(settings: &'s Settings) -> Self {
        let label_columns = settings.label_columns();
        let text = settings.text_column();
        let columns = std::iter::once(&text).chain(label_columns.columns());
        let columns = columns.chain(&settings.group).chain(&settings.split.order).cloned().collect();
        let flags = matches!(label_columns, LabelColumns::Several(_));
        let labels = Collector::new(settings.separator.clone(), flags).until(settings.label_until.clone());
        Self {
            settings,
            columns,
            label_columns,
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

    /// Adds the rows of one file, and of the file with its labels if they are in another one.
    pub(super) fn file(
        &mut self,
        split: SplitName,
        name: PathBuf,
        (path, labels): (PathBuf, Option<PathBuf>),
    ) -> Result<(), Error> {
        let mut part = Part::new(split, name, path.clone(), self.texts.len());
        // An uncompressed file is at least as long as its texts. If it is missing, `format::read` below reports it.
        self.texts.reserve(fs::metadata(&path).map_or(0, |metadata| metadata.len()));
        let columns = std::mem::take(&mut self.columns);
        let delimiter = self.settings.delimiter.and_then(|d| u8::try_from(d).ok());
        let header = self.settings.header;
        let request =
            Request { path: &path, columns: &columns, header, delimiter, originals: false, needs_text: false };
        let format_of = self.settings.format_of();
        let mut sink = |row: Row<'_>| self.row(&columns, &mut part, row);
        let names = match &labels {
            Some(labels) => format::read_with_labels(&request, labels, &mut sink)?,
            None => format::read(&request, format_of, &mut sink)?,
        };
        self.columns = columns;
        part.rows.end = self.texts.len();
        if part.rows.is_empty() {
            let (read, empty, unlabelled) = (part.read, part.empty.count, part.unlabelled.count);
            return Err(Error::NoUsableRows { path, read, empty, unlabelled });
        }
        let labels = self.label_columns.columns().len();
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
        let labels = 1..1 + self.label_columns.columns().len();
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
                Err(Error::TooManyClasses { place: row.place(&part.path), limit: MAX_CLASSES, column })
            }
            Err(Refusal::Value { column, found, expected }) => {
                let column = columns[column + 1].to_string();
                let may_be_header = part.read == 1 && row.names.is_empty();
                let expected = if may_be_header { FLAG_OR_HEADER } else { expected };
                Err(Error::Value { place: row.place(&part.path), column, found, expected })
            }
        }
    }

    /// Adds the group and the time of a usable row, if the settings name columns for them.
    fn group_and_time(&mut self, part: &Part, row: &Row<'_>) -> Result<(), Error> {
        let Settings { group, split, .. } = self.settings;
        let mut fields = row.fields.iter().skip(1 + self.label_columns.columns().len());
        if group.is_some() {
            self.groups.push(fields.next());
        }
        match &split.order {
            Some(column) => self.times.push(fields.next(), column, || row.place(&part.path)),
            None => Ok(()),
        }
    }

    /// Refuses a file whose label columns have other names than in the first file, if each column is a class.
    fn compare_names(&mut self, path: PathBuf, names: Vec<String>) -> Result<(), Error> {
        let Some(first) = self.parts.first() else {
            self.labels.name_flags(&names);
            self.label_names = names;
            return Ok(());
        };
        if matches!(self.label_columns, LabelColumns::One(_)) || names == self.label_names {
            return Ok(());
        }
        Err(Error::OtherColumns {
            path,
            columns: names,
            first: first.path.clone(),
            expected: std::mem::take(&mut self.label_names),
        })
    }

    /// Gives the labels the names that a file says.
    pub(super) fn name_classes(&mut self, path: &Path) -> Result<(), Error> {
        let names = ClassNames::read(path)?;
        self.labels.rename(&names).map_err(|label| {
            let row = self.labels.first_row(label).unwrap_or_default();
            let label = self.labels.names()[label as usize].clone();
            let (names, known, cure) = names.fault(&label);
            Error::NoClassName { place: self.place(row), label: label.into(), names, known, cure }
        })
    }

    /// Numbers the classes, groups duplicate texts, and collects the warnings.
    pub(super) fn finish(mut self) -> Result<Rows, Error> {
        self.texts.shrink();
        let train = self.train();
        let mut classes = self.labels.classes(train.rows.clone(), &train.path)?;
        let mut warnings = self.label_warnings();
        warnings.extend(self.apply_unknown_labels(&classes)?);
        self.labels.choose_positive(&mut classes, self.settings.positive.as_deref())?;
        let Self { settings, texts, hashes, numbers, ordinals, groups: group_column, times, labels, parts, .. } = self;
        let labels = labels.finish(&classes);
        let groups = hashes.groups(&texts);
        let duplicates = settings.duplicates;
        let units = group_column.units(&groups.of_rows, duplicates);
        let keys =
            SeparationKeys { texts: &groups.of_rows, groups: group_column.exists().then_some(&units), duplicates };
        let Pools { rows: pools, leaks, by_group: group_leaks } = pools(&parts, &keys)?;
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

    /// Returns the file of the training rows, or of all rows.
    pub(crate) fn train(&self) -> &Part {
        self.parts.first().expect("a valid `[data]` names a file of training rows, which is read first")
    }

    /// Returns the place of a usable row.
    pub(crate) fn place(&self, row: usize) -> Place {
        place_of(&self.parts, &self.numbers, row)
    }
}

/// Returns the values of a row that repeats the header: they are all names of different columns, in any order.
fn second_header(row: &Row<'_>) -> Option<Vec<String>> {
    let name_in = |field: &Field<'_>| match field {
        Field::Text(text) => row.names.iter().position(|name| trimmed(text).eq_ignore_ascii_case(name)),
        _ => None,
    };
    // A name that is only digits may also be a value.
    let is_word = |at: &usize| row.names[*at].contains(char::is_alphabetic);
    // Most rows are excluded by their first field.
    name_in(row.fields.first()?)?;
    let found: Vec<usize> = row.fields.iter().map(name_in).collect::<Option<_>>()?;
    let differ = (1..found.len()).all(|at| !found[..at].contains(&found[at]));
    (found.len() > 1 && differ && found.iter().any(is_word))
        .then(|| found.into_iter().map(|at| row.names[at].clone()).collect())
}
