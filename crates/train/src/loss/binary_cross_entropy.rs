//! Binary cross-entropy from logits: log(1 + exp(z)) - z y, averaged over the outputs. With label smoothing s, y is
//! y (1 - s) + s / 2.

use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;
use burn::tensor::backend::Backend;
use emberline_kernels::function;

pub(super) fn of_row(logits: &[f32], targets: &[f32], smoothing: f64) -> f64 {
    let smooth = |y: f32| f64::from(y) * (1.0 - smoothing) + 0.5 * smoothing;
    let of_output = |(&z, &y): (&f32, &f32)| softplus(f64::from(z)) - f64::from(z) * smooth(y);
    logits.iter().zip(targets).map(of_output).sum::<f64>() / logits.len() as f64
}

/// Computes log(1 + exp(z)) without overflow; NaN stays NaN.
fn softplus(z: f64) -> f64 {
    if z > 0.0 { z + (-z).exp().ln_1p() } else { z.exp().ln_1p() }
}

/// Returns the gradient of the sum over outputs: sigmoid(z) - y, `[models, batch, outputs]`.
pub(super) fn gradient<B: Backend>(logits: Tensor<B, 3>, targets: Tensor<B, 3>, smoothing: f64) -> Tensor<B, 3> {
    let targets = if smoothing == 0.0 { targets } else { targets * (1.0 - smoothing) + 0.5 * smoothing };
    sigmoid(logits) - targets
}

/// Computes the gradient of one row on the host.
#[inline(always)]
pub(super) fn gradient_of_row(logits: &[f32], targets: &[f32], smoothing: f64, gradient: &mut [f32]) {
    let (scale, offset) = ((1.0 - smoothing) as f32, (0.5 * smoothing) as f32);
    for ((gradient, &z), &y) in gradient.iter_mut().zip(logits).zip(targets) {
        *gradient = function::sigmoid(z) - (y * scale + offset);
    }
}
