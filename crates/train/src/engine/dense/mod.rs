//! The engine for heads of dense layers on the CPU: one fused step, on one thread.
//!
//! It takes frozen vectors, or bags of rows of a fine-tuned table, and supports every loss, optimiser and activation;
//! dropout, layer normalisation, mixed layers, and gradients clipped by their common norm (which is known only when an
//! optimiser has used them) are left to Burn. Compared with Burn's tensors it saves what most of a small head's step
//! consists of: allocations, bookkeeping of gradients, and passes over memory. The gradients are written by hand; an
//! optimiser updates a kernel while its gradient is still in registers; of a fine-tuned table, only the rows of a batch
//! are updated (`table.rs`).
//!
//! A row's logits don't depend on the other rows, and nothing depends on the number of threads or the width of
//! registers: the products are those of `emberline_kernels`.

mod activation;
mod layer;
mod lazy;
mod network;
mod norm;
mod rule;
mod series;
mod table;
#[cfg(test)]
mod tests;
mod trainer;

use emberline_base::{Features, Matrix, OutOfMemory, SplitName};

pub(crate) use self::network::{Network, Vectors};
pub(super) use self::rule::{Adjustment, AnyRule};
use self::trainer::HeadTrainer;
use super::{Engine, EngineSpec, EpochInput};
use crate::head::Step;
use crate::settings::Clip;
use crate::weights::{TrainingState, Weights};

/// One head of dense layers.
pub(super) struct DenseEngine<'a>(HeadTrainer<'a>);

/// Returns whether this engine can train a spec.
pub(super) fn supports(spec: &EngineSpec<'_>) -> bool {
    let EngineSpec {
        architecture,
        optimizer,
        objective: _,
        clip,
        l2: _,
        batch_size: _,
        seed: _,
        features,
        targets: _,
        weights: _,
        encoder: _,
    } = spec;
    let has_dense_steps_only = architecture.steps.iter().all(|step| match step {
        Step::Dense { .. } => true,
        Step::Dropout { .. } | Step::LayerNorm { .. } => false,
    });
    let has_supported_clip = match clip {
        None | Some(Clip::Value(_)) => true,
        Some(Clip::Norm(_)) => false,
    };
    let has_supported_features = match features.train {
        Features::Frozen(_) => true,
        // Weight decay moves even rows whose gradients have always been 0.
        Features::Trainable(_) => optimizer.leaves_untouched_rows(),
        Features::Mixed(_) | Features::Tokens { .. } => false,
    };
    has_dense_steps_only && has_supported_clip && has_supported_features
}

impl<'a> DenseEngine<'a> {
    /// Creates the engine for a spec that it [`supports`].
    ///
    /// # Errors
    /// If there is not enough memory.
    pub(super) fn new(spec: &EngineSpec<'a>) -> Result<Self, OutOfMemory> {
        HeadTrainer::new(spec).map(Self)
    }
}

impl Engine for DenseEngine<'_> {
    fn train_epoch(&mut self, _: u32, inputs: &[EpochInput]) -> Vec<Matrix> {
        let train = |input: &EpochInput| self.0.train_epoch(&input.order, &input.learning_rates);
        inputs.iter().map(train).collect()
    }

    fn logits(&mut self, split: SplitName) -> Vec<Matrix> {
        vec![self.0.logits(split)]
    }

    fn weights(&self, _: &[usize], old: Vec<Weights>) -> Vec<Weights> {
        old.into_iter().map(|old| self.0.weights(old)).collect()
    }

    /// Does nothing: the engine has one model, which stays active.
    fn retain(&mut self, _: &[usize]) {}

    fn load(&mut self, weights: &[&Weights]) {
        weights.iter().for_each(|weights| self.0.load(weights));
    }

    fn states(&self, positions: &[usize]) -> Vec<TrainingState> {
        positions.iter().map(|_| self.0.state()).collect()
    }

    fn resume(&mut self, states: &[&TrainingState]) {
        states.iter().for_each(|state| self.0.resume(state));
    }
}
