//! Metrics of a split, computed from logits and targets on the host with 64-bit numbers, equal to those of
//! scikit-learn.
//!
//! | metric | equivalent in scikit-learn, for probabilities `p` `[rows, outputs]` and targets `y` |
//! |---|---|
//! | loss | `log_loss`; multi-label: the mean over classes |
//! | accuracy | `accuracy_score`; multi-label: `1 - hamming_loss` |
//! | PR-AUC | `average_precision_score`, one class against the rest; the mean over the classes that have a positive row |
//! | ROC-AUC | `roc_auc_score`, one class against the rest; the mean over the classes that have a positive and a negative row |
//! | F1, precision, recall | binary: at the threshold; else `f1_score` and so on with `average="macro"`, `labels` = all classes, `zero_division=0` |
//!
//! The classes are those of the whole data: which of them are averaged over never depends on what a model predicts.
//! Metrics that aren't defined (a curve without a positive row) are left out. `tests/fixtures/metrics/make.py` creates
//! the values that tests compare with.

mod curve;
mod probability;

use emberline_base::{Matrix, Metric, Scores, Task};

use self::curve::{Curve, Decision};
use self::probability::Probabilities;
pub(crate) use self::probability::probabilities_of_row;
pub use self::probability::probability;
use crate::settings::Loss;

/// The threshold at which F1, precision and recall of a binary task are computed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Threshold {
    /// The threshold with the best F1 on these rows (for validation).
    Best,
    /// A given probability (for the test split: the threshold chosen on validation).
    At(f64),
}

/// Computes loss and accuracy, the metrics that are measured during training.
pub fn basic(task: Task, loss: Loss, logits: &Matrix, targets: &Matrix) -> Scores {
    let rows = logits.rows();
    let (mut total, mut correct, mut known) = (0.0, 0.0, 0);
    for row in 0..rows {
        let (z, y) = (logits.row(row), targets.row(row));
        if is_unknown(y) {
            continue;
        }
        known += 1;
        total += loss.of_row(z, y);
        correct += match task {
            Task::MultiClass => f64::from(u8::from(argmax(z) == argmax(y))),
            Task::Binary | Task::MultiLabel => share_correct(z, y),
        };
    }
    Scores::from([(Metric::Loss, total / f64::from(known)), (Metric::Accuracy, correct / rows as f64)])
}

/// Computes every metric that is defined for the rows.
pub fn all(task: Task, loss: Loss, logits: &Matrix, targets: &Matrix, threshold: Threshold) -> Scores {
    let mut scores = basic(task, loss, logits, targets);
    let probabilities = Probabilities::of(task, logits);
    let curve = |output: usize| {
        let row = |row: usize| (probabilities.get(row, output), targets.row(row)[output] > 0.5);
        Curve::of((0..logits.rows()).map(row))
    };
    let mut areas = Vec::with_capacity(logits.cols());
    for output in 0..logits.cols() {
        let curve = curve(output);
        areas.push((curve.average_precision(), curve.roc_auc()));
        if task == Task::Binary {
            insert_binary_decision(&mut scores, &curve, threshold);
        }
    }
    insert_mean(&mut scores, Metric::PrAuc, areas.iter().filter_map(|area| area.0));
    insert_mean(&mut scores, Metric::RocAuc, areas.iter().filter_map(|area| area.1));
    if task != Task::Binary {
        insert_macro_averages(&mut scores, task, logits, targets);
    }
    scores
}

/// Returns whether a row has a class that no training row has. No prediction for it is correct, so it lowers the
/// accuracy; it is a negative of every class; and no loss is defined for it, so the mean loss leaves it out.
fn is_unknown(targets: &[f32]) -> bool {
    targets[0].is_nan()
}

fn argmax(values: &[f32]) -> usize {
    let mut best = 0;
    for (index, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = index;
        }
    }
    best
}

fn share_correct(logits: &[f32], targets: &[f32]) -> f64 {
    let correct = logits.iter().zip(targets).filter(|&(&z, &y)| (z > 0.0) == (y > 0.5)).count();
    correct as f64 / logits.len() as f64
}

fn insert_mean(scores: &mut Scores, metric: Metric, values: impl Iterator<Item = f64>) {
    let values: Vec<f64> = values.collect();
    if !values.is_empty() {
        scores.insert(metric, values.iter().sum::<f64>() / values.len() as f64);
    }
}

fn insert_binary_decision(scores: &mut Scores, curve: &Curve, threshold: Threshold) {
    let decision = match threshold {
        Threshold::Best => curve.best_decision(),
        Threshold::At(threshold) => curve.decision_at(threshold),
    };
    if let Some(Decision { threshold, f1, precision, recall }) = decision {
        scores.extend([
            (Metric::Threshold, threshold),
            (Metric::F1, f1),
            (Metric::Precision, precision),
            (Metric::Recall, recall),
        ]);
    }
}

