//! The state that an embedding learned from the training texts: together with the source's files and settings,
//! everything that is needed to embed a later text exactly as training did.
//!
//! | learned | by | content |
//! |---|---|---|
//! | words and their vectors | `corpus` | the whole table |
//! | weights of words | `word_vectors` with `weights` | a weight per word of the training texts, and the weight of all other words |
//! | a projection | every source with `reduce = "pca"` | the principal directions `[from, dim]` |
//!
//! Random projections and the tables of `hashing` aren't stored, because they follow from the settings. [`mod@file`]
//! is the file format. Equal states give equal bytes, so that a state can be stored by its content and shared.

pub(crate) mod file;

use std::path::Path;
use std::sync::Arc;

use emberline_base::{Digest, Matrix, OutOfMemory};

use crate::Error;
use crate::reduce::Projection;

/// What a source learned from the training texts.
#[derive(Clone, Debug, PartialEq)]
pub enum Learned {
    /// A table with a row per word.
    Table(LearnedTable),
    /// The factors of the words' rows.
    Weights(WordWeights),
}

/// Words and their vectors.
#[derive(Clone, Debug, PartialEq)]
pub struct LearnedTable {
    /// The words, in the order of the rows.
    pub words: Vec<String>,
    /// Their vectors, `[words, dim]`.
    pub table: Arc<Matrix>,
}

/// Weights of words, computed from their counts in the training texts.
#[derive(Clone, Debug, PartialEq)]
pub struct WordWeights {
    /// The words of the training texts, in the order of their bytes.
    pub words: Vec<String>,
    /// A weight per word.
    pub weights: Vec<f32>,
    /// The weight of a word that is in no training text.
    pub unseen: f32,
}

impl WordWeights {
    /// Returns the weight of a word.
    pub(crate) fn of(&self, word: &[u8]) -> f32 {
        let found = self.words.binary_search_by(|known| known.as_bytes().cmp(word));
        found.map_or(self.unseen, |at| self.weights[at])
    }
}

/// What an embedding learned from the training texts, with the digests that identify the embedding.
#[derive(Clone, Debug, PartialEq)]
pub struct LearnedState {
    /// What the source learned.
    pub(crate) source: Option<Learned>,
    /// The projection that reduces its vectors.
    pub(crate) projection: Option<Arc<Projection>>,
    /// The digest of the embedding without the training texts, which it must have when it is reopened.
    pub(crate) origin: Digest,
    /// The digest of the opened source.
    pub(crate) content: Digest,
    /// The digest of the embedding.
    pub(crate) embedding: Digest,
}

impl LearnedState {
    /// Returns the digest of the embedding that learned this state, as [`features::digest`](crate::features::digest)
    /// gave it in training.
    pub fn embedding(&self) -> &Digest {
        &self.embedding
    }

    /// Returns the bytes of the state's file. Equal states give equal bytes.
    ///
    /// # Errors
    /// When there is too little memory.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, OutOfMemory> {
        file::write(self)
    }

    /// Parses the bytes of a state's file; `path` is named in errors.
    ///
    /// # Errors
    /// When the bytes are truncated or damaged, or were written by a newer version.
    pub fn from_safetensors(bytes: &[u8], path: &Path) -> Result<Self, Error> {
        file::read(bytes).map_err(|reason| Error::format(path, reason))
    }

    /// Reads a state's file.
    ///
    /// # Errors
    /// When the file can't be read, is truncated or damaged, or was written by a newer version.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::from_safetensors(&emberline_base::file::read(path)?, path)
    }
}
