//! The focal loss from logits (Lin et al., 2017): the cross-entropy of the right class, times (1 - p)^gamma of its
//! probability p, so that rows that are classified well count less.
//!
//! For an output with a sigmoid, with z the logit and s = 1 for a positive target, -1 for a negative one, and
//! softplus(x) = log(1 + e^x):
//!
//! ```text
//! hard = softplus(s z) = -log(1 - p)      easy = softplus(-s z) = -log p
//! loss = alpha e^(-gamma hard) easy       d loss / dz = -s alpha e^(-gamma hard) (gamma p easy + 1 - p)
//! ```
//!
//! For a softmax, with q = 1 - p: the gradient of the right class's logit is G = q^gamma (gamma p log p - q), and that of
//! another class's is -G times its share of q. Keras: `BinaryFocalCrossentropy`, `CategoricalFocalCrossentropy(alpha=1)`.

use burn::tensor::Tensor;
use burn::tensor::activation::{log_sigmoid, log_softmax};
use burn::tensor::backend::Backend;
use emberline_kernels::double::{exp, ln, ln_1p};

/// The focal loss of outputs with a sigmoid each.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct BinaryFocal {
    pub(super) gamma: f64,
    /// The weight of a positive target; that of a negative one is 1 - alpha. Both are 1 if there is none.
    pub(super) alpha: Option<f64>,
}

/// The focal loss of a softmax.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct CategoricalFocal {
    pub(super) gamma: f64,
}

/// What the loss of an output and its gradient are made of.
struct Terms {
    /// 1 for a positive target, -1 for a negative one.
    sign: f64,
    /// alpha (1 - p)^gamma
    factor: f64,
    /// -log p
    easy: f64,
    /// 1 - p
    rest: f64,
}

impl BinaryFocal {
    pub(super) fn of_row(self, logits: &[f32], targets: &[f32]) -> f64 {
        let of_output = |(&z, &y): (&f32, &f32)| {
            let terms = self.terms(z, y);
            terms.factor * terms.easy
        };
        logits.iter().zip(targets).map(of_output).sum::<f64>() / logits.len() as f64
    }

    /// Computes the gradient of one row on the host.
    #[inline(always)]
    pub(super) fn gradient_of_row(self, logits: &[f32], targets: &[f32], gradient: &mut [f32]) {
        for ((gradient, &z), &y) in gradient.iter_mut().zip(logits).zip(targets) {
            let Terms { sign, factor, easy, rest } = self.terms(z, y);
            *gradient = (-sign * factor * (self.gamma * exp(-easy) * easy + rest)) as f32;
        }
    }

    #[inline(always)]
    fn terms(self, logit: f32, target: f32) -> Terms {
        let is_positive = target > 0.5;
        let sign = if is_positive { 1.0 } else { -1.0 };
        let z = sign * f64::from(logit);
        let (hard, easy) = (softplus(z), softplus(-z));
        let alpha = self.alpha.map_or(1.0, |alpha| if is_positive { alpha } else { 1.0 - alpha });
        Terms { sign, factor: alpha * exp(-self.gamma * hard), easy, rest: exp(-hard) }
    }

    /// Returns the gradient of the sum over outputs, `[models, batch, outputs]`.
    pub(super) fn gradient<B: Backend>(self, logits: Tensor<B, 3>, targets: Tensor<B, 3>) -> Tensor<B, 3> {
        let sign = targets.clone() * 2.0 - 1.0;
        let z = logits * sign.clone();
        let (hard, easy) = (-log_sigmoid(-z.clone()), -log_sigmoid(z));
        let slope = (-easy.clone()).exp() * easy * self.gamma + (-hard.clone()).exp();
        let gradient = -sign * (hard * -self.gamma).exp() * slope;
        match self.alpha {
            Some(alpha) => gradient * (targets * (2.0 * alpha - 1.0) + (1.0 - alpha)),
            None => gradient,
        }
    }
}

impl CategoricalFocal {
    pub(super) fn of_row(self, logits: &[f32], targets: &[f32]) -> f64 {
        let (right, others) = log_sums(logits, targets);
        let total = log_of_sum(right, others);
        exp(self.gamma * (others - total)) * (total - right)
    }

