//! Rows in the order of their scores, and the areas under their precision-recall and ROC curves.
//!
//! Equal scores are one threshold, as in scikit-learn's `precision_recall_curve` and `roc_curve`.

use crate::RowMetric;

/// The rows of one output by descending score, with the ends of runs of equal scores.
#[derive(Clone, Debug, PartialEq)]
pub struct RankedRows {
    /// The rows, and whether each is positive.
    rows: Vec<(u32, bool)>,
    /// The runs of equal scores, each with its score and its end in `rows`.
    runs: Vec<(f64, usize)>,
    /// Whether no score is NaN; if one is, so is everything that depends on the order of scores.
    is_ordered: bool,
}

/// The counts if all rows with at least `score` are predicted as positive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The lowest score that is predicted as positive.
    pub score: f64,
    /// The positive rows with at least this score.
    pub true_positives: f64,
    /// The negative rows with at least this score.
    pub false_positives: f64,
}

impl RankedRows {
    /// Sorts rows, each with its score and whether it is positive.
    pub fn new(rows: impl Iterator<Item = (f64, bool)>) -> Self {
        let mut sorted: Vec<(f64, u32, bool)> =
            (0u32..).zip(rows).map(|(row, (score, positive))| (score, row, positive)).collect();
        sorted.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let is_ordered = sorted.iter().all(|(score, ..)| !score.is_nan());
        let mut runs: Vec<(f64, usize)> = Vec::new();
        for (place, &(score, ..)) in sorted.iter().enumerate() {
            match runs.last_mut() {
                Some(last) if last.0 == score => last.1 = place + 1,
                _ => runs.push((score, place + 1)),
            }
        }
        Self { rows: sorted.into_iter().map(|(_, row, positive)| (row, positive)).collect(), runs, is_ordered }
    }

    /// Returns the counts at every distinct score, from the highest to the lowest.
    pub fn points<'a>(&'a self, counts: Counts<'a>) -> impl Iterator<Item = Point> + 'a {
        let (mut begin, mut true_positives, mut false_positives) = (0, 0.0, 0.0);
        self.runs.iter().map(move |&(score, end)| {
            for &(row, positive) in &self.rows[begin..end] {
                *(if positive { &mut true_positives } else { &mut false_positives }) += counts.of(row);
            }
            begin = end;
            Point { score, true_positives, false_positives }
        })
    }

    /// Returns the average precision, the sum over thresholds of (recall - last recall) * precision, as scikit-learn's
    /// `average_precision_score`; none without a positive row.
    pub fn average_precision(&self, counts: Counts<'_>) -> Option<f64> {
        let (mut last, mut area) = (0.0, 0.0);
        for point in self.points(counts) {
            if point.true_positives > last {
                area += (point.true_positives - last) * point.precision();
                last = point.true_positives;
            }
        }
        (last > 0.0).then(|| self.if_ordered(area / last))
    }

    /// Returns the area under the ROC curve by trapezoids, so that ties count half, as scikit-learn's `roc_auc_score`;
    /// none unless there are positive and negative rows.
    pub fn roc_auc(&self, counts: Counts<'_>) -> Option<f64> {
        let (mut last_true, mut last_false, mut area) = (0.0, 0.0, 0.0);
        for point in self.points(counts) {
            area += (point.false_positives - last_false) * (point.true_positives + last_true) / 2.0;
            (last_true, last_false) = (point.true_positives, point.false_positives);
        }
        let pairs = last_true * last_false;
        (pairs > 0.0).then(|| self.if_ordered(area / pairs))
    }

    /// Returns the positive rows, or the others if they are fewer.
    pub(crate) fn rarer(&self) -> Vec<u32> {
        let of = |sought: bool| self.rows.iter().filter(move |(_, positive)| *positive == sought).map(|(row, _)| *row);
        let positives_are_rarer = 2 * of(true).count() <= self.rows.len();
        of(positives_are_rarer).collect()
    }

    /// Returns an area under a curve; none if it isn't defined for these rows.
    pub fn area(&self, area: Area, counts: Counts<'_>) -> Option<f64> {
        match area {
            Area::PrecisionRecall => self.average_precision(counts),
            Area::Roc => self.roc_auc(counts),
        }
    }

    pub(crate) fn if_ordered(&self, value: f64) -> f64 {
        if self.is_ordered { value } else { f64::NAN }
    }
}

impl Point {
    /// Returns precision = tp / (tp + fp).
    pub fn precision(&self) -> f64 {
        self.true_positives / (self.true_positives + self.false_positives)
    }

    /// Returns F1 = 2 tp / (2 tp + fp + fn).
    pub fn f1(&self, positives: f64) -> f64 {
        2.0 * self.true_positives / (self.true_positives + self.false_positives + positives)
    }
}

/// How often each row counts.
#[derive(Clone, Copy, Debug)]
pub enum Counts<'a> {
    /// Every row counts once: the plain metric.
    Once,
    /// Row `i` counts `counts[i]` times.
    Of(&'a [u32]),
}

