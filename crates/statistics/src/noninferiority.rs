//! The smallest setting that is good enough: not worse than any other by more than a margin.
//!
//! Settings from the largest to the smallest and the lower bounds of their differences enter; the smallest one that passes
//! leaves, with the margin that each would need. A setting is good enough if the lower bound of (it - other) lies above -margin
//! for **every** other setting: the test of a union is the intersection of the tests (R. Berger, Technometrics 24, 1982). A test
//! against the apparently best setting alone would be wrong, since the best was chosen from the same scores. The bounds are those
//! of the printed intervals, which are adjusted for all pairs: more than such a test needs, but then no interval that a reader
//! sees contradicts the choice.
//!
//! Settings are tested from the largest down and the first failure ends it. The order is fixed before any score is seen, so that
//! the procedure as a whole accepts a setting that isn't good enough with at most the probability of one test (P. Westfall and
//! A. Krishen, Optimally weighted, fixed sequence and gatekeeper multiple testing procedures, 2001).

/// One setting of the sequence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// The setting, as a position among all.
    pub arm: usize,
    /// The margin above which the setting itself would pass; infinite if it can't be compared with another.
    pub needed: f64,
    /// The margin above which it would be reached and pass: the largest `needed` so far.
    pub supported: f64,
    /// Whether it was reached and passed.
    pub passed: bool,
}

/// Returns the steps of the sequence `order`, the largest setting first. `low(a, b, least)` is the lower bound of how much better `a`
/// is than `b`, none if the two can't be compared; if it is `least` or more, it may be `least`, since no decision depends on it.
/// Without a margin nothing passes, but the margins that are needed are there.
pub fn sequence(order: &[usize], margin: Option<f64>, low: impl Fn(usize, usize, f64) -> Option<f64>) -> Vec<Step> {
    let mut supported = 0.0f64;
    let step = |&arm: &usize| {
        let others = order.iter().filter(|&&other| other != arm);
        let needed = others
            .fold(0.0f64, |needed, &other| needed.max(low(arm, other, -needed).map_or(f64::INFINITY, |low| -low)));
        supported = supported.max(needed);
        Step { arm, needed, supported, passed: margin.is_some_and(|margin| supported < margin) }
    };
    order.iter().map(step).collect()
}

/// Returns the smallest setting that is good enough: the last one that passed.
pub fn smallest(steps: &[Step]) -> Option<usize> {
    steps.iter().rfind(|step| step.passed).map(|step| step.arm)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scores of three settings, from the largest to the smallest, known within 0.01.
    fn steps(scores: [f64; 3], margin: f64) -> Vec<Step> {
        sequence(&[0, 1, 2], Some(margin), |a, b, _| Some(scores[a] - scores[b] - 0.01))
    }

    #[test]
    fn the_smallest_that_passes_is_chosen() {
        let found = steps([0.80, 0.80, 0.78], 0.02);
        assert_eq!(smallest(&found), Some(1));
        assert!((found[2].supported - 0.03).abs() < 1e-12);
        assert_eq!(smallest(&steps([0.80, 0.80, 0.78], 0.04)), Some(2));
    }

    #[test]
    fn the_first_failure_ends_it() {
        let found = steps([0.70, 0.80, 0.80], 0.02);
        assert_eq!(smallest(&found), None);
        assert!(found.iter().all(|step| !step.passed) && found[1].needed < 0.02 && found[1].supported > 0.1);
    }

    #[test]
    fn every_other_setting_counts_not_only_the_best() {
        let low = |a: usize, b: usize, _: f64| Some(if (a, b) == (2, 1) { -0.1 } else { -0.01 });
        assert_eq!(smallest(&sequence(&[0, 1, 2], Some(0.05), low)), Some(1));
    }

    #[test]
    fn what_cannot_be_compared_never_passes() {
        let found = sequence(&[0, 1], Some(1e9), |_, _, _| None);
        assert!(smallest(&found).is_none() && found[0].needed.is_infinite());
        assert_eq!(smallest(&sequence(&[0, 1], None, |_, _, _| Some(1.0))), None, "without a margin");
    }
}
