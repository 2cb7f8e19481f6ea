//! Models that are in together, but take their steps one model after the other.

use emberline_base::{Matrix, SplitName};

use super::{Engine, EpochInput};
use crate::weights::{State, Weights};

/// Engines of one model each, as one engine.
pub(super) struct OneByOne<'a> {
    /// All that there are.
    models: Vec<Box<dyn Engine + 'a>>,
    /// Those that are in.
    present: Vec<usize>,
}

impl<'a> OneByOne<'a> {
    pub(super) fn new(models: Vec<Box<dyn Engine + 'a>>) -> Self {
        Self { present: (0..models.len()).collect(), models }
    }
}

impl Engine for OneByOne<'_> {
    fn train_epoch(&mut self, epoch: u32, inputs: &[EpochInput]) -> Vec<Matrix> {
        let train =
            |(&model, input): (&usize, &EpochInput)| self.models[model].train_epoch(epoch, std::slice::from_ref(input));
        self.present.iter().zip(inputs).flat_map(train).collect()
    }

    fn logits(&mut self, split: SplitName) -> Vec<Matrix> {
        self.present.iter().flat_map(|&model| self.models[model].logits(split)).collect()
    }

    fn weights(&self, places: &[usize], old: Vec<Weights>) -> Vec<Weights> {
        let each = places.iter().zip(old);
        each.flat_map(|(&place, old)| self.models[self.present[place]].weights(&[0], vec![old])).collect()
    }

    fn keep(&mut self, places: &[usize]) {
        self.present = places.iter().map(|&place| self.present[place]).collect();
    }

    fn load(&mut self, weights: &[&Weights]) {
        let each = self.models.iter_mut().zip(weights);
        each.for_each(|(model, weights)| model.load(std::slice::from_ref(weights)));
        self.present = (0..self.models.len()).collect();
    }

    fn states(&self, places: &[usize]) -> Vec<State> {
        places.iter().flat_map(|&place| self.models[self.present[place]].states(&[0])).collect()
    }

    fn resume(&mut self, states: &[&State]) {
        let each = self.models.iter_mut().zip(states);
        each.for_each(|(model, state)| model.resume(std::slice::from_ref(state)));
        self.present = (0..self.models.len()).collect();
    }
}
