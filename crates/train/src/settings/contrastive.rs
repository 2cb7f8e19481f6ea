//! `train.contrastive`: how a sentence encoder is trained on pairs of texts before the head.
//!
//! The defaults are SetFit's (Tunstall et al., "Efficient few-shot learning without prompts", 2022): 20 pairs of each kind per
//! row, one epoch, 16 pairs per step.

use emberline_base::Fault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `{ pairs = 20 }`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Contrastive {
    /// The number of pairs with another text of the same label, and of pairs with a text of another label, that every training
    /// row begins in an epoch.
    #[schemars(range(min = 1))]
    pub pairs: u32,
    /// The number of epochs, each with pairs of its own.
    #[schemars(range(min = 1))]
    pub epochs: u32,
    /// The number of pairs per batch.
    #[schemars(range(min = 1))]
    pub batch_size: u32,
}

impl Default for Contrastive {
    fn default() -> Self {
        Self { pairs: 20, epochs: 1, batch_size: 16 }
    }
}

impl Contrastive {
    pub(super) fn faults(self) -> Vec<Fault> {
        let Self { pairs, epochs, batch_size } = self;
        let zero = [("pairs", pairs), ("epochs", epochs), ("batch_size", batch_size)];
        let zero = zero.into_iter().filter(|(_, value)| *value == 0);
        zero.map(|(key, _)| Fault::new(key, format!("`{key}` is 0"), "use 1 or more")).collect()
    }
}
