//! The scores of a split: the loss that is trained with, beside the metrics of `emberline_metrics`.

use emberline_base::{Matrix, Metric, Scores, SplitName, Task};
use emberline_metrics::{Predictions, Threshold, accuracy_of_row, epoch_scores, is_unknown};

use crate::objective::Objective;

/// Computes loss and accuracy, the metrics that are measured during training, from logits and targets,
/// `[rows, outputs]`, of rows of a split.
pub(crate) fn basic(task: Task, objective: (&Objective, SplitName), logits: &Matrix, targets: &Matrix) -> Scores {
    let rows = 0..logits.rows();
    let correct: f64 = rows.map(|row| accuracy_of_row(task, logits.row(row), targets.row(row))).sum();
    let accuracy = correct / logits.rows() as f64;
    Scores::from([(Metric::Loss, mean_loss(objective, logits, targets)), (Metric::Accuracy, accuracy)])
}

/// Computes the metrics of held-out rows that are measured after every epoch.
pub(crate) fn all(
    objective: &Objective,
    predictions: &Predictions<'_>,
    targets: &Matrix,
    threshold: Threshold,
) -> Scores {
    let mut scores = epoch_scores(predictions, threshold);
    scores.insert(Metric::Loss, mean_loss((objective, SplitName::Valid), predictions.logits(), targets));
    scores
}

/// Puts the logits of a split beside its targets.
pub(crate) fn predictions<'a>(task: Task, logits: &'a Matrix, targets: &'a Matrix) -> Predictions<'a> {
    Predictions::new(task, logits, targets).expect("an engine computes a logit for every target")
}

/// Returns the mean of the weighted losses of the rows whose class is known.
fn mean_loss((objective, split): (&Objective, SplitName), logits: &Matrix, targets: &Matrix) -> f64 {
    let (mut total, mut known) = (0.0, 0);
    for row in (0..logits.rows()).filter(|&row| !is_unknown(targets.row(row))) {
        known += 1;
        total += objective.of_row(split, logits.row(row), targets.row(row));
    }
    total / f64::from(known)
}

#[cfg(test)]
mod tests {
    use emberline_metrics::{ThresholdRule, log_loss_of_row};

    use super::*;
    use crate::settings::Train;

    fn scored(logits: &[f32], targets: &[f32]) -> Scores {
        let column = |values: &[f32]| Matrix::new(values.len(), 1, values.to_vec());
        let (logits, targets) = (column(logits), column(targets));
        let threshold = Threshold::ChosenBy(ThresholdRule::default());
        let objective = Objective::new(&Train::default(), Task::Binary, &[], &targets).expect("an objective");
        all(&objective, &predictions(Task::Binary, &logits, &targets), &targets, threshold)
    }

    #[test]
    fn a_row_of_an_unknown_class_has_no_loss_and_is_wrong() {
        let without = scored(&[2.0, -1.0], &[1., 0.]);
        let with = scored(&[2.0, -1.0, -3.0], &[1., 0., f32::NAN]);
        assert_eq!(with[&Metric::Loss], without[&Metric::Loss]);
        assert_eq!((without[&Metric::Accuracy], with[&Metric::Accuracy]), (1.0, 2.0 / 3.0));
    }

    #[test]
    fn nan_logits_show_in_the_loss() {
        assert!(scored(&[f32::NAN, 1.0], &[1., 0.])[&Metric::Loss].is_nan());
    }

    /// The unweighted loss is the log loss.
    #[test]
    fn the_loss_is_the_log_loss() {
        let (logits, targets) = ([0.5, -2.0, 1.5], [0.0, 0.0, 1.0]);
        for task in [Task::MultiClass, Task::MultiLabel] {
            let rows = Matrix::new(1, 3, targets.to_vec());
            let objective = Objective::new(&Train::default(), task, &[], &rows).expect("an objective");
            let off = objective.of_row(SplitName::Valid, &logits, &targets) - log_loss_of_row(task, &logits, &targets);
            assert!(off.abs() < 1e-15, "{task:?}: {off}");
        }
    }
}
