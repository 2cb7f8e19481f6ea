//! Loss functions. To add one: a file here, a variant of [`LossFunction`] and of [`Loss`], and its arms below.
//!
//! Every loss is computed from the logits. Records show the value computed on the host; training follows the gradient
//! computed on the device. Passing the gradient in closed form to backpropagation is exact where autodiff through `max`
//! and `abs` is not (a logit of 0, as an all-zero text gives).
//! A loss of NaN logits is NaN: `f64::max` would turn it into a number.

mod binary_cross_entropy;
mod categorical_cross_entropy;
mod focal;

use burn::tensor::Tensor;
use burn::tensor::backend::Backend;
use emberline_base::Task;

use self::focal::{BinaryFocal, CategoricalFocal};
use crate::settings::{CrossEntropy, Focal, Loss};

/// A loss function with its settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum LossFunction {
    /// The cross-entropy of outputs with a sigmoid each, whose targets are smoothed by this share.
    BinaryCrossEntropy { smoothing: f64 },
    /// The cross-entropy of a softmax, whose targets are smoothed by this share.
    CategoricalCrossEntropy { smoothing: f64 },
    /// The focal loss of outputs with a sigmoid each.
    BinaryFocal(BinaryFocal),
    /// The focal loss of a softmax.
    CategoricalFocal(CategoricalFocal),
}

impl LossFunction {
    /// Returns the function of a loss that suits the task.
    pub(crate) fn new(loss: Loss, task: Task) -> Self {
        match (loss, task) {
            (Loss::BinaryCrossEntropy(CrossEntropy { label_smoothing }), _) => {
                Self::BinaryCrossEntropy { smoothing: label_smoothing }
            }
            (Loss::CategoricalCrossEntropy(CrossEntropy { label_smoothing }), _) => {
                Self::CategoricalCrossEntropy { smoothing: label_smoothing }
            }
            (Loss::Focal(Focal { gamma, alpha: _ }), Task::MultiClass) => {
                Self::CategoricalFocal(CategoricalFocal { gamma })
            }
            (Loss::Focal(Focal { gamma, alpha }), Task::Binary | Task::MultiLabel) => {
                Self::BinaryFocal(BinaryFocal { gamma, alpha })
            }
        }
    }

    /// Returns the loss of one row, from its logits `[outputs]` and targets `[outputs]`.
    pub(crate) fn of_row(self, logits: &[f32], targets: &[f32]) -> f64 {
        match self {
            Self::BinaryCrossEntropy { smoothing } => binary_cross_entropy::of_row(logits, targets, smoothing),
            Self::CategoricalCrossEntropy { smoothing } => {
                categorical_cross_entropy::of_row(logits, targets, smoothing)
            }
            Self::BinaryFocal(focal) => focal.of_row(logits, targets),
            Self::CategoricalFocal(focal) => focal.of_row(logits, targets),
        }
    }

    /// Returns the gradient of each model's mean loss over its batch with respect to the logits, `[models, batch,
    /// outputs]`.
    pub(crate) fn gradient<B: Backend>(self, logits: Tensor<B, 3>, targets: Tensor<B, 3>) -> Tensor<B, 3> {
        let [_, batch, outputs] = logits.dims();
        let gradient = match self {
            Self::BinaryCrossEntropy { smoothing } => binary_cross_entropy::gradient(logits, targets, smoothing),
            Self::CategoricalCrossEntropy { smoothing } => {
                categorical_cross_entropy::gradient(logits, targets, smoothing)
            }
            Self::BinaryFocal(focal) => focal.gradient(logits, targets),
            Self::CategoricalFocal(focal) => focal.gradient(logits, targets),
        };
        gradient / self.divisor(batch, outputs)
    }

