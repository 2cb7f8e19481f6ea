//! Optimisers that take steps. To add one: a file here, a variant of [`Optimizer`] and of [`StepOptimizer`], and its arms
//! below. L-BFGS takes no steps along batches: see `converged.rs`.
//!
//! An optimiser computes an array's next value from its gradient, for several models at once. Its state for the array
//! is an [`OptimizerState`]; the [`StepSizes`] are computed once per step for all arrays.

mod adam;
mod sgd;

use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};

use crate::settings::{Adam, Adamw, Optimizer, Sgd};

pub(crate) use adam::scaled_rate;

/// The number of steps after which tiny values in the state of an optimiser are set to zero. A unit that no text
/// activates any more has no gradient: its first moment is multiplied by 0.9 until it is subnormal, and stays there,
/// where CPUs need a hundred times as long for every operation. Within this number of steps it doesn't become subnormal
/// from [`FLUSH_BELOW`].
const FLUSH_EVERY: u32 = 256;
/// First moments and velocities below this move no weight.
pub(crate) const FLUSH_BELOW: f32 = 1e-25;
/// Second moments below this are negligible compared with any epsilon.
pub(crate) const FLUSH_SQUARE_BELOW: f32 = 1e-36;

/// Returns whether tiny values of the state are set to zero in this step.
pub(crate) fn flush_subnormals(step: u32) -> bool {
    step.is_multiple_of(FLUSH_EVERY)
}

/// Sets values whose magnitude is below `least` to zero.
fn flush_below<B: Backend>(array: Tensor<B, 3>, least: f32) -> Tensor<B, 3> {
    let tiny = array.clone().abs().lower_elem(least);
    array.mask_fill(tiny, 0.0)
}

/// An optimiser's state for one array: up to two arrays of its shape, all zeros at first.
pub(crate) struct OptimizerState<B: Backend>(Option<(Tensor<B, 3>, Tensor<B, 3>)>);

impl<B: Backend> OptimizerState<B> {
    pub(crate) fn new() -> Self {
        Self(None)
    }

    /// Takes both arrays; zeros if there are none yet.
    pub(crate) fn take(&mut self, like: &Tensor<B, 3>) -> (Tensor<B, 3>, Tensor<B, 3>) {
        self.0.take().unwrap_or_else(|| (like.zeros_like(), like.zeros_like()))
    }

    /// Returns both arrays; zeros if there are none yet.
    pub(crate) fn arrays(&self, like: &Tensor<B, 3>) -> [Tensor<B, 3>; 2] {
        let arrays = self.0.clone().unwrap_or_else(|| (like.zeros_like(), like.zeros_like()));
        arrays.into()
    }

    /// Returns a state of these two arrays.
    pub(crate) fn of(first: Tensor<B, 3>, second: Tensor<B, 3>) -> Self {
        Self(Some((first, second)))
    }

    /// Drops all models except these.
    pub(crate) fn select(&mut self, models: &Tensor<B, 1, Int>) {
        let of_models = |array: Tensor<B, 3>| array.select(0, models.clone());
        self.0 = self.0.take().map(|(first, second)| (of_models(first), of_models(second)));
    }
}

/// One number per model.
enum Factor<B: Backend> {
    /// The same number for all models.
    Same(f32),
    /// `[models, 1, 1]`
    Each(Tensor<B, 3>),
}

impl<B: Backend> Factor<B> {
    fn new(of_models: Vec<f32>, device: &B::Device) -> Self {
        match of_models.as_slice() {
            [first, rest @ ..] if rest.iter().all(|other| other == first) => Self::Same(*first),
            _ => {
                let models = of_models.len();
                Self::Each(Tensor::from_data(TensorData::new(of_models, [models, 1, 1]), device))
            }
        }
    }

    fn scale(&self, array: Tensor<B, 3>) -> Tensor<B, 3> {
        match self {
            Self::Same(factor) => array * *factor,
            Self::Each(factors) => array * factors.clone(),
        }
    }
}

/// The sizes of one step, for each model.
pub(crate) struct StepSizes<B: Backend> {
    /// The factor of the gradient or of its first moment.
    rate: Factor<B>,
    /// The factor of the weights before the step, for weight decay.
    decay: Option<Factor<B>>,
    /// Whether tiny values of the state are set to zero.
    flush_subnormals: bool,
}

/// An optimiser that takes a step after every batch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum StepOptimizer {
    Adam(Adam),
    Adamw(Adamw),
    Sgd(Sgd),
}

impl Optimizer {
    /// Returns the optimiser if it takes steps; none for L-BFGS.
    pub(crate) fn stepwise(&self) -> Option<StepOptimizer> {
        match self {
            Self::Adam(s) => Some(StepOptimizer::Adam(s.clone())),
            Self::Adamw(s) => Some(StepOptimizer::Adamw(s.clone())),
            Self::Sgd(s) => Some(StepOptimizer::Sgd(s.clone())),
            Self::Lbfgs(_) => None,
        }
    }

