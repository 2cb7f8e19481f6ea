//! Sequential looks: a comparison that goes on until it is decided, at a false-positive rate that stays what it says.
//!
//! The number of splits so far enters; the next look and its share of alpha leave. Whoever tests after every split rejects too
//! often. Here the looks are fixed in advance, at 5, 10, 20 and 40 splits, and each has a quarter of alpha: by Bonferroni's
//! inequality all of them together reject wrongly with at most the probability alpha, whatever ends the run before.

/// The numbers of splits at which a sequential comparison is looked at.
pub const LOOKS: [usize; 4] = [5, 10, 20, 40];

/// Returns the share of `alpha` that each look has.
pub fn alpha_of_look(alpha: f64) -> f64 {
    alpha / LOOKS.len() as f64
}

/// Returns the next look after `splits` splits; none after the last.
pub fn next_look(splits: usize) -> Option<usize> {
    LOOKS.into_iter().find(|&look| look > splits)
}

/// Returns whether `splits` splits are a look.
pub fn is_look(splits: usize) -> bool {
    LOOKS.contains(&splits)
}

/// Whether a sequential comparison goes on after a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// It is decided.
    Decided,
    /// Train on so many splits in all, and look again.
    Continue {
        /// The number of splits at the next look.
        splits: usize,
    },
    /// Undecided, and no look of those that are left can be expected to decide it.
    GiveUp,
}

/// Returns what comes after a look at `splits` splits. `decided`: whether that look decided; `needed`: the number of splits that
/// is expected to decide ([`crate::power::Spread::splits_needed`]), none if no number does.
///
/// The first look is never the last: five splits say little of the variance that `needed` rests on.
pub fn next_step(splits: usize, decided: bool, needed: Option<usize>) -> NextStep {
    if decided {
        return NextStep::Decided;
    }
    let last = LOOKS[LOOKS.len() - 1];
    let hopeless = splits > LOOKS[0] && needed.is_none_or(|needed| needed > last);
    match next_look(splits) {
        Some(next) if !hopeless => NextStep::Continue { splits: next },
        _ => NextStep::GiveUp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_fixed_and_share_alpha() {
        assert_eq!([0, 4, 5, 9, 39, 40].map(next_look), [Some(5), Some(5), Some(10), Some(10), Some(40), None]);
        assert!((alpha_of_look(0.05) * LOOKS.len() as f64 - 0.05).abs() < 1e-15);
        assert!(is_look(20) && !is_look(15));
    }

    #[test]
    fn a_comparison_goes_on_until_it_is_decided_or_hopeless() {
        assert_eq!(next_step(5, true, None), NextStep::Decided);
        assert_eq!(next_step(5, false, None), NextStep::Continue { splits: 10 });
        assert_eq!(next_step(10, false, None), NextStep::GiveUp);
        assert_eq!(next_step(10, false, Some(60)), NextStep::GiveUp);
        assert_eq!(next_step(10, false, Some(18)), NextStep::Continue { splits: 20 });
        assert_eq!(next_step(40, false, Some(41)), NextStep::GiveUp);
    }
}
