//! Binary cross-entropy from logits: log(1 + exp(z)) - z y, averaged over the outputs.

use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;
use burn::tensor::backend::Backend;
use emberline_kernels::function;

pub(super) fn of_row(logits: &[f32], targets: &[f32]) -> f64 {
    let of_output = |(&z, &y): (&f32, &f32)| softplus(f64::from(z)) - f64::from(z) * f64::from(y);
    logits.iter().zip(targets).map(of_output).sum::<f64>() / logits.len() as f64
}

/// Computes log(1 + exp(z)) without overflow; NaN stays NaN.
fn softplus(z: f64) -> f64 {
    if z > 0.0 { z + (-z).exp().ln_1p() } else { z.exp().ln_1p() }
}

/// Returns the gradient of the sum over outputs: sigmoid(z) - y, `[models, batch, outputs]`.
pub(super) fn gradient<B: Backend>(logits: Tensor<B, 3>, targets: Tensor<B, 3>) -> Tensor<B, 3> {
    sigmoid(logits) - targets
}

/// Computes the gradient of one row on the host.
#[inline(always)]
pub(super) fn gradient_of_row(logits: &[f32], targets: &[f32], gradient: &mut [f32]) {
    for ((gradient, &z), &y) in gradient.iter_mut().zip(logits).zip(targets) {
        *gradient = function::sigmoid(z) - y;
    }
}
