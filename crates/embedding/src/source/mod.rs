//! The embedding sources. To add one: a file here, and a variant and its arms below.

pub mod corpus;
pub mod hashing;
pub mod tfhub;
pub mod word_vectors;
mod words;

use std::path::Path;

use emberline_base::{Combiner, Digest, Fault};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Error;

/// `[embedding.NAME.KIND]`: where vectors come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Source {
    /// A text module of TensorFlow Hub, read from its SavedModel.
    Tfhub(tfhub::Settings),
    /// Word vectors: word2vec binary or text, GloVe.
    WordVectors(word_vectors::Settings),
    /// A table of a chosen size, words hashed to its rows.
    Hashing(hashing::Settings),
    /// Vectors of a chosen size, learned from the pipeline's own training texts.
    Corpus(corpus::Settings),
}

/// The texts that a source is opened for.
#[derive(Clone, Copy, Debug)]
pub struct Texts<'a> {
    /// Every text that will be embedded.
    pub all: &'a [&'a str],
    /// The training texts alone: what a source may learn from.
    pub train: &'a [&'a str],
}

/// An opened source: token ids of a text, and rows of a table.
///
/// Ids are stable for the opened source and always below [`rows`](Lookup::rows).
pub trait Lookup: Send + Sync {
    /// The length of a row.
    fn dim(&self) -> usize;

    /// The rows of the whole table as its file holds it, out-of-vocabulary rows included: what
    /// Keras counts as parameters, divided by `dim`. May exceed [`rows`](Lookup::rows) where only the
    /// rows that occur were loaded.
    fn table_rows(&self) -> u64;

    /// The rows that can be asked for.
    fn rows(&self) -> usize;

    /// The row of every token of a text, in order, appended to `ids`. Texts are bytes: they need not be UTF-8.
    fn token_ids(&self, text: &[u8], ids: &mut Vec<u32>);

    /// One row, `[dim]`.
    fn row(&self, id: u32) -> &[f32];

    /// How a text's rows become one vector.
    fn combiner(&self) -> Combiner;

    /// The content address of everything that decides a text's vector: file contents and settings,
    /// never paths or times.
    fn digest(&self) -> Digest;
}

impl Source {
    /// The kind's name in a pipeline file.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Tfhub(_) => "tfhub",
            Self::WordVectors(_) => "word_vectors",
            Self::Hashing(_) => "hashing",
            Self::Corpus(_) => "corpus",
        }
    }

    /// Whether training moves the table.
    pub fn trainable(&self) -> bool {
        match self {
            Self::Tfhub(s) => s.trainable,
            Self::WordVectors(s) => s.trainable,
            Self::Hashing(s) => s.trainable,
            Self::Corpus(s) => s.trainable,
        }
    }

    /// Whether its vectors are random and no seed is given: the pipeline then gives its own.
    pub fn lacks_seed(&self) -> bool {
        match self {
            Self::Tfhub(_) | Self::WordVectors(_) => false,
            Self::Hashing(s) => s.seed.is_none(),
            Self::Corpus(s) => s.seed.is_none(),
        }
    }

    /// What is wrong with the settings, whatever the files and texts.
    pub fn faults(&self) -> Vec<Fault> {
        match self {
            Self::Tfhub(s) => s.faults(),
            Self::WordVectors(s) => s.faults(),
            Self::Hashing(s) => s.faults(),
            Self::Corpus(s) => s.faults(),
        }
    }

    /// The same source with its table at rest: what frozen and tuned cells share.
    #[must_use]
    pub fn frozen(&self) -> Self {
        let mut frozen = self.clone();
        match &mut frozen {
            Self::Tfhub(s) => s.trainable = false,
            Self::WordVectors(s) => s.trainable = false,
            Self::Hashing(s) => s.trainable = false,
            Self::Corpus(s) => s.trainable = false,
        }
        frozen
    }

    /// Reads the source's files (paths relative to `base`), or learns its vectors, for these texts.
    ///
    /// # Errors
    /// When a file is missing, damaged or not of the kind.
    pub fn open(&self, base: &Path, texts: Texts<'_>) -> Result<Box<dyn Lookup>, Error> {
        Ok(match self {
            Self::Tfhub(s) => Box::new(tfhub::open(s, base)?),
            Self::WordVectors(s) => Box::new(word_vectors::open(s, base, texts)?),
            Self::Hashing(s) => Box::new(hashing::open(s)?),
            Self::Corpus(s) => Box::new(corpus::open(s, texts)?),
        })
    }
}
