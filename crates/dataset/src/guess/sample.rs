//! Reads a sample of a file's rows with all of their columns, whatever its format.
//!
//! Many files are sorted by label, so that the first rows alone would show one class. The sample is spread over the file: every row is
//! kept until there are too many, then every second one, every fourth, and so on.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::header::has_header;
use super::{SAMPLED, lines};
use crate::error::Error;
use crate::format::{self, Format, FormatOf, Original, Packing, Request, Row};
use crate::settings::{Column, FileFormat};

/// Delimiters that are tried if a file seems to have a single column.
const DELIMITERS: [char; 4] = [';', '\t', '|', ','];

/// The value of a column in one row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    /// Nothing.
    Missing,
    /// A text; in text files, anything.
    Text(String),
    /// A number or a boolean of a format that tells them from texts.
    Scalar(String),
    /// A list of texts or numbers.
    List(Vec<String>),
    /// A value that can be neither a text nor a label.
    Other,
}

impl Cell {
    /// Returns the value as people read it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Missing => String::new(),
            Self::Text(text) | Self::Scalar(text) => text.clone(),
            Self::List(items) => items.join(", "),
            Self::Other => "{...}".to_owned(),
        }
    }

    fn of_json(value: &Value) -> Self {
        match value {
            Value::Null => Self::Missing,
            Value::Bool(value) => Self::Scalar(value.to_string()),
            Value::Number(number) => Self::Scalar(number.to_string()),
            Value::String(text) => Self::Text(text.clone()),
            Value::Object(_) => Self::Other,
            Value::Array(items) => {
                let plain = |item: &Value| match Self::of_json(item) {
                    Self::Text(text) | Self::Scalar(text) => Some(text),
                    Self::Missing | Self::List(_) | Self::Other => None,
                };
                items.iter().map(plain).collect::<Option<_>>().map_or(Self::Other, Self::List)
            }
        }
    }
}

/// The largest number of rows that are read of a file.
const MAX_READ: usize = 1_000_000;

/// The number of first rows that are kept to be shown.
pub(super) const SHOWN: usize = 3;

/// A sample of a file's rows.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// The names of the columns; `None` for columns without a name.
    pub(super) names: Vec<Option<String>>,
    pub(super) rows: Vec<Vec<Cell>>,
    /// The first rows of the file.
    pub(super) first: Vec<Vec<Cell>>,
    /// How the columns are written in settings.
    pub(super) columns: Vec<Column>,
    /// The format, if the name of the file doesn't say it, and how it was found out.
    pub(super) format: Option<(FileFormat, String)>,
    /// The delimiter, if it isn't that of the format, and how it was found out.
    pub(super) delimiter: Option<(char, String)>,
    /// The file with the labels, if they are in one of their own.
    pub(super) labels: Option<PathBuf>,
    /// Whether `header = true` has to be said, since columns have no usable names.
    pub(super) needs_header_key: bool,
}

/// What was read of a file.
#[derive(Default)]
struct Raw {
    /// The keys of objects, or the names of columns; empty for delimited files, which are read without a header.
    names: Vec<String>,
    rows: Vec<Vec<Cell>>,
    /// The first rows, and one more, since the first may be a header.
    first: Vec<Vec<Cell>>,
    is_delimited: bool,
    /// The rows so far.
    read: usize,
    /// Of so many rows, one is kept; 0 before the first.
    stride: usize,
}

/// Reads the first rows of a file.
///
/// # Errors
/// When the file can't be read, or holds lines of text without any label.
pub(super) fn table(path: &Path) -> Result<Table, Error> {
    match raw(path, Format::of, None) {
        Ok(raw) => Ok(with_named_delimiter(path, of_raw(path, raw, (Format::of, None))?)),
        Err(Error::UnknownFormat { .. }) => match lines::found(path)? {
            lines::Found::Table(table) => Ok(table),
            lines::Found::Format(format, why) => {
                let format_of = format.of_any_name();
                of_raw(path, raw(path, format_of, None)?, (format_of, Some((format, why))))
            }
        },
        Err(error @ (Error::FieldCount { .. } | Error::TextAfterQuote { .. } | Error::OpenQuote { .. })) => {
            // A file with another delimiter has rows of different widths by this one.
            let other = DELIMITERS.into_iter().find_map(|delimiter| with_delimiter(path, Format::of, delimiter));
            let (delimiter, raw) = other.ok_or(error)?;
            let table = of_raw(path, raw, (Format::of, None))?;
            Ok(Table { delimiter: Some(delimiter), ..table })
        }
        Err(error) => Err(error),
    }
}

/// Adds the delimiter that the first line of a CSV file names; the rows were read by it already.
fn with_named_delimiter(path: &Path, table: Table) -> Table {
    let is_csv = Packing::of(path, Format::of).1 == Some(Format::Csv);
    match lines::named_delimiter(path).filter(|_| is_csv && table.delimiter.is_none()) {
        Some((delimiter, line)) => {
            let why = format!("the first line, `{line}`, says so");
            Table { delimiter: Some((delimiter, why)), ..table }
        }
        None => table,
    }
}

