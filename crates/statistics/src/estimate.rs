//! A number with its standard error: what every test and interval of this crate is made from.
//!
//! (value, standard error, degrees of freedom) enter; a two-sided p-value and an interval of any level leave, by Student's t.

use crate::student;

/// An estimated number, most often a difference of two scores, and how sure it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The estimate.
    pub value: f64,
    /// Its standard error; 0 if nothing varied.
    pub error: f64,
    /// The degrees of freedom of the standard error, infinite for a normal distribution.
    pub freedom: f64,
}

/// The bounds of an interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
}

impl Interval {
    /// Whether zero lies outside.
    pub fn excludes_zero(self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

impl Estimate {
    /// Returns the two-sided p-value of the hypothesis that the number is zero.
    ///
    /// If nothing varied it is 0 or 1: a difference that is the same in every replicate and on every row.
    pub fn p(self) -> f64 {
        if self.error > 0.0 {
            student::two_sided_p(self.value / self.error, self.freedom)
        } else if self.value == 0.0 {
            1.0
        } else {
            0.0
        }
    }

    /// Returns the interval of level 1 - `alpha`. It excludes zero if and only if [`p`](Self::p) is below `alpha`.
    pub fn interval(self, alpha: f64) -> Interval {
        let half = if self.error > 0.0 { student::critical(alpha, self.freedom) * self.error } else { 0.0 };
        Interval { low: self.value - half, high: self.value + half }
    }

    /// Returns the same of the opposite number: of b - a for a - b.
    pub fn opposite(self) -> Self {
        Self { value: -self.value, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `scipy.stats.ttest_rel([.51, .53, .52], [.50, .505, .515])` and its `confidence_interval(.95)`.
    #[test]
    fn an_uncorrected_estimate_is_the_paired_t_test_of_scipy() {
        let differences = [0.01, 0.025, 0.005];
        let error = (crate::variance(&differences).expect("three") / 3.0).sqrt();
        let estimate = Estimate { value: crate::mean(&differences), error, freedom: 2.0 };
        let interval = estimate.interval(0.05);
        assert!((estimate.p() - 0.156_725_957_288_432_17).abs() < 1e-10, "{}", estimate.p());
        assert!((interval.low + 0.012_522_391_7).abs() < 1e-9 && (interval.high - 0.039_189_058_4).abs() < 1e-9);
    }

    #[test]
    fn an_interval_excludes_zero_exactly_if_the_test_rejects() {
        for step in 1..200 {
            let estimate = Estimate { value: 0.01 * f64::from(step), error: 0.3, freedom: 4.0 };
            for alpha in [0.05, 0.0125, 0.05 / 66.0] {
                assert_eq!(estimate.interval(alpha).excludes_zero(), estimate.p() < alpha);
            }
        }
    }

    #[test]
    fn what_never_varies_is_certain() {
        let of = |value| Estimate { value, error: 0.0, freedom: 4.0 };
        assert_eq!((of(0.0).p(), of(0.1).p(), of(-0.1).p()), (1.0, 0.0, 0.0));
        assert!(!of(0.0).interval(0.05).excludes_zero() && of(-0.1).interval(0.05).excludes_zero());
    }
}
