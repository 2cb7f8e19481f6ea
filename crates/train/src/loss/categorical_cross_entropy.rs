//! Categorical cross-entropy from logits: log(sum exp z) - z of the correct class. With label smoothing s, the targets y are
//! y (1 - s) + s / classes.

use burn::tensor::Tensor;
use burn::tensor::activation::softmax;
use burn::tensor::backend::Backend;
use emberline_kernels::function::exp;

pub(super) fn of_row(logits: &[f32], targets: &[f32], smoothing: f64) -> f64 {
    let smooth = |y: f32| f64::from(y) * (1.0 - smoothing) + smoothing / targets.len() as f64;
    let largest = logits.iter().fold(f64::NEG_INFINITY, |m, &z| m.max(f64::from(z)));
    let sum: f64 = logits.iter().map(|&z| (f64::from(z) - largest).exp()).sum();
    let correct: f64 = logits.iter().zip(targets).map(|(&z, &y)| f64::from(z) * smooth(y)).sum();
    largest + sum.ln() - correct
}

/// Returns the gradient: softmax(z) - y, `[models, batch, classes]`.
pub(super) fn gradient<B: Backend>(logits: Tensor<B, 3>, targets: Tensor<B, 3>, smoothing: f64) -> Tensor<B, 3> {
    let classes = targets.dims()[2] as f64;
    let targets = if smoothing == 0.0 { targets } else { targets * (1.0 - smoothing) + smoothing / classes };
    softmax(logits, 2) - targets
}

/// Computes the gradient of one row on the host.
#[inline(always)]
pub(super) fn gradient_of_row(logits: &[f32], targets: &[f32], smoothing: f64, gradient: &mut [f32]) {
    let (scale, offset) = ((1.0 - smoothing) as f32, (smoothing / targets.len() as f64) as f32);
    let largest = logits.iter().fold(f32::NEG_INFINITY, |m, &z| m.max(z));
    let mut sum = 0.0;
    for (gradient, &z) in gradient.iter_mut().zip(logits) {
        *gradient = exp(z - largest);
        sum += *gradient;
    }
    for (gradient, &y) in gradient.iter_mut().zip(targets) {
        *gradient = *gradient / sum - (y * scale + offset);
    }
}