/// Returns the delimiter with the rows that it gives, if they have several columns.
fn with_delimiter(path: &Path, format_of: FormatOf, delimiter: char) -> Option<((char, String), Raw)> {
    let raw = raw(path, format_of, Some(delimiter as u8)).ok()?;
    let width = raw.rows.first().map_or(0, Vec::len);
    (width > 1).then(|| ((delimiter, format!("it cuts every line into {width} fields")), raw))
}

/// Makes a table of rows: decides whether the first row of a delimited file is a header.
fn of_raw(
    path: &Path,
    raw: Raw,
    (format_of, format): (FormatOf, Option<(FileFormat, String)>),
) -> Result<Table, Error> {
    let Raw { names, rows, mut first, is_delimited, .. } = raw;
    if !is_delimited {
        first.truncate(SHOWN);
        let columns = names.iter().cloned().map(Column::Name).collect();
        return Ok(Table {
            names: names.into_iter().map(Some).collect(),
            rows,
            first,
            columns,
            format,
            ..Table::default()
        });
    }
    let is_single = rows.first().is_some_and(|row| row.len() == 1);
    let other = DELIMITERS.into_iter().filter(|_| is_single).find_map(|d| with_delimiter(path, format_of, d));
    let (delimiter, mut rows, mut first) = match other {
        Some((delimiter, raw)) => (Some(delimiter), raw.rows, raw.first),
        None => (None, rows, first),
    };
    if rows.len() < 2 {
        return Err(Error::NoRows { path: path.to_owned(), header: true });
    }
    let width = rows.first().map_or(0, Vec::len);
    let mut names = vec![None; width];
    if has_header(&rows) {
        let header = rows.remove(0);
        first.remove(0);
        names =
            header.iter().map(|cell| Some(cell.shown().trim().to_owned()).filter(|name| !name.is_empty())).collect();
    }
    let is_unique = |name: &String| names.iter().flatten().filter(|other| *other == name).count() == 1;
    let has_names = names.iter().any(Option::is_some);
    let columns: Vec<Column> = (1..)
        .zip(&names)
        .map(|(number, name)| match name {
            Some(name) if is_unique(name) => Column::Name(name.clone()),
            _ => Column::Number(number),
        })
        .collect();
    let needs_header_key = has_names && columns.iter().all(|column| matches!(column, Column::Number(_)));
    first.truncate(SHOWN);
    Ok(Table { names, rows, first, columns, format, delimiter, labels: None, needs_header_key })
}

/// Reads the first rows of a file with all of their columns. Delimited files are read without a header.
fn raw(path: &Path, format_of: FormatOf, delimiter: Option<u8>) -> Result<Raw, Error> {
    let request = Request { path, columns: &[], header: Some(false), delimiter, originals: true, needs_text: false };
    let mut raw = Raw::default();
    let read = format::read(&request, format_of, &mut |row| raw.take(&row));
    match read {
        Ok(_) | Err(Error::Stopped) => Ok(raw),
        Err(error) => Err(error),
    }
}

impl Raw {
    fn take(&mut self, row: &Row<'_>) -> Result<(), Error> {
        let at = self.read;
        self.read += 1;
        self.stride = self.stride.max(1);
        if at.is_multiple_of(self.stride) || at <= SHOWN {
            let cells = self.cells(row);
            if at <= SHOWN {
                self.first.push(cells.clone());
            }
            if at.is_multiple_of(self.stride) {
                self.rows.push(cells);
            }
        }
        if self.rows.len() > 2 * SAMPLED {
            let mut place = 0..;
            self.rows.retain(|_| place.next().is_some_and(|at: usize| at.is_multiple_of(2)));
            self.stride *= 2;
        }
        if self.read >= MAX_READ { Err(Error::Stopped) } else { Ok(()) }
    }

    /// Returns the columns of a row.
    fn cells(&mut self, row: &Row<'_>) -> Vec<Cell> {
        match row.original {
            Original::Line => row.fields.iter().map(|_| Cell::Missing).collect(),
            Original::Fields { fields, .. } => {
                self.is_delimited = true;
                let cell = |field: &Cow<'_, str>| match field.trim() {
                    "" => Cell::Missing,
                    _ => Cell::Text(field.clone().into_owned()),
                };
                fields.iter().map(cell).collect()
            }
            Original::Object(line) => {
                self.names = row.names.to_vec();
                let object: Value = serde_json::from_str(line).unwrap_or_default();
                let cell = |name: &String| object.get(name).map_or(Cell::Missing, Cell::of_json);
                self.names.iter().map(cell).collect()
            }
            Original::Values { names, values } => {
                self.names = names.to_vec();
                values.iter().map(Cell::of_json).collect()
            }
        }
    }
}
