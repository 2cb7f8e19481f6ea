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
mod model;
mod panels;
mod product;
mod rule;
mod series;
mod table;
#[cfg(test)]
mod tests;

use emberline_base::{Features, Matrix, SplitName};

use self::model::Model;
use super::{Blueprint, Engine, Turn};
use crate::head::Step;
use crate::weights::Weights;

/// Heads of dense layers, each with its own step: a processor gains nothing from taking the steps of several as one.
pub(super) struct DenseEngine<'a> {
    /// All that there are.
    models: Vec<Model<'a>>,
    /// Those that are in.
    present: Vec<usize>,
}

/// Whether this engine can train what is asked for.
pub(super) fn fits(blueprint: &Blueprint<'_>) -> bool {
    let dense = blueprint.architecture.steps.iter().all(|step| matches!(step, Step::Dense { .. }));
    let known = match blueprint.features.train {
        Features::Frozen(_) => true,
        // Weight decay moves even rows whose gradients have always been 0.
        Features::Tuned(_) => blueprint.optimizer.leaves_untouched_rows(),
        Features::Mixed(_) => false,
    };
    dense && known
}

impl<'a> DenseEngine<'a> {
    /// For blueprints that [`fits`].
    pub(super) fn new(blueprints: &[Blueprint<'a>]) -> Self {
        Self { models: blueprints.iter().map(Model::new).collect(), present: (0..blueprints.len()).collect() }
    }
}

impl Engine for DenseEngine<'_> {
    fn train_epoch(&mut self, _: u32, batch_size: usize, turns: &[Turn]) -> Vec<Matrix> {
        let train = |(&model, turn): (&usize, &Turn)| {
            self.models[model].train_epoch(&turn.order, batch_size, turn.learning_rate)
        };
        self.present.iter().zip(turns).map(train).collect()
    }

    fn logits(&mut self, split: SplitName) -> Vec<Matrix> {
        self.present.iter().map(|&model| self.models[model].logits(split)).collect()
    }

    fn weights(&self, places: &[usize]) -> Vec<Weights> {
        places.iter().map(|&place| self.models[self.present[place]].weights()).collect()
    }

    fn keep(&mut self, places: &[usize]) {
        self.present = places.iter().map(|&place| self.present[place]).collect();
    }

    fn load(&mut self, weights: &[&Weights]) {
        self.models.iter_mut().zip(weights).for_each(|(model, weights)| model.load(weights));
        self.present = (0..self.models.len()).collect();
    }
}
