//! The update rules of the optimisers on registers; they compute what `optimizer/` computes on tensors.

use emberline_kernels::product::Rule;
use pulp::Simd;

use crate::optimizer::{FLUSH_BELOW, FLUSH_SQUARE_BELOW, StepOptimizer, flush_subnormals, scaled_rate};
use crate::settings::Clip;

/// Sets values whose magnitude is below `least` to zero.
#[inline(always)]
fn flush_below<S: Simd>(simd: S, vector: S::f32s, least: f32) -> S::f32s {
    let tiny = simd.less_than_f32s(simd.abs_f32s(vector), simd.splat_f32s(least));
    simd.select_f32s(tiny, simd.splat_f32s(0.0), vector)
}

/// What a rule does with a gradient before it uses it: it adds that of a penalty, and then bounds it.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Adjustment {
    /// Whether there is anything to do.
    is_some: bool,
    /// The gradient of the penalty, as a multiple of the value: 2 l2.
    penalty: f32,
    /// The largest magnitude of a gradient.
    bound: f32,
}

impl Adjustment {
    /// An adjustment that changes nothing.
    const NONE: Self = Self { is_some: false, penalty: 0.0, bound: f32::INFINITY };

    /// Creates the adjustment by a bound on each number, and a penalty.
    pub(in crate::engine) fn new(clip: Option<Clip>, l2: f64) -> Self {
        let bound = match clip {
            None => f32::INFINITY,
            Some(Clip::Value(bound)) => bound as f32,
            Some(Clip::Norm(_)) => unreachable!("a norm isn't known before all gradients are"),
        };
        Self { is_some: clip.is_some() || l2 != 0.0, penalty: 2.0 * l2 as f32, bound }
    }

    /// Returns the adjusted gradient. NaN stays NaN.
    #[inline(always)]
    fn apply<S: Simd>(self, simd: S, gradient: S::f32s, value: S::f32s) -> S::f32s {
        if !self.is_some {
            return gradient;
        }
        let gradient = simd.add_f32s(gradient, simd.mul_f32s(value, simd.splat_f32s(self.penalty)));
        let (low, high) = (simd.splat_f32s(-self.bound), simd.splat_f32s(self.bound));
        let gradient = simd.select_f32s(simd.less_than_f32s(gradient, low), low, gradient);
        simd.select_f32s(simd.less_than_f32s(high, gradient), high, gradient)
    }

    fn without_penalty(self) -> Self {
        Self { is_some: self.bound.is_finite(), penalty: 0.0, ..self }
    }
}

/// The update rule of one step, of any optimiser.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) enum AnyRule {
    Adam(Adam),
    Sgd(Sgd),
}

impl AnyRule {
    /// Returns the rule of step number `step` (1 for the first) with this learning rate.
    pub(in crate::engine) fn of(optimizer: &StepOptimizer, learning_rate: f64, step: u32) -> Self {
        let adam = |beta_1: f64, beta_2: f64, epsilon: f64, decay: f64| {
            Self::Adam(Adam {
                decay_factor: (1.0 - learning_rate * decay) as f32,
                rate: scaled_rate(learning_rate, beta_1, beta_2, step),
                beta_1: beta_1 as f32,
                beta_2: beta_2 as f32,
                one_minus_beta_1: (1.0 - beta_1) as f32,
                one_minus_beta_2: (1.0 - beta_2) as f32,
                epsilon: epsilon as f32,
                flush_subnormals: flush_subnormals(step),
                adjustment: Adjustment::NONE,
            })
        };
        match optimizer {
            StepOptimizer::Adam(s) => adam(s.beta_1, s.beta_2, s.epsilon, 0.0),
            StepOptimizer::Adamw(s) => adam(s.beta_1, s.beta_2, s.epsilon, s.weight_decay),
            StepOptimizer::Sgd(s) => {
                let (rate, momentum) = (learning_rate as f32, s.momentum as f32);
                let flush_subnormals = s.momentum > 0.0 && flush_subnormals(step);
                Self::Sgd(Sgd { rate, momentum, flush_subnormals, adjustment: Adjustment::NONE })
            }
        }
    }

