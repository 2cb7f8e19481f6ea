//! Readers of data files, one per format. The format and compression follow from the file's name, and every reader passes on the
//! wanted columns row by row.
//!
//! | ending | format | quotes |
//! |---|---|---|
//! | `.csv` | fields between commas (or `delimiter`) | as in RFC 4180 |
//! | `.tsv` | fields between tabs (or `delimiter`) | ordinary characters |
//! | `.jsonl`, `.ndjson`, `.json` | one JSON object per line, or one JSON array of objects | |
//! | `.parquet` | Apache Parquet | |
//! | `.txt`, or none (texts without labels only) | one text per line | |
//! | any, with `format = "fasttext"` | `__label__a __label__b text` | ordinary characters |
//! | any, with `format = "label_first"` | the first word is the label | ordinary characters |
//! | any, with `labels_path` | a text per line, and in another file a label per line | ordinary characters |
//!
//! Each may be followed by `.gz`, `.zst` or `.zip`; an archive `NAME.zip` may also hold one file whose own name has one of
//! these endings.

mod buffer;
mod column;
mod compression;
mod delimited;
mod fasttext;
mod json_array;
mod jsonl;
mod label_first;
mod labels_apart;
mod lines;
mod original;
mod parquet;
mod python;
mod quotes;

use std::borrow::Cow;
use std::io::Read;
use std::path::Path;

use emberline_base::sniff::{HEAD, Kind, kind};

use self::buffer::Buffer;
pub use self::original::Original;
use crate::error::{Error, Place, Unit};
use crate::settings::Column;

/// What to read from a file.
pub(crate) struct Request<'a> {
    /// The file.
    pub(crate) path: &'a Path,
    /// The wanted columns; the first is that of the text.
    pub(crate) columns: &'a [Column],
    /// Whether the first row holds names; `None`: it does if a column is given by name.
    pub(crate) header: Option<bool>,
    /// The delimiter between fields; `None`: that of the format.
    pub(crate) delimiter: Option<u8>,
    /// Whether rows are also passed with all their fields, as [`Row::original`].
    pub(crate) originals: bool,
    /// Whether a JSON object without the text's key is an error; a null is allowed.
    pub(crate) needs_text: bool,
}

impl Request<'_> {
    /// Whether the first row of a delimited file holds the columns' names.
    fn has_header(&self) -> bool {
        self.header.unwrap_or_else(|| self.columns.iter().any(|column| matches!(column, Column::Name(_))))
    }
}

/// The wanted columns of one row.
pub(crate) struct Row<'a> {
    /// What `number` counts.
    pub(crate) unit: Unit,
    /// The line in which it begins, or its number in a file without lines; 1 is the first.
    pub(crate) number: u64,
    /// One field per column of the request, in that order.
    pub(crate) fields: &'a [Field<'a>],
    /// The names of all columns of the file, or the keys of its first objects; empty if it is read without a header.
    pub(crate) names: &'a [String],
    /// The whole row; [`Original::Line`] unless the request asks for it, or it costs nothing (JSON Lines).
    pub(crate) original: Original<'a>,
    /// Whether a field seems to be quoted although the format has no quotes.
    pub(crate) quoting: Quoting,
}

impl Row<'_> {
    /// Returns the place of the row in its file.
    pub(crate) fn place(&self, path: &Path) -> Place {
        Place { path: path.to_owned(), unit: self.unit, number: self.number }
    }
}

/// The value of one column in one row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Field<'a> {
    /// A missing value; `missing.rs` defines which values are missing.
    #[default]
    Missing,
    /// A string.
    Text(Cow<'a, str>),
    /// A number or a boolean as text; whole floats have no decimal point.
    Scalar(String),
    /// A list of such values.
    List(Vec<String>),
}

pub(crate) use quotes::{QuotedRows, Quoting};

/// Receives the rows.
pub(crate) type Sink<'a> = &'a mut dyn FnMut(Row<'_>) -> Result<(), Error>;

/// The formats, without their compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// RFC 4180.
    Csv,
    /// Tab-separated values, without quoting.
    Tsv,
    /// One JSON object per line, or one array of objects.
    Jsonl,
    /// Apache Parquet.
    Parquet,
    /// One text per line, without other columns.
    Lines,
    /// Lines of fastText: words that begin with `__label__` are labels.
    Fasttext,
    /// Lines whose first word is the label.
    LabelFirst,
}

