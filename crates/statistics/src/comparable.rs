//! Which scores may be compared: those of settings that were trained on the same splits.
//!
//! A study enters; its settings with a score per split and seed leave, all with the same splits, and warnings of what was left
//! out. A score that isn't finite counts as missing: a setting that diverges on some splits must not be judged by the others.

use std::collections::{BTreeMap, BTreeSet};

use emberline_base::Warning;
use emberline_base::warning::Code;

use crate::absent::causes;
use crate::answer::LEAST_SPLITS;
use crate::mean;
use crate::study::{Run, ScoredRows, Study};

/// The settings that can be compared, and the splits that all of them have.
pub(crate) struct Comparable<'a> {
    /// Positions in the study, in its order.
    pub(crate) arms: Vec<usize>,
    /// The splits, in order.
    pub(crate) splits: Vec<usize>,
    /// The runs with a score: by arm and split, positions in the lists above.
    pub(crate) runs: Vec<Vec<Vec<&'a Run>>>,
    /// What was left out, and what the scores are of.
    pub(crate) warnings: Vec<Warning>,
}

impl<'a> Comparable<'a> {
    /// Finds them. A setting is left out if it has too few splits in common with the others: with fewer than five, or than there
    /// are, the setting with the fewest splits goes first.
    pub(crate) fn of(study: &'a Study) -> Self {
        let scored: Vec<BTreeMap<usize, Vec<&Run>>> = study.arms.iter().map(|arm| scored(&arm.runs)).collect();
        let most = scored.iter().map(BTreeMap::len).max().unwrap_or(0);
        let mut arms: Vec<usize> = (0..scored.len()).filter(|&arm| !scored[arm].is_empty()).collect();
        let mut splits = common(&scored, &arms);
        while splits.len() < most.min(LEAST_SPLITS) {
            let Some(fewest) = arms.iter().copied().min_by_key(|&arm| scored[arm].len()) else { break };
            arms.retain(|&arm| arm != fewest);
            splits = common(&scored, &arms);
        }
        let runs_of =
            |&arm: &usize| -> Vec<Vec<&Run>> { splits.iter().map(|split| scored[arm][split].clone()).collect() };
        let runs = arms.iter().map(runs_of).collect();
        let all = left_out(study, &arms).into_iter().chain(dropped(most, splits.len())).chain(same_rows(study));
        // Without any score there is nothing that could be compared.
        let warnings = all.filter(|_| !arms.is_empty()).collect();
        Self { arms, splits, runs, warnings }
    }

    /// The scores: `[setting][split][seed]`.
    pub(crate) fn scores(&self) -> Vec<Vec<Vec<f64>>> {
        let of_split = |runs: &Vec<&Run>| runs.iter().map(|run| run.score).collect();
        self.runs.iter().map(|splits| splits.iter().map(of_split).collect()).collect()
    }

    /// The mean over seeds of `value`: `[setting][split]`; none for a setting of which one is missing.
    pub(crate) fn means(&self, value: impl Fn(&Run) -> Option<f64>) -> Vec<Option<Vec<f64>>> {
        let of_split = |runs: &Vec<&Run>| {
            let values: Option<Vec<f64>> =
                runs.iter().map(|run| value(run).filter(|value| value.is_finite())).collect();
            values.map(|values| mean(&values))
        };
        self.runs.iter().map(|splits| splits.iter().map(of_split).collect()).collect()
    }

    /// The most seeds of a setting on one split.
    pub(crate) fn seeds(&self) -> usize {
        self.runs.iter().flatten().map(Vec::len).max().unwrap_or(0)
    }

    /// Whether the predictions of every run of the first `splits` splits are at hand.
    pub(crate) fn has_rows(&self, splits: usize) -> bool {
        self.runs.iter().flat_map(|of_splits| of_splits.iter().take(splits)).flatten().all(|run| run.rows.is_some())
    }
}

fn scored(runs: &[Run]) -> BTreeMap<usize, Vec<&Run>> {
    let mut of_splits: BTreeMap<usize, Vec<&Run>> = BTreeMap::new();
    let mut failed = BTreeSet::new();
    for run in runs {
        if run.score.is_finite() {
            of_splits.entry(run.split).or_default().push(run);
        } else {
            failed.insert(run.split);
        }
    }
    of_splits.retain(|split, _| !failed.contains(split));
    of_splits
}

fn common(scored: &[BTreeMap<usize, Vec<&Run>>], arms: &[usize]) -> Vec<usize> {
    let Some((&first, rest)) = arms.split_first() else { return Vec::new() };
    let in_all = |split: &&usize| rest.iter().all(|&arm| scored[arm].contains_key(split));
    scored[first].keys().filter(in_all).copied().collect()
}

fn left_out(study: &Study, arms: &[usize]) -> Vec<Warning> {
    let out = study.arms.iter().enumerate().filter(|(arm, _)| arms.binary_search(arm).is_err());
    let warning = |(_, arm): (usize, &crate::study::Arm)| Warning {
        code: Code::SettingLeftOut,
        text: format!(
            "`{}` is not compared, because it lacks the scores of splits that the others have. {}",
            arm.label,
            causes(&arm.absent)
        )
        .trim_end()
        .to_owned(),
        cells: arm.absent.iter().map(|absent| absent.cell.clone()).collect(),
    };
    out.map(warning).collect()
}

fn same_rows(study: &Study) -> Option<Warning> {
    let text = "The scores are of validation rows, which also chose the epoch: they flatter every setting. Give the pipeline test \
                rows (`[data.split] test`)."
        .to_owned();
    (study.scored == ScoredRows::Validation).then(|| Warning::new(Code::SameRows, text))
}

fn dropped(most: usize, left: usize) -> Option<Warning> {
    let text = format!(
        "Only the {left} splits that all compared settings have are counted, of {most}. Run what is missing to count the others."
    );
    (left < most).then(|| Warning::new(Code::SplitsLeftOut, text))
}
