//! Descriptions of the inputs of cells, detailed enough to name what changed. They are stored in the run folder for
//! `explain`, and in the lock.

use std::collections::BTreeMap;

use emberline_base::{Digest, Splits};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::row_sketch::RowSketch;

/// Describes a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataFacts {
    /// The digest of the texts and labels of every split, in order. Cells depend on it.
    pub digest: Digest,
    /// The number of rows of all files.
    pub rows_read: usize,
    /// The SHA-256 of every file, by its path in the pipeline file.
    pub files: BTreeMap<String, String>,
    /// The rows of every file of rows, by the same path. Empty in descriptions that earlier versions stored.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rows: BTreeMap<String, FileRows>,
    /// The positive class of a binary task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positive: Option<String>,
    /// The rows of every split.
    pub splits: Splits<SplitFacts>,
}

/// Describes the rows of one file, so that rows that are added or removed later can be named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRows {
    /// The number of rows, including those without a text or a label.
    pub rows: usize,
    /// The number of rows per class.
    pub classes: IndexMap<String, usize>,
    /// A sketch of the rows' texts and classes.
    pub sketch: RowSketch,
}

/// Describes the rows of one split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitFacts {
    /// The number of rows.
    pub rows: usize,
    /// The digest of the texts and labels, in order.
    pub digest: Digest,
    /// The number of rows per class.
    pub classes: IndexMap<String, usize>,
}

/// Describes an embedding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingFacts {
    /// Its name in the pipeline file.
    pub name: String,
    /// Its kind, such as `tfhub`.
    pub kind: String,
    /// The digest of everything that decides the vectors. Cells depend on it.
    pub digest: Digest,
    /// The digest of the files and the tokenisation; for an embedding that learns from the training texts, the digest
    /// of those texts.
    pub content: Digest,
}

impl EmbeddingFacts {
    /// Returns whether its content is that of files, and not of texts that it learned from, nor of nothing but settings.
    pub(crate) fn is_of_files(&self) -> bool {
        !matches!(self.kind.as_str(), "corpus" | "hashing")
    }
}
