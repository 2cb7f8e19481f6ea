//! The metric of a cell's stored predictions as a function of how often each row counts, for the bootstrap of rows.

use emberline_base::{Matrix, Metric, Task};
use emberline_statistics::{AveragePrecision, F1, MeanOfRows, RocAuc, RowMetric};

/// Returns the metric of logits, `[rows, outputs]`, whose rows have these classes; `None` if the metric isn't one that rows can
/// be drawn for. `threshold` is the probability from which on a binary row is predicted positive.
pub(super) fn row_metric(
    metric: Metric,
    task: Task,
    logits: &Matrix,
    classes: &[Vec<u32>],
    threshold: f64,
) -> Option<Box<dyn RowMetric>> {
    match task {
        Task::Binary => binary(metric, logits, classes, threshold),
        Task::MultiClass => multi_class(metric, logits, classes),
        Task::MultiLabel => None,
    }
}

fn binary(metric: Metric, logits: &Matrix, classes: &[Vec<u32>], threshold: f64) -> Option<Box<dyn RowMetric>> {
    let probabilities: Vec<f64> = logits.values().iter().map(|&logit| sigmoid(f64::from(logit))).collect();
    let positive: Vec<bool> = classes.iter().map(|classes| classes == &[1]).collect();
    let decided = |from: f64| probabilities.iter().map(|&p| u32::from(p >= from)).collect::<Vec<_>>();
    let truth = || positive.iter().map(|&positive| u32::from(positive)).collect::<Vec<_>>();
    match metric {
        Metric::PrAuc => Some(Box::new(AveragePrecision::new(&probabilities, &positive))),
        Metric::RocAuc => Some(Box::new(RocAuc::new(&probabilities, &positive))),
        Metric::F1 => Some(Box::new(F1::new(truth(), decided(threshold), 2, vec![1]))),
        Metric::Accuracy => {
            let right: Vec<bool> = decided(0.5).into_iter().zip(truth()).map(|(found, is)| found == is).collect();
            Some(Box::new(MeanOfRows::accuracy(&right)))
        }
        _ => None,
    }
}

fn multi_class(metric: Metric, logits: &Matrix, classes: &[Vec<u32>]) -> Option<Box<dyn RowMetric>> {
    let outputs = logits.cols() as u32;
    let predicted: Vec<u32> = (0..logits.rows()).map(|row| largest(logits.row(row))).collect();
    // A label that no training row has is none of the outputs, so that no prediction of it is right.
    let truth: Vec<u32> =
        classes.iter().map(|classes| classes.first().map_or(outputs, |&class| class.min(outputs))).collect();
    match metric {
        Metric::Accuracy => {
            let right: Vec<bool> = predicted.iter().zip(&truth).map(|(found, is)| found == is).collect();
            Some(Box::new(MeanOfRows::accuracy(&right)))
        }
        Metric::F1 if truth.iter().all(|&class| class < outputs) => {
            Some(Box::new(F1::new(truth, predicted, logits.cols(), (0..outputs).collect())))
        }
        _ => None,
    }
}

fn sigmoid(logit: f64) -> f64 {
    1.0 / (1.0 + (-logit).exp())
}

/// Returns the position of the largest value, the first one of equal values.
fn largest(row: &[f32]) -> u32 {
    let mut best = 0;
    for (index, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = index;
        }
    }
    best as u32
}
