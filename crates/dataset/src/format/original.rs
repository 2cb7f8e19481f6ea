//! A row as it stood in its file, for programs that write it back with something added.

use std::borrow::Cow;

use serde_json::Value;

/// A whole row, in the form of its format.
#[derive(Clone, Copy, Debug, Default)]
pub enum Original<'a> {
    /// A line of text: there is nothing beside the text.
    #[default]
    Line,
    /// A row of CSV or TSV: its fields without their quotes, under their names (numbers from 1 where there is no header).
    Fields {
        /// As many as there are fields.
        names: &'a [String],
        /// In the order of the file.
        fields: &'a [Cow<'a, str>],
    },
    /// An object of JSON Lines, as its line writes it.
    Object(&'a str),
    /// A row of Parquet: its values, under their names.
    Values {
        /// As many as there are values.
        names: &'a [String],
        /// In the order of the file.
        values: &'a [Value],
    },
}
