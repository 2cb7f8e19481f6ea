//! The mistakes of the chosen model, the worst first, and the predictions it was surest of.
//!
//! The worst mistake is the one with the highest log loss: the model gave the truth the lowest probability. Rows with a label that no
//! training row has can't be right, so they aren't among the mistakes; the confusion matrix counts them.

use emberline_base::Task;
use emberline_metrics::log_loss_of_row;

use super::{Evaluation, UNKNOWN_CLASS};

/// The prediction of one row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PredictedRow {
    /// The index of the row among the evaluated ones.
    pub(crate) row: usize,
    /// The classes that are predicted.
    pub(crate) predicted: Vec<u32>,
    /// The probability of the predicted class; of the most certain wrong answer of a multi-label task.
    pub(crate) probability: f64,
    /// The log loss.
    pub(crate) loss: f64,
    /// Whether the prediction is right.
    pub(crate) is_right: bool,
}

/// Returns the prediction of every row whose label is known.
pub(crate) fn predicted_rows(evaluation: &Evaluation) -> Vec<PredictedRow> {
    let probabilities = evaluation.probabilities();
    let known = (0..evaluation.rows()).filter(|&row| !evaluation.labels[row].contains(&UNKNOWN_CLASS));
    let of_row = |row: usize| {
        let of_outputs: Vec<f64> = probabilities.row(row).collect();
        let (predicted, probability) = decide(evaluation, row, &of_outputs);
        let mut truth = evaluation.labels[row].clone();
        truth.sort_unstable();
        PredictedRow {
            row,
            is_right: predicted == truth,
            predicted,
            probability,
            loss: log_loss_of_row(evaluation.task, evaluation.logits.row(row), evaluation.targets.row(row)),
        }
    };
    known.map(of_row).collect()
}

/// Returns the predicted classes of a row, and how sure the model is of them.
fn decide(evaluation: &Evaluation, row: usize, probabilities: &[f64]) -> (Vec<u32>, f64) {
    match evaluation.task {
        Task::Binary => {
            let is_positive = match evaluation.threshold {
                Some(threshold) => probabilities[0] >= threshold,
                None => evaluation.logits.row(row)[0] > 0.0,
            };
            let probability = if is_positive { probabilities[0] } else { 1.0 - probabilities[0] };
            (vec![u32::from(is_positive)], probability)
        }
        Task::MultiClass => {
            let first_largest =
                |best: usize, next: usize| if probabilities[next] > probabilities[best] { next } else { best };
            let best = (0..probabilities.len()).reduce(first_largest).unwrap_or(0);
            (vec![best as u32], probabilities[best])
        }
        Task::MultiLabel => {
            let is_predicted = |output: &usize| evaluation.logits.row(row)[*output] > 0.0;
            let predicted = (0..probabilities.len()).filter(is_predicted).map(|output| output as u32).collect();
            let certain = |output: usize| {
                let is_wrong = is_predicted(&output) != (evaluation.targets.row(row)[output] > 0.5);
                let probability =
                    if is_predicted(&output) { probabilities[output] } else { 1.0 - probabilities[output] };
                (is_wrong, probability)
            };
            let wrong = (0..probabilities.len()).map(certain).filter(|(is_wrong, _)| *is_wrong).map(|(_, p)| p);
            let surest = wrong.reduce(f64::max);
            let least = (0..probabilities.len()).map(|output| certain(output).1).reduce(f64::min);
            (predicted, surest.or(least).unwrap_or(0.0))
        }
    }
}

/// Returns the mistakes with the highest log loss, at most `limit`.
pub(crate) fn worst(rows: &[PredictedRow], limit: usize) -> Vec<&PredictedRow> {
    let mut wrong: Vec<&PredictedRow> = rows.iter().filter(|row| !row.is_right).collect();
    wrong.sort_by(|a, b| b.loss.total_cmp(&a.loss).then(a.row.cmp(&b.row)));
    wrong.truncate(limit);
    wrong
}

/// Returns the mistakes whose wrong answer had the highest probability, at most `limit`.
pub(crate) fn most_confident(rows: &[PredictedRow], limit: usize) -> Vec<&PredictedRow> {
    let mut wrong: Vec<&PredictedRow> = rows.iter().filter(|row| !row.is_right).collect();
    wrong.sort_by(|a, b| b.probability.total_cmp(&a.probability).then(a.row.cmp(&b.row)));
    wrong.truncate(limit);
    wrong
}

/// Returns the right predictions that the model was surest of, at most `limit`.
pub(crate) fn surest(rows: &[PredictedRow], limit: usize) -> Vec<&PredictedRow> {
    let mut right: Vec<&PredictedRow> = rows.iter().filter(|row| row.is_right).collect();
    right.sort_by(|a, b| a.loss.total_cmp(&b.loss).then(a.row.cmp(&b.row)));
    right.truncate(limit);
    right
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn the_worst_mistake_gave_the_truth_the_lowest_probability() {
        let evaluation = sample::evaluation();
        let rows = predicted_rows(&evaluation);
        let worst = worst(&rows, 3);
        assert!(worst.len() == 3 && worst.is_sorted_by(|a, b| a.loss >= b.loss));
        assert!(worst.iter().all(|row| evaluation.labels[row.row] != row.predicted));
        let surest = surest(&rows, 3);
        assert!(surest.iter().all(|row| evaluation.labels[row.row] == row.predicted && row.loss < worst[0].loss));
    }

    #[test]
    fn every_task_decides_as_its_metrics_do() {
        for evaluation in [sample::evaluation(), sample::evaluation_of_classes(), sample::evaluation_of_labels()] {
            let right = predicted_rows(&evaluation).iter().filter(|row| row.is_right).count();
            let counted = match evaluation.decisions().confusion_matrix() {
                Some(matrix) => (0..matrix[0].len()).map(|class| matrix[class][class] as usize).sum(),
                None => emberline_metrics::all_labels_right(&evaluation.predictions())
                    .iter()
                    .filter(|right| **right)
                    .count(),
            };
            assert_eq!(right, counted, "{:?}", evaluation.task);
        }
    }
}