    /// Returns the same rule for gradients that are adjusted first.
    pub(in crate::engine) fn adjusted(self, adjustment: Adjustment) -> Self {
        match self {
            Self::Adam(adam) => Self::Adam(Adam { adjustment, ..adam }),
            Self::Sgd(sgd) => Self::Sgd(Sgd { adjustment, ..sgd }),
        }
    }

    /// Returns the same rule for an array without a penalty.
    pub(super) fn without_penalty(self) -> Self {
        match self {
            Self::Adam(adam) => Self::Adam(adam.without_penalty()),
            Self::Sgd(sgd) => Self::Sgd(sgd.without_penalty()),
        }
    }

    /// Returns the learning rate, corrected for the bias of the moments.
    pub(super) fn rate(self) -> f32 {
        match self {
            Self::Adam(adam) => adam.rate,
            Self::Sgd(sgd) => sgd.rate,
        }
    }
}

/// The rule of Adam and AdamW: the state is the first and the second moment of the gradients.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Adam {
    /// The factor of a value by weight decay.
    decay_factor: f32,
    rate: f32,
    beta_1: f32,
    beta_2: f32,
    /// 1 - beta_1
    one_minus_beta_1: f32,
    /// 1 - beta_2
    one_minus_beta_2: f32,
    epsilon: f32,
    /// Whether tiny values of the state are set to zero.
    flush_subnormals: bool,
    adjustment: Adjustment,
}

impl Adam {
    /// Returns the same rule for an array without a penalty.
    pub(super) fn without_penalty(self) -> Self {
        Self { adjustment: self.adjustment.without_penalty(), ..self }
    }
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
        let gradient = self.adjustment.apply(simd, gradient, *value);
        let scaled = |vector, factor| simd.mul_f32s(vector, simd.splat_f32s(factor));
        let squared = simd.mul_f32s(gradient, gradient);
        *first = simd.add_f32s(scaled(*first, self.beta_1), scaled(gradient, self.one_minus_beta_1));
        *second = simd.add_f32s(scaled(*second, self.beta_2), scaled(squared, self.one_minus_beta_2));
        if self.flush_subnormals {
            *first = flush_below(simd, *first, FLUSH_BELOW);
            *second = flush_below(simd, *second, FLUSH_SQUARE_BELOW);
        }
        let root = simd.add_f32s(simd.sqrt_f32s(*second), simd.splat_f32s(self.epsilon));
        *value = simd.sub_f32s(scaled(*value, self.decay_factor), simd.div_f32s(scaled(*first, self.rate), root));
    }
}

/// The rule of gradient descent: the state is the velocity, and an unused array.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Sgd {
    rate: f32,
    momentum: f32,
    /// Whether tiny values of the state are set to zero.
    flush_subnormals: bool,
    adjustment: Adjustment,
}

impl Sgd {
    /// Returns the same rule for an array without a penalty.
    pub(super) fn without_penalty(self) -> Self {
        Self { adjustment: self.adjustment.without_penalty(), ..self }
    }
}

impl Rule for Sgd {
    #[inline(always)]
    fn apply<S: Simd>(self, simd: S, gradient: S::f32s, value: &mut S::f32s, first: &mut S::f32s, _: &mut S::f32s) {
        let gradient = self.adjustment.apply(simd, gradient, *value);
        let scaled = |vector, factor| simd.mul_f32s(vector, simd.splat_f32s(factor));
        *first = simd.sub_f32s(scaled(*first, self.momentum), scaled(gradient, self.rate));
        if self.flush_subnormals {
            *first = flush_below(simd, *first, FLUSH_BELOW);
        }
        *value = simd.add_f32s(*value, *first);
    }
}

#[cfg(test)]
mod tests {
    use emberline_kernels::{Group, LANES};

    use super::*;

    /// A weight whose gradient is 0 from the second step on: its first moment, or velocity, ends at 0, not at the
    /// smallest number above it.
    #[test]
    fn a_decaying_moment_ends_at_zero() {
        let sgd = StepOptimizer::Sgd(crate::settings::Sgd { learning_rate: 1e-3, momentum: 0.9 });
        for optimizer in [StepOptimizer::Adam(Default::default()), sgd] {
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
