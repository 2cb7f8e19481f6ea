//! Training features of a list of texts: one fixed vector per text for a frozen embedding, bags of table rows for a
//! fine-tuned one, the layers of an encoder whose mix is trained, or token ids for an encoder whose weights are.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Matrix;

/// How the vectors of a text's tokens are combined into one vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Combiner {
    /// The sum over tokens.
    Sum,
    /// The sum divided by the number of tokens.
    Mean,
    /// The sum divided by the square root of the number of tokens.
    Sqrtn,
    /// The largest value of each column.
    Max,
}

impl Combiner {
    /// Returns whether a text's vector is a weighted sum of its token vectors.
    pub fn is_linear(self) -> bool {
        self != Self::Max
    }

    /// Returns the factor that the sum over `tokens` rows is multiplied by: 0 for no tokens, and 1 for a maximum, which
    /// takes each column from a single row.
    pub fn weight(self, tokens: usize) -> f32 {
        match (self, tokens) {
            (_, 0) => 0.0,
            (Self::Sum | Self::Max, _) => 1.0,
            (Self::Mean, n) => 1.0 / n as f32,
            (Self::Sqrtn, n) => 1.0 / (n as f32).sqrt(),
        }
    }
}

/// Bags of tokens: the token ids of a list of texts, as row numbers of one trainable table.
#[derive(Clone, Debug, PartialEq)]
pub struct Bags {
    /// The rows of the embedding table that occur in the texts, `[rows, dim]`; shared by all splits.
    pub table: Arc<Matrix>,
    /// The row number in the source's whole table of each row of `table`, `[rows]`, which identifies a trained row later;
    /// shared by all splits.
    pub rows: Arc<[u32]>,
    /// How a text's rows are combined into one vector.
    pub combiner: Combiner,
    /// Whether that vector is then scaled to length 1 (a zero vector stays zero).
    pub normalize: bool,
    /// The bounds of the texts in `ids`, `[texts + 1]`: text `i` has the ids `ids[offsets[i]..offsets[i + 1]]`.
    pub offsets: Vec<usize>,
    /// Row numbers of `table`, text after text; a repeated token is repeated.
    pub ids: Vec<u32>,
}

impl Bags {
    /// Returns the row numbers of one text, counted from 0.
    pub fn of_text(&self, text: usize) -> &[u32] {
        &self.ids[self.offsets[text]..self.offsets[text + 1]]
    }
}

/// The token ids of a list of texts, for an encoder that is fine-tuned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenSequences {
    /// The ids, text after text.
    pub ids: Vec<u32>,
    /// The bounds of the texts in `ids`, `[texts + 1]`: text `i` has the ids `ids[offsets[i]..offsets[i + 1]]`.
    pub offsets: Vec<usize>,
}

impl TokenSequences {
    /// Joins the ids of texts.
    pub fn of_texts<'a>(texts: impl IntoIterator<Item = &'a [u32]>) -> Self {
        let (mut ids, mut offsets) = (Vec::new(), vec![0]);
        for text in texts {
            ids.extend_from_slice(text);
            offsets.push(ids.len());
        }
        Self { ids, offsets }
    }

    /// Returns the number of texts.
    pub fn texts(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Returns the ids of one text, counted from 0.
    pub fn of_text(&self, text: usize) -> &[u32] {
        &self.ids[self.offsets[text]..self.offsets[text + 1]]
    }
}

/// Maps the rows of a fine-tuned table to the rows of its source. A model stores the map beside the table, so that the rows are
/// found again when the source is opened for other texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunedRows {
    /// For every row of the table, the row of the source.
    pub ids: Vec<u32>,
    /// The word of each row, `""` for a row without one; `None` if the source has no words.
    pub words: Option<Vec<String>>,
}

/// Layer vectors of an encoder, whose weighted sum is a text's vector. Training changes the weights: the sum is
/// `gamma * softmax(weights) . layers` (Peters et al., "Deep contextualized word representations", 2018).
#[derive(Clone, Debug, PartialEq)]
pub struct LayerStack {
    /// The layer vectors of each text, concatenated in the order of the layers, `[texts, layers * dim]`.
    pub vectors: Matrix,
    /// The number of layers.
    pub layers: usize,
}

/// The training features of the texts of one split.
#[derive(Clone, Debug, PartialEq)]
pub enum Features {
    /// A frozen embedding: one fixed vector per text, `[texts, dim]`.
    Frozen(Matrix),
    /// A fine-tuned embedding: bags of rows of a table that is trained with the head.
    Trainable(Bags),
    /// A frozen encoder with a trained layer mix: the weights of its layers are trained with the head.
    Mixed(LayerStack),
    /// An encoder whose weights are trained with the head.
    Tokens {
        /// The token ids of the texts.
        sequences: TokenSequences,
        /// The length of a text's vector.
        dim: usize,
    },
}

impl Features {
    /// Returns the number of texts.
    pub fn texts(&self) -> usize {
        match self {
            Self::Frozen(matrix) => matrix.rows(),
            Self::Trainable(bags) => bags.offsets.len() - 1,
            Self::Mixed(layered) => layered.vectors.rows(),
            Self::Tokens { sequences, .. } => sequences.texts(),
        }
    }

    /// Returns the dimension of a text's vector.
    pub fn dim(&self) -> usize {
        match self {
            Self::Frozen(matrix) => matrix.cols(),
            Self::Trainable(bags) => bags.table.cols(),
            Self::Mixed(layered) => layered.vectors.cols() / layered.layers,
            Self::Tokens { dim, .. } => *dim,
        }
    }
}
