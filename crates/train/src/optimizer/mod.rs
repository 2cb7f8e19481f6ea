//! The optimisers. To add one: a file here, a variant of [`Optimizer`], and its arm below.
//!
//! An optimiser turns one array's gradient into that array's next value. It keeps what it
//! remembers of the array in a [`Memory`]; the step's number and size come from outside.

mod adam;
mod sgd;

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use crate::settings::Optimizer;

pub(crate) use adam::scaled_rate;

/// What an optimiser remembers of one array: up to two arrays of its shape, all zeros at first.
pub(crate) struct Memory<B: Backend>(Option<(Tensor<B, 2>, Tensor<B, 2>)>);

impl<B: Backend> Memory<B> {
    pub(crate) fn new() -> Self {
        Self(None)
    }

    fn take(&mut self, like: &Tensor<B, 2>) -> (Tensor<B, 2>, Tensor<B, 2>) {
        self.0.take().unwrap_or_else(|| (like.zeros_like(), like.zeros_like()))
    }
}

impl Optimizer {
    /// The array's value after step number `step` (1 for the first) of size `learning_rate`.
    pub(crate) fn apply<B: Backend>(
        &self,
        memory: &mut Memory<B>,
        value: Tensor<B, 2>,
        gradient: Tensor<B, 2>,
        learning_rate: f64,
        step: u32,
    ) -> Tensor<B, 2> {
        match self {
            Self::Adam(s) => {
                let rate = scaled_rate(learning_rate, s.beta_1, s.beta_2, step);
                adam::apply(memory, value, gradient, rate, (s.beta_1, s.beta_2, s.epsilon))
            }
            Self::Adamw(s) => {
                // Keras decays before the step, by learning rate x weight decay.
                let decayed = value * (1.0 - (learning_rate * s.weight_decay) as f32);
                let rate = scaled_rate(learning_rate, s.beta_1, s.beta_2, step);
                adam::apply(memory, decayed, gradient, rate, (s.beta_1, s.beta_2, s.epsilon))
            }
            Self::Sgd(s) => sgd::apply(memory, value, gradient, learning_rate, s.momentum),
        }
    }

    /// Whether an array whose gradient has always been zero stays as it is, so that rows of a table
    /// that never occur need not be held.
    pub fn leaves_untouched_rows(&self) -> bool {
        match self {
            Self::Adam(_) | Self::Sgd(_) => true,
            Self::Adamw(s) => s.weight_decay == 0.0,
        }
    }
}
