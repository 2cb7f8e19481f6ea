//! What an embedding learned from the training texts: with the source's own files and settings it is everything that is
//! needed to embed a later text exactly as training did.
//!
//! | learned | by | |
//! |---|---|---|
//! | words and their vectors | `corpus` | the whole table |
//! | weights of words | `word_vectors` with `weights` | a weight per word of the training texts, and that of all other words |
//! | a projection | every source with `reduce = "pca"` | the principal directions `[from, dim]` |
//!
//! Random projections and the tables of `hashing` are not among them: they follow from the settings. [`mod@file`] is the file
//! format. Equal states give equal bytes, so that a state can be stored by its content and shared.

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
    /// What the rows of words are multiplied by.
    Weights(WordWeights),
}

/// Words and their vectors, learned from the training texts.
#[derive(Clone, Debug, PartialEq)]
pub struct LearnedTable {
    /// The words, in the order of the rows.
    pub words: Vec<String>,
    /// Their vectors, `[words, dim]`.
    pub table: Arc<Matrix>,
}

/// Weights of words by their counts in the training texts.
#[derive(Clone, Debug, PartialEq)]
pub struct WordWeights {
    /// The words of the training texts, in the order of their bytes.
    pub words: Vec<String>,
    /// A weight per word.
    pub weights: Vec<f32>,
    /// The weight of a word that no training text has.
    pub unseen: f32,
}

impl WordWeights {
    /// The weight of a word.
    pub(crate) fn of(&self, word: &[u8]) -> f32 {
        let found = self.words.binary_search_by(|known| known.as_bytes().cmp(word));
        found.map_or(self.unseen, |at| self.weights[at])
    }
}

/// What an embedding learned from the training texts, and which embedding that is.
#[derive(Clone, Debug, PartialEq)]
pub struct LearnedState {
    /// What the source learned.
    pub(crate) source: Option<Learned>,
    /// How its vectors are made shorter.
    pub(crate) projection: Option<Arc<Projection>>,
    /// The digest of the embedding without the training texts: what it must have when it is opened again.
    pub(crate) origin: Digest,
    /// The digest of the opened source.
    pub(crate) content: Digest,
    /// The digest of the embedding.
    pub(crate) embedding: Digest,
}

impl LearnedState {
    /// The digest of the embedding that learned it, as [`features::digest`](crate::features::digest) gave it in training.
    pub fn embedding(&self) -> &Digest {
        &self.embedding
    }

    /// The bytes of its file. Equal states give equal bytes.
    ///
    /// # Errors
    /// When there is no memory for them.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, OutOfMemory> {
        file::write(self)
    }

    /// Reads the bytes of its file; `path` is named in errors.
    ///
    /// # Errors
    /// When the bytes are cut or damaged, or were written by a newer version.
    pub fn from_safetensors(bytes: &[u8], path: &Path) -> Result<Self, Error> {
        file::read(bytes).map_err(|reason| Error::format(path, reason))
    }

    /// Reads its file.
    ///
    /// # Errors
    /// When the file can't be read, is cut or damaged, or was written by a newer version.
    pub fn read(path: &Path) -> Result<Self, Error> {
        Self::from_safetensors(&emberline_base::file::read(path)?, path)
    }
}
