//! Decisions beside the truth: what precision, recall, F1, balanced accuracy, the Matthews correlation and the confusion
//! matrix are computed from.
//!
//! The classes are those of the whole data: which of them are averaged over never depends on what a model predicts. A
//! division by zero gives 0, as scikit-learn's `zero_division=0`.

use emberline_base::Task;

use crate::predictions::{Predictions, argmax};
use crate::probability::probability;
use crate::ranked::Counts;

/// The index of a class that isn't among the classes of the data.
const UNKNOWN: u32 = u32::MAX;

/// The decisions on fixed rows, beside the truth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decisions {
    classes: usize,
    rows: DecidedRows,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum DecidedRows {
    /// The true and the predicted class of each row; a binary task has the classes 0 and 1.
    Single(Vec<(u32, u32)>),
    /// Whether each class of each row is true and whether it is predicted, `[rows, classes]`.
    Multi(Vec<(bool, bool)>),
}

/// The counts of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ClassCounts {
    /// The rows that are of the class and predicted as such.
    pub true_positives: f64,
    /// The rows that are predicted as being of the class.
    pub predicted: f64,
    /// The rows that are of the class.
    pub positives: f64,
}

impl Decisions {
    /// Decides for the most probable class (multi-class), for the positive class from the first of the `thresholds` on
    /// (binary), or for every class that reaches its threshold (multi-label). Without thresholds, a probability above
    /// 0.5 decides.
    pub fn new(predictions: &Predictions<'_>, thresholds: &[f64]) -> Self {
        Self::by(predictions, |row, output| {
            let logit = predictions.of_row(row)[output];
            thresholds.get(output).map_or(logit > 0.0, |&threshold| probability(logit) >= threshold)
        })
    }

    /// Decides for the most probable class of a multi-class task, otherwise for the outputs that `reaches(row, output)`
    /// accepts.
    pub(crate) fn by(predictions: &Predictions<'_>, reaches: impl Fn(usize, usize) -> bool) -> Self {
        let task = predictions.task();
        let truth = |row: usize| match task {
            _ if predictions.is_unknown(row) => UNKNOWN,
            Task::Binary => u32::from(predictions.is_positive(row, 0)),
            Task::MultiClass | Task::MultiLabel => argmax(predictions.target(row)) as u32,
        };
        let predicted = |row: usize| match task {
            Task::Binary => u32::from(reaches(row, 0)),
            Task::MultiClass | Task::MultiLabel => argmax(predictions.of_row(row)) as u32,
        };
        let outputs = predictions.outputs();
        let pair = |(row, output)| (predictions.is_positive(row, output), reaches(row, output));
        let rows = 0..predictions.rows();
        match task {
            Task::Binary | Task::MultiClass => Self {
                classes: if task == Task::Binary { 2 } else { outputs },
                rows: DecidedRows::Single(rows.map(|row| (truth(row), predicted(row))).collect()),
            },
            Task::MultiLabel => {
                let pairs = rows.flat_map(|row| (0..outputs).map(move |output| (row, output))).map(pair);
                Self { classes: outputs, rows: DecidedRows::Multi(pairs.collect()) }
            }
        }
    }

    /// Returns the number of classes; 2 for a binary task.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Counts the rows of each class.
    pub fn tally(&self, counts: Counts<'_>) -> Tally {
        let mut tally = Tally { total: 0.0, classes: vec![ClassCounts::default(); self.classes], is_single: true };
        match &self.rows {
            DecidedRows::Single(rows) => {
                for (row, &(truth, predicted)) in (0u32..).zip(rows) {
                    tally.add_single(truth, predicted, counts.of(row));
                }
            }
            DecidedRows::Multi(pairs) => {
                tally.is_single = false;
                for (row, pairs) in (0u32..).zip(pairs.chunks_exact(self.classes)) {
                    tally.add_multi(pairs, counts.of(row));
                }
            }
        }
        tally
    }

    /// Returns the rows of the rarer class of two; none with several classes.
    pub(crate) fn rarer(&self) -> Option<Vec<u32>> {
        let DecidedRows::Single(rows) = &self.rows else { return None };
        let of = |class: u32| (0u32..).zip(rows).filter(move |(_, (truth, _))| *truth == class).map(|(row, _)| row);
        let rarer = u32::from(of(1).count() <= of(0).count());
        (self.classes == 2).then(|| of(rarer).collect())
    }