impl Format {
    /// Returns the format of a file name without the ending of a compression.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "tsv" => Some(Self::Tsv),
            "jsonl" | "ndjson" | "json" => Some(Self::Jsonl),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }

    /// Returns the default delimiter between fields; `None` if the format has none.
    pub(crate) fn delimiter(self) -> Option<u8> {
        match self {
            Self::Csv => Some(b','),
            Self::Tsv => Some(b'\t'),
            Self::Jsonl | Self::Parquet | Self::Lines | Self::Fasttext | Self::LabelFirst => None,
        }
    }

    /// Returns whether any text is valid in this format.
    fn is_of_lines(self) -> bool {
        matches!(self, Self::Lines | Self::Fasttext | Self::LabelFirst)
    }

    /// As [`Self::of`], for files that may hold only texts: a name that ends in `.txt`, or has no ending, is read as lines.
    pub(crate) fn of_texts(path: &Path) -> Option<Self> {
        match path.extension() {
            None => Some(Self::Lines),
            Some(ending) if ending.eq_ignore_ascii_case("txt") => Some(Self::Lines),
            Some(_) => Self::of(path),
        }
    }

    /// Returns the name of the format for messages, as a noun phrase.
    fn name(self) -> &'static str {
        match self {
            Self::Csv => "CSV",
            Self::Tsv => "TSV",
            Self::Jsonl => "JSON Lines",
            Self::Parquet => "Parquet",
            Self::Lines | Self::Fasttext | Self::LabelFirst => "text in UTF-8",
        }
    }
}

pub(crate) use column::missing as missing_column;
pub(crate) use compression::{FormatOf, Packing};
pub(crate) use delimited::delimiter_line;
pub(crate) use fasttext::PREFIX as LABEL_PREFIX;
pub(crate) use label_first::parts as first_word;
pub(crate) use labels_apart::{lines_of, read_with_labels};

/// Passes every row of a file to `sink`. Returns the names of the wanted columns, in the order of the request; their numbers if
/// the file has no names.
///
/// # Errors
/// When the file can't be read, isn't of the format that its name says, lacks a column or holds no row; and the errors of
/// `sink`.
pub(crate) fn read(request: &Request<'_>, format_of: FormatOf, sink: Sink<'_>) -> Result<Vec<String>, Error> {
    compression::open(request.path, format_of, |format, input| match format {
        Format::Parquet => parquet::read(request, input, sink),
        format => read_stream(request, format, input.stream(), sink),
    })
}

/// As [`read`], for a stream of uncompressed text.
pub(crate) fn read_stream(
    request: &Request<'_>,
    format: Format,
    stream: &mut dyn Read,
    sink: Sink<'_>,
) -> Result<Vec<String>, Error> {
    let path = request.path;
    let mut buffer = Buffer::new(stream);
    buffer.begin().map_err(compression::explained(path))?;
    let found = sniff_text(path, format, buffer.bytes())?;
    let names = match format {
        Format::Jsonl => jsonl::read(request, buffer, sink),
        Format::Lines => lines::read(request, buffer, sink),
        Format::Fasttext => fasttext::read(request, buffer, sink),
        Format::LabelFirst => label_first::read(request, buffer, sink),
        format => delimited::read(request, format, buffer, sink),
    };
    names.map_err(|error| match found {
        Some(found) if error.is_malformed() => Error::other_kind(path, found, format.name()),
        _ => error,
    })
}

/// Checks the first bytes of a stream: it refuses bytes that can't be text in UTF-8, and placeholders for another file. Returns
/// the kind of text if it is a specific one, such as HTML, which explains why a table can't be read.
fn sniff_text(path: &Path, format: Format, bytes: &[u8]) -> Result<Option<Kind>, Error> {
    match kind(&bytes[..bytes.len().min(HEAD)]) {
        None | Some(Kind::Text) => Ok(None),
        // Any text is valid as lines, so no later error would reveal the wrong kind.
        Some(found) if found.is_text() && (!format.is_of_lines() || found != Kind::Html) => Ok(Some(found)),
        Some(found) => Err(Error::other_kind(path, found, format.name())),
    }
}
