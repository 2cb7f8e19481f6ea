//! The optimisers' rules, a register at a time: what `optimizer/` does to tensors.

use pulp::Simd;

use super::panels::Group;
use crate::optimizer::{NO_MEAN, NO_SQUARE, scaled_rate, settles};
use crate::settings::Optimizer;

/// How one step moves a number along its gradient.
pub(super) trait Rule: Copy {
    /// Moves `value`; `first` and `second` are the rule's memory of it, both 0 before the first step.
    fn apply<S: Simd>(self, simd: S, gradient: S::f32s, value: &mut S::f32s, first: &mut S::f32s, second: &mut S::f32s);

    /// Moves a group, and its memory behind it, along a gradient of as many registers.
    #[inline(always)]
    fn apply_all<S: Simd>(self, simd: S, gradient: &[S::f32s], arrays: [&mut Group; 3]) {
        let [values, first, second] = arrays.map(|group| S::as_mut_simd_f32s(&mut **group).0);
        for (((gradient, value), first), second) in gradient.iter().zip(values).zip(first).zip(second) {
            self.apply(simd, *gradient, value, first, second);
        }
    }
}

/// The numbers of at least this size, 0 for others.
#[inline(always)]
fn settled<S: Simd>(simd: S, vector: S::f32s, least: f32) -> S::f32s {
    let tiny = simd.less_than_f32s(simd.abs_f32s(vector), simd.splat_f32s(least));
    simd.select_f32s(tiny, simd.splat_f32s(0.0), vector)
}

/// One step's rule.
#[derive(Clone, Copy, Debug)]
pub(super) enum AnyRule {
    Adam(Adam),
    Sgd(Sgd),
}

impl AnyRule {
    /// The rule of step number `step` (1 for the first) of size `learning_rate`.
    pub(super) fn of(optimizer: &Optimizer, learning_rate: f64, step: u32) -> Self {
        let adam = |beta_1: f64, beta_2: f64, epsilon: f64, decay: f64| {
            Self::Adam(Adam {
                kept: (1.0 - learning_rate * decay) as f32,
                rate: scaled_rate(learning_rate, beta_1, beta_2, step),
                beta_1: beta_1 as f32,
                beta_2: beta_2 as f32,
                rest_1: (1.0 - beta_1) as f32,
                rest_2: (1.0 - beta_2) as f32,
                epsilon: epsilon as f32,
                settles: settles(step),
            })
        };
        match optimizer {
            Optimizer::Adam(s) => adam(s.beta_1, s.beta_2, s.epsilon, 0.0),
            Optimizer::Adamw(s) => adam(s.beta_1, s.beta_2, s.epsilon, s.weight_decay),
            Optimizer::Sgd(s) => {
                let (rate, momentum) = (learning_rate as f32, s.momentum as f32);
                Self::Sgd(Sgd { rate, momentum, settles: s.momentum > 0.0 && settles(step) })
            }
        }
    }

    /// The size of the step, the bias of the means taken into account.
    pub(super) fn rate(self) -> f32 {
        match self {
            Self::Adam(adam) => adam.rate,
            Self::Sgd(sgd) => sgd.rate,
        }
    }
}

/// Adam and AdamW: the memory is the mean and the mean square of the gradients.
#[derive(Clone, Copy, Debug)]
pub(super) struct Adam {
    /// What weight decay leaves of a value.
    kept: f32,
    rate: f32,
    beta_1: f32,
    beta_2: f32,
    /// 1 - beta_1
    rest_1: f32,
    /// 1 - beta_2
    rest_2: f32,
    epsilon: f32,
    /// Whether what is too small to matter becomes 0.
    settles: bool,
}

impl Rule for Adam {
    #[inline(always)]
    fn apply<S: Simd>(
        self,
        simd: S,
        gradient: S::f32s,
        value: &mut S::f32s,
        first: &mut S::f32s,
        second: &mut S::f32s,
    ) {
        let scaled = |vector, factor| simd.mul_f32s(vector, simd.splat_f32s(factor));
        let squared = simd.mul_f32s(gradient, gradient);
        *first = simd.add_f32s(scaled(*first, self.beta_1), scaled(gradient, self.rest_1));
        *second = simd.add_f32s(scaled(*second, self.beta_2), scaled(squared, self.rest_2));
        if self.settles {
            *first = settled(simd, *first, NO_MEAN);
            *second = settled(simd, *second, NO_SQUARE);
        }
        let root = simd.add_f32s(simd.sqrt_f32s(*second), simd.splat_f32s(self.epsilon));
        *value = simd.sub_f32s(scaled(*value, self.kept), simd.div_f32s(scaled(*first, self.rate), root));
    }
}

/// Gradient descent: the memory is the velocity, and nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sgd {
    rate: f32,
    momentum: f32,
    /// Whether what is too small to matter becomes 0.
    settles: bool,
}

impl Rule for Sgd {
    #[inline(always)]
    fn apply<S: Simd>(self, simd: S, gradient: S::f32s, value: &mut S::f32s, first: &mut S::f32s, _: &mut S::f32s) {
        let scaled = |vector, factor| simd.mul_f32s(vector, simd.splat_f32s(factor));
        *first = simd.sub_f32s(scaled(*first, self.momentum), scaled(gradient, self.rate));
        if self.settles {
            *first = settled(simd, *first, NO_MEAN);
        }
        *value = simd.add_f32s(*value, *first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::dense::panels::LANES;

    /// A weight whose gradient is 0 from the second step on: its mean, or velocity, ends at 0, not at the smallest number
    /// there is.
    #[test]
    fn a_mean_that_fades_ends_at_zero() {
        let sgd = Optimizer::Sgd(crate::settings::Sgd { learning_rate: 1e-3, momentum: 0.9 });
        for optimizer in [Optimizer::Adam(Default::default()), sgd] {
            let mut arrays = [Group([0.5; LANES]), Group::ZEROS, Group::ZEROS];
            for step in 1..=800 {
                let gradient = [if step == 1 { 1.0 } else { 0.0 }; LANES];
                match AnyRule::of(&optimizer, 1e-3, step) {
                    AnyRule::Adam(adam) => adam.apply_all(pulp::Scalar::new(), &gradient, arrays.each_mut()),
                    AnyRule::Sgd(sgd) => sgd.apply_all(pulp::Scalar::new(), &gradient, arrays.each_mut()),
                }
                assert!(arrays[1].iter().all(|mean| *mean == 0.0 || mean.is_normal()), "step {step}: {:?}", arrays[1]);
            }
            assert_eq!(arrays[1], Group::ZEROS);
            assert!(arrays[0][0] < 0.5);
        }
    }
}
