//! The optimisers. To add one: a file here, a variant of [`Optimizer`], and its arm below.
//!
//! An optimiser inputs one array's gradient into that array's next value, for several models at once. It keeps what it
//! remembers of the array in a [`Memory`]; the sizes of a step come from outside, once for all arrays.

mod adam;
mod sgd;

use burn::tensor::backend::Backend;
use burn::tensor::{Int, Tensor, TensorData};

use crate::settings::Optimizer;

pub(crate) use adam::scaled_rate;

/// Steps after which what an optimiser remembers, but is too small to matter, is set to 0. A unit that no text wakes any
/// more has no gradient: its mean is multiplied by 0.9 until nothing smaller can be written, and stays there, where
/// processors take a hundred times as long for every operation. Within so many steps it doesn't come there from [`NO_MEAN`].
const SETTLED_EVERY: u32 = 256;
/// Means and velocities below this move no weight.
pub(crate) const NO_MEAN: f32 = 1e-25;
/// Mean squares below this are nothing beside any epsilon.
pub(crate) const NO_SQUARE: f32 = 1e-36;

/// Whether what is too small to matter becomes 0 in this step.
pub(crate) fn settles(step: u32) -> bool {
    step.is_multiple_of(SETTLED_EVERY)
}

/// The numbers of at least this size, 0 for others.
fn settled<B: Backend>(array: Tensor<B, 3>, least: f32) -> Tensor<B, 3> {
    let tiny = array.clone().abs().lower_elem(least);
    array.mask_fill(tiny, 0.0)
}

/// What an optimiser remembers of one array: up to two arrays of its shape, all zeros at first.
pub(crate) struct Memory<B: Backend>(Option<(Tensor<B, 3>, Tensor<B, 3>)>);

impl<B: Backend> Memory<B> {
    pub(crate) fn new() -> Self {
        Self(None)
    }

    fn take(&mut self, like: &Tensor<B, 3>) -> (Tensor<B, 3>, Tensor<B, 3>) {
        self.0.take().unwrap_or_else(|| (like.zeros_like(), like.zeros_like()))
    }

    /// Both arrays, zeros where nothing has been remembered yet.
    pub(crate) fn arrays(&self, like: &Tensor<B, 3>) -> [Tensor<B, 3>; 2] {
        let arrays = self.0.clone().unwrap_or_else(|| (like.zeros_like(), like.zeros_like()));
        arrays.into()
    }

    /// Remembers both arrays.
    pub(crate) fn of(first: Tensor<B, 3>, second: Tensor<B, 3>) -> Self {
        Self(Some((first, second)))
    }

    /// Forgets all models but these.
    pub(crate) fn select(&mut self, models: &Tensor<B, 1, Int>) {
        let of_models = |array: Tensor<B, 3>| array.select(0, models.clone());
        self.0 = self.0.take().map(|(first, second)| (of_models(first), of_models(second)));
    }
}

/// A number a model.
enum Factor<B: Backend> {
    /// The same for all.
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

/// How far one step goes, for each model.
pub(crate) struct Sizes<B: Backend> {
    /// What the gradient, or its mean, is scaled by.
    rate: Factor<B>,
    /// What is left of every weight before the step.
    kept: Option<Factor<B>>,
    /// Whether what is too small to matter becomes 0.
    settles: bool,
}

impl Optimizer {
    /// The sizes of step number `step` (1 for the first) at these learning rates, one a model.
    pub(crate) fn sizes<B: Backend>(&self, learning_rates: &[f64], step: u32, device: &B::Device) -> Sizes<B> {
        let factor =
            |of: &dyn Fn(f64) -> f32| Factor::new(learning_rates.iter().map(|&rate| of(rate)).collect(), device);
        let (rate, kept) = match self {
            Self::Adam(s) => (factor(&|rate| scaled_rate(rate, s.beta_1, s.beta_2, step)), None),
            // Keras decays before the step, by learning rate x weight decay.
            Self::Adamw(s) => (
                factor(&|rate| scaled_rate(rate, s.beta_1, s.beta_2, step)),
                Some(factor(&|rate| (1.0 - rate * s.weight_decay) as f32)),
            ),
            Self::Sgd(_) => (factor(&|rate| rate as f32), None),
        };
        Sizes { rate, kept, settles: settles(step) }
    }

    /// The array's value after a step of these sizes, `[models, rows, cols]`.
    pub(crate) fn apply<B: Backend>(
        &self,
        memory: &mut Memory<B>,
        value: Tensor<B, 3>,
        gradient: Tensor<B, 3>,
        sizes: &Sizes<B>,
    ) -> Tensor<B, 3> {
        let value = match &sizes.kept {
            Some(kept) => kept.scale(value),
            None => value,
        };
        match self {
            Self::Adam(s) => adam::apply(memory, value, gradient, sizes, (s.beta_1, s.beta_2, s.epsilon)),
            Self::Adamw(s) => adam::apply(memory, value, gradient, sizes, (s.beta_1, s.beta_2, s.epsilon)),
            Self::Sgd(s) => sgd::apply(memory, value, gradient, sizes, s.momentum),
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

#[cfg(test)]
mod tests {
    use burn::backend::Flex;

    use super::*;
    use crate::settings::Sgd;

    /// A weight whose gradient is 0 from the second step on: what is remembered ends at 0, not at the smallest number there
    /// is.
    #[test]
    fn what_fades_ends_at_zero() {
        let device = Default::default();
        for optimizer in
            [Optimizer::Adam(Default::default()), Optimizer::Sgd(Sgd { learning_rate: 1e-3, momentum: 0.9 })]
        {
            let mut memory = Memory::<Flex>::new();
            let mut value = Tensor::<Flex, 3>::zeros([1, 1, 2], &device);
            let mean = |memory: &Memory<Flex>, like: &Tensor<Flex, 3>| {
                memory.arrays(like)[0].to_data().to_vec::<f32>().expect("32-bit numbers")
            };
            for step in 1..=800 {
                let gradient = if step == 1 { value.ones_like() } else { value.zeros_like() };
                let sizes = optimizer.sizes(&[1e-3], step, &device);
                value = optimizer.apply(&mut memory, value, gradient, &sizes);
                let mean = mean(&memory, &value);
                assert!(mean.iter().all(|mean| *mean == 0.0 || mean.is_normal()), "step {step}: {mean:?}");
            }
            assert_eq!(mean(&memory, &value), [0.0; 2]);
        }
    }
}
