//! Estimates the memory that fine-tuning takes.

use std::path::Path;

use super::{Described, HostEncoder, Inner, Scope, described, lacks};
use crate::sentence_transformer::modules::Modules;
use crate::sentence_transformer::stage::Stage;
use crate::transformer::{self, Config, Transformer};
use crate::{Error, Precision};

/// The bytes that fine-tuning takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// The arrays that aren't trained.
    pub frozen: u64,
    /// The trained arrays, once: an optimiser needs the gradients and its own arrays too.
    pub trained: u64,
    /// What the forward pass of a batch keeps for the gradients.
    pub activations: u64,
}

impl HostEncoder {
    /// Estimates the memory of training on batches of `texts` texts of up to `tokens` tokens.
    pub fn memory(&self, texts: usize, tokens: usize) -> Memory {
        let Inner { encoder, outline, scope, arrays, .. } = &*self.0;
        let precision = encoder.transformer.precision();
        estimate(outline, *scope, (self.parameters(), arrays), (texts, tokens), precision)
    }
}

impl Memory {
    /// Estimates the memory of training the model in a folder on batches of `texts` texts of up to `tokens` tokens, from the
    /// headers of its files.
    ///
    /// # Errors
    /// If a file is missing or corrupt, or the scope doesn't fit the model.
    pub fn of(
        folder: &Path,
        scope: Scope,
        (texts, tokens): (usize, usize),
        precision: Precision,
    ) -> Result<Self, Error> {
        let modules = Modules::read(folder)?;
        let config = Config::read(&modules.transformer)?;
        let mut weights = transformer::open_weights(&modules.transformer)?.without_values();
        let model = Transformer::read(&config, &mut weights)?;
        if let Some(reason) = lacks(&model, scope) {
            return Err(Error::format(folder, reason));
        }
        let mut dim = modules.pooling(model.hidden)?.dim(model.hidden);
        let stages: Vec<_> =
            modules.after_pooling.iter().map(|module| Stage::read(module, &mut dim)).collect::<Result<_, _>>()?;
        let stages: Vec<Stage> = stages.into_iter().flatten().collect();
        let arrays = described(&model, &weights, (&stages, folder), scope);
        let parameters = weights.parameters() + stages.iter().map(Stage::parameters).sum::<u64>();
        Ok(estimate(&model, scope, (parameters, &arrays), (texts, tokens), precision))
    }
}

fn estimate(
    model: &Transformer,
    scope: Scope,
    (parameters, arrays): (u64, &[Described]),
    (texts, tokens): (usize, usize),
    precision: Precision,
) -> Memory {
    const SIZE: u64 = size_of::<f32>() as u64;
    let trained: u64 = arrays.iter().map(|array| array.shape.iter().product::<usize>() as u64).sum();
    let frozen = match scope {
        Scope::Lora { .. } => parameters,
        Scope::All | Scope::Last(_) => parameters - trained,
    };
    let deep = match scope {
        Scope::Last(count) => count,
        Scope::All | Scope::Lora { .. } => model.order.len(),
    };
    let widest = model.layers.iter().map(|layer| layer.up.outputs).max().unwrap_or(0);
    // Per token and layer: the inputs of four linear maps, two normalised states, and queries, keys and values, twice for what is
    // on its way; the feed-forward's values and slopes.
    let per_token = 6 * model.hidden + 2 * model.heads.stride() + 2 * widest;
    // Weights of attention, one per head and token that a token may attend to: those that every layer keeps, and those that one layer
    // computes with. In mixed precision, attention is composed of operations that round, on padded texts. The peaks of seven fits on the
    // CPU are between 0.8 and 1.05 times what this says: tiny ModernBERT and T5 models on 4 texts of 1,500 tokens, all-MiniLM-L6-v2 on 16
    // of 512.
    let weights = match precision {
        Precision::F32 | Precision::I8 => deep + 2,
        Precision::Bf16 => 2 * deep + 7,
    };
    let per_token = per_token * deep + 4 * model.hidden + model.heads.count * tokens * weights;
    let activations = (texts * tokens * per_token) as u64;
    Memory { frozen: frozen * SIZE, trained: trained * SIZE, activations: activations * SIZE }
}
