//! What an embedding hands to training: a fixed vector a text, or bags of rows of a table
//! that training may move.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Matrix;

/// How the vectors of a text's tokens become one vector.
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
    /// Whether a text's vector is a weighted sum of its rows.
    pub fn is_linear(self) -> bool {
        self != Self::Max
    }

    /// What the sum over `tokens` rows is multiplied by. 0 tokens: 0. A maximum is of one row a column: 1.
    pub fn weight(self, tokens: usize) -> f32 {
        match (self, tokens) {
            (_, 0) => 0.0,
            (Self::Sum | Self::Max, _) => 1.0,
            (Self::Mean, n) => 1.0 / n as f32,
            (Self::Sqrtn, n) => 1.0 / (n as f32).sqrt(),
        }
    }
}

/// The token ids of a list of texts, as rows of one table.
#[derive(Clone, Debug, PartialEq)]
pub struct Bags {
    /// The table's rows, `[rows, dim]`; shared by all splits.
    pub table: Arc<Matrix>,
    /// The row that each row of `table` has in its source, by which a trained row is found again; shared by all splits.
    pub rows: Arc<[u32]>,
    /// How a text's rows become one vector.
    pub combiner: Combiner,
    /// Whether that vector is then scaled to length 1 (the vector 0 stays).
    pub normalize: bool,
    /// `texts + 1` positions in `ids`: text `i` holds `ids[offsets[i]..offsets[i + 1]]`.
    pub offsets: Vec<usize>,
    /// Rows of `table`, text after text; repeated tokens are repeated.
    pub ids: Vec<u32>,
}

impl Bags {
    /// The rows of one text.
    pub fn of_text(&self, text: usize) -> &[u32] {
        &self.ids[self.offsets[text]..self.offsets[text + 1]]
    }
}

/// Which rows of its source the rows of a fine-tuned table are: a model keeps them beside the table, so that the rows are
/// found again when the source is opened for other texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TunedRows {
    /// The source's row of every row of the table.
    pub ids: Vec<u32>,
    /// The word of each, `""` for a row without one; none if the source has no words.
    pub words: Option<Vec<String>>,
}

/// Several layers of an encoder, whose weighted sum is a text's vector. Training moves the weights: the sum is
/// `gamma * softmax(weights) . layers` (Peters et al., "Deep contextualized word representations", 2018).
#[derive(Clone, Debug, PartialEq)]
pub struct Layered {
    /// The layers of a text one behind another, `[texts, layers * dim]`.
    pub vectors: Matrix,
    /// How many.
    pub layers: usize,
}

/// What stands for the texts of one split.
#[derive(Clone, Debug, PartialEq)]
pub enum Features {
    /// A fixed vector a text, `[texts, dim]`.
    Frozen(Matrix),
    /// Bags over a table that is trained along.
    Tuned(Bags),
    /// Layers whose mix is trained along.
    Mixed(Layered),
}

impl Features {
    /// The number of texts.
    pub fn texts(&self) -> usize {
        match self {
            Self::Frozen(matrix) => matrix.rows(),
            Self::Tuned(bags) => bags.offsets.len() - 1,
            Self::Mixed(layered) => layered.vectors.rows(),
        }
    }

    /// The length of a text's vector.
    pub fn dim(&self) -> usize {
        match self {
            Self::Frozen(matrix) => matrix.cols(),
            Self::Tuned(bags) => bags.table.cols(),
            Self::Mixed(layered) => layered.vectors.cols() / layered.layers,
        }
    }
}
