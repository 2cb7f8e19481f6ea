//! The corrected resampled t test: the mean of differences over splits, with a standard error that knows of their overlap.
//!
//! The difference of two settings on each of K splits enters, and how the splits were made; an [`Estimate`] leaves. Splits of
//! one pool share rows, so that K differences say less than K independent ones:
//!
//! | splits | squared standard error, s^2 the variance over splits |
//! |---|---|
//! | random ones of a pool of N rows, n for evaluation | s^2 (1/K + c), c = n / (N - n) |
//! | k folds, once or repeated | s^2 (1/K + c), c = 1 / (k - 1) |
//! | the same evaluation rows in all of them | s^2 / K + the variance over rows of the mean difference |
//!
//! Nadeau and Bengio, Inference for the generalization error, Machine Learning 52 (2003), have c = n / n_train. With few
//! training rows that correction never rejects; what the splits share are the rows of the pool that aren't evaluated, whether
//! or not they are trained on, hence N - n. If train and evaluation rows make up the pool, the two are the same.
//! There are K - 1 degrees of freedom in all cases.

use crate::{Estimate, mean, variance};

/// How the rows of the splits were drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Independent random splits of one pool of rows.
    Pool {
        /// The rows of the pool: all that may be trained or evaluated on.
        rows: usize,
        /// The rows that are evaluated on in each split.
        evaluated: usize,
    },
    /// Cross-validation: each row is evaluated on once, or once per repetition.
    Folds {
        /// The number of folds, at least 2.
        folds: usize,
    },
    /// Every replicate is evaluated on the same rows, a file of their own; only training rows differ.
    SharedRows,
}

impl Protocol {
    /// Returns the correction c for the overlap of the splits: the ratio of evaluated rows to the others.
    ///
    /// Infinite if all rows of the pool are evaluated on, and zero for shared rows, which have a term of their own.
    pub fn correction(self) -> f64 {
        match self {
            Self::Pool { rows, evaluated } => evaluated as f64 / rows.saturating_sub(evaluated) as f64,
            Self::Folds { folds } => 1.0 / folds.saturating_sub(1) as f64,
            Self::SharedRows => 0.0,
        }
    }

    /// Returns the squared standard error of the mean over `splits` values with `variance`, and `row_variance`, the variance
    /// of their mean over draws of evaluation rows, which counts for shared rows alone.
    pub fn squared_error(self, variance: f64, splits: f64, row_variance: f64) -> f64 {
        let rows = if self == Self::SharedRows { row_variance } else { 0.0 };
        variance * (1.0 / splits + self.correction()) + rows
    }
}

/// Returns the mean of `values`, one per split, with its corrected standard error; none with fewer than two values, or if one
/// isn't finite.
///
/// `row_variance` is the variance over evaluation rows of the mean of the values; only [`Protocol::SharedRows`] uses it.
pub fn corrected(values: &[f64], protocol: Protocol, row_variance: f64) -> Option<Estimate> {
    let variance = variance(values)?;
    let squared = protocol.squared_error(variance, values.len() as f64, row_variance);
    let (value, error) = (mean(values), squared.sqrt());
    let freedom = (values.len() - 1) as f64;
    // Nothing varied: zero times an infinite correction isn't a number.
    let error = if error.is_nan() && variance == 0.0 { 0.0 } else { error };
    (value.is_finite() && error.is_finite()).then_some(Estimate { value, error, freedom })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIFFERENCES: [f64; 5] = [0.02, 0.01, 0.03, 0.015, 0.025];

    /// By hand: s^2 = 6.25e-5, and 1/5 + 250/750 = 8/15.
    #[test]
    fn splits_of_a_pool_are_corrected_for_their_overlap() {
        let estimate = corrected(&DIFFERENCES, Protocol::Pool { rows: 1_000, evaluated: 250 }, 9.0).expect("five");
        assert!((estimate.value - 0.02).abs() < 1e-15 && estimate.freedom == 4.0);
        assert!((estimate.error - (6.25e-5f64 * 8.0 / 15.0).sqrt()).abs() < 1e-15, "{estimate:?}");
    }

    #[test]
    fn folds_have_the_correction_of_their_number() {
        assert_eq!(Protocol::Folds { folds: 5 }.correction(), 0.25);
        let folds = corrected(&DIFFERENCES, Protocol::Folds { folds: 5 }, 0.0);
        // Five folds of 1,000 rows are 200 evaluated and 800 others.
        assert_eq!(folds, corrected(&DIFFERENCES, Protocol::Pool { rows: 1_000, evaluated: 200 }, 0.0));
    }

    #[test]
    fn shared_rows_add_their_own_variance() {
        let estimate = corrected(&DIFFERENCES, Protocol::SharedRows, 1e-4).expect("five");
        assert!((estimate.error - (6.25e-5f64 / 5.0 + 1e-4).sqrt()).abs() < 1e-15, "{estimate:?}");
    }

    #[test]
    fn nothing_is_concluded_from_one_value_or_from_no_number() {
        let pool = Protocol::Pool { rows: 10, evaluated: 10 };
        assert_eq!(corrected(&[0.1], Protocol::SharedRows, 0.0), None);
        assert_eq!(corrected(&[0.1, f64::NAN], Protocol::SharedRows, 0.0), None);
        assert_eq!(corrected(&[0.1, 0.2], pool, 0.0), None, "all rows of the pool are evaluated on");
        assert_eq!(corrected(&[0.1, 0.1], pool, 0.0).map(|estimate| estimate.error), Some(0.0));
    }
}
