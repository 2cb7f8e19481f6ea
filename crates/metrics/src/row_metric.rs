//! Metrics as functions of how often each row counts: what a bootstrap of rows computes thousands of times.
//!
//! How often each row was drawn enters, a score leaves. Whatever doesn't depend on the draw is computed once, when the
//! metric is made (correct decisions, the order of the scores), so that a draw costs time in proportion to the rows.

/// A metric of one model on fixed rows, as a function of how often each row counts.
///
/// Functions of `&[u32]` are metrics too.
pub trait RowMetric: Send + Sync {
    /// Returns the metric if row `i` counts `counts[i]` times, `[rows]`; NaN if it isn't defined for these rows.
    fn of(&self, counts: &[u32]) -> f64;

    /// Returns the rows whose number limits how sure the metric is, if they aren't all: those of the rarer class of two, since what is
    /// counted of the positive rows varies with their number, however many others there are.
    fn scarce_rows(&self) -> Option<Vec<u32>> {
        None
    }

    /// Returns whether each row's answer is right, if the metric is the share of right answers.
    fn right_answers(&self) -> Option<Vec<bool>> {
        None
    }
}

impl<F: Fn(&[u32]) -> f64 + Send + Sync> RowMetric for F {
    fn of(&self, counts: &[u32]) -> f64 {
        self(counts)
    }
}

/// The mean of a value per row: accuracy (1 for a right answer, else 0), log loss, the Brier score, precision at k.
#[derive(Clone, Debug, PartialEq)]
pub struct MeanOfRows {
    values: Vec<f64>,
    /// The rows that the values belong to, if some rows have none.
    rows: Option<Vec<u32>>,
}

impl MeanOfRows {
    /// The mean of these values, one per row.
    pub fn new(values: Vec<f64>) -> Self {
        Self { values, rows: None }
    }

    /// The mean over the rows that have a value.
    pub fn of_some(values: impl Iterator<Item = Option<f64>>) -> Self {
        let all: Vec<Option<f64>> = values.collect();
        let rows = (0u32..).zip(&all).filter_map(|(row, value)| value.map(|_| row));
        let rows = all.iter().any(Option::is_none).then(|| rows.collect());
        Self { values: all.into_iter().flatten().collect(), rows }
    }

    /// Accuracy, from whether each row's answer is right.
    pub fn accuracy(right: &[bool]) -> Self {
        Self::new(right.iter().map(|&right| f64::from(u8::from(right))).collect())
    }
}

impl RowMetric for MeanOfRows {
    fn of(&self, counts: &[u32]) -> f64 {
        let (mut sum, mut total) = (0.0, 0u64);
        let mut add = |value: f64, count: u32| {
            // A value that isn't finite must not spoil the mean of draws in which its row doesn't occur.
            if count > 0 {
                sum += value * f64::from(count);
                total += u64::from(count);
            }
        };
        match &self.rows {
            None => self.values.iter().zip(counts).for_each(|(&value, &count)| add(value, count)),
            Some(rows) => self.values.iter().zip(rows).for_each(|(&value, &row)| add(value, counts[row as usize])),
        }
        sum / total as f64
    }

    fn right_answers(&self) -> Option<Vec<bool>> {
        let all = self.rows.is_none() && self.values.iter().all(|&value| value == 0.0 || value == 1.0);
        all.then(|| self.values.iter().map(|&value| value == 1.0).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_repeated_rows() {
        let values = [0.9, 0.8, 0.7, 0.3];
        let metric = MeanOfRows::new(values.to_vec());
        assert!((metric.of(&[2, 0, 1, 3]) - (2.0 * 0.9 + 0.7 + 3.0 * 0.3) / 6.0).abs() < 1e-15);
        let some = MeanOfRows::of_some([Some(0.5), None, Some(f64::INFINITY)].into_iter());
        assert_eq!((some.of(&[1, 5, 0]), some.of(&[1, 1, 1])), (0.5, f64::INFINITY));
    }

    #[test]
    fn what_is_not_defined_is_not_a_number() {
        assert!(MeanOfRows::accuracy(&[true]).of(&[0]).is_nan());
        assert_eq!(MeanOfRows::accuracy(&[true, false]).of(&[1, 1]), 0.5);
    }

    #[test]
    fn right_answers_are_known_of_accuracy_alone() {
        assert_eq!(MeanOfRows::accuracy(&[true, false]).right_answers(), Some(vec![true, false]));
        assert_eq!(MeanOfRows::new(vec![0.3, 1.0]).right_answers(), None);
        assert_eq!(MeanOfRows::of_some([Some(1.0), None].into_iter()).right_answers(), None);
    }

    #[test]
    fn a_function_is_a_metric() {
        let rows = |counts: &[u32]| f64::from(counts.iter().sum::<u32>());
        assert_eq!(RowMetric::of(&rows, &[1, 2]), 3.0);
    }
}