impl Counts<'_> {
    /// Returns how often a row counts.
    pub(crate) fn of(self, row: u32) -> f64 {
        match self {
            Self::Once => 1.0,
            Self::Of(counts) => f64::from(counts[row as usize]),
        }
    }
}

/// A kind of area under a curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Area {
    /// The area under the precision-recall curve: average precision.
    PrecisionRecall,
    /// The area under the ROC curve.
    Roc,
}

/// The mean over outputs of an area, of those outputs for which it is defined.
#[derive(Clone, Debug, PartialEq)]
pub struct MeanArea {
    area: Area,
    outputs: Vec<RankedRows>,
}

impl MeanArea {
    /// The area of several outputs, each with the same rows in an order of its own.
    pub fn new(area: Area, outputs: Vec<RankedRows>) -> Self {
        Self { area, outputs }
    }

    /// The area of a single output, from the score of each row and whether the row is positive.
    pub fn of_scores(area: Area, scores: &[f64], positive: &[bool]) -> Self {
        Self::new(area, vec![RankedRows::new(scores.iter().copied().zip(positive.iter().copied()))])
    }
}

impl RowMetric for MeanArea {
    fn of(&self, counts: &[u32]) -> f64 {
        let area = |rows: &RankedRows| rows.area(self.area, Counts::Of(counts));
        mean(self.outputs.iter().filter_map(area)).unwrap_or(f64::NAN)
    }

    fn scarce_rows(&self) -> Option<Vec<u32>> {
        match self.outputs.as_slice() {
            [only] => Some(only.rarer()),
            // Each row is a positive one of some output.
            _ => None,
        }
    }
}

/// Returns the mean of numbers; none if there are none.
pub(crate) fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut number) = (0.0, 0u32);
    for value in values {
        sum += value;
        number += 1;
    }
    (number > 0).then(|| sum / f64::from(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCORES: [f64; 6] = [0.9, 0.8, 0.8, 0.3, 0.3, 0.1];
    const POSITIVE: [bool; 6] = [true, false, true, true, false, false];
    const AREAS: [Area; 2] = [Area::PrecisionRecall, Area::Roc];

    /// scikit-learn's `average_precision_score` and `roc_auc_score` on these six rows.
    #[test]
    fn areas_are_those_of_scikit_learn() {
        let [average, roc] = AREAS.map(|area| MeanArea::of_scores(area, &SCORES, &POSITIVE).of(&[1; 6]));
        assert!((average - (1.0 + 2.0 / 3.0 + 3.0 / 5.0) / 3.0).abs() < 1e-15, "{average}");
        assert!((roc - 7.0 / 9.0).abs() < 1e-15, "{roc}");
    }

    /// Counting a row twice is having it twice.
    #[test]
    fn counts_are_repeated_rows() {
        let counts = [2, 0, 1, 3, 1, 2];
        let repeated = |row: usize| vec![row; counts[row] as usize];
        let rows: Vec<usize> = (0..6).flat_map(repeated).collect();
        let scores: Vec<f64> = rows.iter().map(|&row| SCORES[row]).collect();
        let positive: Vec<bool> = rows.iter().map(|&row| POSITIVE[row]).collect();
        for area in AREAS {
            let counted = MeanArea::of_scores(area, &SCORES, &POSITIVE).of(&counts);
            let repeated = MeanArea::of_scores(area, &scores, &positive).of(&vec![1; scores.len()]);
            assert_eq!(counted, repeated, "{area:?}");
        }
    }

    #[test]
    fn the_rarer_rows_are_those_that_an_area_rests_on() {
        let rarer = |positive: [bool; 3]| MeanArea::of_scores(Area::Roc, &[0.1, 0.9, 0.5], &positive).scarce_rows();
        assert_eq!(rarer([false, true, false]), Some(vec![1]));
        assert_eq!(rarer([true, true, false]), Some(vec![2]));
        assert_eq!(rarer([false; 3]), Some(Vec::new()));
        let several = MeanArea::new(Area::Roc, vec![RankedRows::new(std::iter::empty()); 2]);
        assert_eq!(several.scarce_rows(), None);
    }

    #[test]
    fn outputs_without_an_area_are_left_out_of_the_mean() {
        let rows = |positive: [bool; 2]| RankedRows::new([0.4, 0.2].into_iter().zip(positive));
        let metric = MeanArea::new(Area::PrecisionRecall, vec![rows([false, true]), rows([false, false])]);
        assert_eq!(metric.of(&[1, 1]), 0.5);
        assert!(metric.of(&[1, 0]).is_nan());
        assert!(MeanArea::of_scores(Area::Roc, &[0.5], &[true]).of(&[1]).is_nan());
    }

    #[test]
    fn scores_that_are_no_numbers_give_none() {
        let rows = RankedRows::new([(0.9, true), (f64::NAN, false)].into_iter());
        assert!(AREAS.into_iter().all(|area| rows.area(area, Counts::Once).is_some_and(f64::is_nan)));
    }
}
