//! Texts without labels: one reader for every program that makes something of a file's texts, row for row.
//!
//! [`TextInput`] names where the texts are; [`TextInput::read`] hands over every row in order, the empty ones too, so that
//! what is made of them can be laid beside the rows. Formats and packings are those of `[data]`, and text files with a text
//! in every line. What is refused there is refused here, by the same code.

use std::io::Read;
use std::path::Path;

use emberline_base::Warning;

use crate::error::{Error, Place, Unit};
use crate::faults::{DELIMITERS, delimiter_fault};
use crate::format::{self, Field, Format, FormatOf, Original, Packing, QuotedRows, Request, Row};
use crate::header_rows::HeaderRows;
use crate::settings::Column;

/// Where texts are read from.
pub struct TextInput<'a> {
    /// The file, or the stream.
    pub from: Source<'a>,
    /// What the file holds, whatever its name says; left out: what its name says. A stream names its own.
    pub format: Option<StreamFormat>,
    /// The column of the texts; a file of lines has no other.
    pub text: Column,
    /// Whether the first row holds names; when left out: whether the column is given by name, as in `[data]`. A first row that
    /// seems to hold names all the same is warned of.
    pub header: Option<bool>,
    /// What stands between fields, one ASCII character; what the file's name says when left out.
    pub delimiter: Option<char>,
    /// Whether every row is handed over with all of its fields, too.
    pub originals: bool,
}

/// A file, or a stream.
pub enum Source<'a> {
    /// A file: .csv, .tsv, .jsonl, .parquet or .txt (a text a line), each plain or with .gz, .zst or .zip after it. A name
    /// without an ending is that of lines.
    File(&'a Path),
    /// An unpacked stream of a format, with a name for messages, such as `standard input`.
    Stream(&'a mut dyn Read, &'a str, StreamFormat),
}

/// What a stream, which has no name that tells it, holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StreamFormat {
    /// A text a line.
    #[default]
    Lines,
    /// Fields between commas, as in RFC 4180.
    Csv,
    /// Fields between tabs, without quotes.
    Tsv,
    /// A JSON object a line.
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

    /// As the format of every name.
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
    /// The text as it stands there; empty where there is none.
    pub text: &'a str,
    /// The whole row, if it was asked for.
    pub original: Original<'a>,
}

/// What was read of an input.
#[derive(Debug)]
pub struct TextsRead {
    /// How many rows there were.
    pub rows: usize,
    /// What a person should know of them.
    pub warnings: Vec<Warning>,
}

impl<'a> TextInput<'a> {
    /// The texts of a column, without what else is in the rows.
    pub fn of_column(from: Source<'a>, text: Column) -> Self {
        Self { from, format: None, text, header: None, delimiter: None, originals: false }
    }

    /// Why the delimiter can't be meant, by the rules of `[data]`; none if it can.
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

    /// Hands every row to `take`, in order.
    ///
    /// # Errors
    /// When the input can't be read, is of another kind than its name says, isn't UTF-8, or lacks the column; and whatever
    /// `take` answers.
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
                headers.look((number, found, &original), &text, names, rows == 1);
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

/// Reads the texts of one file without labels, row by row: empty ones too, so that what is
/// made of them can be laid beside the file's rows. Missing texts are empty.
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

/// The text in a field; missing ones are empty.
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
