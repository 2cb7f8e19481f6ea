//! Cells that differ only by their seed, or by the seed of the split, are one setting: replicates are averaged, never
//! ranked.
//!
//! Cells enter in the order of the plan; settings leave in the order of their first cells, each with a label
//! made of the axes that vary: `swivel-20 · tuned · dim 64`.

use std::collections::{BTreeMap, BTreeSet};

use emberline_base::record::{Cell, Outcome, Summary};
use serde_json::Value;

use crate::escape::shorten;

/// The seed of initialisation, order and dropout.
pub(crate) const SEED: &str = "seed";

/// The seed of the division into splits.
pub(crate) const SPLIT_SEED: &str = "data.split.seed";

/// The axes that are repeated rather than compared.
pub(crate) const REPLICATES: [&str; 2] = [SEED, SPLIT_SEED];

/// Longest label of an axis's value.
const VALUE_LENGTH: usize = 48;

/// Which repetition of a setting a cell is. Only cells of equal replicates are compared with each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Replicate {
    /// The seed of the split, where it is an axis.
    pub(crate) split: Option<String>,
    /// The seed of initialisation, order and dropout.
    pub(crate) seed: u64,
}

impl Replicate {
    fn of(cell: &Cell) -> Self {
        Self { split: cell.settings.get(SPLIT_SEED).map(Value::to_string), seed: cell.seed }
    }
}

/// The values of a metric by replicate.
pub(crate) type Values = BTreeMap<Replicate, f64>;

/// The cells of one combination of all axes but the replicates.
#[derive(Clone, Debug)]
pub(crate) struct Setting<'a> {
    /// What tells it from the other settings; unique, and user text.
    pub(crate) label: String,
    /// Its cells, one per replicate, in the order of the plan.
    pub(crate) cells: Vec<&'a Cell>,
}

impl<'a> Setting<'a> {
    /// The finished cells.
    pub(crate) fn done(&self) -> impl Iterator<Item = (&'a Cell, &'a Outcome)> + '_ {
        self.cells.iter().filter_map(|cell| cell.outcome.as_ref().map(|outcome| (*cell, outcome)))
    }

    /// A metric by replicate, of the finished cells that have it.
    pub(crate) fn by_replicate(&self, metric: &str) -> Values {
        self.done().filter_map(|(cell, o)| o.metrics.get(metric).map(|value| (Replicate::of(cell), *value))).collect()
    }

    /// A metric of the finished cells that have it, in the order of the plan.
    pub(crate) fn values(&self, metric: &str) -> Vec<f64> {
        self.done().filter_map(|(_, outcome)| outcome.metrics.get(metric).copied()).collect()
    }
}

/// Gathers the cells of a run into settings.
pub(crate) fn settings(summary: &Summary) -> Vec<Setting<'_>> {
    let names = Names::of(summary);
    let mut index = BTreeMap::new();
    let mut settings: Vec<Setting<'_>> = Vec::new();
    for cell in &summary.cells {
        let place = *index.entry(key(cell)).or_insert(settings.len());
        match settings.get_mut(place) {
            Some(setting) => setting.cells.push(cell),
            None => settings.push(Setting { label: names.label(cell), cells: vec![cell] }),
        }
    }
    make_unique(&mut settings);
    settings
}

/// Equal for the cells of one setting.
fn key(cell: &Cell) -> String {
    let axes: Vec<(&String, &Value)> = cell.settings.iter().filter(|(axis, _)| !is_replicate(axis)).collect();
    let key = serde_json::to_string(&(axes, &cell.embedding, cell.trainable));
    key.unwrap_or_default()
}

