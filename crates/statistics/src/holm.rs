//! Holm's procedure: many comparisons, and the probability that any of them is wrong stays below alpha.
//!
//! P-values enter; for each leave its adjusted value, the verdict, and the level of the interval that says the same. S. Holm, A
//! simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6 (1979). It needs no assumption
//! on how the comparisons depend on each other.
//!
//! All pairs of settings are one family. The pairs with the best setting alone are not: the best was chosen from the same scores.

/// What Holm's procedure says of one comparison.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adjusted {
    /// The adjusted p-value: the comparison is rejected at every alpha above it.
    pub p: f64,
    /// Whether the comparison is rejected: the two are told apart.
    pub rejected: bool,
    /// The alpha of the interval that says the same: at level 1 - `alpha` it excludes zero if and only if `rejected`.
    pub alpha: f64,
}

/// Returns the verdicts of a family of comparisons at the family's error rate `alpha`, in the order of `p`.
///
/// With m comparisons in ascending order of p, the i-th is compared with alpha / (m - i + 1), and the first that isn't below
/// ends it. A rejected comparison has the interval of its own step, every other that of the step at which it ended: its p is at
/// least that of the comparison that ended it, so that its interval holds zero. A p that isn't a number is never rejected.
pub fn holm(p: &[f64], alpha: f64) -> Vec<Adjusted> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    let value = |index: usize| if p[index].is_nan() { 1.0 } else { p[index] };
    order.sort_by(|&a, &b| value(a).total_cmp(&value(b)).then(a.cmp(&b)));
    let mut adjusted = vec![Adjusted { p: 1.0, rejected: false, alpha }; p.len()];
    let (mut running, mut ended_at) = (0.0f64, None);
    for (step, &index) in order.iter().enumerate() {
        let remaining = (p.len() - step) as f64;
        let own = alpha / remaining;
        if ended_at.is_none() && value(index) >= own {
            ended_at = Some(own);
        }
        running = running.max((value(index) * remaining).min(1.0));
        let rejected = ended_at.is_none();
        adjusted[index] = Adjusted { p: running, rejected, alpha: ended_at.unwrap_or(own) };
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// `statsmodels.stats.multitest.multipletests(p, method="holm")`, by hand: .03 ends it at .05 / 2.
    #[test]
    fn the_procedure_by_hand() {
        let found = holm(&[0.03, 0.001, 0.04, 0.012], 0.05);
        let expected = [(0.06, false, 0.025), (0.004, true, 0.0125), (0.06, false, 0.025), (0.036, true, 0.05 / 3.0)];
        for (found, (p, rejected, alpha)) in found.iter().zip(expected) {
            assert!((found.p - p).abs() < 1e-15 && found.rejected == rejected, "{found:?}");
            assert!((found.alpha - alpha).abs() < 1e-15, "{found:?}");
        }
    }

    #[test]
    fn one_comparison_is_not_adjusted_and_no_number_is_never_rejected() {
        assert_eq!(holm(&[0.04], 0.05), [Adjusted { p: 0.04, rejected: true, alpha: 0.05 }]);
        assert!(!holm(&[f64::NAN], 0.05)[0].rejected);
        assert!(holm(&[], 0.05).is_empty());
    }

    proptest! {
        #[test]
        fn a_verdict_agrees_with_its_interval_and_its_p(p in prop::collection::vec(0.0f64..0.2, 1..40)) {
            for (adjusted, p) in holm(&p, 0.05).iter().zip(&p) {
                prop_assert_eq!(adjusted.rejected, *p < adjusted.alpha);
                // Both sides of the comparison are rounded.
                prop_assert!(adjusted.rejected == (adjusted.p < 0.05) || (adjusted.p - 0.05).abs() < 1e-12);
                prop_assert!(adjusted.p >= *p && adjusted.alpha <= 0.05);
            }
        }

        #[test]
        fn the_order_of_comparisons_does_not_matter(mut p in prop::collection::vec(0.0f64..0.2, 1..20)) {
            let mut before: Vec<f64> = holm(&p, 0.05).iter().map(|adjusted| adjusted.p).collect();
            before.reverse();
            p.reverse();
            let after: Vec<f64> = holm(&p, 0.05).iter().map(|adjusted| adjusted.p).collect();
            prop_assert_eq!(before, after);
        }
    }
}
