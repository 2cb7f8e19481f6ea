//! Decision thresholds: how one is chosen on the rows of the validation split, what it is worth there, and what it is
//! worth on rows that it wasn't chosen on.
//!
//! A threshold is the midpoint between the lowest score that is predicted as positive and the next lower score (or 0, if
//! there is none): a program that rounds scores differently still decides every row in the same way.

use emberline_base::Task;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::decisions::Decisions;
use crate::predictions::Predictions;
use crate::probability::probability;
use crate::ranked::{Counts, Point, RankedRows};

/// How the threshold of an output is chosen on the validation rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdRule {
    /// The best F1; of equal ones, the one with the fewest rows predicted as positive.
    F1(Optimum),
    /// The highest threshold with at least this recall, above 0 and at most 1.
    Recall(#[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))] f64),
    /// The threshold with the most recall of those with at least this precision, above 0 and at most 1; if there is
    /// none, the one with the highest precision.
    Precision(#[schemars(range(max = 1.0), extend("exclusiveMinimum" = 0.0))] f64),
    /// The lowest cost, given that of a false positive and that of a false negative, in this order.
    Cost(Costs),
}

/// The costs of wrong decisions, written as a list of two numbers above 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Vec<f64>", into = "Vec<f64>")]
#[schemars(with = "Vec<f64>")]
pub struct Costs {
    /// The cost of a negative row that is predicted as positive.
    pub false_positive: f64,
    /// The cost of a positive row that isn't predicted as such.
    pub false_negative: f64,
}

impl From<Vec<f64>> for Costs {
    /// A list that doesn't hold two numbers gives costs that [`ThresholdRule::fault`] refuses.
    fn from(costs: Vec<f64>) -> Self {
        let [false_positive, false_negative] = <[f64; 2]>::try_from(costs).unwrap_or([f64::NAN; 2]);
        Self { false_positive, false_negative }
    }
}

impl From<Costs> for Vec<f64> {
    fn from(costs: Costs) -> Self {
        vec![costs.false_positive, costs.false_negative]
    }
}

/// The best value of a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Optimum {
    /// The largest value.
    Max,
}

impl Default for ThresholdRule {
    fn default() -> Self {
        Self::F1(Optimum::Max)
    }
}

/// The scores of a decision at a threshold, of the positive rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ThresholdScores {
    /// A row with at least this score is predicted as positive.
    pub threshold: f64,
    /// 2 tp / (2 tp + fp + fn).
    pub f1: f64,
    /// tp / (tp + fp); 0 if no row is predicted as positive.
    pub precision: f64,
    /// tp / (tp + fn).
    pub recall: f64,
}

impl ThresholdRule {
    /// Returns what is wrong with the numbers of the rule, and the cure.
    pub fn fault(self) -> Option<(String, &'static str)> {
        let share = |name: &str, value: f64| {
            let is_share = value > 0.0 && value <= 1.0;
            (!is_share).then(|| (format!("the {name} is {value}"), "give a number above 0 and at most 1, such as 0.9"))
        };
        match self {
            Self::F1(Optimum::Max) => None,
            Self::Recall(value) => share("recall", value),
            Self::Precision(value) => share("precision", value),
            Self::Cost(costs) => {
                let fits = Vec::from(costs).iter().all(|cost| cost.is_finite() && *cost > 0.0);
                let hint = "give the cost of a false positive and that of a false negative, such as [1, 5]";
                (!fits).then(|| ("the costs aren't two numbers above 0".to_owned(), hint))
            }
        }
    }

    /// Chooses a threshold, and returns its scores on the same rows; none without a positive row.
    pub fn choose(self, rows: &RankedRows) -> Option<ThresholdScores> {
        let points: Vec<Point> = rows.points(Counts::Once).collect();
        let positives = points.last().map(|point| point.true_positives).filter(|positives| *positives > 0.0)?;
        let place = self.place(&points, positives);
        let threshold = match place {
            Some(place) => {
                let next_lower = points.get(place + 1).map_or(0.0, |point| point.score);
                midpoint_above(next_lower, points[place].score)
            }
            None => above(points[0].score),
        };
        Some(scores(rows, threshold, place.map(|place| &points[place]), positives))
    }

