//! An engine on the CPU that computes logits as a saved model does.
//!
//! Burn rounds sums differently from the kernels in `dense`, and its results for a text may depend on the batch. Heads
//! that only Burn trains here (dropout, layer normalisation, mixed layers) are therefore evaluated by the kernels of a
//! [`Model`](crate::Model), so that the scores and logits in records are exactly those that the saved model gives
//! later.

use emberline_base::{Features, Matrix, SplitName, Splits};

use super::dense::Network;
use super::vectors::vectors;
use super::{Engine, EngineSpec, EpochInput};
use crate::head::Architecture;
use crate::weights::{TrainingState, Weights};

/// An engine for one model that replaces the logits of another engine by those of the inference kernels.
pub(super) struct InferenceKernels<'a> {
    engine: Box<dyn Engine + 'a>,
    architecture: &'a Architecture,
    features: &'a Splits<Features>,
}

impl<'a> InferenceKernels<'a> {
    /// `engine` must be built from the same spec.
    pub(super) fn new(engine: Box<dyn Engine + 'a>, spec: &EngineSpec<'a>) -> Self {
        Self { engine, architecture: spec.architecture, features: spec.features }
    }

    fn evaluate(&self, features: &Features) -> Matrix {
        let weights = self.engine.weights(&[0], vec![Weights::default()]).remove(0);
        let vectors = vectors(&weights, self.architecture.dim, features)
            .unwrap_or_else(|_| unreachable!("the features are those that the weights were made for"));
        let logits = Network::new(self.architecture, &weights).and_then(|network| network.logits(&vectors));
        logits.unwrap_or_else(|lack| panic!("{lack}"))
    }
}

impl Engine for InferenceKernels<'_> {
    fn train_epoch(&mut self, epoch: u32, inputs: &[EpochInput]) -> Vec<Matrix> {
        self.engine.train_epoch(epoch, inputs)
    }

    fn logits(&mut self, split: SplitName) -> Vec<Matrix> {
        let none = || Matrix::zeros(0, self.architecture.outputs());
        vec![self.features.get(split).map_or_else(none, |features| self.evaluate(features))]
    }

    fn weights(&self, positions: &[usize], old: Vec<Weights>) -> Vec<Weights> {
        self.engine.weights(positions, old)
    }

    fn retain(&mut self, positions: &[usize]) {
        self.engine.retain(positions);
    }

    fn load(&mut self, weights: &[&Weights]) {
        self.engine.load(weights);
    }

    fn states(&self, positions: &[usize]) -> Vec<TrainingState> {
        self.engine.states(positions)
    }

    fn resume(&mut self, states: &[&TrainingState]) {
        self.engine.resume(states);
    }
}