    /// Returns the confusion matrix of a binary or multi-class task, `[classes, classes]`: how many rows of each class
    /// (row of the matrix) are predicted as each class (column). Rows of an unknown class, if there are any, are counted
    /// in one more row at the end. None for a multi-label task.
    pub fn confusion_matrix(&self) -> Option<Vec<Vec<u64>>> {
        let DecidedRows::Single(rows) = &self.rows else { return None };
        let has_unknown = rows.iter().any(|(truth, _)| *truth == UNKNOWN);
        let mut matrix = vec![vec![0; self.classes]; self.classes + usize::from(has_unknown)];
        for &(truth, predicted) in rows {
            matrix[(truth as usize).min(self.classes)][predicted as usize] += 1;
        }
        Some(matrix)
    }
}

/// The counts of all classes.
#[derive(Clone, Debug, PartialEq)]
pub struct Tally {
    /// The number of rows.
    total: f64,
    classes: Vec<ClassCounts>,
    /// Whether each row has one class.
    is_single: bool,
}

/// What is computed of each class, or of all together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassScore {
    /// tp / (tp + fp).
    Precision,
    /// tp / (tp + fn).
    Recall,
    /// 2 tp / (2 tp + fp + fn).
    F1,
}

/// The classes that a score is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Average {
    /// One class.
    Class(usize),
    /// The mean over all classes of the data.
    Macro,
    /// All classes together, by the sums of their counts.
    Micro,
    /// The mean over all classes, weighted by their rows.
    Weighted,
}

impl ClassScore {
    /// Returns the score of counts; 0 if it is a division by zero.
    pub fn of(self, counts: &ClassCounts) -> f64 {
        let ClassCounts { true_positives, predicted, positives } = *counts;
        match self {
            Self::Precision => ratio(true_positives, predicted),
            Self::Recall => ratio(true_positives, positives),
            Self::F1 => ratio(2.0 * true_positives, predicted + positives),
        }
    }
}

impl Tally {
    fn add_single(&mut self, truth: u32, predicted: u32, count: f64) {
        self.total += count;
        self.classes[predicted as usize].predicted += count;
        if let Some(class) = self.classes.get_mut(truth as usize) {
            class.positives += count;
            if truth == predicted {
                class.true_positives += count;
            }
        }
    }

    fn add_multi(&mut self, pairs: &[(bool, bool)], count: f64) {
        self.total += count;
        let one = |flag| if flag { count } else { 0.0 };
        for (class, &(is_true, is_predicted)) in self.classes.iter_mut().zip(pairs) {
            class.positives += one(is_true);
            class.predicted += one(is_predicted);
            class.true_positives += one(is_true && is_predicted);
        }
    }

    /// Returns the counts of each class.
    pub fn classes(&self) -> &[ClassCounts] {
        &self.classes
    }

    /// Returns a score of one class, or averaged over all; 0 where it is a division by zero.
    pub fn average(&self, score: ClassScore, average: Average) -> f64 {
        let mean = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / self.classes.len() as f64;
        match average {
            Average::Class(class) => score.of(&self.classes[class]),
            Average::Macro => mean(&mut self.classes.iter().map(|class| score.of(class))),
            Average::Micro => score.of(&self.sum()),
            Average::Weighted => {
                let weighted = self.classes.iter().map(|class| score.of(class) * class.positives);
                ratio(weighted.sum(), self.sum().positives)
            }
        }
    }

    fn sum(&self) -> ClassCounts {
        self.classes.iter().fold(ClassCounts::default(), |sum, class| ClassCounts {
            true_positives: sum.true_positives + class.true_positives,
            predicted: sum.predicted + class.predicted,
            positives: sum.positives + class.positives,
        })
    }

    /// Returns the mean recall over the classes that have a row, as scikit-learn's `balanced_accuracy_score`;
    /// multi-label: the mean over the classes of that of the class against the rest. NaN without a row.
    pub fn balanced_accuracy(&self) -> f64 {
        let of_sides = |sides: &mut dyn Iterator<Item = (f64, f64)>| {
            let (sum, number) = sides
                .filter(|(_, rows)| *rows > 0.0)
                .fold((0.0, 0.0), |(sum, number), (right, rows)| (sum + right / rows, number + 1.0));
            sum / number
        };
        if self.is_single {
            return of_sides(&mut self.classes.iter().map(|class| (class.true_positives, class.positives)));
        }
        let of_class = |class: &ClassCounts| {
            let negatives = self.total - class.positives;
            let true_negatives = negatives - (class.predicted - class.true_positives);
            of_sides(&mut [(true_negatives, negatives), (class.true_positives, class.positives)].into_iter())
        };
        self.classes.iter().map(of_class).sum::<f64>() / self.classes.len() as f64
    }

