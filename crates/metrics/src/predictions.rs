//! Predictions on rows whose classes are known: logits beside targets.

use emberline_base::{Matrix, Task};

use crate::probability::{softmax_terms, softplus};

/// The logits of one model beside the targets of the rows.
#[derive(Clone, Copy, Debug)]
pub struct Predictions<'a> {
    task: Task,
    logits: &'a Matrix,
    targets: &'a Matrix,
}

/// Why logits and targets don't belong together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there are predictions for {rows} rows and {outputs} outputs, but targets for {target_rows} rows and \
     {target_outputs} outputs"
)]
pub struct PredictionsError {
    rows: usize,
    outputs: usize,
    target_rows: usize,
    target_outputs: usize,
}

impl<'a> Predictions<'a> {
    /// Puts logits and targets beside each other, both `[rows, outputs]`. Targets are 0 or 1 (binary), one-hot
    /// (multi-class), multi-hot (multi-label), or NaN for a row whose class is unknown.
    ///
    /// # Errors
    /// When the shapes differ, or a binary task has more than one output.
    pub fn new(task: Task, logits: &'a Matrix, targets: &'a Matrix) -> Result<Self, PredictionsError> {
        let shape = |matrix: &Matrix| (matrix.rows(), matrix.cols());
        let ((rows, outputs), (target_rows, target_outputs)) = (shape(logits), shape(targets));
        let fits = shape(logits) == shape(targets) && (task != Task::Binary || outputs == 1) && outputs > 0;
        let error = PredictionsError { rows, outputs, target_rows, target_outputs };
        fits.then_some(Self { task, logits, targets }).ok_or(error)
    }

    /// Returns the same targets beside other logits of the same shape.
    pub(crate) fn with_logits<'b>(&self, logits: &'b Matrix) -> Predictions<'b>
    where
        'a: 'b,
    {
        Predictions { task: self.task, logits, targets: self.targets }
    }

    /// Returns the classification task.
    pub fn task(&self) -> Task {
        self.task
    }

    /// Returns the number of rows.
    pub fn rows(&self) -> usize {
        self.logits.rows()
    }

    /// Returns the number of outputs: 1 for a binary task, otherwise one per class.
    pub fn outputs(&self) -> usize {
        self.logits.cols()
    }

    /// Returns all logits, `[rows, outputs]`.
    pub fn logits(&self) -> &'a Matrix {
        self.logits
    }

    /// Returns the logits of a row, `[outputs]`.
    pub(crate) fn of_row(&self, row: usize) -> &'a [f32] {
        self.logits.row(row)
    }

    /// Returns the targets of a row, `[outputs]`.
    pub(crate) fn target(&self, row: usize) -> &'a [f32] {
        self.targets.row(row)
    }

    /// Returns whether a row has a class that no training row has.
    pub(crate) fn is_unknown(&self, row: usize) -> bool {
        is_unknown(self.target(row))
    }

    /// Returns whether a row is of the class of an output (binary: of the positive class).
    pub(crate) fn is_positive(&self, row: usize, output: usize) -> bool {
        self.target(row)[output] > 0.5
    }
}

/// Returns whether a row with these targets, `[outputs]`, has a class that no training row has. No prediction for it is
/// correct, so it lowers the accuracy; it is a negative of every class; and no loss is defined for it, so the means of
/// log loss, Brier score and calibration error leave it out.
pub fn is_unknown(targets: &[f32]) -> bool {
    targets[0].is_nan()
}

/// Returns the accuracy of one row, from its logits and targets, `[outputs]`: whether the decision is correct (at a
/// probability of 0.5 or the most probable class), or the share of correct decisions of a multi-label task.
pub fn accuracy_of_row(task: Task, logits: &[f32], targets: &[f32]) -> f64 {
    if is_unknown(targets) {
        return 0.0;
    }
    match task {
        Task::MultiClass => f64::from(u8::from(argmax(logits) == argmax(targets))),
        Task::Binary | Task::MultiLabel => {
            let correct = logits.iter().zip(targets).filter(|&(&z, &y)| (z > 0.0) == (y > 0.5)).count();
            correct as f64 / logits.len() as f64
        }
    }
}

/// Returns the log loss of one row, from its logits and targets, `[outputs]`: the negative logarithm of the probability
/// of the true class; multi-label: the mean over the outputs. It is computed from the logits, so that no probability
/// has to be clipped.
pub fn log_loss_of_row(task: Task, logits: &[f32], targets: &[f32]) -> f64 {
    scaled_log_loss(task, logits, targets, 1.0)
}

/// Returns the log loss of one row whose logits are multiplied by `scale`.
pub(crate) fn scaled_log_loss(task: Task, logits: &[f32], targets: &[f32], scale: f64) -> f64 {
    let scaled = |z: &f32| f64::from(*z) * scale;
    match task {
        Task::MultiClass => {
            let (largest, sum) = softmax_terms(logits.iter().map(scaled));
            let of_class = |(z, &y): (&f32, &f32)| f64::from(y) * (sum.ln() - (scaled(z) - largest));
            logits.iter().zip(targets).filter(|(_, y)| **y != 0.0).map(of_class).sum()
        }
        Task::Binary | Task::MultiLabel => {
            let of_output = |(z, &y): (&f32, &f32)| softplus(scaled(z)) - scaled(z) * f64::from(y);
            logits.iter().zip(targets).map(of_output).sum::<f64>() / logits.len() as f64
        }
    }
}

/// Returns the index of the first of the largest numbers.
pub(crate) fn argmax(values: &[f32]) -> usize {
    let mut best = 0;
    for (index, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = index;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_must_agree() {
        let (two, three) = (Matrix::zeros(2, 1), Matrix::zeros(3, 1));
        let error = Predictions::new(Task::Binary, &two, &three).expect_err("other rows");
        assert!(error.to_string().contains("2 rows and 1 outputs, but targets for 3 rows"), "{error}");
        let wide = Matrix::zeros(2, 2);
        assert!(Predictions::new(Task::Binary, &wide, &wide).is_err());
        assert!(Predictions::new(Task::MultiLabel, &wide, &wide).is_ok());
    }

    #[test]
    fn saturated_logits_have_finite_losses() {
        for (logit, target, expected) in [(60., 0., 60.), (-20., 1., 20.), (0., 1., std::f64::consts::LN_2)] {
            let value = log_loss_of_row(Task::Binary, &[logit], &[target]);
            assert!((value - expected).abs() < 1e-8, "{logit} {target}: {value}");
        }
        assert!(log_loss_of_row(Task::Binary, &[f32::NAN], &[1.0]).is_nan());
        assert_eq!(log_loss_of_row(Task::MultiClass, &[0.0, 900.0, 0.0], &[1.0, 0.0, 0.0]), 900.0);
    }
}
