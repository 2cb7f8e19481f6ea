//! Metrics over rows that may count several times: what a bootstrap computes thousands of times.
//!
//! How often each row was drawn enters, a score leaves. What doesn't depend on the draw is computed once, when the metric is
//! made: correct answers, or the order of the scores; so a draw costs time in proportion to the number of rows.

/// A metric of one model on fixed rows, as a function of how often each row counts.
///
/// Functions of `&[u32]` are metrics too.
pub trait RowMetric: Send + Sync {
    /// Returns the metric if row `i` counts `counts[i]` times; not a number if it isn't defined for these rows.
    fn of(&self, counts: &[u32]) -> f64;

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
pub struct MeanOfRows(Vec<f64>);

impl MeanOfRows {
    /// The mean of these values, one per row.
    pub fn new(values: Vec<f64>) -> Self {
        Self(values)
    }

    /// Accuracy, from whether each row's answer is right.
    pub fn accuracy(right: &[bool]) -> Self {
        Self(right.iter().map(|&right| f64::from(u8::from(right))).collect())
    }
}

impl RowMetric for MeanOfRows {
    fn of(&self, counts: &[u32]) -> f64 {
        let (mut sum, mut rows) = (0.0, 0u64);
        for (value, &count) in self.0.iter().zip(counts) {
            sum += value * f64::from(count);
            rows += u64::from(count);
        }
        sum / rows as f64
    }

    fn right_answers(&self) -> Option<Vec<bool>> {
        let all = self.0.iter().all(|&value| value == 0.0 || value == 1.0);
        all.then(|| self.0.iter().map(|&value| value == 1.0).collect())
    }
}

/// Rows from the highest score to the lowest, with the ends of runs of equal scores.
#[derive(Clone, Debug, PartialEq)]
struct Sorted {
    /// The rows, and whether each is positive.
    rows: Vec<(u32, bool)>,
    /// Where each run of equal scores ends in `rows`.
    ends: Vec<usize>,
}

impl Sorted {
    fn new(scores: &[f64], positive: &[bool]) -> Self {
        let mut order: Vec<usize> = (0..scores.len().min(positive.len())).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]).then(a.cmp(&b)));
        let is_end = |at: &usize| order.get(at + 1).is_none_or(|&next| scores[next] < scores[order[*at]]);
        let ends = (0..order.len()).filter(is_end).map(|at| at + 1).collect();
        Self { rows: order.into_iter().map(|row| (row as u32, positive[row])).collect(), ends }
    }

    /// Calls `each` with the counted positives and negatives of every run of equal scores.
    fn runs(&self, counts: &[u32], mut each: impl FnMut(f64, f64)) {
        let mut begin = 0;
        for &end in &self.ends {
            let (mut positives, mut negatives) = (0u32, 0u32);
            for &(row, positive) in &self.rows[begin..end] {
                let count = counts[row as usize];
                if positive { positives += count } else { negatives += count }
            }
            each(f64::from(positives), f64::from(negatives));
            begin = end;
        }
    }
}

/// Average precision, the area under the precision-recall curve, as scikit-learn's `average_precision_score`.
#[derive(Clone, Debug, PartialEq)]
pub struct AveragePrecision(Sorted);

impl AveragePrecision {
    /// From the score of each row (which may not be NaN) and whether the row is positive.
    pub fn new(scores: &[f64], positive: &[bool]) -> Self {
        Self(Sorted::new(scores, positive))
    }
}

impl RowMetric for AveragePrecision {
    fn of(&self, counts: &[u32]) -> f64 {
        let (mut hits, mut seen, mut area) = (0.0, 0.0, 0.0);
        self.0.runs(counts, |positives, negatives| {
            hits += positives;
            seen += positives + negatives;
            if positives > 0.0 {
                area += positives * hits / seen;
            }
        });
        area / hits
    }
}

/// The area under the ROC curve, as scikit-learn's `roc_auc_score`.
#[derive(Clone, Debug, PartialEq)]
pub struct RocAuc(Sorted);

impl RocAuc {
    /// From the score of each row (which may not be NaN) and whether the row is positive.
    pub fn new(scores: &[f64], positive: &[bool]) -> Self {
        Self(Sorted::new(scores, positive))
    }
}

impl RowMetric for RocAuc {
    fn of(&self, counts: &[u32]) -> f64 {
        let (mut hits, mut misses, mut area) = (0.0, 0.0, 0.0);
        self.0.runs(counts, |positives, negatives| {
            area += negatives * (hits + positives / 2.0);
            hits += positives;
            misses += negatives;
        });
        area / (hits * misses)
    }
}

/// F1 of some classes, from decisions: that of one class, or the mean over several (macro), 0 for a class that has no row and is
/// never predicted.
#[derive(Clone, Debug, PartialEq)]
pub struct F1 {
    truth: Vec<u32>,
    predicted: Vec<u32>,
    classes: usize,
    of: Vec<u32>,
}

