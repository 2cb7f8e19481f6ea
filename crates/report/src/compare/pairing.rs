//! Matches the cells of the two sides and computes the comparison.

use std::collections::{BTreeMap, BTreeSet};

use emberline_base::number::rounded;
use emberline_base::record::MadeFrom;
use emberline_base::record::answer::{Answer, ScoredRows};
use emberline_base::{Change, IGNORED_KEYS, Metric, ReplicateAxis, canonical, changes};
use indexmap::IndexMap;

use super::losses::incomparable_by;
use super::{Comparison, Options, Pair, Paired, Replicates, Side, SideCell, Verdict};
use crate::Error;
use crate::grouping::{AxisNames, is_replicate};
use crate::moments::{mean, standard_deviation};
use crate::study::{Test, tests_between};
use crate::table::metric_of;

/// Differences up to this size are rounding errors.
const ROUNDING_TOLERANCE: f64 = 1e-12;

/// Compares the second side with the first, the baseline.
///
/// # Errors
/// [`Error::UnknownMetric`] if there is no comparable metric of that name, [`Error::LossesDiffer`] if it is the loss and cells were
/// trained with different ones.
pub fn compare(first: &Side, second: &Side, options: &Options) -> Result<Comparison, Error> {
    let name = options.metric.clone().unwrap_or_else(|| main_metric(first, second));
    let metric = metric_of(&name).filter(|metric| *metric != Metric::Threshold);
    let metric = metric.ok_or_else(|| Error::UnknownMetric { name: name.clone(), known: metrics(first, second) })?;
    if let Some(key) = incomparable_by(first, second).filter(|_| metric == Metric::Loss) {
        return Err(Error::LossesDiffer { name, key });
    }
    // A lock has six digits; beside it, a run has no more, or every number would seem to have changed.
    let rounds = first.run.is_none() || second.run.is_none();
    let comparer = Comparer { name: &name, metric, margin: options.margin, rounds };
    let axes = varying_axes(first, second);
    let names = AxisNames::of_axes(axes.clone());
    let [mut gathered, others] = [first, second].map(|side| gather(side, &axes));
    let mut matched: Vec<(Vec<&SideCell>, Vec<&SideCell>)> = Vec::new();
    let mut rest = others;
    for (key, cells) in gathered.drain(..) {
        matched.push((cells, rest.shift_remove(&key).unwrap_or_default()));
    }
    matched.extend(rest.into_values().map(|cells| (Vec::new(), cells)));
    if first.run.is_none() && second.run.is_some() {
        // A lock lists its cells by their names, a run in the order of the plan.
        let place = |cell: &&SideCell| second.cells.iter().position(|known| std::ptr::eq(known, *cell));
        matched.sort_by_cached_key(|(_, cells)| cells.first().and_then(place).unwrap_or(usize::MAX));
    }
    let mut settings: Vec<Pair> = matched.iter().map(|(a, b)| comparer.pair(&axes, &names, a, b)).collect();
    for (pair, test) in settings.iter_mut().zip(comparer.tests(first, second, &matched)) {
        pair.test = test;
    }
    let same_data = settings.iter().filter_map(|pair| pair.same_data).reduce(|a, b| a && b);
    Ok(Comparison {
        first: first.name.clone(),
        second: second.name.clone(),
        first_answer: sentences_of(first),
        second_answer: sentences_of(second),
        verdicts: [first, second]
            .map(|side| answer_of(side).map_or(0, |answer| emberline_statistics::verdicts(answer).len())),
        smaller_is_better: metric.smaller_is_better(),
        margin: options.margin,
        metric: name,
        same_data,
        settings,
    })
}

/// Returns the sentences of a run's answer; none of a lock.
fn sentences_of(side: &Side) -> Vec<String> {
    answer_of(side).into_iter().flat_map(emberline_statistics::sentences).map(|sentence| sentence.text).collect()
}

fn answer_of(side: &Side) -> Option<&Answer> {
    side.run.as_ref()?.summary.answer.as_ref()
}

/// The name of a change of the rows, in [`Change::what`].
pub(super) const DATA: &str = "data digest";

/// Returns the axes that distinguish settings: those that have several values on one of the sides, except for replicate axes.
fn varying_axes(first: &Side, second: &Side) -> Vec<String> {
    let mut seen = BTreeSet::new();
    // A run has its axes in the order of the file, a lock by their names.
    let sides = if first.run.is_none() && second.run.is_some() { [second, first] } else { [first, second] };
    let all = sides.into_iter().flat_map(|side| side.cells.iter().flat_map(|cell| cell.axes.keys()));
    let varies = |side: &Side, axis: &str| {
        let mut values = side.cells.iter().map(|cell| cell.value(axis));
        let one = values.next();
        values.any(|value| Some(value) != one)
    };
    let compared = all.filter(|axis| !is_replicate(axis) && seen.insert(*axis));
    compared.filter(|axis| varies(first, axis) || varies(second, axis)).cloned().collect()
}

