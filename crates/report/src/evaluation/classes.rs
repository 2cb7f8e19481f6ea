//! The decisions of the chosen model by class: the confusion matrix, and precision, recall and F1 of each class.

use emberline_base::Task;
use emberline_metrics::{ClassCounts, ClassScore, Counts};

use super::Evaluation;

/// The scores of one class.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ClassRow {
    /// The index of the class.
    pub(crate) class: usize,
    /// Its counts.
    pub(crate) counts: ClassCounts,
    /// tp / (tp + fp); 0 if it is never predicted.
    pub(crate) precision: f64,
    /// tp / (tp + fn); 0 if no row is of it.
    pub(crate) recall: f64,
    /// 2 tp / (2 tp + fp + fn).
    pub(crate) f1: f64,
}

/// Returns the scores of each class, in the order of the classes.
pub(crate) fn rows(evaluation: &Evaluation) -> Vec<ClassRow> {
    let tally = evaluation.decisions().tally(Counts::Once);
    let row = |(class, counts): (usize, &ClassCounts)| ClassRow {
        class,
        counts: *counts,
        precision: ClassScore::Precision.of(counts),
        recall: ClassScore::Recall.of(counts),
        f1: ClassScore::F1.of(counts),
    };
    tally.classes().iter().enumerate().map(row).collect()
}

/// The part of a confusion matrix that is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Confusion {
    /// The classes of its rows and columns; an index beyond the last class is that of labels unseen in training.
    pub(crate) classes: Vec<usize>,
    /// The counts, `[truth, prediction]`, of these classes; the truth may have one more row for unseen labels.
    pub(crate) counts: Vec<Vec<u64>>,
    /// The most frequent confusions of different classes: truth, prediction, rows; the most frequent first.
    pub(crate) pairs: Vec<(usize, usize, u64)>,
    /// Whether all classes are shown; otherwise those that are confused most often.
    pub(crate) is_whole: bool,
}

/// Returns the confusion matrix of at most `limit` classes, and at most `pairs` confusions; `None` for a multi-label task, whose
/// rows have several classes.
pub(crate) fn confusion(evaluation: &Evaluation, limit: usize, pairs: usize) -> Option<Confusion> {
    if evaluation.task == Task::MultiLabel {
        return None;
    }
    let matrix = evaluation.decisions().confusion_matrix()?;
    let classes = matrix.first().map_or(0, Vec::len);
    let mut confused: Vec<(usize, usize, u64)> = Vec::new();
    for (truth, row) in matrix.iter().enumerate() {
        confused
            .extend(row.iter().enumerate().filter(|(at, n)| *at != truth && **n > 0).map(|(at, n)| (truth, at, *n)));
    }
    confused.sort_by(|a, b| b.2.cmp(&a.2).then((a.0, a.1).cmp(&(b.0, b.1))));
    let shown = shown(classes, &confused, limit);
    let is_whole = shown.len() == classes;
    let of_row = |row: &Vec<u64>| shown.iter().map(|&class| row[class]).collect();
    let truths = shown.iter().copied().chain((classes..matrix.len()).filter(|_| is_whole));
    let counts = truths.map(|truth| of_row(&matrix[truth])).collect();
    confused.truncate(pairs);
    Some(Confusion { classes: shown, counts, pairs: confused, is_whole })
}

/// Chooses the classes that are shown: all of them if they are few, otherwise those of the most frequent confusions, in order.
fn shown(classes: usize, confused: &[(usize, usize, u64)], limit: usize) -> Vec<usize> {
    if classes <= limit {
        return (0..classes).collect();
    }
    let mut shown: Vec<usize> = Vec::new();
    for class in confused.iter().flat_map(|(truth, predicted, _)| [*truth, *predicted]) {
        if shown.len() < limit && class < classes && !shown.contains(&class) {
            shown.push(class);
        }
    }
    shown.sort_unstable();
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn counts_are_those_of_the_decisions() {
        let evaluation = sample::evaluation();
        let whole = confusion(&evaluation, 20, 5).expect("a matrix");
        assert_eq!((whole.classes.len(), whole.is_whole), (2, true));
        assert_eq!(whole.counts.iter().flatten().sum::<u64>(), evaluation.rows() as u64);
        let positive = &rows(&evaluation)[1];
        assert_eq!(positive.counts.true_positives as u64, whole.counts[1][1]);
        assert_eq!(positive.recall, positive.counts.true_positives / positive.counts.positives);
    }

    #[test]
    fn of_many_classes_the_confused_ones_are_shown() {
        let confused = [(7, 2, 9), (4, 7, 3), (1, 0, 1)];
        assert_eq!(shown(10, &confused, 3), [2, 4, 7]);
        assert_eq!(shown(3, &confused, 3), [0, 1, 2]);
    }
}
