//! Adam (Kingma and Ba, 2015) as Keras computes it: epsilon is added to the root of the *uncorrected*
//! mean square, the corrections go into the step size, whose powers of beta are 32-bit.

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

use super::{Memory, NO_MEAN, NO_SQUARE, Sizes, settled};

/// lr sqrt(1 - beta_2^t) / (1 - beta_1^t)
pub(crate) fn scaled_rate(learning_rate: f64, beta_1: f64, beta_2: f64, step: u32) -> f32 {
    let power = |beta: f64| f64::from(beta as f32).powi(step.min(i32::MAX as u32) as i32) as f32;
    learning_rate as f32 * (1.0 - power(beta_2)).sqrt() / (1.0 - power(beta_1))
}

/// m += (g - m)(1 - beta_1); v += (g g - v)(1 - beta_2); w -= rate m / (sqrt(v) + epsilon)
pub(super) fn apply<B: Backend>(
    memory: &mut Memory<B>,
    value: Tensor<B, 3>,
    gradient: Tensor<B, 3>,
    sizes: &Sizes<B>,
    (beta_1, beta_2, epsilon): (f64, f64, f64),
) -> Tensor<B, 3> {
    let (mean, square) = memory.take(&value);
    let mut mean = mean * beta_1 as f32 + gradient.clone() * (1.0 - beta_1) as f32;
    let mut square = square * beta_2 as f32 + gradient.clone() * gradient * (1.0 - beta_2) as f32;
    if sizes.settles {
        (mean, square) = (settled(mean, NO_MEAN), settled(square, NO_SQUARE));
    }
    let next = value - sizes.rate.scale(mean.clone()) / (square.clone().sqrt() + epsilon as f32);
    memory.0 = Some((mean, square));
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_step_is_the_learning_rate_long() {
        // t = 1: sqrt(1 - 0.999) / (1 - 0.9), times |g| (1 - 0.9) / (|g| sqrt(1 - 0.999)) is 1.
        let rate = scaled_rate(1e-3, 0.9, 0.999, 1);
        assert!((rate * 0.1 / 0.001f32.sqrt() - 1e-3).abs() < 1e-7, "{rate}");
    }
}