    /// Returns the place of the last point that is predicted as positive; none to predict no row as positive.
    fn place(self, points: &[Point], positives: f64) -> Option<usize> {
        match self {
            Self::F1(Optimum::Max) => first_best(points, |point| point.f1(positives)),
            Self::Recall(least) => points.iter().position(|point| point.true_positives / positives >= least),
            Self::Precision(least) => {
                let recall_if_precise =
                    |point: &Point| if point.precision() >= least { point.true_positives } else { -1.0 };
                let most = first_best(points, recall_if_precise)?;
                let is_reached = points[most].precision() >= least;
                if is_reached { Some(most) } else { first_best(points, Point::precision) }
            }
            Self::Cost(Costs { false_positive, false_negative }) => {
                let saved =
                    |point: &Point| false_negative * point.true_positives - false_positive * point.false_positives;
                first_best(points, saved).filter(|&place| saved(&points[place]) > 0.0)
            }
        }
    }

    /// Chooses the threshold of each output on these rows, `[outputs]`: 0.5 for an output without a positive row or
    /// with scores that aren't numbers. Empty for a multi-class task, whose decision has no threshold.
    pub fn choose_all(self, predictions: &Predictions<'_>) -> Vec<f64> {
        let all = |_: usize| true;
        self.choose_each(predictions, all).into_iter().map(|threshold| threshold.unwrap_or(DEFAULT_THRESHOLD)).collect()
    }

    /// Chooses the threshold of each output on the rows that `takes` accepts.
    fn choose_each(self, predictions: &Predictions<'_>, takes: impl Fn(usize) -> bool) -> Vec<Option<f64>> {
        if predictions.task() == Task::MultiClass {
            return Vec::new();
        }
        let taken: Vec<usize> = (0..predictions.rows()).filter(|&row| takes(row)).collect();
        let ranked = |output: usize| {
            RankedRows::new(
                taken
                    .iter()
                    .map(|&row| (probability(predictions.of_row(row)[output]), predictions.is_positive(row, output))),
            )
        };
        let threshold = |output| self.choose(&ranked(output)).map(|chosen| chosen.threshold);
        (0..predictions.outputs()).map(|output| threshold(output).filter(|value| value.is_finite())).collect()
    }

    /// Decides each row at the thresholds that the *other* half of the rows chooses, so that no row takes part in the
    /// choice of its own threshold. `halves` says in which half each row is, `[rows]`.
    ///
    /// Returns none for a multi-class task, or if half the rows can't choose the threshold of a binary task, since no
    /// row is positive. A label that half the rows can't choose for is decided at 0.5.
    pub fn cross_fit(self, predictions: &Predictions<'_>, halves: &[bool]) -> Option<Decisions> {
        let [first, second] = [false, true].map(|half| self.choose_each(predictions, |row| halves[row] == half));
        let is_missing = |thresholds: &[Option<f64>]| thresholds.iter().any(Option::is_none);
        let task = predictions.task();
        if task == Task::MultiClass || (task == Task::Binary && (is_missing(&first) || is_missing(&second))) {
            return None;
        }
        Some(Decisions::by(predictions, |row, output| {
            let of_other_half = if halves[row] { first[output] } else { second[output] };
            let logit = predictions.of_row(row)[output];
            of_other_half.map_or(logit > 0.0, |threshold| probability(logit) >= threshold)
        }))
    }
}

/// The threshold of an output if none can be chosen.
pub const DEFAULT_THRESHOLD: f64 = 0.5;

/// Returns the half of a row for [`ThresholdRule::cross_fit`], by the digest of its text or group: equal texts are in
/// one half, on every machine.
pub fn half_of(digest: [u8; 16]) -> bool {
    digest[0] & 1 == 1
}