    /// Computes the gradient of one row on the host.
    #[inline(always)]
    pub(super) fn gradient_of_row(self, logits: &[f32], targets: &[f32], gradient: &mut [f32]) {
        let (right, others) = log_sums(logits, targets);
        let total = log_of_sum(right, others);
        let (log_p, q) = (right - total, exp(others - total));
        let of_right = exp(self.gamma * (others - total)) * (self.gamma * exp(log_p) * log_p - q);
        for ((gradient, &z), &y) in gradient.iter_mut().zip(logits).zip(targets) {
            let share = if y > 0.5 { -1.0 } else { exp(f64::from(z) - others) };
            *gradient = (-of_right * share) as f32;
        }
    }

    /// Returns the gradient, `[models, batch, classes]`.
    pub(super) fn gradient<B: Backend>(self, logits: Tensor<B, 3>, targets: Tensor<B, 3>) -> Tensor<B, 3> {
        /// Below this probability of all other classes, a row has no gradient.
        const LEAST: f32 = 1e-30;
        let log_shares = log_softmax(logits, 2);
        let others = log_shares.clone().exp() * (targets.clone() * -1.0 + 1.0);
        let q = others.clone().sum_dim(2).clamp_min(LEAST); // [models, batch, 1]
        let log_p = (log_shares * targets.clone()).sum_dim(2);
        let p = log_p.clone().exp();
        let of_right = (q.clone().log() * self.gamma).exp() * (p * log_p * self.gamma - q.clone());
        (targets - others / q) * of_right
    }
}

/// Returns the logit of the right class, and the logarithm of the sum of the exponentials of the others.
#[inline(always)]
fn log_sums(logits: &[f32], targets: &[f32]) -> (f64, f64) {
    let each = || logits.iter().zip(targets).map(|(&z, &y)| (f64::from(z), y > 0.5));
    let right = each().filter(|(_, is_right)| *is_right).map(|(z, _)| z).sum::<f64>();
    let others = || each().filter(|(_, is_right)| !is_right).map(|(z, _)| z);
    let largest = others().fold(f64::NEG_INFINITY, |largest, z| if z > largest { z } else { largest });
    let sum: f64 = others().map(|z| exp(z - largest)).sum();
    // `ln` is defined for numbers only; NaN stays NaN.
    let log_sum = if sum.is_nan() { sum } else { ln(sum) };
    (right, largest + log_sum)
}

/// Computes log(e^a + e^b).
#[inline(always)]
fn log_of_sum(a: f64, b: f64) -> f64 {
    a + softplus(b - a)
}

/// Computes log(1 + e^z) without overflow; NaN stays NaN.
#[inline(always)]
fn softplus(z: f64) -> f64 {
    let small = ln_1p(exp(-z.abs()));
    if z > 0.0 { z + small } else { small }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With gamma = 0 the loss is the cross-entropy; with gamma = 2, an output at p = 0.9 counts a hundredth of it.
    #[test]
    fn easy_rows_count_less() {
        let logit = 9f32.ln();
        let of = |gamma, alpha| BinaryFocal { gamma, alpha }.of_row(&[logit], &[1.0]);
        let cross_entropy = -0.9f64.ln();
        assert!((of(0.0, None) - cross_entropy).abs() < 1e-7);
        assert!((of(2.0, None) - 0.01 * cross_entropy).abs() < 1e-8);
        assert!((of(2.0, Some(0.25)) - 0.0025 * cross_entropy).abs() < 1e-8);
        let softmax = CategoricalFocal { gamma: 2.0 }.of_row(&[logit, 0.0], &[1.0, 0.0]);
        assert!((softmax - 0.01 * cross_entropy).abs() < 1e-8);
    }

    #[test]
    fn extreme_logits_have_finite_gradients_and_nan_stays() {
        for logits in [[800.0_f32, -800.0], [-800.0, 800.0]] {
            let mut gradient = [f32::NAN; 2];
            CategoricalFocal { gamma: 0.5 }.gradient_of_row(&logits, &[1.0, 0.0], &mut gradient);
            assert!(gradient.iter().all(|value| value.is_finite()), "{gradient:?}");
            BinaryFocal { gamma: 0.5, alpha: None }.gradient_of_row(&logits, &[1.0, 0.0], &mut gradient);
            assert!(gradient.iter().all(|value| value.is_finite()), "{gradient:?}");
        }
        assert!(BinaryFocal { gamma: 2.0, alpha: None }.of_row(&[f32::NAN], &[1.0]).is_nan());
        assert!(CategoricalFocal { gamma: 2.0 }.of_row(&[f32::NAN, 0.0], &[1.0, 0.0]).is_nan());
        assert!(CategoricalFocal { gamma: 2.0 }.of_row(&[0.0, f32::NAN], &[1.0, 0.0]).is_nan());
    }
}
