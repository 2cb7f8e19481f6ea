//! `[data]`: where the texts and labels are, and how they are divided.

use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::format::{Format, Packing};

/// `[data]`: the files, the columns and the split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// One file with all rows, to be split: .csv, .tsv, .jsonl or .parquet, plain or .gz, .zst, .zip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
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
    /// How many rows go where.
    #[serde(default)]
    pub split: Split,
}

impl Settings {
    /// One file, with all else left out.
    pub fn new(path: impl Into<PathBuf>, text: Column, label: LabelColumns) -> Self {
        Self {
            path: Some(path.into()),
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
            split: Split::default(),
        }
    }

    /// The same settings with the defaults that follow from the others written out: `header`,
    /// `delimiter` (both for delimited files) and `split.valid`.
    #[must_use]
    pub fn resolved(&self) -> Self {
        let mut resolved = self.clone();
        resolved.split = self.split.resolved(self.valid.is_some());
        let mut delimiters: Vec<Option<u8>> =
            self.files().map(|(_, path)| Packing::of(path, Format::of).1.and_then(Format::delimiter)).collect();
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

/// The part of the rows that validates when nothing else is said.
const VALID: f64 = 0.2;

/// `[data.train]`, `[data.valid]`, `[data.test]`: a file of one split's rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitFile {
    /// .csv, .tsv, .jsonl or .parquet, plain or .gz, .zst, .zip.
    pub path: PathBuf,
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

/// `[data.split]`: how many rows each split takes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// Training rows; when left out: all that validation and test leave. Fewer rows are always a
    /// subset of more, and the other splits don't depend on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<Amount>,
    /// Validation rows; 0.2 when no amount is given at all and validation has no file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid: Option<Amount>,
    /// Test rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Amount>,
    /// Whether every split gets the classes in the proportions of the whole.
    #[serde(default = "yes")]
    pub stratify: bool,
    /// The seed of the split; the pipeline's own when left out (not the grid's, so that all cells share their rows).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

impl Split {
    /// The same, with the validation rows that are taken when no amount is given and validation
    /// has no file of its own.
    #[must_use]
    pub(crate) fn resolved(&self, has_valid_file: bool) -> Self {
        let mut resolved = self.clone();
        if !has_valid_file && self.train.is_none() && self.valid.is_none() && self.test.is_none() {
            resolved.valid = Some(Amount::Fraction(VALID));
        }
        resolved
    }
}

impl Default for Split {
    fn default() -> Self {
        Self { train: None, valid: None, test: None, stratify: true, seed: None }
    }
}

/// A number of rows: a count, or a fraction below 1 of all rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a count such as 1_000, or a fraction such as 0.1")]
pub enum Amount {
    /// So many rows.
    Count(#[schemars(range(min = 1))] u64),
    /// That part of the rows, above 0 and below 1.
    Fraction(#[schemars(extend("exclusiveMinimum" = 0.0, "exclusiveMaximum" = 1.0))] f64),
}

fn yes() -> bool {
    true
}
