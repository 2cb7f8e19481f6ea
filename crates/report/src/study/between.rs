//! Differences between two runs: each setting of the one against the same setting of the other, with the tests of an answer.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use emberline_base::record::Summary;
use emberline_base::record::answer::{Better, Level, Noun, ScoredRows};
use emberline_base::{Digest, Metric};
use emberline_statistics::{
    Arm, Decide, Estimate, EvaluatedRows, LEAST_DRAWS, LEAST_SPLITS, Protocol, Sizes, Study, holm,
};
use serde::Serialize;

use super::stored_rows::StoredRows;
use super::{ALPHA, SEED, evaluated_rows, pool, protocol};
use crate::grouping::Replicate;

/// The records of a run that is one side of a comparison, and its folder.
#[derive(Clone, Debug, PartialEq)]
pub struct RunOfSide {
    /// The summary.
    pub summary: Summary,
    /// The run folder, in which the predictions are.
    pub dir: PathBuf,
}

/// The test of a difference between two runs: second minus first.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Test {
    /// What is claimed of: the settings, whatever rows they are trained on, or the heads that were trained.
    pub level: Level,
    /// The number of splits that both sides have.
    pub splits: usize,
    /// The lower bound of the difference, adjusted for all settings that are compared.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
    /// The two-sided p-value of this difference alone.
    pub p: f64,
    /// The p-value adjusted for all settings that are compared (Holm).
    pub p_holm: f64,
    /// Whether the two are told apart.
    pub told_apart: bool,
}

/// Tests the difference of each setting, given by the ids of its cells on both sides. `None` for settings of which the sides have
/// no split in common, or too few splits and no predictions.
pub(crate) fn tests(
    first: &RunOfSide,
    second: &RunOfSide,
    settings: &[[BTreeSet<&str>; 2]],
    metric: Metric,
    scored: ScoredRows,
) -> Vec<Option<Test>> {
    let of_setting = |ids: &[BTreeSet<&str>; 2]| {
        let sides = [Side { run: first, ids: &ids[0] }, Side { run: second, ids: &ids[1] }];
        difference(&sides, metric, scored)
    };
    let found: Vec<Option<Difference>> = settings.iter().map(of_setting).collect();
    let p: Vec<f64> = found.iter().flatten().map(|found| found.estimate.p()).collect();
    let mut adjusted = holm(&p, ALPHA).into_iter();
    let mut test = |found: Difference| {
        let adjusted = adjusted.next()?;
        let interval = found.estimate.interval(adjusted.alpha);
        Some(Test {
            level: found.level,
            splits: found.splits,
            low: interval.low,
            high: interval.high,
            p: found.estimate.p(),
            p_holm: adjusted.p,
            told_apart: adjusted.rejected,
        })
    };
    found.into_iter().map(|found| found.and_then(&mut test)).collect()
}

/// The difference of one setting between two runs.
struct Difference {
    level: Level,
    splits: usize,
    estimate: Estimate,
}

/// The cells of one setting in one run.
struct Side<'a> {
    run: &'a RunOfSide,
    ids: &'a BTreeSet<&'a str>,
}

/// A split: the replicate without its seed, and the digest of the evaluated rows.
type SplitKey = (Replicate, Digest);

impl Side<'_> {
    /// Returns the splits that the setting was scored on, with the number of evaluated rows.
    fn splits(&self, scored: ScoredRows) -> BTreeMap<SplitKey, usize> {
        let cells = self.run.summary.cells.iter().filter(|cell| self.ids.contains(cell.id.as_str()));
        let split = |cell| {
            let cell: &emberline_base::record::Cell = cell;
            let (digest, rows) = evaluated_rows(cell.outcome.as_ref()?, scored);
            Some(((Replicate { seed: 0, ..Replicate::of(cell) }, digest?.clone()), rows))
        };
        cells.filter_map(split).collect()
    }
}

fn difference(sides: &[Side<'_>; 2], metric: Metric, scored: ScoredRows) -> Option<Difference> {
    let [first, second] = sides.each_ref().map(|side| side.splits(scored));
    let shared: Vec<(&SplitKey, usize)> =
        first.iter().filter(|(key, _)| second.contains_key(*key)).map(|(key, rows)| (key, *rows)).collect();
    let evaluated = shared.iter().map(|(_, rows)| *rows).max()?;
    let rows: Vec<Option<Digest>> = shared.iter().map(|((_, digest), _)| Some(digest.clone())).collect();
    let summary = &sides[1].run.summary;
    let protocol = protocol(summary, &rows, evaluated);
    let with_rows = rows.len() < LEAST_SPLITS || protocol == Protocol::SharedRows;
    let mut keys = None;
    let arms = sides.iter().enumerate().map(|(index, side)| {
        let mut stored = StoredRows::new(&side.run.summary, &side.run.dir, metric, scored);
        if with_rows {
            keys = stored.evaluated(&rows);
        }
        let cells = side.run.summary.cells.iter().filter(|cell| side.ids.contains(cell.id.as_str()));
        let run = |cell: &emberline_base::record::Cell| {
            let (digest, _) = evaluated_rows(cell.outcome.as_ref()?, scored);
            let key = (Replicate { seed: 0, ..Replicate::of(cell) }, digest?.clone());
            let split = shared.iter().position(|(shared, _)| **shared == key)?;
            Some(stored.run(cell, split, with_rows))
        };
        let runs = cells.filter_map(run).collect();
        let name = if index == 0 { "first" } else { "second" };
        let setting = [("side".to_owned(), name.into())].into_iter().collect();
        Arm { label: name.to_owned(), setting, sizes: Sizes::default(), runs, absent: Vec::new() }
    });
    let arms: Vec<Arm> = arms.collect();
    let study = Study {
        labels: None,
        metric: metric.to_string(),
        better: if metric.smaller_is_better() { Better::Lower } else { Better::Higher },
        scored,
        noun: Noun::Setting,
        arms,
        same_rows: true,
        protocol,
        labelled_rows: pool(&summary.data),
        evaluated: keys.map(|keys| EvaluatedRows::from_keys(&keys)),
        alpha: ALPHA,
        sequential: false,
        decide: Decide::default(),
        seed: SEED,
        draws: LEAST_DRAWS,
        warnings: Vec::new(),
    };
    let (level, estimate) = study.difference(1, 0)?;
    Some(Difference { level, splits: rows.len(), estimate })
}
