//! Adam (Kingma and Ba, 2015) as Keras computes it: epsilon is added to the square root of the *uncorrected* second
//! moment, and the bias corrections, whose powers of beta are 32-bit numbers, are part of the learning rate.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::{FLUSH_BELOW, FLUSH_SQUARE_BELOW, OptimizerState, StepSizes, flush_below};

/// Returns the bias-corrected learning rate of step t: lr sqrt(1 - beta_2^t) / (1 - beta_1^t)
pub(crate) fn scaled_rate(learning_rate: f64, beta_1: f64, beta_2: f64, step: u32) -> f32 {
    let power = |beta: f64| f64::from(beta as f32).powi(step.min(i32::MAX as u32) as i32) as f32;
    learning_rate as f32 * (1.0 - power(beta_2)).sqrt() / (1.0 - power(beta_1))
}

/// Updates an array: m += (g - m)(1 - beta_1); v += (g g - v)(1 - beta_2); w -= rate m / (sqrt(v) + epsilon)
pub(super) fn apply<B: Backend>(
    state: &mut OptimizerState<B>,
    value: Tensor<B, 3>,
    gradient: Tensor<B, 3>,
    step_sizes: &StepSizes<B>,
    (beta_1, beta_2, epsilon): (f64, f64, f64),
) -> Tensor<B, 3> {
    let (mean, square) = state.take(&value);
    let mut mean = mean * beta_1 as f32 + gradient.clone() * (1.0 - beta_1) as f32;
    let mut square = square * beta_2 as f32 + gradient.clone() * gradient * (1.0 - beta_2) as f32;
    if step_sizes.flush_subnormals {
        (mean, square) = (flush_below(mean, FLUSH_BELOW), flush_below(square, FLUSH_SQUARE_BELOW));
    }
    let next = value - step_sizes.rate.scale(mean.clone()) / (square.clone().sqrt() + epsilon as f32);
    state.0 = Some((mean, square));
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_is_the_learning_rate_long() {
        // t = 1: sqrt(1 - 0.999) / (1 - 0.9), times |g| (1 - 0.9) / (|g| sqrt(1 - 0.999)), is 1.
        let rate = scaled_rate(1e-3, 0.9, 0.999, 1);
        assert!((rate * 0.1 / 0.001f32.sqrt() - 1e-3).abs() < 1e-7, "{rate}");
    }
}