    /// Returns whether the optimiser can train a table, and an array whose gradient has always been zero never changes, so
    /// that rows of a table that never occur need not be held.
    pub fn leaves_untouched_rows(&self) -> bool {
        self.stepwise().is_some_and(|optimizer| optimizer.leaves_untouched_rows())
    }
}

impl StepOptimizer {
    /// Returns the initial learning rate.
    pub(crate) fn learning_rate(&self) -> f64 {
        match self {
            Self::Adam(s) => s.learning_rate,
            Self::Adamw(s) => s.learning_rate,
            Self::Sgd(s) => s.learning_rate,
        }
    }

    /// Returns the same optimiser with another learning rate.
    pub(crate) fn with_learning_rate(mut self, learning_rate: f64) -> Self {
        match &mut self {
            Self::Adam(s) => s.learning_rate = learning_rate,
            Self::Adamw(s) => s.learning_rate = learning_rate,
            Self::Sgd(s) => s.learning_rate = learning_rate,
        }
        self
    }

    /// Returns the same optimiser without weight decay.
    pub(crate) fn without_decay(&self) -> Self {
        match self {
            Self::Adamw(s) => Self::Adamw(Adamw { weight_decay: 0.0, ..s.clone() }),
            Self::Adam(_) | Self::Sgd(_) => self.clone(),
        }
    }

    /// Returns the sizes of step number `step` (1 for the first) at these learning rates, one per model.
    pub(crate) fn step_sizes<B: Backend>(&self, learning_rates: &[f64], step: u32, device: &B::Device) -> StepSizes<B> {
        let factor =
            |of: &dyn Fn(f64) -> f32| Factor::new(learning_rates.iter().map(|&rate| of(rate)).collect(), device);
        let (rate, decay) = match self {
            Self::Adam(s) => (factor(&|rate| scaled_rate(rate, s.beta_1, s.beta_2, step)), None),
            // Keras decays before the step, by learning rate x weight decay.
            Self::Adamw(s) => (
                factor(&|rate| scaled_rate(rate, s.beta_1, s.beta_2, step)),
                Some(factor(&|rate| (1.0 - rate * s.weight_decay) as f32)),
            ),
            Self::Sgd(_) => (factor(&|rate| rate as f32), None),
        };
        StepSizes { rate, decay, flush_subnormals: flush_subnormals(step) }
    }

    /// Returns the array's value after a step of these sizes, `[models, rows, cols]`.
    pub(crate) fn apply<B: Backend>(
        &self,
        state: &mut OptimizerState<B>,
        value: Tensor<B, 3>,
        gradient: Tensor<B, 3>,
        step_sizes: &StepSizes<B>,
    ) -> Tensor<B, 3> {
        let value = match &step_sizes.decay {
            Some(decay) => decay.scale(value),
            None => value,
        };
        match self {
            Self::Adam(s) => adam::apply(state, value, gradient, step_sizes, (s.beta_1, s.beta_2, s.epsilon)),
            Self::Adamw(s) => adam::apply(state, value, gradient, step_sizes, (s.beta_1, s.beta_2, s.epsilon)),
            Self::Sgd(s) => sgd::apply(state, value, gradient, step_sizes, s.momentum),
        }
    }

    /// Returns whether an array whose gradient has always been zero never changes.
    pub(crate) fn leaves_untouched_rows(&self) -> bool {
        match self {
            Self::Adam(_) | Self::Sgd(_) => true,
            Self::Adamw(s) => s.weight_decay == 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::backend::Flex;

    use super::*;

    /// A weight whose gradient is 0 from the second step on: the state ends at 0, not at the smallest number above it.
    #[test]
    fn decaying_moments_end_at_zero() {
        let device = Default::default();
        for optimizer in
            [StepOptimizer::Adam(Default::default()), StepOptimizer::Sgd(Sgd { learning_rate: 1e-3, momentum: 0.9 })]
        {
            let mut state = OptimizerState::<Flex>::new();
            let mut value = Tensor::<Flex, 3>::zeros([1, 1, 2], &device);
            let mean = |state: &OptimizerState<Flex>, like: &Tensor<Flex, 3>| {
                state.arrays(like)[0].to_data().to_vec::<f32>().expect("32-bit numbers")
            };
            for step in 1..=800 {
                let gradient = if step == 1 { value.ones_like() } else { value.zeros_like() };
                let step_sizes = optimizer.step_sizes(&[1e-3], step, &device);
                value = optimizer.apply(&mut state, value, gradient, &step_sizes);
                let mean = mean(&state, &value);
                assert!(mean.iter().all(|mean| *mean == 0.0 || mean.is_normal()), "step {step}: {mean:?}");
            }
            assert_eq!(mean(&state, &value), [0.0; 2]);
        }
    }
}
