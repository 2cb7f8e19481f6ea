//! `data.format`: the format of data files whose names don't say it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Settings;
use crate::format::{Format, FormatOf};

/// The format of data files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileFormat {
    /// Fields between commas, or another `delimiter`, with quotes as in RFC 4180.
    Csv,
    /// Fields between tabs, or another `delimiter`; quotes are ordinary characters.
    Tsv,
    /// One JSON object per line.
    Jsonl,
    /// Apache Parquet.
    Parquet,
    /// The lines that fastText trains on: words that begin with `__label__` are labels, the others are the text. A line with several
    /// labels makes the task multi-label.
    Fasttext,
    /// Lines whose first word is the label.
    LabelFirst,
}

impl FileFormat {
    /// Returns a function that gives this format to every file name.
    pub(crate) fn of_any_name(self) -> FormatOf {
        match self {
            Self::Csv => |_| Some(Format::Csv),
            Self::Tsv => |_| Some(Format::Tsv),
            Self::Jsonl => |_| Some(Format::Jsonl),
            Self::Parquet => |_| Some(Format::Parquet),
            Self::Fasttext => |_| Some(Format::Fasttext),
            Self::LabelFirst => |_| Some(Format::LabelFirst),
        }
    }

    /// Returns whether every line is a text and its labels, without columns that need names.
    pub fn is_of_lines(self) -> bool {
        matches!(self, Self::Fasttext | Self::LabelFirst)
    }
}

impl Settings {
    /// Returns how the format of a data file follows from its name.
    pub(crate) fn format_of(&self) -> FormatOf {
        match self.format {
            _ if self.has_label_files() => |_| Some(Format::Lines),
            Some(format) => format.of_any_name(),
            None => Format::of,
        }
    }

    /// Returns whether the files have no columns that need names: every line is a text, with its labels before it or in another file.
    pub fn is_of_lines(&self) -> bool {
        self.has_label_files() || self.format.is_some_and(FileFormat::is_of_lines)
    }

    /// Returns whether labels are in files of their own.
    pub(crate) fn has_label_files(&self) -> bool {
        let splits = [&self.train, &self.valid, &self.test].into_iter().flatten();
        self.labels_path.is_some() || splits.into_iter().any(|file| file.labels_path.is_some())
    }
}
