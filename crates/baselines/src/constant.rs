//! Baselines that look at no text: the frequencies of the training rows' classes, and the most frequent class.

use emberline_base::{Matrix, Task};

/// The magnitude of the logits of a certain decision.
const CERTAIN: f64 = 30.0;

/// The share of a class that no training row has counts as that of half a row.
const AT_LEAST: f64 = 0.5;

/// Returns the logits of the frequencies of each output, `[outputs]`.
pub(crate) fn prior(task: Task, targets: &Matrix) -> Vec<f32> {
    let rows = targets.rows() as f64;
    let logit = |count: f64| match task {
        Task::MultiClass => (count.max(AT_LEAST) / rows).ln(),
        Task::Binary | Task::MultiLabel => (count.max(AT_LEAST) / (rows - count).max(AT_LEAST)).ln(),
    };
    counts(targets).into_iter().map(|count| logit(count) as f32).collect()
}

/// Returns the logits of always predicting the most frequent class (of several, the first), or, for each output of a binary
/// or multi-label task, its more frequent value, `[outputs]`.
pub(crate) fn majority(task: Task, targets: &Matrix) -> Vec<f32> {
    let counts = counts(targets);
    let certain = |holds: bool| if holds { CERTAIN as f32 } else { -CERTAIN as f32 };
    match task {
        Task::MultiClass => {
            let largest = counts.iter().copied().fold(0.0, f64::max);
            let first = counts.iter().position(|&count| count == largest);
            (0..counts.len()).map(|class| certain(Some(class) == first)).collect()
        }
        Task::Binary | Task::MultiLabel => {
            counts.iter().map(|&count| certain(2.0 * count > targets.rows() as f64)).collect()
        }
    }
}

/// Counts the rows with each output.
fn counts(targets: &Matrix) -> Vec<f64> {
    let mut counts = vec![0.0; targets.cols()];
    for row in 0..targets.rows() {
        counts.iter_mut().zip(targets.row(row)).for_each(|(count, &target)| *count += f64::from(target));
    }
    counts
}

/// Returns the same logits for every row, `[rows, outputs]`.
pub(crate) fn repeated(logits: &[f32], rows: usize) -> Matrix {
    Matrix::new(rows, logits.len(), logits.repeat(rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_become_logits() {
        let binary = Matrix::new(4, 1, vec![1.0, 0.0, 0.0, 0.0]);
        assert_eq!(prior(Task::Binary, &binary), [(1.0_f64 / 3.0).ln() as f32]);
        assert_eq!(majority(Task::Binary, &binary), [-30.0]);
        let classes = Matrix::new(4, 2, vec![1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0]);
        assert_eq!(prior(Task::MultiClass, &classes), [0.25_f64.ln() as f32, 0.75_f64.ln() as f32]);
        assert_eq!(majority(Task::MultiClass, &classes), [-30.0, 30.0]);
        assert_eq!(repeated(&[1.0, 2.0], 2).values(), [1.0, 2.0, 1.0, 2.0]);
    }
}