fn make_unique(settings: &mut [Setting<'_>]) {
    let mut taken = BTreeSet::new();
    for setting in settings {
        let base = setting.label.clone();
        let mut number = 1;
        while !taken.insert(setting.label.clone()) {
            number += 1;
            setting.label = format!("{base} ({number})");
        }
    }
}

/// The axes that vary, with the words that labels call them by.
struct Names {
    axes: Vec<(String, String)>,
}

impl Names {
    fn of(summary: &Summary) -> Self {
        let axes = varying_axes(summary);
        let short = |axis: &str| axis.rsplit('.').next().unwrap_or(axis).to_owned();
        let is_shared = |axis: &str| axes.iter().filter(|other| short(other) == short(axis)).count() > 1;
        let named = axes.iter().map(|axis| (axis.clone(), if is_shared(axis) { axis.clone() } else { short(axis) }));
        Self { axes: named.collect() }
    }

    fn label(&self, cell: &Cell) -> String {
        if self.axes.is_empty() {
            return format!("{} · {}", cell.embedding, tuning(cell.trainable));
        }
        let parts = self.axes.iter().map(|(axis, name)| match (axis.as_str(), cell.settings.get(axis)) {
            ("embedding", _) => cell.embedding.clone(),
            ("embedding.trainable", _) => tuning(cell.trainable).to_owned(),
            (_, value) => format!("{name} {}", value.map(value_text).unwrap_or_default()),
        });
        parts.collect::<Vec<_>>().join(" · ")
    }
}

/// The axes but the replicates that take several values among the cells, in the order of the file.
pub(crate) fn varying_axes(summary: &Summary) -> Vec<String> {
    let mut names: Vec<&String> = summary.axes.keys().collect();
    names.extend(summary.cells.iter().flat_map(|cell| cell.settings.keys()));
    let mut seen = BTreeSet::new();
    let compared = names.into_iter().filter(|axis| !is_replicate(axis) && seen.insert(*axis) && varies(summary, axis));
    compared.cloned().collect()
}

/// Whether an axis is repeated rather than compared.
fn is_replicate(axis: &str) -> bool {
    REPLICATES.contains(&axis)
}

/// Whether an axis takes several values among the cells.
pub(crate) fn varies(summary: &Summary, axis: &str) -> bool {
    let mut values = summary.cells.iter().map(|cell| cell.settings.get(axis));
    let first = values.next();
    values.any(|value| Some(value) != first)
}

/// What the replicates of a run are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ReplicateNames {
    /// One of them.
    pub(crate) one: &'static str,
    /// Several.
    pub(crate) many: &'static str,
    /// What pairs of settings are compared over: splits, where there are several.
    pub(crate) pair: &'static str,
    /// Where differences show, after "differ".
    pub(crate) across: &'static str,
}

impl ReplicateNames {
    /// By the axes that vary.
    pub(crate) fn of(summary: &Summary) -> Self {
        let across = "across these splits";
        match (varies(summary, SPLIT_SEED), varies(summary, SEED)) {
            (false, _) => Self { one: "seed", many: "seeds", pair: "seed", across: "across seeds on these rows" },
            (true, false) => Self { one: "split", many: "splits", pair: "split", across },
            (true, true) => Self { one: "replicate", many: "replicates", pair: "split", across },
        }
    }
}

/// How a label calls `trainable`.
pub(crate) fn tuning(trainable: bool) -> &'static str {
    if trainable { "tuned" } else { "frozen" }
}

/// A value of an axis for people: tables lose their braces and quotes.
pub(crate) fn value_text(value: &Value) -> String {
    shorten(&bare(value), VALUE_LENGTH)
}

fn bare(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(bare).collect::<Vec<_>>().join(", ")),
        Value::Object(table) => {
            table.iter().map(|(key, value)| format!("{key} {}", bare(value))).collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn cells_gather_by_all_axes_but_the_seed() {
        let run = sample::course();
        let settings = settings(&run.summary);
        let labels: Vec<&str> = settings.iter().map(|setting| setting.label.as_str()).collect();
        assert_eq!(labels[..2], ["swivel-20 · frozen", "swivel-20 · tuned"]);
        assert_eq!((labels.len(), settings[0].cells.len()), (6, 3));
        let seeds: Vec<u64> = settings[0].by_replicate("val_pr_auc").keys().map(|replicate| replicate.seed).collect();
        assert_eq!(seeds, [1, 2, 3]);
    }

    #[test]
    fn the_seed_of_the_split_makes_no_setting() {
        let run = sample::of_splits();
        let settings = settings(&run.summary);
        let labels: Vec<&str> = settings.iter().map(|setting| setting.label.as_str()).collect();
        assert_eq!(labels, ["swivel-20", "nnlm-128"]);
        assert!(settings.iter().all(|setting| setting.by_replicate("val_pr_auc").len() == 6));
        assert_eq!(varying_axes(&run.summary), ["embedding"]);
        assert_eq!(ReplicateNames::of(&run.summary).many, "replicates");
    }

    #[test]
    fn a_run_without_axes_is_labelled_by_its_embedding() {
        assert_eq!(settings(&sample::single().summary)[0].label, "swivel-20 · frozen");
    }

    #[test]
    fn equal_labels_are_told_apart() {
        let mut run = sample::sweep();
        for (index, cell) in run.summary.cells.iter_mut().enumerate() {
            let value = format!("{}{index}", "x".repeat(100));
            cell.settings.insert("head.layers".to_owned(), Value::String(value));
        }
        let settings = settings(&run.summary);
        let labels: BTreeSet<&String> = settings.iter().map(|setting| &setting.label).collect();
        assert_eq!(labels.len(), run.summary.cells.len());
    }

    #[test]
    fn tables_are_named_without_braces() {
        let value = serde_json::json!([{"dense": 256, "activation": "relu"}, {"dropout": 0.1}]);
        assert_eq!(value_text(&value), "[dense 256 activation relu, dropout 0.1]");
    }
}
