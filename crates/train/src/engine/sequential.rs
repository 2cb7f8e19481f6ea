//! An engine for several models that trains one after the other.

use emberline_base::{Matrix, SplitName};

use super::{Engine, EpochInput};
use crate::weights::{TrainingState, Weights};

/// Several engines of one model each, as one engine.
pub(super) struct SequentialEngine<'a> {
    /// The engines of all models.
    models: Vec<Box<dyn Engine + 'a>>,
    /// The indices of the active models.
    active: Vec<usize>,
}

impl<'a> SequentialEngine<'a> {
    pub(super) fn new(models: Vec<Box<dyn Engine + 'a>>) -> Self {
        Self { active: (0..models.len()).collect(), models }
    }
}

impl Engine for SequentialEngine<'_> {
    fn train_epoch(&mut self, epoch: u32, inputs: &[EpochInput]) -> Vec<Matrix> {
        let train =
            |(&model, input): (&usize, &EpochInput)| self.models[model].train_epoch(epoch, std::slice::from_ref(input));
        self.active.iter().zip(inputs).flat_map(train).collect()
    }

    fn logits(&mut self, split: SplitName) -> Vec<Matrix> {
        self.active.iter().flat_map(|&model| self.models[model].logits(split)).collect()
    }

    fn weights(&self, positions: &[usize], old: Vec<Weights>) -> Vec<Weights> {
        let each = positions.iter().zip(old);
        each.flat_map(|(&position, old)| self.models[self.active[position]].weights(&[0], vec![old])).collect()
    }

    fn retain(&mut self, positions: &[usize]) {
        self.active = positions.iter().map(|&position| self.active[position]).collect();
    }

    fn load(&mut self, weights: &[&Weights]) {
        let each = self.models.iter_mut().zip(weights);
        each.for_each(|(model, weights)| model.load(std::slice::from_ref(weights)));
        self.active = (0..self.models.len()).collect();
    }

    fn states(&self, positions: &[usize]) -> Vec<TrainingState> {
        positions.iter().flat_map(|&position| self.models[self.active[position]].states(&[0])).collect()
    }

    fn resume(&mut self, states: &[&TrainingState]) {
        let each = self.models.iter_mut().zip(states);
        each.for_each(|(model, state)| model.resume(std::slice::from_ref(state)));
        self.active = (0..self.models.len()).collect();
    }
}
