//! What the inputs of cells are, in so many words that a change of them can be named: noted in the run folder for `explain`,
//! and in the lock.

use std::collections::BTreeMap;

use emberline_base::{Digest, Splits};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// A dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataFacts {
    /// Of the texts and labels of every split, in order: what cells depend on.
    pub digest: Digest,
    /// The rows of all files.
    pub rows_read: usize,
    /// The SHA-256 of every file, by its path in the pipeline file.
    pub files: BTreeMap<String, String>,
    /// The positive class of a binary task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positive: Option<String>,
    /// The rows of every split.
    pub splits: Splits<SplitFacts>,
}

/// The rows of one split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitFacts {
    /// All of them.
    pub rows: usize,
    /// Of the texts and labels, in order.
    pub digest: Digest,
    /// Rows a class.
    pub classes: IndexMap<String, usize>,
}

/// An embedding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingFacts {
    /// Its name in the pipeline file.
    pub name: String,
    /// Its kind, such as `tfhub`.
    pub kind: String,
    /// Of everything that decides its vectors: what cells depend on.
    pub digest: Digest,
    /// Of its files and how texts become tokens; where it learns from the training texts, of those.
    pub content: Digest,
}
