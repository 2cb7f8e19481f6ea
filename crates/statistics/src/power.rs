//! How small a difference can be found, and how much more of what would find a given one.
//!
//! The variance of a difference over splits and how the splits were made enter; the smallest detectable difference, a number of
//! splits, of seeds or of rows leave. A difference D is detectable if a two-sided test at alpha finds it with a probability of
//! [`POWER`]: D = (t + z) SE, t the critical value of K - 1 degrees of freedom and z the normal quantile of the power
//! (J. Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988).
//!
//! Splits of one pool overlap, so that SE does not vanish with K: at c = 0.25, D is 1.84 standard deviations with 10 splits and
//! still 1.40 with infinitely many. Below that floor no number of splits decides, and only more rows do.

use crate::corrected::Protocol;
use crate::student;

/// The probability of finding a difference that is said to be detectable.
pub const POWER: f64 = 0.8;

/// More splits than this are never asked for.
const MOST_SPLITS: usize = 10_000;

/// More seeds than this are never asked for.
const MOST_SEEDS: usize = 1_000;

/// How a difference varies, and the test that is to find it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The variance of the difference over splits.
    pub variance: f64,
    /// How the splits were made.
    pub protocol: Protocol,
    /// The variance of the mean difference over evaluation rows; it counts for shared rows alone.
    pub row_variance: f64,
    /// The level of the test.
    pub alpha: f64,
}

impl Spread {
    /// Returns the smallest difference that `splits` splits (at least 2) detect.
    pub fn smallest_detectable(&self, splits: usize) -> f64 {
        self.factor(splits) * self.protocol.squared_error(self.variance, splits as f64, self.row_variance).sqrt()
    }

    /// Returns the smallest difference that infinitely many splits of the same rows would detect.
    pub fn floor(&self) -> f64 {
        let error = self.protocol.squared_error(self.variance, f64::INFINITY, self.row_variance).sqrt();
        detectable_factor(self.alpha, f64::INFINITY) * error
    }

    /// Returns the number of splits, `least` or more, that detect `difference`; none if no number does, and for none at all.
    pub fn splits_needed(&self, difference: f64, least: usize) -> Option<usize> {
        let detects = |splits: usize| self.smallest_detectable(splits) <= difference.abs();
        if difference == 0.0 || !detects(MOST_SPLITS) {
            return None;
        }
        // The smallest detectable difference falls with the number of splits.
        let (mut low, mut high) = (least.max(2), MOST_SPLITS);
        while low < high {
            let middle = usize::midpoint(low, high);
            if detects(middle) { high = middle } else { low = middle + 1 }
        }
        Some(low)
    }

    /// Returns the number of seeds per split with which `splits` splits detect `difference`, if `seed_variance` is the part of
    /// the variance that one seed per split would add and there are `seeds` now; none if no number of seeds does.
    pub fn seeds_needed(&self, difference: f64, splits: usize, seeds: usize, seed_variance: f64) -> Option<usize> {
        let of_splits = (self.variance - seed_variance / seeds as f64).max(0.0);
        let detects = |seeds: usize| {
            let variance = of_splits + seed_variance / seeds as f64;
            Self { variance, ..*self }.smallest_detectable(splits) <= difference.abs()
        };
        (seeds..=MOST_SEEDS).find(|&seeds| difference != 0.0 && detects(seeds))
    }

    /// Returns the number of rows in place of `rows` with which `splits` splits detect `difference`; none if rows alone never do.
    ///
    /// Variances are taken to fall with the number of rows. With shared rows these are the evaluation rows, and more of them leave
    /// the variance over splits as it is; otherwise the rows of the pool, of which every split keeps its share.
    pub fn rows_needed(&self, difference: f64, splits: usize, rows: usize) -> Option<u64> {
        let allowed = (difference / self.factor(splits)).powi(2);
        let times = match self.protocol {
            Protocol::SharedRows => {
                let left = allowed - self.variance / splits as f64;
                if left > 0.0 { self.row_variance / left } else { f64::INFINITY }
            }
            Protocol::Pool { .. } | Protocol::Folds { .. } => {
                self.protocol.squared_error(self.variance, splits as f64, 0.0) / allowed
            }
        };
        let needed = (rows as f64 * times.max(1.0)).ceil();
        (difference != 0.0 && needed < 1e15).then_some(needed as u64)
    }

