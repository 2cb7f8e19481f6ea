//! The files that rows come from: format and compression follow from the file's name, and
//! every format hands the wanted columns over row by row.
//!
//! | ending | format | quotes |
//! |---|---|---|
//! | `.csv` | fields between commas (or `delimiter`) | as in RFC 4180 |
//! | `.tsv` | fields between tabs (or `delimiter`) | ordinary characters |
//! | `.jsonl`, `.ndjson` | a JSON object a line | |
//! | `.parquet` | Apache Parquet | |
//! | `.txt`, or none (texts without labels only) | a text a line | |
//!
//! each as it is, or with `.gz`, `.zst` or `.zip` after it; an archive `NAME.zip` may also hold
//! one file whose own name ends in one of these.

mod buffer;
mod column;
mod compression;
mod delimited;
mod jsonl;
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

/// What to read from which file.
pub(crate) struct Request<'a> {
    /// The file.
    pub(crate) path: &'a Path,
    /// The wanted columns: the text first.
    pub(crate) columns: &'a [Column],
    /// Whether the first row holds names; `None`: when a column is given by name.
    pub(crate) header: Option<bool>,
    /// What stands between fields; `None`: what the format's name says.
    pub(crate) delimiter: Option<u8>,
    /// Whether rows are handed over with all of their fields as well, as [`Row::original`].
    pub(crate) originals: bool,
    /// Whether a JSON object without the text's key is a fault; a null is none.
    pub(crate) needs_text: bool,
}

impl Request<'_> {
    /// Whether the first row of a delimited file holds the columns' names.
    fn has_header(&self) -> bool {
        self.header.unwrap_or_else(|| self.columns.iter().any(|column| matches!(column, Column::Name(_))))
    }
}

/// One row's wanted columns.
pub(crate) struct Row<'a> {
    /// What `number` counts.
    pub(crate) unit: Unit,
    /// The line it begins in, or its number in a file without lines; 1 is the first.
    pub(crate) number: u64,
    /// As many as the request names columns, in that order.
    pub(crate) fields: &'a [Field<'a>],
    /// The names of all columns of the file, or of the keys of its first objects; none if it is read without a header.
    pub(crate) names: &'a [String],
    /// The whole row; [`Original::Line`] unless the request asks for it, or the format has it at hand (JSON Lines).
    pub(crate) original: Original<'a>,
    /// Which of the fields look as if they stood between quotes that the format doesn't know.
    pub(crate) quoting: Quoting,
}

impl Row<'_> {
    /// Where it stands in the file that it came from.
    pub(crate) fn place(&self, path: &Path) -> Place {
        Place { path: path.to_owned(), unit: self.unit, number: self.number }
    }
}

/// What stands in one column of one row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Field<'a> {
    /// Nothing: see `missing.rs` for what counts as nothing.
    #[default]
    Missing,
    /// A string.
    Text(Cow<'a, str>),
    /// A number or a boolean, written out; whole floats without a point.
    Scalar(String),
    /// A list of such values.
    List(Vec<String>),
}

pub(crate) use quotes::{QuotedRows, Quoting};

/// What takes the rows.
pub(crate) type Sink<'a> = &'a mut dyn FnMut(Row<'_>) -> Result<(), Error>;

/// The formats, without their compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// RFC 4180.
    Csv,
    /// Fields between tabs, without quoting.
    Tsv,
    /// A JSON object a line.
    Jsonl,
    /// Apache Parquet.
    Parquet,
    /// A text a line, and nothing else.
    Lines,
}

impl Format {
    /// The format of a name that ends in no compression.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "tsv" => Some(Self::Tsv),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "parquet" => Some(Self::Parquet),
            _ => None,
        }
    }

    /// What stands between fields when the settings don't say; `None`: the format has none.
    pub(crate) fn delimiter(self) -> Option<u8> {
        match self {
            Self::Csv => Some(b','),
            Self::Tsv => Some(b'\t'),
            Self::Jsonl | Self::Parquet | Self::Lines => None,
        }
    }

    /// As [`Self::of`], of files that need hold no more than texts: a name that ends in `.txt` or in nothing is one of lines.
    pub(crate) fn of_texts(path: &Path) -> Option<Self> {
        match path.extension() {
            None => Some(Self::Lines),
            Some(ending) if ending.eq_ignore_ascii_case("txt") => Some(Self::Lines),
            Some(_) => Self::of(path),
        }
    }

    /// What a file of the format is, as a noun phrase.
    fn name(self) -> &'static str {
        match self {
            Self::Csv => "CSV",
            Self::Tsv => "TSV",
            Self::Jsonl => "JSON Lines",
            Self::Parquet => "Parquet",
            Self::Lines => "text in UTF-8",
        }
    }
}

pub(crate) use compression::{FormatOf, Packing};

/// Hands every row of a file to `sink`. Returns the wanted columns' names, in the order of the
/// request; numbers where there are no names.
///
/// # Errors
/// When the file can't be read, isn't what its name says, lacks a column, holds no row; and
/// whatever `sink` answers.
pub(crate) fn read(request: &Request<'_>, format_of: FormatOf, sink: Sink<'_>) -> Result<Vec<String>, Error> {
    compression::open(request.path, format_of, |format, input| match format {
        Format::Parquet => parquet::read(request, input, sink),
        format => read_stream(request, format, input.stream(), sink),
    })
}

/// As [`read`], of a stream of unpacked text.
pub(crate) fn read_stream(
    request: &Request<'_>,
    format: Format,
    stream: &mut dyn Read,
    sink: Sink<'_>,
) -> Result<Vec<String>, Error> {
    let path = request.path;
    let mut buffer = Buffer::new(stream);
    buffer.begin().map_err(compression::explained(path))?;
    let found = recognised(path, format, buffer.bytes())?;
    let names = match format {
        Format::Jsonl => jsonl::read(request, buffer, sink),
        Format::Lines => lines::read(request, buffer, sink),
        format => delimited::read(request, format, buffer, sink),
    };
    names.map_err(|error| match found {
        Some(found) if error.is_of_form() => Error::other_kind(path, found, format.name()),
        _ => error,
    })
}

/// Refuses first bytes that can't be text in UTF-8, or stand for a file that isn't there. Gives the kind of text that they
/// are, where it is a kind of its own: it explains why a table can't be read.
fn recognised(path: &Path, format: Format, bytes: &[u8]) -> Result<Option<Kind>, Error> {
    match kind(&bytes[..bytes.len().min(HEAD)]) {
        None | Some(Kind::Text) => Ok(None),
        // Of lines any text is good, so nothing would fail later on.
        Some(found) if found.is_text() && (format != Format::Lines || found != Kind::Html) => Ok(Some(found)),
        Some(found) => Err(Error::other_kind(path, found, format.name())),
    }
}
