//! `[data]`: where the texts and labels are, and how they are divided.

mod split;

use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::split::{Amount, Split};
use crate::format::{Format, Packing};

/// `[data]`: the files, the columns and the split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// One file with all rows, to be split: .csv, .tsv, .jsonl or .parquet, plain or .gz, .zst, .zip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Where `emberline fetch` gets the file at `path`: `https://...`, or `hf://datasets/ORG/NAME[@REVISION]/FILE` of the
    /// Hugging Face Hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The SHA-256 of the file at `path`, in hex; a file with another one is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The text column: its name, or its number (1 is the first) where there is no header.
    pub text: Column,
    /// The label column; with `separator`, or as a list of 0/1 columns: multi-label.
    pub label: LabelColumns,
    /// What stands between the labels of a multi-label column, for example `","`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separator: Option<String>,
    /// The label that counts as positive in a binary task: F1, precision, recall, PR-AUC and the threshold are of it. When
    /// left out: the label that says yes (`1`, `true`, `t`, `yes`, `y`, `positive`, `pos`, in any case) if exactly one of the
    /// two does, else the one with fewer rows in all files together; of equally many, the last in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positive: Option<String>,
    /// What becomes of rows of the validation and test files whose label no row of the training file has.
    #[serde(default)]
    pub unknown_labels: UnknownLabels,
    /// What stands between fields, one ASCII character; a comma for .csv, a tab for .tsv when left
    /// out. Quotes follow RFC 4180 in .csv files and are ordinary characters in .tsv files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// Whether the first row holds the columns' names; when left out: whether columns are given by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    /// A file of training rows, instead of `path`; texts that the files of the other splits hold too are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<SplitFile>,
    /// A file of validation rows; texts that the test file holds too are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid: Option<SplitFile>,
    /// A file of test rows; all of its texts stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<SplitFile>,
    /// A column whose equal values keep rows on one side, such as an author: no group is in two splits. A row with nothing
    /// there is a group of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Column>,
    /// What becomes of rows whose text, as it counts (case, white space and invisible characters don't), another row has too.
    #[serde(default)]
    pub duplicates: Duplicates,
    /// How the rows are divided.
    #[serde(default)]
    pub split: Split,
}

impl Settings {
    /// One file, with all else left out.
    pub fn new(path: impl Into<PathBuf>, text: Column, label: LabelColumns) -> Self {
        Self {
            path: Some(path.into()),
            url: None,
            sha256: None,
            text,
            label,
            separator: None,
            positive: None,
            unknown_labels: UnknownLabels::default(),
            delimiter: None,
            header: None,
            train: None,
            valid: None,
            test: None,
            group: None,
            duplicates: Duplicates::default(),
            split: Split::default(),
        }
    }

    /// The same settings without what changes no result: the numbers of replicates there are, the first repeat (which is what
    /// a pipeline without repeats comes to), the place of explicit rows, and proportions that are kept anyway.
    #[must_use]
    pub fn without_replicate_numbers(&self) -> Self {
        let mut settings = self.clone();
        let split = &mut settings.split;
        (split.repeats, split.rows) = (None, None);
        split.repeat = split.repeat.filter(|&repeat| repeat != 1);
        let by_default = Split { stratify: None, ..split.clone() }.stratifies();
        split.stratify = split.stratify.filter(|&stratify| stratify != by_default);
        settings
    }

    /// The same settings with the defaults that follow from the others written out: `header`,
    /// `delimiter` (both for delimited files) and `split.valid`.
    #[must_use]
    pub fn resolved(&self) -> Self {
        let mut resolved = self.clone();
        resolved.split = self.split.resolved(self.valid.is_some());
        let mut delimiters: Vec<Option<u8>> =
            self.data_files().map(|file| Packing::of(file.path, Format::of).1.and_then(Format::delimiter)).collect();
        delimiters.dedup();
        if delimiters.iter().any(Option::is_some) {
            let named = |column: &Column| matches!(column, Column::Name(_));
            let by_name = named(&self.text) || self.label.columns().iter().any(named);
            resolved.header = self.header.or(Some(by_name));
        }
        if let [Some(delimiter)] = delimiters[..] {
            resolved.delimiter = self.delimiter.or(Some(char::from(delimiter)));
        }
        resolved
    }
}

/// `[data.train]`, `[data.valid]`, `[data.test]`: a file of one split's rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitFile {
    /// .csv, .tsv, .jsonl or .parquet, plain or .gz, .zst, .zip.
    pub path: PathBuf,
    /// Where `emberline fetch` gets the file, as `url` of `[data]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The SHA-256 of the file, in hex; a file with another one is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

impl SplitFile {
    /// A file that is only read.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), url: None, sha256: None }
    }
}

/// A column by name, or by number (1 is the first).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a column's name, or its number (1 is the first)")]
pub enum Column {
    /// As the header names it.
    Name(String),
    /// 1 for the first.
    Number(#[schemars(range(min = 1))] u32),
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "`{name}`"),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

/// What becomes of validation and test rows with a label that no training row has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnknownLabels {
    /// The data are refused; the message names the first such label, its file and line.
    #[default]
    Refuse,
    /// Such rows are left out, and counted. With several labels a row: rows that have at least one such label.
    Drop,
    /// Such rows stay. No output can answer them, so each counts as wrong in `accuracy`, and as a negative of every class
    /// in PR-AUC, ROC-AUC, F1, precision and recall; `loss`, which needs the right class, is the mean over the other rows.
    /// With several labels a row: the labels that training has are scored as usual, and the others count in no metric.
    CountAsWrong,
}

/// What becomes of the copies of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Duplicates {
    /// The first row of each text stays; where the splits have files of their own, that of the most protected file: test
    /// before validation before training.
    #[default]
    Drop,
    /// Every row stays. Of one file, the copies of a text fall on one side. Where the splits have files of their own, or
    /// `split.rows` lists them, texts that stand in two splits stay in both, as in published protocols; reports say so.
    Keep,
}

/// The column, or columns, of the labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a column's name or number, or a list of them")]
pub enum LabelColumns {
    /// One column: a class a row, or several with `separator`.
    One(Column),
    /// A column a class, each 0 or 1: multi-label.
    Several(Vec<Column>),
}

impl LabelColumns {
    /// The columns, whether one or several.
    pub fn columns(&self) -> &[Column] {
        match self {
            Self::One(column) => std::slice::from_ref(column),
            Self::Several(columns) => columns,
        }
    }
}
