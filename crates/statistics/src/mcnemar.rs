//! McNemar's exact test: whether two models that answer the same rows are right equally often.
//!
//! The rows that one answers rightly and the other wrongly enter, counted either way; a two-sided p-value leaves, by the binomial
//! distribution. Q. McNemar, Psychometrika 12 (1947).

/// Returns the exact two-sided p-value for `only_a` rows that `a` alone answers rightly and `only_b` that `b` alone does.
pub fn mcnemar(only_a: usize, only_b: usize) -> f64 {
    let (rows, fewer) = (only_a + only_b, only_a.min(only_b));
    // ln of C(rows, fewer) / 2^rows, and from there downwards: C(n, k - 1) = C(n, k) k / (n - k + 1).
    let ratio = |k: usize| k as f64 / (rows - k + 1) as f64;
    let top = (1..=fewer).map(|k| -ratio(k).ln()).sum::<f64>() - rows as f64 * std::f64::consts::LN_2;
    let (mut term, mut sum) = (1.0, 0.0);
    for k in (0..=fewer).rev() {
        sum += term;
        term *= ratio(k);
    }
    (2.0 * top.exp() * sum).min(1.0)
}

/// Counts the rows that one of the two alone answers rightly, and the other way round.
pub fn disagreements(a: &[bool], b: &[bool]) -> (usize, usize) {
    let count = |one: &[bool], other: &[bool]| one.iter().zip(other).filter(|(one, other)| **one && !**other).count();
    (count(a, b), count(b, a))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `scipy.stats.binomtest(only_a, only_a + only_b).pvalue`.
    #[test]
    fn p_values_are_those_of_scipy() {
        let known = [
            (0, 1, 1.0),
            (0, 6, 0.03125),
            (3, 9, 0.14599609375),
            (5, 5, 1.0),
            (12, 30, 0.007915897334896727),
            (100, 160, 0.00023894190306813953),
            (900, 1000, 0.023108845108901193),
            (4000, 4400, 1.3353978213570538e-05),
            (0, 0, 1.0),
        ];
        for (a, b, p) in known {
            let found = mcnemar(a, b);
            assert!((found - p).abs() <= 1e-10 * p && mcnemar(b, a) == found, "{a} {b}: {found} for {p}");
        }
    }

    #[test]
    fn rows_are_counted_either_way() {
        assert_eq!(disagreements(&[true, true, false, true], &[true, false, true, false]), (2, 1));
    }
}
