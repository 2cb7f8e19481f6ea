//! The losses of one row: from its logits to the loss and the residuals, the loss's derivatives by the logits.

use emberline_kernels::double::{exp, ln, ln_1p};

/// The loss that is minimised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The binary cross-entropy of one output; the classes are 0 and 1.
    Logistic,
    /// The categorical cross-entropy of the softmax over the outputs, one per class.
    Softmax,
}

impl Loss {
    /// Returns the loss of a row of a class, and replaces its logits by the residuals.
    #[inline(always)]
    pub(crate) fn residuals(self, logits: &mut [f64], class: u32) -> f64 {
        match self {
            Self::Logistic => {
                let (loss, residual) = logistic(logits[0], class);
                logits[0] = residual;
                loss
            }
            Self::Softmax => softmax(logits, class as usize),
        }
    }
}

/// Returns the binary cross-entropy `ln(1 + e^z) - class z` and its derivative, sigmoid(z) - class.
#[inline(always)]
pub(crate) fn logistic(z: f64, class: u32) -> (f64, f64) {
    let small = exp(-z.abs());
    let share = if z >= 0.0 { 1.0 } else { small } / (1.0 + small);
    let class = f64::from(class);
    (z.max(0.0) - class * z + ln_1p(small), share - class)
}

#[inline(always)]
fn softmax(logits: &mut [f64], class: usize) -> f64 {
    let largest = logits.iter().fold(f64::NEG_INFINITY, |largest, &z| if z > largest { z } else { largest });
    let own = logits[class];
    // Two loops: the sum has to keep its order, and the exponentials alone can be vectorised.
    logits.iter_mut().for_each(|z| *z = exp(*z - largest));
    let sum: f64 = logits.iter().sum();
    logits.iter_mut().for_each(|z| *z /= sum);
    logits[class] -= 1.0;
    largest - own + ln(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn residuals_are_the_derivatives_of_the_loss() {
        let logits = [0.5, -1.25, 3.0];
        let of = |loss: Loss, logits: &[f64], class| {
            let mut residuals = logits.to_vec();
            (loss.residuals(&mut residuals, class), residuals)
        };
        for (loss, count) in [(Loss::Softmax, 3), (Loss::Logistic, 1)] {
            for (class, at) in [(0, 0), (1, 0), (1, count - 1)] {
                let at_offset = |offset: f64| {
                    let mut moved = logits[..count].to_vec();
                    moved[at] += offset;
                    of(loss, &moved, class).0
                };
                let slope = (at_offset(1e-6) - at_offset(-1e-6)) / 2e-6;
                assert!((of(loss, &logits[..count], class).1[at] - slope).abs() < 1e-8, "{loss:?} {class} {at}");
            }
        }
    }

    #[test]
    fn extreme_logits_have_finite_losses() {
        assert_eq!(logistic(1e6, 1), (0.0, 0.0));
        assert_eq!(logistic(-1e6, 1), (1e6, -1.0));
        let mut logits = [1e6, -1e6];
        assert_eq!(Loss::Softmax.residuals(&mut logits, 1), 2e6);
        assert_eq!(logits, [1.0, -1.0]);
    }
}