    /// Computes the gradient of one row's share of the batch's mean loss with respect to its logits, before it is
    /// divided by the [`divisor`](Self::divisor). Logits, targets and gradient are `[outputs]`.
    #[inline(always)]
    pub(crate) fn gradient_of_row(self, logits: &[f32], targets: &[f32], gradient: &mut [f32]) {
        match self {
            Self::BinaryCrossEntropy { smoothing } => {
                binary_cross_entropy::gradient_of_row(logits, targets, smoothing, gradient);
            }
            Self::CategoricalCrossEntropy { smoothing } => {
                categorical_cross_entropy::gradient_of_row(logits, targets, smoothing, gradient);
            }
            Self::BinaryFocal(focal) => focal.gradient_of_row(logits, targets, gradient),
            Self::CategoricalFocal(focal) => focal.gradient_of_row(logits, targets, gradient),
        }
    }

    /// Returns the divisor of the mean over a batch.
    #[inline(always)]
    pub(crate) fn divisor(self, batch: usize, outputs: usize) -> f32 {
        match self {
            Self::BinaryCrossEntropy { .. } | Self::BinaryFocal(_) => (batch * outputs) as f32,
            Self::CategoricalCrossEntropy { .. } | Self::CategoricalFocal(_) => batch as f32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::Flex;
    use burn::tensor::TensorData;

    /// Compares the gradient with central differences of the value on the host.
    fn check(loss: LossFunction, logits: [f32; 6], targets: [f32; 6]) {
        let device = Default::default();
        let tensor = |v: [f32; 6]| Tensor::<Flex, 3>::from_data(TensorData::new(v.to_vec(), [1, 2, 3]), &device);
        let gradient = loss.gradient(tensor(logits), tensor(targets)).into_data().to_vec::<f32>().expect("floats");
        let mean = |z: &[f32]| {
            (0..2).map(|r| loss.of_row(&z[r * 3..r * 3 + 3], &targets[r * 3..r * 3 + 3])).sum::<f64>() / 2.0
        };
        for i in 0..6 {
            let (mut low, mut high) = (logits, logits);
            low[i] -= 1e-2;
            high[i] += 1e-2;
            let slope = (mean(&high) - mean(&low)) / f64::from(high[i] - low[i]);
            assert!((slope - f64::from(gradient[i])).abs() < 1e-4, "{loss:?} {i}: {slope} {}", gradient[i]);
            let row = i / 3 * 3;
            let mut of_row = [0.0; 3];
            loss.gradient_of_row(&logits[row..row + 3], &targets[row..row + 3], &mut of_row);
            assert!((of_row[i - row] / loss.divisor(2, 3) - gradient[i]).abs() < 1e-6, "{loss:?} {i}");
        }
    }

    #[test]
    fn gradients_are_the_slopes_of_the_values() {
        let logits = [0.0, 1.5, -2.0, 0.3, -0.7, 4.0];
        for smoothing in [0.0, 0.1] {
            check(LossFunction::BinaryCrossEntropy { smoothing }, logits, [1., 0., 1., 0., 0., 1.]);
            check(LossFunction::CategoricalCrossEntropy { smoothing }, logits, [1., 0., 0., 0., 0., 1.]);
        }
        for gamma in [0.0, 0.5, 2.0] {
            for alpha in [None, Some(0.25)] {
                check(LossFunction::BinaryFocal(BinaryFocal { gamma, alpha }), logits, [1., 0., 1., 0., 0., 1.]);
            }
            check(LossFunction::CategoricalFocal(CategoricalFocal { gamma }), logits, [1., 0., 0., 0., 0., 1.]);
        }
    }

    #[test]
    fn saturated_logits_give_keras_values() {
        // Keras also computes from the logits after a sigmoid: no clipping at 1e-7.
        for (logit, target, expected) in
            [(60., 0., 60.), (-20., 1., 20.), (0., 1., std::f64::consts::LN_2), (60., 1., 0.)]
        {
            let value = LossFunction::BinaryCrossEntropy { smoothing: 0.0 }.of_row(&[logit], &[target]);
            assert!((value - expected).abs() < 1e-6, "{logit} {target}: {value}");
        }
    }
}