/// Returns the scores at a threshold that was chosen elsewhere; none without a positive row.
pub fn scores_at(rows: &RankedRows, threshold: f64) -> Option<ThresholdScores> {
    let (mut positives, mut reached) = (0.0, None);
    for point in rows.points(Counts::Once) {
        positives = point.true_positives;
        if point.score >= threshold {
            reached = Some(point);
        }
    }
    (positives > 0.0).then(|| scores(rows, threshold, reached.as_ref(), positives))
}

/// `point` holds the counts of the rows that are predicted as positive; none if no row is.
fn scores(rows: &RankedRows, threshold: f64, point: Option<&Point>, positives: f64) -> ThresholdScores {
    let of = |value: fn(&Point, f64) -> f64| rows.if_ordered(point.map_or(0.0, |point| value(point, positives)));
    ThresholdScores {
        threshold: rows.if_ordered(threshold),
        f1: of(Point::f1),
        precision: of(|point, _| point.precision()),
        recall: of(|point, positives| point.true_positives / positives),
    }
}

/// Returns the place of the first of the points with the largest value.
fn first_best(points: &[Point], value: impl Fn(&Point) -> f64) -> Option<usize> {
    (0..points.len()).reduce(|best, next| if value(&points[next]) > value(&points[best]) { next } else { best })
}

/// Returns the midpoint of two numbers; the higher one if no number lies between them, so that the lower one stays
/// below the threshold.
fn midpoint_above(low: f64, high: f64) -> f64 {
    let middle = f64::midpoint(low, high);
    if middle > low { middle } else { high }
}

