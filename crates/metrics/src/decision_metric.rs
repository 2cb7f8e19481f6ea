//! Scores of decisions, as functions of how often each row counts.

use crate::RowMetric;
use crate::decisions::{Average, ClassScore, Decisions};
use crate::ranked::Counts;

/// A score of decisions, as a function of how often each row counts.
#[derive(Clone, Debug, PartialEq)]
pub struct DecisionMetric {
    decisions: Decisions,
    score: DecisionScore,
}

/// A score that is computed from the counts of decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecisionScore {
    /// Precision, recall or F1.
    OfClasses(ClassScore, Average),
    /// [`balanced_accuracy`](crate::Tally::balanced_accuracy).
    BalancedAccuracy,
    /// [`matthews_correlation`](crate::Tally::matthews_correlation).
    MatthewsCorrelation,
}

impl DecisionMetric {
    /// The score of these decisions.
    pub fn new(decisions: Decisions, score: DecisionScore) -> Self {
        Self { decisions, score }
    }
}

impl RowMetric for DecisionMetric {
    fn of(&self, counts: &[u32]) -> f64 {
        let tally = self.decisions.tally(Counts::Of(counts));
        match self.score {
            // As for a curve: without a positive row there is nothing to find.
            DecisionScore::OfClasses(_, Average::Class(class)) if tally.classes()[class].positives == 0.0 => f64::NAN,
            DecisionScore::OfClasses(score, average) => tally.average(score, average),
            DecisionScore::BalancedAccuracy => tally.balanced_accuracy(),
            DecisionScore::MatthewsCorrelation => tally.matthews_correlation(),
        }
    }

    fn scarce_rows(&self) -> Option<Vec<u32>> {
        self.decisions.rarer()
    }
}

#[cfg(test)]
mod tests {
    use emberline_base::Task;

    use super::*;
    use crate::decisions::tests::decided;

    #[test]
    fn a_score_of_two_classes_rests_on_the_rarer_one() {
        let score = DecisionScore::BalancedAccuracy;
        let metric = |targets: &[f32]| DecisionMetric::new(decided(Task::Binary, 1, &[1.; 3], targets), score);
        assert_eq!(metric(&[0., 1., 0.]).scarce_rows(), Some(vec![1]));
        assert_eq!(metric(&[1., 1., 0.]).scarce_rows(), Some(vec![2]));
        let several = decided(Task::MultiClass, 2, &[1., 0.], &[1., 0.]);
        assert_eq!(DecisionMetric::new(several, score).scarce_rows(), Some(Vec::new()), "the other of two has no row");
    }

    #[test]
    fn counts_are_repeated_rows() {
        let (logits, targets) = ([1., 2., -1., -1., 0.5], [1., 0., 0., 1., 1.]);
        let metric = |score| DecisionMetric::new(decided(Task::Binary, 1, &logits, &targets), score);
        let f1 = metric(DecisionScore::OfClasses(ClassScore::F1, Average::Class(1)));
        assert!((f1.of(&[1; 5]) - 2.0 / 3.0).abs() < 1e-15);
        assert_eq!(f1.of(&[1, 0, 1, 0, 1]), 1.0);
        assert!(f1.of(&[0, 1, 1, 0, 0]).is_nan(), "no positive row");
        let repeated = decided(Task::Binary, 1, &[1., 1., -1., 0.5], &[1., 1., 1., 1.]);
        let score = DecisionScore::BalancedAccuracy;
        assert_eq!(metric(score).of(&[2, 0, 0, 1, 1]), DecisionMetric::new(repeated, score).of(&[1; 4]));
    }
}
