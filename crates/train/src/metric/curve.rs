//! Precision-recall and ROC curves: the rows of one output by descending score, and the areas under the curves.
//!
//! Equal scores are one threshold, as in scikit-learn's `precision_recall_curve` and `roc_curve`.

/// The rows of one output by descending score: true and false positives at every distinct score.
pub(super) struct Curve {
    points: Vec<Point>,
    positives: f64,
    negatives: f64,
    /// Whether no score is NaN; if one is, so is everything that depends on the order of scores.
    is_ordered: bool,
}

/// The counts if the rows with at least `score` are predicted as positive.
#[derive(Clone, Copy)]
pub(super) struct Point {
    score: f64,
    true_positives: f64,
    false_positives: f64,
}

/// A decision threshold and its metrics.
pub(super) struct Decision {
    pub(super) threshold: f64,
    pub(super) f1: f64,
    pub(super) precision: f64,
    pub(super) recall: f64,
}

impl Curve {
    /// Computes the curve of rows, each with its score and whether it is positive.
    pub(super) fn of(rows: impl Iterator<Item = (f64, bool)>) -> Self {
        let mut rows: Vec<(f64, bool)> = rows.collect();
        let is_ordered = rows.iter().all(|(score, _)| !score.is_nan());
        rows.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        let mut points: Vec<Point> = Vec::new();
        let (mut true_positives, mut false_positives) = (0.0, 0.0);
        for (score, positive) in rows {
            *(if positive { &mut true_positives } else { &mut false_positives }) += 1.0;
            let point = Point { score, true_positives, false_positives };
            match points.last_mut() {
                Some(last) if last.score == score => *last = point,
                _ => points.push(point),
            }
        }
        Self { points, positives: true_positives, negatives: false_positives, is_ordered }
    }

    /// Returns the sum over thresholds of (recall - last recall) * precision; none without a positive row.
    pub(super) fn average_precision(&self) -> Option<f64> {
        let mut last = 0.0;
        let mut area = 0.0;
        for point in &self.points {
            area += (point.true_positives - last) * point.precision();
            last = point.true_positives;
        }
        (self.positives > 0.0).then(|| self.if_ordered(area / self.positives))
    }

    /// Returns the area under the ROC curve by trapezoids, so that ties count half; none unless there are positive and
    /// negative rows.
    pub(super) fn roc_auc(&self) -> Option<f64> {
        let (mut last_true, mut last_false, mut area) = (0.0, 0.0, 0.0);
        for point in &self.points {
            area += (point.false_positives - last_false) * (point.true_positives + last_true) / 2.0;
            (last_true, last_false) = (point.true_positives, point.false_positives);
        }
        let pairs = self.positives * self.negatives;
        (pairs > 0.0).then(|| self.if_ordered(area / pairs))
    }

    /// Returns the decision with the best F1; of equal ones, the one with the fewest rows predicted as positive. None
    /// without a positive row.
    ///
    /// Its threshold is the midpoint between the lowest score that is predicted as positive and the next lower score
    /// (or 0, if there is none): a program that rounds scores differently still decides every row in the same way.
    pub(super) fn best_decision(&self) -> Option<Decision> {
        let f1 = |point: &Point| point.f1(self.positives);
        let indices = 0..self.points.len();
        let best =
            indices.reduce(|best, next| if f1(&self.points[next]) > f1(&self.points[best]) { next } else { best })?;
        let next_lower = self.points.get(best + 1).map_or(0.0, |point| point.score);
        let threshold = midpoint_above(next_lower, self.points[best].score);
        (self.positives > 0.0).then(|| self.decision(threshold, Some(&self.points[best])))
    }

    /// Returns the metrics at a threshold that was chosen elsewhere; none without a positive row.
    pub(super) fn decision_at(&self, threshold: f64) -> Option<Decision> {
        let point = self.points.iter().take_while(|point| point.score >= threshold).last();
        (self.positives > 0.0).then(|| self.decision(threshold, point))
    }

    /// `point` holds the counts of the rows that are predicted as positive; none if no row is.
    fn decision(&self, threshold: f64, point: Option<&Point>) -> Decision {
        let of =
            |value: fn(&Point, f64) -> f64| self.if_ordered(point.map_or(0.0, |point| value(point, self.positives)));
        Decision {
            threshold: self.if_ordered(threshold),
            f1: of(Point::f1),
            precision: of(|point, _| point.precision()),
            recall: of(|point, positives| point.true_positives / positives),
        }
    }

    fn if_ordered(&self, value: f64) -> f64 {
        if self.is_ordered { value } else { f64::NAN }
    }
}

impl Point {
    fn precision(&self) -> f64 {
        self.true_positives / (self.true_positives + self.false_positives)
    }

    /// Returns F1 = 2 tp / (2 tp + fp + fn).
    fn f1(&self, positives: f64) -> f64 {
        2.0 * self.true_positives / (self.true_positives + self.false_positives + positives)
    }
}

/// Returns the midpoint of two numbers; the higher one if no number lies between them, so that the lower one stays
/// below the threshold.
fn midpoint_above(low: f64, high: f64) -> f64 {
    let middle = f64::midpoint(low, high);
    if middle > low { middle } else { high }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_lies_between_two_scores() {
        let curve = Curve::of([(0.9, true), (0.7, true), (0.2, false)].into_iter());
        let best = curve.best_decision().expect("positives");
        assert_eq!((best.threshold, best.f1), (f64::midpoint(0.7, 0.2), 1.0));
        let all = Curve::of([(0.5, true)].into_iter());
        assert_eq!(all.best_decision().expect("positives").threshold, 0.25);
    }

    /// Tests adjacent numbers, equal ones, and 0, which have no number between them.
    #[test]
    fn a_threshold_changes_no_decision_where_scores_touch() {
        let high = 0.75_f64;
        for low in [high.next_down(), high.next_down().next_down(), high.next_up().next_down()] {
            let threshold = midpoint_above(low, high);
            assert!(threshold <= high && (threshold > low || low == high), "{low:?} {threshold:?}");
        }
        assert_eq!(midpoint_above(0.0, f64::from_bits(1)), f64::from_bits(1));
        assert_eq!(midpoint_above(0.0, 0.0), 0.0);
        let (one, below) = (1.0, 1.0_f64.next_down());
        let curve = Curve::of([(one, true), (below, false), (below, false)].into_iter());
        let best = curve.best_decision().expect("positives");
        assert_eq!((best.threshold, best.precision), (1.0, 1.0));
    }

    #[test]
    fn scores_that_are_no_numbers_give_none() {
        let curve = Curve::of([(0.9, true), (f64::NAN, false)].into_iter());
        assert!(curve.average_precision().is_some_and(f64::is_nan) && curve.roc_auc().is_some_and(f64::is_nan));
        assert!(curve.best_decision().is_some_and(|best| best.f1.is_nan() && best.threshold.is_nan()));
    }
}