/// Returns a threshold above a probability: halfway to 1, or above 1 if there is nothing between.
fn above(score: f64) -> f64 {
    let threshold = midpoint_above(score, 1.0);
    if threshold > score { threshold } else { score.next_up() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use emberline_base::Matrix;

    const F1: ThresholdRule = ThresholdRule::F1(Optimum::Max);

    fn cost(false_positive: f64, false_negative: f64) -> ThresholdRule {
        ThresholdRule::Cost(Costs { false_positive, false_negative })
    }

    fn ranked(rows: &[(f64, bool)]) -> RankedRows {
        RankedRows::new(rows.iter().copied())
    }

    /// Precision 1, 1/2, 2/3, 1/2, 3/5 and recall 1/3, 1/3, 2/3, 2/3, 1 from the top.
    fn five() -> RankedRows {
        ranked(&[(0.9, true), (0.7, false), (0.6, true), (0.4, false), (0.2, true)])
    }

    #[test]
    fn a_threshold_lies_between_two_scores() {
        let best = F1.choose(&ranked(&[(0.9, true), (0.7, true), (0.2, false)])).expect("positives");
        assert_eq!((best.threshold, best.f1), (f64::midpoint(0.7, 0.2), 1.0));
        assert_eq!(F1.choose(&ranked(&[(0.5, true)])).expect("positives").threshold, 0.25);
    }

    #[test]
    fn every_rule_chooses_what_it_says() {
        let threshold = |rule: ThresholdRule| rule.choose(&five()).expect("positives").threshold;
        let between = f64::midpoint;
        assert_eq!(threshold(F1), 0.1);
        assert_eq!(threshold(ThresholdRule::Recall(0.6)), between(0.6, 0.4));
        assert_eq!(threshold(ThresholdRule::Recall(1.0)), 0.1);
        assert_eq!(threshold(ThresholdRule::Precision(0.65)), between(0.6, 0.4));
        assert_eq!(threshold(ThresholdRule::Precision(0.7)), between(0.9, 0.7));
        assert_eq!(threshold(cost(1.0, 5.0)), 0.1);
        assert_eq!(threshold(cost(5.0, 1.0)), between(0.9, 0.7));
    }

    #[test]
    fn a_precision_that_is_out_of_reach_gives_the_highest() {
        let rows = ranked(&[(0.9, false), (0.7, true), (0.6, true), (0.4, false)]);
        let best = ThresholdRule::Precision(0.9).choose(&rows).expect("positives");
        assert_eq!((best.threshold, best.precision), (0.5, 2.0 / 3.0));
    }

    #[test]
    fn nothing_is_predicted_where_that_is_cheapest() {
        for top in [0.8, 1.0] {
            let rows = ranked(&[(top, false), (top, false), (0.3, true), (0.2, false)]);
            let chosen = cost(4.0, 1.0).choose(&rows).expect("positives");
            assert!(chosen.threshold > top && chosen.recall == 0.0 && chosen.precision == 0.0, "{chosen:?}");
        }
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
        let best = F1.choose(&ranked(&[(one, true), (below, false), (below, false)])).expect("positives");
        assert_eq!((best.threshold, best.precision), (1.0, 1.0));
    }

    #[test]
    fn the_scores_at_a_chosen_threshold_are_those_of_the_choice() {
        for rule in [F1, ThresholdRule::Recall(0.6), ThresholdRule::Precision(0.7), cost(5.0, 1.0)] {
            let chosen = rule.choose(&five()).expect("positives");
            assert_eq!(scores_at(&five(), chosen.threshold), Some(chosen));
        }
        assert_eq!(scores_at(&ranked(&[(0.4, false)]), 0.5), None);
        let none = scores_at(&five(), 0.95).expect("positives");
        assert_eq!((none.f1, none.precision, none.recall), (0.0, 0.0, 0.0));
    }

    #[test]
    fn scores_that_are_no_numbers_choose_none() {
        let rows = ranked(&[(0.9, true), (f64::NAN, false)]);
        assert!(F1.choose(&rows).is_some_and(|best| best.f1.is_nan() && best.threshold.is_nan()));
    }

    #[test]
    fn rules_with_impossible_numbers_have_a_fault() {
        let faulty = [ThresholdRule::Recall(0.0), ThresholdRule::Precision(1.5), cost(1.0, f64::NAN)];
        assert!(faulty.iter().all(|rule| rule.fault().is_some()));
        assert!([F1, ThresholdRule::Recall(1.0), cost(1.0, 5.0)].iter().all(|r| r.fault().is_none()));
    }

    #[test]
    fn costs_are_two_numbers() {
        for text in [r#"{"cost":[]}"#, r#"{"cost":[1]}"#, r#"{"cost":[1,2,3]}"#] {
            let rule: ThresholdRule = serde_json::from_str(text).expect("a list");
            assert!(rule.fault().is_some(), "{text}");
        }
    }

    #[test]
    fn rules_are_written_as_tables() {
        let texts = [r#"{"f1":"max"}"#, r#"{"recall":0.9}"#, r#"{"precision":0.8}"#, r#"{"cost":[1.0,5.0]}"#];
        for text in texts {
            let rule: ThresholdRule = serde_json::from_str(text).expect("a rule");
            assert_eq!(serde_json::to_string(&rule).expect("JSON"), text);
        }
    }

    /// Each half's own threshold would decide all its rows correctly; the other half's doesn't.
    #[test]
    fn rows_are_decided_by_the_other_half() {
        let logits = Matrix::new(6, 1, vec![2.0, 1.0, -1.0, -1.5, 0.5, -3.0]);
        let targets = Matrix::new(6, 1, vec![1.0, 0.0, 0.0, 1.0, 1.0, 0.0]);
        let predictions = Predictions::new(Task::Binary, &logits, &targets).expect("shapes");
        // The first half chooses a logit between 1 and 2; the second one between -3 and -1.5.
        let halves = [false, false, false, true, true, true];
        let tally = F1.cross_fit(&predictions, &halves).expect("both halves have positives").tally(Counts::Once);
        let positive = tally.classes()[1];
        assert_eq!((positive.true_positives, positive.predicted, positive.positives), (1.0, 3.0, 3.0));
        assert_eq!(F1.cross_fit(&predictions, &[true, false, false, true, true, false]), None);
        assert_eq!(F1.choose_all(&predictions).len(), 1);
    }
}
