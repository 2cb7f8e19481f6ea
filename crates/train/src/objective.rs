//! The objective of a fit: the loss of each row times the weight of its class.
//!
//! `train.loss`, `train.class_weight` and `train.sampling` enter, with the labels; a loss per row and its gradient leave. As
//! in Keras, the loss of rows is the sum of their weighted losses divided by the number of rows, not by the sum of their
//! weights.
//!
//! The loss of held-out rows is the same expectation as that of training rows, so that the two can be compared: under
//! `class_weight` both are weighted, and under `sampling`, where an epoch draws every class equally often, held-out rows have
//! the weights that rows were drawn by.

use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use emberline_base::{Matrix, SplitName, Task};

use crate::loss::LossFunction;
use crate::settings::{Sampling, Train, balanced, class_counts, class_of_row};

/// The loss of rows, and how much each class counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Objective {
    loss: LossFunction,
    /// The weight of each class in the loss of training rows; none if all count equally.
    training: Option<Vec<f64>>,
    /// The weight of each class in the loss of validation and test rows; none if all count equally.
    held_out: Option<Vec<f64>>,
}

impl Objective {
    /// Creates the objective for classes, given the training rows' targets, `[rows, outputs]`.
    ///
    /// # Errors
    /// When a setting doesn't suit the labels; the error says what to write instead.
    pub fn new(train: &Train, task: Task, classes: &[String], targets: &Matrix) -> Result<Self, String> {
        train.check_labels(task, classes)?;
        let loss = LossFunction::new(train.loss_for(task)?, task);
        let training = train.class_weights(classes, targets)?;
        let sampled = train.sampling.map(|sampling| match sampling {
            Sampling::Balanced => balanced(&class_counts(targets)),
        });
        Ok(Self { loss, held_out: sampled.or_else(|| training.clone()), training })
    }

    /// Returns the loss function.
    pub(crate) fn loss(&self) -> LossFunction {
        self.loss
    }

    /// Returns the weight of each class in the loss of training rows; none if all count equally.
    pub(crate) fn class_weights(&self) -> Option<&[f64]> {
        self.training.as_deref()
    }

    /// Returns the weight of each class in the loss of held-out rows; none if all count equally.
    pub(crate) fn held_out_weights(&self) -> Option<&[f64]> {
        self.held_out.as_deref()
    }

    /// Returns the loss of one validation or test row, from its logits `[outputs]` and targets `[outputs]`.
    pub fn held_out_loss(&self, logits: &[f32], targets: &[f32]) -> f64 {
        self.of_row(SplitName::Valid, logits, targets)
    }

    /// Returns the loss of one row of a split, from its logits `[outputs]` and targets `[outputs]`.
    pub(crate) fn of_row(&self, split: SplitName, logits: &[f32], targets: &[f32]) -> f64 {
        let weights = match split {
            SplitName::Train => &self.training,
            SplitName::Valid | SplitName::Test => &self.held_out,
        };
        weight(weights.as_deref(), targets) * self.loss.of_row(logits, targets)
    }

    /// Computes the gradient of one training row's share of the mean loss of a batch with respect to its logits. Logits,
    /// targets and gradient are `[outputs]`.
    #[inline(always)]
    pub(crate) fn gradient_of_row(&self, batch: usize, logits: &[f32], targets: &[f32], gradient: &mut [f32]) {
        self.loss.gradient_of_row(logits, targets, gradient);
        let divisor = self.loss.divisor(batch, gradient.len());
        gradient.iter_mut().for_each(|value| *value /= divisor);
        if let Some(weights) = &self.training {
            let weight = weight(Some(weights), targets) as f32;
            gradient.iter_mut().for_each(|value| *value *= weight);
        }
    }

    /// Returns the gradient of each model's mean loss over its batch with respect to the logits, `[models, batch,
    /// outputs]`.
    pub(crate) fn gradient<B: Backend>(&self, logits: Tensor<B, 3>, targets: Tensor<B, 3>) -> Tensor<B, 3> {
        let gradient = self.loss.gradient(logits, targets.clone());
        match &self.training {
            Some(weights) => gradient * weights_of_rows(weights, targets),
            None => gradient,
        }
    }
}

/// Returns the weight of a row's class, 1 if there are no weights or the class isn't known.
fn weight(weights: Option<&[f64]>, targets: &[f32]) -> f64 {
    let of_class = weights.and_then(|weights| weights.get(class_of_row(targets)?));
    of_class.copied().unwrap_or(1.0)
}

/// Returns the weight of each row's class, `[models, batch, 1]`.
fn weights_of_rows<B: Backend>(weights: &[f64], targets: Tensor<B, 3>) -> Tensor<B, 3> {
    let [_, _, outputs] = targets.dims();
    if let ([negative, positive], 1) = (weights, outputs) {
        return targets.clone() * *positive + (targets * -1.0 + 1.0) * *negative;
    }
    let values: Vec<f32> = weights.iter().map(|&weight| weight as f32).collect();
    let weights = Tensor::from_data(TensorData::new(values, [1, 1, outputs]), &targets.device());
    (targets * weights).sum_dim(2)
}

