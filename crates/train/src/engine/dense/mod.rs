//! The engine for heads of dense layers on the processor: one fused step, on one thread.
//!
//! Frozen vectors or bags over a tuned table enter; every loss, optimiser and activation is here, dropout and mixed layers
//! aren't (Burn's). Against Burn's tensors it saves what a step of a small head mostly consists of: new arrays, bookkeeping
//! of gradients, and passes over memory. Gradients are written by hand; an optimiser moves a kernel while its gradient is
//! still in registers; of a tuned table, only the rows of a batch are touched (`table.rs`).
//!
//! A row's logits don't depend on the rows beside it, and nothing on the number of threads or the width of registers.

mod activation;
mod idle;
mod layer;
mod network;
mod panels;
mod product;
mod rule;
mod series;
mod table;
#[cfg(test)]
mod tests;
mod trainer;

use emberline_base::{Features, Matrix, OutOfMemory, SplitName};

pub(crate) use self::network::{Network, Vectors};
use self::trainer::HeadTrainer;
use super::{Engine, EngineSpec, EpochInput};
use crate::head::Step;
use crate::weights::{State, Weights};

/// One head of dense layers.
pub(super) struct DenseEngine<'a>(HeadTrainer<'a>);

/// Whether this engine can train what is asked for.
pub(super) fn fits(spec: &EngineSpec<'_>) -> bool {
    let dense = spec.architecture.steps.iter().all(|step| matches!(step, Step::Dense { .. }));
    let known = match spec.features.train {
        Features::Frozen(_) => true,
        // Weight decay moves even rows whose gradients have always been 0.
        Features::Tuned(_) => spec.optimizer.leaves_untouched_rows(),
        Features::Mixed(_) => false,
    };
    dense && known
}

impl<'a> DenseEngine<'a> {
    /// For a spec that [`fits`].
    ///
    /// # Errors
    /// When there is no memory for it.
    pub(super) fn new(spec: &EngineSpec<'a>) -> Result<Self, OutOfMemory> {
        HeadTrainer::new(spec).map(Self)
    }
}

impl Engine for DenseEngine<'_> {
    fn train_epoch(&mut self, _: u32, inputs: &[EpochInput]) -> Vec<Matrix> {
        let train = |input: &EpochInput| self.0.train_epoch(&input.order, input.learning_rate);
        inputs.iter().map(train).collect()
    }

    fn logits(&mut self, split: SplitName) -> Vec<Matrix> {
        vec![self.0.logits(split)]
    }

    fn weights(&self, _: &[usize], old: Vec<Weights>) -> Vec<Weights> {
        old.into_iter().map(|old| self.0.weights(old)).collect()
    }

    /// There is one, and it stays.
    fn keep(&mut self, _: &[usize]) {}

    fn load(&mut self, weights: &[&Weights]) {
        weights.iter().for_each(|weights| self.0.load(weights));
    }

    fn states(&self, places: &[usize]) -> Vec<State> {
        places.iter().map(|_| self.0.state()).collect()
    }

    fn resume(&mut self, states: &[&State]) {
        states.iter().for_each(|state| self.0.resume(state));
    }
}