    fn factor(&self, splits: usize) -> f64 {
        detectable_factor(self.alpha, splits.saturating_sub(1).max(1) as f64)
    }
}

/// Returns how many standard errors a difference must have to be detectable at `alpha`.
pub fn detectable_factor(alpha: f64, freedom: f64) -> f64 {
    student::critical(alpha, freedom) + student::normal_quantile(POWER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> Spread {
        // c = 0.25
        let protocol = Protocol::Pool { rows: 1_000, evaluated: 200 };
        Spread { variance: 1.0, protocol, row_variance: 0.0, alpha: 0.05 }
    }

    /// The figures of the crate's README.
    #[test]
    fn the_detectable_difference_has_a_floor() {
        assert!((pool().smallest_detectable(10) - 1.836).abs() < 1e-3, "{}", pool().smallest_detectable(10));
        assert!((pool().floor() - 1.401).abs() < 1e-3, "{}", pool().floor());
    }

    #[test]
    fn the_number_of_splits_is_the_smallest_that_detects() {
        let needed = pool().splits_needed(1.7, 5).expect("above the floor");
        assert!(pool().smallest_detectable(needed) <= 1.7 && pool().smallest_detectable(needed - 1) > 1.7);
        assert_eq!(pool().splits_needed(1.3, 5), None, "below the floor");
        assert_eq!(pool().splits_needed(-9.0, 5), Some(5), "the sign doesn't matter");
    }

    #[test]
    fn rows_decide_where_splits_do_not() {
        let needed = pool().rows_needed(0.5, 10, 1_000).expect("a number");
        let scaled = Spread { variance: 1_000.0 / needed as f64, ..pool() };
        assert!((scaled.smallest_detectable(10) / 0.5 - 1.0).abs() < 1e-3, "{needed}");
        assert_eq!(pool().rows_needed(9.0, 10, 1_000), Some(1_000), "there are enough");
        assert_eq!(pool().rows_needed(0.0, 10, 1_000), None);
    }

    #[test]
    fn shared_rows_are_limited_by_their_own_number() {
        let shared = Spread { protocol: Protocol::SharedRows, row_variance: 0.01, variance: 0.1, alpha: 0.05 };
        assert!((shared.floor() - 2.8016 * 0.1).abs() < 1e-4, "{}", shared.floor());
        assert_eq!(shared.rows_needed(0.4, 20, 500), Some(500), "there are enough");
        let needed = shared.rows_needed(0.3, 20, 500).expect("a number");
        let scaled = Spread { row_variance: 0.01 * 500.0 / needed as f64, ..shared };
        assert!(scaled.smallest_detectable(20) <= 0.3 + 1e-9 && needed > 500, "{needed}");
        assert_eq!(shared.rows_needed(0.1, 5, 500), None, "the variance over splits alone is too much");
    }

    /// Nothing varies and nothing differs: more of it tells nothing apart.
    #[test]
    fn no_difference_is_never_found() {
        let still = Spread { variance: 0.0, ..pool() };
        assert_eq!((still.splits_needed(0.0, 5), still.rows_needed(0.0, 5, 100)), (None, None));
        assert_eq!(still.seeds_needed(0.0, 5, 1, 0.0), None);
    }

    #[test]
    fn seeds_help_as_far_as_their_variance_goes() {
        let needed = pool().seeds_needed(1.5, 10, 1, 0.8).expect("enough seeds");
        assert!(needed > 1 && pool().seeds_needed(1.5, 10, 1, 0.1).is_none(), "{needed}");
    }
}
