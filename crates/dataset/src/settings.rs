//! The settings of `[data]`: the files, the columns and the split.

mod format;
mod split;

use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::format::FileFormat;
pub use self::split::{Amount, Split};

/// `[data]`: the files, the columns and the split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend(
    "if" = { "not": { "anyOf": [
        { "required": ["labels_path"] },
        { "required": ["format"], "properties": { "format": { "enum": ["fasttext", "label_first"] } } },
        { "required": ["train"], "properties": { "train": { "required": ["labels_path"] } } }
    ] } },
    "then" = { "required": ["text", "label"] }
))]
pub struct Settings {
    /// One file with all rows, to be split: .csv, .tsv, .jsonl, .json or .parquet, plain or .gz, .zst, .zip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// Where `emberline fetch` gets the file at `path`: `https://...`, or `hf://datasets/ORG/NAME[@REVISION]/FILE` of the
    /// Hugging Face Hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The SHA-256 of the file at `path`, in hex; a file with another one is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The format of the data files, if the endings of their names don't say it: `csv`, `tsv`, `jsonl`, `parquet`, `fasttext` (lines
    /// such as `__label__a __label__b text`) or `label_first` (the first word of a line is its label, the rest its text).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<FileFormat>,
    /// A file with a label per line, for the file at `path`, which then has a text per line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels_path: Option<PathBuf>,
    /// The text column: its name, or its number (1 is the first) if the file has no header. Formats of lines need none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Column>,
    /// The label column; with `separator`, or as a list of 0/1 columns: multi-label. Formats of lines need none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<LabelColumns>,
    /// Where a label ends: with `":"`, the label `DESC:manner` is `DESC`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_until: Option<String>,
    /// A file with the names of labels that are numbers: a name per line, the first for the label 0; lines such as `0<TAB>NAME`; or
    /// JSON, a list of names or an object such as `{"0": "NAME"}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_names: Option<PathBuf>,
    /// The separator between the labels of a multi-label column, for example `","`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub separator: Option<String>,
    /// The label that counts as positive in a binary task: F1, precision, recall, PR-AUC and the threshold are of it. When
    /// left out: the label that says yes (`1`, `true`, `t`, `yes`, `y`, `positive`, `pos`, in any case) if exactly one of the
    /// two does, else the one with fewer rows in all files together; of equally many, the last in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positive: Option<String>,
    /// How to treat rows of the validation and test files with a label that no row of the training file has.
    #[serde(default)]
    pub unknown_labels: UnknownLabels,
    /// The delimiter between fields, one ASCII character; when left out, a comma for .csv and a tab for .tsv. Quotes follow
    /// RFC 4180 in .csv files and are ordinary characters in .tsv files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// Whether the first row holds the columns' names; when left out: whether columns are given by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<bool>,
    /// A file of training rows, instead of `path`; texts that are also in the files of the other splits are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<SplitFile>,
    /// A file of validation rows; texts that are also in the test file are left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid: Option<SplitFile>,
    /// A file of test rows; all of its texts stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<SplitFile>,
    /// A column that groups rows, such as an author: the rows of a group are all in one split. A row with an empty value is a
    /// group of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Column>,
    /// How to treat rows with the text of another row. Case, white space and invisible characters make no difference.
    #[serde(default)]
    pub duplicates: Duplicates,
    /// How the rows are split.
    #[serde(default)]
    pub split: Split,
}

impl Settings {
    /// Returns the settings for one file, with the default of every other key.
    pub fn new(path: impl Into<PathBuf>, text: Column, label: LabelColumns) -> Self {
        Self {
            path: Some(path.into()),
            url: None,
            sha256: None,
            format: None,
            labels_path: None,
            text: Some(text),
            label: Some(label),
            label_until: None,
            class_names: None,
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

    /// Returns the column of the texts; that of formats of lines is named `text`.
    pub fn text_column(&self) -> Column {
        self.text.clone().unwrap_or_else(|| Column::Name("text".to_owned()))
    }

    /// Returns the columns of the labels; that of formats of lines is named `label`.
    pub fn label_columns(&self) -> LabelColumns {
        self.label.clone().unwrap_or_else(|| LabelColumns::One(Column::Name("label".to_owned())))
    }

    /// Returns the same settings without the keys that change no result: the number of replicates, the first repeat (which equals
    /// a pipeline without repeats), the path of explicit rows, and `stratify` if it has its default.
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
}

/// `[data.train]`, `[data.valid]`, `[data.test]`: a file of one split's rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitFile {
    /// .csv, .tsv, .jsonl, .json or .parquet, plain or .gz, .zst, .zip.
    pub path: PathBuf,
    /// Where `emberline fetch` gets the file, as `url` of `[data]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The SHA-256 of the file, in hex; a file with another one is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// A file with a label per line, as `labels_path` of `[data]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels_path: Option<PathBuf>,
}

impl SplitFile {
    /// Returns a file that is not downloaded, and whose hash is not checked.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), url: None, sha256: None, labels_path: None }
    }
}

/// A column by name, or by number (1 is the first).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a column's name, or its number (1 is the first)")]
pub enum Column {
    /// Its name in the header.
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

/// How to treat validation and test rows with a label that no training row has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UnknownLabels {
    /// The data are refused; the message names the first such label, its file and line.
    #[default]
    Refuse,
    /// Such rows are left out, and counted. In a multi-label task: rows that have at least one such label.
    Drop,
    /// Such rows stay. No prediction can be right for them, so each counts as wrong in `accuracy`, and as a negative of every
    /// class in PR-AUC, ROC-AUC, F1, precision and recall; `loss`, which needs the right class, is the mean over the other
    /// rows. In a multi-label task: the labels that training has are scored as usual, and the others count in no metric.
    CountAsWrong,
}

/// How to treat duplicate texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Duplicates {
    /// The first row of each text stays; where the splits have files of their own, that of the most protected file: test
    /// before validation before training.
    #[default]
    Drop,
    /// Every row stays. If one file is split, duplicates are all in one split. If the splits have files of their own, or
    /// `split.rows` lists them, a text in two splits stays in both, as in published protocols; reports say so.
    Keep,
}

/// The column, or columns, of the labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a column's name or number, or a list of them")]
pub enum LabelColumns {
    /// One column: one class per row, or several with `separator`.
    One(Column),
    /// One column per class, each 0 or 1: multi-label.
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
