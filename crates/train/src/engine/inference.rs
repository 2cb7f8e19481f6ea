//! An engine on the CPU that computes logits as a saved model does.
//!
//! Burn's sums are rounded otherwise than those of the kernels in `dense`, and a text's may depend on its batch. Heads that
//! only Burn trains here (dropout, mixed layers) are therefore evaluated by the kernels of a [`Model`](crate::Model), so
//! that the scores and logits of records are exactly those that the saved model gives later.

use emberline_base::{Features, Matrix, SplitName, Splits};

use super::{Engine, EngineSpec, EpochInput};
use crate::head::Architecture;
use crate::model::{Network, vectors};
use crate::weights::{State, Weights};

/// An engine of one model, but for its logits where nothing is trained.
pub(super) struct InferenceKernels<'a> {
    engine: Box<dyn Engine + 'a>,
    architecture: &'a Architecture,
    features: &'a Splits<Features>,
}

impl<'a> InferenceKernels<'a> {
    /// `engine`: that of the spec.
    pub(super) fn new(engine: Box<dyn Engine + 'a>, spec: &EngineSpec<'a>) -> Self {
        Self { engine, architecture: spec.architecture, features: spec.features }
    }

    fn evaluate(&self, features: &Features) -> Matrix {
        let weights = self.engine.weights(&[0], vec![Weights::default()]).remove(0);
        let vectors = vectors(&weights, self.architecture.dim, features)
            .expect("features are those that the weights were made for");
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

    fn weights(&self, places: &[usize], old: Vec<Weights>) -> Vec<Weights> {
        self.engine.weights(places, old)
    }

    fn keep(&mut self, places: &[usize]) {
        self.engine.keep(places);
    }

    fn load(&mut self, weights: &[&Weights]) {
        self.engine.load(weights);
    }

    fn states(&self, places: &[usize]) -> Vec<State> {
        self.engine.states(places)
    }

    fn resume(&mut self, states: &[&State]) {
        self.engine.resume(states);
    }
}
