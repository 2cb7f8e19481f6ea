//! Reads texts without labels, row by row, for commands such as `predict` and `embed`.
//!
//! [`TextInput`] names the file or stream and the column; [`TextInput::read`] passes every row in order, the empty ones too, so
//! that results match the rows of the file. The formats and compressions are those of `[data]`, and text files with one text per
//! line. The same code reads `[data]`, so the same faults are refused.

use std::io::Read;
use std::path::Path;

use emberline_base::Warning;

use crate::error::{Error, Place, Unit};
use crate::faults::{DELIMITERS, delimiter_fault};
use crate::format::{self, Field, Format, FormatOf, Original, Packing, QuotedRows, Request, Row};
use crate::header_rows::HeaderRows;
use crate::settings::Column;

/// The source of texts: a file or stream, its format, and the column of the texts.
pub struct TextInput<'a> {
    /// The file, or the stream.
    pub from: Source<'a>,
    /// The format of the file; if none, the ending of its name decides. A stream has a format of its own.
    pub format: Option<StreamFormat>,
    /// The column of the texts; a file of lines has only one.
    pub text: Column,
    /// Whether the first row holds names; if none, it does when the column is given by name, as in `[data]`. A first row that is
    /// read as data but seems to hold names causes a warning.
    pub header: Option<bool>,
    /// The delimiter between fields, one ASCII character; if none, that of the format.
    pub delimiter: Option<char>,
    /// Whether every row is passed with all its fields.
    pub originals: bool,
}

/// A file, or a stream.
pub enum Source<'a> {
    /// A file: .csv, .tsv, .jsonl, .json, .parquet or .txt (one text per line), each plain or followed by .gz, .zst or .zip. A file
    /// without an ending is read as lines.
    File(&'a Path),
    /// An uncompressed stream, its name in messages, such as `standard input`, and its format.
    Stream(&'a mut dyn Read, &'a str, StreamFormat),
}

/// The format of a stream, which has no file name to derive it from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamFormat {
    /// One text per line.
    #[default]
    Lines,
    /// Comma-separated values, as in RFC 4180.
    Csv,
    /// Tab-separated values, without quoting.
    Tsv,
    /// One JSON object per line.
    Jsonl,
}

impl StreamFormat {
    fn format(self) -> Format {
        match self {
            Self::Lines => Format::Lines,
            Self::Csv => Format::Csv,
            Self::Tsv => Format::Tsv,
            Self::Jsonl => Format::Jsonl,
        }
    }

    /// Returns a function that gives this format to every file name.
    fn of_any_name(self) -> FormatOf {
        match self {
            Self::Lines => |_| Some(Format::Lines),
            Self::Csv => |_| Some(Format::Csv),
            Self::Tsv => |_| Some(Format::Tsv),
            Self::Jsonl => |_| Some(Format::Jsonl),
        }
    }
}

/// A row of a file of texts.
#[derive(Debug)]
pub struct TextRow<'a> {
    /// What `number` counts.
    pub unit: Unit,
    /// The line in which the row begins, or its number in a file without lines; 1 is the first.
    pub number: u64,
    /// The text, unchanged; empty if it is missing.
    pub text: &'a str,
    /// The whole row, if [`TextInput::originals`] asks for it.
    pub original: Original<'a>,
}

/// The number of rows that were read, and warnings about them.
#[derive(Debug)]
pub struct TextsRead {
    /// The number of rows.
    pub rows: usize,
    /// Warnings about the rows.
    pub warnings: Vec<Warning>,
}

impl<'a> TextInput<'a> {
    /// Returns an input that gives the texts of a column, without the other fields.
    pub fn of_column(from: Source<'a>, text: Column) -> Self {
        Self { from, format: None, text, header: None, delimiter: None, originals: false }
    }

    /// Returns why the delimiter is invalid, by the rules of `[data]`; none if it is valid.
    pub fn delimiter_fault(&self) -> Option<String> {
        let has_fields = self.format().is_none_or(|format| format.delimiter().is_some());
        let fault = |delimiter| {
            let for_files = || "it is for .csv and .tsv files; leave it out".to_owned();
            delimiter_fault(delimiter)
                .map(|fault| format!("{fault}; give {DELIMITERS}"))
                .or((!has_fields).then(for_files))
        };
        self.delimiter.and_then(fault)
    }