/// Groups the cells of a side by setting, in the order of the plan.
fn gather<'s>(side: &'s Side, axes: &[String]) -> IndexMap<Vec<String>, Vec<&'s SideCell>> {
    let mut settings: IndexMap<Vec<String>, Vec<&SideCell>> = IndexMap::new();
    for cell in &side.cells {
        let key = axes.iter().map(|axis| canonical(&cell.value(axis))).collect();
        settings.entry(key).or_default().push(cell);
    }
    settings
}

/// Returns the key that identifies a cell among the replicates of its setting.
fn replicate(cell: &SideCell) -> Vec<String> {
    ReplicateAxis::ALL.iter().map(|axis| canonical(&cell.value(axis.key()))).collect()
}

/// Returns the metric of the answer of the first side that has one, if both sides have it; else the main metric of the first side's task:
/// the first one in order of preference that a cell has.
fn main_metric(first: &Side, second: &Side) -> String {
    let candidates: Vec<String> = ["val", "test"]
        .into_iter()
        .flat_map(|split| Metric::ranking(first.task).map(|m| format!("{split}_{m}")))
        .collect();
    let is_there =
        |side: &Side, name: &String| side.cells.iter().any(|c| c.metrics.get(name).is_some_and(|v| v.is_finite()));
    let answered = [first, second].into_iter().filter_map(|side| side.run.as_ref()?.summary.answer.as_ref());
    let of_answer = answered.map(|answer| &answer.metric).find(|name| is_there(first, name) && is_there(second, name));
    if let Some(name) = of_answer {
        return name.clone();
    }
    let found = [first, second].into_iter().find_map(|side| candidates.iter().find(|name| is_there(side, name)));
    found.unwrap_or(&candidates[0]).clone()
}

/// Returns the names of all metrics by which the two sides can be compared.
fn metrics(first: &Side, second: &Side) -> Vec<String> {
    let cells = [first, second].into_iter().flat_map(|side| &side.cells);
    let names: BTreeSet<&String> = cells.flat_map(|cell| cell.metrics.keys()).collect();
    let is_comparable = |name: &&String| metric_of(name).is_some_and(|metric| metric != Metric::Threshold);
    names.into_iter().filter(is_comparable).cloned().collect()
}

/// Compares settings by one metric.
struct Comparer<'a> {
    name: &'a str,
    metric: Metric,
    margin: f64,
    /// Whether metrics are rounded to six digits.
    rounds: bool,
}

impl Comparer<'_> {
    /// Tests the difference of each setting; `None` for all of them unless both sides are runs.
    fn tests(&self, first: &Side, second: &Side, matched: &[(Vec<&SideCell>, Vec<&SideCell>)]) -> Vec<Option<Test>> {
        let scored = match self.name {
            name if name.starts_with("test_") => Some(ScoredRows::Test),
            name if name.starts_with("val_") => Some(ScoredRows::Validation),
            _ => None,
        };
        let (Some(first), Some(second), Some(scored)) = (&first.run, &second.run, scored) else {
            return vec![None; matched.len()];
        };
        fn ids<'s>(cells: &[&'s SideCell]) -> BTreeSet<&'s str> {
            cells.iter().map(|cell| cell.id.as_str()).collect()
        }
        let settings: Vec<[BTreeSet<&str>; 2]> = matched.iter().map(|(a, b)| [ids(a), ids(b)]).collect();
        tests_between(first, second, &settings, self.metric, scored)
    }

    fn pair(&self, axes: &[String], names: &AxisNames, first: &[&SideCell], second: &[&SideCell]) -> Pair {
        let any = first.first().or(second.first()).expect("a setting has a cell on one of the sides");
        let setting: IndexMap<String, _> = axes.iter().map(|axis| (axis.clone(), any.value(axis))).collect();
        let label = names.text(any.embedding(), any.trainable(), |axis| setting.get(axis));
        let (shared, same_data) = (shared(first, second), same_data(first, second));
        let [first, second] = [first, second].map(|cells| self.replicates(cells));
        let means = first.as_ref().and_then(|side| side.mean).zip(second.as_ref().and_then(|side| side.mean));
        let difference = means.map(|(a, b)| b - a);
        let verdict = self.verdict(first.as_ref(), second.as_ref(), difference);
        let changes = shared.changes(axes);
        Pair {
            label,
            paired: self.paired(&shared),
            first,
            second,
            difference,
            test: None,
            verdict,
            same_data,
            changes,
            setting,
        }
    }

    /// Returns the metric of a cell; `None` if it is missing or not finite.
    fn value(&self, cell: &SideCell) -> Option<f64> {
        let value = cell.metrics.get(self.name).copied().filter(|value| value.is_finite());
        value.map(|value| if self.rounds { rounded(value) } else { value })
    }

    fn replicates(&self, cells: &[&SideCell]) -> Option<Replicates> {
        let values: Vec<f64> = cells.iter().filter_map(|cell| self.value(cell)).collect();
        (!cells.is_empty()).then(|| Replicates {
            cells: cells.iter().map(|cell| cell.id.clone()).collect(),
            unmeasured: cells.len() - values.len(),
            mean: (!values.is_empty()).then(|| mean(&values)),
            standard_deviation: standard_deviation(&values),
            values,
        })
    }

    fn paired(&self, shared: &MatchedCells<'_>) -> Option<Paired> {
        let MatchedCells::Replicates(pairs) = shared else { return None };
        let difference = |(a, b): &(&SideCell, &SideCell)| Some(self.value(b)? - self.value(a)?);
        let differences: Vec<f64> = pairs.iter().filter_map(difference).collect();
        (!differences.is_empty()).then(|| Paired {
            mean: mean(&differences),
            standard_deviation: standard_deviation(&differences),
            differences,
        })
    }

    fn verdict(&self, first: Option<&Replicates>, second: Option<&Replicates>, difference: Option<f64>) -> Verdict {
        let (Some(first), Some(second)) = (first, second) else {
            return if first.is_none() { Verdict::New } else { Verdict::Unmeasured };
        };
        let Some(difference) = difference.filter(|_| first.unmeasured + second.unmeasured == 0) else {
            return Verdict::Unmeasured;
        };
        match if self.metric.smaller_is_better() { -difference } else { difference } {
            gain if gain < -(self.margin + ROUNDING_TOLERANCE) => Verdict::Worse,
            gain if gain > ROUNDING_TOLERANCE => Verdict::Better,
            _ => Verdict::Equal,
        }
    }
}

