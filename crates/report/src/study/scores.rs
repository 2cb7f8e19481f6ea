//! The metric of a cell's stored predictions as a function of how often each row counts, for the bootstrap of rows.

use emberline_base::{Matrix, Metric, Task};
use emberline_metrics::{Predictions, RowMetric, ThresholdRule, cross_fitted_row_metric, half_of};

/// Returns the metric of logits, `[rows, outputs]`, whose rows have these classes; `None` if the metric isn't one that rows can
/// be drawn for, or the two don't belong together. `threshold` is the probability from which on a binary row is predicted positive;
/// `keys` say which half of the rows chooses the threshold of the other, by the default rule, for cross-fitted metrics.
pub(super) fn row_metric(
    metric: Metric,
    task: Task,
    logits: &Matrix,
    classes: &[Vec<u32>],
    threshold: f64,
    keys: &[[u8; 16]],
) -> Option<Box<dyn RowMetric>> {
    let targets = targets(task, logits.cols(), classes);
    let predictions = Predictions::new(task, logits, &targets).ok()?;
    // The thresholds of several labels aren't stored, so that what is decided at them can't be computed.
    let thresholds: &[f64] = if task == Task::Binary { &[threshold] } else { &[] };
    let halves = || keys.iter().map(|key| half_of(*key)).collect::<Vec<bool>>();
    emberline_metrics::row_metric(metric, &predictions, thresholds).or_else(|| {
        let halves = Some(halves()).filter(|halves| halves.len() == logits.rows())?;
        cross_fitted_row_metric(metric, &predictions, ThresholdRule::default(), &halves)
    })
}

/// Returns the targets of rows, `[rows, outputs]`: 0 or 1, and NaN throughout a row with a label that no training row has.
pub(crate) fn targets(task: Task, outputs: usize, classes: &[Vec<u32>]) -> Matrix {
    let mut values = vec![0.0; classes.len() * outputs];
    for (row, classes) in values.chunks_exact_mut(outputs.max(1)).zip(classes) {
        for &class in classes {
            match (task, row.get_mut(class as usize)) {
                // The only output of a binary task is its positive class.
                (Task::Binary, _) if class <= 1 => row[0] = class as f32,
                (Task::MultiClass | Task::MultiLabel, Some(target)) => *target = 1.0,
                (_, _) => row.fill(f32::NAN),
            }
        }
    }
    Matrix::new(classes.len(), outputs, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_become_targets() {
        let rows = |classes: &[u32]| classes.iter().map(|&class| vec![class]).collect::<Vec<_>>();
        assert_eq!(targets(Task::Binary, 1, &rows(&[0, 1])).values(), [0.0, 1.0]);
        let of_three = targets(Task::MultiClass, 3, &rows(&[2, u32::MAX]));
        assert_eq!(of_three.row(0), [0.0, 0.0, 1.0]);
        assert!(of_three.row(1).iter().all(|value| value.is_nan()));
        assert_eq!(targets(Task::MultiLabel, 3, &[vec![0, 2], vec![]]).values(), [1.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn a_metric_of_stored_predictions() {
        let logits = Matrix::new(4, 1, vec![2.0, -1.0, 0.5, -3.0]);
        let classes = [1, 0, 0, 1].map(|class| vec![class]);
        let accuracy = row_metric(Metric::Accuracy, Task::Binary, &logits, &classes, 0.5, &[]).expect("a metric");
        assert!((accuracy.of(&[1, 1, 1, 1]) - 0.5).abs() < 1e-15);
        assert!((accuracy.of(&[3, 1, 0, 0]) - 1.0).abs() < 1e-15);
        assert!(row_metric(Metric::Accuracy, Task::Binary, &logits, &classes[..3], 0.5, &[]).is_none(), "other rows");
        let of_labels = row_metric(
            Metric::F1AtThresholds,
            Task::MultiLabel,
            &logits,
            &[vec![0], vec![0], vec![0], vec![0]],
            0.5,
            &[],
        );
        assert!(of_labels.is_none(), "the thresholds aren't known");
        let keys = [0u8, 1, 0, 1].map(|half| [half; 16]);
        let of = |keys: &[[u8; 16]]| row_metric(Metric::CrossFittedF1, Task::Binary, &logits, &classes, 0.5, keys);
        // Each half has a row that is positive, and decides the other by its score: 2.0 and above, -3.0 and above.
        assert!(of(&[]).is_none() && (of(&keys).expect("halves").of(&[1; 4]) - 0.5).abs() < 1e-12);
    }
}
