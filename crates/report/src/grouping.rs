//! Cells that differ only by their seed are one setting.
//!
//! Cells enter in the order of the plan; settings leave in the order of their first cells, each with a label
//! made of the axes that vary: `swivel-20 · tuned · dim 64`.

use std::collections::{BTreeMap, BTreeSet};

use emberline_base::record::{Cell, Outcome, Summary};
use serde_json::Value;

use crate::escape::shorten;

/// The axis that is repeated rather than compared.
pub(crate) const SEED: &str = "seed";

/// Longest label of an axis's value.
const VALUE_LENGTH: usize = 48;

/// The cells of one combination of all axes but the seed.
#[derive(Clone, Debug)]
pub(crate) struct Setting<'a> {
    /// What tells it from the other settings; unique, and user text.
    pub(crate) label: String,
    /// Its cells, one a seed, in the order of the plan.
    pub(crate) cells: Vec<&'a Cell>,
}

impl<'a> Setting<'a> {
    /// The finished cells.
    pub(crate) fn done(&self) -> impl Iterator<Item = (&'a Cell, &'a Outcome)> + '_ {
        self.cells.iter().filter_map(|cell| cell.outcome.as_ref().map(|outcome| (*cell, outcome)))
    }

    /// A metric by seed, of the finished cells that have it.
    pub(crate) fn by_seed(&self, metric: &str) -> BTreeMap<u64, f64> {
        self.done().filter_map(|(cell, o)| o.metrics.get(metric).map(|value| (cell.seed, *value))).collect()
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
    let axes: Vec<(&String, &Value)> = cell.settings.iter().filter(|(axis, _)| *axis != SEED).collect();
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

/// The axes but the seed that take several values among the cells, in the order of the file.
pub(crate) fn varying_axes(summary: &Summary) -> Vec<String> {
    let mut names: Vec<&String> = summary.axes.keys().collect();
    names.extend(summary.cells.iter().flat_map(|cell| cell.settings.keys()));
    let mut seen = BTreeSet::new();
    let varies = |axis: &String| {
        let mut values = summary.cells.iter().map(|cell| cell.settings.get(axis));
        let first = values.next();
        values.any(|value| Some(value) != first)
    };
    names.into_iter().filter(|axis| *axis != SEED && seen.insert(*axis) && varies(axis)).cloned().collect()
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
        assert_eq!(settings[0].by_seed("val_pr_auc").keys().copied().collect::<Vec<_>>(), [1, 2, 3]);
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