/// Returns whether the cells of both sides that have run were made from the same rows, that is, both sides have the same set
/// of splits; `None` if no cell of a side has run.
fn same_data(first: &[&SideCell], second: &[&SideCell]) -> Option<bool> {
    let [first, second] = [first, second].map(|cells| {
        let data = cells.iter().filter_map(|cell| cell.made_from.as_ref().map(|made_from| &made_from.data));
        data.collect::<BTreeSet<_>>()
    });
    (!first.is_empty() && !second.is_empty()).then(|| first == second)
}

/// Pairs of cells of one setting, from the first and the second side.
enum MatchedCells<'s> {
    /// The pairs of equal replicates.
    Replicates(Vec<(&'s SideCell, &'s SideCell)>),
    /// The first cell of each side, if the sides have no replicate in common. It only serves to list changes.
    First(Option<(&'s SideCell, &'s SideCell)>),
}

fn shared<'s>(first: &[&'s SideCell], second: &[&'s SideCell]) -> MatchedCells<'s> {
    let others: BTreeMap<Vec<String>, &SideCell> = second.iter().map(|cell| (replicate(cell), *cell)).collect();
    let pairs: Vec<_> = first.iter().filter_map(|cell| Some((*cell, *others.get(&replicate(cell))?))).collect();
    if pairs.is_empty() {
        return MatchedCells::First(first.first().copied().zip(second.first().copied()));
    }
    MatchedCells::Replicates(pairs)
}

impl<'s> MatchedCells<'s> {
    fn pairs(&self) -> &[(&'s SideCell, &'s SideCell)] {
        match self {
            Self::Replicates(pairs) => pairs,
            Self::First(pair) => pair.as_slice(),
        }
    }

    /// Returns the changes between the cells, each of them once.
    fn changes(&self, axes: &[String]) -> Vec<Change> {
        let mut found: Vec<Change> = Vec::new();
        for change in self.pairs().iter().flat_map(|(a, b)| changes_of_cells(a, b, axes)) {
            if !found.contains(&change) {
                found.push(change);
            }
        }
        found
    }
}

fn changes_of_cells(first: &SideCell, second: &SideCell, axes: &[String]) -> Vec<Change> {
    let is_relevant = |change: &Change| {
        let is_below = |axis: &String| change.what.strip_prefix(axis).is_some_and(|rest| rest.starts_with('.'));
        let is_ignored = change.what.split('.').any(|key| IGNORED_KEYS.contains(&key));
        !is_ignored && !axes.iter().any(|axis| change.what == *axis || is_below(axis) && axis != "embedding")
    };
    let mut found = Vec::new();
    if first.settings.get("data").is_some() && second.settings.get("data").is_some() {
        // If a cell hasn't run, only its embedding and its seed are known.
        found = changes(&first.settings, &second.settings);
        found.retain(is_relevant);
    }
    let (Some(a), Some(b)) = (&first.made_from, &second.made_from) else { return found };
    let facts = |of: &MadeFrom| {
        let MadeFrom { data, embedding, computation, device, arithmetic } = of;
        [
            (DATA, data.as_str().to_owned()),
            ("embedding digest", embedding.as_str().to_owned()),
            ("computation", computation.to_string()),
            ("device", format!("{device} {arithmetic}")),
        ]
    };
    let differing = facts(a).into_iter().zip(facts(b)).filter(|(a, b)| a != b);
    found.extend(differing.map(|((what, a), (_, b))| Change { what: what.to_owned(), old: Some(a), new: Some(b) }));
    found
}
