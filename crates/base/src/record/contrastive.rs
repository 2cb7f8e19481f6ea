//! How an encoder was trained on pairs of texts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The training of an encoder on pairs of texts, before the head's.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Contrastive {
    /// The number of pairs of all epochs.
    pub pairs: u64,
    /// The number of steps.
    pub steps: u32,
    /// The mean loss of all pairs after training: the square of what a pair's cosine lacks to 1 if the labels are equal, and to
    /// 0 if they aren't.
    pub loss: f64,
    /// Wall time in seconds, which is a part of the cell's.
    pub seconds: f64,
}
