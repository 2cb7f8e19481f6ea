//! How much more would decide: of splits, of seeds, or of rows.
//!
//! A solved study enters; the outlook for the setting that is hardest to tell from the leader leaves. It takes the observed
//! difference for the true one, which is a guess: it says what to try, not what will come out.

use crate::answer::Outlook;
use crate::evidence::Evidence;
use crate::power::detectable_factor;
use crate::solve::{Compared, Solver};
use crate::{mean, variance};

/// Returns the outlook. `group`: the best group; `pairs`: the leader against the others.
pub(crate) fn outlook(solver: &Solver<'_>, leader: usize, group: &[usize], pairs: &[Compared]) -> Option<Outlook> {
    let rivals = pairs.iter().filter(|pair| group.contains(&pair.b));
    let Some(rival) = rivals.max_by(|a, b| a.estimate.p().total_cmp(&b.estimate.p())) else {
        // The leader alone is left, or, of heads chosen on validation, one that is better on test rows.
        let decided = group == [leader];
        return Some(Outlook { decided, rival: None, splits: None, seeds: None, rows: None, floor: None });
    };
    let open = Outlook {
        decided: group.len() == 1,
        rival: Some(solver.setting(rival.b)),
        splits: None,
        seeds: None,
        rows: None,
        floor: None,
    };
    match solver.evidence.as_ref()? {
        Evidence::Rows(_) => Some(Outlook { rows: rows_for_heads(solver, rival), ..open }),
        Evidence::Splits { .. } => of_splits(solver, leader, rival, open),
    }
}

fn of_splits(solver: &Solver<'_>, leader: usize, rival: &Compared, open: Outlook) -> Option<Outlook> {
    let spread = solver.evidence.as_ref()?.spread(leader, rival.b, rival.adjusted.alpha)?;
    let (difference, splits) = (rival.estimate.value, solver.comparable.splits.len());
    let seeds = seed_variance(solver, leader, rival.b)
        .and_then(|seed_variance| spread.seeds_needed(difference, splits, solver.comparable.seeds(), seed_variance));
    Some(Outlook {
        splits: spread.splits_needed(difference, splits),
        seeds,
        rows: spread.rows_needed(difference, splits, solver.study.labelled_rows),
        floor: Some(spread.floor()),
        ..open
    })
}

/// The variance that one seed of each of two settings adds to a difference; none with one seed per split.
fn seed_variance(solver: &Solver<'_>, a: usize, b: usize) -> Option<f64> {
    let scores = solver.comparable.scores();
    let of = |arm: usize| {
        let within: Vec<f64> = scores[arm].iter().filter_map(|seeds| variance(seeds)).collect();
        (!within.is_empty()).then(|| mean(&within))
    };
    Some(of(a)? + of(b)?)
}

/// The evaluated rows that tell two trained heads apart: the standard error falls with their root.
fn rows_for_heads(solver: &Solver<'_>, rival: &Compared) -> Option<u64> {
    let evaluated = solver.study.evaluated.as_ref()?.groups();
    let detectable = detectable_factor(rival.adjusted.alpha, rival.estimate.freedom) * rival.estimate.error;
    let needed = (evaluated as f64 * (detectable / rival.estimate.value).powi(2).max(1.0)).ceil();
    (rival.estimate.value != 0.0 && needed < 1e15).then_some(needed as u64)
}
