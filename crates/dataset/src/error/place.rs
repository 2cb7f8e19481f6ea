//! The place of a row: its file, and its line or row number.

use std::fmt;
use std::path::PathBuf;

/// The place of a row in its file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// What `number` counts.
    pub unit: Unit,
    /// The line or row; 1 is the first.
    pub number: u64,
}

/// What a file's rows are counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unit {
    /// Lines of a text file; a row has the number of the line in which it begins.
    Line,
    /// Rows of a table without lines (Parquet).
    Row,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Line => "line",
            Self::Row => "row",
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} {}", self.path.display(), self.unit, self.number)
    }
}