#[cfg(test)]
mod tests {
    use burn::backend::Flex;
    use serde_json::json;

    use super::*;

    fn objective(train: serde_json::Value, task: Task, targets: &Matrix) -> Objective {
        let train: Train = serde_json::from_value(train).expect("settings");
        let classes = ["a", "b", "c"].map(str::to_owned);
        let classes = if task == Task::Binary { &classes[..2] } else { &classes };
        Objective::new(&train, task, classes, targets).expect("an objective")
    }

    /// The gradient of the weighted mean of a batch, against central differences and between host and tensors.
    fn check(objective: &Objective, logits: &[f32], targets: &Matrix) {
        let (rows, outputs) = (targets.rows(), targets.cols());
        let mean = |logits: &[f32]| {
            let of_row =
                |row: usize| objective.of_row(SplitName::Train, &logits[row * outputs..][..outputs], targets.row(row));
            (0..rows).map(of_row).sum::<f64>() / rows as f64
        };
        let device = Default::default();
        let tensor = |values: &[f32]| {
            Tensor::<Flex, 3>::from_data(TensorData::new(values.to_vec(), [1, rows, outputs]), &device)
        };
        let on_tensors = objective.gradient(tensor(logits), tensor(targets.values()));
        let on_tensors = on_tensors.into_data().to_vec::<f32>().expect("floats");
        for at in 0..logits.len() {
            let moved = |offset: f32| {
                let mut moved = logits.to_vec();
                moved[at] += offset;
                mean(&moved)
            };
            let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            let (row, output) = (at / outputs, at % outputs);
            let mut gradient = vec![0.0; outputs];
            objective.gradient_of_row(rows, &logits[row * outputs..][..outputs], targets.row(row), &mut gradient);
            assert!((f64::from(gradient[output]) - slope).abs() < 2e-4, "{at}: {slope} {gradient:?}");
            assert!((gradient[output] - on_tensors[at]).abs() < 1e-6, "{at}: {gradient:?} {on_tensors:?}");
        }
    }

    #[test]
    fn weighted_gradients_are_the_slopes_of_the_weighted_loss() {
        let binary = Matrix::new(4, 1, vec![0.0, 1.0, 0.0, 0.0]);
        let of = |train| objective(train, Task::Binary, &binary);
        for train in [
            json!({"class_weight": {"b": 4.0}}),
            json!({"class_weight": "balanced"}),
            json!({"class_weight": {"a": 0.5}, "loss": {"focal": {"gamma": 2.0, "alpha": 0.25}}}),
        ] {
            check(&of(train), &[0.5, -1.0, 2.0, -0.25], &binary);
        }
        let several = Matrix::new(3, 3, vec![1., 0., 0., 0., 0., 1., 1., 0., 0.]);
        let train = json!({"class_weight": {"a": 0.5, "c": 3.0}, "loss": {"categorical_cross_entropy": {"label_smoothing": 0.1}}});
        check(
            &objective(train, Task::MultiClass, &several),
            &[0.5, 1.0, -1.0, 0.0, 2.0, 1.0, -2.0, 0.25, 0.5],
            &several,
        );
    }

    #[test]
    fn sampled_rows_count_equally_and_held_out_rows_by_the_weights_of_the_draw() {
        let targets = Matrix::new(4, 1, vec![0.0, 1.0, 0.0, 0.0]);
        let sampled = objective(json!({"sampling": "balanced"}), Task::Binary, &targets);
        let weighted = objective(json!({"class_weight": "balanced"}), Task::Binary, &targets);
        let plain = objective(json!({}), Task::Binary, &targets);
        for target in [0.0, 1.0, f32::NAN] {
            let of = |objective: &Objective, split| objective.of_row(split, &[0.5], &[target]).to_bits();
            assert_eq!(of(&sampled, SplitName::Train), of(&plain, SplitName::Train));
            assert_eq!(of(&sampled, SplitName::Valid), of(&weighted, SplitName::Valid));
            assert_eq!(of(&weighted, SplitName::Train), of(&weighted, SplitName::Test));
        }
        let ratio = |of: &Objective| {
            of.of_row(SplitName::Valid, &[0.5], &[1.0]) / plain.of_row(SplitName::Valid, &[0.5], &[1.0])
        };
        assert!((ratio(&weighted) - 2.0).abs() < 1e-12);
    }

    #[test]
    fn a_class_that_does_not_exist_is_an_error() {
        let train: Train = serde_json::from_value(json!({"class_weight": {"z": 2.0}})).expect("settings");
        let targets = Matrix::new(1, 1, vec![0.0]);
        let error = Objective::new(&train, Task::Binary, &["a".to_owned(), "b".to_owned()], &targets);
        assert!(error.is_err_and(|why| why.contains("there are `a`, `b`")));
    }
}