/// Computes F1, precision and recall per class at the default decision (argmax, or a probability above 0.5), averaged
/// over all classes. A division by 0 gives 0, so a class without a row counts as one that is never found.
fn insert_macro_averages(scores: &mut Scores, task: Task, logits: &Matrix, targets: &Matrix) {
    let classes = logits.cols();
    // [classes] of (true positives, predicted positives, positives)
    let mut counts = vec![(0.0f64, 0.0f64, 0.0f64); classes];
    for row in 0..logits.rows() {
        let z = logits.row(row);
        let top = argmax(z);
        for (class, count) in counts.iter_mut().enumerate() {
            let predicted = if task == Task::MultiClass { class == top } else { z[class] > 0.0 };
            let positive = targets.row(row)[class] > 0.5;
            count.0 += f64::from(u8::from(predicted && positive));
            count.1 += f64::from(u8::from(predicted));
            count.2 += f64::from(u8::from(positive));
        }
    }
    let ratio = |a: f64, b: f64| if b > 0.0 { a / b } else { 0.0 };
    insert_mean(scores, Metric::F1, counts.iter().map(|c| ratio(2.0 * c.0, c.1 + c.2)));
    insert_mean(scores, Metric::Precision, counts.iter().map(|c| ratio(c.0, c.1)));
    insert_mean(scores, Metric::Recall, counts.iter().map(|c| ratio(c.0, c.2)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(logits: &[f32], targets: &[f32], threshold: Threshold) -> Scores {
        let column = |v: &[f32]| Matrix::new(v.len(), 1, v.to_vec());
        all(Task::Binary, Loss::BinaryCrossEntropy, &column(logits), &column(targets), threshold)
    }

    fn close(scores: &Scores, metric: Metric, expected: f64) {
        let value = scores.get(&metric).copied().unwrap_or(f64::NAN);
        assert!((value - expected).abs() < 1e-9, "{metric}: {value}, not {expected}");
    }

    #[test]
    fn a_given_threshold_is_used_as_it_is() {
        let scores = binary(&[2.0, -1.0, 0.2], &[1., 1., 0.], Threshold::At(0.5));
        close(&scores, Metric::Precision, 0.5);
        close(&scores, Metric::Recall, 0.5);
        close(&binary(&[-2.0, -1.0], &[1., 0.], Threshold::At(0.5)), Metric::F1, 0.0);
    }

    #[test]
    fn metrics_that_are_not_defined_are_left_out() {
        let scores = binary(&[1.0, 2.0], &[0., 0.], Threshold::Best);
        assert_eq!(scores.keys().copied().collect::<Vec<_>>(), [Metric::Loss, Metric::Accuracy]);
    }

    #[test]
    fn classes_are_averaged() {
        let logits = Matrix::new(3, 3, vec![3., 0., 0., 0., 3., 0., 3., 0., 0.]);
        let targets = Matrix::new(3, 3, vec![1., 0., 0., 0., 1., 0., 0., 1., 0.]);
        let scores = all(Task::MultiClass, Loss::CategoricalCrossEntropy, &logits, &targets, Threshold::Best);
        close(&scores, Metric::Accuracy, 2.0 / 3.0);
        // The third class has no row and isn't predicted; it counts as 0 nevertheless.
        close(&scores, Metric::F1, (2.0 / 3.0 + 2.0 / 3.0) / 3.0);
    }

    /// Compares a row of an unknown class with the same rows without it, and with the same row as a negative.
    #[test]
    fn a_row_of_an_unknown_class_counts_as_wrong() {
        let logits = [2.0, 1.0, 0.5, -1.0, 3.0];
        let with = |unknown: f32| binary(&logits, &[1., 0., 1., 0., unknown], Threshold::Best);
        let (found, as_negative) = (with(f32::NAN), with(0.0));
        let without = binary(&logits[..4], &[1., 0., 1., 0.], Threshold::Best);
        close(&found, Metric::Loss, without[&Metric::Loss]);
        close(&found, Metric::Accuracy, without[&Metric::Accuracy] * 4.0 / 5.0);
        for metric in [Metric::PrAuc, Metric::RocAuc, Metric::F1, Metric::Precision, Metric::Recall] {
            close(&found, metric, as_negative[&metric]);
        }
        let logits = Matrix::new(3, 3, vec![3., 0., 0., 0., 3., 0., 3., 0., 0.]);
        let targets = |last: f32| Matrix::new(3, 3, vec![1., 0., 0., 0., 1., 0., last, last, last]);
        let scored =
            |last| all(Task::MultiClass, Loss::CategoricalCrossEntropy, &logits, &targets(last), Threshold::Best);
        let found = scored(f32::NAN);
        close(&found, Metric::Accuracy, 2.0 / 3.0);
        close(&found, Metric::F1, scored(0.0)[&Metric::F1]);
        assert!(found[&Metric::Loss].is_finite());
    }

    #[test]
    fn nan_logits_show_in_the_loss() {
        assert!(binary(&[f32::NAN, 1.0], &[1., 0.], Threshold::Best)[&Metric::Loss].is_nan());
    }
}
