//! A whole row as it is in its file, for commands that write it back with added columns.

use std::borrow::Cow;

use serde_json::Value;

/// A whole row, in the form of its format.
#[derive(Clone, Copy, Debug, Default)]
pub enum Original<'a> {
    /// A line of text, which has no other fields.
    #[default]
    Line,
    /// A row of CSV or TSV: its fields without their quotes, and their names (numbers from 1 if there is no header).
    Fields {
        /// As many as there are fields.
        names: &'a [String],
        /// In the order of the file.
        fields: &'a [Cow<'a, str>],
    },
    /// An object of JSON Lines, as the text of its line.
    Object(&'a str),
    /// A row of Parquet: its values, and their names.
    Values {
        /// As many as there are values.
        names: &'a [String],
        /// In the order of the file.
        values: &'a [Value],
    },
}