    /// The format, as far as it is known before the input is opened.
    fn format(&self) -> Option<Format> {
        match self.from {
            Source::File(path) => Packing::of(path, self.format_of()).1,
            Source::Stream(_, _, format) => Some(format.format()),
        }
    }

    fn format_of(&self) -> FormatOf {
        self.format.map_or(Format::of_texts, StreamFormat::of_any_name)
    }

    /// Passes every row to `take`, in order.
    ///
    /// # Errors
    /// When the input can't be read, is of another kind than its name says, isn't UTF-8, or lacks the column; and the errors of
    /// `take`.
    pub fn read<E: From<Error>>(self, mut take: impl FnMut(TextRow<'_>) -> Result<(), E>) -> Result<TextsRead, E> {
        let is_delimited = self.format().is_some_and(|format| format.delimiter().is_some());
        let format_of = self.format_of();
        let Self { from, format: _, text, header, delimiter, originals } = self;
        let path = match &from {
            Source::File(path) => path,
            Source::Stream(_, name, _) => Path::new(*name),
        };
        let delimiter = delimiter.and_then(|delimiter| u8::try_from(delimiter).ok());
        let request =
            Request { path, columns: std::slice::from_ref(&text), header, delimiter, originals, needs_text: true };
        let (mut rows, mut quoted, mut headers, mut refusal) = (0, QuotedRows::default(), HeaderRows::default(), None);
        let mut sink = |row: Row<'_>| {
            let Row { unit, number, fields, names, original, quoting } = row;
            rows += 1;
            quoted.add(quoting, number);
            let found = as_text(fields.first(), &text, || Place { path: path.to_owned(), unit, number })?;
            if is_delimited {
                headers.check((number, found, &original), &text, names, rows == 1);
            }
            take(TextRow { unit, number, text: found, original }).map_err(|error| {
                refusal = Some(error);
                Error::Stopped
            })
        };
        let outcome = match from {
            Source::File(_) => format::read(&request, format_of, &mut sink),
            Source::Stream(stream, _, format) => format::read_stream(&request, format.format(), stream, &mut sink),
        };
        match (outcome, refusal) {
            (Ok(_), _) => {
                let warnings = [headers.warning(path), quoted.warning(path, rows)].into_iter().flatten().collect();
                Ok(TextsRead { rows, warnings })
            }
            (Err(_), Some(refusal)) => Err(refusal),
            (Err(error), None) => Err(error.into()),
        }
    }
}

/// Reads the texts of a file without labels: one per row, the empty ones too. Missing texts are empty.
///
/// `header` and `delimiter` are those of [`Settings`](crate::Settings).
///
/// # Errors
/// When the file can't be read, or lacks the column.
pub fn read_texts(
    path: &Path,
    text: &Column,
    header: Option<bool>,
    delimiter: Option<char>,
) -> Result<Vec<String>, Error> {
    let mut texts = Vec::new();
    let input = TextInput { header, delimiter, ..TextInput::of_column(Source::File(path), text.clone()) };
    input.read(|row| {
        texts.push(row.text.to_owned());
        Ok::<_, Error>(())
    })?;
    Ok(texts)
}

/// Returns the text of a field; a missing one is empty.
///
/// # Errors
/// When the field is a number, a boolean or a list.
pub(crate) fn as_text<'f>(
    field: Option<&'f Field<'_>>,
    column: &Column,
    place: impl FnOnce() -> Place,
) -> Result<&'f str, Error> {
    let found = match field {
        Some(Field::Text(text)) => return Ok(text),
        Some(Field::Missing) | None => return Ok(""),
        Some(Field::Scalar(scalar)) => format!("`{scalar}`"),
        Some(Field::List(_)) => "a list".to_owned(),
    };
    Err(Error::Value { place: place(), column: column.to_string(), found, expected: "a text" })
}