impl F1 {
    /// From the true and the predicted class of each row, the number of classes, and the classes that F1 is the mean over:
    /// `[1]` for a positive class, all of them for macro F1.
    pub fn new(truth: Vec<u32>, predicted: Vec<u32>, classes: usize, of: Vec<u32>) -> Self {
        Self { truth, predicted, classes, of }
    }
}

impl RowMetric for F1 {
    fn of(&self, counts: &[u32]) -> f64 {
        let mut right = vec![0u64; self.classes];
        let mut either = vec![0u64; self.classes];
        for ((&truth, &predicted), &count) in self.truth.iter().zip(&self.predicted).zip(counts) {
            either[truth as usize] += u64::from(count);
            either[predicted as usize] += u64::from(count);
            if truth == predicted {
                right[truth as usize] += u64::from(count);
            }
        }
        let f1 = |&class: &u32| match either[class as usize] {
            0 => 0.0,
            either => 2.0 * right[class as usize] as f64 / either as f64,
        };
        self.of.iter().map(f1).sum::<f64>() / self.of.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCORES: [f64; 6] = [0.9, 0.8, 0.8, 0.3, 0.3, 0.1];
    const POSITIVE: [bool; 6] = [true, false, true, true, false, false];

    /// scikit-learn's `average_precision_score` and `roc_auc_score` on these six rows.
    #[test]
    fn ranking_metrics_are_those_of_scikit_learn() {
        let ap = AveragePrecision::new(&SCORES, &POSITIVE).of(&[1; 6]);
        let auc = RocAuc::new(&SCORES, &POSITIVE).of(&[1; 6]);
        assert!((ap - (1.0 + 2.0 / 3.0 + 3.0 / 5.0) / 3.0).abs() < 1e-15, "{ap}");
        assert!((auc - 7.0 / 9.0).abs() < 1e-15, "{auc}");
    }

    /// Counting a row twice is having it twice.
    #[test]
    fn counts_are_repeated_rows() {
        let counts = [2, 0, 1, 3, 1, 2];
        let repeat = |values: &[f64]| -> Vec<f64> {
            values.iter().zip(counts).flat_map(|(&value, count)| vec![value; count as usize]).collect()
        };
        let scores = repeat(&SCORES);
        let flags: Vec<f64> = POSITIVE.iter().map(|&positive| f64::from(u8::from(positive))).collect();
        let positive: Vec<bool> = repeat(&flags).iter().map(|&flag| flag > 0.5).collect();
        let ones = vec![1; scores.len()];
        let pairs: [(f64, f64); 3] = [
            (
                AveragePrecision::new(&SCORES, &POSITIVE).of(&counts),
                AveragePrecision::new(&scores, &positive).of(&ones),
            ),
            (RocAuc::new(&SCORES, &POSITIVE).of(&counts), RocAuc::new(&scores, &positive).of(&ones)),
            (MeanOfRows::new(SCORES.to_vec()).of(&counts), MeanOfRows::new(scores.clone()).of(&ones)),
        ];
        for (counted, repeated) in pairs {
            assert!((counted - repeated).abs() < 1e-14, "{counted} {repeated}");
        }
    }

    #[test]
    fn f1_of_one_class_and_of_all() {
        let (truth, predicted) = (vec![1, 1, 0, 0, 1], vec![1, 0, 0, 1, 1]);
        let positive = F1::new(truth.clone(), predicted.clone(), 3, vec![1]);
        let macro_f1 = F1::new(truth, predicted, 3, vec![0, 1, 2]);
        assert!((positive.of(&[1; 5]) - 2.0 / 3.0).abs() < 1e-15);
        assert!((macro_f1.of(&[1; 5]) - (0.5 + 2.0 / 3.0) / 3.0).abs() < 1e-15);
        assert!((positive.of(&[1, 0, 1, 0, 1]) - 1.0).abs() < 1e-15);
    }

    #[test]
    fn what_is_not_defined_is_not_a_number() {
        assert!(AveragePrecision::new(&[0.5], &[false]).of(&[1]).is_nan());
        assert!(RocAuc::new(&[0.5], &[true]).of(&[1]).is_nan());
        assert!(MeanOfRows::accuracy(&[true]).of(&[0]).is_nan());
        assert_eq!(MeanOfRows::accuracy(&[true, false]).of(&[1, 1]), 0.5);
    }

    #[test]
    fn right_answers_are_known_of_accuracy_alone() {
        assert_eq!(MeanOfRows::accuracy(&[true, false]).right_answers(), Some(vec![true, false]));
        assert_eq!(MeanOfRows::new(vec![0.3, 1.0]).right_answers(), None);
        assert_eq!(AveragePrecision::new(&SCORES, &POSITIVE).right_answers(), None);
    }

    #[test]
    fn a_function_is_a_metric() {
        let rows = |counts: &[u32]| f64::from(counts.iter().sum::<u32>());
        assert_eq!(RowMetric::of(&rows, &[1, 2]), 3.0);
    }
}
