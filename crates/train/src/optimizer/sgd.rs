//! Stochastic gradient descent with momentum, as Keras computes it: u = momentum u - lr g; w += u.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::{FLUSH_BELOW, OptimizerState, StepSizes, flush_below};

pub(super) fn apply<B: Backend>(
    state: &mut OptimizerState<B>,
    value: Tensor<B, 3>,
    gradient: Tensor<B, 3>,
    step_sizes: &StepSizes<B>,
    momentum: f64,
) -> Tensor<B, 3> {
    if momentum == 0.0 {
        return value - step_sizes.rate.scale(gradient);
    }
    let (velocity, unused) = state.take(&value);
    let mut velocity = velocity * momentum as f32 - step_sizes.rate.scale(gradient);
    if step_sizes.flush_subnormals {
        velocity = flush_below(velocity, FLUSH_BELOW);
    }
    state.0 = Some((velocity.clone(), unused));
    value + velocity
}
