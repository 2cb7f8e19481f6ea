//! Metrics of the classes that a row's model ranks highest, and of whole rows of labels.

use crate::predictions::Predictions;

/// Returns the precision at `k` of each row, `[rows]`: the share of its `k` most probable classes that it has. Of equal
/// logits, the class that comes first is ranked higher. With one class per row, it is 1 / k or 0.
pub fn precision_at(predictions: &Predictions<'_>, k: usize) -> Vec<f64> {
    let mut order: Vec<usize> = Vec::with_capacity(predictions.outputs());
    let of_row = |row: usize| {
        let logits = predictions.of_row(row);
        order.clear();
        order.extend(0..logits.len());
        // Adding 0 makes -0 equal to 0.
        let by_logit = |&a: &usize, &b: &usize| (logits[b] + 0.0).total_cmp(&(logits[a] + 0.0)).then(a.cmp(&b));
        if k < order.len() {
            order.select_nth_unstable_by(k, by_logit);
        }
        let right = order.iter().take(k).filter(|&&output| predictions.is_positive(row, output)).count();
        right as f64 / k as f64
    };
    (0..predictions.rows()).map(of_row).collect()
}

/// Returns whether the class of each row is among its `k` classes with the highest logits, `[rows]`; a row of an unknown class
/// never is. Of equal logits, the class that comes last is ranked higher, as in scikit-learn's `top_k_accuracy_score`.
pub fn top_k_right(predictions: &Predictions<'_>, k: usize) -> Vec<bool> {
    let of_row = |row: usize| {
        let logits = predictions.of_row(row);
        let class = predictions.target(row).iter().position(|&target| target > 0.5)?;
        let is_higher =
            |(other, &logit): (usize, &f32)| logit > logits[class] || (logit == logits[class] && other > class);
        let rank = logits.iter().enumerate().filter(|&pair| is_higher(pair)).count();
        Some(rank < k && !logits[class].is_nan())
    };
    (0..predictions.rows()).map(|row| of_row(row).unwrap_or(false)).collect()
}

/// Returns whether each row's labels are predicted without a fault, at a probability of 0.5, `[rows]`.
pub fn all_labels_right(predictions: &Predictions<'_>) -> Vec<bool> {
    let is_right = |row: usize| {
        let pairs = predictions.of_row(row).iter().zip(predictions.target(row));
        !predictions.is_unknown(row) && pairs.into_iter().all(|(&z, &y)| (z > 0.0) == (y > 0.5))
    };
    (0..predictions.rows()).map(is_right).collect()
}

#[cfg(test)]
mod tests {
    use emberline_base::{Matrix, Task};

    use super::*;

    /// `top_k_accuracy_score([2, 0, 1, 3], logits, k=2, labels=[0, 1, 2, 3])` of scikit-learn 1.7 is 0.5: of the three equal
    /// logits of the first two rows, the later classes are ranked higher.
    #[test]
    fn the_last_of_equal_classes_is_in_the_top_k() {
        let logits = [[1.0, 1.0, 1.0, 0.0], [1.0, 1.0, 1.0, 0.0], [0.0, 1.0, 2.0, 3.0], [-0.0, 0.0, -1.0, 0.0]];
        let targets = [[0.0, 0.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]];
        let (logits, targets) = (Matrix::new(4, 4, logits.concat()), Matrix::new(4, 4, targets.concat()));
        let predictions = Predictions::new(Task::MultiClass, &logits, &targets).expect("shapes");
        assert_eq!(top_k_right(&predictions, 2), [true, false, false, true]);
        assert_eq!(top_k_right(&predictions, 3), [true, true, true, true]);
        let unknown = Matrix::new(4, 4, vec![f32::NAN; 16]);
        let predictions = Predictions::new(Task::MultiClass, &logits, &unknown).expect("shapes");
        assert_eq!(top_k_right(&predictions, 3), [false; 4]);
    }

    #[test]
    fn the_first_of_equal_classes_is_ranked_higher() {
        let logits = Matrix::new(2, 4, vec![0.0, -0.0, 0.0, 2.0, -1.0, 3.0, 2.0, 1.0]);
        let targets = Matrix::new(2, 4, vec![1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0]);
        let predictions = Predictions::new(Task::MultiLabel, &logits, &targets).expect("shapes");
        assert_eq!(precision_at(&predictions, 1), [0.0, 1.0]);
        assert_eq!(precision_at(&predictions, 2), [0.5, 1.0]);
        assert_eq!(precision_at(&predictions, 4), [0.5, 0.75]);
        assert_eq!(all_labels_right(&predictions), [false, true]);
    }
}
