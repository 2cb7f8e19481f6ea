//! The files that rows come from: format and compression follow from the file's name, and
//! every format hands the wanted columns over row by row.
//!
//! | ending | format | quotes |
//! |---|---|---|
//! | `.csv` | fields between commas (or `delimiter`) | as in RFC 4180 |
//! | `.tsv` | fields between tabs (or `delimiter`) | ordinary characters |
//! | `.jsonl`, `.ndjson` | a JSON object a line | |
//! | `.parquet` | Apache Parquet | |
//!
//! each as it is, or with `.gz`, `.zst` or `.zip` after it; an archive `NAME.zip` may also hold
//! one file whose own name ends in one of these.

mod buffer;
mod column;
mod compression;
mod delimited;
mod jsonl;
mod parquet;

use std::borrow::Cow;
use std::path::Path;

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
    /// Nothing: a null, or a key that isn't there.
    #[default]
    Missing,
    /// A string.
    Text(Cow<'a, str>),
    /// A number or a boolean, written out; whole floats without a point.
    Scalar(String),
    /// A list of such values.
    List(Vec<String>),
}

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
            Self::Jsonl | Self::Parquet => None,
        }
    }
}

pub(crate) use compression::Packing;

/// Hands every row of a file to `sink`. Returns the wanted columns' names, in the order of the
/// request; numbers where there are no names.
///
/// # Errors
/// When the file can't be read, isn't what its name says, lacks a column, holds no row; and
/// whatever `sink` answers.
pub(crate) fn read(request: &Request<'_>, sink: Sink<'_>) -> Result<Vec<String>, Error> {
    compression::open(request.path, |format, input| match format {
        Format::Csv | Format::Tsv => delimited::read(request, format, input.stream(), sink),
        Format::Jsonl => jsonl::read(request, input.stream(), sink),
        Format::Parquet => parquet::read(request, input, sink),
    })
}

/// A float as labels write it: whole numbers without a point.
fn written(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 1e15 { format!("{number:.0}") } else { format!("{number}") }
}
