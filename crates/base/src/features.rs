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
}

impl Combiner {
    /// What the sum over `tokens` rows is multiplied by. 0 tokens: 0.
    pub fn weight(self, tokens: usize) -> f32 {
        match (self, tokens) {
            (_, 0) => 0.0,
            (Self::Sum, _) => 1.0,
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
    /// How a text's rows become one vector.
    pub combiner: Combiner,
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

/// What stands for the texts of one split.
#[derive(Clone, Debug, PartialEq)]
pub enum Features {
    /// A fixed vector a text, `[texts, dim]`.
    Frozen(Matrix),
    /// Bags over a table that is trained along.
    Tuned(Bags),
}

impl Features {
    /// The number of texts.
    pub fn texts(&self) -> usize {
        match self {
            Self::Frozen(matrix) => matrix.rows(),
            Self::Tuned(bags) => bags.offsets.len() - 1,
        }
    }

    /// The length of a text's vector.
    pub fn dim(&self) -> usize {
        match self {
            Self::Frozen(matrix) => matrix.cols(),
            Self::Tuned(bags) => bags.table.cols(),
        }
    }
}