    /// Returns the Matthews correlation coefficient, as scikit-learn's `matthews_corrcoef`, 0 if all rows are of one
    /// class or all predictions are; multi-label: that of all pairs of a row and a class. NaN without a row.
    pub fn matthews_correlation(&self) -> f64 {
        if self.total == 0.0 {
            return f64::NAN;
        }
        let sum = self.sum();
        if self.is_single {
            let unknown = self.total - sum.positives;
            let sides = self.classes.iter().map(|class| (class.positives, class.predicted));
            return correlation(self.total, sum.true_positives, sides.chain([(unknown, 0.0)]));
        }
        let pairs = self.total * self.classes.len() as f64;
        let (negatives, predicted_negative) = (pairs - sum.positives, pairs - sum.predicted);
        let correct = sum.true_positives + predicted_negative - (sum.positives - sum.true_positives);
        correlation(pairs, correct, [(sum.positives, sum.predicted), (negatives, predicted_negative)].into_iter())
    }
}

/// Returns the correlation of truth and prediction, given the numbers of rows, of correct rows, and of rows that are of
/// each class and predicted as such (J. Gorodkin, Comparing two K-category assignments by a K-category correlation
/// coefficient, 2004).
fn correlation(total: f64, correct: f64, classes: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (mut both, mut of_truth, mut of_prediction) = (correct * total, total * total, total * total);
    for (positives, predicted) in classes {
        both -= positives * predicted;
        of_truth -= positives * positives;
        of_prediction -= predicted * predicted;
    }
    if of_truth * of_prediction == 0.0 { 0.0 } else { both / (of_truth * of_prediction).sqrt() }
}

fn ratio(a: f64, b: f64) -> f64 {
    if b > 0.0 { a / b } else { 0.0 }
}

#[cfg(test)]
pub(crate) mod tests {
    use emberline_base::Matrix;

    use super::*;

    pub(crate) fn decided(task: Task, classes: usize, logits: &[f32], targets: &[f32]) -> Decisions {
        let matrix = |values: &[f32]| Matrix::new(values.len() / classes, classes, values.to_vec());
        let (logits, targets) = (matrix(logits), matrix(targets));
        Decisions::new(&Predictions::new(task, &logits, &targets).expect("shapes"), &[])
    }

    #[test]
    fn a_class_of_no_row_counts_as_zero() {
        let logits = [3., 0., 0., 0., 3., 0., 3., 0., 0.];
        let decisions = decided(Task::MultiClass, 3, &logits, &[1., 0., 0., 0., 1., 0., 0., 1., 0.]);
        let tally = decisions.tally(Counts::Once);
        let f1 = |average| tally.average(ClassScore::F1, average);
        assert!((f1(Average::Macro) - (2.0 / 3.0 + 2.0 / 3.0) / 3.0).abs() < 1e-15);
        assert!((f1(Average::Micro) - 2.0 / 3.0).abs() < 1e-15);
        assert_eq!(f1(Average::Class(2)), 0.0);
        assert_eq!(decisions.confusion_matrix(), Some(vec![vec![1, 0, 0], vec![1, 1, 0], vec![0, 0, 0]]));
    }

    #[test]
    fn rows_of_an_unknown_class_are_a_row_of_the_confusion_matrix() {
        let decisions = decided(Task::Binary, 1, &[1., -1., 1.], &[1., 0., f32::NAN]);
        assert_eq!(decisions.confusion_matrix(), Some(vec![vec![1, 0], vec![0, 1], vec![0, 1]]));
        let tally = decisions.tally(Counts::Once);
        assert_eq!((tally.balanced_accuracy(), tally.classes()[1].predicted), (1.0, 2.0));
        assert!(tally.matthews_correlation() < 1.0, "the row of an unknown class is wrong");
        assert_eq!(decided(Task::MultiLabel, 1, &[1.], &[1.]).confusion_matrix(), None);
    }
}
